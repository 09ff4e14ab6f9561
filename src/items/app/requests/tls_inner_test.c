// SPDX-License-Identifier: GPL-2.0-only
/* tls_inner_test - the places inside of OpenSSL: in code that is put together here, and in this machine's own library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "items/app/requests/tls_inner.c"

#if defined(__x86_64__)

enum {
	RBX = 3,
	R13 = 13,
	R14 = 14,
	STUB = 0x300,
	SENDER = 0x200,
	OFF = 0x12c0,
	PENDING = 0x1ce0,
	LEFT = 0xcc8
};

struct text {
	uint8_t at[512];
	size_t len;
};

static void put(struct text *text, const void *bytes, size_t len)
{
	memcpy(text->at + text->len, bytes, len);
	text->len += len;
}

/* OPCODE %value, distance(%base), or the other way round. */
static void put_access(struct text *text, uint8_t opcode, int value, int base, int32_t distance,
		       bool is_wide)
{
	bool is_short = distance < 128;
	uint8_t rex = (uint8_t)(0x40 | is_wide << 3 | (value >> 3) << 2 | base >> 3);
	uint8_t modrm = (uint8_t)((is_short ? 0x40 : 0x80) | (value & 7) << 3 | (base & 7));
	uint8_t bytes[] = {rex, opcode, modrm};

	put(text, bytes, sizeof(bytes));
	put(text, &distance, is_short ? 1 : sizeof(distance));
}

static void put_call(struct text *text, int32_t target)
{
	int32_t distance = target - (int32_t)text->len - CALL_BYTES;

	put(text, "\xe8", 1);
	put(text, &distance, sizeof(distance));
}

static void put_read(struct text *text, int base, int other_base, int32_t first, int32_t second)
{
	put_access(text, 0x8b, RSI, base, first, true);
	put(text, "\x48\x89\xcd", 3); /* mov %rcx,%rbp */
	put_access(text, 0x03, RSI, other_base, second, true);
	put_call(text, STUB);
}

static void put_write(struct text *text, int32_t pending, int32_t target, bool sets_buffer)
{
	if (sets_buffer) {
		put_access(text, 0x89, 0, R14, LEFT, true);
		put_access(text, 0x89, 1, R14, LEFT - 8, true);
	}
	put_access(text, 0x89, 0, R14, pending - 8, true);
	put_access(text, 0x89, 6, R14, pending, false);
	put_access(text, 0x89, 2, R14, pending + 16, true);
	put_access(text, 0x89, 0, R14, pending + 8, true);
	put_call(text, target);
}

static struct sweep swept(const struct text *text)
{
	struct sweep sweep = {.code = {text->at, text->len}, .stub = STUB};

	sweep_code(&sweep);
	return sweep;
}

static void reads_and_writes_are_found(void **state)
{
	struct text text = {};
	struct sweep sweep;
	size_t read_end, of_record, first_end;

	put_read(&text, RBX, RBX, OFF, OFF + 8);
	read_end = text.len;
	put_read(&text, R13, R13, RECORD_OFF, RECORD_OFF + 8);
	of_record = text.len;
	put_read(&text, RBX, RBX, 0x200, 0x208); /* of something else */
	put_write(&text, PENDING, SENDER, false);
	first_end = text.len;
	put_call(&text, SENDER); /* it tries again: nothing new */
	put_write(&text, PENDING, SENDER, true);
	sweep = swept(&text);
	assert_true(choose_writes(&sweep));
	assert_true(choose_reads(&sweep));
	assert_int_equal(sweep.inner.record, OFF - RECORD_OFF);
	assert_int_equal(sweep.inner.reads, 2);
	assert_int_equal(sweep.inner.read[0].at, read_end - CALL_BYTES);
	assert_int_equal(sweep.inner.read[0].kept, 0);
	assert_int_equal(sweep.inner.read[0].distance, OFF - RECORD_OFF);
	assert_int_equal(sweep.inner.read[1].at, of_record - CALL_BYTES);
	assert_int_equal(sweep.inner.read[1].kept, 3);
	assert_int_equal(sweep.inner.read[1].distance, 0);
	assert_int_equal(sweep.inner.writes, 2);
	assert_int_equal(sweep.inner.write_at[0], first_end - CALL_BYTES);
	assert_int_equal(sweep.inner.write_at[1], text.len - CALL_BYTES);
}

static void what_does_not_fit_is_not_taken(void **state)
{
	struct text text = {};
	struct sweep sweep;

	put_read(&text, RBX, R14, OFF, OFF + 8); /* two objects */
	put_read(&text, RBX, RBX, OFF, OFF + 16); /* no neighbours */
	put_read(&text, 1, 1, OFF, OFF + 8); /* rcx is not kept over the call */
	put_read(&text, RBX, RBX, 16, 24); /* no room for a record's begin */
	assert_int_equal(swept(&text).reads, 0);

	text = (struct text){};
	put_read(&text, RBX, RBX, OFF, OFF + 8);
	put_write(&text, PENDING, SENDER, false); /* of no known buffer */
	sweep = swept(&text);
	assert_int_equal(sweep.senders, 1);
	assert_false(choose_writes(&sweep));
	put_write(&text, PENDING, SENDER, true);
	put_write(&text, PENDING + 8, SENDER, true); /* of two kinds */
	sweep = swept(&text);
	assert_int_equal(sweep.senders, 3);
	assert_false(choose_writes(&sweep));

	text = (struct text){};
	put_access(&text, 0x89, 0, R14, PENDING - 8, true);
	put_access(&text, 0x89, 6, R14, PENDING, false);
	put_call(&text, SENDER);
	put_access(&text, 0x89, 2, R14, PENDING + 16, true);
	put_access(&text, 0x89, 0, R14, PENDING + 8, true);
	put_call(&text, SENDER);
	assert_int_equal(swept(&text).senders, 0); /* a call lies between */
}

/* Cut anywhere, code is read to its end and no further. */
static void code_may_end_anywhere(void **state)
{
	struct text text = {};

	put_read(&text, RBX, RBX, OFF, OFF + 8);
	put_write(&text, PENDING, SENDER, true);
	for (size_t len = 0; len <= text.len; len++) {
		uint8_t *copy = malloc(len + 1);
		struct sweep sweep = {.code = {copy, len}, .stub = STUB};

		assert_non_null(copy);
		memcpy(copy, text.at, len);
		sweep_code(&sweep);
		assert_int_equal(sweep.senders, len == text.len);
		free(copy);
	}
}

/* Debian 12's 3.0; other builds may be otherwise, and are left to the probes of their entries then. */
static void the_library_of_this_machine(void **state)
{
	struct elf_symbol symbol;
	struct tls_inner inner;
	const uint8_t *at;
	uint64_t offset;
	bool is_found;
	struct elf elf;

	if (elf_open(&elf, "/usr/lib/x86_64-linux-gnu/libssl.so.3"))
		skip();
	is_found = elf_find(&elf, "SSL_read", &symbol) &&
		   elf_offset_of(&elf, symbol.value, &offset) &&
		   tls_inner_find(&elf, offset, &inner);
	if (is_found) {
		at = elf_part(&elf, inner.read[0].at, 1);
		assert_int_equal(*at, 0xe8);
		assert_in_range(inner.reads, 1, TLS_INNER_READS);
		assert_in_range(inner.writes, 1, TLS_INNER_WRITES);
		for (uint32_t i = 0; i < inner.writes; i++) {
			at = elf_part(&elf, inner.write_at[i], 1);
			assert_int_equal(*at, 0xe8);
		}
	}
	elf_close(&elf);
	if (!is_found)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_are_found),
		cmocka_unit_test(what_does_not_fit_is_not_taken),
		cmocka_unit_test(code_may_end_anywhere),
		cmocka_unit_test(the_library_of_this_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 77;
}

#endif
