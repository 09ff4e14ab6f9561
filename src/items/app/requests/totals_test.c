// SPDX-License-Identifier: GPL-2.0-only
/* totals: what was counted for an opaque route is its name's when that becomes known; recent rates and means. */
#include "items/app/requests/totals.c"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static struct totals totals;

static int begin(void **state)
{
	return totals_init(&totals, 0);
}

static int end(void **state)
{
	totals_done(&totals);
	return 0;
}

static void add(const char *resource, const char *status, uint64_t ns)
{
	struct exchange exchange = {.has_response = true};
	struct outcome outcome = {.exchange = &exchange,
				  .duration_ns = ns,
				  .phases = 1 << PHASE_PROCESS,
				  .phase_ns = {[PHASE_PROCESS] = ns / 2}};
	struct total_entry entry = {
		.side = SIDE_SERVER,
		.protocol = "grpc",
		.operation = span_of(resource[0] == 'o' ? "" : "Get"),
		.resource = span_of(resource),
		.status = span_of(status),
		.is_error = status[0] != '0',
		.request_bytes = 10,
		.connection = 7,
		.outcome = &outcome,
	};

	totals_add(&totals, &entry, &(struct total_place){});
}

static const struct total_operation *find(const char *resource)
{
	for (uint32_t i = 0; i < totals.operations; i++)
		if (!totals.operation[i].is_gone && !strcmp(totals.operation[i].resource, resource))
			return &totals.operation[i];
	return NULL;
}

static void count_move(void *ctx, const struct total_operation *operation)
{
	assert_string_equal(operation->resource, "opaque:7:1");
	++*(int *)ctx;
}

static void names_take_over_what_was_counted_for_numbers(void **state)
{
	int moves = 0;

	for (int i = 0; i < 10; i++)
		add("opaque:7:1", i < 8 ? "0" : "5", 1000);
	add("opaque:7:2", "0", 1000);
	add("shop.Orders", "0", 3000);
	assert_int_equal(totals_rename(&totals, "http2", span_of("opaque:7:1"), span_of("Get"),
				       span_of("shop.Orders"), count_move, &moves),
			 0);
	assert_int_equal(totals_rename(&totals, "grpc", span_of("opaque:7:1"), span_of("Get"),
				       span_of("shop.Orders"), count_move, &moves),
			 1);
	assert_int_equal(moves, 1);
	assert_null(find("opaque:7:1"));
	assert_int_equal(find("opaque:7:2")->count, 1);
	assert_int_equal(find("shop.Orders")->count, 11);
	assert_int_equal(find("shop.Orders")->errors, 2);
	assert_int_equal(find("shop.Orders")->sum_ns, 13000);
	assert_int_equal(find("shop.Orders")->min_ns, 1000);
	assert_int_equal(find("shop.Orders")->max_ns, 3000);
	assert_int_equal(find("shop.Orders")->statuses, 2);
	assert_int_equal(find("shop.Orders")->request_bytes, 110);
	add("opaque:7:1", "0", 1000); /* one was under way */
	assert_int_equal(find("opaque:7:1")->count, 1);
	assert_int_equal(totals_rename(&totals, "grpc", span_of("opaque:7:1"), span_of("Get"),
				       span_of("shop.Orders"), count_move, &moves),
			 1);
	assert_int_equal(find("shop.Orders")->count, 12);
}

static void rates_and_means_are_of_this_and_the_last_interval(void **state)
{
	const uint64_t second = 1000000000;

	for (int i = 0; i < 100; i++)
		add("shop.Orders", "0", 1000);
	assert_int_equal(totals_rate(&totals, find("shop.Orders"), 10 * second), 10);
	totals_turn(&totals, 10 * second);
	for (int i = 0; i < 50; i++)
		add("shop.Orders", "0", 4000);
	assert_int_equal(totals_rate(&totals, find("shop.Orders"), 15 * second), 10);
	assert_int_equal(totals_mean(find("shop.Orders"), PHASE_PROCESS), 1000);
	totals_turn(&totals, 20 * second);
	assert_int_equal(totals_mean(find("shop.Orders"), PHASE_PROCESS), 2000);
	assert_int_equal(totals_rate(&totals, find("shop.Orders"), 20 * second), 5);
	totals_turn(&totals, 30 * second);
	assert_int_equal(totals_rate(&totals, find("shop.Orders"), 30 * second), 0);
}

static void the_slowest_is_the_example(void **state)
{
	add("shop.Orders", "0", 2000);
	add("shop.Orders", "0", 1000);
	assert_int_equal(find("shop.Orders")->status[0].example.ns, 2000);
	assert_string_equal(find("shop.Orders")->status[0].example.id, "7");
	assert_false(find("shop.Orders")->status[0].example.is_trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_take_over_what_was_counted_for_numbers, begin,
						end),
		cmocka_unit_test_setup_teardown(rates_and_means_are_of_this_and_the_last_interval,
						begin, end),
		cmocka_unit_test_setup_teardown(the_slowest_is_the_example, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
