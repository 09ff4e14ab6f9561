/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * store - the embedded history: tables of rows and series of samples in one directory, with limits.
 *
 *	store_open(&options, &store, &why);
 *	store_table_define(store, &definition, &table, &why);
 *	rows = store_rows_new(table, 1024); ... fill (table.h) ...
 *	store_append(store, rows, &why); store_rows_clear(rows);
 *	wait = store_tick(store);		from time to time, at the latest after `wait` ms
 *	store_query(store, &query, &answer, &why);	(query.h)
 *
 * What is promised: rows that store_append took survive the death of the process at once, and a
 * power cut after at most sync_ms (as long as store_tick is called). Without room on the disk, or
 * without the right to write, the store goes on in memory within memory_max, and says so in its
 * status.
 *
 * Threads: every function may be called from any thread. Appending holds a short lock; ticking does
 * the slow work (writing segments, syncing, merging, retention) without it; a query holds it only
 * while it looks at rows that are in memory.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "store/disk.h"
#include "store/table.h"

struct store;

/* Tiers of samples (series.h): as they came, by 15 seconds, by 5 minutes. */
enum { STORE_TIERS = 3 };

struct store_tier {
	uint32_t keep_s; /* older samples may be deleted; 0: kept as long as there is room */
	uint32_t weight; /* as of tables */
	/* that much of it is made at a time, out of the tier below; of the first: 0 */
	uint32_t span_s;
};

struct store_options {
	const char *path; /* directory; made if it is not there */
	uint64_t bytes_max; /* of all files together */
	uint64_t room_min; /* bytes of the file system that are left to others */
	uint32_t sync_ms; /* accepted rows are durable after that time at the latest */
	uint32_t block_rows; /* rows packed together */
	uint32_t segment_rows; /* rows of a full segment */
	uint32_t segment_bytes; /* or so many packed bytes */
	uint32_t segment_age_s; /* or so old (small segments are merged later) */
	uint64_t journal_file_bytes; /* a new journal file is begun */
	uint64_t journal_bytes_max; /* rows that are only in the journal are written as segments */
	uint64_t memory_max; /* packed rows that wait for being written */
	/* after the wall clock stepped nothing is deleted for its age so long */
	uint32_t clock_hold_s;
	uint32_t series_max; /* known at the same time */
	uint32_t head_samples; /* samples in memory before they are written */
	uint32_t head_age_s; /* or so old */
	struct store_tier tier[STORE_TIERS];
	const struct disk *disk; /* NULL: the kernel's */
	const char *sqlite_vfs; /* NULL: SQLite's own */
};

/* The values for production, without a path. */
void store_defaults(struct store_options *options);

/*
 * Opens or makes the store and takes back what the last process left. A directory that can't be
 * written or made is no error (see status). -EBUSY: another process has it; -EINVAL, -ENOMEM.
 */
int store_open(const struct store_options *options, struct store **ret_store, struct err *why);
/* Makes everything durable and closes. */
void store_close(struct store *store);

struct store_table_definition {
	const char *name;
	const struct store_column *columns; /* the first is `time` */
	size_t count;
	uint64_t keep_s; /* older rows may be deleted; 0: kept as long as there is room */
	/* share of the room against other tables when it gets tight; 0 counts as 1 */
	uint32_t weight;
};

/*
 * Makes a table known, or gives an existing one new columns, age and weight. Columns keep the place
 * that they had first (also in former runs): ask store_table_column for their indexes. The table
 * lives as long as the store. -EINVAL: no proper table, or a column had another type in this run;
 * -ENOSPC: too many columns or tables.
 */
int store_table_define(struct store *store, const struct store_table_definition *definition,
		       const struct store_table **ret_table, struct err *why);

/* The table of that name as it is now. -ENOENT. */
int store_table_now(struct store *store, const char *name, struct store_table *ret_table);

/*
 * Takes all finished rows of the batch, which the caller then clears. Returns how many were taken
 * (all, unless memory is out), or -errno when none was: the rest is counted as refused.
 */
int store_append(struct store *store, struct store_rows *rows, struct err *why);

/* Does what is due. Returns in how many milliseconds it wants to be called again (at most
 * sync_ms). */
int store_tick(struct store *store);

/* Makes all accepted rows durable now. */
int store_sync(struct store *store, struct err *why);

/* Writes all rows as segments now, also few ones. */
int store_flush(struct store *store, struct err *why);

enum store_mode {
	STORE_WRITES, /* as it should be */
	STORE_READS, /* the directory can't be written: old rows can be read, new ones are in memory only */
	STORE_MEMORY, /* no directory at all */
};

/* All counters count since the store was opened, unless they are sizes. */
struct store_status {
	enum store_mode mode;
	char trouble[256]; /* what is wrong now, empty when nothing is */
	uint64_t rows_offered; /* = accepted + refused */
	uint64_t rows_accepted; /* + recovered = in memory + in segments written since + lost */
	uint64_t rows_refused; /* memory out */
	uint64_t rows_unlogged; /* of the accepted: the journal could not take them */
	uint64_t rows_lost; /* of the accepted: given up, they could not be written */
	uint64_t rows_recovered; /* read from the journal at the start */
	uint64_t rows_written; /* into segments (merging not counted) */
	/* in segments at the start; + written = in segments + expired + set_aside */
	uint64_t rows_found;
	uint64_t rows_expired; /* deleted with their segments */
	uint64_t rows_set_aside; /* in segments that turned out to be damaged */
	uint64_t rows_in_memory, rows_in_segments;
	uint64_t segments, segments_written, segments_merged, segments_expired, segments_bad,
		segments_missing;
	uint64_t journal_files, journal_bytes, journal_failures, frames_bad, torn_bytes;
	uint64_t sync_failures, write_failures, catalogue_failures;
	uint64_t blocks_bad; /* pieces that queries found damaged */
	uint64_t clock_steps; /* times that the wall clock jumped against the steady one */
	/* = accepted + refused (stale handles, twice in a scrape, memory out) */
	uint64_t samples_offered;
	uint64_t samples_accepted, samples_refused, samples_unlogged, samples_lost,
		samples_recovered;
	/* into raw files; accepted + recovered = in memory + written + lost */
	uint64_t samples_written;
	uint64_t samples_in_memory;
	uint64_t samples_rolled; /* windows made */
	uint64_t series, series_refused;
	uint64_t bytes; /* of all files */
	uint64_t bytes_written; /* into segments and journals */
	uint64_t memory; /* bytes */
	bool catalogue_renewed; /* it was damaged and made anew at the start */
};

void store_status(struct store *store, struct store_status *ret_status);

struct store_table_status {
	char name[STORE_NAME_BYTES];
	uint64_t rows, bytes, segments; /* bytes: on disk */
	int64_t from_ns, to_ns; /* oldest and newest row that can be read; 0, 0: no rows */
};

/* What each table (and each tier of samples) really holds. Returns how many there are; fills at
 * most `max`. */
size_t store_tables(struct store *store, struct store_table_status *ret_tables, size_t max);

/*
 * Notes: small things under a kind ("view", "alert", "stack") and a key, kept until they are
 * dropped. -ENOENT, -ENOSPC (too long or too many), or what the catalogue says.
 */
int store_put_note(struct store *store, const char *kind, struct span key, struct span value);
int store_drop_note(struct store *store, const char *kind, struct span key);
int store_note(struct store *store, const char *kind, struct span key, struct buf *ret_value);
int store_notes(struct store *store, const char *kind,
		int (*each)(void *ctx, struct span key, struct span value, int64_t changed_ns),
		void *ctx);
