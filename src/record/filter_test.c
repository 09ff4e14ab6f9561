// SPDX-License-Identifier: GPL-2.0-only
/* Each filter says what it should about one record; each mistake is named with its place. */
#include "record/filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static struct layout layout;
static struct record record;

static void add(const char *name, enum unit unit, struct value value)
{
	struct err why = {};
	int at = layout_add(&layout, name, unit, NULL, &why);

	assert_true(at >= 0);
	record.value[at] = value;
}

static int make_record(void **state)
{
	layout_begin(&layout, 1 << WHO_PID | 1 << WHO_PROCESS | 1 << WHO_SERVICE);
	record = (struct record){.layout = &layout};
	record.value[LAYOUT_TIME] = (struct value){.kind = VALUE_TIME, .u64 = 1700000000000000000};
	record.value[layout.who[WHO_PID]] = value_u64(4711);
	record.value[layout.who[WHO_SERVICE]] = value_str("shop");
	add("status", UNIT_TEXT, value_str("503"));
	add("method", UNIT_TEXT, value_str("GET"));
	add("path", UNIT_TEXT, value_str("/api/v1/items?x=1"));
	add("duration_ns", UNIT_NS, value_u64(150000000));
	add("sent_bytes", UNIT_BYTES, value_u64(4096));
	add("local_port", UNIT_NONE, value_u64(8080));
	add("remote_port", UNIT_NONE, value_u64(51234));
	add("local_addr", UNIT_TEXT, value_str("10.1.2.3"));
	add("remote_addr", UNIT_TEXT, value_str("2001:db8::1"));
	add("cookie", UNIT_NONE, value_u64(9007199254740993));
	add("delta", UNIT_COUNT, value_i64(-3));
	add("share", UNIT_PERCENT, (struct value){.kind = VALUE_DOUBLE, .real = 12.5});
	add("error", UNIT_NONE, value_bool(true));
	add("tls", UNIT_NONE, value_bool(false));
	add("star", UNIT_TEXT, value_str("a*b"));
	add("odd", UNIT_TEXT,
	    (struct value){.kind = VALUE_TEXT, .text = {(const uint8_t *)"x\0y", 3}});
	add("missing", UNIT_TEXT, (struct value){});
	return 0;
}

static const struct {
	const char *text;
	bool matches;
} filters[] = {
	{"", true},
	{"  \t\n ", true},
	{"service = shop", true},
	{"service == shop", true},
	{"service=shop", true},
	{"service = \"shop\"", true},
	{"service = 'shop'", true},
	{"service = Shop", false},
	{"service != shop", false},
	{"service = sh?p", true},
	{"service = s*p", true},
	{"service = *", true},
	{"service = sh?", false},
	{"service != s*", false},
	/* numbers, exact to the last digit */
	{"pid = 4711", true},
	{"pid = 4711.0", true},
	{"pid = 4712", false},
	{"pid = 47*", true},
	{"pid > 4710 and pid < 4712", true},
	{"pid >= 4711 and pid <= 4711", true},
	{"cookie = 9007199254740993", true},
	{"cookie = 9007199254740992", false},
	{"cookie > 9007199254740992", true},
	{"delta = -3", true},
	{"delta < 0", true},
	{"delta < -3", false},
	{"share > 12", true},
	{"share = 12.5%", true},
	{"pid = shop", false},
	{"pid > shop", false},
	/* units */
	{"duration_ns > 100ms", true},
	{"duration_ns = 150ms", true},
	{"duration_ns > 1s", false},
	{"sent_bytes = 4KiB", true},
	{"sent_bytes < 1MiB", true},
	{"time > 2023-11-14T22:00:00Z", true},
	{"time < 2023-11-14T22:00:00Z", false},
	{"time = 1700000000", true},
	{"time < now-1h", true},
	/* texts that are numbers */
	{"status >= 500", true},
	{"status < 500", false},
	{"status = 503", true},
	{"status = 503.0", false},
	{"method >= 500", false},
	{"method < 500", false},
	{"method > FOO", true},
	{"status in (500, 503)", true},
	{"status in (500,502)", false},
	{"method in (GET)", true},
	{"method in (P*, G*)", true},
	{"status not in (500, 503)", false},
	{"not status in (500)", true},
	/* either end */
	{"port = 8080", true},
	{"port = 51234", true},
	{"port = 80", false},
	{"port in (22, 8080)", true},
	{"not port in (22, 8080)", false},
	{"port != 8080", false},
	{"port != 80", true},
	{"port > 50000", true},
	{"addr = 10.0.0.0/8", true},
	{"addr = 10.1.2.3", true},
	{"addr = 2001:db8::/32", true},
	{"addr = 2001:0db8:0:0::1", true},
	{"addr = 11.0.0.0/8", false},
	{"remote_addr = 10.0.0.0/8", false},
	{"local_addr in (192.168.0.0/16, 10.1.0.0/16)", true},
	/* regular expressions */
	{"path ~ \"^/api\"", true},
	{"path ~ ^/api", true},
	{"path ~ items", true},
	{"path !~ items", false},
	{"path ~ \"v\\d/\"", true},
	{"path ~ '(?i)ITEMS'", true},
	{"path ~ \"^items\"", false},
	{"pid ~ ^47", true},
	{"odd ~ \"x.y\"", true},
	/* absent, and columns that are not there at all */
	{"missing = x", false},
	{"missing != x", true},
	{"missing ~ x", false},
	{"missing !~ x", true},
	{"missing > 1", false},
	{"missing < 1", false},
	{"missing", false},
	{"not missing", true},
	{"nowhere = x", false},
	{"nowhere != x", true},
	{"nowhere not in (x)", true},
	/* truth */
	{"error", true},
	{"error = true", true},
	{"error = false", false},
	{"tls", false},
	{"not tls", true},
	{"tls = false", true},
	{"error and not tls", true},
	/* and binds more than or, not more than and */
	{"pid = 1 and pid = 1 or pid = 4711", true},
	{"pid = 4711 or pid = 1 and pid = 1", true},
	{"(pid = 4711 or pid = 1) and pid = 1", false},
	{"not pid = 1 and pid = 4711", true},
	{"not (pid = 1 and pid = 4711)", true},
	{"not not pid = 4711", true},
	{"NOT pid = 1 AND pid IN (4711) OR pid = 2", true},
	{"status>=500 and(service=shop)", true},
	{"status >= 500 and service = shop and path ~ \"^/api\" and not port in (22, 8470)", true},
	/* quotes */
	{"star = \"a\\*b\"", true},
	{"star = \"a\\*c\"", false},
	{"star = 'a*'", true},
	{"path = '/api/v1/items?x=1'", true},
	{"path = /api/v1/items?x=1", true},
	{"path = '/api/v1/items\\?x=1'", true},
	{"path = '/api/*x=1'", true},
	{"path = ''", false},
	{"service != ''", true},
};

static void filters_say_what_they_should(void **state)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		struct filter *filter;
		struct err why = {};

		if (filter_parse(span_of(filters[i].text), &filter, &why))
			fail_msg("%s: %s", filters[i].text, why.text);
		if (filter_match(filter, &record) != filters[i].matches)
			fail_msg("%s", filters[i].text);
		assert_int_equal(filter_gave_up(filter), 0);
		filter_free(filter);
	}
}

static const struct {
	const char *text, *reason;
} mistakes[] = {
	{"=", "filter, column 1: a column is expected here"},
	{"Status = 1", "filter, column 1: a column is expected here"},
	{"status", NULL},
	{"status =", "filter, column 9: a value is missing"},
	{"status = = 5", "filter, column 10: a value that begins so needs quotes"},
	{"status = 5 6", "filter, column 12: 'and' or 'or' is expected here"},
	{"status 5", "filter, column 8: 'status' needs an operator: = != < <= > >= ~ !~ in"},
	{"status = \"5", "filter, column 10: the quote does not end"},
	{"status = \"5\\\"", "filter, column 10: the quote does not end"},
	{"status = 5 and", "filter, column 15: something is missing at the end"},
	{"(status = 5", "filter, column 12: ')' is expected here"},
	{"status = 5)", "filter, column 11: 'and' or 'or' is expected here"},
	{"status in 5", "filter, column 11: 'in' needs a list: (22, 80)"},
	{"status in ()", "filter, column 12: a value is missing"},
	{"status in (5", "filter, column 13: the list does not end with ')'"},
	{"status in (5,)", "filter, column 14: a value is missing"},
	{"not", "filter, column 4: something is missing at the end"},
	{"path ~ \"(\"", "filter, column 8: the regular expression is wrong at its byte 2: missing "
			 "closing parenthesis"},
	{"path ~ \"\\C\"", "filter, column 8: the regular expression is wrong at its byte 3: "
			   "using \\C is disabled by the application"},
};

static void mistakes_are_named_with_their_place(void **state)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		struct filter *filter = NULL;
		struct err why = {};
		int error = filter_parse(span_of(mistakes[i].text), &filter, &why);

		if (!mistakes[i].reason) {
			assert_int_equal(error, 0);
			filter_free(filter);
			continue;
		}
		assert_int_equal(error, -EINVAL);
		assert_string_equal(why.text, mistakes[i].reason);
		assert_int_equal(filter_parse(span_of(mistakes[i].text), &filter, NULL), -EINVAL);
	}
}

static void columns_are_checked_with_a_suggestion(void **state)
{
	static const struct {
		const char *text, *reason;
	} checks[] = {
		{"stats = 5", "filter, column 1: no column 'stats', did you mean 'status'?"},
		{"pid = 1 and servcie = x",
		 "filter, column 13: no column 'servcie', did you mean 'service'?"},
		{"zzzzzz = 5", "filter, column 1: no column 'zzzzzz'"},
		{"port = 5 and addr = 1.2.3.4", NULL},
		{"duration_ns > soon",
		 "filter, column 1: 'duration_ns' is a duration (100ms), 'soon' is none"},
		{"duration_ns > 4KiB",
		 "filter, column 1: 'duration_ns' is a duration (100ms), '4KiB' is none"},
		{"sent_bytes > 5ms",
		 "filter, column 1: 'sent_bytes' is a size (4KiB), '5ms' is none"},
		{"delta in (1, many)", "filter, column 1: 'delta' is a number, 'many' is none"},
		{"duration_ns > 5 and sent_bytes = 1* and share < 5%", NULL},
	};
	const struct layout *layouts[] = {&layout};

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		struct filter *filter;
		struct err why = {};

		assert_int_equal(filter_parse(span_of(checks[i].text), &filter, &why), 0);
		if (checks[i].reason) {
			assert_true(filter_check(filter, layouts, 1, &why) < 0);
			assert_string_equal(why.text, checks[i].reason);
		} else if (filter_check(filter, layouts, 1, &why)) {
			fail_msg("%s", why.text);
		}
		filter_free(filter);
	}
	assert_int_equal(filter_check(NULL, layouts, 1, NULL), 0);
}

static void what_is_required_can_be_asked(void **state)
{
	static const struct {
		const char *text, *pid;
	} cases[] = {
		{"pid = 17", "17"},
		{"status > 5 and pid = 17 and tls", "17"},
		{"pid = 17 or tls", NULL},
		{"not pid = 17", NULL},
		{"pid != 17", NULL},
		{"pid in (17, 18)", NULL},
		{"pid in (17)", "17"},
		{"pid = 1*", NULL},
		{"tls", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct filter *filter;
		struct span value;

		assert_int_equal(filter_parse(span_of(cases[i].text), &filter, NULL), 0);
		assert_int_equal(filter_requires(filter, "pid", &value), cases[i].pid != NULL);
		if (cases[i].pid)
			assert_true(span_is(value, cases[i].pid));
		filter_free(filter);
	}
	assert_false(filter_requires(NULL, "pid", &(struct span){}));
}

/* The same filter asked about records of different layouts, in turn. */
static void a_filter_follows_the_layout(void **state)
{
	struct layout other;
	struct record there = {.layout = &other};
	struct filter *filter;
	struct err why;

	layout_begin(&other, 0);
	there.value[layout_add(&other, "status", UNIT_TEXT, NULL, &why)] = value_str("200");
	assert_int_equal(filter_parse(span_of("status = 503"), &filter, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(filter_match(filter, &record));
		assert_false(filter_match(filter, &there));
	}
	filter_free(filter);
}

/* A pattern that would need 2^50 steps gives up after a moment, and that is counted. */
static void no_pattern_holds_the_agent_up(void **state)
{
	char text[60];
	struct filter *filter;
	struct timespec start, end;
	int at = layout_find(&layout, span_of("method"));
	struct value before = record.value[at];

	memset(text, 'a', sizeof(text));
	text[59] = '!';
	record.value[at].text = (struct span){(const uint8_t *)text, sizeof(text)};
	assert_int_equal(filter_parse(span_of("method ~ \"^(a+)+$\""), &filter, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_false(filter_match(filter, &record));
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - start.tv_sec <= 1);
	assert_int_equal(filter_gave_up(filter), 1);
	filter_free(filter);
	record.value[at] = before;
}

static void size_and_depth_are_limited(void **state)
{
	struct filter *filter;
	struct err why;
	struct buf text;

	buf_init(&text, 100000);
	buf_fill(&text, '(', 1000);
	assert_int_equal(filter_parse(buf_as_span(&text), &filter, &why), -EINVAL);
	assert_string_equal(why.text, "filter, column 41: nested deeper than 40");
	buf_clear(&text);
	for (int i = 0; i < 1000; i++)
		buf_str(&text, "not ");
	assert_int_equal(filter_parse(buf_as_span(&text), &filter, &why), -EINVAL);
	buf_clear(&text);
	for (int i = 0; i < 600; i++)
		buf_str(&text, "a or ");
	buf_str(&text, "a");
	assert_int_equal(filter_parse(buf_as_span(&text), &filter, &why), -EINVAL);
	assert_non_null(strstr(why.text, "more than 512 comparisons"));
	buf_clear(&text);
	buf_fill(&text, ' ', 9000);
	buf_char(&text, 'a');
	assert_int_equal(filter_parse(buf_as_span(&text), &filter, &why), -E2BIG);
	buf_clear(&text);
	buf_str(&text, "a ~ ");
	buf_fill(&text, 'x', 1001);
	assert_int_equal(filter_parse(buf_as_span(&text), &filter, &why), -EINVAL);
	buf_done(&text);
}

static void quantities_are_shared_with_configuration(void **state)
{
	double value;

	assert_true(parse_quantity(span_of("100ms"), &value) && value == 1e8);
	assert_true(parse_quantity(span_of("4KiB"), &value) && value == 4096);
	assert_true(parse_quantity(span_of("12"), &value) && value == 12);
	assert_false(parse_quantity(span_of("twelve"), &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_say_what_they_should),
		cmocka_unit_test(mistakes_are_named_with_their_place),
		cmocka_unit_test(columns_are_checked_with_a_suggestion),
		cmocka_unit_test(what_is_required_can_be_asked),
		cmocka_unit_test(a_filter_follows_the_layout),
		cmocka_unit_test(no_pattern_holds_the_agent_up),
		cmocka_unit_test(size_and_depth_are_limited),
		cmocka_unit_test(quantities_are_shared_with_configuration),
	};
	return cmocka_run_group_tests(tests, make_record, NULL);
}
