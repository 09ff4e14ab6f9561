// SPDX-License-Identifier: GPL-2.0-only
/* table - what a table's columns are, and batches of rows on their way into it. */
#include "store/rows.h"

#include <errno.h>
#include <stdlib.h>

static const char *const names[STORE_TYPES] = {
	[STORE_TIME] = "time",     [STORE_U64] = "u64",       [STORE_I64] = "i64",
	[STORE_DOUBLE] = "double", [STORE_BOOL] = "bool",     [STORE_TEXT] = "text",
	[STORE_ID16] = "id16",     [STORE_SKETCH] = "sketch",
};

const char *store_type_name(enum store_type type)
{
	return type > 0 && type < STORE_TYPES ? names[type] : "none";
}

int store_table_column(const struct store_table *table, const char *name)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (!strcmp(table->column[i].name, name))
			return (int)i;
	return -ENOENT;
}

static bool is_name(const char *name, const char *letters)
{
	size_t len = strnlen(name, STORE_NAME_BYTES);

	return len && len < STORE_NAME_BYTES && strspn(name, letters) == len;
}

int store_table_check(const struct store_table *table, struct err *why)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.:";

	if (!is_name(table->name, "abcdefghijklmnopqrstuvwxyz0123456789_"))
		return err_set(why, -EINVAL, "not a table name: up to %d of a-z, 0-9 and _",
			       STORE_NAME_BYTES - 1);
	if (table->count < 1 || table->count > TABLE_COLUMNS_MAX)
		return err_set(why, -EINVAL, "table '%s' has %u columns: 1 to %d are possible",
			       table->name, table->count, TABLE_COLUMNS_MAX);
	if (table->column[0].type != STORE_TIME || strcmp(table->column[0].name, "time") != 0)
		return err_set(why, -EINVAL,
			       "the first column of table '%s' is not 'time' of type time",
			       table->name);
	for (uint32_t i = 0; i < table->count; i++) {
		const struct store_column *column = &table->column[i];

		if (!is_name(column->name, letters))
			return err_set(
				why, -EINVAL,
				"column %u of table '%s' has no proper name: up to %d of a-z, "
				"0-9, '_', '.' and ':'",
				i, table->name, STORE_NAME_BYTES - 1);
		if (column->type < 1 || column->type >= STORE_TYPES)
			return err_set(why, -EINVAL, "column '%s' of table '%s' has no type",
				       column->name, table->name);
		if (store_table_column(table, column->name) != (int)i)
			return err_set(why, -EINVAL, "table '%s' has column '%s' twice",
				       table->name, column->name);
	}
	return 0;
}

enum { FLAG_FIND = 1 };

void store_table_write(const struct store_table *table, struct buf *out)
{
	buf_text_span(out, span_of(table->name));
	buf_varint(out, table->count);
	for (uint32_t i = 0; i < table->count; i++) {
		buf_text_span(out, span_of(table->column[i].name));
		buf_char(out, (char)table->column[i].type);
		buf_char(out, table->column[i].find ? FLAG_FIND : 0);
	}
}

static bool get_name(struct reader *reader, char name[STORE_NAME_BYTES])
{
	struct span text = get_text(reader);

	if (reader->bad || text.len >= STORE_NAME_BYTES)
		return false;
	memcpy(name, text.at, text.len);
	name[text.len] = 0;
	return true;
}

int store_table_read(struct store_table *table, struct reader *from)
{
	uint64_t count;

	memset(table, 0, sizeof(*table));
	if (!get_name(from, table->name))
		return -EBADMSG;
	count = get_varint(from);
	if (count > TABLE_COLUMNS_MAX)
		return -EBADMSG;
	table->count = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		if (!get_name(from, table->column[i].name))
			return -EBADMSG;
		table->column[i].type = get_u8(from);
		table->column[i].find = get_u8(from) & FLAG_FIND;
	}
	return from->bad || store_table_check(table, NULL) ? -EBADMSG : 0;
}

struct store_rows *store_rows_new(const struct store_table *table, uint32_t cap)
{
	struct store_rows *rows = calloc(1, sizeof(*rows));

	if (!rows)
		return NULL;
	rows->table = table;
	rows->cap = cap < 1 ? 1 : cap > ROWS_MAX ? ROWS_MAX : cap;
	return rows;
}

bool vector_make(struct vector *vector, enum store_type type, uint32_t rows)
{
	if (vector->values)
		return true;
	vector->values = malloc((size_t)rows * words_of(type) * sizeof(*vector->values));
	vector->present = calloc((rows + 63) / 64, sizeof(*vector->present));
	if (vector->values && vector->present)
		return true;
	vector_done(vector);
	return false;
}

void vector_done(struct vector *vector)
{
	free(vector->values);
	free(vector->present);
	*vector = (struct vector){};
}

static bool vector_grow(struct vector *vector, uint32_t words, uint32_t from, uint32_t to)
{
	size_t old = (from + 63) / 64, new = (to + 63) / 64;
	uint64_t *values = realloc(vector->values, (size_t)to * words * sizeof(*values));
	uint64_t *present;

	if (!values)
		return false;
	vector->values = values;
	present = realloc(vector->present, new * sizeof(*present));
	if (!present)
		return false;
	vector->present = present;
	memset(present + old, 0, (new - old) * sizeof(*present));
	return true;
}

int store_rows_grow(struct store_rows *rows, uint32_t cap)
{
	for (uint32_t i = 0; i < rows->table->count; i++)
		if (rows->vector[i].values &&
		    !vector_grow(&rows->vector[i], words_of(rows->table->column[i].type), rows->cap,
				 cap))
			return -ENOMEM;
	rows->cap = cap;
	return 0;
}

bool store_rows_full(const struct store_rows *rows)
{
	return rows->count >= rows->cap;
}

uint32_t store_rows_count(const struct store_rows *rows)
{
	return rows->count;
}

struct store_rows_lost store_rows_lost(const struct store_rows *rows)
{
	return rows->lost;
}

void store_rows_free(struct store_rows *rows)
{
	if (!rows)
		return;
	for (int i = 0; i < TABLE_COLUMNS_MAX; i++) {
		vector_done(&rows->vector[i]);
		if (rows->dict[i])
			dict_done(rows->dict[i]);
		free(rows->dict[i]);
	}
	free(rows);
}

void store_rows_clear(struct store_rows *rows)
{
	for (int i = 0; i < TABLE_COLUMNS_MAX; i++) {
		struct vector *vector = &rows->vector[i];

		if (vector->count)
			memset(vector->present, 0,
			       (rows->cap + 63) / 64 * sizeof(*vector->present));
		vector->count = 0;
		if (rows->dict[i])
			dict_clear(rows->dict[i]);
	}
	rows->count = 0;
}

size_t store_rows_memory(const struct store_rows *rows)
{
	size_t bytes = sizeof(*rows);

	for (uint32_t i = 0; i < rows->table->count; i++) {
		if (rows->vector[i].values)
			bytes += rows->cap * sizeof(uint64_t) *
				 words_of(rows->table->column[i].type);
		if (rows->dict[i])
			bytes += sizeof(struct dict) + dict_memory(rows->dict[i]);
	}
	return bytes;
}

/* Where the value of the row in progress goes, marked as present; NULL if it can't be. */
static uint64_t *place_for(struct store_rows *rows, unsigned column, bool fits)
{
	struct vector *vector = &rows->vector[column];

	if (!fits || store_rows_full(rows) ||
	    (!vector->values &&
	     !vector_make(vector, rows->table->column[column].type, rows->cap))) {
		rows->lost.refused++;
		return NULL;
	}
	vector_mark(vector, rows->count);
	return vector->values + (size_t)rows->count * words_of(rows->table->column[column].type);
}

/* 0 (no type) beyond the last column. */
static enum store_type type_of(const struct store_rows *rows, unsigned column)
{
	return column < rows->table->count ? rows->table->column[column].type : 0;
}

void store_rows_u64(struct store_rows *rows, unsigned column, uint64_t value)
{
	uint64_t *place = place_for(rows, column, type_of(rows, column) == STORE_U64);

	if (place)
		*place = value;
}

void store_rows_i64(struct store_rows *rows, unsigned column, int64_t value)
{
	uint64_t *place = place_for(rows, column, type_is_signed(type_of(rows, column)));

	if (place)
		*place = (uint64_t)value;
}

void store_rows_bool(struct store_rows *rows, unsigned column, bool value)
{
	uint64_t *place = place_for(rows, column, type_of(rows, column) == STORE_BOOL);

	if (place)
		*place = value;
}

void store_rows_double(struct store_rows *rows, unsigned column, double value)
{
	uint64_t *place = place_for(rows, column, type_of(rows, column) == STORE_DOUBLE);

	if (place)
		memcpy(place, &value, sizeof(value));
}

void store_rows_id16(struct store_rows *rows, unsigned column, const uint8_t id[16])
{
	uint64_t *place = place_for(rows, column, type_of(rows, column) == STORE_ID16);

	if (place)
		memcpy(place, id, 16);
}

static struct dict *dict_of(struct store_rows *rows, unsigned column)
{
	if (!rows->dict[column]) {
		rows->dict[column] = malloc(sizeof(struct dict));
		if (rows->dict[column])
			dict_init(rows->dict[column], ROWS_MAX, ROWS_TEXT_BYTES_MAX);
	}
	return rows->dict[column];
}

void store_rows_text(struct store_rows *rows, unsigned column, struct span text)
{
	bool fits = type_is_text(type_of(rows, column));
	struct dict *dict = fits ? dict_of(rows, column) : NULL;
	uint64_t *place;
	int64_t code;

	if (text.len > STORE_TEXT_BYTES_MAX && type_of(rows, column) == STORE_TEXT) {
		rows->lost.cut++;
		text.len = STORE_TEXT_BYTES_MAX;
	}
	code = dict && !store_rows_full(rows) ? dict_put(dict, text) : -EINVAL;
	place = place_for(rows, column, code >= 0);
	if (place)
		*place = (uint64_t)code;
}

void store_rows_cell(struct store_rows *rows, unsigned column, const struct store_cell *cell)
{
	switch (cell->type) {
	case STORE_U64: store_rows_u64(rows, column, cell->u64); break;
	case STORE_TIME:
	case STORE_I64: store_rows_i64(rows, column, cell->i64); break;
	case STORE_DOUBLE: store_rows_double(rows, column, cell->real); break;
	case STORE_BOOL: store_rows_bool(rows, column, cell->u64); break;
	case STORE_TEXT:
	case STORE_SKETCH: store_rows_text(rows, column, cell->text); break;
	case STORE_ID16: store_rows_id16(rows, column, cell->id16); break;
	case STORE_TYPES: break;
	}
}

void store_rows_forget(struct store_rows *rows)
{
	uint64_t bit = (uint64_t)1 << (rows->count % 64);

	if (store_rows_full(rows)) /* none is in progress, and there is no bit for it */
		return;
	for (uint32_t i = 0; i < rows->table->count; i++)
		if (vector_has(&rows->vector[i], rows->count)) {
			rows->vector[i].present[rows->count / 64] &= ~bit;
			rows->vector[i].count--;
		}
}

int store_rows_next(struct store_rows *rows)
{
	if (store_rows_full(rows))
		return -ENOSPC;
	if (!vector_has(&rows->vector[0], rows->count)) {
		store_rows_forget(rows);
		rows->lost.timeless++;
		return -EINVAL;
	}
	rows->count++;
	return 0;
}

struct store_cell vector_cell(const struct vector *vector, enum store_type type,
			      const struct dict *dict, uint32_t row)
{
	struct store_cell cell = {};

	if (!vector_has(vector, row))
		return cell;
	cell.type = type;
	if (type == STORE_ID16)
		memcpy(cell.id16, vector->values + 2 * (size_t)row, 16);
	else if (type_is_text(type))
		cell.text = dict_at(dict, (uint32_t)vector->values[row]);
	else
		cell.u64 = vector->values[row]; /* the union's other numbers are the same 64 bits */
	return cell;
}

struct store_cell store_rows_at(const struct store_rows *rows, unsigned column, uint32_t row)
{
	return vector_cell(&rows->vector[column], rows->table->column[column].type,
			   rows->dict[column], row);
}
