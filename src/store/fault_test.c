// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks that refuse and files that are damaged: the store goes on, says so, and is whole again when the disk is.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/check.h"
#include "store/query.h"

enum { ROWS = 1500, BATCH = 50 };

static unsigned short seed[3];

struct scene {
	char path[64];
	struct kit_disk disk;
	struct store *store;
	struct store_rows *rows;
	uint64_t number;
};

static int open_scene(struct scene *scene)
{
	const struct store_table *table;
	struct store_options options;
	int error;

	kit_options(&options, scene->path, &scene->disk);
	options.memory_max = 150000;
	error = store_open(&options, &scene->store, NULL);
	if (error)
		return error;
	kit_define(scene->store, &table);
	scene->rows = store_rows_new(table, BATCH);
	return 0;
}

static void begin_scene(struct scene *scene)
{
	*scene = (struct scene){};
	kit_folder(scene->path);
	kit_disk_init(&scene->disk);
	kit_disk_record(&scene->disk,
			scene->path); /* so that SQLite's files are under the same regime */
}

static void close_scene(struct scene *scene)
{
	store_rows_free(scene->rows);
	store_close(scene->store);
	scene->rows = NULL;
	scene->store = NULL;
}

static void end_scene(struct scene *scene)
{
	close_scene(scene);
	kit_disk_done(&scene->disk);
	kit_remove(scene->path);
}

static void live_on(struct scene *scene, uint64_t rows)
{
	for (uint64_t end = scene->number + rows; scene->number < end; scene->number += BATCH) {
		assert_int_equal(
			kit_append(scene->store, scene->rows, scene->number, scene->number + BATCH),
			BATCH);
		scene->disk.mono_ns += 600000000;
		scene->disk.wall_ns += 600000000;
		store_tick(scene->store);
		if (scene->number % 400 == 0)
			store_flush(scene->store, NULL);
	}
}

static void assert_all_there(struct scene *scene)
{
	struct kit_check found = kit_check(scene->store, scene->number, NULL);

	if (found.rows != scene->number || found.unreadable)
		fail_msg("%llu of %llu rows", (unsigned long long)found.rows,
			 (unsigned long long)scene->number);
	kit_equations(scene->store);
}

/* How many changing calls such a life makes when nothing fails. */
static uint64_t calls_of_a_life(void)
{
	struct scene scene;
	uint64_t calls;

	begin_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	live_on(&scene, ROWS);
	assert_all_there(&scene);
	calls = scene.disk.calls;
	end_scene(&scene);
	return calls;
}

static void one_failure(uint64_t at, int with)
{
	struct scene scene;
	struct store_status status;

	begin_scene(&scene);
	scene.disk.fail_in = (int)at;
	scene.disk.fail_with = with;
	assert_int_equal(open_scene(&scene), 0);
	store_status(scene.store, &status);
	if (status.mode !=
	    STORE_WRITES) { /* the lock could not be taken: then it stays in memory */
		end_scene(&scene);
		return;
	}
	live_on(&scene, ROWS);
	assert_all_there(&scene);
	store_status(scene.store, &status);
	assert_int_equal(status.rows_lost, 0);
	assert_string_equal(status.trouble, "");
	close_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	assert_all_there(&scene);
	store_status(scene.store, &status);
	assert_int_equal(status.segments_bad, 0);
	end_scene(&scene);
}

static void a_single_failure_anywhere_loses_nothing(void **state)
{
	static const int with[] = {ENOSPC, EIO};
	uint64_t calls = calls_of_a_life(), step = getenv("SONDE_FULL") ? 1 : 1 + calls / 60,
		 tried = 0;

	assert_true(calls > 100);
	for (uint64_t at = 1 + kit_below(seed, step); at <= calls; at += step) {
		one_failure(at, with[tried % 2]);
		tried++;
	}
	print_message("%llu of %llu calls failed in turn\n", (unsigned long long)tried,
		      (unsigned long long)calls);
}

/* From some moment on the disk refuses everything; later it is well again. */
static void a_disk_that_refuses_is_survived_in_memory(void **state)
{
	struct store_status status;
	struct scene scene;

	begin_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	live_on(&scene, ROWS);
	scene.disk.fail_in = 1;
	scene.disk.fail_with = EIO;
	scene.disk.fail_on = true;
	live_on(&scene, 8 * ROWS);
	store_status(scene.store, &status);
	assert_true(status.trouble[0] != 0);
	assert_true(status.rows_lost > 0 && status.rows_unlogged > 0);
	assert_true(status.write_failures + status.journal_failures > 0);
	assert_true(status.memory < 1 << 20);
	kit_equations(scene.store);
	assert_true(kit_check(scene.store, scene.number, NULL).rows >
		    ROWS); /* the latest ones can be asked for */
	scene.disk.fail_in = 0;
	live_on(&scene, 2 * ROWS);
	store_status(scene.store, &status);
	assert_string_equal(status.trouble, "");
	assert_int_equal(kit_check(scene.store, scene.number, NULL).rows,
			 scene.number - status.rows_lost);
	close_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	assert_true(kit_check(scene.store, scene.number, NULL).rows >=
		    scene.number - status.rows_lost);
	end_scene(&scene);
}

static void a_full_disk_makes_the_oldest_give_way(void **state)
{
	struct store_status status;
	struct kit_check found;
	struct scene scene;

	begin_scene(&scene);
	scene.disk.room = 600000;
	assert_int_equal(open_scene(&scene), 0);
	live_on(&scene, 20 * ROWS);
	store_status(scene.store, &status);
	found = kit_check(scene.store, scene.number, NULL);
	assert_true(status.segments_expired > 0);
	assert_int_equal(found.end, scene.number);
	assert_int_equal(found.rows + status.rows_expired + status.rows_lost, scene.number);
	assert_int_equal(status.rows_lost, 0);
	kit_equations(scene.store);
	close_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	assert_true(kit_check(scene.store, scene.number, NULL).rows >= found.rows);
	end_scene(&scene);
}

/* Somebody else takes all the room: nothing of ours would help. */
static void a_disk_filled_by_others_does_not_cost_the_history(void **state)
{
	struct store_status status;
	uint64_t rows;
	struct scene scene;

	begin_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	live_on(&scene, 4 * ROWS);
	rows = kit_check(scene.store, scene.number, NULL).rows;
	scene.disk.room = 0;
	live_on(&scene, ROWS);
	scene.disk.room = -1;
	live_on(&scene, ROWS);
	store_status(scene.store, &status);
	assert_string_equal(status.trouble, "");
	assert_true(kit_check(scene.store, scene.number, NULL).rows + status.rows_expired +
			    status.rows_lost >=
		    rows);
	kit_equations(scene.store);
	end_scene(&scene);
}

static void a_folder_that_cannot_be_written_can_still_be_read(void **state)
{
	struct store_status status;
	struct scene scene;

	begin_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	live_on(&scene, ROWS);
	close_scene(&scene);
	scene.disk.read_only = true;
	assert_int_equal(open_scene(&scene), 0);
	store_status(scene.store, &status);
	assert_int_equal(status.mode, STORE_READS);
	assert_non_null(strcasestr(status.trouble, "read-only"));
	live_on(&scene, BATCH);
	assert_int_equal(kit_check(scene.store, scene.number, NULL).rows, scene.number);
	assert_int_equal(store_flush(scene.store, NULL), -EROFS);
	live_on(&scene, 20 * ROWS); /* bounded: the oldest of them go */
	store_status(scene.store, &status);
	assert_true(status.rows_lost > 0 && status.memory < 1 << 20);
	kit_equations(scene.store);
	scene.disk.read_only = false;
	end_scene(&scene);
}

static void without_a_folder_it_lives_in_memory(void **state)
{
	struct store_options options;
	struct store_status status;
	const struct store_table *table;
	struct store_rows *rows;
	struct store *store;

	kit_options(&options, "/proc/no-such-folder/store", NULL);
	assert_int_equal(store_open(&options, &store, NULL), 0);
	kit_define(store, &table);
	rows = store_rows_new(table, BATCH);
	assert_int_equal(kit_append(store, rows, 0, BATCH), BATCH);
	store_tick(store);
	store_status(store, &status);
	assert_int_equal(status.mode, STORE_MEMORY);
	assert_true(status.trouble[0] != 0);
	assert_int_equal(kit_check(store, BATCH, NULL).rows, BATCH);
	store_rows_free(rows);
	store_close(store);
}

/* Changes some bytes of the file, or cuts it. */
static void damage(const char *path, const char *name)
{
	char full[512];
	struct stat stat;
	uint8_t byte;
	int file;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	file = open(full, O_RDWR);
	assert_true(file >= 0);
	assert_int_equal(fstat(file, &stat), 0);
	if (stat.st_size && kit_below(seed, 4) == 0) {
		assert_int_equal(ftruncate(file, (off_t)kit_below(seed, (uint64_t)stat.st_size)),
				 0);
	} else if (stat.st_size) {
		for (uint64_t i = kit_below(seed, 3); i < 3; i++) {
			off_t at = (off_t)kit_below(seed, (uint64_t)stat.st_size);

			if (pread(file, &byte, 1, at) == 1) {
				byte ^= (uint8_t)(1 + kit_below(seed, 255));
				assert_int_equal(pwrite(file, &byte, 1, at), 1);
			}
		}
	}
	close(file);
}

static bool says_so(struct scene *scene, uint64_t unreadable)
{
	struct store_status status;

	store_status(scene->store, &status);
	return unreadable || status.segments_bad || status.frames_bad || status.torn_bytes ||
	       status.blocks_bad || status.catalogue_renewed || status.catalogue_failures ||
	       status.trouble[0];
}

/* Some files of a healthy store are damaged. What is read is right (kit_check sees to that), what is missing is said. */
static void damaged_files_are_noticed_and_set_aside(void **state)
{
	static const char *const kinds[] = {".seg", ".log", "catalogue.db"};
	unsigned rounds = getenv("SONDE_FULL") ? 2000 : 100, noticed = 0;
	uint64_t missing = 0;
	char healthy[64];
	struct scene scene;

	begin_scene(&scene);
	assert_int_equal(open_scene(&scene), 0);
	live_on(&scene, ROWS);
	close_scene(&scene);
	memcpy(healthy, scene.path, sizeof(healthy));
	for (unsigned round = 0; round < rounds; round++) {
		char name[256];
		struct kit_check found;

		kit_folder(scene.path);
		kit_copy(healthy, scene.path);
		for (uint64_t i = kit_below(seed, 3); i < 3; i++) {
			const char *kind = kinds[kit_below(seed, 3)];
			int count = kit_count(scene.path, kind);

			if (count &&
			    kit_find(scene.path, kind, (int)kit_below(seed, (uint64_t)count), name))
				damage(scene.path, name);
		}
		kit_disk_done(&scene.disk);
		kit_disk_init(&scene.disk);
		assert_int_equal(open_scene(&scene), 0);
		found = kit_check(scene.store, scene.number, NULL);
		missing += scene.number - found.rows;
		if (found.rows < scene.number) {
			noticed++;
			assert_true(says_so(&scene, found.unreadable));
		}
		kit_equations(scene.store);
		store_tick(scene.store);
		kit_append(scene.store, scene.rows, scene.number, scene.number + BATCH);
		found = kit_check(scene.store, scene.number + BATCH, NULL);
		assert_int_equal(found.end, scene.number + BATCH);
		close_scene(&scene);
		assert_int_equal(open_scene(&scene), 0); /* and once more with what was set aside */
		assert_int_equal(kit_check(scene.store, scene.number + BATCH, NULL).end,
				 scene.number + BATCH);
		close_scene(&scene);
		kit_remove(scene.path);
	}
	print_message("rows were missing %u of %u times, %llu in all\n", noticed, rounds,
		      (unsigned long long)missing);
	assert_true(noticed > 0);
	kit_remove(healthy);
}

static int begin(void **state)
{
	seed[0] = (unsigned short)(getenv("SEED") ? strtol(getenv("SEED"), NULL, 10) : time(NULL));
	print_message("seed %u (set SEED to repeat)\n", seed[0]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_single_failure_anywhere_loses_nothing),
		cmocka_unit_test(a_disk_that_refuses_is_survived_in_memory),
		cmocka_unit_test(a_full_disk_makes_the_oldest_give_way),
		cmocka_unit_test(a_disk_filled_by_others_does_not_cost_the_history),
		cmocka_unit_test(a_folder_that_cannot_be_written_can_still_be_read),
		cmocka_unit_test(without_a_folder_it_lives_in_memory),
		cmocka_unit_test(damaged_files_are_noticed_and_set_aside),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
