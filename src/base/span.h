/* SPDX-License-Identifier: GPL-2.0-only */
/* span - a piece of somebody else's bytes: never owned, never ended by 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *at; /* points into the input; valid as long as the input is */
	size_t len; /* bytes */
};

/* A whole C string as a span; NULL is the empty span. */
static inline struct span span_of(const char *text)
{
	return (struct span){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool span_is(struct span span, const char *text)
{
	return span.len == strlen(text) && (!span.len || !memcmp(span.at, text, span.len));
}

static inline bool span_same(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static inline bool span_starts(struct span span, const char *text)
{
	size_t len = strlen(text);

	return span.len >= len && (!len || !memcmp(span.at, text, len));
}

static inline struct span span_from(struct span span, size_t from)
{
	if (from > span.len)
		from = span.len;
	/* an empty span may have no bytes at all, and NULL + 0 is undefined in C */
	return (struct span){from ? span.at + from : span.at, span.len - from};
}

static inline struct span span_first(struct span span, size_t len)
{
	return (struct span){span.at, len < span.len ? len : span.len};
}

/* Without blanks and tabs around it. */
static inline struct span span_trim(struct span span)
{
	while (span.len && (span.at[0] == ' ' || span.at[0] == '\t'))
		span = span_from(span, 1);
	while (span.len && (span.at[span.len - 1] == ' ' || span.at[span.len - 1] == '\t'))
		span.len--;
	return span;
}
