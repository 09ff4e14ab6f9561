// SPDX-License-Identifier: GPL-2.0-only
/* What is JSON is read as it was meant, what is not is refused with its place, and no input takes more than its arena. */
#include "base/json_read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/suggest.h"

static const char document[] =
	"{\"name\":\"x\\u00e9\\ud83d\\ude00\\n\\/\",\"on\":true,\"off\":false,"
	"\"none\":null,\"list\":[1,-2,3.5e2,[]],\"big\":18446744073709551615}";

static void a_document_is_read_whole(void **state)
{
	const struct json_node *root, *list;
	struct arena arena;
	struct err why = {};
	uint64_t big;
	int64_t small;
	double real;

	arena_init(&arena, 64 * 1024);
	assert_int_equal(json_read(span_of(document), &arena, &root, &why), 0);
	assert_string_equal(json_get_text(root, "name"), "x\u00e9\U0001f600\n/");
	assert_true(json_get(root, "on")->truth);
	assert_false(json_get(root, "off")->truth);
	assert_int_equal(json_get(root, "none")->type, JSON_NULL);
	assert_null(json_get(root, "absent"));
	assert_null(json_get_text(root, "on"));
	list = json_get(root, "list");
	assert_true(json_node_u64(list->child, &big) && big == 1);
	assert_true(json_node_i64(list->child->next, &small) && small == -2);
	assert_false(json_node_u64(list->child->next, &big));
	assert_true(json_node_double(list->child->next->next, &real) && real == 350);
	assert_int_equal(list->child->next->next->next->type, JSON_ARRAY);
	assert_null(list->child->next->next->next->next);
	assert_true(json_node_u64(json_get(root, "big"), &big) && big == UINT64_MAX);
	assert_false(json_node_i64(json_get(root, "big"), &small));
	arena_done(&arena);
}

/* Cut anywhere, a document is no document, and says so. */
static void a_cut_document_is_refused(void **state)
{
	for (size_t len = 0; len < sizeof(document) - 1; len++) {
		const struct json_node *root;
		struct err why = {};
		struct arena arena;

		arena_init(&arena, 64 * 1024);
		assert_int_equal(json_read((struct span){(const uint8_t *)document, len}, &arena,
					   &root, &why),
				 -EINVAL);
		assert_non_null(strstr(why.text, "not JSON: byte "));
		arena_done(&arena);
	}
}

static const struct {
	const char *in, *why;
} bad[] = {
	{"", "not JSON: byte 1: the text ends where a value should stand"},
	{"{} x", "not JSON: byte 4: something follows the value"},
	{"01", "not JSON: byte 3: a number is not written as JSON wants it"},
	{"1.", "not JSON: byte 3: a number has no digits after its point"},
	{"1e", "not JSON: byte 3: a number has no digits in its exponent"},
	{"-", "not JSON: byte 2: a number is not written as JSON wants it"},
	{"[1 2]", "not JSON: byte 4: ',' or ']' is missing"},
	{"[1,]", "not JSON: byte 4: no JSON value begins here"},
	{"{\"a\" 1}", "not JSON: byte 6: a ':' is missing"},
	{"{a:1}", "not JSON: byte 2: a name in quotes is missing"},
	{"\"a\tb\"", "not JSON: byte 3: a control byte stands in a text"},
	{"\"\\x\"", "not JSON: byte 4: an unknown escape follows \\"},
	{"\"\\u12g4\"", "not JSON: byte 4: \\u needs four hexadecimal digits"},
	{"\"\xff\"", "not JSON: byte 2: a text is not UTF-8"},
	{"\"\\", "not JSON: byte 3: a text does not end"},
	{"tru", "not JSON: byte 1: no JSON value begins here"},
};

static void what_is_wrong_is_said_with_its_place(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const struct json_node *root;
		struct err why = {};
		struct arena arena;

		arena_init(&arena, 4096);
		assert_int_equal(json_read(span_of(bad[i].in), &arena, &root, &why), -EINVAL);
		assert_string_equal(why.text, bad[i].why);
		arena_done(&arena);
	}
}

static void depth_and_memory_have_limits(void **state)
{
	char deep[2 * JSON_DEPTH + 2] = "", long_list[4000] = "[0";
	const struct json_node *root;
	struct err why = {};
	struct arena arena;

	arena_init(&arena, 64 * 1024);
	memset(deep, '[', JSON_DEPTH);
	memset(deep + JSON_DEPTH, ']', JSON_DEPTH);
	assert_int_equal(json_read(span_of(deep), &arena, &root, &why), 0);
	memset(deep, '[', JSON_DEPTH + 1);
	assert_int_equal(json_read(span_of(deep), &arena, &root, &why), -EINVAL);
	assert_non_null(strstr(why.text, "nested too deeply"));
	arena_done(&arena);

	for (size_t i = 2; i < sizeof(long_list) - 2; i += 2)
		memcpy(long_list + i, ",0", 2);
	long_list[sizeof(long_list) - 2] = ']';
	arena_init(&arena, 4096);
	assert_int_equal(json_read(span_of(long_list), &arena, &root, &why), -ENOMEM);
	arena_done(&arena);
}

static void half_a_pair_and_nul_become_the_replacement(void **state)
{
	const struct json_node *root;
	struct arena arena;

	arena_init(&arena, 4096);
	assert_int_equal(json_read(span_of("\"\\ud83dx\\u0000\\ude00\\ud83d\\ud83d\\ude00\""),
				   &arena, &root, NULL),
			 0);
	assert_string_equal((const char *)root->text.at, "\ufffdx\ufffd\ufffd\ufffd\U0001f600");
	arena_done(&arena);
}

static void the_nearest_word_is_suggested(void **state)
{
	struct suggestion near = {}, far = {}, swapped = {};

	suggest(&near, span_of("limts"), span_of("limited"));
	suggest(&near, span_of("limts"), span_of("limits"));
	suggest(&near, span_of("limts"), span_of("listen"));
	assert_string_equal(near.best, "limits");
	suggest(&far, span_of("limts"), span_of("outlets"));
	suggest(&far, span_of("ab"), span_of("cd"));
	assert_string_equal(far.best, "");
	suggest(&swapped, span_of("Fitler"), span_of("filter"));
	assert_string_equal(swapped.best, "filter");
	assert_int_equal(swapped.distance, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_read_whole),
		cmocka_unit_test(a_cut_document_is_refused),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(depth_and_memory_have_limits),
		cmocka_unit_test(half_a_pair_and_nul_become_the_replacement),
		cmocka_unit_test(the_nearest_word_is_suggested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
