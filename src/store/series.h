/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * series - numbers over time: samples of series, kept in tiers of falling resolution.
 *
 *	raw	as it came (a scrape a second, say), for an hour
 *	15 s	for two weeks
 *	5 min	for a year
 *
 * A series is a set of labels, among them `__name__`. It is made known once and then named by its handle.
 * Samples come in scrapes: one time, many series. Doubles are kept exactly, bit by bit, in the raw tier. In the
 * other tiers a gauge's window has count, sum, least and greatest value, a counter's its last value and
 * what was lost by resets. A window is named by its end: a sample at 12:00:15 of the tier of 15 s stands for
 * what came after 12:00:00 up to and with 12:00:15.
 */
#pragma once

#include "base/arena.h"
#include "store/store.h"

struct store_label {
	struct span name, value;
};

enum store_series_kind {
	SERIES_GAUGE = 1,
	SERIES_COUNTER = 2, /* rises, or begins anew: also buckets, sums and counts of histograms */
};

/* 0 is no series. A handle may become stale when its series had no sample for a quarter of an hour. */
typedef uint64_t store_series_handle;

struct store_sample {
	store_series_handle series;
	double value;
};

/* The handle of the series with these labels, new if need be. 0 and the reason in `why` (-ENOSPC: too many
 * series; -EINVAL; -E2BIG: labels too long; -ENOMEM) when there is none. The kind of a known series stays. */
store_series_handle store_series(struct store *store, const struct store_label *labels,
				 size_t count, enum store_series_kind kind, struct err *why);

/*
 * Takes a scrape. Returns how many samples were taken; those of stale handles are not (make the series known
 * again), nor the second of the same series. -ENOMEM, -EINVAL (too many samples: SCRAPE_SAMPLES_MAX).
 */
enum { SCRAPE_SAMPLES_MAX = 1 << 20 };
int store_samples(struct store *store, int64_t time_ms, const struct store_sample *samples,
		  size_t count, struct err *why);

enum store_matcher_op { MATCHER_EQUAL, MATCHER_UNEQUAL, MATCHER_MATCHES, MATCHER_MATCHES_NOT };

/* A label that is not there has the empty value. */
struct store_matcher {
	enum store_matcher_op op;
	struct span name;
	struct span value; /* of MATCHER_EQUAL and MATCHER_UNEQUAL */
	bool (*matches)(void *ctx, struct span value); /* of the others */
	void *ctx;
};

/* What of a window is wanted; of a raw sample it is always the sample (or 1: COUNT). */
enum store_field {
	FIELD_VALUE, /* a gauge's mean, a counter's last value */
	FIELD_MIN,
	FIELD_MAX,
	FIELD_SUM,
	FIELD_COUNT,
};

struct store_select {
	const struct store_matcher *matcher; /* all must hold */
	size_t matchers;
	int64_t from_ms, to_ms; /* from <= time <= to */
	int64_t resolution_ms; /* samples so far apart are good enough; 0: as near as there are */
	enum store_field field;
	bool only_labels; /* no samples: which series have any there */
	size_t series_max; /* 0: SELECT_SERIES_MAX */
	size_t samples_max; /* 0: SELECT_SAMPLES_MAX */
};

enum { SELECT_SERIES_MAX = 50000, SELECT_SAMPLES_MAX = 5000000, SELECT_MEMORY_MAX = 24 << 20 };

struct store_points {
	struct span labels; /* store_points_label reads it */
	enum store_series_kind kind;
	size_t count;
	int64_t *time_ms; /* rising */
	double *value;
	double *drop; /* counters: what resets took away since the point before; NULL: look at the values */
};

struct store_selection {
	struct store_points *series; /* by labels */
	size_t count;
	size_t samples;
	bool partial; /* something could not be read; the reason in why_partial */
	char why_partial[128];
	uint32_t files_read, files_skipped;
	struct arena arena;
};

/*
 * All samples of the series that match. Where a tier has not what is asked for (too old, or not rolled up yet),
 * the next one that has it stands in. -E2BIG: above series_max or samples_max; -ENOMEM. The selection
 * is to be given back with store_selection_done, also after an error.
 */
int store_select(struct store *store, const struct store_select *select,
		 struct store_selection *selection, struct err *why);
void store_selection_done(struct store_selection *selection);

/* The label number `at` of a series; false behind the last. */
bool store_points_label(const struct store_points *points, size_t at,
			struct store_label *ret_label);
