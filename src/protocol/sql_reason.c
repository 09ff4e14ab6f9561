// SPDX-License-Identifier: GPL-2.0-only
/*
 * sql_reason - a server's words about an error, without the data of users they quote.
 *
 *	Duplicate entry 'bob@example.org' for key 'email'	Duplicate entry ?
 *
 * Values may hold quotes of their own, so everything from the first quote to the last one goes. Quotes
 * of other scripts (localised servers) have no end that could be trusted: all behind them goes, as it
 * does where the words are cut.
 */
#include "protocol/sql.h"

static bool is_apostrophe(struct span words, size_t i)
{
	return words.at[i] == '\'' && i && words.at[i - 1] == 'n' && i + 1 < words.len &&
	       words.at[i + 1] == 't' && (i + 2 == words.len || words.at[i + 2] == ' ');
}

static bool is_quote(struct span words, size_t i)
{
	return (words.at[i] == '\'' || words.at[i] == '"' || words.at[i] == '`') &&
	       !is_apostrophe(words, i);
}

/* U+00AB, U+2018, U+201C, U+201E, U+2039, U+300C and their like */
static bool is_other_quote(struct span words, size_t i)
{
	const uint8_t *at = words.at + i;
	size_t left = words.len - i;

	return (left > 1 && at[0] == 0xc2 && (at[1] == 0xab || at[1] == 0xbb)) ||
	       (left > 2 && at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0x98 && at[2] <= 0xba) ||
	       (left > 2 && at[0] == 0xe3 && at[1] == 0x80 && at[2] >= 0x8c && at[2] <= 0x9f);
}

static size_t add(char *to, size_t room, size_t len, struct span text)
{
	text = span_first(text, room - len);
	if (text.len)
		memcpy(to + len, text.at, text.len);
	return len + text.len;
}

size_t sql_reason(struct span words, bool is_cut, char *to, size_t room)
{
	size_t first = 0, behind, len;

	while (first < words.len && !is_quote(words, first) && !is_other_quote(words, first))
		first++;
	len = add(to, room, 0, span_first(words, first));
	if (first == words.len)
		return len;
	behind = words.len;
	if (is_quote(words, first) && !is_cut) {
		while (!is_quote(words, behind - 1))
			behind--;
		if (behind - 1 == first)
			behind = words.len;
		for (size_t i = first; i < words.len; i++)
			if (is_other_quote(words, i))
				behind = words.len;
	}
	len = add(to, room, len, span_of("?"));
	return add(to, room, len, span_from(words, behind));
}
