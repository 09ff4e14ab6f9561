/* SPDX-License-Identifier: GPL-2.0-only */
/* table - rows of text in columns as wide as they need to be, no wider than the terminal. */
#pragma once

#include "base/buf.h"
#include "base/json_read.h"

enum { TABLE_COLUMNS = 32 };

struct table {
	size_t columns, rows;
	bool right[TABLE_COLUMNS]; /* numbers stand to the right */
	bool has_head; /* the first cells are the names of the columns */
	struct buf cell; /* all cells one after the other, each ended by 0 */
};

void table_init(struct table *table);
void table_done(struct table *table);
void table_head(struct table *table, const char *name);
/* Cells in the order of the columns. Control bytes are made visible: a name can't move the cursor. */
void table_cell(struct table *table, struct span text);
void table_cell_f(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The row that begins with the next cell stands out (on a terminal): something is wrong there. */
void table_mark(struct table *table);
/*
 * Everything to stdout. `width` 0 = no terminal: nothing is cut. What is too wide for one gets names of columns on several
 * lines, then long texts are cut, then lines.
 */
void table_print(const struct table *table, size_t width);
/* The same for a table that comes in parts: columns only grow wider (`wide` is kept by the caller). */
void table_print_on(const struct table *table, size_t width, size_t wide[TABLE_COLUMNS]);

/* Columns of the terminal on stdout; 0 when it is none. */
size_t terminal_width(void);

/* A JSON value the way people read it, by the name's ending: 12.3 ms, 4.1 MiB. Nothing for NULL. */
void print_value(struct buf *out, const char *name, const struct json_node *node);
