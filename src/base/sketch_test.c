// SPDX-License-Identifier: GPL-2.0-only
/* Percentiles against the sorted truth, on shapes that are easy to get wrong; joined, written,
 * read, folded. */
#include "base/sketch.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { VALUES = 50000 };

static unsigned short seed[3];

static double uniform(void)
{
	return erand48(seed);
}

static double log_normal(void)
{
	return exp(6.5 + 1.5 * sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform()));
}

static double whole_numbers(void)
{
	return floor(uniform() * 20);
}

static double both_signs(void)
{
	return (uniform() - 0.4) * log_normal();
}

static double wide_range(void)
{
	return exp(30 * (uniform() - 0.5));
}

static double two_peaks(void)
{
	return uniform() < 0.9 ? 100 + uniform() : 1e6 + uniform();
}

static double (*const shapes[])(void) = {uniform,    log_normal, whole_numbers,
					 both_signs, wide_range, two_peaks};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void assert_near_the_truth(const struct sketch *sketch, const double *sorted, size_t count)
{
	static const double quantiles[] = {0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};

	for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
		double truth = sorted[(size_t)(quantiles[i] * (double)(count - 1))];
		double answer = sketch_quantile(sketch, quantiles[i]);

		if (fabs(answer - truth) > SKETCH_ERROR * fabs(truth) * 1.000001)
			fail_msg("quantile %g: %.17g instead of %.17g", quantiles[i], answer,
				 truth);
	}
}

static void quantiles_stay_within_one_percent(void **state)
{
	static double values[VALUES];

	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(*shapes); shape++) {
		struct sketch sketch = {};
		double sum = 0;

		for (int i = 0; i < VALUES; i++) {
			values[i] = shapes[shape]();
			sum += values[i];
			assert_int_equal(sketch_add(&sketch, values[i]), 0);
		}
		qsort(values, VALUES, sizeof(*values), by_size);
		assert_int_equal(sketch.count, VALUES);
		assert_true(sketch.sum == sum);
		assert_true(sketch.min == values[0] && sketch.max == values[VALUES - 1]);
		assert_int_equal(sketch.folded, 0);
		assert_near_the_truth(&sketch, values, VALUES);
		sketch_done(&sketch);
	}
}

/* Every bucket, from the smallest normal double to the largest: the bound itself is the worst
 * case. */
static void every_magnitude_is_within_one_percent(void **state)
{
	for (double value = 0x1p-1022; value < 1.7e308; value *= 1.003) {
		struct sketch sketch = {};
		double answer;

		sketch_add(&sketch, value);
		sketch.min = 0; /* or the bounds would give the answer away */
		sketch.max = INFINITY;
		answer = sketch_quantile(&sketch, 0.5);
		if (fabs(answer - value) > SKETCH_ERROR * value)
			fail_msg("%.17g became %.17g", value, answer);
		sketch_done(&sketch);
	}
}

static void assert_same(const struct sketch *a, const struct sketch *b)
{
	struct buf left, right;

	buf_init(&left, SKETCH_BYTES_MAX);
	buf_init(&right, SKETCH_BYTES_MAX);
	assert_int_equal(sketch_write(a, &left), 0);
	assert_int_equal(sketch_write(b, &right), 0);
	assert_int_equal(left.len, right.len);
	assert_memory_equal(left.at, right.at, left.len);
	buf_done(&left);
	buf_done(&right);
}

static void joined_sketches_equal_one_that_saw_all(void **state)
{
	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(*shapes); shape++) {
		struct sketch whole = {}, joined = {}, part[7] = {};

		for (int i = 0; i < VALUES; i++) {
			double value =
				round(shapes[shape]() * 1024) / 1024; /* sums are exact then */

			sketch_add(&whole, value);
			sketch_add(&part[i % 7], value);
		}
		for (int i = 0; i < 7; i++) {
			assert_int_equal(sketch_merge(&joined, &part[i]), 0);
			sketch_done(&part[i]);
		}
		assert_same(&whole, &joined);
		sketch_done(&whole);
		sketch_done(&joined);
	}
}

/* The fuzz target found it: buckets that begin within the range and end beyond it were read, and refused when they
 * were written again without the empty ones in front. */
static void buckets_beyond_the_range_are_refused(void **state)
{
	static const uint8_t bytes[] = {
		1, 0x71, 0, 0, 0, 0,    0,    0,    0, 0, 0,    0x1b, 0, 0, 0, 0,    0,    0, 0,
		0, 0,    0, 0, 0, 0xff, 0xff, 0xaf, 1, 4, 0xff, 0xff, 7, 0, 0, 0x23, 0x39, 0};
	struct sketch sketch;

	assert_int_equal(sketch_read(&sketch, (struct span){bytes, sizeof(bytes)}), -EBADMSG);
}

static void what_was_written_reads_back(void **state)
{
	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(*shapes); shape++) {
		struct sketch sketch = {}, again;
		struct buf written;

		for (int i = 0; i < 1000; i++)
			sketch_add(&sketch, shapes[shape]());
		buf_init(&written, SKETCH_BYTES_MAX);
		assert_int_equal(sketch_write(&sketch, &written), 0);
		assert_int_equal(sketch_read(&again, buf_as_span(&written)), 0);
		assert_same(&sketch, &again);
		assert_int_equal(again.count, sketch.count);
		sketch_done(&again);
		for (size_t len = 0; len < written.len; len++)
			assert_int_equal(
				sketch_read(&again, span_first(buf_as_span(&written), len)),
				-EBADMSG);
		sketch_done(&sketch);
		buf_done(&written);
	}
}

static void a_range_too_wide_folds_the_lowest_and_says_so(void **state)
{
	struct sketch up = {}, down = {};

	for (int i = -300; i <= 300; i++)
		sketch_add(&up, pow(10, i));
	for (int i = 300; i >= -300; i--)
		sketch_add(&down, pow(10, i));
	assert_int_equal(up.count, 601);
	assert_true(up.folded > 0 && down.folded > 0);
	assert_true(up.positive.len <= SKETCH_BUCKETS_MAX);
	assert_true(fabs(sketch_quantile(&up, 1) / 1e300 - 1) < SKETCH_ERROR);
	assert_true(fabs(sketch_quantile(&up, 0.99) / 1e294 - 1) < SKETCH_ERROR);
	assert_true(sketch_quantile(&up, 0.99) == sketch_quantile(&down, 0.99));
	sketch_add(&up, 1e-300);
	assert_int_equal(up.count, 602);
	sketch_done(&up);
	sketch_done(&down);
}

static void says_before_adding_whether_it_must_grow(void **state)
{
	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(*shapes); shape++) {
		struct sketch sketch = {};
		size_t grown = 0;

		for (size_t i = 0; i < 5000; i++) {
			double value =
				i % 100 ? shapes[shape]() : ldexp(uniform(), (int)(i % 1000));
			size_t before = sketch_bytes(&sketch);
			bool fits = sketch_fits(&sketch, value);

			assert_int_equal(sketch_add(&sketch, value), 0);
			assert_int_equal(fits, sketch_bytes(&sketch) == before);
			grown += !fits;
		}
		assert_true(grown);
		sketch_done(&sketch);
	}
}

struct walk {
	double last;
	uint64_t count;
	const double *sorted;
};

static void check_bucket(void *ctx, double middle, uint64_t count)
{
	struct walk *walk = ctx;

	assert_true(middle > walk->last);
	walk->last = middle;
	for (uint64_t end = walk->count + count; walk->count < end; walk->count++)
		assert_true(fabs(middle - walk->sorted[walk->count]) <=
			    fabs(walk->sorted[walk->count]) * SKETCH_ERROR * 1.000001);
}

static void buckets_in_a_row_hold_all_values(void **state)
{
	static double values[VALUES];

	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(*shapes); shape++) {
		struct sketch sketch = {};
		struct walk walk = {.last = -INFINITY, .sorted = values};

		for (size_t i = 0; i < VALUES; i++) {
			values[i] = shapes[shape]();
			sketch_add(&sketch, values[i]);
		}
		qsort(values, VALUES, sizeof(*values), by_size);
		sketch_each(&sketch, check_bucket, &walk);
		assert_int_equal(walk.count, VALUES);
		sketch_done(&sketch);
	}
}

static void what_is_no_number_is_refused_and_counted(void **state)
{
	struct sketch sketch = {};

	assert_int_equal(sketch_add(&sketch, NAN), -EINVAL);
	assert_int_equal(sketch_add_many(&sketch, INFINITY, 3), -EINVAL);
	assert_int_equal(sketch.count, 0);
	assert_int_equal(sketch.refused, 4);
	assert_true(isnan(sketch_quantile(&sketch, 0.5)));
	sketch_add(&sketch, 0);
	sketch_add(&sketch, 5e-324);
	assert_true(sketch_quantile(&sketch, 1) == 0);
	sketch_add(&sketch, 1e308);
	sketch_add_many(&sketch, 1e308, 1000);
	assert_true(isfinite(sketch.sum));
	sketch_done(&sketch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_stay_within_one_percent),
		cmocka_unit_test(every_magnitude_is_within_one_percent),
		cmocka_unit_test(joined_sketches_equal_one_that_saw_all),
		cmocka_unit_test(what_was_written_reads_back),
		cmocka_unit_test(buckets_beyond_the_range_are_refused),
		cmocka_unit_test(a_range_too_wide_folds_the_lowest_and_says_so),
		cmocka_unit_test(says_before_adding_whether_it_must_grow),
		cmocka_unit_test(buckets_in_a_row_hold_all_values),
		cmocka_unit_test(what_is_no_number_is_refused_and_counted),
	};
	seed[0] = (unsigned short)time(NULL);
	print_message("seed %u\n", seed[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
