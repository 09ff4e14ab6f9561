/* SPDX-License-Identifier: GPL-2.0-only */
/* frame - what the journal's frames say: which tables there are, rows, and later samples. */
#pragma once

#include "store/codec.h"

/* The first byte of a frame. */
enum frame_kind { FRAME_TABLE = 1, FRAME_ROWS = 2, FRAME_SERIES = 3, FRAME_SAMPLES = 4 };

/* Both begin the buffer anew and leave room for the journal's head. `id` is the table's within
 * this file. */
void frame_of_table(struct buf *frame, uint32_t id, const struct store_table *table);
/* 0 or -ENOMEM. */
int frame_of_rows(struct buf *frame, struct codec *codec, uint32_t id,
		  const struct store_rows *rows, uint64_t first_row);

/* What follows the kind of a FRAME_TABLE. */
int table_of_frame(struct reader *reader, uint32_t *ret_id, struct store_table *ret_table);

/* What comes first in a FRAME_ROWS. */
struct frame_rows {
	uint32_t id;
	uint64_t first_row;
	uint32_t rows;
};
int head_of_rows(struct reader *reader, struct frame_rows *ret_head);

/*
 * The rows behind it, which were of table `written`, as rows of the batch's table: columns are
 * found by name, those that it lacks or that have another type are left out. The batch must be
 * empty and have room. 0, -EBADMSG or -ENOMEM.
 */
int rows_of_frame(struct reader *reader, struct codec *codec, const struct frame_rows *head,
		  const struct store_table *written, struct store_rows *rows);
