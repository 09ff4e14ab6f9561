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

/* Flags of the page allocator, the compound ones first: include/linux/gfp_types.h of 6.12. */
static const struct {
	uint64_t bits;
	const char *name;
} gfp_names[] = {
	{0x3d24ca, "GFP_TRANSHUGE"},
	{0x3d20ca, "GFP_TRANSHUGE_LIGHT"},
	{0x100cca, "GFP_HIGHUSER_MOVABLE"},
	{0x100cc2, "GFP_HIGHUSER"},
	{0x100cc0, "GFP_USER"},
	{0x400cc0, "GFP_KERNEL_ACCOUNT"},
	{0xcc0, "GFP_KERNEL"},
	{0xc40, "GFP_NOFS"},
	{0x820, "GFP_ATOMIC"},
	{0xc00, "GFP_NOIO"},
	{0x2800, "GFP_NOWAIT"},
	{0x1, "GFP_DMA"},
	{0x2, "__GFP_HIGHMEM"},
	{0x4, "GFP_DMA32"},
	{0x8, "__GFP_MOVABLE"},
	{0x10, "__GFP_RECLAIMABLE"},
	{0x20, "__GFP_HIGH"},
	{0x40, "__GFP_IO"},
	{0x80, "__GFP_FS"},
	{0x100, "__GFP_ZERO"},
	{0xc00, "__GFP_RECLAIM"},
	{0x400, "__GFP_DIRECT_RECLAIM"},
	{0x800, "__GFP_KSWAPD_RECLAIM"},
	{0x1000, "__GFP_WRITE"},
	{0x2000, "__GFP_NOWARN"},
	{0x4000, "__GFP_RETRY_MAYFAIL"},
	{0x8000, "__GFP_NOFAIL"},
	{0x10000, "__GFP_NORETRY"},
	{0x20000, "__GFP_MEMALLOC"},
	{0x40000, "__GFP_COMP"},
	{0x80000, "__GFP_NOMEMALLOC"},
	{0x100000, "__GFP_HARDWALL"},
	{0x200000, "__GFP_THISNODE"},
	{0x400000, "__GFP_ACCOUNT"},
	{0x800000, "__GFP_ZEROTAGS"},
};

static void gfp_flags(uint64_t flags, struct buf *out)
{
	bool is_first = true;

	for (size_t i = 0; flags && i < sizeof(gfp_names) / sizeof(*gfp_names); i++) {
		if ((flags & gfp_names[i].bits) != gfp_names[i].bits)
			continue;
		buf_f(out, "%s%s", is_first ? "" : "|", gfp_names[i].name);
		flags &= ~gfp_names[i].bits;
		is_first = false;
	}
	if (flags || is_first)
		buf_f(out, is_first && !flags ? "%s0" : "%s0x%llx", is_first ? "" : "|",
		      (unsigned long long)flags);
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
		uint64_t value = integer_at(type, bytes);
		int n = snprintf(pointer, sizeof(pointer), value ? "0x%llx" : "%llx",
				 (unsigned long long)value);

		pad(c, (struct span){(const uint8_t *)pointer, (size_t)n}, out);
		return;
	}
	case 'g':
		buf_init(&text, 4096);
		gfp_flags(integer_at(type, bytes), &text);
		pad(c, buf_as_span(&text), out);
		buf_done(&text);
		return;
	case 's':
		buf_init(&text, 1 << 20);
		output_value(output, type, bytes, &text);
		pad(c, buf_as_span(&text), out);
		buf_done(&text);
		return;
	default: format_integer(c, integer_at(type, bytes), out);
	}
}
