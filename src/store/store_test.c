// SPDX-License-Identifier: GPL-2.0-only
/* A store's life: tables that change, what is deleted and in which order, clocks that jump, notes, threads. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/sketch.h"
#include "store/check.h"
#include "store/query.h"

#define SECOND ((int64_t)1000000000)
#define DAY    (86400 * SECOND)

struct life {
	char path[64];
	struct kit_disk disk;
	struct store_options options;
	struct store *store;
};

static void begin(struct life *life)
{
	*life = (struct life){};
	kit_folder(life->path);
	kit_disk_init(&life->disk);
	kit_options(&life->options, life->path, &life->disk);
	assert_int_equal(store_open(&life->options, &life->store, NULL), 0);
}

static void again(struct life *life)
{
	struct err why = {};

	store_close(life->store);
	if (store_open(&life->options, &life->store, &why))
		fail_msg("%s", why.text);
}

static void end(struct life *life)
{
	store_close(life->store);
	kit_disk_done(&life->disk);
	kit_remove(life->path);
}

static const struct store_table *define(struct life *life, const char *name,
					const struct store_column *columns, size_t count,
					uint64_t keep_s, uint32_t weight)
{
	const struct store_table_definition definition = {name, columns, count, keep_s, weight};
	const struct store_table *table = NULL;
	struct err why = {};

	if (store_table_define(life->store, &definition, &table, &why))
		fail_msg("%s", why.text);
	return table;
}

/* Rows with a time and one number, and time goes on. */
static void add_plain(struct life *life, const struct store_table *table, uint32_t count)
{
	struct store_rows *rows = store_rows_new(table, 500);

	for (uint32_t i = 0; i < count; i++) {
		store_rows_i64(rows, 0, life->disk.wall_ns);
		store_rows_u64(rows, 1, i * 2654435761u);
		assert_int_equal(store_rows_next(rows), 0);
	}
	assert_int_equal(store_append(life->store, rows, NULL), count);
	store_rows_free(rows);
}

static void wait_for(struct life *life, int64_t ns)
{
	life->disk.mono_ns += ns;
	life->disk.wall_ns += ns;
	store_tick(life->store);
}

static uint64_t count_rows(struct life *life, const char *name, const struct predicate *where)
{
	const struct store_query query = {
		.table = name,
		.from_ns = INT64_MIN,
		.to_ns = INT64_MAX,
		.where = where,
		.aggregate = {{STORE_COUNT}},
		.aggregates = 1,
	};
	struct store_answer answer;
	struct err why = {};
	uint64_t count;

	if (store_query(life->store, &query, &answer, &why))
		fail_msg("%s", why.text);
	count = answer.rows ? store_answer_cell(&answer, 0, 0)->u64 : 0;
	store_answer_done(&answer);
	return count;
}

static const struct store_column plain[] = {{"time", STORE_TIME}, {"number", STORE_U64}};
static const struct store_column wider[] = {
	{"time", STORE_TIME}, {"word", STORE_TEXT}, {"number", STORE_U64}, {"share", STORE_DOUBLE}};
static const struct store_column other[] = {{"time", STORE_TIME}, {"number", STORE_TEXT}};

static void columns_may_be_added_and_keep_their_places(void **state)
{
	const struct predicate has_word = {.op = PREDICATE_PRESENT, .column = "word"},
			       lacks_word = {.op = PREDICATE_NOT, .part = &has_word, .parts = 1};
	const struct store_table *table;
	struct store_rows *rows;
	struct life life;

	begin(&life);
	table = define(&life, "t", plain, 2, 0, 0);
	add_plain(&life, table, 100);
	assert_int_equal(store_flush(life.store, NULL), 0);
	add_plain(&life, table, 10); /* these are in the journal when the columns are added */
	again(&life);
	table = define(&life, "t", wider, 4, 0, 0);
	assert_int_equal(table->count, 4);
	assert_int_equal(store_table_column(table, "number"), 1);
	assert_int_equal(store_table_column(table, "word"), 2);
	rows = store_rows_new(table, 10);
	store_rows_i64(rows, 0, life.disk.wall_ns);
	store_rows_text(rows, 2, span_of("new"));
	store_rows_next(rows);
	assert_int_equal(store_append(life.store, rows, NULL), 1);
	store_rows_free(rows);
	assert_int_equal(count_rows(&life, "t", NULL), 111);
	assert_int_equal(count_rows(&life, "t", &has_word), 1);
	assert_int_equal(count_rows(&life, "t", &lacks_word), 110);
	store_flush(life.store, NULL);
	again(&life);
	table = define(&life, "t", plain, 2, 0, 0); /* an older version of the agent */
	assert_int_equal(table->count, 4);
	assert_int_equal(count_rows(&life, "t", &has_word), 1);
	end(&life);
}

static void a_column_may_change_its_type_between_two_runs(void **state)
{
	const struct predicate present = {.op = PREDICATE_PRESENT, .column = "number"};
	const struct store_table_definition changed = {.name = "t", .columns = other, .count = 2};
	const struct store_table *table;
	struct store_rows *rows;
	struct life life;
	struct err why = {};

	begin(&life);
	table = define(&life, "t", plain, 2, 0, 0);
	add_plain(&life, table, 10);
	assert_int_equal(store_table_define(life.store, &changed, &table, &why), -EINVAL);
	again(&life); /* the rows are in the journal */
	table = define(&life, "t", other, 2, 0, 0);
	rows = store_rows_new(table, 10);
	store_rows_i64(rows, 0, life.disk.wall_ns);
	store_rows_text(rows, 1, span_of("seven"));
	store_rows_next(rows);
	assert_int_equal(store_append(life.store, rows, NULL), 1);
	store_rows_free(rows);
	assert_int_equal(count_rows(&life, "t", NULL), 11);
	assert_int_equal(count_rows(&life, "t", &present),
			 1); /* the older ones can't be taken for texts */
	again(&life);
	assert_int_equal(count_rows(&life, "t", NULL), 11);
	assert_int_equal(count_rows(&life, "t", &present), 1);
	end(&life);
}

static void nonsense_is_refused(void **state)
{
	static const struct store_column no_time[] = {{"number", STORE_U64}},
					 twice[] = {{"time", STORE_TIME},
						    {"a", STORE_U64},
						    {"a", STORE_U64}},
					 bad_name[] = {{"time", STORE_TIME}, {"A b", STORE_U64}},
					 no_type[] = {{"time", STORE_TIME}, {"a", 99}};
	const struct store_table_definition wrong[] = {
		{"t", no_time, 1},
		{"t", twice, 3},
		{"t", bad_name, 2},
		{"t", no_type, 2},
		{"t", plain, 0},
		{"a/b", plain, 2},
		{"", plain, 2},
		{"a_name_that_is_much_too_long_for_the_name_of_a_table", plain, 2},
	};
	const struct store_table *table;
	struct life life;

	begin(&life);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct err why = {};

		assert_int_equal(store_table_define(life.store, &wrong[i], &table, &why), -EINVAL);
		assert_true(why.text[0] != 0);
	}
	end(&life);
}

static void a_batch_says_what_it_could_not_take(void **state)
{
	static char long_text[STORE_TEXT_BYTES_MAX + 100];
	const struct store_table *table;
	struct store_rows *rows;
	struct store_rows_lost lost;
	struct life life;

	begin(&life);
	table = define(&life, "t", wider, 4, 0, 0);
	rows = store_rows_new(table, 2);
	memset(long_text, 'x', sizeof(long_text));
	store_rows_u64(rows, 2, 1);
	assert_int_equal(store_rows_next(rows), -EINVAL); /* no time */
	store_rows_i64(rows, 0, 5);
	store_rows_text(rows, 1, (struct span){(uint8_t *)long_text, sizeof(long_text)});
	store_rows_u64(rows, 1, 1); /* no number there */
	store_rows_u64(rows, 99, 1); /* no such column */
	assert_int_equal(store_rows_next(rows), 0);
	assert_int_equal(store_rows_at(rows, 1, 0).text.len, STORE_TEXT_BYTES_MAX);
	assert_int_equal(store_rows_at(rows, 2, 0).type, 0); /* not that of the row without time */
	store_rows_i64(rows, 0, 6);
	assert_int_equal(store_rows_next(rows), 0);
	assert_true(store_rows_full(rows));
	store_rows_i64(rows, 0, 7);
	assert_int_equal(store_rows_next(rows), -ENOSPC);
	lost = store_rows_lost(rows);
	assert_int_equal(lost.timeless, 1);
	assert_int_equal(lost.cut, 1);
	assert_int_equal(lost.refused, 3);
	store_rows_i64(rows, 0, 8); /* begun, not finished: not appended */
	assert_int_equal(store_append(life.store, rows, NULL), 2);
	store_rows_free(rows);
	end(&life);
}

static void rows_are_deleted_when_they_are_too_old(void **state)
{
	struct store_table_status status;
	const struct store_table *table;
	struct life life;

	begin(&life);
	table = define(&life, "t", plain, 2, 7 * 86400, 0);
	for (int day = 0; day < 20; day++) {
		add_plain(&life, table, 400);
		store_flush(life.store, NULL);
		wait_for(&life, DAY);
	}
	assert_int_equal(store_tables(life.store, &status, 1), 1 + STORE_TIERS);
	assert_true(status.from_ns >= life.disk.wall_ns - 8 * DAY);
	assert_true(status.from_ns <= life.disk.wall_ns - 6 * DAY);
	assert_int_equal(status.rows, count_rows(&life, "t", NULL));
	kit_equations(life.store);
	end(&life);
}

static void a_clock_that_jumps_ahead_deletes_nothing(void **state)
{
	const struct store_table *table;
	struct store_status status;
	struct life life;

	begin(&life);
	table = define(&life, "t", plain, 2, 7 * 86400, 0);
	for (int i = 0; i < 3; i++) {
		add_plain(&life, table, 400);
		store_flush(life.store, NULL);
		wait_for(&life, SECOND);
	}
	life.disk.wall_ns += 1000 * DAY;
	for (int i = 0; i < 100; i++)
		wait_for(&life, 30 * SECOND); /* within the hour that it is in doubt */
	assert_int_equal(count_rows(&life, "t", NULL), 1200);
	store_status(life.store, &status);
	assert_int_equal(status.clock_steps, 1);
	add_plain(&life, table, 400); /* with a time of the far future */
	store_flush(life.store, NULL);
	life.disk.wall_ns -= 1000 * DAY; /* somebody put it right */
	wait_for(&life, SECOND);
	again(&life);
	for (int i = 0; i < 300; i++)
		wait_for(&life, 60 * SECOND);
	assert_int_equal(count_rows(&life, "t", NULL), 1600);
	end(&life);
}

static void a_start_with_a_wrong_clock_deletes_nothing_at_once(void **state)
{
	const struct store_table *table;
	struct life life;

	begin(&life);
	table = define(&life, "t", plain, 2, 7 * 86400, 0);
	add_plain(&life, table, 400);
	store_flush(life.store, NULL);
	life.disk.wall_ns += 1000 * DAY;
	again(&life);
	define(&life, "t", plain, 2, 7 * 86400, 0);
	for (int i = 0; i < 50; i++)
		wait_for(&life, 60 * SECOND);
	assert_int_equal(count_rows(&life, "t", NULL), 400);
	for (int i = 0; i < 20; i++)
		wait_for(
			&life,
			60 * SECOND); /* an hour later it is believed: the machine was really off so long */
	assert_int_equal(count_rows(&life, "t", NULL), 0);
	end(&life);
}

static void the_table_above_its_share_gives_its_oldest_rows(void **state)
{
	const struct store_table *much, *little;
	struct store_status status;
	struct store_table_status tables[2];
	struct life life;

	begin(&life);
	life.options.bytes_max = 200000;
	again(&life);
	much = define(&life, "much", plain, 2, 0, 1);
	little = define(&life, "little", plain, 2, 0, 4);
	for (int i = 0; i < 300; i++) {
		add_plain(&life, much, 500);
		if (i % 10 == 0)
			add_plain(&life, little, 300);
		if (i % 10 == 0)
			store_flush(life.store, NULL);
		wait_for(&life, 10 * SECOND);
	}
	store_status(life.store, &status);
	assert_true(status.bytes <=
		    life.options.bytes_max * 3 /
			    2); /* it is exceeded by what came since the last sweep */
	assert_true(status.segments_expired > 10);
	store_tables(life.store, tables, 2);
	assert_int_equal(tables[1].rows, 30 * 300); /* never above its share */
	assert_true(tables[0].rows < 300 * 500);
	assert_true(tables[0].to_ns > life.disk.wall_ns - 60 * SECOND); /* the newest stay */
	kit_equations(life.store);
	end(&life);
}

static void old_segments_are_merged(void **state)
{
	const struct store_table *table;
	struct store_status status;
	struct life life;

	begin(&life);
	table = define(&life, "t", plain, 2, 0, 0);
	for (int i = 0; i < 64; i++) {
		add_plain(&life, table, 3);
		store_flush(life.store, NULL);
		wait_for(&life, 6 * SECOND);
	}
	for (int i = 0; i < 10; i++)
		wait_for(&life, 6 * SECOND);
	store_status(life.store, &status);
	assert_true(status.segments < 16);
	assert_int_equal(count_rows(&life, "t", NULL), 192);
	assert_int_equal(kit_count(life.path, ".seg"), status.segments);
	again(&life);
	assert_int_equal(count_rows(&life, "t", NULL), 192);
	end(&life);
}

static void only_one_process_has_the_store(void **state)
{
	struct store *second;
	struct err why = {};
	struct life life;

	begin(&life);
	assert_int_equal(store_open(&life.options, &second, &why), -EBUSY);
	assert_non_null(strstr(why.text, "another process"));
	end(&life);
}

static int count_notes(void *ctx, struct span key, struct span value, int64_t changed_ns)
{
	(*(int *)ctx)++;
	assert_true(changed_ns > 0);
	return 0;
}

static void notes_are_kept(void **state)
{
	static uint8_t big[(1 << 20) + 1];
	struct buf value;
	struct life life;
	int count = 0;

	begin(&life);
	buf_init(&value, 1000);
	assert_int_equal(store_put_note(life.store, "view", span_of("a"), span_of("one")), 0);
	assert_int_equal(store_put_note(life.store, "view", span_of("a"), span_of("two")), 0);
	assert_int_equal(store_put_note(life.store, "view", span_of("b"), span_of("")), 0);
	assert_int_equal(store_put_note(life.store, "alert", span_of("a"), span_of("x")), 0);
	again(&life);
	assert_int_equal(store_note(life.store, "view", span_of("a"), &value), 0);
	assert_string_equal(buf_text(&value), "two");
	assert_int_equal(store_notes(life.store, "view", count_notes, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(store_drop_note(life.store, "view", span_of("b")), 0);
	assert_int_equal(store_drop_note(life.store, "view", span_of("b")), -ENOENT);
	assert_int_equal(store_note(life.store, "view", span_of("b"), &value), -ENOENT);
	assert_int_equal(
		store_put_note(life.store, "view", span_of("c"), (struct span){big, sizeof(big)}),
		-ENOSPC);
	buf_done(&value);
	end(&life);
}

static void sketches_of_many_rows_are_joined(void **state)
{
	static const struct store_column columns[] = {{"time", STORE_TIME},
						      {"latency", STORE_SKETCH}};
	const struct store_query query = {
		.table = "summary",
		.to_ns = INT64_MAX,
		.aggregate = {{STORE_COUNT}, {STORE_QUANTILE, "latency", 0.99}},
		.aggregates = 2,
	};
	const struct store_table *table;
	struct store_answer answer;
	struct store_rows *rows;
	struct life life;
	double p99;

	begin(&life);
	table = define(&life, "summary", columns, 2, 0, 0);
	rows = store_rows_new(table, 100);
	for (int minute = 0; minute < 100; minute++) {
		struct sketch sketch = {};
		struct buf written;

		for (int i = 0; i < 100; i++)
			sketch_add(&sketch, minute * 100 + i + 1);
		buf_init(&written, SKETCH_BYTES_MAX);
		sketch_write(&sketch, &written);
		store_rows_i64(rows, 0, 1 + minute * 60 * SECOND);
		store_rows_text(rows, 1, buf_as_span(&written));
		store_rows_next(rows);
		buf_done(&written);
		sketch_done(&sketch);
	}
	assert_int_equal(store_append(life.store, rows, NULL), 100);
	store_rows_free(rows);
	store_flush(life.store, NULL);
	assert_int_equal(store_query(life.store, &query, &answer, NULL), 0);
	assert_int_equal(store_answer_cell(&answer, 0, 0)->u64, 100);
	p99 = store_answer_cell(&answer, 0, 1)->real;
	assert_true(p99 > 9900 * 0.99 && p99 < 9900 * 1.01);
	store_answer_done(&answer);
	end(&life);
}

/* Threads: one appends, one ticks, two ask. What is asked never goes back and is never wrong. */
struct busy {
	struct life *life;
	const struct store_table *table;
	atomic_bool stop;
	atomic_uint_fast64_t rows;
};

static void *append_rows(void *ctx)
{
	struct busy *busy = ctx;
	struct store_rows *rows = store_rows_new(busy->table, 100);

	for (int i = 0; i < 400; i++) {
		uint64_t from = atomic_load(&busy->rows);

		if (kit_append(busy->life->store, rows, from, from + 50) == 50)
			atomic_store(&busy->rows, from + 50);
	}
	store_rows_free(rows);
	atomic_store(&busy->stop, true);
	return NULL;
}

static void *tick_on(void *ctx)
{
	struct busy *busy = ctx;

	while (!atomic_load(&busy->stop)) {
		store_tick(busy->life->store);
		store_flush(busy->life->store, NULL);
	}
	return NULL;
}

static void *ask_on(void *ctx)
{
	struct busy *busy = ctx;
	uint64_t last = 0;

	while (!atomic_load(&busy->stop)) {
		uint64_t least = atomic_load(&busy->rows),
			 count = count_rows(busy->life, "requests", NULL);

		if (count < least || count < last)
			abort();
		last = count;
	}
	return NULL;
}

static void threads_see_every_row_once(void **state)
{
	pthread_t threads[4];
	struct busy busy = {};
	struct life life;

	begin(&life);
	store_close(life.store);
	life.options.disk = NULL; /* the kit's disk is not made for threads */
	life.options.sqlite_vfs = NULL;
	assert_int_equal(store_open(&life.options, &life.store, NULL), 0);
	busy.life = &life;
	kit_define(life.store, &busy.table);
	pthread_create(&threads[0], NULL, append_rows, &busy);
	pthread_create(&threads[1], NULL, tick_on, &busy);
	pthread_create(&threads[2], NULL, ask_on, &busy);
	pthread_create(&threads[3], NULL, ask_on, &busy);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(kit_check(life.store, busy.rows, NULL).rows, busy.rows);
	kit_equations(life.store);
	end(&life);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_may_be_added_and_keep_their_places),
		cmocka_unit_test(a_column_may_change_its_type_between_two_runs),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_batch_says_what_it_could_not_take),
		cmocka_unit_test(rows_are_deleted_when_they_are_too_old),
		cmocka_unit_test(a_clock_that_jumps_ahead_deletes_nothing),
		cmocka_unit_test(a_start_with_a_wrong_clock_deletes_nothing_at_once),
		cmocka_unit_test(the_table_above_its_share_gives_its_oldest_rows),
		cmocka_unit_test(old_segments_are_merged),
		cmocka_unit_test(only_one_process_has_the_store),
		cmocka_unit_test(notes_are_kept),
		cmocka_unit_test(sketches_of_many_rows_are_joined),
		cmocka_unit_test(threads_see_every_row_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
