// SPDX-License-Identifier: GPL-2.0-only
/*
 * aggregate_bench - what it costs to count one finished exchange in its summary, and to close an interval.
 *
 * Three mixes: a busy server with 20 routes; 50 services that call each other with 40 shapes each, 2000
 * rows in all, in any order; and a service with a hundred thousand routes, so that nearly all overflow.
 * A route's durations are spread over one power of ten, the routes' over
 * three. Baseline of the same run: reading the same exchanges and
 * summing their durations. CPU seconds of this process; rounds alternate; medians are printed.
 */
#include "record/aggregate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EXCHANGES = 1 << 20, ROUNDS = 11, MIXES = 3 };
#define LIMIT_NS 200.0 /* the promise for one exchange, but for those that overflow */

static const struct mix {
	const char *name;
	uint64_t services;
	unsigned routes, peers;
	bool is_promised;
} mixes[MIXES] = {
	{"one service, 20 routes", 1, 20, 1, true},
	{"50 services, 2000 rows", 50, 40, 1, true},
	{"100000 routes, overflow", 1, 100000, 1, false},
};

static struct finished *exchanges;
static char (*routes)[48];

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void make_exchanges(const struct mix *mix)
{
	static const char *const statuses[] = {"200", "200", "200", "404"};

	srand(1);
	for (size_t i = 0; i < EXCHANGES; i++) {
		unsigned route = (unsigned)rand() % mix->routes;

		exchanges[i] = (struct finished){
			.who = 1 + (uint64_t)rand() % mix->services,
			.protocol = span_of("http"),
			.operation = span_of("GET"),
			.resource = span_of(routes[route]),
			.status = span_of(mix->services > 1 ? "200" : statuses[rand() % 4]),
			.remote_name = span_of("shop/checkout"),
			.remote_addr = span_of("10.96.0.17"),
			.remote_port = 8080,
			.side = REQUEST_CLIENT,
			.transport = REQUEST_TCP,
			.request_bytes = 200,
			.response_bytes = (uint64_t)rand() % 10000,
			.duration_ns = (uint64_t)(1e5 * pow(100, route % 10 / 10.0) *
						  pow(10, (double)rand() / RAND_MAX)),
			.phases = 1 << REQUEST_SEND | 1 << REQUEST_WAIT | 1 << REQUEST_QUEUE |
				  1 << REQUEST_DOWNLOAD,
			.phase_ns = {1000, 100000, 5000, [REQUEST_DOWNLOAD] = 7000},
		};
		exchanges[i].is_error = exchanges[i].status.at[0] == '4';
	}
}

static double read_all(void)
{
	double start = cpu_seconds();
	uint64_t sum = 0;

	for (size_t i = 0; i < EXCHANGES; i++)
		sum += exchanges[i].duration_ns;
	__asm__ volatile("" : : "r"(sum) : "memory");
	return cpu_seconds() - start;
}

static double add_all(struct aggregate *aggregate)
{
	double start = cpu_seconds();

	for (size_t i = 0; i < EXCHANGES; i++)
		if (aggregate_add(aggregate, &exchanges[i]))
			aggregate_keep(aggregate,
				       span_of("{\"as\":\"short as an example can be\"}"));
	return cpu_seconds() - start;
}

static double close_interval(struct aggregate *aggregate)
{
	double start = cpu_seconds();

	aggregate_close(aggregate, &(struct aggregate_receiver){});
	return cpu_seconds() - start;
}

static int compare(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static double median(double *seconds)
{
	qsort(seconds, ROUNDS, sizeof(*seconds), compare);
	return seconds[ROUNDS / 2];
}

static bool measure(const struct mix *mix)
{
	double read[ROUNDS], added[ROUNDS], closed[ROUNDS], ns, read_ns;
	struct aggregate *aggregate = aggregate_new(NULL, NULL, NULL);
	uint32_t rows = 0;
	size_t bytes = 0;

	if (!aggregate)
		return false;
	make_exchanges(mix);
	for (int round = 0; round < ROUNDS; round++) {
		read[round] = read_all();
		added[round] = add_all(aggregate);
		rows = aggregate_rows(aggregate);
		bytes = aggregate_bytes(aggregate);
		closed[round] = close_interval(aggregate);
	}
	aggregate_free(aggregate);
	ns = median(added) * 1e9 / EXCHANGES;
	read_ns = median(read) * 1e9 / EXCHANGES;
	printf("%-24s %6.1f ns an exchange (%.0f times reading it: %.2f ns), %u rows, %zu KiB, "
	       "close %.2f ms\n",
	       mix->name, ns, ns / read_ns, read_ns, rows, bytes / 1024, median(closed) * 1e3);
	return !mix->is_promised || ns < LIMIT_NS;
}

int main(void)
{
	bool is_kept = true;

	exchanges = malloc(EXCHANGES * sizeof(*exchanges));
	routes = calloc(100000, sizeof(*routes));
	if (!exchanges || !routes)
		return 1;
	for (unsigned i = 0; i < 100000; i++)
		snprintf(routes[i], sizeof(*routes), "/api/v1/customers/:id/orders/%u", i);
	for (int i = 0; i < MIXES; i++)
		is_kept &= measure(&mixes[i]);
	printf("promise: below %.0f ns: %s\n", LIMIT_NS, is_kept ? "kept" : "BROKEN");
	free(exchanges);
	free(routes);
	return !is_kept;
}
