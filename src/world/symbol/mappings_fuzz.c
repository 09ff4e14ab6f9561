// SPDX-License-Identifier: GPL-2.0-only
/* Any text: what is taken from it lies inside it, is in order, and it comes to an end. */
#include "world/symbol/mappings.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct span text = {at, len};
	struct mapping mapping;
	size_t before = len;

	while (mapping_next(&text, &mapping)) {
		struct span name = mapping_name(&mapping);

		if (mapping.start >= mapping.end || text.len >= before)
			abort();
		if (mapping.path.len &&
		    (mapping.path.at < at || mapping.path.at + mapping.path.len > at + len))
			abort();
		if (name.len && memchr(name.at, '/', name.len))
			abort();
		before = text.len;
	}
	return 0;
}
