// SPDX-License-Identifier: GPL-2.0-only
/* What the user half of cpu makes of the kernel's files: given ones, broken ones, and those of this machine. */
#include "cpu.c"

#include "items/testdata/collected.h"

#include <time.h>

static const char *folder; /* the one control group there is; NULL = none */
static bool is_unified;

void groups_each(struct item *item, const char *controller, group_each each, void *ctx)
{
	struct label label = {"container", span_of("web")};
	struct group_place place = {folder, is_unified, &label, 1};

	assert_string_equal(controller, "cpu");
	if (folder)
		each(ctx, &place);
}

int group_read(struct item *item, const struct group_place *place, const char *file,
	       struct buf *out)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", place->folder, file);
	return procfile_read(item, path, out);
}

static void each_tick_counts_in_one_mode(void **state)
{
	double second = (double)sysconf(_SC_CLK_TCK);

	samples = 0;
	collect_stat(NULL,
		     span_of("cpu  200 20 30 40 50 60 70 80 90 5\n"
			     "cpu0 100 10 30 40 50 60 70 80 90 5\n"
			     "cpu13 1 2 3\n"
			     "intr 12345 1 2 3\nctxt 999\nbtime 1\nprocesses 77\nprocs_running 2\n"
			     "procs_blocked 1\n"));
	assert_true(collected(HOST_TIME, "cpu=0,mode=user") == 10 / second);
	assert_true(collected(HOST_TIME, "cpu=0,mode=nice") == 5 / second);
	assert_true(collected(HOST_TIME, "cpu=0,mode=guest") == 90 / second);
	assert_true(collected(HOST_TIME, "cpu=0,mode=iowait") == 50 / second);
	assert_true(collected(HOST_TIME, "cpu=13,mode=system") == 3 / second);
	assert_true(not_collected(HOST_TIME, "mode=user")); /* the line of all CPUs */
	assert_int_equal(collected(INTERRUPTS, ""), 12345);
	assert_int_equal(collected(HOST_SWITCHES, ""), 999);
	assert_int_equal(collected(FORKS, ""), 77);
	assert_int_equal(collected(RUNNABLE, ""), 2);
	assert_int_equal(collected(BLOCKED, ""), 1);
}

static void load_has_three_windows(void **state)
{
	samples = 0;
	collect_load(NULL, span_of("0.25 1.50 12.00 3/456 789\n"));
	assert_true(collected(LOAD, "window=1m") == 0.25);
	assert_true(collected(LOAD, "window=5m") == 1.5);
	assert_true(collected(LOAD, "window=15m") == 12);
	assert_int_equal(samples, 3);
	collect_load(NULL, span_of(""));
	assert_int_equal(samples, 3);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void limits_are_read_in_both_versions(void **state)
{
	char dir[] = "/tmp/sonde-cpu-test-XXXXXX", clean[64];

	folder = mkdtemp(dir);
	assert_non_null(folder);
	put(dir, "cpu.max", "50000 100000\n");
	put(dir, "cpu.stat", "usage_usec 5\nnr_periods 10\nnr_throttled 3\nthrottled_usec 2500\n");
	is_unified = true;
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_true(collected(LIMIT, "container=web") == 0.5);
	assert_int_equal(collected(PERIODS, "container=web"), 10);
	assert_int_equal(collected(THROTTLED_PERIODS, "container=web"), 3);
	assert_int_equal(collected(THROTTLED_TIME, "container=web"), 2500000);

	put(dir, "cpu.max", "max 100000\n");
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_true(not_collected(LIMIT, "container=web"));

	put(dir, "cpu.cfs_quota_us", "150000\n");
	put(dir, "cpu.cfs_period_us", "100000\n");
	put(dir, "cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_time 123456789\n");
	is_unified = false;
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_true(collected(LIMIT, "container=web") == 1.5);
	assert_int_equal(collected(THROTTLED_TIME, "container=web"), 123456789);

	put(dir, "cpu.cfs_quota_us", "-1\n");
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_true(not_collected(LIMIT, "container=web"));
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	assert_int_equal(system(clean), 0);
	folder = NULL;
}

/* All modes of a CPU together are its time: as much for each as passed since boot, less what it was off. */
static void this_machine_adds_up(void **state)
{
	struct timespec up;
	double sum = 0;

	samples = 0;
	collect(NULL, NULL, NULL);
	clock_gettime(CLOCK_BOOTTIME, &up);
	for (size_t i = 0; i < samples; i++)
		if (sample[i].metric == HOST_TIME && !strncmp(sample[i].labels, "cpu=0,", 6))
			sum += sample[i].value;
	assert_true(sum > (double)up.tv_sec * 0.5 && sum < (double)up.tv_sec * 1.1 + 5);
	assert_true(collected(FORKS, "") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_tick_counts_in_one_mode),
		cmocka_unit_test(load_has_three_windows),
		cmocka_unit_test(limits_are_read_in_both_versions),
		cmocka_unit_test(this_machine_adds_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
