/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * query - questions to a table, over its segments and the rows still in memory.
 *
 * Two kinds. Rows: the first `limit` ones in the order of a column, with a cursor to go on behind
 * the last. Groups (when there are aggregates or a `by`): one row for each combination of values
 * and each step of time.
 *
 *	{.table = "requests", .from_ns = a, .to_ns = b, .where = &slow, .by = {"service"}, .by_count = 1,
 *	 .aggregate = {{STORE_COUNT}, {STORE_QUANTILE, "duration_ns", 0.99}}, .aggregates = 2,
 *	 .order = 2, .limit = 10}	-> the ten services with the highest 99th percentile
 */
#pragma once

#include "store/predicate.h"
#include "store/store.h"

enum {
	QUERY_BY_MAX = 8,
	QUERY_COLUMNS_MAX = TABLE_COLUMNS_MAX,
	QUERY_AGGREGATES_MAX = 16,
	QUERY_ROWS_MAX = 10000, /* of an answer */
	QUERY_GROUPS_MAX = 100000, /* while it runs */
	QUERY_MEMORY_MAX = 24 << 20, /* bytes of one question and its answer */
	QUERY_BUDGET_MS = 10000,
};

enum store_aggregate_kind {
	STORE_COUNT, /* rows; with a column: rows that have a value there */
	STORE_SUM, /* of the column's own kind of number; stops at its end */
	STORE_MIN,
	STORE_MAX,
	STORE_MEAN, /* a double */
	STORE_QUANTILE, /* a double, within 1 % (base/sketch.h); of a column of sketches: of all of them together */
};

struct store_aggregate {
	enum store_aggregate_kind kind;
	const char *column; /* NULL only for STORE_COUNT */
	double quantile; /* 0..1 */
};

/* Behind which row to go on. Made by an answer. */
struct store_cursor {
	bool set;
	uint64_t row;
	/* value of the order column there; a text is borrowed from the answer or the text form */
	struct store_cell key;
};

struct store_query {
	const char *table;
	int64_t from_ns, to_ns; /* from <= time < to */
	const struct predicate *where;

	/* rows */
	const char *columns[QUERY_COLUMNS_MAX];
	size_t columns_count; /* 0: all of the table, in its order */
	const char *order_by; /* NULL: time */
	bool ascending; /* else the greatest first; absent values come last either way */
	struct store_cursor after;

	/* groups */
	const char *by[QUERY_BY_MAX];
	size_t by_count;
	int64_t step_ns; /* 0: no steps of time; else the first column of the answer is the step's begin */
	struct store_aggregate aggregate[QUERY_AGGREGATES_MAX];
	size_t aggregates;
	int order; /* column of the answer, from 0, that orders the groups; -1: by step and keys, ascending */

	size_t limit; /* rows of the answer; 0: QUERY_ROWS_MAX */
	size_t groups_max; /* 0: 10000; what comes above is summed up in `others` */
	uint32_t budget_ms; /* 0: QUERY_BUDGET_MS */
};

struct store_answer_column {
	char name[STORE_NAME_BYTES + 16]; /* "duration_ns", "duration_ns.p99", "count" */
	enum store_type type;
};

struct store_answer {
	struct store_answer_column *column;
	size_t columns;
	struct store_cell *cell; /* row by row */
	size_t rows;
	struct store_cursor next; /* set when there is more (only of rows) */
	uint64_t others; /* rows that were in no group for want of room for groups */
	size_t groups; /* before the limit */

	/* how it went */
	bool partial; /* time was out, or something could not be read */
	char why_partial[128];
	int64_t from_ns; /* what the table really holds: oldest row */
	uint64_t rows_seen; /* in blocks that were looked into */
	uint64_t rows_matched;
	uint64_t rows_unreadable; /* in damaged blocks and segments, as far as known */
	uint32_t segments_read, segments_skipped, blocks_read, blocks_skipped;

	struct arena arena; /* holds all of the above */
};

/*
 * Answers the question. -ENOENT: no such table or column; -EINVAL; -ENOMEM: it needs more than
 * QUERY_MEMORY_MAX (ask for less). The answer is to be given back with answer_done, also after an
 * error.
 */
int store_query(struct store *store, const struct store_query *query, struct store_answer *answer,
		struct err *why);
void store_answer_done(struct store_answer *answer);

/* A cursor as text for URLs ([0-9a-z.-]+) and back. -EINVAL: no such text. The key's text goes
 * into the arena. */
int store_cursor_write(const struct store_cursor *cursor, struct buf *out);
int store_cursor_read(struct span text, struct arena *arena, struct store_cursor *ret_cursor);

static inline const struct store_cell *store_answer_cell(const struct store_answer *answer,
							 size_t row, size_t column)
{
	return &answer->cell[row * answer->columns + column];
}
