/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rows - what a watching command shows: events as they come, or what grew in a snapshot of rows since the one before.
 *
 * Rows of one kind are a table. A row is told from the others by its columns that are no numbers of the item (pid, container,
 * state ...); rows that are told apart by the same columns are one row (a device's queue and service times come from two
 * maps). Counters and histograms are shown as growth, gauges as they are.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/json_read.h"
#include "base/map.h"
#include "cli/options.h"
#include "cli/table.h"

enum { ROWS_COLUMNS = 80, ROWS_KINDS = 8, ROWS_GROUPS = 12 };

struct row_column {
	char name[40];
	bool counts; /* a counter or histogram: shown as growth */
	bool histogram;
	bool number; /* of the item: not part of a row's identity */
	bool hidden; /* unless it is asked for */
	char unit[16];
};

/* Rows that are one table. */
struct row_group {
	char kind[40];
	struct row_column column[ROWS_COLUMNS];
	size_t columns;
};

struct rows {
	const struct options *options; /* borrowed */
	struct row_group group[ROWS_GROUPS]; /* of rows */
	size_t groups;
	struct row_group event; /* columns of the item's events */
	char kind[ROWS_KINDS][40]; /* of the item's events */
	size_t kinds;
	struct arena now, before; /* snapshots */
	const struct json_node *rows_now, *rows_before;
	struct table table; /* of events waiting to be printed */
	bool head_printed, terminal;
	size_t wide[TABLE_COLUMNS];
	uint64_t snapshots;
};

void rows_init(struct rows *rows);
void rows_done(struct rows *rows);
/* Columns of events and rows from what the API says of the item. */
void rows_learn(struct rows *rows, const struct json_node *item, const struct options *options);

/* Do the columns of --sort and --columns exist? Else says which, and what may have been meant. */
int rows_check(const struct rows *rows, struct err *why);

/* One event's JSON. Printed at once with --json, else at rows_flush. False when it was none of the item's events. */
bool rows_event(struct rows *rows, struct span json);
void rows_flush(struct rows *rows);

/* A snapshot: an array of records (copied). rows_print shows what it has beyond the one before. */
void rows_snapshot(struct rows *rows, const struct json_node *records);
void rows_print(struct rows *rows);

/* Does the row say of itself that something failed? */
bool rows_is_wrong(const struct json_node *record);

/* Is the column shown, as --columns says or because it tells something? */
bool rows_shows(const struct rows *rows, const struct row_column *column);
/* Where in --columns it stands; SIZE_MAX = nowhere. */
size_t rows_place(const struct rows *rows, const struct row_column *column);
/* A cell with the value, the way people read it. */
void rows_cell(struct table *table, const struct row_column *column, const struct json_node *value);
