/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * segment - the rows of one chunk as an immutable file (file.h), and its reader.
 *
 * Pieces: per block and column the values (codec.h), per text column the dictionary, per column
 * that is looked up by value a bloom filter. The footer describes the table as it was and every
 * piece with the least and greatest value, so that a reader touches only what a question needs. A
 * segment that was made of several smaller ones names them: whoever finds both drops the smaller
 * ones.
 */
#pragma once

#include "store/chunk.h"
#include "store/file.h"

enum { SEGMENT_REPLACES_MAX = 64 };

/* "requests-00000000000000a1.seg" */
void segment_name(char name[FILE_NAME_BYTES], const char *table, uint64_t number);

struct segment_source {
	const struct disk *disk;
	int dir;
	uint64_t number;
	int64_t written_ns; /* wall clock */
	const uint64_t *replaces; /* numbers of the segments that this one takes the place of */
	uint32_t replaces_count;
};

/* Writes a chunk whose rows are all packed. ret_bytes: size of the file. */
int segment_write(const struct segment_source *source, struct codec *codec,
		  const struct chunk *chunk, uint64_t *ret_bytes);

struct segment_column {
	struct piece dict; /* len 0: none. range.count = texts */
	struct piece bloom; /* len 0: none */
};

struct segment_reader {
	struct file_reader file;
	struct store_table table; /* as it was when the segment was written */
	uint64_t number;
	int64_t written_ns;
	uint64_t replaces[SEGMENT_REPLACES_MAX];
	uint32_t replaces_count;
	struct segment_column column[TABLE_COLUMNS_MAX];
	struct block *block; /* owned */
	uint32_t blocks;
	uint64_t rows, first_row, next_row;
	int64_t time_min, time_max;
	struct buf raw; /* the piece read last */
};

/* -EBADMSG: not a whole segment; -EPROTO: of a newer version; else what the disk gave. */
int segment_open(struct segment_reader *reader, const struct disk *disk, int dir, const char *name,
		 struct codec *codec, struct err *why);
void segment_close(struct segment_reader *reader);

/* Values of one column of one block. Codes of texts are below the dictionary's count. 0 or
 * -errno. */
int segment_vector(struct segment_reader *reader, struct codec *codec, uint32_t block,
		   uint32_t column, struct vector *vector);

/* The dictionary of a text column. 0 or -errno. */
int segment_dict(struct segment_reader *reader, struct codec *codec, uint32_t column,
		 struct dict *dict);

/* 1: may hold a value with that hash (cell_hash), or has no filter; 0: certainly not; -errno. */
int segment_may_hold(struct segment_reader *reader, uint32_t column, uint64_t hash);
