// SPDX-License-Identifier: GPL-2.0-only
/* changes_test - settings handed over again and again: what differs is told once, with what it was and who did it. */
#include "history/changes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/json_read.h"
#include "store/kit.h"

#define SECOND 1000000000ull
#define BEGIN  (1790000000 * SECOND)

struct scene {
	char path[64];
	struct store *store;
	struct buf text;
	struct arena arena;
	const struct json_node *first; /* the newest change */
	size_t count;
};

static void open_it(struct scene *scene)
{
	struct store_options options;

	store_defaults(&options);
	options.path = scene->path;
	options.bytes_max = 64 << 20;
	options.room_min = 0;
	assert_int_equal(store_open(&options, &scene->store, NULL), 0);
}

static void begin(struct scene *scene)
{
	*scene = (struct scene){};
	kit_folder(scene->path);
	buf_init(&scene->text, 4 << 20);
	arena_init(&scene->arena, 16 << 20);
	open_it(scene);
}

static void end(struct scene *scene)
{
	store_close(scene->store);
	buf_done(&scene->text);
	arena_done(&scene->arena);
	kit_remove(scene->path);
}

/* "a=1 b=true": noted at that second. */
static int note(struct scene *scene, const char *text, const char *by, uint64_t second)
{
	struct buf settings;
	int count;

	buf_init(&settings, SETTINGS_BYTES);
	while (*text) {
		size_t key = strcspn(text, "="), value = strcspn(text + key + 1, " ");
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)key, text);
		settings_add(&settings, name,
			     (struct span){(const uint8_t *)text + key + 1, value});
		text += key + 1 + value;
		text += *text == ' ';
	}
	count = changes_note(scene->store, buf_as_span(&settings), by, BEGIN + second * SECOND);
	buf_done(&settings);
	return count;
}

static void list(struct scene *scene, uint64_t from, uint64_t to, size_t limit)
{
	struct json json = {.out = &scene->text};
	const struct json_node *root;

	buf_clear(&scene->text);
	arena_done(&scene->arena);
	arena_init(&scene->arena, 16 << 20);
	assert_int_equal(changes_write(scene->store, BEGIN + from * SECOND, BEGIN + to * SECOND,
				       limit, &json),
			 0);
	assert_int_equal(json_read(buf_as_span(&scene->text), &scene->arena, &root, NULL), 0);
	scene->first = root->child;
	scene->count = 0;
	for (const struct json_node *node = root->child; node; node = node->next)
		scene->count++;
}

static void is_told(const struct json_node *change, const char *key, const char *was,
		    const char *is, const char *by)
{
	assert_non_null(change);
	assert_string_equal(json_get_text(change, "key"), key);
	if (was)
		assert_string_equal(json_get_text(change, "was"), was);
	else
		assert_null(json_get(change, "was"));
	if (is)
		assert_string_equal(json_get_text(change, "is"), is);
	else
		assert_null(json_get(change, "is"));
	assert_string_equal(json_get_text(change, "by"), by);
}

static void what_differs_is_told_once(void **state)
{
	struct scene scene;

	begin(&scene);
	assert_int_equal(note(&scene, "version=1 store.size=2GiB items.a.on=true", "start", 0), 1);
	assert_int_equal(note(&scene, "version=1 store.size=2GiB items.a.on=true", "start", 1), 0);
	assert_int_equal(note(&scene, "version=1 store.size=1GiB items.a.on=false", "reload", 2),
			 2);
	list(&scene, 0, 100, 100);
	assert_int_equal(scene.count, 3);
	is_told(scene.first, "items.a.on", "true", "false", "reload");
	is_told(scene.first->next, "store.size", "2GiB", "1GiB", "reload");
	is_told(scene.first->next->next, "version", NULL, "1", "start");
	assert_string_equal(json_get_text(scene.first, "time"), "2026-09-21T14:13:22.000Z");
	end(&scene);
}

static void what_comes_and_goes_is_told_when_it_is_on(void **state)
{
	struct scene scene;

	begin(&scene);
	note(&scene, "version=1", "start", 0);
	assert_int_equal(note(&scene, "version=1 items.b.on=true items.b.min=5", "request", 1), 1);
	assert_int_equal(note(&scene, "version=1", "request", 2), 1);
	assert_int_equal(note(&scene, "version=1 items.c.on=false items.c.min=5", "start", 3), 0);
	list(&scene, 0, 100, 100);
	assert_int_equal(scene.count, 3);
	is_told(scene.first, "items.b.on", "true", NULL, "request");
	is_told(scene.first->next, "items.b.on", NULL, "true", "request");
	end(&scene);
}

static void a_parameter_that_is_not_there_is_at_its_default(void **state)
{
	struct scene scene;

	begin(&scene);
	note(&scene, "version=1 items.b.on=true", "start", 0);
	assert_int_equal(note(&scene, "version=1 items.b.on=true items.b.min=5", "request", 1), 1);
	assert_int_equal(note(&scene, "version=1 items.b.on=true", "request", 2), 1);
	assert_int_equal(note(&scene, "version=1 items.b.on=true fresh.key=5", "start", 3), 0);
	list(&scene, 0, 100, 100);
	is_told(scene.first, "items.b.min", "5", NULL, "request");
	is_told(scene.first->next, "items.b.min", NULL, "5", "request");
	end(&scene);
}

static void a_range_and_a_limit_hold(void **state)
{
	struct scene scene;
	char text[64];

	begin(&scene);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "a=%u", i);
		note(&scene, text, "request", i);
	}
	list(&scene, 5, 10, 100);
	assert_int_equal(scene.count, 5);
	is_told(scene.first, "a", "8", "9", "request");
	list(&scene, 0, 100, 3);
	assert_int_equal(scene.count, 3);
	is_told(scene.first, "a", "18", "19", "request");
	end(&scene);
}

static void changes_outlive_the_agent_and_are_not_without_end(void **state)
{
	enum { MANY = CHANGES_KEPT + 50 };
	struct scene scene;
	char text[64];

	begin(&scene);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "a=%u", i);
		assert_int_equal(note(&scene, text, "request", i), i > 0);
	}
	store_close(scene.store);
	open_it(&scene);
	list(&scene, 0, MANY, MANY);
	assert_int_equal(scene.count, CHANGES_KEPT);
	snprintf(text, sizeof(text), "%u", MANY - 1);
	assert_string_equal(json_get_text(scene.first, "is"), text);
	assert_int_equal(note(&scene, "a=0", "start", MANY), 1);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_told_once),
		cmocka_unit_test(what_comes_and_goes_is_told_when_it_is_on),
		cmocka_unit_test(a_parameter_that_is_not_there_is_at_its_default),
		cmocka_unit_test(a_range_and_a_limit_hold),
		cmocka_unit_test(changes_outlive_the_agent_and_are_not_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
