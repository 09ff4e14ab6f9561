/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * groups - records of the history summed up by any of their columns, and by steps of time: in a question's work().
 *
 * What is summed up follows from a column's name, so that it holds for every item. A record that has the column `count`
 * is a summary itself: `count`, `errors` and whatever ends in `_sum` or `_bytes` is added up, of `_min` and `_max`
 * the least and the greatest is taken, and `X_p50`, `X_p90`, `X_p99` come from all sketches `X_sketch` together
 * (within 1 %), never from percentiles of parts. Any other record counts as one: of `X_ns` the sum, least, greatest and
 * percentiles are made, `_bytes` and `retransmits` are added up, and `errors` counts where `error` is true.
 *
 * Two ranges are compared by reading both into the same groups: what is in the second one only has a count of 0 in the first.
 */
#pragma once

#include "base/json.h"
#include "history/past.h"

enum { GROUPS_BY_MAX = 12, GROUPS_MOST = 20000 };

struct groups_query {
	struct past_query past; /* its limit and cursor are not used */
	const char *by[GROUPS_BY_MAX]; /* names of columns */
	size_t by_count;
	uint64_t step_ns; /* 0 = no steps of time */
	uint64_t against_from_ns,
		against_to_ns; /* a range to compare with; both 0 = none; not with steps */
	const char *
		order; /* a number of the answer (`count`, `duration_ns_p99`): the greatest first; NULL = count */
	size_t limit; /* groups written, the first in that order */
};

struct groups;

/* `ret_answer` is to be given back with past_answer_done. The groups with groups_free, NULL too. */
int groups_read(struct store *store, const struct groups_query *query, struct groups **ret_groups,
		struct past_answer *ret_answer, struct err *why);

/* An array of objects: `time` (begin of the step, if there are steps), the columns of `by` that are there, `count`,
 * the sums; in `before` the same numbers of the range that is compared with, where that has any. By time, then the greatest first. */
void groups_write(const struct groups *groups, struct json *json);

/* How many there are, and records that found no room for a group of their own: in none of them. */
size_t groups_count(const struct groups *groups);
uint64_t groups_left_out(const struct groups *groups);

void groups_free(struct groups *groups);
