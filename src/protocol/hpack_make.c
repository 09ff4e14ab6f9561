// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpack_make - writes the decoding tables of hpack_huffman.c, at build time.
 *
 * hpack_windows: for each run of HPACK_WINDOW bits the symbols that it holds whole, at most two, and
 * their bits. hpack_sorted, hpack_limits, hpack_places: for longer codes, by their length.
 */
#include <stdio.h>

#include "hpack_lengths.h"

static uint32_t codes[HPACK_SYMBOLS];
static unsigned sorted[HPACK_SYMBOLS];

static void number_codes(void)
{
	uint32_t code = 0;
	unsigned n = 0;

	for (unsigned length = HPACK_CODE_MIN; length <= HPACK_CODE_MAX; length++, code <<= 1)
		for (unsigned symbol = 0; symbol < HPACK_SYMBOLS; symbol++)
			if (hpack_lengths[symbol] == length) {
				codes[symbol] = code++;
				sorted[n++] = symbol;
			}
}

/* The symbol whose code stands at the front of `left` bits; -1: none that is short enough. */
static int symbol_at(uint32_t bits, unsigned left)
{
	for (unsigned i = 0; i < HPACK_SYMBOLS; i++) {
		unsigned length = hpack_lengths[sorted[i]];

		if (length > left)
			break;
		if ((bits >> (left - length)) == codes[sorted[i]])
			return (int)sorted[i];
	}
	return -1;
}

static void write_windows(void)
{
	printf("const struct hpack_window hpack_windows[%u] = {\n", 1u << HPACK_WINDOW);
	for (uint32_t bits = 0; bits < 1u << HPACK_WINDOW; bits++) {
		unsigned left = HPACK_WINDOW, n = 0, symbols[2] = {0, 0};

		while (n < 2) {
			int symbol = symbol_at(bits & ((1u << left) - 1), left);

			if (symbol < 0)
				break;
			symbols[n++] = (unsigned)symbol;
			left -= hpack_lengths[symbol];
		}
		printf("\t{{%u, %u}, %u, %u},\n", symbols[0], symbols[1], n, HPACK_WINDOW - left);
	}
	printf("};\n");
}

/* limits[l]: codes of length l, moved to the left of 32 bits, are below it; places[l]: what to add to
 * such a code to get its place in `sorted`. */
static void write_lengths(void)
{
	unsigned n = 0;

	printf("const uint16_t hpack_sorted[%d] = {", HPACK_SYMBOLS);
	for (unsigned i = 0; i < HPACK_SYMBOLS; i++)
		printf("%u,", sorted[i]);
	printf("};\nconst struct hpack_length hpack_by_length[%d] = {\n", HPACK_CODE_MAX + 1);
	for (unsigned length = 0; length <= HPACK_CODE_MAX; length++) {
		uint64_t limit = 0;
		int place = 0;

		while (n < HPACK_SYMBOLS && hpack_lengths[sorted[n]] == length) {
			place = (int)n - (int)codes[sorted[n]];
			limit = ((uint64_t)codes[sorted[n]] + 1) << (32 - length);
			n++;
		}
		printf("\t{%lluu, %d},\n",
		       (unsigned long long)(limit > UINT32_MAX ? UINT32_MAX : limit), place);
	}
	printf("};\n");
}

int main(void)
{
	number_codes();
	printf("/* Made by hpack_make.c. */\n#include \"protocol/hpack_huffman.h\"\n\n");
	write_windows();
	write_lengths();
	return 0;
}
