/* SPDX-License-Identifier: GPL-2.0-only */
/* hpack_huffman - the strings of HPACK that are Huffman coded (RFC 7541 5.2). Used by hpack.c. */
#pragma once

#include "base/span.h"
#include "protocol/hpack_lengths.h"

/* What a run of HPACK_WINDOW bits begins with. */
struct hpack_window {
	uint8_t symbol[2];
	uint8_t symbols; /* 0: a code that is longer than the window */
	uint8_t bits; /* of these symbols */
};

/* Codes of one length: those below `limit` when moved to the left of 32 bits. */
struct hpack_length {
	uint32_t limit;
	int32_t place; /* added to such a code: its place in hpack_sorted */
};

extern const struct hpack_window hpack_windows[1 << HPACK_WINDOW];
extern const struct hpack_length hpack_by_length[HPACK_CODE_MAX + 1];
extern const uint16_t hpack_sorted[HPACK_SYMBOLS];

/* Writes the first `room` bytes of the text to `out`, and their whole number to *ret_len. Returns what is
 * wrong with the code, or NULL. */
const char *hpack_huffman_decode(struct span in, uint8_t *out, size_t room, size_t *ret_len);
