// SPDX-License-Identifier: GPL-2.0-only
/* Columns of many shapes are written and read back bit by bit; damaged pieces are refused, never
 * believed blindly. */
#include "store/codec.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static unsigned short seed[3];

static uint64_t random_bits(unsigned bits)
{
	uint64_t value = (uint64_t)(uint32_t)jrand48(seed) << 32 | (uint32_t)jrand48(seed);

	return bits ? value >> (64 - bits) : 0;
}

static uint64_t constant(uint32_t row)
{
	return 0xffffffffffffffffu;
}

static uint64_t any_bits(uint32_t row)
{
	return random_bits(64);
}

static uint64_t small(uint32_t row)
{
	return random_bits(3);
}

static uint64_t of_any_length(uint32_t row)
{
	return random_bits((unsigned)random_bits(6));
}

static uint64_t rising(uint32_t row)
{
	return 1790000000000000000u + row * (uint64_t)14000000 + random_bits(20);
}

static uint64_t falling_below_zero(uint32_t row)
{
	return (uint64_t)(3000 - 7 * (int64_t)row);
}

static uint64_t a_decimal(uint32_t row)
{
	double value = (double)(int64_t)(random_bits(20) - 500000) / 1000;
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static uint64_t no_decimal(uint32_t row)
{
	double value = row % 50 ? erand48(seed) : row % 100 ? NAN : -0.0;
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static uint64_t runs(uint32_t row)
{
	return row / 7;
}

static uint64_t (*const shapes[])(uint32_t) = {
	constant,           any_bits,  small,      of_any_length, rising,
	falling_below_zero, a_decimal, no_decimal, runs,
};

static void fill(struct vector *vector, enum store_type type, uint32_t rows, unsigned absent,
		 uint64_t (*shape)(uint32_t))
{
	assert_true(vector_make(vector, type, rows));
	for (uint32_t row = 0; row < rows; row++) {
		for (uint32_t word = 0; word < words_of(type); word++)
			vector->values[row * words_of(type) + word] = shape(row);
		if (!absent || random_bits(8) >= absent)
			vector_mark(vector, row);
	}
}

static void assert_same_vectors(const struct vector *a, const struct vector *b,
				enum store_type type, uint32_t rows)
{
	uint32_t words = words_of(type);

	assert_int_equal(a->count, b->count);
	for (uint32_t row = 0; row < rows; row++) {
		assert_int_equal(vector_has(a, row), vector_has(b, row));
		if (vector_has(a, row))
			assert_memory_equal(a->values + (size_t)row * words,
					    b->values + (size_t)row * words, words * 8);
	}
}

static void assert_range_holds(const struct vector *vector, enum store_type type, uint32_t rows,
			       struct column_range range)
{
	assert_int_equal(range.count, vector->count);
	for (uint32_t row = 0; row < rows; row++) {
		struct store_cell cell = vector_cell(vector, type, NULL, row);
		double min, max;

		memcpy(&min, &range.min, 8);
		memcpy(&max, &range.max, 8);
		switch (cell.type) {
		case STORE_U64: assert_true(cell.u64 >= range.min && cell.u64 <= range.max); break;
		case STORE_TIME:
		case STORE_I64:
			assert_true(cell.i64 >= (int64_t)range.min &&
				    cell.i64 <= (int64_t)range.max);
			break;
		case STORE_DOUBLE:
			assert_true(isnan(cell.real) || (cell.real >= min && cell.real <= max));
			break;
		default: break;
		}
	}
}

static const enum store_type types[] = {STORE_TIME, STORE_U64, STORE_I64, STORE_DOUBLE, STORE_ID16};
static const uint32_t sizes[] = {1, 2, 7, 64, 65, 255, 300, 4096, BLOCK_ROWS_MAX};

static void columns_read_back_bit_by_bit(void **state)
{
	struct codec *codec = *state;

	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++)
		for (size_t s = 0; s < sizeof(shapes) / sizeof(*shapes); s++)
			for (size_t n = 0; n < sizeof(sizes) / sizeof(*sizes); n++)
				for (int way = 0; way < 4; way++) {
					struct vector vector = {}, again = {};
					struct column_range range;
					struct buf piece;

					buf_init(&piece, 1 << 20);
					fill(&vector, types[t], sizes[n], way & 1 ? 60 : 0,
					     shapes[s]);
					assert_int_equal(codec_write(codec, types[t], &vector,
								     sizes[n], way & 2, &piece,
								     &range),
							 0);
					assert_range_holds(&vector, types[t], sizes[n], range);
					assert_int_equal(codec_read(codec, types[t],
								    buf_as_span(&piece), sizes[n],
								    &again),
							 0);
					assert_same_vectors(&vector, &again, types[t], sizes[n]);
					vector_done(&vector);
					vector_done(&again);
					buf_done(&piece);
				}
}

/* What it gives for damaged bytes is not asked, only that it stays within its memory (the
 * sanitizers watch). */
static void damaged_pieces_do_no_harm(void **state)
{
	struct codec *codec = *state;
	uint32_t refused = 0, rows = 500;

	for (int round = 0; round < 20000; round++) {
		enum store_type type = types[random_bits(8) % 5];
		struct vector vector = {}, again = {};
		struct column_range range;
		struct buf piece;
		size_t at;

		buf_init(&piece, 1 << 20);
		fill(&vector, type, rows, round & 1 ? 60 : 0, shapes[random_bits(8) % 9]);
		codec_write(codec, type, &vector, rows, round & 2, &piece, &range);
		at = random_bits(32) % piece.len;
		if (round % 3 == 0)
			piece.len = at;
		else
			piece.at[at < 12 || round % 2 ? at : at % 12] ^= (char)(1 + random_bits(7));
		refused += codec_read(codec, type, buf_as_span(&piece), rows, &again) == -EBADMSG;
		vector_done(&vector);
		vector_done(&again);
		buf_done(&piece);
	}
	assert_true(refused > 5000);
}

static void a_steady_clock_costs_almost_nothing(void **state)
{
	struct codec *codec = *state;
	struct vector vector = {};
	struct column_range range;
	struct buf piece;

	buf_init(&piece, 1 << 20);
	assert_true(vector_make(&vector, STORE_TIME, 8192));
	for (uint32_t row = 0; row < 8192; row++) {
		vector.values[row] = 1790000000000000000u + row * (uint64_t)1000000000;
		vector_mark(&vector, row);
	}
	codec_write(codec, STORE_TIME, &vector, 8192, true, &piece, &range);
	assert_true(piece.len < 200);
	vector_done(&vector);
	buf_done(&piece);
}

static void any_bytes_pack_and_unpack(void **state)
{
	struct codec *codec = *state;
	static uint8_t bytes[100000];
	struct buf packed, plain;

	buf_init(&packed, 1 << 20);
	buf_init(&plain, 1 << 20);
	for (size_t len = 0; len < sizeof(bytes); len = len * 3 + 1) {
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)random_bits(len % 2 ? 3 : 8);
		buf_clear(&packed);
		buf_clear(&plain);
		assert_int_equal(codec_pack(codec, (struct span){bytes, len}, &packed), 0);
		assert_int_equal(codec_unpack(codec, buf_as_span(&packed), len, &plain), 0);
		assert_int_equal(plain.len, len);
		assert_memory_equal(buf_text(&plain), bytes, len);
		if (len)
			assert_int_equal(codec_unpack(codec, buf_as_span(&packed), len - 1, &plain),
					 -EBADMSG);
	}
	buf_done(&packed);
	buf_done(&plain);
}

static void check_sums_are_castagnolis(void **state)
{
	uint8_t zeroes[32] = {}, rising_bytes[32];

	for (int i = 0; i < 32; i++)
		rising_bytes[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, zeroes, 32), 0x8a9136aa); /* RFC 3720, B.4 */
	assert_int_equal(crc32c(0, rising_bytes, 32), 0x46dd794e);
	assert_int_equal(crc32c(crc32c(0, rising_bytes, 13), rising_bytes + 13, 19), 0x46dd794e);
	/* a hash that files rest on: these values may never change */
	assert_true(stable_hash("", 0) == 0x6a0e002a1599f1e2u);
	assert_true(stable_hash("sonde", 5) == 0xa86a272f4f5215d1u);
}

static int make_codec(void **state)
{
	static struct codec codec;

	*state = &codec;
	return codec_init(&codec);
}

static int drop_codec(void **state)
{
	codec_done(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_read_back_bit_by_bit),
		cmocka_unit_test(damaged_pieces_do_no_harm),
		cmocka_unit_test(a_steady_clock_costs_almost_nothing),
		cmocka_unit_test(any_bytes_pack_and_unpack),
		cmocka_unit_test(check_sums_are_castagnolis),
	};
	seed[0] = (unsigned short)time(NULL);
	print_message("seed %u\n", seed[0]);
	return cmocka_run_group_tests(tests, make_codec, drop_codec);
}
