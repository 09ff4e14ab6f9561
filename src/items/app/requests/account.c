// SPDX-License-Identifier: GPL-2.0-only
/*
 * account - what becomes of an exchange.
 *
 * Each is counted twice: in the totals since the item is on (totals.c: metrics and `sonde requests`) and in the summary of its
 * interval (record/aggregate.h: what the history keeps). A record is made of it when somebody watches, and when it is
 * the slowest of its kind in the interval: then the summary carries it as its example.
 */
#include "items/app/requests/inside.h"

#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "record/filter.h"
#include "record/stream.h"
#include "world/world.h"

static const uint64_t second_ns = 1000000000, ask_again_ns = 5ull * 1000000000;

_Static_assert((int)PHASE_SEND == REQUEST_SEND && (int)PHASE_NETWORK == REQUEST_NETWORK &&
		       (int)PHASES == REQUEST_PHASES,
	       "phases are numbered alike");

/* ---- what is asked for ---- */

static uint32_t demanded(const struct requests *requests, const char *column)
{
	const char *const columns[] = {column, NULL};
	struct span text;
	double number;
	bool is_there = item_where_requires(requests->item, columns, &text) &&
			parse_quantity(text, &number) && number > 0 && number <= UINT32_MAX;

	return is_there ? (uint32_t)number : 0;
}

void account_note_demands(struct requests *requests)
{
	requests->only_pid = demanded(requests, "pid");
	requests->only_port = demanded(requests, "port");
}

bool account_wants(void *ctx, const struct talk *talk)
{
	const struct requests *requests = ctx;

	if (requests->only_pid && talk->pid && talk->pid != requests->only_pid)
		return false;
	return !requests->only_port || talk->local_port == requests->only_port ||
	       talk->remote_port == requests->only_port;
}

/* ---- who ---- */

/* As an edge calls it: its service, else container, else process. */
static struct span name_of_end(const struct resolver *resolver, const struct talk *talk)
{
	struct who who = {};

	if (!talk || !resolver->pid ||
	    !resolver->pid(resolver->ctx, talk->pid, talk->heard_ns, &who))
		return (struct span){};
	if (who.service.len)
		return who.service;
	return who.container.len ? who.container : who.process;
}

/* A server without a name is called by its address. Clients are not: they may come from everywhere. */
static void note_nameless(struct talk *talk)
{
	bool is_wanted = !talk->remote_name[0] && talk->transport != REQUESTS_UNIX &&
			 !talk->has_several_peers && !addr_is_none(talk->remote_addr) &&
			 talk->conversation.infer.side_of[REQUESTS_OUT] == SIDE_CLIENT;

	talk->remote_text[0] = 0;
	if (is_wanted)
		addr_print(talk->remote_addr, talk->remote_text);
}

/* Who holds the connection now, and what its other end is called. Asked again when another process uses it, and
 * now and then. */
static uint32_t who_of_talk(struct requests *requests, struct talk *talk)
{
	const struct resolver *resolver = item_resolver(requests->item);
	bool is_stale = !talk->who || talk->who_pid != talk->pid ||
			talk->heard_ns - talk->who_ns > ask_again_ns;
	struct who who = {};
	struct span name = {};

	if (!is_stale)
		return talk->who - 1;
	if (resolver->pid)
		resolver->pid(resolver->ctx, talk->pid, talk->heard_ns, &who);
	who.pid = talk->pid;
	talk->who = totals_who(&requests->totals, &who) + 1;
	talk->who_pid = talk->pid;
	talk->who_ns = talk->heard_ns;
	if (talk->transport == REQUESTS_UNIX)
		name = name_of_end(resolver, talk->peer);
	else if (resolver->peer && !addr_is_none(talk->remote_addr))
		name = resolver->peer(resolver->ctx, talk->remote_addr, talk->remote_port);
	snprintf(talk->remote_name, sizeof(talk->remote_name), "%.*s", (int)name.len,
		 (const char *)name.at);
	note_nameless(talk);
	return talk->who - 1;
}

void account_whose(void *ctx, uint64_t place, struct who *ret_who)
{
	const struct requests *requests = ctx;
	const struct total_who *who;

	if (place >= requests->totals.whos)
		return;
	who = &requests->totals.who[place];
	*ret_who = (struct who){
		.process = span_of(who->process),
		.container = span_of(who->container),
		.pod = span_of(who->pod),
		.namespace = span_of(who->namespace),
		.service = span_of(who->service),
	};
}

/* ---- counting ---- */

static enum request_transport transport_of(const struct talk *talk)
{
	switch (talk->transport) {
	case REQUESTS_UNIX: return REQUEST_UNIX;
	case IPPROTO_UDP: return REQUEST_UDP;
	default: return REQUEST_TCP;
	}
}

/* `shown` is NULL where the exchange is like others, and its place is known. */
static void add_to_totals(struct requests *requests, const struct talk *talk,
			  const struct outcome *outcome, const struct shown *shown, uint32_t who,
			  struct talk_counted *counted)
{
	const struct exchange *exchange = outcome->exchange;
	struct total_entry entry = {
		.who = who,
		.side = outcome->side,
		.connection = talk->cookie,
		.is_error = outcome->is_failure,
		.request_bytes = exchange->request.bytes,
		.outcome = outcome,
	};
	struct total_place place = {counted->operation, counted->status};

	if (exchange->has_response)
		entry.response_bytes = exchange->response.bytes;
	if (!shown) {
		totals_add_at(&requests->totals, &entry, &place);
		return;
	}
	if (who == UINT32_MAX) {
		item_count(requests->item, "dropped", "table_full", 1);
		return;
	}
	entry.protocol = shown->protocol;
	entry.operation = shown->operation;
	entry.resource = span_of(shown->resource);
	entry.status = shown->status;
	totals_add(&requests->totals, &entry, &place);
	counted->operation = place.operation;
	counted->status = place.status;
}

static void name_finished(struct finished *finished, const struct talk *talk,
			  const struct outcome *outcome, const struct shown *shown)
{
	const struct message *request = &outcome->exchange->request;
	bool is_server = outcome->side == SIDE_SERVER;

	finished->protocol = span_of(shown->protocol);
	finished->operation = shown->operation;
	finished->resource = span_of(shown->resource);
	finished->status = shown->status;
	finished->is_tls = talk->via == VIA_LIBRARY;
	finished->shape = request->shape;
	finished->target = request->shape ? request->target : (struct span){};
	finished->remote_name = span_of(talk->remote_name);
	finished->remote_addr = span_of(talk->remote_text);
	finished->remote_port = is_server ? 0 : talk->remote_port;
	finished->local_port = is_server ? talk->local_port : 0;
	finished->transport = transport_of(talk);
}

/* Likewise. True: it is the slowest of its kind so far. */
static bool add_to_summary(struct requests *requests, const struct talk *talk,
			   const struct outcome *outcome, const struct shown *shown, uint32_t who,
			   struct talk_counted *counted)
{
	const struct exchange *exchange = outcome->exchange;
	bool is_server = outcome->side == SIDE_SERVER, is_slowest;
	struct finished finished = {
		.who = who,
		.side = is_server ? REQUEST_SERVER : REQUEST_CLIENT,
		.is_error = outcome->is_failure,
		.request_bytes = exchange->request.bytes,
		.duration_ns = outcome->duration_ns,
		.phases = (uint8_t)outcome->phases,
		.is_network_bound = outcome->is_network_bound,
		.is_edge_counted = is_server && outcome->is_peer_watched,
	};
	struct aggregate_place place = {};

	if (exchange->has_response)
		finished.response_bytes = exchange->response.bytes;
	memcpy(finished.phase_ns, outcome->phase_ns, sizeof(finished.phase_ns));
	if (shown)
		name_finished(&finished, talk, outcome, shown);
	else
		place = (struct aggregate_place){counted->row, counted->interval};
	is_slowest = aggregate_add_at(requests->aggregate, &finished, &place);
	counted->row = place.row;
	counted->interval = place.interval;
	return is_slowest;
}

/* It is like one that was counted, and there is nothing to ask any more. */
static bool is_counted_alike(const struct requests *requests, const struct talk_counted *counted,
			     const struct outcome *outcome, uint32_t who)
{
	return outcome->like && counted->like == outcome->like && counted->who == who &&
	       totals_knows(&requests->totals,
			    &(struct total_place){counted->operation, counted->status}) &&
	       aggregate_knows(requests->aggregate,
			       &(struct aggregate_place){counted->row, counted->interval});
}

/* ---- records ---- */

static void tell(struct requests *requests, const struct talk *talk, const struct outcome *outcome,
		 struct shown *shown, bool is_example, bool is_watched)
{
	const struct resolver *resolver = item_resolver(requests->item);
	struct who who = {.pid = talk->pid};
	struct json json = {.out = &requests->json};
	struct record record = {};

	if (resolver->pid)
		resolver->pid(resolver->ctx, talk->pid, outcome->began_ns, &who);
	arena_clear(&requests->arena);
	if (tell_exchange(requests->item, talk, outcome, &who, requests->via, shown,
			  &requests->arena, &record)) {
		item_count(requests->item, "dropped", "no_memory", 1);
		return;
	}
	if (is_example) {
		buf_clear(&requests->json);
		record_json(&record, &json);
		if (!requests->json.full)
			aggregate_keep(requests->aggregate, buf_as_span(&requests->json));
	}
	record.is_passing = true; /* the history keeps summaries */
	if (is_watched)
		item_publish(requests->item, &record);
}

void account_exchange(void *ctx, struct talk *talk, struct outcome *outcome)
{
	struct requests *requests = ctx;
	struct exchange resolved;
	bool is_watched = stream_watched(item_stream(requests->item), item_name(requests->item)),
	     is_example, is_alike;
	uint32_t who = who_of_talk(requests, talk);
	struct talk_counted once = {},
			    *counted = outcome->like ? &talk->counted[outcome->like % TALK_KINDS]
						     : &once;
	struct shown shown;

	if (outcome->exchange->request.shape) {
		resolved = *outcome->exchange;
		shapes_resolve(&requests->shapes, &resolved.request);
		outcome->exchange = &resolved;
	}
	is_alike = is_counted_alike(requests, counted, outcome, who);
	if (!is_alike || is_watched)
		show_names(talk, outcome->exchange, &shown);
	if (!is_alike)
		*counted = (struct talk_counted){.like = outcome->like, .who = who};
	add_to_totals(requests, talk, outcome, is_alike ? NULL : &shown, who, counted);
	is_example =
		add_to_summary(requests, talk, outcome, is_alike ? NULL : &shown, who, counted);
	if (is_example && is_alike && !is_watched)
		show_names(talk, outcome->exchange, &shown);
	if (is_example || is_watched)
		tell(requests, talk, outcome, &shown, is_example, is_watched);
}

/* ---- the end of an interval ---- */

struct closing {
	struct requests *requests;
	uint64_t now_ns, interval_ns;
};

static void publish_row(void *ctx, const struct summary *row)
{
	const struct closing *closing = ctx;
	struct requests *requests = closing->requests;
	struct record record = {};

	if (!stream_wanted(item_stream(requests->item), item_name(requests->item)))
		return;
	arena_clear(&requests->arena);
	if (summary_record(&record, &request_summary_layout, row, item_name(requests->item),
			   closing->now_ns, closing->interval_ns, item_resolver(requests->item),
			   &requests->arena))
		item_count(requests->item, "dropped", "no_memory", 1);
	else
		item_publish(requests->item, &record);
}

static void publish_edge(void *ctx, const struct edge *edge)
{
	const struct closing *closing = ctx;
	struct requests *requests = closing->requests;
	struct edge_total total;
	struct record record = {};

	edges_add(requests, edge);
	if (edge->is_overflow ||
	    !stream_wanted(item_stream(requests->item), item_name(requests->item)))
		return;
	edge_total_of(edge, &total);
	arena_clear(&requests->arena);
	if (tell_edge(requests->item, &total, closing->now_ns, closing->interval_ns,
		      &requests->arena, &record))
		item_count(requests->item, "dropped", "no_memory", 1);
	else
		item_publish(requests->item, &record);
}

void account_interval(struct requests *requests, uint64_t interval_ns)
{
	struct closing closing = {requests, clock_monotonic_ns(), interval_ns};
	struct aggregate_receiver receiver = {publish_row, publish_edge, &closing};

	aggregate_close(requests->aggregate, &receiver);
	totals_turn(&requests->totals, closing.now_ns);
}

/* ---- what goes on ---- */

struct going_on {
	struct requests *requests;
	uint64_t now_ns;
	bool is_watched;
};

/* Told at an age of 1, 2, 4, 8 ... seconds. */
static bool is_due(uint64_t age_ns)
{
	uint64_t seconds = age_ns / second_ns;

	return seconds && !(seconds & (seconds - 1));
}

static void count_open(void *ctx, struct talk *talk, struct outcome *outcome)
{
	const struct going_on *going_on = ctx;
	struct requests *requests = going_on->requests;
	const struct exchange *exchange = outcome->exchange;
	struct total_entry entry = {.side = outcome->side};
	struct shown shown;

	outcome->duration_ns = going_on->now_ns - outcome->began_ns;
	show_names(talk, exchange, &shown);
	entry.who = who_of_talk(requests, talk);
	entry.protocol = shown.protocol;
	entry.operation = shown.operation;
	entry.resource = span_of(shown.resource);
	if (entry.who != UINT32_MAX)
		totals_open(&requests->totals, &entry);
	if (going_on->is_watched && is_due(outcome->duration_ns))
		tell(requests, talk, outcome, &shown, false, true);
}

void account_open(struct requests *requests, uint64_t now_ns)
{
	struct going_on going_on = {
		requests, now_ns,
		stream_watched(item_stream(requests->item), item_name(requests->item))};

	totals_close_all(&requests->totals);
	talks_open(&requests->talks, now_ns - second_ns, count_open, &going_on);
}

/* ---- names that become known ---- */

void account_named(void *ctx, const struct talk *talk, uint32_t opaque, enum hpack_name what,
		   struct span text)
{
	static const char *const protocols[] = {"http2", "grpc"};
	struct requests *requests = ctx;
	char old[OPAQUE_NAME_BYTES];
	struct shown shown;

	if (what != HPACK_PATH)
		return;
	show_opaque(talk, opaque, old);
	for (size_t i = 0; i < 2; i++) {
		show_path(protocols[i], text, &shown);
		totals_rename(&requests->totals, protocols[i], span_of(old), shown.operation,
			      span_of(shown.resource), figures_forget, requests);
	}
}
