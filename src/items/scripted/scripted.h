/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scripted - a program of the tracing language as an item: its maps are metrics and rows, what it prints are records.
 *
 *	// Counts openat calls.			the first comment is the item's help
 *	// @opens[process]: files opened		labels of a map's key, and its help; else key0, key1 ...
 *	tracepoint:syscalls:sys_enter_openat { @opens[comm] = count(); }
 *
 * As item x: the gauge sonde_x_opens{process}; hist() and lhist() are histograms; avg() and stats() are averages, with
 * _count and _sum beside them; the map without a name is sonde_x. `sonde x` shows the maps, GET /v1/records/x?source=recent what was printed (kind
 * `line`). The script runs in a process of its own (items/boxed.h) and is compiled there; it is let go of when its
 * programs take more than 5 % of a CPU.
 */
#pragma once

#include "items/item.h"

struct kernel;
struct event_base;
struct scripted;

/* Compiles it, for its maps and options. On failure `why` is what the compiler said first, with its place. */
int scripted_new(const char *name, struct span text, struct kernel *kernel, struct event_base *loop,
		 struct scripted **ret_script, struct err *why);
void scripted_free(struct scripted *script);

/* Borrowed. For an item whose `script` (items/private.h) it is. */
const struct item_ops *scripted_ops(const struct scripted *script);
struct span scripted_text(const struct scripted *script);

/* Options that the script asks for (getopt), from 0 until NULL; their values as text, "" = the script's own default. */
const char *scripted_option(const struct scripted *script, size_t i);
int scripted_set(struct scripted *script, struct span option, struct span value, struct err *why);
const char *scripted_get(const struct scripted *script, struct span option);
