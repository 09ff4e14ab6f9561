// SPDX-License-Identifier: GPL-2.0-only
/* figures - the totals as metrics, and what became of messages and bytes: nothing is lost silently. */
#include "items/app/requests/inside.h"

#include "base/clock.h"

enum {
	METRIC_DURATION,
	METRIC_PHASE,
	METRIC_ERRORS,
	METRIC_BYTES,
	METRIC_EDGES,
	METRIC_OPEN,
	METRIC_MESSAGES,
	METRIC_STREAM,
	METRICS,
};

const struct metric request_metrics[METRICS] = {
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
	[METRIC_EDGES] = {.name = "sonde_edge_requests_total",
			  .type = METRIC_COUNTER,
			  .help = (char *)"Exchanges between two services, each counted once",
			  .scale = 1},
	[METRIC_OPEN] =
		{.name = "sonde_requests_open",
		 .type = METRIC_GAUGE,
		 .help = (char *)"Streams of HTTP/2 and gRPC that have gone on for more than a "
				 "second",
		 .scale = 1},
	[METRIC_MESSAGES] =
		{.name = "sonde_request_messages_total",
		 .type = METRIC_COUNTER,
		 .help = (char *)"What became of messages: paired, silent, unanswered, unpaired",
		 .scale = 1},
	[METRIC_STREAM] = {.name = "sonde_request_stream_bytes_total",
			   .type = METRIC_COUNTER,
			   .unit = "bytes",
			   .help = (char *)"What became of bytes of connections that were read: "
					   "captured, cut, lost",
			   .scale = 1},
};

_Static_assert((int)METRICS == REQUEST_METRICS, "all of them");

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

static size_t label_operation(const struct totals *totals, const struct total_operation *operation,
			      struct label label[GROUP_LABELS + 4])
{
	size_t count = label_group(totals, &totals->group[operation->group], label);

	label[count++] = (struct label){"operation", span_of(operation->operation)};
	label[count++] = (struct label){"resource", span_of(operation->resource)};
	if (operation->is_overflow)
		label[count++] = (struct label){"overflow", span_of("true")};
	return count;
}

/* The slowest exchange since the last time stands for its bucket: by its trace, else by its connection. */
static void collect_example(struct total_status *status, const struct label *label, size_t count,
			    struct collector *out)
{
	struct total_example *example = &status->example;

	if (!example->id[0])
		return;
	collector_exemplar(out, METRIC_DURATION, label, count, (double)example->ns,
			   example->is_trace ? "trace_id" : "connection", example->id,
			   clock_wall_of(example->ktime_ns));
	*example = (struct total_example){};
}

static void collect_operation(const struct totals *totals, const struct total_operation *operation,
			      struct collector *out)
{
	struct label label[GROUP_LABELS + 4];
	size_t count = label_operation(totals, operation, label);

	if (operation->is_gone)
		return;
	if (operation->open)
		collector_add(out, METRIC_OPEN, label, count, operation->open);
	for (uint32_t i = 0; i < operation->statuses; i++) {
		struct total_status *status = &operation->status[i];

		label[count] = (struct label){"status", span_of(status->text)};
		collector_add_histogram(out, METRIC_DURATION, label, count + 1,
					status->duration.slot, status->duration.sum);
		if (status->errors)
			collector_add(out, METRIC_ERRORS, label, count + 1, (double)status->errors);
		collect_example(status, label, count + 1, out);
	}
}

void figures_forget(void *ctx, const struct total_operation *operation)
{
	struct requests *requests = ctx;
	struct label label[GROUP_LABELS + 4];
	size_t count = label_operation(&requests->totals, operation, label);

	for (uint32_t i = 0; i < operation->statuses; i++) {
		label[count] = (struct label){"status", span_of(operation->status[i].text)};
		item_forget_series(requests->item, METRIC_DURATION, label, count + 1);
		item_forget_series(requests->item, METRIC_ERRORS, label, count + 1);
	}
}

static bool collect_edge(void *ctx, const struct edge_total *edge)
{
	struct label label[] = {{"client", span_of(edge->client)},
				{"server", span_of(edge->server)},
				{"protocol", span_of(edge->protocol)}};

	collector_add(ctx, METRIC_EDGES, label, 3, (double)edge->count);
	return true;
}

static void collect_edges(struct requests *requests, struct collector *out)
{
	struct label overflow = {"overflow", span_of("true")};
	uint64_t overflowed = edges_overflowed(requests);

	edges_each(requests, collect_edge, out);
	if (overflowed)
		collector_add(out, METRIC_EDGES, &overflow, 1, (double)overflowed);
}

/* requests: found = paired + silent + unanswered + unpaired + open; responses: found = paired + unpaired_response + early */
static void collect_counts(const struct requests *requests, struct collector *out)
{
	struct talks_sum sum;
	struct label state = {.name = "state"};

	talks_sum(&requests->talks, &sum);
	const struct {
		size_t metric;
		const char *name;
		uint64_t count;
	} all[] = {
		{METRIC_MESSAGES, "paired", sum.pairs.paired},
		{METRIC_MESSAGES, "silent", sum.pairs.silent},
		{METRIC_MESSAGES, "unanswered", sum.pairs.given_up},
		{METRIC_MESSAGES, "unpaired", sum.pairs.lost_requests},
		{METRIC_MESSAGES, "unpaired_response", sum.pairs.lost_responses},
		{METRIC_MESSAGES, "pushed", sum.pairs.pushes},
		{METRIC_MESSAGES, "interim", sum.pairs.interims},
		{METRIC_MESSAGES, "bad", sum.bad},
		{METRIC_MESSAGES, "left_out", 2 * requests->talks.usual.counts.left_out},
		{METRIC_STREAM, "captured", sum.captured},
		{METRIC_STREAM, "cut", sum.cut},
		{METRIC_STREAM, "lost", sum.lost},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		state.value = span_of(all[i].name);
		collector_add(out, all[i].metric, &state, 1, (double)all[i].count);
	}
}

void figures_collect(struct item *item, void *state, struct collector *out)
{
	struct requests *requests = state;
	const struct totals *totals = &requests->totals;

	usual_fetch(&requests->talks);
	for (uint32_t i = 0; i < totals->groups; i++)
		collect_group(totals, &totals->group[i], out);
	for (uint32_t i = 0; i < totals->operations; i++)
		collect_operation(totals, &totals->operation[i], out);
	collect_edges(requests, out);
	collect_counts(requests, out);
}
