/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dwarf - what a program's debug information says: the parameters of its functions, its records and enums, its lines.
 *
 * DWARF 2 to 5 as compilers write it into .debug_info, .debug_abbrev, .debug_str, .debug_line (and its younger kin); where
 * the program itself has none, the file that distributions keep of it (/usr/lib/debug/.build-id). Any bytes may come:
 * every read is checked, every walk has an end. Not read: split files (.dwo), type units, expressions with more than
 * one operation.
 */
#pragma once

#include "base/arena.h"
#include "trace/type.h"

struct dwarf;

/* NULL: there is none, or it cannot be read. Types live in the arena; texts are copied there. */
struct dwarf *dwarf_open(struct arena *arena, const char *path);
/* The same over bytes of somebody else's (fuzzing). */
struct dwarf *dwarf_over(struct arena *arena, struct span bytes);
void dwarf_free(struct dwarf *dwarf);

/* Parameters of a function by its name, or its name for the linker: name, type, and `shown` as C writes the type.
 * Returns their number, -1: the function is not known. */
int dwarf_params(struct dwarf *dwarf, const char *function, struct field *params, int max,
		 const struct type **ret_result);

enum dwarf_tagged { DWARF_STRUCT, DWARF_UNION, DWARF_ENUM, DWARF_TYPEDEF };
/* NULL: there is none of that name. */
const struct type *dwarf_named(struct dwarf *dwarf, const char *name, enum dwarf_tagged tagged);

/* Of the enums met so far: the name of a value, the value of a name. */
const char *dwarf_enum_name(const struct dwarf *dwarf, const char *enum_name, int64_t value);
bool dwarf_enumerator(const struct dwarf *dwarf, const char *name, int64_t *ret_value,
		      const struct type **ret_type);

/* Where the code of a line begins (addresses as linked); "file.c" means every file of that name. Returns how many there
 * are, -1: there is no such file. */
int dwarf_line(struct dwarf *dwarf, const char *file, uint32_t line, uint64_t *ret_addresses,
	       int max);
