/* SPDX-License-Identifier: GPL-2.0-only */
/* inside - the user half of the item, shared by its files. */
#pragma once

#include "items/app/requests/tell.h"
#include "protocol/shapes.h"
#include "record/aggregate.h"

enum { EDGES = 4096 };

/* As kernel/filter.bpf.h has it. */
enum { FILTER_CGROUPS = 8 };

struct filter_settings {
	uint32_t active, pid, uid, uid_set;
	uint16_t port, addr_set;
	uint32_t sample;
	uint64_t cgroup[FILTER_CGROUPS];
	uint8_t addr[16];
	uint32_t families, pad;
};

struct requests {
	struct item *item;
	struct object *object; /* whose maps are mapped; borrowed */
	struct talks talks;
	struct totals totals; /* since the item is on: metrics, `sonde requests` */
	struct aggregate *aggregate; /* owned: of this interval, for the history */
	struct map edges; /* hash of the names -> struct edge_total, of intervals that have ended */
	uint64_t edges_overflowed; /* calls that found no place there */
	struct shapes shapes;
	struct arena arena; /* for one record */
	struct buf json; /* of one example */
	char via[48]; /* the hook that tells of sends */
	uint32_t ticks;
	uint32_t only_pid, only_port; /* that `where` demands of every record; 0: it does not */
};

/* account.c: what becomes of an exchange. `ctx` is struct requests. */
void account_exchange(void *ctx, struct talk *talk, struct outcome *outcome);
/* What `where` demands, for what the kernel half did not filter. */
void account_note_demands(struct requests *requests);
bool account_wants(void *ctx, const struct talk *talk);
/* The summaries of the interval that ends now are published. */
void account_interval(struct requests *requests, uint64_t interval_ns);
void account_whose(void *ctx, uint64_t who, struct who *ret_who);
/* Once a second: exchanges that go on are counted, and told to who watches. */
void account_open(struct requests *requests, uint64_t now_ns);
/* An opaque route has got its name: what was counted for it is the name's. `ctx` is struct requests. */
void account_named(void *ctx, const struct talk *talk, uint32_t opaque, enum hpack_name what,
		   struct span text);

/* edges.c */
void edge_total_of(const struct edge *edge, struct edge_total *ret_total);
void edges_add(struct requests *requests, const struct edge *edge);
/* Calls between services since the item is on, this interval's too: the map of services. */
typedef bool (*edge_each)(void *ctx, const struct edge_total *edge);
void edges_each(struct requests *requests, edge_each each, void *ctx);
uint64_t edges_overflowed(struct requests *requests);

/* narrow.c: what `where` demands is told to the kernel half. At the start and once a second. */
void narrow(struct requests *requests);

/* figures.c: metrics. */
enum { REQUEST_METRICS = 8 };
extern const struct metric request_metrics[REQUEST_METRICS];
void figures_collect(struct item *item, void *state, struct collector *out);
/* `ctx` is struct requests: the series of this operation are to go. */
void figures_forget(void *ctx, const struct total_operation *operation);
