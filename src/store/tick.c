// SPDX-License-Identifier: GPL-2.0-only
/* tick - what is due: syncing, writing what is full or old, setting aside, merging, deleting. */
#include <errno.h>
#include <stdio.h>

#include "store/inside.h"

#define SECOND      ((int64_t)1000000000)
#define MILLISECOND ((int64_t)1000000)

enum { SWEEP_S = 5 };

/* Ends chunks that are old, that the journal does not hold, or because of which the journal gets
 * too long. */
static void seal_due(struct store *store, int64_t now)
{
	bool long_journal;
	uint64_t oldest = UINT64_MAX;

	lock_state(store);
	long_journal = journal_bytes(&store->journal) > store->options.journal_bytes_max ||
		       store->journal.count > JOURNAL_FILES_MAX / 2;
	for (uint32_t i = 0; i < store->lives; i++)
		if (store->live[i]->open && store->live[i]->open->first_journal &&
		    store->live[i]->open->first_journal < oldest)
			oldest = store->live[i]->open->first_journal;
	for (uint32_t i = 0; i < store->lives; i++) {
		struct live *live = store->live[i];

		if (live->open && live->open->rows &&
		    (now - live->open->opened_ns > store->options.segment_age_s * SECOND ||
		     (long_journal && live->open->first_journal == oldest) ||
		     (store->journal_broken && live->open->unlogged)))
			live_seal(store, live);
	}
	unlock_state(store);
}

static int write_due(struct store *store, int64_t now)
{
	int error;

	seal_due(store, now);
	error = write_sealed(store);
	lock_state(store);
	give_up_rows(store);
	if (!error) {
		store->status.trouble[0] = 0;
		store->journal_broken = false;
	}
	unlock_state(store);
	return error;
}

static int put_all(struct store *store)
{
	int error = catalogue_drop_segments(store->catalogue);

	for (uint32_t i = 0; i < store->lives && !error; i++) {
		const struct live *live = store->live[i];

		error = catalogue_put_table(store->catalogue, &live->table, live->next_row);
		for (uint32_t k = 0; k < live->shelf.count && !error; k++)
			error = catalogue_put_segment(store->catalogue, &live->shelf.at[k]->listed);
	}
	for (uint32_t i = 0; i < store->doomed_count && !error; i++)
		if (store->doomed[i]->listed.replaced)
			error = catalogue_put_segment(store->catalogue, &store->doomed[i]->listed);
	return error;
}

/* The catalogue missed something: all of it again. */
static void renew_catalogue(struct store *store)
{
	int error = catalogue_begin(store->catalogue);

	if (!error) {
		error = put_all(store);
		error = error ? (catalogue_end(store->catalogue, false), error)
			      : catalogue_end(store->catalogue, true);
	}
	if (error)
		store->status.catalogue_failures++;
	store->catalogue_stale = error != 0;
}

static int until_next(const struct store *store)
{
	int64_t due = store->synced_ns + store->options.sync_ms * MILLISECOND - mono_now(store);

	if (due <= 0)
		return 1;
	return (int)(due / MILLISECOND) + 1;
}

static void tick_disk(struct store *store)
{
	int64_t now = mono_now(store);

	if (now - store->synced_ns >= store->options.sync_ms * MILLISECOND / 2)
		sync_journal(store);
	if (write_due(store, now))
		store->synced_ns = now; /* the disk refuses: not in a busy loop */
	set_suspects_aside(store);
	if (now - store->swept_ns < SWEEP_S * SECOND && store->swept_ns)
		return;
	store->swept_ns = now;
	merge_some(store);
	retain(store);
	if (store->catalogue_stale)
		renew_catalogue(store);
}

int store_tick(struct store *store)
{
	int wait;

	pthread_mutex_lock(&store->work);
	watch_clock(store);
	if (store->status.mode == STORE_WRITES) {
		tick_disk(store);
	} else {
		lock_state(store);
		give_up_rows(store);
		unlock_state(store);
	}
	wait = store->status.mode == STORE_WRITES ? until_next(store) : (int)store->options.sync_ms;
	pthread_mutex_unlock(&store->work);
	return wait;
}
