/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table - what a table's columns are, and batches of rows on their way into it.
 *
 * A table is a name and a list of columns; the first is always `time`. Any value but the time may
 * be absent. Columns may be added later (at the end); older rows are then absent there. The width
 * of numbers is no matter of the files (they are packed): STORE_U64 does for every unsigned number.
 *
 * Rows are given in batches that are filled value by value:
 *
 *	store_rows_i64(rows, TIME, now);  store_rows_text(rows, PATH, path);  store_rows_u64(rows, STATUS, 200);
 *	store_rows_next(rows);
 *	...
 *	store_append(store, rows, &why);  store_rows_clear(rows);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum {
	TABLE_COLUMNS_MAX = 128,
	STORE_NAME_BYTES = 40, /* of tables and columns, the ending 0 counted */
	STORE_TEXT_BYTES_MAX = 16 * 1024, /* a longer text is cut (and counted) */
	ROWS_MAX = 8192, /* of one batch */
	ROWS_TEXT_BYTES_MAX =
		1 << 20, /* of one text column of one batch, every text counted once */
};

/* The numbers stand in files. */
enum store_type {
	STORE_TIME = 1, /* i64: ns since 1970, UTC */
	STORE_U64 = 2,
	STORE_I64 = 3,
	STORE_DOUBLE = 4,
	STORE_BOOL = 5,
	STORE_TEXT = 6, /* any bytes; kept once per segment, so repeated texts are cheap */
	STORE_ID16 = 7, /* 16 bytes: a trace id */
	STORE_SKETCH = 8, /* a written sketch (base/sketch.h): percentiles join them */
	STORE_TYPES,
};

const char *store_type_name(enum store_type type);

struct store_column {
	char name[STORE_NAME_BYTES]; /* [a-z0-9_.:]+ */
	enum store_type type;
	bool find; /* single values will be looked for: segments get a bloom filter of it (not for doubles and times) */
};

struct store_table {
	char name[STORE_NAME_BYTES]; /* [a-z0-9_]+ */
	uint32_t count; /* columns */
	struct store_column column[TABLE_COLUMNS_MAX];
};

/* Index of a column, or -ENOENT. */
int store_table_column(const struct store_table *table, const char *name);

/* One value outside of a batch: what queries compare with and give back. */
struct store_cell {
	enum store_type type; /* 0 = absent */
	union {
		uint64_t u64; /* STORE_U64, STORE_BOOL */
		int64_t i64; /* STORE_I64, STORE_TIME */
		double real;
		struct span text; /* borrowed */
		uint8_t id16[16];
	};
};

/* A batch; what is in it is the store's affair. */
struct store_rows;

/* `cap` rows at most, itself at most ROWS_MAX. NULL when memory is out. */
struct store_rows *store_rows_new(const struct store_table *table, uint32_t cap);
void store_rows_free(struct store_rows *rows);
void store_rows_clear(struct store_rows *rows);

/* No further row fits. */
bool store_rows_full(const struct store_rows *rows);
/* Rows that are finished. */
uint32_t store_rows_count(const struct store_rows *rows);

/* What a batch could not take, since it was made. */
struct store_rows_lost {
	uint64_t cut; /* texts that were too long */
	uint64_t refused; /* values: wrong type or column, or no room for the text */
	uint64_t timeless; /* rows without time */
};
struct store_rows_lost store_rows_lost(const struct store_rows *rows);

/* Set a value of the row that is being filled. Columns are indexes into the table. */
void store_rows_u64(struct store_rows *rows, unsigned column, uint64_t value);
void store_rows_i64(struct store_rows *rows, unsigned column, int64_t value); /* also STORE_TIME */
void store_rows_bool(struct store_rows *rows, unsigned column, bool value);
void store_rows_double(struct store_rows *rows, unsigned column, double value);
void store_rows_text(struct store_rows *rows, unsigned column,
		     struct span text); /* also STORE_SKETCH */
void store_rows_id16(struct store_rows *rows, unsigned column, const uint8_t id[16]);
/* Any of these; absent sets nothing. */
void store_rows_cell(struct store_rows *rows, unsigned column, const struct store_cell *cell);

/* Ends the row. 0; -EINVAL when it has no time, -ENOSPC when the batch is full: it is not taken
 * then. */
int store_rows_next(struct store_rows *rows);

/* The value at a finished row; texts are borrowed from the batch. */
struct store_cell store_rows_at(const struct store_rows *rows, unsigned column, uint32_t row);

/* Bytes of memory it holds. */
size_t store_rows_memory(const struct store_rows *rows);
