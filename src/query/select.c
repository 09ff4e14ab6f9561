// SPDX-License-Identifier: GPL-2.0-only
/*
 * select - what selectors and ranges find in the store.
 *
 * Samples are asked for as they came, where they still are. Only when these are more than a question may hold, and the step
 * or range is so long that nobody would see the difference, the roll-ups by 15 seconds and by 5 minutes stand in.
 */
#include <errno.h>
#include <stdlib.h>

#include "query/set.h"

enum { SAMPLES_MAX = 300000 };

struct regex_ctx {
	struct evaluation *e;
	pcre2_code *code;
};

static bool matches(void *ctx, struct span value)
{
	const struct regex_ctx *regex = ctx;

	return regex_matches(regex->e, regex->code, value);
}

static const struct store_matcher *matchers_of(struct evaluation *e, const struct expr *selector)
{
	struct store_matcher *matchers =
		arena_new(e->arena, (selector->matchers + 1) * sizeof(*matchers));
	struct regex_ctx *regex = arena_new(e->arena, (selector->matchers + 1) * sizeof(*regex));
	size_t count = 0;

	if (!matchers || !regex)
		return NULL;
	for (const struct matcher *m = selector->matcher; m; m = m->next, count++) {
		regex[count] = (struct regex_ctx){e, m->regex};
		matchers[count] = (struct store_matcher){
			.op = m->op,
			.name = m->name,
			.value = m->value,
			.matches = matches,
			.ctx = &regex[count],
		};
	}
	return matchers;
}

static int select_finest(struct evaluation *e, struct store_select *select, int64_t blur_ms,
			 struct store_selection *ret)
{
	static const int64_t resolutions[] = {0, 15000, 300000};
	int error = 0;

	for (size_t i = 0; i < 3; i++) {
		if (i && blur_ms < resolutions[i] * 2)
			break;
		select->resolution_ms = resolutions[i];
		error = e->source->select(e->source->ctx, select, ret, e->why);
		if (error != -E2BIG && error != -ENOMEM)
			break;
		if (i < 2 && blur_ms >= resolutions[i + 1] * 2)
			store_selection_done(ret);
	}
	if (!error && ret->partial && !e->result->is_partial) {
		e->result->is_partial = true;
		memcpy(e->result->why_partial, ret->why_partial, sizeof(e->result->why_partial));
	}
	return error;
}

static int select_points(struct evaluation *e, const struct expr *selector, int64_t from_ms,
			 int64_t to_ms, enum store_field field, int64_t blur_ms,
			 struct store_selection *ret)
{
	struct store_select select = {
		.matcher = matchers_of(e, selector),
		.matchers = selector->matchers,
		.from_ms = from_ms,
		.to_ms = to_ms,
		.field = field,
		.samples_max = SAMPLES_MAX,
	};

	*ret = (struct store_selection){};
	if (!select.matcher)
		return no_memory(e);
	return select_finest(e, &select, blur_ms, ret);
}

int64_t effective_time(const struct evaluation *e, const struct expr *timed, size_t step)
{
	int64_t time = timed->at_kind == AT_NONE    ? step_time(e, step)
		       : timed->at_kind == AT_TIME  ? timed->at_ms
		       : timed->at_kind == AT_START ? e->start_ms
						    : e->end_ms;

	return time - timed->offset_ms;
}

/* What stood for "gone" is no point. In place. */
static size_t drop_absent(struct store_points *points)
{
	size_t kept = 0;

	for (size_t i = 0; i < points->count; i++) {
		if (is_absent(points->value[i]))
			continue;
		points->time_ms[kept] = points->time_ms[i];
		points->value[kept] = points->value[i];
		if (points->drop)
			points->drop[kept] = points->drop[i];
		kept++;
	}
	return points->count = kept;
}

/* The newest point that is not older than the look-back; ABSENT when it says that the series is gone. */
static void fill_steps(const struct evaluation *e, const struct expr *selector,
		       const struct store_points *points, double *value)
{
	size_t next = 0;

	for (size_t step = 0; step < e->times.count; step++) {
		int64_t time = effective_time(e, selector, step);

		while (next < points->count && points->time_ms[next] <= time)
			next++;
		if (next && points->time_ms[next - 1] >= time - PROMQL_LOOK_BACK_MS)
			value[step] = points->value[next - 1];
		if (e->wants_times && !is_absent(value[step]))
			value[step] = (double)points->time_ms[next - 1] / 1000;
	}
}

int eval_selector(struct evaluation *e, const struct expr *selector, struct series_set **ret)
{
	struct store_selection selection;
	struct series_set *set;
	int error = select_points(e, selector, effective_time(e, selector, 0) - PROMQL_LOOK_BACK_MS,
				  effective_time(e, selector, e->times.count - 1), FIELD_VALUE,
				  e->times.step_ms, &selection);

	set = error ? NULL : set_new(e, selection.count);
	for (size_t i = 0; set && !error && i < selection.count; i++) {
		double *value = set_add(e, set, labels_of_points(e, &selection.series[i]));

		if (!value) {
			error = no_memory(e);
			break;
		}
		fill_steps(e, selector, &selection.series[i], value);
		error = spend(e, e->times.count + selection.series[i].count);
	}
	store_selection_done(&selection);
	if (!error && !set)
		error = no_memory(e);
	if (error)
		return error;
	*ret = set;
	return set_merge(e, set); /* the order of labels */
}

static int range_of_selector(struct evaluation *e, const struct expr *range, enum store_field field,
			     struct points_list *list)
{
	const struct expr *selector = range->arg[0];
	int64_t blur =
		range->range_ms / 8 > e->times.step_ms ? range->range_ms / 8 : e->times.step_ms;
	int error = select_points(e, selector, effective_time(e, selector, 0) - range->range_ms,
				  effective_time(e, selector, e->times.count - 1), field, blur,
				  &list->selection);

	if (error)
		return error;
	list->at = arena_new(e->arena, (list->selection.count + 1) * sizeof(*list->at));
	if (!list->at)
		return no_memory(e);
	for (size_t i = 0; i < list->selection.count; i++) {
		struct store_points *points = &list->selection.series[i];

		if (!drop_absent(points))
			continue;
		list->at[list->count] = (struct points){
			.labels = labels_of_points(e, points),
			.count = points->count,
			.time_ms = points->time_ms,
			.value = points->value,
			.drop = points->drop,
		};
		if (!list->at[list->count++].labels)
			return no_memory(e);
	}
	return 0;
}

static int64_t floor_to(int64_t time, int64_t step)
{
	int64_t rest = time % step;

	return time - (rest < 0 ? rest + step : rest);
}

/* The inner expression at every multiple of the subquery's step that a window may see. */
static int range_of_subquery(struct evaluation *e, const struct expr *range,
			     struct points_list *list)
{
	int64_t step = range->step_ms ? range->step_ms : PROMQL_SUBQUERY_MS;
	int64_t first = effective_time(e, range, 0) - range->range_ms;
	int64_t last = effective_time(e, range, e->times.count - 1);
	struct evaluation inner = *e;
	struct series_set *set;
	int64_t *times;
	int error;

	inner.times.start_ms = floor_to(first, step) < first ? floor_to(first, step) + step : first;
	inner.times.step_ms = step;
	if (last < inner.times.start_ms)
		return 0;
	inner.times.count = (size_t)((last - inner.times.start_ms) / step) + 1;
	if (inner.times.count > 1000000)
		return err_set(e->why, -EINVAL,
			       "the subquery has more than a million steps; give it a longer step");
	error = eval(&inner, range->arg[0], &set);
	e->found = inner.found;
	e->limits = inner.limits;
	e->work = inner.work;
	if (error)
		return error;
	list->at = arena_new(e->arena, (set->count + 1) * sizeof(*list->at));
	if (!list->at)
		return no_memory(e);
	for (size_t i = 0; i < set->count; i++) {
		double *value = set->at[i].value;
		struct points points = {.labels = set->at[i].labels, .value = value};

		times = arena_new(e->arena, inner.times.count * sizeof(*times));
		if (!times)
			return no_memory(e);
		for (size_t k = 0; k < inner.times.count; k++) {
			if (is_absent(value[k]))
				continue;
			times[points.count] = step_time(&inner, k);
			value[points.count++] = value[k];
		}
		points.time_ms = times;
		if (points.count)
			list->at[list->count++] = points;
	}
	return 0;
}

int points_of(struct evaluation *e, const struct expr *range, enum store_field field,
	      struct points_list *ret)
{
	*ret = (struct points_list){.range_ms = range->range_ms};
	return range->kind == EXPR_SUBQUERY ? range_of_subquery(e, range, ret)
					    : range_of_selector(e, range, field, ret);
}

void points_list_done(struct points_list *list)
{
	store_selection_done(&list->selection);
}

static int from_store(void *ctx, const struct store_select *select,
		      struct store_selection *selection, struct err *why)
{
	return store_select(ctx, select, selection, why);
}

struct promql_source promql_of_store(struct store *store, uint64_t until_ns)
{
	return (struct promql_source){.ctx = store, .select = from_store, .until_ns = until_ns};
}

/* ---- series by themselves ---- */

struct listing {
	const struct store_points *series;
};

static int by_store_labels(const void *a, const void *b)
{
	const struct listing *left = a, *right = b;
	struct span x = left->series->labels, y = right->series->labels;
	size_t len = x.len < y.len ? x.len : y.len;
	int order = len ? memcmp(x.at, y.at, len) : 0;

	return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void list_each(struct listing *list, size_t count,
		      void (*each)(void *ctx, const struct store_points *series), void *ctx)
{
	qsort(list, count, sizeof(*list), by_store_labels);
	for (size_t i = 0; i < count; i++)
		if (!i || by_store_labels(&list[i - 1], &list[i]) != 0)
			each(ctx, list[i].series);
}

int promql_series(const struct expr *const *selector, size_t count,
		  const struct promql_source *source, int64_t from_ms, int64_t to_ms,
		  void (*each)(void *ctx, const struct store_points *series), void *ctx,
		  struct err *why)
{
	struct store_selection *selection = calloc(count + 1, sizeof(*selection));
	struct promql_result result = {};
	struct arena arena;
	struct evaluation e = {.source = source, .result = &result, .arena = &arena, .why = why};
	struct listing *list = NULL;
	size_t all = 0, used = 0;
	int error = 0;

	arena_init(&arena, PROMQL_ARENA);
	if (!selection)
		error = no_memory(&e);
	for (size_t i = 0; i < count && !error; i++) {
		struct store_select select = {
			.matcher = matchers_of(&e, selector[i]),
			.matchers = selector[i]->matchers,
			.from_ms = from_ms,
			.to_ms = to_ms,
			.only_labels = true,
		};

		error = select.matcher ? source->select(source->ctx, &select, &selection[i], why)
				       : no_memory(&e);
		all += selection[i].count;
	}
	if (!error)
		list = malloc((all + 1) * sizeof(*list));
	if (!error && !list)
		error = no_memory(&e);
	for (size_t i = 0; i < count && !error; i++)
		for (size_t k = 0; k < selection[i].count; k++)
			list[used++].series = &selection[i].series[k];
	if (!error)
		list_each(list, used, each, ctx);
	for (size_t i = 0; selection && i < count; i++)
		store_selection_done(&selection[i]);
	free(selection);
	free(list);
	pcre2_match_data_free(e.found);
	pcre2_match_context_free(e.limits);
	arena_done(&arena);
	return error;
}
