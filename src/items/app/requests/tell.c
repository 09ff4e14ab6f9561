// SPDX-License-Identifier: GPL-2.0-only
/*
 * tell - exchanges and operations as records.
 *
 * Here, and nowhere behind, secrets end: what was asked is masked before a record exists (protocol/mask.h), texts of statements
 * are normalised by their parsers, keys and bodies never come here.
 */
#include "items/app/requests/tell.h"
#include "items/app/requests/tls.h"

#include <math.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "protocol/mask.h"
#include "protocol/route.h"
#include "record/aggregate.h"

struct layout request_layout, request_total_layout, request_summary_layout, request_edge_layout;

enum request_column {
	REQ_PROTOCOL,
	REQ_SIDE,
	REQ_OPERATION,
	REQ_RESOURCE,
	REQ_TARGET,
	REQ_STATUS,
	REQ_HTTP_STATUS,
	REQ_ERROR,
	REQ_MESSAGE,
	REQ_OPEN,
	REQ_DURATION,
	REQ_SEND, /* the phases, in the order of enum phase */
	REQ_WAIT,
	REQ_QUEUE,
	REQ_PROCESS,
	REQ_DOWNLOAD,
	REQ_NETWORK,
	REQ_NETWORK_BOUND,
	REQ_REQUEST_BLOCKED,
	REQ_RESPONSE_BLOCKED,
	REQ_REQUEST_BYTES,
	REQ_RESPONSE_BYTES,
	REQ_REQUEST_MESSAGES,
	REQ_RESPONSE_MESSAGES,
	REQ_ITEMS,
	REQ_NAMING,
	REQ_HOST,
	REQ_USER_AGENT,
	REQ_CONTENT_TYPE,
	REQ_USER,
	REQ_REQUEST_ID,
	REQ_TRACE_ID,
	REQ_SPAN_ID,
	REQ_CONNECTION,
	REQ_LOCAL_ADDR,
	REQ_LOCAL_PORT,
	REQ_REMOTE_ADDR,
	REQ_REMOTE_PORT,
	REQ_REMOTE_NAME,
	REQ_TRANSPORT,
	REQ_TLS,
	REQ_VIA,
	REQ_COMPLETE,
	REQ_COLUMNS,
};

struct column_text {
	const char *name;
	enum unit unit;
	const char *help;
};

static const struct column_text request_columns[REQ_COLUMNS] = {
	[REQ_PROTOCOL] = {"protocol", UNIT_TEXT,
			  "http, http2, grpc, redis, postgresql, mysql, memcached, dns ..."},
	[REQ_SIDE] = {"side", UNIT_TEXT, "which end the process is: client or server"},
	[REQ_OPERATION] = {"operation", UNIT_TEXT, "GET, SELECT, HGET, A ..."},
	[REQ_RESOURCE] = {"resource", UNIT_TEXT, "templated route, table, name"},
	[REQ_TARGET] = {"target", UNIT_TEXT, "what was asked; secrets are ***"},
	[REQ_STATUS] = {"status", UNIT_TEXT, "the protocol's own code; of grpc its grpc-status"},
	[REQ_HTTP_STATUS] = {"http_status", UNIT_TEXT, "of grpc: the status of HTTP around it"},
	[REQ_ERROR] = {"error", UNIT_NONE, "the protocol calls it an error, or no answer came"},
	[REQ_MESSAGE] = {"message", UNIT_TEXT, "the server's words about an error; data is ***"},
	[REQ_OPEN] = {"open", UNIT_NONE, "it goes on: this is what has come so far"},
	[REQ_DURATION] = {"duration_ns", UNIT_NS,
			  "server: first byte arrived to last byte written; client: first written "
			  "to last read"},
	[REQ_SEND] = {"send_ns", UNIT_NS, "first to last write of what this side sends"},
	[REQ_WAIT] = {"wait_ns", UNIT_NS, "client: request written to response arrived"},
	[REQ_QUEUE] = {"queue_ns", UNIT_NS, "bytes lay unread in the socket"},
	[REQ_PROCESS] = {"process_ns", UNIT_NS, "server: request read to response written"},
	[REQ_DOWNLOAD] = {"download_ns", UNIT_NS, "client: first to last read of the response"},
	[REQ_NETWORK] = {"network_ns", UNIT_NS, "part of the wait that the network took"},
	[REQ_NETWORK_BOUND] = {"network_bound", UNIT_NONE,
			       "network_ns is only a bound (the round trip time)"},
	[REQ_REQUEST_BLOCKED] = {"request_blocked_ns", UNIT_NS,
				 "http2: the client had to wait for permission to send"},
	[REQ_RESPONSE_BLOCKED] = {"response_blocked_ns", UNIT_NS, "likewise the server"},
	[REQ_REQUEST_BYTES] = {"request_bytes", UNIT_BYTES, "request on the wire"},
	[REQ_RESPONSE_BYTES] = {"response_bytes", UNIT_BYTES, "response on the wire"},
	[REQ_REQUEST_MESSAGES] = {"request_messages", UNIT_COUNT, "of grpc: messages asked"},
	[REQ_RESPONSE_MESSAGES] = {"response_messages", UNIT_COUNT, "and answered"},
	[REQ_ITEMS] = {"rows", UNIT_COUNT, "rows, keys or answers, where the protocol tells"},
	[REQ_NAMING] = {"naming", UNIT_TEXT,
			"http2, grpc: how the route is known: known, seeded (from a program's "
			"memory), opaque (sent before we came) or lost"},
	[REQ_HOST] = {"host", UNIT_TEXT, "Host header, or server name of TLS"},
	[REQ_USER_AGENT] = {"user_agent", UNIT_TEXT, "User-Agent; name of a client of SQL"},
	[REQ_CONTENT_TYPE] = {"content_type", UNIT_TEXT, "of the response, else of the request"},
	[REQ_USER] = {"user", UNIT_TEXT, "user@database of a session that begins"},
	[REQ_REQUEST_ID] = {"request_id", UNIT_TEXT, "X-Request-Id"},
	[REQ_TRACE_ID] = {"trace_id", UNIT_TEXT, "of traceparent"},
	[REQ_SPAN_ID] = {"span_id", UNIT_TEXT, "of traceparent"},
	[REQ_CONNECTION] = {"connection", UNIT_TEXT, "the socket's cookie"},
	[REQ_LOCAL_ADDR] = {"local_addr", UNIT_TEXT, "this end"},
	[REQ_LOCAL_PORT] = {"local_port", UNIT_NONE, "this end"},
	[REQ_REMOTE_ADDR] = {"remote_addr", UNIT_TEXT, "the other end"},
	[REQ_REMOTE_PORT] = {"remote_port", UNIT_NONE, "the other end"},
	[REQ_REMOTE_NAME] = {"remote_name", UNIT_TEXT, "service, pod or DNS name of the other end"},
	[REQ_TRANSPORT] = {"transport", UNIT_TEXT, "tcp, udp"},
	[REQ_TLS] = {"tls", UNIT_NONE, "encrypted on the wire"},
	[REQ_VIA] = {"via", UNIT_TEXT, "the hook that saw it"},
	[REQ_COMPLETE] =
		{"complete", UNIT_NONE,
		 "nothing of it was lost, and request and response certainly belong together"},
};

enum total_column {
	SUM_PROTOCOL,
	SUM_SIDE,
	SUM_OPERATION,
	SUM_RESOURCE,
	SUM_COUNT, /* counters from here on */
	SUM_ERRORS,
	SUM_SUM,
	SUM_SEND,
	SUM_WAIT,
	SUM_QUEUE,
	SUM_PROCESS,
	SUM_DOWNLOAD,
	SUM_NETWORK,
	SUM_REQUEST_BYTES,
	SUM_RESPONSE_BYTES,
	SUM_MIN, /* gauges from here on */
	SUM_MAX,
	SUM_P50,
	SUM_P90,
	SUM_P99,
	SUM_RATE,
	SUM_SEND_MEAN, /* the phases, in the order of enum phase */
	SUM_WAIT_MEAN,
	SUM_QUEUE_MEAN,
	SUM_PROCESS_MEAN,
	SUM_DOWNLOAD_MEAN,
	SUM_NETWORK_MEAN,
	SUM_OPEN,
	SUM_COLUMNS,
};

static const struct column_text total_columns[SUM_COLUMNS] = {
	[SUM_PROTOCOL] = {"protocol", UNIT_TEXT, NULL},
	[SUM_SIDE] = {"side", UNIT_TEXT, NULL},
	[SUM_OPERATION] = {"operation", UNIT_TEXT, NULL},
	[SUM_RESOURCE] = {"resource", UNIT_TEXT, NULL},
	[SUM_COUNT] = {"count", UNIT_COUNT, "exchanges since the item is on"},
	[SUM_ERRORS] = {"errors", UNIT_COUNT, "of these, errors"},
	[SUM_SUM] = {"duration_ns_sum", UNIT_NS, NULL},
	[SUM_MIN] = {"duration_ns_min", UNIT_NS, NULL},
	[SUM_MAX] = {"duration_ns_max", UNIT_NS, NULL},
	[SUM_P50] = {"duration_ns_p50", UNIT_NS, "of the last 10 to 20 seconds, within 1 %"},
	[SUM_P90] = {"duration_ns_p90", UNIT_NS, NULL},
	[SUM_P99] = {"duration_ns_p99", UNIT_NS, NULL},
	[SUM_RATE] = {"rate", UNIT_COUNT, "exchanges a second in the last 10 to 20 seconds"},
	[SUM_SEND_MEAN] = {"send_ns_mean", UNIT_NS, "phases of one exchange, likewise"},
	[SUM_WAIT_MEAN] = {"wait_ns_mean", UNIT_NS, "client: request written to response arrived"},
	[SUM_QUEUE_MEAN] = {"queue_ns_mean", UNIT_NS, "bytes lay unread in the socket"},
	[SUM_PROCESS_MEAN] = {"process_ns_mean", UNIT_NS,
			      "server: request read to response written"},
	[SUM_DOWNLOAD_MEAN] = {"download_ns_mean", UNIT_NS, "client: first to last read"},
	[SUM_NETWORK_MEAN] = {"network_ns_mean", UNIT_NS, "part of the wait"},
	[SUM_OPEN] = {"open", UNIT_COUNT, "of streams: that go on for more than a second now"},
	[SUM_SEND] = {"send_ns", UNIT_NS, "sums of phases"},
	[SUM_WAIT] = {"wait_ns", UNIT_NS, NULL},
	[SUM_QUEUE] = {"queue_ns", UNIT_NS, NULL},
	[SUM_PROCESS] = {"process_ns", UNIT_NS, NULL},
	[SUM_DOWNLOAD] = {"download_ns", UNIT_NS, NULL},
	[SUM_NETWORK] = {"network_ns", UNIT_NS, NULL},
	[SUM_REQUEST_BYTES] = {"request_bytes", UNIT_BYTES, NULL},
	[SUM_RESPONSE_BYTES] = {"response_bytes", UNIT_BYTES, NULL},
};

enum edge_column {
	EDGE_CLIENT,
	EDGE_SERVER,
	EDGE_PROTOCOL,
	EDGE_INTERVAL,
	EDGE_COUNT, /* counters from here on */
	EDGE_ERRORS,
	EDGE_DURATION,
	EDGE_REQUEST_BYTES,
	EDGE_RESPONSE_BYTES,
	EDGE_COLUMNS,
};

static const struct column_text edge_columns[EDGE_COLUMNS] = {
	[EDGE_CLIENT] = {"client", UNIT_TEXT,
			 "who asks: its service, else container, else process"},
	[EDGE_SERVER] = {"server", UNIT_TEXT, "who answers; of strangers the DNS name"},
	[EDGE_PROTOCOL] = {"protocol", UNIT_TEXT, NULL},
	[EDGE_INTERVAL] = {"interval_ns", UNIT_NS, "in the history: time that is summed up here"},
	[EDGE_COUNT] = {"count", UNIT_COUNT, "exchanges, each counted once"},
	[EDGE_ERRORS] = {"errors", UNIT_COUNT, "of these, errors"},
	[EDGE_DURATION] = {"duration_ns_sum", UNIT_NS, "as the client saw it, where it is here"},
	[EDGE_REQUEST_BYTES] = {"request_bytes", UNIT_BYTES, NULL},
	[EDGE_RESPONSE_BYTES] = {"response_bytes", UNIT_BYTES, NULL},
};

static int add_columns(struct layout *layout, const struct column_text *columns, size_t count,
		       struct err *why)
{
	for (size_t i = 0; i < count; i++) {
		int error =
			layout_add(layout, columns[i].name, columns[i].unit, columns[i].help, why);

		if (error < 0)
			return error;
	}
	return 0;
}

static const char *const request_shown[] = {
	"time",        "process", "side",     "protocol",   "operation",   "target",      "status",
	"duration_ns", "wait_ns", "queue_ns", "process_ns", "remote_name", "remote_port", NULL,
};
static const char *const total_shown[] = {
	"process",
	"container",
	"pod",
	"protocol",
	"side",
	"operation",
	"resource",
	"count",
	"errors",
	"rate",
	"open",
	"duration_ns_p50",
	"duration_ns_p99",
	"queue_ns_mean",
	"process_ns_mean",
	"wait_ns_mean",
	"network_ns_mean",
	NULL,
};

static const char *const edge_shown[] = {"client", "server",        "protocol",       "count",
					 "errors", "request_bytes", "response_bytes", NULL};

int tell_prepare(struct err *why)
{
	int error;

	if (request_total_layout.kind)
		return 0;
	layout_begin(&request_layout, WHO_OF_PID | 1 << WHO_TID);
	layout_begin(&request_total_layout, WHO_OF_CGROUP | 1 << WHO_PROCESS);
	error = add_columns(&request_layout, request_columns, REQ_COLUMNS, why);
	if (!error)
		error = add_columns(&request_total_layout, total_columns, SUM_COLUMNS, why);
	layout_begin(&request_edge_layout, 0);
	if (!error)
		error = add_columns(&request_edge_layout, edge_columns, EDGE_COLUMNS, why);
	if (!error)
		error = summary_layout(&request_summary_layout, why);
	if (error)
		return error;
	layout_row_kind(&request_summary_layout, "request_summary", 0, 0);
	layout_row_kind(&request_layout, "request", 0, 0);
	layout_show(&request_layout, request_shown);
	layout_row_kind(&request_total_layout, "request_total", SUM_MIN - SUM_COUNT,
			SUM_COLUMNS - SUM_MIN);
	layout_show(&request_total_layout, total_shown);
	layout_show(&request_edge_layout, edge_shown);
	layout_row_kind(&request_edge_layout, "request_edge", EDGE_COLUMNS - EDGE_COUNT, 0);
	return 0;
}

/* ---- texts ---- */

static void show_resource(const struct talk *talk, const struct message *request, struct shown *ret)
{
	size_t len;

	ret->resource[0] = 0;
	if (request->naming == NAMING_OPAQUE && !request->target.len) {
		show_opaque(talk, request->opaque, ret->resource);
	} else if (request->target_mask == TARGET_URL) {
		route_of_path(request->resource, ret->resource, sizeof(ret->resource));
	} else if (!strcmp(ret->protocol, "dns")) {
		route_of_name(request->resource, ret->resource, sizeof(ret->resource));
	} else {
		len = request->resource.len < sizeof(ret->resource) - 1 ? request->resource.len
									: sizeof(ret->resource) - 1;
		if (len)
			memcpy(ret->resource, request->resource.at, len);
		ret->resource[len] = 0;
	}
}

void show_opaque(const struct talk *talk, uint32_t opaque, char ret_name[OPAQUE_NAME_BYTES])
{
	snprintf(ret_name, OPAQUE_NAME_BYTES, "opaque:%llu:%u", (unsigned long long)talk->cookie,
		 opaque);
}

void show_path(const char *protocol, struct span path, struct shown *ret)
{
	struct span service, method;

	ret->protocol = protocol;
	ret->operation = (struct span){};
	if (!strncmp(protocol, "grpc", 4) && grpc_split_path(path, &service, &method)) {
		ret->operation = method;
		snprintf(ret->resource, sizeof(ret->resource), "%.*s", (int)service.len,
			 (const char *)service.at);
	} else {
		route_of_path(path, ret->resource, sizeof(ret->resource));
	}
}

/* What is spoken inside says the response, where the request did not. */
static const char *dialect_of(const struct exchange *exchange)
{
	return exchange->request.dialect || !exchange->has_response ? exchange->request.dialect
								    : exchange->response.dialect;
}

void show_names(const struct talk *talk, const struct exchange *exchange, struct shown *ret)
{
	const char *dialect = dialect_of(exchange);

	ret->protocol = dialect ? dialect : talk->conversation.protocol->name;
	ret->operation = exchange->request.operation;
	ret->status = (struct span){};
	if (exchange->has_response)
		ret->status = dialect ? exchange->response.chosen[CHOSEN_GRPC_STATUS]
				      : exchange->response.status;
	show_resource(talk, &exchange->request, ret);
}

static struct span show_target(const struct message *request, struct shown *shown)
{
	if (request->target_mask != TARGET_URL)
		return request->target;
	mask_url(request->target, shown->target, sizeof(shown->target));
	return span_of(shown->target);
}

static struct span show_message(const struct message *response, struct shown *shown)
{
	if (!response->is_error || !response->reason.len)
		return (struct span){};
	mask_text(response->reason, shown->message, sizeof(shown->message));
	return span_of(shown->message);
}

/* ---- records ---- */

struct filling {
	struct record *record;
	struct arena *arena;
	uint32_t first; /* own columns begin here */
	int error;
};

static void put_text(struct filling *filling, uint32_t column, struct span text)
{
	if (!filling->error)
		filling->error = record_set_text(filling->record, filling->first + column, text,
						 filling->arena);
}

static void put_u64(struct filling *filling, uint32_t column, uint64_t value)
{
	filling->record->value[filling->first + column] = value_u64(value);
}

static void put_true(struct filling *filling, uint32_t column, bool is_true)
{
	if (is_true)
		filling->record->value[filling->first + column] = value_bool(true);
}

/* version-traceid-spanid-flags (W3C Trace Context 3.2) */
static void put_trace(struct filling *filling, struct span traceparent)
{
	if (traceparent.len < 55 || traceparent.at[2] != '-' || traceparent.at[35] != '-')
		return;
	put_text(filling, REQ_TRACE_ID, (struct span){traceparent.at + 3, 32});
	put_text(filling, REQ_SPAN_ID, (struct span){traceparent.at + 36, 16});
}

static void put_address(struct filling *filling, uint32_t column, const uint8_t addr[ADDR_BYTES],
			uint16_t port)
{
	char text[ADDR_TEXT];

	if (addr_is_none(addr))
		return;
	put_text(filling, column, (struct span){(uint8_t *)text, addr_print(addr, text)});
	if (port)
		put_u64(filling, column + 1, port);
}

static void put_connection(struct filling *filling, const struct talk *talk, enum side side,
			   const struct resolver *resolver)
{
	bool is_peer_known = !addr_is_none(talk->remote_addr) &&
			     (side == SIDE_SERVER || !talk->has_several_peers);
	char cookie[24];

	snprintf(cookie, sizeof(cookie), "%llu", (unsigned long long)talk->cookie);
	if (!(talk->cookie & TLS_UNPROVEN)) /* else nobody knows its socket */
		put_text(filling, REQ_CONNECTION, span_of(cookie));
	if (talk->transport == REQUESTS_UNIX) { /* what stands for addresses there is nobody's business */
		put_text(filling, REQ_TRANSPORT, span_of("unix"));
		put_text(filling, REQ_REMOTE_NAME, span_of(talk->remote_name));
		return;
	}
	put_address(filling, REQ_LOCAL_ADDR, talk->local_addr, talk->local_port);
	if (is_peer_known)
		put_address(filling, REQ_REMOTE_ADDR, talk->remote_addr, talk->remote_port);
	put_text(filling, REQ_TRANSPORT, span_of(talk->transport == IPPROTO_UDP ? "udp" : "tcp"));
	if (resolver->peer && is_peer_known)
		put_text(filling, REQ_REMOTE_NAME,
			 resolver->peer(resolver->ctx, talk->remote_addr, talk->remote_port));
}

static void put_some(struct filling *filling, uint32_t column, uint64_t value)
{
	if (value)
		put_u64(filling, column, value);
}

static void put_times(struct filling *filling, const struct outcome *outcome)
{
	for (uint32_t i = 0; i < PHASES; i++)
		if (outcome->phases >> i & 1)
			put_u64(filling, REQ_SEND + i, outcome->phase_ns[i]);
	if (outcome->exchange->has_response || outcome->is_open)
		put_u64(filling, REQ_DURATION, outcome->duration_ns);
	put_true(filling, REQ_NETWORK_BOUND, outcome->is_network_bound);
	put_true(filling, REQ_OPEN, outcome->is_open);
	put_true(filling, REQ_ERROR, outcome->is_failure);
	put_some(filling, REQ_REQUEST_BLOCKED, outcome->exchange->request.blocked_ns);
	put_some(filling, REQ_RESPONSE_BLOCKED, outcome->exchange->response.blocked_ns);
}

static void put_naming(struct filling *filling, const struct talk *talk, enum naming naming)
{
	static const char *const names[] = {
		[NAMING_KNOWN] = "known",
		[NAMING_SEEDED] = "seeded",
		[NAMING_OPAQUE] = "opaque",
		[NAMING_LOST] = "lost",
	};

	if (talk->conversation.protocol == &http2)
		put_text(filling, REQ_NAMING, span_of(names[naming]));
}

/* Of gRPC: what HTTP says of it, and its messages. */
static void put_call(struct filling *filling, const struct exchange *exchange)
{
	put_u64(filling, REQ_REQUEST_MESSAGES, exchange->request.items);
	if (!exchange->has_response)
		return;
	put_u64(filling, REQ_RESPONSE_MESSAGES, exchange->response.items);
	put_text(filling, REQ_HTTP_STATUS, exchange->response.status);
}

/* Headers that may leave: no credentials, no cookies. Whatever looks like a secret in them is masked. */
static void put_header(struct filling *filling, uint32_t column, const char *name, struct span text)
{
	char masked[256];

	if (text.len) {
		mask_header(span_of(name), text, masked, sizeof(masked));
		put_text(filling, column, span_of(masked));
	}
}

static void put_headers(struct filling *filling, const struct exchange *exchange)
{
	const struct span *asked = exchange->request.chosen, *answered = exchange->response.chosen;
	bool has_type = exchange->has_response && answered[CHOSEN_CONTENT_TYPE].len;

	put_text(filling, REQ_HOST, asked[CHOSEN_HOST]);
	put_header(filling, REQ_USER_AGENT, "user-agent", asked[CHOSEN_USER_AGENT]);
	put_header(filling, REQ_CONTENT_TYPE, "content-type",
		   has_type ? answered[CHOSEN_CONTENT_TYPE] : asked[CHOSEN_CONTENT_TYPE]);
	put_text(filling, REQ_USER, asked[CHOSEN_USER]);
	put_text(filling, REQ_REQUEST_ID, asked[CHOSEN_REQUEST_ID]);
	put_trace(filling, asked[CHOSEN_TRACEPARENT]);
}

static void put_messages(struct filling *filling, const struct exchange *exchange,
			 struct shown *shown)
{
	const struct message *request = &exchange->request, *response = &exchange->response;

	put_text(filling, REQ_OPERATION, shown->operation);
	put_text(filling, REQ_RESOURCE, span_of(shown->resource));
	put_text(filling, REQ_TARGET, show_target(request, shown));
	put_headers(filling, exchange);
	put_u64(filling, REQ_REQUEST_BYTES, request->bytes);
	if (exchange->has_response) {
		put_text(filling, REQ_STATUS, shown->status);
		put_text(filling, REQ_MESSAGE, show_message(response, shown));
		put_u64(filling, REQ_RESPONSE_BYTES, response->bytes);
	}
	if (!strncmp(shown->protocol, "grpc", 4))
		put_call(filling, exchange);
	else if (exchange->has_response)
		put_some(filling, REQ_ITEMS, response->items);
}

int tell_exchange(struct item *item, const struct talk *talk, const struct outcome *outcome,
		  const struct who *who, const char *via, struct shown *shown, struct arena *arena,
		  struct record *record)
{
	struct filling filling = {record, arena, request_layout.count - REQ_COLUMNS, 0};

	record_begin(record, &request_layout, item_name(item), "request", outcome->began_ns,
		     item_resolver(item));
	filling.error = record_set_who(record, who, WHO_OF_PID, arena);
	if (talk->tid)
		record->value[request_layout.who[WHO_TID]] = value_u64(talk->tid);
	put_text(&filling, REQ_PROTOCOL, span_of(shown->protocol));
	put_naming(&filling, talk, outcome->exchange->request.naming);
	put_text(&filling, REQ_SIDE, span_of(outcome->side == SIDE_SERVER ? "server" : "client"));
	put_messages(&filling, outcome->exchange, shown);
	put_times(&filling, outcome);
	put_connection(&filling, talk, outcome->side, item_resolver(item));
	put_true(&filling, REQ_TLS, talk->via == VIA_LIBRARY);
	put_text(&filling, REQ_VIA, span_of(talk->via == VIA_LIBRARY ? "uprobe" : via));
	put_true(&filling, REQ_COMPLETE, outcome->is_whole);
	return filling.error;
}

int tell_edge(struct item *item, const struct edge_total *edge, uint64_t when_ns,
	      uint64_t interval_ns, struct arena *arena, struct record *record)
{
	struct filling filling = {record, arena, request_edge_layout.count - EDGE_COLUMNS, 0};

	record_begin(record, &request_edge_layout, item_name(item), "request_edge", when_ns,
		     item_resolver(item));
	put_text(&filling, EDGE_CLIENT, span_of(edge->client));
	put_text(&filling, EDGE_SERVER, span_of(edge->server));
	put_text(&filling, EDGE_PROTOCOL, span_of(edge->protocol));
	put_some(&filling, EDGE_INTERVAL, interval_ns);
	put_u64(&filling, EDGE_COUNT, edge->count);
	put_u64(&filling, EDGE_ERRORS, edge->errors);
	put_u64(&filling, EDGE_DURATION, edge->duration_ns_sum);
	put_u64(&filling, EDGE_REQUEST_BYTES, edge->request_bytes);
	put_u64(&filling, EDGE_RESPONSE_BYTES, edge->response_bytes);
	return filling.error;
}

static void put_quantiles(struct filling *filling, const struct total_operation *operation)
{
	static const double share[] = {0.5, 0.9, 0.99};
	struct sketch both = {};

	if (!sketch_merge(&both, &operation->recent[0]) &&
	    !sketch_merge(&both, &operation->recent[1]))
		for (uint32_t i = 0; both.count && i < 3; i++)
			put_u64(filling, SUM_P50 + i, (uint64_t)sketch_quantile(&both, share[i]));
	sketch_done(&both);
}

static void put_recent(struct filling *filling, const struct totals *totals,
		       const struct total_operation *operation)
{
	put_u64(filling, SUM_RATE,
		(uint64_t)(totals_rate(totals, operation, clock_monotonic_ns()) + 0.5));
	for (uint32_t i = 0; i < PHASES; i++)
		if (operation->phase_ns[i])
			put_u64(filling, SUM_SEND_MEAN + i, totals_mean(operation, (enum phase)i));
}

static struct who who_of(const struct total_who *who)
{
	return (struct who){
		.process = span_of(who->process),
		.container = span_of(who->container),
		.pod = span_of(who->pod),
		.namespace = span_of(who->namespace),
		.service = span_of(who->service),
	};
}

int tell_operation(struct item *item, const struct totals *totals,
		   const struct total_operation *operation, struct arena *arena,
		   struct record *record)
{
	const struct total_group *group = &totals->group[operation->group];
	struct who who = who_of(&totals->who[group->who]);
	struct filling filling = {record, arena, request_total_layout.count - SUM_COLUMNS, 0};

	record_begin(record, &request_total_layout, item_name(item), "request_total", 0,
		     item_resolver(item));
	filling.error = record_set_who(record, &who, WHO_OF_CGROUP | 1 << WHO_PROCESS, arena);
	put_text(&filling, SUM_PROTOCOL, span_of(group->protocol));
	put_text(&filling, SUM_SIDE, span_of(group->side == SIDE_SERVER ? "server" : "client"));
	put_text(&filling, SUM_OPERATION, span_of(operation->operation));
	put_text(&filling, SUM_RESOURCE, span_of(operation->resource));
	put_u64(&filling, SUM_COUNT, operation->count);
	put_u64(&filling, SUM_ERRORS, operation->errors);
	if (operation->min_ns <= operation->max_ns) {
		put_u64(&filling, SUM_SUM, operation->sum_ns);
		put_u64(&filling, SUM_MIN, operation->min_ns);
		put_u64(&filling, SUM_MAX, operation->max_ns);
		put_quantiles(&filling, operation);
	}
	for (uint32_t i = 0; i < PHASES; i++)
		if (operation->phase_ns[i])
			put_u64(&filling, SUM_SEND + i, operation->phase_ns[i]);
	put_u64(&filling, SUM_REQUEST_BYTES, operation->request_bytes);
	put_u64(&filling, SUM_RESPONSE_BYTES, operation->response_bytes);
	put_some(&filling, SUM_OPEN, operation->open);
	put_recent(&filling, totals, operation);
	return filling.error;
}
