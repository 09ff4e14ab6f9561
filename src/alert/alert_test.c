// SPDX-License-Identifier: GPL-2.0-only
/*
 * alert_test - a gauge goes up and down, and alerts follow it: pending, firing, resolved; over a restart; as series, notes,
 * records. With a real history in a folder, and groups that are asked every 50 ms.
 */
#include "alert/alert.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "store/kit.h"

enum { INTERVAL_MS = 50, PATIENCE_S = 60, CHANGES = 256 };

struct scene {
	char path[64];
	struct event_base *loop;
	struct stream *stream;
	struct subscription *subscription;
	struct history *history;
	struct alerts *alerts;
	struct family *gauge;
	double value; /* of disk{device="a"}; < 0: it is not there */
	char change[CHANGES][64]; /* "NAME STATE" */
	size_t changes;
	struct buf json;
};

static const char rules_text[] =
	"groups:\n"
	"- name: g\n"
	"  rules:\n"
	"  - record: disk:half\n"
	"    expr: disk / 2\n"
	"  - alert: Soon\n"
	"    expr: disk:half * 2 > 10\n"
	"    labels: {severity: 'sev{{ $value }}'}\n"
	"    annotations: {summary: '{{ $labels.device }} has {{ $value | humanize }}'}\n"
	"  - alert: Later\n"
	"    expr: disk > 10\n"
	"    for: 300ms\n"
	"  - alert: Clings\n"
	"    expr: disk > 10\n"
	"    keep_firing_for: 1h\n"
	"  - alert: Broken\n"
	"    expr: disk + on () {__name__=~\"disk.*\"}\n";

static void note_change(void *ctx, const struct record *record)
{
	struct scene *scene = ctx;
	struct span name = record->value[LAYOUT_FIRST].text,
		    state = record->value[LAYOUT_FIRST + 1].text;

	assert_true(scene->changes < CHANGES);
	snprintf(scene->change[scene->changes++], 64, "%.*s %.*s", (int)name.len,
		 (const char *)name.at, (int)state.len, (const char *)state.at);
}

static struct rules *make_rules(const char *text)
{
	struct rules *rules = rules_new();
	struct buf problems;

	buf_init(&problems, 65536);
	rules_read(rules, "r.yml", span_of(text), 1000, &problems);
	assert_string_equal(buf_text(&problems), "");
	buf_done(&problems);
	for (size_t i = 0; i < rules->groups; i++)
		rules->group[i].interval_ms = INTERVAL_MS;
	return rules;
}

static void start(struct scene *scene, const char *text)
{
	static const struct metric metric = {
		.name = "disk", .type = METRIC_GAUGE, .scale = 1, .help = "test"};
	const struct history_options history = {
		.loop = scene->loop, .path = scene->path, .size = 64 << 20, .interval_s = 1};
	struct alerts_options options = {
		.loop = scene->loop, .stream = scene->stream, .external_url = "http://here"};
	struct err why = {};

	assert_int_equal(history_new(&history, &scene->history, &why), 0);
	scene->gauge = family_new(&metric, 16); /* a history numbers the series of a family */
	options.history = scene->history;
	assert_int_equal(alerts_new(&options, make_rules(text), &scene->alerts, &why), 0);
}

static void stop(struct scene *scene)
{
	alerts_stop(scene->alerts);
	history_free(scene->history);
	alerts_free(scene->alerts);
	family_free(scene->gauge);
}

static void begin(struct scene *scene)
{
	*scene = (struct scene){.value = -1};
	kit_folder(scene->path);
	scene->loop = event_base_new();
	scene->stream = stream_new();
	scene->subscription =
		stream_subscribe(scene->stream, ALERTS_ITEM, NULL, note_change, scene);
	buf_init(&scene->json, 1 << 20);
	start(scene, rules_text);
}

static void end(struct scene *scene)
{
	stop(scene);
	stream_unsubscribe(scene->subscription);
	stream_free(scene->stream);
	event_base_free(scene->loop);
	buf_done(&scene->json);
	kit_remove(scene->path);
}

static void sample(struct scene *scene)
{
	struct label label = {"device", span_of("a")};

	family_begin(scene->gauge);
	if (scene->value >= 0)
		family_add(scene->gauge, &label, 1, scene->value);
	family_end(scene->gauge, clock_monotonic_ns());
	history_sample(scene->history, &scene->gauge, 1, clock_wall_ns(), false);
}

static const char *rules_json(struct scene *scene)
{
	struct json json = {.out = &scene->json};

	buf_clear(&scene->json);
	alerts_rules_json(scene->alerts, NULL, &json);
	return buf_text(&scene->json);
}

static bool was(const struct scene *scene, const char *change)
{
	for (size_t i = 0; i < scene->changes; i++)
		if (!strcmp(scene->change[i], change))
			return true;
	return false;
}

static bool is_said(struct scene *scene, const char *text)
{
	return strstr(rules_json(scene), text) != NULL;
}

/* Samples are taken and the loop runs until the condition holds. */
static void wait_until(struct scene *scene, bool (*holds)(struct scene *scene, const char *text),
		       const char *text)
{
	uint64_t until_ns = clock_monotonic_ns() + PATIENCE_S * 1000000000ull;
	const struct timeval step = {.tv_usec = 20000};

	while (!holds(scene, text)) {
		if (clock_monotonic_ns() > until_ns)
			print_error("waited for: %s\n%s\n", text, rules_json(scene));
		assert_true(clock_monotonic_ns() < until_ns);
		sample(scene);
		event_base_loopexit(scene->loop, &step);
		event_base_dispatch(scene->loop);
	}
}

static bool has_changed(struct scene *scene, const char *text)
{
	return was(scene, text);
}

/* A question to the history, waited for. */
struct asking {
	struct question question;
	struct scene *scene;
	struct promql *query;
	struct buf answer;
	bool is_done;
};

static void ask_work(struct question *question, struct store *store)
{
	struct asking *asking = (struct asking *)question;
	struct promql_source source = promql_of_store(store, clock_monotonic_ns() + 5000000000u);
	const struct promql_times times = {
		.start_ms = (int64_t)(clock_wall_ns() / 1000000), .step_ms = 1000, .count = 1};
	struct json json = {.out = &asking->answer};
	struct promql_result result;

	if (!promql_run(asking->query, &source, &times, &result, NULL))
		promql_write(&result, &json);
	promql_result_done(&result);
}

static void ask_done(struct question *question)
{
	((struct asking *)question)->is_done = true;
}

static char *ask(struct scene *scene, const char *text)
{
	struct asking asking = {.question = {.work = ask_work, .done = ask_done}, .scene = scene};
	char *result;

	assert_int_equal(promql_parse(span_of(text), &asking.query, NULL), 0);
	buf_init(&asking.answer, 1 << 20);
	assert_int_equal(history_ask(scene->history, &asking.question, NULL), 0);
	while (!asking.is_done)
		event_base_loop(scene->loop, EVLOOP_ONCE);
	promql_free(asking.query);
	result = buf_take(&asking.answer);
	buf_done(&asking.answer);
	return result;
}

static void alerts_follow_what_is_there(void **state)
{
	struct scene scene;
	char *series;

	begin(&scene);
	scene.value = 5;
	wait_until(&scene, is_said,
		   "\"name\":\"Soon\",\"query\":\"disk:half * 2 > "
		   "10\",\"duration\":0,\"keepFiringFor\":0,"
		   "\"labels\":{\"severity\":\"sev{{ $value "
		   "}}\"},\"annotations\":{\"summary\":\"{{ $labels.device }} "
		   "has {{ $value | humanize }}\"},\"alerts\":[],\"health\":\"ok\"");
	assert_int_equal(scene.changes, 0);
	scene.value = 12.5;
	wait_until(&scene, has_changed, "Later pending");
	wait_until(&scene, has_changed, "Later firing");
	/* without `for` nothing is ever pending */
	assert_true(was(&scene, "Soon firing"));
	assert_false(was(&scene, "Soon pending"));
	assert_true(is_said(
		&scene,
		"\"labels\":{\"alertname\":\"Soon\",\"device\":\"a\",\"severity\":\"sev12.5\"},"
		"\"annotations\":{\"summary\":\"a has 12.5\"},\"state\":\"firing\""));
	assert_true(is_said(&scene, "\"value\":\"1.25e+01\""));
	/* what is wrong in itself is said, and hurts no other */
	assert_true(is_said(&scene, "\"health\":\"err\""));
	series =
		ask(&scene, "count(ALERTS{alertstate=\"firing\"} == 1) + count(disk:half == 6.25)");
	assert_non_null(strstr(series, "\"4\""));
	free(series);
	scene.value = 5;
	wait_until(&scene, has_changed, "Later resolved");
	wait_until(&scene, has_changed, "Soon resolved");
	assert_false(was(&scene, "Clings resolved"));
	end(&scene);
}

static void what_fires_fires_on_after_a_restart(void **state)
{
	struct scene scene;
	size_t before;

	begin(&scene);
	scene.value = 20;
	wait_until(&scene, has_changed, "Later firing");
	wait_until(&scene, has_changed, "Clings firing");
	free(ask(&scene, "vector(1)")); /* notes are questions too: they are through */
	stop(&scene);
	before = scene.changes;
	start(&scene, rules_text);
	wait_until(&scene, is_said,
		   "\"alertname\":\"Later\",\"device\":\"a\"},\"annotations\":{},\"state\":"
		   "\"firing\"");
	assert_int_equal(scene.changes, before); /* nobody is told a second time */
	scene.value = 1;
	wait_until(&scene, has_changed, "Later resolved");
	/* and what had ended meanwhile is resolved */
	scene.value = 20;
	scene.changes = 0;
	wait_until(&scene, has_changed, "Later firing");
	free(ask(&scene, "vector(1)"));
	stop(&scene);
	scene.value = 1;
	scene.changes = 0;
	start(&scene, rules_text);
	wait_until(&scene, has_changed, "Later resolved");
	assert_false(was(&scene, "Later firing"));
	end(&scene);
}

static void new_rules_take_over_what_is_known(void **state)
{
	static const char fewer[] =
		"groups:\n- name: g\n  rules:\n  - alert: Later\n    expr: disk > 11\n";
	struct scene scene;

	begin(&scene);
	scene.value = 20;
	wait_until(&scene, has_changed, "Later firing");
	scene.changes = 0;
	alerts_reload(scene.alerts, make_rules(fewer));
	wait_until(&scene, has_changed, "Soon resolved"); /* its rule is gone */
	wait_until(&scene, is_said, "\"query\":\"disk > 11\"");
	wait_until(&scene, is_said, "\"state\":\"firing\"");
	assert_false(was(&scene, "Later firing"));
	assert_false(was(&scene, "Later resolved"));
	end(&scene);
}

/* A series that comes and goes is pending, and is let go without a word to anybody outside. */
static void what_does_not_last_never_fires(void **state)
{
	struct scene scene;

	begin(&scene);
	scene.value = 20;
	wait_until(&scene, has_changed, "Later pending");
	scene.value = -1;
	wait_until(&scene, has_changed, "Later inactive");
	assert_false(was(&scene, "Later resolved"));
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alerts_follow_what_is_there),
		cmocka_unit_test(what_fires_fires_on_after_a_restart),
		cmocka_unit_test(new_rules_take_over_what_is_known),
		cmocka_unit_test(what_does_not_last_never_fires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
