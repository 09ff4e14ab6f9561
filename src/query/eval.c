// SPDX-License-Identifier: GPL-2.0-only
/* eval - runs an expression: each part for all steps at once. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "query/set.h"

static const struct label_set no_labels;

static int of_number(struct evaluation *e, double number, struct series_set **ret)
{
	struct series_set *set = set_new(e, 1);
	double *value = set ? set_add(e, set, &no_labels) : NULL;

	if (!value)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++)
		value[k] = number;
	*ret = set;
	return 0;
}

static int of_negative(struct evaluation *e, const struct expr *expr, struct series_set **ret)
{
	struct series_set *inner, *set;
	int error = eval(e, expr->arg[0], &inner);

	if (error)
		return error;
	set = set_new(e, inner->count);
	if (!set)
		return no_memory(e);
	for (size_t i = 0; i < inner->count; i++) {
		double *value = set_add(e, set, labels_nameless(e, inner->at[i].labels));

		if (!value)
			return no_memory(e);
		for (size_t k = 0; k < e->times.count; k++)
			if (!is_absent(inner->at[i].value[k]))
				value[k] = -inner->at[i].value[k];
	}
	*ret = set;
	return set_merge(e, set);
}

int eval(struct evaluation *e, const struct expr *expr, struct series_set **ret)
{
	bool wants_times = e->wants_times;
	int error = spend(e, 1);

	if (error)
		return error;
	if (expr->kind != EXPR_SELECTOR)
		e->wants_times = false;
	switch (expr->kind) {
	case EXPR_NUMBER: error = of_number(e, expr->number, ret); break;
	case EXPR_SELECTOR: error = eval_selector(e, expr, ret); break;
	case EXPR_CALL: error = expr->function->run(e, expr, ret); break;
	case EXPR_AGGREGATE: error = eval_aggregate(e, expr, ret); break;
	case EXPR_BINARY: error = eval_binary(e, expr, ret); break;
	case EXPR_NEGATIVE: error = of_negative(e, expr, ret); break;
	default: error = err_set(e->why, -EINVAL, "a range cannot stand here");
	}
	e->wants_times = wants_times;
	return error;
}

int eval_scalar(struct evaluation *e, const struct expr *expr, double **ret)
{
	struct series_set *set;
	int error = 0;

	if (expr->type == PROMQL_STRING) { /* read as text by whoever wants it */
		error = of_number(e, 0, &set);
	} else {
		error = eval(e, expr, &set);
	}
	if (!error)
		*ret = set->at[0].value;
	return error;
}

/* ---- the whole question ---- */

/* An instant that asks for a range itself: its points as they are. */
static int points_as_answer(struct evaluation *e, const struct expr *range,
			    struct promql_result *result)
{
	struct points_list list;
	int error = points_of(e, range, FIELD_VALUE, &list);
	struct range_answer *answer = error ? NULL : arena_new(e->arena, sizeof(*answer));

	if (!error && answer)
		answer->at = arena_new(e->arena, (list.count + 1) * sizeof(*answer->at));
	if (!error && (!answer || !answer->at))
		error = no_memory(e);
	for (size_t i = 0; i < list.count && !error; i++) {
		const struct expr *timed = range->kind == EXPR_RANGE ? range->arg[0] : range;
		int64_t end = effective_time(e, timed, 0), begin = end - range->range_ms;
		struct points copy = {.labels = list.at[i].labels};
		int64_t *time = arena_new(e->arena, (list.at[i].count + 1) * sizeof(*time));
		double *value = arena_new(e->arena, (list.at[i].count + 1) * sizeof(*value));

		if (!time || !value) {
			error = no_memory(e);
			break;
		}
		for (size_t k = 0; k < list.at[i].count; k++) {
			if (list.at[i].time_ms[k] < begin || list.at[i].time_ms[k] > end)
				continue;
			time[copy.count] = list.at[i].time_ms[k];
			value[copy.count++] = list.at[i].value[k];
		}
		copy.time_ms = time;
		copy.value = value;
		if (copy.count)
			answer->at[answer->count++] = copy;
	}
	points_list_done(&list);
	result->points = answer;
	return error;
}

int promql_run(const struct promql *query, const struct promql_source *source,
	       const struct promql_times *times, struct promql_result *ret_result, struct err *why)
{
	const struct expr *root = query->root;
	struct promql_result *result = ret_result;
	struct evaluation e = {
		.source = source,
		.result = result,
		.times = *times,
		.start_ms = times->start_ms,
		.end_ms = times->is_range ? times->end_ms : times->start_ms,
		.arena = &result->arena,
		.why = why,
	};
	struct series_set *set = NULL;
	int error = 0;

	*result = (struct promql_result){.type = root->type, .times = *times};
	arena_init(&result->arena, PROMQL_ARENA);
	if (times->is_range && !promql_has_steps(query))
		return err_set(why, -EINVAL, "only scalars and instant vectors have steps");
	if (root->type == PROMQL_STRING) {
		const char *copy = arena_str(&result->arena, root->text);

		result->text = (struct span){(const uint8_t *)copy, root->text.len};
		error = copy ? 0 : no_memory(&e);
	} else if (root->type == PROMQL_MATRIX) {
		error = points_as_answer(&e, root, result);
	} else {
		error = eval(&e, root, &set);
	}
	if (times->is_range)
		result->type = PROMQL_MATRIX;
	result->set = set;
	result->is_ordered = set && set->is_ordered;
	if (!error && set && set->is_ordered && times->is_range)
		error = set_merge(&e, set);
	pcre2_match_data_free(e.found);
	pcre2_match_context_free(e.limits);
	return error;
}

void promql_result_done(struct promql_result *result)
{
	arena_done(&result->arena);
}
