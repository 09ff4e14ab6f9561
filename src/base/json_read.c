// SPDX-License-Identifier: GPL-2.0-only
/* json_read - reads JSON (RFC 8259) into an arena. */
#include "base/json_read.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

struct reader {
	struct span in;
	size_t at; /* bytes read */
	struct arena *arena;
	const char *wrong; /* static sentence; NULL: memory is out */
};

static int read_value(struct reader *reader, unsigned depth, struct json_node *node);

static int bad(struct reader *reader, const char *wrong)
{
	reader->wrong = wrong;
	return -EINVAL;
}

/* The next byte that is no white space, 0 at the end (a 0 in the text is no JSON anyway). */
static uint8_t peek(struct reader *reader)
{
	for (; reader->at < reader->in.len; reader->at++) {
		uint8_t c = reader->in.at[reader->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return c;
	}
	return 0;
}

static bool take(struct reader *reader, uint8_t c)
{
	if (peek(reader) != c)
		return false;
	reader->at++;
	return true;
}

static bool take_word(struct reader *reader, const char *word)
{
	if (!span_starts(span_from(reader->in, reader->at), word))
		return false;
	reader->at += strlen(word);
	return true;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_digits(struct reader *reader)
{
	size_t from = reader->at;

	while (reader->at < reader->in.len && is_digit(reader->in.at[reader->at]))
		reader->at++;
	return reader->at - from;
}

/* number = [ minus ] int [ frac ] [ exp ], int without leading zeros: RFC 8259 section 6 */
static int read_number(struct reader *reader, struct json_node *node)
{
	size_t from = reader->at, digits, first;

	take_word(reader, "-");
	first = reader->at;
	digits = skip_digits(reader);
	if (!digits || (digits > 1 && reader->in.at[first] == '0'))
		return bad(reader, "a number is not written as JSON wants it");
	if (take_word(reader, ".") && !skip_digits(reader))
		return bad(reader, "a number has no digits after its point");
	if (take_word(reader, "e") || take_word(reader, "E")) {
		if (!take_word(reader, "+"))
			take_word(reader, "-");
		if (!skip_digits(reader))
			return bad(reader, "a number has no digits in its exponent");
	}
	node->type = JSON_NUMBER;
	node->text = (struct span){reader->in.at + from, reader->at - from};
	return 0;
}

static bool read_hex4(struct reader *reader, uint32_t *ret_code)
{
	uint32_t code = 0;

	if (reader->in.len - reader->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		uint8_t c = reader->in.at[reader->at + i];

		if (is_digit(c))
			code = code << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			code = code << 4 | ((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	reader->at += 4;
	*ret_code = code;
	return true;
}

static size_t put_utf8(char *to, uint32_t code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (char)(0xe0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 0x3f));
		to[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 0x3f));
	to[2] = (char)(0x80 | (code >> 6 & 0x3f));
	to[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* After "\u": one code point, of two escapes where it is a surrogate pair. 6 bytes become at most 3, 12 become 4. */
static int read_code_point(struct reader *reader, uint32_t *ret_code)
{
	uint32_t high, low;
	size_t after;

	if (!read_hex4(reader, &high))
		return bad(reader, "\\u needs four hexadecimal digits");
	after = reader->at;
	if (high >= 0xd800 && high < 0xdc00 && take_word(reader, "\\u") &&
	    read_hex4(reader, &low) && low >= 0xdc00 && low < 0xe000) {
		*ret_code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
		return 0;
	}
	reader->at = after;
	*ret_code = high == 0 || (high >= 0xd800 && high < 0xe000) ? 0xfffd : high;
	return 0;
}

static int read_escape(struct reader *reader, char *to, size_t *len)
{
	static const char from[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32_t code;
	uint8_t c;

	if (reader->at == reader->in.len)
		return bad(reader, "a text does not end");
	c = reader->in.at[reader->at++];
	if (c == 'u') {
		if (read_code_point(reader, &code))
			return -EINVAL;
		*len += put_utf8(to + *len, code);
		return 0;
	}
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return bad(reader, "an unknown escape follows \\");
	to[(*len)++] = meaning[found - from];
	return 0;
}

/* How long the text is as written: decoding never makes it longer. */
static size_t written_length(const struct reader *reader)
{
	size_t at = reader->at;

	while (at < reader->in.len && reader->in.at[at] != '"')
		at += reader->in.at[at] == '\\' ? 2 : 1;
	return (at < reader->in.len ? at : reader->in.len) - reader->at;
}

static int read_text(struct reader *reader, struct span *ret_text)
{
	char *to = arena_new(reader->arena, written_length(reader) + 1);
	size_t len = 0, valid;

	if (!to)
		return -ENOMEM;
	while (reader->at < reader->in.len) {
		const uint8_t *c = reader->in.at + reader->at;

		if (*c == '"') {
			reader->at++;
			*ret_text = (struct span){(const uint8_t *)to, len};
			return 0;
		}
		if (*c < 0x20)
			return bad(reader, "a control byte stands in a text");
		if (*c == '\\') {
			reader->at++;
			if (read_escape(reader, to, &len))
				return -EINVAL;
			continue;
		}
		valid = utf8_valid(c, reader->in.len - reader->at);
		if (!valid)
			return bad(reader, "a text is not UTF-8");
		memcpy(to + len, c, valid);
		len += valid;
		reader->at += valid;
	}
	return bad(reader, "a text does not end");
}

static int read_members(struct reader *reader, unsigned depth, struct json_node *node, uint8_t end)
{
	struct json_node **link = &node->child;
	int error;

	if (depth == JSON_DEPTH)
		return bad(reader, "nested too deeply");
	if (take(reader, end))
		return 0;
	do {
		struct json_node *member = arena_new(reader->arena, sizeof(*member));

		if (!member)
			return -ENOMEM;
		if (end == '}') {
			if (!take(reader, '"'))
				return bad(reader, "a name in quotes is missing");
			error = read_text(reader, &member->key);
			if (error)
				return error;
			if (!take(reader, ':'))
				return bad(reader, "a ':' is missing");
		}
		error = read_value(reader, depth + 1, member);
		if (error)
			return error;
		*link = member;
		link = &member->next;
	} while (take(reader, ','));
	return take(reader, end) ? 0
				 : bad(reader, end == '}' ? "',' or '}' is missing"
							  : "',' or ']' is missing");
}

static int read_value(struct reader *reader, unsigned depth, struct json_node *node)
{
	uint8_t c = peek(reader);

	if (c == '-' || is_digit(c))
		return read_number(reader, node);
	if (take(reader, '"')) {
		node->type = JSON_TEXT;
		return read_text(reader, &node->text);
	}
	if (take(reader, '{')) {
		node->type = JSON_OBJECT;
		return read_members(reader, depth, node, '}');
	}
	if (take(reader, '[')) {
		node->type = JSON_ARRAY;
		return read_members(reader, depth, node, ']');
	}
	if (take_word(reader, "null"))
		return 0;
	node->type = JSON_BOOL;
	node->truth = take_word(reader, "true");
	if (node->truth || take_word(reader, "false"))
		return 0;
	return bad(reader, reader->at == reader->in.len ? "the text ends where a value should stand"
							: "no JSON value begins here");
}

int json_read(struct span text, struct arena *arena, const struct json_node **ret_root,
	      struct err *why)
{
	struct reader reader = {.in = text, .arena = arena};
	struct json_node *root = arena_new(arena, sizeof(*root));
	int error = root ? read_value(&reader, 0, root) : -ENOMEM;

	if (!error && (peek(&reader) || reader.at < text.len))
		error = bad(&reader, "something follows the value");
	if (error == -ENOMEM)
		return err_set(why, -ENOMEM,
			       "JSON of %zu bytes needs more than the %zu bytes it may take",
			       text.len, arena->cap);
	if (error)
		return err_set(why, error, "not JSON: byte %zu: %s", reader.at + 1, reader.wrong);
	*ret_root = root;
	return 0;
}

const struct json_node *json_get(const struct json_node *node, const char *key)
{
	if (!node || node->type != JSON_OBJECT)
		return NULL;
	for (const struct json_node *child = node->child; child; child = child->next)
		if (span_is(child->key, key))
			return child;
	return NULL;
}

const char *json_get_text(const struct json_node *node, const char *key)
{
	const struct json_node *member = json_get(node, key);

	return member && member->type == JSON_TEXT ? (const char *)member->text.at : NULL;
}

bool json_node_u64(const struct json_node *node, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!node || node->type != JSON_NUMBER)
		return false;
	for (size_t i = 0; i < node->text.len; i++) {
		uint8_t c = node->text.at[i];

		if (!is_digit(c) || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, c - '0', &value))
			return false;
	}
	*ret_value = value;
	return true;
}

bool json_node_i64(const struct json_node *node, int64_t *ret_value)
{
	struct json_node digits;
	bool is_negative;
	uint64_t value;

	if (!node || node->type != JSON_NUMBER)
		return false;
	digits = *node;
	is_negative = digits.text.at[0] == '-';
	digits.text = span_from(digits.text, is_negative);
	if (!json_node_u64(&digits, &value) || value > (uint64_t)INT64_MAX + is_negative)
		return false;
	*ret_value = (int64_t)(is_negative ? 0 - value : value);
	return true;
}

/* Copied because the text has no 0 behind it; a number longer than this has nothing but noise in its tail. */
bool json_node_double(const struct json_node *node, double *ret_value)
{
	char text[512];

	if (!node || node->type != JSON_NUMBER || node->text.len >= sizeof(text))
		return false;
	memcpy(text, node->text.at, node->text.len);
	text[node->text.len] = 0;
	*ret_value = strtod(text, NULL);
	return isfinite(*ret_value);
}

bool json_is_number(struct span text)
{
	struct reader reader = {.in = text};
	struct json_node node;

	return text.len && (text.at[0] == '-' || is_digit(text.at[0])) &&
	       !read_number(&reader, &node) && reader.at == text.len;
}

/* No deeper than it was read: JSON_DEPTH. */
void json_node_write(const struct json_node *node, struct json *json)
{
	switch (node->type) {
	case JSON_NULL: json_null(json); return;
	case JSON_BOOL: json_bool(json, node->truth); return;
	case JSON_NUMBER: json_raw(json, node->text); return;
	case JSON_TEXT: json_span(json, node->text); return;
	case JSON_ARRAY: json_array(json); break;
	case JSON_OBJECT: json_object(json); break;
	}
	for (const struct json_node *child = node->child; child; child = child->next) {
		if (node->type == JSON_OBJECT)
			json_key(json, (const char *)child->key.at);
		json_node_write(child, json);
	}
	node->type == JSON_ARRAY ? json_array_end(json) : json_object_end(json);
}
