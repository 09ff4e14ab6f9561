/* SPDX-License-Identifier: GPL-2.0-only */
/* trace_command - `sonde trace`, with the options of bpftrace. Returns the exit code. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/span.h"

struct script_options;

int trace_command(int argc, char **argv);

/* Runs a script with JSON lines to `out`, and answers what is asked over `control` (see box.h); or only compiles it and
 * says what its maps and options are. Messages go to stderr. */
int trace_for_agent(const struct script_options *options, struct span text, bool only_describe,
		    FILE *out, int control);
