// SPDX-License-Identifier: GPL-2.0-only
/* Names of C++: pairs of what a compiler made and what was written; and names that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "trace/demangle.h"

static void names_are_as_they_were_written(void **state)
{
	static const char *const pairs[][2] = {
		{"_Z3addii", "add(int, int)"},
		{"_Z5startv", "start()"},
		{"_ZN5shape6square4areaEv", "shape::square::area()"},
		{"_ZNK5shape6square4areaEv", "shape::square::area() const"},
		{"_ZN5shape6squareC1Ed", "shape::square::square(double)"},
		{"_ZN5shape6squareD0Ev", "shape::square::~square()"},
		{"_ZN5shapeeqERKS_S1_", "shape::operator==(shape const&, shape const&)"},
		{"_Z4copyPKcPcm", "copy(char const*, char*, unsigned long)"},
		{"_Z5twiceIiET_S0_", "int twice<int>(int)"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi",
		 "std::vector<int, std::allocator<int> >::push_back(int const&)"},
		{"_Z4callPFivE", "call(int (*)())"},
		{"_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()(int) const"},
		{"_Z4showSs", "show(std::string)"},
		{"_ZTV5shape", "vtable for shape"},
		{"_ZN12_GLOBAL__N_14hereEv", "(anonymous namespace)::here()"},
		{"_Z4pickILb1ELi5EEvv", "void pick<true, 5>()"},
		{"_Z3addii.cold", "add(int, int) [clone .cold]"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct buf name;

		buf_init(&name, 4096);
		assert_true(demangle(span_of(pairs[i][0]), &name));
		assert_string_equal(buf_text(&name), pairs[i][1]);
		buf_done(&name);
	}
}

static void what_is_no_name_of_cpp_is_left_alone(void **state)
{
	static const char *const others[] = {
		"",      "main",  "_Z",           "_ZN",           "_Z99999999a",     "_ZN3foo",
		"_ZS_v", "_ZT_v", "_Z1fIXadEEvv", "_Z1aPPPPPPPPP", "_RNvC5crate4main"};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct buf name;

		buf_init(&name, 4096);
		assert_false(demangle(span_of(others[i]), &name));
		assert_int_equal(name.len, 0);
		buf_done(&name);
	}
}

/* Each doubles what the one before it was: the text must not grow without end. */
static void names_that_explode_are_refused(void **state)
{
	struct buf mangled, name;
	bool is_read;

	buf_init(&mangled, 65536);
	buf_init(&name, 1 << 20);
	buf_str(&mangled, "_Z1fF");
	for (int i = 0; i < 90; i++)
		buf_f(&mangled, "PFS%d_S%d_E", i, i);
	is_read = demangle(buf_as_span(&mangled), &name);
	assert_true(!is_read || name.len < 1 << 20);
	buf_done(&mangled);
	buf_done(&name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_as_they_were_written),
		cmocka_unit_test(what_is_no_name_of_cpp_is_left_alone),
		cmocka_unit_test(names_that_explode_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
