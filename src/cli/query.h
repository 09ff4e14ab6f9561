/* SPDX-License-Identifier: GPL-2.0-only */
/* query - `sonde query`: PromQL over the history of metrics, or a filter over the records of an item. */
#pragma once

#include "cli/command.h"

extern const struct option_help query_options[]; /* ends with flags NULL */
int query_command(int argc, char **argv);
