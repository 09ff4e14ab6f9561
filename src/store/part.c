// SPDX-License-Identifier: GPL-2.0-only
/* part - a chunk in memory or a segment on disk, looked at in the same way. */
#include "store/part.h"

#include <errno.h>

void part_init(struct part *part, struct codec *codec)
{
	memset(part, 0, sizeof(*part));
	part->codec = codec;
}

static void forget_block(struct part *part)
{
	for (uint32_t i = 0; part->table && i < part->table->count; i++)
		part->column[i].now = NULL;
}

void part_leave(struct part *part)
{
	for (uint32_t i = 0; part->table && i < part->table->count; i++) {
		part->column[i].now = NULL;
		if (part->column[i].has_dict)
			dict_done(&part->column[i].dict);
		part->column[i].has_dict = false;
	}
	part->table = NULL;
	part->chunk = NULL;
	part->segment = NULL;
}

void part_done(struct part *part)
{
	part_leave(part);
	for (int i = 0; i < TABLE_COLUMNS_MAX; i++)
		vector_done(&part->column[i].own);
}

void part_enter_chunk(struct part *part, const struct chunk *chunk)
{
	part->table = &chunk->table;
	part->chunk = chunk;
	part->blocks = chunk->blocks + (chunk->open && chunk->open->count);
}

void part_enter_segment(struct part *part, struct segment_reader *segment)
{
	part->table = &segment->table;
	part->segment = segment;
	part->blocks = segment->blocks;
}

/* NULL: the open rows of a chunk. */
static const struct block *packed_block(const struct part *part)
{
	if (part->segment)
		return &part->segment->block[part->block];
	return part->block < part->chunk->blocks ? &part->chunk->block[part->block] : NULL;
}

void part_enter_block(struct part *part, uint32_t number)
{
	const struct block *block;

	forget_block(part);
	part->block = number;
	block = packed_block(part);
	if (block) {
		part->rows = block->rows;
		part->first_row = block->first_row;
		part->time_min = block->time_min;
		part->time_max = block->time_max;
	} else {
		part->rows = part->chunk->open->count;
		part->first_row = part->chunk->open_row;
		part->time_min = part->chunk->time_min; /* wider than it may be */
		part->time_max = part->chunk->time_max;
	}
}

int part_column(const struct part *part, const char *name, enum store_type type)
{
	int column = store_table_column(part->table, name);
	enum store_type mine = column < 0 ? 0 : part->table->column[column].type;

	if (mine == type || (type_is_whole(mine) && type_is_whole(type)))
		return column;
	return -ENOENT;
}

bool part_range(const struct part *part, uint32_t column, struct column_range *ret_range)
{
	const struct block *block = packed_block(part);

	if (!block) {
		*ret_range =
			(struct column_range){.count = part->chunk->open->vector[column].count};
		return !ret_range->count;
	}
	*ret_range = column < block->count ? block->piece[column].range : (struct column_range){};
	return true;
}

static struct vector *own_vector(struct part *part, uint32_t column)
{
	struct part_column *mine = &part->column[column];
	enum store_type type = part->table->column[column].type;

	if (mine->own.values && mine->own_words < words_of(type))
		vector_done(&mine->own);
	if (!mine->own.values)
		mine->own_words = words_of(type);
	return vector_make(&mine->own, type, BLOCK_ROWS_MAX) ? &mine->own : NULL;
}

static int read_packed(struct part *part, const struct block *block, uint32_t column,
		       struct vector *vector)
{
	const struct piece *piece = &block->piece[column];

	if (part->segment)
		return segment_vector(part->segment, part->codec, part->block, column, vector);
	vector->count = 0;
	if (column >= block->count || !piece->len)
		return 0;
	return codec_read(part->codec, part->table->column[column].type,
			  (struct span){block->bytes + piece->offset, piece->len}, block->rows,
			  vector);
}

int part_vector(struct part *part, uint32_t column, const struct vector **ret_vector)
{
	struct part_column *mine = &part->column[column];
	const struct block *block = packed_block(part);
	struct vector *vector;
	int error;

	if (!mine->now && !block) {
		mine->now = &part->chunk->open->vector[column];
	} else if (!mine->now) {
		vector = own_vector(part, column);
		if (!vector)
			return -ENOMEM;
		error = read_packed(part, block, column, vector);
		if (error)
			return error;
		mine->now = vector;
	}
	*ret_vector = mine->now;
	return 0;
}

int part_dict(struct part *part, uint32_t column, const struct dict **ret_dict)
{
	static const struct dict empty;
	struct part_column *mine = &part->column[column];
	int error;

	if (part->chunk) {
		*ret_dict = part->chunk->dict[column] ? part->chunk->dict[column] : &empty;
		return 0;
	}
	if (!mine->has_dict) {
		error = segment_dict(part->segment, part->codec, column, &mine->dict);
		if (error)
			return error;
		mine->has_dict = true;
	}
	*ret_dict = &mine->dict;
	return 0;
}
