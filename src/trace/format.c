// SPDX-License-Identifier: GPL-2.0-only
/* format - formats of printf: cutting them into conversions, and carrying one out. */
#include "trace/format.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH_MAX = 4096 };

static int number_at(struct span format, size_t *at)
{
	int n = 0;

	while (*at < format.len && isdigit(format.at[*at]) && n <= WIDTH_MAX)
		n = n * 10 + (format.at[(*at)++] - '0');
	return n > WIDTH_MAX ? WIDTH_MAX : n;
}

static uint8_t length_at(struct span format, size_t *at)
{
	uint8_t length = 4;

	while (*at < format.len && strchr("hlqjzt", format.at[*at])) {
		if (format.at[(*at)++] == 'h')
			length = length == 2 ? 1 : 2;
		else
			length = 8;
	}
	return length;
}

/* From behind the '%'. */
static bool parse_conversion(struct span format, size_t *at, struct conversion *c)
{
	size_t flags = 0;

	while (*at < format.len && strchr("-+ #0", format.at[*at]) && flags + 1 < sizeof(c->flags))
		c->flags[flags++] = (char)format.at[(*at)++];
	c->flags[flags] = 0;
	c->width = *at < format.len && isdigit(format.at[*at]) ? number_at(format, at) : -1;
	c->precision = -1;
	if (*at < format.len && format.at[*at] == '.') {
		++*at;
		c->precision = number_at(format, at);
	}
	c->length = length_at(format, at);
	if (*at >= format.len || !strchr("diuxXocspr%g", format.at[*at]))
		return false;
	c->letter = (char)format.at[(*at)++];
	c->variant = 0;
	if (c->letter == 'r' && *at < format.len &&
	    (format.at[*at] == 'x' || format.at[*at] == 'h'))
		c->variant = (char)format.at[(*at)++];
	if (c->letter == 'g') {
		if (*at >= format.len || format.at[*at] != 'r')
			return false;
		++*at;
	}
	return true;
}

bool format_next(struct span format, size_t *at, struct conversion *ret_conversion)
{
	while (*at < format.len) {
		const uint8_t *percent = memchr(format.at + *at, '%', format.len - *at);
		size_t next;

		if (!percent)
			return false;
		ret_conversion->from = (size_t)(percent - format.at);
		next = ret_conversion->from + 1;
		if (parse_conversion(format, &next, ret_conversion)) {
			*at = next;
			return true;
		}
		*at = ret_conversion->from + 1;
	}
	return false;
}

static void pad(const struct conversion *c, struct span text, struct buf *out)
{
	size_t width = c->width > 0 ? (size_t)c->width : 0;
	bool is_left = strchr(c->flags, '-');

	if (c->precision >= 0)
		text = span_first(text, (size_t)c->precision);
	if (!is_left && width > text.len)
		buf_fill(out, ' ', width - text.len);
	buf_span(out, text);
	if (is_left && width > text.len)
		buf_fill(out, ' ', width - text.len);
}

static uint64_t integer_at(const struct type *type, const uint8_t *bytes)
{
	return output_integer(type, bytes);
}

/* As C prints it: cut to the length that the conversion names. */
static void format_integer(const struct conversion *c, uint64_t value, struct buf *out)
{
	char format[32], text[WIDTH_MAX + 80];
	bool is_signed = c->letter == 'd' || c->letter == 'i';
	uint32_t shift = 64 - c->length * 8u;
	int n;

	value <<= shift;
	value = is_signed ? (uint64_t)((int64_t)value >> shift) : value >> shift;
	n = snprintf(format, sizeof(format), "%%%s%s%s%s%c", c->flags, c->width >= 0 ? "*" : "",
		     c->precision >= 0 ? ".*" : "", "ll", c->letter);
	if (n < 0 || n >= (int)sizeof(format))
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (c->width >= 0 && c->precision >= 0)
		n = snprintf(text, sizeof(text), format, c->width, c->precision, value);
	else if (c->width >= 0)
		n = snprintf(text, sizeof(text), format, c->width, value);
	else if (c->precision >= 0)
		n = snprintf(text, sizeof(text), format, c->precision, value);
	else
		n = snprintf(text, sizeof(text), format, value);
#pragma GCC diagnostic pop
	if (n > 0)
		buf_add(out, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void format_buffer(const struct conversion *c, const struct type *type, const uint8_t *bytes,
			  struct buf *out)
{
	struct span raw = {bytes, type->size};
	struct buf text;

	if (type->kind == TYPE_BUFFER) {
		uint32_t len;

		memcpy(&len, bytes, 4);
		raw = (struct span){bytes + 4, len < type->count ? len : type->count};
	}
	buf_init(&text, raw.len * 4 + 1);
	for (size_t i = 0; i < raw.len; i++) {
		if (c->variant == 'h')
			buf_f(&text, "%s%02x", i ? " " : "", raw.at[i]);
		else if (c->variant == 'x' || raw.at[i] < 32 || raw.at[i] > 126)
			buf_f(&text, "\\x%02x", raw.at[i]);
		else
			buf_char(&text, (char)raw.at[i]);
	}
	pad(c, buf_as_span(&text), out);
	buf_done(&text);
}

void format_value(struct output *output, const struct conversion *c, const struct type *type,
		  const uint8_t *bytes, struct buf *out)
{
	struct buf text;
	char letter;

	switch (c->letter) {
	case 'r': format_buffer(c, type, bytes, out); return;
	case 'c':
		letter = (char)integer_at(type, bytes);
		pad(c, (struct span){(const uint8_t *)&letter, 1}, out);
		return;
	case 'p': {
		char pointer[24];
		int n = snprintf(pointer, sizeof(pointer), "0x%llx",
				 (unsigned long long)integer_at(type, bytes));

		pad(c, (struct span){(const uint8_t *)pointer, (size_t)n}, out);
		return;
	}
	case 's':
	case 'g':
		buf_init(&text, 1 << 20);
		output_value(output, type, bytes, &text);
		pad(c, buf_as_span(&text), out);
		buf_done(&text);
		return;
	default: format_integer(c, integer_at(type, bytes), out);
	}
}
