// SPDX-License-Identifier: GPL-2.0-only
/* Records reach whoever wants them, and nobody else, also while receivers come and go. */
#include "record/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct layout layout;

static struct record make_record(const char *item, uint64_t pid)
{
	struct record record;

	layout_begin(&layout, 1 << WHO_PID);
	record_begin(&record, &layout, item, "sample", 1, NULL);
	record.value[layout.who[WHO_PID]] = value_u64(pid);
	return record;
}

static void count(void *ctx, const struct record *record)
{
	(*(int *)ctx)++;
}

static struct filter *filter(const char *text)
{
	struct filter *parsed;

	assert_int_equal(filter_parse(span_of(text), &parsed, NULL), 0);
	return parsed;
}

static void records_reach_whoever_wants_them(void **state)
{
	struct stream *stream = stream_new();
	struct record one = make_record("exec", 1), two = make_record("tcp_life", 2);
	int all = 0, exec = 0, second = 0;
	struct subscription *last;

	assert_false(stream_wanted(stream, "exec"));
	assert_non_null(stream_subscribe(stream, "exec", NULL, count, &exec));
	assert_true(stream_wanted(stream, "exec"));
	assert_false(stream_wanted(stream, "tcp_life"));
	assert_non_null(stream_subscribe(stream, NULL, NULL, count, &all));
	last = stream_subscribe(stream, NULL, filter("pid = 2"), count, &second);
	assert_true(stream_wanted(stream, "tcp_life"));
	stream_publish(stream, &one);
	stream_publish(stream, &two);
	assert_int_equal(all, 2);
	assert_int_equal(exec, 1);
	assert_int_equal(second, 1);
	stream_unsubscribe(last);
	stream_unsubscribe(NULL);
	stream_publish(stream, &two);
	assert_int_equal(second, 1);
	assert_int_equal(all, 3);
	stream_free(stream);
	stream_free(NULL);
}

/* A receiver that ends itself, ends its neighbour, and takes on another, within one call. */
struct restless {
	struct stream *stream;
	struct subscription *self, *neighbour;
	int calls, neighbour_calls, new_calls;
};

static void be_restless(void *ctx, const struct record *record)
{
	struct restless *r = ctx;

	r->calls++;
	stream_unsubscribe(r->self);
	stream_unsubscribe(r->self);
	stream_unsubscribe(r->neighbour);
	assert_non_null(stream_subscribe(r->stream, NULL, NULL, count, &r->new_calls));
}

static void receivers_may_come_and_go_while_called(void **state)
{
	struct restless r = {.stream = stream_new()};
	struct record record = make_record("exec", 1);

	r.self = stream_subscribe(r.stream, NULL, NULL, be_restless, &r);
	r.neighbour =
		stream_subscribe(r.stream, NULL, filter("pid = 1"), count, &r.neighbour_calls);
	stream_publish(r.stream, &record);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.neighbour_calls, 0);
	assert_int_equal(r.new_calls, 0);
	stream_publish(r.stream, &record);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.new_calls, 1);
	stream_free(r.stream);
}

/* A receiver that publishes itself: what ended inside is freed only outside. */
struct relay {
	struct stream *stream;
	struct subscription *other;
	int depth, calls;
};

static void relay(void *ctx, const struct record *record)
{
	struct relay *r = ctx;

	r->calls++;
	if (r->depth++ < 3)
		stream_publish(r->stream, record);
	stream_unsubscribe(r->other);
	r->other = NULL;
}

static void publishing_within_publishing_is_allowed(void **state)
{
	struct relay r = {.stream = stream_new()};
	struct record record = make_record("exec", 1);
	int other = 0;

	stream_subscribe(r.stream, NULL, NULL, relay, &r);
	r.other = stream_subscribe(r.stream, NULL, NULL, count, &other);
	stream_publish(r.stream, &record);
	assert_int_equal(r.calls, 4);
	assert_int_equal(other, 0);
	stream_free(r.stream);
}

static void subscriptions_have_a_cap(void **state)
{
	struct stream *stream = stream_new();
	struct subscription *last = NULL, *next;
	char name[COLUMN_NAME_BYTES + 1];
	int calls = 0, taken = 0;

	while ((next = stream_subscribe(stream, NULL, NULL, count, &calls))) {
		last = next;
		assert_true(++taken < 10000);
	}
	stream_unsubscribe(last);
	memset(name, 'x', sizeof(name));
	name[COLUMN_NAME_BYTES] = 0;
	assert_null(stream_subscribe(stream, name, NULL, count, &calls));
	assert_non_null(stream_subscribe(stream, NULL, NULL, count, &calls));
	assert_null(stream_subscribe(stream, NULL, NULL, count, &calls));
	stream_free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_reach_whoever_wants_them),
		cmocka_unit_test(receivers_may_come_and_go_while_called),
		cmocka_unit_test(publishing_within_publishing_is_allowed),
		cmocka_unit_test(subscriptions_have_a_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
