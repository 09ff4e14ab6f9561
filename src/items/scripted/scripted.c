// SPDX-License-Identifier: GPL-2.0-only
/* scripted - a program of the tracing language as an item: what it consists of, found out by compiling it. */
#include "items/scripted/scripted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "items/boxed.h"
#include "items/procfile.h"
#include "items/scripted/inside.h"

enum { COMPILE_MS = 10000, HELP_BYTES = 200 };

/* ---- comments ---- */

/* What stands behind //, or false. */
static bool comment_of(struct span line, struct span *ret_comment)
{
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	line = span_trim(line);
	if (!span_starts(line, "//"))
		return false;
	*ret_comment = span_trim(span_from(line, 2));
	return true;
}

static struct span find_help(struct span text)
{
	struct span line, comment;

	while (next_line(&text, &line)) {
		if (comment_of(line, &comment) && comment.len && *comment.at != '@')
			return comment;
	}
	return span_of("a script of the tracing language");
}

static void take_labels(struct script_map *map, struct span labels)
{
	for (uint32_t part = 0; labels.len && part < map->keys; part++) {
		const uint8_t *comma = memchr(labels.at, ',', labels.len);
		struct span name = span_trim(
			span_first(labels, comma ? (size_t)(comma - labels.at) : labels.len));

		if (name.len)
			snprintf(map->label[part], sizeof(map->label[part]), "%.*s", (int)name.len,
				 (const char *)name.at);
		labels = span_from(labels, comma ? (size_t)(comma - labels.at) + 1 : labels.len);
	}
}

/* "@opens[process, file]: files opened" */
static void take_tag(struct scripted *script, struct span tag)
{
	const uint8_t *colon = memchr(tag.at, ':', tag.len);
	struct span head = span_first(tag, colon ? (size_t)(colon - tag.at) : tag.len);
	const uint8_t *open = memchr(head.at, '[', head.len), *end = memchr(head.at, ']', head.len);
	struct span name = span_trim(span_first(head, open ? (size_t)(open - head.at) : head.len));
	struct span help = colon ? span_trim(span_from(tag, head.len + 1)) : (struct span){};

	for (uint32_t i = 0; i < script->maps; i++) {
		struct script_map *map = &script->map[i];

		if (!span_is(span_from(name, 1), map->name))
			continue;
		if (open && end > open)
			take_labels(map, (struct span){open + 1, (size_t)(end - open) - 1});
		if (help.len)
			snprintf(map->help, sizeof(map->help), "%.*s", (int)help.len,
				 (const char *)help.at);
	}
}

static void read_comments(struct scripted *script)
{
	struct span text = buf_as_span(&script->text), help = find_help(text), line, comment;

	snprintf(script->help, sizeof(script->help), "%.*s",
		 (int)(help.len < HELP_BYTES ? help.len : HELP_BYTES), (const char *)help.at);
	while (next_line(&text, &line)) {
		if (comment_of(line, &comment) && comment.len && *comment.at == '@')
			take_tag(script, comment);
	}
}

/* ---- what the compiler says ---- */

static enum script_kind kind_of(const char *name)
{
	static const char *const names[] = {
		[SCRIPT_NUMBER] = "value", [SCRIPT_AVERAGE] = "avg", [SCRIPT_STATS] = "stats",
		[SCRIPT_HIST] = "hist",    [SCRIPT_LHIST] = "lhist",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name && !strcmp(name, names[i]))
			return (enum script_kind)i;
	return SCRIPT_NUMBER; /* count, sum, min, max */
}

static int64_t number_of_node(const struct json_node *node, const char *key)
{
	int64_t value = 0;

	json_node_i64(json_get(node, key), &value);
	return value;
}

static void take_map(struct scripted *script, const struct json_node *node)
{
	const char *name = json_get_text(node, "map");
	struct script_map *map = &script->map[script->maps];

	if (!name || script->maps == SCRIPT_MAPS)
		return;
	script->maps++;
	*map = (struct script_map){
		.kind = kind_of(json_get_text(node, "kind")),
		.keys = (uint32_t)number_of_node(node, "keys"),
		.min = number_of_node(node, "min"),
		.max = number_of_node(node, "max"),
		.step = number_of_node(node, "step"),
	};
	if (map->keys > SCRIPT_KEYS)
		map->keys = SCRIPT_KEYS;
	snprintf(map->name, sizeof(map->name), "%s", name);
	snprintf(map->help, sizeof(map->help), "map @%.60s of the script", name);
	for (uint32_t i = 0; i < map->keys; i++)
		snprintf(map->label[i], sizeof(map->label[i]), "key%u", i);
}

static void take_option(struct scripted *script, const struct json_node *node)
{
	const char *name = json_get_text(node, "name");

	if (name && script->options < SCRIPT_OPTIONS)
		snprintf(script->option[script->options++].name, sizeof(script->option[0].name),
			 "%s", name);
}

static void take_description(struct scripted *script, struct span line)
{
	const struct json_node *root = NULL, *data, *list;
	struct arena arena;

	arena_init(&arena, SCRIPT_LINE_ARENA);
	if (!json_read(line, &arena, &root, NULL) && (data = json_get(root, "data"))) {
		list = json_get(data, "maps");
		for (const struct json_node *at = list ? list->child : NULL; at; at = at->next)
			take_map(script, at);
		list = json_get(data, "options");
		for (const struct json_node *at = list ? list->child : NULL; at; at = at->next)
			take_option(script, at);
	}
	arena_done(&arena);
}

struct compiling {
	struct scripted *script;
	struct buf said;
	bool is_described;
};

static void on_compiler_line(void *ctx, struct span type, struct span line)
{
	struct compiling *compiling = ctx;

	if (span_is(type, "description")) {
		take_description(compiling->script, line);
		compiling->is_described = true;
	} else if (span_is(type, "message") && !compiling->said.len) {
		/* the first line says what; the rest is the script's text and a marker */
		boxed_text(line, &compiling->said);
	}
}

static void on_compiler_end(void *ctx, int code, const char *why)
{
}

static int compile(struct scripted *script, struct kernel *kernel, struct event_base *loop,
		   struct err *why)
{
	struct compiling compiling = {.script = script};
	struct boxed_options options = {
		.line = on_compiler_line, .end = on_compiler_end, .ctx = &compiling};
	struct boxed *boxed;
	struct buf job;
	int error;

	buf_init(&job, SCRIPT_JOB_BYTES);
	buf_init(&compiling.said, SCRIPT_LINE_BYTES);
	scripted_job(script, true, &job);
	options.job = buf_as_span(&job);
	error = job.full ? err_set(why, -EFBIG, "a script has 1 MiB at most")
			 : boxed_start(kernel, loop, &options, &boxed, why);
	if (!error) {
		boxed_wait(boxed, "end", COMPILE_MS);
		boxed_free(boxed);
		if (!compiling.is_described)
			error = compiling.said.len
					? err_set(why, -EINVAL, "%s", buf_text(&compiling.said))
					: err_set(why, -EINVAL,
						  "script '%s' was not compiled in time",
						  script->name);
	}
	buf_done(&compiling.said);
	buf_done(&job);
	return error;
}

/* ---- metrics ---- */

static struct metric *add_metric(struct scripted *script, const struct script_map *map,
				 const char *suffix)
{
	struct metric *metric = &script->metric[script->ops.metric_count++];
	struct buf name;

	*metric = (struct metric){.type = METRIC_GAUGE, .scale = 1, .help = (char *)map->help};
	buf_init(&name, METRIC_NAME_BYTES - 1);
	buf_f(&name, "sonde_%s%s%s%s", script->name, *map->name ? "_" : "", map->name, suffix);
	snprintf(metric->name, sizeof(metric->name), "%s", buf_text(&name));
	buf_done(&name);
	return metric;
}

/* The values of a bucket are whole: `le` is the largest that belongs to it. */
static void set_linear_bounds(struct metric *metric, const struct script_map *map)
{
	int64_t step = map->step > 0 ? map->step : 1, buckets = (map->max - map->min) / step + 1;
	int64_t each = (buckets + METRIC_SLOTS - 2) / (METRIC_SLOTS - 1);

	metric->buckets = BUCKETS_EXPLICIT;
	for (int64_t at = 0; at < buckets && metric->bounds < METRIC_SLOTS - 1; at += each)
		metric->bound[metric->bounds++] = (double)(map->min + at * step - 1);
}

static void make_metrics(struct scripted *script)
{
	for (uint32_t i = 0; i < script->maps; i++) {
		struct script_map *map = &script->map[i];
		struct metric *metric;

		map->metric = script->ops.metric_count;
		metric = add_metric(script, map, "");
		if (map->kind == SCRIPT_HIST || map->kind == SCRIPT_LHIST)
			metric->type = METRIC_HISTOGRAM;
		if (map->kind == SCRIPT_LHIST)
			set_linear_bounds(metric, map);
		if (map->kind == SCRIPT_AVERAGE || map->kind == SCRIPT_STATS) {
			add_metric(script, map, "_count");
			add_metric(script, map, "_sum");
		}
	}
	script->ops.metrics = script->metric;
}

/* ---- making and unmaking ---- */

int scripted_new(const char *name, struct span text, struct kernel *kernel, struct event_base *loop,
		 struct scripted **ret_script, struct err *why)
{
	struct scripted *script = calloc(1, sizeof(*script));
	int error;

	if (!script)
		return err_set(why, -ENOMEM, "cannot take script '%s': out of memory", name);
	script->kernel = kernel;
	script->loop = loop;
	snprintf(script->name, sizeof(script->name), "%s", name);
	buf_init(&script->text, SCRIPT_BYTES);
	if (buf_span(&script->text, text))
		error = err_set(why, -EFBIG, "a script has 1 MiB at most");
	else
		error = compile(script, kernel, loop, why);
	if (error) {
		scripted_free(script);
		return error;
	}
	read_comments(script);
	script->ops = scripted_runs;
	script->ops.wing = "app";
	script->ops.help = script->help;
	make_metrics(script);
	*ret_script = script;
	return 0;
}

void scripted_free(struct scripted *script)
{
	if (!script)
		return;
	buf_done(&script->text);
	free(script);
}

const struct item_ops *scripted_ops(const struct scripted *script)
{
	return &script->ops;
}

struct span scripted_text(const struct scripted *script)
{
	return buf_as_span(&script->text);
}

/* ---- options ---- */

const char *scripted_option(const struct scripted *script, size_t i)
{
	return i < script->options ? script->option[i].name : NULL;
}

static struct script_option *find_option(const struct scripted *script, struct span name)
{
	for (uint32_t i = 0; i < script->options; i++)
		if (span_is(name, script->option[i].name))
			return (struct script_option *)&script->option[i];
	return NULL;
}

int scripted_set(struct scripted *script, struct span option, struct span value, struct err *why)
{
	struct script_option *at = find_option(script, option);

	if (!at)
		return err_set(why, -EINVAL, "script '%s' asks for no option '%.*s' (getopt)",
			       script->name, (int)option.len, (const char *)option.at);
	if (value.len >= sizeof(at->value))
		return err_set(why, -E2BIG, "'%s' of '%s' has %zu characters at most", at->name,
			       script->name, sizeof(at->value) - 1);
	snprintf(at->value, sizeof(at->value), "%.*s", (int)value.len, (const char *)value.at);
	return 0;
}

const char *scripted_get(const struct scripted *script, struct span option)
{
	const struct script_option *at = find_option(script, option);

	return at ? at->value : NULL;
}

void scripted_job(const struct scripted *script, bool check, struct buf *out)
{
	struct json json = {.out = out};
	char file[80];

	snprintf(file, sizeof(file), "%s.bt", script->name);
	json_object(&json);
	json_key_str(&json, "name", file);
	json_key(&json, "program");
	json_span(&json, buf_as_span(&script->text));
	json_key(&json, "named");
	json_object(&json);
	for (uint32_t i = 0; i < script->options; i++)
		if (*script->option[i].value)
			json_key_str(&json, script->option[i].name, script->option[i].value);
	json_object_end(&json);
	json_key_bool(&json, "check", check);
	json_object_end(&json);
}
