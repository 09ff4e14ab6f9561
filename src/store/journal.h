/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * journal - what was accepted but stands in no segment yet, in frames with check sums.
 *
 *	file	"SONDEJNL" version number, then frames
 *	frame	length, CRC-32C (of the file's number, the length and the bytes), bytes
 *
 * A file is only ever appended to. When it is long enough a new one is begun; an old one is
 * unlinked when everything in it is in segments. The files are numbered from the store's one
 * counter of numbers.
 */
#pragma once

#include "base/err.h"
#include "store/bits.h"
#include "store/disk.h"

enum {
	JOURNAL_FILES_MAX = 256,
	JOURNAL_FRAME_MAX = 32 << 20,
	JOURNAL_NAME_BYTES = 40,
};

struct journal_file {
	uint64_t number;
	int file; /* -1: closed; all of it is durable */
	uint64_t bytes; /* written */
	uint64_t durable; /* of them certainly on the disk */
	bool name_durable;
	bool damaged; /* has frames that can't be read: kept as NAME.bad when it is released */
};

struct journal {
	const struct disk *disk;
	int dir;
	struct journal_file file[JOURNAL_FILES_MAX]; /* by rising number; the last is written to */
	uint32_t count;
	bool open; /* the last one takes frames */
	uint64_t failures; /* writes that failed */
};

/* "journal-00000000000000a1.log" */
void journal_name(char name[JOURNAL_NAME_BYTES], uint64_t number);

/* Begins a new file. 0 or -errno; on error the journal takes nothing until the next try. */
int journal_begin(struct journal *journal, uint64_t number);

/* Appends a frame: the bytes of `frame` from JOURNAL_FRAME_HEAD on. The head is filled in here.
 * After an error the file ends before this frame, or is closed for good. 0 or -errno. */
enum { JOURNAL_FRAME_HEAD = 8 };
int journal_add(struct journal *journal, struct buf *frame);

/* Total bytes of all files. */
uint64_t journal_bytes(const struct journal *journal);

/* The number of the file that takes frames, 0 if there is none. */
uint64_t journal_number(const struct journal *journal);

/* A copy of what must be synced now: call it with the store locked, journal_sync without,
 * journal_synced again with. */
struct journal_sync {
	int file[JOURNAL_FILES_MAX];
	uint64_t number[JOURNAL_FILES_MAX], bytes[JOURNAL_FILES_MAX];
	uint32_t count;
	bool names;
};
void journal_to_sync(const struct journal *journal, struct journal_sync *ret_sync);
int journal_sync(const struct journal *journal, const struct journal_sync *sync);
void journal_synced(struct journal *journal, const struct journal_sync *sync);

/* Unlinks the files with numbers below `number`. Damaged ones are renamed. Returns how many were
 * let go. */
uint32_t journal_release(struct journal *journal, uint64_t number);

/* Closes all files, unlinks none. */
void journal_close(struct journal *journal);

struct journal_found {
	uint64_t frames; /* that were read */
	uint64_t bad_frames; /* that were passed over */
	uint64_t torn_bytes; /* behind the last frame */
	bool newer; /* of a newer version: not read */
};

/* Reads the frames of one file, from the first on. `each` gives 0, or an error that ends the
 * reading. A frame that is damaged is passed over when a good one stands behind it:
 * `ret_found->bad_frames` has grown when `each` is called next. 0 or -errno. */
int journal_read(const struct disk *disk, int dir, uint64_t number,
		 int (*each)(void *ctx, struct span frame, const struct journal_found *found),
		 void *ctx, struct journal_found *ret_found);
