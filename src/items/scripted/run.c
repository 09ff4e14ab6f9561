// SPDX-License-Identifier: GPL-2.0-only
/* run - a script that is on: asked for its maps when somebody wants them, its lines as records, its end as a reason. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "items/boxed.h"
#include "items/private.h"
#include "items/scripted/inside.h"
#include "record/histogram.h"

enum {
	ATTACH_MS = 20000,
	ANSWER_MS = 500, /* how long metrics wait for a script's numbers */
	MESSAGES = 10, /* of those meant for people, that are logged */
	KEY_BYTES = 1024,
};
static const double overhead = 0.05; /* of one CPU */

struct script_run {
	struct item *item; /* borrowed */
	const struct scripted *script; /* borrowed */
	struct boxed *boxed; /* owned */
	struct collector *metrics; /* while metrics are read */
	bool (*row)(void *ctx, const struct record *row); /* while rows are read; NULL = enough */
	void *row_ctx;
	uint64_t lost, refused; /* as it said last */
	unsigned messages;
	bool is_over;
	char end[200]; /* why */
	struct buf said; /* messages before it was attached */
};

/* ---- layouts ---- */

static struct layout line_layout, map_layout;
static const struct layout *const line_layouts[] = {&line_layout, NULL};
static const struct layout *const map_layouts[] = {&map_layout, NULL};
enum { MAP_NAME, MAP_KEY, MAP_COUNT, MAP_VALUE, MAP_BUCKETS, MAP_COLUMNS };

static int prepare(struct err *why)
{
	static const struct {
		const char *name;
		enum unit unit;
		const char *help;
	} columns[MAP_COLUMNS] = {
		[MAP_NAME] = {"map", UNIT_TEXT, "the script's map"},
		[MAP_KEY] = {"key", UNIT_TEXT, "its key, parts joined by commas"},
		[MAP_COUNT] = {"count", UNIT_COUNT, "how many values are in it"},
		[MAP_VALUE] = {"value", UNIT_NONE,
			       "what stands under the key; of avg and stats the mean"},
		[MAP_BUCKETS] = {"buckets", UNIT_NONE, "from, to (not included), how many"},
	};
	int error = 0;

	if (line_layout.count)
		return 0;
	layout_begin(&line_layout, 0);
	if (layout_add(&line_layout, "line", UNIT_TEXT, "what the script printed", why) < 0)
		return -EINVAL;
	line_layout.kind = "line";
	layout_begin(&map_layout, 0);
	for (size_t i = 0; error >= 0 && i < MAP_COLUMNS; i++)
		error = layout_add(&map_layout, columns[i].name, columns[i].unit, columns[i].help,
				   why);
	layout_row_kind(&map_layout, "map", 0, 3);
	return error < 0 ? error : 0;
}

/* ---- one number of a map ---- */

struct entry {
	const struct script_map *map;
	const struct json_node *key, *node;
	int64_t value, count, total;
};

static void add_number(struct script_run *run, const struct entry *entry, const struct label *label,
		       size_t labels)
{
	double count = (double)entry->count, total = (double)entry->total;
	size_t metric = entry->map->metric;

	if (entry->map->kind == SCRIPT_NUMBER) {
		collector_add(run->metrics, metric, label, labels, (double)entry->value);
		return;
	}
	collector_add(run->metrics, metric, label, labels, entry->count ? total / count : 0);
	collector_add(run->metrics, metric + 1, label, labels, count);
	collector_add(run->metrics, metric + 2, label, labels, total);
}

/* [low, high, count]: low or high is null at an open end. */
static void add_buckets(struct script_run *run, const struct entry *entry,
			const struct label *label, size_t labels)
{
	const struct metric *metric = &run->script->metric[entry->map->metric];
	const struct json_node *buckets = json_get(entry->node, "buckets");
	uint64_t slot[METRIC_SLOTS] = {}, count;
	double sum = 0;

	for (const struct json_node *at = buckets ? buckets->child : NULL; at; at = at->next) {
		const struct json_node *low = at->child, *high = low ? low->next : NULL,
				       *number = high ? high->next : NULL;
		double from = 0, to = 0;
		bool is_open;

		if (!json_node_u64(number, &count))
			continue;
		is_open = !json_node_double(high, &to);
		if (!json_node_double(low, &from))
			from = to - 1;
		slot[is_open ? METRIC_SLOTS - 1 : histogram_slot(metric, to - 1)] += count;
		sum += (double)count * (is_open ? from : (from + to - 1) / 2);
	}
	collector_add_histogram(run->metrics, entry->map->metric, label, labels, slot,
				sum > 0 ? (uint64_t)sum : 0);
}

static void add_metric(struct script_run *run, const struct entry *entry)
{
	struct label label[SCRIPT_KEYS];
	size_t labels = 0;

	for (const struct json_node *part = entry->key ? entry->key->child : NULL;
	     part && labels < entry->map->keys; part = part->next, labels++)
		label[labels] = (struct label){entry->map->label[labels], part->text};
	if (entry->map->kind == SCRIPT_HIST || entry->map->kind == SCRIPT_LHIST)
		add_buckets(run, entry, label, labels);
	else
		add_number(run, entry, label, labels);
}

static uint64_t count_of_buckets(const struct json_node *buckets)
{
	uint64_t sum = 0, count;

	for (const struct json_node *at = buckets ? buckets->child : NULL; at; at = at->next)
		if (at->child && at->child->next && json_node_u64(at->child->next->next, &count))
			sum += count;
	return sum;
}

static void tell_row(struct script_run *run, const struct entry *entry)
{
	const struct json_node *buckets = json_get(entry->node, "buckets");
	struct arena *arena = &run->item->arena;
	struct record record;
	struct value *own = &record.value[LAYOUT_FIRST];
	struct buf key, text;
	struct json json = {.out = &text};

	arena_clear(arena);
	buf_init(&key, KEY_BYTES);
	buf_init(&text, SCRIPT_LINE_BYTES);
	for (const struct json_node *part = entry->key ? entry->key->child : NULL; part;
	     part = part->next) {
		buf_str(&key, key.len ? ", " : "");
		buf_span(&key, part->text);
	}
	record_begin(&record, &map_layout, item_name(run->item), "map", 0,
		     item_resolver(run->item));
	own[MAP_NAME] = value_str(*entry->map->name ? entry->map->name : "@");
	if (record_set_text(&record, LAYOUT_FIRST + MAP_KEY, buf_as_span(&key), arena))
		item_count(run->item, "dropped", "memory", 1);
	if (buckets) {
		json_node_write(buckets, &json);
		own[MAP_BUCKETS] = (struct value){.kind = VALUE_JSON, .text = buf_as_span(&text)};
		own[MAP_COUNT] = value_u64(count_of_buckets(buckets));
	} else if (entry->map->kind == SCRIPT_NUMBER) {
		own[MAP_VALUE] = value_i64(entry->value);
	} else {
		own[MAP_COUNT] = value_i64(entry->count);
		own[MAP_VALUE] = value_i64(entry->count ? entry->total / entry->count : 0);
	}
	if (!run->row(run->row_ctx, &record))
		run->row = NULL;
	buf_done(&key);
	buf_done(&text);
}

/* ---- its lines ---- */

static void take_series(struct script_run *run, struct span line)
{
	const struct json_node *root = NULL, *data, *list;
	const struct script_map *map = NULL;
	struct arena arena;
	const char *name;

	arena_init(&arena, SCRIPT_LINE_ARENA);
	if (json_read(line, &arena, &root, NULL)) {
		item_count(run->item, "bad", "series", 1);
	} else if ((data = json_get(root, "data")) && (name = json_get_text(data, "map"))) {
		for (uint32_t i = 0; i < run->script->maps; i++)
			if (!strcmp(run->script->map[i].name, name))
				map = &run->script->map[i];
		list = json_get(data, "series");
		for (const struct json_node *at = map && list ? list->child : NULL; at;
		     at = at->next) {
			struct entry entry = {.map = map, .node = at, .key = json_get(at, "key")};

			json_node_i64(json_get(at, "value"), &entry.value);
			json_node_i64(json_get(at, "count"), &entry.count);
			json_node_i64(json_get(at, "total"), &entry.total);
			if (run->metrics)
				add_metric(run, &entry);
			if (run->row)
				tell_row(run, &entry);
		}
	}
	arena_done(&arena);
}

/* What is lost since it said so last. */
static void take_cost(struct script_run *run, struct span line)
{
	const struct json_node *root = NULL, *data;
	uint64_t lost = 0, refused = 0;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	if (!json_read(line, &arena, &root, NULL)) {
		data = json_get(root, "data");
		json_node_u64(json_get(data, "lost"), &lost);
		json_node_u64(json_get(data, "refused"), &refused);
		if (lost > run->lost)
			item_count(run->item, "lost", "ring_full", lost - run->lost);
		if (refused > run->refused)
			item_count(run->item, "lost", "map_full", refused - run->refused);
		run->lost = lost;
		run->refused = refused;
	}
	arena_done(&arena);
}

/* Text as it is, anything else as JSON; without the end of the line. */
static void publish(struct script_run *run, struct span line)
{
	const struct json_node *root = NULL, *data;
	struct record record;
	struct arena arena;
	struct buf text;
	struct json json = {.out = &text};

	run->item->tally.read++;
	arena_init(&arena, SCRIPT_LINE_ARENA);
	buf_init(&text, SCRIPT_LINE_BYTES);
	if (json_read(line, &arena, &root, NULL) || !(data = json_get(root, "data"))) {
		run->item->tally.bad++;
	} else {
		if (data->type == JSON_TEXT)
			buf_span(&text, data->text);
		else
			json_node_write(data, &json);
		if (text.len && text.at[text.len - 1] == '\n')
			text.len--;
		record_begin(&record, &line_layout, item_name(run->item), "line", 0,
			     item_resolver(run->item));
		record.value[LAYOUT_FIRST] = value_text(buf_as_span(&text));
		item_publish(run->item, &record);
	}
	buf_done(&text);
	arena_done(&arena);
}

static void on_line(void *ctx, struct span type, struct span line)
{
	struct script_run *run = ctx;

	if (span_is(type, "series")) {
		take_series(run, line);
	} else if (span_is(type, "cost")) {
		take_cost(run, line);
	} else if (span_is(type, "message") || span_is(type, "runtime_error") ||
		   span_is(type, "helper_error")) {
		/* what maps refused is also in the cost, as a number */
		if (!run->said.len)
			boxed_text(line, &run->said);
		if (run->messages++ < MESSAGES)
			log_debug("script '%s': %.*s", run->script->name, (int)line.len,
				  (const char *)line.at);
	} else if (!span_is(type, "attached_probes") && !span_is(type, "end")) {
		publish(run, line);
	}
}

static void on_end(void *ctx, int code, const char *why)
{
	struct script_run *run = ctx;

	run->is_over = true;
	if (*why)
		snprintf(run->end, sizeof(run->end), "%s", why);
	else
		snprintf(run->end, sizeof(run->end), "the script ended by itself, with code %d",
			 code);
}

/* ---- what the registry calls ---- */

static void stop(struct item *item, void *state)
{
	struct script_run *run = state;

	boxed_free(run->boxed);
	buf_done(&run->said);
	free(run);
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	struct script_run *run = calloc(1, sizeof(*run));
	struct boxed_options options = {
		.overhead = overhead, .line = on_line, .end = on_end, .ctx = run};
	struct buf job;
	int error;

	if (!run)
		return err_set(why, -ENOMEM, "cannot start '%s': out of memory", item_name(item));
	run->item = item;
	run->script = item->script;
	buf_init(&run->said, SCRIPT_LINE_BYTES);
	buf_init(&job, SCRIPT_JOB_BYTES);
	scripted_job(run->script, false, &job);
	options.job = buf_as_span(&job);
	error = boxed_start(run->script->kernel, run->script->loop, &options, &run->boxed, why);
	buf_done(&job);
	if (!error && !boxed_wait(run->boxed, "attached_probes", ATTACH_MS) && !run->is_over)
		error = err_set(why, -ETIMEDOUT, "script '%s' was not attached within 20 s",
				item_name(item));
	else if (!error && run->said.len && run->is_over)
		error = err_set(why, -EINVAL, "%s", buf_text(&run->said));
	if (error) {
		stop(item, run);
		return error;
	}
	*ret_state = run;
	return 0;
}

/* Asks for the maps, and waits: numbers of another time would not fit beside those of now. */
static void ask(struct script_run *run)
{
	if (run->is_over)
		return;
	boxed_say(run->boxed, "series");
	if (!boxed_wait(run->boxed, "cost", ANSWER_MS) && !run->is_over)
		item_count(run->item, "lost", "answer", 1);
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct script_run *run = state;

	run->metrics = out;
	ask(run);
	run->metrics = NULL;
}

static int rows(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct script_run *run = state;

	if (!run) /* it is off */
		return 0;
	run->row = each;
	run->row_ctx = ctx;
	ask(run);
	run->row = NULL;
	return 0;
}

static void tick(struct item *item, void *state, uint64_t now_ns)
{
	struct script_run *run = state;

	if (run->is_over)
		item_give_up(item, run->end);
}

const struct item_ops scripted_runs = {
	.prepare = prepare,
	.start = start,
	.tick = tick,
	.collect = collect,
	.layouts = map_layouts,
	.rows = rows,
	.events = line_layouts,
	.stop = stop,
};
