/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * past - records read back from the store, as they were: in a question's work().
 *
 * A filter is asked about every record, as it is live; what it demands of single columns is also asked of the store, so that
 * blocks without such values are not looked into.
 */
#pragma once

#include "record/filter.h"
#include "store/query.h"

struct past_query {
	const char *item;
	uint64_t from_ns, to_ns; /* from <= time < to */
	bool newest_first;
	const struct filter *filter; /* NULL = everything */
	struct span cursor; /* `next` of the answer before, or empty */
	uint64_t limit; /* records at most */
	uint32_t budget_ms;
};

struct past_answer {
	uint64_t records;
	bool has_more; /* `next` says where to go on */
	struct buf next; /* owned */
	uint64_t oldest_ns; /* what the table really holds; 0 = nothing */
	bool is_partial; /* time was out, or something could not be read */
	char why_partial[128];
};

/* The table of an item: called like it, unless the samples of metrics are. */
void past_table(const char *item, char ret_table[STORE_NAME_BYTES]);

/* The record is borrowed for the call. An item without a table has no records. -EINVAL: no such cursor. */
int past_read(struct store *store, const struct past_query *query,
	      void (*each)(void *ctx, const struct record *record), void *ctx,
	      struct past_answer *ret_answer, struct err *why);
void past_answer_done(struct past_answer *answer);
