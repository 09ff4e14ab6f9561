// SPDX-License-Identifier: GPL-2.0-only
/* site_test - begins of functions as compilers write them, and which instruction of each is probed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world/symbol/site.h"

enum { THREE = SITE_RDI | SITE_RSI | SITE_RDX };

struct begin {
	const char *name;
	uint8_t code[40];
	uint32_t kept;
	bool is_return_probed, is_cheap;
	uint32_t at, stack;
};

static const struct begin begins[] = {
	{"push", {0x41, 0x55, 0x41, 0x54}, THREE, true, true, 0, 0},
	{"endbr64, push", {0xf3, 0x0f, 0x1e, 0xfa, 0x55}, THREE, true, true, 4, 0},
	/* SSL_read of Debian 12: sub, canary, xor, test, js */
	{"sub, then js",
	 {0x48, 0x83, 0xec, 0x18, 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0,    0,
	  0,    0x48, 0x89, 0x44, 0x24, 0x08, 0x31, 0xc0, 0x85, 0xd2, 0x78, 0x2f},
	 THREE,
	 false,
	 true,
	 0x16,
	 0x18},
	{"the same, but its return is probed",
	 {0x48, 0x83, 0xec, 0x18, 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0,    0,
	  0,    0x48, 0x89, 0x44, 0x24, 0x08, 0x31, 0xc0, 0x85, 0xd2, 0x78, 0x2f},
	 THREE,
	 true,
	 false,
	 0,
	 0},
	/* gnutls_record_send: xor %r8d,%r8d; xor %ecx,%ecx; jmp */
	{"xor, jmp", {0x45, 0x31, 0xc0, 0x31, 0xc9, 0xe9, 1, 2, 3, 4}, THREE, true, true, 5, 0},
	{"the fourth argument is lost",
	 {0x45, 0x31, 0xc0, 0x31, 0xc9, 0xe9, 1, 2, 3, 4},
	 THREE | SITE_RCX,
	 true,
	 false,
	 0,
	 0},
	{"test, je", {0x48, 0x85, 0xff, 0x0f, 0x84, 0, 1, 0, 0}, THREE, true, true, 3, 0},
	/* PR_Read: mov (%rdi),%rax; jmp *16(%rax) */
	{"a jump through memory", {0x48, 0x8b, 0x07, 0xff, 0x60, 0x10}, THREE, false, false, 0, 0},
	{"mov into an argument", {0x48, 0x89, 0xf7, 0x55}, THREE, false, false, 0, 0},
	{"movslq into one", {0x48, 0x63, 0xd2, 0x55}, THREE, false, false, 0, 0},
	{"mov of a constant into one", {0xbf, 1, 0, 0, 0, 0x55}, THREE, false, false, 0, 0},
	{"cmp of memory, je", {0x80, 0xbf, 0xb8, 6, 0, 0, 0, 0x74, 3}, THREE, true, true, 7, 0},
	/* Go: cmp 16(%r14),%rsp; jbe */
	{"Go's stack check",
	 {0x49, 0x3b, 0x66, 0x10, 0x76, 5},
	 SITE_RAX | SITE_RBX | SITE_RCX | SITE_R14,
	 false,
	 true,
	 4,
	 0},
	/* lea -96(%rsp),%r12; cmp 16(%r14),%r12; jbe */
	{"Go's, of a large frame",
	 {0x4c, 0x8d, 0x64, 0x24, 0xa0, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0, 2, 0, 0},
	 SITE_RAX | SITE_RBX | SITE_RCX | SITE_R14,
	 false,
	 true,
	 9,
	 0},
	{"the stack pointer itself is set", {0x48, 0x89, 0xc4, 0x55}, THREE, false, false, 0, 0},
	{"no instruction", {0x06, 0x55}, THREE, false, false, 0, 0},
};

static void probes_stand_where_the_kernel_emulates(void **state)
{
#if defined(__x86_64__)
	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++) {
		const struct begin *begin = &begins[i];
		struct site site = site_find((struct span){begin->code, sizeof(begin->code)},
					     begin->kept, begin->is_return_probed);

		if (site.is_cheap != begin->is_cheap || site.at != begin->at ||
		    site.stack != begin->stack)
			fail_msg("%s: %s at %u, stack %u", begin->name,
				 site.is_cheap ? "cheap" : "dear", (unsigned)site.at, site.stack);
	}
#endif
}

static void cut_instructions_are_none(void **state)
{
	static const uint8_t code[] = {0x48, 0x83, 0xec, 0x18, 0x0f, 0x84, 0, 1, 0, 0};
	struct effect effect;

	for (size_t len = 0; len < 4; len++)
		assert_false(effect_of((struct span){code, len}, &effect));
	for (size_t len = 4; len < sizeof(code); len++)
		assert_false(site_find((struct span){code, len}, THREE, false).is_cheap);
}

static void calls_are_found_one_after_another(void **state)
{
	/* call +0; nop; mov $0xe8e8e8e8,%eax; call -15; ret */
	static const uint8_t code[] = {0xe8, 0,    0,    0,    0,    0x90, 0xb8, 0xe8, 0xe8,
				       0xe8, 0xe8, 0xe8, 0xf1, 0xff, 0xff, 0xff, 0xc3};
	struct span span = {code, sizeof(code)};
	int64_t target;
	size_t at = 0;

	assert_true(site_next_call(span, &at, &target));
	assert_int_equal(at, 5);
	assert_int_equal(target, 5);
	assert_true(site_next_call(span, &at, &target));
	assert_int_equal(at, 16);
	assert_int_equal(target, 1);
	assert_false(site_next_call(span, &at, &target));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_stand_where_the_kernel_emulates),
		cmocka_unit_test(cut_instructions_are_none),
		cmocka_unit_test(calls_are_found_one_after_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
