/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * catalogue - what the store remembers beside its data: tables, the list of segments, notes
 * (SQLite).
 *
 * The directory is the truth, the catalogue saves reading it: which segments there are, when they
 * were first seen, which were replaced but may not be unlinked yet. Lost or damaged, it is set
 * aside and made anew. Only notes (saved views, configuration history, alert states, stacks by
 * hash) live here alone. All functions return 0 or -errno.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "store/rows.h"

enum {
	NOTE_BYTES_MAX = 1 << 20, /* of one note */
	NOTES_MAX = 100000, /* of one kind */
	NOTE_KEY_BYTES_MAX = 512,
	NOTE_KIND_BYTES = 40, /* the ending 0 counted; 16 kinds at most */
};

struct catalogue;

/* A row of the list of segments. */
struct listed {
	uint64_t number;
	char table[STORE_NAME_BYTES];
	uint32_t kind; /* enum file_kind */
	uint64_t first_row, next_row, rows, bytes;
	int64_t time_min, time_max;
	int64_t seen_ns; /* wall clock when it was written, or first found */
	bool replaced; /* waits for being unlinked */
};

/*
 * `path` is the file. `vfs` is the name of SQLite's file layer, NULL for its own. A damaged
 * catalogue is renamed PATH.bad and begun anew; *ret_renewed tells. `memory`: nothing is read or
 * written on disk.
 */
int catalogue_open(const char *path, const char *vfs, bool memory, struct catalogue **ret_catalogue,
		   bool *ret_renewed, struct err *why);
void catalogue_close(struct catalogue *catalogue);

/* What follows between these is done together or not at all. */
int catalogue_begin(struct catalogue *catalogue);
int catalogue_end(struct catalogue *catalogue, bool keep);

int catalogue_put_table(struct catalogue *catalogue, const struct store_table *table,
			uint64_t next_row);
int catalogue_tables(struct catalogue *catalogue,
		     int (*each)(void *ctx, const struct store_table *table, uint64_t next_row),
		     void *ctx);

int catalogue_put_segment(struct catalogue *catalogue, const struct listed *segment);
int catalogue_drop_segment(struct catalogue *catalogue, uint64_t number);
int catalogue_drop_segments(struct catalogue *catalogue);
int catalogue_segments(struct catalogue *catalogue,
		       int (*each)(void *ctx, const struct listed *segment), void *ctx);

/* -ENOSPC: too long, or too many of that kind. An empty value is kept as such. */
int catalogue_put_note(struct catalogue *catalogue, const char *kind, struct span key,
		       struct span value, int64_t now_ns);
int catalogue_drop_note(struct catalogue *catalogue, const char *kind, struct span key);
/* -ENOENT when there is none, -EBADMSG when it is damaged. The value is appended to `ret_value`. */
int catalogue_note(struct catalogue *catalogue, const char *kind, struct span key,
		   struct buf *ret_value);
/* In the order of the keys; `each` returns other than 0 to stop, which is returned then. */
int catalogue_notes(struct catalogue *catalogue, const char *kind,
		    int (*each)(void *ctx, struct span key, struct span value, int64_t changed_ns),
		    void *ctx);
