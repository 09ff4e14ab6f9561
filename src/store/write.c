// SPDX-License-Identifier: GPL-2.0-only
/*
 * write - the way of a row from the batch to the disk.
 *
 *	store_append
 *	     |  the frame goes into the journal, the row into the open chunk
 *	     v
 *	+-----------+  full, old, or the journal is too long   +----------+
 *	|   OPEN    | ---------------------------------------> |  SEALED  |
 *	+-----------+                                          +----------+
 *	     ^                                                  |        |
 *	     |  after a crash: rows of the journal              |        |  can't be written, and
 *	     |  that no segment has                             |        |  memory_max is reached
 *	     |                                                  |        v
 *	  journal          NAME.tmp, sync, rename, sync of name |     given up: rows_lost
 *	                                                        v
 *	              can't be verified   +----------+  too old, no room, or its
 *	   NAME.bad <-------------------- |  LISTED  |  successor is listed
 *	                                  +----------+ ------------> DOOMED -> unlinked,
 *	                                                             when nobody reads it
 *
 * What holds at every moment, also between any two system calls:
 *
 *  1. A row is acknowledged (store_append returns) after its frame was given to the kernel, or
 *     after it was counted as unlogged.
 *  2. A journal file is only appended to. What was half written is cut off, or nothing more is
 *     written behind it.
 *  3. A segment has its proper name only after its bytes are on the disk, and is listed only after
 *     its name is.
 *  4. A journal file is unlinked only when every row in it stands in a listed segment, or was
 *     counted as lost.
 *  5. Rows of a table are numbered in the order of their coming. Chunks become segments in that
 *     order. So the journal's rows below the end of the last segment are in segments (or lost),
 *     those above are not: after a crash every row is taken exactly once.
 *  6. A segment never changes. It is deleted for its age, for want of room, or because one other
 *     segment that says so holds all its rows; where both are found, the smaller one goes.
 *  7. The directory is the truth. The catalogue may lag behind it, be lost or wrong: then segments
 *     are opened and asked what they are.
 *  8. Nothing that can't be verified is believed, and nothing is deleted because it can't be
 *     verified: it is renamed to *.bad, a few of which are kept.
 *  9. While the wall clock is in doubt, nothing is deleted for its age.
 * 10. What does not fit (memory, disk, time) is refused or given up, oldest first, and counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/frame.h"
#include "store/inside.h"

enum { RETRY_NS = 1000000000 };

static uint64_t take_number(struct store *store)
{
	return store->next_number++;
}

/* A journal that takes frames; after a failure it is tried again once a second. */
bool have_journal(struct store *store)
{
	int error;

	if (store->journal.open)
		return true;
	if (store->status.mode != STORE_WRITES || mono_now(store) < store->journal_retry_ns)
		return false;
	error = journal_begin(&store->journal, take_number(store));
	if (error) {
		store->status.journal_failures++;
		store->journal_retry_ns = mono_now(store) + RETRY_NS;
		store_trouble(store, "cannot begin a journal in '%s': %s", store->path,
			      err_name(error));
	}
	return !error;
}

int write_frame(struct store *store)
{
	int error = journal_add(&store->journal, &store->frame);

	if (!error) {
		store->status.bytes_written += store->frame.len;
		return 0;
	}
	store->status.journal_failures++;
	store->journal_retry_ns = mono_now(store) + RETRY_NS;
	store_trouble(store, "cannot write the journal in '%s': %s", store->path, err_name(error));
	return error;
}

void rotate_journal(struct store *store)
{
	const struct journal *journal = &store->journal;

	if (journal->file[journal->count - 1].bytes >= store->options.journal_file_bytes)
		journal_begin(&store->journal, take_number(store)); /* else the old one grows on */
}

/* Every journal file says itself what the tables are that it has rows of. */
static int tell_table(struct store *store, struct live *live, uint32_t id)
{
	if (live->told_journal == journal_number(&store->journal) &&
	    live->told_columns == live->table.count)
		return 0;
	frame_of_table(&store->frame, id, &live->table);
	if (write_frame(store))
		return -EIO;
	live->told_journal = journal_number(&store->journal);
	live->told_columns = live->table.count;
	return 0;
}

/* The number of the journal file that holds the rows now, 0 if none does. */
static uint64_t log_rows(struct store *store, struct live *live, uint32_t id,
			 const struct store_rows *rows)
{
	uint64_t number;

	if (!have_journal(store) || tell_table(store, live, id))
		return 0;
	if (frame_of_rows(&store->frame, &store->codec, id, rows, live->next_row) ||
	    write_frame(store))
		return 0;
	number = journal_number(&store->journal);
	rotate_journal(store);
	return number;
}

static bool chunk_is_full(const struct store *store, const struct chunk *chunk)
{
	return chunk->rows >= store->options.segment_rows ||
	       chunk->bytes >= store->options.segment_bytes;
}

int live_seal(struct store *store, struct live *live)
{
	struct chunk *chunk = live->open, **end = &live->sealed;
	int error;

	if (!chunk || !chunk->rows)
		return 0;
	error = chunk_pack(chunk, &store->codec);
	if (error)
		return error;
	store_rows_free(chunk->open); /* a sealed chunk needs no room for more */
	chunk->open = NULL;
	while (*end)
		end = &(*end)->next;
	*end = chunk;
	live->open = NULL;
	store->sealed_bytes += chunk_memory(chunk);
	return 0;
}

/* The chunk that takes the row, with room in its open block; NULL when memory is out. */
static struct chunk *chunk_for(struct store *store, struct live *live, uint64_t row)
{
	if (live->open && chunk_is_full(store, live->open) && live_seal(store, live))
		return NULL;
	if (live->open && !chunk_room(live->open, row) && chunk_pack(live->open, &store->codec))
		return NULL;
	if (live->open && !chunk_room(live->open, row) && live_seal(store, live))
		return NULL;
	if (!live->open) {
		live->open = chunk_new(&live->table, store->options.block_rows);
		if (live->open)
			live->open->opened_ns = mono_now(store);
	} else if (live->open->table.count < live->table.count) {
		chunk_learn(live->open, &live->table);
	}
	return live->open;
}

int64_t live_take(struct store *store, struct live *live, const struct store_rows *rows,
		  uint32_t from, uint64_t row, uint64_t journal_number)
{
	uint32_t done = from;
	int error = 0;

	while (done < rows->count && !error) {
		struct chunk *chunk = chunk_for(store, live, row + done);
		uint32_t room = chunk ? chunk_room(chunk, row + done) : 0,
			 step = rows->count - done;

		if (!room) {
			error = -ENOMEM;
			break;
		}
		step = step < room ? step : room;
		error = chunk_add(chunk, rows, done, done + step, row + done);
		if (error == -ENOSPC && chunk->rows) /* a dictionary is full */
			error = live_seal(store, live);
		else if (!error) {
			done += step;
			chunk->unlogged |= !journal_number;
			if (!chunk->first_journal)
				chunk->first_journal = journal_number;
		}
	}
	return done > from || !error ? (int64_t)(done - from) : error;
}

static struct live *live_of(struct store *store, const struct store_rows *rows, uint32_t *ret_id)
{
	for (uint32_t i = 0; i < store->lives; i++)
		if (&store->live[i]->table == rows->table) {
			*ret_id = i;
			return store->live[i];
		}
	return NULL;
}

/* The oldest sealed chunk of all tables: what waits longest for being written. Needs state. */
static struct live *longest_waiting(struct store *store)
{
	struct live *oldest = NULL;

	for (uint32_t i = 0; i < store->lives; i++) {
		struct live *live = store->live[i];

		if (live->sealed &&
		    (!oldest || live->sealed->opened_ns < oldest->sealed->opened_ns))
			oldest = live;
	}
	return oldest;
}

static struct chunk *take_sealed(struct store *store, struct live *live)
{
	struct chunk *chunk = live->sealed;

	live->sealed = chunk->next;
	store->sealed_bytes -= chunk_memory(chunk);
	return chunk;
}

static bool give_up_chunk(struct store *store)
{
	struct live *live = longest_waiting(store);
	const struct head *head = store->metrics.sealed;
	struct chunk *chunk;

	if (!live || (head && head->opened_ns < live->sealed->opened_ns))
		return false;
	chunk = take_sealed(store, live);
	store->status.rows_lost += chunk->rows;
	chunk_free(chunk);
	return true;
}

static bool give_up_head(struct store *store)
{
	struct head *head = store->metrics.sealed;

	if (!head)
		return false;
	store->metrics.sealed = head->next;
	store->sealed_bytes -= head->bytes;
	store->status.samples_lost += head->samples;
	head_free(head);
	return true;
}

void give_up_rows(struct store *store)
{
	while (store->sealed_bytes > store->options.memory_max &&
	       (give_up_chunk(store) || give_up_head(store)))
		;
}

/* Too much waits in memory: it is written here and now, by the one who brings more. Needs
 * neither lock. */
void relieve_memory(struct store *store)
{
	pthread_mutex_lock(&store->work);
	if (store->status.mode == STORE_WRITES)
		write_sealed(store);
	lock_state(store);
	give_up_rows(store);
	unlock_state(store);
	pthread_mutex_unlock(&store->work);
}

int store_append(struct store *store, struct store_rows *rows, struct err *why)
{
	uint64_t journal;
	uint32_t id = 0;
	struct live *live;
	int64_t taken;
	bool tight;

	store_rows_forget(rows);
	if (!rows->count)
		return 0;
	lock_state(store);
	live = live_of(store, rows, &id);
	if (!live) {
		unlock_state(store);
		return err_set(why, -EINVAL, "these rows are of no table of this store");
	}
	store->status.rows_offered += rows->count;
	journal = log_rows(store, live, id, rows);
	taken = live_take(store, live, rows, 0, live->next_row, journal);
	if (taken < 0)
		store->status.rows_refused += rows->count;
	else {
		live->next_row += rows->count;
		store->status.rows_accepted += (uint64_t)taken;
		store->status.rows_refused += rows->count - (uint64_t)taken;
		store->status.rows_unlogged += journal ? 0 : (uint64_t)taken;
		store->journal_broken |= !journal;
	}
	tight = store->sealed_bytes > store->options.memory_max;
	unlock_state(store);
	if (tight)
		relieve_memory(store);
	return taken < 0 ? err_set(why, (int)taken, "no memory for rows of table '%s'",
				   rows->table->name)
			 : (int)taken;
}

void catalogue_written(struct store *store, const struct store_table *table,
		       const struct listed *listed)
{
	int error = catalogue_begin(store->catalogue);

	if (!error)
		error = catalogue_put_segment(store->catalogue, listed);
	if (!error && table)
		error = catalogue_put_table(store->catalogue, table, listed->next_row);
	error = error ? (catalogue_end(store->catalogue, false), error)
		      : catalogue_end(store->catalogue, true);
	if (error) {
		store->catalogue_stale = true;
		store->status.catalogue_failures++;
	}
}

static void list_written(struct store *store, struct live *live, struct chunk *chunk,
			 const struct store_table *table, const struct listed *listed)
{
	lock_state(store);
	take_sealed(store, live);
	if (shelf_add(&live->shelf, listed)) {
		store_trouble(store, "no memory for the list of segments");
		store->status.rows_lost += chunk->rows; /* until the next start finds the file */
	} else {
		store->status.rows_written += chunk->rows;
	}
	store->status.segments_written++;
	store->status.bytes_written += listed->bytes;
	unlock_state(store);
	catalogue_written(store, table, listed);
}

/* Writes the oldest sealed chunk of a table. Needs work; nobody else takes chunks off the list
 * then. */
static int write_chunk(struct store *store, struct live *live, struct chunk *chunk)
{
	struct store_table table;
	struct segment_source source = {
		.disk = store->disk,
		.dir = store->dir,
		.written_ns = wall_now(store),
	};
	struct listed listed = {
		.kind = FILE_ROWS,
		.first_row = chunk->first_row,
		.next_row = chunk->next_row,
		.rows = chunk->rows,
		.time_min = chunk->time_min,
		.time_max = chunk->time_max,
		.seen_ns = source.written_ns,
	};
	int error;

	lock_state(store);
	source.number = listed.number = take_number(store);
	table = live->table; /* for the catalogue: what is known now */
	unlock_state(store);
	snprintf(listed.table, sizeof(listed.table), "%s", table.name);
	error = segment_write(&source, &store->work_codec, chunk, &listed.bytes);
	if (error)
		return error;
	list_written(store, live, chunk, &table, &listed);
	chunk_free(chunk);
	return 0;
}

bool make_way(struct store *store, int error)
{
	return (error == -ENOSPC || error == -EDQUOT) &&
	       give_up_oldest(store, store->options.bytes_max / 64);
}

/* One sealed chunk: for want of room the oldest history gives way. Needs work. */
static int write_one(struct store *store, struct live *live, struct chunk *chunk)
{
	int error = write_chunk(store, live, chunk);

	while (make_way(store, error))
		error = write_chunk(store, live, chunk);
	if (!error)
		return 0;
	lock_state(store);
	store->status.write_failures++;
	store_trouble(store, "cannot write a segment of table '%s' in '%s': %s", live->table.name,
		      store->path, err_name(error));
	unlock_state(store);
	return error;
}

/* The sealed chunk of table number `at` that is to be written first; NULL when there is none. */
static struct chunk *first_sealed(struct store *store, uint32_t at, struct live **ret_live)
{
	struct chunk *chunk = NULL;

	lock_state(store);
	if (at < store->lives) {
		*ret_live = store->live[at];
		chunk = store->live[at]->sealed;
	}
	unlock_state(store);
	return chunk;
}

int write_sealed(struct store *store)
{
	int first_error = 0, error;
	struct chunk *chunk;
	struct live *live;

	for (uint32_t i = 0; i < TABLES_MAX; i++) {
		error = 0;
		while (!error && (chunk = first_sealed(store, i, &live)))
			error = write_one(store, live, chunk);
		if (!first_error)
			first_error = error;
	}
	error = write_heads(store);
	if (!first_error)
		first_error = error;
	if (!first_error)
		release_journals(store);
	return first_error;
}

static void need(uint64_t *needed, uint64_t journal)
{
	if (journal && journal < *needed)
		*needed = journal;
}

void release_journals(struct store *store)
{
	uint64_t needed;

	lock_state(store);
	needed = journal_number(&store->journal);
	if (!needed)
		needed = store->next_number;
	for (uint32_t i = 0; i < store->lives; i++) {
		const struct live *live = store->live[i];

		for (const struct chunk *chunk = live->sealed; chunk; chunk = chunk->next)
			need(&needed, chunk->first_journal);
		if (live->open)
			need(&needed, live->open->first_journal);
	}
	for (const struct head *head = store->metrics.sealed; head; head = head->next)
		need(&needed, head->first_journal);
	if (store->metrics.open)
		need(&needed, store->metrics.open->first_journal);
	journal_release(&store->journal, needed);
	unlock_state(store);
}

/*
 * A sync that failed may have thrown away what it should have written, and the next one may succeed
 * without it (fsync(2) on Linux since 4.13 reports an error once). So these files are not trusted
 * any more: what they hold is still in memory and is written as segments.
 */
static void distrust_journal(struct store *store, int error)
{
	lock_state(store);
	store->status.sync_failures++;
	store->journal.open = false;
	store->journal_retry_ns = 0;
	store->journal_broken = true;
	store_trouble(store, "cannot sync the journal in '%s': %s", store->path, err_name(error));
	unlock_state(store);
}

int sync_journal(struct store *store)
{
	struct journal_sync *sync = malloc(sizeof(*sync));
	int error;

	if (!sync)
		return -ENOMEM;
	lock_state(store);
	journal_to_sync(&store->journal, sync);
	unlock_state(store);
	error = journal_sync(&store->journal, sync);
	if (error) {
		distrust_journal(store, error);
	} else {
		lock_state(store);
		journal_synced(&store->journal, sync);
		unlock_state(store);
		store->synced_ns = mono_now(store);
	}
	free(sync);
	return error;
}

/* Seals the open chunks of all tables. Needs state. */
static int seal_all(struct store *store)
{
	int first_error = 0;

	head_seal(store);
	for (uint32_t i = 0; i < store->lives; i++) {
		int error = live_seal(store, store->live[i]);

		if (!first_error)
			first_error = error;
	}
	return first_error;
}

int flush_all(struct store *store, struct err *why)
{
	int error;

	if (store->status.mode != STORE_WRITES)
		return err_set(why, -EROFS, "the store in '%s' can't be written", store->path);
	lock_state(store);
	error = seal_all(store);
	unlock_state(store);
	if (!error)
		error = write_sealed(store);
	if (error)
		return err_set(why, error, "cannot write all rows of '%s': %s", store->path,
			       err_name(error));
	lock_state(store);
	store->journal_broken = false;
	unlock_state(store);
	return 0;
}

int store_flush(struct store *store, struct err *why)
{
	int error;

	pthread_mutex_lock(&store->work);
	error = flush_all(store, why);
	pthread_mutex_unlock(&store->work);
	return error;
}

int store_sync(struct store *store, struct err *why)
{
	bool broken;
	int error;

	pthread_mutex_lock(&store->work);
	error = store->status.mode == STORE_WRITES ? sync_journal(store) : -EROFS;
	lock_state(store);
	broken = store->journal_broken;
	unlock_state(store);
	if (error || broken) /* what is in no journal becomes durable as segments, if it can */
		error = flush_all(store, why);
	pthread_mutex_unlock(&store->work);
	return error;
}
