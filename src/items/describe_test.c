// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real objects are read back to what their source says; broken and foreign ones are refused with a reason.
 * The objects are compiled by the build into the folder $OBJECTS.
 */
#include "items/describe.h"

#include "base/json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <bpf/libbpf.h>

struct file {
	uint8_t *
		at; /* owned, exactly `size` bytes, so that the sanitizer sees the first one beyond */
	size_t size;
};

static struct file read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size;
	struct file file;

	if (fd < 0)
		fail_msg("cannot open %s", path);
	size = lseek(fd, 0, SEEK_END);
	file = (struct file){malloc((size_t)size), (size_t)size};
	assert_int_equal(pread(fd, file.at, file.size, 0), size);
	close(fd);
	return file;
}

static struct file read_object(const char *name)
{
	char path[500];

	assert_non_null(getenv("OBJECTS"));
	snprintf(path, sizeof(path), "%s/describe_%s.bpf.o", getenv("OBJECTS"), name);
	return read_file(path);
}

static struct item_desc *describe(const char *name)
{
	struct file file = read_object(name);
	struct item_desc *desc;
	struct err why = {};

	if (item_describe(name, file.at, file.size, &desc, &why))
		fail_msg("%s", why.text);
	free(file.at);
	return desc;
}

static void the_item_says_what_it_is(void **state)
{
	struct item_desc *every = describe("every"), *plain = describe("plain");

	assert_string_equal(every->name, "every");
	assert_string_equal(every->wing, "net");
	assert_false(every->on_by_default);
	assert_string_equal(every->when, "memory_pressure > 20 and container");
	assert_int_equal(every->awake_s, 30);
	assert_int_equal(every->cooldown_s, 300);
	assert_string_equal(every->help, "uses every macro: of no use otherwise");
	assert_true(every->has_ring);
	assert_true(every->has_filter);
	assert_true(every->has_by);
	assert_true(plain->on_by_default);
	assert_null(plain->when);
	assert_false(plain->has_ring);
	assert_false(plain->has_filter);
	assert_false(plain->has_by);
	item_desc_free(every);
	item_desc_free(plain);
}

static void parameters_have_type_default_and_help(void **state)
{
	static const struct {
		const char *name, *type;
		uint32_t size;
		int64_t value;
		const char *help;
	} want[] = {
		{"min_us", "u64", 8, 1000, "ignore what is shorter"},
		{"depth", "u32", 4, 0, "zero lies in .rodata too"},
		{"offset", "s64", 8, -5, "a negative default"},
		{"loud", "bool", 1, 1, "a switch"},
	};
	struct item_desc *desc = describe("every");

	assert_int_equal(desc->params, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct item_param *param = NULL;

		for (uint32_t at = 0; at < desc->params; at++)
			if (!strcmp(desc->param[at].name, want[i].name))
				param = &desc->param[at];
		assert_non_null(param);
		assert_string_equal(param->type, want[i].type);
		assert_int_equal(param->size, want[i].size);
		assert_int_equal(param->value, want[i].value);
		assert_string_equal(param->help, want[i].help);
	}
	item_desc_free(desc);
}

static void events_have_their_columns(void **state)
{
	static const char *const names[] = {
		"cgroup",     "pid",         "cookie",    "took_ns", "local_addr", "remote_addr",
		"local_port", "remote_port", "tcp_state", "errno",   "comm",       "args"};
	static const char *const out[] = {
		"time",        "item",      "kind",       "node",        "pid",
		"process",     "exe",       "uid",        "container",   "container_id",
		"image",       "pod",       "namespace",  "service",     "cgroup",
		"connection",  "took_ns",   "local_addr", "remote_addr", "local_port",
		"remote_port", "tcp_state", "errno",      "args",        "remote_name"};
	struct item_desc *desc = describe("every");
	const struct item_event *opened = NULL, *closed = NULL;

	assert_int_equal(desc->events, 2);
	for (uint32_t i = 0; i < desc->events; i++)
		*(desc->event[i].number == 1 ? &opened : &closed) = &desc->event[i];
	assert_non_null(opened);
	assert_non_null(closed);
	assert_string_equal(opened->schema.item, "every");
	assert_string_equal(opened->schema.kind, "connection");
	assert_int_equal(opened->schema.count, sizeof(names) / sizeof(*names));
	for (uint32_t i = 0; i < opened->schema.count; i++)
		assert_string_equal(opened->schema.column[i].name, names[i]);
	assert_int_equal(opened->schema.column[0].offset, 16);
	assert_string_equal(opened->schema.column[3].help, "time until it was open");
	assert_int_equal(opened->layout.count, sizeof(out) / sizeof(*out));
	for (uint32_t i = 0; i < opened->layout.count; i++)
		assert_string_equal(opened->layout.column[i].name, out[i]);
	assert_int_equal(closed->number, 2);
	assert_string_equal(closed->schema.column[3].name, "steps_2");
	item_desc_free(desc);
}

static const struct item_map *find_map(const struct item_desc *desc, const char *name)
{
	for (uint32_t i = 0; i < desc->maps; i++)
		if (!strcmp(desc->map[i].name, name))
			return &desc->map[i];
	fail_msg("no map %s", name);
	return NULL;
}

static void metrics_have_names_units_and_places(void **state)
{
	static const struct {
		const char *map, *name, *unit, *labels;
		enum metric_type type;
		double scale;
		uint32_t offset, size;
	} want[] = {
		{"sent", "sonde_sent_bytes_total", "bytes", "direction=out", METRIC_COUNTER, 1, 0,
		 8},
		{"waiting", "sonde_tcp_waiting", "", NULL, METRIC_GAUGE, 1, 0, 8},
		{"latency", "sonde_latency_seconds", "seconds", NULL, METRIC_HISTOGRAM, 1e-9, 0,
		 296},
		{"sizes", "sonde_sizes_bytes", "bytes", NULL, METRIC_HISTOGRAM, 1, 0, 296},
		{"steps", "sonde_steps", "", NULL, METRIC_HISTOGRAM, 1, 0, 296},
		{"totals", "sonde_tcp_opened_total", "", "direction=inbound", METRIC_COUNTER, 1, 0,
		 8},
		{"totals", "sonde_tcp_opened_total", "", "direction=outbound", METRIC_COUNTER, 1, 8,
		 8},
		{"totals", "sonde_tcp_open", "", NULL, METRIC_GAUGE, 1, 16, 8},
		{"totals", "sonde_busy_seconds_total", "seconds", NULL, METRIC_COUNTER, 1e-9, 24,
		 8},
		{"process", "sonde_open_files", "", NULL, METRIC_GAUGE, 1, 4, 4},
		{"process", "sonde_page_faults_total", "", NULL, METRIC_COUNTER, 1, 8, 8},
	};
	struct item_desc *desc = describe("every");

	assert_int_equal(desc->metrics, sizeof(want) / sizeof(*want));
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		const struct item_map *map = find_map(desc, want[i].map);
		const struct metric *metric = NULL;

		for (uint32_t at = map->first_metric; at < map->first_metric + map->metrics; at++)
			if (!strcmp(desc->metric[at].name, want[i].name) &&
			    desc->metric[at].offset == want[i].offset)
				metric = &desc->metric[at];
		if (!metric)
			fail_msg("no metric %s in %s", want[i].name, want[i].map);
		assert_string_equal(metric->unit, want[i].unit);
		assert_int_equal(metric->type, want[i].type);
		assert_true(metric->scale == want[i].scale);
		assert_int_equal(metric->size, want[i].size);
		assert_string_equal(metric->labels ? metric->labels : "",
				    want[i].labels ? want[i].labels : "");
		assert_true(metric->help && *metric->help);
	}
	item_desc_free(desc);
}

static void buckets_are_read_in_the_unit_of_the_metric(void **state)
{
	struct item_desc *desc = describe("every");
	const struct metric *latency = &desc->metric[find_map(desc, "latency")->first_metric];
	const struct metric *sizes = &desc->metric[find_map(desc, "sizes")->first_metric];
	const struct metric *steps = &desc->metric[find_map(desc, "steps")->first_metric];

	assert_int_equal(latency->buckets, BUCKETS_LOG2);
	assert_true(latency->low == 1000 && latency->high == 16e9);
	assert_int_equal(sizes->buckets, BUCKETS_LINEAR);
	assert_true(sizes->step == 4096);
	assert_int_equal(steps->buckets, BUCKETS_EXPLICIT);
	assert_int_equal(steps->bounds, 4);
	assert_true(steps->bound[3] == 10);
	assert_string_equal(steps->help, desc->help); /* its own is missing */
	item_desc_free(desc);
}

static void maps_have_sizes_and_rows(void **state)
{
	static const char *const row[] = {"cgroup", "pid",      "state", "last",
					  "opened", "accepted", "now",   "busy_ns"};
	struct item_desc *desc = describe("every"), *plain = describe("plain");
	const struct item_map *totals = find_map(desc, "totals"),
			      *process = find_map(desc, "process");

	assert_int_equal(totals->type, BPF_MAP_TYPE_HASH);
	assert_int_equal(totals->max_entries, 2048);
	assert_int_equal(totals->key_size, 24);
	assert_int_equal(totals->value_size, 40);
	assert_int_equal(totals->key.count, 3);
	assert_int_equal(totals->row.count, sizeof(row) / sizeof(*row));
	assert_int_equal(totals->row.size, 64);
	for (uint32_t i = 0; i < totals->row.count; i++)
		assert_string_equal(totals->row.column[i].name, row[i]);
	assert_int_equal(totals->row.column[3].offset, 24 + 32);
	assert_int_equal(totals->row.column[7].type, COLUMN_NS);
	assert_string_equal(totals->row.kind, "sample");

	assert_true(process->is_table && process->gone_drop);
	assert_int_equal(process->number, 7);
	assert_int_equal(process->key_size, 0);
	assert_int_equal(process->value_size, 16);
	assert_int_equal(process->key.count, 1); /* pid */
	assert_int_equal(process->row.count, 2); /* pid, fds: faults carries no COL */
	assert_string_equal(process->row.kind, "process");

	assert_int_equal(plain->maps, 1);
	assert_int_equal(plain->map[0].key.count, 0);
	assert_int_equal(plain->map[0].row.count, 1);
	item_desc_free(desc);
	item_desc_free(plain);
}

static void what_is_there_and_what_is_gone_count_together(void **state)
{
	struct item_desc *desc = describe("together"), *every = describe("every");
	const struct item_map *table = find_map(desc, "process"), *gone = find_map(desc, "gone");

	assert_int_equal(desc->metrics, 5);
	assert_int_equal(desc->families, 3);
	for (uint32_t i = 0; i < 2; i++) {
		const struct metric *there = &desc->metric[table->first_metric + i],
				    *dead = &desc->metric[gone->first_metric + i];

		assert_string_equal(there->name, "sonde_faults_total");
		assert_string_equal(there->name, dead->name);
		assert_string_equal(there->labels, dead->labels);
		assert_int_equal(there->offset, 16 + 8 * i);
		assert_int_equal(dead->offset, 8 * i);
		assert_int_equal(desc->family[table->first_metric + i],
				 desc->family[gone->first_metric + i]);
	}
	assert_int_not_equal(desc->family[table->first_metric],
			     desc->family[table->first_metric + 1]);
	assert_int_equal(every->families, every->metrics);
	item_desc_free(desc);
	item_desc_free(every);
}

static void hooks_have_alternatives_and_sections(void **state)
{
	static const struct {
		const char *program, *section, *hook;
		uint32_t order;
		bool optional;
		const char *extra;
	} want[] = {
		{"on_state", "tp_btf/inet_sock_set_state", "state", 1, false, NULL},
		{"on_state_raw", "raw_tp/inet_sock_set_state", "state", 2, false,
		 "struct sock *,int,int"},
		{"on_close", "fentry/tcp_close", "close", 1, true, NULL},
		{"on_sample", "perf_event", "sample", 1, false, "cpu-clock:99hz"},
		{"on_row", "iter/task", "rows", 1, false, NULL},
	};
	struct item_desc *desc = describe("every");

	assert_int_equal(desc->hooks, 5);
	for (size_t i = 0; i < 5; i++) {
		const struct item_hook *hook = NULL;

		for (uint32_t at = 0; at < desc->hooks; at++)
			if (!strcmp(desc->hook[at].program, want[i].program))
				hook = &desc->hook[at];
		assert_non_null(hook);
		assert_string_equal(hook->section, want[i].section);
		assert_string_equal(hook->hook, want[i].hook);
		assert_int_equal(hook->order, want[i].order);
		assert_int_equal(hook->optional, want[i].optional);
		if (want[i].extra)
			assert_string_equal(hook->perf ? hook->perf : hook->prototype,
					    want[i].extra);
		else
			assert_true(!hook->perf && !hook->prototype);
	}
	item_desc_free(desc);
}

static void a_histogram_in_a_row_knows_its_buckets(void **state)
{
	struct item_desc *desc = describe("every");
	const struct item_map *map = find_map(desc, "latency");
	struct {
		uint64_t key[3], slot[METRIC_SLOTS], sum;
	} raw = {.slot = {[10] = 3}, .sum = 3000};
	struct record record;
	struct arena arena;
	struct buf buf;
	struct json json = {.out = &buf};

	arena_init(&arena, 10000);
	buf_init(&buf, 10000);
	assert_int_equal(record_fill(&record, &map->layout, &raw, sizeof(raw), 0, NULL, &arena), 0);
	record_json(&record, &json);
	assert_non_null(strstr(buf_text(&buf), "\"latency\":{\"count\":3,\"sum\":3e-06,"
					       "\"buckets\":[{\"le\":1.024e-06,\"count\":3}]}"));
	buf_done(&buf);
	arena_done(&arena);
	item_desc_free(desc);
}

static void the_description_is_one_json_object(void **state)
{
	struct item_desc *desc = describe("every");
	const struct json_node *root, *param;
	struct arena arena;
	struct buf buf;
	struct json json = {.out = &buf};
	struct err why = {};

	buf_init(&buf, 1 << 20);
	arena_init(&arena, 1 << 20);
	item_desc_json(desc, &json);
	assert_false(buf.full);
	if (json_read(buf_as_span(&buf), &arena, &root, &why))
		fail_msg("%s", why.text);
	assert_string_equal(json_get_text(root, "wing"), "net");
	assert_string_equal(json_get_text(root, "when"), "memory_pressure > 20 and container");
	param = json_get(root, "params")->child;
	while (strcmp(json_get_text(param, "name"), "min_us") != 0)
		param = param->next;
	assert_string_equal(json_get_text(param, "option"), "--min-us");
	assert_true(json_get(root, "hooks")->child && json_get(root, "sources")->child &&
		    json_get(root, "events")->child);
	buf_done(&buf);
	arena_done(&arena);
	item_desc_free(desc);
}

static const char *const mistakes[] = {
	"there is no ITEM() in it",
	"names no wing",
	"must say \"on\" or \"off\"",
	"no sentence of help",
	"parameter 'port': every item has that setting already",
	"parameter 'width' must be a __u32",
	"parameter 'width' is no const volatile",
	"struct that begins with struct event_head",
	"field 'pid' cannot be a column of type pid",
	"two events have the number 1",
	"buckets are log2",
	"two metrics are named 'sonde_same_total'",
	"are of different kinds",
	"no field with COUNTER() or GAUGE()",
	"scale that is no number above 0",
	"no hash or array map",
	"two columns are named 'pid'",
	"are both number 1 for hook 'switch'",
	"metric 'one' must be a __u64",
	"labels are name=value",
	"'tasks' is no hash map with a __u32 as key",
	"two times in seconds, of a day at most",
};

static void mistakes_are_named(void **state)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		char name[32];
		struct file file;
		struct item_desc *desc;
		struct err why = {};

		snprintf(name, sizeof(name), "wrong%zu", i + 1);
		file = read_object(name);
		assert_true(item_describe("x", file.at, file.size, &desc, &why) < 0);
		if (!strstr(why.text, mistakes[i]))
			fail_msg("%s: \"%s\" does not say \"%s\"", name, why.text, mistakes[i]);
		assert_true(strstr(why.text, "item 'x': ") == why.text);
		assert_true(item_describe("x", file.at, file.size, &desc, NULL) < 0);
		free(file.at);
	}
}

static void names_are_checked(void **state)
{
	static const char *const bad[] = {
		"",     "Big",    "1st", "a-b",  "a/b",
		"../x", "status", "run", "help", "a_name_that_is_longer_than_it_may"};
	struct file file = read_object("plain");
	struct item_desc *desc;
	struct err why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(item_describe(bad[i], file.at, file.size, &desc, &why), -EINVAL);
		assert_non_null(strstr(why.text, "item name"));
	}
	free(file.at);
}

/* Tries an object that may be anything; a refusal must have a reason. */
static bool try_object(const uint8_t *at, size_t size)
{
	struct item_desc *desc = NULL;
	struct err why = {};

	if (!item_describe("x", at, size, &desc, &why)) {
		item_desc_free(desc);
		return true;
	}
	assert_true(why.code < 0 && why.text[0]);
	return false;
}

static void objects_cut_short_are_refused(void **state)
{
	struct file file = read_object("every");

	for (size_t size = 0; size < file.size; size += 64) {
		uint8_t *cut = malloc(size ? size : 1);

		memcpy(cut, file.at, size);
		assert_false(try_object(cut, size)); /* the section headers stand at the end */
		free(cut);
	}
	free(file.at);
}

/* Bytes changed at random, most of them within .BTF: whatever is left of it, it is read or refused. */
static void damaged_objects_are_survived(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	struct file file = read_object("every");
	int described = 0, refused = 0;

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int i = 0; i < 4000; i++) {
		uint8_t *damaged = malloc(file.size);
		long flips = 1 + random() % 8;

		memcpy(damaged, file.at, file.size);
		while (flips--)
			damaged[(size_t)random() % file.size] = (uint8_t)random();
		*(try_object(damaged, file.size) ? &described : &refused) += 1;
		free(damaged);
	}
	print_message("%d described, %d refused\n", described, refused);
	assert_true(described && refused);
	free(file.at);
}

static void files_of_other_kinds_are_refused(void **state)
{
	struct file self = read_file("/proc/self/exe"), big = read_object("plain");
	struct item_desc *desc;
	struct err why = {};

	assert_int_equal(item_describe("x", self.at, self.size, &desc, &why),
			 self.size > 16 << 20 ? -E2BIG : -EINVAL);
	assert_false(try_object((const uint8_t *)"#!/bin/sh\n", 10));
	assert_false(try_object(NULL, 0));
	big.at[5] = 2; /* EI_DATA: big endian */
	item_describe("x", big.at, big.size, &desc, &why);
	assert_non_null(strstr(why.text, "not a 64-bit little endian ELF file"));
	free(self.at);
	free(big.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_item_says_what_it_is),
		cmocka_unit_test(parameters_have_type_default_and_help),
		cmocka_unit_test(events_have_their_columns),
		cmocka_unit_test(metrics_have_names_units_and_places),
		cmocka_unit_test(buckets_are_read_in_the_unit_of_the_metric),
		cmocka_unit_test(maps_have_sizes_and_rows),
		cmocka_unit_test(what_is_there_and_what_is_gone_count_together),
		cmocka_unit_test(hooks_have_alternatives_and_sections),
		cmocka_unit_test(a_histogram_in_a_row_knows_its_buckets),
		cmocka_unit_test(the_description_is_one_json_object),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(objects_cut_short_are_refused),
		cmocka_unit_test(damaged_objects_are_survived),
		cmocka_unit_test(files_of_other_kinds_are_refused),
	};

	libbpf_set_print(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
