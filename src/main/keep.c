// SPDX-License-Identifier: GPL-2.0-only
/* keep - the agent's history: what goes into it, how it fares, and what is said about it. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "main/agent_private.h"

enum { ARENAS = 2 /* of malloc: each thread more would hold memory of its own */ };
#define SECOND 1000000000ull

static void take(void *ctx, const struct record *record)
{
	if (!record->is_passing)
		history_take(ctx, record);
}

static uint32_t seconds(const struct agent *agent, const char *key)
{
	uint64_t value = config_number(agent->config, key) / SECOND;

	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

int keep_start(struct agent *agent, struct err *why)
{
	const struct history_options options = {
		.loop = agent->loop,
		.path = config_text(agent->config, "store.path"),
		.size = config_number(agent->config, "store.size"),
		.keep_s = seconds(agent, "store.keep.records"),
		.tier_keep_s = {seconds(agent, "store.keep.samples"),
				seconds(agent, "store.keep.samples_15s"),
				seconds(agent, "store.keep.samples_5m")},
		.interval_s = seconds(agent, "store.interval"),
		.machine_interval_s = seconds(agent, "store.machine_interval"),
	};
	int error;

	/* an agent for one command leaves nothing behind */
	if (agent->options.only || !config_bool(agent->config, "store.on") || !options.size ||
	    !options.path)
		return 0;
	mallopt(M_ARENA_MAX, ARENAS);
	error = history_new(&options, &agent->history, why);
	if (error)
		return error;
	agent->records = stream_subscribe(agent->stream, NULL, NULL, take, agent->history);
	return agent->records ? 0
			      : err_set(why, -ENOMEM, "cannot start the history: out of memory");
}

void keep_stop(struct agent *agent)
{
	if (agent->records)
		stream_unsubscribe(agent->records);
	agent->records = NULL;
	agent->api.history = NULL;
	agent->api.alerts = NULL;
	alerts_stop(agent->alerts);
	history_free(agent->history);
	agent->history = NULL;
	alerts_free(agent->alerts);
	agent->alerts = NULL;
}

/* Once when something goes wrong, once when it is over. */
static void say_trouble(struct agent *agent, const struct history_status *status)
{
	if (!strcmp(agent->trouble, status->trouble))
		return;
	memcpy(agent->trouble, status->trouble, sizeof(agent->trouble));
	if (!status->trouble[0])
		log_info("history: all is well again");
	else if (status->state == HISTORY_FAILED)
		log_warn("there is no history: %s; everything else goes on", status->trouble);
	else
		log_warn("history: %s; everything else goes on", status->trouble);
}

/* Without a history the last records are kept in memory. */
static void do_without(struct agent *agent)
{
	keep_stop(agent);
	if (serve_keep_recent(agent->serve, config_number(agent->config, "limits.recent")))
		log_warn("the last records are not kept in memory either: out of memory");
}

static void keep_all(struct agent *agent)
{
	struct family **families;
	size_t of_items, count = agent_families(agent, &families, &of_items);

	if (families)
		history_sample(agent->history, families, count, clock_wall_ns(), false);
	free(families);
}

/* Of the machine as a whole: read from a few files, without the maps of processes. */
static void keep_machine(struct agent *agent)
{
	enum { FAMILIES_MAX = 256 };
	struct family *families[FAMILIES_MAX];
	uint64_t now_ns = clock_monotonic_ns();
	struct item *item;
	size_t count = 0;

	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++) {
		struct family *const *of_item = NULL;
		size_t more = item_poll_machine(item, now_ns, &of_item);

		for (size_t k = 0; k < more && count < FAMILIES_MAX; k++)
			families[count++] = of_item[k];
	}
	if (count)
		history_sample(agent->history, families, count, clock_wall_ns(), true);
}

void keep_tick(struct agent *agent)
{
	const struct history_options *options;
	const struct history_status *status;

	if (!agent->history)
		return;
	status = history_status(agent->history);
	say_trouble(agent, status);
	if (status->state == HISTORY_FAILED) {
		do_without(agent);
		return;
	}
	options = history_options(agent->history);
	if ((agent->ticks - 1) % options->interval_s == 0)
		keep_all(agent);
	else if (options->machine_interval_s &&
		 (agent->ticks - 1) % options->machine_interval_s == 0)
		keep_machine(agent);
}

/* ---- what is said about it ---- */

static void add_flow(struct agent *agent, const char *what, const struct history_flow *flow)
{
	struct family *to = agent->own[OWN_STORE_FLOW];
	struct label labels[3] = {
		{"what", span_of(what)}, {"stage", span_of("offered")}, {"reason"}};

	family_add(to, labels, 2, (double)flow->offered);
	labels[1].value = span_of("accepted");
	family_add(to, labels, 2, (double)flow->accepted);
	labels[1].value = span_of("delivered");
	family_add(to, labels, 2, (double)flow->delivered);
	labels[1].value = span_of("expired");
	family_add(to, labels, 2, (double)flow->expired);
	labels[1].value = span_of("refused");
	for (int i = 0; i < HISTORY_REFUSALS; i++) {
		labels[2].value = span_of(history_refusal_name(i));
		family_add(to, labels, 3, (double)flow->refused[i]);
	}
	family_add(agent->own[OWN_STORE_QUEUED], labels, 1, (double)flow->queued);
}

static void add_table(struct agent *agent, const struct history_table *table)
{
	struct label name = {"table", span_of(table->table.name)};
	struct label labels[] = {{"item", span_of(table->table.name)},
				 {"stage", span_of("stored")}};

	family_add(agent->own[OWN_STORE_BYTES], &name, 1, (double)table->table.bytes);
	family_add(agent->own[OWN_STORE_ROWS], &name, 1, (double)table->table.rows);
	if (table->table.from_ns)
		family_add(agent->own[OWN_STORE_OLDEST], &name, 1, (double)table->table.from_ns);
	if (table->stored)
		family_add(agent->own[OWN_STORED], labels, 2, (double)table->stored);
	labels[1].value = span_of("expired");
	if (table->expired)
		family_add(agent->own[OWN_STORED], labels, 2, (double)table->expired);
}

void keep_metrics(struct agent *agent)
{
	const struct history_status *status = history_status(agent->history);
	struct label room = {"room", span_of("store")}, series = {"table", span_of("series")};

	add_flow(agent, "records", &status->records);
	add_flow(agent, "samples", &status->samples);
	for (size_t i = 0; i < status->tables; i++)
		add_table(agent, &status->table[i]);
	family_add(agent->own[OWN_STORE_WELL], NULL, 0,
		   status->state == HISTORY_OPEN && status->store.mode == STORE_WRITES);
	family_add(agent->own[OWN_MEMORY], &room, 1,
		   (double)(status->store.memory + status->queued_bytes));
	family_add(agent->own[OWN_ENTRIES], &series, 1, (double)status->store.series);
	family_add(agent->own[OWN_LIMIT], &series, 1, CAP_SERIES_STORED);
	family_add(agent->own[OWN_REFUSED], &series, 1, (double)status->store.series_refused);
}

static void flow_json(const char *name, const struct history_flow *flow, struct json *out)
{
	uint64_t refused = 0;

	json_key(out, name);
	json_object(out);
	json_key_u64(out, "offered", flow->offered);
	json_key_u64(out, "accepted", flow->accepted);
	for (int i = 0; i < HISTORY_REFUSALS; i++)
		refused += flow->refused[i];
	json_key_u64(out, "refused", refused);
	if (refused) {
		json_key(out, "refused_for");
		json_object(out);
		for (int i = 0; i < HISTORY_REFUSALS; i++)
			if (flow->refused[i])
				json_key_u64(out, history_refusal_name(i), flow->refused[i]);
		json_object_end(out);
	}
	json_key_u64(out, "delivered", flow->delivered);
	json_key_u64(out, "queued", flow->queued);
	json_key_u64(out, "expired", flow->expired);
	json_object_end(out);
}

static void time_json(const char *name, int64_t time_ns, struct json *out)
{
	char text[TIME_TEXT];

	if (!time_ns)
		return;
	time_print((uint64_t)time_ns, 9, text);
	json_key_str(out, name, text);
}

static void table_json(const struct history_table *table, struct json *out)
{
	json_object(out);
	json_key_str(out, "name", table->table.name);
	json_key_u64(out, "rows", table->table.rows);
	json_key_u64(out, "bytes", table->table.bytes);
	time_json("from", table->table.from_ns, out);
	time_json("to", table->table.to_ns, out);
	json_object_end(out);
}

static const char *mode_of(const struct history_status *status)
{
	static const char *const modes[] = {
		[STORE_WRITES] = "writes", [STORE_READS] = "reads", [STORE_MEMORY] = "memory"};

	return status->state == HISTORY_OPEN     ? modes[status->store.mode]
	       : status->state == HISTORY_FAILED ? "off"
						 : "opening";
}

void keep_status(struct agent *agent, struct json *out)
{
	const struct history_status *status =
		agent->history ? history_status(agent->history) : NULL;

	json_key(out, "store");
	json_object(out);
	json_key_str(out, "mode", status ? mode_of(status) : "off");
	if (agent->trouble[0])
		json_key_str(out, "trouble", agent->trouble);
	if (status) {
		json_key_str(out, "path", history_options(agent->history)->path);
		json_key_u64(out, "bytes", status->store.bytes);
		json_key_u64(out, "limit_bytes", history_options(agent->history)->size);
		json_key_u64(out, "interval_ns",
			     history_options(agent->history)->interval_s * SECOND);
		json_key_u64(out, "machine_interval_ns",
			     history_options(agent->history)->machine_interval_s * SECOND);
		json_key_u64(out, "memory_bytes", status->store.memory + status->queued_bytes);
		json_key_u64(out, "series", status->store.series);
		flow_json("records", &status->records, out);
		flow_json("samples", &status->samples, out);
		json_key_u64(out, "questions", status->questions);
		json_key(out, "tables");
		json_array(out);
		for (size_t i = 0; i < status->tables; i++)
			if (status->table[i].table.rows)
				table_json(&status->table[i], out);
		json_array_end(out);
	}
	json_object_end(out);
}
