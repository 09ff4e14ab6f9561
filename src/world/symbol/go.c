// SPDX-License-Identifier: GPL-2.0-only
/*
 * go - functions of Go programs, by .gopclntab (src/runtime/symtab.go of Go: pcHeader, functab, _func).
 *
 * Header: magic, two zeros, the instructions' grain, bytes of a pointer; then numbers of that width: functions, files, start of
 * the text, and where in the table names, units, files, pc tables and functions begin. Functions: pairs of 32 bits, where it
 * begins (from the text's start) and where its description is, whose second word is its name.
 */
#include "world/symbol/go.h"

#include "base/x86.h"

enum {
	MAGIC_18 = 0xfffffff0, /* Go 1.18 and 1.19 */
	MAGIC_20 = 0xfffffff1, /* Go 1.20 and later */
	HEADER_BYTES = 72,
	FUNCTION_BYTES_MAX = 64 * 1024,
	RET = 0xc3,
	RET_ARM64 = (int)0xd65f03c0,
};

static uint32_t read32(const uint8_t *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return number;
}

static uint64_t read64(const uint8_t *at)
{
	uint64_t number;

	memcpy(&number, at, sizeof(number));
	return number;
}

bool go_open(const struct elf *elf, struct go_table *ret_table)
{
	struct elf_section section, text;
	struct go_table table = {};

	if (!elf_section_find(elf, ".gopclntab", &section) &&
	    !elf_section_find(elf, ".data.rel.ro.gopclntab", &section))
		return false;
	table.at = elf_part(elf, section.offset, section.size);
	table.size = section.size;
	if (!table.at || table.size < HEADER_BYTES ||
	    (read32(table.at) != MAGIC_18 && read32(table.at) != MAGIC_20) || table.at[7] != 8)
		return false;
	table.functions = read64(table.at + 8);
	table.text = read64(table.at + 24);
	table.names_at = read64(table.at + 32);
	table.functions_at = read64(table.at + 64);
	if (!table.text &&
	    elf_section_find(elf, ".text", &text)) /* filled in by the loader, or left to others */
		table.text = text.address;
	if (table.names_at >= table.size || table.functions_at >= table.size ||
	    table.functions >= (table.size - table.functions_at) / 8)
		return false;
	*ret_table = table;
	return true;
}

static bool has_name(const struct go_table *table, uint32_t function, const char *name)
{
	const uint8_t *pair = table->at + table->functions_at + function * 8ull;
	uint64_t described = table->functions_at + read32(pair + 4), at;
	size_t len = strlen(name) + 1;

	if (described + 8 > table->size)
		return false;
	at = table->names_at + read32(table->at + described + 4);
	return at < table->size && table->size - at >= len && !memcmp(table->at + at, name, len);
}

/* Notes each return. Behind the last instruction a function is filled up with int3. */
static bool find_returns_x86(struct span code, struct go_function *function)
{
	size_t at = 0;

	while (at < code.len) {
		size_t length = x86_length(span_from(code, at));

		if (!length)
			return false;
		if (code.at[at] == RET) {
			if (function->return_count == GO_RETURNS)
				return false;
			function->returns[function->return_count++] = function->offset + at;
		}
		at += length;
	}
	return at == code.len && function->return_count;
}

static bool find_returns_arm64(struct span code, struct go_function *function)
{
	for (size_t at = 0; at + 4 <= code.len; at += 4) {
		if ((int)read32(code.at + at) != RET_ARM64)
			continue;
		if (function->return_count == GO_RETURNS)
			return false;
		function->returns[function->return_count++] = function->offset + at;
	}
	return function->return_count;
}

static bool read_function(const struct elf *elf, const struct go_table *table, uint32_t number,
			  struct go_function *ret)
{
	const uint8_t *pair = table->at + table->functions_at + number * 8ull;
	uint64_t begin = read32(pair), end = read32(pair + 8);
	struct span code;

	*ret = (struct go_function){.size = end - begin};
	if (end <= begin || ret->size > FUNCTION_BYTES_MAX ||
	    !elf_offset_of(elf, table->text + begin, &ret->offset))
		return false;
	code = (struct span){elf_part(elf, ret->offset, ret->size), (size_t)ret->size};
	if (!code.at)
		return false;
#if defined(__x86_64__)
	(void)find_returns_arm64;
	return find_returns_x86(code, ret);
#else
	(void)find_returns_x86;
	return find_returns_arm64(code, ret);
#endif
}

bool go_find(const struct elf *elf, const struct go_table *table, const char *name,
	     struct go_function *ret_function)
{
	for (uint32_t i = 0; i < table->functions; i++)
		if (has_name(table, i, name))
			return read_function(elf, table, i, ret_function);
	return false;
}

bool go_find_begin(const struct elf *elf, const struct go_table *table, const char *name,
		   uint64_t *ret_offset)
{
	for (uint32_t i = 0; i < table->functions; i++)
		if (has_name(table, i, name))
			return elf_offset_of(
				elf,
				table->text + read32(table->at + table->functions_at + i * 8ull),
				ret_offset);
	return false;
}
