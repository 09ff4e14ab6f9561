// SPDX-License-Identifier: GPL-2.0-only
/* check - what is in a store, compared with the rows that follow from their numbers. */
#include "store/check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "store/query.h"

void kit_options(struct store_options *options, const char *path, struct kit_disk *disk)
{
	store_defaults(options);
	options->path = path;
	options->block_rows = 32;
	options->segment_rows = 300;
	options->segment_age_s = 20;
	options->journal_file_bytes = 4000;
	options->journal_bytes_max = 40000;
	options->bytes_max = 4 << 20;
	options->room_min = 30000;
	if (disk) {
		options->disk = &disk->disk;
		options->sqlite_vfs = kit_sqlite(disk);
	}
}

void kit_define(struct store *store, const struct store_table **ret_table)
{
	const struct store_table_definition definition = {
		.name = "requests", .columns = kit_columns, .count = KIT_COLUMNS};
	struct err why = {};

	if (store_table_define(store, &definition, ret_table, &why))
		fail_msg("%s", why.text);
}

int kit_append(struct store *store, struct store_rows *rows, uint64_t from, uint64_t to)
{
	int taken;

	for (uint64_t number = from; number < to; number++) {
		struct kit_row row = kit_row(number);

		kit_fill(rows, &row);
	}
	taken = store_append(store, rows, NULL);
	store_rows_clear(rows);
	return taken;
}

/* The number that a row with that time and span has; the time leaves only few to try. */
static bool number_of(int64_t time, uint64_t span, struct kit_row *ret_row, uint64_t *ret_number)
{
	uint64_t guess = (uint64_t)(time - 1790000000000000000) / 10000000;

	for (uint64_t back = 0; back < 4 && back <= guess; back++) {
		*ret_row = kit_row(guess - back);
		if (ret_row->time == time && ret_row->span == span) {
			*ret_number = guess - back;
			return true;
		}
	}
	return false;
}

static void check_text(const struct store_cell *cell, bool there, const char *text)
{
	assert_int_equal(cell->type, there ? STORE_TEXT : 0);
	if (there)
		assert_true(span_is(cell->text, text));
}

static void check_row(const struct store_answer *answer, size_t at, struct kit_check *check,
		      uint8_t *seen, uint64_t limit)
{
	const struct store_cell *cell = store_answer_cell(answer, at, 0);
	struct kit_row row;
	uint64_t number = 0;

	if (!number_of(cell[TIME].i64, cell[SPAN].u64, &row, &number))
		fail_msg("a row that nobody wrote");
	if (number >= limit)
		fail_msg("row %llu was never written", (unsigned long long)number);
	if (seen[number]++)
		fail_msg("row %llu is there twice", (unsigned long long)number);
	check_text(&cell[SERVICE], true, row.service);
	check_text(&cell[PATH], true, row.path);
	check_text(&cell[REMARK], row.has_remark, row.remark);
	assert_int_equal(cell[STATUS].type, row.has_status ? STORE_U64 : 0);
	assert_true(!row.has_status || cell[STATUS].u64 == row.status);
	assert_int_equal(cell[LATENCY].i64, row.latency);
	assert_true(!row.has_share || cell[SHARE].real == row.share);
	assert_int_equal(cell[GOOD].u64, row.good);
	assert_int_equal(cell[TRACE].type, row.has_trace ? STORE_ID16 : 0);
	if (row.has_trace)
		assert_memory_equal(cell[TRACE].id16, row.trace, 16);
	if (!check->rows || number < check->first)
		check->first = number;
	if (number >= check->end)
		check->end = number + 1;
	check->rows++;
}

struct kit_check kit_check(struct store *store, uint64_t limit, uint8_t *ret_seen)
{
	struct store_query query = {
		.table = "requests", .to_ns = INT64_MAX, .ascending = true, .limit = 5000};
	uint8_t *seen = calloc(limit + 1, 1);
	struct kit_check check = {};
	struct store_answer answer;
	struct err why = {};
	bool more = true;

	while (more) {
		int error = store_query(store, &query, &answer, &why);

		if (error == -ENOENT) { /* the power went before anything was durable */
			store_answer_done(&answer);
			break;
		}
		if (error)
			fail_msg("%s", why.text);
		for (size_t i = 0; i < answer.rows; i++)
			check_row(&answer, i, &check, seen, limit);
		check.unreadable = answer.rows_unreadable;
		more = answer.next.set;
		query.after = answer.next; /* its key is a time: nothing borrowed */
		store_answer_done(&answer);
	}
	if (ret_seen)
		memcpy(ret_seen, seen, limit + 1);
	free(seen);
	check.gaps = check.rows ? check.end - check.first - check.rows : 0;
	return check;
}

void kit_equations(struct store *store)
{
	struct store_status status;

	store_status(store, &status);
	assert_int_equal(status.rows_offered, status.rows_accepted + status.rows_refused);
	assert_int_equal(status.rows_accepted + status.rows_recovered,
			 status.rows_in_memory + status.rows_written + status.rows_lost);
	assert_int_equal(status.rows_in_segments, status.rows_found + status.rows_written -
							  status.rows_expired -
							  status.rows_set_aside);
}
