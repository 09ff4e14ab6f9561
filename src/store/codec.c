// SPDX-License-Identifier: GPL-2.0-only
/*
 * codec - one column of one block of rows as bytes, and back.
 *
 *	piece	= presence (all, some, none) [blob: bitmap of the rows that have a value] form
 *	form	= SAME value | PLANES base width blobs | STEPS first base width blobs
 *		| VARINTS base blob | DELTAS blob | IDS blobs | DECIMAL places form
 *	blob	= length of the ZSTD frame + 1, the frame | 0, plain bytes
 *
 * Values that are absent are not written at all. Numbers are written as planes: first the lowest
 * byte of every number, then the next ones, each plane compressed by itself. ZSTD finds few
 * repetitions in numbers, but a byte's values are seldom all equally frequent, and how skewed they
 * are differs from plane to plane: one Huffman code each. On a generator's requests that is 10 to
 * 15 % less than ZSTD over varints or over whole words, and no slower. What grows steadily is
 * written as planes of its steps (zigzag). Few rows, and rows in the journal, are cheaper as
 * varints.
 */
#include "store/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "store/decimal.h"

enum presence { ALL, SOME, NONE };
enum form { SAME = 1, PLANES, STEPS, VARINTS, DELTAS, IDS, DECIMAL };

enum {
	LEVEL = 1, /* of ZSTD; 3 takes half as long again and gains nothing here */
	PACK_FROM = 64, /* bytes; a frame's own head makes less not worth the while */
	PLANES_FROM = 256, /* values */
	PLAIN_MAX = BLOCK_ROWS_MAX * 16,
	IDS_KEPT = 255,
};

int codec_init(struct codec *codec)
{
	*codec = (struct codec){
		.pack = ZSTD_createCCtx(),
		.unpack = ZSTD_createDCtx(),
		.words = malloc(BLOCK_ROWS_MAX * 2 * sizeof(uint64_t)),
		.steps = malloc(BLOCK_ROWS_MAX * sizeof(uint64_t)),
		.plain = malloc(PLAIN_MAX),
	};
	if (!codec->pack || !codec->unpack || !codec->words || !codec->steps || !codec->plain) {
		codec_done(codec);
		return -ENOMEM;
	}
	ZSTD_CCtx_setParameter(codec->pack, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(codec->pack, ZSTD_c_contentSizeFlag, 0);
	return 0;
}

void codec_done(struct codec *codec)
{
	ZSTD_freeCCtx(codec->pack);
	ZSTD_freeDCtx(codec->unpack);
	free(codec->words);
	free(codec->steps);
	free(codec->plain);
	*codec = (struct codec){};
}

static int put_blob(struct codec *codec, const uint8_t *plain, size_t len, struct buf *out)
{
	size_t bound = ZSTD_compressBound(len), packed;
	char *at;

	if (codec->packing && len >= PACK_FROM) {
		/* the length in front is known afterwards: a varint of 3 bytes holds less than 2
		 * MiB */
		at = buf_reserve(out, bound + 3);
		if (!at)
			return -ENOMEM;
		packed = ZSTD_compress2(codec->pack, at + 3, bound, plain, len);
		if (!ZSTD_isError(packed) && packed + 3 < len && packed + 1 < 1 << 21) {
			at[0] = (char)((packed + 1) | 128);
			at[1] = (char)((packed + 1) >> 7 | 128);
			at[2] = (char)((packed + 1) >> 14);
			buf_commit(out, packed + 3);
			return 0;
		}
	}
	buf_char(out, 0);
	return buf_add(out, plain, len);
}

/* The `len` bytes of a blob: in the piece itself or in codec->plain. Empty span if it is bad. */
static struct span get_blob(struct codec *codec, struct reader *reader, size_t len)
{
	uint64_t packed = get_varint(reader);
	struct span frame = get_bytes(reader, packed ? packed - 1 : len);
	size_t got;

	if (reader->bad || !packed)
		return frame;
	got = len <= PLAIN_MAX
		      ? ZSTD_decompressDCtx(codec->unpack, codec->plain, len, frame.at, frame.len)
		      : 0;
	if (got == len)
		return (struct span){codec->plain, len};
	reader->bad = true;
	return (struct span){};
}

/* The values that are present, without gaps. */
static const uint64_t *gather(struct codec *codec, const struct vector *vector, uint32_t rows,
			      uint32_t words)
{
	uint64_t *to = codec->words;

	if (vector->count == rows)
		return vector->values;
	for (uint32_t i = 0; i < (rows + 63) / 64; i++)
		for (uint64_t bits = vector->present[i]; bits; bits &= bits - 1) {
			size_t row = i * 64 + (unsigned)__builtin_ctzll(bits);

			for (uint32_t word = 0; word < words; word++)
				*to++ = vector->values[row * words + word];
		}
	return codec->words;
}

/* What the numbers are like, and how long they and their steps are, in bits. */
struct shape {
	uint64_t min, max;
	uint64_t step_min, step_max; /* zigzag */
	uint64_t plain_bits, step_bits;
};

static unsigned bits_of(uint64_t value)
{
	return 64 - (unsigned)__builtin_clzll(value | 1);
}

static unsigned bytes_of(uint64_t value)
{
	return (bits_of(value) + 7) / 8;
}

static struct shape shape_of(const uint64_t *values, uint32_t count, bool is_signed)
{
	uint64_t flip = is_signed ? (uint64_t)1 << 63 : 0;
	uint64_t min = values[0] ^ flip, max = min, step_min = UINT64_MAX, step_max = 0;
	struct shape shape = {};

	for (uint32_t i = 0; i < count; i++) {
		uint64_t value = values[i] ^ flip;

		min = value < min ? value : min;
		max = value > max ? value : max;
	}
	for (uint32_t i = 1; i < count; i++) {
		uint64_t step = zigzag((int64_t)(values[i] - values[i - 1]));

		step_min = step < step_min ? step : step_min;
		step_max = step > step_max ? step : step_max;
		shape.step_bits += bits_of(step);
		shape.plain_bits += bits_of((values[i] ^ flip) - min);
	}
	shape.min = min ^ flip;
	shape.max = max ^ flip;
	shape.step_min = step_min;
	shape.step_max = step_max;
	return shape;
}

static void put_planes(struct codec *codec, const uint64_t *values, uint32_t count, uint64_t base,
		       uint64_t range, struct buf *out)
{
	unsigned width = bytes_of(range);

	buf_varint(out, base);
	buf_char(out, (char)width);
	for (unsigned plane = 0; plane < width; plane++) {
		for (uint32_t i = 0; i < count; i++)
			codec->plain[i] = (uint8_t)((values[i] - base) >> 8 * plane);
		put_blob(codec, codec->plain, count, out);
	}
}

static void put_steps(struct codec *codec, const uint64_t *values, uint32_t count,
		      struct shape shape, struct buf *out)
{
	for (uint32_t i = 1; i < count; i++)
		codec->steps[i - 1] = zigzag((int64_t)(values[i] - values[i - 1]));
	buf_varint(out, values[0]);
	put_planes(codec, codec->steps, count - 1, shape.step_min, shape.step_max - shape.step_min,
		   out);
}

static void put_varints(struct codec *codec, const uint64_t *values, uint32_t count, uint64_t base,
			struct buf *out)
{
	uint8_t *end = codec->plain;

	for (uint32_t i = 0; i < count; i++)
		end = put_varint(end, values[i] - base);
	buf_varint(out, base);
	buf_varint(out, (uint64_t)(end - codec->plain));
	put_blob(codec, codec->plain, (size_t)(end - codec->plain), out);
}

static void put_deltas(struct codec *codec, const uint64_t *values, uint32_t count, struct buf *out)
{
	uint8_t *end = codec->plain;
	uint64_t last = 0;

	for (uint32_t i = 0; i < count; i++) {
		end = put_varint(end, zigzag((int64_t)(values[i] - last)));
		last = values[i];
	}
	buf_varint(out, (uint64_t)(end - codec->plain));
	put_blob(codec, codec->plain, (size_t)(end - codec->plain), out);
}

/* Steps are only taken when clearly shorter: of two codes, neither says more than the other. */
static bool grows_steadily(struct shape shape)
{
	return shape.step_bits * 5 < shape.plain_bits * 4;
}

static void put_numbers(struct codec *codec, const uint64_t *values, uint32_t count, bool is_signed,
			struct column_range *range, struct buf *out)
{
	struct shape shape = shape_of(values, count, is_signed);

	range->min = shape.min;
	range->max = shape.max;
	if (shape.min == shape.max) {
		buf_char(out, SAME);
		buf_varint(out, shape.min);
	} else if (codec->packing && count >= PLANES_FROM) {
		buf_char(out, grows_steadily(shape) ? STEPS : PLANES);
		if (grows_steadily(shape))
			put_steps(codec, values, count, shape, out);
		else
			put_planes(codec, values, count, shape.min, shape.max - shape.min, out);
	} else if (grows_steadily(shape)) {
		buf_char(out, DELTAS);
		put_deltas(codec, values, count, out);
	} else if (shape.plain_bits > 7 * (uint64_t)bytes_of(shape.max - shape.min) * count) {
		buf_char(out, PLANES);
		put_planes(codec, values, count, shape.min, shape.max - shape.min, out);
	} else {
		buf_char(out, VARINTS);
		put_varints(codec, values, count, shape.min, out);
	}
}

/*
 * Ids come in runs (the spans of a trace), also interleaved with those of other traces: a byte a
 * row says how many new ids ago this one was new, 0 = it is new itself.
 */
static void put_ids(struct codec *codec, const uint64_t *values, uint32_t count, struct buf *out)
{
	uint32_t seen[1024] = {},
		 fresh = 0; /* hash -> number of the id among the new ones, from 1 */
	uint64_t kept[IDS_KEPT + 1][2]; /* id number n stands at n modulo 256 */
	uint8_t *references = (uint8_t *)codec->steps;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t low = values[2 * (size_t)i], high = values[2 * (size_t)i + 1];
		uint32_t *slot = &seen[(low * 0x9e3779b97f4a7c15u ^ high) >> 54];
		const uint64_t *id = kept[*slot & IDS_KEPT];

		if (*slot && fresh - *slot < IDS_KEPT && id[0] == low && id[1] == high) {
			references[i] = (uint8_t)(fresh - *slot + 1);
			continue;
		}
		references[i] = 0;
		memcpy(codec->plain + 16 * (size_t)fresh, values + 2 * (size_t)i, 16);
		*slot = ++fresh;
		kept[fresh & IDS_KEPT][0] = low;
		kept[fresh & IDS_KEPT][1] = high;
	}
	buf_char(out, IDS);
	put_blob(codec, references, count, out);
	buf_varint(out, fresh);
	put_blob(codec, codec->plain, 16 * (size_t)fresh, out);
}

/* The fewest places with which all values are decimals, -1 if there are none. ret_wholes: the
 * numbers. */
static int decimal_places(const uint64_t *values, uint32_t count, int64_t *ret_wholes)
{
	int places = 0;

	for (uint32_t i = 0; i < count; i++) {
		double value;

		memcpy(&value, &values[i], sizeof(value));
		while (!decimal_fits(value, places, &ret_wholes[i]))
			if (++places > DECIMAL_PLACES_MAX)
				return -1;
	}
	for (uint32_t i = 0; i < count; i++) {
		double value;

		memcpy(&value, &values[i], sizeof(value));
		if (!decimal_fits(value, places, &ret_wholes[i]))
			return -1;
	}
	return places;
}

static void note_double_range(const uint64_t *values, uint32_t count, struct column_range *range)
{
	double min = INFINITY, max = -INFINITY;

	for (uint32_t i = 0; i < count; i++) {
		double value;

		memcpy(&value, &values[i], sizeof(value));
		min = value < min ? value : min;
		max = value > max ? value : max;
	}
	memcpy(&range->min, &min, sizeof(min));
	memcpy(&range->max, &max, sizeof(max));
}

static void put_doubles(struct codec *codec, const uint64_t *values, uint32_t count,
			struct column_range *range, struct buf *out)
{
	int64_t *wholes = (int64_t *)codec->words + BLOCK_ROWS_MAX;
	int places = decimal_places(values, count, wholes);
	struct column_range ignored;

	note_double_range(values, count, range);
	if (places < 0) {
		buf_char(out, PLANES);
		put_planes(codec, values, count, 0, UINT64_MAX, out);
		return;
	}
	buf_char(out, DECIMAL);
	buf_char(out, (char)places);
	put_numbers(codec, (const uint64_t *)wholes, count, true, &ignored, out);
}

static void put_bitmap(struct codec *codec, const struct vector *vector, uint32_t rows,
		       struct buf *out)
{
	size_t len = (rows + 7) / 8;

	memcpy(codec->plain, vector->present, len);
	if (rows % 8)
		codec->plain[len - 1] &= (uint8_t)((1u << rows % 8) - 1);
	put_blob(codec, codec->plain, len, out);
}

int codec_write(struct codec *codec, enum store_type type, const struct vector *vector,
		uint32_t rows, bool pack, struct buf *out, struct column_range *ret_range)
{
	enum presence presence = !vector->count ? NONE : vector->count == rows ? ALL : SOME;
	const uint64_t *values;

	*ret_range = (struct column_range){.count = vector->count};
	codec->packing = pack;
	buf_char(out, (char)presence);
	if (presence == SOME)
		put_bitmap(codec, vector, rows, out);
	if (presence != NONE) {
		values = gather(codec, vector, rows, words_of(type));
		if (type == STORE_ID16)
			put_ids(codec, values, vector->count, out);
		else if (type == STORE_DOUBLE)
			put_doubles(codec, values, vector->count, ret_range, out);
		else
			put_numbers(codec, values, vector->count, type_is_signed(type), ret_range,
				    out);
		if (type_is_text(type))
			ret_range->min = ret_range->max = 0; /* codes say nothing about texts */
	}
	return out->full ? -ENOSPC : 0;
}

static bool get_planes(struct codec *codec, struct reader *reader, uint64_t *values, uint32_t count)
{
	uint64_t base = get_varint(reader);
	unsigned width = get_u8(reader);

	if (width < 1 || width > 8)
		return false;
	for (uint32_t i = 0; i < count; i++)
		values[i] = base;
	for (unsigned plane = 0; plane < width; plane++) {
		struct span bytes = get_blob(codec, reader, count);

		if (reader->bad)
			return false;
		for (uint32_t i = 0; i < count; i++)
			values[i] += (uint64_t)bytes.at[i] << 8 * plane;
	}
	return true;
}

static bool get_steps(struct codec *codec, struct reader *reader, uint64_t *values, uint32_t count)
{
	values[0] = get_varint(reader);
	if (count < 2 || !get_planes(codec, reader, values + 1, count - 1))
		return false;
	for (uint32_t i = 1; i < count; i++)
		values[i] = values[i - 1] + (uint64_t)unzigzag(values[i]);
	return true;
}

static bool get_varints(struct codec *codec, struct reader *reader, uint64_t *values,
			uint32_t count)
{
	uint64_t base = get_varint(reader);
	uint64_t len = get_varint(reader);
	struct reader numbers = reader_of(get_blob(codec, reader, len));

	for (uint32_t i = 0; i < count; i++)
		values[i] = base + get_varint(&numbers);
	return !numbers.bad && !reader_left(&numbers);
}

static bool get_deltas(struct codec *codec, struct reader *reader, uint64_t *values, uint32_t count)
{
	uint64_t len = get_varint(reader), last = 0;
	struct reader numbers = reader_of(get_blob(codec, reader, len));

	for (uint32_t i = 0; i < count; i++) {
		last += (uint64_t)unzigzag(get_varint(&numbers));
		values[i] = last;
	}
	return !numbers.bad && !reader_left(&numbers);
}

static bool get_ids(struct codec *codec, struct reader *reader, uint64_t *values, uint32_t count)
{
	struct span references = get_blob(codec, reader, count), ids;
	uint64_t known;
	uint32_t fresh = 0;

	if (reader->bad)
		return false;
	memcpy(codec->steps, references.at, count); /* the next blob may need codec->plain */
	references.at = (const uint8_t *)codec->steps;
	known = get_varint(reader);
	if (known > count)
		return false;
	ids = get_blob(codec, reader, 16 * known);
	for (uint32_t i = 0; i < count && !reader->bad; i++) {
		uint32_t back = references.at[i];
		size_t number = back ? fresh - back : fresh++;

		if (back > fresh || number >= known)
			return false;
		memcpy(values + 2 * (size_t)i, ids.at + 16 * number, 16);
	}
	return fresh == known;
}

static bool get_numbers(struct codec *codec, struct reader *reader, enum form form,
			uint64_t *values, uint32_t count)
{
	uint64_t value;

	switch (form) {
	case SAME:
		value = get_varint(reader);
		for (uint32_t i = 0; i < count; i++)
			values[i] = value;
		return true;
	case PLANES: return get_planes(codec, reader, values, count);
	case STEPS: return get_steps(codec, reader, values, count);
	case VARINTS: return get_varints(codec, reader, values, count);
	case DELTAS: return get_deltas(codec, reader, values, count);
	default: return false;
	}
}

static bool get_decimals(struct codec *codec, struct reader *reader, uint64_t *values,
			 uint32_t count)
{
	unsigned places = get_u8(reader);

	if (places > DECIMAL_PLACES_MAX ||
	    !get_numbers(codec, reader, get_u8(reader), values, count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		double value = decimal_value((int64_t)values[i], (int)places);

		memcpy(&values[i], &value, sizeof(value));
	}
	return true;
}

static bool get_values(struct codec *codec, struct reader *reader, enum store_type type,
		       uint64_t *values, uint32_t count)
{
	enum form form = get_u8(reader);
	bool good;

	if (type == STORE_ID16)
		good = form == IDS && get_ids(codec, reader, values, count);
	else if (form == DECIMAL)
		good = type == STORE_DOUBLE && get_decimals(codec, reader, values, count);
	else
		good = get_numbers(codec, reader, form, values, count);
	return good && !reader->bad && !reader_left(reader);
}

/* Moves the values from the front to the rows that have one, from the last to the first. */
static void scatter(struct vector *vector, uint32_t rows, uint32_t words)
{
	uint64_t from = vector->count;

	for (uint32_t i = (rows + 63) / 64; i-- > 0;)
		for (uint64_t bits = vector->present[i]; bits;) {
			unsigned bit = 63 - (unsigned)__builtin_clzll(bits);
			uint64_t row = i * (uint64_t)64 + bit;

			bits &= ~((uint64_t)1 << bit);
			from--;
			for (uint32_t word = words; word-- > 0;)
				vector->values[row * words + word] =
					vector->values[from * words + word];
		}
}

static bool get_bitmap(struct codec *codec, struct reader *reader, struct vector *vector,
		       uint32_t rows)
{
	struct span bitmap = get_blob(codec, reader, (rows + 7) / 8);

	if (reader->bad || (rows % 8 && bitmap.at[bitmap.len - 1] >> rows % 8))
		return false;
	memset(vector->present, 0, (rows + 63) / 64 * sizeof(*vector->present));
	memcpy(vector->present, bitmap.at, bitmap.len);
	vector->count = 0;
	for (uint32_t i = 0; i < (rows + 63) / 64; i++)
		vector->count += (uint32_t)__builtin_popcountll(vector->present[i]);
	return vector->count != 0;
}

static void mark_all(struct vector *vector, uint32_t rows)
{
	memset(vector->present, 0xff, rows / 64 * sizeof(*vector->present));
	if (rows % 64)
		vector->present[rows / 64] = ((uint64_t)1 << rows % 64) - 1;
	vector->count = rows;
}

int codec_read(struct codec *codec, enum store_type type, struct span piece, uint32_t rows,
	       struct vector *vector)
{
	struct reader reader = reader_of(piece);
	enum presence presence = get_u8(&reader);

	vector->count = 0;
	if (reader.bad || presence > NONE || !rows || rows > BLOCK_ROWS_MAX)
		return -EBADMSG;
	if (presence == NONE)
		return reader_left(&reader) ? -EBADMSG : 0;
	if (!vector_make(vector, type, rows))
		return -ENOMEM;
	if (presence == ALL)
		mark_all(vector, rows);
	else if (!get_bitmap(codec, &reader, vector, rows))
		goto bad;
	if (!get_values(codec, &reader, type, vector->values, vector->count))
		goto bad;
	if (vector->count != rows)
		scatter(vector, rows, words_of(type));
	return 0;
bad:
	vector->count = 0;
	return -EBADMSG;
}

uint64_t vector_max(const struct vector *vector, uint32_t rows)
{
	uint64_t max = 0;

	for (uint32_t row = 0; row < rows; row++)
		if (vector_has(vector, row) && vector->values[row] > max)
			max = vector->values[row];
	return max;
}

int codec_pack(struct codec *codec, struct span plain, struct buf *out)
{
	codec->packing = true;
	buf_varint(out, plain.len);
	return put_blob(codec, plain.at, plain.len, out);
}

int codec_unpack(struct codec *codec, struct span packed, size_t max, struct buf *out)
{
	struct reader reader = reader_of(packed);
	uint64_t len = get_varint(&reader), frame_len = get_varint(&reader);
	struct span frame = get_bytes(&reader, reader_left(&reader));
	size_t got;
	char *at;

	if (reader.bad || len > max || frame.len != (frame_len ? frame_len - 1 : len))
		return -EBADMSG;
	if (!frame_len)
		return buf_span(out, frame);
	at = buf_reserve(out, len);
	if (!at)
		return -ENOMEM;
	got = ZSTD_decompressDCtx(codec->unpack, at, len, frame.at, frame.len);
	if (got != len)
		return -EBADMSG;
	buf_commit(out, len);
	return 0;
}
