/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service_map - who speaks with whom, out of records of the history: in a question's work().
 *
 * What a record tells follows from its columns, so no item is named. `client` and `server`: an edge, counted once. A summary
 * (`count`) with `side`: what one end saw: its share of a node's work, and, where it names the other end (`remote_name`), times and
 * phases of an edge. A single record with `side` and `remote_name`: a connection, which is an edge of its own where no
 * protocol was read between the two.
 *
 * A node is called by its service, else container, else process, as edges are; or by one column that is asked for.
 */
#pragma once

#include "base/json.h"
#include "history/past.h"

enum {
	MAP_NODES = 2000,
	MAP_EDGES = 8000,
	MAP_SKETCHES_BYTES = 16 << 20,
};

struct service_map;

/* `group`: the column whose values are nodes; NULL = as above. NULL on no memory. */
struct service_map *service_map_new(const char *group);
void service_map_free(struct service_map *map);

/* Adds what the records of one item tell; `ret_answer` as of past_read. */
int service_map_read(struct service_map *map, struct store *store, const struct past_query *query,
		     struct past_answer *ret_answer, struct err *why);

/* Two members: "nodes" and "edges". `seconds`: the time that was looked at, for rates. */
void service_map_write(struct service_map *map, double seconds, struct json *json);
/* What found no room. */
uint64_t service_map_left_out(const struct service_map *map);
