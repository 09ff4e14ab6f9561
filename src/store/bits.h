/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bits - the alphabet of the store's files: varints, little-endian words, check sums, stable
 * hashes.
 *
 * A varint is 7 bits a byte, lowest first, the top bit says that more follow. Zigzag maps small
 * numbers of either sign to small numbers (0 -1 1 -2 -> 0 1 2 3). Readers never fail in the middle:
 * they read 0 beyond the end and remember that in `bad`, so that a parser can look at the end only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/span.h"

enum { VARINT_BYTES_MAX = 10 };

static inline uint64_t zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ -(value & 1));
}

/* Bytes of `value` as a varint. */
static inline unsigned varint_bytes(uint64_t value)
{
	return (unsigned)(70 - __builtin_clzll(value | 1)) / 7;
}

/* Writes to `at`, which has room; returns where the next byte goes. */
static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	for (; value > 127; value >>= 7)
		*at++ = (uint8_t)(value | 128);
	*at++ = (uint8_t)value;
	return at;
}

static inline void buf_varint(struct buf *out, uint64_t value)
{
	uint8_t bytes[VARINT_BYTES_MAX];

	buf_add(out, bytes, (size_t)(put_varint(bytes, value) - bytes));
}

static inline void buf_half(struct buf *out, uint32_t value)
{
	buf_add(out, &value, sizeof(value));
}

static inline void buf_word(struct buf *out, uint64_t value)
{
	buf_add(out, &value, sizeof(value));
}

/* Length, then the bytes. */
static inline void buf_text_span(struct buf *out, struct span text)
{
	buf_varint(out, text.len);
	buf_span(out, text);
}

struct reader {
	const uint8_t *at, *end;
	bool bad; /* something was beyond the end, or no number of 64 bits */
};

static inline struct reader reader_of(struct span span)
{
	static const uint8_t nothing;
	const uint8_t *at = span.at ? span.at : &nothing;

	return (struct reader){.at = at, .end = at + span.len};
}

static inline size_t reader_left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static inline uint64_t get_varint(struct reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
		uint8_t byte = *reader->at++;

		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return value;
	}
	reader->bad = true;
	return 0;
}

static inline uint8_t get_u8(struct reader *reader)
{
	if (reader->at < reader->end)
		return *reader->at++;
	reader->bad = true;
	return 0;
}

static inline struct span get_bytes(struct reader *reader, uint64_t len)
{
	struct span span = {reader->at, 0};

	if (len > reader_left(reader)) {
		reader->bad = true;
		return span;
	}
	reader->at += len;
	span.len = len;
	return span;
}

static inline uint32_t get_u32(struct reader *reader)
{
	struct span span = get_bytes(reader, 4);
	uint32_t value = 0;

	memcpy(&value, span.at, span.len);
	return value;
}

static inline uint64_t get_u64(struct reader *reader)
{
	struct span span = get_bytes(reader, 8);
	uint64_t value = 0;

	memcpy(&value, span.at, span.len);
	return value;
}

static inline struct span get_text(struct reader *reader)
{
	return get_bytes(reader, get_varint(reader));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the files are little-endian, and so is this code");

/* CRC-32C (Castagnoli) of `bytes`, continued from `before` (0 at the start). */
uint32_t crc32c(uint32_t before, const void *bytes, size_t len);

/* A hash that files rest on: it must never change. Not for tables that an attacker may fill. */
uint64_t stable_hash(const void *bytes, size_t len);
