// SPDX-License-Identifier: GPL-2.0-only
/* json - writes JSON into a buf. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

size_t utf8_valid(const uint8_t *at, size_t len)
{
	size_t need;
	uint8_t low = 0x80, high = 0xbf; /* range of the second byte: RFC 3629 section 4 */

	if (!len)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	need = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (len < need || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

static void before_value(struct json *json)
{
	if (json->need_comma)
		buf_char(json->out, ',');
	json->need_comma = true;
}

void json_object(struct json *json)
{
	before_value(json);
	buf_char(json->out, '{');
	json->need_comma = false;
}

void json_object_end(struct json *json)
{
	buf_char(json->out, '}');
	json->need_comma = true;
}

void json_array(struct json *json)
{
	before_value(json);
	buf_char(json->out, '[');
	json->need_comma = false;
}

void json_array_end(struct json *json)
{
	buf_char(json->out, ']');
	json->need_comma = true;
}

static void escape(struct buf *out, uint8_t c)
{
	switch (c) {
	case '"': buf_str(out, "\\\""); break;
	case '\\': buf_str(out, "\\\\"); break;
	case '\n': buf_str(out, "\\n"); break;
	case '\r': buf_str(out, "\\r"); break;
	case '\t': buf_str(out, "\\t"); break;
	default: buf_f(out, "\\u%04x", c);
	}
}

/* Bytes that stand for themselves; nearly all are, so they are passed over first. */
static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* The usual case in one go: comma, quotes, a text that is plain, and what stands behind. */
static void write_plain(struct json *json, struct span text, const char *behind)
{
	size_t len = json->need_comma + 2 + text.len + strlen(behind);
	char *at = buf_reserve(json->out, len), *start = at;

	if (!at)
		return;
	if (json->need_comma)
		*at++ = ',';
	*at++ = '"';
	if (text.len)
		memcpy(at, text.at, text.len);
	at += text.len;
	*at++ = '"';
	while (*behind)
		*at++ = *behind++;
	buf_commit(json->out, (size_t)(at - start));
}

static size_t plain_length(struct span text)
{
	size_t len = 0;

	while (len < text.len && is_plain(text.at[len]))
		len++;
	return len;
}

void json_span(struct json *json, struct span text)
{
	size_t from = 0, at = plain_length(text);

	if (at == text.len) {
		write_plain(json, text, "");
		json->need_comma = true;
		return;
	}
	before_value(json);
	buf_char(json->out, '"');
	while (at < text.len) {
		size_t valid;

		if (is_plain(text.at[at])) {
			at++;
			continue;
		}
		valid = utf8_valid(text.at + at, text.len - at);
		if (valid > 1) {
			at += valid;
			continue;
		}
		buf_add(json->out, text.at + from, at - from);
		if (valid)
			escape(json->out, text.at[at]);
		else
			buf_str(json->out, "\\ufffd");
		from = ++at;
	}
	buf_add(json->out, text.at + from, at - from);
	buf_char(json->out, '"');
}

void json_key(struct json *json, const char *key)
{
	struct span text = span_of(key);

	if (plain_length(text) == text.len) {
		write_plain(json, text, ":");
	} else {
		json_span(json, text);
		buf_char(json->out, ':');
	}
	json->need_comma = false;
}

void json_str(struct json *json, const char *text)
{
	json_span(json, span_of(text));
}

void json_u64(struct json *json, uint64_t value)
{
	before_value(json);
	buf_u64(json->out, value);
}

void json_i64(struct json *json, int64_t value)
{
	before_value(json);
	if (value < 0)
		buf_char(json->out, '-');
	buf_u64(json->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_bool(struct json *json, bool value)
{
	before_value(json);
	buf_str(json->out, value ? "true" : "false");
}

void json_null(struct json *json)
{
	before_value(json);
	buf_str(json->out, "null");
}

void json_double(struct json *json, double value)
{
	char text[32];

	if (!isfinite(value)) {
		json_null(json);
		return;
	}
	before_value(json);
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_str(json->out, text);
}

void json_raw(struct json *json, struct span text)
{
	before_value(json);
	buf_span(json->out, text);
}

void json_key_str(struct json *json, const char *key, const char *value)
{
	json_key(json, key);
	json_str(json, value);
}

void json_key_u64(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	json_u64(json, value);
}

void json_key_bool(struct json *json, const char *key, bool value)
{
	json_key(json, key);
	json_bool(json, value);
}

void json_key_double(struct json *json, const char *key, double value)
{
	json_key(json, key);
	json_double(json, value);
}
