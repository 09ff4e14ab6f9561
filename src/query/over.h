/* SPDX-License-Identifier: GPL-2.0-only */
/* over - functions of the points in a window of time. */
#pragma once

#include "query/set.h"

struct window {
	const int64_t *time_ms;
	const double *value, *drop; /* drop may be NULL */
	size_t count; /* at least 1 */
	int64_t begin_ms, end_ms; /* of the window, both belong to it */
	int64_t range_ms;
	int64_t now_ms; /* the step's own time */
	const double *param; /* scalar arguments, in their order */
	double *scratch; /* room for `count` numbers */
};

struct over {
	double (*run)(const struct window *window); /* may return absent() */
	int range; /* which argument is the range */
	enum store_field field; /* what of roll-ups is wanted */
	bool keeps_name;
};

extern const struct over over_rate, over_increase, over_delta, over_irate, over_idelta, over_deriv,
	over_predict, over_avg, over_sum, over_min, over_max, over_count, over_last, over_present,
	over_quantile, over_stddev, over_stdvar, over_changes, over_resets, over_holt_winters;

/* The quantile of numbers, which are sorted in place. */
double quantile_of(double quantile, double *values, size_t count);
