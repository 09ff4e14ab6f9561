/* SPDX-License-Identifier: GPL-2.0-only */
/* text - what the readers of this room do with pieces of text. */
#pragma once

#include <strings.h>

#include "base/span.h"

/* Letters of either case are the same; for the ASCII words of these protocols only. */
static inline bool same_word(struct span text, const char *word)
{
	return text.len == strlen(word) &&
	       (!text.len || !strncasecmp((const char *)text.at, word, text.len));
}

static inline bool starts_with_word(struct span text, const char *word)
{
	return text.len >= strlen(word) && same_word(span_first(text, strlen(word)), word);
}

/* What stands before `c`; `text` is left with what stands behind it. */
static inline struct span cut_at(struct span *text, char c)
{
	const uint8_t *at = text->len ? memchr(text->at, c, text->len) : NULL;
	struct span before = span_first(*text, at ? (size_t)(at - text->at) : text->len);

	*text = span_from(*text, before.len + 1);
	return before;
}

/* 0..15, -1 = no hexadecimal digit */
static inline int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
