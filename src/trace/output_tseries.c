// SPDX-License-Identifier: GPL-2.0-only
/*
 * output_tseries - a series over time as a chart (time downwards, a star for each value), or as JSON.
 *
 * The chart is 52 columns wide from the least value to the greatest; where there is only one value
 * it stands in the middle. Intervals without a value are shown in the chart only.
 */
#include "trace/output_tseries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHART = 52, SECOND = 1000000000 };

void interval_add(const struct type *type, struct interval *to, const struct interval *from)
{
	if (!from->number || from->number < to->number)
		return;
	if (from->number > to->number) {
		*to = *from;
		return;
	}
	switch (type->max) {
	case TSERIES_AVG:
	case TSERIES_SUM:
		to->value += from->value;
		to->meta += from->meta;
		break;
	case TSERIES_MAX: to->value = from->value > to->value ? from->value : to->value; break;
	case TSERIES_MIN: to->value = from->value < to->value ? from->value : to->value; break;
	default:
		if (from->meta > to->meta)
			*to = *from;
	}
}

static int64_t value_of(const struct type *type, const struct interval *interval)
{
	if (type->max == TSERIES_AVG && interval->meta)
		return interval->value / (int64_t)interval->meta;
	return interval->value;
}

static int by_number(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Those that have a value and are not older than the map remembers, oldest first. */
static uint32_t take_used(const struct type *type, const struct interval *all,
			  struct interval *used)
{
	uint64_t newest = 0;
	uint32_t count = 0;

	for (int64_t i = 0; i < type->min; i++)
		newest = all[i].number > newest ? all[i].number : newest;
	for (int64_t i = 0; i < type->min; i++)
		if (all[i].number && all[i].number + (uint64_t)type->min > newest)
			used[count++] = all[i];
	qsort(used, count, sizeof(*used), by_number);
	return count;
}

/* --- text --- */

struct chart {
	int digits; /* of the fraction of a second */
	int width; /* of the times */
	int64_t least, most;
};

static void write_time(uint64_t ns, const char *format, int digits, struct buf *out)
{
	time_t seconds = (time_t)(ns / SECOND);
	char text[64], fraction[16];
	struct tm tm;

	localtime_r(&seconds, &tm);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	buf_add(out, text, strftime(text, sizeof(text), format, &tm));
#pragma GCC diagnostic pop
	snprintf(fraction, sizeof(fraction), "%09llu", (unsigned long long)(ns % SECOND));
	if (digits)
		buf_f(out, ".%.*s", digits, fraction);
}

static void write_scale(const struct chart *chart, struct buf *out)
{
	char least[32], most[32];

	snprintf(least, sizeof(least), "%lld", (long long)chart->least);
	snprintf(most, sizeof(most), "%lld", (long long)chart->most);
	buf_f(out, "%*s%-26s%27s\n", chart->width + 1, "", least, most);
}

static void write_row(const struct chart *chart, const int64_t *value, struct buf *out)
{
	int64_t at = -1;

	if (value)
		at = (int64_t)((double)(*value - chart->least) /
			       (double)(chart->most - chart->least) * CHART);
	for (int i = 0; i <= CHART; i++)
		buf_char(out, i == at ? '*' : i == 0 || i == CHART ? '|' : ' ');
	if (value)
		buf_f(out, " %lld\n", (long long)*value);
	else
		buf_str(out, " -\n");
}

static struct chart plan(const struct type *type, const struct interval *used, uint32_t count)
{
	struct chart chart = {.digits = 9, .least = INT64_MAX, .most = INT64_MIN};

	for (uint32_t i = 0; i < count; i++) {
		int64_t value = value_of(type, &used[i]);

		chart.least = value < chart.least ? value : chart.least;
		chart.most = value > chart.most ? value : chart.most;
	}
	if (chart.least == chart.most) {
		chart.least--;
		chart.most++;
	}
	if (count > 1)
		chart.digits = type->step >= SECOND    ? 0
			       : type->step >= 1000000 ? 3
			       : type->step >= 1000    ? 6
						       : 9;
	chart.width = 8 + (chart.digits ? chart.digits + 1 : 0);
	return chart;
}

static void write_frame(const char *label, const struct chart *chart, char edge, struct buf *out)
{
	buf_f(out, "%-*s %c", chart->width, label, edge);
	buf_fill(out, '_', CHART - 1);
	buf_f(out, "%c\n", edge);
}

static void write_chart(const struct type *type, const struct interval *used, uint32_t count,
			struct buf *out)
{
	static const char *const units[] = {"hh:mm:ss", "hh:mm:ss.ms", "hh:mm:ss.μs",
					    "hh:mm:ss.ns"};
	struct chart chart = plan(type, used, count);
	uint32_t next = 0;

	write_scale(&chart, out);
	write_frame(units[chart.digits / 3], &chart, '|', out);
	for (uint64_t n = used[0].number; n <= used[count - 1].number; n++) {
		bool has_value = used[next].number == n;
		int64_t value = value_of(type, &used[next]);

		write_time(n * (uint64_t)type->step, "%H:%M:%S", chart.digits, out);
		buf_char(out, ' ');
		write_row(&chart, has_value ? &value : NULL, out);
		next += has_value;
	}
	write_frame("", &chart, 'v', out);
	write_scale(&chart, out);
}

/* --- both --- */

void output_tseries(const struct type *type, const struct interval *all, bool is_json,
		    struct buf *out)
{
	struct interval *used = calloc((size_t)type->min, sizeof(*used));
	uint32_t count = used ? take_used(type, all, used) : 0;

	if (is_json) {
		buf_char(out, '[');
		for (uint32_t i = 0; i < count; i++) {
			buf_str(out, i ? ",{\"interval_start\":\"" : "{\"interval_start\":\"");
			write_time(used[i].number * (uint64_t)type->step, "%Y-%m-%d %H:%M:%S", 9,
				   out);
			buf_f(out, "\",\"value\":%lld}", (long long)value_of(type, &used[i]));
		}
		buf_char(out, ']');
	} else if (count) {
		write_chart(type, used, count, out);
	} else {
		buf_str(out, "<no data>\n");
	}
	free(used);
}
