/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * code - the programs and libraries that processes of this machine run, each file once.
 *
 * A probe is put into a file, not into a process: whoever maps the file has it, also later. So it is enough to
 * find each file once, soon after the first process that maps it begins. A process is looked at when it is new or has become
 * another program, again after 2 and 10 seconds (what it loads by dlopen at its start), then every minute; a limited
 * number of processes each second. Files are opened as what the process has mapped, in whatever mount namespace, and though the
 * path leads elsewhere by now (an upgrade) or nowhere. Two containers of one image share its files: a file is known by inode,
 * size and times, not by its device, which differs between them.
 */
#pragma once

#include "kernel/kernel.h"
#include "world/symbol/mappings.h"
#include "world/world.h"

struct code; /* the table */

struct code_file {
	uint64_t inode, size, changed_ns, modified_ns; /* what it is known by */
	char name[64]; /* last part of its path, as the first process had it */
	bool is_program; /* that process ran it; else it was loaded */
	uint32_t pid; /* a process that has it */
	uint64_t seen_ns;
	void *user; /* of who asked */
};

struct code_ops {
	/* Is a file of that name worth opening? `is_program`: it is what the process runs. Asked often. */
	bool (*wants)(void *ctx, struct span name, bool is_program);
	/* A file that was not there before; `fd` is borrowed. */
	void (*found)(void *ctx, struct code_file *file, int fd);
	/* No process has had it for some minutes, or the table is given up. */
	void (*gone)(void *ctx, struct code_file *file);
};

struct code *code_new(struct kernel *kernel, struct world *world, const struct code_ops *ops,
		      void *ctx);
void code_free(struct code *code);

/* Once a second. */
void code_tick(struct code *code, uint64_t now_ns);

/* A file that may be there though nobody runs it yet: a library's usual path, as this machine's first process sees it. */
void code_try(struct code *code, const char *path, uint64_t now_ns);

/* Files: `size_t at = 0; while ((file = code_next(code, &at)))`. */
struct code_file *code_next(const struct code *code, size_t *at);

struct code_counts {
	uint64_t looks, look_ns; /* at processes */
	uint64_t opened; /* files */
	uint64_t refused; /* files that found the table full */
};
void code_counts(const struct code *code, struct code_counts *ret_counts);
