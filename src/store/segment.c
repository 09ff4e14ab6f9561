// SPDX-License-Identifier: GPL-2.0-only
/* segment - the rows of one chunk as an immutable file, and its reader. */
#include "store/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/bloom.h"

enum {
	COLUMN_FIND = 1, /* flag in the footer */
	DICT_BYTES_MAX = 64 << 20, /* unpacked, more is not believed */
	PIECE_MAX = 64 << 20,
};

void segment_name(char name[FILE_NAME_BYTES], const char *table, uint64_t number)
{
	snprintf(name, FILE_NAME_BYTES, "%s-%016llx.seg", table, (unsigned long long)number);
}

static struct piece put_piece(struct file_writer *file, const struct buf *bytes)
{
	return (struct piece){
		.offset = file_put(file, bytes->at, bytes->len),
		.len = (uint32_t)bytes->len,
		.crc = crc32c(0, bytes->at, bytes->len),
	};
}

static int put_dict(struct file_writer *file, struct codec *codec, const struct dict *dict,
		    struct piece *ret_piece)
{
	struct buf plain, packed;
	int error;

	buf_init(&plain, DICT_BYTES_MAX);
	buf_init(&packed, DICT_BYTES_MAX);
	dict_write(dict, &plain);
	error = plain.full ? -ENOMEM : codec_pack(codec, buf_as_span(&plain), &packed);
	if (!error) {
		*ret_piece = put_piece(file, &packed);
		ret_piece->range.count = dict->count;
	}
	buf_done(&plain);
	buf_done(&packed);
	return error;
}

static int put_bloom(struct file_writer *file, const struct chunk *chunk, uint32_t column,
		     struct piece *ret_piece)
{
	const struct dict *dict = chunk->dict[column];
	const struct hashes *hashes = &chunk->hashes[column];
	uint32_t count = dict ? dict->count : hashes->count, blocks = bloom_blocks(count);
	struct bloom_block *filter;
	struct buf bytes;

	if (!count)
		return 0;
	filter = calloc(blocks, sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct span text = dict ? dict_at(dict, i) : (struct span){};

		bloom_add(filter, blocks, dict ? stable_hash(text.at, text.len) : hashes->at[i]);
	}
	bytes = (struct buf){.at = (char *)filter, .len = blocks * sizeof(*filter)};
	*ret_piece = put_piece(file, &bytes);
	free(filter);
	return 0;
}

static void footer_piece(struct buf *footer, const struct piece *piece)
{
	buf_varint(footer, piece->len);
	if (!piece->len)
		return;
	buf_varint(footer, piece->offset);
	buf_half(footer, piece->crc);
	buf_varint(footer, piece->range.count);
	buf_varint(footer, piece->range.min);
	buf_varint(footer, piece->range.max - piece->range.min);
}

static void footer_block(struct buf *footer, const struct block *block, uint64_t offset)
{
	buf_varint(footer, block->first_row);
	buf_varint(footer, block->rows);
	buf_varint(footer, zigzag(block->time_min));
	buf_varint(footer, zigzag(block->time_max));
	buf_varint(footer, block->count);
	for (uint32_t i = 0; i < block->count; i++) {
		struct piece piece = block->piece[i];

		piece.offset += offset;
		footer_piece(footer, &piece);
	}
}

static void footer_head(struct buf *footer, const struct segment_source *source)
{
	buf_varint(footer, source->number);
	buf_varint(footer, zigzag(source->written_ns));
	buf_varint(footer, source->replaces_count);
	for (uint32_t i = 0; i < source->replaces_count; i++)
		buf_varint(footer, source->replaces[i]);
}

static int write_pieces(struct file_writer *file, struct codec *codec, const struct chunk *chunk,
			const struct segment_source *source, struct buf *footer)
{
	struct segment_column columns[TABLE_COLUMNS_MAX] = {};
	uint64_t offsets[CHUNK_BLOCKS_MAX];
	uint32_t count = chunk->table.count;
	int error = 0;

	for (uint32_t i = 0; i < chunk->blocks; i++)
		offsets[i] = file_put(file, chunk->block[i].bytes, chunk->block[i].bytes_len);
	for (uint32_t i = 0; i < count && !error; i++) {
		if (chunk->dict[i])
			error = put_dict(file, codec, chunk->dict[i], &columns[i].dict);
		if (!error && chunk->table.column[i].find)
			error = put_bloom(file, chunk, i, &columns[i].bloom);
	}
	footer_head(footer, source);
	store_table_write(&chunk->table, footer);
	for (uint32_t i = 0; i < count; i++) {
		footer_piece(footer, &columns[i].dict);
		footer_piece(footer, &columns[i].bloom);
	}
	buf_varint(footer, chunk->blocks);
	for (uint32_t i = 0; i < chunk->blocks; i++)
		footer_block(footer, &chunk->block[i], offsets[i]);
	return error ? error : footer->full ? -ENOMEM : 0;
}

int segment_write(const struct segment_source *source, struct codec *codec,
		  const struct chunk *chunk, uint64_t *ret_bytes)
{
	char name[FILE_NAME_BYTES];
	struct file_writer file;
	struct buf footer, packed;
	int error;

	if (!chunk->blocks || (chunk->open && chunk->open->count))
		return -EINVAL;
	segment_name(name, chunk->table.name, source->number);
	error = file_begin(&file, source->disk, source->dir, name, FILE_ROWS);
	if (error) {
		file_abandon(&file);
		return error;
	}
	buf_init(&footer, FILE_FOOTER_MAX);
	buf_init(&packed, FILE_FOOTER_MAX);
	error = write_pieces(&file, codec, chunk, source, &footer);
	if (!error)
		error = codec_pack(codec, buf_as_span(&footer), &packed);
	if (error)
		file_abandon(&file);
	else
		error = file_finish(&file, buf_as_span(&packed), ret_bytes);
	buf_done(&footer);
	buf_done(&packed);
	return error;
}

static struct piece get_piece(struct reader *reader)
{
	struct piece piece = {};
	uint64_t len = get_varint(reader), count;

	if (!len)
		return piece;
	piece.len = (uint32_t)len;
	piece.offset = get_varint(reader);
	piece.crc = get_u32(reader);
	count = get_varint(reader);
	piece.range.count = (uint32_t)count;
	piece.range.min = get_varint(reader);
	piece.range.max = piece.range.min + get_varint(reader);
	if (len > PIECE_MAX || count > UINT32_MAX)
		reader->bad = true;
	return piece;
}

static bool get_head(struct reader *reader, struct segment_reader *segment)
{
	uint64_t count;

	segment->number = get_varint(reader);
	segment->written_ns = unzigzag(get_varint(reader));
	count = get_varint(reader);
	if (count > SEGMENT_REPLACES_MAX)
		return false;
	segment->replaces_count = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++)
		segment->replaces[i] = get_varint(reader);
	return !reader->bad;
}

static bool get_table(struct reader *reader, struct segment_reader *segment)
{
	if (store_table_read(&segment->table, reader))
		return false;
	for (uint32_t i = 0; i < segment->table.count; i++) {
		segment->column[i].dict = get_piece(reader);
		segment->column[i].bloom = get_piece(reader);
	}
	return !reader->bad;
}

static bool get_block(struct reader *reader, const struct segment_reader *segment,
		      struct block *block)
{
	uint64_t rows, count;

	block->first_row = get_varint(reader);
	rows = get_varint(reader);
	block->time_min = unzigzag(get_varint(reader));
	block->time_max = unzigzag(get_varint(reader));
	count = get_varint(reader);
	if (reader->bad || rows < 1 || rows > BLOCK_ROWS_MAX || count > segment->table.count ||
	    !count || block->first_row > UINT64_MAX - rows || block->first_row < segment->next_row)
		return false;
	block->rows = (uint32_t)rows;
	block->piece = calloc(count, sizeof(*block->piece));
	if (!block->piece)
		return false;
	block->count = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		block->piece[i] = get_piece(reader);
		if (block->piece[i].range.count > rows)
			return false;
	}
	return !reader->bad && block->piece[0].range.count == rows;
}

static bool get_blocks(struct reader *reader, struct segment_reader *segment)
{
	uint64_t blocks = get_varint(reader);

	if (reader->bad || !blocks || blocks > CHUNK_BLOCKS_MAX)
		return false;
	segment->block = calloc(blocks, sizeof(*segment->block));
	if (!segment->block)
		return false;
	segment->time_min = INT64_MAX;
	segment->time_max = INT64_MIN;
	for (uint32_t i = 0; i < blocks; i++) {
		struct block *block = &segment->block[i];

		segment->blocks = i + 1;
		if (!get_block(reader, segment, block))
			return false;
		if (!i)
			segment->first_row = block->first_row;
		segment->next_row = block->first_row + block->rows;
		segment->rows += block->rows;
		if (block->time_min < segment->time_min)
			segment->time_min = block->time_min;
		if (block->time_max > segment->time_max)
			segment->time_max = block->time_max;
	}
	return !reader_left(reader);
}

int segment_open(struct segment_reader *segment, const struct disk *disk, int dir, const char *name,
		 struct codec *codec, struct err *why)
{
	struct reader reader;
	struct buf footer;
	int error;

	memset(segment, 0, sizeof(*segment));
	buf_init(&segment->raw, PIECE_MAX);
	error = file_open(&segment->file, disk, dir, name, why);
	if (error)
		return error;
	buf_init(&footer, FILE_FOOTER_MAX);
	error = codec_unpack(codec, segment->file.footer, FILE_FOOTER_MAX, &footer);
	reader = reader_of(buf_as_span(&footer));
	if (error == -ENOMEM)
		err_set(why, error, "no memory for the footer of '%s'", name);
	else if (error || segment->file.kind != FILE_ROWS || !get_head(&reader, segment) ||
		 !get_table(&reader, segment) || !get_blocks(&reader, segment))
		error = err_set(why, -EBADMSG, "the footer of '%s' makes no sense", name);
	buf_done(&footer);
	if (error)
		segment_close(segment);
	return error;
}

void segment_close(struct segment_reader *segment)
{
	file_close(&segment->file);
	for (uint32_t i = 0; i < segment->blocks; i++)
		free(segment->block[i].piece);
	free(segment->block);
	segment->block = NULL;
	segment->blocks = 0;
	buf_done(&segment->raw);
}

int segment_vector(struct segment_reader *segment, struct codec *codec, uint32_t number,
		   uint32_t column, struct vector *vector)
{
	const struct block *block = &segment->block[number];
	enum store_type type = segment->table.column[column].type;
	const struct piece *piece;
	int error;

	vector->count = 0;
	if (column >= block->count || !block->piece[column].len)
		return 0;
	piece = &block->piece[column];
	error = file_get(&segment->file, piece->offset, piece->len, piece->crc, &segment->raw);
	if (!error)
		error = codec_read(codec, type, buf_as_span(&segment->raw), block->rows, vector);
	if (!error && type_is_text(type) && vector->count &&
	    vector_max(vector, block->rows) >= segment->column[column].dict.range.count)
		error = -EBADMSG;
	if (!error && !column && vector->count != block->rows)
		error = -EBADMSG;
	if (error)
		vector->count = 0;
	return error;
}

int segment_dict(struct segment_reader *segment, struct codec *codec, uint32_t column,
		 struct dict *dict)
{
	const struct piece *piece = &segment->column[column].dict;
	struct buf plain;
	int error;

	dict_init(dict, 0, 0);
	if (!piece->len)
		return 0;
	error = file_get(&segment->file, piece->offset, piece->len, piece->crc, &segment->raw);
	if (error)
		return error;
	buf_init(&plain, DICT_BYTES_MAX);
	error = codec_unpack(codec, buf_as_span(&segment->raw), DICT_BYTES_MAX, &plain);
	if (!error)
		error = dict_read(dict, buf_as_span(&plain), piece->range.count);
	if (!error && dict->count != piece->range.count) {
		dict_done(dict);
		error = -EBADMSG;
	}
	buf_done(&plain);
	return error;
}

int segment_may_hold(struct segment_reader *segment, uint32_t column, uint64_t hash)
{
	const struct piece *piece = &segment->column[column].bloom;
	struct bloom_block block;
	uint32_t blocks = piece->len / BLOOM_BLOCK;
	int error;

	if (!piece->len)
		return 1;
	if (piece->len % BLOOM_BLOCK)
		return -EBADMSG;
	error = file_get(&segment->file, piece->offset, piece->len, piece->crc, &segment->raw);
	if (error)
		return error;
	memcpy(&block, segment->raw.at + (size_t)bloom_block_of(hash, blocks) * BLOOM_BLOCK,
	       sizeof(block));
	return bloom_may_hold(&block, hash);
}
