/* SPDX-License-Identifier: GPL-2.0-only */
/* check - what is in a store, compared with the rows that follow from their numbers (kit.h). */
#pragma once

#include "store/kit.h"

struct kit_check {
	uint64_t rows; /* found; each exactly as it should be, none twice */
	uint64_t first; /* lowest number */
	uint64_t end; /* behind the highest number */
	uint64_t gaps; /* numbers between them that are missing */
	uint64_t unreadable;
};

/* Small limits, so that little data goes through everything. */
void kit_options(struct store_options *options, const char *path, struct kit_disk *disk);
void kit_define(struct store *store, const struct store_table **ret_table);
/* Appends rows [from, to), in one batch. Returns what store_append gave. */
int kit_append(struct store *store, struct store_rows *rows, uint64_t from, uint64_t to);
/* Reads everything; fails the test when anything is wrong. Numbers are below `limit`. ret_seen (may be
 * NULL): 1 for each number that was found; room for limit + 1. */
struct kit_check kit_check(struct store *store, uint64_t limit, uint8_t *ret_seen);
/* Offered = accepted + refused, and so on (store.h). */
void kit_equations(struct store *store);
