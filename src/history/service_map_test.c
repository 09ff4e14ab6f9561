// SPDX-License-Identifier: GPL-2.0-only
/* service_map_test - edges, both their ends and bare connections become one map, each counted once. */
#include "history/service_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/json_read.h"
#include "base/sketch.h"
#include "history/history.h"
#include "store/kit.h"

enum { SECOND = 1000000000 };

struct scene {
	char path[64];
	struct event_base *loop;
	struct history *history;
	struct layout edges, ends, connections;
	const char *group;
	struct question question;
	struct buf text;
	struct arena arena;
	const struct json_node *root;
};

static void add_all(struct layout *layout, const char *const *names)
{
	for (; *names; names++)
		assert_true(layout_add(layout, *names, UNIT_NONE, NULL, NULL) >= 0);
}

static void begin(struct scene *scene)
{
	static const char *const edges[] = {"client", "server",          "protocol", "count",
					    "errors", "duration_ns_sum", NULL};
	static const char *const ends[] = {
		"side",   "protocol",        "remote_name",        "count",
		"errors", "duration_ns_sum", "duration_ns_sketch", "queue_ns_sum",
		NULL};
	static const char *const connections[] = {"side",       "transport",      "remote_name",
						  "sent_bytes", "received_bytes", NULL};
	struct history_options options;

	*scene = (struct scene){};
	kit_folder(scene->path);
	scene->loop = event_base_new();
	options = (struct history_options){
		.loop = scene->loop, .path = scene->path, .size = 64 << 20, .interval_s = 1};
	assert_int_equal(history_new(&options, &scene->history, NULL), 0);
	layout_begin(&scene->edges, 0);
	add_all(&scene->edges, edges);
	layout_begin(&scene->ends, WHO_OF_PID);
	add_all(&scene->ends, ends);
	layout_begin(&scene->connections, WHO_OF_PID);
	add_all(&scene->connections, connections);
	buf_init(&scene->text, 8 << 20);
	arena_init(&scene->arena, 8 << 20);
}

static void end(struct scene *scene)
{
	buf_done(&scene->text);
	arena_done(&scene->arena);
	history_free(scene->history);
	event_base_free(scene->loop);
	kit_remove(scene->path);
}

static struct record make(const struct layout *layout, const char *item)
{
	struct record record = {.layout = layout};

	record.value[LAYOUT_TIME] = (struct value){.kind = VALUE_TIME, .u64 = SECOND};
	record.value[LAYOUT_ITEM] = value_str(item);
	record.value[LAYOUT_KIND] = value_str("kind");
	record.value[LAYOUT_NODE] = value_str("host-a");
	return record;
}

static void set(struct record *record, const char *column, struct value value)
{
	int at = layout_find(record->layout, span_of(column));

	assert_true(at >= 0);
	record->value[at] = value;
}

static void say_edge(struct scene *scene, const char *client, const char *server, uint64_t count,
		     uint64_t errors)
{
	struct record record = make(&scene->edges, "talks");

	set(&record, "client", value_str(client));
	set(&record, "server", value_str(server));
	set(&record, "protocol", value_str("http"));
	set(&record, "count", value_u64(count));
	set(&record, "errors", value_u64(errors));
	set(&record, "duration_ns_sum", value_u64(count * 1000));
	history_take(scene->history, &record);
}

/* `pod` may be NULL. All exchanges take from_ns, from_ns + 1000 ... */
static void say_end(struct scene *scene, const char *side, const char *process, const char *pod,
		    const char *remote, uint64_t count, uint64_t from_ns)
{
	struct record record = make(&scene->ends, "talks");
	struct sketch sketch = {};
	struct buf written;

	for (uint64_t i = 0; i < count; i++)
		sketch_add(&sketch, (double)(from_ns + i * 1000));
	buf_init(&written, SKETCH_BYTES_MAX);
	sketch_write(&sketch, &written);
	set(&record, "side", value_str(side));
	set(&record, "process", value_str(process));
	set(&record, "pod", value_str(pod));
	set(&record, "protocol", value_str("http"));
	set(&record, "remote_name", value_str(remote));
	set(&record, "count", value_u64(count));
	set(&record, "errors", value_u64(0));
	set(&record, "duration_ns_sum", value_u64(count * 2000));
	set(&record, "queue_ns_sum", value_u64(count * 500));
	set(&record, "duration_ns_sketch",
	    (struct value){.kind = VALUE_SKETCH, .text = buf_as_span(&written)});
	history_take(scene->history, &record);
	buf_done(&written);
	sketch_done(&sketch);
}

static void say_connection(struct scene *scene, const char *side, const char *process,
			   const char *remote)
{
	struct record record = make(&scene->connections, "connections");

	set(&record, "side", value_str(side));
	set(&record, "process", value_str(process));
	set(&record, "transport", value_str("tcp"));
	set(&record, "remote_name", value_str(remote));
	set(&record, "sent_bytes", value_u64(10));
	set(&record, "received_bytes", value_u64(5));
	history_take(scene->history, &record);
}

static void do_read(struct question *question, struct store *store)
{
	struct scene *scene = (struct scene *)((char *)question - offsetof(struct scene, question));
	static const char *const items[] = {"talks", "connections", "nothing"};
	struct service_map *map = service_map_new(scene->group);
	struct json json = {.out = &scene->text};

	for (size_t i = 0; i < 3; i++) {
		const struct past_query query = {.item = items[i],
						 .to_ns = UINT64_MAX,
						 .limit = UINT64_MAX,
						 .budget_ms = 20000};
		struct past_answer past;

		assert_int_equal(service_map_read(map, store, &query, &past, NULL), 0);
		past_answer_done(&past);
	}
	json_object(&json);
	service_map_write(map, 10, &json);
	json_object_end(&json);
	assert_int_equal(service_map_left_out(map), 0);
	service_map_free(map);
}

static void be_done(struct question *question)
{
	struct scene *scene = (struct scene *)((char *)question - offsetof(struct scene, question));

	event_base_loopbreak(scene->loop);
}

static void ask(struct scene *scene, const char *group)
{
	scene->group = group;
	scene->question = (struct question){.work = do_read, .done = be_done};
	buf_clear(&scene->text);
	arena_clear(&scene->arena);
	assert_int_equal(history_ask(scene->history, &scene->question, NULL), 0);
	event_base_dispatch(scene->loop);
	assert_int_equal(json_read(buf_as_span(&scene->text), &scene->arena, &scene->root, NULL),
			 0);
}

static const struct json_node *find(const struct json_node *list, const char *key,
				    const char *value, const char *key2, const char *value2)
{
	for (const struct json_node *node = list->child; node; node = node->next) {
		const char *is = json_get_text(node, key),
			   *is2 = key2 ? json_get_text(node, key2) : NULL;

		if (is && !strcmp(is, value) && (!key2 || (is2 && !strcmp(is2, value2))))
			return node;
	}
	return NULL;
}

static double number(const struct json_node *node, const char *key)
{
	double value = -1;

	assert_non_null(node);
	json_node_double(json_get(node, key), &value);
	return value;
}

static size_t length(const struct json_node *list)
{
	size_t count = 0;

	for (const struct json_node *node = list->child; node; node = node->next)
		count++;
	return count;
}

static void say_a_shop(struct scene *scene)
{
	say_edge(scene, "web", "api", 100, 7);
	say_edge(scene, "web", "api", 50, 0);
	say_end(scene, "client", "web", "web-1", "api", 100, 1000);
	say_end(scene, "client", "web", "web-1", "api", 50, 1000);
	say_end(scene, "server", "api", "api-1", NULL, 150, 1000);
	say_end(scene, "client", "api", "api-1", "db.example.org", 20,
		5000000); /* of this edge nobody else tells */
	say_end(scene, "server", "web", "web-1", NULL, 30, 1000); /* somebody we don't know asks */
	say_connection(scene, "client", "api", "cache");
	say_connection(scene, "client", "api", "cache");
	say_connection(scene, "client", "web", "api"); /* a protocol was read there: nothing new */
}

static void every_edge_is_there_once(void **state)
{
	const struct json_node *nodes, *edges, *edge, *node;
	struct scene scene;

	begin(&scene);
	say_a_shop(&scene);
	ask(&scene, NULL);
	nodes = json_get(scene.root, "nodes");
	edges = json_get(scene.root, "edges");
	assert_int_equal(length(nodes), 4);
	assert_int_equal(length(edges), 3);
	edge = find(edges, "client", "web", "server", "api");
	assert_float_equal(number(edge, "count"), 150, 0);
	assert_float_equal(number(edge, "rate"), 15, 0);
	assert_float_equal(number(edge, "errors"), 0.7, 1e-9);
	assert_string_equal(json_get_text(edge, "protocol"), "http");
	assert_float_equal(number(edge, "p50_ns"), 38000,
			   1500); /* 50 + 100 values from 1 us, 1 us apart */
	assert_float_equal(number(edge, "queue_ns"), 500, 0);
	edge = find(edges, "client", "api", "server", "db.example.org");
	assert_float_equal(number(edge, "count"), 20, 0);
	assert_string_equal(
		json_get_text(edge, "filter"),
		"side = \"client\" and process = \"api\" and remote_name = \"db.example.org\"");
	edge = find(edges, "client", "api", "server", "cache");
	assert_float_equal(number(edge, "connections"), 2, 0);
	assert_float_equal(number(edge, "bytes"), 30, 0);
	assert_null(json_get(edge, "rate"));
	node = find(nodes, "id", "api", NULL, NULL);
	assert_string_equal(json_get_text(node, "kind"), "process");
	assert_string_equal(json_get_text(node, "pod"), "api-1");
	assert_float_equal(number(node, "rate"), 15, 0);
	node = find(nodes, "id", "web", NULL, NULL);
	assert_float_equal(number(node, "count"), 30, 0);
	node = find(nodes, "id", "db.example.org", NULL, NULL);
	assert_string_equal(json_get_text(node, "kind"), "outside");
	assert_null(json_get(node, "rate"));
	end(&scene);
}

static void nodes_fold_by_another_column(void **state)
{
	const struct json_node *nodes, *edges;
	struct scene scene;

	begin(&scene);
	say_a_shop(&scene);
	ask(&scene, "pod");
	nodes = json_get(scene.root, "nodes");
	edges = json_get(scene.root, "edges");
	assert_string_equal(json_get_text(find(nodes, "id", "web-1", NULL, NULL), "kind"), "pod");
	assert_float_equal(number(find(edges, "client", "web-1", "server", "api-1"), "count"), 150,
			   0);
	assert_non_null(find(edges, "client", "api-1", "server", "db.example.org"));
	ask(&scene, "node");
	edges = json_get(scene.root, "edges");
	assert_float_equal(number(find(edges, "client", "host-a", "server", "host-a"), "count"),
			   150, 0);
	end(&scene);
}

/* A name may be anything. */
static void names_stay_texts(void **state)
{
	struct scene scene;

	begin(&scene);
	say_end(&scene, "client", "a\"b\\c", NULL, "<script>", 1, 1000);
	ask(&scene, NULL);
	assert_string_equal(
		json_get_text(json_get(scene.root, "edges")->child, "filter"),
		"side = \"client\" and process = \"a\\\"b\\\\c\" and remote_name = \"<script>\"");
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_edge_is_there_once),
		cmocka_unit_test(nodes_fold_by_another_column),
		cmocka_unit_test(names_stay_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
