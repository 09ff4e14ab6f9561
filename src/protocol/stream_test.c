// SPDX-License-Identifier: GPL-2.0-only
/* Events in any order, twice, overlapping, cut or lost: what is given out is the stream, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protocol/stream.h"

#include <errno.h>
#include <time.h>

enum { ROUNDS = 3000, BYTES = 4096, EVENTS = 200 };

/* The byte at a position can be told from its position. */
static uint8_t byte_at(uint64_t position)
{
	return (uint8_t)((position * 2654435761u) >> 7);
}

struct reader {
	uint64_t at; /* next position expected */
	uint64_t bytes, gaps, lost; /* taken */
};

/* Takes all there is; uses only part of each piece, at random, as a parser would. */
static void take_all(struct stream *stream, struct reader *reader, bool leaves_some)
{
	struct stream_piece piece;

	while (stream_take(stream, &piece)) {
		size_t used =
			leaves_some ? (size_t)rand() % (piece.bytes.len + 1) : piece.bytes.len;

		assert_int_equal(piece.position, reader->at);
		for (size_t i = 0; i < piece.bytes.len; i++)
			assert_int_equal(piece.bytes.at[i], byte_at(piece.position + i));
		if (piece.gap) {
			reader->at += piece.bytes.len + piece.gap;
			*(piece.is_lost ? &reader->lost : &reader->gaps) += piece.gap;
			continue;
		}
		assert_true(piece.bytes.len);
		stream_used(stream, used);
		reader->at += used;
		reader->bytes += used;
	}
	assert_true(stream_is_even(stream));
}

static void gives_out_every_byte_once(void **state)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	for (size_t round = 0; round < ROUNDS; round++) {
		struct {
			uint64_t at, moved;
			size_t captured;
			bool is_lost, is_twice;
		} events[EVENTS];
		uint64_t base = rand() % 2 ? 0 : (uint64_t)rand() << 20, end = base;
		size_t n = 0, window = 1 + (size_t)rand() % 12;
		struct reader reader = {.at = base};
		struct stream stream;
		uint64_t lost = 0;

		while (n < EVENTS && end < base + BYTES) {
			uint64_t moved = 1 + (uint64_t)rand() % 60;

			events[n].at = end;
			events[n].moved = moved;
			events[n].captured = rand() % 3 ? moved : (size_t)rand() % (moved + 1);
			events[n].is_lost = n && round % 2 && rand() % 20 == 0;
			events[n].is_twice = rand() % 20 == 0;
			end += moved;
			n++;
		}
		events[n - 1].is_lost = false;
		for (size_t i = 0; i < n; i++) { /* any order, within blocks of `window` */
			size_t block = i / window * window;
			size_t j = block + (size_t)rand() % window;
			__typeof__(events[0]) other = events[i];

			if (j < n && i && j) {
				events[i] = events[j];
				events[j] = other;
			}
		}
		stream_init(&stream);
		stream_begin(&stream, base);
		for (size_t i = 0; i < n; i++) {
			uint8_t bytes[64];

			if (events[i].is_lost) {
				lost += events[i].moved;
				continue;
			}
			for (size_t times = 0; times <= events[i].is_twice; times++) {
				for (size_t k = 0; k < events[i].captured; k++)
					bytes[k] = byte_at(events[i].at + k);
				assert_int_equal(
					stream_put(&stream, events[i].at,
						   (struct span){bytes, events[i].captured},
						   events[i].moved, events[i].at),
					0);
				take_all(&stream, &reader, true);
				memset(bytes, 0xee, sizeof(bytes)); /* borrowed no longer */
			}
		}
		while (stream_give_up(&stream))
			take_all(&stream, &reader, true);
		take_all(&stream, &reader, false);
		assert_int_equal(stream.next, end);
		assert_int_equal(stream.lost, lost);
		assert_int_equal(reader.lost, lost);
		assert_int_equal(stream.captured + stream.cut + stream.lost, end - base);
		assert_int_equal(stream_missing(&stream), 0);
		stream_done(&stream);
	}
}

static void gives_up_by_itself_when_too_much_waits(void **state)
{
	struct reader reader = {};
	struct stream stream;

	stream_init(&stream);
	stream_begin(&stream, 0);
	for (uint64_t i = 0; i < 3 * STREAM_AHEAD; i++) {
		uint8_t byte = byte_at(10 + i);

		assert_int_equal(stream_put(&stream, 10 + i, (struct span){&byte, 1}, 1, 0), 0);
		take_all(&stream, &reader, false);
		assert_true(stream.ahead_len < STREAM_AHEAD);
	}
	assert_int_equal(reader.lost, 10);
	assert_int_equal(reader.bytes, 3 * STREAM_AHEAD);
	stream_done(&stream);
}

static void refuses_an_impossible_position(void **state)
{
	struct stream stream;

	stream_init(&stream);
	assert_int_equal(stream_put(&stream, 1000, (struct span){}, 5, 0), 0);
	assert_int_equal(stream_put(&stream, 1000 + 2 * STREAM_JUMP_MAX, (struct span){}, 5, 0),
			 -ERANGE);
	assert_int_equal(stream_put(&stream, 1001, (struct span){}, UINT64_MAX, 0), -ERANGE);
	assert_int_equal(stream.refused, 2);
	assert_true(stream_is_even(&stream));
	stream_done(&stream);
}

/* What the parser leaves and the next, large event are given as one run, in parts that fit. */
static void joins_what_was_left_with_a_large_event(void **state)
{
	size_t len = 3 * STREAM_KEPT_BYTES;
	uint8_t *bytes = malloc(len);
	struct stream_piece piece;
	struct stream stream;
	uint64_t at = 0;

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(i);
	stream_init(&stream);
	stream_begin(&stream, 0);
	assert_int_equal(stream_put(&stream, 0, (struct span){bytes, 100}, 100, 0), 0);
	assert_true(stream_take(&stream, &piece));
	stream_used(&stream, 10);
	assert_false(stream_take(&stream, &piece));
	assert_int_equal(stream_kept(&stream).len, 90);
	assert_int_equal(
		stream_put(&stream, 100, (struct span){bytes + 100, len - 100}, len - 100, 0), 0);
	at = 10;
	while (stream_take(&stream, &piece)) {
		assert_int_equal(piece.gap, 0);
		assert_int_equal(piece.position, at);
		for (size_t i = 0; i < piece.bytes.len; i++)
			assert_int_equal(piece.bytes.at[i], byte_at(at + i));
		stream_used(&stream, piece.bytes.len);
		at += piece.bytes.len;
	}
	assert_int_equal(at, len);
	stream_done(&stream);
	free(bytes);
}

/* Told twice, in other pieces: what is covered by then neither hides the hole behind it nor is given again. */
static void an_event_that_others_cover_does_not_hide_a_hole(void **state)
{
	struct stream stream;
	struct stream_piece piece;

	stream_init(&stream);
	stream_begin(&stream, 0);
	stream_put(&stream, 0, span_of("abcdef"), 6, 1);
	stream_put(&stream, 4, span_of("e"), 1, 2); /* waits, for the first is not taken yet */
	stream_put(&stream, 8, span_of("ij"), 2, 3);
	assert_true(stream_take(&stream, &piece));
	assert_true(span_is(piece.bytes, "abcdef"));
	stream_used(&stream, 6);
	assert_null(stream_peek(&stream));
	assert_true(stream_is_stalled(&stream));
	assert_true(stream_give_up(&stream));
	assert_true(stream_take(&stream, &piece));
	assert_true(piece.is_lost && piece.gap == 2);
	assert_true(stream_take(&stream, &piece));
	assert_true(span_is(piece.bytes, "ij"));
	stream_used(&stream, 2);
	assert_false(stream_take(&stream, &piece));
	assert_int_equal(stream.late, 1);
	assert_true(stream_is_even(&stream));
	stream_done(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_out_every_byte_once),
		cmocka_unit_test(gives_up_by_itself_when_too_much_waits),
		cmocka_unit_test(refuses_an_impossible_position),
		cmocka_unit_test(an_event_that_others_cover_does_not_hide_a_hole),
		cmocka_unit_test(joins_what_was_left_with_a_large_event),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
