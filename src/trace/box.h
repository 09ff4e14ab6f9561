/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * box - a script that runs for an agent, in a process of its own.
 *
 * The agent's broker forks it (kernel/broker.h), it keeps what tracing needs and gives up the rest (split_confine): it
 * reads any file but writes none, starts no program, and reaches the agent only through one socket. A script that
 * crashes, blocks or eats its memory takes nothing with it.
 *
 * What goes over the socket, a line each:
 *	to the script	series		say what the maps hold now, then what it costs
 *			cost		say what it costs
 *			stop		run the end probes, print the maps, end
 *	from it		{"type": ..., "data": ...} as of -f json, and
 *			{"type": "message", "data": "a line meant for people"}
 *			{"type": "series", "data": {"map": "x", "kind": "count", "series": [...]}}	(output_series)
 *			{"type": "cost", "data": {"runs": 1, "run_ns": 2, "events": 3, "lost": 0, "refused": 0}}
 *				runs and run_ns grow while the kernel's statistics are on
 *			{"type": "end", "data": {"code": 0}}
 */
#pragma once

#include "base/span.h"

/*
 * Reads the job from JSON and runs it to its end. Takes over `sock` and the standard streams of this process. Returns
 * the exit code. The job:
 *	{"name": "x.bt", "program": "...", "params": ["1"], "named": {"n": "5"}, "check": false}
 * check: it is only compiled, and says {"type": "description", "data": {"maps": [...], "options": [...]}}.
 */
int box_run(int sock, struct span job);
