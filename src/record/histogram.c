// SPDX-License-Identifier: GPL-2.0-only
/* histogram - where the slots of a histogram begin and end. */
#include "record/histogram.h"

#include <math.h>

static const struct metric raw_log2 = {
	.type = METRIC_HISTOGRAM, .scale = 1, .buckets = BUCKETS_LOG2};

double metric_scaled(const struct metric *metric, double raw)
{
	double inverse = 1 / metric->scale, whole = nearbyint(inverse);

	/* 1024 / 1e9 is the double nearest to 1.024e-06; 1024 * 1e-9 is one beside it */
	if (whole > 1 && fabs(inverse - whole) < whole * 1e-12)
		return raw / whole;
	return raw * metric->scale;
}

/* Slots with a finite upper bound; the next one takes the rest. */
static uint32_t finite_slots(const struct metric *metric)
{
	if (metric->buckets != BUCKETS_EXPLICIT)
		return METRIC_SLOTS - 1;
	return metric->bounds < METRIC_SLOTS ? metric->bounds : METRIC_SLOTS - 1;
}

static double raw_bound(const struct metric *metric, uint32_t slot)
{
	switch (metric->buckets) {
	case BUCKETS_LINEAR: return metric->step * (slot + 1);
	case BUCKETS_EXPLICIT: return metric->bound[slot];
	default: return ldexp(1, (int)slot);
	}
}

/* Log2 histograms may show only a part of their bounds: buckets are cumulative, so nothing is lost. */
static bool is_shown(const struct metric *metric, double bound, double before)
{
	return metric->buckets != BUCKETS_LOG2 ||
	       ((!metric->low || bound >= metric->low) && (!metric->high || before < metric->high));
}

uint32_t histogram_bounds(const struct metric *metric, struct histogram_bound ret[METRIC_SLOTS])
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < finite_slots(metric); slot++) {
		double bound = raw_bound(metric, slot),
		       before = slot ? raw_bound(metric, slot - 1) : 0;

		if (is_shown(metric, bound, before))
			ret[count++] = (struct histogram_bound){
				.le = metric_scaled(metric, bound),
				.last_slot = slot,
			};
	}
	return count;
}

uint32_t histogram_slot(const struct metric *metric, double value)
{
	uint32_t slot = 0, last = finite_slots(metric);

	while (slot < last && !(value <= raw_bound(metric, slot)))
		slot++;
	return slot;
}

static void bucket_json(double le, uint64_t count, struct json *json)
{
	if (!count)
		return;
	json_object(json);
	json_key_double(json, "le", le); /* null for infinity */
	json_key_u64(json, "count", count);
	json_object_end(json);
}

void histogram_json_members(const struct metric *metric, const uint64_t slot[METRIC_SLOTS],
			    uint64_t sum, struct json *json)
{
	struct histogram_bound bound[METRIC_SLOTS];
	uint32_t bounds, at = 0;
	uint64_t count = 0, part;

	if (!metric)
		metric = &raw_log2;
	bounds = histogram_bounds(metric, bound);
	for (uint32_t i = 0; i < METRIC_SLOTS; i++)
		count += slot[i];
	json_key_u64(json, "count", count);
	json_key_double(json, "sum", metric_scaled(metric, (double)sum));
	json_key(json, "buckets");
	json_array(json);
	for (uint32_t i = 0; i <= bounds; i++) {
		uint32_t last = i < bounds ? bound[i].last_slot : METRIC_SLOTS - 1;

		for (part = 0; at <= last; at++)
			part += slot[at];
		bucket_json(i < bounds ? bound[i].le : INFINITY, part, json);
	}
	json_array_end(json);
}

void histogram_json(const struct metric *metric, const uint64_t slot[METRIC_SLOTS], uint64_t sum,
		    struct json *json)
{
	json_object(json);
	histogram_json_members(metric, slot, sum, json);
	json_object_end(json);
}
