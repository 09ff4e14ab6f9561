/* SPDX-License-Identifier: GPL-2.0-only */
/* histogram - where the slots of a histogram begin and end. */
#pragma once

#include "record/metric.h"

/* A raw number in the metric's unit. */
double metric_scaled(const struct metric *metric, double raw);

/* The finite upper bounds that are shown, in the metric's unit, ascending, and the last slot each of
 * them takes in. Returns how many; what is above the last one is +Inf's. */
struct histogram_bound {
	double le;
	uint32_t last_slot;
};
uint32_t histogram_bounds(const struct metric *metric, struct histogram_bound ret[METRIC_SLOTS]);

/* The slot that a raw value belongs to. */
uint32_t histogram_slot(const struct metric *metric, double value);

/* {"count":..,"sum":..,"buckets":[{"le":..,"count":..}]}: counts of each bucket itself, empty ones left out, the
 * one without an upper bound has "le":null. metric NULL = raw numbers, log2. */
void histogram_json(const struct metric *metric, const uint64_t slot[METRIC_SLOTS], uint64_t sum,
		    struct json *json);
/* The same within an object that is open already. */
void histogram_json_members(const struct metric *metric, const uint64_t slot[METRIC_SLOTS],
			    uint64_t sum, struct json *json);
