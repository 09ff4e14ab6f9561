// SPDX-License-Identifier: GPL-2.0-only
/* describe_json - the whole description as one JSON object: API, `sonde items show`, generated docs. */
#include "items/describe.h"

static void option_json(const char *name, struct json *json)
{
	struct buf option;

	buf_init(&option, COLUMN_NAME_BYTES + 2);
	buf_str(&option, "--");
	for (; *name; name++)
		buf_char(&option, *name == '_' ? '-' : *name);
	json_key_str(json, "option", buf_text(&option));
	buf_done(&option);
}

static void param_json(const struct item_param *param, struct json *json)
{
	json_object(json);
	json_key_str(json, "name", param->name);
	option_json(param->name, json);
	json_key_str(json, "type", param->type);
	json_key(json, "default");
	if (param->type[0] == 'b')
		json_bool(json, param->value != 0);
	else if (param->type[0] == 'u')
		json_u64(json, (uint64_t)param->value);
	else
		json_i64(json, param->value);
	if (param->help)
		json_key_str(json, "help", param->help);
	json_object_end(json);
}

static void event_json(const struct item_event *event, struct json *json)
{
	json_object(json);
	json_key_str(json, "kind", event->schema.kind);
	json_key_u64(json, "number", event->number);
	json_key(json, "columns");
	layout_json(&event->layout, json);
	json_object_end(json);
}

static const char *type_word(enum metric_type type)
{
	return type == METRIC_COUNTER ? "counter" : type == METRIC_GAUGE ? "gauge" : "histogram";
}

const char *item_metric_column(const struct item_map *map, const struct metric *metric)
{
	uint32_t at = map->key_size + metric->offset;

	for (uint32_t i = map->key.count; i < map->row.count; i++)
		if (map->row.column[i].offset == at)
			return map->row.column[i].name;
	for (uint32_t i = 0; i < map->row.count; i++)
		if (map->row.column[i].offset == at)
			return map->row.column[i].name;
	return "";
}

static void metric_json(const struct item_map *map, const struct metric *metric, struct json *json)
{
	json_object(json);
	json_key_str(json, "name", metric->name);
	json_key_str(json, "column", item_metric_column(map, metric));
	json_key_str(json, "type", type_word(metric->type));
	if (metric->unit[0])
		json_key_str(json, "unit", metric->unit);
	if (metric->labels)
		json_key_str(json, "labels", metric->labels);
	if (metric->help)
		json_key_str(json, "help", metric->help);
	json_object_end(json);
}

static void map_json(const struct item_desc *desc, const struct item_map *map, struct json *json)
{
	json_object(json);
	json_key_str(json, map->is_table ? "table" : "map", map->name);
	if (!map->is_table)
		json_key_u64(json, "max_entries", map->max_entries);
	json_key(json, "metrics");
	json_array(json);
	for (uint32_t i = 0; i < map->metrics; i++)
		metric_json(map, &desc->metric[map->first_metric + i], json);
	json_array_end(json);
	json_key(json, "columns");
	layout_json(&map->layout, json);
	json_object_end(json);
}

static void hook_json(const struct item_hook *hook, struct json *json)
{
	json_object(json);
	json_key_str(json, "hook", hook->hook);
	json_key_u64(json, "order", hook->order);
	json_key_str(json, "program", hook->program);
	json_key_str(json, "section", hook->section);
	if (hook->optional)
		json_key_bool(json, "optional", true);
	if (hook->prototype)
		json_key_str(json, "prototype", hook->prototype);
	if (hook->perf)
		json_key_str(json, "perf", hook->perf);
	json_object_end(json);
}

void item_desc_json(const struct item_desc *desc, struct json *json)
{
	json_object(json);
	json_key_str(json, "name", desc->name);
	json_key_str(json, "wing", desc->wing);
	json_key_bool(json, "on_by_default", desc->on_by_default);
	json_key_str(json, "help", desc->help ? desc->help : "");
	if (desc->when) {
		json_key_str(json, "when", desc->when);
		json_key_u64(json, "awake_s", desc->awake_s);
		json_key_u64(json, "cooldown_s", desc->cooldown_s);
	}
	json_key_bool(json, "ring", desc->has_ring);
	json_key_bool(json, "filter", desc->has_filter);
	json_key_bool(json, "by", desc->has_by);
	json_key(json, "params");
	json_array(json);
	for (uint32_t i = 0; i < desc->params; i++)
		param_json(&desc->param[i], json);
	json_array_end(json);
	json_key(json, "events");
	json_array(json);
	for (uint32_t i = 0; i < desc->events; i++)
		event_json(&desc->event[i], json);
	json_array_end(json);
	json_key(json, "sources");
	json_array(json);
	for (uint32_t i = 0; i < desc->maps; i++)
		map_json(desc, &desc->map[i], json);
	json_array_end(json);
	json_key(json, "hooks");
	json_array(json);
	for (uint32_t i = 0; i < desc->hooks; i++)
		hook_json(&desc->hook[i], json);
	json_array_end(json);
	json_object_end(json);
}
