// SPDX-License-Identifier: GPL-2.0-only
/* tick - what is due: syncing, writing what is full or old, setting aside, merging, deleting. */
#include <errno.h>
#include <stdio.h>

#include "store/inside.h"

#define SECOND      ((int64_t)1000000000)
#define MILLISECOND ((int64_t)1000000)

enum { SWEEP_S = 5, ROLL_S = 1, SERIES_S = 900 };

/* Is what was opened then, with its oldest rows in that journal, to be written now? */
static bool is_due(const struct store *store, int64_t age_ns, uint32_t age_s, uint64_t journal,
		   uint64_t oldest, bool unlogged)
{
	return age_ns > age_s * SECOND || (journal && journal == oldest) ||
	       (store->journal_broken && unlogged);
}

/* The journal file that holds up the release of others, when there are too many; 0: all is well. */
static uint64_t oldest_journal(const struct store *store)
{
	if (journal_bytes(&store->journal) <= store->options.journal_bytes_max &&
	    store->journal.count <= JOURNAL_FILES_MAX / 2)
		return 0;
	return store->journal.file[0].number;
}

/* Memory of all open chunks, and the table whose chunk has most of it (NULL: there are none). Needs state. */
static size_t open_memory(const struct store *store, struct live **ret_largest)
{
	size_t all = 0, most = 0;

	*ret_largest = NULL;
	for (uint32_t i = 0; i < store->lives; i++) {
		const struct chunk *chunk = store->live[i]->open;
		size_t bytes = chunk && chunk->rows ? chunk_memory(chunk) : 0;

		all += bytes;
		if (bytes > most) {
			most = bytes;
			*ret_largest = store->live[i];
		}
	}
	return all;
}

/* Texts that hardly ever come twice (command lines) weigh more in memory than packed. Needs state. */
static void seal_large(struct store *store)
{
	struct live *largest;

	while (open_memory(store, &largest) > store->options.memory_max && largest)
		if (live_seal(store, largest))
			break;
}

/* Ends chunks that are old, that the journal does not hold, or because of which it gets too long, and the largest when all
 * together are too large. */
static void seal_due(struct store *store, int64_t now)
{
	const struct head *head;
	uint64_t oldest;

	lock_state(store);
	oldest = oldest_journal(store);
	for (uint32_t i = 0; i < store->lives; i++) {
		const struct chunk *chunk = store->live[i]->open;

		if (chunk && chunk->rows &&
		    is_due(store, now - chunk->opened_ns, store->options.segment_age_s,
			   chunk->first_journal, oldest, chunk->unlogged))
			live_seal(store, store->live[i]);
	}
	seal_large(store);
	head = store->metrics.open;
	if (head && is_due(store, now - head->opened_ns, store->options.head_age_s,
			   head->first_journal, oldest, head->unlogged))
		head_seal(store);
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

	for (uint32_t i = 0; i < store->lives && !error; i++)
		error = catalogue_put_table(store->catalogue, &store->live[i]->table,
					    store->live[i]->next_row);
	for (uint32_t i = 0; i < store_shelves(store) && !error; i++) {
		const struct shelf *shelf = store_shelf(store, i);

		for (uint32_t k = 0; k < shelf->count && !error; k++)
			error = catalogue_put_segment(store->catalogue, &shelf->at[k]->listed);
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

/* Series that had no sample for a quarter of an hour and are in no head make room for others. */
static void forget_series(struct store *store, int64_t now)
{
	struct metrics *metrics = &store->metrics;
	const struct head *oldest;

	lock_state(store);
	oldest = metrics->sealed ? metrics->sealed : metrics->open;
	registry_sweep(&metrics->registry, now - SERIES_S * SECOND,
		       oldest && oldest->scrapes ? oldest->first_number : metrics->next_scrape);
	unlock_state(store);
}

static void tick_disk(struct store *store)
{
	int64_t now = mono_now(store);

	if (now - store->synced_ns >= store->options.sync_ms * MILLISECOND / 2)
		sync_journal(store);
	if (write_due(store, now))
		store->synced_ns = now; /* the disk refuses: not in a busy loop */
	set_suspects_aside(store);
	if (now - store->rolled_ns >= ROLL_S * SECOND) {
		store->rolled_ns = now;
		roll_some(store);
		forget_series(store, now);
	}
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
