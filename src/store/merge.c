// SPDX-License-Identifier: GPL-2.0-only
/*
 * merge - small neighbouring segments of a table become one.
 *
 * Tables that get few rows are written for their age, not for their size. MERGE_COUNT neighbours
 * that are all small are read and written again as one segment, which names them as replaced
 * (write.c, 6). What a merged segment spans is limited, since it is deleted as a whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/inside.h"

#define HOUR ((int64_t)3600 * 1000000000)

struct merge {
	struct store *store;
	struct live *live;
	struct store_table table; /* the table as it is now */
	struct segment *from[MERGE_COUNT];
	struct chunk *chunk; /* owned */
};

static bool is_small(const struct store *store, const struct listed *listed)
{
	return listed->rows < store->options.segment_rows / MERGE_COUNT &&
	       listed->bytes < store->options.segment_bytes / MERGE_COUNT * 2;
}

static int64_t span_limit(const struct shelf *shelf)
{
	int64_t eighth = shelf->keep_ns / 8;

	return !shelf->keep_ns ? 7 * 24 * HOUR : eighth > HOUR ? eighth : HOUR;
}

/* A run of MERGE_COUNT small neighbours that begins at `at`. */
static bool is_run(const struct store *store, const struct live *live, uint32_t at)
{
	int64_t time_min = INT64_MAX, time_max = INT64_MIN;

	for (uint32_t i = at; i < at + MERGE_COUNT; i++) {
		const struct listed *listed = &live->shelf.at[i]->listed;

		time_min = listed->time_min < time_min ? listed->time_min : time_min;
		time_max = listed->time_max > time_max ? listed->time_max : time_max;
		if (!is_small(store, listed) || listed->first_row < live->merge_from)
			return false;
	}
	return (uint64_t)time_max - (uint64_t)time_min <= (uint64_t)span_limit(&live->shelf);
}

static bool find_run(struct store *store, struct merge *merge)
{
	for (uint32_t i = 0; i < store->lives; i++) {
		struct live *live = store->live[i];

		for (uint32_t at = 0; at + MERGE_COUNT <= live->shelf.count; at++)
			if (is_run(store, live, at)) {
				merge->live = live;
				memcpy(merge->from, live->shelf.at + at, sizeof(merge->from));
				return true;
			}
	}
	return false;
}

/* The segment's columns in the places of the table. -EEXIST when a column had another type then. */
static int match_columns(const struct merge *merge, const struct segment_reader *segment,
			 int target[TABLE_COLUMNS_MAX])
{
	for (uint32_t i = 0; i < segment->table.count; i++) {
		target[i] = store_table_column(&merge->table, segment->table.column[i].name);
		if (target[i] < 0 ||
		    merge->table.column[target[i]].type != segment->table.column[i].type)
			return -EEXIST;
	}
	return 0;
}

static int read_dicts(struct merge *merge, struct segment_reader *segment, const int *target,
		      struct store_rows *rows)
{
	int error = 0;

	for (uint32_t i = 0; i < segment->table.count && !error; i++) {
		enum store_type type = segment->table.column[i].type;
		struct dict *dict;

		if (!vector_make(&rows->vector[target[i]], type, BLOCK_ROWS_MAX))
			return -ENOMEM;
		if (!type_is_text(type))
			continue;
		dict = calloc(1, sizeof(*dict));
		if (!dict)
			return -ENOMEM;
		rows->dict[target[i]] = dict;
		error = segment_dict(segment, &merge->store->work_codec, i, dict);
	}
	return error;
}

static int add_block(struct merge *merge, const struct store_rows *rows, uint64_t first_row)
{
	struct chunk *chunk = merge->chunk;
	uint32_t done = 0;
	int error = 0;

	while (done < rows->count && !error) {
		uint32_t room = chunk_room(chunk, first_row + done), step = rows->count - done;

		if (!room) {
			error = chunk->open->count ? chunk_pack(chunk, &merge->store->work_codec)
						   : -ENOSPC;
			continue;
		}
		step = step < room ? step : room;
		error = chunk_add(chunk, rows, done, done + step, first_row + done);
		done += step;
	}
	return error;
}

static int add_blocks(struct merge *merge, struct segment_reader *segment, const int *target,
		      struct store_rows *rows)
{
	int error = 0;

	for (uint32_t b = 0; b < segment->blocks && !error; b++) {
		for (uint32_t i = 0; i < segment->table.count && !error; i++)
			error = segment_vector(segment, &merge->store->work_codec, b, i,
					       &rows->vector[target[i]]);
		rows->count = segment->block[b].rows;
		if (!error)
			error = add_block(merge, rows, segment->block[b].first_row);
	}
	return error;
}

static int add_segment(struct merge *merge, struct segment *from)
{
	struct segment_reader *segment = malloc(sizeof(*segment));
	struct store_rows *rows = store_rows_new(&merge->table, BLOCK_ROWS_MAX);
	int target[TABLE_COLUMNS_MAX], error = -ENOMEM;
	struct store *store = merge->store;
	char name[FILE_NAME_BYTES];

	if (!segment || !rows)
		goto out;
	segment_name(name, from->listed.table, from->listed.number);
	error = segment_open(segment, store->disk, store->dir, name, &store->work_codec, NULL);
	if (error)
		goto out;
	error = match_columns(merge, segment, target);
	if (!error)
		error = read_dicts(merge, segment, target, rows);
	if (!error)
		error = add_blocks(merge, segment, target, rows);
	segment_close(segment);
out:
	if (error == -EBADMSG)
		atomic_store(&from->suspect, true);
	store_rows_free(rows);
	free(segment);
	return error;
}

static int read_run(struct merge *merge)
{
	int error = 0;

	lock_state(merge->store);
	merge->table = merge->live->table;
	unlock_state(merge->store);
	merge->chunk = chunk_new(&merge->table, merge->store->options.block_rows);
	if (!merge->chunk)
		return -ENOMEM;
	for (uint32_t i = 0; i < MERGE_COUNT && !error; i++)
		error = add_segment(merge, merge->from[i]);
	return error ? error : chunk_pack(merge->chunk, &merge->store->work_codec);
}

static int write_run(struct merge *merge, struct listed *listed)
{
	uint64_t replaces[MERGE_COUNT];
	struct store *store = merge->store;
	struct segment_source source = {
		.disk = store->disk,
		.dir = store->dir,
		.replaces = replaces,
		.replaces_count = MERGE_COUNT,
	};

	*listed = (struct listed){
		.kind = FILE_ROWS,
		.first_row = merge->chunk->first_row,
		.next_row = merge->chunk->next_row,
		.rows = merge->chunk->rows,
		.time_min = merge->chunk->time_min,
		.time_max = merge->chunk->time_max,
	};
	snprintf(listed->table, sizeof(listed->table), "%s", merge->table.name);
	for (uint32_t i = 0; i < MERGE_COUNT; i++) {
		replaces[i] = merge->from[i]->listed.number;
		if (merge->from[i]->listed.seen_ns > listed->seen_ns)
			listed->seen_ns = merge->from[i]->listed.seen_ns;
	}
	source.written_ns = listed->seen_ns; /* its age is that of its youngest part */
	lock_state(store);
	source.number = listed->number = store->next_number++;
	unlock_state(store);
	return segment_write(&source, &store->work_codec, merge->chunk, &listed->bytes);
}

/* The new one is in the list before the old ones go: a crash in between finds both, and the rule
 * (write.c, 6). */
static void replace_run(struct merge *merge, const struct listed *listed)
{
	struct store *store = merge->store;
	char name[FILE_NAME_BYTES];
	int error;

	lock_state(store);
	error = shelf_add(&merge->live->shelf, listed);
	for (uint32_t i = 0; i < MERGE_COUNT && !error; i++)
		shelf_remove(&merge->live->shelf, merge->from[i]);
	if (!error) {
		store->status.segments_merged += MERGE_COUNT;
		store->status.bytes_written += listed->bytes;
	}
	unlock_state(store);
	if (error) {
		segment_name(name, listed->table, listed->number);
		store->disk->unlink(store->disk->ctx, store->dir, name);
		return;
	}
	error = catalogue_begin(store->catalogue);
	if (!error)
		error = catalogue_put_segment(store->catalogue, listed);
	for (uint32_t i = 0; i < MERGE_COUNT; i++)
		doom_segment(store, NULL, merge->from[i], true);
	error = error ? (catalogue_end(store->catalogue, false), error)
		      : catalogue_end(store->catalogue, true);
	if (error) {
		store->status.catalogue_failures++;
		store->catalogue_stale = true;
	}
}

bool merge_some(struct store *store)
{
	struct merge *merge = calloc(1, sizeof(*merge));
	struct listed listed;
	int error;

	if (!merge)
		return false;
	merge->store = store;
	if (!find_run(store, merge)) {
		free(merge);
		return false;
	}
	error = read_run(merge);
	if (!error)
		error = write_run(merge, &listed);
	if (!error)
		replace_run(merge, &listed);
	else /* not these again: too different, or too full of texts */
		merge->live->merge_from = merge->from[1]->listed.first_row;
	chunk_free(merge->chunk);
	free(merge);
	return !error;
}
