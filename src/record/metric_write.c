// SPDX-License-Identifier: GPL-2.0-only
/*
 * metric_write - families as text.
 *
 * Two formats that are nearly one: Prometheus text 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats)
 * and OpenMetrics 1.0 (github.com/prometheus/OpenMetrics, its specification). They differ in this: in
 * OpenMetrics a counter's family is named without _total and its samples with it, quotes in HELP are
 * escaped, buckets and counters may carry exemplars, and the end is marked. Bounds are spelled the same way
 * in both, so that a reader who changes the format finds the same series.
 *
 * Most raw numbers are whole and most scales a power of ten (ns as seconds): such numbers are written digit
 * by digit, exactly, without a double in between.
 */
#include "record/metric_parts.h"

#include "base/map.h"
#include "base/units.h"

#include <math.h>
#include <stdlib.h>

/* Of a line beside name and labels: suffix 7, le and braces 42, number 32, exemplar 117. */
enum { LINE_EXTRA = 256 };
#define WHOLE_MAX 9007199254740992.0 /* 2^53: below, a double without fraction is exact */

struct writer {
	struct buf *out;
	bool openmetrics;
};

static char *put(char *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

static char *put_u64(char *at, uint64_t number)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + number % 10);
	while (number /= 10);
	return put(at, digits + i, sizeof(digits) - i);
}

/* 1234567 with 6 decimals: 1.234567; zeros at the end are left out. */
static char *put_decimal(char *at, uint64_t number, int decimals)
{
	static const uint64_t powers[] = {
		1,        10,        100,        1000,        10000,        100000,       1000000,
		10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000};
	uint64_t fraction = number % powers[decimals];

	at = put_u64(at, number / powers[decimals]);
	if (!fraction)
		return at;
	*at++ = '.';
	for (; fraction; fraction %= powers[decimals]) {
		decimals--;
		*at++ = (char)('0' + fraction / powers[decimals]);
	}
	return at;
}

/* At most DOUBLE_TEXT bytes, or 20 digits, a point and 12 decimals. */
static char *put_number(char *at, const struct family *family, double raw)
{
	double scaled;

	if (family->decimals >= 0 && fabs(raw) < WHOLE_MAX && raw == (double)(int64_t)raw) {
		if (raw < 0)
			*at++ = '-';
		return put_decimal(at, (uint64_t)fabs(raw), family->decimals);
	}
	scaled = metric_scaled(&family->metric, raw);
	if (fabs(scaled) < WHOLE_MAX && scaled == (double)(int64_t)scaled) {
		if (scaled < 0)
			*at++ = '-';
		return put_u64(at, (uint64_t)fabs(scaled));
	}
	return at + print_double(at, scaled);
}

/* Sums are 64 bits wide; above 2^53 the last digits of a double would be wrong. */
static char *put_sum(char *at, const struct family *family, uint64_t sum)
{
	return family->decimals >= 0 ? put_decimal(at, sum, family->decimals)
				     : put_number(at, family, (double)sum);
}

static char *put_exemplar(char *at, const struct family *family, const struct exemplar *exemplar)
{
	at = put(at, " # {", 4);
	at = put(at, exemplar->label, strlen(exemplar->label));
	at = put(at, "=\"", 2);
	at = put(at, exemplar->trace_id, strlen(exemplar->trace_id));
	at = put(at, "\"} ", 3);
	at = put_number(at, family, exemplar->value);
	*at++ = ' ';
	return put_decimal(at, exemplar->time_ns / 1000000, 3);
}

/* Length of the family's name as OpenMetrics counts it: without _total. */
static size_t base_length(const struct metric *metric)
{
	size_t len = strlen(metric->name);

	if (metric->type == METRIC_COUNTER && len > 6 && !strcmp(metric->name + len - 6, "_total"))
		len -= 6;
	return len;
}

static bool ends_with_unit(const struct metric *metric, size_t len)
{
	size_t unit = strlen(metric->unit);

	return unit && len > unit + 1 && metric->name[len - unit - 1] == '_' &&
	       !memcmp(metric->name + len - unit, metric->unit, unit);
}

static void write_help(struct writer *w, const char *help)
{
	for (; *help; help++) {
		if (*help == '\n')
			buf_str(w->out, "\\n");
		else if (*help == '\\' || (*help == '"' && w->openmetrics))
			buf_add(w->out, (const char[]){'\\', *help}, 2);
		else
			buf_char(w->out, *help);
	}
}

static void write_head(struct writer *w, const struct metric *metric)
{
	static const char *const types[] = {[METRIC_COUNTER] = "counter",
					    [METRIC_GAUGE] = "gauge",
					    [METRIC_HISTOGRAM] = "histogram"};
	size_t base = base_length(metric), len = w->openmetrics ? base : strlen(metric->name);

	if (metric->help && *metric->help) {
		buf_f(w->out, "# HELP %.*s ", (int)len, metric->name);
		write_help(w, metric->help);
		buf_char(w->out, '\n');
	}
	buf_f(w->out, "# TYPE %.*s %s\n", (int)len, metric->name, types[metric->type]);
	/* in the older format this line is a comment */
	if (ends_with_unit(metric, base))
		buf_f(w->out, "# UNIT %.*s %s\n", (int)len, metric->name, metric->unit);
}

/* name[suffix]{labels[,le="..."]}_ : up to the blank before the number. Its room is reserved already. */
static char *put_sample(char *at, const struct metric *metric, size_t name, const char *suffix,
			const struct series *series, const char *le)
{
	at = put(at, metric->name, name);
	at = put(at, suffix, strlen(suffix));
	if (series->len || le) {
		*at++ = '{';
		at = put(at, series->text, series->len);
		if (le) {
			at = series->len ? put(at, ",le=\"", 5) : put(at, "le=\"", 4);
			at = put(at, le, strlen(le));
			*at++ = '"';
		}
		*at++ = '}';
	}
	*at++ = ' ';
	return at;
}

static void write_line(struct writer *w, const struct family *family, const char *suffix,
		       const struct series *series, double value)
{
	const struct metric *metric = &family->metric;
	size_t name = *suffix ? base_length(metric) : strlen(metric->name);
	char *line = buf_reserve(w->out, name + series->len + LINE_EXTRA), *at;

	if (!line)
		return;
	at = put_sample(line, metric, name, suffix, series, NULL);
	at = put_number(at, family, value);
	if (w->openmetrics && series->exemplar && series->exemplar->trace_id[0])
		at = put_exemplar(at, family, series->exemplar);
	*at++ = '\n';
	buf_commit(w->out, (size_t)(at - line));
}

/* The newest of the slots that this bucket takes in. */
static const struct exemplar *exemplar_of(const struct series *series, uint32_t first,
					  uint32_t last)
{
	const struct exemplar *newest = NULL;

	for (uint32_t slot = first; series->exemplar && slot <= last; slot++) {
		const struct exemplar *exemplar = &series->exemplar[slot];

		if (exemplar->trace_id[0] && (!newest || exemplar->time_ns > newest->time_ns))
			newest = exemplar;
	}
	return newest;
}

static void write_buckets(struct writer *w, const struct family *family,
			  const struct series *series, const struct counts *counts)
{
	const struct metric *metric = &family->metric;
	size_t name = strlen(metric->name), room = name + series->len + LINE_EXTRA;
	uint64_t below = 0;
	uint32_t slot = 0;
	char *line, *at;

	for (uint32_t i = 0; i <= family->bounds; i++) {
		uint32_t first = slot,
			 last = i < family->bounds ? family->bound[i].last_slot : METRIC_SLOTS - 1;
		const struct exemplar *exemplar =
			w->openmetrics ? exemplar_of(series, first, last) : NULL;

		for (; slot <= last; slot++)
			below += counts->slot[slot];
		line = buf_reserve(w->out, room);
		if (!line)
			return;
		at = put_sample(line, metric, name, "_bucket", series,
				i < family->bounds ? family->bound_text[i] : "+Inf");
		at = put_u64(at, below);
		if (exemplar)
			at = put_exemplar(at, family, exemplar);
		*at++ = '\n';
		buf_commit(w->out, (size_t)(at - line));
	}
	line = buf_reserve(w->out, 2 * room);
	if (!line)
		return;
	at = put_sample(line, metric, name, "_sum", series, NULL);
	at = put_sum(at, family, counts->sum);
	*at++ = '\n';
	at = put_sample(at, metric, name, "_count", series, NULL);
	at = put_u64(at, below);
	*at++ = '\n';
	buf_commit(w->out, (size_t)(at - line));
}

static void write_series(void *ctx, const struct group *group, size_t at,
			 const struct series *series)
{
	const struct family *family = group->family[at];
	bool is_counter = family->metric.type == METRIC_COUNTER;
	struct writer *w = ctx;
	struct counts counts;
	double value = group_sum(group, at, series, &counts);

	if (series->histogram)
		write_buckets(w, family, series, &counts);
	else
		write_line(w, family, is_counter && w->openmetrics ? "_total" : "", series, value);
}

static bool has_samples(const struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		for (size_t at = 0; at < group->family[i]->count; at++)
			if (group->family[i]->series[at].is_shown)
				return true;
	return false;
}

/* ---- a family that somebody else keeps ---- */

struct kept_writer {
	struct writer *w;
	const struct family *family;
	bool has_head;
};

static void write_kept_sample(void *ctx, const struct metric_sample *sample)
{
	struct kept_writer *kept = ctx;
	const struct family *family = kept->family;
	const struct series labels = {.text = (char *)sample->labels.at, .len = (uint32_t)sample->labels.len};
	bool is_counter = family->metric.type == METRIC_COUNTER && kept->w->openmetrics;
	const char *suffix = is_counter ? "_total" : sample->suffix;
	size_t name = is_counter ? base_length(&family->metric) : strlen(family->metric.name);
	char *line, *at;

	if (!kept->has_head)
		write_head(kept->w, &family->metric);
	kept->has_head = true;
	line = buf_reserve(kept->w->out, name + labels.len + LINE_EXTRA);
	if (!line)
		return;
	at = put_sample(line, &family->metric, name, suffix, &labels, sample->le);
	at = sample->text ? put(at, sample->text, strlen(sample->text)) : put_number(at, family, sample->value);
	*at++ = '\n';
	buf_commit(kept->w->out, (size_t)(at - line));
}

static void write_kept(struct writer *w, const struct family *family)
{
	struct kept_writer kept = {.w = w, .family = family};

	family->keeper->samples(family->keeper_ctx, write_kept_sample, &kept);
}

static void write_group(void *ctx, const struct group *group)
{
	struct writer *w = ctx;

	if (group->family[0]->keeper) {
		write_kept(w, group->family[0]);
		return;
	}
	if (!has_samples(group))
		return;
	write_head(w, &group->family[0]->metric);
	group_walk(group, write_series, w);
}

size_t families_write(struct family *const *families, size_t count, bool openmetrics,
		      struct buf *out)
{
	struct writer w = {.out = out, .openmetrics = openmetrics};
	size_t left_out = families_group(families, count, write_group, &w);

	if (openmetrics)
		buf_str(out, "# EOF\n");
	return left_out;
}

/* ---- JSON ---- */

/* Reads back what render_value wrote: up to the closing quote. */
static const char *labels_json_value(const char *at, struct json *json)
{
	struct buf value;

	buf_init(&value, METRIC_LABEL_BYTES * 4);
	for (; *at != '"'; at++) {
		if (*at == '\\') {
			at++;
			buf_char(&value, *at == 'n' ? '\n' : *at);
		} else {
			buf_char(&value, *at);
		}
	}
	json_span(json, buf_as_span(&value));
	buf_done(&value);
	return at + 1;
}

static void labels_json(const struct series *series, struct json *json)
{
	const char *at = series->text;
	char name[256];

	json_object(json);
	while (*at) {
		size_t len = strcspn(at, "=");

		memcpy(name, at, len < sizeof(name) ? len : sizeof(name) - 1);
		name[len < sizeof(name) ? len : sizeof(name) - 1] = 0;
		json_key(json, name);
		at = labels_json_value(at + len + 2, json); /* behind =" */
		at += *at == ',';
	}
	json_object_end(json);
}

void family_json(const struct family *family, struct json *json)
{
	json_array(json);
	for (size_t i = 0; i < family->count; i++) {
		const struct series *series = &family->series[i];
		const struct histogram_series *histogram = series->histogram;

		if (!series->is_shown)
			continue;
		json_object(json);
		json_key(json, "labels");
		labels_json(series, json);
		if (histogram)
			histogram_json_members(&family->metric, histogram->shown.slot,
					       histogram->shown.sum, json);
		else
			json_key_double(json, "value",
					metric_scaled(&family->metric, series->shown));
		json_object_end(json);
	}
	json_array_end(json);
}
