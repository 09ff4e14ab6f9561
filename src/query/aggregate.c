// SPDX-License-Identifier: GPL-2.0-only
/*
 * aggregate - many series become one of each group, step by step.
 *
 * Within a group series come in the order of their labels, and are added up in that order.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "query/over.h"
#include "query/set.h"

enum { VALUES_MAX = 20000 /* different ones that count_values tells apart */ };

struct member {
	const struct label_set *key;
	const struct one_series *series;
	size_t place; /* in the order of labels */
};

/* A group: members [first, first + count). */
struct team {
	const struct member *first;
	size_t count;
};

static int by_key(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	int order = labels_compare(left->key, right->key);

	return order ? order : (left->place > right->place) - (left->place < right->place);
}

static struct member *make_members(struct evaluation *e, const struct expr *expr,
				   const struct series_set *set)
{
	struct member *list = arena_new(e->arena, (set->count + 1) * sizeof(*list));

	for (size_t i = 0; list && i < set->count; i++) {
		list[i].series = &set->at[i];
		list[i].place = i;
		list[i].key = labels_filter(e, set->at[i].labels, &expr->labels, !expr->is_without,
					    expr->is_without);
		if (!list[i].key)
			return NULL;
	}
	if (list)
		qsort(list, set->count, sizeof(*list), by_key);
	return list;
}

/* ---- one number of each group ---- */

struct running {
	double value, mean;
	size_t count;
};

static void add_to_mean(struct running *r, double value)
{
	if (isinf(r->mean) &&
	    ((isinf(value) && (r->mean > 0) == (value > 0)) || (!isinf(value) && !isnan(value))))
		return;
	r->mean += value / (double)r->count - r->mean / (double)r->count;
}

static void run_on(struct running *r, enum aggregate_op op, double value)
{
	double delta;

	if (!r->count++) {
		r->value = op == AGGREGATE_STDDEV || op == AGGREGATE_STDVAR ? 0 : value;
		r->mean = value;
		return;
	}
	switch (op) {
	case AGGREGATE_SUM: r->value += value; break;
	case AGGREGATE_AVG: add_to_mean(r, value); break;
	case AGGREGATE_MIN:
		if (value < r->value || isnan(r->value))
			r->value = value;
		break;
	case AGGREGATE_MAX:
		if (value > r->value || isnan(r->value))
			r->value = value;
		break;
	case AGGREGATE_STDDEV:
	case AGGREGATE_STDVAR:
		delta = value - r->mean;
		r->mean += delta / (double)r->count;
		r->value += delta * (value - r->mean);
		break;
	default: break;
	}
}

static double end_of(const struct running *r, enum aggregate_op op)
{
	switch (op) {
	case AGGREGATE_AVG: return r->mean;
	case AGGREGATE_COUNT: return (double)r->count;
	case AGGREGATE_GROUP: return 1;
	case AGGREGATE_STDVAR: return r->value / (double)r->count;
	case AGGREGATE_STDDEV: return sqrt(r->value / (double)r->count);
	default: return r->value;
	}
}

static int simple(struct evaluation *e, const struct expr *expr, const struct team *team,
		  const double *param, struct series_set *out)
{
	double *value = set_add(e, out, team->first->key);

	if (!value)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++) {
		struct running r = {};

		for (size_t i = 0; i < team->count; i++)
			if (!is_absent(team->first[i].series->value[k]))
				run_on(&r, expr->aggregate, team->first[i].series->value[k]);
		if (r.count)
			value[k] = end_of(&r, expr->aggregate);
	}
	return 0;
}

static int quantile(struct evaluation *e, const struct expr *expr, const struct team *team,
		    const double *param, struct series_set *out)
{
	double *value = set_add(e, out, team->first->key);
	double *all = arena_new(e->arena, (team->count + 1) * sizeof(*all));

	if (!value || !all)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++) {
		size_t count = 0;

		for (size_t i = 0; i < team->count; i++)
			if (!is_absent(team->first[i].series->value[k]))
				all[count++] = team->first[i].series->value[k];
		if (count)
			value[k] = quantile_of(param[k], all, count);
	}
	return 0;
}

/* ---- topk, bottomk: series stay what they are ---- */

struct ranked {
	double value;
	size_t member;
};

/* Best first; NaN last; of equals the one that comes first. */
static int by_top(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	if (isnan(left->value) || isnan(right->value)) {
		if (!isnan(left->value) || !isnan(right->value))
			return isnan(left->value) ? 1 : -1;
	} else if (left->value != right->value) {
		return left->value > right->value ? -1 : 1;
	}
	return (left->member > right->member) - (left->member < right->member);
}

static int by_bottom(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	if (isnan(left->value) || isnan(right->value))
		return by_top(a, b);
	if (left->value != right->value)
		return left->value < right->value ? -1 : 1;
	return (left->member > right->member) - (left->member < right->member);
}

static int rank(struct evaluation *e, const struct expr *expr, const struct team *team,
		const double *param, struct series_set *out)
{
	struct ranked *all = arena_new(e->arena, (team->count + 1) * sizeof(*all));
	double **value = arena_new(e->arena, (team->count + 1) * sizeof(*value));

	if (!all || !value)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++) {
		size_t count = 0;

		for (size_t i = 0; i < team->count; i++)
			if (!is_absent(team->first[i].series->value[k]))
				all[count++] = (struct ranked){team->first[i].series->value[k], i};
		qsort(all, count, sizeof(*all),
		      expr->aggregate == AGGREGATE_TOPK ? by_top : by_bottom);
		for (size_t i = 0; i < count && (double)i + 1 <= param[k]; i++) {
			size_t m = all[i].member;

			if (!value[m])
				value[m] = set_add(e, out, team->first[m].series->labels);
			if (!value[m])
				return no_memory(e);
			value[m][k] = all[i].value;
		}
	}
	out->is_ordered = true;
	return 0;
}

/* ---- count_values: one series of each value ---- */

static int count_values(struct evaluation *e, const struct expr *expr, const struct team *team,
			struct series_set *out)
{
	size_t first = out->count;

	for (size_t i = 0; i < team->count; i++)
		for (size_t k = 0; k < e->times.count; k++) {
			double value = team->first[i].series->value[k];
			const struct label_set *labels;
			char text[PROMQL_NUMBER + 320];
			struct span span = {(uint8_t *)text, 0};
			size_t at = first;

			if (is_absent(value))
				continue;
			span.len = promql_plain_number(text, value);
			while (at < out->count &&
			       !span_same(labels_get(out->at[at].labels, expr->arg[0]->text), span))
				at++;
			if (at == out->count) {
				const char *copy = arena_str(e->arena, span);

				labels = copy ? labels_with(e, team->first->key, expr->arg[0]->text,
							    (struct span){(const uint8_t *)copy,
									  span.len})
					      : NULL;
				if (!set_add(e, out, labels))
					return no_memory(e);
			}
			if (is_absent(out->at[at].value[k]))
				out->at[at].value[k] = 0;
			out->at[at].value[k]++;
			if (spend(e, at - first + 1))
				return -ETIME;
		}
	return 0;
}

static bool is_label_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '_' &&
		    !(i && c >= '0' && c <= '9'))
			return false;
	}
	return name.len;
}

static int run_team(struct evaluation *e, const struct expr *expr, const struct team *team,
		    const double *param, struct series_set *out)
{
	switch (expr->aggregate) {
	case AGGREGATE_TOPK:
	case AGGREGATE_BOTTOMK: return rank(e, expr, team, param, out);
	case AGGREGATE_QUANTILE: return quantile(e, expr, team, param, out);
	case AGGREGATE_COUNT_VALUES: return count_values(e, expr, team, out);
	default: return simple(e, expr, team, param, out);
	}
}

int eval_aggregate(struct evaluation *e, const struct expr *expr, struct series_set **ret)
{
	bool counts_values = expr->aggregate == AGGREGATE_COUNT_VALUES;
	bool has_param = expr->aggregate >= AGGREGATE_TOPK;
	struct series_set *inner, *set;
	struct member *list;
	double *param = NULL;
	size_t room;
	int error = eval(e, expr->arg[has_param], &inner);

	if (!error && has_param && !counts_values)
		error = eval_scalar(e, expr->arg[0], &param);
	if (!error && counts_values && !is_label_name(expr->arg[0]->text))
		error = err_set(e->why, -EINVAL, "invalid label name \"%.*s\"",
				(int)(expr->arg[0]->text.len < 60 ? expr->arg[0]->text.len : 60),
				(const char *)expr->arg[0]->text.at);
	if (error)
		return error;
	for (size_t k = 0; param && expr->aggregate != AGGREGATE_QUANTILE && k < e->times.count;
	     k++)
		if (!(fabs(param[k]) < 9.2e18))
			return err_set(e->why, -EINVAL, "Scalar value %s overflows int64",
				       isnan(param[k]) ? "NaN"
				       : param[k] > 0  ? "+Inf"
						       : "-Inf");
	room = inner->count;
	if (counts_values && room)
		room = e->times.count > VALUES_MAX / room ? VALUES_MAX : room * e->times.count;
	set = set_new(e, room);
	list = make_members(e, expr, inner);
	if (!set || !list)
		return no_memory(e);
	for (size_t i = 0; i < inner->count && !error;) {
		struct team team = {.first = list + i};

		while (i < inner->count && !labels_compare(team.first->key, list[i].key)) {
			team.count++;
			i++;
		}
		error = run_team(e, expr, &team, param, set);
		if (!error)
			error = spend(e, team.count * e->times.count);
	}
	*ret = set;
	return error || set->is_ordered ? error : set_merge(e, set);
}
