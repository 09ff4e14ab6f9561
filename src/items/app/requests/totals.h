/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * totals - what becomes of many exchanges: counts, errors, times and bytes of each operation of each service.
 *
 * A group is one side of one protocol of one service (who, side, protocol). It has the phases and bytes. Below it
 * stand its operations (operation and resource), below these their statuses with a histogram of
 * durations each. All have caps; what does not fit is counted in one overflow operation of its group, so
 * sums stay exact.
 */
#pragma once

#include "base/map.h"
#include "base/sketch.h"
#include "items/app/requests/talk.h"
#include "record/metric.h"
#include "record/record.h"

enum {
	TOTAL_WHO = 1024, /* services, as fine as labels tell them apart */
	TOTAL_GROUPS = 2048,
	TOTAL_OPERATIONS = 8192,
	TOTAL_OF_GROUP = 250, /* operations of one group; then the overflow */
	TOTAL_STATUSES = 12, /* of one operation; the last takes the rest */
	TOTAL_STATUS_BYTES = 24,
	TOTAL_TEXT_BYTES = 256, /* of a resource */
};

struct slots { /* durations, as struct histogram of item.bpf.h counts them: slot i up to 2^i ns */
	uint64_t slot[METRIC_SLOTS], sum;
};

/* Texts of labels; owned. */
struct total_who {
	char *process, *container, *pod, *namespace, *service;
	uint32_t pid; /* one of them: for records */
};

struct total_group {
	uint32_t who;
	enum side side;
	const char *protocol; /* static */
	uint32_t operations; /* that it has */
	struct slots phase[PHASES];
	uint64_t request_bytes, response_bytes;
};

/* One exchange to look at, since metrics were read last: the slowest. */
struct total_example {
	char id[40]; /* a trace's, else the connection's; "" = none */
	bool is_trace;
	uint64_t ns, ktime_ns; /* its duration, and when it began */
};

struct total_status {
	char text[TOTAL_STATUS_BYTES];
	uint64_t count, errors;
	struct slots duration;
	struct total_example example;
};

struct total_operation {
	uint32_t group;
	bool is_overflow;
	bool is_gone; /* it has become another: totals_rename() */
	uint32_t open; /* exchanges that go on: totals_open() */
	char *operation, *resource; /* owned */
	struct total_status *status; /* owned */
	uint32_t statuses;
	uint64_t count, errors, sum_ns, min_ns, max_ns;
	uint64_t phase_ns[PHASES];
	uint64_t request_bytes, response_bytes;
	struct sketch recent[2]; /* durations of this and of the last interval, ns */
	struct total_mark {
		uint64_t count, phase_ns[PHASES];
	} mark[2]; /* what it was when this and when the last interval began */
};

struct totals {
	struct map who_places, group_places, operation_places; /* hash -> place */
	struct total_who *who; /* owned */
	struct total_group *group;
	struct total_operation *operation;
	uint32_t whos, groups, operations;
	uint64_t turned_ns[2]; /* when this interval and the last one began */
	uint64_t refused; /* exchanges for which not even an overflow had room */
	uint64_t overflowed; /* exchanges counted in an overflow */
};

/* What is counted. `resource` is a template already. */
struct total_entry {
	uint32_t who;
	enum side side;
	const char *protocol;
	struct span operation, resource, status;
	bool is_error;
	uint64_t request_bytes, response_bytes;
	uint64_t connection;
	const struct outcome *outcome;
};

enum { EDGE_NAME = 64 };

/* Calls between two services. */
struct edge_total {
	char client[EDGE_NAME], server[EDGE_NAME], protocol[24];
	uint64_t count, errors, duration_ns_sum, request_bytes, response_bytes;
};

int totals_init(struct totals *totals, uint64_t now_ns);
void totals_done(struct totals *totals);

/* The place of whom these labels name; UINT32_MAX when there is no room. */
uint32_t totals_who(struct totals *totals, const struct who *who);

/* Where an exchange was counted, so that others like it need not be named. All 0: nowhere. */
struct total_place {
	uint32_t operation, status; /* 1 + places */
};

void totals_add(struct totals *totals, const struct total_entry *entry,
		struct total_place *ret_place);

/* Is that still its place? Then of the entry only bytes, connection, error and outcome are looked at. */
bool totals_knows(const struct totals *totals, const struct total_place *place);
void totals_add_at(struct totals *totals, const struct total_entry *entry,
		   const struct total_place *place);

/* One that goes on is counted as such, until all are forgotten. */
void totals_open(struct totals *totals, const struct total_entry *entry);
void totals_close_all(struct totals *totals);

/*
 * What was counted for `old` resources is counted for `operation` and `resource` from now on: the name of an opaque route
 * has become known. Returns the number of operations that moved; `each` is told of every one before it does.
 */
typedef void (*totals_moves)(void *ctx, const struct total_operation *operation);
uint32_t totals_rename(struct totals *totals, const char *protocol, struct span old,
		       struct span operation, struct span resource, totals_moves each, void *ctx);

/* The recent times become the last interval's. */
void totals_turn(struct totals *totals, uint64_t now_ns);

/* Of this and the last interval: exchanges a second, and the mean of a phase in ns. */
double totals_rate(const struct totals *totals, const struct total_operation *operation,
		   uint64_t now_ns);
uint64_t totals_mean(const struct total_operation *operation, enum phase phase);

size_t totals_bytes(const struct totals *totals);
