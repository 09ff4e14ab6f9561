// SPDX-License-Identifier: GPL-2.0-only
/*
 * query - walks over the parts of a table that a question concerns, and finds the rows it wants.
 *
 * First the rows in memory, with the store locked (they change); under the same lock the segments
 * are noted that may hold more, and kept from being unlinked. Then those, without the lock. So a
 * row is seen exactly once, however much is written, merged or deleted meanwhile. What can be
 * passed over by its times, its least and greatest values, its dictionary or its bloom filter is
 * not read.
 */
#include "store/query.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/inside.h"
#include "store/run.h"

/* What the walk needs beside the run. */
struct walk {
	struct run run;
	struct store *store;
	struct segment **segment; /* owned list; the segments are kept by their count of readers */
	uint32_t segments;
	int64_t deadline_ns;
};

void run_missed(struct run *run, uint64_t rows, const char *what)
{
	struct store_answer *answer = run->answer;

	answer->rows_unreadable += rows;
	answer->partial = true;
	if (!answer->why_partial[0])
		snprintf(answer->why_partial, sizeof(answer->why_partial), "%s", what);
}

static int order_of_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int cell_order(const struct store_cell *a, const struct store_cell *b)
{
	uint64_t flip;
	size_t len;
	int order;

	if (!a->type || !b->type)
		return !a->type - !b->type;
	switch (a->type) {
	case STORE_DOUBLE:
		if (isnan(a->real) || isnan(b->real))
			return isnan(a->real) - isnan(b->real);
		return (a->real > b->real) - (a->real < b->real);
	case STORE_TEXT:
	case STORE_SKETCH:
		len = a->text.len < b->text.len ? a->text.len : b->text.len;
		order = len ? memcmp(a->text.at, b->text.at, len) : 0;
		return order ? order : order_of_numbers(a->text.len, b->text.len);
	case STORE_ID16: return memcmp(a->id16, b->id16, 16);
	default:
		flip = type_is_signed(a->type) ? (uint64_t)1 << 63 : 0;
		return order_of_numbers(a->u64 ^ flip, b->u64 ^ flip);
	}
}

/* Fills run->wanted from the block's rows: time and test. */
static int find_wanted(struct run *run, enum verdict verdict, bool all_times)
{
	uint8_t selected[BLOCK_ROWS_MAX];
	const struct vector *times;
	uint32_t count = 0, rows = run->part.rows;
	int error = 0;

	if (verdict == MAYBE)
		error = test_rows(run->test, &run->part, selected);
	else
		memset(selected, 1, rows);
	if (!error && !all_times)
		error = part_vector(&run->part, 0, &times);
	if (error)
		return error;
	if (!all_times)
		for (uint32_t row = 0; row < rows; row++)
			selected[row] &= (int64_t)times->values[row] >= run->query->from_ns &&
					 (int64_t)times->values[row] < run->query->to_ns;
	for (uint32_t row = 0; row < rows; row++) {
		run->wanted[count] = row;
		count += selected[row];
	}
	run->wanted_count = count;
	return 0;
}

static int take_block(struct run *run)
{
	const struct part *part = &run->part;
	const struct store_query *query = run->query;
	enum verdict verdict = test_block(run->test, part);
	int error;

	if (part->time_max < query->from_ns || part->time_min >= query->to_ns || verdict == NEVER ||
	    (run->picker && !picker_wants(run, part->time_min, part->time_max))) {
		run->answer->blocks_skipped++;
		return 0;
	}
	run->answer->blocks_read++;
	run->answer->rows_seen += part->rows;
	error = find_wanted(run, verdict,
			    part->time_min >= query->from_ns && part->time_max < query->to_ns);
	if (error)
		return error;
	run->answer->rows_matched += run->wanted_count;
	if (!run->wanted_count)
		return 0;
	return run->picker ? picker_take(run) : grouper_take(run);
}

static bool time_is_out(const struct walk *walk)
{
	return mono_now(walk->store) > walk->deadline_ns;
}

/* All blocks of the part that was entered; the newest first when those are wanted. */
static int take_part(struct walk *walk)
{
	struct run *run = &walk->run;
	struct part *part = &run->part;
	int error;

	arena_clear(&run->scratch);
	error = predicate_bind(run->query->where, &run->table, part, &run->scratch, &run->test);
	if (error)
		return error;
	if (test_part(run->test) == NEVER) {
		run->answer->blocks_skipped += part->blocks;
		return 0;
	}
	if (run->grouper)
		grouper_enter_part(run);
	for (uint32_t i = 0; i < part->blocks; i++) {
		part_enter_block(part, run->query->ascending ? i : part->blocks - 1 - i);
		error = take_block(run);
		if (error == -EBADMSG || error == -EIO) {
			atomic_fetch_add(&walk->store->blocks_bad, 1);
			run_missed(run, part->rows, "a damaged block was left out");
		} else if (error) {
			return error;
		}
		if (time_is_out(walk)) {
			run_missed(run, 0, "time was out before everything was read");
			return -ETIME;
		}
	}
	return 0;
}

static int take_chunks(struct walk *walk, const struct live *live)
{
	struct part *part = &walk->run.part;
	int error = 0;

	if (live->open && live->open->rows) {
		part_enter_chunk(part, live->open);
		error = take_part(walk);
		part_leave(part);
	}
	for (const struct chunk *chunk = live->sealed; chunk && !error; chunk = chunk->next) {
		part_enter_chunk(part, chunk);
		error = take_part(walk);
		part_leave(part);
	}
	return error;
}

static bool concerns(const struct store_query *query, const struct listed *listed)
{
	return listed->time_max >= query->from_ns && listed->time_min < query->to_ns;
}

/* Needs state. */
static int note_segments(struct walk *walk, const struct live *live)
{
	const struct shelf *shelf = &live->shelf;

	walk->segment = malloc((shelf->count + 1) * sizeof(struct segment *));
	if (!walk->segment)
		return -ENOMEM;
	for (uint32_t i = 0; i < shelf->count; i++) {
		if (!concerns(walk->run.query, &shelf->at[i]->listed)) {
			walk->run.answer->segments_skipped++;
			continue;
		}
		atomic_fetch_add(&shelf->at[i]->readers, 1);
		walk->segment[walk->segments++] = shelf->at[i];
	}
	return 0;
}

static int oldest_first(const void *a, const void *b)
{
	const struct segment *const *left = a, *const *right = b;
	int64_t x = (*left)->listed.time_min, y = (*right)->listed.time_min;

	return (x > y) - (x < y);
}

static int newest_first(const void *a, const void *b)
{
	const struct segment *const *left = a, *const *right = b;
	int64_t x = (*left)->listed.time_max, y = (*right)->listed.time_max;

	return (x < y) - (x > y);
}

static int take_segment(struct walk *walk, struct segment *segment, struct segment_reader *reader)
{
	struct run *run = &walk->run;
	char name[FILE_NAME_BYTES];
	int error;

	if (run->picker && !picker_wants(run, segment->listed.time_min, segment->listed.time_max)) {
		run->answer->segments_skipped++;
		return 0;
	}
	segment_name(name, segment->listed.table, segment->listed.number);
	error = segment_open(reader, walk->store->disk, walk->store->dir, name, &run->codec, NULL);
	if (error == -ENOMEM)
		return error;
	if (error) {
		if (error == -EBADMSG)
			atomic_store(&segment->suspect, true);
		run_missed(run, segment->listed.rows, "a segment could not be read");
		return 0;
	}
	run->answer->segments_read++;
	part_enter_segment(&run->part, reader);
	error = take_part(walk);
	part_leave(&run->part);
	segment_close(reader);
	if (error == -EBADMSG || error == -EIO) {
		atomic_fetch_add(&walk->store->blocks_bad, 1);
		run_missed(run, segment->listed.rows, "a damaged segment was left out");
		error = 0;
	}
	return error;
}

static int take_segments(struct walk *walk)
{
	struct segment_reader *reader = malloc(sizeof(*reader));
	int error = reader ? 0 : -ENOMEM;

	if (walk->segments)
		qsort(walk->segment, walk->segments, sizeof(struct segment *),
		      walk->run.query->ascending ? oldest_first : newest_first);
	for (uint32_t i = 0; i < walk->segments && !error; i++)
		error = take_segment(walk, walk->segment[i], reader);
	free(reader);
	return error;
}

static int64_t oldest_row(const struct live *live)
{
	int64_t oldest = INT64_MAX;

	for (uint32_t i = 0; i < live->shelf.count; i++)
		if (live->shelf.at[i]->listed.time_min < oldest)
			oldest = live->shelf.at[i]->listed.time_min;
	for (const struct chunk *chunk = live->sealed; chunk; chunk = chunk->next)
		oldest = chunk->time_min < oldest ? chunk->time_min : oldest;
	if (live->open && live->open->rows && live->open->time_min < oldest)
		oldest = live->open->time_min;
	return oldest == INT64_MAX ? 0 : oldest;
}

static int check_query(struct run *run, struct err *why)
{
	const struct store_query *query = run->query;
	int error = predicate_check(query->where, &run->table, why);

	if (error)
		return error;
	if (query->limit > QUERY_ROWS_MAX || query->by_count > QUERY_BY_MAX ||
	    query->aggregates > QUERY_AGGREGATES_MAX || query->columns_count > QUERY_COLUMNS_MAX ||
	    query->groups_max > QUERY_GROUPS_MAX || query->step_ns < 0)
		return err_set(why, -EINVAL,
			       "the question asks for too much: at most %d rows, %d groups",
			       QUERY_ROWS_MAX, QUERY_GROUPS_MAX);
	if (query->by_count || query->aggregates || query->step_ns)
		return grouper_new(run, why);
	return picker_new(run, why);
}

static int look_into_memory(struct walk *walk, struct err *why)
{
	struct run *run = &walk->run;
	struct live *live;
	int error;

	lock_state(walk->store);
	live = store_live(walk->store, run->query->table);
	if (!live || !live->table.count) {
		unlock_state(walk->store);
		return err_set(why, -ENOENT, "there is no table '%s'", run->query->table);
	}
	run->table = live->table;
	run->answer->from_ns = oldest_row(live);
	error = check_query(run, why);
	if (!error)
		error = note_segments(walk, live);
	if (!error)
		error = take_chunks(walk, live);
	unlock_state(walk->store);
	return error;
}

static void end_walk(struct walk *walk)
{
	for (uint32_t i = 0; i < walk->segments; i++)
		atomic_fetch_sub(&walk->segment[i]->readers, 1);
	free(walk->segment);
	picker_free(walk->run.picker);
	grouper_free(walk->run.grouper);
	part_done(&walk->run.part);
	codec_done(&walk->run.codec);
	arena_done(&walk->run.scratch);
	free(walk);
}

static int walk_all(struct walk *walk, struct err *why)
{
	struct run *run = &walk->run;
	int error = codec_init(&run->codec);

	if (!error)
		error = look_into_memory(walk, why);
	if (!error)
		error = take_segments(walk);
	if (error == -ETIME) /* what is there is still an answer, marked as partial */
		error = 0;
	if (!error)
		error = run->picker ? picker_finish(run) : grouper_finish(run);
	if (error == -ENOMEM)
		err_set(why, error,
			"the question needs more than %d MiB: ask for fewer rows or groups",
			QUERY_MEMORY_MAX >> 20);
	return error;
}

int store_query(struct store *store, const struct store_query *query, struct store_answer *answer,
		struct err *why)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int64_t budget_ms = query->budget_ms ? query->budget_ms : QUERY_BUDGET_MS;
	int error;

	*answer = (struct store_answer){};
	arena_init(&answer->arena, QUERY_MEMORY_MAX);
	if (!walk)
		return err_set(why, -ENOMEM, "no memory for a question");
	walk->store = store;
	walk->deadline_ns = mono_now(store) + budget_ms * 1000000;
	walk->run.query = query;
	walk->run.answer = answer;
	walk->run.limit = query->limit ? query->limit : QUERY_ROWS_MAX;
	arena_init(&walk->run.scratch, QUERY_MEMORY_MAX);
	part_init(&walk->run.part, &walk->run.codec);
	error = walk_all(walk, why);
	end_walk(walk);
	return error;
}

void store_answer_done(struct store_answer *answer)
{
	arena_done(&answer->arena);
	*answer = (struct store_answer){};
}
