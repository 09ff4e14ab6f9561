/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * part - a chunk in memory or a segment on disk, looked at in the same way: blocks of columns.
 *
 * What is read is kept until the next block or part is entered. Not for other rooms.
 */
#pragma once

#include "store/segment.h"

struct part_column {
	struct vector own; /* room for a block's values */
	uint32_t own_words; /* it was made for so many words a row */
	const struct vector *now; /* of the present block; NULL: not read yet */
	struct dict dict; /* owned: of the present segment */
	bool has_dict;
};

struct part {
	struct codec *codec; /* borrowed */
	const struct store_table
		*table; /* of the present chunk or segment; NULL: none is entered */
	const struct chunk *chunk;
	struct segment_reader *segment;
	uint32_t blocks;
	uint32_t block; /* the present one */
	uint32_t rows; /* of it */
	uint64_t first_row;
	int64_t time_min, time_max;
	struct part_column column[TABLE_COLUMNS_MAX];
};

void part_init(struct part *part, struct codec *codec);
void part_done(struct part *part);

void part_enter_chunk(struct part *part, const struct chunk *chunk);
void part_enter_segment(struct part *part, struct segment_reader *segment);
void part_leave(struct part *part);

void part_enter_block(struct part *part, uint32_t block);

/* Column of that name whose values can be taken for ones of `type`, or -ENOENT. */
int part_column(const struct part *part, const char *name, enum store_type type);

/* What is known of a column of the present block without reading it; false: nothing. */
bool part_range(const struct part *part, uint32_t column, struct column_range *ret_range);

/* 0 or -errno; the vector is borrowed. */
int part_vector(struct part *part, uint32_t column, const struct vector **ret_vector);
int part_dict(struct part *part, uint32_t column, const struct dict **ret_dict);

/* Numbers that are kept as 64 bits of a whole number. */
static inline bool type_is_whole(enum store_type type)
{
	return type == STORE_U64 || type == STORE_BOOL || type_is_signed(type);
}
