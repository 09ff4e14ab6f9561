// SPDX-License-Identifier: GPL-2.0-only
/*
 * shelve - the writer's half: bytes become rows of tables.
 *
 * Every item has a table of its name. A column of a record is a column of the table by the same name and the type of
 * the value that came first. Another type of value under that name (two kinds of records of one item may disagree)
 * goes into a second column "name:i64", nested JSON always into "name:json": whoever reads back leaves out what is
 * behind the colon. The item itself is no column.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "history/inside.h"
#include "history/past.h"

enum { ROWS_FIRST = 32, ROWS_MOST = 2048, ASK = -1, NEVER = -2 };

void shelver_init(struct shelver *shelver, struct store *store, uint32_t keep_s)
{
	*shelver = (struct shelver){.store = store, .keep_s = keep_s};
	map_init(&shelver->by_number, sizeof(uint32_t), sizeof(uint32_t), LAYOUTS);
}

static void layout_free(struct shelf_layout *layout)
{
	if (!layout)
		return;
	free(layout->name);
	free(layout->column);
	free(layout);
}

void shelve_forget(struct shelver *shelver)
{
	for (uint32_t i = 0; i < shelver->layouts; i++)
		layout_free(shelver->layout[i]);
	shelver->layouts = 0;
	shelver->last = NULL;
	map_clear(&shelver->by_number);
}

void shelver_done(struct shelver *shelver)
{
	shelve_forget(shelver);
	map_done(&shelver->by_number);
	for (uint32_t i = 0; i < shelver->lanes; i++) {
		store_rows_free(shelver->lane[i]->rows);
		free(shelver->lane[i]);
	}
}

static void ask_anew(struct shelf_layout *layout)
{
	for (uint32_t i = 0; i < layout->count; i++)
		for (int kind = 0; kind < VALUE_KINDS; kind++)
			layout->column[i][kind] = ASK;
}

void shelve_layout(struct shelver *shelver, struct reader *reader)
{
	uint32_t number = (uint32_t)get_varint(reader), count = (uint32_t)get_varint(reader);
	struct shelf_layout *layout = calloc(1, sizeof(*layout));
	uint32_t *place;

	if (layout && count <= LAYOUT_COLUMNS) {
		layout->number = number;
		layout->count = count;
		layout->name = calloc(count + 1, sizeof(*layout->name));
		layout->column = calloc(count + 1, sizeof(*layout->column));
	}
	for (uint32_t i = 0; i < count; i++) {
		struct span name = get_text(reader);

		if (layout && layout->name && name.len < COLUMN_NAME_BYTES)
			memcpy(layout->name[i], name.at, name.len);
	}
	place = layout && layout->name && layout->column && shelver->layouts < LAYOUTS
			? map_put(&shelver->by_number, &number, NULL)
			: NULL;
	if (!place) {
		layout_free(layout);
		return; /* its records will be counted as expired */
	}
	ask_anew(layout);
	*place = shelver->layouts;
	shelver->layout[shelver->layouts++] = layout;
}

static struct shelf_layout *find_layout(struct shelver *shelver, uint32_t number)
{
	uint32_t *place;

	if (shelver->last && shelver->last->number == number)
		return shelver->last;
	place = map_get(&shelver->by_number, &number);
	return place ? shelver->last = shelver->layout[*place] : NULL;
}

static int define(struct shelver *shelver, struct lane *lane, const struct store_column *column,
		  size_t count)
{
	const struct store_table_definition definition = {
		.name = lane->table_name,
		.columns = column,
		.count = count,
		.keep_s = shelver->keep_s,
		.weight = 1,
	};

	return store_table_define(shelver->store, &definition, &lane->table, NULL);
}

static struct lane *lane_of(struct shelver *shelver, struct span item)
{
	const struct store_column time = {.name = "time", .type = STORE_TIME};
	struct lane *lane;

	for (uint32_t i = 0; i < shelver->lanes; i++)
		if (span_is(item, shelver->lane[i]->name))
			return shelver->lane[i];
	if (shelver->lanes == LANES_MAX || !item.len || item.len >= sizeof(lane->name))
		return NULL;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return NULL;
	memcpy(lane->name, item.at, item.len);
	past_table(lane->name, lane->table_name);
	lane->room = ROWS_FIRST;
	if (!define(shelver, lane, &time, 1))
		lane->rows = store_rows_new(lane->table, lane->room);
	if (!lane->rows) {
		free(lane);
		return NULL;
	}
	return shelver->lane[shelver->lanes++] = lane;
}

static void append(struct shelver *shelver, struct lane *lane)
{
	uint32_t count = store_rows_count(lane->rows);
	int taken = count ? store_append(shelver->store, lane->rows, NULL) : 0;

	taken = taken < 0 ? 0 : taken;
	lane->stored += (uint32_t)taken;
	lane->expired += count - (uint32_t)taken;
	shelver->delivered += (uint32_t)taken;
	shelver->expired += count - (uint32_t)taken;
	store_rows_clear(lane->rows);
}

/* A table that fills its batch before the parcel ends gets a larger one. */
static void make_place(struct shelver *shelver, struct lane *lane)
{
	struct store_rows *larger;

	if (!store_rows_full(lane->rows))
		return;
	append(shelver, lane);
	larger = lane->room < ROWS_MOST ? store_rows_new(lane->table, lane->room * 4) : NULL;
	if (!larger)
		return;
	store_rows_free(lane->rows);
	lane->rows = larger;
	lane->room *= 4;
}

static enum store_type type_of(enum value_kind kind)
{
	switch (kind) {
	case VALUE_I64: return STORE_I64;
	case VALUE_DOUBLE: return STORE_DOUBLE;
	case VALUE_BOOL: return STORE_BOOL;
	case VALUE_TEXT:
	case VALUE_JSON: return STORE_TEXT;
	case VALUE_TIME: return STORE_TIME;
	case VALUE_SKETCH: return STORE_SKETCH;
	default: return STORE_U64;
	}
}

/* Values that are looked for one by one: an index helps. */
static bool is_sought(const char *name)
{
	static const char *const sought[] = {"trace_id", "span_id", "connection", "container_id"};

	for (size_t i = 0; i < sizeof(sought) / sizeof(*sought); i++)
		if (!strcmp(name, sought[i]))
			return true;
	return false;
}

/* The column of that name if its type is right, or free. */
static int16_t try_column(struct shelver *shelver, struct lane *lane, const char *name,
			  enum store_type type)
{
	struct store_column columns[2] = {
		{.name = "time", .type = STORE_TIME},
		{.type = type, .find = type != STORE_TIME && is_sought(name)},
	};
	int at = store_table_column(lane->table, name);

	if (at >= 0)
		return lane->table->column[at].type == type ? (int16_t)at : NEVER;
	snprintf(columns[1].name, sizeof(columns[1].name), "%s", name);
	if (define(shelver, lane, columns, 2))
		return NEVER;
	at = store_table_column(lane->table, name);
	return at >= 0 && lane->table->column[at].type == type ? (int16_t)at : NEVER;
}

static int16_t find_column(struct shelver *shelver, struct lane *lane, const char *name,
			   enum value_kind kind)
{
	static const char *const suffixes[VALUE_KINDS] = {
		[VALUE_U64] = "u64",   [VALUE_I64] = "i64",       [VALUE_DOUBLE] = "real",
		[VALUE_BOOL] = "bool", [VALUE_TEXT] = "text",     [VALUE_TIME] = "time",
		[VALUE_JSON] = "json", [VALUE_SKETCH] = "sketch",
	};
	char other[STORE_NAME_BYTES];
	int16_t at = NEVER;

	if (kind == VALUE_ABSENT)
		return NEVER;
	if (kind != VALUE_JSON)
		at = try_column(shelver, lane, name, type_of(kind));
	if (at == NEVER &&
	    (size_t)snprintf(other, sizeof(other), "%s:%s", name, suffixes[kind]) < sizeof(other))
		at = try_column(shelver, lane, other, type_of(kind));
	return at;
}

struct read_value {
	uint32_t column;
	enum value_kind kind;
	struct store_cell cell;
};

static bool read_value(struct reader *reader, struct read_value *value)
{
	value->column = (uint32_t)get_varint(reader);
	value->kind = get_u8(reader);
	value->cell = (struct store_cell){.type = type_of(value->kind)};
	switch (value->kind) {
	case VALUE_I64: value->cell.i64 = unzigzag(get_varint(reader)); break;
	case VALUE_BOOL: value->cell.u64 = get_u8(reader); break;
	case VALUE_DOUBLE: value->cell.u64 = get_u64(reader); break;
	case VALUE_TEXT:
	case VALUE_SKETCH:
	case VALUE_JSON: value->cell.text = get_text(reader); break;
	default: value->cell.u64 = get_varint(reader);
	}
	return !reader->bad;
}

static void put(struct shelver *shelver, struct shelf_layout *layout,
		const struct read_value *value)
{
	int16_t *column = &layout->column[value->column][value->kind];
	struct lane *lane = layout->lane;

	if (*column == ASK)
		*column = find_column(shelver, lane, layout->name[value->column], value->kind);
	if (*column < 0)
		return;
	if (value->kind == VALUE_BOOL)
		store_rows_bool(lane->rows, (unsigned)*column, value->cell.u64 != 0);
	else
		store_rows_cell(lane->rows, (unsigned)*column, &value->cell);
}

/* Values come in the order of columns; the second is the item: it says which table. */
void shelve_record(struct shelver *shelver, struct reader *reader)
{
	struct shelf_layout *layout = find_layout(shelver, (uint32_t)get_varint(reader));
	uint64_t count = get_varint(reader);
	struct read_value value, time = {};
	bool fits = layout != NULL;

	for (uint64_t i = 0; i < count && read_value(reader, &value); i++) {
		if (!layout || value.column >= layout->count ||
		    (unsigned)value.kind >= VALUE_KINDS) {
			fits = false;
		} else if (value.column == LAYOUT_TIME) {
			time = value;
		} else if (value.column == LAYOUT_ITEM) {
			struct lane *lane = lane_of(shelver, value.cell.text);

			if (lane != layout->lane)
				ask_anew(layout);
			layout->lane = lane;
			fits = fits && lane;
			if (lane)
				make_place(shelver, lane);
			if (lane)
				store_rows_i64(lane->rows, 0, (int64_t)time.cell.u64);
		} else if (fits) {
			put(shelver, layout, &value);
		}
	}
	if (!fits || store_rows_next(layout->lane->rows))
		shelver->expired++;
}

void shelver_flush(struct shelver *shelver)
{
	for (uint32_t i = 0; i < shelver->lanes; i++)
		append(shelver, shelver->lane[i]);
}
