// SPDX-License-Identifier: GPL-2.0-only
/* report - what an item says of itself while it runs: state, hooks, cost, loss. */
#include "items/private.h"
#include "items/scripted/scripted.h"

#include <stdio.h>
#include <string.h>

static const char *const state_name[ITEM_STATES_OF] = {"off", "on", "skipped", "asleep"};
static const char *const by_name[] = {"host", "container", "process"};

/* enum count of item.bpf.h, as stage and reason. */
static const struct {
	const char *stage, *reason;
} count_name[COUNTS] = {
	{"emitted", NULL},	  {"filtered", NULL},	   {"lost", "ring_full"},
	{"lost", "map_full"},	  {"lost", "no_memory"}, {"lost", "unreadable"},
	{"lost", "no_state"},
};

struct totals {
	uint64_t kernel[COUNTS], missed, lost;
	uint64_t runs, run_ns;
};

static void read_totals(struct item *item, struct totals *totals)
{
	struct program_cost program;

	*totals = (struct totals){};
	item_read_counts(item, totals->kernel, &totals->missed);
	for (int i = 0; i < COUNTS; i++)
		if (!strcmp(count_name[i].stage, "lost"))
			totals->lost += totals->kernel[i];
	totals->lost += totals->missed;
	for (size_t i = 0; item->object && object_program(item->object, i, &program); i++) {
		totals->runs += program.runs;
		totals->run_ns += program.run_ns;
	}
}

static void take_sample(struct item *item, uint64_t on_ns)
{
	struct item_sample before = item->sample;
	struct totals totals;
	uint64_t runs, run_ns;

	read_totals(item, &totals);
	if (totals.runs < before.runs) /* another version since */
		before = (struct item_sample){};
	runs = totals.runs - before.runs;
	run_ns = totals.run_ns - before.run_ns;
	item->sample = (struct item_sample){
		.is_there = true,
		.runs = totals.runs,
		.run_ns = totals.run_ns,
		.events_per_second = (double)runs * 1e9 / (double)on_ns,
		.ns_per_event = runs ? (double)run_ns / (double)runs : 0,
		.cpu_share = (double)run_ns / (double)on_ns,
	};
}

void registry_sampled(struct registry *registry, uint64_t on_ns)
{
	registry->wants_sample = false;
	for (uint32_t i = 0; on_ns && i < registry->items; i++)
		if (registry->item[i]->started)
			take_sample(registry->item[i], on_ns);
}

bool registry_wants_sample(const struct registry *registry)
{
	return registry->wants_sample;
}

uint64_t item_lost(struct item *item)
{
	struct totals totals;

	read_totals(item, &totals);
	return totals.lost;
}

static void hooks_json(struct item *item, struct json *json)
{
	const struct object *object = item->object ? item->object : item->sleeper;
	const struct hook_choice *hook;

	json_key(json, "hooks");
	json_array(json);
	for (size_t i = 0; object && (hook = object_hook(object, i)); i++) {
		json_object(json);
		json_key_str(json, "hook", hook->hook);
		if (hook->section)
			json_key_str(json, "section", hook->section);
		if (hook->reason[0])
			json_key_str(json, "reason", hook->reason);
		json_object_end(json);
	}
	json_array_end(json);
}

static void settings_json(struct item *item, struct json *json)
{
	const char *option;

	json_key(json, "settings");
	json_object(json);
	json_key_str(json, "by", by_name[item->now.by]);
	if (item->where_text && item->where_text[0])
		json_key_str(json, "where", item->where_text);
	if (item->now.ring_bytes)
		json_key_u64(json, "ring", item->now.ring_bytes);
	for (uint32_t i = 0; item->desc && i < item->desc->params; i++) {
		const struct item_param *param = &item->desc->param[i];

		json_key(json, param->name);
		if (!strcmp(param->type, "bool"))
			json_bool(json, item->now.value[i]);
		else
			json_i64(json, item->now.value[i]);
	}
	for (size_t i = 0; (option = item_option(item, i)); i++)
		json_key_str(json, option, scripted_get(item->script, span_of(option)));
	for (uint32_t i = 0; i < item->now.forced_count; i++) {
		char key[64];

		snprintf(key, sizeof(key), "hook.%s", item->now.forced[i].hook);
		json_key_str(json, key, item->now.forced[i].alternative);
	}
	json_object_end(json);
}

static void events_json(struct item *item, const struct totals *totals, struct json *json)
{
	json_key(json, "events");
	json_object(json);
	json_key_u64(json, "emitted", totals->kernel[0]);
	json_key_u64(json, "filtered", totals->kernel[1]);
	json_key_u64(json, "read", item->tally.read);
	json_key_u64(json, "bad", item->tally.bad);
	json_key_u64(json, "published", item->tally.published);
	json_key_u64(json, "unwanted", item->tally.unwanted);
	json_key_u64(json, "dropped", item->tally.dropped);
	json_key_u64(json, "lost", totals->lost);
	json_key(json, "lost_by_reason");
	json_object(json);
	for (int i = 0; i < COUNTS; i++)
		if (count_name[i].reason && totals->kernel[i])
			json_key_u64(json, count_name[i].reason, totals->kernel[i]);
	if (totals->missed)
		json_key_u64(json, "recursion", totals->missed);
	json_object_end(json);
	json_object_end(json);
}

static size_t series_of(const struct item *item)
{
	size_t series = 0;

	for (uint32_t i = 0; i < item->families; i++)
		series += family_series(item->family[i]);
	return series;
}

static void sample_json(const struct item_sample *sample, struct json *json)
{
	if (!sample->is_there)
		return;
	json_key_double(json, "events_per_second", sample->events_per_second);
	if (sample->ns_per_event > 0)
		json_key_double(json, "ns_per_event", sample->ns_per_event);
	json_key_double(json, "cpu_share", sample->cpu_share);
}

void item_json(struct item *item, bool whole, struct json *json)
{
	struct totals totals;

	item_learn(item, NULL);
	read_totals(item, &totals);
	json_object(json);
	json_key_str(json, "name", item->name);
	json_key_str(json, "wing", item_wing(item));
	json_key_str(json, "state", state_name[item->state]);
	json_key_bool(json, "on", item->state == ITEM_ON || item->state == ITEM_ASLEEP);
	if (item->state == ITEM_SKIPPED)
		json_key_str(json, "reason", item->why.text);
	json_key_bool(json, "builtin", item->builtin != NULL);
	json_key_bool(json, "default", item_on_by_default(item));
	json_key_str(json, "help", item_help(item));
	armed_json(item, json);
	settings_json(item, json);
	hooks_json(item, json);
	events_json(item, &totals, json);
	json_key_u64(json, "lost", totals.lost);
	json_key_u64(json, "series", series_of(item));
	sample_json(&item->sample, json);
	if (totals.runs) {
		json_key_u64(json, "runs", totals.runs);
		json_key_double(json, "ns_per_run", (double)totals.run_ns / (double)totals.runs);
	}
	if (whole && item->form_json) {
		json_key(json, "form");
		item->form_json(item->form, json);
	}
	if (whole && item->desc) {
		json_key(json, "description");
		item_desc_json(item->desc, json);
	}
	if (whole)
		item_rows_json(item, json);
	json_object_end(json);
}

static void programs_json(struct item *item, struct json *json)
{
	struct program_cost program;

	json_key(json, "programs");
	json_array(json);
	for (size_t i = 0; item->object && object_program(item->object, i, &program); i++) {
		json_object(json);
		json_key_str(json, "name", program.name);
		json_key_u64(json, "id", program.id);
		if (program.instructions)
			json_key_u64(json, "instructions", program.instructions);
		json_key_u64(json, "runs", program.runs);
		json_key_u64(json, "run_ns", program.run_ns);
		json_key_u64(json, "missed", program.missed);
		json_object_end(json);
	}
	json_array_end(json);
}

static bool count_entry(void *ctx, const void *key, const void *value)
{
	(*(uint64_t *)ctx)++;
	return true;
}

/* Hashes have entries that come and go; arrays are always whole. */
static bool is_hash(uint32_t type)
{
	return type == 1 || type == 5 || type == 9 || type == 10; /* HASH, PERCPU_HASH, LRU_... */
}

static void maps_json(struct item *item, struct json *json)
{
	struct map_cost map;

	json_key(json, "maps");
	json_array(json);
	for (size_t i = 0; item->object && object_map(item->object, i, &map); i++) {
		uint64_t entries = 0;

		json_object(json);
		json_key_str(json, "name", map.name);
		json_key_u64(json, "bytes", map.bytes);
		json_key_u64(json, "max_entries", map.max_entries);
		if (is_hash(map.type) && object_read(item->object, map.name, count_entry, &entries) >= 0)
			json_key_u64(json, "entries", entries);
		json_object_end(json);
	}
	json_array_end(json);
}

void item_cost_json(struct item *item, struct json *json)
{
	struct totals totals;

	read_totals(item, &totals);
	json_object(json);
	json_key_str(json, "name", item->name);
	json_key_str(json, "state", state_name[item->state]);
	json_key_u64(json, "runs", totals.runs);
	json_key_u64(json, "run_ns", totals.run_ns);
	events_json(item, &totals, json);
	programs_json(item, json);
	maps_json(item, json);
	json_object_end(json);
}

enum { SELF_EVENTS, SELF_ON, SELF_SECONDS, SELF_WAKES, SELF_SERIES, SELF_METRICS };

static void add_stage(struct registry *registry, const struct item *item, const char *stage,
		      const char *reason, uint64_t count)
{
	struct label label[] = {
		{"item", span_of(item->name)}, {"stage", span_of(stage)}, {"reason", span_of(reason)}};

	family_add(registry->self[SELF_EVENTS], label, reason ? 3 : 2, (double)count);
}

static void add_counted(struct registry *registry, const struct item *item)
{
	size_t at = 0;
	const void *key;
	void *value;

	while (map_next(&item->counted, &at, &key, &value)) {
		const char *stage = key, *reason = stage + strlen(stage) + 1;
		uint64_t count;

		memcpy(&count, value, sizeof(count));
		add_stage(registry, item, stage, *reason ? reason : NULL, count);
	}
}

static void add_item(struct registry *registry, struct item *item)
{
	struct label label[] = {{"item", span_of(item->name)}, {"program", {}}};
	struct program_cost program;
	struct totals totals;

	family_add(registry->self[SELF_ON], label, 1, item->state == ITEM_ON);
	if (is_armed(&item->arming))
		family_add(registry->self[SELF_WAKES], label, 1, (double)item->arming.wakes);
	if (item->state == ITEM_OFF && !item->polls)
		return;
	read_totals(item, &totals);
	/* what came to the hooks: sorted out, sent on or lost */
	add_stage(registry, item, "seen", NULL, totals.kernel[0] + totals.kernel[1] + totals.lost);
	for (int i = 0; i < COUNTS; i++)
		add_stage(registry, item, count_name[i].stage, count_name[i].reason, totals.kernel[i]);
	add_stage(registry, item, "lost", "recursion", totals.missed);
	add_stage(registry, item, "read", NULL, item->tally.read);
	add_stage(registry, item, "bad", NULL, item->tally.bad);
	add_stage(registry, item, "parsed", NULL, item->tally.published);
	add_stage(registry, item, "dropped", "no_memory", item->tally.dropped);
	add_stage(registry, item, "dropped", "nobody_listens", item->tally.unwanted);
	add_counted(registry, item);
	family_add(registry->self[SELF_SERIES], label, 1, (double)series_of(item));
	for (size_t i = 0; item->object && object_program(item->object, i, &program); i++) {
		label[1].value = span_of(program.name);
		family_add(registry->self[SELF_SECONDS], label, 2, (double)program.run_ns);
	}
}

struct family *const *registry_families(struct registry *registry, uint64_t now_ns, size_t *ret_count)
{
	for (int i = 0; i < SELF_METRICS; i++)
		family_begin(registry->self[i]);
	for (uint32_t i = 0; i < registry->items; i++)
		add_item(registry, registry->item[i]);
	for (int i = 0; i < SELF_METRICS; i++)
		family_end(registry->self[i], now_ns);
	*ret_count = SELF_METRICS;
	return registry->self;
}

/* What attaching a section needs, beside CAP_BPF. */
static const struct {
	const char *prefix, *capability;
} needs[] = {
	{"tp_btf/", "CAP_PERFMON"}, {"raw_tp/", "CAP_PERFMON"},	 {"tp/", "CAP_PERFMON"},
	{"fentry/", "CAP_PERFMON"}, {"fexit/", "CAP_PERFMON"},	 {"kprobe/", "CAP_PERFMON"},
	{"kretprobe/", "CAP_PERFMON"}, {"uprobe", "CAP_PERFMON"}, {"uretprobe", "CAP_PERFMON"},
	{"perf_event", "CAP_PERFMON"}, {"iter/", "CAP_PERFMON"}, {"cgroup", "CAP_NET_ADMIN"},
	{"sockops", "CAP_NET_ADMIN"},  {"sk_msg", "CAP_NET_ADMIN"}, {"xdp", "CAP_NET_ADMIN"},
	{"tc", "CAP_NET_ADMIN"},
};

void item_capabilities(struct item *item, struct buf *out)
{
	bool perfmon = false, net_admin = false;

	item_learn(item, NULL);
	for (uint32_t i = 0; item->desc && i < item->desc->hooks; i++)
		for (size_t n = 0; n < sizeof(needs) / sizeof(*needs); n++)
			if (!strncmp(item->desc->hook[i].section, needs[n].prefix,
				     strlen(needs[n].prefix))) {
				perfmon |= !strcmp(needs[n].capability, "CAP_PERFMON");
				net_admin |= !strcmp(needs[n].capability, "CAP_NET_ADMIN");
			}
	if (item->desc)
		buf_str(out, "CAP_BPF");
	if (perfmon)
		buf_str(out, " CAP_PERFMON");
	if (net_admin)
		buf_str(out, " CAP_NET_ADMIN");
}
