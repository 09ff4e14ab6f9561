// SPDX-License-Identifier: GPL-2.0-only
/*
 * metric_samples - families as samples: the numbers that /metrics would show, one by one.
 *
 * A histogram is what it is there: its buckets (each with all below it), its sum and its count. Numbers are the doubles
 * that a reader of the text would get.
 */
#include "record/metric_parts.h"

#include <math.h>
#include <stdlib.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53: below, a double without fraction is exact */

struct walk {
	metric_sample_each each;
	void *ctx;
};

/* As the text has it: a whole number scaled by a power of ten is rounded once. */
static double number_of(const struct family *family, double raw)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
					1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

	if (family->decimals >= 0 && fabs(raw) < WHOLE_MAX && raw == trunc(raw))
		return raw / powers[family->decimals];
	return metric_scaled(&family->metric, raw);
}

static struct sample_note *notes_of(const struct family *family, struct series *series)
{
	if (!series->notes)
		series->notes = calloc(family->bounds + 3, sizeof(*series->notes));
	return series->notes;
}

static void walk_histogram(const struct walk *walk, const struct family *family,
			   struct series *series, const struct counts *counts)
{
	struct sample_note *notes = notes_of(family, series);
	struct metric_sample sample = {
		.metric = &family->metric,
		.suffix = "_bucket",
		.labels = {(const uint8_t *)series->text, series->len},
	};
	uint64_t below = 0;
	uint32_t slot = 0;

	if (!notes)
		return;
	for (uint32_t i = 0; i <= family->bounds; i++) {
		uint32_t last = i < family->bounds ? family->bound[i].last_slot : METRIC_SLOTS - 1;

		for (; slot <= last; slot++)
			below += counts->slot[slot];
		sample.le = i < family->bounds ? family->bound_text[i] : "+Inf";
		sample.value = (double)below;
		sample.note = &notes[i];
		walk->each(walk->ctx, &sample);
	}
	sample.le = NULL;
	sample.suffix = "_sum";
	sample.value = number_of(family, (double)counts->sum);
	sample.note = &notes[family->bounds + 1];
	walk->each(walk->ctx, &sample);
	sample.suffix = "_count";
	sample.value = (double)below;
	sample.note = &notes[family->bounds + 2];
	walk->each(walk->ctx, &sample);
}

static void walk_series(void *ctx, const struct group *group, size_t at,
			const struct series *series)
{
	const struct family *family = group->family[at];
	struct series *ours = (struct series *)series; /* its notes are the reader's */
	const struct walk *walk = ctx;
	struct metric_sample sample = {
		.metric = &family->metric,
		.suffix = "",
		.labels = {(const uint8_t *)series->text, series->len},
		.note = &ours->note,
	};
	struct counts counts;

	sample.value = number_of(family, group_sum(group, at, series, &counts));
	if (series->histogram)
		walk_histogram(walk, family, ours, &counts);
	else
		walk->each(walk->ctx, &sample);
}

static void walk_group(void *ctx, const struct group *group)
{
	const struct family *first = group->family[0];
	const struct walk *walk = ctx;

	if (first->keeper)
		first->keeper->samples(first->keeper_ctx, walk->each, walk->ctx);
	else
		group_walk(group, walk_series, ctx);
}

size_t families_samples(struct family *const *families, size_t count, metric_sample_each each,
			void *ctx)
{
	struct walk walk = {each, ctx};

	return families_group(families, count, walk_group, &walk);
}

bool metric_labels_next(struct span *labels, struct label_text *ret_label)
{
	const uint8_t *equals = labels->len ? memchr(labels->at, '=', labels->len) : NULL;
	size_t at;

	if (!equals)
		return false;
	ret_label->name = (struct span){labels->at, (size_t)(equals - labels->at)};
	*labels = span_from(*labels, ret_label->name.len + 2); /* behind =" */
	ret_label->len = 0;
	for (at = 0; at < labels->len && labels->at[at] != '"'; at++) {
		uint8_t c = labels->at[at];

		if (c == '\\' && at + 1 < labels->len) {
			c = labels->at[++at];
			c = c == 'n' ? '\n' : c;
		}
		if (ret_label->len < sizeof(ret_label->value))
			ret_label->value[ret_label->len++] = (char)c;
	}
	*labels = span_from(*labels, at + 1);
	if (labels->len && labels->at[0] == ',')
		*labels = span_from(*labels, 1);
	return true;
}
