// SPDX-License-Identifier: GPL-2.0-only
/* mappings_test - lines of /proc/PID/maps, good and bad, and this process's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world/symbol/mappings.h"

static void lines_are_read_as_the_kernel_writes_them(void **state)
{
	struct span text = span_of(
		"7f00-7f10 r-xp 00001000 fe:01 1234                       /usr/lib/lib ssl.so.3 (deleted)\n"
		"nonsense\n"
		"7f10-7f00 r-xp 00000000 fe:01 1 /backwards\n"
		"7f20-7f30 rw-p 00000000 00:00 0 \n"
		"7f30-7f40 r--p 00000000 103:02 77                        /a\n"
		"7f40-7f50 r--p 00000000 103:02 77 /cut short");
	struct mapping mapping;

	assert_true(mapping_next(&text, &mapping));
	assert_int_equal(mapping.start, 0x7f00);
	assert_int_equal(mapping.end, 0x7f10);
	assert_int_equal(mapping.offset, 0x1000);
	assert_true(mapping.is_code);
	assert_int_equal(mapping.inode, 1234);
	assert_int_equal(mapping.device, 0xfeull << 32 | 1);
	assert_true(span_is(mapping.path, "/usr/lib/lib ssl.so.3"));
	assert_true(span_is(mapping_name(&mapping), "lib ssl.so.3"));
	assert_true(mapping_next(&text, &mapping));
	assert_int_equal(mapping.inode, 0);
	assert_false(mapping.is_code);
	assert_int_equal(mapping.path.len, 0);
	assert_true(mapping_next(&text, &mapping));
	assert_int_equal(mapping.device, 0x103ull << 32 | 2);
	assert_true(span_is(mapping_name(&mapping), "a"));
	assert_false(mapping_next(&text, &mapping));
}

static void own_mappings_name_this_program(void **state)
{
	static char bytes[256 * 1024];
	FILE *file = fopen("/proc/self/maps", "re");
	struct span text = {(const uint8_t *)bytes, 0};
	bool is_found = false;
	struct mapping mapping;

	assert_non_null(file);
	text.len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	while (mapping_next(&text, &mapping))
		is_found |= mapping.is_code &&
			    (uint64_t)(uintptr_t)own_mappings_name_this_program >= mapping.start &&
			    (uint64_t)(uintptr_t)own_mappings_name_this_program < mapping.end &&
			    span_starts(mapping_name(&mapping), "symbol_mappings_test");
	assert_true(is_found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read_as_the_kernel_writes_them),
		cmocka_unit_test(own_mappings_name_this_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
