/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_symbols - names of the kernel's functions: "vfs_read+0x5" for an address in one.
 *
 * The list is read through the broker when the first name is asked for (some 10 MB). Modules come and go: for an address
 * outside of the kernel's own text it is read anew, at most once a minute.
 */
#pragma once

#include "base/kallsyms.h"
#include "kernel/kernel.h"

struct kernel_symbols {
	struct kallsyms *list; /* owned, NULL = not read yet, or not readable */
	uint64_t read_ns; /* CLOCK_MONOTONIC, when it was tried last; 0 = never */
	uint64_t text, text_end; /* of the kernel itself */
	char name[160]; /* the last one that was told */
};

/* Lives until the next call; empty when it is not known. */
struct span kernel_symbols_name(struct kernel_symbols *symbols, struct kernel *kernel,
				uint64_t addr);
void kernel_symbols_done(struct kernel_symbols *symbols);
