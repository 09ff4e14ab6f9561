// SPDX-License-Identifier: GPL-2.0-only
/*
 * frame - what the journal's frames say.
 *
 *	table	FRAME_TABLE id table
 *	rows	FRAME_ROWS id first-row rows columns, and per column: length of the piece, piece (codec.h, not
 *		packed); for a text column length and bytes of its dictionary
 *
 * A frame of rows brings its own dictionaries: it can be read when others are lost.
 */
#include "store/frame.h"

#include <errno.h>
#include <stdlib.h>

#include "store/journal.h"

static void begin(struct buf *frame, enum frame_kind kind)
{
	buf_clear(frame);
	buf_fill(frame, 0, JOURNAL_FRAME_HEAD);
	buf_char(frame, (char)kind);
}

void frame_of_table(struct buf *frame, uint32_t id, const struct store_table *table)
{
	begin(frame, FRAME_TABLE);
	buf_varint(frame, id);
	store_table_write(table, frame);
}

/* Writes a length of 4 bytes in front of what `put` appends. */
static void close_length(struct buf *frame, size_t from)
{
	uint32_t len = (uint32_t)(frame->len - from - sizeof(len));

	if (!frame->full)
		memcpy(frame->at + from, &len, sizeof(len));
}

int frame_of_rows(struct buf *frame, struct codec *codec, uint32_t id,
		  const struct store_rows *rows, uint64_t first_row)
{
	uint32_t columns = rows->table->count;
	int error = 0;

	begin(frame, FRAME_ROWS);
	buf_varint(frame, id);
	buf_varint(frame, first_row);
	buf_varint(frame, rows->count);
	buf_varint(frame, columns);
	for (uint32_t i = 0; i < columns && !error; i++) {
		enum store_type type = rows->table->column[i].type;
		struct column_range range;
		size_t from = frame->len;

		buf_half(frame, 0);
		if (rows->vector[i].count)
			error = codec_write(codec, type, &rows->vector[i], rows->count, false,
					    frame, &range);
		close_length(frame, from);
		if (!rows->vector[i].count || !type_is_text(type))
			continue;
		from = frame->len;
		buf_half(frame, 0);
		dict_write(rows->dict[i], frame);
		close_length(frame, from);
	}
	return frame->full ? -ENOMEM : error;
}

int table_of_frame(struct reader *reader, uint32_t *ret_id, struct store_table *ret_table)
{
	uint64_t id = get_varint(reader);

	*ret_id = (uint32_t)id;
	return id > UINT16_MAX ? -EBADMSG : store_table_read(ret_table, reader);
}

int head_of_rows(struct reader *reader, struct frame_rows *ret_head)
{
	uint64_t id = get_varint(reader), rows;

	ret_head->first_row = get_varint(reader);
	rows = get_varint(reader);
	if (reader->bad || id > UINT16_MAX || rows < 1 || rows > ROWS_MAX ||
	    ret_head->first_row > UINT64_MAX - rows)
		return -EBADMSG;
	ret_head->id = (uint32_t)id;
	ret_head->rows = (uint32_t)rows;
	return 0;
}

static int read_dict(struct reader *reader, struct dict **ret_dict)
{
	struct span bytes = get_bytes(reader, get_u32(reader));
	struct dict *dict;
	int error;

	if (reader->bad)
		return -EBADMSG;
	dict = malloc(sizeof(*dict));
	if (!dict)
		return -ENOMEM;
	error = dict_read(dict, bytes, ROWS_MAX);
	if (error)
		free(dict);
	else
		*ret_dict = dict;
	return error;
}

/* Where a written column goes: -1 when the table does not have it like that. */
static int target_of(const struct store_column *written, const struct store_table *table)
{
	int column = store_table_column(table, written->name);

	return column >= 0 && table->column[column].type == written->type ? column : -1;
}

static int read_column(struct reader *reader, struct codec *codec, const struct frame_rows *head,
		       const struct store_column *written, struct store_rows *rows)
{
	struct span piece = get_bytes(reader, get_u32(reader));
	int target = target_of(written, rows->table);
	struct vector vector = {};
	struct dict *dict = NULL;
	int error = 0;

	if (reader->bad)
		return -EBADMSG;
	if (!piece.len)
		return 0;
	/* made for the whole batch, since the batch goes on using it */
	if (!vector_make(&vector, written->type, rows->cap))
		return -ENOMEM;
	error = codec_read(codec, written->type, piece, head->rows, &vector);
	if (!error && type_is_text(written->type))
		error = vector.count ? read_dict(reader, &dict) : -EBADMSG;
	if (!error && dict && vector_max(&vector, head->rows) >= dict->count)
		error = -EBADMSG;
	if (!error && target >= 0 && !rows->vector[target].values) {
		rows->vector[target] = vector;
		rows->dict[target] = dict;
		return 0;
	}
	vector_done(&vector);
	if (dict)
		dict_done(dict);
	free(dict);
	return error;
}

int rows_of_frame(struct reader *reader, struct codec *codec, const struct frame_rows *head,
		  const struct store_table *written, struct store_rows *rows)
{
	uint64_t columns = get_varint(reader);
	int error = 0;

	if (reader->bad || columns > written->count || head->rows > rows->cap)
		return -EBADMSG;
	for (uint32_t i = 0; i < columns && !error; i++)
		error = read_column(reader, codec, head, &written->column[i], rows);
	if (!error && (reader_left(reader) || rows->vector[0].count != head->rows))
		error = -EBADMSG;
	if (!error)
		rows->count = head->rows;
	return error;
}
