// SPDX-License-Identifier: GPL-2.0-only
/* eval - runs an expression: each part for all steps at once. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "query/set.h"

enum { PIECES = 8 };

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

static double negative(const void *ctx, double value, size_t step)
{
	return -value;
}

static int of_negative(struct evaluation *e, const struct expr *expr, struct series_set **ret)
{
	struct series_set *inner;
	int error = eval(e, expr->arg[0], &inner);

	return error ? error : set_map(e, inner, negative, NULL, ret);
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

/* ---- piece by piece ---- */

/* A copy that needs nothing of the piece it came from. */
static const struct label_set *copy_labels(struct arena *arena, const struct label_set *labels)
{
	struct label_set *copy =
		arena_new(arena, sizeof(*copy) + (labels->count + 1) * sizeof(*copy->at));

	for (uint32_t i = 0; copy && i < labels->count; i++) {
		const struct store_label *from = &labels->at[i];
		const char *name = arena_str(arena, from->name),
			   *value = arena_str(arena, from->value);

		if (!name || !value)
			return NULL;
		copy->at[copy->count++] =
			(struct store_label){{(const uint8_t *)name, from->name.len},
					     {(const uint8_t *)value, from->value.len}};
	}
	return copy;
}

/* The whole answer so far, and a piece of it that begins at step `first`: both by labels. */
static int add_piece(struct evaluation *whole, struct series_set *set,
		     const struct series_set *piece, size_t first, size_t count)
{
	struct one_series *merged = malloc((set->count + piece->count + 1) * sizeof(*merged));
	size_t a = 0, used = 0;
	int error = merged ? 0 : no_memory(whole);

	for (size_t b = 0; b < piece->count && !error; b++) {
		const struct one_series *from = &piece->at[b];
		int order = 1;

		while (a < set->count &&
		       (order = labels_compare(set->at[a].labels, from->labels)) < 0)
			merged[used++] = set->at[a++];
		if (a < set->count && !order) {
			merged[used] = set->at[a++];
		} else {
			struct series_set one = {.at = &merged[used], .room = 1};

			if (!set_add(whole, &one, copy_labels(whole->arena, from->labels))) {
				error = no_memory(whole);
				break;
			}
		}
		memcpy(merged[used++].value + first, from->value, count * sizeof(*from->value));
	}
	while (a < set->count && !error)
		merged[used++] = set->at[a++];
	if (error) {
		free(merged);
		return error;
	}
	free(set->at);
	set->at = merged;
	set->count = used;
	return 0;
}

/* Every step stands for itself: so what is too much at once is done in pieces, each in memory of its own. */
static int run_pieces(struct evaluation *whole, const struct expr *root, size_t steps,
		      struct series_set *set)
{
	int error = 0;

	for (size_t first = 0; first < whole->times.count && !error; first += steps) {
		struct evaluation e = *whole;
		struct series_set *piece;
		struct arena arena;

		arena_init(&arena, PROMQL_ARENA);
		e.arena = &arena;
		e.times.start_ms = step_time(whole, first);
		e.times.count =
			whole->times.count - first < steps ? whole->times.count - first : steps;
		error = eval(&e, root, &piece);
		if (!error && piece->is_ordered)
			error = set_merge(&e, piece);
		if (!error)
			error = add_piece(whole, set, piece, first, e.times.count);
		whole->found = e.found;
		whole->limits = e.limits;
		whole->work = e.work;
		arena_done(&arena);
	}
	return error;
}

/* In smaller pieces until it fits. The list of series goes over to the answer's arena. */
static int run_smaller(struct evaluation *e, const struct expr *root, struct series_set **ret)
{
	size_t steps = e->times.count;
	struct series_set set = {};
	int error = -ENOMEM;

	while ((error == -ENOMEM || error == -E2BIG) && steps > 1) {
		steps = steps > PIECES ? steps / PIECES : 1;
		free(set.at);
		set = (struct series_set){};
		arena_clear(e->arena);
		error = run_pieces(e, root, steps, &set);
	}
	*ret = error ? NULL : set_new(e, set.count);
	if (!error && !*ret)
		error = no_memory(e);
	if (!error && set.count) {
		memcpy((*ret)->at, set.at, set.count * sizeof(*set.at));
		(*ret)->count = set.count;
	}
	free(set.at);
	return error;
}

static int run_root(struct evaluation *e, const struct expr *root, struct series_set **ret)
{
	int error = eval(e, root, ret);

	if ((error == -ENOMEM || error == -E2BIG) && e->times.count > 1)
		error = run_smaller(e, root, ret);
	if (!error && (*ret)->is_ordered && e->times.is_range)
		error = set_merge(e, *ret);
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
		error = run_root(&e, root, &set);
	}
	if (times->is_range)
		result->type = PROMQL_MATRIX;
	result->set = set;
	result->is_ordered = set && set->is_ordered;
	pcre2_match_data_free(e.found);
	pcre2_match_context_free(e.limits);
	return error;
}

void promql_result_done(struct promql_result *result)
{
	arena_done(&result->arena);
}
