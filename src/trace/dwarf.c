// SPDX-License-Identifier: GPL-2.0-only
/*
 * dwarf - units and entries of .debug_info, and the questions that are asked of them.
 *
 * Entries lie in a row; children follow their parent and end with a zero. A question walks the row from its beginning
 * and looks at every entry once: no index is made, for a script asks a few questions and ends.
 */
#include "trace/dwarf.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/dwarf_inside.h"

/* --- bytes --- */

struct reader reader_at(struct span span, uint64_t offset, uint64_t end)
{
	if (end > span.len)
		end = span.len;
	if (offset > end)
		return (struct reader){.is_bad = true};
	return (struct reader){span.at + offset, span.at + end, false};
}

uint64_t read_bytes(struct reader *reader, uint32_t size)
{
	uint64_t number = 0;

	if (reader->is_bad || (uint64_t)(reader->end - reader->at) < size) {
		reader->is_bad = true;
		return 0;
	}
	memcpy(&number, reader->at, size < 8 ? size : 8);
	reader->at += size;
	return number;
}

uint64_t read_unsigned(struct reader *reader)
{
	uint64_t number = 0;

	for (uint32_t shift = 0;; shift += 7) {
		uint64_t byte = read_bytes(reader, 1);

		if (shift < 64)
			number |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return number;
	}
}

int64_t read_signed(struct reader *reader)
{
	uint64_t number = 0;

	for (uint32_t shift = 0;;) {
		uint64_t byte = read_bytes(reader, 1);

		if (shift < 64)
			number |= (byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (shift < 64 && (byte & 0x40))
			number |= ~0ull << shift;
		return (int64_t)number;
	}
}

const char *read_text(struct reader *reader)
{
	const uint8_t *text = reader->at;
	const uint8_t *end =
		reader->is_bad ? NULL : memchr(text, 0, (size_t)(reader->end - reader->at));

	if (!end) {
		reader->is_bad = true;
		return NULL;
	}
	reader->at = end + 1;
	return (const char *)text;
}

const char *text_at(struct span section, uint64_t offset)
{
	struct reader reader = reader_at(section, offset, section.len);

	return read_text(&reader);
}

/* --- forms (DWARF 5, 7.5.6) --- */

enum {
	FORM_ADDR = 0x01,
	FORM_BLOCK2 = 0x03,
	FORM_BLOCK4 = 0x04,
	FORM_DATA2 = 0x05,
	FORM_DATA4 = 0x06,
	FORM_DATA8 = 0x07,
	FORM_STRING = 0x08,
	FORM_BLOCK = 0x09,
	FORM_BLOCK1 = 0x0a,
	FORM_DATA1 = 0x0b,
	FORM_FLAG = 0x0c,
	FORM_SDATA = 0x0d,
	FORM_STRP = 0x0e,
	FORM_UDATA = 0x0f,
	FORM_REF_ADDR = 0x10,
	FORM_REF1 = 0x11,
	FORM_REF2 = 0x12,
	FORM_REF4 = 0x13,
	FORM_REF8 = 0x14,
	FORM_REF_UDATA = 0x15,
	FORM_INDIRECT = 0x16,
	FORM_SEC_OFFSET = 0x17,
	FORM_EXPRLOC = 0x18,
	FORM_FLAG_PRESENT = 0x19,
	FORM_STRX = 0x1a,
	FORM_ADDRX = 0x1b,
	FORM_REF_SUP4 = 0x1c,
	FORM_STRP_SUP = 0x1d,
	FORM_DATA16 = 0x1e,
	FORM_LINE_STRP = 0x1f,
	FORM_REF_SIG8 = 0x20,
	FORM_IMPLICIT_CONST = 0x21,
	FORM_LOCLISTX = 0x22,
	FORM_RNGLISTX = 0x23,
	FORM_REF_SUP8 = 0x24,
	FORM_STRX1 = 0x25,
	FORM_STRX4 = 0x28,
	FORM_ADDRX1 = 0x29,
	FORM_ADDRX4 = 0x2c,
	FORM_GNU_REF_ALT = 0x1f20,
	FORM_GNU_STRP_ALT = 0x1f21,
	OP_PLUS_UCONST = 0x23,
};

static const char *indexed_text(const struct dwarf *dwarf, const struct unit *unit, uint64_t index)
{
	struct reader reader;

	if (index > dwarf->str_offsets.len)
		return NULL;
	reader = reader_at(dwarf->str_offsets, unit->str_offsets + index * unit->offset_size,
			   dwarf->str_offsets.len);
	return text_at(dwarf->str, read_bytes(&reader, unit->offset_size));
}

/* A block is taken for its offset when it is the one operation that members use. */
static uint64_t read_block(struct reader *reader, uint64_t size)
{
	struct reader inside = *reader;

	if (reader->is_bad || (uint64_t)(reader->end - reader->at) < size) {
		reader->is_bad = true;
		return 0;
	}
	inside.end = inside.at + size;
	reader->at += size;
	if (size < 2 || read_bytes(&inside, 1) != OP_PLUS_UCONST)
		return 0;
	return read_unsigned(&inside);
}

static bool read_text_form(const struct dwarf *dwarf, const struct unit *unit,
			   struct reader *reader, uint64_t form, const char **ret_text)
{
	switch (form) {
	case FORM_STRING: *ret_text = read_text(reader); return true;
	case FORM_STRP:
		*ret_text = text_at(dwarf->str, read_bytes(reader, unit->offset_size));
		return true;
	case FORM_LINE_STRP:
		*ret_text = text_at(dwarf->line_str, read_bytes(reader, unit->offset_size));
		return true;
	case FORM_STRX: *ret_text = indexed_text(dwarf, unit, read_unsigned(reader)); return true;
	default: break;
	}
	if (form < FORM_STRX1 || form > FORM_STRX4)
		return false;
	*ret_text =
		indexed_text(dwarf, unit, read_bytes(reader, (uint32_t)(form - FORM_STRX1 + 1)));
	return true;
}

bool read_form(const struct dwarf *dwarf, const struct unit *unit, struct reader *reader,
	       uint64_t form, int64_t implicit, uint64_t *ret_number, const char **ret_text)
{
	*ret_number = 0;
	*ret_text = NULL;
	if (form == FORM_INDIRECT)
		form = read_unsigned(reader);
	if (read_text_form(dwarf, unit, reader, form, ret_text))
		return !reader->is_bad;
	switch (form) {
	case FORM_ADDR: *ret_number = read_bytes(reader, unit->address_size); break;
	case FORM_BLOCK1: *ret_number = read_block(reader, read_bytes(reader, 1)); break;
	case FORM_BLOCK2: *ret_number = read_block(reader, read_bytes(reader, 2)); break;
	case FORM_BLOCK4: *ret_number = read_block(reader, read_bytes(reader, 4)); break;
	case FORM_BLOCK:
	case FORM_EXPRLOC: *ret_number = read_block(reader, read_unsigned(reader)); break;
	case FORM_DATA1:
	case FORM_FLAG: *ret_number = read_bytes(reader, 1); break;
	case FORM_DATA2: *ret_number = read_bytes(reader, 2); break;
	case FORM_DATA4: *ret_number = read_bytes(reader, 4); break;
	case FORM_DATA8:
	case FORM_REF_SIG8:
	case FORM_REF_SUP8: *ret_number = read_bytes(reader, 8); break;
	case FORM_DATA16: *ret_number = read_bytes(reader, 16); break;
	case FORM_SDATA: *ret_number = (uint64_t)read_signed(reader); break;
	case FORM_UDATA:
	case FORM_ADDRX:
	case FORM_LOCLISTX:
	case FORM_RNGLISTX: *ret_number = read_unsigned(reader); break;
	case FORM_REF1: *ret_number = unit->start + read_bytes(reader, 1); break;
	case FORM_REF2: *ret_number = unit->start + read_bytes(reader, 2); break;
	case FORM_REF4: *ret_number = unit->start + read_bytes(reader, 4); break;
	case FORM_REF8: *ret_number = unit->start + read_bytes(reader, 8); break;
	case FORM_REF_UDATA: *ret_number = unit->start + read_unsigned(reader); break;
	case FORM_REF_SUP4: read_bytes(reader, 4); break;
	case FORM_REF_ADDR: /* an address in version 2 */
		*ret_number = read_bytes(reader, unit->version == 2 ? unit->address_size
								    : unit->offset_size);
		break;
	case FORM_SEC_OFFSET: *ret_number = read_bytes(reader, unit->offset_size); break;
	case FORM_STRP_SUP:
	case FORM_GNU_REF_ALT:
	case FORM_GNU_STRP_ALT: read_bytes(reader, unit->offset_size); break;
	case FORM_FLAG_PRESENT: *ret_number = 1; break;
	case FORM_IMPLICIT_CONST: *ret_number = (uint64_t)implicit; break;
	default:
		if (form < FORM_ADDRX1 || form > FORM_ADDRX4)
			return false;
		read_bytes(reader, (uint32_t)(form - FORM_ADDRX1 + 1));
	}
	return !reader->is_bad;
}

/* --- abbreviations: what attributes an entry has --- */

static bool load_abbreviations(struct dwarf *dwarf, const struct unit *unit)
{
	struct reader reader = reader_at(dwarf->abbrev, unit->abbreviations, dwarf->abbrev.len);

	if (dwarf->table_of == unit->abbreviations + 1)
		return true;
	dwarf->table_of = 0;
	memset(dwarf->table, 0, dwarf->table_size * sizeof(*dwarf->table));
	for (uint64_t code; (code = read_unsigned(&reader));) {
		struct abbreviation *one;
		uint64_t name, form;

		if (reader.is_bad || code >= ABBREVIATIONS_MAX)
			return false;
		if (code >= dwarf->table_size) {
			uint32_t room = (uint32_t)code * 2 + 64;
			struct abbreviation *grown = realloc(dwarf->table, room * sizeof(*grown));

			if (!grown)
				return false;
			memset(grown + dwarf->table_size, 0,
			       (room - dwarf->table_size) * sizeof(*grown));
			dwarf->table = grown;
			dwarf->table_size = room;
		}
		one = &dwarf->table[code];
		one->tag = (uint32_t)read_unsigned(&reader);
		one->has_children = read_bytes(&reader, 1);
		one->attributes = (uint32_t)(reader.at - dwarf->abbrev.at);
		do {
			name = read_unsigned(&reader);
			form = read_unsigned(&reader);
			if (form == FORM_IMPLICIT_CONST)
				read_signed(&reader);
		} while ((name || form) && !reader.is_bad);
	}
	if (reader.is_bad)
		return false;
	dwarf->table_of = unit->abbreviations + 1;
	return true;
}

/* --- entries --- */

static void keep_attribute(struct entry *entry, uint64_t attribute, uint64_t form, uint64_t number,
			   const char *text)
{
	switch (attribute) {
	case 0x03: entry->name = text; break;
	case 0x0b: entry->byte_size = number; break;
	case 0x0c: entry->bit_offset = number; break;
	case 0x0d:
		entry->bit_size = number;
		entry->has_bits = true;
		break;
	case 0x1c: /* const_value: signed, as narrow as it was written */
		entry->value = (int64_t)number;
		if (form == FORM_DATA1)
			entry->value = (int8_t)number;
		else if (form == FORM_DATA2)
			entry->value = (int16_t)number;
		else if (form == FORM_DATA4)
			entry->value = (int32_t)number;
		break;
	case 0x2f: /* upper_bound */
		if (form == FORM_EXPRLOC || (form >= FORM_REF_ADDR && form <= FORM_REF_UDATA))
			break; /* known at run time only */
		entry->count = number + 1;
		entry->has_count = true;
		break;
	case 0x37:
		entry->count = number;
		entry->has_count = true;
		break;
	case 0x31: /* abstract_origin */
	case 0x47: entry->origin = number; break; /* specification */
	case 0x38: entry->member_at = number; break;
	case 0x3c: entry->is_declaration = number; break;
	case 0x3e: entry->encoding = (uint32_t)number; break;
	case 0x49: entry->type = form == FORM_REF_SIG8 ? 0 : number; break;
	case 0x6b:
		entry->data_bit_offset = number;
		entry->has_data_bit_offset = true;
		break;
	case 0x6e: /* linkage_name, and as MIPS named it before */
	case 0x2007: entry->linkage_name = text; break;
	default: break;
	}
}

bool entry_at(struct dwarf *dwarf, const struct unit *unit, uint64_t offset,
	      struct entry *ret_entry)
{
	struct reader reader = reader_at(dwarf->info, offset, unit->end), attributes;
	struct entry entry = {.at = offset};
	uint64_t code = read_unsigned(&reader);

	if (reader.is_bad || !load_abbreviations(dwarf, unit))
		return false;
	if (code) {
		if (code >= dwarf->table_size || !dwarf->table[code].tag)
			return false;
		entry.tag = dwarf->table[code].tag;
		entry.has_children = dwarf->table[code].has_children;
		attributes =
			reader_at(dwarf->abbrev, dwarf->table[code].attributes, dwarf->abbrev.len);
		for (int i = 0; i < ATTRIBUTES_MAX; i++) {
			uint64_t attribute = read_unsigned(&attributes);
			uint64_t form = read_unsigned(&attributes), number;
			int64_t implicit =
				form == FORM_IMPLICIT_CONST ? read_signed(&attributes) : 0;
			const char *text;

			if (!attribute && !form)
				break;
			if (!read_form(dwarf, unit, &reader, form, implicit, &number, &text))
				return false;
			keep_attribute(&entry, attribute, form, number, text);
		}
	}
	entry.next = (uint64_t)(reader.at - dwarf->info.at);
	*ret_entry = entry;
	return !reader.is_bad;
}

/* --- units --- */

enum { UNIT_TYPE = 2, UNIT_SKELETON = 4, UNIT_SPLIT = 5, UNIT_SPLIT_TYPE = 6 };

/* False: nothing to be read behind it any more. A unit of no use has end == entries. */
static bool read_unit(const struct dwarf *dwarf, uint64_t offset, struct unit *ret_unit)
{
	struct reader reader = reader_at(dwarf->info, offset, dwarf->info.len);
	struct unit unit = {.start = offset, .offset_size = 4};
	uint64_t length = read_bytes(&reader, 4), type = 1;

	if (length == 0xffffffff) {
		length = read_bytes(&reader, 8);
		unit.offset_size = 8;
	}
	if (reader.is_bad || !length || length > (uint64_t)(reader.end - reader.at))
		return false;
	unit.end = (uint64_t)(reader.at - dwarf->info.at) + length;
	unit.version = (uint16_t)read_bytes(&reader, 2);
	if (unit.version >= 5) {
		type = read_bytes(&reader, 1);
		unit.address_size = (uint8_t)read_bytes(&reader, 1);
		unit.abbreviations = read_bytes(&reader, unit.offset_size);
		if (type == UNIT_SKELETON || type == UNIT_SPLIT)
			read_bytes(&reader, 8);
		/* the header of .debug_str_offsets: length, version, padding */
		unit.str_offsets = unit.offset_size == 4 ? 8 : 16;
	} else {
		unit.abbreviations = read_bytes(&reader, unit.offset_size);
		unit.address_size = (uint8_t)read_bytes(&reader, 1);
	}
	unit.entries = (uint64_t)(reader.at - dwarf->info.at);
	if (unit.version < 2 || unit.version > 5 || type == UNIT_TYPE || type == UNIT_SPLIT_TYPE ||
	    unit.entries > unit.end)
		unit.entries = unit.end;
	*ret_unit = unit;
	return !reader.is_bad;
}

static bool find_units(struct dwarf *dwarf)
{
	struct unit unit;
	uint32_t room = 0;

	for (uint64_t at = 0; dwarf->unit_count < DWARF_UNITS_MAX && read_unit(dwarf, at, &unit);
	     at = unit.end) {
		if (dwarf->unit_count == room) {
			struct unit *grown;

			room = room ? room * 2 : 64;
			grown = realloc(dwarf->units, room * sizeof(*grown));
			if (!grown)
				return false;
			dwarf->units = grown;
		}
		dwarf->units[dwarf->unit_count++] = unit;
	}
	return dwarf->unit_count;
}

const struct unit *unit_of(const struct dwarf *dwarf, uint64_t offset)
{
	uint32_t low = 0, high = dwarf->unit_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (offset >= dwarf->units[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < dwarf->unit_count && offset >= dwarf->units[low].entries ? &dwarf->units[low]
									      : NULL;
}

/* --- opening --- */

static struct span section(const struct elf *elf, const char *name)
{
	struct elf_section found;
	const void *at;

	/* compressed ones begin with a header of their own; nobody reads them here */
	if (!elf_section_find(elf, name, &found) || found.type == SHT_NOBITS || !found.size)
		return (struct span){};
	at = elf_part(elf, found.offset, found.size);
	return (struct span){at, at ? found.size : 0};
}

static bool take_sections(struct dwarf *dwarf)
{
	dwarf->info = section(&dwarf->elf, ".debug_info");
	dwarf->abbrev = section(&dwarf->elf, ".debug_abbrev");
	dwarf->str = section(&dwarf->elf, ".debug_str");
	dwarf->line_str = section(&dwarf->elf, ".debug_line_str");
	dwarf->line = section(&dwarf->elf, ".debug_line");
	dwarf->str_offsets = section(&dwarf->elf, ".debug_str_offsets");
	return dwarf->info.len && dwarf->abbrev.len && find_units(dwarf);
}

/* The file that a distribution keeps under the build id of the program. */
static bool open_separate(struct elf *program, struct elf *ret_elf)
{
	char path[128] = "/usr/lib/debug/.build-id/";
	struct elf_note note;
	size_t at = 0, len = strlen(path);

	while (elf_next_note(program, ".note.gnu.build-id", &at, &note)) {
		if (note.type != NT_GNU_BUILD_ID || note.desc.len < 2 || note.desc.len > 32)
			continue;
		for (size_t i = 0; i < note.desc.len; i++)
			len += (size_t)snprintf(path + len, sizeof(path) - len, "%02x%s",
						note.desc.at[i], i ? "" : "/");
		snprintf(path + len, sizeof(path) - len, ".debug");
		return !elf_open(ret_elf, path);
	}
	return false;
}

static struct dwarf *dwarf_new(struct arena *arena)
{
	struct dwarf *dwarf = calloc(1, sizeof(*dwarf));

	if (!dwarf)
		return NULL;
	dwarf->arena = arena;
	map_init(&dwarf->types, 8, sizeof(const struct type *), DWARF_TYPES_MAX);
	dwarf->table_size = 64;
	dwarf->table = calloc(dwarf->table_size, sizeof(*dwarf->table));
	if (dwarf->table)
		return dwarf;
	free(dwarf);
	return NULL;
}

struct dwarf *dwarf_open(struct arena *arena, const char *path)
{
	struct dwarf *dwarf = dwarf_new(arena);
	struct elf program;

	if (!dwarf)
		return NULL;
	if (elf_open(&dwarf->elf, path)) {
		dwarf->elf = (struct elf){.fd = -1};
		dwarf_free(dwarf);
		return NULL;
	}
	if (take_sections(dwarf))
		return dwarf;
	program = dwarf->elf;
	if (!open_separate(&program, &dwarf->elf))
		dwarf->elf = program;
	else
		elf_close(&program);
	if (take_sections(dwarf))
		return dwarf;
	dwarf_free(dwarf);
	return NULL;
}

struct dwarf *dwarf_over(struct arena *arena, struct span bytes)
{
	struct dwarf *dwarf = dwarf_new(arena);

	if (!dwarf)
		return NULL;
	if (elf_over(&dwarf->elf, bytes)) {
		dwarf->elf = (struct elf){.fd = -1};
	} else if (take_sections(dwarf)) {
		return dwarf;
	}
	dwarf_free(dwarf);
	return NULL;
}

void dwarf_free(struct dwarf *dwarf)
{
	if (!dwarf)
		return;
	elf_close(&dwarf->elf);
	map_done(&dwarf->types);
	free(dwarf->units);
	free(dwarf->table);
	free(dwarf);
}

/* --- questions --- */

/* The first entry of all units that `is_it` likes. */
static bool find_entry(struct dwarf *dwarf,
		       bool (*is_it)(struct dwarf *dwarf, const struct entry *entry,
				     const void *wanted),
		       const void *wanted, struct entry *ret_entry)
{
	uint32_t looked = 0;

	for (uint32_t i = 0; i < dwarf->unit_count; i++) {
		const struct unit *unit = &dwarf->units[i];
		struct entry entry;

		for (uint64_t at = unit->entries; at < unit->end; at = entry.next) {
			if (++looked > DWARF_ENTRIES_MAX || !entry_at(dwarf, unit, at, &entry))
				break;
			if (!is_it(dwarf, &entry, wanted))
				continue;
			*ret_entry = entry;
			return true;
		}
	}
	return false;
}

static bool is_called(const struct entry *entry, const char *name)
{
	return (entry->name && !strcmp(entry->name, name)) ||
	       (entry->linkage_name && !strcmp(entry->linkage_name, name));
}

/* A definition may leave its name to the declaration in its class. */
static bool is_function(struct dwarf *dwarf, const struct entry *entry, const void *wanted)
{
	const struct unit *unit;
	struct entry origin;

	if (entry->tag != TAG_SUBPROGRAM || entry->is_declaration)
		return false;
	if (is_called(entry, wanted))
		return true;
	unit = entry->origin && !entry->name ? unit_of(dwarf, entry->origin) : NULL;
	return unit && entry_at(dwarf, unit, entry->origin, &origin) && is_called(&origin, wanted);
}

/* A copy of a parameter leaves name and type to what it is a copy of. */
static void complete(struct dwarf *dwarf, struct entry *entry)
{
	const struct unit *unit = entry->origin ? unit_of(dwarf, entry->origin) : NULL;
	struct entry origin;

	if (!unit || !entry_at(dwarf, unit, entry->origin, &origin))
		return;
	if (!entry->name)
		entry->name = origin.name;
	if (!entry->type)
		entry->type = origin.type;
}

static const char *shown_text(struct dwarf *dwarf, uint64_t type, const char *name)
{
	struct buf text;
	const char *copy;

	buf_init(&text, 4096);
	shown_of_entry(dwarf, type, &text, 0);
	buf_f(&text, " %s", name);
	copy = arena_str(dwarf->arena, span_of(buf_text(&text)));
	buf_done(&text);
	return copy;
}

int dwarf_params(struct dwarf *dwarf, const char *function, struct field *params, int max,
		 const struct type **ret_result)
{
	const struct unit *unit;
	struct entry found, entry;
	int count = 0, depth = 0;

	if (!find_entry(dwarf, is_function, function, &found))
		return -1;
	complete(dwarf, &found);
	if (ret_result)
		*ret_result = found.type ? type_of_entry(dwarf, found.type, 0) : &type_void;
	unit = unit_of(dwarf, found.at);
	for (uint64_t at = found.next; found.has_children && unit && at < unit->end;
	     at = entry.next) {
		if (!entry_at(dwarf, unit, at, &entry) || (!entry.tag && --depth < 0))
			break;
		if (entry.tag == TAG_PARAMETER && depth == 0 && count < max) {
			complete(dwarf, &entry);
			params[count++] = (struct field){
				.name = entry.name ? arena_str(dwarf->arena, span_of(entry.name))
						   : NULL,
				.type = type_of_entry(dwarf, entry.type, 0),
				.shown = shown_text(dwarf, entry.type,
						    entry.name ? entry.name : "")};
		}
		depth += entry.tag && entry.has_children;
	}
	return count;
}

struct wanted {
	const char *name;
	enum dwarf_tagged tagged;
};

static bool is_named(struct dwarf *dwarf, const struct entry *entry, const void *of)
{
	const struct wanted *wanted = of;
	bool is_right_tag = false;

	switch (wanted->tagged) {
	case DWARF_STRUCT:
		is_right_tag = entry->tag == TAG_STRUCTURE || entry->tag == TAG_CLASS;
		break;
	case DWARF_UNION: is_right_tag = entry->tag == TAG_UNION_; break;
	case DWARF_ENUM: is_right_tag = entry->tag == TAG_ENUMERATION; break;
	case DWARF_TYPEDEF:
		is_right_tag = entry->tag == TAG_TYPEDEF_ || entry->tag == TAG_BASE;
		break;
	}
	return is_right_tag && !entry->is_declaration && entry->name &&
	       !strcmp(entry->name, wanted->name);
}

const struct type *dwarf_named(struct dwarf *dwarf, const char *name, enum dwarf_tagged tagged)
{
	struct wanted wanted = {name, tagged};
	struct entry entry;

	if (!find_entry(dwarf, is_named, &wanted, &entry))
		return NULL;
	return type_of_entry(dwarf, entry.at, 0);
}

const char *dwarf_enum_name(const struct dwarf *dwarf, const char *enum_name, int64_t value)
{
	for (const struct enumerator *e = dwarf->enumerators; e; e = e->next)
		if (e->value == value && e->enum_name && !strcmp(e->enum_name, enum_name))
			return e->name;
	return NULL;
}

bool dwarf_enumerator(const struct dwarf *dwarf, const char *name, int64_t *ret_value,
		      const struct type **ret_type)
{
	for (const struct enumerator *e = dwarf->enumerators; e; e = e->next)
		if (!strcmp(e->name, name)) {
			*ret_value = e->value;
			*ret_type = e->type;
			return true;
		}
	return false;
}
