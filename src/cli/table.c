// SPDX-License-Identifier: GPL-2.0-only
/* table - rows of text in columns as wide as they need to be, no wider than the terminal. */
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
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
	table->has_head = true;
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

/* ---- fitting a terminal ---- */

enum { TEXT_MIN = 12, HEAD_LINES = 4 };
#define MARK '\1' /* in front of a row's first cell; cells have no control bytes */

void table_mark(struct table *table)
{
	buf_char(&table->cell, MARK);
}

static const char *skip_mark(const char *cell)
{
	return cell + (*cell == MARK);
}

static void widen(const struct table *table, const char *from, size_t wide[TABLE_COLUMNS])
{
	const char *end = buf_text(&table->cell) + table->cell.len;
	size_t column = 0;

	for (const char *at = from; at < end; at += strlen(at) + 1) {
		size_t own = characters(skip_mark(at));

		if (own > wide[column])
			wide[column] = own;
		column = (column + 1) % table->columns;
	}
}

static size_t whole_width(const struct table *table, const size_t wide[TABLE_COLUMNS])
{
	size_t sum = table->columns ? GAP * (table->columns - 1) : 0;

	for (size_t i = 0; i < table->columns; i++)
		sum += wide[i];
	return sum;
}

static const char *behind_head(const struct table *table)
{
	const char *at = buf_text(&table->cell);

	for (size_t i = 0; table->has_head && i < table->columns; i++)
		at += strlen(at) + 1;
	return at;
}

/* The widest text gives what is too much, down to the next widest, and so on. */
static void narrow_texts(const struct table *table, size_t width, size_t wide[TABLE_COLUMNS])
{
	size_t sum;

	while ((sum = whole_width(table, wide)) > width) {
		size_t widest = table->columns;

		for (size_t i = 0; i < table->columns; i++)
			if (!table->right[i] && wide[i] > TEXT_MIN &&
			    (widest == table->columns || wide[i] > wide[widest]))
				widest = i;
		if (widest == table->columns)
			return;
		wide[widest]--;
	}
}

/* A name's parts between underscores, as many on a line as fit. Returns the length of the line that begins at `from`, with
 * its underscore. */
static size_t head_line(const char *from, size_t wide)
{
	size_t len = 0;

	while (from[len]) {
		size_t part = strcspn(from + len, "_");

		part += from[len + part] == '_';
		if (len && len + part > wide)
			break;
		len += part;
	}
	return len;
}

/* As wide as their cells, and as the longest part of the name. */
static void narrow_heads(const struct table *table, size_t wide[TABLE_COLUMNS])
{
	const char *head = buf_text(&table->cell);
	size_t cells[TABLE_COLUMNS] = {};

	widen(table, behind_head(table), cells);
	for (size_t i = 0; i < table->columns; i++, head += strlen(head) + 1) {
		for (const char *at = head; *at; at += head_line(at, 1))
			if (head_line(at, 1) > cells[i])
				cells[i] = head_line(at, 1);
		if (cells[i] < wide[i])
			wide[i] = cells[i];
	}
}

/* Numbers are shown whole or not at all: so many columns have room. */
static size_t columns_that_fit(const struct table *table, size_t width,
			       const size_t wide[TABLE_COLUMNS])
{
	size_t sum = 0, fit = 0;

	while (fit < table->columns) {
		sum += wide[fit] + (fit ? GAP : 0);
		if (width && fit && sum > width && table->right[fit])
			break;
		fit++;
	}
	return fit;
}

/* ---- printing ---- */

static void print_cell(const char *text, size_t bytes, size_t wide, bool right, bool last,
		       size_t *left)
{
	const char *end = text + bytes;
	size_t own = 0, pad, shown = 0;

	for (const char *at = text; at < end; at++)
		own += ((unsigned char)*at & 0xc0) != 0x80;
	pad = wide > own ? wide - own : 0;
	if (right)
		printf("%*s", (int)pad, "");
	while (text < end && (*left || ((unsigned char)*text & 0xc0) == 0x80)) {
		bool begins = ((unsigned char)*text & 0xc0) != 0x80;

		if (begins && own > wide && shown + 1 == wide) {
			fputs("…", stdout);
			*left -= 1;
			break;
		}
		shown += begins;
		*left -= begins;
		putchar(*text++);
	}
	if (!right && !last)
		printf("%*s", (int)pad, "");
	if (!last)
		printf("%*s", GAP, "");
	*left = *left > pad + GAP ? *left - pad - GAP : 0;
}

static void print_head(const struct table *table, size_t width, const size_t wide[TABLE_COLUMNS],
		       size_t columns)
{
	size_t done[TABLE_COLUMNS] = {};
	bool has_more = true;

	for (int line = 0; has_more && line < HEAD_LINES; line++) {
		size_t left = width ? width : SIZE_MAX / 2;
		const char *at = buf_text(&table->cell);

		has_more = false;
		for (size_t i = 0; i < columns; i++, at += strlen(at) + 1) {
			size_t len = head_line(at + done[i], wide[i]);

			print_cell(at + done[i], len, wide[i], table->right[i],
				   i + 1 == columns, &left);
			done[i] += len;
			has_more |= at[done[i]] != 0;
		}
		putchar('\n');
	}
}

static bool has_colours(void)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

void table_print(const struct table *table, size_t width)
{
	size_t wide[TABLE_COLUMNS] = {};

	table_print_on(table, width, wide);
}

static void print_rows(const struct table *table, size_t width, const size_t wide[TABLE_COLUMNS],
		       size_t columns)
{
	const char *at = behind_head(table), *end = buf_text(&table->cell) + table->cell.len;
	bool colours = has_colours();

	while (at < end) {
		size_t left = width ? width : SIZE_MAX / 2;
		bool is_marked = *at == MARK && colours;

		if (is_marked)
			fputs("\033[31m", stdout);
		for (size_t i = 0; i < table->columns && at < end; i++, at += strlen(at) + 1)
			if (i < columns)
				print_cell(skip_mark(at), strlen(skip_mark(at)), wide[i],
					   table->right[i], i + 1 == columns, &left);
		fputs(is_marked ? "\033[0m\n" : "\n", stdout);
	}
}

void table_print_on(const struct table *table, size_t width, size_t wide[TABLE_COLUMNS])
{
	size_t columns;

	if (!table->columns)
		return;
	widen(table, buf_text(&table->cell), wide);
	if (width && table->has_head && whole_width(table, wide) > width)
		narrow_heads(table, wide);
	if (width)
		narrow_texts(table, width, wide);
	columns = columns_that_fit(table, width, wide);
	if (table->has_head) {
		fputs(has_colours() ? "\033[1m" : "", stdout);
		print_head(table, width, wide, columns);
		fputs(has_colours() ? "\033[0m" : "", stdout);
	}
	print_rows(table, width, wide, columns);
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
