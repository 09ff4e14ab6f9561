// SPDX-License-Identifier: GPL-2.0-only
/* What the user half of mem makes of the kernel's files: given ones, and those of this machine. */
#include "mem.c"

#include "items/testdata/collected.h"

static const char *folder;
static bool is_unified;

void groups_each(struct item *item, const char *controller, group_each each, void *ctx)
{
	struct label label = {"container", span_of("db")};
	struct group_place place = {folder, is_unified, &label, 1};

	assert_string_equal(controller, "memory");
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

static void kinds_of_memory_are_bytes(void **state)
{
	samples = 0;
	collect_meminfo(
		NULL,
		span_of("MemTotal:       1000 kB\nMemFree:  10 kB\nCached: 3 kB\nSwapCached: 4 kB\n"
			"HugePages_Total:  5\nNew: 7 kB\n"));
	assert_int_equal(collected(HOST, "kind=total"), 1000 * 1024);
	assert_int_equal(collected(HOST, "kind=cached"), 3 * 1024);
	assert_int_equal(collected(HOST, "kind=swap_cached"), 4 * 1024);
	assert_true(not_collected(HOST, "kind=available"));
	assert_int_equal(samples, 4);
}

static void faults_are_minor_or_major(void **state)
{
	samples = 0;
	collect_vmstat(NULL,
		       span_of("pswpin 2\npswpout 3\npgfault 100\npgmajfault 7\noom_kill 1\n"),
		       4096);
	assert_int_equal(collected(HOST_FAULTS, "kind=minor"), 93);
	assert_int_equal(collected(HOST_FAULTS, "kind=major"), 7);
	assert_int_equal(collected(SWAPPED, "direction=in"), 8192);
	assert_int_equal(collected(SWAPPED, "direction=out"), 12288);
	assert_int_equal(collected(OOM_KILLS, ""), 1);
}

static void groups_are_read_in_both_versions(void **state)
{
	char dir[] = "/tmp/sonde-mem-test-XXXXXX", clean[64];

	folder = mkdtemp(dir);
	assert_non_null(folder);
	put(dir, "memory.current", "1048576\n");
	put(dir, "memory.max", "2097152\n");
	put(dir, "memory.swap.current", "4096\n");
	put(dir, "memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\noom_group_kill 0\n");
	is_unified = true;
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_int_equal(collected(GROUP, "container=db"), 1048576);
	assert_int_equal(collected(GROUP_LIMIT, "container=db"), 2097152);
	assert_int_equal(collected(GROUP_SWAP, "container=db"), 4096);
	assert_int_equal(collected(GROUP_OOM_KILLS, "container=db"), 1);

	put(dir, "memory.max", "max\n");
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_true(not_collected(GROUP_LIMIT, "container=db"));

	put(dir, "memory.usage_in_bytes", "100\n");
	put(dir, "memory.memsw.usage_in_bytes", "150\n");
	put(dir, "memory.limit_in_bytes", "9223372036854771712\n");
	put(dir, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	is_unified = false;
	samples = 0;
	collect(NULL, NULL, NULL);
	assert_int_equal(collected(GROUP, "container=db"), 100);
	assert_int_equal(collected(GROUP_SWAP, "container=db"), 50);
	assert_true(not_collected(GROUP_LIMIT, "container=db"));
	assert_int_equal(collected(GROUP_OOM_KILLS, "container=db"), 3);
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	assert_int_equal(system(clean), 0);
	folder = NULL;
}

static void this_machine_has_memory(void **state)
{
	double total;

	samples = 0;
	collect(NULL, NULL, NULL);
	total = collected(HOST, "kind=total");
	assert_true(total > 64 << 20);
	assert_true(collected(HOST, "kind=available") < total);
	assert_true(collected(HOST_FAULTS, "kind=minor") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_memory_are_bytes),
		cmocka_unit_test(faults_are_minor_or_major),
		cmocka_unit_test(groups_are_read_in_both_versions),
		cmocka_unit_test(this_machine_has_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
