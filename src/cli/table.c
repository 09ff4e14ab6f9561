// SPDX-License-Identifier: GPL-2.0-only
/* table - rows of text in columns as wide as they need to be, no wider than the terminal. */
#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json.h"
#include "base/units.h"

enum { TABLE_BYTES = 64 << 20, GAP = 2 };

void table_init(struct table *table)
{
	*table = (struct table){};
	buf_init(&table->cell, TABLE_BYTES);
}

void table_done(struct table *table)
{
	buf_done(&table->cell);
}

static void add_visible(struct buf *out, struct span text)
{
	for (size_t at = 0; at < text.len;) {
		size_t valid = utf8_valid(text.at + at, text.len - at);

		if (!valid || text.at[at] < 0x20 || text.at[at] == 0x7f) {
			buf_f(out, "\\x%02x", text.at[at]);
			at++;
		} else {
			buf_add(out, text.at + at, valid);
			at += valid;
		}
	}
	buf_char(out, 0);
}

void table_head(struct table *table, const char *name)
{
	if (table->columns == TABLE_COLUMNS)
		return;
	table->columns++;
	for (const char *at = name; *at; at++)
		buf_char(&table->cell, *at >= 'a' && *at <= 'z' ? (char)(*at - 32) : *at);
	buf_char(&table->cell, 0);
}

void table_cell(struct table *table, struct span text)
{
	add_visible(&table->cell, text);
}

void table_cell_f(struct table *table, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_cell(table, span_of(text));
}

/* Characters, not bytes; wide ones count as one, which is wrong for some scripts and does no harm. */
static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static void print_cell(const char *text, size_t wide, bool right, bool last, size_t *left)
{
	size_t own = characters(text), pad = wide > own ? wide - own : 0;

	if (right)
		printf("%*s", (int)pad, "");
	while (*text && (*left || ((unsigned char)*text & 0xc0) == 0x80)) {
		*left -= ((unsigned char)*text & 0xc0) != 0x80;
		putchar(*text++);
	}
	if (!right && !last)
		printf("%*s", (int)pad, "");
	if (!last)
		printf("%*s", GAP, "");
	*left = *left > pad + GAP ? *left - pad - GAP : 0;
}

void table_print(const struct table *table, size_t width)
{
	size_t wide[TABLE_COLUMNS] = {};

	table_print_on(table, width, wide);
}

void table_print_on(const struct table *table, size_t width, size_t wide[TABLE_COLUMNS])
{
	size_t column = 0;
	const char *text = buf_text(&table->cell), *end = text + table->cell.len;

	if (!table->columns)
		return;
	for (const char *at = text; at < end; at += strlen(at) + 1) {
		size_t own = characters(at);

		if (own > wide[column])
			wide[column] = own;
		column = (column + 1) % table->columns;
	}
	column = 0;
	for (const char *at = text; at < end;) {
		size_t left = width ? width : SIZE_MAX / 2;

		for (column = 0; column < table->columns && at < end; column++, at += strlen(at) + 1)
			print_cell(at, wide[column], table->right[column], column + 1 == table->columns,
				   &left);
		putchar('\n');
	}
}

size_t terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}

static bool ends_with(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len >= end && !strcmp(name + len - end, ending);
}

void print_value(struct buf *out, const char *name, const struct json_node *node)
{
	double number;

	if (!node || node->type == JSON_NULL)
		return;
	if (node->type == JSON_BOOL) {
		buf_str(out, node->truth ? "yes" : "no");
		return;
	}
	if (node->type == JSON_NUMBER && json_node_double(node, &number)) {
		if (ends_with(name, "_ns") || strstr(name, "_ns_")) /* duration_ns_max */
			print_duration(out, number);
		else if (ends_with(name, "bytes"))
			print_bytes(out, number);
		else
			buf_span(out, node->text);
		return;
	}
	if (node->type == JSON_TEXT)
		buf_span(out, node->text);
}
