/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probed - an item's probes in every copy of a program or library: on this machine and in its containers, now and later.
 *
 * Files are found by what processes map (world/symbol/code.h). For each one the item says what it wants in it; the probes stay
 * until no process has had the file for some minutes, or the item is off. When another version of the item's programs runs,
 * all files are probed anew.
 */
#pragma once

#include "base/elf_file.h"
#include "items/item.h"
#include "kernel/kernel.h"

struct probed; /* the files, and their probes */
struct probed_file; /* one that is being probed */

struct probed_ops {
	/* Is a file of that name worth opening? Asked often. */
	bool (*wants)(struct span name, bool is_program);
	/* A file that was not there before: probed_function, probed_usdt. */
	void (*probe)(struct probed_file *file, const struct elf *elf);
	/* Paths that are probed before anybody runs them, for what lives shorter than a second; ends with NULL. May be NULL. */
	const char *const *usual;
};

/* What struct item_ops wants of such an item; the state is struct probed. */
int probed_start(struct item *item, const struct probed_ops *ops, void **ret_state,
		 struct err *why);
/* All files are probed anew. */
int probed_replaced(struct item *item, void **state, struct object *old, struct err *why);
void probed_tick(struct item *item, void *state, uint64_t now_ns);
void probed_stop(struct item *item, void *state);

/* The file's function runs `program`, an "uprobe" or "uretprobe" without a target; false: it has no such function, or it
 * can't be probed (counted). */
bool probed_function(struct probed_file *file, const struct elf *elf, const char *function,
		     const char *program, bool at_return);
/* So does every place of the file's probe ("usdt" without a target): how many. */
uint32_t probed_usdt(struct probed_file *file, const struct elf *elf, const char *provider,
		     const char *name, const char *program);
/* A place in the file runs `program`, an "uprobe" without a target. */
bool probed_offset(struct probed_file *file, uint64_t offset, const char *program);
struct item *probed_item(const struct probed_file *file);
/* The last part of its path. */
const char *probed_name(const struct probed_file *file);
