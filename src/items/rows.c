// SPDX-License-Identifier: GPL-2.0-only
/*
 * rows - what an item's maps and tables hold now, as records: `sonde ITEM`, GET /v1/records/ITEM.
 *
 * A table's iterator says one row for each process (or socket, or file). Rows whose columns are the same are one row with
 * their sums, as they are one series of the metrics: when the item is `by` container or host, and when somebody asks for
 * it: then what is finer is taken out of the keys first, before anything has a name.
 */
#include "items/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 1 << 20, MERGED_ROWS = 65536 };

struct rows {
	struct item *item;
	const struct item_map *map;
	struct buf *labels, *entry; /* of a row; an entry's key and value side by side */
	uint8_t *raw; /* a copy of a row, to be made alike */
	struct map merged; /* labels' bytes -> row */
	bool (*each)(void *ctx, const struct record *row);
	void *ctx;
	enum rows_by by;
	struct map
		alike; /* what a group is called at this level -> the id of the first such group */
	bool are_gone; /* what is merged now comes from a map of what is gone */
	bool enough;
};

/* ---- coarser than a process ---- */

static const char *const by_name[] = {
	[ROWS_PROCESS] = "process", [ROWS_CONTAINER] = "container", [ROWS_POD] = "pod",
	[ROWS_SERVICE] = "service", [ROWS_HOST] = "host",
};

int rows_by_name(const char *name)
{
	for (int i = 0; name && i <= ROWS_HOST; i++)
		if (!strcmp(name, by_name[i]))
			return i;
	return name ? -EINVAL : ROWS_PROCESS;
}

static const unsigned who_of[] = {
	[ROWS_PROCESS] = ~0u,
	[ROWS_CONTAINER] = WHO_OF_CGROUP,
	[ROWS_POD] = 1 << WHO_POD | 1 << WHO_NAMESPACE,
	[ROWS_SERVICE] = 1 << WHO_SERVICE,
	[ROWS_HOST] = 0,
};

/* The sum of several has only what they have in common. */
static void leave_out_the_finer(const struct rows *rows, struct record *record)
{
	for (int i = 0; i < WHO_COLUMNS; i++) {
		uint16_t at = record->layout->who[i];

		if (at != NO_COLUMN && !(who_of[rows->by] & 1u << i))
			record->value[at] = (struct value){};
	}
}

/* One control group stands for all that are the same pod or service; 0 for all that are none. */
static uint64_t group_alike(struct rows *rows, uint64_t id)
{
	const struct resolver *resolver = item_resolver(rows->item);
	struct who who = {};
	struct span name;
	uint64_t hash, *first;
	bool is_new;

	if (rows->by == ROWS_CONTAINER)
		return id;
	if (rows->by == ROWS_HOST || !resolver->cgroup ||
	    !resolver->cgroup(resolver->ctx, id, &who))
		return 0;
	name = rows->by == ROWS_POD ? who.pod : who.service;
	if (!name.len)
		return 0;
	hash = hash_bytes(name.at, name.len, 1);
	if (rows->by == ROWS_POD)
		hash = hash_bytes(who.namespace.at, who.namespace.len, hash);
	first = map_put(&rows->alike, &hash, &is_new);
	if (first && is_new)
		*first = id;
	return first ? *first : id;
}

/* Makes rows that are one at this level equal in their keys. False: this map can't tell whose a row is. */
static bool make_alike(struct rows *rows, uint8_t *row)
{
	const struct schema *key = &rows->map->key;
	bool has_cgroup = rows->by == ROWS_HOST;

	for (uint32_t i = 0; i < key->count; i++) {
		uint8_t *at = row + key->column[i].offset;
		uint64_t id;

		if (key->column[i].type != COLUMN_CGROUP_ID)
			continue;
		memcpy(&id, at, sizeof(id));
		id = group_alike(rows, id);
		memcpy(at, &id, sizeof(id));
		has_cgroup = true;
	}
	if (has_cgroup)
		item_forget_process(rows->map, row);
	return has_cgroup;
}

/* ---- showing and merging ---- */

static bool show(struct rows *rows, const void *row)
{
	struct record record;

	if (!item_fill_row(rows->item, rows->map, row, &record)) {
		leave_out_the_finer(rows, &record);
		rows->enough = !rows->each(rows->ctx, &record);
	}
	return !rows->enough;
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

void item_add_row(const struct item_desc *desc, const struct item_map *map, uint8_t *sum,
		  const uint8_t *part)
{
	for (uint32_t i = 0; i < map->metrics; i++) {
		const struct metric *metric = &desc->metric[map->first_metric + i];
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
	const struct column *column = item_pid_column(map);
	uint32_t pid = 0;

	if (column)
		memcpy(&pid, row + column->offset, sizeof(pid));
	return pid != 0;
}

static bool merge_row(void *ctx, const void *row)
{
	struct rows *rows = ctx;
	uint8_t *sum;
	bool is_new;

	if (rows->by != ROWS_PROCESS) {
		memcpy(rows->raw, row, rows->map->row.size);
		if (make_alike(rows, rows->raw))
			row = rows->raw;
	}
	item_label_key(rows->map, row, rows->labels);
	sum = rows->merged.key_size ? map_put(&rows->merged, rows->labels->at, &is_new) : NULL;
	if (!sum)
		return show(rows, row); /* too many, or without labels: as it is */
	if (is_new || (rows->are_gone && !rows->map->gone_adds && is_of_one_process(rows->map, row)))
		memcpy(sum, row, rows->map->row.size); /* it ended between the two readings */
	else
		item_add_row(rows->item->desc, rows->map, sum, row);
	return true;
}

static bool show_entry(void *ctx, const void *key, const void *value)
{
	struct rows *rows = ctx;

	if (item_is_overflow(rows->map, key))
		return true; /* nobody's: seen in the metrics */
	buf_clear(rows->entry);
	buf_add(rows->entry, key, rows->map->key_size);
	buf_add(rows->entry, value, rows->map->value_size);
	return rows->by == ROWS_PROCESS ? show(rows, rows->entry->at)
					: merge_row(rows, rows->entry->at);
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

/* What the dead had whose entries are deleted by now: part of the coarser rows. */
static void each_retired(const struct rows *rows, const struct item_map *map, map_entry each,
			 void *ctx)
{
	const struct item *item = rows->item;
	const struct map *retired = &item->source[map - item->desc->map].retired;
	const void *key;
	void *row;
	size_t at = 0;

	while (rows->by != ROWS_PROCESS && map_next(retired, &at, &key, &row))
		each(ctx, key, (const uint8_t *)row + map->key_size);
}

static int add_the_gone(struct rows *rows)
{
	const struct item_desc *desc = rows->item->desc;
	struct gone gone = {.rows = rows, .row = malloc(rows->map->row.size)};
	int result = gone.row ? 0 : -ENOMEM;

	rows->are_gone = true;
	for (uint32_t i = 0; result >= 0 && i < desc->maps; i++) {
		gone.map = &desc->map[i];
		if (table_of_the_gone(desc, gone.map) != rows->map)
			continue;
		result = object_read(rows->item->object, gone.map->name, merge_gone, &gone);
		if (result >= 0)
			each_retired(rows, gone.map, merge_gone, &gone);
	}
	rows->are_gone = false;
	free(gone.row);
	return result;
}

static int show_source(struct rows *rows)
{
	int result;

	rows->raw = malloc(rows->map->row.size);
	if (!rows->raw)
		return -ENOMEM;
	map_init(&rows->merged, item_label_bytes(rows->map), rows->map->row.size, MERGED_ROWS);
	map_init(&rows->alike, sizeof(uint64_t), sizeof(uint64_t), MERGED_ROWS);
	result = item_read_source(rows->item, rows->map, show_entry, merge_row, rows);
	if (result >= 0 && rows->map->is_table)
		result = add_the_gone(rows);
	else if (result >= 0)
		each_retired(rows, rows->map, show_entry, rows);
	if (result >= 0)
		show_merged(rows);
	map_done(&rows->alike);
	map_done(&rows->merged);
	free(rows->raw);
	return result;
}

int item_rows(struct item *item, enum rows_by by, bool (*each)(void *ctx, const struct record *row),
	      void *ctx, struct err *why)
{
	struct buf labels, entry;
	struct rows rows = {.item = item,
			    .by = by,
			    .labels = &labels,
			    .entry = &entry,
			    .each = each,
			    .ctx = ctx};
	int result = 0;

	if (item->state == ITEM_ASLEEP)
		return err_set(why, -EBUSY,
			       "item '%s' is asleep until its condition comes true; what it collected: 'sonde evidence'",
			       item->name);
	if (!item->started)
		return err_set(why, -EBUSY,
			       "item '%s' is off; switch it on with 'sonde items on %s'",
			       item->name, item->name);
	buf_init(&labels, ROW_BYTES);
	buf_init(&entry, ROW_BYTES);
	for (uint32_t i = 0; result >= 0 && !rows.enough && item->desc && i < item->desc->maps;
	     i++) {
		rows.map = &item->desc->map[i];
		if (!table_of_the_gone(item->desc, rows.map))
			result = show_source(&rows);
	}
	buf_done(&labels);
	buf_done(&entry);
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
	if (column->is_hidden)
		json_key_bool(json, "hidden", true);
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

/* Records that the user half publishes, and how its command shows them. */
static void published_json(const struct item_ops *ops, struct json *json)
{
	json_key_bool(json, "rows_first", ops->rows_first);
	json_key(json, "records");
	json_array(json);
	for (const struct layout *const *layout = ops->events; layout && *layout; layout++)
		layout_rows_json(*layout, json);
	json_array_end(json);
}

void item_rows_json(const struct item *item, struct json *json)
{
	if (item->ops && (item->ops->events || item->ops->rows_first))
		published_json(item->ops, json);
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
