/* SPDX-License-Identifier: GPL-2.0-only */
/* elf_file - symbols and segments of a 64-bit little-endian ELF file; any bytes may come. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct elf {
	struct span bytes; /* mapped; owned */
	uint16_t type; /* ET_EXEC, ET_DYN */
};

struct elf_symbol {
	const char *name; /* in the file */
	uint64_t value, size;
	bool is_function;
};

struct elf_walk {
	uint16_t section;
	uint64_t index;
};

/* 0 or -errno. */
int elf_open(struct elf *elf, const char *path);
int elf_over(struct elf *elf, struct span bytes);
void elf_close(struct elf *elf);

/* All defined symbols of .symtab and .dynsym; `walk` begins as zero. */
bool elf_next(const struct elf *elf, struct elf_walk *walk, struct elf_symbol *ret_symbol);
/* The function (or else object) of that name. */
bool elf_find(const struct elf *elf, const char *name, struct elf_symbol *ret_symbol);

struct elf_note {
	uint32_t type;
	struct span name, desc; /* name without its ending 0 */
};

/* The notes of a section; `at` begins as 0. */
bool elf_next_note(const struct elf *elf, const char *section, size_t *at,
		   struct elf_note *ret_note);
/* Where a section was linked to lie. */
bool elf_section_address(const struct elf *elf, const char *name, uint64_t *ret_address);

/* Between addresses as linked and bytes of the file; by the loadable segments. */
bool elf_offset_of(const struct elf *elf, uint64_t address, uint64_t *ret_offset);
bool elf_address_of(const struct elf *elf, uint64_t offset, uint64_t *ret_address);
