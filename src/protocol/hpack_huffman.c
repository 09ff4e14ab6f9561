// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpack_huffman - the strings of HPACK that are Huffman coded (RFC 7541 5.2).
 *
 * The bits stand at the top of a register of 64. Nearly all codes in use have 5 to 8 bits, so a look at
 * the first 11 gives one symbol, often two. A longer code is told by its length: codes are canonical,
 * so the first length whose limit it is below is its own.
 */
#include "protocol/hpack_huffman.h"

struct bits {
	uint64_t top; /* `count` bits, the first at the top; the others are 0 */
	unsigned count;
	struct span in; /* not yet in `top` */
};

static void fill(struct bits *bits)
{
	if (bits->in.len >= 8) {
		uint64_t word;
		unsigned bytes = (63 - bits->count) / 8;

		memcpy(&word, bits->in.at, 8);
		bits->top |= __builtin_bswap64(word) >> bits->count;
		bits->count += 8 * bytes;
		/* of the last byte, bits beyond `count` may have been set: the same will be set again */
		bits->in = span_from(bits->in, bytes);
		return;
	}
	while (bits->count <= 56 && bits->in.len) {
		bits->top &= bits->count ? ~0ull << (64 - bits->count) : 0;
		bits->top |= (uint64_t)bits->in.at[0] << (56 - bits->count);
		bits->count += 8;
		bits->in = span_from(bits->in, 1);
	}
}

static void drop(struct bits *bits, unsigned count)
{
	bits->top <<= count;
	bits->count -= count;
}

/* The next symbol, bit by bit of length; -1: the code goes on beyond the bits that are there. */
static int take_long(struct bits *bits)
{
	uint32_t code = (uint32_t)(bits->top >> 32);
	unsigned length = HPACK_CODE_MIN;

	while (length < HPACK_CODE_MAX && code >= hpack_by_length[length].limit)
		length++;
	if (length > bits->count)
		return -1;
	drop(bits, length);
	return hpack_sorted[(int32_t)(code >> (32 - length)) + hpack_by_length[length].place];
}

/* What is left must be the beginning of EOS, shorter than a byte: ones. */
static bool is_padding(const struct bits *bits)
{
	return bits->count < 8 && (!bits->count || (~bits->top >> (64 - bits->count)) == 0);
}

const char *hpack_huffman_decode(struct span in, uint8_t *out, size_t room, size_t *ret_len)
{
	struct bits bits = {.in = in};
	size_t len = 0;

	for (;;) {
		fill(&bits);
		for (;;) {
			const struct hpack_window *window =
				&hpack_windows[bits.top >> (64 - HPACK_WINDOW)];

			if (!window->symbols || window->bits > bits.count)
				break;
			if (len + 2 <= room)
				memcpy(out + len, window->symbol, 2);
			else if (len < room)
				out[len] = window->symbol[0];
			len += window->symbols;
			drop(&bits, window->bits);
		}
		if (bits.count < HPACK_CODE_MAX && bits.in.len)
			continue;

		int symbol = bits.count ? take_long(&bits) : -1;

		if (symbol < 0)
			break;
		if (symbol == HPACK_SYMBOLS - 1)
			return "the end symbol inside a Huffman coded text";
		if (len < room)
			out[len] = (uint8_t)symbol;
		len++;
	}
	if (!is_padding(&bits))
		return "a Huffman coded text ends inside a code";
	*ret_len = len;
	return NULL;
}
