// SPDX-License-Identifier: GPL-2.0-only
/*
 * rows - what an item's maps and tables hold now, as records: `sonde ITEM`, GET /v1/records/ITEM.
 *
 * A table's iterator says one row for each process (or socket, or file); with an item `by` container or host several
 * of them have the same columns and are one row with their sums, as they are one series of its metrics.
 */
#include "items/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 1 << 20, MERGED_ROWS = 65536 };

struct rows {
	struct item *item;
	const struct item_map *map;
	struct buf *row; /* an entry's key and value side by side; a row's labels */
	struct map merged; /* tables: labels' bytes -> row */
	bool (*each)(void *ctx, const struct record *row);
	void *ctx;
	bool are_gone; /* what is merged now comes from a map of what is gone */
	bool enough;
};

static bool show(struct rows *rows, const void *row)
{
	struct record record;

	if (item_is_overflow(rows->map, row))
		return true; /* nobody's: seen in the metrics */
	if (!item_fill_row(rows->item, rows->map, row, &record))
		rows->enough = !rows->each(rows->ctx, &record);
	return !rows->enough;
}

static bool show_entry(void *ctx, const void *key, const void *value)
{
	struct rows *rows = ctx;

	buf_clear(rows->row);
	buf_add(rows->row, key, rows->map->key_size);
	buf_add(rows->row, value, rows->map->value_size);
	return show(rows, rows->row->at);
}

static void add_number(uint8_t *sum, const uint8_t *part, uint32_t bytes)
{
	uint64_t wide[2] = {};
	uint32_t narrow[2];

	if (bytes == 4) {
		memcpy(&narrow[0], sum, 4);
		memcpy(&narrow[1], part, 4);
		narrow[0] += narrow[1];
		memcpy(sum, narrow, 4);
		return;
	}
	memcpy(&wide[0], sum, 8);
	memcpy(&wide[1], part, 8);
	wide[0] += wide[1];
	memcpy(sum, wide, 8);
}

static void add_row(const struct rows *rows, uint8_t *sum, const uint8_t *part)
{
	const struct item_map *map = rows->map;

	for (uint32_t i = 0; i < map->metrics; i++) {
		const struct metric *metric = &rows->item->desc->metric[map->first_metric + i];
		uint32_t at = map->key_size + metric->offset;

		if (metric->type != METRIC_HISTOGRAM)
			add_number(sum + at, part + at, metric->size);
		for (uint32_t slot = 0; metric->type == METRIC_HISTOGRAM && slot <= METRIC_SLOTS;
		     slot++)
			add_number(sum + at + slot * 8, part + at + slot * 8, 8);
	}
}

static bool is_of_one_process(const struct item_map *map, const uint8_t *row)
{
	uint32_t pid;

	for (uint32_t i = 0; i < map->key.count; i++)
		if (map->key.column[i].type == COLUMN_PID) {
			memcpy(&pid, row + map->key.column[i].offset, sizeof(pid));
			return pid != 0;
		}
	return false;
}

static bool merge_row(void *ctx, const void *row)
{
	struct rows *rows = ctx;
	uint8_t *sum;
	bool is_new;

	item_label_key(rows->map, row, rows->row);
	sum = rows->merged.key_size ? map_put(&rows->merged, rows->row->at, &is_new) : NULL;
	if (!sum)
		return show(rows, row); /* too many, or without labels: as it is */
	if (is_new || (rows->are_gone && is_of_one_process(rows->map, row)))
		memcpy(sum, row, rows->map->row.size); /* it ended between the two readings */
	else
		add_row(rows, sum, row);
	return true;
}

static void show_merged(struct rows *rows)
{
	const void *key;
	void *row;
	size_t at = 0;

	while (!rows->enough && map_next(&rows->merged, &at, &key, &row))
		show(rows, row);
}

/* ---- what is gone ---- */

/* The number of the table that the metric of another map counts together with. */
static const struct metric *together_with(const struct item_desc *desc,
					  const struct item_map *table, uint32_t metric)
{
	for (uint32_t m = 0; table->is_table && m < table->metrics; m++)
		if (desc->family[table->first_metric + m] == desc->family[metric])
			return &desc->metric[table->first_metric + m];
	return NULL;
}

/* A map of what is gone, counting together with a table: it has no rows of its own. */
static const struct item_map *table_of_the_gone(const struct item_desc *desc,
						const struct item_map *map)
{
	for (uint32_t i = 0; i < desc->maps && !map->is_table; i++)
		if (together_with(desc, &desc->map[i], map->first_metric))
			return &desc->map[i];
	return NULL;
}

struct gone {
	struct rows *rows;
	const struct item_map *map;
	uint8_t *row; /* of the table */
};

static const struct column *column_named(const struct schema *schema, const char *name)
{
	for (uint32_t i = 0; i < schema->count; i++)
		if (!strcmp(schema->column[i].name, name))
			return &schema->column[i];
	return NULL;
}

/* An entry of what is gone as a row of its table: what a process had used belongs to the rows until it is folded, and a
 * container's or the host's sum does not fall when processes end. */
static bool merge_gone(void *ctx, const void *key, const void *value)
{
	const struct gone *gone = ctx;
	const struct item_desc *desc = gone->rows->item->desc;
	const struct item_map *table = gone->rows->map;

	if (item_is_overflow(gone->map, key))
		return true;
	memset(gone->row, 0, table->row.size);
	for (uint32_t i = 0; i < table->key.count; i++) {
		const struct column *to = &table->key.column[i],
				    *from = column_named(&gone->map->key, to->name);

		if (from)
			memcpy(gone->row + to->offset, (const uint8_t *)key + from->offset,
			       from->size < to->size ? from->size : to->size);
	}
	for (uint32_t i = 0; i < gone->map->metrics; i++) {
		uint32_t index = gone->map->first_metric + i;
		const struct metric *to = together_with(desc, table, index);

		if (to && to->type == METRIC_COUNTER && to->size == desc->metric[index].size)
			memcpy(gone->row + to->offset,
			       (const uint8_t *)value + desc->metric[index].offset, to->size);
	}
	return merge_row(gone->rows, gone->row);
}

static int add_the_gone(struct rows *rows)
{
	const struct item_desc *desc = rows->item->desc;
	struct gone gone = {.rows = rows, .row = malloc(rows->map->row.size)};
	int result = gone.row ? 0 : -ENOMEM;

	rows->are_gone = true;
	for (uint32_t i = 0; result >= 0 && i < desc->maps; i++) {
		gone.map = &desc->map[i];
		if (table_of_the_gone(desc, gone.map) == rows->map)
			result = object_read(rows->item->object, gone.map->name, merge_gone, &gone);
	}
	rows->are_gone = false;
	free(gone.row);
	return result;
}

static int show_source(struct rows *rows)
{
	int result;

	map_init(&rows->merged, item_label_bytes(rows->map), rows->map->row.size, MERGED_ROWS);
	result = item_read_source(rows->item, rows->map, show_entry, merge_row, rows);
	if (result >= 0 && rows->map->is_table)
		result = add_the_gone(rows);
	if (result >= 0)
		show_merged(rows);
	map_done(&rows->merged);
	return result;
}

int item_rows(struct item *item, bool (*each)(void *ctx, const struct record *row), void *ctx,
	      struct err *why)
{
	struct buf row;
	struct rows rows = {.item = item, .row = &row, .each = each, .ctx = ctx};
	int result = 0;

	if (!item->started)
		return err_set(why, -EBUSY,
			       "item '%s' is off; switch it on with 'sonde items on %s'",
			       item->name, item->name);
	buf_init(&row, ROW_BYTES);
	for (uint32_t i = 0; result >= 0 && !rows.enough && item->desc && i < item->desc->maps;
	     i++) {
		rows.map = &item->desc->map[i];
		if (!table_of_the_gone(item->desc, rows.map))
			result = show_source(&rows);
	}
	buf_done(&row);
	if (result < 0)
		return err_set(why, result, "cannot read the maps of '%s': %s", item->name,
			       err_name(result));
	if (!rows.enough && item->ops && item->ops->rows)
		return item->ops->rows(item, item->state_of_ops, each, ctx, why);
	return 0;
}

/* ---- what rows there are ---- */

static const char *const type_word[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

static void column_json(const struct layout_column *column, const char *type, const char *unit,
			struct json *json)
{
	json_object(json);
	json_key_str(json, "name", column->name);
	json_key_str(json, "type", type);
	if (unit && *unit)
		json_key_str(json, "unit", unit);
	if (column->help)
		json_key_str(json, "help", column->help);
	json_object_end(json);
}

static const struct metric *metric_of_column(const struct item_desc *desc,
					     const struct item_map *map, const char *name)
{
	for (uint32_t i = 0; i < map->metrics; i++) {
		const struct metric *metric = &desc->metric[map->first_metric + i];

		if (!strcmp(item_metric_column(map, metric), name))
			return metric;
	}
	return NULL;
}

static void source_json(const struct item_desc *desc, const struct item_map *map, struct json *json)
{
	json_object(json);
	json_key_str(json, "kind", map->row.kind);
	json_key(json, "columns");
	json_array(json);
	for (uint32_t i = 0; i < map->layout.count; i++) {
		const struct layout_column *column = &map->layout.column[i];
		const struct metric *metric = metric_of_column(desc, map, column->name);
		bool is_histogram = metric && metric->type == METRIC_HISTOGRAM;

		column_json(column, metric ? type_word[metric->type] : "key",
			    is_histogram ? metric->unit : unit_name(column->unit), json);
	}
	json_array_end(json);
	json_object_end(json);
}

static void layout_rows_json(const struct layout *layout, struct json *json)
{
	json_object(json);
	json_key_str(json, "kind", layout->kind ? layout->kind : "sample");
	json_key(json, "columns");
	json_array(json);
	for (uint32_t i = 0; i < layout->count; i++) {
		const struct layout_column *column = &layout->column[i];
		const char *type = column->role == COLUMN_COUNTER ? "counter"
				   : column->role == COLUMN_GAUGE ? "gauge"
								  : "key";

		column_json(column, type, unit_name(column->unit), json);
	}
	json_array_end(json);
	json_object_end(json);
}

void item_rows_json(const struct item *item, struct json *json)
{
	json_key(json, "rows");
	json_array(json);
	for (uint32_t i = 0; item->desc && i < item->desc->maps; i++)
		if (!table_of_the_gone(item->desc, &item->desc->map[i]))
			source_json(item->desc, &item->desc->map[i], json);
	for (const struct layout *const *layout = item->ops ? item->ops->layouts : NULL;
	     layout && *layout; layout++)
		layout_rows_json(*layout, json);
	json_array_end(json);
}
