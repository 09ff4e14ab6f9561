// SPDX-License-Identifier: GPL-2.0-only
/*
 * service_map - who speaks with whom.
 *
 * Nodes are kept by their usual name; when they are asked for by another column, they fold into each other in the end: by then it is
 * known which pod (or host ...) each belongs to, whatever the order in which records came. What a client and a server
 * say of one edge is kept apart: its rate is that of the edge records, else the client's, else the server's, never a sum.
 */
#include "history/service_map.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/sketch.h"

enum { NAME_BYTES = 128, PROTOCOL_BYTES = 24, FILTER_BYTES = 1024 };
enum phase {
	PHASE_SEND,
	PHASE_WAIT,
	PHASE_QUEUE,
	PHASE_PROCESS,
	PHASE_DOWNLOAD,
	PHASE_NETWORK,
	PHASES
};
static const char *const phase_sums[PHASES] = {"send_ns_sum",     "wait_ns_sum",
					       "queue_ns_sum",    "process_ns_sum",
					       "download_ns_sum", "network_ns_sum"};
static const char *const phase_names[PHASES] = {"send_ns",    "wait_ns",     "queue_ns",
						"process_ns", "download_ns", "network_ns"};

/* What somebody counted. */
struct tally {
	uint64_t count, errors;
	double duration_ns; /* sum */
	double phase_ns[PHASES]; /* sums */
	bool has_phase[PHASES];
	struct sketch sketch;
};

enum { TOLD_AS_EDGE, TOLD_BY_CLIENT, TOLD_BY_SERVER, TELLERS };

struct node {
	char name[NAME_BYTES];
	char group[NAME_BYTES]; /* value of the column that was asked for; "" = not known */
	const char *
		column; /* that the name is from; NULL = nobody here is called so: an outside peer */
	char pod[NAME_BYTES], namespace[NAME_BYTES], container[NAME_BYTES];
	struct tally served;
};

struct edge {
	uint64_t client, server; /* hashes of names */
	char protocol[PROTOCOL_BYTES];
	bool is_connection; /* nothing is known but that they are connected */
	struct tally told[TELLERS];
	uint64_t connections, bytes;
};

struct service_map {
	const char *group;
	struct map nodes, edges; /* hash -> owned pointer */
	size_t sketch_bytes;
	uint64_t left_out;
	/* for the layout at hand */
	const struct layout *layout;
	uint32_t columns;
	int client, server, side, remote_name, remote_addr, remote_port, protocol, transport, count,
		errors, duration, sketch, service, container, process, pod, namespace, group_at,
		sent, received;
	int phase[PHASES];
};

struct service_map *service_map_new(const char *group)
{
	struct service_map *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->group = group;
	map_init(&map->nodes, sizeof(uint64_t), sizeof(struct node *), MAP_NODES);
	map_init(&map->edges, sizeof(uint64_t), sizeof(struct edge *), MAP_EDGES);
	return map;
}

static void edge_free(struct edge *edge)
{
	for (int i = 0; edge && i < TELLERS; i++)
		sketch_done(&edge->told[i].sketch);
	free(edge);
}

static void node_free(struct node *node)
{
	if (node)
		sketch_done(&node->served.sketch);
	free(node);
}

void service_map_free(struct service_map *map)
{
	const void *key;
	void *value;

	if (!map)
		return;
	for (size_t i = 0; map_next(&map->nodes, &i, &key, &value);)
		node_free(*(struct node **)value);
	for (size_t i = 0; map_next(&map->edges, &i, &key, &value);)
		edge_free(*(struct edge **)value);
	map_done(&map->nodes);
	map_done(&map->edges);
	free(map);
}

uint64_t service_map_left_out(const struct service_map *map)
{
	return map->left_out;
}

/* ---- columns ---- */

static void learn_layout(struct service_map *map, const struct layout *layout)
{
	const struct {
		const char *name;
		int *at;
	} columns[] = {
		{"client", &map->client},
		{"server", &map->server},
		{"side", &map->side},
		{"remote_name", &map->remote_name},
		{"remote_addr", &map->remote_addr},
		{"remote_port", &map->remote_port},
		{"protocol", &map->protocol},
		{"transport", &map->transport},
		{"count", &map->count},
		{"errors", &map->errors},
		{"duration_ns_sum", &map->duration},
		{"duration_ns_sketch", &map->sketch},
		{"service", &map->service},
		{"container", &map->container},
		{"process", &map->process},
		{"pod", &map->pod},
		{"namespace", &map->namespace},
		{map->group ? map->group : "service", &map->group_at},
		{"sent_bytes", &map->sent},
		{"received_bytes", &map->received},
	};

	if (map->layout == layout && map->columns == layout->count)
		return;
	map->layout = layout;
	map->columns = layout->count;
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		*columns[i].at = layout_find(layout, span_of(columns[i].name));
	for (int i = 0; i < PHASES; i++)
		map->phase[i] = layout_find(layout, span_of(phase_sums[i]));
}

static struct span text_at(const struct record *record, int at)
{
	return at >= 0 && record->value[at].kind == VALUE_TEXT ? record->value[at].text
							       : (struct span){};
}

static uint64_t number_at(const struct record *record, int at)
{
	return at >= 0 && record->value[at].kind == VALUE_U64 ? record->value[at].u64 : 0;
}

static void keep_text(char *to, size_t room, struct span text)
{
	size_t len = text.len < room - 1 ? text.len : room - 1;

	if (len)
		memcpy(to, text.at, len);
	to[len] = 0;
}

/* Not every record knows. */
static void learn_text(char *to, size_t room, struct span text)
{
	if (text.len)
		keep_text(to, room, text);
}

/* ---- nodes and edges ---- */

static uint64_t name_hash(struct span name)
{
	name = span_first(name, NAME_BYTES - 1); /* as it is kept */
	return hash_bytes(name.at, name.len, hash_seed());
}

static struct node *node_of(struct service_map *map, struct span name)
{
	uint64_t hash = name_hash(name);
	struct node **place, *node;
	bool is_new;

	place = map_put(&map->nodes, &hash, &is_new);
	if (place && !is_new)
		return *place;
	node = place ? calloc(1, sizeof(*node)) : NULL;
	if (!node) {
		if (place)
			map_del(&map->nodes, &hash);
		return NULL;
	}
	keep_text(node->name, sizeof(node->name), name);
	return *place = node;
}

static struct edge *edge_of(struct service_map *map, struct span client, struct span server,
			    struct span protocol, bool is_connection)
{
	uint64_t ends[2] = {name_hash(client), name_hash(server)};
	uint64_t hash = hash_bytes(protocol.at, protocol.len,
				   hash_bytes(ends, sizeof(ends), is_connection));
	struct edge **place, *edge;
	bool is_new;

	if (!node_of(map, client) || !node_of(map, server))
		return NULL;
	place = map_put(&map->edges, &hash, &is_new);
	if (place && !is_new)
		return *place;
	edge = place ? calloc(1, sizeof(*edge)) : NULL;
	if (!edge) {
		if (place)
			map_del(&map->edges, &hash);
		return NULL;
	}
	edge->client = ends[0];
	edge->server = ends[1];
	edge->is_connection = is_connection;
	keep_text(edge->protocol, sizeof(edge->protocol), protocol);
	return *place = edge;
}

static void merge_sketch(struct service_map *map, struct sketch *to, const struct sketch *from)
{
	size_t before = sketch_bytes(to);

	if (map->sketch_bytes >= MAP_SKETCHES_BYTES)
		return;
	sketch_merge(to, from);
	map->sketch_bytes += sketch_bytes(to) - before;
}

static void add_summary(struct service_map *map, struct tally *tally, const struct record *record)
{
	struct sketch sketch;

	tally->count += number_at(record, map->count);
	tally->errors += number_at(record, map->errors);
	tally->duration_ns += (double)number_at(record, map->duration);
	for (int i = 0; i < PHASES; i++)
		if (map->phase[i] >= 0 && record->value[map->phase[i]].kind == VALUE_U64) {
			tally->phase_ns[i] += (double)record->value[map->phase[i]].u64;
			tally->has_phase[i] = true;
		}
	if (map->sketch < 0 || record->value[map->sketch].kind != VALUE_SKETCH)
		return;
	if (!sketch_read(&sketch, record->value[map->sketch].text))
		merge_sketch(map, &tally->sketch, &sketch);
	sketch_done(&sketch);
}

/* Who made the record: its node, with all that is known of it. */
static struct node *own_node(struct service_map *map, const struct record *record)
{
	static const char *const columns[] = {"service", "container", "process"};
	const int at[] = {map->service, map->container, map->process};
	struct node *node;

	for (int i = 0; i < 3; i++) {
		struct span name = text_at(record, at[i]);

		if (!name.len)
			continue;
		node = node_of(map, name);
		if (!node)
			return NULL;
		node->column = columns[i];
		learn_text(node->group, sizeof(node->group), text_at(record, map->group_at));
		learn_text(node->pod, sizeof(node->pod), text_at(record, map->pod));
		learn_text(node->namespace, sizeof(node->namespace),
			   text_at(record, map->namespace));
		learn_text(node->container, sizeof(node->container),
			   text_at(record, map->container));
		return node;
	}
	return NULL;
}

/* Whom a client asks: by name, else by address, else by port. Whoever asks a server without a name is nobody. */
static struct span other_end(const struct service_map *map, const struct record *record,
			     bool is_client, char text[16])
{
	struct span name = text_at(record, map->remote_name);

	if (name.len || !is_client)
		return name;
	name = text_at(record, map->remote_addr);
	if (name.len || !number_at(record, map->remote_port))
		return name;
	snprintf(text, 16, ":%u", (unsigned)number_at(record, map->remote_port));
	return span_of(text);
}

/* What one end saw. */
static bool add_end(struct service_map *map, const struct record *record)
{
	bool is_client = span_is(text_at(record, map->side), "client");
	bool is_summary = map->count >= 0 && record->value[map->count].kind == VALUE_U64;
	char port[16];
	struct span other = other_end(map, record, is_client, port), own;
	struct span protocol = text_at(record, map->protocol);
	struct node *node = own_node(map, record);
	struct edge *edge;

	if (!node)
		return false;
	if (is_summary && !is_client)
		add_summary(map, &node->served, record);
	if (!other.len)
		return true;
	own = span_of(node->name);
	if (!protocol.len)
		protocol = text_at(record, map->transport);
	edge = edge_of(map, is_client ? own : other, is_client ? other : own, protocol,
		       !is_summary);
	if (!edge)
		return false;
	if (is_summary) {
		add_summary(map, &edge->told[is_client ? TOLD_BY_CLIENT : TOLD_BY_SERVER], record);
		return true;
	}
	edge->connections++;
	edge->bytes += number_at(record, map->sent) + number_at(record, map->received);
	return true;
}

static void take_record(void *ctx, const struct record *record)
{
	struct service_map *map = ctx;
	struct span client, server;
	struct edge *edge;

	learn_layout(map, record->layout);
	client = text_at(record, map->client);
	server = text_at(record, map->server);
	if (client.len && server.len) {
		edge = edge_of(map, client, server, text_at(record, map->protocol), false);
		if (edge)
			add_summary(map, &edge->told[TOLD_AS_EDGE], record);
		map->left_out += !edge;
	} else if (text_at(record, map->side).len) {
		map->left_out += !add_end(map, record);
	}
}

int service_map_read(struct service_map *map, struct store *store, const struct past_query *query,
		     struct past_answer *ret_answer, struct err *why)
{
	map->layout = NULL;
	return past_read(store, query, take_record, map, ret_answer, why);
}

/* ---- folding ---- */

static struct node *find_node(const struct service_map *map, uint64_t hash)
{
	struct node **place = map_get(&map->nodes, &hash);

	return place ? *place : NULL;
}

static void add_tally(struct service_map *map, struct tally *to, const struct tally *from)
{
	to->count += from->count;
	to->errors += from->errors;
	to->duration_ns += from->duration_ns;
	for (int i = 0; i < PHASES; i++) {
		to->phase_ns[i] += from->phase_ns[i];
		to->has_phase[i] |= from->has_phase[i];
	}
	if (from->sketch.count)
		merge_sketch(map, &to->sketch, &from->sketch);
}

static struct span folded_name(const struct node *node)
{
	return span_of(node->group[0] ? node->group : node->name);
}

/* The same map, by what was asked for. NULL on no memory. */
static struct service_map *fold(struct service_map *map)
{
	struct service_map *folded = service_map_new(map->group);
	const void *key;
	void *value;

	for (size_t i = 0; folded && map_next(&map->nodes, &i, &key, &value);) {
		const struct node *from = *(struct node **)value;
		struct node *to = node_of(folded, folded_name(from));

		if (!to)
			continue;
		to->column = from->group[0] ? map->group : from->column;
		add_tally(folded, &to->served, &from->served);
		memcpy(to->namespace, from->namespace, sizeof(to->namespace));
		if (to->column && !strcmp(to->column, "container"))
			memcpy(to->pod, from->pod, sizeof(to->pod));
	}
	for (size_t i = 0; folded && map_next(&map->edges, &i, &key, &value);) {
		const struct edge *from = *(struct edge **)value;
		const struct node *client = find_node(map, from->client),
				  *server = find_node(map, from->server);
		struct edge *to =
			client && server ? edge_of(folded, folded_name(client), folded_name(server),
						   span_of(from->protocol), from->is_connection)
					 : NULL;

		for (int k = 0; to && k < TELLERS; k++)
			add_tally(folded, &to->told[k], &from->told[k]);
		if (to) {
			to->connections += from->connections;
			to->bytes += from->bytes;
		}
	}
	return folded;
}

/* ---- writing ---- */

static void write_text(struct json *json, const char *name, const char *text)
{
	if (text[0])
		json_key_str(json, name, text);
}

static void write_times(const struct tally *tally, const struct sketch *sketch, struct json *json)
{
	static const struct {
		const char *name;
		double share;
	} quantiles[] = {{"p50_ns", 0.5}, {"p90_ns", 0.9}, {"p99_ns", 0.99}};

	for (size_t i = 0; sketch->count && i < sizeof(quantiles) / sizeof(*quantiles); i++)
		json_key_u64(
			json, quantiles[i].name,
			(uint64_t)(fmax(sketch_quantile(sketch, quantiles[i].share), 0) + 0.5));
	if (tally->count)
		json_key_u64(json, "mean_ns",
			     (uint64_t)(tally->duration_ns / (double)tally->count));
}

static void write_rates(const struct tally *tally, double seconds, struct json *json)
{
	json_key_u64(json, "count", tally->count);
	json_key_u64(json, "error_count", tally->errors);
	json_key_double(json, "rate", (double)tally->count / seconds);
	json_key_double(json, "errors", (double)tally->errors / seconds);
}

/* column = "value", in the filter language. */
static void add_condition(struct buf *filter, const char *column, const char *value)
{
	buf_f(filter, "%s%s = \"", filter->len ? " and " : "", column);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_char(filter, '\\');
		buf_char(filter, *value);
	}
	buf_char(filter, '"');
}

/* What the other end of a record is called: what was made of an address or a port is found by those. */
static void add_other_end(struct buf *filter, const char *name)
{
	struct in6_addr address;

	if (name[0] == ':' && name[1] && !name[1 + strspn(name + 1, "0123456789")])
		buf_f(filter, "%sremote_port = %s", filter->len ? " and " : "", name + 1);
	else if (inet_pton(AF_INET, name, &address) == 1 ||
		 inet_pton(AF_INET6, name, &address) == 1)
		add_condition(filter, "remote_addr", name);
	else
		add_condition(filter, "remote_name", name);
}

static void write_filter(struct json *json, struct buf *filter)
{
	if (!filter->full && filter->len) {
		json_key(json, "filter");
		json_span(json, buf_as_span(filter));
	}
	buf_done(filter);
}

static void write_node(const struct node *node, double seconds, struct json *json)
{
	struct buf filter;

	json_object(json);
	json_key_str(json, "id", node->name);
	json_key_str(json, "name", node->name);
	json_key_str(json, "kind", node->column ? node->column : "outside");
	write_text(json, "container", node->container);
	write_text(json, "pod", node->pod);
	write_text(json, "namespace", node->namespace);
	if (node->column) {
		write_rates(&node->served, seconds, json);
		write_times(&node->served, &node->served.sketch, json);
	}
	buf_init(&filter, FILTER_BYTES);
	if (node->column)
		add_condition(&filter, node->column, node->name);
	else
		add_other_end(&filter, node->name);
	write_filter(json, &filter);
	json_object_end(json);
}

/* The first who counted anything: edges, the client, the server. */
static const struct tally *counted(const struct edge *edge)
{
	for (int i = 0; i < TELLERS; i++)
		if (edge->told[i].count)
			return &edge->told[i];
	return &edge->told[TOLD_AS_EDGE];
}

/* Phases are means; those that both ends know are the server's (queue) or the client's (the rest). */
static void write_phases(const struct edge *edge, struct json *json)
{
	static const int from[PHASES] = {
		[PHASE_SEND] = TOLD_BY_CLIENT,     [PHASE_WAIT] = TOLD_BY_CLIENT,
		[PHASE_QUEUE] = TOLD_BY_SERVER,    [PHASE_PROCESS] = TOLD_BY_SERVER,
		[PHASE_DOWNLOAD] = TOLD_BY_CLIENT, [PHASE_NETWORK] = TOLD_BY_CLIENT};

	for (int i = 0; i < PHASES; i++) {
		const struct tally *tally = &edge->told[from[i]];

		if (!tally->has_phase[i] || !tally->count)
			tally = &edge->told[from[i] == TOLD_BY_CLIENT ? TOLD_BY_SERVER
								      : TOLD_BY_CLIENT];
		if (tally->has_phase[i] && tally->count)
			json_key_u64(json, phase_names[i],
				     (uint64_t)(tally->phase_ns[i] / (double)tally->count));
	}
}

static void write_edge(const struct service_map *map, const struct edge *edge, double seconds,
		       struct json *json)
{
	const struct node *client = find_node(map, edge->client),
			  *server = find_node(map, edge->server);
	const struct tally *tally = counted(edge);
	const struct sketch *sketch = edge->told[TOLD_BY_CLIENT].sketch.count
					      ? &edge->told[TOLD_BY_CLIENT].sketch
					      : &edge->told[TOLD_BY_SERVER].sketch;
	struct buf filter;

	if (!client || !server)
		return;
	json_object(json);
	json_key_str(json, "client", client->name);
	json_key_str(json, "server", server->name);
	write_text(json, "protocol", edge->protocol);
	if (edge->is_connection) {
		json_key_u64(json, "connections", edge->connections);
		json_key_double(json, "connection_rate", (double)edge->connections / seconds);
		json_key_u64(json, "bytes", edge->bytes);
	} else {
		write_rates(tally, seconds, json);
		write_times(tally, sketch, json);
		write_phases(edge, json);
	}
	buf_init(&filter, FILTER_BYTES);
	if (client->column) {
		add_condition(&filter, "side", "client");
		add_condition(&filter, client->column, client->name);
		add_other_end(&filter, server->name);
	} else if (server->column) {
		add_condition(&filter, "side", "server");
		add_condition(&filter, server->column, server->name);
		add_other_end(&filter, client->name);
	}
	write_filter(json, &filter);
	json_object_end(json);
}

static bool is_same_pair(const struct edge *a, const struct edge *b)
{
	return (a->client == b->client && a->server == b->server) ||
	       (a->client == b->server && a->server == b->client);
}

/* Connections say nothing new where a protocol was read. */
static bool is_known_better(const struct service_map *map, const struct edge *edge)
{
	const void *key;
	void *value;

	for (size_t i = 0; edge->is_connection && map_next(&map->edges, &i, &key, &value);) {
		const struct edge *other = *(struct edge **)value;

		if (!other->is_connection && is_same_pair(edge, other))
			return true;
	}
	return false;
}

static int by_count(const void *a, const void *b)
{
	const struct edge *left = *(struct edge *const *)a, *right = *(struct edge *const *)b;
	uint64_t counts[2] = {counted(left)->count, counted(right)->count};

	if (counts[0] == counts[1])
		return (left->connections < right->connections) -
		       (left->connections > right->connections);
	return counts[0] < counts[1] ? 1 : -1;
}

static void write_edges(const struct service_map *map, double seconds, struct json *json)
{
	struct edge **list = calloc(map->edges.len + 1, sizeof(*list));
	size_t count = 0;
	const void *key;
	void *value;

	for (size_t i = 0; list && map_next(&map->edges, &i, &key, &value);)
		list[count++] = *(struct edge **)value;
	if (list)
		qsort(list, count, sizeof(*list), by_count);
	for (size_t i = 0; i < count; i++)
		if (!is_known_better(map, list[i]))
			write_edge(map, list[i], seconds, json);
	free(list);
}

void service_map_write(struct service_map *map, double seconds, struct json *json)
{
	struct service_map *folded = map->group ? fold(map) : NULL;
	const struct service_map *shown = folded ? folded : map;
	const void *key;
	void *value;

	json_key(json, "nodes");
	json_array(json);
	for (size_t i = 0; map_next(&shown->nodes, &i, &key, &value);)
		write_node(*(struct node **)value, seconds, json);
	json_array_end(json);
	json_key(json, "edges");
	json_array(json);
	write_edges(shown, seconds, json);
	json_array_end(json);
	service_map_free(folded);
}
