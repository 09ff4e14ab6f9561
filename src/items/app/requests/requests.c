// SPDX-License-Identifier: GPL-2.0-only
/*
 * requests, the user half - from events to exchanges (talk.c), from these to sums (totals.c) and records (tell.c).
 *
 * Every exchange is counted. A record is made of it only when somebody will take it.
 */
#include "items/item.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "items/app/requests/tell.h"
#include "protocol/shapes.h"
#include "record/stream.h"
#include "world/world.h"

enum {
	SHAPES = 8192, /* statements remembered for their later executions */
	RECORD_BYTES = 64 * 1024,
	TURN_SECONDS = 10,
};

static const uint64_t ask_again_ns = 5ull * 1000000000;

struct requests {
	struct item *item;
	struct object *object; /* whose maps were mapped; borrowed, only compared */
	struct talks talks;
	struct totals totals;
	struct shapes shapes;
	struct arena arena;
	char via[48]; /* the hook that tells of sends */
	uint32_t ticks;
};

/* ---- metrics ---- */

enum { METRIC_DURATION, METRIC_PHASE, METRIC_ERRORS, METRIC_BYTES, METRICS };

static const struct metric metrics[METRICS] = {
	[METRIC_DURATION] = {.name = "sonde_request_duration_seconds",
			     .type = METRIC_HISTOGRAM,
			     .unit = "seconds",
			     .help = (char *)"Exchanges of a service by operation and status, and "
					     "how long they took",
			     .scale = 1e-9,
			     .low = 1 << 13,
			     .high = 1ull << 35},
	[METRIC_PHASE] = {.name = "sonde_request_phase_seconds",
			  .type = METRIC_HISTOGRAM,
			  .unit = "seconds",
			  .help = (char *)"Where the time of exchanges went",
			  .scale = 1e-9,
			  .low = 1 << 13,
			  .high = 1ull << 35},
	[METRIC_ERRORS] = {.name = "sonde_request_errors_total",
			   .type = METRIC_COUNTER,
			   .help = (char *)"Exchanges that failed, by operation and status",
			   .scale = 1},
	[METRIC_BYTES] = {.name = "sonde_request_bytes_total",
			  .type = METRIC_COUNTER,
			  .unit = "bytes",
			  .help = (char *)"Bytes of requests and responses on the wire",
			  .scale = 1},
};

enum { GROUP_LABELS = 7 };

static size_t label_group(const struct totals *totals, const struct total_group *group,
			  struct label label[GROUP_LABELS])
{
	const struct total_who *who = &totals->who[group->who];
	const struct label all[] = {
		{"process", span_of(who->process)},
		{"container", span_of(who->container)},
		{"pod", span_of(who->pod)},
		{"namespace", span_of(who->namespace)},
		{"service", span_of(who->service)},
		{"protocol", span_of(group->protocol)},
		{"side", span_of(group->side == SIDE_SERVER ? "server" : "client")},
	};

	memcpy(label, all, sizeof(all));
	return GROUP_LABELS;
}

static void collect_group(const struct totals *totals, const struct total_group *group,
			  struct collector *out)
{
	static const char *const phase_name[PHASES] = {
		[PHASE_SEND] = "send",         [PHASE_WAIT] = "wait",
		[PHASE_QUEUE] = "queue",       [PHASE_PROCESS] = "process",
		[PHASE_DOWNLOAD] = "download", [PHASE_NETWORK] = "network",
	};
	struct label label[GROUP_LABELS + 1];
	size_t count = label_group(totals, group, label);

	label[count].name = "direction";
	label[count].value = span_of("request");
	collector_add(out, METRIC_BYTES, label, count + 1, (double)group->request_bytes);
	label[count].value = span_of("response");
	collector_add(out, METRIC_BYTES, label, count + 1, (double)group->response_bytes);
	label[count].name = "phase";
	for (int i = 0; i < PHASES; i++) {
		bool is_empty = true;

		for (int n = 0; is_empty && n < METRIC_SLOTS; n++)
			is_empty = !group->phase[i].slot[n];
		label[count].value = span_of(phase_name[i]);
		if (!is_empty)
			collector_add_histogram(out, METRIC_PHASE, label, count + 1,
						group->phase[i].slot, group->phase[i].sum);
	}
}

static void collect_operation(const struct totals *totals, const struct total_operation *operation,
			      struct collector *out)
{
	struct label label[GROUP_LABELS + 4];
	size_t count = label_group(totals, &totals->group[operation->group], label);

	label[count++] = (struct label){"operation", span_of(operation->operation)};
	label[count++] = (struct label){"resource", span_of(operation->resource)};
	if (operation->is_overflow)
		label[count++] = (struct label){"overflow", span_of("true")};
	for (uint32_t i = 0; i < operation->statuses; i++) {
		const struct total_status *status = &operation->status[i];

		label[count] = (struct label){"status", span_of(status->text)};
		collector_add_histogram(out, METRIC_DURATION, label, count + 1,
					status->duration.slot, status->duration.sum);
		if (status->errors)
			collector_add(out, METRIC_ERRORS, label, count + 1, (double)status->errors);
	}
}

static void collect(struct item *item, void *state, struct collector *out)
{
	const struct requests *requests = state;
	const struct totals *totals = &requests->totals;

	for (uint32_t i = 0; i < totals->groups; i++)
		collect_group(totals, &totals->group[i], out);
	for (uint32_t i = 0; i < totals->operations; i++)
		collect_operation(totals, &totals->operation[i], out);
}

/* ---- exchanges ---- */

/* Who holds the connection now. Asked again when another process uses it, and now and then. */
static uint32_t who_of_talk(struct requests *requests, struct talk *talk, struct who *ret_who)
{
	const struct resolver *resolver = item_resolver(requests->item);
	bool is_stale = !talk->who || talk->who_pid != talk->pid ||
			talk->heard_ns - talk->who_ns > ask_again_ns;

	*ret_who = (struct who){.pid = talk->pid};
	if (!is_stale)
		return talk->who - 1;
	if (resolver->pid)
		resolver->pid(resolver->ctx, talk->pid, talk->heard_ns, ret_who);
	ret_who->pid = talk->pid;
	talk->who = totals_who(&requests->totals, ret_who) + 1;
	talk->who_pid = talk->pid;
	talk->who_ns = talk->heard_ns;
	return talk->who - 1;
}

static void publish(struct requests *requests, struct talk *talk, const struct outcome *outcome,
		    struct shown *shown)
{
	const struct resolver *resolver = item_resolver(requests->item);
	struct who who = {.pid = talk->pid};
	struct record record;

	if (resolver->pid)
		resolver->pid(resolver->ctx, talk->pid, outcome->began_ns, &who);
	arena_clear(&requests->arena);
	if (tell_exchange(requests->item, talk, outcome, &who, requests->via, shown,
			  &requests->arena, &record))
		item_count(requests->item, "dropped", "no_memory", 1);
	else
		item_publish(requests->item, &record);
}

static void on_outcome(void *ctx, struct talk *talk, struct outcome *outcome)
{
	struct requests *requests = ctx;
	struct exchange exchange = *outcome->exchange;
	const char *protocol = talk->conversation.protocol->name;
	struct total_entry entry;
	struct shown shown;
	struct who who;

	if (exchange.request.shape)
		shapes_resolve(&requests->shapes, &exchange.request);
	outcome->exchange = &exchange;
	show_resource(protocol, &exchange.request, &shown);
	entry = (struct total_entry){
		.who = who_of_talk(requests, talk, &who),
		.side = outcome->side,
		.protocol = protocol,
		.operation = shown.operation,
		.resource = span_of(shown.resource),
		.status = exchange.response.status,
		.is_error =
			exchange.has_response ? exchange.response.is_error : exchange.is_given_up,
		.request_bytes = exchange.request.bytes,
		.response_bytes = exchange.response.bytes,
		.outcome = outcome,
	};
	if (!exchange.has_response) {
		entry.status = (struct span){};
		entry.response_bytes = 0;
	}
	if (entry.who == UINT32_MAX)
		item_count(requests->item, "dropped", "table_full", 1);
	else
		totals_add(&requests->totals, &entry);
	if (stream_wanted(item_stream(requests->item), item_name(requests->item)))
		publish(requests, talk, outcome, &shown);
}

/* ---- what the registry calls ---- */

static void event(struct item *item, void *state, const struct event_head *event, size_t size)
{
	struct requests *requests = state;

	talks_event(&requests->talks, event, size);
}

/* The chosen hook of sends: "tp_btf/sock_send_length" -> "sock_send_length". */
static void note_route(struct requests *requests)
{
	const struct hook_choice *hook;

	for (size_t i = 0; (hook = object_hook(requests->object, i)); i++) {
		const char *slash = hook->section ? strchr(hook->section, '/') : NULL;

		if (!strcmp(hook->hook, "send") && slash)
			snprintf(requests->via, sizeof(requests->via), "%s", slash + 1);
	}
}

/* At the start, and when another version of the programs runs: its maps are new. */
static void follow_object(struct requests *requests)
{
	uint64_t head_bytes = (uint64_t)item_param(requests->item, "head_bytes");

	requests->object = item_object(requests->item);
	requests->talks.verdicts = object_mapped(requests->object, "verdicts");
	requests->talks.ports = object_mapped(requests->object, "ports");
	requests->talks.head_log2 = head_bytes > 1 ? 63 - (unsigned)__builtin_clzll(head_bytes) : 0;
	note_route(requests);
}

static void stop(struct item *item, void *state)
{
	struct requests *requests = state;

	talks_done(&requests->talks);
	totals_done(&requests->totals);
	shapes_done(&requests->shapes);
	arena_done(&requests->arena);
	free(requests);
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct requests *requests = calloc(1, sizeof(*requests));

	if (!requests)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	requests->item = item;
	arena_init(&requests->arena, RECORD_BYTES);
	talks_init(&requests->talks, TALKS, on_outcome, requests);
	if (totals_init(&requests->totals) || !shapes_init(&requests->shapes, SHAPES)) {
		stop(item, requests);
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	}
	follow_object(requests);
	*ret_state = requests;
	return 0;
}

static void tick(struct item *item, void *state, uint64_t now_ns)
{
	struct requests *requests = state;

	if (requests->object != item_object(item))
		follow_object(requests);
	talks_tick(&requests->talks, now_ns);
	if (++requests->ticks % TURN_SECONDS == 0)
		totals_turn(&requests->totals);
}

static int rows(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct requests *requests = state;
	struct record record;

	for (uint32_t i = 0; i < requests->totals.operations; i++) {
		arena_clear(&requests->arena);
		if (tell_operation(item, &requests->totals, &requests->totals.operation[i],
				   &requests->arena, &record)) {
			item_count(item, "dropped", "no_memory", 1);
			continue;
		}
		if (!each(ctx, &record))
			break;
	}
	return 0;
}

static const struct layout *const layouts[] = {&request_total_layout, NULL};
static const struct layout *const events[] = {&request_layout, NULL};

static const struct item_option options[] = {
	{"slow", "TIME", "(duration_ns >= %s or duration_ns_max >= %s)",
	 "that took at least this long"},
	{"errors", NULL, "(error or errors > 0)", "that failed"},
	{"path", "GLOB", "(target = \"%s\" or resource = \"%s\")",
	 "whose target or route is like this"},
	{0},
};

const struct item_ops requests_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.start = start,
	.event = event,
	.tick = tick,
	.prepare = tell_prepare,
	.layouts = layouts,
	.events = events,
	.rows_first = true,
	.options = options,
	.rows = rows,
	.collect = collect,
	.stop = stop,
};
