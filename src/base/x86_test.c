// SPDX-License-Identifier: GPL-2.0-only
/* x86_test - lengths of instructions as Intel's manual gives them, and a walk through functions of this very program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/elf_file.h"
#include "base/x86.h"

static void lengths_are_those_of_the_manual(void **state)
{
	static const struct {
		uint8_t code[15];
		size_t length;
	} known[] = {
		{{0xc3}, 1}, /* ret */
		{{0xc2, 8, 0}, 3}, /* ret 8 */
		{{0x90}, 1}, /* nop */
		{{0x55}, 1}, /* push rbp */
		{{0x48, 0x89, 0xe5}, 3}, /* mov rbp, rsp */
		{{0x48, 0x83, 0xec, 0x18}, 4}, /* sub rsp, 24 */
		{{0x48, 0x81, 0xec, 0, 1, 0, 0}, 7}, /* sub rsp, 256 */
		{{0x49, 0x3b, 0x66, 0x10}, 4}, /* cmp rsp, [r14+16] */
		{{0x0f, 0x86, 0, 1, 0, 0}, 6}, /* jbe */
		{{0x76, 5}, 2},
		{{0xe8, 0, 0, 0, 0}, 5}, /* call */
		{{0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, 10}, /* mov rax, 64 bits */
		{{0xb8, 1, 0, 0, 0}, 5},
		{{0x66, 0xb8, 1, 0}, 4},
		{{0x48, 0x8b, 0x05, 0, 0, 0, 0}, 7}, /* mov rax, [rip] */
		{{0x48, 0x8d, 0x44, 0x24, 0x40}, 5}, /* lea rax, [rsp+64] */
		{{0x48, 0x8d, 0x84, 0x24, 0, 1, 0, 0}, 8},
		{{0xf6, 0xc1, 1}, 3}, /* test cl, 1 */
		{{0xf7, 0xd8}, 2}, /* neg eax */
		{{0xf7, 0xc1, 1, 0, 0, 0}, 6}, /* test ecx, 1 */
		{{0x0f, 0x11, 0x44, 0x24, 0x10}, 5}, /* movups */
		{{0x66, 0x0f, 0x70, 0xc0, 0x4e}, 5}, /* pshufd */
		{{0x66, 0x0f, 0x3a, 0x0f, 0xc1, 8}, 6}, /* palignr */
		{{0xc5, 0xf8, 0x77}, 3}, /* vzeroupper */
		{{0xc5, 0xfe, 0x6f, 0x06}, 4}, /* vmovdqu */
		{{0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1}, 6}, /* vextracti128 */
		{{0xf0, 0x48, 0x0f, 0xb1, 0x0a}, 5}, /* lock cmpxchg */
		{{0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x06}, 6}, /* vmovdqu64 */
		{{0x06}, 0}, /* is none in 64 bits */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t length = x86_length((struct span){known[i].code, sizeof(known[i].code)});

		if (length != known[i].length)
			fail_msg("number %zu: %zu bytes, not %zu", i, length, known[i].length);
		if (length)
			assert_int_equal(x86_length((struct span){known[i].code, length - 1}), 0);
	}
}

/* Whatever the compiler wrote: each function is passed to its very end. */
static void functions_of_this_program_are_walked_to_their_ends(void **state)
{
#if defined(__x86_64__)
	struct elf_symbol symbol;
	struct elf_walk walk = {};
	unsigned functions = 0, ends = 0;
	uint64_t offset;
	struct elf elf;

	assert_int_equal(elf_open(&elf, "/proc/self/exe"), 0);
	while (elf_next_symbol(&elf, &walk, &symbol)) {
		const uint8_t *code;
		size_t at = 0, length = 1;

		if (!symbol.is_function || !symbol.size || !elf_offset_of(&elf, symbol.value, &offset))
			continue;
		code = elf_part(&elf, offset, symbol.size);
		if (!code)
			break; /* the table of pieces is full: enough */
		for (functions++; at < symbol.size && length; at += length)
			length = x86_length((struct span){code + at, symbol.size - at});
		ends += at == symbol.size;
	}
	elf_close(&elf);
	print_message("%u functions\n", functions);
	assert_true(functions > 20);
	assert_int_equal(ends, functions);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_are_those_of_the_manual),
		cmocka_unit_test(functions_of_this_program_are_walked_to_their_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
