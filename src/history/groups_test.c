// SPDX-License-Identifier: GPL-2.0-only
/* groups_test - records of the history summed up, against sums and ranks that are made here from the same numbers. */
#include "history/groups.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/sketch.h"
#include "history/history.h"
#include "store/kit.h"

enum { RECORDS = 3000, SECOND = 1000000000 };

struct scene {
	char path[64];
	struct event_base *loop;
	struct history *history;
	struct layout summaries, singles;
	int process, count, errors, sum, least, most, sketch; /* of summaries */
	int duration, bytes, error; /* of singles */
	/* the question */
	struct question question;
	struct groups_query query;
	struct buf text;
	int result, wanted;
};

static void begin(struct scene *scene)
{
	struct history_options options;

	*scene = (struct scene){};
	kit_folder(scene->path);
	scene->loop = event_base_new();
	options = (struct history_options){
		.loop = scene->loop, .path = scene->path, .size = 64 << 20, .interval_s = 1};
	assert_int_equal(history_new(&options, &scene->history, NULL), 0);
	layout_begin(&scene->summaries, 1u << WHO_PROCESS);
	scene->process = layout_find(&scene->summaries, span_of("process"));
	scene->count = layout_add(&scene->summaries, "count", UNIT_COUNT, NULL, NULL);
	scene->errors = layout_add(&scene->summaries, "errors", UNIT_COUNT, NULL, NULL);
	scene->sum = layout_add(&scene->summaries, "duration_ns_sum", UNIT_NS, NULL, NULL);
	scene->least = layout_add(&scene->summaries, "duration_ns_min", UNIT_NS, NULL, NULL);
	scene->most = layout_add(&scene->summaries, "duration_ns_max", UNIT_NS, NULL, NULL);
	scene->sketch = layout_add(&scene->summaries, "duration_ns_sketch", UNIT_NONE, NULL, NULL);
	layout_begin(&scene->singles, 1u << WHO_PROCESS);
	scene->duration = layout_add(&scene->singles, "duration_ns", UNIT_NS, NULL, NULL);
	scene->bytes = layout_add(&scene->singles, "sent_bytes", UNIT_BYTES, NULL, NULL);
	scene->error = layout_add(&scene->singles, "error", UNIT_NONE, NULL, NULL);
	buf_init(&scene->text, 8 << 20);
}

static void end(struct scene *scene)
{
	buf_done(&scene->text);
	history_free(scene->history);
	event_base_free(scene->loop);
	kit_remove(scene->path);
}

static void head(struct record *record, const struct layout *layout, const char *item,
		 const char *kind, const char *process, uint64_t time_ns)
{
	*record = (struct record){.layout = layout};
	record->value[LAYOUT_TIME] = (struct value){.kind = VALUE_TIME, .u64 = time_ns};
	record->value[LAYOUT_ITEM] = value_str(item);
	record->value[LAYOUT_KIND] = value_str(kind);
	record->value[LAYOUT_FIRST] = value_str(process);
}

static void do_read(struct question *question, struct store *store)
{
	struct scene *scene = (struct scene *)((char *)question - offsetof(struct scene, question));
	struct json json = {.out = &scene->text};
	struct past_answer past;
	struct groups *groups;

	scene->result = groups_read(store, &scene->query, &groups, &past, NULL);
	groups_write(groups, &json);
	assert_int_equal(groups_left_out(groups), 0);
	groups_free(groups);
	past_answer_done(&past);
}

static void be_done(struct question *question)
{
	struct scene *scene = (struct scene *)((char *)question - offsetof(struct scene, question));

	event_base_loopbreak(scene->loop);
}

static const char *ask(struct scene *scene, const struct groups_query *query)
{
	scene->query = *query;
	if (!query->past.to_ns)
		scene->query.past.to_ns = UINT64_MAX;
	scene->query.past.budget_ms = 20000;
	scene->question = (struct question){.work = do_read, .done = be_done};
	buf_clear(&scene->text);
	history_hand_over(scene->history);
	assert_int_equal(history_ask(scene->history, &scene->question, NULL), 0);
	event_base_dispatch(scene->loop);
	assert_int_equal(scene->result, scene->wanted);
	return buf_text(&scene->text);
}

/* The number behind `"key":` in the object that holds `word`. */
static double number(const char *text, const char *word, const char *key)
{
	char quoted[80];
	const char *at = strstr(text, word);

	assert_non_null(at);
	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(at, quoted);
	assert_non_null(at);
	return strtod(at + strlen(quoted), NULL);
}

static int ascending(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

/* A summary of ten durations each: the percentile of all is not one of the parts'. */
static void percentiles_are_of_all_sketches_together(void **state)
{
	static double all[2][RECORDS * 10];
	static const char *const names[] = {"one", "two"};
	size_t count[2] = {};
	double sum[2] = {};
	struct scene scene;
	const char *text;

	begin(&scene);
	srand(7);
	for (int i = 0; i < RECORDS; i++) {
		struct sketch sketch = {};
		struct record record;
		struct buf written;
		int who = i % 3 == 0;
		uint64_t total = 0;

		buf_init(&written, SKETCH_BYTES_MAX);
		for (int k = 0; k < 10; k++) {
			double ns = floor(exp((rand() % 10000) / 1000.0 + who) * 1000);

			sketch_add(&sketch, ns);
			all[who][count[who]++] = ns;
			total += (uint64_t)ns;
			sum[who] += ns;
		}
		sketch_write(&sketch, &written);
		head(&record, &scene.summaries, "asked", "summary", names[who],
		     (1000 + (uint64_t)i) * SECOND);
		record.value[scene.count] = value_u64(10);
		record.value[scene.errors] = value_u64((uint64_t)i % 2);
		record.value[scene.sum] = value_u64(total);
		record.value[scene.least] = value_u64((uint64_t)sketch.min);
		record.value[scene.most] = value_u64((uint64_t)sketch.max);
		record.value[scene.sketch] =
			(struct value){.kind = VALUE_SKETCH, .text = buf_as_span(&written)};
		history_take(scene.history, &record);
		sketch_done(&sketch);
		buf_done(&written);
	}
	text = ask(&scene,
		   &(struct groups_query){.past.item = "asked", .by = {"process"}, .by_count = 1});
	for (int who = 0; who < 2; who++) {
		const char *word = who ? "\"two\"" : "\"one\"";

		qsort(all[who], count[who], sizeof(double), ascending);
		assert_true(number(text, word, "count") == (double)count[who]);
		assert_true(number(text, word, "duration_ns_sum") == sum[who]);
		assert_true(number(text, word, "duration_ns_min") == all[who][0]);
		assert_true(number(text, word, "duration_ns_max") == all[who][count[who] - 1]);
		for (int p = 50; p <= 99; p += p == 50 ? 40 : 9) {
			char key[32];
			double wanted = all[who][(size_t)((double)(count[who] - 1) * p / 100)];

			snprintf(key, sizeof(key), "duration_ns_p%d", p);
			assert_true(fabs(number(text, word, key) / wanted - 1) < 0.025);
		}
	}
	assert_true(strstr(text, "\"one\"") <
		    strstr(text, "\"two\"")); /* the greatest count first */
	assert_null(strstr(text, "sketch"));
	end(&scene);
}

static void steps_part_the_time(void **state)
{
	struct scene scene;
	const char *text;

	begin(&scene);
	for (uint64_t i = 0; i < 30; i++) {
		struct record record;

		head(&record, &scene.singles, "single", "connection", "web", (600 + i) * SECOND);
		record.value[scene.duration] = value_u64(1000 * (i + 1));
		record.value[scene.bytes] = value_u64(5);
		if (i % 10 == 0)
			record.value[scene.error] = value_bool(true);
		history_take(scene.history, &record);
	}
	text = ask(&scene,
		   &(struct groups_query){.past.item = "single", .step_ns = 10ull * SECOND});
	assert_true(number(text, "00:10:00", "count") == 10);
	assert_true(number(text, "00:10:20", "sent_bytes") == 50);
	assert_true(number(text, "00:10:20", "errors") == 1);
	assert_true(number(text, "00:10:10", "duration_ns_min") == 11000);
	assert_true(number(text, "00:10:10", "duration_ns_sum") == 155000);
	assert_true(fabs(number(text, "00:10:10", "duration_ns_p50") / 15000 - 1) < 0.1);
	text = ask(&scene, &(struct groups_query){
				   .past.item = "single", .step_ns = 10ull * SECOND, .limit = 2});
	assert_null(strstr(text, "00:10:20"));
	text = ask(&scene, &(struct groups_query){.past.item = "nothing"});
	assert_string_equal(text, "[]");
	end(&scene);
}

/* One range against the one before it: what is in one of them only is there, too. */
static void two_ranges_are_compared(void **state)
{
	static const struct {
		const char *process;
		uint64_t second, count, ns;
	} told[] = {
		{"same", 100, 10, 1000}, {"same", 200, 30, 4000}, {"gone", 110, 7, 500},
		{"new", 210, 5, 9000},   {"old", 50, 1000, 10},
	};
	struct groups_query query = {.past.item = "single",
				     .past.from_ns = 150ull * SECOND,
				     .past.to_ns = 250ull * SECOND,
				     .by = {"process"},
				     .by_count = 1,
				     .against_from_ns = 60ull * SECOND,
				     .against_to_ns = 150ull * SECOND};
	struct scene scene;
	const char *text;

	begin(&scene);
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
		for (uint64_t n = 0; n < told[i].count; n++) {
			struct record record;

			head(&record, &scene.singles, "single", "connection", told[i].process,
			     told[i].second * SECOND + n);
			record.value[scene.duration] = value_u64(told[i].ns);
			history_take(scene.history, &record);
		}
	text = ask(&scene, &query);
	assert_true(number(text, "\"same\"", "count") == 30);
	assert_true(number(strstr(text, "\"same\""), "\"before\"", "count") == 10);
	assert_true(number(strstr(text, "\"same\""), "\"before\"", "duration_ns_sum") == 10000);
	assert_true(number(text, "\"gone\"", "count") == 0);
	assert_true(number(strstr(text, "\"gone\""), "\"before\"", "count") == 7);
	assert_true(number(text, "\"new\"", "count") == 5);
	assert_null(strstr(text, "\"old\""));
	assert_true(strstr(text, "\"same\"") < strstr(text, "\"new\""));
	/* in another order: what is slowest first */
	query.order = "duration_ns_p99";
	query.limit = 1;
	text = ask(&scene, &query);
	assert_non_null(strstr(text, "\"new\""));
	assert_null(strstr(text, "\"same\""));
	query.order = "duration_ns_max";
	assert_non_null(strstr(ask(&scene, &query), "\"new\""));
	query.order = "shoe";
	scene.wanted = -EINVAL;
	ask(&scene, &query);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_of_all_sketches_together),
		cmocka_unit_test(steps_part_the_time),
		cmocka_unit_test(two_ranges_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
