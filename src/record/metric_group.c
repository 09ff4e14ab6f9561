// SPDX-License-Identifier: GPL-2.0-only
/* metric_group - families of the same name (of two items) taken together: equal label sets are one sum. */
#include "record/metric_parts.h"

#include <stdlib.h>
#include <string.h>

static const struct series *twin_of(const struct family *family, const struct series *series)
{
	const struct series *twin = family_find(family, series->text, series->len, series->hash);

	return twin && twin->is_shown ? twin : NULL;
}

static bool has_twin_before(const struct group *group, size_t at, const struct series *series)
{
	for (size_t i = 0; i < at; i++)
		if (twin_of(group->family[i], series))
			return true;
	return false;
}

double group_sum(const struct group *group, size_t at, const struct series *series,
		 struct counts *ret_counts)
{
	double value = 0;

	*ret_counts = (struct counts){};
	for (size_t i = at; i < group->count; i++) {
		const struct series *twin = i == at ? series : twin_of(group->family[i], series);

		if (!twin)
			continue;
		value += twin->shown;
		for (int slot = 0; twin->histogram && slot < METRIC_SLOTS; slot++)
			ret_counts->slot[slot] += twin->histogram->shown.slot[slot];
		ret_counts->sum += twin->histogram ? twin->histogram->shown.sum : 0;
	}
	return value;
}

void group_walk(const struct group *group,
		void (*each)(void *ctx, const struct group *group, size_t at,
			     const struct series *series),
		void *ctx)
{
	for (size_t i = 0; i < group->count; i++)
		for (size_t at = 0; at < group->family[i]->count; at++) {
			const struct series *series = &group->family[i]->series[at];

			if (series->is_shown &&
			    (group->count == 1 || !has_twin_before(group, i, series)))
				each(ctx, group, i, series);
		}
}

static int compare_families(const void *a, const void *b)
{
	const struct family *const *one = a, *const *other = b;

	return strcmp((*one)->metric.name, (*other)->metric.name);
}

/* Could their samples stand under one TYPE line, and equal ones be summed? */
static bool agree(const struct family *a, const struct family *b)
{
	if (a->keeper || b->keeper)
		return false;
	if (a->metric.type != b->metric.type || a->metric.scale != b->metric.scale ||
	    a->bounds != b->bounds)
		return false;
	for (uint32_t i = 0; i < a->bounds; i++)
		if (a->bound[i].le != b->bound[i].le ||
		    a->bound[i].last_slot != b->bound[i].last_slot)
			return false;
	return true;
}

size_t families_group(struct family *const *families, size_t count,
		      void (*each)(void *ctx, const struct group *group), void *ctx)
{
	struct family **sorted = calloc(count ? count : 1, sizeof(struct family *)), **end;
	size_t used = 0, left_out = 0;

	if (!sorted)
		return count;
	for (size_t i = 0; i < count; i++)
		if (families[i])
			sorted[used++] = families[i];
	end = sorted + used;
	qsort(sorted, used, sizeof(struct family *), compare_families);
	for (struct family **at = sorted, **next; at < end; at = next) {
		struct group group = {.family = at, .count = 1};

		for (next = at + 1; next < end && !compare_families(at, next); next++) {
			if (agree(*at, *next))
				at[group.count++] = *next;
			else
				left_out++;
		}
		each(ctx, &group);
	}
	free(sorted);
	return left_out;
}
