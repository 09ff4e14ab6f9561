/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * elf_file - symbols, segments and notes of a 64-bit little-endian ELF file; any bytes may come.
 *
 * The bytes are at hand (elf_over), or read piece by piece out of a file as they are asked for: a file that is not ours
 * may be cut while we look, and reading it as memory would then kill us. Pieces are kept until elf_close;
 * together at most ELF_PIECES_BYTES.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum { ELF_PIECES = 64, ELF_PIECES_BYTES = 96 << 20 };

struct elf_piece {
	uint64_t offset, size;
	uint8_t *at; /* owned */
};

struct elf {
	struct span bytes; /* borrowed; empty when the file is read */
	int fd; /* owned; -1 = elf_over */
	uint64_t size; /* of the file */
	uint16_t type; /* ET_EXEC, ET_DYN */
	uint16_t sections, segments;
	uint64_t sections_at, segments_at;
	uint32_t names_at; /* which section has the names of sections */
	struct elf_piece *pieces; /* owned: ELF_PIECES */
	uint32_t piece_count;
	uint64_t piece_bytes;
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

/* 0 or -errno. `elf` is to be closed in any case but those. */
int elf_open(struct elf *elf, const char *path);
int elf_open_fd(struct elf *elf, int fd); /* takes the descriptor over, also when it fails */
int elf_over(struct elf *elf, struct span bytes);
void elf_close(struct elf *elf);

/* All defined symbols of .symtab and .dynsym; `walk` begins as zero. */
bool elf_next_symbol(const struct elf *elf, struct elf_walk *walk, struct elf_symbol *ret_symbol);
/* The function (or else object) of that name. */
bool elf_find(const struct elf *elf, const char *name, struct elf_symbol *ret_symbol);

struct elf_note {
	uint32_t type;
	struct span name, desc; /* name without its ending 0 */
};

/* The notes of a section; `at` begins as 0. */
bool elf_next_note(const struct elf *elf, const char *section, size_t *at,
		   struct elf_note *ret_note);
/* Bytes of the file; NULL when they are not all there, or more than is kept. */
const void *elf_part(const struct elf *elf, uint64_t offset, uint64_t size);

struct elf_section {
	uint64_t address, offset, size;
	uint32_t type, link;
};
bool elf_section_find(const struct elf *elf, const char *name, struct elf_section *ret_section);
/* Loadable segments with code, by index; false behind the last. */
struct elf_segment {
	uint64_t address, offset, size;
	bool is_code;
};
bool elf_segment(const struct elf *elf, uint32_t *index, struct elf_segment *ret_segment);

/* Where a section was linked to lie. */
bool elf_section_address(const struct elf *elf, const char *name, uint64_t *ret_address);

/* Between addresses as linked and bytes of the file; by the loadable segments. */
bool elf_offset_of(const struct elf *elf, uint64_t address, uint64_t *ret_offset);
bool elf_address_of(const struct elf *elf, uint64_t offset, uint64_t *ret_address);
