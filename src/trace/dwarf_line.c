// SPDX-License-Identifier: GPL-2.0-only
/*
 * dwarf_line - from a line of a source file to the addresses where its code begins (DWARF 5, 6.2).
 *
 * A table of lines is a program for a small machine that emits rows (address, file, line); its rows are looked at as
 * they come, none is kept.
 */
#include <string.h>

#include "trace/dwarf_inside.h"

enum { FILES_MAX = 1 << 16, OPCODES_MAX = 256, FORMATS_MAX = 16, STEPS_MAX = 1 << 26 };

struct lines {
	const struct dwarf *dwarf;
	const char *wanted;
	uint32_t line;
	uint64_t *addresses;
	int count, max;
	bool is_file_known;
	/* the table at hand */
	struct reader reader;
	struct unit unit; /* its version and sizes, for forms */
	uint8_t instruction_bytes, line_range, opcode_base;
	int8_t line_base;
	bool default_is_statement;
	uint8_t lengths[OPCODES_MAX];
	uint8_t is_wanted[FILES_MAX / 8]; /* files by number, a bit each */
	uint64_t last_line; /* of the row before, in this sequence */
	bool was_wanted;
};

/* "dir/file.c" is meant by "file.c", by "dir/file.c", and by its whole path. */
static bool is_this_file(const char *path, const char *wanted)
{
	size_t len = path ? strlen(path) : 0, tail = strlen(wanted);

	return path && len >= tail && !strcmp(path + len - tail, wanted) &&
	       (len == tail || path[len - tail - 1] == '/' || *wanted == '/');
}

/* Of a path only the last part is written with the file; what stands before it is in the directory. */
static void take_file(struct lines *lines, uint64_t number, const char *name)
{
	const char *slash = strrchr(lines->wanted, '/');
	bool is_it =
		is_this_file(name, lines->wanted) || (slash && name && !strcmp(name, slash + 1));

	if (!is_it || number >= FILES_MAX)
		return;
	lines->is_wanted[number / 8] |= (uint8_t)(1 << number % 8);
	lines->is_file_known = true;
}

/* Version 5: lists of directories and of files, each with a description of what its entries hold. */
static bool read_list(struct lines *lines, bool is_files)
{
	uint64_t kinds[FORMATS_MAX], forms[FORMATS_MAX], count, formats;

	formats = read_bytes(&lines->reader, 1);
	if (formats > FORMATS_MAX)
		return false;
	for (uint64_t i = 0; i < formats; i++) {
		kinds[i] = read_unsigned(&lines->reader);
		forms[i] = read_unsigned(&lines->reader);
	}
	count = read_unsigned(&lines->reader);
	for (uint64_t i = 0; i < count && formats; i++)
		for (uint64_t f = 0; f < formats; f++) {
			const char *text;
			uint64_t number;

			if (!read_form(lines->dwarf, &lines->unit, &lines->reader, forms[f], 0,
				       &number, &text))
				return false;
			if (is_files && kinds[f] == 1 /* DW_LNCT_path */)
				take_file(lines, i, text);
		}
	return !lines->reader.is_bad;
}

/* Versions 2 to 4: texts, each list ended by an empty one; files count from 1. */
static bool read_old_lists(struct lines *lines)
{
	const char *text;

	while ((text = read_text(&lines->reader)) && *text)
		;
	for (uint64_t number = 1; (text = read_text(&lines->reader)) && *text; number++) {
		read_unsigned(&lines->reader);
		read_unsigned(&lines->reader);
		read_unsigned(&lines->reader);
		take_file(lines, number, text);
	}
	return !lines->reader.is_bad;
}

static bool read_header(struct lines *lines)
{
	struct reader *reader = &lines->reader;
	uint64_t length;
	const uint8_t *program;

	lines->unit.version = (uint16_t)read_bytes(reader, 2);
	if (lines->unit.version < 2 || lines->unit.version > 5)
		return false;
	lines->unit.address_size = 8;
	if (lines->unit.version >= 5) {
		lines->unit.address_size = (uint8_t)read_bytes(reader, 1);
		read_bytes(reader, 1);
	}
	length = read_bytes(reader, lines->unit.offset_size);
	if (reader->is_bad || length > (uint64_t)(reader->end - reader->at))
		return false;
	program = reader->at + length;
	lines->instruction_bytes = (uint8_t)read_bytes(reader, 1);
	if (lines->unit.version >= 4)
		read_bytes(reader, 1); /* operations of one instruction */
	lines->default_is_statement = read_bytes(reader, 1);
	lines->line_base = (int8_t)read_bytes(reader, 1);
	lines->line_range = (uint8_t)read_bytes(reader, 1);
	lines->opcode_base = (uint8_t)read_bytes(reader, 1);
	if (!lines->line_range || !lines->opcode_base)
		return false;
	for (int i = 1; i < lines->opcode_base; i++)
		lines->lengths[i] = (uint8_t)read_bytes(reader, 1);
	memset(lines->is_wanted, 0, sizeof(lines->is_wanted));
	if (lines->unit.version >= 5 ? !read_list(lines, false) || !read_list(lines, true)
				     : !read_old_lists(lines))
		return false;
	reader->at = program;
	return true;
}

struct row {
	uint64_t address, file, line;
	bool is_statement;
};

/* Code of one line may lie in pieces; the first row of each run of them is where it begins. */
static void on_row(struct lines *lines, const struct row *row)
{
	bool is_it = row->is_statement && row->line == lines->line && row->file < FILES_MAX &&
		     lines->is_wanted[row->file / 8] >> row->file % 8 & 1;

	if (is_it && !lines->was_wanted && lines->count < lines->max) {
		bool is_known = false;

		for (int i = 0; i < lines->count; i++)
			is_known |= lines->addresses[i] == row->address;
		if (!is_known)
			lines->addresses[lines->count++] = row->address;
	}
	lines->was_wanted = is_it;
}

static struct row first_row(const struct lines *lines)
{
	return (struct row){.file = 1, .line = 1, .is_statement = lines->default_is_statement};
}

static void run_extended(struct lines *lines, struct row *row)
{
	struct reader *reader = &lines->reader;
	uint64_t length = read_unsigned(reader);
	struct reader inside = *reader;

	if (reader->is_bad || length > (uint64_t)(reader->end - reader->at)) {
		reader->is_bad = true;
		return;
	}
	inside.end = inside.at + length;
	reader->at = inside.end;
	switch (length ? read_bytes(&inside, 1) : 0) {
	case 1: /* end of a sequence: the row ends code, it begins none */
		*row = first_row(lines);
		lines->was_wanted = false;
		break;
	case 2: row->address = read_bytes(&inside, lines->unit.address_size); break;
	default: break;
	}
}

static void run_standard(struct lines *lines, struct row *row, uint8_t opcode)
{
	struct reader *reader = &lines->reader;

	switch (opcode) {
	case 1: on_row(lines, row); break;
	case 2: row->address += read_unsigned(reader) * lines->instruction_bytes; break;
	case 3: row->line += (uint64_t)read_signed(reader); break;
	case 4: row->file = read_unsigned(reader); break;
	case 6: row->is_statement = !row->is_statement; break;
	case 8: /* as far as the last special opcode goes, without its row */
		row->address += (uint64_t)((255 - lines->opcode_base) / lines->line_range) *
				lines->instruction_bytes;
		break;
	case 9: row->address += read_bytes(reader, 2); break;
	default: /* of no meaning here, or unknown: its arguments are numbers */
		for (int i = 0; i < lines->lengths[opcode]; i++)
			read_unsigned(reader);
	}
}

static void run_table(struct lines *lines)
{
	struct row row = first_row(lines);

	lines->was_wanted = false;
	for (int steps = 0;
	     steps < STEPS_MAX && lines->reader.at < lines->reader.end && !lines->reader.is_bad;
	     steps++) {
		uint8_t opcode = (uint8_t)read_bytes(&lines->reader, 1);

		if (opcode >= lines->opcode_base) {
			uint8_t adjusted = (uint8_t)(opcode - lines->opcode_base);

			row.address +=
				(uint64_t)(adjusted / lines->line_range) * lines->instruction_bytes;
			row.line += (uint64_t)(lines->line_base + adjusted % lines->line_range);
			on_row(lines, &row);
		} else if (opcode) {
			run_standard(lines, &row, opcode);
		} else {
			run_extended(lines, &row);
		}
	}
}

int dwarf_line(struct dwarf *dwarf, const char *file, uint32_t line, uint64_t *ret_addresses,
	       int max)
{
	static _Thread_local struct lines lines;
	bool is_known = false;

	lines = (struct lines){.dwarf = dwarf,
			       .wanted = file,
			       .line = line,
			       .addresses = ret_addresses,
			       .max = max};
	for (uint64_t at = 0; at < dwarf->line.len;) {
		struct reader head = reader_at(dwarf->line, at, dwarf->line.len);
		uint64_t length = read_bytes(&head, 4);

		lines.unit = (struct unit){.offset_size = 4};
		if (length == 0xffffffff) {
			length = read_bytes(&head, 8);
			lines.unit.offset_size = 8;
		}
		if (head.is_bad || length > (uint64_t)(head.end - head.at))
			break;
		at = (uint64_t)(head.at - dwarf->line.at) + length;
		lines.reader = head;
		lines.reader.end = head.at + length;
		lines.is_file_known = false;
		if (!read_header(&lines))
			continue;
		is_known |= lines.is_file_known;
		if (lines.is_file_known)
			run_table(&lines);
	}
	return is_known ? lines.count : -1;
}
