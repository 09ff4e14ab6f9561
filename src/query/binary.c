// SPDX-License-Identifier: GPL-2.0-only
/*
 * binary - two sides and an operator.
 *
 * Vectors are matched by their labels, once for all steps: series with the same signature make a group. What must be
 * unique must be so at each step only: a series may end where another one with the same signature begins.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "query/set.h"

static double calculate(enum binary_op op, double a, double b)
{
	switch (op) {
	case OP_ADD: return a + b;
	case OP_SUBTRACT: return a - b;
	case OP_MULTIPLY: return a * b;
	case OP_DIVIDE: return a / b;
	case OP_MODULO: return fmod(a, b);
	case OP_POWER: return pow(a, b);
	default: return atan2(a, b);
	}
}

static bool compares(enum binary_op op)
{
	return op >= OP_EQUAL && op <= OP_AT_LEAST;
}

static bool holds(enum binary_op op, double a, double b)
{
	switch (op) {
	case OP_EQUAL: return a == b;
	case OP_UNEQUAL: return a != b;
	case OP_LESS: return a < b;
	case OP_GREATER: return a > b;
	case OP_AT_MOST: return a <= b;
	default: return a >= b;
	}
}

/* The number at one step: `kept` is what a comparison lets through. */
static double combine(const struct expr *expr, double a, double b, double kept)
{
	if (!compares(expr->op))
		return calculate(expr->op, a, b);
	if (expr->returns_bool)
		return holds(expr->op, a, b);
	return holds(expr->op, a, b) ? kept : absent();
}

/* That atan2 keeps the name was a slip of Prometheus 2.42, which is what is promised here. */
static bool drops_name(const struct expr *expr)
{
	return (!compares(expr->op) && expr->op != OP_ATAN2) || expr->returns_bool;
}

/* ---- with a scalar ---- */

static int with_scalar(struct evaluation *e, const struct expr *expr,
		       const struct series_set *vector, const double *scalar, bool scalar_is_left,
		       struct series_set **ret)
{
	struct series_set *set = set_new(e, vector->count);

	if (!set)
		return no_memory(e);
	for (size_t i = 0; i < vector->count; i++) {
		const struct label_set *labels = vector->at[i].labels;
		const double *value = vector->at[i].value;
		double *out =
			set_add(e, set, drops_name(expr) ? labels_nameless(e, labels) : labels);

		if (!out)
			return no_memory(e);
		for (size_t k = 0; k < e->times.count; k++) {
			if (is_absent(value[k]))
				continue;
			out[k] = scalar_is_left ? combine(expr, scalar[k], value[k], value[k])
						: combine(expr, value[k], scalar[k], value[k]);
		}
	}
	*ret = set;
	return set_merge(e, set);
}

static int of_scalars(struct evaluation *e, const struct expr *expr, struct series_set **ret)
{
	struct series_set *set = set_new(e, 1);
	static const struct label_set none;
	double *left, *right, *out = set ? set_add(e, set, &none) : NULL;
	int error = out ? eval_scalar(e, expr->arg[0], &left) : no_memory(e);

	if (!error)
		error = eval_scalar(e, expr->arg[1], &right);
	if (error)
		return error;
	for (size_t k = 0; k < e->times.count; k++)
		out[k] = combine(expr, left[k], right[k], left[k]);
	*ret = set;
	return 0;
}

/* ---- vectors ---- */

/* A series and what it is matched by. */
struct signed_series {
	const struct label_set *signature;
	const struct one_series *series;
};

/* Series of equal signature: two runs in two lists that are ordered by it. */
struct group {
	const struct signed_series *left, *right;
	size_t lefts, rights;
};

static int by_signature(const void *a, const void *b)
{
	const struct signed_series *left = a, *right = b;
	int order = labels_compare(left->signature, right->signature);

	return order ? order : labels_compare(left->series->labels, right->series->labels);
}

static struct signed_series *sign(struct evaluation *e, const struct expr *expr,
				  const struct series_set *set)
{
	struct signed_series *list = arena_new(e->arena, (set->count + 1) * sizeof(*list));

	for (size_t i = 0; list && i < set->count; i++) {
		list[i].series = &set->at[i];
		list[i].signature = labels_filter(e, set->at[i].labels, &expr->labels,
						  !expr->is_without, expr->is_without);
		if (!list[i].signature)
			return NULL;
	}
	if (list)
		qsort(list, set->count, sizeof(*list), by_signature);
	return list;
}

static size_t run_length(const struct signed_series *list, size_t at, size_t count)
{
	size_t end = at + 1;

	while (end < count && !labels_compare(list[at].signature, list[end].signature))
		end++;
	return end - at;
}

/* Calls `each` for all groups, also those with one side only. */
static int each_group(struct evaluation *e, const struct expr *expr, const struct series_set *left,
		      const struct series_set *right,
		      int (*each)(struct evaluation *e, const struct expr *expr,
				  const struct group *group, struct series_set *out),
		      struct series_set *out)
{
	struct signed_series *a = sign(e, expr, left), *b = sign(e, expr, right);
	size_t i = 0, k = 0;

	if (!a || !b)
		return no_memory(e);
	while (i < left->count || k < right->count) {
		int order = i == left->count    ? 1
			    : k == right->count ? -1
						: labels_compare(a[i].signature, b[k].signature);
		struct group group = {
			.left = a + i,
			.right = b + k,
			.lefts = order <= 0 ? run_length(a, i, left->count) : 0,
			.rights = order >= 0 ? run_length(b, k, right->count) : 0,
		};
		int error = each(e, expr, &group, out);

		if (!error)
			error = spend(e, (group.lefts + group.rights) * e->times.count);
		if (error)
			return error;
		i += group.lefts;
		k += group.rights;
	}
	return 0;
}

/* The series of a side that has a number at that step; -1: none, -2: several. */
static int64_t one_at(const struct signed_series *list, size_t count, size_t step)
{
	int64_t found = -1;

	for (size_t i = 0; i < count; i++) {
		if (is_absent(list[i].series->value[step]))
			continue;
		if (found >= 0)
			return -2;
		found = (int64_t)i;
	}
	return found;
}

static const struct label_set *result_labels(struct evaluation *e, const struct expr *expr,
					     const struct one_series *many,
					     const struct one_series *one)
{
	const struct label_set *labels = many->labels;

	if (drops_name(expr))
		labels = labels_nameless(e, labels);
	if (labels && expr->matching == MATCH_ONE_TO_ONE)
		labels = labels_filter(e, labels, &expr->labels, !expr->is_without, false);
	for (size_t i = 0; labels && i < expr->include.count; i++)
		labels = labels_with(e, labels, expr->include.at[i],
				     labels_get(one->labels, expr->include.at[i]));
	return labels;
}

static void label_text(struct buf *out, const struct label_set *labels)
{
	bool comma = false;

	buf_char(out, '{');
	for (uint32_t i = 0; i < labels->count; i++) {
		buf_f(out, "%s%.*s=\"%.*s\"", comma ? ", " : "", (int)labels->at[i].name.len,
		      (const char *)labels->at[i].name.at, (int)labels->at[i].value.len,
		      (const char *)labels->at[i].value.at);
		comma = true;
	}
	buf_char(out, '}');
}

static int too_many(struct evaluation *e, const struct label_set *signature, const char *side)
{
	struct buf text;

	buf_init(&text, 300);
	label_text(&text, signature);
	err_set(e->why, -EINVAL,
		"found duplicate series for the match group %.250s on the %s hand-side of the "
		"operation; many-to-many matching not allowed: matching labels must be unique on "
		"one "
		"side",
		buf_text(&text), side);
	buf_done(&text);
	return -EINVAL;
}

/* `many` at all steps against whichever of the one side is there. */
static int match_one(struct evaluation *e, const struct expr *expr, const struct one_series *many,
		     const struct signed_series *ones, size_t count, const int32_t *which,
		     struct series_set *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct one_series *one = ones[i].series;
		double *value = NULL;

		for (size_t k = 0; k < e->times.count; k++) {
			double x = many->value[k], y = one->value[k], result;

			if (is_absent(x) || which[k] != (int32_t)i)
				continue;
			result = expr->matching == MATCH_ONE_TO_MANY ? combine(expr, y, x, y)
								     : combine(expr, x, y, x);
			if (is_absent(result))
				continue;
			if (!value)
				value = set_add(e, out, result_labels(e, expr, many, one));
			if (!value)
				return no_memory(e);
			value[k] = result;
		}
	}
	return 0;
}

static int match_group(struct evaluation *e, const struct expr *expr, const struct group *group,
		       struct series_set *out)
{
	bool swapped = expr->matching == MATCH_ONE_TO_MANY;
	const struct signed_series *many = swapped ? group->right : group->left,
				   *one = swapped ? group->left : group->right;
	size_t manys = swapped ? group->rights : group->lefts,
	       ones = swapped ? group->lefts : group->rights;
	int32_t *which = arena_new(e->arena, e->times.count * sizeof(*which));
	int error = 0;

	if (!which)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++) {
		int64_t found = one_at(one, ones, k);

		if (found == -2)
			return too_many(e, one->signature, swapped ? "left" : "right");
		if (found >= 0 && expr->matching == MATCH_ONE_TO_ONE &&
		    one_at(many, manys, k) == -2)
			return err_set(e->why, -EINVAL,
				       "multiple matches for labels: many-to-one matching must be "
				       "explicit (group_left/group_right)");
		which[k] = (int32_t)found;
	}
	for (size_t i = 0; i < manys && !error; i++)
		error = match_one(e, expr, many[i].series, one, ones, which, out);
	return error;
}

static bool any_at(const struct signed_series *list, size_t count, size_t step)
{
	for (size_t i = 0; i < count; i++)
		if (!is_absent(list[i].series->value[step]))
			return true;
	return false;
}

/* Series of `list` at the steps where the other side has some, or none. */
static int take_where(struct evaluation *e, const struct signed_series *list, size_t count,
		      const struct signed_series *other, size_t others, bool there,
		      struct series_set *out)
{
	for (size_t i = 0; i < count; i++) {
		double *value = set_add(e, out, list[i].series->labels);

		if (!value)
			return no_memory(e);
		for (size_t k = 0; k < e->times.count; k++)
			if (any_at(other, others, k) == there)
				value[k] = list[i].series->value[k];
	}
	return 0;
}

static int set_group(struct evaluation *e, const struct expr *expr, const struct group *group,
		     struct series_set *out)
{
	int error;

	if (expr->op != OP_OR)
		return take_where(e, group->left, group->lefts, group->right, group->rights,
				  expr->op == OP_AND, out);
	error = take_where(e, group->left, group->lefts, NULL, 0, false, out);
	if (!error)
		error = take_where(e, group->right, group->rights, group->left, group->lefts, false,
				   out);
	return error;
}

/* Matching may make a series of every pair that meets: usually it makes one of each. */
static int of_vectors(struct evaluation *e, const struct expr *expr, struct series_set **ret)
{
	struct series_set *left, *right, *set;
	size_t room;
	int error = eval(e, expr->arg[0], &left);

	if (!error)
		error = eval(e, expr->arg[1], &right);
	if (error)
		return error;
	room = left->count + right->count;
	if (expr->op < OP_AND)
		room = left->count * right->count < 8 * room ? left->count * right->count + 1
							     : 8 * room;
	set = set_new(e, room);
	if (!set)
		return no_memory(e);
	error = each_group(e, expr, left, right, expr->op >= OP_AND ? set_group : match_group, set);
	if (error)
		return error;
	*ret = set;
	return set_merge(e, set);
}

int eval_binary(struct evaluation *e, const struct expr *expr, struct series_set **ret)
{
	bool left_scalar = expr->arg[0]->type == PROMQL_SCALAR;
	struct series_set *vector;
	double *scalar;
	int error;

	if (expr->type == PROMQL_SCALAR)
		return of_scalars(e, expr, ret);
	if (!left_scalar && expr->arg[1]->type == PROMQL_VECTOR)
		return of_vectors(e, expr, ret);
	error = eval(e, expr->arg[left_scalar ? 1 : 0], &vector);
	if (!error)
		error = eval_scalar(e, expr->arg[left_scalar ? 0 : 1], &scalar);
	return error ? error : with_scalar(e, expr, vector, scalar, left_scalar, ret);
}
