// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a program with debug information: all that can be asked for is asked for. */
#include "trace/dwarf.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const struct type *type;
	uint64_t addresses[4];
	struct field params[8];
	struct dwarf *dwarf;
	struct arena arena;
	int64_t value;

	arena_init(&arena, 64 << 20);
	dwarf = dwarf_over(&arena, (struct span){at, len});
	if (dwarf) {
		dwarf_params(dwarf, "main", params, 8, &type);
		dwarf_params(dwarf, "f", params, 8, &type);
		dwarf_named(dwarf, "s", DWARF_STRUCT);
		dwarf_named(dwarf, "u", DWARF_UNION);
		dwarf_named(dwarf, "e", DWARF_ENUM);
		dwarf_named(dwarf, "t", DWARF_TYPEDEF);
		dwarf_enum_name(dwarf, "e", 1);
		dwarf_enumerator(dwarf, "A", &value, &type);
		dwarf_line(dwarf, "a.c", 3, addresses, 4);
	}
	dwarf_free(dwarf);
	arena_done(&arena);
	return 0;
}
