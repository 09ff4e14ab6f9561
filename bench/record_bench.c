// SPDX-License-Identifier: GPL-2.0-only
/*
 * record_bench - what one record costs: made of raw bytes, asked by a filter, written as JSON.
 *
 * A connection's event with ten own columns, whose process and container are known. Baseline of the same
 * run: memcpy of the JSON that comes out. Rounds alternate; medians are printed.
 */
#include "record/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 11, RECORDS = 20000, STEPS = 4 };

struct event {
	uint64_t head[2], cgroup, cookie, duration, sent, received;
	uint32_t pid, pad;
	uint8_t local_addr[16], remote_addr[16];
	uint16_t local_port, remote_port;
	uint8_t state;
	char comm[16];
};

#define FIELD(type_, field, ...)                                                                   \
	{                                                                                          \
		.name = #field, .type = COLUMN_##type_, .offset = offsetof(struct event, field),   \
		.size = sizeof(((struct event *)0)->field), __VA_ARGS__                            \
	}

static const struct column columns[] = {
	FIELD(CGROUP_ID, cgroup),
	FIELD(PID, pid),
	FIELD(COMM, comm),
	FIELD(SOCK_COOKIE, cookie),
	FIELD(NS, duration),
	FIELD(BYTES, sent),
	FIELD(BYTES, received),
	FIELD(IP, local_addr),
	FIELD(IP, remote_addr),
	FIELD(PORT, local_port),
	FIELD(PORT, remote_port),
	FIELD(ENUM, state, .labels = "1:established,2:syn_sent,3:syn_recv,7:close"),
};

static bool resolve_pid(void *ctx, uint32_t pid, uint64_t ktime_ns, struct who *ret)
{
	*ret = (struct who){.pid = pid,
			    .has_uid = true,
			    .uid = 101,
			    .process = span_of("nginx"),
			    .exe = span_of("/usr/sbin/nginx")};
	return true;
}

static bool resolve_cgroup(void *ctx, uint64_t cgroup, struct who *ret)
{
	*ret = (struct who){.container = span_of("frontend"),
			    .container_id = span_of("4f5dcaa6e2b1"),
			    .image = span_of("registry.example/shop/frontend:1.4.2"),
			    .pod = span_of("frontend-6c9d6b7f4c-x8k2p"),
			    .namespace = span_of("shop"),
			    .service = span_of("frontend"),
			    .cgroup = span_of("/kubepods.slice/kubepods-burstable.slice/pod1234")};
	return true;
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static const struct resolver resolver = {
	.pid = resolve_pid, .cgroup = resolve_cgroup, .node = {(const uint8_t *)"node-1", 6}};
static struct schema schema = {
	.item = "tcp_life", .kind = "connection", .size = sizeof(struct event)};
static struct layout layout;
static struct filter *filter;
static struct buf text;
static char copy[4096];

/* Makes records and does up to `step` things with each; returns CPU seconds. */
static double run(int step, const struct event *event)
{
	double start = cpu_seconds();
	struct record record;
	struct arena arena;
	unsigned matched = 0;

	arena_init(&arena, 1 << 20);
	for (int i = 0; i < RECORDS; i++) {
		struct json json = {.out = &text};

		if (!step) {
			memcpy(copy, text.at, text.len);
			__asm__ volatile("" : : "r"(copy) : "memory");
			continue;
		}
		arena_clear(&arena);
		if (record_fill(&record, &layout, event, sizeof(*event), 1000, &resolver, &arena))
			exit(1);
		matched += step > 1 && filter_match(filter, &record);
		if (step < 3)
			continue;
		buf_clear(&text);
		record_json(&record, &json);
	}
	arena_done(&arena);
	if (step > 1 && matched != RECORDS)
		exit(1);
	return cpu_seconds() - start;
}

int main(void)
{
	static const char *const names[STEPS] = {"memcpy of its JSON", "made", "made, asked",
						 "made, asked, written"};
	const struct event event = {.cgroup = 7,
				    .cookie = 123456,
				    .duration = 15000000,
				    .sent = 5000,
				    .received = 60000,
				    .pid = 4711,
				    .local_addr = {[10] = 255, 255, 10, 1, 2, 3},
				    .remote_addr = {[10] = 255, 255, 10, 1, 7, 8},
				    .local_port = 8080,
				    .remote_port = 51234,
				    .state = 7,
				    .comm = "nginx"};
	double seconds[STEPS][ROUNDS];
	struct err why;

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		if (schema_add(&schema, &columns[i], &why))
			return 1;
	if (layout_from_schema(&layout, &schema, &why) ||
	    filter_parse(
		    span_of("namespace = shop and duration_ns > 10ms and not port in (22, 8470)"),
		    &filter, &why))
		return 1;
	buf_init(&text, 1 << 16);
	run(3, &event);
	for (int round = 0; round < ROUNDS; round++)
		for (int step = 0; step < STEPS; step++)
			seconds[step][round] = run(step, &event);
	printf("one record, %zu bytes of JSON\n", text.len);
	for (int step = 0; step < STEPS; step++) {
		qsort(seconds[step], ROUNDS, sizeof(double), compare);
		printf("%-22s %6.0f ns, %.0f times the copy\n", names[step],
		       seconds[step][ROUNDS / 2] * 1e9 / RECORDS,
		       seconds[step][ROUNDS / 2] / seconds[0][ROUNDS / 2]);
	}
	buf_done(&text);
	filter_free(filter);
	schema_done(&schema);
	return 0;
}
