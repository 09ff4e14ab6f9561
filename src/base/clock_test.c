// SPDX-License-Identifier: GPL-2.0-only
/* Time stamps keep their wall time through steps and suspends; dates agree with the C library. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define SECOND 1000000000ull
#define WALL   (1700000000 * SECOND) /* wall clock when the monotonic one showed 0 */

static void a_step_moves_only_what_comes_after_it(void **state)
{
	struct clock_eras eras = {};

	clock_eras_note(&eras, 100 * SECOND, WALL + 100 * SECOND);
	clock_eras_note(&eras, 101 * SECOND, WALL + 101 * SECOND + 50000); /* slow to read: no step */
	assert_int_equal(eras.count, 1);
	/* suspended for an hour, just after second 101 */
	clock_eras_note(&eras, 102 * SECOND, WALL + 3702 * SECOND);
	assert_int_equal(eras.count, 2);
	assert_int_equal(clock_eras_wall(&eras, 99 * SECOND), WALL + 99 * SECOND);
	assert_int_equal(clock_eras_wall(&eras, 101 * SECOND), WALL + 101 * SECOND);
	assert_int_equal(clock_eras_wall(&eras, 102 * SECOND), WALL + 3702 * SECOND);
	/* somebody sets the clock back by two hours */
	clock_eras_note(&eras, 200 * SECOND, WALL - 3400 * SECOND);
	assert_int_equal(clock_eras_wall(&eras, 150 * SECOND), WALL - 3450 * SECOND);
	assert_int_equal(clock_eras_wall(&eras, 102 * SECOND), WALL + 3702 * SECOND);
	assert_int_equal(clock_eras_wall(&eras, 50 * SECOND), WALL + 50 * SECOND);
}

static void many_steps_forget_the_oldest(void **state)
{
	struct clock_eras eras = {};

	for (uint64_t i = 1; i <= 100; i++)
		clock_eras_note(&eras, i * SECOND, WALL + i * SECOND + i * SECOND);
	assert_int_equal(eras.count, CLOCK_ERAS);
	assert_int_equal(clock_eras_wall(&eras, 100 * SECOND), WALL + 200 * SECOND);
	assert_int_equal(clock_eras_wall(&eras, 95 * SECOND), WALL + 190 * SECOND);
}

static void now_is_now(void **state)
{
	uint64_t before = clock_wall_ns(), wall = clock_wall_of(clock_monotonic_ns()), after = clock_wall_ns();

	assert_in_range(wall, before - SECOND / 100, after + SECOND / 100);
	wall = clock_wall_of(0);
	assert_true(wall >= after);
	/* distances within an era are exact */
	assert_int_equal(clock_wall_of(2000) - clock_wall_of(1000), 1000);
}

static void dates_agree_with_the_library(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int i = 0; i < 20000; i++) {
		uint64_t seconds = ((uint64_t)random() << 2 ^ (uint64_t)random()) % 16000000000;
		uint64_t wall = seconds * SECOND + (uint64_t)random() % SECOND, back;
		time_t when = (time_t)seconds;
		char ours[TIME_TEXT], theirs[64];
		struct tm tm;

		assert_non_null(gmtime_r(&when, &tm));
		snprintf(theirs, sizeof(theirs), "%04d-%02d-%02dT%02d:%02d:%02d.%09uZ", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			 (unsigned)(wall % SECOND));
		assert_int_equal(time_print(wall, 9, ours), strlen(theirs));
		assert_string_equal(ours, theirs);
		assert_true(time_parse(span_of(ours), 0, &back));
		assert_int_equal(back, wall);
	}
}

static void decimals_as_asked(void **state)
{
	char text[TIME_TEXT];

	time_print(1700000000123456789, 0, text);
	assert_string_equal(text, "2023-11-14T22:13:20Z");
	time_print(1700000000123456789, 3, text);
	assert_string_equal(text, "2023-11-14T22:13:20.123Z");
	time_print(1709164800 * SECOND, 0, text);
	assert_string_equal(text, "2024-02-29T00:00:00Z");
}

static const struct { const char *text; uint64_t wall; } times[] = {
	{"now", 1000 * SECOND},
	{"now-5m", 700 * SECOND},
	{"now+1s", 1001 * SECOND},
	{"1700000000", 1700000000 * SECOND},
	{"1700000000.5", 1700000000 * SECOND + SECOND / 2},
	{"2023-11-14T22:13:20Z", 1700000000 * SECOND},
	{"2023-11-14T23:13:20+01:00", 1700000000 * SECOND},
	{"2023-11-14T17:43:20.25-04:30", 1700000000 * SECOND + SECOND / 4},
	{"1970-01-01T00:00:00Z", 0},
};

static void times_are_read(void **state)
{
	static const char *const bad[] = {"", "now-", "now-5", "now-1h", "2023-13-01T00:00:00Z",
					  "2023-11-14T22:13:20", "2023-11-14", "-5", "1e30", "5m",
					  "1969-12-31T23:59:59Z", "2023-11-14T22:13:20Zx"};
	uint64_t wall;

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		assert_true(time_parse(span_of(times[i].text), 1000 * SECOND, &wall));
		assert_int_equal(wall, times[i].wall);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(time_parse(span_of(bad[i]), 1000 * SECOND, &wall));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_moves_only_what_comes_after_it),
		cmocka_unit_test(many_steps_forget_the_oldest),
		cmocka_unit_test(now_is_now),
		cmocka_unit_test(dates_agree_with_the_library),
		cmocka_unit_test(decimals_as_asked),
		cmocka_unit_test(times_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
