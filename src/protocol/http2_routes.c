// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_routes - numbers for what requests call by names that we do not know (yet).
 *
 * Pseudo-headers stand first in a request (RFC 9113 8.3), and :method, :scheme, :path and :authority are all
 * there are. So if the path is not among the fields that are known, it is among the first unknown ones, of
 * which there are as many as pseudo-headers are missing. These fields together, by epoch and ordinal, are
 * the key of a route: the same key is the same path, and a path has another key only where its authority
 * (or what else may be among them) is another.
 */
#include <stdlib.h>

#include "base/map.h"
#include "protocol/http2_parts.h"

struct key {
	uint32_t epoch;
	uint32_t side_and_parts;
	int64_t parts[HTTP2_ROUTE_PARTS];
};

struct http2_routes {
	struct map numbers; /* struct key -> uint32_t */
	uint32_t last;
};

void http2_routes_done(struct http2_state *state)
{
	if (state->routes)
		map_done(&state->routes->numbers);
	free(state->routes);
	state->routes = NULL;
}

size_t http2_routes_bytes(const struct http2_state *state)
{
	return state->routes ? sizeof(*state->routes) + map_bytes(&state->routes->numbers) : 0;
}

static bool prepare(struct http2_state *state)
{
	if (state->routes)
		return true;
	state->routes = calloc(1, sizeof(*state->routes));
	if (!state->routes)
		return false;
	map_init(&state->routes->numbers, sizeof(struct key), sizeof(uint32_t), HTTP2_ROUTES);
	return true;
}

uint32_t http2_route(struct http2_state *state, enum side from, const struct http2_head *head,
		     uint32_t parts)
{
	struct key key = {.epoch = state->half[from].hpack.epoch};
	uint32_t *number;
	bool is_new;

	if (parts > head->unknown)
		parts = head->unknown;
	if (parts > HTTP2_ROUTE_PARTS)
		parts = HTTP2_ROUTE_PARTS;
	if (!parts)
		return 0;
	key.side_and_parts = (uint32_t)from << 16 | parts;
	for (uint32_t i = 0; i < parts; i++)
		key.parts[i] = head->parts[i];
	number = prepare(state) ? map_put(&state->routes->numbers, &key, &is_new) : NULL;
	if (!number) {
		state->counts.unnumbered++;
		return 0;
	}
	if (is_new)
		*number = ++state->routes->last;
	return *number;
}

/* What a key stands for, if its entries are known by now: the path; of responses the status of gRPC, or
 * of HTTP. */
static bool name_of(const struct hpack *hpack, const struct key *key, enum side from,
		    struct hpack_field *ret_field)
{
	for (uint32_t i = 0; i < (key->side_and_parts & 0xffff); i++) {
		bool is_known = hpack_look(hpack, key->parts[i], ret_field) &&
				ret_field->known == HPACK_KNOWN;

		if (!is_known)
			continue;
		if (from == SIDE_CLIENT
			    ? ret_field->id == HPACK_PATH
			    : ret_field->id == HPACK_GRPC_STATUS || ret_field->id == HPACK_STATUS)
			return true;
	}
	return false;
}

int http2_seed(struct http2_state *state, enum side from, const struct hpack_seed *table, size_t n,
	       int64_t low, int64_t high, http2_named named, void *ctx)
{
	struct hpack *hpack = &state->half[from].hpack;
	int learnt = hpack_seed(hpack, table, n, low, high);
	const void *at;
	void *number;
	size_t i = 0;

	while (learnt > 0 && named && state->routes &&
	       map_next(&state->routes->numbers, &i, &at, &number)) {
		const struct key *key = at;
		struct hpack_field field;

		if (key->epoch == hpack->epoch && key->side_and_parts >> 16 == from &&
		    name_of(hpack, key, from, &field))
			named(ctx, *(uint32_t *)number, field.id, field.value);
	}
	return learnt;
}
