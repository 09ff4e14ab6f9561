/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * chunk - rows of one table that are not yet a segment: a few packed blocks and one open one.
 *
 * Rows are numbered, per table, in the order of their coming. A block holds rows with consecutive
 * numbers; between blocks there may be gaps (rows that were lost).
 */
#pragma once

#include "store/codec.h"

enum {
	CHUNK_TEXTS_MAX = 1 << 17, /* of one column */
	CHUNK_TEXT_BYTES_MAX = 4 << 20, /* of one column */
	CHUNK_BLOCKS_MAX = 1024,
};

struct block {
	uint64_t first_row;
	uint32_t rows;
	uint32_t count; /* pieces: columns that the table had then */
	int64_t time_min, time_max;
	struct piece *piece; /* owned */
	uint8_t *bytes; /* owned; NULL when they are in a file */
	size_t bytes_len;
};

/* Hashes of the values of a column that is looked up by value. */
struct hashes {
	uint64_t *at; /* owned; a value that comes back soon stands here once */
	uint32_t count, room;
};

struct chunk {
	struct store_table table; /* as it is of these rows */
	struct chunk *next; /* in a list of its owner's */
	uint64_t first_row;
	uint64_t next_row; /* behind the last row */
	uint64_t rows;
	int64_t time_min, time_max;
	struct block *block; /* owned */
	uint32_t blocks, blocks_room;
	size_t bytes; /* of the packed blocks */
	/* owned: rows that are not packed yet, their texts as codes of `dict`; NULL in a sealed
	 * chunk */
	struct store_rows *open;
	uint64_t open_row; /* number of the first of them */
	uint32_t block_rows; /* rows of a full block */
	struct dict *dict[TABLE_COLUMNS_MAX]; /* owned, NULL before the first text */
	struct hashes hashes[TABLE_COLUMNS_MAX];
	uint64_t first_journal; /* number of the oldest journal file with rows of it; 0: none */
	int64_t opened_ns; /* monotonic */
	bool unlogged; /* holds rows that the journal could not take */
};

/* NULL when memory is out. */
struct chunk *chunk_new(const struct store_table *table, uint32_t block_rows);
void chunk_free(struct chunk *chunk);

/* The table has more columns now. */
void chunk_learn(struct chunk *chunk, const struct store_table *table);

/* How many rows, from number `row` on, fit into the open block; 0: pack it first, or start a new
 * chunk. */
uint32_t chunk_room(const struct chunk *chunk, uint64_t row);

/*
 * Takes over rows [from, to) of the batch, numbered from `row`: all or none. -ENOSPC when they do
 * not fit into the open block or a dictionary is full (start a new chunk then), -ENOMEM.
 */
int chunk_add(struct chunk *chunk, const struct store_rows *rows, uint32_t from, uint32_t to,
	      uint64_t row);

/* Packs the open rows, if there are any. 0 or -ENOMEM; nothing is lost then. */
int chunk_pack(struct chunk *chunk, struct codec *codec);

/* Bytes of memory it holds. */
size_t chunk_memory(const struct chunk *chunk);

/* Hash of a value for a bloom filter. */
uint64_t cell_hash(const struct store_cell *cell);
