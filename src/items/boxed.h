/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boxed - a script in a process of its own (trace/box.h), as the agent sees it: its lines, its limits, its end.
 *
 * Lines are read in the loop. Whoever can't take more pauses it: the script's process then waits in its write, its ring
 * fills, and it counts what is lost. Nothing grows here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct boxed;
struct event_base;
struct kernel;

struct boxed_options {
	struct span job; /* JSON, see trace/box.h; borrowed for the call */
	uint64_t duration_ns; /* after this time it is told to stop; 0 = never */
	double overhead; /* share of one CPU that its programs may take; 0 = any */
	/* One line: `type` of the record, and all of it. Borrowed for the call. */
	void (*line)(void *ctx, struct span type, struct span line);
	/* It is over and nothing more comes; `why` it was ended by us, or "". The callee may free it. */
	void (*end)(void *ctx, int code, const char *why);
	void *ctx;
};

/* Starts it. It compiles and attaches by itself: what it says of that are lines. 0 or -errno. */
int boxed_start(struct kernel *kernel, struct event_base *loop, const struct boxed_options *options,
		struct boxed **ret_boxed, struct err *why);
/* Waits, outside of the loop, for a line of that type ("attached_probes", "cost"). False: it ended, or took longer. Lines
 * are handed on meanwhile, and so is the end: it must not free it here. */
bool boxed_wait(struct boxed *boxed, const char *type, int timeout_ms);
/* "series", "cost" or "stop". */
void boxed_say(struct boxed *boxed, const char *word);
void boxed_pause(struct boxed *boxed, bool pause);
/* Appends the text of a line's "data" (of "message" what is meant for people). False when it is no text. */
bool boxed_text(struct span line, struct buf *out);
/* Its process ends with it. NULL is fine. */
void boxed_free(struct boxed *boxed);
