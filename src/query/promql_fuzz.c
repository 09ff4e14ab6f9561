// SPDX-License-Identifier: GPL-2.0-only
/*
 * promql_fuzz - any text is parsed or refused; what parses is run over a few series, as an instant and over a range, and
 * answers JSON.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_read.h"
#include "query/promql.h"
#include "store/labels.h"

enum { SERIES = 6, POINTS = 40, TEXT_MAX = 2048 };

/* The same few series whatever is asked for, as far as the matchers let them through. */
static int answer(void *ctx, const struct store_select *select, struct store_selection *selection,
		  struct err *why)
{
	static const char *const names[] = {"a", "b", "a", "c", "h_bucket", "h_bucket"};
	static const char *const values[] = {"1", "2", "2", "x", "0.5", "+Inf"};

	*selection = (struct store_selection){};
	arena_init(&selection->arena, 1 << 20);
	selection->series = calloc(SERIES, sizeof(*selection->series));
	for (size_t i = 0; i < SERIES; i++) {
		const struct store_label labels[] = {
			{span_of("__name__"), span_of(names[i])},
			{span_of(i >= 4 ? "le" : "l"), span_of(values[i])}};
		struct store_points *points = &selection->series[selection->count];
		struct buf set;
		const char *copy;

		buf_init(&set, LABELS_BYTES_MAX);
		labels_write(labels, 2, &set);
		if (!labels_match(buf_as_span(&set), select->matcher, select->matchers)) {
			buf_done(&set);
			continue;
		}
		copy = arena_str(&selection->arena, buf_as_span(&set));
		points->labels = (struct span){(const uint8_t *)copy, set.len};
		points->kind = i % 2 ? SERIES_COUNTER : SERIES_GAUGE;
		points->time_ms = malloc(POINTS * sizeof(*points->time_ms));
		points->value = malloc(POINTS * sizeof(*points->value));
		for (size_t k = 0; k < POINTS; k++) {
			int64_t time = 1000000 + (int64_t)k * 15000;

			if (time < select->from_ms || time > select->to_ms)
				continue;
			points->time_ms[points->count] = time;
			points->value[points->count++] =
				(double)((k * (i + 1)) % 17) - (i == 3 ? 8 : 0);
		}
		selection->count++;
		buf_done(&set);
	}
	return 0;
}

static void run(const struct promql *query, const struct promql_times *times)
{
	const struct promql_source source = {.select = answer,
					     .until_ns = clock_monotonic_ns() + 200000000};
	struct promql_result result;
	struct buf text;
	struct json json = {.out = &text};

	buf_init(&text, 16 << 20);
	if (!promql_run(query, &source, times, &result, NULL)) {
		const struct json_node *root;
		struct arena arena;
		int error;

		promql_write(&result, &json);
		arena_init(&arena, 256 << 20);
		error = text.full ? 0 : json_read(buf_as_span(&text), &arena, &root, NULL);
		if (error == -22) /* -EINVAL: what was written is no JSON */
			abort();
		arena_done(&arena);
	}
	promql_result_done(&result);
	buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct promql_times instant = {.start_ms = 1300000, .step_ms = 1000, .count = 1},
				  range = {.start_ms = 900000,
					   .end_ms = 1700000,
					   .step_ms = 31000,
					   .count = 26,
					   .is_range = true};
	struct promql *query;
	struct err why = {};

	if (size > TEXT_MAX)
		return 0;
	if (promql_parse((struct span){data, size}, &query, &why)) {
		if (!why.text[0])
			abort(); /* refused without a reason */
		return 0;
	}
	run(query, &instant);
	run(query, &range);
	promql_free(query);
	return 0;
}
