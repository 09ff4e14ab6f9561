// SPDX-License-Identifier: GPL-2.0-only
/*
 * Public numbers never fall and sums stay exact, whatever comes and goes; the text is exact in both formats,
 * whatever the labels hold. promtool and Python's OpenMetrics parser judge it too, where they are installed.
 */
#include "base/json_read.h"
#include "record/metric.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define SECOND 1000000000ull

static const struct metric opened = {.name = "sonde_opened_total",
				     .type = METRIC_COUNTER,
				     .scale = 1,
				     .help = (char *)"connections opened"};
static const struct metric waiting = {.name = "sonde_waiting",
				      .type = METRIC_GAUGE,
				      .scale = 1,
				      .help = (char *)"connections that wait"};
static const struct metric latency = {.name = "sonde_latency_seconds",
				      .type = METRIC_HISTOGRAM,
				      .unit = "seconds",
				      .scale = 1e-9,
				      .low = 1000,
				      .high = 5000,
				      .help = (char *)"time until it was open"};

static void add(struct family *family, const char *name, const char *value, double number)
{
	const struct label label = {name, span_of(value)};

	family_add(family, &label, 1, number);
}

static void retire(struct family *family, const char *name, const char *value, double number)
{
	const struct label label = {name, span_of(value)};

	family_retire(family, &label, 1, number);
}

static char *text_of(struct family *const *families, size_t count, bool openmetrics)
{
	struct buf out;

	buf_init(&out, 1 << 24);
	families_write(families, count, openmetrics, &out);
	assert_false(out.full);
	return buf_take(&out);
}

static void check_text(struct family *family, bool openmetrics, const char *want)
{
	char *text = text_of(&family, 1, openmetrics);

	assert_string_equal(text, want);
	free(text);
}

/* The sum over all series of a family, read from its text. */
static double sum_of(struct family *family)
{
	char *text = text_of(&family, 1, false), *save, *line;
	double sum = 0;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (line[0] != '#')
			sum += strtod(strrchr(line, ' '), NULL);
	free(text);
	return sum;
}

static void equal_label_sets_are_one_series(void **state)
{
	struct family *family = family_new(&opened, 10);
	const struct label one[] = {
		{"pod", span_of("web")}, {"container", span_of("nginx")}, {"service", {}}};
	const struct label other[] = {{"container", span_of("nginx")}, {"pod", span_of("web")}};

	family_begin(family);
	family_add(family, one, 3, 2);
	family_add(family, other, 2, 3);
	family_add(family, NULL, 0, 7);
	family_end(family, SECOND);
	assert_int_equal(family_series(family), 2);
	check_text(
		family, false,
		"# HELP sonde_opened_total connections opened\n# TYPE sonde_opened_total counter\n"
		"sonde_opened_total{container=\"nginx\",pod=\"web\"} 5\nsonde_opened_total 7\n");
	check_text(family, true,
		   "# HELP sonde_opened connections opened\n# TYPE sonde_opened counter\n"
		   "sonde_opened_total{container=\"nginx\",pod=\"web\"} 5\nsonde_opened_total 7\n# "
		   "EOF\n");
	family_free(family);
}

static void a_counter_never_falls(void **state)
{
	struct family *family = family_new(&opened, 10);

	family_begin(family);
	add(family, "pod", "a", 100);
	add(family, "pod", "a", 50);
	family_end(family, SECOND);
	assert_true(sum_of(family) == 150);

	/* one source retires between polls: what is public waits for the next one */
	retire(family, "pod", "a", 60);
	assert_true(sum_of(family) == 150);
	family_begin(family);
	add(family, "pod", "a", 110);
	family_end(family, 2 * SECOND);
	assert_true(sum_of(family) == 170);

	/* a source that vanishes without a word: the number stands still, then grows on */
	family_begin(family);
	add(family, "pod", "a", 10);
	family_end(family, 3 * SECOND);
	assert_true(sum_of(family) == 170);
	family_begin(family);
	add(family, "pod", "a", 15);
	family_end(family, 4 * SECOND);
	assert_true(sum_of(family) == 175);

	/* one that is between two sources is waited for, and counts once */
	family_waits(family, true);
	family_begin(family);
	add(family, "pod", "a", 5);
	family_end(family, 4 * SECOND);
	assert_true(sum_of(family) == 175);
	family_begin(family);
	add(family, "pod", "a", 5);
	add(family, "pod", "a", 10);
	family_end(family, 4 * SECOND);
	assert_true(sum_of(family) == 175);
	family_waits(family, false);

	/* a new version: everything is folded, the maps start at 0 */
	family_fold(family);
	assert_true(sum_of(family) == 175);
	family_begin(family);
	add(family, "pod", "a", 1);
	family_end(family, 5 * SECOND);
	assert_true(sum_of(family) == 176);
	family_free(family);
}

/* Sources that count, die (retired in or between polls), are replaced by new versions: the public number is
 * always what was ever counted up to the last poll. */
static void the_sum_agrees_with_a_model(void **state)
{
	enum { SOURCES = 40, SETS = 7 };
	unsigned seed = (unsigned)time(NULL);
	struct family *counter = family_new(&opened, SETS / 2),
		      *histogram = family_new(&latency, SETS / 2);
	uint64_t number[SOURCES] = {}, ever = 0;
	bool alive[SOURCES] = {};

	print_message("seed %u\n", seed);
	srandom(seed);
	for (uint64_t step = 1; step < 3000; step++) {
		for (int i = 0; i < SOURCES; i++) {
			char set[2] = {(char)('a' + i % SETS), 0};
			const struct label label = {"set", span_of(set)};
			uint64_t slot[METRIC_SLOTS] = {};
			uint64_t more = (uint64_t)random() % 100;

			alive[i] |= random() % 10 == 0;
			if (!alive[i])
				continue;
			number[i] += more;
			ever += more;
			if (random() % 20 == 0) {
				slot[i % METRIC_SLOTS] = number[i];
				family_retire(counter, &label, 1, (double)number[i]);
				family_retire_histogram(histogram, &label, 1, slot, number[i]);
				number[i] = 0;
				alive[i] = false;
			}
		}
		family_begin(counter);
		family_begin(histogram);
		for (int i = 0; i < SOURCES; i++) {
			char set[2] = {(char)('a' + i % SETS), 0};
			const struct label label = {"set", span_of(set)};
			uint64_t slot[METRIC_SLOTS] = {};

			if (!alive[i])
				continue;
			slot[i % METRIC_SLOTS] = number[i];
			family_add(counter, &label, 1, (double)number[i]);
			family_add_histogram(histogram, &label, 1, slot, number[i]);
		}
		family_end(counter, step * SECOND);
		family_end(histogram, step * SECOND);
		if (step % 50 == 0) {
			struct buf buf;
			struct json json = {.out = &buf};
			uint64_t count = 0;

			assert_true(sum_of(counter) == (double)ever);
			buf_init(&buf, 1 << 20);
			family_json(histogram, &json);
			for (const char *at = buf_text(&buf); (at = strstr(at, "},\"count\":"));
			     at += 10)
				count += strtoull(at + 10, NULL, 10);
			assert_int_equal(count, ever);
			buf_done(&buf);
		}
		if (random() % 100 == 0) {
			family_fold(counter);
			family_fold(histogram);
			memset(number, 0, sizeof(number));
		}
	}
	assert_true(family_series(counter) <= SETS / 2 + 1);
	assert_true(family_overflowed(counter) > 0);
	family_free(counter);
	family_free(histogram);
}

static void a_gauge_goes_with_its_source(void **state)
{
	struct family *family = family_new(&waiting, 10);

	family_begin(family);
	add(family, "pod", "a", 3);
	add(family, "pod", "b", -2);
	family_end(family, SECOND);
	check_text(family, false,
		   "# HELP sonde_waiting connections that wait\n# TYPE sonde_waiting gauge\n"
		   "sonde_waiting{pod=\"a\"} 3\nsonde_waiting{pod=\"b\"} -2\n");
	family_begin(family);
	add(family, "pod", "b", 1.5);
	family_end(family, 2 * SECOND);
	check_text(family, true,
		   "# HELP sonde_waiting connections that wait\n# TYPE sonde_waiting gauge\n"
		   "sonde_waiting{pod=\"b\"} 1.5\n# EOF\n");
	family_begin(family);
	family_end(family, 3 * SECOND);
	check_text(family, true, "# EOF\n");
	family_free(family);
}

static void what_does_not_fit_is_summed_in_one_series(void **state)
{
	struct family *family = family_new(&opened, 3);

	for (uint64_t poll = 1; poll <= 3; poll++) {
		family_begin(family);
		for (int i = 0; i < 26; i++)
			add(family, "set", (char[]){(char)('a' + i), 0}, (double)poll);
		family_end(family, poll * SECOND);
		assert_int_equal(family_series(family), 4);
		assert_int_equal(family_overflowed(family), 23 * poll);
		assert_true(sum_of(family) == 26 * (double)poll);
	}
	check_text(
		family, false,
		"# HELP sonde_opened_total connections opened\n# TYPE sonde_opened_total counter\n"
		"sonde_opened_total{set=\"a\"} 3\nsonde_opened_total{set=\"b\"} 3\n"
		"sonde_opened_total{set=\"c\"} 3\nsonde_opened_total{overflow=\"true\"} 69\n");
	family_free(family);
}

static void idle_counters_go_after_an_hour(void **state)
{
	struct family *family = family_new(&opened, 3);

	family_begin(family);
	add(family, "set", "a", 1);
	add(family, "set", "b", 1);
	family_end(family, SECOND);
	for (uint64_t minute = 1; minute < 60; minute++) {
		family_begin(family);
		add(family, "set", "b", 1);
		family_end(family, minute * 60 * SECOND);
		assert_int_equal(family_series(family), 2);
	}
	family_begin(family);
	add(family, "set", "b", 1);
	family_end(family, 3601 * SECOND);
	assert_int_equal(family_series(family), 1);
	assert_true(sum_of(family) == 1);
	family_begin(family);
	add(family, "set", "b", 2);
	add(family, "set", "c", 5);
	family_end(family, 3602 * SECOND);
	assert_int_equal(family_series(family), 2);
	assert_true(sum_of(family) == 7);
	/* a clock that was another one: nothing is dropped because of it */
	family_begin(family);
	family_end(family, 5);
	assert_int_equal(family_series(family), 2);
	family_free(family);
}

static void histograms_are_cumulative(void **state)
{
	struct family *family = family_new(&latency, 10);
	uint64_t slot[METRIC_SLOTS] = {[0] = 1, [5] = 2, [11] = 4, [12] = 8, [35] = 16},
		 sum = 123456789;
	const struct label label = {"le", span_of("hostile")};

	family_begin(family);
	family_add_histogram(family, &label, 1, slot, sum);
	family_end(family, SECOND);
	check_text(family, true,
		   "# HELP sonde_latency_seconds time until it was open\n# TYPE "
		   "sonde_latency_seconds histogram\n"
		   "# UNIT sonde_latency_seconds seconds\n"
		   "sonde_latency_seconds_bucket{_le=\"hostile\",le=\"1.024e-06\"} 3\n"
		   "sonde_latency_seconds_bucket{_le=\"hostile\",le=\"2.048e-06\"} 7\n"
		   "sonde_latency_seconds_bucket{_le=\"hostile\",le=\"4.096e-06\"} 15\n"
		   "sonde_latency_seconds_bucket{_le=\"hostile\",le=\"8.192e-06\"} 15\n"
		   "sonde_latency_seconds_bucket{_le=\"hostile\",le=\"+Inf\"} 31\n"
		   "sonde_latency_seconds_sum{_le=\"hostile\"} 0.123456789\n"
		   "sonde_latency_seconds_count{_le=\"hostile\"} 31\n# EOF\n");
	family_free(family);
}

static void linear_and_explicit_bounds_are_written(void **state)
{
	struct metric linear = {.name = "sonde_depth",
				.type = METRIC_HISTOGRAM,
				.scale = 1,
				.buckets = BUCKETS_LINEAR,
				.step = 10};
	struct metric explicit = {.name = "sonde_steps",
				  .type = METRIC_HISTOGRAM,
				  .scale = 0.5,
				  .buckets = BUCKETS_EXPLICIT,
				  .bound = {1, 5},
				  .bounds = 2};
	uint64_t slot[METRIC_SLOTS] = {1, 1, 1};
	struct family *family[] = {family_new(&linear, 10), family_new(&explicit, 10)};
	char *text;

	for (int i = 0; i < 2; i++) {
		family_begin(family[i]);
		family_add_histogram(family[i], NULL, 0, slot, 25);
		family_end(family[i], SECOND);
	}
	check_text(
		family[1], false,
		"# TYPE sonde_steps histogram\nsonde_steps_bucket{le=\"0.5\"} "
		"1\nsonde_steps_bucket{le=\"2.5\"} 2\n"
		"sonde_steps_bucket{le=\"+Inf\"} 3\nsonde_steps_sum 12.5\nsonde_steps_count 3\n");
	text = text_of(family, 1, false);
	assert_non_null(strstr(
		text, "sonde_depth_bucket{le=\"10.0\"} 1\nsonde_depth_bucket{le=\"20.0\"} 2\n"));
	assert_non_null(strstr(
		text, "sonde_depth_bucket{le=\"350.0\"} 3\nsonde_depth_bucket{le=\"+Inf\"} 3\n"));
	free(text);
	family_free(family[0]);
	family_free(family[1]);
}

static const struct {
	const char *value;
	size_t len;
	const char *text;
} hostile[] = {
	{"a\"b\\c\nd", 7, "a\\\"b\\\\c\\nd"},
	{"tab\there", 8, "tab\xef\xbf\xbdhere"},
	{"nul\0here", 8, "nul\xef\xbf\xbdhere"},
	{"\x1b[31m", 5, "\xef\xbf\xbd[31m"},
	{"\xff\xc3", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
	{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
	{"x\"} 1\nevil 2", 12, "x\\\"} 1\\nevil 2"},
	{"\x7f", 1, "\xef\xbf\xbd"},
};

static void hostile_labels_stay_within_their_quotes(void **state)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		struct family *family = family_new(&waiting, 10);
		const struct label label = {"v",
					    {(const uint8_t *)hostile[i].value, hostile[i].len}};
		char want[300], *text;

		family_begin(family);
		family_add(family, &label, 1, 1);
		family_end(family, SECOND);
		text = text_of(&family, 1, false);
		snprintf(want, sizeof(want), "\nsonde_waiting{v=\"%s\"} 1\n", hostile[i].text);
		assert_non_null(strstr(text, want));
		free(text);
		family_free(family);
	}
}

static void endless_labels_are_cut(void **state)
{
	struct family *family = family_new(&waiting, 10);
	char *value = malloc(1 << 20), *name = malloc(1 << 20);
	struct label label;

	memset(value, 'v', 1 << 20);
	memset(name, 'n', 1 << 20);
	name[(1 << 20) - 1] = 0;
	family_begin(family);
	label = (struct label){"a", {(uint8_t *)value, 1 << 20}};
	family_add(family, &label, 1, 1);
	label = (struct label){name, span_of("x")};
	family_add(family, &label, 1, 2); /* no room for such a name: overflow */
	family_end(family, SECOND);
	assert_int_equal(family_series(family), 2);
	assert_int_equal(family_overflowed(family), 1);
	assert_true(sum_of(family) == 3);
	family_free(family);
	free(value);
	free(name);
}

static void label_names_are_made_to_fit(void **state)
{
	struct family *family = family_new(&waiting, 10);
	const struct label labels[] = {{"1st", span_of("a")},
				       {"a-b", span_of("b")},
				       {"", span_of("c")},
				       {"ok", span_of("d")},
				       {"ok", span_of("second")}};

	family_begin(family);
	family_add(family, labels, 5, 1);
	family_end(family, SECOND);
	check_text(family, false,
		   "# HELP sonde_waiting connections that wait\n# TYPE sonde_waiting gauge\n"
		   "sonde_waiting{_=\"c\",_1st=\"a\",a_b=\"b\",ok=\"d\"} 1\n");
	family_free(family);
}

static void numbers_are_exact(void **state)
{
	static const struct {
		double scale, raw;
		const char *text;
	} cases[] = {
		{1, 0, "0"},
		{1, 9007199254740991, "9007199254740991"},
		{1, -5, "-5"},
		{1, 0.1, "0.1"},
		{1e-9, 1, "0.000000001"},
		{1e-9, 1234567890123, "1234.567890123"},
		{1e-9, 5e9, "5"},
		{1e-6, 1500000, "1.5"},
		{4096, 3, "12288"},
		{0.5, 3, "1.5"},
		{1, 1e300, "1e+300"},
		{1e-9, -1500000000, "-1.5"},
		{1, 1e18, "1e+18"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct metric metric = {.name = "x", .type = METRIC_GAUGE, .scale = cases[i].scale};
		struct family *family = family_new(&metric, 1);
		char want[100];

		family_begin(family);
		family_add(family, NULL, 0, cases[i].raw);
		family_end(family, SECOND);
		snprintf(want, sizeof(want), "# TYPE x gauge\nx %s\n", cases[i].text);
		check_text(family, false, want);
		family_free(family);
	}
}

static void families_of_one_name_are_written_together(void **state)
{
	struct metric inbound = opened, outbound = opened, gauge = opened;
	struct family *family[5];
	char *text;

	inbound.labels = (char *)"direction=inbound";
	outbound.labels = (char *)"direction=outbound";
	gauge.type = METRIC_GAUGE;
	family[0] = family_new(&waiting, 10);
	family[1] = family_new(&outbound, 10);
	family[2] = family_new(&inbound, 10);
	family[3] = family_new(&outbound, 10);
	family[4] = family_new(&gauge, 10);
	for (int i = 0; i < 5; i++) {
		family_begin(family[i]);
		add(family[i], "pod", "a", i + 1);
		family_end(family[i], SECOND);
	}
	text = text_of(family, 4, false);
	assert_string_equal(
		text,
		"# HELP sonde_opened_total connections opened\n# TYPE sonde_opened_total counter\n"
		"sonde_opened_total{direction=\"outbound\",pod=\"a\"} 6\n"
		"sonde_opened_total{direction=\"inbound\",pod=\"a\"} 3\n"
		"# HELP sonde_waiting connections that wait\n# TYPE sonde_waiting gauge\n"
		"sonde_waiting{pod=\"a\"} 1\n");
	free(text);
	for (int openmetrics = 0; openmetrics < 2; openmetrics++) {
		struct buf out;

		buf_init(&out, 10000);
		assert_int_equal(families_write(family, 5, openmetrics, &out), 1);
		buf_done(&out);
	}
	for (int i = 0; i < 5; i++)
		family_free(family[i]);
}

static void exemplars_point_at_traces(void **state)
{
	struct family *family = family_new(&latency, 10), *counter = family_new(&opened, 10);
	uint64_t slot[METRIC_SLOTS] = {[11] = 1};
	const struct label label = {"pod", span_of("a")}, other = {"pod", span_of("b")};
	char *text;

	family_begin(family);
	family_add_histogram(family, &label, 1, slot, 2000);
	family_end(family, SECOND);
	family_exemplar(family, &label, 1, 2000, "trace_id", "0af7651916cd43dd8448eb211c80319c",
			1700000000123 * 1000000ull);
	family_exemplar(family, &label, 1, 1500, "trace_id", "older", 1600000000 * SECOND);
	family_exemplar(family, &label, 1, 2000, "trace_id", "no \"trace", 1700000000 * SECOND);
	family_exemplar(family, &other, 1, 2000, "trace_id", "abc", 1700000000 * SECOND); /* no such series */
	family_begin(counter);
	family_add(counter, &label, 1, 1);
	family_end(counter, SECOND);
	family_exemplar(counter, &label, 1, 1, "trace_id", "abc", 1700000000 * SECOND);

	text = text_of(&family, 1, true);
	/* the last one written is kept: one for each slot */
	assert_non_null(
		strstr(text, "le=\"2.048e-06\"} 1 # {trace_id=\"older\"} 0.0000015 1600000000\n"));
	free(text);
	family_exemplar(family, &label, 1, 2000, "trace_id", "0af7651916cd43dd8448eb211c80319c",
			1700000000123 * 1000000ull);
	text = text_of(&family, 1, true);
	assert_non_null(strstr(
		text, "le=\"2.048e-06\"} 1 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} "
		      "0.000002 1700000000.123\n"));
	assert_null(strstr(text, "no "));
	free(text);
	text = text_of(&family, 1, false);
	assert_null(strstr(text, "trace_id"));
	free(text);
	text = text_of(&counter, 1, true);
	assert_non_null(strstr(
		text, "sonde_opened_total{pod=\"a\"} 1 # {trace_id=\"abc\"} 1 1700000000\n"));
	free(text);
	family_free(family);
	family_free(counter);
}

static void a_family_is_json_too(void **state)
{
	struct family *family = family_new(&waiting, 10), *histogram = family_new(&latency, 10);
	const struct label labels[] = {{"a", span_of("x\"y\\z\n")}, {"b", span_of("2")}};
	uint64_t slot[METRIC_SLOTS] = {[11] = 4};
	struct buf buf;
	struct json json = {.out = &buf};

	buf_init(&buf, 10000);
	family_begin(family);
	family_add(family, labels, 2, 1.5);
	family_end(family, SECOND);
	family_json(family, &json);
	assert_string_equal(buf_text(&buf),
			    "[{\"labels\":{\"a\":\"x\\\"y\\\\z\\n\",\"b\":\"2\"},\"value\":1.5}]");
	buf_clear(&buf);
	json.need_comma = false;
	family_begin(histogram);
	family_add_histogram(histogram, NULL, 0, slot, 8000);
	family_end(histogram, SECOND);
	family_json(histogram, &json);
	assert_string_equal(buf_text(&buf), "[{\"labels\":{},\"count\":4,\"sum\":8e-06,"
					    "\"buckets\":[{\"le\":2.048e-06,\"count\":4}]}]");
	buf_done(&buf);
	family_free(family);
	family_free(histogram);
}

/* Families with everything: hostile labels, all types, units, constant labels, overflow, exemplars. */
static size_t make_families(struct family *family[4])
{
	struct metric bytes = {.name = "sonde_sent_bytes_total",
			       .type = METRIC_COUNTER,
			       .unit = "bytes",
			       .scale = 1,
			       .help = (char *)"back\\slash \"quote\"\nline",
			       .labels = (char *)"direction=out"};
	uint64_t slot[METRIC_SLOTS];

	family[0] = family_new(&bytes, 5);
	family[1] = family_new(&waiting, 100);
	family[2] = family_new(&latency, 100);
	family[3] = family_new(&opened, 100);
	for (int i = 0; i < 4; i++)
		family_begin(family[i]);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		const struct label label = {"v",
					    {(const uint8_t *)hostile[i].value, hostile[i].len}};

		for (int s = 0; s < METRIC_SLOTS; s++)
			slot[s] = i + (size_t)s;
		family_add(family[0], &label, 1, 1e6 + (double)i);
		family_add(family[1], &label, 1, 0.001 * (double)i);
		family_add_histogram(family[2], &label, 1, slot, 1000000007 * i);
		family_exemplar(family[2], &label, 1, 3000, "trace_id", "0af7651916cd43dd8448eb211c80319c",
				1700000000 * SECOND);
		family_add(family[3], &label, 1, (double)i);
	}
	for (int i = 0; i < 4; i++)
		family_end(family[i], SECOND);
	return 4;
}

/* Gives the text to a program's standard input: its exit status, -1 when it could not be started. */
static int judge(const char *text, char *const argv[])
{
	int in[2], status;
	pid_t child;
	size_t len = strlen(text);

	assert_int_equal(pipe(in), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(in[0], 0);
		close(in[0]);
		close(in[1]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	while (len) {
		ssize_t wrote = write(in[1], text, len);

		if (wrote <= 0)
			break;
		text += wrote;
		len -= (size_t)wrote;
	}
	close(in[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

/* A sample as the line of text that it is: found there, with the same number. */
static void find_line(void *ctx, const struct metric_sample *sample)
{
	struct buf line;
	const char *found;
	bool labelled = sample->labels.len || sample->le;

	buf_init(&line, 4096);
	buf_f(&line, "%s%s%s%.*s", sample->metric->name, sample->suffix, labelled ? "{" : "",
	      (int)sample->labels.len, (const char *)sample->labels.at);
	if (sample->le)
		buf_f(&line, "%sle=\"%s\"", sample->labels.len ? "," : "", sample->le);
	buf_str(&line, labelled ? "} " : " ");
	found = strstr(*(const char **)ctx, buf_text(&line));
	if (!found)
		fail_msg("'%s' is not in the text", buf_text(&line));
	assert_true(strtod(found + line.len, NULL) == sample->value);
	assert_int_equal(sample->note->id, 0);
	sample->note->id = 7;
	buf_done(&line);
}

static void count_known(void *ctx, const struct metric_sample *sample)
{
	struct span labels = sample->labels;
	struct label_text label;

	assert_int_equal(sample->note->id, 7);
	while (metric_labels_next(&labels, &label))
		if (span_is(label.name, "odd"))
			assert_true(span_is((struct span){(uint8_t *)label.value, label.len},
					    "a \"quoted\"\nline\\"));
	++*(size_t *)ctx;
}

static void samples_are_what_the_text_says(void **state)
{
	const struct metric counter = {.name = "c_seconds_total", .type = METRIC_COUNTER, .scale = 1e-9};
	const struct metric histogram = {.name = "h_seconds", .type = METRIC_HISTOGRAM, .scale = 1e-6};
	const uint64_t slots[METRIC_SLOTS] = {[3] = 5, [9] = 70000};
	const struct label labels[] = {{"odd", span_of("a \"quoted\"\nline\\")}, {"b", span_of("x")}};
	struct family *families[] = {family_new(&counter, 10), family_new(&histogram, 10),
				     family_new(&counter, 10)};
	struct buf text;
	const char *at;
	size_t lines = 0, samples = 0;

	for (int i = 0; i < 3; i++)
		family_begin(families[i]);
	family_add(families[0], labels, 2, 1234567890123.0);
	family_add(families[2], labels, 2, 3);
	family_add(families[2], labels, 1, 0.25);
	family_add_histogram(families[1], labels, 2, slots, 987654321);
	for (int i = 0; i < 3; i++)
		family_end(families[i], 1);
	buf_init(&text, 1 << 20);
	families_write(families, 3, false, &text);
	at = buf_text(&text);
	families_samples(families, 3, find_line, &at);
	families_samples(families, 3, count_known, &samples);
	for (; *at; at++)
		lines += *at == '\n';
	for (at = buf_text(&text); (at = strstr(at, "# ")); at += 2)
		lines--;
	assert_int_equal(samples, lines);
	buf_done(&text);
	for (int i = 0; i < 3; i++)
		family_free(families[i]);
}

static void promtool_agrees(void **state)
{
	struct family *family[4];
	size_t count = make_families(family);
	char *text = text_of(family, count, false);
	int status = judge(
		text, (char *[]){(char *)"promtool", (char *)"check", (char *)"metrics", NULL});

	free(text);
	for (size_t i = 0; i < count; i++)
		family_free(family[i]);
	if (status < 0) {
		print_message("promtool is not installed\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void an_openmetrics_parser_agrees(void **state)
{
	static const char script[] = "import sys\n"
				     "try:\n"
				     "  from prometheus_client.openmetrics.parser import "
				     "text_string_to_metric_families as p\n"
				     "except ImportError:\n"
				     "  sys.exit(127)\n"
				     "n = sum(len(f.samples) for f in p(sys.stdin.read()))\n"
				     "sys.exit(0 if n == 6 + 9 + 9 * 7 + 9 else 1)\n";
	struct family *family[4];
	size_t count = make_families(family);
	char *text = text_of(family, count, true);
	int status = judge(
		text, (char *[]){(char *)"/usr/bin/python3", (char *)"-c", (char *)script, NULL});

	free(text);
	for (size_t i = 0; i < count; i++)
		family_free(family[i]);
	if (status < 0) {
		print_message("python3-prometheus-client is not installed\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_label_sets_are_one_series),
		cmocka_unit_test(a_counter_never_falls),
		cmocka_unit_test(the_sum_agrees_with_a_model),
		cmocka_unit_test(a_gauge_goes_with_its_source),
		cmocka_unit_test(what_does_not_fit_is_summed_in_one_series),
		cmocka_unit_test(idle_counters_go_after_an_hour),
		cmocka_unit_test(histograms_are_cumulative),
		cmocka_unit_test(linear_and_explicit_bounds_are_written),
		cmocka_unit_test(hostile_labels_stay_within_their_quotes),
		cmocka_unit_test(endless_labels_are_cut),
		cmocka_unit_test(label_names_are_made_to_fit),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(families_of_one_name_are_written_together),
		cmocka_unit_test(exemplars_point_at_traces),
		cmocka_unit_test(a_family_is_json_too),
		cmocka_unit_test(samples_are_what_the_text_says),
		cmocka_unit_test(promtool_agrees),
		cmocka_unit_test(an_openmetrics_parser_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
