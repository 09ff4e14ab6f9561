// SPDX-License-Identifier: GPL-2.0-only
/* The ground: buffers keep their limit, tables find what was put, JSON is valid whatever comes in. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static void a_buffer_never_grows_above_its_cap(void **state)
{
	struct buf buf;

	buf_init(&buf, 10);
	assert_int_equal(buf_str(&buf, "12345"), 0);
	assert_int_equal(buf_str(&buf, "67890"), 0);
	assert_false(buf.full);
	assert_int_equal(buf_char(&buf, 'x'), -ENOSPC);
	assert_true(buf.full);
	assert_int_equal(buf_add(&buf, "", 0), -ENOSPC);
	assert_string_equal(buf_text(&buf), "1234567890");
	buf_drop(&buf, 7);
	assert_string_equal(buf_text(&buf), "890");
	buf_done(&buf);
}

static void formats_and_numbers_are_written_whole(void **state)
{
	struct buf buf;

	buf_init(&buf, 1000);
	buf_f(&buf, "%s %d ", "a", -5);
	buf_u64(&buf, UINT64_MAX);
	buf_char(&buf, ' ');
	buf_u64(&buf, 0);
	assert_string_equal(buf_text(&buf), "a -5 18446744073709551615 0");
	buf_done(&buf);
}

static void an_arena_keeps_its_cap_and_hands_out_zeroes(void **state)
{
	struct arena arena;
	char *piece;

	arena_init(&arena, 100000);
	for (int i = 0; i < 1000; i++) {
		piece = arena_new(&arena, 64);
		assert_non_null(piece);
		assert_int_equal(piece[63], 0);
		piece[63] = 1;
	}
	assert_null(arena_new(&arena, 50000));
	arena_clear(&arena);
	piece = arena_new(&arena, 50000);
	assert_non_null(piece);
	assert_int_equal(piece[49999], 0);
	assert_string_equal(arena_str(&arena, span_of("text")), "text");
	arena_done(&arena);
}

/* The table against the simplest model: an array of what should be in it. */
static void a_table_agrees_with_a_model(void **state)
{
	enum { KEYS = 500 };
	unsigned seed = (unsigned)time(NULL);
	bool there[KEYS] = {};
	size_t count = 0;
	struct map map;

	print_message("seed %u\n", seed);
	srandom(seed);
	map_init(&map, sizeof(int), sizeof(int), KEYS);
	for (int step = 0; step < 100000; step++) {
		int key = (int)(random() % KEYS), *value;
		bool is_new;

		if (random() % 2) {
			value = map_put(&map, &key, &is_new);
			assert_int_equal(is_new, !there[key]);
			*value = key;
			count += !there[key];
			there[key] = true;
		} else {
			assert_int_equal(map_del(&map, &key), there[key]);
			count -= there[key];
			there[key] = false;
		}
		assert_int_equal(map.len, count);
	}
	for (int key = 0; key < KEYS; key++) {
		int *value = map_get(&map, &key);

		assert_int_equal(value != NULL, there[key]);
		if (value)
			assert_int_equal(*value, key);
	}
	map_done(&map);
}

static bool is_odd(void *ctx, const void *key, void *value)
{
	return *(const int *)key % 2;
}

static void what_goes_is_removed_and_the_rest_is_found(void **state)
{
	struct map map;

	map_init(&map, sizeof(int), sizeof(int), 3000);
	for (int i = 0; i < 3000; i++)
		*(int *)map_put(&map, &i, NULL) = i;
	assert_int_equal(map_remove(&map, is_odd, NULL), 1500);
	assert_int_equal(map.len, 1500);
	for (int i = 0; i < 3000; i++) {
		const int *value = map_get(&map, &i);

		assert_int_equal(value != NULL, i % 2 == 0);
		if (value)
			assert_int_equal(*value, i);
	}
	assert_int_equal(map_remove(&map, is_odd, NULL), 0);
	map_done(&map);
}

static void a_full_table_refuses_and_counts(void **state)
{
	struct map map;

	map_init(&map, sizeof(int), 0, 2);
	for (int i = 0; i < 5; i++)
		map_put(&map, &i, NULL);
	assert_int_equal(map.len, 2);
	assert_int_equal(map.refused, 3);
	map_done(&map);
}

static const struct { const char *in, *out; } texts[] = {
	{"plain", "\"plain\""},
	{"quote \" slash \\", "\"quote \\\" slash \\\\\""},
	{"\x01\n\x7f", "\"\\u0001\\n\\u007f\""},
	{"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
	{"cut \xc3", "\"cut \\ufffd\""},
	{"\xc0\xaf", "\"\\ufffd\\ufffd\""},
	{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
	{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
};

static void hostile_text_becomes_valid_json(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct buf buf;
		struct json json = {.out = &buf};

		buf_init(&buf, 1000);
		json_str(&json, texts[i].in);
		assert_string_equal(buf_text(&buf), texts[i].out);
		buf_done(&buf);
	}
}

static void json_puts_its_own_commas(void **state)
{
	struct buf buf;
	struct json json = {.out = &buf};

	buf_init(&buf, 1000);
	json_object(&json);
	json_key_u64(&json, "a", 1);
	json_key(&json, "b");
	json_array(&json);
	json_i64(&json, INT64_MIN);
	json_double(&json, 0.1);
	json_double(&json, 1.0 / 0.0);
	json_array_end(&json);
	json_key_bool(&json, "c", true);
	json_object_end(&json);
	assert_string_equal(buf_text(&buf), "{\"a\":1,\"b\":[-9223372036854775808,0.1,null],\"c\":true}");
	buf_done(&buf);
}

static void a_reason_keeps_its_code_and_gains_a_prefix(void **state)
{
	struct err why = {};

	assert_int_equal(err_set(&why, -ENOENT, "cannot open '%s'", "x"), -ENOENT);
	assert_int_equal(err_prefix(&why, "item '%s'", "y"), -ENOENT);
	assert_string_equal(why.text, "item 'y': cannot open 'x'");
	assert_int_equal(err_set(NULL, -EPERM, "nobody listens"), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_never_grows_above_its_cap),
		cmocka_unit_test(formats_and_numbers_are_written_whole),
		cmocka_unit_test(an_arena_keeps_its_cap_and_hands_out_zeroes),
		cmocka_unit_test(a_table_agrees_with_a_model),
		cmocka_unit_test(what_goes_is_removed_and_the_rest_is_found),
		cmocka_unit_test(a_full_table_refuses_and_counts),
		cmocka_unit_test(hostile_text_becomes_valid_json),
		cmocka_unit_test(json_puts_its_own_commas),
		cmocka_unit_test(a_reason_keeps_its_code_and_gains_a_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
