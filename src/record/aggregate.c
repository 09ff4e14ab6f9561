// SPDX-License-Identifier: GPL-2.0-only
/*
 * aggregate - finished exchanges become summaries.
 *
 * The identity of an exchange is packed into one run of bytes, which is looked up as a whole:
 *
 *	head: numbers and flags | length, protocol | length, operation | ... | length, remote_addr
 *
 * Most exchanges find their row and are done: one hash, one comparison, one bucket of the sketch. Only a
 * new row asks whose it is and whether it may be made. It may not when its service has enough kinds of
 * request ("shapes": operation, resource, statement), when it or the table has enough rows, or when the
 * memory is used up. Then the overflow row of the service takes the exchange, and if there is none to be
 * had, `rest`, which is always there.
 *
 * Which shapes of a service are let in is remembered beyond the interval, or a service with too many
 * would show others in each: a shape keeps its place until it was not seen for SHAPE_REST intervals.
 *
 * When the memory is used up, rows that are there go on as long as their sketch need not grow.
 */
#include "record/aggregate.h"

#include "base/map.h"
#include "record/keyed.h"

#include <stdlib.h>

enum {
	SHAPE_REST = 6, /* intervals not seen, after which a shape makes room for another */
	SERVICE_REST = 60, /* likewise, after which a service is forgotten */
	SHAPES_FIRST = 8, /* room for shapes at first */
	PROTOCOL_MAX = 24, /* bytes of the texts of a key; longer ones are cut */
	OPERATION_MAX = 64,
	RESOURCE_MAX = 256,
	STATUS_MAX = 64,
	NAME_MAX_BYTES = 256, /* a name of DNS has at most 253 */
	ADDR_MAX = 64,
	TARGET_MAX = 1024, /* as sql.h cuts a shape's text */
	KEY_MAX = 1024,
	SHAPE_BYTES = sizeof(uint64_t) + sizeof(uint32_t),
};

enum { IS_TLS = 1, IS_ERROR = 2, IS_OVERFLOW = 4 };

struct key_head {
	uint64_t who, shape;
	uint16_t remote_port, local_port;
	uint8_t side, transport, flags, pad;
};

_Static_assert(sizeof(struct key_head) == 24, "a key without padding");
_Static_assert(sizeof(struct key_head) + 6 * 2 + PROTOCOL_MAX + OPERATION_MAX + RESOURCE_MAX +
			       STATUS_MAX + NAME_MAX_BYTES + ADDR_MAX <=
		       KEY_MAX,
	       "every key has room");

struct key {
	uint8_t bytes[KEY_MAX];
	size_t len;
};

/* Who exchanges are counted for. Outlives the interval, but for what is marked. */
struct service {
	uint64_t *shapes; /* owned: hashes of those that were let in */
	uint32_t *seen; /* owned: the interval in which each was seen */
	uint32_t len, room; /* of shapes */
	uint32_t last; /* interval in which it was seen */
	uint32_t full; /* interval + 1 in which all shapes were found to be in use */
	uint32_t rows; /* of that interval */
	struct who whose; /* of that interval; in the arena */
};

struct row {
	struct summary summary; /* owns duration and example */
	struct service *service; /* NULL: the one of all that is left */
	uint32_t edge; /* place, or one of the two below */
};

enum { EDGE_UNSET = UINT32_MAX - 1, EDGE_OVERFLOW = UINT32_MAX };

struct aggregate {
	struct aggregate_caps caps;
	struct aggregate_counts counts;
	aggregate_whose whose;
	void *ctx;
	struct arena arena; /* keys and texts of this interval */
	size_t held; /* bytes of sketches, examples and shapes */
	struct keyed keys, edge_keys;
	struct row *rows; /* owned: by place of `keys` */
	struct edge *edges; /* owned: by place of `edge_keys` */
	struct map services; /* owned: who -> struct service *, owned */
	struct row rest; /* what found no row */
	struct edge edge_rest;
	/* of the exchange added last: where it is wanted as an example; NULL = nowhere */
	struct row *wanted;
	struct other_example *other; /* of that row; NULL = as the slowest */
	uint64_t wanted_ns; /* its duration */
	uint32_t interval; /* running number */
};

static const struct who nobody;

/* Born and gone. */

static void choose(uint32_t *cap, uint32_t standard)
{
	if (!*cap)
		*cap = standard;
}

static struct aggregate_caps caps_of(const struct aggregate_caps *asked)
{
	struct aggregate_caps caps = asked ? *asked : (struct aggregate_caps){};

	choose(&caps.rows, CAP_SUMMARY_ROWS);
	choose(&caps.edges, CAP_SUMMARY_EDGES);
	choose(&caps.services, CAP_SUMMARY_SERVICES);
	choose(&caps.service_rows, CAP_SERVICE_ROWS);
	choose(&caps.service_shapes, CAP_SERVICE_SHAPES);
	if (!caps.bytes)
		caps.bytes = CAP_SUMMARY_BYTES;
	return caps;
}

static void row_reset(struct row *row)
{
	*row = (struct row){.edge = EDGE_UNSET, .summary.whose = &nobody};
}

static void rest_reset(struct aggregate *aggregate)
{
	row_reset(&aggregate->rest);
	aggregate->rest.summary.is_overflow = true;
	aggregate->edge_rest = (struct edge){.is_overflow = true};
}

struct aggregate *aggregate_new(const struct aggregate_caps *caps, aggregate_whose whose, void *ctx)
{
	struct aggregate *aggregate = calloc(1, sizeof(*aggregate));

	if (!aggregate)
		return NULL;
	aggregate->caps = caps_of(caps);
	aggregate->whose = whose;
	aggregate->ctx = ctx;
	arena_init(&aggregate->arena, aggregate->caps.bytes);
	map_init(&aggregate->services, sizeof(uint64_t), sizeof(struct service *),
		 aggregate->caps.services);
	rest_reset(aggregate);
	aggregate->rows = calloc(aggregate->caps.rows, sizeof(*aggregate->rows));
	aggregate->edges = calloc(aggregate->caps.edges, sizeof(*aggregate->edges));
	if (!keyed_init(&aggregate->keys, aggregate->caps.rows, &aggregate->arena) ||
	    !keyed_init(&aggregate->edge_keys, aggregate->caps.edges, &aggregate->arena) ||
	    !aggregate->rows || !aggregate->edges) {
		aggregate_free(aggregate);
		return NULL;
	}
	return aggregate;
}

static void row_done(struct row *row)
{
	sketch_done(&row->summary.duration);
	free((uint8_t *)row->summary.example.at);
	for (int i = 0; i < SUMMARY_EXAMPLES; i++)
		free((uint8_t *)row->summary.other[i].whole.at);
	row_reset(row);
}

static void service_free(struct service *service)
{
	if (!service)
		return;
	free(service->shapes);
	free(service->seen);
	free(service);
}

void aggregate_free(struct aggregate *aggregate)
{
	const void *key;
	void *value;
	size_t i = 0;

	if (!aggregate)
		return;
	for (uint32_t place = 0; place < aggregate->keys.len; place++)
		row_done(&aggregate->rows[place]);
	row_done(&aggregate->rest);
	while (map_next(&aggregate->services, &i, &key, &value))
		service_free(*(struct service **)value);
	map_done(&aggregate->services);
	keyed_done(&aggregate->keys);
	keyed_done(&aggregate->edge_keys);
	arena_done(&aggregate->arena);
	free(aggregate->rows);
	free(aggregate->edges);
	free(aggregate);
}

size_t aggregate_bytes(const struct aggregate *aggregate)
{
	return aggregate->arena.used + aggregate->held;
}

static bool is_full(const struct aggregate *aggregate)
{
	return aggregate_bytes(aggregate) >= aggregate->caps.bytes;
}

/* Keys. */

static void put_text(struct key *key, struct span text, size_t max)
{
	uint16_t len;

	text = span_first(text, max);
	len = (uint16_t)text.len;
	memcpy(key->bytes + key->len, &len, sizeof(len));
	key->len += sizeof(len);
	if (len)
		memcpy(key->bytes + key->len, text.at, len);
	key->len += len;
}

static void put_head(struct key *key, struct key_head head)
{
	memcpy(key->bytes, &head, sizeof(head));
	key->len = sizeof(head);
}

static void pack(struct key *key, const struct finished *finished)
{
	put_head(key, (struct key_head){
			      .who = finished->who,
			      .shape = finished->shape,
			      .remote_port = finished->remote_port,
			      .local_port = finished->local_port,
			      .side = (uint8_t)finished->side,
			      .transport = (uint8_t)finished->transport,
			      .flags = (uint8_t)(finished->is_tls * IS_TLS |
						 finished->is_error * IS_ERROR),
		      });
	put_text(key, finished->protocol, PROTOCOL_MAX);
	put_text(key, finished->operation, OPERATION_MAX);
	put_text(key, finished->resource, RESOURCE_MAX);
	put_text(key, finished->status, STATUS_MAX);
	put_text(key, finished->remote_name, NAME_MAX_BYTES);
	put_text(key, finished->remote_addr, ADDR_MAX);
}

/* What all overflowing exchanges of a service share, as far as protocol and side agree. */
static void pack_overflow(struct key *key, const struct finished *finished)
{
	put_head(key, (struct key_head){
			      .who = finished->who,
			      .side = (uint8_t)finished->side,
			      .flags = IS_OVERFLOW,
		      });
	put_text(key, finished->protocol, PROTOCOL_MAX);
	for (int i = 0; i < 5; i++)
		put_text(key, (struct span){}, 0);
}

static struct span take_text(struct span *key)
{
	struct span text;
	uint16_t len;

	memcpy(&len, key->at, sizeof(len));
	text = span_first(span_from(*key, sizeof(len)), len);
	*key = span_from(*key, sizeof(len) + len);
	return text;
}

/* The texts stay where the key is. */
static void unpack(struct span key, struct summary *summary)
{
	struct key_head head;

	memcpy(&head, key.at, sizeof(head));
	key = span_from(key, sizeof(head));
	summary->who = head.who;
	summary->shape = head.shape;
	summary->remote_port = head.remote_port;
	summary->local_port = head.local_port;
	summary->side = (enum request_side)head.side;
	summary->transport = (enum request_transport)head.transport;
	summary->is_tls = head.flags & IS_TLS;
	summary->is_error = head.flags & IS_ERROR;
	summary->is_overflow = head.flags & IS_OVERFLOW;
	summary->protocol = take_text(&key);
	summary->operation = take_text(&key);
	summary->resource = take_text(&key);
	summary->status = take_text(&key);
	summary->remote_name = take_text(&key);
	summary->remote_addr = take_text(&key);
}

/* Services, and which shapes of them are let in. */

/* Texts there is no room for stay unknown. */
static struct span keep_text(struct aggregate *aggregate, struct span text)
{
	char *copy = text.len ? arena_str(&aggregate->arena, text) : NULL;

	return (struct span){(uint8_t *)copy, copy ? text.len : 0};
}

static struct who keep_who(struct aggregate *aggregate, const struct who *who)
{
	struct who kept = *who;
	struct span *texts[] = {&kept.process,      &kept.exe,     &kept.container,
				&kept.container_id, &kept.image,   &kept.pod,
				&kept.namespace,    &kept.service, &kept.cgroup};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		*texts[i] = keep_text(aggregate, *texts[i]);
	return kept;
}

static void begin_interval(struct aggregate *aggregate, struct service *service, uint64_t number)
{
	struct who who = {};

	service->last = aggregate->interval;
	service->rows = 0;
	if (aggregate->whose)
		aggregate->whose(aggregate->ctx, number, &who);
	service->whose = keep_who(aggregate, &who);
}

/* NULL: one too many, or no memory. */
static struct service *service_of(struct aggregate *aggregate, uint64_t who)
{
	struct service **found = map_get(&aggregate->services, &who), *service;

	if (found) {
		service = *found;
		if (service->last != aggregate->interval)
			begin_interval(aggregate, service, who);
		return service;
	}
	service = calloc(1, sizeof(*service));
	found = service ? map_put(&aggregate->services, &who, NULL) : NULL;
	if (!found) {
		free(service);
		return NULL;
	}
	*found = service;
	aggregate->held += sizeof(*service);
	begin_interval(aggregate, service, who);
	return service;
}

static uint64_t shape_hash(const struct finished *finished)
{
	struct span operation = span_first(finished->operation, OPERATION_MAX);
	struct span resource = span_first(finished->resource, RESOURCE_MAX);
	struct span protocol = span_first(finished->protocol, PROTOCOL_MAX);
	uint64_t hash = hash_bytes(protocol.at, protocol.len, finished->shape);

	hash = hash_bytes(operation.at, operation.len, hash);
	return hash_bytes(resource.at, resource.len, hash);
}

static bool make_room(struct aggregate *aggregate, struct service *service)
{
	uint32_t room = service->room ? service->room * 2 : SHAPES_FIRST;
	void *grown;

	if (service->len < service->room)
		return true;
	grown = realloc(service->shapes, room * sizeof(*service->shapes));
	if (!grown)
		return false;
	service->shapes = grown;
	grown = realloc(service->seen, room * sizeof(*service->seen));
	if (!grown)
		return false;
	service->seen = grown;
	aggregate->held += (room - service->room) * SHAPE_BYTES;
	service->room = room;
	return true;
}

/* The place of a shape that was not seen for so long that it may go; or one behind the last. */
static uint32_t at_rest(const struct aggregate *aggregate, struct service *service)
{
	uint32_t oldest = 0;

	if (service->full == aggregate->interval + 1)
		return service->len; /* what was in use then is still */
	for (uint32_t i = 1; i < service->len; i++)
		if (service->seen[i] < service->seen[oldest])
			oldest = i;
	if (aggregate->interval - service->seen[oldest] > SHAPE_REST)
		return oldest;
	service->full = aggregate->interval + 1;
	return service->len;
}

static uint32_t place_of_shape(const struct service *service, uint64_t hash)
{
	uint32_t i = 0;

	while (i < service->len && service->shapes[i] != hash)
		i++;
	return i;
}

static bool let_in(struct aggregate *aggregate, struct service *service, uint64_t hash)
{
	uint32_t place = place_of_shape(service, hash);

	if (place == service->len) {
		if (service->len < aggregate->caps.service_shapes && make_room(aggregate, service))
			service->len++;
		else if (service->len && (place = at_rest(aggregate, service)) < service->len)
			aggregate->counts.shapes_forgotten++;
		else
			return false;
	}
	service->shapes[place] = hash;
	service->seen[place] = aggregate->interval;
	return true;
}

/* Rows. */

static struct row *make_row(struct aggregate *aggregate, struct service *service,
			    const struct key *key, uint64_t hash)
{
	struct span kept;
	uint32_t place =
		keyed_put(&aggregate->keys, (struct span){key->bytes, key->len}, hash, &kept);
	struct row *row;

	if (place == KEYED_NONE)
		return NULL;
	row = &aggregate->rows[place];
	row_reset(row);
	unpack(kept, &row->summary);
	row->service = service;
	row->summary.whose = &service->whose;
	service->rows++;
	return row;
}

/* Rows of the ordinary sort leave an eighth of the table to overflow rows. */
static uint64_t *reason_against(struct aggregate *aggregate, struct service *service,
				const struct finished *finished)
{
	struct aggregate_counts *counts = &aggregate->counts;
	const struct aggregate_caps *caps = &aggregate->caps;

	if (is_full(aggregate))
		return &counts->no_memory;
	if (!service || service->rows >= caps->service_rows ||
	    aggregate->keys.len >= caps->rows - caps->rows / 8)
		return &counts->too_many_rows;
	if (!let_in(aggregate, service, shape_hash(finished)))
		return &counts->too_many_shapes;
	return NULL;
}

static struct row *overflow_row(struct aggregate *aggregate, struct service *service,
				const struct finished *finished)
{
	struct row *row = NULL;
	struct key key;
	uint64_t hash;
	uint32_t place;

	aggregate->counts.overflowed++;
	pack_overflow(&key, finished);
	place = keyed_find(&aggregate->keys, (struct span){key.bytes, key.len}, &hash);
	if (place != KEYED_NONE)
		return &aggregate->rows[place];
	if (service && !is_full(aggregate))
		row = make_row(aggregate, service, &key, hash);
	return row ? row : &aggregate->rest;
}

static struct row *new_row(struct aggregate *aggregate, const struct finished *finished,
			   const struct key *key, uint64_t hash)
{
	struct service *service = service_of(aggregate, finished->who);
	uint64_t *against = reason_against(aggregate, service, finished);
	struct row *row = against ? NULL : make_row(aggregate, service, key, hash);

	if (row) {
		if (finished->shape)
			row->summary.target =
				keep_text(aggregate, span_first(finished->target, TARGET_MAX));
		return row;
	}
	++*(against ? against : &aggregate->counts.no_memory);
	return overflow_row(aggregate, service, finished);
}

static bool can_take(const struct aggregate *aggregate, const struct row *row, uint64_t ns)
{
	return !is_full(aggregate) || sketch_fits(&row->summary.duration, (double)ns);
}

static struct row *row_of(struct aggregate *aggregate, const struct finished *finished)
{
	struct row *row;
	struct key key;
	uint64_t hash;
	uint32_t place;

	pack(&key, finished);
	place = keyed_find(&aggregate->keys, (struct span){key.bytes, key.len}, &hash);
	row = place == KEYED_NONE ? new_row(aggregate, finished, &key, hash)
				  : &aggregate->rows[place];
	if (can_take(aggregate, row, finished->duration_ns))
		return row;
	if (row->summary.is_overflow)
		return &aggregate->rest;
	aggregate->counts.no_memory++;
	row = overflow_row(aggregate, row->service, finished);
	return can_take(aggregate, row, finished->duration_ns) ? row : &aggregate->rest;
}

/* Edges. */

static struct span own_name(const struct service *service)
{
	const struct who *who = service ? &service->whose : &nobody;

	if (who->service.len)
		return who->service;
	return who->container.len ? who->container : who->process;
}

static uint32_t edge_of(struct aggregate *aggregate, const struct service *service,
			const struct finished *finished)
{
	struct span own = own_name(service);
	struct span peer =
		finished->remote_name.len ? finished->remote_name : finished->remote_addr;
	struct span kept;
	struct edge *edge;
	struct key key = {};
	uint64_t hash;
	uint32_t place;

	put_text(&key, finished->side == REQUEST_CLIENT ? own : peer, NAME_MAX_BYTES);
	put_text(&key, finished->side == REQUEST_CLIENT ? peer : own, NAME_MAX_BYTES);
	put_text(&key, finished->protocol, PROTOCOL_MAX);
	place = keyed_find(&aggregate->edge_keys, (struct span){key.bytes, key.len}, &hash);
	if (place != KEYED_NONE)
		return place;
	if (is_full(aggregate) || !service)
		return EDGE_OVERFLOW;
	place = keyed_put(&aggregate->edge_keys, (struct span){key.bytes, key.len}, hash, &kept);
	if (place == KEYED_NONE)
		return EDGE_OVERFLOW;
	edge = &aggregate->edges[place];
	*edge = (struct edge){};
	edge->client = take_text(&kept);
	edge->server = take_text(&kept);
	edge->protocol = take_text(&kept);
	return place;
}

/* NULL if it was not seen in this interval: then its names are gone. */
static const struct service *seen_service(const struct aggregate *aggregate, uint64_t who)
{
	struct service **found = map_get(&aggregate->services, &who);

	return found && (*found)->last == aggregate->interval ? *found : NULL;
}

/* A row of the ordinary sort has one edge; the exchanges of an overflow row have many. */
static void count_edge(struct aggregate *aggregate, struct row *row,
		       const struct finished *finished)
{
	uint32_t place = row->edge;
	struct edge *edge;

	if (finished->side == REQUEST_SIDE_UNKNOWN || finished->is_edge_counted)
		return;
	if (place == EDGE_UNSET) {
		place = edge_of(aggregate, seen_service(aggregate, finished->who), finished);
		if (!row->summary.is_overflow)
			row->edge = place;
	}
	edge = place == EDGE_OVERFLOW ? &aggregate->edge_rest : &aggregate->edges[place];
	aggregate->counts.edges_overflowed += place == EDGE_OVERFLOW;
	edge->count++;
	edge->errors += finished->is_error;
	edge->duration_sum += finished->duration_ns;
	edge->request_bytes += finished->request_bytes;
	edge->response_bytes += finished->response_bytes;
}

/* Adding. */

static void add_phases(struct summary *summary, const struct finished *finished)
{
	for (unsigned i = 0; i < REQUEST_PHASES; i++) {
		if (!(finished->phases & 1u << i))
			continue;
		summary->phase[i].sum += finished->phase_ns[i];
		summary->phase[i].count++;
	}
	summary->is_network_bound |=
		finished->is_network_bound && finished->phases & 1u << REQUEST_NETWORK;
}

static void add_duration(struct aggregate *aggregate, struct summary *summary, uint64_t ns)
{
	size_t before = sketch_bytes(&summary->duration);

	sketch_add(&summary->duration, (double)ns); /* what it refuses, it counts */
	aggregate->held += sketch_bytes(&summary->duration) - before;
	summary->duration_sum += ns;
	if (summary->count == 1 || ns < summary->duration_min)
		summary->duration_min = ns;
	if (ns > summary->duration_max)
		summary->duration_max = ns;
}

/* 1 + the power of two below a duration. */
static uint8_t size_of(uint64_t ns)
{
	return ns ? (uint8_t)(64 - __builtin_clzll(ns)) : 1;
}

/* Each row prefers other sizes, and others in each interval, so that there are soon examples of all. */
static uint64_t rank_of(const struct aggregate *aggregate, const struct row *row, uint8_t size)
{
	uint64_t place = row == &aggregate->rest ? 0 : (uint64_t)(row - aggregate->rows);
	uint64_t mix =
		((uint64_t)aggregate->interval << 32 | place << 8 | size) * 0x9e3779b97f4a7c15ull;

	return (mix ^ mix >> 29) * 0xbf58476d1ce4e5b9ull;
}

/* The place for an example of that size, which has none yet; NULL = it is not wanted. */
static struct other_example *place_for(struct aggregate *aggregate, struct row *row, uint8_t size)
{
	struct summary *summary = &row->summary;
	struct other_example *least = NULL;
	uint64_t rank;

	if (size_of(summary->example_ns) == size)
		return NULL;
	for (int i = 0; i < SUMMARY_EXAMPLES; i++) {
		struct other_example *other = &summary->other[i];

		if (other->size == size)
			return NULL;
		if (!least || other->rank < least->rank)
			least = other;
	}
	rank = rank_of(aggregate, row, size);
	if (least->size && rank <= least->rank)
		return NULL;
	least->rank = rank;
	least->size = size;
	return least;
}

bool aggregate_add(struct aggregate *aggregate, const struct finished *finished)
{
	return aggregate_add_at(aggregate, finished, &(struct aggregate_place){});
}

bool aggregate_knows(const struct aggregate *aggregate, const struct aggregate_place *place)
{
	return place->row && place->interval == aggregate->interval + 1 &&
	       !aggregate->rows[place->row - 1].summary.is_overflow && !is_full(aggregate);
}

static struct row *row_at(struct aggregate *aggregate, const struct finished *finished,
			  struct aggregate_place *place)
{
	struct row *row;

	if (aggregate_knows(aggregate, place))
		return &aggregate->rows[place->row - 1];
	row = row_of(aggregate, finished);
	*place = (struct aggregate_place){.interval = aggregate->interval + 1};
	if (row != &aggregate->rest)
		place->row = (uint32_t)(row - aggregate->rows) + 1;
	return row;
}

bool aggregate_add_at(struct aggregate *aggregate, const struct finished *finished,
		      struct aggregate_place *place)
{
	struct row *row = row_at(aggregate, finished, place);
	struct summary *summary = &row->summary;

	aggregate->counts.exchanges++;
	summary->count++;
	summary->errors += finished->is_error;
	summary->request_bytes += finished->request_bytes;
	summary->response_bytes += finished->response_bytes;
	add_duration(aggregate, summary, finished->duration_ns);
	if (finished->phases)
		add_phases(summary, finished);
	count_edge(aggregate, row, finished);
	aggregate->other = NULL;
	if (summary->example.len && finished->duration_ns <= summary->example_ns) {
		aggregate->other = place_for(aggregate, row, size_of(finished->duration_ns));
		row = aggregate->other ? row : NULL;
	}
	aggregate->wanted = row;
	aggregate->wanted_ns = finished->duration_ns;
	return row;
}

void aggregate_keep(struct aggregate *aggregate, struct span whole)
{
	struct row *row = aggregate->wanted;
	struct span *place;
	uint8_t *copy;

	if (!row || !whole.len)
		return;
	place = aggregate->other ? &aggregate->other->whole : &row->summary.example;
	if (whole.len > CAP_SUMMARY_EXAMPLE || is_full(aggregate) ||
	    !(copy = realloc((uint8_t *)place->at, whole.len))) {
		aggregate->counts.examples_refused++;
		return;
	}
	memcpy(copy, whole.at, whole.len);
	aggregate->held += whole.len - place->len;
	*place = (struct span){copy, whole.len};
	if (!aggregate->other)
		row->summary.example_ns = aggregate->wanted_ns;
}

/* Closing. */

static void hand_over(struct aggregate *aggregate, const struct aggregate_receiver *receiver,
		      struct row *row)
{
	if (row->summary.count && receiver->row)
		receiver->row(receiver->ctx, &row->summary);
	aggregate->counts.handed_over += row->summary.count;
	aggregate->counts.rows += row->summary.count != 0;
	aggregate->held -= sketch_bytes(&row->summary.duration) + row->summary.example.len;
	for (int i = 0; i < SUMMARY_EXAMPLES; i++)
		aggregate->held -= row->summary.other[i].whole.len;
	row_done(row);
}

static void hand_over_edge(struct aggregate *aggregate, const struct aggregate_receiver *receiver,
			   const struct edge *edge)
{
	if (!edge->count)
		return;
	aggregate->counts.edges++;
	if (receiver->edge)
		receiver->edge(receiver->ctx, edge);
}

static bool is_forgotten(void *ctx, const void *key, void *value)
{
	struct aggregate *aggregate = ctx;
	struct service **service = value;

	if (aggregate->interval - (*service)->last < SERVICE_REST)
		return false;
	aggregate->held -= sizeof(**service) + (*service)->room * SHAPE_BYTES;
	service_free(*service);
	return true;
}

void aggregate_close(struct aggregate *aggregate, const struct aggregate_receiver *receiver)
{
	for (uint32_t place = 0; place < aggregate->keys.len; place++)
		hand_over(aggregate, receiver, &aggregate->rows[place]);
	hand_over(aggregate, receiver, &aggregate->rest);
	for (uint32_t place = 0; place < aggregate->edge_keys.len; place++)
		hand_over_edge(aggregate, receiver, &aggregate->edges[place]);
	hand_over_edge(aggregate, receiver, &aggregate->edge_rest);
	rest_reset(aggregate);
	keyed_clear(&aggregate->keys);
	keyed_clear(&aggregate->edge_keys);
	arena_clear(&aggregate->arena);
	aggregate->wanted = NULL;
	aggregate->interval++;
	map_remove(&aggregate->services, is_forgotten, aggregate);
}

void aggregate_edges(const struct aggregate *aggregate, const struct aggregate_receiver *receiver)
{
	for (uint32_t place = 0; place < aggregate->edge_keys.len; place++)
		if (aggregate->edges[place].count)
			receiver->edge(receiver->ctx, &aggregate->edges[place]);
	if (aggregate->edge_rest.count)
		receiver->edge(receiver->ctx, &aggregate->edge_rest);
}

const struct aggregate_counts *aggregate_counts(const struct aggregate *aggregate)
{
	return &aggregate->counts;
}

uint32_t aggregate_rows(const struct aggregate *aggregate)
{
	return aggregate->keys.len + (aggregate->rest.summary.count != 0);
}

bool aggregate_is_even(const struct aggregate *aggregate)
{
	const struct aggregate_counts *counts = &aggregate->counts;
	uint64_t open = aggregate->rest.summary.count;

	for (uint32_t place = 0; place < aggregate->keys.len; place++)
		open += aggregate->rows[place].summary.count;
	return counts->exchanges == counts->handed_over + open &&
	       counts->overflowed ==
		       counts->too_many_shapes + counts->too_many_rows + counts->no_memory;
}
