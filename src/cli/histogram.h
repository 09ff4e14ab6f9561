/* SPDX-License-Identifier: GPL-2.0-only */
/* histogram - {"count","sum","buckets":[{"le","count"}]} as the API says it: growth, sums, quantiles, a drawing. */
#pragma once

#include "base/json.h"
#include "base/json_read.h"
#include "cli/table.h"

enum { HISTOGRAM_BUCKETS = 64 };

struct histogram_sum {
	uint64_t count;
	double sum;
	size_t buckets;
	double le[HISTOGRAM_BUCKETS]; /* upper bound, INFINITY for the last */
	uint64_t in[HISTOGRAM_BUCKETS]; /* values in this bucket alone */
};

/* Writes now - before. False when nothing was added. */
bool histogram_grown(struct json *out, const struct json_node *now, const struct json_node *before);
void histogram_add_json(struct histogram_sum *sum, const struct json_node *node);
/* Upper bound of the bucket that holds the quantile; 0 of an empty one. */
double histogram_quantile(const struct histogram_sum *sum, double q);
void histogram_quantile_cell(struct table *table, const struct histogram_sum *sum, double q, const char *unit);
void histogram_print(const struct histogram_sum *sum, const char *name, const char *unit);
