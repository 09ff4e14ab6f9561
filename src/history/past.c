// SPDX-License-Identifier: GPL-2.0-only
/*
 * past - records read back from the store, as they were.
 *
 * The store gives rows in pages, and a cursor behind the last row of each. Where the limit is reached within a page, that
 * page is asked for once more, as long as was needed: so the next answer begins right behind.
 */
#include "history/past.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { PAGE = 1000, PARTS = 16, CURSOR_ARENA = 64 * 1024, CURSOR_BYTES = 1024 };

struct reading {
	struct store *store;
	char table[STORE_NAME_BYTES];
	const struct past_query *query;
	struct past_answer *answer;
	void (*each)(void *ctx, const struct record *record);
	void *ctx;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	struct arena arena; /* of the cursor and the predicate */
	struct predicate part[PARTS], where;
	struct store_cell value[PARTS];
	struct layout layout;
	uint32_t columns; /* that `layout` was made for */
	int16_t place[QUERY_COLUMNS_MAX]; /* where each column goes, -1 = nowhere */
	bool is_json[QUERY_COLUMNS_MAX];
	struct record record;
};

/* ---- what the filter demands ---- */

static bool as_cell(const struct requirement *needed, enum store_type type, struct store_cell *cell)
{
	const struct quantity *number = &needed->number;

	cell->type = type;
	if (type == STORE_TEXT && needed->op == REQUIRES_EQUAL) {
		cell->text = needed->text;
		return true;
	}
	if (!needed->is_number || !number->is_whole)
		return false;
	if (type == STORE_U64 && !number->is_negative) {
		cell->u64 = number->whole;
		return true;
	}
	if (type == STORE_I64 && number->whole <= INT64_MAX) {
		cell->i64 = number->is_negative ? -(int64_t)number->whole : (int64_t)number->whole;
		return true;
	}
	return false;
}

/* A column may have a second one under its name ("name:i64"): then the store is not asked. */
static int single_column(const struct store_table *table, const char *name)
{
	size_t len = strlen(name);

	for (uint32_t i = 0; i < table->count; i++)
		if (!strncmp(table->column[i].name, name, len) && table->column[i].name[len] == ':')
			return -ENOENT;
	return store_table_column(table, name);
}

static const struct predicate *demand(struct reading *reading, const struct store_table *table)
{
	static const enum predicate_op ops[] = {
		[REQUIRES_EQUAL] = PREDICATE_EQUAL,       [REQUIRES_LESS] = PREDICATE_LESS,
		[REQUIRES_AT_MOST] = PREDICATE_AT_MOST,   [REQUIRES_GREATER] = PREDICATE_GREATER,
		[REQUIRES_AT_LEAST] = PREDICATE_AT_LEAST,
	};
	struct requirement needed[PARTS];
	size_t count = filter_requirements(reading->query->filter, needed, PARTS), used = 0;

	for (size_t i = 0; i < count; i++) {
		int at = single_column(table, needed[i].column);

		if (at <= 0 || !as_cell(&needed[i], table->column[at].type, &reading->value[used]))
			continue;
		reading->part[used] = (struct predicate){
			.op = ops[needed[i].op],
			.column = needed[i].column,
			.value = &reading->value[used],
			.values = 1,
		};
		used++;
	}
	reading->where =
		(struct predicate){.op = PREDICATE_AND, .part = reading->part, .parts = used};
	return used ? &reading->where : NULL;
}

/* ---- rows become records ---- */

static unsigned who_of(const struct store_answer *answer)
{
	struct layout all;
	unsigned who = 0;

	layout_begin(&all, (1u << WHO_COLUMNS) - 1);
	for (size_t i = 0; i < answer->columns; i++)
		for (int k = 0; k < WHO_COLUMNS; k++)
			if (!strcmp(answer->column[i].name, all.column[all.who[k]].name))
				who |= 1u << k;
	return who;
}

static enum unit unit_by_name(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && !strcmp(name + len - 3, "_ns")      ? UNIT_NS
	       : len > 6 && !strcmp(name + len - 6, "_bytes") ? UNIT_BYTES
							      : UNIT_NONE;
}

static void make_layout(struct reading *reading, const struct store_answer *answer)
{
	if (reading->columns == answer->columns)
		return;
	reading->columns = (uint32_t)answer->columns;
	layout_begin(&reading->layout, who_of(answer));
	for (size_t i = 0; i < answer->columns; i++) {
		char name[COLUMN_NAME_BYTES] = "";
		const char *colon = strchr(answer->column[i].name, ':');
		size_t len = colon ? (size_t)(colon - answer->column[i].name)
				   : strlen(answer->column[i].name);
		int at;

		memcpy(name, answer->column[i].name, len < sizeof(name) ? len : sizeof(name) - 1);
		reading->is_json[i] = colon && !strcmp(colon, ":json");
		at = layout_find(&reading->layout, span_of(name));
		if (at < 0)
			at = layout_add(&reading->layout, name, unit_by_name(name), NULL, NULL);
		reading->place[i] = (int16_t)at;
	}
}

static struct value value_of(const struct store_cell *cell, bool is_json)
{
	switch (cell->type) {
	case STORE_U64: return value_u64(cell->u64);
	case STORE_I64: return value_i64(cell->i64);
	case STORE_BOOL: return value_bool(cell->u64 != 0);
	case STORE_DOUBLE: return (struct value){.kind = VALUE_DOUBLE, .real = cell->real};
	case STORE_TIME: return (struct value){.kind = VALUE_TIME, .u64 = cell->u64};
	case STORE_SKETCH: return (struct value){.kind = VALUE_SKETCH, .text = cell->text};
	case STORE_TEXT:
		return is_json ? (struct value){.kind = VALUE_JSON, .text = cell->text}
			       : value_text(cell->text);
	default: return (struct value){};
	}
}

static const struct record *record_of(struct reading *reading, const struct store_answer *answer,
				      size_t row)
{
	struct record *record = &reading->record;

	*record = (struct record){.layout = &reading->layout};
	record->value[LAYOUT_ITEM] = value_str(reading->query->item);
	for (size_t i = 0; i < answer->columns; i++) {
		const struct store_cell *cell = store_answer_cell(answer, row, i);

		if (cell->type && reading->place[i] >= 0)
			record->value[reading->place[i]] = value_of(cell, reading->is_json[i]);
	}
	return record;
}

/* ---- pages ---- */

/* Returns the rows of the page that were taken: fewer than it has when the limit was reached. */
static size_t take_page(struct reading *reading, const struct store_answer *page)
{
	const struct past_query *query = reading->query;

	make_layout(reading, page);
	for (size_t row = 0; row < page->rows; row++) {
		const struct record *record = record_of(reading, page, row);

		if (reading->answer->records == query->limit)
			return row;
		if (!filter_match(query->filter, record))
			continue;
		reading->each(reading->ctx, record);
		reading->answer->records++;
	}
	return page->rows;
}

static int ask_page(struct reading *reading, const struct store_cursor *after, size_t rows,
		    const struct predicate *where, struct store_answer *page, struct err *why)
{
	const struct past_query *query = reading->query;
	uint64_t now_ns = clock_monotonic_ns();
	struct store_query ask = {
		.table = reading->table,
		.from_ns = (int64_t)(query->from_ns < INT64_MAX ? query->from_ns : INT64_MAX),
		.to_ns = (int64_t)(query->to_ns < INT64_MAX ? query->to_ns : INT64_MAX),
		.where = where,
		.ascending = !query->newest_first,
		.after = *after,
		.limit = rows,
		.budget_ms = now_ns < reading->until_ns
				     ? (uint32_t)((reading->until_ns - now_ns) / 1000000) + 1
				     : 1,
	};

	return store_query(reading->store, &ask, page, why);
}

static void note_partial(struct past_answer *answer, const struct store_answer *page)
{
	if (!page->partial || answer->is_partial)
		return;
	answer->is_partial = true;
	memcpy(answer->why_partial, page->why_partial, sizeof(answer->why_partial));
}

/* The cursor's key points into the page: kept as text. */
static int keep_cursor(struct reading *reading, const struct store_answer *page,
		       struct store_cursor *cursor)
{
	buf_clear(&reading->answer->next);
	arena_clear(&reading->arena);
	if (store_cursor_write(&page->next, &reading->answer->next))
		return -ENOMEM;
	return store_cursor_read(buf_as_span(&reading->answer->next), &reading->arena, cursor);
}

static int read_pages(struct reading *reading, struct store_cursor *cursor,
		      const struct predicate *where, struct err *why)
{
	struct past_answer *answer = reading->answer;
	size_t rows = PAGE;
	int error;

	for (;;) {
		uint64_t left = reading->query->limit - answer->records;
		struct store_answer page;
		size_t taken;

		if (!reading->query->filter || rows > left)
			rows = reading->query->filter ? PAGE : left < PAGE ? left : PAGE;
		error = ask_page(reading, cursor, rows, where, &page, why);
		if (error) {
			store_answer_done(&page);
			return error;
		}
		note_partial(answer, &page);
		answer->oldest_ns = page.rows || page.from_ns > 0 ? (uint64_t)page.from_ns : 0;
		taken = take_page(reading, &page);
		if (taken < page.rows) { /* once more, as long as was needed: for its cursor */
			store_answer_done(&page);
			error = ask_page(reading, cursor, taken, where, &page, why);
			if (error) {
				store_answer_done(&page);
				return error;
			}
		}
		answer->has_more = page.next.set;
		if (page.next.set)
			error = keep_cursor(reading, &page, cursor);
		store_answer_done(&page);
		if (error || !answer->has_more || answer->records == reading->query->limit)
			return error;
		if (clock_monotonic_ns() > reading->until_ns) {
			answer->is_partial = true;
			memcpy(answer->why_partial, "time was out", sizeof("time was out"));
			return 0;
		}
	}
}

void past_table(const char *item, char ret_table[STORE_NAME_BYTES])
{
	snprintf(ret_table, STORE_NAME_BYTES, "%s%s", item, strncmp(item, "samples", 7) ? "" : "_");
}

int past_read(struct store *store, const struct past_query *query,
	      void (*each)(void *ctx, const struct record *record), void *ctx,
	      struct past_answer *ret_answer, struct err *why)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	struct store_cursor cursor = {};
	struct store_table table;
	int error = 0;

	*ret_answer = (struct past_answer){};
	buf_init(&ret_answer->next, CURSOR_BYTES);
	if (!reading)
		return err_set(why, -ENOMEM, "no memory to read the history");
	reading->store = store;
	past_table(query->item, reading->table);
	reading->query = query;
	reading->answer = ret_answer;
	reading->each = each;
	reading->ctx = ctx;
	reading->until_ns = clock_monotonic_ns() + query->budget_ms * 1000000ull;
	arena_init(&reading->arena, CURSOR_ARENA);
	if (query->cursor.len)
		error = store_cursor_read(query->cursor, &reading->arena, &cursor);
	if (error)
		err_set(why, -EINVAL,
			"the cursor is not one of ours; use `next` of the answer before, "
			"unchanged");
	else if (!query->limit)
		ret_answer->has_more = true; /* behind where the cursor is, if there is one */
	else if (!store_table_now(store, reading->table, &table))
		error = read_pages(reading, &cursor, demand(reading, &table), why);
	arena_done(&reading->arena);
	free(reading);
	return error;
}

void past_answer_done(struct past_answer *answer)
{
	buf_done(&answer->next);
}
