// SPDX-License-Identifier: GPL-2.0-only
/* answers - what the agent says to its API: status, items, metrics, rows; and what the API may change. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/agent_private.h"


static struct item *find(struct agent *agent, const char *name, struct err *why)
{
	struct item *item = registry_find(agent->registry, name);

	if (!item)
		err_set(why, -ENOENT, "there is no item '%s'; 'sonde items' lists them", name);
	return item;
}

/* ---- the agent about itself ---- */

static const struct metric own_metrics[OWN_METRICS] = {
	[OWN_BUILD] = {.name = "sonde_build_info", .type = METRIC_GAUGE, .scale = 1, .help = "1; the version is a label"},
	[OWN_CPU] = {.name = "sonde_process_cpu_seconds_total", .type = METRIC_COUNTER, .scale = 1,
		     .unit = "seconds", .help = "CPU time of the agent's two processes"},
	[OWN_MEMORY] = {.name = "sonde_memory_bytes", .type = METRIC_GAUGE, .scale = 1, .unit = "bytes",
			.help = "Memory by room; broker and worker are whole processes (resident)"},
	[OWN_ENTRIES] = {.name = "sonde_table_entries", .type = METRIC_GAUGE, .scale = 1,
			 .help = "Entries of the agent's tables"},
	[OWN_LIMIT] = {.name = "sonde_table_limit", .type = METRIC_GAUGE, .scale = 1,
		       .help = "Entries that a table may have"},
	[OWN_REFUSED] = {.name = "sonde_table_evicted_total", .type = METRIC_COUNTER, .scale = 1,
			 .help = "Entries that a full table refused or let go before their time"},
	[OWN_STORED] = {.name = "sonde_item_events_total", .type = METRIC_COUNTER, .scale = 1,
			.help = "Events of items by what became of them"},
	[OWN_STORE_FLOW] = {.name = "sonde_store_events_total", .type = METRIC_COUNTER, .scale = 1,
			    .help = "Records and samples on their way into the history: offered = accepted + refused, "
				    "accepted = delivered + queued + expired"},
	[OWN_STORE_QUEUED] = {.name = "sonde_store_queued", .type = METRIC_GAUGE, .scale = 1,
			      .help = "Records and samples that wait for the history's writer"},
	[OWN_STORE_BYTES] = {.name = "sonde_store_bytes", .type = METRIC_GAUGE, .scale = 1, .unit = "bytes",
			     .help = "Disk space of the history, by table"},
	[OWN_STORE_ROWS] = {.name = "sonde_store_rows", .type = METRIC_GAUGE, .scale = 1,
			    .help = "Rows (of samples: points) that the history holds, by table"},
	[OWN_STORE_OLDEST] = {.name = "sonde_store_oldest_seconds", .type = METRIC_GAUGE, .scale = 1e-9,
			      .unit = "seconds", .help = "Time of the oldest row of a table, since 1970"},
	[OWN_STORE_WELL] = {.name = "sonde_store_writable", .type = METRIC_GAUGE, .scale = 1,
			    .help = "1 while the history is written to disk"},
};

int agent_make_own(struct agent *agent)
{
	for (int i = 0; i < OWN_METRICS; i++) {
		agent->own[i] = family_new(&own_metrics[i], 256);
		if (!agent->own[i])
			return -ENOMEM;
	}
	return 0;
}

struct process_use {
	double cpu_seconds;
	uint64_t resident_bytes;
};

/* utime and stime are fields 14 and 15 of /proc/PID/stat, rss is field 24 (proc(5)). */
static struct process_use use_of(pid_t pid)
{
	struct process_use use = {};
	unsigned long user = 0, system = 0;
	char path[64], text[1024];
	const char *fields;
	long rss = 0;
	FILE *file;
	size_t got;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return use;
	got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[got] = 0;
	fields = strrchr(text, ')'); /* the name may hold anything */
	if (fields && sscanf(fields + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d "
			     "%*u %*u %ld",
			     &user, &system, &rss) == 3) {
		use.cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
		use.resident_bytes = (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	return use;
}

static void own_processes(struct agent *agent)
{
	struct label label = {"process", span_of("worker")}, room = {"room", span_of("worker")};
	struct process_use use = use_of(getpid());

	family_add(agent->own[OWN_CPU], &label, 1, use.cpu_seconds);
	family_add(agent->own[OWN_MEMORY], &room, 1, (double)use.resident_bytes);
	label.value = room.value = span_of("broker");
	use = use_of(getppid());
	family_add(agent->own[OWN_CPU], &label, 1, use.cpu_seconds);
	family_add(agent->own[OWN_MEMORY], &room, 1, (double)use.resident_bytes);
	room.value = span_of("serve");
	family_add(agent->own[OWN_MEMORY], &room, 1, (double)serve_bytes(agent->serve));
}

static void own_tables(struct agent *agent)
{
	struct world_table table;

	for (size_t i = 0; world_table(agent->world, i, &table); i++) {
		struct label label = {"table", span_of(table.name)};
		struct label room = {"room", span_of(table.name)};

		family_add(agent->own[OWN_ENTRIES], &label, 1, (double)table.entries);
		family_add(agent->own[OWN_LIMIT], &label, 1, (double)table.limit);
		family_add(agent->own[OWN_REFUSED], &label, 1, (double)(table.evicted + table.refused));
		family_add(agent->own[OWN_MEMORY], &room, 1, (double)table.bytes);
	}
}

struct family *const *agent_own(struct agent *agent, uint64_t now_ns)
{
	struct label version = {"version", span_of(SONDE_VERSION)};

	for (int i = 0; i < OWN_METRICS; i++)
		family_begin(agent->own[i]);
	family_add(agent->own[OWN_BUILD], &version, 1, 1);
	own_processes(agent);
	own_tables(agent);
	if (agent->history)
		keep_metrics(agent);
	for (int i = 0; i < OWN_METRICS; i++)
		family_end(agent->own[i], now_ns);
	return agent->own;
}

size_t agent_families(struct agent *agent, struct family ***ret_families, size_t *ret_of_items)
{
	struct family *const *families, **all;
	uint64_t now_ns;
	size_t count, used = 0, room = 64 + OWN_METRICS;
	struct item *item;

	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++) {
		item_families(item, &count);
		room += count;
	}
	all = calloc(room, sizeof(*all));
	*ret_families = all;
	*ret_of_items = 0;
	agent_drain(agent);
	now_ns = clock_monotonic_ns();
	if (!all)
		return 0;
	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++) {
		if (item_state(item) != ITEM_ON && item_state(item) != ITEM_ASLEEP)
			continue;
		item_poll(item, now_ns);
		families = item_families(item, &count);
		for (size_t n = 0; n < count; n++)
			all[used++] = families[n];
	}
	*ret_of_items = used;
	families = registry_families(agent->registry, now_ns, &count);
	for (size_t i = 0; i < count && used < room; i++)
		all[used++] = families[i];
	families = agent_own(agent, now_ns);
	for (size_t i = 0; i < OWN_METRICS && used < room; i++)
		all[used++] = families[i];
	if (agent->alerts) {
		families = alerts_families(agent->alerts, now_ns, &count);
		for (size_t i = 0; i < count && used < room; i++)
			all[used++] = families[i];
	}
	count = serve_families(agent->serve, &families);
	for (size_t i = 0; i < count && used < room; i++)
		all[used++] = families[i];
	return used;
}

/* `outlets.prometheus.by`: families of items (the first ones) are put into what is asked for; returns how many there are now. */
static size_t sum_up(struct agent *agent, struct family **all, size_t of_items, size_t count)
{
	enum coarseness level = coarseness_of(config_text(agent->config, "outlets.prometheus.by"));
	struct family **fine;
	size_t left;

	if (agent->coarse && coarse_level(agent->coarse) != level) {
		coarse_free(agent->coarse);
		agent->coarse = NULL;
	}
	if (level == COARSE_PROCESS)
		return count;
	if (!agent->coarse)
		agent->coarse = coarse_new(level);
	fine = malloc((of_items + 1) * sizeof(*fine));
	if (!agent->coarse || !fine) {
		free(fine);
		return 0;
	}
	memcpy(fine, all, of_items * sizeof(*fine));
	left = coarse_families(agent->coarse, fine, of_items, all, clock_monotonic_ns());
	memmove(all + left, all + of_items, (count - of_items) * sizeof(*all));
	free(fine);
	return left + count - of_items;
}

static int answer_metrics(void *ctx, bool openmetrics, struct buf *out, struct err *why)
{
	struct agent *agent = ctx;
	struct family **all;
	size_t of_items, count = agent_families(agent, &all, &of_items);

	if (all)
		count = sum_up(agent, all, of_items, count);
	if (!all || !count) {
		free(all);
		return err_set(why, -ENOMEM, "cannot write the metrics: out of memory");
	}
	agent->scrapes++;
	families_write(all, count, openmetrics, out);
	free(all);
	return out->full ? err_set(why, -ENOSPC, "the metrics are larger than the answer may be; lower "
						 "'cap' of the largest items")
			 : 0;
}

static int by_metric_name(const void *a, const void *b)
{
	struct family *const *left = a, *const *right = b;

	return strcmp(family_metric(*left)->name, family_metric(*right)->name);
}

static void answer_metrics_each(void *ctx, void (*each)(void *each_ctx, const struct metric *metric),
				void *each_ctx)
{
	struct family **all;
	size_t of_items, count = agent_families(ctx, &all, &of_items);

	if (all)
		qsort(all, count, sizeof(*all), by_metric_name);
	for (size_t i = 0; i < count; i++)
		if (family_series(all[i]) && (!i || by_metric_name(&all[i - 1], &all[i]) != 0))
			each(each_ctx, family_metric(all[i]));
	free(all);
}

static void count_items(struct agent *agent, size_t count[ITEM_STATES_OF])
{
	struct item *item;

	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++)
		count[item_state(item)]++;
}

static void process_json(struct json *json, const char *name, pid_t pid)
{
	struct process_use use = use_of(pid);

	json_key(json, name);
	json_object(json);
	json_key_u64(json, "pid", (uint64_t)pid);
	json_key_double(json, "cpu_seconds", use.cpu_seconds);
	json_key_u64(json, "resident_bytes", use.resident_bytes);
	json_object_end(json);
}

static void memory_json(struct agent *agent, struct json *out)
{
	json_key(out, "memory");
	json_object(out);
	json_key_u64(out, "resident_bytes", use_of(getppid()).resident_bytes + use_of(getpid()).resident_bytes);
	json_key_u64(out, "limit_bytes", config_number(agent->config, "limits.memory"));
	json_object_end(out);
}

static void outlets_json(struct agent *agent, struct json *out)
{
	json_key(out, "outlets");
	json_object(out);
	json_key(out, "prometheus");
	json_object(out);
	json_key_str(out, "by", config_text(agent->config, "outlets.prometheus.by"));
	json_key_u64(out, "scrapes", agent->scrapes);
	json_object_end(out);
	json_object_end(out);
}

static int answer_status(void *ctx, struct json *out, struct err *why)
{
	struct agent *agent = ctx;
	size_t count[ITEM_STATES_OF] = {};
	struct item *item;

	count_items(agent, count);
	json_object(out);
	json_key_str(out, "version", SONDE_VERSION);
	json_key(out, "node");
	json_span(out, world_resolver(agent->world)->node);
	json_key_bool(out, "ready", agent->ready);
	json_key_u64(out, "uptime_ns", clock_monotonic_ns() - agent->started_ns);
	json_key_u64(out, "first_data_ns", agent->first_data_ns);
	process_json(out, "broker", getppid());
	process_json(out, "worker", getpid());
	json_key(out, "items");
	json_object(out);
	json_key_u64(out, "on", count[ITEM_ON]);
	json_key_u64(out, "off", count[ITEM_OFF]);
	json_key_u64(out, "skipped", count[ITEM_SKIPPED]);
	json_key_u64(out, "asleep", count[ITEM_ASLEEP]);
	json_object_end(out);
	json_key(out, "skipped");
	json_array(out);
	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++)
		if (item_state(item) == ITEM_SKIPPED) {
			json_object(out);
			json_key_str(out, "item", item_name(item));
			json_key_str(out, "reason", item_reason(item));
			json_object_end(out);
		}
	json_array_end(out);
	json_key(out, "losses");
	json_object(out);
	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++) {
		uint64_t lost = item_lost(item);

		if (lost)
			json_key_u64(out, item_name(item), lost);
	}
	json_object_end(out);
	memory_json(agent, out);
	keep_status(agent, out);
	outlets_json(agent, out);
	watch_status(agent, out);
	json_object_end(out);
	return 0;
}

static int answer_self(void *ctx, struct json *out, struct err *why)
{
	struct agent *agent = ctx;
	struct world_table table;
	struct item *item;

	json_object(out);
	process_json(out, "broker", getppid());
	process_json(out, "worker", getpid());
	json_key_u64(out, "stats_sampled_ns", agent->stats_ns);
	json_key(out, "items");
	json_array(out);
	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++)
		if (item_state(item) == ITEM_ON)
			item_cost_json(item, out);
	json_array_end(out);
	json_key(out, "tables");
	json_array(out);
	for (size_t i = 0; world_table(agent->world, i, &table); i++) {
		json_object(out);
		json_key_str(out, "name", table.name);
		json_key_u64(out, "entries", table.entries);
		json_key_u64(out, "limit", table.limit);
		json_key_u64(out, "bytes", table.bytes);
		json_key_u64(out, "evicted", table.evicted);
		json_key_u64(out, "refused", table.refused);
		json_object_end(out);
	}
	json_array_end(out);
	json_object_end(out);
	return 0;
}

static int answer_features(void *ctx, struct json *out, struct err *why)
{
	struct agent *agent = ctx;
	const struct feature *feature;

	json_object(out);
	json_key(out, "features");
	json_array(out);
	for (size_t i = 0; (feature = kernel_feature(agent->options.kernel, i)); i++) {
		json_object(out);
		json_key_str(out, "name", feature->name);
		json_key_bool(out, "there", feature->there);
		json_key_str(out, "for", feature->why);
		json_object_end(out);
	}
	json_array_end(out);
	json_object_end(out);
	kernel_forget_btf(agent->options.kernel);
	return 0;
}

static int answer_caps(void *ctx, struct json *out, struct err *why)
{
	struct agent *agent = ctx;
	struct item *item;
	struct buf text;

	buf_init(&text, 256);
	json_object(out);
	json_key(out, "items");
	json_array(out);
	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++) {
		buf_clear(&text);
		item_capabilities(item, &text);
		json_object(out);
		json_key_str(out, "item", item_name(item));
		json_key_str(out, "capabilities", buf_text(&text));
		json_object_end(out);
	}
	json_array_end(out);
	json_object_end(out);
	buf_done(&text);
	return 0;
}

static int answer_config(void *ctx, struct json *out, struct err *why)
{
	config_json(((struct agent *)ctx)->config, out);
	return 0;
}

static int answer_reload(void *ctx, struct json *out, struct err *why)
{
	return agent_reload(ctx, out, why);
}

static bool answer_ready(void *ctx, struct err *why)
{
	if (((struct agent *)ctx)->ready)
		return true;
	err_set(why, -EAGAIN, "items are being loaded");
	return false;
}

/* ---- items ---- */

static int answer_items(void *ctx, struct json *out, struct err *why)
{
	struct agent *agent = ctx;
	struct item *item;

	agent_drain(agent);
	json_array(out);
	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++)
		item_json(item, false, out);
	json_array_end(out);
	return 0;
}

/* Changes of alerts and what armed items collected are records like any other: they are asked for by the name of an item that
 * has no programs. NULL = that is none of them. */
static const struct layout *records_only(const struct agent *agent, const char *name)
{
	if (!strcmp(name, EVIDENCE_ITEM))
		return evidence_layout();
	return agent->alerts && !strcmp(name, ALERTS_ITEM) ? alerts_layout() : NULL;
}

static void describe_records(const char *name, const struct layout *layout, struct json *out)
{
	json_object(out);
	json_key_str(out, "name", name);
	json_key_str(out, "state", "on");
	json_key_bool(out, "on", true);
	json_key_bool(out, "builtin", true);
	json_key_str(out, "help",
		     strcmp(name, EVIDENCE_ITEM) ? "changes of alerts: what was found, what is over"
						 : "what armed items collected while they were awake");
	json_key(out, "records");
	json_array(out);
	json_object(out);
	json_key_str(out, "kind", layout->kind);
	json_key(out, "columns");
	layout_json(layout, out);
	json_object_end(out);
	json_array_end(out);
	json_key(out, "rows");
	json_array(out);
	json_array_end(out);
	json_object_end(out);
}

static int answer_item(void *ctx, const char *name, struct json *out, struct err *why)
{
	struct item *item = find(ctx, name, why);

	if (!item && records_only(ctx, name)) {
		describe_records(name, records_only(ctx, name), out);
		return 0;
	}
	if (!item)
		return -ENOENT;
	item_json(item, true, out);
	return 0;
}

static const char *answer_item_name(void *ctx, size_t i)
{
	struct item *item = registry_at(((struct agent *)ctx)->registry, i);

	return item ? item_name(item) : NULL;
}

static int answer_look(void *ctx, const char *name, struct api_item *ret_item, struct err *why)
{
	struct agent *agent = ctx;
	struct item *item = find(agent, name, why);
	const struct layout *layout;

	if (!item && records_only(ctx, name)) {
		*ret_item = (struct api_item){
			.is_on = true, .has_events = true, .layouts = 1, .layout = {records_only(ctx, name)}};
		return 0;
	}
	if (!item)
		return -ENOENT;
	agent_drain(agent); /* what happened before the question is part of the answer, but not of a live stream */
	*ret_item = (struct api_item){
		.is_on = item_state(item) == ITEM_ON,
		.has_events = item_has_events(item),
		.has_rows = item_has_rows(item),
	};
	for (size_t i = 0; i < API_LAYOUTS && (layout = item_layout(item, i)); i++)
		ret_item->layout[ret_item->layouts++] = layout;
	return 0;
}

/* A JSON value as the text a person would have written in the configuration. */
static struct span text_of_node(const struct json_node *node)
{
	if (node->type == JSON_BOOL)
		return span_of(node->truth ? "true" : "false");
	return node->text;
}

/* null: back to what the configuration says, or the item's default. */
static int set_back(struct agent *agent, struct item *item, const struct json_node *node, struct err *why)
{
	const struct setting *setting =
		config_item(agent->config, item_name(item), (const char *)node->key.at);

	if (setting && setting->node)
		return item_set(item, node->key, text_of_node(setting->node), why);
	return item_set_default(item, node->key, why);
}

static int answer_change(void *ctx, const char *name, const struct api_change *change, struct err *why)
{
	struct agent *agent = ctx;
	struct item *item = find(agent, name, why);
	const struct json_node *node = change->params ? change->params->child : NULL;
	int error = 0;

	if (!item)
		return -ENOENT;
	for (; !error && node; node = node->next)
		error = node->type == JSON_NULL ? set_back(agent, item, node, why)
						: item_set(item, node->key, text_of_node(node), why);
	if (error) {
		item_forget_changes(item);
		return error;
	}
	error = item_apply(item, why);
	if (!error && change->has_on)
		error = item_switch(item, change->on, why);
	kernel_forget_btf(agent->options.kernel);
	changes_tell(agent, "request");
	return error;
}

static int answer_add(void *ctx, const struct api_file *files, size_t count, bool check,
		      struct json *out, struct err *why)
{
	struct agent *agent = ctx;
	struct brought_files brought;
	struct item *item;
	int error = brought_pick(files, count, &brought, why);

	if (!error)
		error = brought_add(agent, &brought, &item, why);
	if (error)
		return error;
	item_json(item, true, out);
	if (check) {
		registry_remove(agent->registry, item, NULL);
		return 0;
	}
	brought_keep(agent, item);
	changes_tell(agent, "request");
	return 0;
}

/* Is it a configuration, and from what: files of the request, or its own as they are now. */
static int upgrade(struct item *item, const struct brought_files *files, struct err *why)
{
	if (files->script.len)
		return item_upgrade_script(item, files->script, why);
	if (files->yaml.len || item_config_text(item).len)
		return item_upgrade_config(item, files->yaml, files->object, why);
	return item_upgrade(item, files->object, why);
}

static int upgrade_from_file(struct agent *agent, struct item *item, struct err *why)
{
	struct brought_files files;
	struct buf bytes[2];
	int error;

	if (item_is_builtin(item))
		return err_set(why, -EPERM, "'%s' belongs to sonde: it comes with the program", item_name(item));
	error = brought_read(agent, item, bytes, &files, why);
	if (!error)
		error = upgrade(item, &files, why);
	buf_done(&bytes[0]);
	buf_done(&bytes[1]);
	return error;
}

static int answer_upgrade(void *ctx, const char *name, const struct api_file *files, size_t count,
			  struct err *why)
{
	struct agent *agent = ctx;
	struct item *item = find(agent, name, why);
	struct brought_files brought;
	int error;

	if (!item)
		return -ENOENT;
	error = brought_pick(files, count, &brought, why);
	if (!error)
		error = count ? upgrade(item, &brought, why) : upgrade_from_file(agent, item, why);
	if (!error && count && !item_is_builtin(item))
		brought_keep(agent, item);
	kernel_forget_btf(agent->options.kernel);
	return error;
}

static int answer_remove(void *ctx, const char *name, struct err *why)
{
	struct agent *agent = ctx;
	struct item *item = find(agent, name, why);
	int error;

	if (!item)
		return -ENOENT;
	if (!item_is_builtin(item))
		brought_forget(agent, item);
	error = registry_remove(agent->registry, item, why);
	changes_tell(agent, "request");
	return error;
}

static int answer_verb(void *ctx, const char *name, const char *verb, int argc, char **argv,
		       struct buf *out, struct err *why)
{
	struct item *item = find(ctx, name, why);

	return item ? item_run_verb(item, verb, argc, argv, out, why) : -ENOENT;
}

static int answer_hold(void *ctx, const char *name, struct err *why)
{
	struct agent *agent = ctx;
	struct item *item = find(agent, name, why);
	int error = item ? item_hold(item, why) : -ENOENT;

	kernel_forget_btf(agent->options.kernel);
	return error;
}

static void answer_release(void *ctx, const char *name)
{
	struct item *item = find(ctx, name, NULL);

	if (item)
		item_release(item);
}

static int answer_rows(void *ctx, const char *name, const char *by, api_row each, void *each_ctx,
		       struct err *why)
{
	struct item *item = find(ctx, name, why);
	int level = rows_by_name(by);

	if (level < 0)
		return err_set(why, level, "'by' is process, container, pod, service or host, not '%s'", by);
	return item ? item_rows(item, (enum rows_by)level, each, each_ctx, why) : -ENOENT;
}

static int answer_trace(void *ctx, const struct boxed_options *options, struct boxed **ret_boxed,
			struct err *why)
{
	struct agent *agent = ctx;

	return boxed_start(agent->options.kernel, agent->loop, options, ret_boxed, why);
}

void agent_answers(struct agent *agent)
{
	agent->api = (struct agent_api){
		.ctx = agent,
		.stream = agent->stream,
		.history = agent->history,
		.alerts = agent->alerts,
		.ready = answer_ready,
		.status = answer_status,
		.self = answer_self,
		.features = answer_features,
		.caps = answer_caps,
		.processes = answer_processes,
		.config = answer_config,
		.reload = answer_reload,
		.metrics = answer_metrics,
		.metrics_each = answer_metrics_each,
		.items = answer_items,
		.item = answer_item,
		.item_name = answer_item_name,
		.item_look = answer_look,
		.item_change = answer_change,
		.item_add = answer_add,
		.item_upgrade = answer_upgrade,
		.item_remove = answer_remove,
		.item_verb = answer_verb,
		.trace = answer_trace,
		.item_hold = answer_hold,
		.item_release = answer_release,
		.rows = answer_rows,
	};
}
