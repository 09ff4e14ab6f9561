// SPDX-License-Identifier: GPL-2.0-only
/* set - sets of labels, and of series with their numbers. */
#include "query/set.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

enum { WORK_BETWEEN_LOOKS = 200000, REGEX_STEPS = 100000, REGEX_GROUPS = 64 };

int no_memory(struct evaluation *e)
{
	return err_set(e->why, -ENOMEM,
		       "the query needs more than %d MiB; ask for less time, fewer series, or a "
		       "longer step",
		       PROMQL_ARENA >> 20);
}

int spend(struct evaluation *e, uint64_t work)
{
	e->work += work;
	if (e->work < WORK_BETWEEN_LOOKS)
		return 0;
	e->work = 0;
	if (clock_monotonic_ns() < e->source->until_ns)
		return 0;
	return err_set(e->why, -ETIME, "query timed out in expression evaluation");
}

struct series_set *set_new(struct evaluation *e, size_t room)
{
	struct series_set *set = arena_new(e->arena, sizeof(*set));

	if (!set)
		return NULL;
	set->room = room;
	set->at = arena_new(e->arena, (room + 1) * sizeof(*set->at));
	return set->at ? set : NULL;
}

double *set_add(struct evaluation *e, struct series_set *set, const struct label_set *labels)
{
	double *value = labels && set->count < set->room
				? arena_new(e->arena, e->times.count * sizeof(*value))
				: NULL;

	if (!value)
		return NULL;
	for (size_t i = 0; i < e->times.count; i++)
		value[i] = absent();
	set->at[set->count++] = (struct one_series){labels, value};
	return value;
}

static int compare_spans(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.at, b.at, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

int labels_compare(const struct label_set *a, const struct label_set *b)
{
	for (uint32_t i = 0; i < a->count && i < b->count; i++) {
		int order = compare_spans(a->at[i].name, b->at[i].name);

		if (!order)
			order = compare_spans(a->at[i].value, b->at[i].value);
		if (order)
			return order;
	}
	return (a->count > b->count) - (a->count < b->count);
}

struct span labels_get(const struct label_set *labels, struct span name)
{
	for (uint32_t i = 0; i < labels->count; i++)
		if (span_same(labels->at[i].name, name))
			return labels->at[i].value;
	return (struct span){};
}

static struct label_set *labels_new(struct evaluation *e, size_t room)
{
	return arena_new(e->arena,
			 sizeof(struct label_set) + (room + 1) * sizeof(struct store_label));
}

static int by_name(const void *a, const void *b)
{
	const struct store_label *left = a, *right = b;

	return compare_spans(left->name, right->name);
}

static struct span copy_span(struct evaluation *e, struct span text)
{
	return (struct span){(const uint8_t *)arena_str(e->arena, text), text.len};
}

const struct label_set *labels_of_points(struct evaluation *e, const struct store_points *points)
{
	/* one copy of all bytes; the labels point into it */
	struct store_points copy = *points;
	struct store_label label;
	struct label_set *labels;
	size_t count = 0;

	copy.labels = copy_span(e, points->labels);
	if (!copy.labels.at)
		return NULL;
	while (store_points_label(&copy, count, &label))
		count++;
	labels = labels_new(e, count);
	if (!labels)
		return NULL;
	while (labels->count < count && store_points_label(&copy, labels->count, &label))
		labels->at[labels->count++] = label;
	qsort(labels->at, labels->count, sizeof(*labels->at), by_name);
	return labels;
}

static bool is_in(const struct names *names, struct span name)
{
	for (size_t i = 0; names && i < names->count; i++)
		if (span_same(names->at[i], name))
			return true;
	return false;
}

const struct label_set *labels_filter(struct evaluation *e, const struct label_set *labels,
				      const struct names *names, bool keep, bool drop_name)
{
	struct label_set *less = labels_new(e, labels->count);

	if (!less)
		return NULL;
	for (uint32_t i = 0; i < labels->count; i++) {
		struct span name = labels->at[i].name;

		if (is_in(names, name) == keep && !(drop_name && span_is(name, "__name__")))
			less->at[less->count++] = labels->at[i];
	}
	return less;
}

const struct label_set *labels_nameless(struct evaluation *e, const struct label_set *labels)
{
	return labels_filter(e, labels, NULL, false, true);
}

const struct label_set *labels_with(struct evaluation *e, const struct label_set *labels,
				    struct span name, struct span value)
{
	struct label_set *more = labels_new(e, labels->count + 1);

	if (!more)
		return NULL;
	for (uint32_t i = 0; i < labels->count; i++)
		if (!span_same(labels->at[i].name, name))
			more->at[more->count++] = labels->at[i];
	if (value.len)
		more->at[more->count++] = (struct store_label){name, value};
	qsort(more->at, more->count, sizeof(*more->at), by_name);
	return more;
}

static int by_labels(const void *a, const void *b)
{
	const struct one_series *left = a, *right = b;

	return labels_compare(left->labels, right->labels);
}

static int join(struct evaluation *e, double *into, const double *from)
{
	for (size_t i = 0; i < e->times.count; i++) {
		if (is_absent(from[i]))
			continue;
		if (!is_absent(into[i]))
			return err_set(e->why, -EINVAL,
				       "vector cannot contain metrics with the same labelset");
		into[i] = from[i];
	}
	return 0;
}

int set_merge(struct evaluation *e, struct series_set *set)
{
	size_t kept = 0;

	qsort(set->at, set->count, sizeof(*set->at), by_labels);
	for (size_t i = 0; i < set->count; i++) {
		if (kept && !labels_compare(set->at[kept - 1].labels, set->at[i].labels)) {
			if (join(e, set->at[kept - 1].value, set->at[i].value))
				return -EINVAL;
			continue;
		}
		set->at[kept++] = set->at[i];
	}
	set->count = kept;
	return spend(e, kept * e->times.count);
}

int set_map(struct evaluation *e, const struct series_set *from, map_number map, const void *ctx,
	    struct series_set **ret)
{
	struct series_set *set = set_new(e, from->count);

	if (!set)
		return no_memory(e);
	for (size_t i = 0; i < from->count; i++) {
		double *value = set_add(e, set, labels_nameless(e, from->at[i].labels));

		if (!value)
			return no_memory(e);
		for (size_t k = 0; k < e->times.count; k++)
			if (!is_absent(from->at[i].value[k]))
				value[k] = map(ctx, from->at[i].value[k], k);
	}
	*ret = set;
	return set_merge(e, set);
}

bool regex_matches(struct evaluation *e, pcre2_code *code, struct span text)
{
	if (!e->found)
		e->found = pcre2_match_data_create(REGEX_GROUPS, NULL);
	if (!e->limits) {
		e->limits = pcre2_match_context_create(NULL);
		if (e->limits)
			pcre2_set_match_limit(e->limits, REGEX_STEPS);
	}
	return e->found && e->limits &&
	       pcre2_match(code, text.len ? text.at : (PCRE2_SPTR8) "", text.len, 0, 0, e->found,
			   e->limits) >= 0;
}
