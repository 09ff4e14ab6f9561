/* SPDX-License-Identifier: GPL-2.0-only */
/* inside - the user half of the item, shared by its files. */
#pragma once

#include "items/app/requests/tell.h"
#include "protocol/shapes.h"
#include "record/aggregate.h"

enum { EDGES = 4096, EDGE_NAME = 64 };

/* Calls between two services since the item is on. */
struct edge_total {
	char client[EDGE_NAME], server[EDGE_NAME], protocol[24];
	uint64_t count;
};

/* As kernel/filter.bpf.h has it. */
struct filter_settings {
	uint32_t active, pid, uid, uid_set;
	uint16_t port, pad[3];
	uint64_t cgroup;
};

struct requests {
	struct item *item;
	struct object *object; /* whose maps were mapped; borrowed, only compared */
	struct talks talks;
	struct totals totals; /* since the item is on: metrics, `sonde requests` */
	struct aggregate *aggregate; /* owned: of this interval, for the history */
	struct map edges; /* hash of the names -> struct edge_total */
	uint64_t edges_overflowed; /* calls that found no place there */
	struct shapes shapes;
	struct arena arena; /* for one record */
	struct buf json; /* of one example */
	char via[48]; /* the hook that tells of sends */
	uint32_t ticks;
};

/* account.c: what becomes of an exchange. `ctx` is struct requests. */
void account_exchange(void *ctx, struct talk *talk, struct outcome *outcome);
/* The summaries of the interval that ends now are published. */
void account_interval(struct requests *requests, uint64_t interval_ns);
void account_whose(void *ctx, uint64_t who, struct who *ret_who);

/* figures.c: metrics. */
enum { REQUEST_METRICS = 7 };
extern const struct metric request_metrics[REQUEST_METRICS];
void figures_collect(struct item *item, void *state, struct collector *out);
