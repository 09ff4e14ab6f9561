// SPDX-License-Identifier: GPL-2.0-only
/* requests, the user half - from events to exchanges (talk.c), and what becomes of those (account.c, totals.c, tell.c). */
#include "items/app/requests/inside.h"

#include "base/clock.h"
#include "record/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SHAPES = 8192, /* statements remembered for their later executions */
	RECORD_BYTES = 64 * 1024,
	EXAMPLE_BYTES = 16 * 1024,
	INTERVAL_SECONDS = 10, /* of summaries */
};

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

/* At the start, and when another version of the programs runs: its maps may be new. */
static void follow_object(struct requests *requests)
{
	uint64_t head_bytes = (uint64_t)item_param(requests->item, "head_bytes");

	requests->object = item_object(requests->item);
	requests->talks.verdicts = object_mapped(requests->object, "verdicts");
	requests->talks.ports = object_mapped(requests->object, "ports");
	requests->talks.passes = object_mapped(requests->object, "passes");
	if (item_param(requests->item, "usual"))
		usual_follow(&requests->talks, object_mapped(requests->object, "usual_settings"),
			     object_mapped(requests->object, "usual_known"),
			     object_mapped(requests->object, "usual_slots"));
	else
		usual_follow(&requests->talks, NULL, NULL, NULL);
	requests->talks.head_log2 = head_bytes > 1 ? 63 - (unsigned)__builtin_clzll(head_bytes) : 0;
	note_route(requests);
	narrow(requests);
}

static void stop(struct item *item, void *state)
{
	struct requests *requests = state;

	talks_done(&requests->talks);
	totals_done(&requests->totals);
	aggregate_free(requests->aggregate);
	map_done(&requests->edges);
	buf_done(&requests->json);
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
	buf_init(&requests->json, EXAMPLE_BYTES);
	map_init(&requests->edges, sizeof(uint64_t), sizeof(struct edge_total), EDGES);
	talks_init(&requests->talks, (size_t)item_param(item, "connections"), account_exchange,
		   requests);
	requests->talks.is_wanted = account_wants;
	account_note_demands(requests);
	requests->aggregate = aggregate_new(NULL, account_whose, requests);
	if (!requests->aggregate || totals_init(&requests->totals, clock_monotonic_ns()) ||
	    !shapes_init(&requests->shapes, SHAPES)) {
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

	narrow(requests);
	if (requests->talks.usual.settings) /* who watches wants to see each as it comes */
		requests->talks.usual.settings->batch =
			stream_watched(item_stream(requests->item), item_name(requests->item))
				? 1
				: USUAL_BATCH;
	talks_tick(&requests->talks, now_ns);
	account_note_demands(requests);
	account_open(requests, now_ns);
	if (++requests->ticks % INTERVAL_SECONDS == 0)
		account_interval(requests, INTERVAL_SECONDS * 1000000000ull);
}

/* What waits in the old one's slots is taken out before they go. */
static int replaced(struct item *item, void **state, struct object *old, struct err *why)
{
	struct requests *requests = *state;

	usual_fetch(&requests->talks);
	follow_object(requests);
	return 0;
}

struct giving {
	struct requests *requests;
	bool (*each)(void *ctx, const struct record *row);
	void *ctx;
};

static bool give_edge(void *ctx, const struct edge_total *edge)
{
	const struct giving *giving = ctx;
	struct requests *requests = giving->requests;
	struct record record;

	arena_clear(&requests->arena);
	if (!tell_edge(requests->item, edge, 0, 0, &requests->arena, &record))
		return giving->each(giving->ctx, &record);
	item_count(requests->item, "dropped", "no_memory", 1);
	return true;
}

static int rows(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct requests *requests = state;
	struct giving giving = {requests, each, ctx};
	struct record record;

	usual_fetch(&requests->talks);
	for (uint32_t i = 0; i < requests->totals.operations; i++) {
		if (requests->totals.operation[i].is_gone)
			continue;
		arena_clear(&requests->arena);
		if (tell_operation(item, &requests->totals, &requests->totals.operation[i],
				   &requests->arena, &record)) {
			item_count(item, "dropped", "no_memory", 1);
			continue;
		}
		if (!each(ctx, &record))
			return 0;
	}
	edges_each(requests, give_edge, &giving);
	return 0;
}

static const struct layout *const layouts[] = {&request_total_layout, &request_edge_layout, NULL};
static const struct layout *const events[] = {&request_layout, NULL};
static const struct layout *const summaries[] = {&request_summary_layout, NULL};

static const struct item_option options[] = {
	{"slow", "TIME", "(duration_ns >= %s or duration_ns_max >= %s)",
	 "that took at least this long: 100ms, 2s"},
	{"errors", NULL, "(error or errors > 0)", "that failed, as their protocol says"},
	{"path", "GLOB", "(target = \"%s\" or resource = \"%s\")",
	 "whose target or route is like this: '/api/*', 'shop.Orders', users"},
	{"protocol", "NAME", "protocol = \"%s\"",
	 "http, http2, grpc, postgresql, mysql, redis ..."},
	{"service", "GLOB", "(service = \"%s\" or client = \"%s\" or server = \"%s\")",
	 "of this service; edges to it and from it"},
	{"edges", NULL, "kind = request_edge", "who calls whom, and nothing else"},
	{0},
};

static const char more[] =
	"One line for each operation of each service: how often (count since the line before, rate "
	"a\n"
	"second), how many failed, how long they took, and where an exchange's time went. `side` "
	"says\n"
	"which end the process is; with both ends on this machine there is a line for each.\n"
	"\n"
	"  server:  queue (unread in the socket)  process (read to answered)  send\n"
	"  client:  send  wait = network + the server's queue and process  queue  download\n"
	"\n"
	"A long queue: the server does not come round to reading (too few workers, a busy loop). A "
	"long\n"
	"process: its own work, or what it waits for; look at its lines as a client. A wait far "
	"above the\n"
	"server's times: the network, or a proxy between. The second table says who calls whom.\n"
	"\n"
	"examples:\n"
	"  sonde requests                                   everything, anew each second\n"
	"  sonde requests --sort duration_ns_p99 -n 10      the ten slowest operations\n"
	"  sonde requests --errors --by container           what fails, by container\n"
	"  sonde requests --follow --slow 100ms             each exchange that takes 100 ms or "
	"more\n"
	"  sonde requests --follow --path '/api/*' -p 4711  each request of one process to these "
	"paths\n"
	"  sonde requests --follow --where 'protocol = postgresql and operation = UPDATE'\n"
	"  sonde requests --edges                           who calls whom\n"
	"  sonde requests --follow --json -n 1              one exchange with all that is known of "
	"it";

const struct item_ops requests_item = {
	.more = more,
	.metrics = request_metrics,
	.metric_count = REQUEST_METRICS,
	.start = start,
	.event = event,
	.tick = tick,
	.prepare = tell_prepare,
	.layouts = layouts,
	.events = events,
	.summaries = summaries,
	.narrows = true,
	.rows_first = true,
	.options = options,
	.rows = rows,
	.collect = figures_collect,
	.replaced = replaced,
	.stop = stop,
};
