// SPDX-License-Identifier: GPL-2.0-only
/* histogram - growth, sums, quantiles and a drawing of the API's histograms. */
#include "cli/histogram.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

enum { BAR = 40 };

static double bound_of(const struct json_node *bucket)
{
	const struct json_node *le = json_get(bucket, "le");
	double bound = INFINITY;

	if (le && le->type == JSON_NUMBER)
		json_node_double(le, &bound);
	return bound;
}

static uint64_t count_of(const struct json_node *node, const char *key)
{
	const struct json_node *count = json_get(node, key);
	uint64_t number = 0;

	if (count)
		json_node_u64(count, &number);
	return number;
}

static const struct json_node *first_bucket(const struct json_node *node)
{
	const struct json_node *buckets = json_get(node, "buckets");

	return buckets ? buckets->child : NULL;
}

static uint64_t count_at(const struct json_node *node, double bound)
{
	for (const struct json_node *bucket = first_bucket(node); bucket; bucket = bucket->next)
		if (bound_of(bucket) == bound)
			return count_of(bucket, "count");
	return 0;
}

static double sum_of(const struct json_node *node)
{
	const struct json_node *sum = json_get(node, "sum");
	double number = 0;

	if (sum)
		json_node_double(sum, &number);
	return number;
}

bool histogram_grown(struct json *out, const struct json_node *now, const struct json_node *before)
{
	uint64_t was = count_of(before, "count"), is = count_of(now, "count");

	if (was > is) /* another version of the item: from zero */
		before = NULL, was = 0;
	json_object(out);
	json_key_u64(out, "count", is - was);
	json_key_double(out, "sum", sum_of(now) - sum_of(before));
	json_key(out, "buckets");
	json_array(out);
	for (const struct json_node *bucket = first_bucket(now); bucket; bucket = bucket->next) {
		double bound = bound_of(bucket);
		uint64_t grown = count_of(bucket, "count") - count_at(before, bound);

		if (!grown)
			continue;
		json_object(out);
		json_key_double(out, "le", bound);
		json_key_u64(out, "count", grown);
		json_object_end(out);
	}
	json_array_end(out);
	json_object_end(out);
	return is != was;
}

static size_t place_of(struct histogram_sum *sum, double bound)
{
	size_t at = 0;

	while (at < sum->buckets && sum->le[at] < bound)
		at++;
	if (at < sum->buckets && sum->le[at] == bound)
		return at;
	if (sum->buckets == HISTOGRAM_BUCKETS)
		return at < sum->buckets ? at : at - 1;
	memmove(&sum->le[at + 1], &sum->le[at], (sum->buckets - at) * sizeof(sum->le[0]));
	memmove(&sum->in[at + 1], &sum->in[at], (sum->buckets - at) * sizeof(sum->in[0]));
	sum->le[at] = bound;
	sum->in[at] = 0;
	sum->buckets++;
	return at;
}

void histogram_add_json(struct histogram_sum *sum, const struct json_node *node)
{
	sum->count += count_of(node, "count");
	sum->sum += sum_of(node);
	for (const struct json_node *bucket = first_bucket(node); bucket; bucket = bucket->next)
		sum->in[place_of(sum, bound_of(bucket))] += count_of(bucket, "count");
}

double histogram_quantile(const struct histogram_sum *sum, double q)
{
	double wanted = q * (double)sum->count, seen = 0;

	for (size_t i = 0; i < sum->buckets; i++) {
		seen += (double)sum->in[i];
		if (seen >= wanted && sum->in[i])
			return sum->le[i];
	}
	return 0;
}

static void print_bound(struct buf *out, double bound, const char *unit)
{
	if (isinf(bound))
		buf_str(out, "more");
	else if (!strcmp(unit, "seconds"))
		print_duration(out, bound * 1e9);
	else if (!strcmp(unit, "bytes"))
		print_bytes(out, bound);
	else
		print_number(out, bound);
}

void histogram_quantile_cell(struct table *table, const struct histogram_sum *sum, double q, const char *unit)
{
	struct buf text;

	buf_init(&text, 64);
	if (sum->count) {
		buf_str(&text, "<= ");
		print_bound(&text, histogram_quantile(sum, q), unit);
	}
	table_cell(table, buf_as_span(&text));
	buf_done(&text);
}

void histogram_print(const struct histogram_sum *sum, const char *name, const char *unit)
{
	uint64_t most = 1;
	struct buf text;

	buf_init(&text, 64);
	for (size_t i = 0; i < sum->buckets; i++)
		if (sum->in[i] > most)
			most = sum->in[i];
	printf("%-14s : count    distribution\n", name);
	for (size_t i = 0; i < sum->buckets; i++) {
		int bar = (int)(sum->in[i] * BAR / most);

		buf_clear(&text);
		buf_str(&text, "<= ");
		print_bound(&text, sum->le[i], unit);
		printf("%-14s : %-8llu |%.*s%*s|\n", buf_text(&text), (unsigned long long)sum->in[i], bar,
		       "****************************************", BAR - bar, "");
	}
	buf_clear(&text);
	print_bound(&text, sum->count ? sum->sum / (double)sum->count : 0, unit);
	printf("%llu values, mean %s\n\n", (unsigned long long)sum->count, buf_text(&text));
	buf_done(&text);
}
