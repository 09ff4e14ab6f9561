/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inside - what the parts of the store know of each other. Not for other rooms.
 *
 * Two locks. `work` is held by whoever does slow work: writing and merging segments, syncing,
 * retention, the catalogue. `state` is held for moments and guards what appending and queries see:
 * chunks, journal, lists of segments, counters. Order: work before state. A function says in its
 * comment which it needs.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "store/catalogue.h"
#include "store/chunk.h"
#include "store/head.h"
#include "store/journal.h"
#include "store/segment.h"
#include "store/store.h"

enum {
	TABLES_MAX = 256,
	BAD_FILES_MAX = 16, /* set aside, kept for looking at */
	MERGE_COUNT = 8, /* small neighbours that become one segment */
};

/* A segment in the lists. Files vanish only when nobody reads them any more. */
struct segment {
	struct listed listed;
	atomic_uint readers;
	atomic_bool suspect; /* a reader could not open it: set aside at the next tick */
};

/* The segments of one table or tier, by rising number of their first row. */
struct shelf {
	char name[STORE_NAME_BYTES];
	struct segment **at; /* owned, as are the segments */
	uint32_t count, room;
	uint64_t bytes, rows;
	int64_t keep_ns; /* 0: no limit of age */
	uint32_t weight;
};

struct live {
	struct store_table table;
	struct shelf shelf;
	struct chunk *open; /* owned; NULL when there are no rows */
	struct chunk *sealed; /* owned list, oldest first */
	uint64_t next_row;
	uint64_t merge_from; /* segments below this row are not merged: it was tried */
	bool defined; /* by this process */
	uint64_t told_journal; /* number of the journal file that knows the table ... */
	uint32_t told_columns; /* ... with so many columns */
};

struct tier {
	/* of raw files first_row and next_row are numbers of scrapes, of others times (ms) */
	struct shelf shelf;
	int64_t step_ms; /* of its windows; 0: as they came */
	int64_t span_ms; /* that much of it is one file; 0: it is not made */
	int64_t passed_ms; /* spans up to there were looked at and had nothing */
};

/* Guarded by state, but for the tiers' shelves (as those of tables). */
struct metrics {
	struct registry registry;
	struct head *open; /* owned; NULL: no samples */
	struct head *sealed; /* owned list, oldest first */
	uint64_t next_scrape;
	struct indexed_sample *scratch; /* owned: the scrape in progress */
	uint32_t scratch_room;
	uint64_t logged_journal,
		logged_scrape; /* the last scrape that the journal took, and which file */
	struct tier tier[STORE_TIERS];
};

struct store {
	struct store_options options;
	char *path; /* owned */
	const struct disk *disk;
	int dir, lock; /* -1: none */
	pthread_mutex_t work, state;

	/* changed with both locks, so that either suffices for reading: which tables and
	 * segments there are */
	struct live *live[TABLES_MAX]; /* owned */
	uint32_t lives;

	atomic_uint_fast64_t blocks_bad; /* that queries met */

	struct metrics metrics;

	/* guarded by state */
	struct journal journal;
	int64_t journal_retry_ns; /* monotonic: not before */
	struct codec codec; /* of appending */
	struct buf frame;
	uint64_t next_number;
	size_t sealed_bytes; /* memory of all sealed chunks and heads */
	struct store_status status;
	bool journal_broken; /* rows stand in no journal: write them as segments soon */

	/* guarded by work */
	struct codec work_codec;
	struct catalogue *catalogue;
	bool catalogue_stale; /* it missed a change: write it whole again */
	struct segment *
		*doomed; /* owned; out of the lists, to be unlinked when nobody reads them */
	uint32_t doomed_count, doomed_room;
	uint64_t bad_bytes; /* of files that were set aside */
	int64_t last_wall_ns, last_mono_ns, hold_until_ns, synced_ns, swept_ns, rolled_ns;
};

static inline void lock_state(struct store *store)
{
	pthread_mutex_lock(&store->state);
}

static inline void unlock_state(struct store *store)
{
	pthread_mutex_unlock(&store->state);
}

static inline int64_t wall_now(const struct store *store)
{
	return store->disk->wall_ns(store->disk->ctx);
}

static inline int64_t mono_now(const struct store *store)
{
	return store->disk->mono_ns(store->disk->ctx);
}

/* store.c */

/* Says what is wrong now; the first of several stays. Needs state. */
void store_trouble(struct store *store, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The table with that name, NULL if there is none. Needs state. */
struct live *store_live(struct store *store, const char *name);
/* A new one, or NULL when there are too many or memory is out. Needs state. */
struct live *store_new_live(struct store *store, const char *name);
/*
 * Adds the columns that `live` lacks. With `may_change`, columns that have another type than in former
 * runs get the new one: what is in memory is sealed as it was, segments know their own types. -EINVAL:
 * a type could not be changed; -ENOSPC: too many columns; -ENOMEM. Needs state.
 */
int live_learn(struct store *store, struct live *live, const struct store_table *table,
	       bool may_change, struct err *why);

/* shelf.c: need state, but for shelf_oldest's answers nothing else */

int shelf_add(struct shelf *shelf, const struct listed *listed);
/* Takes it out of the list; the caller owns it then. */
void shelf_remove(struct shelf *shelf, struct segment *segment);
void shelf_done(struct shelf *shelf);

/* All shelves: of the tables, then of the tiers. Need state or work. */
uint32_t store_shelves(const struct store *store);
struct shelf *store_shelf(struct store *store, uint32_t at);
/* The tier of that name, NULL if there is none. */
struct tier *store_tier(struct store *store, const char *name);

/* write.c */

/* Ends all open chunks and writes them. Needs work, not state. */
int flush_all(struct store *store, struct err *why);

/*
 * Takes the rows of a batch from number `from` on; the batch's first one has number `row` in the
 * table. `journal_number`: the file that holds them, 0 if none does. Returns rows taken or -errno.
 * Needs state.
 */
int64_t live_take(struct store *store, struct live *live, const struct store_rows *rows,
		  uint32_t from, uint64_t row, uint64_t journal_number);
/* Gives up the rows that wait longest for being written until the others fit into memory_max.
 * Needs state. */
void give_up_rows(struct store *store);
/* Too much waits in memory: it is written here and now, by the one who brings more. Needs neither lock. */
void relieve_memory(struct store *store);
/* Ends the open chunk. 0 or -ENOMEM. Needs state. */
int live_seal(struct store *store, struct live *live);
/* Writes all sealed chunks of all tables. 0 or the first error. Needs work, not state. */
int write_sealed(struct store *store);
/* Lets go the journals that are not needed any more. Needs work, not state. */
void release_journals(struct store *store);
/* Makes the journal durable. Needs work, not state. */
int sync_journal(struct store *store);

/* Gives the bytes of a frame to the journal, if it takes any. The number of the file, 0 on failure. Needs state. */
bool have_journal(struct store *store);
int write_frame(struct store *store);
/* A new journal file when the present one is long. Needs state. */
void rotate_journal(struct store *store);
/* After an error: the oldest history gives way as long as that may help. Needs work, not state. */
bool make_way(struct store *store, int error);
/* Lists a file that was written, in the catalogue; `table` may be NULL. Needs work, not state. */
void catalogue_written(struct store *store, const struct store_table *table,
		       const struct listed *listed);

/* scrapes.c */

int metrics_init(struct store *store);
void metrics_done(struct store *store);
/* Ends the open head. Needs state. */
void head_seal(struct store *store);
/* Writes all sealed heads. Needs work, not state. */
int write_heads(struct store *store);
/* Reading the journal: what it says about series and samples. */
struct heard_samples;
struct heard_samples *hear_begin(struct store *store, uint64_t journal);
void hear_end(struct heard_samples *heard);
int hear_series(struct heard_samples *heard, struct reader *reader);
int hear_samples(struct heard_samples *heard, struct reader *reader, bool after_damage);

/* roll.c: makes the next span of a tier, if it is due. True if there was one. Needs work, not state. */
bool roll_some(struct store *store);
/* Until when (ms) the next tier has all of this one, INT64_MAX for the last. Needs work. */
int64_t rolled_to(struct store *store, uint32_t tier);

/* recover.c */

/* Reads the directory, the catalogue and the journals. Needs nobody else to be there. */
int recover(struct store *store, struct err *why);

/* retain.c: need work, not state */

/* Moves a segment from its list (NULL: from none) to the doomed; `replaced`: another holds its
 * rows. */
void doom_segment(struct store *store, struct shelf *shelf, struct segment *segment, bool replaced);
/* Unlinks what nobody reads. */
void sweep_doomed(struct store *store);
/* Deletes what is too old or too much. */
void retain(struct store *store);
/* Deletes the next segment in order, for want of room. False when all files together are not above `floor`. */
bool give_up_oldest(struct store *store, uint64_t floor);
/* Notices steps of the wall clock. */
void watch_clock(struct store *store);
/* At the start: is the clock plausible, going by what is kept? */
void doubt_clock(struct store *store);
/* Deletes what was set aside long ago. */
void sweep_bad(struct store *store);
/* Renames segments that could not be read. */
void set_suspects_aside(struct store *store);
/* Bytes of all files. Needs state. */
uint64_t store_bytes(const struct store *store);

/* merge.c: needs work, not state. Merges at most one run of small segments. True if there was
 * one. */
bool merge_some(struct store *store);
