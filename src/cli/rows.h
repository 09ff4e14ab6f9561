/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rows - what a watching command shows: events as they come, or what grew in a snapshot of rows since the one before.
 *
 * A row is told from the others by its columns that are no numbers of the item (pid, container, state ...). Counters and
 * histograms are shown as growth, gauges as they are.
 */
#pragma once

#include "base/arena.h"
#include "base/json_read.h"
#include "base/map.h"
#include "cli/options.h"
#include "cli/table.h"

enum { ROWS_COLUMNS = 80, ROWS_KINDS = 8 };

struct row_column {
	char name[40];
	bool counts;	/* a counter or histogram: shown as growth */
	bool histogram;
	bool number;	/* of the item: not part of a row's identity */
	double scale;	/* histogram: raw number -> unit */
	char unit[16];
};

struct rows {
	const struct options *options; /* borrowed */
	struct row_column column[ROWS_COLUMNS];
	size_t columns;
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
/* Columns from the item's description. */
void rows_learn(struct rows *rows, const struct json_node *description, const struct options *options);

/* One event's JSON. Printed at once with --json, else at rows_flush. False when it was none of the item's events. */
bool rows_event(struct rows *rows, struct span json);
void rows_flush(struct rows *rows);

/* A snapshot: an array of records (copied). rows_print shows what it has beyond the one before. */
void rows_snapshot(struct rows *rows, const struct json_node *records);
void rows_print(struct rows *rows);
