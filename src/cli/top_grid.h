/* SPDX-License-Identifier: GPL-2.0-only */
/* top_grid - how views of `sonde top` fill their grids. */
#pragma once

#include "cli/top.h"

/* `texts` columns stand to the left, all others are numbers; `sort` is the one that orders at first. */
void top_columns(struct top_grid *grid, const char *const *names, size_t count, size_t texts,
		 size_t sort);
/* A row of empty cells; NULL when there are too many. */
struct top_cell *top_add_row(struct top_grid *grid);
void top_cell_text(struct top_cell *cell, const char *text);
/* Nothing for 0. */
void top_cell_number(struct top_cell *cell, double number,
		     void (*print)(struct buf *out, double number), const char *after);
/* Walks the rows of all items. */
const struct json_node *top_first_row(const struct top_data *data, size_t *ret_item);
const struct json_node *top_next_row(const struct top_data *data, size_t *item,
				     const struct json_node *row);

/* top_requests.c */
void top_fill_services(struct top_data *data, struct top_grid *grid);
void top_fill_requests(struct top_data *data, struct top_grid *grid);
