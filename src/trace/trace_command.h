/* SPDX-License-Identifier: GPL-2.0-only */
/* trace_command - `sonde trace`, with the options of bpftrace. Returns the exit code. */
#pragma once

#include <stdio.h>

#include "base/span.h"

struct script_options;

int trace_command(int argc, char **argv);

/* Runs a script with JSON lines to `out`, and answers what is asked over `control` (see box.h). Messages go to stderr. */
int trace_for_agent(const struct script_options *options, struct span text, FILE *out, int control);
