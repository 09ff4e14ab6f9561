// SPDX-License-Identifier: GPL-2.0-only
/*
 * history_test - records and samples go in and come out as they were; what was not taken is counted; questions are answered in
 * the loop, also when there is no store.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "history/history.h"
#include "history/past.h"
#include "store/kit.h"
#include "store/series.h"

struct scene {
	char path[64];
	struct event_base *loop;
	struct history *history;
	struct layout layout;
	int count, text, signed_column, nested, flag;
};

static struct history *open_history(struct scene *scene, uint64_t size)
{
	const struct history_options options = {
		.loop = scene->loop,
		.path = scene->path,
		.size = size,
		.interval_s = 1,
	};
	struct history *history;

	assert_int_equal(history_new(&options, &history, NULL), 0);
	return history;
}

static void begin(struct scene *scene)
{
	*scene = (struct scene){};
	kit_folder(scene->path);
	scene->loop = event_base_new();
	layout_begin(&scene->layout, 1u << WHO_PID | 1u << WHO_PROCESS);
	scene->count = layout_add(&scene->layout, "count", UNIT_COUNT, NULL, NULL);
	scene->text = layout_add(&scene->layout, "text", UNIT_TEXT, NULL, NULL);
	scene->signed_column = layout_add(&scene->layout, "level", UNIT_NONE, NULL, NULL);
	scene->nested = layout_add(&scene->layout, "buckets", UNIT_NONE, NULL, NULL);
	scene->flag = layout_add(&scene->layout, "error", UNIT_NONE, NULL, NULL);
	scene->history = open_history(scene, 64 << 20);
}

static void end(struct scene *scene)
{
	history_free(scene->history);
	event_base_free(scene->loop);
	kit_remove(scene->path);
}

static void publish(struct scene *scene, const char *item, uint64_t number, const char *text)
{
	struct record record = {.layout = &scene->layout};

	record.value[LAYOUT_TIME] = (struct value){.kind = VALUE_TIME, .u64 = 1000000000 + number};
	record.value[LAYOUT_ITEM] = value_str(item);
	record.value[LAYOUT_KIND] = value_str("sample");
	record.value[scene->count] = value_u64(number);
	record.value[scene->text] = value_str(text);
	record.value[scene->signed_column] = value_i64(-(int64_t)number);
	if (number % 2)
		record.value[scene->flag] = value_bool(true);
	if (number % 3 == 0)
		record.value[scene->nested] =
			(struct value){.kind = VALUE_JSON, .text = span_of("[{\"le\":1}]")};
	history_take(scene->history, &record);
}

/* A question that reads records, waited for. */
struct reading {
	struct question question;
	struct past_query query;
	struct past_answer answer;
	struct event_base *loop;
	struct buf text;
	struct json json;
	int error;
	struct err why;
};

static void add_record(void *ctx, const struct record *record)
{
	record_json(record, &((struct reading *)ctx)->json);
}

static void do_read(struct question *question, struct store *store)
{
	struct reading *reading = (struct reading *)question;

	reading->error = past_read(store, &reading->query, add_record, reading, &reading->answer,
				   &reading->why);
}

static void be_done(struct question *question)
{
	event_base_loopbreak(((struct reading *)question)->loop);
}

static void read_records(struct scene *scene, struct reading *reading,
			 const struct past_query *query)
{
	*reading = (struct reading){
		.question = {.work = do_read, .done = be_done},
		.query = *query,
		.loop = scene->loop,
	};
	buf_init(&reading->text, 16 << 20);
	reading->json.out = &reading->text;
	json_array(&reading->json);
	assert_int_equal(history_ask(scene->history, &reading->question, NULL), 0);
	event_base_dispatch(scene->loop);
	json_array_end(&reading->json);
}

static void reading_done(struct reading *reading)
{
	past_answer_done(&reading->answer);
	buf_done(&reading->text);
}

static const struct past_query everything = {
	.item = "alpha", .to_ns = UINT64_MAX, .limit = 1000, .budget_ms = 10000};

static void records_come_back_as_they_were(void **state)
{
	struct reading reading;
	struct scene scene;

	begin(&scene);
	publish(&scene, "alpha", 1, "one");
	publish(&scene, "alpha", 6, "six \"quoted\"");
	publish(&scene, "beta", 2, "of another item");
	read_records(&scene, &reading, &everything);
	assert_int_equal(reading.error, 0);
	assert_string_equal(
		buf_text(&reading.text),
		"[{\"time\":\"1970-01-01T00:00:01.000000001Z\",\"item\":\"alpha\",\"kind\":"
		"\"sample\",\"count\":1,"
		"\"text\":\"one\",\"level\":-1,\"error\":true},"
		"{\"time\":\"1970-01-01T00:00:01.000000006Z\",\"item\":\"alpha\",\"kind\":"
		"\"sample\",\"count\":6,"
		"\"text\":\"six \\\"quoted\\\"\",\"level\":-6,\"buckets\":[{\"le\":1}]}]");
	reading_done(&reading);
	end(&scene);
}

static void an_item_may_be_called_like_a_tier(void **state)
{
	struct past_query query = everything;
	struct reading reading;
	struct scene scene;

	begin(&scene);
	publish(&scene, "samples", 1, "one");
	history_free(scene.history); /* its files are not mistaken for samples at the next start */
	scene.history = open_history(&scene, 64 << 20);
	query.item = "samples";
	read_records(&scene, &reading, &query);
	assert_int_equal(reading.answer.records, 1);
	reading_done(&reading);
	end(&scene);
}

static void two_types_under_one_name_stay_apart(void **state)
{
	struct reading reading;
	struct scene scene;
	struct record record;

	begin(&scene);
	publish(&scene, "alpha", 1, "one");
	record = (struct record){.layout = &scene.layout};
	record.value[LAYOUT_TIME] = (struct value){.kind = VALUE_TIME, .u64 = 2000000000};
	record.value[LAYOUT_ITEM] = value_str("alpha");
	record.value[scene.count] = value_str("a text now");
	history_take(scene.history, &record);
	read_records(&scene, &reading, &everything);
	assert_non_null(strstr(buf_text(&reading.text), "\"count\":1,"));
	assert_non_null(strstr(buf_text(&reading.text), "\"count\":\"a text now\""));
	reading_done(&reading);
	end(&scene);
}

/* Pages of any size, with and without a filter, are the whole behind each other. */
static void pages_are_the_whole(void **state)
{
	enum { RECORDS = 500 };
	struct filter *filter;
	struct scene scene;

	begin(&scene);
	for (uint64_t i = 0; i < RECORDS; i++)
		publish(&scene, "alpha", i, i % 7 ? "other" : "seventh");
	assert_int_equal(
		filter_parse(span_of("text ~ \"^seventh$\" and count < 400"), &filter, NULL), 0);
	for (unsigned limit = 1; limit < 300; limit = limit * 3 + 1)
		for (int k = 0; k < 4; k++) {
			bool filtered = k & 1, newest_first = k & 2;
			char cursor[256] = "";
			uint64_t records = 0, pages = 0;
			bool more = true;

			for (; more && pages < 1000; pages++) {
				struct past_query query = everything;
				struct reading reading;

				query.limit = limit;
				query.filter = filtered ? filter : NULL;
				query.newest_first = newest_first;
				query.cursor = span_of(cursor);
				read_records(&scene, &reading, &query);
				assert_int_equal(reading.error, 0);
				records += reading.answer.records;
				more = reading.answer.has_more;
				snprintf(cursor, sizeof(cursor), "%s",
					 buf_text(&reading.answer.next));
				reading_done(&reading);
			}
			assert_int_equal(records, filtered ? 58 : RECORDS);
		}
	filter_free(filter);
	end(&scene);
}

static bool adds_up(const struct history_flow *flow)
{
	uint64_t refused = 0;

	for (int i = 0; i < HISTORY_REFUSALS; i++)
		refused += flow->refused[i];
	return flow->offered == flow->accepted + refused &&
	       flow->accepted == flow->delivered + flow->queued + flow->expired;
}

static void what_is_not_taken_is_counted(void **state)
{
	enum { MANY = 400000 };
	static char text[12000];
	const struct history_status *status;
	struct record odd;
	struct scene scene;

	begin(&scene);
	memset(text, 'x', sizeof(text) - 1);
	odd = (struct record){.layout = &scene.layout};
	history_take(scene.history, &odd);
	for (uint64_t i = 0;
	     i < MANY && !history_status(scene.history)->records.refused[HISTORY_FULL]; i++)
		publish(&scene, "alpha", i, text);
	status = history_status(scene.history);
	assert_int_equal(status->records.refused[HISTORY_ODD], 1);
	assert_true(status->records.refused[HISTORY_FULL] > 0);
	assert_true(adds_up(&status->records));
	end(&scene);
}

static void a_store_that_cant_be_opened_is_said(void **state)
{
	const struct history_status *status;
	struct reading reading;
	struct scene scene;
	struct history *first;

	begin(&scene);
	read_records(&scene, &reading, &everything); /* now it is open */
	reading_done(&reading);
	first = scene.history;
	scene.history = open_history(&scene, 64 << 20);
	read_records(&scene, &reading, &everything);
	assert_non_null(strstr(reading.question.why.text, "another process uses the store"));
	reading_done(&reading);
	publish(&scene, "alpha", 1, "lost");
	status = history_status(scene.history);
	assert_int_equal(status->state, HISTORY_FAILED);
	assert_int_equal(status->records.refused[HISTORY_CLOSED], 1);
	history_free(scene.history);
	scene.history = first;
	end(&scene);
}

/* Its lock goes a moment after the next one has started. */
static void a_dying_agent_is_waited_for(void **state)
{
	struct reading reading;
	struct scene scene;
	struct history *first;

	begin(&scene);
	publish(&scene, "alpha", 1, "before");
	read_records(&scene, &reading, &everything);
	reading_done(&reading);
	first = scene.history;
	scene.history = open_history(&scene, 64 << 20);
	publish(&scene, "alpha", 2, "after");
	history_free(first);
	read_records(&scene, &reading, &everything);
	assert_int_equal(reading.error, 0);
	assert_int_equal(reading.answer.records, 2);
	assert_non_null(strstr(buf_text(&reading.text), "after"));
	reading_done(&reading);
	end(&scene);
}

static void records_outlive_the_process(void **state)
{
	struct reading reading;
	struct scene scene;

	begin(&scene);
	publish(&scene, "alpha", 1, "one");
	history_free(scene.history);
	scene.history = open_history(&scene, 64 << 20);
	publish(&scene, "alpha", 2, "two");
	read_records(&scene, &reading, &everything);
	assert_int_equal(reading.answer.records, 2);
	assert_int_equal(reading.answer.oldest_ns, 1000000001);
	reading_done(&reading);
	end(&scene);
}

/* ---- samples ---- */

struct selecting {
	struct question question;
	struct event_base *loop;
	size_t series, samples, gone; /* gone: a mark is their last sample */
	double last;
};

static void do_select(struct question *question, struct store *store)
{
	static const struct store_matcher any = {.op = MATCHER_UNEQUAL,
						 .name = {(const uint8_t *)"__name__", 8}};
	const struct store_select select = {.matcher = &any, .matchers = 1, .to_ms = INT64_MAX / 2};
	struct selecting *selecting = (struct selecting *)question;
	struct store_selection selection;

	if (!store_select(store, &select, &selection, NULL)) {
		selecting->series = selection.count;
		selecting->samples = selection.samples;
		for (size_t i = 0; i < selection.count; i++)
			selecting->gone +=
				isnan(selection.series[i].value[selection.series[i].count - 1]) !=
				0;
		if (selection.count)
			selecting->last = selection.series[0].value[selection.series[0].count - 1];
	}
	store_selection_done(&selection);
}

static void stop_loop(struct question *question)
{
	event_base_loopbreak(((struct selecting *)question)->loop);
}

static struct selecting select_all(struct scene *scene)
{
	struct selecting selecting = {.question = {.work = do_select, .done = stop_loop},
				      .loop = scene->loop};

	assert_int_equal(history_ask(scene->history, &selecting.question, NULL), 0);
	event_base_dispatch(scene->loop);
	return selecting;
}

static void set_gauge(struct family *family, const char *who, double value)
{
	struct label label = {"who", span_of(who)};

	family_add(family, &label, 1, value);
}

static void a_series_that_goes_is_marked(void **state)
{
	const struct metric metric = {.name = "level", .type = METRIC_GAUGE, .scale = 1};
	struct family *family = family_new(&metric, 10);
	struct selecting seen;
	struct scene scene;

	begin(&scene);
	for (uint64_t i = 1; i <= 3; i++) {
		family_begin(family);
		set_gauge(family, "stays", (double)i);
		if (i < 3)
			set_gauge(family, "goes", 9);
		family_end(family, i);
		history_sample(scene.history, &family, 1, 1000000000000 + i * 1000000000, false);
	}
	seen = select_all(&scene);
	assert_int_equal(seen.series, 2);
	assert_int_equal(seen.samples, 6); /* the mark is one */
	assert_true(seen.last != seen.last); /* "goes" stands first */
	assert_true(adds_up(&history_status(scene.history)->samples));
	assert_int_equal(history_status(scene.history)->samples.offered, 5);
	family_free(family);
	end(&scene);
}

/* Between scrapes of all, scrapes of a part: what is missing in a part is gone only if the part had it. */
static void parts_say_nothing_of_the_rest(void **state)
{
	static const struct {
		const char *machine,
			*process; /* a letter a series; NULL: a part without processes */
		size_t samples, gone;
	} steps[] = {
		{"ab", "pq", 4, 0},  {"ab", NULL, 6, 0},
		{"a", NULL, 8, 1}, /* b goes */
		{"a", "p", 11, 2},   /* q goes */ {"ac", NULL, 13, 2},
		{"ac", NULL, 15, 2}, {"a", "p", 18, 3}, /* c goes */
		{"a", NULL, 19, 3},  {"", NULL, 20, 4}, /* a goes */
		{"a", "p", 22, 3}, /* and comes back */
	};
	const struct metric metrics[] = {{.name = "level", .type = METRIC_GAUGE, .scale = 1},
					 {.name = "use", .type = METRIC_GAUGE, .scale = 1}};
	struct family *family[2] = {family_new(&metrics[0], 10), family_new(&metrics[1], 10)};
	struct scene scene;

	begin(&scene);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		const char *texts[2] = {steps[i].machine, steps[i].process};
		struct selecting seen;

		for (size_t k = 0; k < 2 && texts[k]; k++) {
			family_begin(family[k]);
			for (const char *at = texts[k]; *at; at++)
				set_gauge(family[k], (char[]){*at, 0}, (double)i);
			family_end(family[k], i + 1);
		}
		history_sample(scene.history, family, texts[1] ? 2 : 1,
			       1000000000000 + i * 1000000000, !texts[1]);
		seen = select_all(&scene);
		assert_int_equal(seen.samples, steps[i].samples);
		assert_int_equal(seen.gone, steps[i].gone);
	}
	assert_true(adds_up(&history_status(scene.history)->samples));
	family_free(family[0]);
	family_free(family[1]);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_as_they_were),
		cmocka_unit_test(an_item_may_be_called_like_a_tier),
		cmocka_unit_test(two_types_under_one_name_stay_apart),
		cmocka_unit_test(pages_are_the_whole),
		cmocka_unit_test(what_is_not_taken_is_counted),
		cmocka_unit_test(a_store_that_cant_be_opened_is_said),
		cmocka_unit_test(a_dying_agent_is_waited_for),
		cmocka_unit_test(records_outlive_the_process),
		cmocka_unit_test(a_series_that_goes_is_marked),
		cmocka_unit_test(parts_say_nothing_of_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
