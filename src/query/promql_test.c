// SPDX-License-Identifier: GPL-2.0-only
/*
 * promql_test - what can be said of PromQL without a Prometheus beside it: that mistakes are found at their place, that limits
 * hold, how numbers are written. tests/system/promql.sh compares the answers themselves.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "query/promql.h"
#include "store/labels.h"

enum { STEP_MS = 15000, BEGIN_MS = 1000000 };

/* `ctx` series m{n="0"}, m{n="1"} ...: a point every 15 s, the value its number plus n. */
static int answer(void *ctx, const struct store_select *select, struct store_selection *selection,
		  struct err *why)
{
	size_t count = *(const size_t *)ctx;

	*selection = (struct store_selection){};
	arena_init(&selection->arena, 64 << 20);
	selection->series = calloc(count + 1, sizeof(*selection->series));
	for (size_t i = 0; i < count; i++) {
		char text[16];
		struct store_label labels[2] = {{span_of("__name__"), span_of("m")},
						{span_of("n"), {}}};
		struct store_points *points = &selection->series[selection->count++];
		struct buf set;

		snprintf(text, sizeof(text), "%zu", i);
		labels[1].value = span_of(text);
		buf_init(&set, 256);
		labels_write(labels, 2, &set);
		points->labels = (struct span){
			(const uint8_t *)arena_str(&selection->arena, buf_as_span(&set)), set.len};
		buf_done(&set);
		points->time_ms = malloc(100 * sizeof(int64_t));
		points->value = malloc(100 * sizeof(double));
		for (int k = 0; k < 100; k++) {
			int64_t time = BEGIN_MS + k * STEP_MS;

			if (time < select->from_ms || time > select->to_ms)
				continue;
			points->time_ms[points->count] = time;
			points->value[points->count++] = k + (double)i;
		}
	}
	return 0;
}

/* The answer's JSON at one time; the caller frees. NULL: an error, its words in `why`. */
static char *ask(const char *text, size_t series, int64_t time_ms, struct err *why)
{
	const struct promql_times times = {.start_ms = time_ms, .step_ms = 1000, .count = 1};
	const struct promql_source source = {&series, answer, clock_monotonic_ns() + 5000000000u};
	struct promql_result result;
	struct promql *query;
	struct buf body;
	struct json json = {.out = &body};
	char *json_text = NULL;

	*why = (struct err){};
	if (promql_parse(span_of(text), &query, why))
		return NULL;
	buf_init(&body, 16 << 20);
	if (!promql_run(query, &source, &times, &result, why)) {
		promql_write(&result, &json);
		json_text = buf_take(&body);
	}
	promql_result_done(&result);
	promql_free(query);
	buf_done(&body);
	return json_text;
}

static void assert_answers(const char *text, const char *wanted)
{
	struct err why;
	char *got = ask(text, 2, BEGIN_MS + 40 * STEP_MS, &why);

	if (!got)
		fail_msg("%s: %s", text, why.text);
	if (!strstr(got, wanted))
		fail_msg("%s: %s instead of %s", text, got, wanted);
	free(got);
}

static void assert_refused(const char *text, const char *says)
{
	struct err why;
	char *got = ask(text, 2, BEGIN_MS, &why);

	if (got)
		fail_msg("%s: %s", text, got);
	if (!strstr(why.text, says))
		fail_msg("%s: '%s' instead of '%s'", text, why.text, says);
	free(got);
}

static void mistakes_are_told_with_their_place(void **state)
{
	assert_refused("", "1:1: parse error: no expression");
	assert_refused("sum(m", "1:6: parse error: unexpected end of input");
	assert_refused("m{n=\"1\"", "1:8: parse error");
	assert_refused("m +\n  * 2", "2:3: parse error: unexpected \"*\"");
	assert_refused("rat(m[5m])", "did you mean \"rate\"?");
	assert_refused("rate(m)", "expected type range vector");
	assert_refused("m{n=~\"(\"}", "error parsing regexp");
	assert_refused("m[0s]", "greater than 0");
	assert_refused("{n=~\".*\"}", "at least one non-empty matcher");
	assert_refused("1 > 2", "BOOL");
	assert_refused("m * on(x) group_left m", "many-to-many");
}

static void words_are_keywords_only_where_one_may_stand(void **state)
{
	struct promql *query;

	assert_int_equal(promql_parse(span_of("by + sum + offset + without{by=\"on\"} offset 5m"),
				      &query, NULL),
			 0);
	promql_free(query);
	assert_int_equal(promql_parse(span_of("sum by (by, sum) (sum)"), &query, NULL), 0);
	promql_free(query);
	assert_int_equal(promql_parse(span_of("SUM(m) BY (n) AND m UNLESS m"), &query, NULL), 0);
	promql_free(query);
}

static void operators_bind_as_they_should(void **state)
{
	assert_answers("2 + 3 * 4", "\"14\"");
	assert_answers("2 ^ 3 ^ 2", "\"512\"");
	assert_answers("-2 ^ 2", "\"-4\"");
	assert_answers("(1 + 2) * 3 % 5", "\"4\"");
	assert_answers("1 - 1 - 1", "\"-1\"");
	assert_answers("1 < bool 2 == bool 1", "\"1\"");
	assert_answers("0x1f", "\"31\"");
	assert_answers("1e3", "\"1000\"");
}

static void a_counter_is_stretched_to_the_range(void **state)
{
	/* 1 per 15 s, points at both ends of the range */
	assert_answers("increase(m{n=\"0\"}[5m])", "\"20\"");
	assert_answers("rate(m[5m]) * 15", "\"1\"");
	assert_answers("delta(m[5m] offset 1m)", "\"20\"");
	assert_answers("max_over_time(m[1m:15s])", "\"40\"");
	assert_answers("sum(m)", "\"81\"");
	assert_answers("m @ 1000", "\"0\"");
}

static void numbers_are_written_as_prometheus_writes_them(void **state)
{
	static const struct {
		double value;
		const char *text;
	} numbers[] = {{0, "0"},
		       {-0.0, "-0"},
		       {0.1, "0.1"},
		       {1e-6, "0.000001"},
		       {1e-7, "1e-07"},
		       {123456789012345680.0, "123456789012345680"},
		       {1e20, "100000000000000000000"},
		       {1e21, "1e+21"},
		       {5e-324, "5e-324"},
		       {1.7976931348623157e308, "1.7976931348623157e+308"},
		       {INFINITY, "+Inf"},
		       {-INFINITY, "-Inf"},
		       {NAN, "NaN"}};
	char text[PROMQL_NUMBER + 320];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		promql_number(text, numbers[i].value);
		assert_string_equal(text, numbers[i].text);
	}
}

/* Whatever double: its text reads back as the same one. */
static void written_numbers_read_back(void **state)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)clock_monotonic_ns();
	char text[PROMQL_NUMBER + 320];

	print_message("seed %u (set SEED to repeat)\n", seed);
	srandom(seed);
	for (int i = 0; i < 20000; i++) {
		uint64_t bits =
			(uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
		double value;

		memcpy(&value, &bits, sizeof(value));
		if (isnan(value))
			continue;
		assert_true(promql_number(text, value) < sizeof(text));
		assert_true(strtod(text, NULL) == value);
	}
}

static void limits_hold(void **state)
{
	static char deep[4000];
	struct err why;
	char *got;

	memset(deep, '(', 3000);
	assert_refused(deep, "nested too deeply");
	memset(deep, '-', 3000);
	assert_refused(deep, "nested too deeply");
	for (size_t i = 0; i + 2 < sizeof(deep); i += 2)
		memcpy(deep + i, "1+", 3);
	assert_refused(deep, "parse error");
	/* more than the memory of a question: refused, not taken */
	got = ask("max_over_time(m[10d:1s])", 100, BEGIN_MS, &why);
	assert_null(got);
	assert_true(why.code == -ENOMEM || why.code == -EINVAL);
}

/* What does not fit into memory at once is done in pieces of time, and is the same. */
static void pieces_are_the_whole(void **state)
{
	size_t series = 150;
	const struct promql_source source = {&series, answer, clock_monotonic_ns() + 60000000000u};
	const struct promql_times times = {.start_ms = BEGIN_MS,
					   .end_ms = BEGIN_MS + 1500000,
					   .step_ms = 150,
					   .count = 10000,
					   .is_range = true};
	struct promql_result result;
	struct promql *query;
	struct err why = {};
	struct buf text;
	struct json json = {.out = &text};

	buf_init(&text, 64 << 20);
	assert_int_equal(promql_parse(span_of("sum(m + m)"), &query, &why), 0);
	if (promql_run(query, &source, &times, &result, &why))
		fail_msg("%s", why.text);
	promql_write(&result, &json);
	/* at 99 steps of 15 s each series has 99 + n: twice the sum over n */
	assert_non_null(strstr(buf_text(&text), "[1000,\"22350\"],[1000.150,\"22350\"]"));
	assert_non_null(strstr(buf_text(&text), "[2485,\"52050\"],[2485.150,\"52050\"]"));
	buf_done(&text);
	promql_result_done(&result);
	promql_free(query);
}

static int never(void *ctx, const struct store_select *select, struct store_selection *selection,
		 struct err *why)
{
	size_t many = 300;

	return answer(&many, select, selection, why);
}

static void time_is_limited(void **state)
{
	const struct promql_source source = {NULL, never, 1}; /* it was over long ago */
	const struct promql_times times = {.start_ms = BEGIN_MS,
					   .end_ms = BEGIN_MS + 1500000,
					   .step_ms = 1000,
					   .count = 1500,
					   .is_range = true};
	struct promql_result result;
	struct promql *query;
	struct err why = {};

	assert_int_equal(promql_parse(span_of("quantile_over_time(0.5, m[20m])"), &query, &why), 0);
	assert_int_equal(promql_run(query, &source, &times, &result, &why), -ETIME);
	assert_non_null(strstr(why.text, "timed out"));
	promql_result_done(&result);
	promql_free(query);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told_with_their_place),
		cmocka_unit_test(words_are_keywords_only_where_one_may_stand),
		cmocka_unit_test(operators_bind_as_they_should),
		cmocka_unit_test(a_counter_is_stretched_to_the_range),
		cmocka_unit_test(numbers_are_written_as_prometheus_writes_them),
		cmocka_unit_test(written_numbers_read_back),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(pieces_are_the_whole),
		cmocka_unit_test(time_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
