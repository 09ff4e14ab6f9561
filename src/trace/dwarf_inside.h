/* SPDX-License-Identifier: GPL-2.0-only */
/* dwarf_inside - what the three files of dwarf share: reading bytes, units, entries. */
#pragma once

#include "base/elf_file.h"
#include "base/map.h"
#include "trace/dwarf.h"

enum {
	DWARF_UNITS_MAX = 1 << 18,
	DWARF_ENTRIES_MAX = 1 << 26, /* looked at for one question */
	DWARF_DEPTH_MAX = 64, /* types in types */
	DWARF_TYPES_MAX = 1 << 18,
	ABBREVIATIONS_MAX = 1 << 16,
	ATTRIBUTES_MAX = 64
};

/* DWARF 5, 7.5: the numbers of what we look at. */
enum {
	TAG_ARRAY = 0x01,
	TAG_CLASS = 0x02,
	TAG_ENUMERATION = 0x04,
	TAG_PARAMETER = 0x05,
	TAG_MEMBER = 0x0d,
	TAG_POINTER = 0x0f,
	TAG_REFERENCE = 0x10,
	TAG_STRUCTURE = 0x13,
	TAG_SUBROUTINE = 0x15,
	TAG_TYPEDEF_ = 0x16,
	TAG_UNION_ = 0x17,
	TAG_INHERITANCE = 0x1c,
	TAG_SUBRANGE = 0x21,
	TAG_BASE = 0x24,
	TAG_CONST = 0x26,
	TAG_ENUMERATOR = 0x28,
	TAG_SUBPROGRAM = 0x2e,
	TAG_VOLATILE = 0x35,
	TAG_RESTRICT = 0x37,
	TAG_RVALUE_REFERENCE = 0x42,
	TAG_ATOMIC = 0x47,
};

/* One entry, with the attributes that we ask for. */
struct entry {
	uint64_t at, next; /* offsets in .debug_info */
	uint32_t tag; /* 0: the end of a list of children */
	bool has_children, is_declaration;
	const char *name, *linkage_name; /* in the file; NULL: none */
	uint64_t type, origin; /* offsets of entries; 0: none */
	uint64_t byte_size, member_at, bit_size, data_bit_offset, bit_offset;
	uint64_t count; /* of a subrange */
	bool has_count, has_bits, has_data_bit_offset;
	uint32_t encoding;
	int64_t value; /* of an enumerator */
};

struct unit {
	uint64_t start, entries, end; /* offsets in .debug_info */
	uint64_t abbreviations;
	uint64_t str_offsets; /* where this unit's begin */
	uint16_t version;
	uint8_t address_size, offset_size;
};

struct abbreviation {
	uint32_t tag, attributes; /* attributes: offset in .debug_abbrev */
	bool has_children;
};

struct enumerator {
	struct enumerator *next;
	const char *name, *enum_name;
	const struct type *type;
	int64_t value;
};

struct dwarf {
	struct arena *arena; /* borrowed */
	struct elf elf;
	struct span info, abbrev, str, line_str, line, str_offsets;
	struct unit *units; /* owned */
	uint32_t unit_count;
	struct abbreviation *table; /* owned: of the unit with these abbreviations */
	uint32_t table_size;
	uint64_t table_of; /* + 1 */
	struct map types; /* offset of an entry -> const struct type * */
	struct enumerator *enumerators;
};

/* Reads on; what is not there reads as 0 and is_bad. */
struct reader {
	const uint8_t *at, *end;
	bool is_bad;
};

struct reader reader_at(struct span span, uint64_t offset, uint64_t end);
uint64_t read_bytes(struct reader *reader, uint32_t size);
uint64_t read_unsigned(struct reader *reader); /* LEB128 */
int64_t read_signed(struct reader *reader);
const char *read_text(struct reader *reader);
/* The text at an offset of a section, NULL when it does not end in it. */
const char *text_at(struct span section, uint64_t offset);
/* One value of a form in the manner of lines' tables: a number or a text. */
bool read_form(const struct dwarf *dwarf, const struct unit *unit, struct reader *reader,
	       uint64_t form, int64_t implicit, uint64_t *ret_number, const char **ret_text);

const struct unit *unit_of(const struct dwarf *dwarf, uint64_t offset);
bool entry_at(struct dwarf *dwarf, const struct unit *unit, uint64_t offset,
	      struct entry *ret_entry);
/* The type of the entry there; never NULL. */
const struct type *type_of_entry(struct dwarf *dwarf, uint64_t offset, int depth);
/* "const char*": as C names it. */
void shown_of_entry(struct dwarf *dwarf, uint64_t offset, struct buf *out, int depth);
