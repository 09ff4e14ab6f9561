// SPDX-License-Identifier: GPL-2.0-only
/* call - the table of functions, and those of single numbers. */
#include "query/call.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/suggest.h"

static const struct label_set no_labels;

/* ---- each number by itself ---- */

/* A function of a number and of up to two scalars. */
struct map_with {
	double (*map)(double value, const double *param);
	double *param[2]; /* a number for each step, or NULL */
};

static double through_params(const void *ctx, double value, size_t step)
{
	const struct map_with *with = ctx;
	const double param[2] = {with->param[0] ? with->param[0][step] : 0,
				 with->param[1] ? with->param[1][step] : 0};

	return with->map(value, param);
}

static int map_with(struct evaluation *e, const struct expr *call,
		    double (*map)(double value, const double *param), struct series_set **ret)
{
	struct map_with with = {.map = map};
	struct series_set *from;
	int error = eval(e, call->arg[0], &from);

	for (size_t i = 1; i < call->args && i < 3 && !error; i++)
		error = eval_scalar(e, call->arg[i], &with.param[i - 1]);
	return error ? error : set_map(e, from, through_params, &with, ret);
}

static double through_function(const void *ctx, double value, size_t step)
{
	return ((const struct function *)ctx)->map(value);
}

static int run_map(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	struct series_set *from;
	int error = eval(e, call->arg[0], &from);

	return error ? error : set_map(e, from, through_function, call->function, ret);
}

/* As Go has them: NaN if either is, and 0 is more than -0. */
static double go_max(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (double)NAN;
	return a == 0 && b == 0 ? (signbit(a) ? b : a) : a > b ? a : b;
}

static double go_min(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (double)NAN;
	return a == 0 && b == 0 ? (signbit(a) ? a : b) : a < b ? a : b;
}

static double clamp(double value, const double *param)
{
	/* no number at all lies between a maximum and a higher minimum */
	return param[1] < param[0] ? absent() : go_max(param[0], go_min(param[1], value));
}

static double clamp_min(double value, const double *param)
{
	return go_max(value, param[0]);
}

static double clamp_max(double value, const double *param)
{
	return go_min(value, param[0]);
}

static double round_to(double value, const double *param)
{
	double inverse = 1.0 / param[0];

	return floor(value * inverse + 0.5) / inverse;
}

static double round_whole(double value, const double *param)
{
	return floor(value + 0.5);
}

static int run_clamp(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	return map_with(e, call, clamp, ret);
}

static int run_clamp_min(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	return map_with(e, call, clamp_min, ret);
}

static int run_clamp_max(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	return map_with(e, call, clamp_max, ret);
}

static int run_round(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	return map_with(e, call, call->args > 1 ? round_to : round_whole, ret);
}

static double sign_of(double value)
{
	return value < 0 ? -1 : value > 0 ? 1 : value;
}

static double degrees(double value)
{
	return value * 180 / M_PI;
}

static double radians(double value)
{
	return value * M_PI / 180;
}

/* ---- time ---- */

static int run_time(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	struct series_set *set = set_new(e, 1);
	double *value = set ? set_add(e, set, &no_labels) : NULL;

	if (!value)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++)
		value[k] = (double)step_time(e, k) / 1000;
	*ret = set;
	return 0;
}

static int run_pi(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	struct series_set *set = set_new(e, 1);
	double *value = set ? set_add(e, set, &no_labels) : NULL;

	if (!value)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++)
		value[k] = M_PI;
	*ret = set;
	return 0;
}

static double itself(const void *ctx, double value, size_t step)
{
	return value;
}

static int run_timestamp(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	struct series_set *from;
	int error;

	if (call->arg[0]->kind == EXPR_SELECTOR) {
		e->wants_times = true;
		error = eval(e, call->arg[0], &from);
		e->wants_times = false;
	} else {
		error = eval(e, call->arg[0], &from);
		for (size_t i = 0; !error && i < from->count; i++)
			for (size_t k = 0; k < e->times.count; k++)
				if (!is_absent(from->at[i].value[k]))
					from->at[i].value[k] = (double)step_time(e, k) / 1000;
	}
	return error ? error : set_map(e, from, itself, NULL, ret);
}

static bool calendar(double value, struct tm *ret)
{
	time_t at = (time_t)value;

	return fabs(value) < 1e15 && gmtime_r(&at, ret);
}

static double calendar_part(const void *ctx, double value, size_t step)
{
	const int part = *(const int *)ctx;
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct tm tm;
	int year;

	if (!calendar(value, &tm))
		return (double)NAN;
	year = tm.tm_year + 1900;
	switch (part) {
	case 'm': return tm.tm_min;
	case 'h': return tm.tm_hour;
	case 'w': return tm.tm_wday;
	case 'd': return tm.tm_mday;
	case 'y': return tm.tm_yday + 1;
	case 'M': return tm.tm_mon + 1;
	case 'Y': return year;
	default:
		return lengths[tm.tm_mon] +
		       (tm.tm_mon == 1 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
	}
}

/* Without an argument: of the step's time. */
static int run_calendar(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	static const struct {
		const char *name;
		int part;
	} parts[] = {{"minute", 'm'},       {"hour", 'h'},         {"day_of_week", 'w'},
		     {"day_of_month", 'd'}, {"day_of_year", 'y'},  {"month", 'M'},
		     {"year", 'Y'},         {"days_in_month", 'l'}};
	struct series_set *from;
	int error = call->args ? eval(e, call->arg[0], &from) : run_time(e, call, &from);
	int part = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (!strcmp(call->function->name, parts[i].name))
			part = parts[i].part;
	return error ? error : set_map(e, from, calendar_part, &part, ret);
}

/* ---- types ---- */

static int run_vector(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	return eval(e, call->arg[0], ret);
}

static int run_scalar(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	struct series_set *from, *set = set_new(e, 1);
	double *value = set ? set_add(e, set, &no_labels) : NULL;
	int error = value ? eval(e, call->arg[0], &from) : no_memory(e);

	if (error)
		return error;
	for (size_t k = 0; k < e->times.count; k++) {
		size_t there = 0;

		value[k] = (double)NAN;
		for (size_t i = 0; i < from->count; i++)
			if (!is_absent(from->at[i].value[k]) && !there++)
				value[k] = from->at[i].value[k];
		if (there != 1)
			value[k] = (double)NAN;
	}
	*ret = set;
	return 0;
}

/* ---- order: only of instants ---- */

static int rising(const void *a, const void *b)
{
	double left = ((const struct one_series *)a)->value[0],
	       right = ((const struct one_series *)b)->value[0];

	if (isnan(left) || isnan(right)) /* NaN last, either way */
		return !!isnan(left) - !!isnan(right);
	return (left > right) - (left < right);
}

static int falling(const void *a, const void *b)
{
	double left = ((const struct one_series *)a)->value[0],
	       right = ((const struct one_series *)b)->value[0];

	if (isnan(left) || isnan(right))
		return !!isnan(left) - !!isnan(right);
	return (left < right) - (left > right);
}

static int run_sort(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	bool falls = !strcmp(call->function->name, "sort_desc");
	int error = eval(e, call->arg[0], ret);

	if (error || e->times.count > 1)
		return error;
	qsort((*ret)->at, (*ret)->count, sizeof(*(*ret)->at), falls ? falling : rising);
	(*ret)->is_ordered = true;
	return 0;
}

/* ---- the table ---- */

#define NUM PROMQL_SCALAR
#define TXT PROMQL_STRING
#define VEC PROMQL_VECTOR
#define RNG PROMQL_MATRIX
#define OVER(name, of)                                                                             \
	{                                                                                          \
		name, {RNG}, 1, VEC, eval_over, .over = &(of)                                      \
	}
#define MAP(name, of)                                                                              \
	{                                                                                          \
		name, {VEC}, 1, VEC, run_map, .map = (of)                                          \
	}
#define WHEN(name)                                                                                 \
	{                                                                                          \
		name, {VEC}, 0, VEC, run_calendar                                                  \
	}

static const struct function functions[] = {
	OVER("rate", over_rate),
	OVER("increase", over_increase),
	OVER("delta", over_delta),
	OVER("irate", over_irate),
	OVER("idelta", over_idelta),
	OVER("deriv", over_deriv),
	{"predict_linear", {RNG, NUM}, 2, VEC, eval_over, .over = &over_predict},
	{"holt_winters", {RNG, NUM, NUM}, 3, VEC, eval_over, .over = &over_holt_winters},
	{"quantile_over_time", {NUM, RNG}, 2, VEC, eval_over, .over = &over_quantile},
	OVER("avg_over_time", over_avg),
	OVER("sum_over_time", over_sum),
	OVER("min_over_time", over_min),
	OVER("max_over_time", over_max),
	OVER("count_over_time", over_count),
	OVER("last_over_time", over_last),
	OVER("present_over_time", over_present),
	OVER("stddev_over_time", over_stddev),
	OVER("stdvar_over_time", over_stdvar),
	OVER("changes", over_changes),
	OVER("resets", over_resets),
	{"absent_over_time", {RNG}, 1, VEC, run_absent_over},
	{"absent", {VEC}, 1, VEC, run_absent},
	MAP("abs", fabs),
	MAP("ceil", ceil),
	MAP("floor", floor),
	MAP("exp", exp),
	MAP("ln", log),
	MAP("log2", log2),
	MAP("log10", log10),
	MAP("sqrt", sqrt),
	MAP("sgn", sign_of),
	MAP("sin", sin),
	MAP("cos", cos),
	MAP("tan", tan),
	MAP("asin", asin),
	MAP("acos", acos),
	MAP("atan", atan),
	MAP("sinh", sinh),
	MAP("cosh", cosh),
	MAP("tanh", tanh),
	MAP("asinh", asinh),
	MAP("acosh", acosh),
	MAP("atanh", atanh),
	MAP("deg", degrees),
	MAP("rad", radians),
	{"round", {VEC, NUM}, 1, VEC, run_round},
	{"clamp", {VEC, NUM, NUM}, 3, VEC, run_clamp},
	{"clamp_min", {VEC, NUM}, 2, VEC, run_clamp_min},
	{"clamp_max", {VEC, NUM}, 2, VEC, run_clamp_max},
	{"histogram_quantile", {NUM, VEC}, 2, VEC, run_histogram_quantile},
	{"label_replace", {VEC, TXT, TXT, TXT, TXT}, 5, VEC, run_label_replace},
	{"label_join", {VEC, TXT, TXT, TXT, TXT}, 3, VEC, run_label_join},
	{"sort", {VEC}, 1, VEC, run_sort},
	{"sort_desc", {VEC}, 1, VEC, run_sort},
	{"scalar", {VEC}, 1, NUM, run_scalar},
	{"vector", {NUM}, 1, VEC, run_vector},
	{"time", {}, 0, NUM, run_time},
	{"pi", {}, 0, NUM, run_pi},
	{"timestamp", {VEC}, 1, VEC, run_timestamp},
	WHEN("minute"),
	WHEN("hour"),
	WHEN("day_of_week"),
	WHEN("day_of_month"),
	WHEN("day_of_year"),
	WHEN("month"),
	WHEN("year"),
	WHEN("days_in_month"),
};

enum { FUNCTIONS = sizeof(functions) / sizeof(*functions) };

const struct function *promql_function(struct span name)
{
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (span_is(name, functions[i].name))
			return &functions[i];
	return NULL;
}

const char *promql_function_near(struct span name)
{
	struct suggestion near = {};

	for (size_t i = 0; i < FUNCTIONS; i++)
		suggest(&near, name, span_of(functions[i].name));
	for (size_t i = 0; i < FUNCTIONS && near.best[0]; i++)
		if (!strcmp(near.best, functions[i].name))
			return functions[i].name;
	return NULL;
}
