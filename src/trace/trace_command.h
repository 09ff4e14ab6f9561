/* SPDX-License-Identifier: GPL-2.0-only */
/* trace_command - `sonde trace`, with the options of bpftrace. Returns the exit code. */
#pragma once

int trace_command(int argc, char **argv);
