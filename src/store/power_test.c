// SPDX-License-Identifier: GPL-2.0-only
/*
 * The power goes at any moment: what was not synced is lost, in part, or in another order. What store_sync
 * (or a tick) had made durable must be there; of the rest any rows may be, but none twice and none
 * wrong. Goes on with what the cut left, several times. SONDE_FULL=1: more of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "store/check.h"

enum { BATCH_MAX = 60, ROWS = 60000 };

static unsigned short seed[3];

struct history {
	char path[64];
	uint64_t next; /* number of the next row */
	uint8_t there[ROWS]; /* by number: it was there after the last cut, so it must stay */
	uint64_t cuts, rows, merged, kept_more;
};

/* Some life; returns behind which row everything was durable. */
static uint64_t live(struct history *history, struct store *store, struct kit_disk *disk,
		     struct store_rows *rows)
{
	uint64_t steps = kit_below(seed, 80), durable = 0;
	bool small =
		kit_below(seed, 2); /* little rows and many flushes, so that segments are merged */

	for (uint64_t i = 0; i < steps; i++) {
		uint64_t count = 1 + kit_below(seed, small ? 5 : BATCH_MAX);

		assert_int_equal(kit_append(store, rows, history->next, history->next + count),
				 count);
		history->next += count;
		disk->mono_ns += 700000000;
		disk->wall_ns += 700000000;
		switch (kit_below(seed, small ? 5 : 12)) {
		case 0:
			if (!store_sync(store, NULL))
				durable = history->next;
			break;
		case 1:
			if (!store_flush(store, NULL))
				durable = history->next;
			break;
		case 2:
		case 3:
		case 4: store_tick(store); break;
		default: break;
		}
	}
	return durable;
}

static void open_here(struct history *history, struct kit_disk *disk, struct store **ret_store)
{
	struct store_options options;
	struct err why = {};

	kit_options(&options, history->path, disk);
	if (store_open(&options, ret_store, &why))
		fail_msg("%s", why.text);
}

/* The folder becomes what the cut left. */
static void cut(struct history *history, struct kit_disk *disk)
{
	char to[64];

	kit_folder(to);
	disk->seed[1] = (unsigned short)kit_random(seed);
	kit_power_cut(disk, to);
	kit_remove(history->path);
	snprintf(history->path, sizeof(history->path), "%s", to);
}

/* Rows [from, durable) are promised, and all that survived earlier cuts. */
static void check_after(struct history *history, uint64_t from, uint64_t durable)
{
	struct kit_disk disk;
	struct store *store;
	struct store_status status;
	static uint8_t seen[ROWS + 1];
	struct kit_check found;

	kit_disk_init(&disk);
	open_here(history, &disk, &store);
	found = kit_check(store, history->next, seen);
	store_status(store, &status);
	assert_int_equal(status.segments_bad, 0);
	assert_false(status.catalogue_renewed);
	assert_int_equal(found.unreadable, 0);
	for (uint64_t number = 0; number < history->next; number++) {
		bool must = history->there[number] || (number >= from && number < durable);

		if (must && !seen[number])
			fail_msg("row %llu was durable and is gone", (unsigned long long)number);
		history->kept_more += seen[number] && !must;
		history->there[number] = seen[number];
	}
	history->rows = found.rows;
	kit_equations(store);
	store_close(store);
}

static void one_life(struct history *history)
{
	const struct store_table *table;
	struct store_status status;
	struct store_rows *rows;
	struct kit_disk disk;
	struct store *store;
	uint64_t from = history->next, durable;

	kit_disk_init(&disk);
	kit_disk_record(&disk, history->path);
	disk.mono_ns += (int64_t)from * 1000000000;
	disk.wall_ns += (int64_t)from * 1000000000;
	open_here(history, &disk, &store);
	kit_define(store, &table);
	rows = store_rows_new(table, BATCH_MAX);
	durable = live(history, store, &disk, rows);
	store_status(store, &status);
	history->merged += status.segments_merged;
	cut(history, &disk); /* before closing, which would make all durable */
	store_rows_free(rows);
	store_close(store);
	kit_disk_done(&disk);
	check_after(history, from, durable);
}

static void what_was_durable_survives_a_power_cut(void **state)
{
	unsigned stores = getenv("SONDE_FULL") ? 60 : 6, lives = 8;
	static struct history all, history;

	for (unsigned i = 0; i < stores; i++) {
		history = (struct history){};
		kit_folder(history.path);
		for (unsigned life = 0; life < lives; life++)
			one_life(&history);
		all.cuts += lives;
		all.rows += history.rows;
		all.merged += history.merged;
		all.kept_more += history.kept_more;
		kit_remove(history.path);
	}
	print_message("%llu power cuts, %llu rows kept, %llu segments merged, %llu times more was "
		      "kept than promised\n",
		      (unsigned long long)all.cuts, (unsigned long long)all.rows,
		      (unsigned long long)all.merged, (unsigned long long)all.kept_more);
	assert_true(all.merged > 0 && all.kept_more > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_durable_survives_a_power_cut),
	};

	seed[0] = (unsigned short)(getenv("SEED") ? strtol(getenv("SEED"), NULL, 10) : time(NULL));
	print_message("seed %u (set SEED to repeat)\n", seed[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
