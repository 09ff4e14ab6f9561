/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * go - functions of Go programs, also of stripped ones: by the table that Go's own stack traces need (.gopclntab), which no
 * strip takes away. Of Go 1.18 and later.
 */
#pragma once

#include "base/elf_file.h"

enum { GO_RETURNS = 64 };

struct go_table {
	const uint8_t *at; /* in the ELF's pieces */
	uint64_t size;
	uint64_t text; /* address from which functions are counted */
	uint64_t functions;
	uint64_t names_at, functions_at; /* in the table */
};

struct go_function {
	uint64_t offset, size; /* in the file */
	uint64_t returns[GO_RETURNS]; /* offsets in the file of its return instructions */
	uint32_t return_count;
};

/* False: not a Go program, or of a version whose table is another. */
bool go_open(const struct elf *elf, struct go_table *ret_table);

/* Go's stacks move, so a return can't be probed but where it stands. False: there is no such function, or its
 * instructions are not understood to the end. */
bool go_find(const struct elf *elf, const struct go_table *table, const char *name,
	     struct go_function *ret_function);

/* Where it begins in the file, whatever its instructions are. */
bool go_find_begin(const struct elf *elf, const struct go_table *table, const char *name,
		   uint64_t *ret_offset);
