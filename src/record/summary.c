// SPDX-License-Identifier: GPL-2.0-only
/* summary - rows of aggregate.c as records of kind `request_summary`. */
#include "record/aggregate.h"

#include "record/histogram.h"

enum summary_column {
	TRANSPORT,
	SIDE,
	PROTOCOL,
	OPERATION,
	RESOURCE,
	TARGET,
	STATUS,
	ERROR,
	TLS,
	REMOTE_NAME,
	REMOTE_ADDR,
	REMOTE_PORT,
	LOCAL_PORT,
	OVERFLOW,
	INTERVAL,
	COUNT,
	ERRORS,
	REQUEST_BYTES,
	RESPONSE_BYTES,
	DURATION_SUM,
	DURATION_MIN,
	DURATION_MAX,
	DURATION_P50,
	DURATION_P90,
	DURATION_P99,
	DURATIONS,
	PHASE_SUM, /* REQUEST_PHASES of them */
	NETWORK_BOUND = PHASE_SUM + REQUEST_PHASES,
	EXAMPLE,
	EXAMPLES,
	COLUMNS,
};

static const struct {
	const char *name;
	enum unit unit;
	const char *help;
} columns[COLUMNS] = {
	[TRANSPORT] = {"transport", UNIT_TEXT, "tcp, udp or unix"},
	[SIDE] = {"side", UNIT_TEXT, "client or server: which end this is"},
	[PROTOCOL] = {"protocol", UNIT_TEXT, "http, mysql, postgresql, redis, dns ..."},
	[OPERATION] = {"operation", UNIT_TEXT, "method, verb or command: GET, SELECT, HGET, A"},
	[RESOURCE] = {"resource", UNIT_TEXT, "route, table or name that was asked for"},
	[TARGET] = {"target", UNIT_TEXT, "the statement, without its data"},
	[STATUS] = {"status", UNIT_TEXT, "the protocol's own code"},
	[ERROR] = {"error", UNIT_NONE, "true: the protocol calls this status an error"},
	[TLS] = {"tls", UNIT_NONE, "true: encrypted on the wire"},
	[REMOTE_NAME] = {"remote_name", UNIT_TEXT, "service, pod or DNS name of the other end"},
	[REMOTE_ADDR] = {"remote_addr", UNIT_TEXT, "address of the other end"},
	[REMOTE_PORT] = {"remote_port", UNIT_NONE, "port that was called there"},
	[LOCAL_PORT] = {"local_port", UNIT_NONE, "port that was called here"},
	[OVERFLOW] = {"overflow", UNIT_NONE, "true: what found no row of its own"},
	[INTERVAL] = {"interval_ns", UNIT_NS, "time that is summed up here"},
	[COUNT] = {"count", UNIT_COUNT, "requests"},
	[ERRORS] = {"errors", UNIT_COUNT, "of them, failed"},
	[REQUEST_BYTES] = {"request_bytes", UNIT_BYTES, "all requests together"},
	[RESPONSE_BYTES] = {"response_bytes", UNIT_BYTES, "all responses together"},
	[DURATION_SUM] = {"duration_ns_sum", UNIT_NS, "all durations together"},
	[DURATION_MIN] = {"duration_ns_min", UNIT_NS, "the fastest"},
	[DURATION_MAX] = {"duration_ns_max", UNIT_NS, "the slowest"},
	[DURATION_P50] = {"duration_ns_p50", UNIT_NS, "half were faster (within 1 %)"},
	[DURATION_P90] = {"duration_ns_p90", UNIT_NS, "nine of ten were faster (within 1 %)"},
	[DURATION_P99] = {"duration_ns_p99", UNIT_NS, "99 of 100 were faster (within 1 %)"},
	[DURATIONS] = {"duration_ns_sketch", UNIT_NONE,
		       "all durations, for percentiles of any time; shown nowhere"},
	[PHASE_SUM + REQUEST_SEND] = {"send_ns_sum", UNIT_NS, "given away, not yet sent"},
	[PHASE_SUM + REQUEST_WAIT] = {"wait_ns_sum", UNIT_NS, "client: until the answer began"},
	[PHASE_SUM + REQUEST_QUEUE] = {"queue_ns_sum", UNIT_NS, "arrived, not yet read"},
	[PHASE_SUM + REQUEST_PROCESS] = {"process_ns_sum", UNIT_NS, "server: read to answered"},
	[PHASE_SUM +
		REQUEST_DOWNLOAD] = {"download_ns_sum", UNIT_NS, "client: the answer's length"},
	[PHASE_SUM +
		REQUEST_NETWORK] = {"network_ns_sum", UNIT_NS, "of the wait, not the server's"},
	[NETWORK_BOUND] = {"network_bound", UNIT_NONE, "true: network_ns_sum is only a bound"},
	[EXAMPLE] = {"example", UNIT_TEXT, "the slowest of them, whole"},
	[EXAMPLES] = {"examples", UNIT_TEXT, "some more of them, whole, of other durations"},
};

const char *request_side_name(enum request_side side)
{
	static const char *const names[] = {
		[REQUEST_CLIENT] = "client",
		[REQUEST_SERVER] = "server",
	};

	return names[side];
}

const char *request_transport_name(enum request_transport transport)
{
	static const char *const names[] = {
		[REQUEST_TCP] = "tcp",
		[REQUEST_UDP] = "udp",
		[REQUEST_UNIX] = "unix",
	};

	return names[transport];
}

const char *request_phase_name(enum request_phase phase)
{
	static const char *const names[] = {
		[REQUEST_SEND] = "send",         [REQUEST_WAIT] = "wait",
		[REQUEST_QUEUE] = "queue",       [REQUEST_PROCESS] = "process",
		[REQUEST_DOWNLOAD] = "download", [REQUEST_NETWORK] = "network",
	};

	return names[phase];
}

int summary_layout(struct layout *layout, struct err *why)
{
	layout_begin(layout, WHO_OF_PID);
	for (int i = 0; i < COLUMNS; i++) {
		int result =
			layout_add(layout, columns[i].name, columns[i].unit, columns[i].help, why);

		if (result < 0)
			return result;
	}
	return 0;
}

/* Where the own columns of a record begin: they are the layout's last. */
static struct value *own_values(struct record *record)
{
	return record->value + record->layout->count - COLUMNS;
}

static struct value flag(bool truth)
{
	return truth ? value_bool(true) : (struct value){};
}

static struct value port(uint16_t number)
{
	return number ? value_u64(number) : (struct value){};
}

static int set_texts(struct record *record, const struct summary *summary, struct arena *arena)
{
	uint32_t first = record->layout->count - COLUMNS;
	const struct {
		enum summary_column column;
		struct span text;
	} texts[] = {
		{PROTOCOL, summary->protocol},       {OPERATION, summary->operation},
		{RESOURCE, summary->resource},       {TARGET, summary->target},
		{STATUS, summary->status},           {REMOTE_NAME, summary->remote_name},
		{REMOTE_ADDR, summary->remote_addr}, {EXAMPLE, summary->example},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		int result = record_set_text(record, first + texts[i].column, texts[i].text, arena);

		if (result)
			return result;
	}
	if (summary->example.len)
		own_values(record)[EXAMPLE].kind = VALUE_JSON;
	return 0;
}

/* [one,another]. Without memory for them the row goes without. */
static void set_examples(struct record *record, const struct summary *summary, struct arena *arena)
{
	size_t room = 2, len = 0;
	char *text;

	for (int i = 0; i < SUMMARY_EXAMPLES; i++)
		room += summary->other[i].whole.len ? summary->other[i].whole.len + 1 : 0;
	text = room == 2 ? NULL : arena_new(arena, room);
	if (!text)
		return;
	for (int i = 0; i < SUMMARY_EXAMPLES; i++) {
		struct span whole = summary->other[i].whole;

		if (!whole.len)
			continue;
		text[len] = len ? ',' : '[';
		memcpy(text + len + 1, whole.at, whole.len);
		len += whole.len + 1;
	}
	text[len++] = ']';
	own_values(record)[EXAMPLES] =
		(struct value){.kind = VALUE_JSON, .text = {(uint8_t *)text, len}};
}

static void set_identity(struct value *value, const struct summary *summary)
{
	value[SIDE] = value_str(request_side_name(summary->side));
	value[TRANSPORT] = value_str(request_transport_name(summary->transport));
	value[ERROR] = flag(summary->is_error);
	value[TLS] = flag(summary->is_tls);
	value[REMOTE_PORT] = port(summary->remote_port);
	value[LOCAL_PORT] = port(summary->local_port);
	value[OVERFLOW] = flag(summary->is_overflow);
}

static struct value quantile(const struct summary *summary, double share)
{
	if (!summary->duration.count)
		return (struct value){};
	return value_u64((uint64_t)(sketch_quantile(&summary->duration, share) + 0.5));
}

static void set_numbers(struct value *value, const struct summary *summary)
{
	value[COUNT] = value_u64(summary->count);
	value[ERRORS] = value_u64(summary->errors);
	value[REQUEST_BYTES] = value_u64(summary->request_bytes);
	value[RESPONSE_BYTES] = value_u64(summary->response_bytes);
	value[DURATION_SUM] = value_u64(summary->duration_sum);
	value[DURATION_MIN] = value_u64(summary->duration_min);
	value[DURATION_MAX] = value_u64(summary->duration_max);
	value[DURATION_P50] = quantile(summary, 0.5);
	value[DURATION_P90] = quantile(summary, 0.9);
	value[DURATION_P99] = quantile(summary, 0.99);
	for (int i = 0; i < REQUEST_PHASES; i++)
		if (summary->phase[i].count)
			value[PHASE_SUM + i] = value_u64(summary->phase[i].sum);
	value[NETWORK_BOUND] = flag(summary->is_network_bound);
}

/* So that percentiles of an hour can be had from its summaries. Without memory for it the row goes without. */
static void set_sketch(struct value *value, const struct sketch *sketch, struct arena *arena)
{
	struct buf written;
	char *copy;

	buf_init(&written, SKETCH_BYTES_MAX);
	if (sketch->count && !sketch_write(sketch, &written)) {
		copy = arena_str(arena, buf_as_span(&written));
		if (copy)
			*value = (struct value){.kind = VALUE_SKETCH,
						.text = {(uint8_t *)copy, written.len}};
	}
	buf_done(&written);
}

int summary_record(struct record *record, const struct layout *layout,
		   const struct summary *summary, const char *item, uint64_t when_ns,
		   uint64_t interval_ns, const struct resolver *resolver, struct arena *arena)
{
	int result;

	record_begin(record, layout, item, "request_summary", when_ns, resolver);
	result = record_set_who(record, summary->whose, WHO_OF_PID, arena);
	if (!result)
		result = set_texts(record, summary, arena);
	if (result)
		return result;
	set_examples(record, summary, arena);
	set_identity(own_values(record), summary);
	set_numbers(own_values(record), summary);
	set_sketch(&own_values(record)[DURATIONS], &summary->duration, arena);
	own_values(record)[INTERVAL] = value_u64(interval_ns);
	return 0;
}

struct slots {
	const struct metric *metric;
	uint64_t *slot;
};

static void add_bucket(void *ctx, double middle, uint64_t count)
{
	struct slots *slots = ctx;

	slots->slot[histogram_slot(slots->metric, middle)] += count;
}

void summary_slots(const struct summary *summary, const struct metric *metric,
		   uint64_t ret_slot[METRIC_SLOTS])
{
	struct slots slots = {metric, ret_slot};

	memset(ret_slot, 0, METRIC_SLOTS * sizeof(*ret_slot));
	sketch_each(&summary->duration, add_bucket, &slots);
}
