// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes as a segment: refused, or every column, dictionary and filter of it can be read without harm, and what is
 * read is consistent. The first byte chooses: the bytes are the whole file; or a footer, before which pieces
 * stand; or the part of a footer that follows a proper table, so that the fuzzer need not find one.
 */
#include "store/segment.h"

#include <stdlib.h>

#include "store/fuzz_disk.h"

static const struct store_column columns[] = {
	{"time", STORE_TIME}, {"a", STORE_U64, true},  {"b", STORE_I64},        {"c", STORE_DOUBLE},
	{"d", STORE_BOOL},    {"e", STORE_TEXT, true}, {"f", STORE_ID16, true}, {"g", STORE_SKETCH},
};

static void put_tail(struct buf *file, uint64_t footer_at)
{
	uint32_t footer_len = (uint32_t)(file->len - footer_at);

	buf_word(file, footer_at);
	buf_half(file, footer_len);
	buf_half(file, 0); /* sums are not checked here (sum_is) */
	buf_half(file, FILE_VERSION);
	buf_half(file, FILE_ROWS);
	buf_half(file, 0);
	buf_half(file, 0);
	buf_str(file, "SONDEEND");
}

static void put_footer(struct buf *file, struct codec *codec, struct span rest, bool with_table)
{
	struct store_table table = {.name = "t", .count = sizeof(columns) / sizeof(*columns)};
	struct buf footer;

	buf_init(&footer, FILE_FOOTER_MAX);
	memcpy(table.column, columns, sizeof(columns));
	if (with_table) {
		buf_add(&footer, "\1\0\0", 3); /* number, time, nothing replaced */
		store_table_write(&table, &footer);
	}
	buf_span(&footer, rest);
	codec_pack(codec, buf_as_span(&footer), file);
	buf_done(&footer);
}

/* choice, length of the pieces (2), pieces, footer */
static void make_file(struct buf *file, struct codec *codec, struct span in)
{
	size_t pieces;

	if (in.len < 3 || in.at[0] % 3 == 0) {
		buf_span(file, span_from(in, 1));
		return;
	}
	pieces = (size_t)(in.at[1] | in.at[2] << 8) % (in.len - 2);
	buf_str(file, "SONDESEG");
	buf_half(file, FILE_VERSION);
	buf_half(file, FILE_ROWS);
	buf_add(file, in.at + 3, pieces);
	put_footer(file, codec, span_from(in, 3 + pieces), in.at[0] % 3 == 1);
	put_tail(file, FILE_HEAD_BYTES + pieces);
}

static void read_column(struct segment_reader *segment, struct codec *codec, uint32_t column)
{
	enum store_type type = segment->table.column[column].type;
	struct vector vector = {};
	struct dict dict;
	int error = segment_dict(segment, codec, column, &dict);

	for (uint32_t i = 0; !error && i < dict.count; i++)
		(void)dict_at(&dict, i);
	(void)segment_may_hold(segment, column, 0x123456789abcdefu);
	if (!vector_make(&vector, type, BLOCK_ROWS_MAX))
		return;
	for (uint32_t block = 0; block < segment->blocks; block++) {
		uint32_t rows = segment->block[block].rows, present = 0;

		if (segment_vector(segment, codec, block, column, &vector))
			continue;
		for (uint32_t row = 0; row < rows; row++) {
			present += vector_has(&vector, row);
			if (!error && vector_has(&vector, row))
				(void)vector_cell(&vector, type, &dict, row);
		}
		if (present != vector.count)
			abort();
	}
	vector_done(&vector);
	dict_done(&dict);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static struct codec codec;
	static struct segment_reader segment;
	struct buf file;

	if (!codec.pack && codec_init(&codec))
		return 0;
	buf_init(&file, 1 << 20);
	make_file(&file, &codec, (struct span){at, len});
	fuzz_file = buf_as_span(&file);
	if (!segment_open(&segment, &fuzz_disk, 0, "fuzz", &codec, NULL)) {
		for (uint32_t column = 0; column < segment.table.count; column++)
			read_column(&segment, &codec, column);
		segment_close(&segment);
	}
	buf_done(&file);
	return 0;
}
