/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run - a question while it is being answered. Not for other rooms.
 *
 * query.c walks over parts and blocks and finds the rows that are wanted; who takes them is either
 * a picker (rows) or a grouper (groups).
 */
#pragma once

#include <errno.h>

#include "store/bound.h"
#include "store/query.h"

struct picker;
struct grouper;

struct run {
	const struct store_query *query;
	struct store_answer *answer;
	struct store_table table; /* as it is known now */
	size_t limit;
	struct codec codec;
	struct part part;
	struct arena scratch; /* for the present part */
	const struct test *test;
	struct picker *picker; /* owned; one of the two */
	struct grouper *grouper; /* owned */
	size_t memory; /* bytes that they hold */
	/* rows of the present block that are wanted, ascending */
	uint32_t wanted[BLOCK_ROWS_MAX];
	uint32_t wanted_count;
};

/* Counts memory; -ENOMEM when the question needs too much. */
static inline int run_charge(struct run *run, size_t bytes)
{
	run->memory += bytes;
	return run->memory > QUERY_MEMORY_MAX ? -ENOMEM : 0;
}

/* Notes that what could not be read is missing in the answer. */
void run_missed(struct run *run, uint64_t rows, const char *what);

/* pick.c */
int picker_new(struct run *run, struct err *why);
void picker_free(struct picker *picker);
/* Could any row of a part or block with these times still be among the first? */
bool picker_wants(const struct run *run, int64_t time_min, int64_t time_max);
int picker_take(struct run *run);
int picker_finish(struct run *run);

/* group.c */
int grouper_new(struct run *run, struct err *why);
void grouper_free(struct grouper *grouper);
void grouper_enter_part(struct run *run);
int grouper_take(struct run *run);
int grouper_finish(struct run *run);

/* -1, 0, 1: cells of the same kind in rising order, absent ones behind all others. */
int cell_order(const struct store_cell *a, const struct store_cell *b);
