/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * set - series with a number, or none, for each step of time: what every part of an expression comes to. An instant is
 * one step. Everything is in the question's arena.
 */
#pragma once

#include "query/ast.h"

/* By name, in the order of bytes; none is empty. */
struct label_set {
	uint32_t count;
	struct store_label at[];
};

struct one_series {
	const struct label_set *labels;
	double *value; /* one for each step; ABSENT where there is none */
};

struct series_set {
	struct one_series *at;
	size_t count, room;
	bool is_ordered; /* the order of the series says something */
};

struct evaluation {
	const struct promql_source *source;
	struct promql_result *result;
	struct promql_times times; /* of the part that is being evaluated */
	int64_t start_ms, end_ms; /* of the whole question: @ start() and end() */
	struct arena *arena;
	pcre2_match_data *found; /* owned by whoever began */
	pcre2_match_context *limits; /* likewise */
	struct err *why;
	uint64_t work; /* done since the clock was looked at */
	bool wants_times; /* of the points that selectors find, not their values */
};

/* A NaN that no calculation makes (the mark of Prometheus for "gone"). */
#define ABSENT_BITS 0x7ff0000000000002u

static inline bool is_absent(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits == ABSENT_BITS;
}

static inline double absent(void)
{
	const uint64_t bits = ABSENT_BITS;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline int64_t step_time(const struct evaluation *e, size_t step)
{
	return e->times.start_ms + (int64_t)step * e->times.step_ms;
}

/* All return 0 or -errno, the reason said. */

/* The part `expr` of the question. */
int eval(struct evaluation *e, const struct expr *expr, struct series_set **ret);
/* An argument that is one number for each step. */
int eval_scalar(struct evaluation *e, const struct expr *expr, double **ret);
int eval_binary(struct evaluation *e, const struct expr *expr, struct series_set **ret);
int eval_aggregate(struct evaluation *e, const struct expr *expr, struct series_set **ret);
int eval_selector(struct evaluation *e, const struct expr *expr, struct series_set **ret);
int eval_over(struct evaluation *e, const struct expr *call, struct series_set **ret);

int no_memory(struct evaluation *e);
/* So much was done: is there time for more? */
int spend(struct evaluation *e, uint64_t work);

struct series_set *set_new(struct evaluation *e, size_t room);
/* One more series; the numbers are all absent. NULL when memory or room is out. */
double *set_add(struct evaluation *e, struct series_set *set, const struct label_set *labels);
/* Series with equal labels become one; -EINVAL when two have a number at the same step. */
int set_merge(struct evaluation *e, struct series_set *set);
/* Every number that is there through `map`; series lose their name. `ctx` is handed on. */
typedef double (*map_number)(const void *ctx, double value, size_t step);
int set_map(struct evaluation *e, const struct series_set *from, map_number map, const void *ctx,
	    struct series_set **ret);

int labels_compare(const struct label_set *a, const struct label_set *b);
struct span labels_get(const struct label_set *labels, struct span name);
/* Labels of a series of the store. */
const struct label_set *labels_of_points(struct evaluation *e, const struct store_points *points);
/* Without the names given, or (keep) with these alone. */
const struct label_set *labels_filter(struct evaluation *e, const struct label_set *labels,
				      const struct names *names, bool keep, bool drop_name);
/* With one label set; an empty value takes it away. */
const struct label_set *labels_with(struct evaluation *e, const struct label_set *labels,
				    struct span name, struct span value);
const struct label_set *labels_nameless(struct evaluation *e, const struct label_set *labels);

/* Does the regular expression match the whole text? */
bool regex_matches(struct evaluation *e, pcre2_code *code, struct span text);

/* select.c: points of ranges */

struct points {
	const struct label_set *labels;
	size_t count;
	const int64_t *time_ms;
	const double *value;
	const double *
		drop; /* of counters out of roll-ups: lost by resets since the point before; or NULL */
};

/* An answer that is a range itself. */
struct range_answer {
	struct points *at;
	size_t count;
};

struct points_list {
	struct points *at;
	size_t count;
	int64_t range_ms;
	struct store_selection selection; /* given back by points_done */
};

/* All points that any window of the range or subquery may need. */
int points_of(struct evaluation *e, const struct expr *range, enum store_field field,
	      struct points_list *ret);
void points_list_done(struct points_list *list);
/* The end of the window of that step: its time, modified by offset and @. */
int64_t effective_time(const struct evaluation *e, const struct expr *timed, size_t step);

/* write.c: without an exponent, however long. */
size_t promql_plain_number(char ret[PROMQL_NUMBER + 320], double value);
