// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores that older versions wrote stay readable: each folder testdata/vN was written by the version that first had format N, as if it
 * had been killed. A folder is never written again; whoever changes the format adds one: `format_test write FOLDER`.
 *
 * What is in it: rows [0, SEGMENT_ROWS) in a segment, [SEGMENT_ROWS, ROWS) in the journal; a gauge and a counter every ten
 * seconds, in raw files, windows and the journal; a note. And what a newer version wrote is refused, not misread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/check.h"
#include "store/file.h"
#include "store/series.h"

enum { SEGMENT_ROWS = 400, ROWS = 500, SCRAPES = 300, SCRAPE_MS = 10000 };

#define START_MS ((int64_t)1790000000000)
#define SECOND   ((int64_t)1000000000)
#define NOTE     "#/overview?range=3600s"

static const char *testdata = TESTDATA;

static double value_at(int series, int scrape)
{
	return series ? scrape % 70 * 2.5 : (double)(scrape * 7919 % 1000) / 8;
}

static store_series_handle handle_of(struct store *store, int series)
{
	const struct store_label labels[] = {
		{span_of("__name__"), span_of(series ? "asked_total" : "warmth")},
		{span_of("who"), span_of("caf\xc3\xa9 \"x\"")}};

	return store_series(store, labels, 2, series ? SERIES_COUNTER : SERIES_GAUGE, NULL);
}

static void use_options(struct store_options *options, const char *path, struct kit_disk *disk)
{
	kit_options(options, path, disk);
	options->tier[0].keep_s = 0;
	options->tier[1].span_s = 600;
	options->tier[2].span_s = 1800;
	options->head_age_s = 500;
}

static int write_it(const char *to)
{
	const struct store_table *table;
	struct store_options options;
	struct store_rows *rows;
	struct kit_disk disk;
	struct store *store;
	char path[64];

	kit_folder(path);
	kit_disk_init(&disk);
	disk.wall_ns = START_MS * 1000000;
	use_options(&options, path, &disk);
	if (store_open(&options, &store, NULL))
		return 1;
	kit_define(store, &table);
	rows = store_rows_new(table, ROWS);
	kit_append(store, rows, 0, SEGMENT_ROWS);
	store_flush(store, NULL);
	for (int scrape = 0; scrape < SCRAPES; scrape++) {
		const struct store_sample samples[] = {{handle_of(store, 0), value_at(0, scrape)},
						       {handle_of(store, 1), value_at(1, scrape)}};

		store_samples(store, START_MS + (int64_t)scrape * SCRAPE_MS, samples, 2, NULL);
		disk.wall_ns += SCRAPE_MS * (SECOND / 1000);
		disk.mono_ns += SCRAPE_MS * (SECOND / 1000);
		store_tick(store);
	}
	kit_append(store, rows, SEGMENT_ROWS, ROWS);
	store_put_note(store, "view", span_of("golden"), span_of(NOTE));
	mkdir(to, 0755);
	kit_copy(path, to);
	store_rows_free(rows);
	store_close(store);
	kit_remove(path);
	return 0;
}

static void has_samples(struct store *store, int64_t resolution_ms)
{
	const struct store_matcher any = {MATCHER_UNEQUAL, span_of("__name__"), span_of("")};
	const struct store_select select = {.matcher = &any,
					    .matchers = 1,
					    .from_ms = START_MS,
					    .to_ms = START_MS + (int64_t)SCRAPES * SCRAPE_MS,
					    .resolution_ms = resolution_ms};
	struct store_selection selection;

	assert_int_equal(store_select(store, &select, &selection, NULL), 0);
	assert_int_equal(selection.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct store_points *points = &selection.series[i];
		int series = points->kind == SERIES_COUNTER;

		if (resolution_ms) { /* windows, and of the end what came */
			assert_true(points->count > 5 && points->count < SCRAPES);
			continue;
		}
		assert_int_equal(points->count, SCRAPES);
		for (int scrape = 0; scrape < SCRAPES; scrape++) {
			assert_int_equal(points->time_ms[scrape],
					 START_MS + (int64_t)scrape * SCRAPE_MS);
			assert_true(points->value[scrape] == value_at(series, scrape));
		}
	}
	store_selection_done(&selection);
}

static void read_it(const char *folder)
{
	struct store_options options;
	struct store_status status;
	struct kit_check found;
	struct kit_disk disk;
	struct store *store;
	struct err why = {};
	struct buf note;
	char path[64];

	kit_folder(path);
	kit_copy(folder, path);
	kit_disk_init(&disk);
	disk.wall_ns = (START_MS + (int64_t)SCRAPES * SCRAPE_MS) * 1000000;
	use_options(&options, path, &disk);
	if (store_open(&options, &store, &why))
		fail_msg("%s", why.text);
	store_status(store, &status);
	assert_int_equal(status.mode, STORE_WRITES);
	assert_int_equal(status.segments_bad + status.frames_bad, 0);
	assert_false(status.catalogue_renewed);
	assert_int_equal(status.rows_recovered, ROWS - SEGMENT_ROWS);
	found = kit_check(store, ROWS, NULL);
	assert_int_equal(found.rows, ROWS);
	assert_int_equal(found.gaps + found.unreadable, 0);
	has_samples(store, 0);
	has_samples(store, 15000);
	has_samples(store, 300000);
	buf_init(&note, 4096);
	assert_int_equal(store_note(store, "view", span_of("golden"), &note), 0);
	assert_string_equal(buf_text(&note), NOTE);
	buf_done(&note);
	store_close(store);
	kit_disk_done(&disk);
	kit_remove(path);
}

static void every_format_there_was_is_readable(void **state)
{
	char folder[512];

	for (unsigned version = 1; version <= FILE_VERSION; version++) {
		snprintf(folder, sizeof(folder), "%s/v%u", testdata, version);
		if (access(folder, R_OK))
			fail_msg("there is no '%s': write it with the version that had this format",
				 folder);
		read_it(folder);
	}
}

/* The version stands behind the magic of segments and journals. */
static void make_newer(const char *path, const char *name, void *ctx)
{
	const uint32_t version = FILE_VERSION + 1;
	char file[600];
	int fd;

	if (!strstr(name, ".seg"))
		return;
	snprintf(file, sizeof(file), "%s/%s", path, name);
	fd = open(file, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &version, sizeof(version), 8), sizeof(version));
	close(fd);
	++*(int *)ctx;
}

static void what_a_newer_version_wrote_is_left_alone(void **state)
{
	struct store_options options;
	struct store_status status;
	struct kit_disk disk;
	struct store *store;
	char path[64], folder[512];
	int changed = 0, files;

	kit_folder(path);
	snprintf(folder, sizeof(folder), "%s/v%u", testdata, FILE_VERSION);
	kit_copy(folder, path);
	kit_each_file(path, make_newer, &changed);
	assert_true(changed > 0);
	files = kit_count(path, ".seg");
	kit_disk_init(&disk);
	disk.wall_ns = (START_MS + (int64_t)SCRAPES * SCRAPE_MS) * 1000000;
	use_options(&options, path, &disk);
	assert_int_equal(store_open(&options, &store, NULL), 0);
	assert_int_equal(kit_check(store, ROWS, NULL).rows,
			 ROWS - SEGMENT_ROWS); /* of the journal */
	for (int i = 0; i < 20; i++) {
		disk.mono_ns += SECOND;
		store_tick(store);
	}
	store_status(store, &status);
	assert_int_equal(status.segments_bad + status.segments_expired, 0);
	store_close(store);
	assert_int_equal(kit_count(path, ".seg"),
			 files); /* kept for the newer one, neither deleted nor renamed */
	kit_disk_done(&disk);
	kit_remove(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_there_was_is_readable),
		cmocka_unit_test(what_a_newer_version_wrote_is_left_alone),
	};

	if (argc == 3 && !strcmp(argv[1], "write"))
		return write_it(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
