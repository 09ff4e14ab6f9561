/* SPDX-License-Identifier: GPL-2.0-only */
/* resp - cuts RESP values (RESP2 and RESP3) out of a byte stream that arrives in pieces. */
#pragma once

#include "protocol/parser.h"

enum {
	RESP_WORDS = 3, /* first words of a message that are looked at */
	RESP_WORD_MAX = 24, /* bytes of each that are kept */
	RESP_TEXT_MAX = 160, /* bytes kept of a key, a channel, or an error's words */
	RESP_LINE_MAX = 65535, /* bytes; proto-inline-max-size of Redis is 64 KiB */
	RESP_NO_WORD = 255,
};

/* One direction. All zero = at the start of a message. */
struct resp {
	uint64_t due; /* values still to come in this message */
	uint64_t skip; /* payload bytes still to pass, their CR LF included */
	uint64_t bytes; /* of this message so far */
	uint64_t values; /* in the outermost array, map or set */
	uint64_t number; /* the last integer */
	uint8_t type; /* first byte of the outermost value, 0: not seen yet */
	uint8_t passing; /* index of the word that passes, RESP_NO_WORD if none is wanted */
	uint8_t text_at; /* index of the word that `text` is taken from */
	bool is_null;
	bool is_torn; /* a gap took part of a word that is wanted */
	uint8_t len[RESP_WORDS];
	uint8_t text_len;
	uint8_t word[RESP_WORDS][RESP_WORD_MAX];
	uint8_t text[RESP_TEXT_MAX];
};

enum resp_step {
	RESP_MORE,
	RESP_WHOLE, /* the message is; its parts stand in `resp` */
	RESP_BAD,
};

static inline bool resp_is_open(const struct resp *resp)
{
	return resp->due || resp->skip;
}

static inline struct span resp_word(const struct resp *resp, size_t i)
{
	return (struct span){resp->word[i], resp->len[i]};
}

static inline struct span resp_text(const struct resp *resp)
{
	return (struct span){resp->text, resp->text_len};
}

/* To be called before the first byte of each message. */
void resp_begin(struct resp *resp);

/* Takes bytes up to the end of one message. Lines must be whole: what is not used is given again. */
enum resp_step resp_cut(struct resp *resp, enum side from, struct span in, size_t *ret_used,
			const char **ret_why);

/* Bytes of a gap that fall into the payload that passes. */
uint64_t resp_skip(struct resp *resp, enum side from, uint64_t bytes);
