/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * promql - PromQL over the store: the language of Prometheus 2.42, as far as it is in docs/query.md.
 *
 *	promql_parse(text, &query, &why);
 *	promql_run(query, &source, &times, &result, &why);	an instant: times.count is 1
 *	promql_write(&result, &json);				as Prometheus' API has it in "data"
 *	promql_result_done(&result); promql_free(query);
 *
 * Semantics are those of 2.42 (ranges closed at both ends, a look-back of five minutes), and so are the orders in which
 * numbers are added up: what both can say, they say to the last digit (docs/query.md names the exceptions).
 * Nothing here knows threads; one question uses one query.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "store/series.h"

struct promql;
struct expr;

enum {
	PROMQL_BYTES_MAX = 16 * 1024,
	PROMQL_STEPS_MAX = 11000, /* as Prometheus has it */
	PROMQL_ARENA = 12 << 20, /* memory of one question, and of each piece of it */
	PROMQL_LOOK_BACK_MS = 300000,
	PROMQL_SUBQUERY_MS = 60000, /* step of a subquery that names none */
};

enum promql_type { PROMQL_NONE, PROMQL_SCALAR, PROMQL_STRING, PROMQL_VECTOR, PROMQL_MATRIX };
/* -EINVAL; `why` begins with the place: `1:7: parse error: ...`. */
int promql_parse(struct span text, struct promql **ret_query, struct err *why);
void promql_free(struct promql *query);
/* Can it be asked over a range of time? */
bool promql_has_steps(const struct promql *query);
enum promql_type promql_type(const struct promql *query);
/* A selector alone, as in match[]=. Else NULL. */
const struct expr *promql_selector(const struct promql *query);

/* "1h30m" -> ms; false if it is none. */
bool promql_duration(struct span text, int64_t *ret_ms);

/* Where series come from: store_select, or a stand-in. */
struct promql_source {
	void *ctx;
	int (*select)(void *ctx, const struct store_select *select,
		      struct store_selection *selection, struct err *why);
	uint64_t until_ns; /* CLOCK_MONOTONIC: give up then */
};
struct promql_source promql_of_store(struct store *store, uint64_t until_ns);

struct promql_times {
	int64_t start_ms, step_ms;
	int64_t end_ms; /* what @ end() means: at or after the last step */
	size_t count; /* 1..PROMQL_STEPS_MAX */
	bool is_range; /* the answer is a matrix */
};

const char *promql_type_name(enum promql_type type);

struct series_set;
struct range_answer;
struct promql_result {
	enum promql_type type;
	struct promql_times times;
	const struct series_set *set; /* of scalars, vectors, matrices; in the arena */
	const struct range_answer *points; /* of an instant that asks for a range */
	struct span text;
	bool is_ordered; /* sort and topk decide the order, not the labels */
	bool is_partial; /* something could not be read */
	char why_partial[128];
	struct arena arena;
};

/* -EINVAL: it can't be answered (many-to-many ...); -ETIME; -ENOMEM; -E2BIG. The result is to be given back also after an
 * error. */
int promql_run(const struct promql *query, const struct promql_source *source,
	       const struct promql_times *times, struct promql_result *ret_result, struct err *why);
void promql_result_done(struct promql_result *result);

/* Of an instant: a number, the labels of its series. */
struct promql_sample {
	const struct store_label *label; /* by name; in the result's arena */
	size_t labels;
	double value;
};
/* How many series there are (of a scalar one, without labels). False: the series `i` has no number then. */
size_t promql_series_count(const struct promql_result *result);
bool promql_sample_at(const struct promql_result *result, size_t i, struct promql_sample *ret_sample);

/* {"resultType":..,"result":..} */
void promql_write(const struct promql_result *result, struct json *json);
/* A number as Prometheus' API writes it, without quotes: "1.5", "+Inf", "1e-07". */
enum { PROMQL_NUMBER = 32 };
size_t promql_number(char ret[PROMQL_NUMBER + 320], double value);
/* A time as it writes it: 1435781451.781 */
void promql_time(struct buf *out, int64_t time_ms);

/* The series that match any of the selectors, with samples in that time: `each` gets their labels, each series once, in
 * order. Needs selectors (promql_selector). */
int promql_series(const struct expr *const *selector, size_t count,
		  const struct promql_source *source, int64_t from_ms, int64_t to_ms,
		  void (*each)(void *ctx, const struct store_points *series), void *ctx,
		  struct err *why);
