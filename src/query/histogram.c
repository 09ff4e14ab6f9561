// SPDX-License-Identifier: GPL-2.0-only
/* histogram - histogram_quantile: the quantile of what buckets counted, evenly spread within each. */
#include <math.h>
#include <stdlib.h>

#include "query/call.h"

struct bucket {
	const struct label_set *rest; /* labels but `le` and the name */
	const double *value; /* of each step */
	double bound;
};

struct counted {
	double bound, count;
};

static int by_rest(const void *a, const void *b)
{
	const struct bucket *left = a, *right = b;
	int order = labels_compare(left->rest, right->rest);

	return order ? order : (left->bound > right->bound) - (left->bound < right->bound);
}

/* Rising bounds, each once, and counts that don't fall. */
static size_t tidy(struct counted *bucket, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept && bucket[kept - 1].bound == bucket[i].bound)
			bucket[kept - 1].count += bucket[i].count;
		else
			bucket[kept++] = bucket[i];
	}
	for (size_t i = 1; i < kept; i++)
		if (bucket[i].count < bucket[i - 1].count)
			bucket[i].count = bucket[i - 1].count;
	return kept;
}

static double quantile_in(double quantile, struct counted *bucket, size_t count)
{
	double rank, begin = 0, end, inside;
	size_t b = 0;

	if (isnan(quantile))
		return (double)NAN;
	if (quantile < 0 || quantile > 1)
		return quantile < 0 ? (double)-INFINITY : (double)INFINITY;
	if (!count || !isinf(bucket[count - 1].bound) || bucket[count - 1].bound < 0)
		return (double)NAN;
	count = tidy(bucket, count);
	if (count < 2 || bucket[count - 1].count == 0)
		return (double)NAN;
	rank = quantile * bucket[count - 1].count;
	while (b < count - 1 && !(bucket[b].count >= rank))
		b++;
	if (b == count - 1)
		return bucket[count - 2].bound;
	if (!b && bucket[0].bound <= 0)
		return bucket[0].bound;
	end = bucket[b].bound;
	inside = bucket[b].count;
	if (b) {
		begin = bucket[b - 1].bound;
		inside -= bucket[b - 1].count;
		rank -= bucket[b - 1].count;
	}
	return begin + (end - begin) * (rank / inside);
}

static bool read_bound(struct span text, double *ret)
{
	char copy[64], *end;

	if (!text.len || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	*ret = strtod(copy, &end);
	return !*end;
}

static struct bucket *find_buckets(struct evaluation *e, const struct series_set *from,
				   size_t *ret_count)
{
	struct span le = span_of("le");
	const struct names names = {&le, 1};
	struct bucket *list = arena_new(e->arena, (from->count + 1) * sizeof(*list));
	size_t count = 0;

	for (size_t i = 0; list && i < from->count; i++) {
		struct bucket *bucket = &list[count];

		if (!read_bound(labels_get(from->at[i].labels, le), &bucket->bound))
			continue;
		bucket->value = from->at[i].value;
		bucket->rest = labels_filter(e, from->at[i].labels, &names, false, true);
		if (!bucket->rest)
			return NULL;
		count++;
	}
	if (list)
		qsort(list, count, sizeof(*list), by_rest);
	*ret_count = count;
	return list;
}

static int of_group(struct evaluation *e, const struct bucket *list, size_t count,
		    const double *quantile, struct series_set *set)
{
	double *value = set_add(e, set, list->rest);
	struct counted *counted = arena_new(e->arena, (count + 1) * sizeof(*counted));

	if (!value || !counted)
		return no_memory(e);
	for (size_t k = 0; k < e->times.count; k++) {
		size_t there = 0;

		for (size_t i = 0; i < count; i++)
			if (!is_absent(list[i].value[k]))
				counted[there++] =
					(struct counted){list[i].bound, list[i].value[k]};
		if (there)
			value[k] = quantile_in(quantile[k], counted, there);
	}
	return spend(e, count * e->times.count);
}

int run_histogram_quantile(struct evaluation *e, const struct expr *call, struct series_set **ret)
{
	struct series_set *from, *set;
	struct bucket *list;
	double *quantile;
	size_t count;
	int error = eval_scalar(e, call->arg[0], &quantile);

	if (!error)
		error = eval(e, call->arg[1], &from);
	if (error)
		return error;
	list = find_buckets(e, from, &count);
	set = set_new(e, from->count);
	if (!list || !set)
		return no_memory(e);
	for (size_t i = 0, end; i < count && !error; i = end) {
		for (end = i + 1; end < count && !labels_compare(list[i].rest, list[end].rest);
		     end++)
			;
		error = of_group(e, list + i, end - i, quantile, set);
	}
	*ret = set;
	return error ? error : set_merge(e, set);
}
