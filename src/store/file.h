/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file - what all segment files have in common.
 *
 *	head	"SONDESEG" version kind
 *	pieces	any bytes, each with a CRC-32C that stands in the footer
 *	footer	packed; says where the pieces are
 *	tail	offset, length and CRC of the footer, version, kind, CRC of the tail, "SONDEEND"
 *
 * A file is written front to back under the name NAME.tmp, synced, renamed, and its name synced: a
 * file with its proper name is whole, unless the disk damaged it later.
 */
#pragma once

#include "store/bits.h"
#include "base/err.h"
#include "store/disk.h"

enum {
	FILE_VERSION = 1, /* newer ones are refused, older ones must stay readable */
	FILE_HEAD_BYTES = 16,
	FILE_TAIL_BYTES = 40,
	FILE_NAME_BYTES = 80,
	FILE_FOOTER_MAX = 32 << 20, /* unpacked */
};

enum file_kind { FILE_ROWS = 1, FILE_SAMPLES = 2 };

struct file_writer {
	const struct disk *disk;
	int dir, file;
	uint64_t offset; /* bytes put so far */
	struct buf waiting; /* of them not yet written */
	int error; /* first error: all later writing does nothing */
	enum file_kind kind;
	char name[FILE_NAME_BYTES];
};

/* 0 or -errno. */
int file_begin(struct file_writer *writer, const struct disk *disk, int dir, const char *name,
	       enum file_kind kind);
/* Where the bytes begin. Errors show in file_finish. */
uint64_t file_put(struct file_writer *writer, const void *bytes, size_t len);
/* Writes footer (packed bytes) and tail, makes the file durable, gives it its name. On error
 * nothing is left. */
int file_finish(struct file_writer *writer, struct span footer, uint64_t *ret_bytes);
void file_abandon(struct file_writer *writer);

struct file_reader {
	const struct disk *disk;
	int file; /* -1: not open */
	enum file_kind kind;
	uint64_t bytes; /* of the file */
	uint64_t data_end; /* where the footer begins */
	struct span footer; /* packed; owned (allocated) */
};

/* Opens and checks head, tail and footer. -EBADMSG: it is no (whole) segment file; -EPROTO: of a
 * newer version. */
int file_open(struct file_reader *reader, const struct disk *disk, int dir, const char *name,
	      struct err *why);
void file_close(struct file_reader *reader);

/* Reads a piece and checks its sum, into `out` (cleared first). 0, -EBADMSG, -ENOMEM or what
 * reading gave. */
int file_get(const struct file_reader *reader, uint64_t offset, uint32_t len, uint32_t crc,
	     struct buf *out);

/* Does that sum fit? Builds for fuzzing take any, so that the fuzzer gets to what is behind. */
bool sum_is(uint32_t crc, const void *bytes, size_t len);
