// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes as a journal: its frames are read as recovery reads them, without harm. With an odd first byte the
 * rest is put into frames by its own lengths, behind a proper head and a proper table.
 */
#include "store/journal.h"

#include <stdlib.h>

#include "store/frame.h"
#include "store/fuzz_disk.h"

static const struct store_column columns[] = {
	{"time", STORE_TIME}, {"a", STORE_U64},  {"b", STORE_I64},  {"c", STORE_DOUBLE},
	{"d", STORE_BOOL},    {"e", STORE_TEXT}, {"f", STORE_ID16}, {"g", STORE_SKETCH},
};

struct heard {
	struct codec *codec;
	struct store_table table; /* of id 0; the table of the store has one column less */
	struct store_table ours;
};

static void hear_rows(struct heard *heard, struct reader *reader)
{
	struct frame_rows head;
	struct store_rows *rows;

	if (head_of_rows(reader, &head))
		return;
	rows = store_rows_new(&heard->ours, head.rows);
	if (rows && !rows_of_frame(reader, heard->codec, &head, &heard->table, rows)) {
		if (store_rows_count(rows) != head.rows)
			abort();
		for (uint32_t row = 0; row < head.rows; row++)
			for (uint32_t column = 0; column < heard->ours.count; column++)
				(void)store_rows_at(rows, column, row);
	}
	store_rows_free(rows);
}

static int hear_frame(void *ctx, struct span frame, const struct journal_found *found)
{
	struct heard *heard = ctx;
	struct reader reader = reader_of(frame);
	struct store_table table;
	uint32_t id;

	switch (get_u8(&reader)) {
	case FRAME_TABLE:
		if (!table_of_frame(&reader, &id, &table))
			heard->table = table;
		break;
	case FRAME_ROWS: hear_rows(heard, &reader); break;
	default: break;
	}
	return 0;
}

static void make_file(struct buf *file, struct span in)
{
	uint64_t number = 7;

	if (!in.len || in.at[0] % 2 == 0) {
		buf_span(file, span_from(in, 1));
		return;
	}
	buf_str(file, "SONDEJNL");
	buf_half(file, 1);
	buf_half(file, 0);
	buf_word(file, number);
	for (in = span_from(in, 1); in.len > 1;) {
		size_t len = 1 + in.at[0];

		if (len > in.len - 1)
			len = in.len - 1;
		buf_half(file, (uint32_t)len);
		buf_half(file, 0);
		buf_add(file, in.at + 1, len);
		in = span_from(in, 1 + len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static struct codec codec;
	static struct heard heard;
	struct journal_found found;
	struct buf file;

	if (!codec.pack && codec_init(&codec))
		return 0;
	heard.codec = &codec;
	heard.table =
		(struct store_table){.name = "t", .count = sizeof(columns) / sizeof(*columns)};
	memcpy(heard.table.column, columns, sizeof(columns));
	heard.ours = heard.table;
	heard.ours.count--;
	buf_init(&file, 1 << 20);
	make_file(&file, (struct span){at, len});
	fuzz_file = buf_as_span(&file);
	(void)journal_read(&fuzz_disk, 0, 7, hear_frame, &heard, &found);
	buf_done(&file);
	return 0;
}
