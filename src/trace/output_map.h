/* SPDX-License-Identifier: GPL-2.0-only */
/* output_map - a map as it was read: its entries with all CPUs put together, in the order in which they are shown. */
#pragma once

#include "trace/run.h"

struct entry {
	const uint8_t *key; /* the script's key */
	const uint8_t *value; /* plain maps: its bytes */
	int64_t total; /* aggregates: count, sum, min, max, total */
	uint64_t count; /* avg, stats: times; histograms: all buckets */
	uint64_t *buckets; /* hist, lhist */
	struct interval *intervals; /* tseries */
};

struct map_table {
	struct entry *entries;
	size_t count, room;
	struct arena arena;
	const struct map_decl *map;
	uint32_t buckets;
};

/* Into a table of zeroes. */
void map_table_read(struct run *run, struct map_use *use, struct map_table *table);
void map_table_done(struct map_table *table);

/* Borders of a bucket of hist() or lhist(): low <= value < high. The first one has no low, lhist's last no high. */
void map_table_bucket_range(const struct type *type, uint32_t bucket, int64_t *low, int64_t *high);

/* A key, or a part of one, as text. */
void map_table_key(struct run *run, const struct type *key, const uint8_t *bytes, bool is_outermost,
		   struct buf *out);
