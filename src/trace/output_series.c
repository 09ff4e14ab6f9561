// SPDX-License-Identifier: GPL-2.0-only
/* output_series - maps for a machine: numbers under the parts of their keys (see output.h). */
#include "trace/output_map.h"

enum { SERIES_TEXT_MAX = 64 << 20 };

static void border(struct json *json, bool is_open, int64_t value)
{
	if (is_open)
		json_null(json);
	else
		json_i64(json, value);
}

static void series_buckets(const struct map_table *table, const struct entry *entry,
			   struct json *json)
{
	const struct type *type = table->map->value;

	json_key(json, "buckets");
	json_array(json);
	for (uint32_t i = 0; i < table->buckets; i++) {
		int64_t low, high;

		if (!entry->buckets[i])
			continue;
		map_table_bucket_range(type, i, &low, &high);
		if (i == 0)
			high = type->kind == TYPE_LHIST ? type->min : 0;
		json_array(json);
		border(json, i == 0, low);
		border(json, type->kind == TYPE_LHIST && i == table->buckets - 1, high);
		json_u64(json, entry->buckets[i]);
		json_array_end(json);
	}
	json_array_end(json);
}

static void series_value(const struct map_table *table, const struct entry *entry,
			 struct json *json)
{
	switch (table->map->value->kind) {
	case TYPE_HIST:
	case TYPE_LHIST: series_buckets(table, entry, json); return;
	case TYPE_AVG:
	case TYPE_STATS:
		json_key_u64(json, "count", entry->count);
		json_key(json, "total");
		break;
	default: json_key(json, "value");
	}
	json_i64(json, entry->total);
}

static void series_key(struct run *run, const struct type *key, const uint8_t *bytes,
		       struct json *json)
{
	bool is_tuple = key && key->kind == TYPE_TUPLE;
	uint32_t parts = is_tuple ? key->field_count : key && key->kind != TYPE_NONE;
	struct buf part;

	buf_init(&part, 1 << 20);
	json_key(json, "key");
	json_array(json);
	for (uint32_t i = 0; i < parts; i++) {
		const struct type *type = is_tuple ? key->fields[i].type : key;

		buf_clear(&part);
		map_table_key(run, type, bytes + (is_tuple ? key->fields[i].offset : 0), true,
			      &part);
		json_span(json, buf_as_span(&part));
	}
	json_array_end(json);
	buf_done(&part);
}

static const char *series_kind(const struct type *type)
{
	switch (type->kind) {
	case TYPE_COUNT: return "count";
	case TYPE_SUM: return "sum";
	case TYPE_MIN: return "min";
	case TYPE_MAX: return "max";
	case TYPE_AVG: return "avg";
	case TYPE_STATS: return "stats";
	case TYPE_HIST: return "hist";
	case TYPE_LHIST: return "lhist";
	default: return type_is_integer(type) ? "value" : NULL;
	}
}

static void describe_map(const struct map_decl *map, struct json *json)
{
	const struct type *value = map->value, *key = map->key;
	bool is_keyed = key && key->kind != TYPE_NONE;

	json_object(json);
	json_key_str(json, "map", map->name + 1);
	json_key_str(json, "kind", series_kind(value));
	json_key_u64(json, "keys",
		     is_keyed && key->kind == TYPE_TUPLE ? key->field_count : is_keyed);
	if (value->kind == TYPE_LHIST) {
		json_key(json, "min");
		json_i64(json, value->min);
		json_key(json, "max");
		json_i64(json, value->max);
		json_key(json, "step");
		json_i64(json, value->step);
	}
	json_object_end(json);
}

void output_description(struct output *output, const struct script *script)
{
	struct buf data;
	struct json json = {.out = &data};

	buf_init(&data, SERIES_TEXT_MAX);
	json_object(&json);
	json_key(&json, "maps");
	json_array(&json);
	for (uint32_t i = 0; i < script->compiled->map_count; i++) {
		const struct map_decl *map = script->compiled->maps[i].decl;

		if (map && series_kind(map->value))
			describe_map(map, &json);
	}
	json_array_end(&json);
	json_key(&json, "options");
	json_array(&json);
	for (const struct declared_option *o = script->declared_options; o; o = o->next) {
		json_object(&json);
		json_key_str(&json, "name", o->name);
		json_key_str(&json, "help", o->shown ? o->shown : "");
		json_object_end(&json);
	}
	json_array_end(&json);
	json_object_end(&json);
	output_json(output, "description", buf_as_span(&data));
	buf_done(&data);
}

void output_series(struct run *run, struct map_use *use)
{
	const char *kind = use->decl ? series_kind(use->decl->value) : NULL;
	struct map_table table = {};
	struct buf data;
	struct json json = {.out = &data};

	if (!kind || use->fd < 0)
		return;
	map_table_read(run, use, &table);
	buf_init(&data, SERIES_TEXT_MAX);
	json_object(&json);
	json_key_str(&json, "map", use->decl->name + 1); /* without its @ */
	json_key_str(&json, "kind", kind);
	json_key(&json, "series");
	json_array(&json);
	for (size_t i = 0; i < table.count; i++) {
		json_object(&json);
		series_key(run, use->decl->key, table.entries[i].key, &json);
		series_value(&table, &table.entries[i], &json);
		json_object_end(&json);
	}
	json_array_end(&json);
	json_object_end(&json);
	output_json(run->out, "series", buf_as_span(&data));
	buf_done(&data);
	map_table_done(&table);
}
