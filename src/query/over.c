// SPDX-License-Identifier: GPL-2.0-only
/*
 * over - functions of the points in a window of time.
 *
 * Sums are those of Neumaier: sum and the part that its rounding lost. Order and form of every calculation are as in
 * Prometheus 2.42, so that the last digit is the same.
 */
#include "query/over.h"

#include <math.h>
#include <stdlib.h>

struct exact_sum {
	double sum, lost;
};

static void add(struct exact_sum *to, double number)
{
	double total = to->sum + number;

	if (fabs(to->sum) >= fabs(number))
		to->lost += (to->sum - total) + number;
	else
		to->lost += (number - total) + to->sum;
	to->sum = total;
}

/* What a counter lost by beginning anew between two points. */
static double reset_at(const struct window *w, size_t i)
{
	double drop = w->drop ? w->drop[i] : 0;

	if (w->value[i] - w->value[i - 1] + drop < 0)
		drop += w->value[i - 1];
	return drop;
}

/* Difference of last and first point, stretched to the window's ends where points come near them. */
static double extrapolate(const struct window *w, bool is_counter, bool is_rate)
{
	const int64_t first = w->time_ms[0], last = w->time_ms[w->count - 1];
	double result, to_start, to_end, interval, average, threshold, stretched, factor;

	if (w->count < 2)
		return absent();
	result = w->value[w->count - 1] - w->value[0];
	for (size_t i = 1; is_counter && i < w->count; i++)
		result += reset_at(w, i);
	to_start = (double)(first - w->begin_ms) / 1000;
	to_end = (double)(w->end_ms - last) / 1000;
	interval = (double)(last - first) / 1000;
	average = interval / (double)(w->count - 1);
	if (is_counter && result > 0 && w->value[0] >= 0) {
		/* a counter was not below 0: no further back than where its line meets 0 */
		double to_zero = interval * (w->value[0] / result);

		if (to_zero < to_start)
			to_start = to_zero;
	}
	threshold = average * 1.1;
	stretched = interval;
	stretched += to_start < threshold ? to_start : average / 2;
	stretched += to_end < threshold ? to_end : average / 2;
	factor = stretched / interval;
	if (is_rate)
		factor /= (double)w->range_ms / 1000;
	return result * factor;
}

static double run_rate(const struct window *w)
{
	return extrapolate(w, true, true);
}

static double run_increase(const struct window *w)
{
	return extrapolate(w, true, false);
}

static double run_delta(const struct window *w)
{
	return extrapolate(w, false, false);
}

static double instant(const struct window *w, bool is_rate)
{
	size_t last = w->count - 1;
	int64_t interval;
	double result;

	if (w->count < 2)
		return absent();
	interval = w->time_ms[last] - w->time_ms[last - 1];
	if (!interval)
		return absent();
	result = is_rate && w->value[last] < w->value[last - 1]
			 ? w->value[last]
			 : w->value[last] - w->value[last - 1];
	if (is_rate && w->drop && w->drop[last] > 0)
		result = w->value[last] - w->value[last - 1] + w->drop[last];
	return is_rate ? result / ((double)interval / 1000) : result;
}

static double run_irate(const struct window *w)
{
	return instant(w, true);
}

static double run_idelta(const struct window *w)
{
	return instant(w, false);
}

/* Least squares through the points; x in seconds from `from_ms`. */
static double slope_of(const struct window *w, int64_t from_ms, double *ret_intercept)
{
	struct exact_sum sum_x = {}, sum_y = {}, sum_xy = {}, sum_x2 = {};
	double n = 0, x_all, y_all, xy_all, x2_all, covariance, variance, slope;
	bool is_flat = true;

	for (size_t i = 0; i < w->count; i++) {
		double x = (double)(w->time_ms[i] - from_ms) / 1e3, y = w->value[i];

		if (y != w->value[0])
			is_flat = false;
		n += 1.0;
		add(&sum_x, x);
		add(&sum_y, y);
		add(&sum_xy, x * y);
		add(&sum_x2, x * x);
	}
	if (is_flat) {
		*ret_intercept = isinf(w->value[0]) ? (double)NAN : w->value[0];
		return isinf(w->value[0]) ? (double)NAN : 0;
	}
	x_all = sum_x.sum + sum_x.lost;
	y_all = sum_y.sum + sum_y.lost;
	xy_all = sum_xy.sum + sum_xy.lost;
	x2_all = sum_x2.sum + sum_x2.lost;
	covariance = xy_all - x_all * y_all / n;
	variance = x2_all - x_all * x_all / n;
	slope = covariance / variance;
	*ret_intercept = y_all / n - slope * x_all / n;
	return slope;
}

static double run_deriv(const struct window *w)
{
	double intercept;

	return w->count < 2 ? absent() : slope_of(w, w->time_ms[0], &intercept);
}

static double run_predict(const struct window *w)
{
	double intercept, slope;

	if (w->count < 2)
		return absent();
	slope = slope_of(w, w->now_ms, &intercept);
	return slope * w->param[0] + intercept;
}

static double run_sum(const struct window *w)
{
	struct exact_sum sum = {};

	for (size_t i = 0; i < w->count; i++)
		add(&sum, w->value[i]);
	return isinf(sum.sum) ? sum.sum : sum.sum + sum.lost;
}

static double run_avg(const struct window *w)
{
	struct exact_sum mean = {};
	double count = 0;

	for (size_t i = 0; i < w->count; i++) {
		double value = w->value[i];

		count++;
		/* an infinite mean stays what it is, but for the other infinity and NaN */
		if (isinf(mean.sum) && ((isinf(value) && (mean.sum > 0) == (value > 0)) ||
					(!isinf(value) && !isnan(value))))
			continue;
		add(&mean, value / count - mean.sum / count);
	}
	return isinf(mean.sum) ? mean.sum : mean.sum + mean.lost;
}

static double run_min(const struct window *w)
{
	double least = w->value[0];

	for (size_t i = 1; i < w->count; i++)
		if (w->value[i] < least || isnan(least))
			least = w->value[i];
	return least;
}

static double run_max(const struct window *w)
{
	double most = w->value[0];

	for (size_t i = 1; i < w->count; i++)
		if (w->value[i] > most || isnan(most))
			most = w->value[i];
	return most;
}

static double run_count(const struct window *w)
{
	return (double)w->count;
}

static double run_last(const struct window *w)
{
	return w->value[w->count - 1];
}

static double run_present(const struct window *w)
{
	return 1;
}

/* NaN is the least. */
static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	if (isnan(left) || isnan(right))
		return !!isnan(right) - !!isnan(left);
	return (left > right) - (left < right);
}

double quantile_of(double quantile, double *values, size_t count)
{
	double rank, low, high, weight;

	if (!count || isnan(quantile))
		return (double)NAN;
	if (quantile < 0 || quantile > 1)
		return quantile < 0 ? (double)-INFINITY : (double)INFINITY;
	qsort(values, count, sizeof(*values), by_value);
	rank = quantile * ((double)count - 1);
	low = fmax(0, floor(rank));
	high = fmin((double)count - 1, low + 1);
	weight = rank - floor(rank);
	return values[(size_t)low] * (1 - weight) + values[(size_t)high] * weight;
}

static double run_quantile(const struct window *w)
{
	memcpy(w->scratch, w->value, w->count * sizeof(*w->scratch));
	return quantile_of(w->param[0], w->scratch, w->count);
}

static double run_stdvar(const struct window *w)
{
	struct exact_sum mean = {}, squares = {};
	double count = 0;

	for (size_t i = 0; i < w->count; i++) {
		double delta = w->value[i] - (mean.sum + mean.lost);

		count++;
		add(&mean, delta / count);
		add(&squares, delta * (w->value[i] - (mean.sum + mean.lost)));
	}
	return (squares.sum + squares.lost) / count;
}

static double run_stddev(const struct window *w)
{
	return sqrt(run_stdvar(w));
}

static double run_changes(const struct window *w)
{
	unsigned changes = 0;

	for (size_t i = 1; i < w->count; i++)
		changes += w->value[i] != w->value[i - 1] &&
			   !(isnan(w->value[i]) && isnan(w->value[i - 1]));
	return changes;
}

static double run_resets(const struct window *w)
{
	unsigned resets = 0;

	for (size_t i = 1; i < w->count; i++)
		resets += w->value[i] < w->value[i - 1];
	return resets;
}

/* Double exponential smoothing: level, and trend of the level. */
static double run_holt_winters(const struct window *w)
{
	double smoothing = w->param[0], trending = w->param[1], level, trend, before = 0;

	if (w->count < 2)
		return absent();
	level = w->value[0];
	trend = w->value[1] - w->value[0];
	for (size_t i = 1; i < w->count; i++) {
		double x = smoothing * w->value[i];
		/* the first trend is that of the first two points */
		double next_trend =
			i == 1 ? trend : trending * (level - before) + (1 - trending) * trend;
		double y = (1 - smoothing) * (level + next_trend);

		trend = next_trend;
		before = level;
		level = x + y;
	}
	return level;
}

const struct over over_rate = {run_rate}, over_increase = {run_increase}, over_delta = {run_delta},
		  over_irate = {run_irate}, over_idelta = {run_idelta}, over_deriv = {run_deriv},
		  over_predict = {run_predict}, over_avg = {run_avg},
		  over_sum = {run_sum, .field = FIELD_SUM},
		  over_min = {run_min, .field = FIELD_MIN},
		  over_max = {run_max, .field = FIELD_MAX}, over_count = {run_count},
		  over_last = {run_last, .keeps_name = true}, over_present = {run_present},
		  over_quantile = {run_quantile, .range = 1}, over_stddev = {run_stddev},
		  over_stdvar = {run_stdvar}, over_changes = {run_changes},
		  over_resets = {run_resets}, over_holt_winters = {run_holt_winters};

/* ---- one window a step ---- */

struct params {
	double *of[EXPR_ARGS];
	size_t count;
};

static int eval_params(struct evaluation *e, const struct expr *call, int range,
		       struct params *params)
{
	for (size_t i = 0; i < call->args; i++) {
		int error = (int)i == range
				    ? 0
				    : eval_scalar(e, call->arg[i], &params->of[params->count]);

		if (error)
			return error;
		params->count += (int)i != range;
	}
	return 0;
}

static size_t first_at(const struct points *points, int64_t time_ms, size_t from)
{
	size_t low = from, high = points->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (points->time_ms[middle] < time_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int run_windows(struct evaluation *e, const struct expr *range, const struct over *over,
		       const struct points *points, const struct params *params, double *scratch,
		       double *out)
{
	const struct expr *timed = range->kind == EXPR_RANGE ? range->arg[0] : range;
	size_t begin = 0, end = 0;

	for (size_t step = 0; step < e->times.count; step++) {
		double param[EXPR_ARGS];
		struct window w = {
			.end_ms = effective_time(e, timed, step),
			.range_ms = range->range_ms,
			.now_ms = step_time(e, step),
			.param = param,
			.scratch = scratch,
		};
		int error;

		w.begin_ms = w.end_ms - range->range_ms;
		begin = first_at(points, w.begin_ms,
				 begin); /* windows move forward, or not at all */
		end = first_at(points, w.end_ms + 1, end > begin ? end : begin);
		w.count = end - begin;
		w.time_ms = points->time_ms + begin;
		w.value = points->value + begin;
		w.drop = points->drop ? points->drop + begin : NULL;
		for (size_t i = 0; i < params->count; i++)
			param[i] = params->of[i][step];
		if (w.count)
			out[step] = over->run(&w);
		error = spend(e, w.count + 8);
		if (error)
			return error;
	}
	return 0;
}

int eval_over(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	const struct over *over = call->function->over;
	const struct expr *range = call->arg[over->range];
	struct params params = {};
	struct points_list list;
	struct series_set *set;
	double *scratch = NULL;
	size_t most = 0;
	int error = eval_params(e, call, over->range, &params);

	if (error)
		return error;
	error = points_of(e, range, over->field, &list);
	set = error ? NULL : set_new(e, list.count);
	for (size_t i = 0; set && i < list.count; i++)
		most = list.at[i].count > most ? list.at[i].count : most;
	if (set)
		scratch = malloc((most + 1) * sizeof(*scratch));
	if (!error && (!set || !scratch))
		error = no_memory(e);
	for (size_t i = 0; !error && i < list.count; i++) {
		const struct label_set *labels = list.at[i].labels;
		double *out =
			set_add(e, set, over->keeps_name ? labels : labels_nameless(e, labels));

		error = out ? run_windows(e, range, over, &list.at[i], &params, scratch, out)
			    : no_memory(e);
	}
	free(scratch);
	points_list_done(&list);
	if (error)
		return error;
	*ret = set;
	return set_merge(e, set);
}
