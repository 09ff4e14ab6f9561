// SPDX-License-Identifier: GPL-2.0-only
/*
 * edges - calls between services since the item is on.
 *
 * Those of the interval that goes on stand in the aggregate; those of the ones before are added up here. Who asks gets both.
 */
#include <stdio.h>

#include "items/app/requests/inside.h"

static void put_name(char *out, size_t room, struct span name)
{
	snprintf(out, room, "%.*s", (int)name.len, (const char *)name.at);
}

void edge_total_of(const struct edge *edge, struct edge_total *ret_total)
{
	*ret_total = (struct edge_total){
		.count = edge->count,
		.errors = edge->errors,
		.duration_ns_sum = edge->duration_sum,
		.request_bytes = edge->request_bytes,
		.response_bytes = edge->response_bytes,
	};
	put_name(ret_total->client, sizeof(ret_total->client), edge->client);
	put_name(ret_total->server, sizeof(ret_total->server), edge->server);
	put_name(ret_total->protocol, sizeof(ret_total->protocol), edge->protocol);
}

static uint64_t hash_of(const struct edge_total *edge)
{
	uint64_t hash = hash_bytes(edge->client, strlen(edge->client), 1);

	hash = hash_bytes(edge->server, strlen(edge->server), hash);
	return hash_bytes(edge->protocol, strlen(edge->protocol), hash);
}

static void add_counts(struct edge_total *to, const struct edge_total *from)
{
	to->count += from->count;
	to->errors += from->errors;
	to->duration_ns_sum += from->duration_ns_sum;
	to->request_bytes += from->request_bytes;
	to->response_bytes += from->response_bytes;
}

void edges_add(struct requests *requests, const struct edge *edge)
{
	struct edge_total more, *total;
	uint64_t hash;
	bool is_new;

	edge_total_of(edge, &more);
	hash = hash_of(&more);
	total = edge->is_overflow ? NULL : map_put(&requests->edges, &hash, &is_new);
	if (!total)
		requests->edges_overflowed += edge->count;
	else if (is_new)
		*total = more;
	else
		add_counts(total, &more);
}

/* ---- both together ---- */

struct looking {
	struct requests *requests;
	edge_each each;
	void *ctx;
	uint64_t overflowed;
	bool is_enough;
};

/* Of this interval: those that no earlier one had. */
static void tell_new(void *ctx, const struct edge *edge)
{
	struct looking *looking = ctx;
	struct edge_total total;
	uint64_t hash;

	if (edge->is_overflow || looking->is_enough)
		return;
	edge_total_of(edge, &total);
	hash = hash_of(&total);
	if (!map_get(&looking->requests->edges, &hash))
		looking->is_enough = !looking->each(looking->ctx, &total);
}

static void add_to_known(void *ctx, const struct edge *edge)
{
	struct map *now = ctx;
	struct edge_total total, *known;
	uint64_t hash;

	edge_total_of(edge, &total);
	hash = hash_of(&total);
	known = edge->is_overflow ? NULL : map_get(now, &hash);
	if (known)
		add_counts(known, &total);
}

static void copy_edges(const struct map *from, struct map *to)
{
	const void *key;
	void *value, *place;
	size_t at = 0;

	map_init(to, sizeof(uint64_t), sizeof(struct edge_total), EDGES);
	while (map_next(from, &at, &key, &value))
		if ((place = map_put(to, key, NULL)))
			memcpy(place, value, sizeof(struct edge_total));
}

void edges_each(struct requests *requests, edge_each each, void *ctx)
{
	struct looking looking = {requests, each, ctx, 0, false};
	struct map now;
	const void *key;
	void *value;
	size_t at = 0;

	copy_edges(&requests->edges, &now);
	aggregate_edges(requests->aggregate,
			&(struct aggregate_receiver){.edge = add_to_known, .ctx = &now});
	while (!looking.is_enough && map_next(&now, &at, &key, &value))
		looking.is_enough = !each(ctx, value);
	map_done(&now);
	aggregate_edges(requests->aggregate,
			&(struct aggregate_receiver){.edge = tell_new, .ctx = &looking});
}

static void add_overflow(void *ctx, const struct edge *edge)
{
	uint64_t *overflowed = ctx;

	*overflowed += edge->is_overflow ? edge->count : 0;
}

uint64_t edges_overflowed(struct requests *requests)
{
	uint64_t overflowed = requests->edges_overflowed;

	aggregate_edges(requests->aggregate,
			&(struct aggregate_receiver){.edge = add_overflow, .ctx = &overflowed});
	return overflowed;
}
