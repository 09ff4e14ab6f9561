// SPDX-License-Identifier: GPL-2.0-only
/* YAML means what a person meant by it, and what we refuse is refused with its line. */
#include "base/yaml_read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/json.h"

static const struct {
	const char *yaml, *json;
} good[] = {
	{"", "null"},
	{"# nothing but words\n", "null"},
	{"a: 1\nb: [x, 'y', \"z\"]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\"]}"},
	{"requests: {on: true, head: 1KiB}", "{\"requests\":{\"on\":true,\"head\":\"1KiB\"}}"},
	{"on: on\nno: no\ny: ~\n", "{\"on\":\"on\",\"no\":\"no\",\"y\":null}"},
	{"mode: 0660\nbig: 1_000\nreal: -1.5e3\ntext: '5'\n",
	 "{\"mode\":\"0660\",\"big\":\"1_000\",\"real\":-1.5e3,\"text\":\"5\"}"},
	{"- a\n-\n- {}\n- []\n", "[\"a\",null,{},[]]"},
	{"--- !!str 5\n...\n", "\"5\""},
	{"text: |\n  one\n  two\n", "{\"text\":\"one\\ntwo\\n\"}"},
	{"{\"json\": [1, null, \"\\u00e9\"]}", "{\"json\":[1,null,\"\u00e9\"]}"},
};

/* As other programs read them. */
static const struct {
	const char *yaml, *json;
} loose[] = {
	{"a: &x {k: 1}\nb: *x\n", "{\"a\":{\"k\":1},\"b\":{\"k\":1}}"},
	{"a: &x 5\nb: [*x, *x]\n", "{\"a\":5,\"b\":[5,5]}"},
	{"a: !!int 5\n---\nb: 1\n", "{\"a\":\"5\"}"},
};

static void files_of_others_are_read_as_they_are(void **state)
{
	const struct json_node *root;
	struct err why = {};
	struct arena arena;

	for (size_t i = 0; i < sizeof(loose) / sizeof(*loose); i++) {
		struct buf buf;
		struct json json = {.out = &buf};

		arena_init(&arena, 256 * 1024);
		buf_init(&buf, 4096);
		if (yaml_read_loose(span_of(loose[i].yaml), "x.yaml", &arena, &root, &why))
			fail_msg("%s: %s", loose[i].yaml, why.text);
		json_node_write(root, &json);
		assert_string_equal(buf_text(&buf), loose[i].json);
		buf_done(&buf);
		arena_done(&arena);
	}
	arena_init(&arena, 256 * 1024);
	assert_int_equal(yaml_read_loose(span_of("d: &d {x: 1, y: 2}\ne: {<<: *d, y: 3}\nf: 1\nf: 2\n"), "x.yaml", &arena,
					 &root, &why), 0);
	assert_true(span_is(json_get(json_get(root, "e"), "x")->text, "1"));
	assert_true(span_is(json_get(json_get(root, "e"), "y")->text, "3"));
	assert_true(span_is(json_get(root, "f")->text, "2"));
	assert_int_equal(yaml_read_loose(span_of("a: &a [*a]\n"), "x.yaml", &arena, &root, &why), -EINVAL);
	arena_done(&arena);
}

static void plain_words_mean_what_they_say(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const struct json_node *root;
		struct err why = {};
		struct arena arena;
		struct buf buf;
		struct json json = {.out = &buf};

		arena_init(&arena, 64 * 1024);
		buf_init(&buf, 4096);
		if (yaml_read(span_of(good[i].yaml), "x.yaml", &arena, &root, &why))
			fail_msg("%s: %s", good[i].yaml, why.text);
		json_node_write(root, &json);
		assert_string_equal(buf_text(&buf), good[i].json);
		buf_done(&buf);
		arena_done(&arena);
	}
}

static const struct {
	const char *yaml, *why;
} bad[] = {
	{"a: 1\na: 2\n", "x.yaml:2: 'a' stands here again, first in line 1"},
	{"a: &x 1\nb: *x\n", "x.yaml:2: aliases (*name) are not used here; write the value again"},
	{"\na: !secret x\n", "x.yaml:2: tags are not used here; put a text in quotes"},
	{"a: 1\n---\nb: 2\n", "x.yaml:2: a second document begins; there may be one only"},
	{"[a]: 1\n", "x.yaml:1: a name must be a word or a text"},
	{"a: \"x\\0y\"\n", "x.yaml:1: a text holds a 0 byte"},
	{"a: [1,\nb: 2\n", NULL},
	{"\tx: 1\n", NULL},
	{"a: 1\n b: 2\n", NULL},
	{"a: \xff\xfe\n", NULL},
	{"%YAML 9.9\n---\n", NULL},
};

static void what_is_refused_is_named_with_its_line(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const struct json_node *root;
		struct err why = {};
		struct arena arena;

		arena_init(&arena, 64 * 1024);
		assert_int_equal(yaml_read(span_of(bad[i].yaml), "x.yaml", &arena, &root, &why),
				 -EINVAL);
		if (bad[i].why)
			assert_string_equal(why.text, bad[i].why);
		assert_memory_equal(why.text, "x.yaml:", 7);
		arena_done(&arena);
	}
}

static void every_node_knows_its_line(void **state)
{
	const struct json_node *root, *list;
	struct arena arena;

	arena_init(&arena, 64 * 1024);
	assert_int_equal(yaml_read(span_of("# x\na:\n  b: 1\n  c:\n    - d\n    - e\n"), "x",
				   &arena, &root, NULL),
			 0);
	assert_int_equal(json_get(root, "a")->line, 2);
	list = json_get(json_get(root, "a"), "c");
	assert_int_equal(list->line, 4);
	assert_int_equal(list->child->next->line, 6);
	arena_done(&arena);
}

static void depth_and_memory_have_limits(void **state)
{
	const struct json_node *root;
	struct err why = {};
	struct arena arena;
	char deep[2000];

	memset(deep, '[', sizeof(deep));
	arena_init(&arena, 64 * 1024);
	assert_int_equal(yaml_read((struct span){(const uint8_t *)deep, sizeof(deep)}, "x", &arena,
				   &root, &why),
			 -EINVAL);
	assert_string_equal(why.text, "x:1: nested too deeply");
	arena_done(&arena);

	for (size_t i = 0; i < sizeof(deep); i += 4)
		memcpy(deep + i, "- a\n", 4);
	arena_init(&arena, 4096);
	assert_int_equal(yaml_read((struct span){(const uint8_t *)deep, sizeof(deep)}, "x", &arena,
				   &root, &why),
			 -ENOMEM);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_others_are_read_as_they_are),
		cmocka_unit_test(plain_words_mean_what_they_say),
		cmocka_unit_test(what_is_refused_is_named_with_its_line),
		cmocka_unit_test(every_node_knows_its_line),
		cmocka_unit_test(depth_and_memory_have_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
