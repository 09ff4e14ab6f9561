// SPDX-License-Identifier: GPL-2.0-only
/* write - answers and numbers as Prometheus' API has them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "query/set.h"

enum { LABEL_NAME_BYTES = 1024 };

/* The shortest digits that read back as the same double: "d.ddde[+-]xx" in `text`. */
static void shortest(double value, char text[40])
{
	for (int digits = 0; digits < 17; digits++) {
		snprintf(text, 40, "%.*e", digits, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

static size_t put_special(char *ret, double value)
{
	const char *text = isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";

	memcpy(ret, text, strlen(text) + 1);
	return strlen(text);
}

static int exponent_of(const char *text)
{
	return (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

/* Digits and exponent of "d.ddde+xx" laid out without an exponent. */
size_t promql_plain_number(char ret[PROMQL_NUMBER + 320], double value)
{
	char text[40], digits[24], *at = ret;
	int count = 0, exponent;

	if (isnan(value) || isinf(value))
		return put_special(ret, value);
	shortest(value, text);
	exponent = exponent_of(text);
	for (const char *c = text; *c && *c != 'e'; c++)
		if (*c >= '0' && *c <= '9')
			digits[count++] = *c;
	if (signbit(value))
		*at++ = '-';
	if (exponent < 0) {
		*at++ = '0';
		*at++ = '.';
		memset(at, '0', (size_t)(-exponent - 1));
		at += -exponent - 1;
		memcpy(at, digits, (size_t)count);
		at += count;
	} else {
		for (int i = 0; i <= exponent || i < count; i++) {
			if (i == exponent + 1)
				*at++ = '.';
			*at++ = i < count ? digits[i] : '0';
		}
	}
	*at = 0;
	return (size_t)(at - ret);
}

size_t promql_number(char ret[PROMQL_NUMBER + 320], double value)
{
	double size = fabs(value);

	if (isnan(value) || isinf(value) || !size || (size >= 1e-6 && size < 1e21))
		return promql_plain_number(ret, value);
	shortest(value, ret);
	return strlen(ret);
}

void promql_time(struct buf *out, int64_t time_ms)
{
	uint64_t size = time_ms < 0 ? -(uint64_t)time_ms : (uint64_t)time_ms;

	if (time_ms < 0)
		buf_char(out, '-');
	buf_u64(out, size / 1000);
	if (size % 1000)
		buf_f(out, ".%03u", (unsigned)(size % 1000));
}

static void write_value(struct json *json, int64_t time_ms, double value, bool plain)
{
	char text[PROMQL_NUMBER + 320];
	struct buf point;

	buf_init(&point, sizeof(text) + 64);
	buf_char(&point, '[');
	promql_time(&point, time_ms);
	buf_str(&point, ",\"");
	buf_add(&point, text,
		plain ? promql_plain_number(text, value) : promql_number(text, value));
	buf_str(&point, "\"]");
	json_raw(json, buf_as_span(&point));
	buf_done(&point);
}

static void write_point(struct json *json, int64_t time_ms, double value)
{
	write_value(json, time_ms, value, false);
}

static void write_labels(struct json *json, const struct label_set *labels)
{
	char name[LABEL_NAME_BYTES];

	json_key(json, "metric");
	json_object(json);
	for (uint32_t i = 0; i < labels->count; i++) {
		struct span from = span_first(labels->at[i].name, sizeof(name) - 1);

		memcpy(name, from.at, from.len);
		name[from.len] = 0;
		json_key(json, name);
		json_span(json, labels->at[i].value);
	}
	json_object_end(json);
}

size_t promql_series_count(const struct promql_result *result)
{
	return result->set && !result->times.is_range ? result->set->count : 0;
}

bool promql_sample_at(const struct promql_result *result, size_t i, struct promql_sample *ret_sample)
{
	const struct one_series *series = &result->set->at[i];

	*ret_sample = (struct promql_sample){series->labels->at, series->labels->count, series->value[0]};
	return !is_absent(series->value[0]);
}

static void write_vector(const struct promql_result *result, struct json *json)
{
	for (size_t i = 0; i < result->set->count; i++) {
		const struct one_series *series = &result->set->at[i];

		if (is_absent(series->value[0]))
			continue;
		json_object(json);
		write_labels(json, series->labels);
		json_key(json, "value");
		write_point(json, result->times.start_ms, series->value[0]);
		json_object_end(json);
	}
}

static void write_series(const struct promql_result *result, const struct one_series *series,
			 struct json *json)
{
	bool any = false;

	for (size_t k = 0; k < result->times.count; k++) {
		if (is_absent(series->value[k]))
			continue;
		if (!any) {
			json_object(json);
			write_labels(json, series->labels);
			json_key(json, "values");
			json_array(json);
		}
		any = true;
		write_point(json, result->times.start_ms + (int64_t)k * result->times.step_ms,
			    series->value[k]);
	}
	if (!any)
		return;
	json_array_end(json);
	json_object_end(json);
}

static void write_points(const struct points *points, struct json *json)
{
	json_object(json);
	write_labels(json, points->labels);
	json_key(json, "values");
	json_array(json);
	for (size_t i = 0; i < points->count; i++)
		write_point(json, points->time_ms[i], points->value[i]);
	json_array_end(json);
	json_object_end(json);
}

static void write_text(const struct promql_result *result, struct json *json)
{
	struct buf time;

	buf_init(&time, 64);
	promql_time(&time, result->times.start_ms);
	json_array(json);
	json_raw(json, buf_as_span(&time));
	json_span(json, result->text);
	json_array_end(json);
	buf_done(&time);
}

void promql_write(const struct promql_result *result, struct json *json)
{
	json_object(json);
	json_key_str(json, "resultType", promql_type_name(result->type));
	json_key(json, "result");
	if (result->type == PROMQL_SCALAR) {
		write_value(json, result->times.start_ms, result->set->at[0].value[0], true);
	} else if (result->type == PROMQL_STRING) {
		write_text(result, json);
	} else {
		json_array(json);
		if (result->type == PROMQL_VECTOR)
			write_vector(result, json);
		else if (result->points)
			for (size_t i = 0; i < result->points->count; i++)
				write_points(&result->points->at[i], json);
		else
			for (size_t i = 0; i < result->set->count; i++)
				write_series(result, &result->set->at[i], json);
		json_array_end(json);
	}
	json_object_end(json);
}
