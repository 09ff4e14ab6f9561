// SPDX-License-Identifier: GPL-2.0-only
/* Every exchange is in exactly one row, whatever the limits; and a row says what its exchanges were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "record/aggregate.h"
#include "record/histogram.h"

#include <stdio.h>
#include <time.h>

enum { KEPT = 20000 };

/* What was handed over, copied. */
static struct kept {
	struct summary summary;
	char service[32], resource[300], status[32], example[64];
	char other[SUMMARY_EXAMPLES][64];
	double p50, p99;
} kept[KEPT];
static size_t kept_len;
static struct {
	char client[64], server[64];
	uint64_t count, errors;
	bool is_overflow;
} edges[KEPT];
static size_t edges_len;

static void copy(char *to, size_t room, struct span from)
{
	snprintf(to, room, "%.*s", (int)from.len, from.len ? (const char *)from.at : "");
}

static void keep_row(void *ctx, const struct summary *row)
{
	struct kept *to = &kept[kept_len++];

	assert_true(kept_len < KEPT);
	to->summary = *row;
	to->p50 = sketch_quantile(&row->duration, 0.5);
	to->p99 = sketch_quantile(&row->duration, 0.99);
	copy(to->service, sizeof(to->service), row->whose->service);
	copy(to->resource, sizeof(to->resource), row->resource);
	copy(to->status, sizeof(to->status), row->status);
	copy(to->example, sizeof(to->example), row->example);
	for (int i = 0; i < SUMMARY_EXAMPLES; i++)
		copy(to->other[i], sizeof(to->other[i]), row->other[i].whole);
}

static void keep_edge(void *ctx, const struct edge *edge)
{
	assert_true(edges_len < KEPT);
	copy(edges[edges_len].client, sizeof(edges->client), edge->client);
	copy(edges[edges_len].server, sizeof(edges->server), edge->server);
	edges[edges_len].count = edge->count;
	edges[edges_len].errors = edge->errors;
	edges[edges_len++].is_overflow = edge->is_overflow;
}

static void close_and_keep(struct aggregate *aggregate)
{
	const struct aggregate_receiver receiver = {keep_row, keep_edge, NULL};

	kept_len = edges_len = 0;
	assert_true(aggregate_is_even(aggregate));
	aggregate_close(aggregate, &receiver);
	assert_true(aggregate_is_even(aggregate));
	assert_int_equal(aggregate_rows(aggregate), 0);
}

static uint64_t sum_of_rows(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < kept_len; i++)
		sum += kept[i].summary.count;
	return sum;
}

static uint64_t sum_of_edges(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < edges_len; i++)
		sum += edges[i].count;
	return sum;
}

/* Service n is called svc-n; 0 is nobody. */
static void whose(void *ctx, uint64_t who, struct who *ret_who)
{
	static char name[32];

	if (!who)
		return;
	snprintf(name, sizeof(name), "svc-%llu", (unsigned long long)who);
	ret_who->service = span_of(name);
	ret_who->pid = (uint32_t)who;
}

static struct finished get(const char *resource, const char *status, uint64_t ns)
{
	return (struct finished){
		.who = 1,
		.protocol = span_of("http"),
		.operation = span_of("GET"),
		.resource = span_of(resource),
		.status = span_of(status),
		.remote_name = span_of("cart"),
		.side = REQUEST_CLIENT,
		.transport = REQUEST_TCP,
		.is_error = status[0] >= '4',
		.request_bytes = 10,
		.response_bytes = 1000,
		.duration_ns = ns,
	};
}

static struct aggregate *make(struct aggregate_caps caps)
{
	struct aggregate *aggregate = aggregate_new(&caps, whose, NULL);

	assert_non_null(aggregate);
	return aggregate;
}

static void alike_exchanges_are_one_row(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){});

	for (uint64_t i = 1; i <= 1000; i++) {
		struct finished finished = get("/users/:id", "200", i * 1000);

		finished.phase_ns[REQUEST_QUEUE] = i;
		finished.phase_ns[REQUEST_WAIT] = 7; /* not known: not told */
		finished.phases = 1 << REQUEST_QUEUE;
		aggregate_add(aggregate, &finished);
	}
	close_and_keep(aggregate);
	assert_int_equal(kept_len, 1);
	assert_int_equal(kept->summary.count, 1000);
	assert_int_equal(kept->summary.errors, 0);
	assert_int_equal(kept->summary.request_bytes, 10000);
	assert_int_equal(kept->summary.response_bytes, 1000000);
	assert_int_equal(kept->summary.duration_sum, 500500000);
	assert_int_equal(kept->summary.duration_min, 1000);
	assert_int_equal(kept->summary.duration_max, 1000000);
	assert_int_equal(kept->summary.phase[REQUEST_QUEUE].sum, 500500);
	assert_int_equal(kept->summary.phase[REQUEST_QUEUE].count, 1000);
	assert_int_equal(kept->summary.phase[REQUEST_WAIT].count, 0);
	assert_true(kept->p50 > 500000 * 0.99 && kept->p50 < 500000 * 1.01);
	assert_true(kept->p99 > 990000 * 0.99 && kept->p99 < 990000 * 1.01);
	assert_string_equal(kept->service, "svc-1");
	assert_string_equal(kept->resource, "/users/:id");
	aggregate_free(aggregate);
}

static void every_column_of_the_identity_tells_rows_apart(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){});
	struct finished one = get("/", "200", 1), other;
	size_t rows = 1;

	aggregate_add(aggregate, &one);
#define DIFFERS(change)                                                                            \
	do {                                                                                       \
		other = one;                                                                       \
		other.change;                                                                      \
		aggregate_add(aggregate, &other);                                                  \
		aggregate_add(aggregate, &other);                                                  \
		assert_int_equal(aggregate_rows(aggregate), ++rows);                               \
	} while (0)
	DIFFERS(who = 2);
	DIFFERS(protocol = span_of("http2"));
	DIFFERS(operation = span_of("POST"));
	DIFFERS(resource = span_of("/x"));
	DIFFERS(status = span_of("204"));
	DIFFERS(shape = 5);
	DIFFERS(remote_name = span_of("shop"));
	DIFFERS(remote_addr = span_of("10.0.0.1"));
	DIFFERS(remote_port = 80);
	DIFFERS(local_port = 80);
	DIFFERS(side = REQUEST_SERVER);
	DIFFERS(transport = REQUEST_UNIX);
	DIFFERS(is_tls = true);
	DIFFERS(is_error = true);
	/* texts do not run into each other */
	one.operation = span_of("GE");
	one.resource = span_of("T/");
	DIFFERS(who = 1);
	other = get("/", "200", 1);
	other.request_bytes = 77;
	other.target = span_of("/?a=b");
	aggregate_add(aggregate, &other);
	assert_int_equal(aggregate_rows(aggregate), rows);
	close_and_keep(aggregate);
	assert_int_equal(kept_len, rows);
	assert_int_equal(sum_of_rows(), 2 * rows);
	aggregate_free(aggregate);
}

static void the_slowest_and_the_failing_are_kept_whole(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){});
	static const struct {
		const char *status;
		uint64_t ns;
		bool is_wanted;
	} steps[] = {
		/* 40 is of the size of 50 (32 to 63); 60 is again wanted, for 90 took the place of 50 */
		{"200", 50, true}, {"200", 40, false}, {"200", 50, false},
		{"500", 10, true}, {"200", 90, true},  {"200", 60, true},
		{"500", 9, false}, {"500", 30, true},  {"200", 89, false},
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct finished finished = get("/", steps[i].status, steps[i].ns);
		char json[64];

		snprintf(json, sizeof(json), "{\"duration_ns\":%llu}",
			 (unsigned long long)steps[i].ns);
		assert_int_equal(aggregate_add(aggregate, &finished), steps[i].is_wanted);
		aggregate_keep(aggregate, span_of(json)); /* not wanted: not taken */
	}
	close_and_keep(aggregate);
	assert_int_equal(kept_len, 2);
	assert_string_equal(kept[0].example, "{\"duration_ns\":90}");
	assert_string_equal(kept[1].example, "{\"duration_ns\":30}");
	assert_int_equal(kept[1].summary.errors, 3);
	assert_int_equal(kept[1].summary.example_ns, 30);
	aggregate_free(aggregate);
}

/* Beside the slowest some of other durations: never two of one size, and after some intervals one of each. */
static void durations_of_all_sizes_have_their_turn(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){});
	unsigned seen = 0;

	for (int interval = 0; interval < 60; interval++) {
		size_t sizes = 0;

		for (int i = 0; i < 400; i++) {
			/* 2^4 to 2^11, none of them slower than the first */
			struct finished finished = get("/", "200", i ? 16ull << i % 8 : 5000);
			char json[32];

			snprintf(json, sizeof(json), "%llu",
				 (unsigned long long)finished.duration_ns);
			if (aggregate_add(aggregate, &finished))
				aggregate_keep(aggregate, span_of(json));
		}
		close_and_keep(aggregate);
		assert_int_equal(kept_len, 1);
		assert_string_equal(kept->example, "5000");
		for (int i = 0; i < SUMMARY_EXAMPLES; i++) {
			unsigned size = (unsigned)atoi(kept->other[i]) >> 4;

			assert_true(size && !(size & (size - 1)));
			sizes |= size;
		}
		assert_int_equal(__builtin_popcountl(sizes), SUMMARY_EXAMPLES);
		seen |= (unsigned)sizes;
	}
	assert_int_equal(seen, 0xff);
	assert_true(aggregate_bytes(aggregate) < 4096); /* given back */
	aggregate_free(aggregate);
}

static void an_example_too_long_is_refused(void **state)
{
	static uint8_t bytes[CAP_SUMMARY_EXAMPLE + 1];
	struct aggregate *aggregate = make((struct aggregate_caps){});
	struct finished finished = get("/", "200", 5);

	aggregate_keep(aggregate, span_of("nothing was added"));
	assert_true(aggregate_add(aggregate, &finished));
	aggregate_keep(aggregate, (struct span){bytes, sizeof(bytes)});
	assert_int_equal(aggregate_counts(aggregate)->examples_refused, 1);
	assert_true(aggregate_add(aggregate, &finished)); /* still none */
	close_and_keep(aggregate);
	assert_string_equal(kept->example, "");
	aggregate_free(aggregate);
}

static void add_route(struct aggregate *aggregate, uint64_t who, unsigned route)
{
	char resource[32];
	struct finished finished;

	snprintf(resource, sizeof(resource), "/r%u", route);
	finished = get(resource, "200", route);
	finished.who = who;
	aggregate_add(aggregate, &finished);
}

static const struct kept *overflow_of(const char *service)
{
	for (size_t i = 0; i < kept_len; i++)
		if (kept[i].summary.is_overflow && !strcmp(kept[i].service, service))
			return &kept[i];
	return NULL;
}

static void too_many_routes_overflow_and_stay_exact(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){.service_shapes = 100});
	const struct aggregate_counts *counts = aggregate_counts(aggregate);

	for (unsigned i = 0; i < 10000; i++) {
		add_route(aggregate, 1, i);
		add_route(aggregate, 2, i % 50);
	}
	close_and_keep(aggregate);
	assert_int_equal(sum_of_rows(), 20000);
	assert_int_equal(kept_len, 100 + 1 + 50);
	assert_int_equal(overflow_of("svc-1")->summary.count, 9900);
	assert_int_equal(overflow_of("svc-1")->summary.duration_min, 100);
	assert_string_equal(overflow_of("svc-1")->resource, "");
	assert_null(overflow_of("svc-2"));
	assert_int_equal(counts->too_many_shapes, 9900);
	assert_int_equal(counts->overflowed, 9900);
	/* the calls are exact all the same */
	assert_int_equal(edges_len, 2);
	assert_int_equal(edges[0].count, 10000);
	assert_string_equal(edges[0].client, "svc-1");
	assert_string_equal(edges[0].server, "cart");
	aggregate_free(aggregate);
}

static bool has_row(unsigned route)
{
	char resource[32];

	snprintf(resource, sizeof(resource), "/r%u", route);
	for (size_t i = 0; i < kept_len; i++)
		if (!strcmp(kept[i].resource, resource))
			return true;
	return false;
}

static void routes_keep_their_place_until_nobody_asks_for_them(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){.service_shapes = 10});

	for (unsigned i = 0; i < 10; i++)
		add_route(aggregate, 1, i);
	close_and_keep(aggregate);
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 20; i++) /* the newcomers come first, and do not get in */
			add_route(aggregate, 1, 19 - i);
		close_and_keep(aggregate);
		assert_int_equal(kept_len, 11);
		for (unsigned i = 0; i < 10; i++)
			assert_true(has_row(i));
	}
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 10; i < 20; i++)
			add_route(aggregate, 1, i);
		close_and_keep(aggregate);
	}
	assert_int_equal(kept_len, 10);
	assert_int_equal(aggregate_counts(aggregate)->shapes_forgotten, 10);
	aggregate_free(aggregate);
}

static void too_many_peers_and_too_many_services_overflow(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){
		.rows = 64, .service_rows = 20, .services = 5, .edges = 30});

	for (unsigned i = 0; i < 1000; i++) {
		struct finished finished = get("/", "200", 1);
		char peer[32];

		snprintf(peer, sizeof(peer), "peer-%u", i % 100);
		finished.remote_name = span_of(peer);
		finished.who = 1 + i / 100;
		aggregate_add(aggregate, &finished);
	}
	close_and_keep(aggregate);
	assert_int_equal(sum_of_rows(), 1000);
	assert_int_equal(sum_of_edges(), 1000);
	assert_true(kept_len <= 65);
	assert_int_equal(overflow_of("svc-1")->summary.count, 80);
	assert_int_equal(overflow_of("")->summary.count, 500); /* of services 6 to 10 */
	assert_int_equal(edges_len, 31);
	assert_int_equal(edges[30].count, 970);
	assert_true(edges[30].is_overflow);
	assert_int_equal(aggregate_counts(aggregate)->edges_overflowed, 970);
	aggregate_free(aggregate);
}

static void memory_has_a_limit(void **state)
{
	const size_t cap = 256 * 1024;
	struct aggregate *aggregate = make((struct aggregate_caps){.bytes = cap});
	size_t most = 0;

	for (unsigned i = 0; i < 200000; i++) {
		struct finished finished;
		char resource[32];

		snprintf(resource, sizeof(resource), "/%u", i % 240);
		finished = get(resource, "200", (uint64_t)1 << i % 63);
		finished.who = 1 + i % 30;
		if (aggregate_add(aggregate, &finished))
			aggregate_keep(aggregate, span_of("{\"example\":\"of some length\"}"));
		if (aggregate_bytes(aggregate) > most)
			most = aggregate_bytes(aggregate);
	}
	print_message("%zu bytes of %zu\n", most, cap);
	assert_true(most < cap + 32 * 1024); /* it and the growth of one sketch */
	assert_true(aggregate_counts(aggregate)->no_memory);
	close_and_keep(aggregate);
	assert_int_equal(sum_of_rows(), 200000);
	assert_int_equal(sum_of_edges(), 200000);
	for (unsigned i = 0; i < 61; i++) /* and services are forgotten */
		close_and_keep(aggregate);
	assert_int_equal(aggregate_bytes(aggregate), 0);
	aggregate_free(aggregate);
}

static void edges_name_both_ends(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){});
	struct finished out = get("/", "500", 1), in = out, unknown = out, twice = out;

	in.side = twice.side = REQUEST_SERVER;
	in.remote_name = span_of("");
	in.remote_addr = span_of("10.0.0.9");
	unknown.side = REQUEST_SIDE_UNKNOWN;
	twice.is_edge_counted = true;
	aggregate_add(aggregate, &out);
	aggregate_add(aggregate, &in);
	aggregate_add(aggregate, &unknown);
	aggregate_add(aggregate, &twice);
	close_and_keep(aggregate);
	assert_int_equal(sum_of_rows(), 4);
	assert_int_equal(edges_len, 2);
	assert_string_equal(edges[0].client, "svc-1");
	assert_string_equal(edges[0].server, "cart");
	assert_int_equal(edges[0].errors, 1);
	assert_string_equal(edges[1].client, "10.0.0.9");
	assert_string_equal(edges[1].server, "svc-1");
	aggregate_free(aggregate);
}

/* The same exchanges, counted by hand. */
static void rows_say_what_a_plain_count_says(void **state)
{
	enum { WHO = 3, ROUTES = 20, STATUSES = 3, N = 20000 };
	static const char *const statuses[STATUSES] = {"200", "404", "500"};
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	for (int round = 0; round < 5; round++) {
		static uint64_t count[WHO][ROUTES][STATUSES], sum[WHO][ROUTES][STATUSES];
		struct aggregate *aggregate = make((struct aggregate_caps){});

		memset(count, 0, sizeof(count));
		memset(sum, 0, sizeof(sum));
		for (int i = 0; i < N; i++) {
			unsigned who = (unsigned)rand() % WHO, route = (unsigned)rand() % ROUTES,
				 status = (unsigned)rand() % STATUSES;
			uint64_t ns = (uint64_t)rand() % 100000000;
			char resource[32];
			struct finished finished;

			snprintf(resource, sizeof(resource), "/%u", route);
			finished = get(resource, statuses[status], ns);
			finished.who = who + 1;
			aggregate_add(aggregate, &finished);
			count[who][route][status]++;
			sum[who][route][status] += ns;
		}
		close_and_keep(aggregate);
		assert_int_equal(kept_len, WHO * ROUTES * STATUSES);
		for (size_t i = 0; i < kept_len; i++) {
			const struct summary *row = &kept[i].summary;
			unsigned route = (unsigned)atoi(kept[i].resource + 1);
			unsigned status = (unsigned)(kept[i].status[0] - '1') / 2;

			assert_int_equal(row->count, count[row->who - 1][route][status]);
			assert_int_equal(row->duration_sum, sum[row->who - 1][route][status]);
			assert_int_equal(row->errors, status ? row->count : 0);
			assert_string_equal(kept[i].status, statuses[status]);
		}
		aggregate_free(aggregate);
	}
}

static struct json_line {
	char text[4096];
} line;

static void make_json(void *ctx, const struct summary *row)
{
	struct layout *layout = ctx;
	struct record record;
	struct arena arena;
	struct json json = {};
	struct buf out;
	struct span text;

	arena_init(&arena, 1 << 16);
	buf_init(&out, 1 << 16);
	json.out = &out;
	assert_int_equal(
		summary_record(&record, layout, row, "requests", 1, 10000000000, NULL, &arena), 0);
	record.value[LAYOUT_TIME] = (struct value){};
	record_json(&record, &json);
	text = buf_as_span(&out);
	snprintf(line.text, sizeof(line.text), "%.*s", (int)text.len, (const char *)text.at);
	buf_done(&out);
	arena_done(&arena);
}

static void a_row_becomes_a_record(void **state)
{
	struct aggregate *aggregate = make((struct aggregate_caps){});
	struct finished finished = get("/users/:id", "404", 1000);
	struct layout layout;

	assert_int_equal(summary_layout(&layout, NULL), 0);
	finished.remote_port = 8080;
	finished.phases = 1 << REQUEST_WAIT | 1 << REQUEST_NETWORK;
	finished.phase_ns[REQUEST_WAIT] = 900;
	finished.phase_ns[REQUEST_NETWORK] = 100;
	finished.is_network_bound = true;
	assert_true(aggregate_add(aggregate, &finished));
	aggregate_keep(aggregate, span_of("{\"kind\":\"request\"}"));
	aggregate_close(aggregate, &(struct aggregate_receiver){make_json, NULL, &layout});
	assert_string_equal(
		line.text,
		"{\"item\":\"requests\",\"kind\":\"request_summary\",\"pid\":1,\"service\":\"svc-"
		"1\","
		"\"transport\":\"tcp\",\"side\":\"client\",\"protocol\":\"http\","
		"\"operation\":\"GET\",\"resource\":\"/users/"
		":id\",\"status\":\"404\",\"error\":true,"
		"\"remote_name\":\"cart\",\"remote_port\":8080,\"interval_ns\":10000000000,"
		"\"count\":1,\"errors\":1,\"request_bytes\":10,\"response_bytes\":1000,"
		"\"duration_ns_sum\":1000,\"duration_ns_min\":1000,\"duration_ns_max\":1000,"
		"\"duration_ns_p50\":1000,\"duration_ns_p90\":1000,\"duration_ns_p99\":1000,"
		"\"wait_ns_sum\":900,\"network_ns_sum\":100,\"network_bound\":true,"
		"\"example\":{\"kind\":\"request\"}}");
	aggregate_free(aggregate);
}

static uint64_t slots[METRIC_SLOTS];

static void keep_slots(void *ctx, const struct summary *row)
{
	summary_slots(row, ctx, slots);
}

static void durations_become_slots_of_a_histogram(void **state)
{
	const struct metric metric = {
		.type = METRIC_HISTOGRAM, .scale = 1e-9, .buckets = BUCKETS_LOG2};
	struct aggregate *aggregate = make((struct aggregate_caps){});
	uint64_t expected[METRIC_SLOTS] = {};
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	for (int i = 0; i < 20000; i++) {
		uint64_t ns = 3 + (uint64_t)rand() * (uint64_t)rand() % ((uint64_t)3 << i % 40);
		struct finished finished;

		ns += !(ns & (ns - 1)); /* not a bound */
		finished = get("/", "200", ns);
		aggregate_add(aggregate, &finished);
		expected[histogram_slot(&metric, (double)ns)]++;
	}
	aggregate_close(aggregate, &(struct aggregate_receiver){keep_slots, NULL, (void *)&metric});
	assert_memory_equal(slots, expected, sizeof(slots));
	aggregate_free(aggregate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alike_exchanges_are_one_row),
		cmocka_unit_test(every_column_of_the_identity_tells_rows_apart),
		cmocka_unit_test(the_slowest_and_the_failing_are_kept_whole),
		cmocka_unit_test(durations_of_all_sizes_have_their_turn),
		cmocka_unit_test(an_example_too_long_is_refused),
		cmocka_unit_test(too_many_routes_overflow_and_stay_exact),
		cmocka_unit_test(routes_keep_their_place_until_nobody_asks_for_them),
		cmocka_unit_test(too_many_peers_and_too_many_services_overflow),
		cmocka_unit_test(memory_has_a_limit),
		cmocka_unit_test(edges_name_both_ends),
		cmocka_unit_test(rows_say_what_a_plain_count_says),
		cmocka_unit_test(a_row_becomes_a_record),
		cmocka_unit_test(durations_become_slots_of_a_histogram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
