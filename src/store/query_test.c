// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random questions against the simplest model: all rows in an array, looked at one by one. The rows
 * come in batches of any size, between ticks, flushes, merges and restarts.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "store/kit.h"
#include "store/query.h"

enum { ROWS = 6000, NODES = 40 };

static unsigned short seed[3];
static struct kit_row model[ROWS];
static size_t model_rows;
static struct kit_disk disk;
static char folder[64];
static struct store *store;
static const struct store_table *table;
static struct store_rows *rows;

static void open_store(void)
{
	static const struct store_table_definition definition = {
		.name = "requests", .columns = kit_columns, .count = KIT_COLUMNS};
	struct store_options options;
	struct err why = {};

	store_defaults(&options);
	options.path = folder;
	options.disk = &disk.disk;
	options.block_rows = 64;
	options.segment_rows = 700;
	options.segment_age_s = 100;
	options.journal_file_bytes = 20000;
	if (store_open(&options, &store, &why) ||
	    store_table_define(store, &definition, &table, &why))
		fail_msg("%s", why.text);
	rows = store_rows_new(table, 1000);
	assert_non_null(rows);
}

static void close_store(void)
{
	store_rows_free(rows);
	store_close(store);
}

static void add_some(bool few)
{
	size_t count = few || kit_below(seed, 3) ? kit_below(seed, 30) : kit_below(seed, 400);
	struct err why = {};

	for (size_t i = 0; i < count && model_rows < ROWS; i++) {
		model[model_rows] = kit_row(model_rows);
		kit_fill(rows, &model[model_rows++]);
	}
	count = store_rows_count(rows);
	assert_int_equal(store_append(store, rows, &why), count);
	store_rows_clear(rows);
}

/* A random condition, made of nodes that stay until the next one. */
static struct predicate node[NODES];
static struct store_cell value[NODES * 4];
static char text[NODES * 4][48];
static size_t nodes, values;

static bool ends_with_seven(void *ctx, struct span path)
{
	return path.len && path.at[path.len - 1] == '7';
}

static struct store_cell random_value(enum kit_column column)
{
	const struct kit_row *row = &model[kit_below(seed, model_rows)];
	struct store_cell cell = {.type = kit_columns[column].type};
	char *at = text[values % (NODES * 4)];

	switch (column) {
	case TIME: cell.i64 = row->time; break;
	case SERVICE: snprintf(at, 48, "%s", row->service); break;
	case PATH: snprintf(at, 48, "%s", row->path); break;
	case STATUS:
		if (kit_below(seed, 3) == 0)
			return (struct store_cell){.type = STORE_DOUBLE,
						   .real = (double)row->status +
							   (double)kit_below(seed, 3) / 2 - 0.5};
		cell.u64 = row->status;
		break;
	case LATENCY:
		if (kit_below(seed, 3) == 0)
			return (struct store_cell){.type = STORE_DOUBLE,
						   .real = (double)row->latency + 0.5};
		cell.i64 = row->latency;
		break;
	case SHARE: cell.real = row->share; break;
	case GOOD: cell.u64 = row->good; break;
	case TRACE: memcpy(cell.id16, row->trace, 16); break;
	case SPAN: cell.u64 = row->span; break;
	default: snprintf(at, 48, "%s", row->remark); break;
	}
	if (cell.type == STORE_TEXT)
		cell.text = span_of(at);
	values++;
	return cell;
}

static void random_leaf(struct predicate *leaf)
{
	static const enum predicate_op numeric[] = {
		PREDICATE_EQUAL,   PREDICATE_UNEQUAL,  PREDICATE_LESS, PREDICATE_AT_MOST,
		PREDICATE_GREATER, PREDICATE_AT_LEAST, PREDICATE_IN,   PREDICATE_PRESENT};
	enum kit_column column = kit_below(seed, KIT_COLUMNS);
	bool is_text = kit_columns[column].type == STORE_TEXT;
	size_t first = values;

	*leaf = (struct predicate){.column = kit_columns[column].name, .value = &value[first]};
	leaf->op = numeric[kit_below(seed, 8)];
	if (is_text && kit_below(seed, 2))
		leaf->op = PREDICATE_PREFIX + (enum predicate_op)kit_below(seed, 3);
	if (column == TRACE && leaf->op > PREDICATE_UNEQUAL && leaf->op < PREDICATE_IN)
		leaf->op = PREDICATE_EQUAL;
	if (leaf->op == PREDICATE_MATCH)
		leaf->match = ends_with_seven;
	if (leaf->op == PREDICATE_MATCH || leaf->op == PREDICATE_PRESENT)
		return;
	leaf->values = leaf->op == PREDICATE_IN ? 1 + kit_below(seed, 3) : 1;
	for (size_t i = 0; i < leaf->values; i++) {
		value[first + i] = random_value(column);
		values = first + i + 1;
	}
	if (leaf->op == PREDICATE_PREFIX)
		value[first].text.len = kit_below(seed, value[first].text.len + 1);
	if (leaf->op == PREDICATE_GLOB && value[first].text.len > 3) {
		((char *)value[first].text.at)[2] = '*';
		((char *)value[first].text.at)[value[first].text.len - 1] = '?';
	}
}

static void random_predicate(struct predicate *predicate, unsigned depth)
{
	size_t parts = 2 + kit_below(seed, 2);
	struct predicate *part = &node[nodes];

	if (depth > 2 || nodes + 4 > NODES || kit_below(seed, 2)) {
		random_leaf(predicate);
		return;
	}
	*predicate = (struct predicate){.op = (enum predicate_op)kit_below(seed, 3), .part = part};
	predicate->parts = predicate->op == PREDICATE_NOT ? 1 : parts;
	nodes += predicate->parts;
	for (size_t i = 0; i < predicate->parts; i++)
		random_predicate(&part[i], depth + 1);
}

/* The model's own opinion, written as differently as possible. */
static struct store_cell model_cell(const struct kit_row *row, const char *name)
{
	struct store_cell cell = {};
	int column = 0;

	while (strcmp(kit_columns[column].name, name) != 0)
		column++;
	cell.type = kit_columns[column].type;
	switch ((enum kit_column)column) {
	case TIME: cell.i64 = row->time; break;
	case SERVICE: cell.text = span_of(row->service); break;
	case PATH: cell.text = span_of(row->path); break;
	case STATUS: cell.u64 = row->status; break;
	case LATENCY: cell.i64 = row->latency; break;
	case SHARE: cell.real = row->share; break;
	case GOOD: cell.u64 = row->good; break;
	case TRACE: memcpy(cell.id16, row->trace, 16); break;
	case SPAN: cell.u64 = row->span; break;
	default: cell.text = span_of(row->remark); break;
	}
	if ((column == STATUS && !row->has_status) || (column == SHARE && !row->has_share) ||
	    (column == REMARK && !row->has_remark) || (column == TRACE && !row->has_trace))
		cell.type = 0;
	return cell;
}

static long double number(const struct store_cell *cell)
{
	return cell->type == STORE_DOUBLE                            ? (long double)cell->real
	       : cell->type == STORE_I64 || cell->type == STORE_TIME ? (long double)cell->i64
								     : (long double)cell->u64;
}

static int model_order(const struct store_cell *a, const struct store_cell *b)
{
	char left[100], right[100];

	if (a->type == STORE_ID16)
		return memcmp(a->id16, b->id16, 16);
	if (a->type != STORE_TEXT)
		return (number(a) > number(b)) - (number(a) < number(b));
	snprintf(left, sizeof(left), "%.*s", (int)a->text.len, (const char *)a->text.at);
	snprintf(right, sizeof(right), "%.*s", (int)b->text.len, (const char *)b->text.at);
	return strcmp(left, right);
}

static bool glob(const char *pattern, const char *string)
{
	if (*pattern == '*')
		return glob(pattern + 1, string) || (*string && glob(pattern, string + 1));
	if (!*pattern || !*string)
		return !*pattern && !*string;
	return (*pattern == '?' || *pattern == *string) && glob(pattern + 1, string + 1);
}

static bool holds(const struct predicate *predicate, const struct kit_row *row)
{
	struct store_cell cell;
	char pattern[100], string[100];
	int order;

	if (predicate->op == PREDICATE_NOT)
		return !holds(predicate->part, row);
	if (predicate->op <= PREDICATE_OR) {
		size_t count = 0;

		for (size_t i = 0; i < predicate->parts; i++)
			count += holds(&predicate->part[i], row);
		return predicate->op == PREDICATE_AND ? count == predicate->parts : count > 0;
	}
	cell = model_cell(row, predicate->column);
	if (!cell.type)
		return predicate->op == PREDICATE_UNEQUAL;
	if (predicate->op == PREDICATE_PRESENT)
		return true;
	snprintf(string, sizeof(string), "%.*s", cell.type == STORE_TEXT ? (int)cell.text.len : 0,
		 cell.type == STORE_TEXT ? (const char *)cell.text.at : "");
	if (predicate->op == PREDICATE_MATCH)
		return string[strlen(string) - 1] == '7';
	snprintf(pattern, sizeof(pattern), "%.*s",
		 cell.type == STORE_TEXT ? (int)predicate->value[0].text.len : 0,
		 cell.type == STORE_TEXT ? (const char *)predicate->value[0].text.at : "");
	if (predicate->op == PREDICATE_PREFIX)
		return !strncmp(string, pattern, strlen(pattern));
	if (predicate->op == PREDICATE_GLOB)
		return glob(pattern, string);
	if (predicate->op == PREDICATE_IN) {
		for (size_t i = 0; i < predicate->values; i++)
			if (!model_order(&cell, &predicate->value[i]))
				return true;
		return false;
	}
	order = model_order(&cell, &predicate->value[0]);
	switch (predicate->op) {
	case PREDICATE_EQUAL: return order == 0;
	case PREDICATE_UNEQUAL: return order != 0;
	case PREDICATE_LESS: return order < 0;
	case PREDICATE_AT_MOST: return order <= 0;
	case PREDICATE_GREATER: return order > 0;
	default: return order >= 0;
	}
}

static bool wanted(const struct store_query *query, const struct kit_row *row)
{
	return row->time >= query->from_ns && row->time < query->to_ns &&
	       (!query->where || holds(query->where, row));
}

static void random_range_and_condition(struct store_query *query, struct predicate *root)
{
	nodes = values = 0;
	*query = (struct store_query){
		.table = "requests", .from_ns = 0, .to_ns = INT64_MAX, .order = -1};
	if (kit_below(seed, 2)) {
		query->from_ns = model[kit_below(seed, model_rows)].time;
		query->to_ns = query->from_ns + (int64_t)kit_below(seed, 20000000000);
	}
	if (kit_below(seed, 4)) {
		random_predicate(root, 0);
		query->where = root;
	}
}

static const struct store_query *sorting;

/* Numbers of rows in the order of the question. */
static int by_question(const void *a, const void *b)
{
	size_t left = *(const size_t *)a, right = *(const size_t *)b;
	struct store_cell x = model_cell(&model[left], sorting->order_by),
			  y = model_cell(&model[right], sorting->order_by);
	int order = x.type && y.type ? model_order(&x, &y) : 0;

	if (!x.type != !y.type)
		return !x.type - !y.type;
	if (!order)
		order = (left > right) - (left < right);
	return sorting->ascending ? order : -order;
}

static void assert_same_cell(const struct store_cell *a, const struct store_cell *b)
{
	assert_int_equal(a->type, b->type);
	if (a->type)
		assert_int_equal(model_order(a, b), 0);
}

static void assert_row(const struct store_answer *answer, size_t at, const struct kit_row *row)
{
	for (size_t i = 0; i < answer->columns; i++) {
		struct store_cell cell = model_cell(row, answer->column[i].name);

		assert_same_cell(store_answer_cell(answer, at, i), &cell);
	}
}

static void ask_for_rows(void)
{
	static size_t order[ROWS];
	struct predicate root;
	struct store_query query;
	size_t count = 0, at = 0;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	random_range_and_condition(&query, &root);
	query.order_by =
		kit_below(seed, 2) ? "time" : kit_columns[kit_below(seed, KIT_COLUMNS)].name;
	query.ascending = kit_below(seed, 2);
	query.limit = 1 + kit_below(seed, 300);
	if (kit_below(seed, 2)) {
		query.columns[0] = "remark";
		query.columns[1] = "time";
		query.columns[2] = "trace";
		query.columns_count = 3;
	}
	for (size_t i = 0; i < model_rows; i++)
		if (wanted(&query, &model[i]))
			order[count++] = i;
	sorting = &query;
	qsort(order, count, sizeof(*order), by_question);
	for (;;) { /* page by page */
		struct store_answer answer;
		struct err why = {};
		struct buf cursor;

		if (store_query(store, &query, &answer, &why))
			fail_msg("%s", why.text);
		assert_false(answer.partial);
		assert_int_equal(answer.rows, count - at < query.limit ? count - at : query.limit);
		for (size_t i = 0; i < answer.rows; i++)
			assert_row(&answer, i, &model[order[at + i]]);
		at += answer.rows;
		assert_int_equal(answer.next.set, at < count);
		if (!answer.next.set) {
			store_answer_done(&answer);
			break;
		}
		buf_init(&cursor, 1000);
		assert_int_equal(store_cursor_write(&answer.next, &cursor), 0);
		assert_int_equal(store_cursor_read(buf_as_span(&cursor), &arena, &query.after), 0);
		buf_done(&cursor);
		store_answer_done(&answer);
	}
	arena_done(&arena);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* One group against the rows that should be in it. */
static void assert_group(const struct store_query *query, const struct store_answer *answer,
			 size_t at)
{
	static int64_t latencies[ROWS];
	size_t keys = (query->step_ns != 0) + query->by_count, count = 0, shares = 0;
	int64_t sum = 0, truth;
	double max = -INFINITY, quantile;
	const struct store_cell *cell;

	for (size_t i = 0; i < model_rows; i++) {
		bool is_in = wanted(query, &model[i]);

		if (query->step_ns)
			is_in &= model[i].time / query->step_ns * query->step_ns ==
				 store_answer_cell(answer, at, 0)->i64;
		for (size_t k = 0; k < query->by_count && is_in; k++) {
			struct store_cell mine = model_cell(&model[i], query->by[k]);

			cell = store_answer_cell(answer, at, k + (query->step_ns != 0));
			is_in = mine.type == cell->type &&
				(!mine.type || !model_order(&mine, cell));
		}
		if (!is_in)
			continue;
		latencies[count++] = model[i].latency;
		sum += model[i].latency;
		if (model[i].has_share) {
			shares++;
			max = model[i].share > max ? model[i].share : max;
		}
	}
	qsort(latencies, count, sizeof(*latencies), by_size);
	assert_int_equal(store_answer_cell(answer, at, keys)->u64, count);
	assert_int_equal(store_answer_cell(answer, at, keys + 1)->i64, sum);
	assert_int_equal(store_answer_cell(answer, at, keys + 2)->i64, latencies[0]);
	assert_int_equal(store_answer_cell(answer, at, keys + 4)->u64, shares);
	cell = store_answer_cell(answer, at, keys + 3);
	assert_int_equal(cell->type, shares ? STORE_DOUBLE : 0);
	if (shares)
		assert_true(cell->real == max);
	truth = latencies[(size_t)(0.9 * (double)(count - 1))];
	quantile = store_answer_cell(answer, at, keys + 5)->real;
	assert_true(fabs(quantile - (double)truth) <= 0.01 * fabs((double)truth) + 1e-9);
	assert_true(fabs(store_answer_cell(answer, at, keys + 6)->real -
			 (double)sum / (double)count) < 1e-6);
}

static void ask_for_groups(void)
{
	static const char *const by[] = {"service", "path",  "status", "good",
					 "share",   "trace", "remark"};
	struct predicate root;
	struct store_query query;
	struct store_answer answer;
	struct err why = {};
	uint64_t in_groups = 0, truth = 0;
	size_t keys;

	random_range_and_condition(&query, &root);
	query.by_count = kit_below(seed, 3);
	for (size_t i = 0; i < query.by_count; i++)
		query.by[i] = by[kit_below(seed, 7)];
	query.step_ns = kit_below(seed, 2) ? 0 : 3000000000;
	query.aggregate[0] = (struct store_aggregate){STORE_COUNT};
	query.aggregate[1] = (struct store_aggregate){STORE_SUM, "latency"};
	query.aggregate[2] = (struct store_aggregate){STORE_MIN, "latency"};
	query.aggregate[3] = (struct store_aggregate){STORE_MAX, "share"};
	query.aggregate[4] = (struct store_aggregate){STORE_COUNT, "share"};
	query.aggregate[5] = (struct store_aggregate){STORE_QUANTILE, "latency", 0.9};
	query.aggregate[6] = (struct store_aggregate){STORE_MEAN, "latency"};
	query.aggregates = 7;
	keys = (query.step_ns != 0) + query.by_count;
	query.order = kit_below(seed, 2) ? -1 : (int)keys;
	if (store_query(store, &query, &answer, &why))
		fail_msg("%s", why.text);
	for (size_t i = 0; i < model_rows; i++)
		truth += wanted(&query, &model[i]);
	for (size_t i = 0; i < answer.rows; i++) {
		uint64_t count = store_answer_cell(&answer, i, keys)->u64;

		in_groups += count;
		if (i && query.order >= 0)
			assert_true(count <= store_answer_cell(&answer, i - 1, keys)->u64);
		if (i < 20)
			assert_group(&query, &answer, i);
	}
	assert_int_equal(in_groups, truth);
	assert_int_equal(answer.rows_matched, truth);
	store_answer_done(&answer);
}

static void assert_equations(void)
{
	struct store_status status;

	store_status(store, &status);
	assert_int_equal(status.rows_offered, status.rows_accepted + status.rows_refused);
	assert_int_equal(status.rows_accepted + status.rows_recovered,
			 status.rows_in_memory + status.rows_written + status.rows_lost);
	assert_int_equal(status.rows_in_segments, status.rows_found + status.rows_written -
							  status.rows_expired -
							  status.rows_set_aside);
	assert_int_equal(status.rows_in_memory + status.rows_in_segments, model_rows);
	assert_string_equal(status.trouble, "");
}

static void questions_are_answered_like_the_model_does(void **state)
{
	struct err why = {};
	struct store_status status;
	uint64_t merged = 0;

	for (int round = 0; round < 200; round++) {
		bool few = round % 100 > 50; /* small segments, to be merged */

		add_some(few);
		disk.mono_ns += 3000000000;
		disk.wall_ns += 3000000000;
		if (kit_below(seed, 3))
			store_tick(store);
		if (few || kit_below(seed, 25) == 0)
			assert_int_equal(store_flush(store, &why), 0);
		if (kit_below(seed, 40) == 0) {
			store_status(store, &status);
			merged += status.segments_merged;
			close_store();
			open_store();
		}
		assert_equations();
		if (!model_rows)
			continue;
		ask_for_rows();
		ask_for_groups();
	}
	assert_true(model_rows > ROWS / 4);
	store_status(store, &status);
	assert_true(merged + status.segments_merged > 0);
}

static void wrong_questions_are_refused_with_a_reason(void **state)
{
	static const struct store_cell word = {.type = STORE_TEXT,
					       .text = {(const uint8_t *)"abc", 3}};
	static const struct predicate
		no_column = {.op = PREDICATE_EQUAL, .column = "nope", .value = &word, .values = 1},
		no_number = {.op = PREDICATE_EQUAL,
			     .column = "status",
			     .value = &word,
			     .values = 1},
		no_text = {.op = PREDICATE_GLOB, .column = "span", .value = &word, .values = 1};
	const struct store_query wrong[] = {
		{.table = "nope", .to_ns = 1},
		{.table = "requests", .to_ns = 1, .where = &no_column},
		{.table = "requests", .to_ns = 1, .where = &no_number},
		{.table = "requests", .to_ns = 1, .where = &no_text},
		{.table = "requests", .to_ns = 1, .columns = {"nope"}, .columns_count = 1},
		{.table = "requests", .to_ns = 1, .order_by = "nope"},
		{.table = "requests", .to_ns = 1, .by = {"nope"}, .by_count = 1},
		{.table = "requests",
		 .to_ns = 1,
		 .aggregate = {{STORE_SUM, "path"}},
		 .aggregates = 1},
		{.table = "requests",
		 .to_ns = 1,
		 .aggregate = {{STORE_QUANTILE, "share", 2}},
		 .aggregates = 1},
		{.table = "requests",
		 .to_ns = 1,
		 .aggregate = {{STORE_COUNT}},
		 .aggregates = 1,
		 .order = 1},
		{.table = "requests", .to_ns = 1, .limit = QUERY_ROWS_MAX + 1},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct store_answer answer;
		struct err why = {};

		assert_true(store_query(store, &wrong[i], &answer, &why) < 0);
		assert_true(why.text[0] != 0);
		store_answer_done(&answer);
	}
}

static void a_number_is_found_among_texts(void **state)
{
	const struct store_cell low = {.type = STORE_U64, .u64 = 3};
	const struct predicate where = {
		.op = PREDICATE_AT_LEAST, .column = "service", .value = &low, .values = 1};
	const struct store_query query = {.table = "requests", .to_ns = INT64_MAX, .where = &where};
	struct store_answer answer;

	/* "shop-4" is no number, so nothing is at least 3 */
	assert_int_equal(store_query(store, &query, &answer, NULL), 0);
	assert_int_equal(answer.rows, 0);
	store_answer_done(&answer);
}

static void groups_above_the_cap_are_summed_up(void **state)
{
	const struct store_query query = {
		.table = "requests",
		.to_ns = INT64_MAX,
		.by = {"span"},
		.by_count = 1,
		.aggregate = {{STORE_COUNT}},
		.aggregates = 1,
		.groups_max = 100,
		.order = 1,
	};
	struct store_answer answer;

	assert_int_equal(store_query(store, &query, &answer, NULL), 0);
	assert_int_equal(answer.rows, 100);
	assert_int_equal(answer.others, model_rows - 100);
	store_answer_done(&answer);
}

static void hostile_cursors_are_refused(void **state)
{
	static const char *const bad[] = {
		"",       ".",     "1",       "1.",     "1.9.1",
		"1.2.",   "1.2.z", "1.6.abc", "1.7.00", "11111111111111111.2.1",
		"1.2.1.1"};
	struct store_cursor cursor;
	struct arena arena;

	arena_init(&arena, 1000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(store_cursor_read(span_of(bad[i]), &arena, &cursor), -EINVAL);
	arena_done(&arena);
}

static int begin(void **state)
{
	seed[0] = (unsigned short)(getenv("SEED") ? strtol(getenv("SEED"), NULL, 10) : time(NULL));
	print_message("seed %u (set SEED to repeat)\n", seed[0]);
	kit_disk_init(&disk);
	kit_folder(folder);
	open_store();
	return 0;
}

static int end(void **state)
{
	close_store();
	kit_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_answered_like_the_model_does),
		cmocka_unit_test(wrong_questions_are_refused_with_a_reason),
		cmocka_unit_test(a_number_is_found_among_texts),
		cmocka_unit_test(groups_above_the_cap_are_summed_up),
		cmocka_unit_test(hostile_cursors_are_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
