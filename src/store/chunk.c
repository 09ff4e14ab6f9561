// SPDX-License-Identifier: GPL-2.0-only
/* chunk - rows of one table that are not yet a segment: a few packed blocks and one open one. */
#include "store/chunk.h"

#include <errno.h>
#include <stdlib.h>

enum {
	RECENT_HASHES = 512,
	FIRST_ROWS = 128, /* of an open block: tables that get little stay small */
	BLOCK_BYTES_MAX = BLOCK_ROWS_MAX * 17 * TABLE_COLUMNS_MAX,
};

struct chunk *chunk_new(const struct store_table *table, uint32_t block_rows)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk));

	if (!chunk)
		return NULL;
	chunk->table = *table;
	chunk->block_rows =
		block_rows < 1 || block_rows > BLOCK_ROWS_MAX ? BLOCK_ROWS_MAX : block_rows;
	chunk->time_min = INT64_MAX;
	chunk->time_max = INT64_MIN;
	chunk->open = store_rows_new(
		&chunk->table, chunk->block_rows < FIRST_ROWS ? chunk->block_rows : FIRST_ROWS);
	if (!chunk->open) {
		free(chunk);
		return NULL;
	}
	return chunk;
}

void chunk_learn(struct chunk *chunk, const struct store_table *table)
{
	for (uint32_t i = chunk->table.count; i < table->count; i++)
		chunk->table.column[i] = table->column[i];
	chunk->table.count = table->count;
}

void chunk_free(struct chunk *chunk)
{
	if (!chunk)
		return;
	for (uint32_t i = 0; i < chunk->blocks; i++) {
		free(chunk->block[i].piece);
		free(chunk->block[i].bytes);
	}
	for (int i = 0; i < TABLE_COLUMNS_MAX; i++) {
		if (chunk->dict[i])
			dict_done(chunk->dict[i]);
		free(chunk->dict[i]);
		free(chunk->hashes[i].at);
	}
	store_rows_free(chunk->open);
	free(chunk->block);
	free(chunk);
}

size_t chunk_memory(const struct chunk *chunk)
{
	size_t bytes = sizeof(*chunk) + chunk->bytes + chunk->blocks_room * sizeof(*chunk->block);

	for (uint32_t i = 0; i < chunk->blocks; i++)
		bytes += chunk->block[i].count * sizeof(struct piece);
	for (uint32_t i = 0; i < chunk->table.count; i++) {
		bytes += chunk->hashes[i].room * sizeof(uint64_t);
		if (chunk->dict[i])
			bytes += dict_memory(chunk->dict[i]);
	}
	return bytes + (chunk->open ? store_rows_memory(chunk->open) : 0);
}

static struct dict *dict_of(struct chunk *chunk, uint32_t column)
{
	if (!chunk->dict[column]) {
		chunk->dict[column] = malloc(sizeof(struct dict));
		if (chunk->dict[column])
			dict_init(chunk->dict[column], CHUNK_TEXTS_MAX, CHUNK_TEXT_BYTES_MAX);
	}
	return chunk->dict[column];
}

/* The codes of this chunk for the batch's texts: ret_codes[batch code] = code + 1, 0 where no
 * row uses it. */
static int translate(struct chunk *chunk, const struct store_rows *rows, uint32_t column,
		     uint32_t from, uint32_t to, uint32_t **ret_codes)
{
	const struct dict *theirs = rows->dict[column];
	struct dict *ours = dict_of(chunk, column);
	const struct vector *vector = &rows->vector[column];
	uint32_t *codes = calloc(theirs->count, sizeof(*codes));
	int64_t code = 0;

	if (!ours || !codes) {
		free(codes);
		return -ENOMEM;
	}
	for (uint32_t row = from; row < to; row++) {
		uint64_t their = vector->values[row];

		if (!vector_has(vector, row) || codes[their])
			continue;
		code = dict_put(ours, dict_at(theirs, (uint32_t)their));
		if (code < 0) {
			free(codes);
			return (int)code;
		}
		codes[their] = (uint32_t)code + 1;
	}
	*ret_codes = codes;
	return 0;
}

/* Copies the values of one column behind those of the open block. The vector is there. */
static void copy_column(struct vector *to, uint32_t at, const struct store_rows *rows,
			uint32_t column, uint32_t begin, uint32_t count, const uint32_t *codes)
{
	const struct vector *from = &rows->vector[column];
	uint32_t words = words_of(rows->table->column[column].type);

	if (!codes)
		memcpy(to->values + (size_t)at * words, from->values + (size_t)begin * words,
		       (size_t)count * words * sizeof(uint64_t));
	if (from->count == rows->count) {
		for (uint32_t i = 0; codes && i < count; i++)
			to->values[at + i] = codes[from->values[begin + i]] - 1;
		vector_mark_range(to, at, count);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!vector_has(from, begin + i))
			continue;
		if (codes)
			to->values[at + i] = codes[from->values[begin + i]] - 1;
		vector_mark(to, at + i);
	}
}

static bool column_is_used(const struct store_rows *rows, uint32_t column)
{
	return rows->vector[column].count != 0;
}

/* Rows that fit into the open block together, with their texts as codes of the chunk. */
static int add_to_open(struct chunk *chunk, const struct store_rows *rows, uint32_t from,
		       uint32_t to)
{
	uint32_t *codes[TABLE_COLUMNS_MAX] = {};
	const struct store_table *table = &chunk->table;
	struct store_rows *open = chunk->open;
	int error = 0;

	for (uint32_t i = 0; i < table->count && !error; i++) {
		if (!column_is_used(rows, i))
			continue;
		if (!vector_make(&open->vector[i], table->column[i].type, open->cap))
			error = -ENOMEM;
		else if (type_is_text(table->column[i].type))
			error = translate(chunk, rows, i, from, to, &codes[i]);
	}
	for (uint32_t i = 0; i < table->count && !error; i++)
		if (column_is_used(rows, i))
			copy_column(&open->vector[i], open->count, rows, i, from, to - from,
				    codes[i]);
	for (uint32_t i = 0; i < table->count; i++)
		free(codes[i]);
	if (!error)
		open->count += to - from;
	return error;
}

static void note_times(struct chunk *chunk, const struct store_rows *rows, uint32_t from,
		       uint32_t to)
{
	for (uint32_t row = from; row < to; row++) {
		int64_t time = (int64_t)rows->vector[0].values[row];

		chunk->time_min = time < chunk->time_min ? time : chunk->time_min;
		chunk->time_max = time > chunk->time_max ? time : chunk->time_max;
	}
}

uint32_t chunk_room(const struct chunk *chunk, uint64_t row)
{
	const struct store_rows *open = chunk->open;

	if (open->count &&
	    (row != chunk->open_row + open->count || open->count >= chunk->block_rows))
		return 0;
	return chunk->blocks < CHUNK_BLOCKS_MAX ? chunk->block_rows - open->count : 0;
}

static int make_room_in_open(struct chunk *chunk, uint32_t count)
{
	uint32_t cap = chunk->open->cap;

	while (cap < chunk->open->count + count)
		cap *= 2;
	if (cap > chunk->block_rows)
		cap = chunk->block_rows;
	return cap > chunk->open->cap ? store_rows_grow(chunk->open, cap) : 0;
}

int chunk_add(struct chunk *chunk, const struct store_rows *rows, uint32_t from, uint32_t to,
	      uint64_t row)
{
	struct store_rows *open = chunk->open;
	int error;

	if (to - from > chunk_room(chunk, row))
		return -ENOSPC;
	error = make_room_in_open(chunk, to - from);
	if (!error)
		error = add_to_open(chunk, rows, from, to);
	if (error)
		return error;
	if (!chunk->rows)
		chunk->first_row = row;
	if (open->count == to - from)
		chunk->open_row = row;
	chunk->rows += to - from;
	chunk->next_row = row + (to - from);
	note_times(chunk, rows, from, to);
	return 0;
}

uint64_t cell_hash(const struct store_cell *cell)
{
	switch (cell->type) {
	case STORE_TEXT:
	case STORE_SKETCH: return stable_hash(cell->text.at, cell->text.len);
	case STORE_ID16: return stable_hash(cell->id16, 16);
	default: return stable_hash(&cell->u64, 8);
	}
}

/* Hashes of the open block's values. A small table of the latest ones keeps out most that come
 * again. */
static int note_hashes(struct chunk *chunk, uint32_t column)
{
	const struct vector *vector = &chunk->open->vector[column];
	uint32_t words = words_of(chunk->table.column[column].type);
	struct hashes *hashes = &chunk->hashes[column];
	uint64_t recent[RECENT_HASHES] = {};

	if (hashes->count + vector->count > hashes->room) {
		uint32_t room = hashes->room * 2 + vector->count;
		uint64_t *at = realloc(hashes->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		hashes->at = at;
		hashes->room = room;
	}
	for (uint32_t row = 0; row < chunk->open->count; row++) {
		uint64_t hash, *slot;

		if (!vector_has(vector, row))
			continue;
		hash = stable_hash(vector->values + (size_t)row * words, 8 * words);
		slot = &recent[hash % (RECENT_HASHES)];
		if (*slot != hash)
			hashes->at[hashes->count++] = hash;
		*slot = hash;
	}
	return 0;
}

static bool wants_hashes(const struct store_column *column)
{
	return column->find && (column->type == STORE_ID16 || column->type == STORE_U64 ||
				column->type == STORE_I64);
}

static int pack_columns(struct chunk *chunk, struct codec *codec, struct block *block,
			struct buf *bytes)
{
	int error = 0;

	for (uint32_t i = 0; i < block->count && !error; i++) {
		struct piece *piece = &block->piece[i];
		const struct vector *vector = &chunk->open->vector[i];

		piece->offset = bytes->len;
		if (!vector->count)
			continue;
		error = codec_write(codec, chunk->table.column[i].type, vector, block->rows, true,
				    bytes, &piece->range);
		piece->len = (uint32_t)(bytes->len - piece->offset);
		if (!error)
			piece->crc = crc32c(0, bytes->at + piece->offset, piece->len);
	}
	return error;
}

static int make_room_for_block(struct chunk *chunk)
{
	uint32_t room = chunk->blocks_room ? chunk->blocks_room * 2 : 4;
	struct block *blocks;

	if (chunk->blocks < chunk->blocks_room)
		return 0;
	blocks = realloc(chunk->block, room * sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	chunk->block = blocks;
	chunk->blocks_room = room;
	return 0;
}

int chunk_pack(struct chunk *chunk, struct codec *codec)
{
	struct store_rows *open = chunk->open;
	struct block block = {
		.first_row = chunk->open_row,
		.rows = open->count,
		.count = chunk->table.count,
	};
	struct buf bytes;
	int error;

	if (!open->count)
		return 0;
	block.piece = calloc(block.count, sizeof(*block.piece));
	if (!block.piece || make_room_for_block(chunk)) {
		free(block.piece);
		return -ENOMEM;
	}
	buf_init(&bytes, BLOCK_BYTES_MAX);
	error = pack_columns(chunk, codec, &block, &bytes);
	for (uint32_t i = 0; i < block.count && !error; i++)
		if (wants_hashes(&chunk->table.column[i]) && open->vector[i].count)
			error = note_hashes(chunk, i);
	if (error) {
		free(block.piece);
		buf_done(&bytes);
		return -ENOMEM;
	}
	block.time_min = (int64_t)block.piece[0].range.min;
	block.time_max = (int64_t)block.piece[0].range.max;
	block.bytes_len = bytes.len;
	block.bytes = realloc(bytes.at, bytes.len);
	if (!block.bytes)
		block.bytes = (uint8_t *)bytes.at;
	chunk->block[chunk->blocks++] = block;
	chunk->bytes += block.bytes_len;
	store_rows_clear(open);
	return 0;
}
