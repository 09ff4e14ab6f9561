/* SPDX-License-Identifier: GPL-2.0-only */
/* rows - what is inside a batch of rows, and of a block: a vector of values per column. Not for
 * other rooms. */
#pragma once

#include "store/dict.h"
#include "store/table.h"

/* Is that a table: name and columns of allowed letters, time first, no name twice? */
int store_table_check(const struct store_table *table, struct err *why);

/* Name and columns as bytes, the same in every file, and back. -EBADMSG when they are no table. */
void store_table_write(const struct store_table *table, struct buf *out);
int store_table_read(struct store_table *table, struct reader *from);

/* Kept as codes into a dictionary. */
static inline bool type_is_text(enum store_type type)
{
	return type == STORE_TEXT || type == STORE_SKETCH;
}

static inline bool type_is_signed(enum store_type type)
{
	return type == STORE_TIME || type == STORE_I64;
}

/*
 * The values of one column. Numbers are their own 64 bits, texts are codes, an ID16 takes two
 * words. What stands at a row without a value has no meaning.
 */
struct vector {
	uint64_t *values; /* owned; NULL as long as no row has a value */
	uint64_t *present; /* owned: bit i of word i / 64: row i has a value */
	uint32_t count; /* rows that have one */
};

static inline bool vector_has(const struct vector *vector, uint32_t row)
{
	return vector->count && vector->present[row / 64] >> (row % 64) & 1;
}

static inline uint32_t words_of(enum store_type type)
{
	return type == STORE_ID16 ? 2 : 1;
}

struct store_rows {
	const struct store_table *table; /* borrowed; may gain columns meanwhile */
	uint32_t count; /* rows finished */
	uint32_t cap; /* rows at most */
	struct store_rows_lost lost;
	struct vector vector[TABLE_COLUMNS_MAX];
	struct dict
		*dict[TABLE_COLUMNS_MAX]; /* owned: of text columns, NULL before the first text */
};

/* Takes back what was set of a row that is not finished. */
void store_rows_forget(struct store_rows *rows);

/* More rows: `cap` above the present one. 0 or -ENOMEM. */
int store_rows_grow(struct store_rows *rows, uint32_t cap);

/* Makes room for the values of that many rows, if it is empty. False when memory is out. */
bool vector_make(struct vector *vector, enum store_type type, uint32_t rows);
void vector_done(struct vector *vector);

static inline void vector_mark(struct vector *vector, uint32_t row)
{
	uint64_t bit = (uint64_t)1 << (row % 64);

	vector->count += !(vector->present[row / 64] & bit);
	vector->present[row / 64] |= bit;
}

static inline void vector_mark_range(struct vector *vector, uint32_t from, uint32_t count)
{
	for (uint32_t row = from; row < from + count;) {
		if (row % 64 == 0 && from + count - row >= 64) {
			vector->present[row / 64] = UINT64_MAX;
			vector->count += 64;
			row += 64;
		} else {
			vector_mark(vector, row++);
		}
	}
}

struct store_cell vector_cell(const struct vector *vector, enum store_type type,
			      const struct dict *dict, uint32_t row);
