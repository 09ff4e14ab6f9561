// SPDX-License-Identifier: GPL-2.0-only
/* query - the names and values behind the '?', and the words of a path, decoded. */
#include "serve/query.h"

#include "base/json.h"
#include "serve/text.h"

static bool is_text(struct span text)
{
	for (size_t i = 0, step; i < text.len; i += step) {
		uint8_t c = text.at[i];

		step = utf8_valid(text.at + i, text.len - i);
		if (!step || c == 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'))
			return false;
	}
	return true;
}

static const char *decode(struct span in, bool plus_is_blank, struct arena *arena,
			  const char **ret_text)
{
	char *out = arena_new(arena, in.len + 1);
	size_t len = 0;

	if (!out)
		return "the request needs more memory than it may take";
	for (size_t i = 0; i < in.len; i++) {
		char c = (char)in.at[i];

		if (c == '%') {
			if (in.len - i < 3 || hex_digit(in.at[i + 1]) < 0 ||
			    hex_digit(in.at[i + 2]) < 0)
				return "a '%' is not followed by two hexadecimal digits";
			c = (char)(hex_digit(in.at[i + 1]) << 4 | hex_digit(in.at[i + 2]));
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		out[len++] = c;
	}
	if (!is_text((struct span){(const uint8_t *)out, len}))
		return "a decoded text holds control bytes or is not UTF-8";
	*ret_text = out;
	return NULL;
}

const char *query_parse(struct span text, struct arena *arena, struct query *ret_query)
{
	struct query query = {};

	while (text.len) {
		struct span value = cut_at(&text, '&'), name = cut_at(&value, '=');
		const char *wrong;

		if (!name.len && !value.len)
			continue;
		if (query.count == QUERY_PARAMS)
			return "there are more than 32 parameters";
		wrong = decode(name, true, arena, &query.param[query.count].name);
		if (!wrong)
			wrong = decode(value, true, arena, &query.param[query.count].value);
		if (wrong)
			return wrong;
		query.count++;
	}
	*ret_query = query;
	return NULL;
}

const char *path_word(struct span text, struct arena *arena, const char **ret_word)
{
	return decode(text, false, arena, ret_word);
}
