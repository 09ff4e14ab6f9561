/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * elf - sections and symbols of a BPF object, which may be a stranger's.
 *
 * Only what clang and bpftool write is taken: ELF64, little endian, relocatable, machine BPF. Every offset,
 * size and name is checked against the bytes at hand when it is asked for; nothing is kept but the
 * borrowed bytes.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

enum { ELF_OBJECT_BYTES = 16 << 20, ELF_SECTIONS = 4096, ELF_SYMBOLS = 65536 };

struct elf {
	struct span bytes; /* borrowed */
	uint32_t sections; /* how many */
	uint32_t symbols;
	uint64_t sections_at; /* offset of the section headers */
	struct span section_names, symbol_names, symbol_table;
};

struct elf_section {
	const char *name; /* "" when it has none that ends */
	struct span bytes; /* empty when the file has none (SHT_NOBITS) */
	uint32_t type, info;
	uint32_t entry; /* bytes of one entry of a table */
	uint32_t link;
	bool is_code;
};

struct elf_symbol {
	const char *name;
	uint32_t section; /* index, 0 = not defined here */
	uint64_t value; /* offset in the section */
	uint64_t size; /* bytes */
	bool is_function;
};

int bpf_elf_open(struct elf *elf, const void *bytes, size_t size, struct err *why);

/* False for an index that is none, or contents that lie outside the file. */
bool elf_section(const struct elf *elf, uint32_t index, struct elf_section *ret);
bool elf_section_named(const struct elf *elf, const char *name, struct elf_section *ret);

bool elf_symbol(const struct elf *elf, uint32_t index, struct elf_symbol *ret);
/* The first one that is defined in this object. ret_index may be NULL. */
bool elf_symbol_named(const struct elf *elf, const char *name, struct elf_symbol *ret,
		      uint32_t *ret_index);

/* Does code refer to this symbol (in a relocation)? */
bool elf_symbol_is_used(const struct elf *elf, uint32_t index);
