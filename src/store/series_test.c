// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples come back bit by bit, from memory, journal and files; roll-ups say what the samples said; every moment is
 * answered by one tier.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "store/check.h"
#include "store/labels.h"
#include "store/points.h"
#include "store/series.h"

enum { SERIES = 300, SCRAPES = 400 };

#define START_MS ((int64_t)1790000000000)
#define SECOND   ((int64_t)1000000000)

static unsigned short seed[3];

struct scene {
	char path[64];
	struct kit_disk disk;
	struct store_options options;
	struct store *store;
};

static void open_scene(struct scene *scene)
{
	struct err why = {};

	if (store_open(&scene->options, &scene->store, &why))
		fail_msg("%s", why.text);
}

static void begin(struct scene *scene)
{
	*scene = (struct scene){};
	kit_folder(scene->path);
	kit_disk_init(&scene->disk);
	kit_options(&scene->options, scene->path, &scene->disk);
	scene->options.bytes_max = 256 << 20;
	scene->options.journal_bytes_max = 4 << 20;
	open_scene(scene);
}

static void again(struct scene *scene)
{
	store_close(scene->store);
	open_scene(scene);
}

static void end(struct scene *scene)
{
	store_close(scene->store);
	kit_disk_done(&scene->disk);
	kit_remove(scene->path);
}

static void pass(struct scene *scene, int64_t ns)
{
	scene->disk.mono_ns += ns;
	scene->disk.wall_ns += ns;
	store_tick(scene->store);
}

static store_series_handle series_of(struct store *store, unsigned number,
				     enum store_series_kind kind)
{
	char instance[32];
	store_series_handle handle;

	snprintf(instance, sizeof(instance), "host-%u", number);
	handle = store_series(
		store,
		(struct store_label[]){
			{span_of("instance"), span_of(instance)},
			{span_of("__name__"),
			 span_of(kind == SERIES_COUNTER ? "requests_total" : "temperature")},
			{span_of("code"), span_of(number % 3 ? "200" : "")},
		},
		3, kind, NULL);
	assert_true(handle != 0);
	return handle;
}

static const struct store_matcher any[] = {
	{MATCHER_UNEQUAL, {(const uint8_t *)"__name__", 8}, {(const uint8_t *)"", 0}}};

static void select_all(struct scene *scene, const struct store_select *select,
		       struct store_selection *selection)
{
	struct err why = {};

	if (store_select(scene->store, select, selection, &why))
		fail_msg("%s", why.text);
	assert_false(selection->partial);
}

/* The number at the end of the series' instance label. */
static unsigned number_of(const struct store_points *points)
{
	struct span value = labels_value(points->labels, span_of("instance"));
	char text[32];

	snprintf(text, sizeof(text), "%.*s", (int)value.len, (const char *)value.at);
	return (unsigned)strtoul(text + 5, NULL, 10);
}

static double odd_value(unsigned series, unsigned scrape)
{
	static const uint64_t bits[] = {0x7ff0000000000002, 0x7ff8000000000001, 0xfff0000000000000,
					0x7ff0000000000000, 0x8000000000000000, 0x0000000000000001,
					0x7fefffffffffffff, 0x43e0000000000000, 0xc3e0000000000000};
	double value;

	switch (series % 8) {
	case 0: return scrape * (series + 1.0);
	case 1: return 50 + floor(1000 * erand48(seed)) / 1000;
	case 2: return series;
	case 3: return erand48(seed);
	case 4: return floor(scrape * (series % 13) / 7.0) * 1e12;
	case 5: return (double)(int64_t)(kit_random(seed) >> 1);
	case 6:
		memcpy(&value, &bits[kit_below(seed, 9)], sizeof(value));
		return kit_below(seed, 20) ? 1.25
					   : value; /* also the marker of a series that ended */
	default:
		value = (double)kit_below(seed, 1000000) / 1e6;
		return kit_below(seed, 2) ? value : -value;
	}
}

static void values_come_back_bit_by_bit(void **state)
{
	static double values[70000], read[70000];
	static int64_t scratch[70000], times[70000], times_read_back[70000];
	static const uint32_t counts[] = {1, 2, 3, 16, 17, 60, 240, 1000, 65536};

	for (unsigned series = 0; series < 64; series++)
		for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
			uint32_t count = counts[c];
			struct reader reader;
			struct buf out;

			buf_init(&out, 1 << 21);
			for (uint32_t i = 0; i < count; i++) {
				values[i] = odd_value(series, i);
				times[i] = START_MS + i * (int64_t)15000 +
					   (series % 3 ? (int64_t)kit_below(seed, 100) : 0);
			}
			values_write(values, count, scratch, &out);
			times_write(times, count, &out);
			reader = reader_of(buf_as_span(&out));
			assert_true(values_read(&reader, count, read));
			assert_memory_equal(values, read, count * sizeof(double));
			assert_true(times_read(&reader, count, times_read_back));
			assert_memory_equal(times, times_read_back, count * sizeof(int64_t));
			assert_int_equal(reader_left(&reader), 0);
			buf_done(&out);
		}
}

static void labels_have_one_form(void **state)
{
	const struct store_label one[] = {{span_of("b"), span_of("2")},
					  {span_of("__name__"), span_of("x")},
					  {span_of("a"), span_of("1")}},
				 two[] = {{span_of("a"), span_of("1")},
					  {span_of("empty"), span_of("")},
					  {span_of("b"), span_of("2")},
					  {span_of("__name__"), span_of("x")}},
				 twice[] = {{span_of("a"), span_of("1")},
					    {span_of("a"), span_of("2")}};
	struct buf a, b;

	buf_init(&a, 1000);
	buf_init(&b, 1000);
	assert_int_equal(labels_write(one, 3, &a), 0);
	assert_int_equal(labels_write(two, 4, &b), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.at, b.at, a.len);
	assert_true(labels_valid(buf_as_span(&a)));
	assert_true(span_is(labels_value(buf_as_span(&a), span_of("b")), "2"));
	assert_false(labels_valid(span_first(buf_as_span(&a), a.len - 1)));
	assert_int_equal(labels_write(twice, 2, &a), -EINVAL);
	buf_done(&a);
	buf_done(&b);
}

/* All samples in an array. */
static double model[SERIES][SCRAPES];
static bool there[SERIES][SCRAPES];

static void scrape_some(struct scene *scene, unsigned scrape)
{
	static struct store_sample samples[SERIES];
	unsigned from = kit_below(seed, 10) ? 0 : (unsigned)kit_below(seed, 50);
	size_t count = 0;

	for (unsigned i = from; i < SERIES; i++) {
		if (i % 10 == 9 && kit_below(seed, 3) == 0) /* some are sometimes missing */
			continue;
		model[i][scrape] = odd_value(i, scrape);
		there[i][scrape] = true;
		samples[count++] = (struct store_sample){
			series_of(scene->store, i, i % 2 ? SERIES_GAUGE : SERIES_COUNTER),
			model[i][scrape]};
	}
	if (kit_below(seed, 5) == 0) { /* in another order, and one twice */
		struct store_sample keep = samples[3];

		samples[3] = samples[7];
		samples[7] = keep;
		samples[count] = samples[3];
		assert_int_equal(store_samples(scene->store, START_MS + scrape * (int64_t)1000,
					       samples, count + (count < SERIES), NULL),
				 count);
		return;
	}
	assert_int_equal(store_samples(scene->store, START_MS + scrape * (int64_t)1000, samples,
				       count, NULL),
			 count);
}

static void assert_like_the_model(struct scene *scene, unsigned scrapes)
{
	unsigned from = (unsigned)kit_below(seed, scrapes),
		 to = from + (unsigned)kit_below(seed, scrapes - from);
	struct store_select select = {
		.matcher = any,
		.matchers = 1,
		.from_ms = START_MS + from * (int64_t)1000,
		.to_ms = START_MS + to * (int64_t)1000,
	};
	struct store_selection selection;
	size_t expected = 0;

	select_all(scene, &select, &selection);
	for (size_t i = 0; i < selection.count; i++) {
		const struct store_points *points = &selection.series[i];
		unsigned number = number_of(points);
		size_t at = 0;

		if (i)
			assert_true(labels_order(selection.series[i - 1].labels, points->labels) <
				    0);
		for (unsigned scrape = from; scrape <= to; scrape++) {
			if (!there[number][scrape])
				continue;
			assert_true(at < points->count);
			assert_int_equal(points->time_ms[at], START_MS + scrape * (int64_t)1000);
			assert_memory_equal(&points->value[at], &model[number][scrape],
					    sizeof(double));
			at++;
		}
		assert_int_equal(at, points->count);
		assert_int_equal(points->kind, number % 2 ? SERIES_GAUGE : SERIES_COUNTER);
	}
	for (unsigned i = 0; i < SERIES; i++)
		for (unsigned scrape = from; scrape <= to; scrape++)
			expected += there[i][scrape];
	assert_int_equal(selection.samples, expected);
	store_selection_done(&selection);
}

static void assert_equations(struct scene *scene)
{
	struct store_status status;

	store_status(scene->store, &status);
	assert_int_equal(status.samples_offered, status.samples_accepted + status.samples_refused);
	assert_int_equal(status.samples_accepted + status.samples_recovered,
			 status.samples_in_memory + status.samples_written + status.samples_lost);
	assert_string_equal(status.trouble, "");
}

static void samples_come_back_like_the_model_has_them(void **state)
{
	struct scene scene;

	begin(&scene);
	scene.options.head_samples = 5000;
	scene.options.head_age_s = 30;
	again(&scene);
	for (unsigned scrape = 0; scrape < SCRAPES; scrape++) {
		scrape_some(&scene, scrape);
		pass(&scene, SECOND);
		if (kit_below(seed, 20) == 0)
			store_flush(scene.store, NULL);
		if (kit_below(seed, 20) == 0)
			again(&scene);
		assert_equations(&scene);
		if (scrape && scrape % 5 == 0)
			assert_like_the_model(&scene, scrape + 1);
	}
	end(&scene);
}

static bool ends_with_seven(void *ctx, struct span value)
{
	return value.len && value.at[value.len - 1] == '7';
}

static size_t count_series(struct scene *scene, const struct store_matcher *matchers, size_t count)
{
	const struct store_select labels = {.matcher = matchers,
					    .matchers = count,
					    .from_ms = 0,
					    .to_ms = INT64_MAX,
					    .only_labels = true},
				  samples = {.matcher = matchers,
					     .matchers = count,
					     .from_ms = 0,
					     .to_ms = INT64_MAX};
	struct store_selection selection;
	size_t series;

	select_all(scene, &samples, &selection);
	series = selection.count;
	store_selection_done(&selection);
	select_all(scene, &labels, &selection);
	assert_int_equal(selection.count, series);
	assert_int_equal(selection.samples, 0);
	store_selection_done(&selection);
	return series;
}

static void matchers_choose_series(void **state)
{
	const struct span name = span_of("__name__"), code = span_of("code"),
			  instance = span_of("instance");
	const struct store_matcher temperature = {MATCHER_EQUAL, name, span_of("temperature")},
				   no_metric = {MATCHER_EQUAL, name, span_of("temp")},
				   no_code = {MATCHER_EQUAL, code, span_of("")},
				   other_code = {MATCHER_UNEQUAL, code, span_of("200")},
				   seven = {MATCHER_MATCHES, instance, {}, ends_with_seven},
				   not_seven = {MATCHER_MATCHES_NOT, instance, {}, ends_with_seven};
	const struct store_matcher both[] = {temperature, seven};
	struct store_sample sample;
	struct scene scene;

	begin(&scene);
	for (unsigned round = 0; round < 2; round++) { /* first in memory, then in a file */
		for (unsigned i = 0; i < SERIES && !round; i++) {
			sample = (struct store_sample){
				series_of(scene.store, i, i % 2 ? SERIES_GAUGE : SERIES_COUNTER),
				i};
			assert_int_equal(store_samples(scene.store, START_MS, &sample, 1, NULL), 1);
		}
		assert_int_equal(count_series(&scene, any, 1), SERIES);
		assert_int_equal(count_series(&scene, &temperature, 1), SERIES / 2);
		assert_int_equal(count_series(&scene, &no_metric, 1), 0);
		assert_int_equal(count_series(&scene, &no_code, 1), SERIES / 3);
		assert_int_equal(count_series(&scene, &other_code, 1), SERIES / 3);
		assert_int_equal(count_series(&scene, &seven, 1), SERIES / 10);
		assert_int_equal(count_series(&scene, &not_seven, 1), SERIES - SERIES / 10);
		assert_int_equal(count_series(&scene, both, 2), SERIES / 10);
		store_flush(scene.store, NULL);
	}
	end(&scene);
}

/* A gauge and a counter that begins anew now and then, second by second. */
static double gauge_at(int64_t second)
{
	return (double)((second * 7919) % 10007) / 100 - 20;
}

static double counter_at(int64_t second)
{
	return (double)(second % 1117) * 3; /* falls back to 0 every 1117 s */
}

static double rises_until(int64_t second)
{
	double sum = 0;

	for (int64_t i = 1; i <= second; i++)
		sum += counter_at(i) >= counter_at(i - 1) ? counter_at(i) - counter_at(i - 1)
							  : counter_at(i);
	return sum;
}

static void live_for(struct scene *scene, int64_t from, int64_t to)
{
	for (int64_t second = from; second < to; second++) {
		const struct store_sample samples[] = {
			{series_of(scene->store, 1, SERIES_GAUGE), gauge_at(second)},
			{series_of(scene->store, 2, SERIES_COUNTER), counter_at(second)},
		};

		assert_int_equal(
			store_samples(scene->store, START_MS + second * 1000, samples, 2, NULL), 2);
		pass(scene, SECOND);
		if (second % 4001 == 0)
			again(scene);
	}
}

static const struct store_points *find(const struct store_selection *selection, unsigned number)
{
	for (size_t i = 0; i < selection->count; i++)
		if (number_of(&selection->series[i]) == number)
			return &selection->series[i];
	return NULL;
}

/* The window that ends then: what its samples say. */
static double truth_of_window(int64_t end_ms, int64_t step_ms, enum store_field field)
{
	double sum = 0, min = INFINITY, max = -INFINITY;
	int count = 0;

	for (int64_t ms = end_ms - step_ms + 1; ms <= end_ms; ms++) {
		int64_t second = (ms - START_MS) / 1000;

		if ((ms - START_MS) % 1000 || ms < START_MS)
			continue;
		sum += gauge_at(second);
		min = fmin(min, gauge_at(second));
		max = fmax(max, gauge_at(second));
		count++;
	}
	switch (field) {
	case FIELD_MIN: return min;
	case FIELD_MAX: return max;
	case FIELD_SUM: return sum;
	case FIELD_COUNT: return count;
	default: return sum / count;
	}
}

static void assert_windows(struct scene *scene, int64_t step_ms, enum store_field field)
{
	const struct store_select select = {
		.matcher = any,
		.matchers = 1,
		.from_ms = START_MS,
		.to_ms = START_MS + 20000000,
		.resolution_ms = step_ms,
		.field = field,
	};
	struct store_selection selection;
	const struct store_points *points;
	size_t windows = 0;

	select_all(scene, &select, &selection);
	points = find(&selection, 1);
	assert_non_null(points);
	for (size_t i = 0; i < points->count; i++) {
		int64_t next =
			i + 1 < points->count ? points->time_ms[i + 1] - points->time_ms[i] : 0;
		double truth;

		if (i)
			assert_true(points->time_ms[i] > points->time_ms[i - 1]);
		if (next != step_ms || points->time_ms[i] % step_ms)
			continue; /* a raw sample, or another tier's window */
		truth = truth_of_window(points->time_ms[i], step_ms, field);
		if (!(fabs(points->value[i] - truth) <= 1e-9 * fabs(truth) + 1e-12))
			fail_msg("window %lld: %.17g instead of %.17g",
				 (long long)points->time_ms[i], points->value[i], truth);
		windows++;
	}
	assert_true(windows > 20);
	store_selection_done(&selection);
}

static void windows_say_what_the_samples_said(void **state)
{
	struct scene scene;
	struct store_status status;

	begin(&scene);
	scene.options.tier[1].span_s = 600;
	scene.options.tier[2].span_s = 3600;
	scene.options.head_age_s = 60;
	again(&scene);
	live_for(&scene, 0, 16000);
	store_status(scene.store, &status);
	assert_true(status.samples_rolled > 0);
	for (enum store_field field = FIELD_VALUE; field <= FIELD_COUNT; field++) {
		assert_windows(&scene, 15000, field);
		assert_windows(&scene, 300000, field);
	}
	end(&scene);
}

static void a_counter_keeps_its_increase_however_often_it_falls(void **state)
{
	static const int64_t resolutions[] = {0, 15000, 300000};
	struct scene scene;

	begin(&scene);
	scene.options.tier[1].span_s = 600;
	scene.options.tier[2].span_s = 3600;
	scene.options.tier[0].keep_s = 0; /* keep the raw samples: they are asked for, too */
	scene.options.head_age_s = 60;
	again(&scene);
	live_for(&scene, 0, 16000);
	for (size_t r = 0; r < 3; r++) {
		const struct store_select select = {
			.matcher = any,
			.matchers = 1,
			.from_ms = START_MS,
			.to_ms = START_MS + 20000000,
			.resolution_ms = resolutions[r],
		};
		struct store_selection selection;
		const struct store_points *points;
		double sum = 0, truth;

		select_all(&scene, &select, &selection);
		points = find(&selection, 2);
		assert_int_equal(points->drop != NULL, r != 0);
		for (size_t i = 1; i < points->count; i++) {
			double step = points->value[i] - points->value[i - 1];

			sum += points->drop ? step + points->drop[i]
			       : step < 0   ? points->value[i]
					    : step;
		}
		truth = rises_until(15999) - rises_until((points->time_ms[0] - START_MS) / 1000);
		if (fabs(sum - truth) > 1e-6)
			fail_msg("resolution %lld: an increase of %.17g instead of %.17g",
				 (long long)resolutions[r], sum, truth);
		store_selection_done(&selection);
	}
	end(&scene);
}

static void every_moment_is_answered_by_one_tier(void **state)
{
	const struct store_select select = {
		.matcher = any, .matchers = 1, .from_ms = START_MS, .to_ms = START_MS + 100000000};
	struct store_selection selection;
	const struct store_points *points;
	struct store_table_status tiers[STORE_TIERS];
	int64_t longest = 0;
	struct scene scene;

	begin(&scene);
	scene.options.tier[0].keep_s = 1800;
	scene.options.tier[1].keep_s = 7200;
	scene.options.tier[1].span_s = 600;
	scene.options.tier[2].span_s = 3600;
	scene.options.head_age_s = 60;
	again(&scene);
	live_for(&scene, 0, 20000);
	assert_int_equal(store_tables(scene.store, tiers, STORE_TIERS), STORE_TIERS);
	assert_string_equal(tiers[0].name, "samples");
	assert_true(tiers[0].from_ns / 1000000 > START_MS + 17000 * 1000);
	assert_true(tiers[1].from_ns / 1000000 > START_MS + 9000 * 1000);
	assert_true(tiers[2].from_ns / 1000000 < START_MS + 400 * 1000);
	select_all(&scene, &select, &selection);
	points = find(&selection, 1);
	for (size_t i = 1; i < points->count; i++) {
		int64_t distance = points->time_ms[i] - points->time_ms[i - 1];

		assert_true(distance > 0);
		longest = distance > longest ? distance : longest;
	}
	assert_true(longest <= 300000);
	assert_true(points->time_ms[0] <= START_MS + 300000);
	assert_int_equal(points->time_ms[points->count - 1], START_MS + 19999 * 1000);
	assert_int_equal(points->time_ms[points->count - 2], START_MS + 19998 * 1000);
	store_selection_done(&selection);
	end(&scene);
}

/* Each window is made once, however long the spans were that are made at a time. */
static void spans_may_become_shorter_and_longer(void **state)
{
	static const uint32_t spans_s[] = {1800, 300, 900, 300, 1800};
	struct store_table_status tiers[STORE_TIERS];
	struct scene scene;

	begin(&scene);
	scene.options.head_age_s = 60;
	scene.options.tier[2].span_s = 3600;
	for (int64_t i = 0; i < 5; i++) {
		scene.options.tier[1].span_s = spans_s[i];
		again(&scene);
		live_for(&scene, i * 2500, (i + 1) * 2500);
	}
	assert_int_equal(store_tables(scene.store, tiers, STORE_TIERS), STORE_TIERS);
	assert_true(tiers[1].to_ns / 1000000 > START_MS + 10000 * 1000);
	assert_int_equal(tiers[1].rows,
			 2 * ((tiers[1].to_ns - tiers[1].from_ns) / (15 * SECOND) + 1));
	assert_windows(&scene, 15000, FIELD_VALUE);
	again(&scene); /* what overlaps would be set aside now */
	assert_int_equal(kit_count(scene.path, ".bad"), 0);
	end(&scene);
}

static void old_handles_are_refused(void **state)
{
	struct store_status status;
	struct store_sample sample;
	struct scene scene;
	struct err why = {};

	begin(&scene);
	scene.options.series_max = 10;
	again(&scene);
	sample = (struct store_sample){series_of(scene.store, 1, SERIES_GAUGE), 1};
	assert_int_equal(store_samples(scene.store, START_MS, &sample, 1, NULL), 1);
	for (int i = 0; i < 100; i++)
		pass(&scene, 60 * SECOND); /* it is written, and nothing comes any more */
	assert_int_equal(store_samples(scene.store, START_MS + 1000, &sample, 1, NULL), 0);
	store_status(scene.store, &status);
	assert_int_equal(status.samples_refused, 1);
	assert_int_equal(status.series, 0);
	for (unsigned i = 0; i < 10; i++)
		series_of(scene.store, i, SERIES_GAUGE);
	assert_true(store_series(scene.store, (struct store_label[]){{span_of("a"), span_of("b")}},
				 1, SERIES_GAUGE, &why) == 0);
	assert_non_null(strstr(why.text, "no room"));
	assert_true(store_series(scene.store, NULL, 0, SERIES_GAUGE, &why) == 0);
	end(&scene);
}

static void too_much_is_refused_with_a_reason(void **state)
{
	const struct store_select
		series = {.matcher = any, .matchers = 1, .to_ms = INT64_MAX, .series_max = 3},
		samples = {.matcher = any, .matchers = 1, .to_ms = INT64_MAX, .samples_max = 5};
	struct store_selection selection;
	struct scene scene;
	struct err why = {};

	begin(&scene);
	for (unsigned i = 0; i < 10; i++) {
		struct store_sample sample = {series_of(scene.store, i, SERIES_GAUGE), i};

		assert_int_equal(store_samples(scene.store, START_MS, &sample, 1, NULL), 1);
	}
	assert_int_equal(store_select(scene.store, &series, &selection, &why), -E2BIG);
	assert_non_null(strstr(why.text, "more than 3 series"));
	store_selection_done(&selection);
	assert_int_equal(store_select(scene.store, &samples, &selection, &why), -E2BIG);
	store_selection_done(&selection);
	end(&scene);
}

static int setup(void **state)
{
	seed[0] = (unsigned short)(getenv("SEED") ? strtol(getenv("SEED"), NULL, 10) : time(NULL));
	print_message("seed %u (set SEED to repeat)\n", seed[0]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_back_bit_by_bit),
		cmocka_unit_test(labels_have_one_form),
		cmocka_unit_test(samples_come_back_like_the_model_has_them),
		cmocka_unit_test(matchers_choose_series),
		cmocka_unit_test(windows_say_what_the_samples_said),
		cmocka_unit_test(a_counter_keeps_its_increase_however_often_it_falls),
		cmocka_unit_test(every_moment_is_answered_by_one_tier),
		cmocka_unit_test(spans_may_become_shorter_and_longer),
		cmocka_unit_test(old_handles_are_refused),
		cmocka_unit_test(too_much_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
