/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * codec - one column of one block of rows as bytes, and back.
 *
 * The bytes say how they are to be read, so that a writer may choose; reading checks everything: a
 * damaged piece gives -EBADMSG, never a wrong access. One codec per thread of use.
 */
#pragma once

#include "store/rows.h"

enum { BLOCK_ROWS_MAX = 8192 };

/* What is known of a column of a block without reading it. */
struct column_range {
	uint32_t count; /* rows with a value */
	uint64_t min, max; /* the type's own bits; 0 for texts and ids. NaNs are outside of it */
};

/* Where bytes lie: in a chunk's memory or in a segment's file. */
struct piece {
	uint64_t offset;
	uint32_t len; /* 0: no row has a value */
	uint32_t crc; /* CRC-32C of the bytes */
	struct column_range range;
};

struct codec {
	struct ZSTD_CCtx_s *pack;
	struct ZSTD_DCtx_s *unpack;
	uint64_t *words; /* owned: values of one column that are present */
	uint64_t *steps; /* owned: their differences */
	uint8_t *plain; /* owned: bytes before packing, after unpacking */
	bool packing; /* the piece in progress is compressed */
};

int codec_init(struct codec *codec);
void codec_done(struct codec *codec);

/* Appends the column to `out`. `pack`: compress; else only forms that cost little (for the
 * journal). 0 or -errno. */
int codec_write(struct codec *codec, enum store_type type, const struct vector *vector,
		uint32_t rows, bool pack, struct buf *out, struct column_range *ret_range);

/*
 * Reads a piece that holds `rows` rows of that type. The vector must be empty or made for at least
 * `rows` rows of as many words; what it held is gone. Text codes are not checked against a
 * dictionary, but codec_max tells the largest. 0, -EBADMSG or -ENOMEM.
 */
int codec_read(struct codec *codec, enum store_type type, struct span piece, uint32_t rows,
	       struct vector *vector);

/* The largest value (as unsigned number) of the rows that are present; 0 if there is none. */
uint64_t vector_max(const struct vector *vector, uint32_t rows);

/* Any bytes, compressed where that is a gain, and back (appended to `out`, which must have room for
 * at most `max` bytes). 0, -EBADMSG, -ENOMEM or -ENOSPC. */
int codec_pack(struct codec *codec, struct span plain, struct buf *out);
int codec_unpack(struct codec *codec, struct span packed, size_t max, struct buf *out);
