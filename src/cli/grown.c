// SPDX-License-Identifier: GPL-2.0-only
/* grown - a snapshot of rows is printed: what grew since the one before, a table for each kind of row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/histogram.h"
#include "cli/rows.h"

enum { GROWN_ARENA = 256 << 20, LINE_BYTES = 1 << 20, ROWS_OF_A_TABLE = 20, MOST_ROWS = 1 << 20 };

/* The rows of one table that are worth showing. */
struct grown {
	struct row_group *group;
	struct arena arena;
	const struct json_node **row;
	size_t count;
};

static const struct row_column *column_of(const struct row_group *group, struct span name)
{
	for (size_t i = 0; i < group->columns; i++)
		if (span_is(name, group->column[i].name))
			return &group->column[i];
	return NULL;
}

/* The table a row belongs to: of its kind, the one that knows a number of it. */
static struct row_group *group_of(struct rows *rows, const struct json_node *row)
{
	const char *kind = json_get_text(row, "kind");

	for (size_t i = 0; kind && i < rows->groups; i++) {
		struct row_group *group = &rows->group[i];

		if (strcmp(group->kind, kind) != 0)
			continue;
		for (size_t n = 0; n < group->columns; n++)
			if (group->column[n].number && json_get(row, group->column[n].name))
				return group;
	}
	return NULL;
}

/* What tells a row from others, as one number. */
static uint64_t identity(const struct row_group *group, const struct json_node *row)
{
	uint64_t hash = 1;

	for (const struct json_node *node = row->child; node; node = node->next) {
		const struct row_column *column = column_of(group, node->key);

		if ((column && column->number) || span_is(node->key, "time"))
			continue;
		hash = hash_bytes(node->key.at, node->key.len, hash);
		hash = hash_bytes(node->text.at, node->text.len, hash);
	}
	return hash;
}

static double number_of(const struct json_node *node)
{
	double number = 0;

	if (node && node->type == JSON_NUMBER)
		json_node_double(node, &number);
	return node ? number : 0;
}

static void grown_number(struct json *json, const struct json_node *now,
			 const struct json_node *before)
{
	uint64_t is, was;

	if (json_node_u64(now, &is)) {
		if (!before || !json_node_u64(before, &was) || was > is)
			was = 0;
		json_u64(json, is - was);
	} else {
		json_double(json, number_of(now) - number_of(before));
	}
}

/* The row as JSON with growth in place of counters. False when nothing grew, and there is nothing else to say. */
static bool grown_row(const struct row_group *group, const struct json_node *row,
		      const struct json_node *before, struct json *json)
{
	bool worth = false;

	for (const struct json_node *node = row->child; node; node = node->next) {
		const struct row_column *column = column_of(group, node->key);
		const struct json_node *was =
			before ? json_get(before, (const char *)node->key.at) : NULL;

		json_key(json, (const char *)node->key.at);
		if (!column || !column->counts) {
			json_node_write(node, json);
			worth |= column && column->number && number_of(node) != 0;
		} else if (column->histogram) {
			worth |= histogram_grown(json, node, was);
		} else {
			grown_number(json, node, was);
			worth |= number_of(node) != number_of(was);
		}
	}
	return worth;
}

/* Several rows of one identity: what they say together. */
struct joined {
	const struct json_node *part[4], *before[4];
	uint32_t parts, befores;
};

static void join(struct rows *rows, const struct row_group *group, const struct json_node *list,
		 bool is_before, struct map *joined)
{
	for (const struct json_node *row = list ? list->child : NULL; row; row = row->next) {
		struct joined *one;
		uint64_t key;
		bool is_new;

		if (group_of(rows, row) != group)
			continue;
		key = identity(group, row);
		one = is_before ? map_get(joined, &key) : map_put(joined, &key, &is_new);
		if (!one)
			continue;
		if (is_before && one->befores < 4)
			one->before[one->befores++] = row;
		if (!is_before && is_new)
			*one = (struct joined){};
		if (!is_before && one->parts < 4)
			one->part[one->parts++] = row;
	}
}

/* The earlier row that has this part's numbers. */
static const struct json_node *before_of(const struct row_group *group, const struct joined *one,
					 const struct json_node *part)
{
	for (uint32_t i = 0; i < one->befores; i++)
		for (const struct json_node *node = part->child; node; node = node->next) {
			const struct row_column *column = column_of(group, node->key);

			if (column && column->number && json_get(one->before[i], column->name))
				return one->before[i];
		}
	return NULL;
}

/* All parts as one object: the first has the identity, the others add their numbers. */
static bool write_joined(const struct row_group *group, const struct joined *one, struct buf *out)
{
	struct json json = {.out = out};
	bool worth = false;

	buf_clear(out);
	json_object(&json);
	for (uint32_t i = 0; i < one->parts; i++) {
		struct json_node only = *one->part[i];
		const struct json_node *was = before_of(group, one, one->part[i]);

		while (i && only.child) { /* a row's numbers are its last columns */
			const struct row_column *column = column_of(group, only.child->key);

			if (column && column->number)
				break;
			only.child = only.child->next;
		}
		worth |= grown_row(group, &only, was, &json);
	}
	json_object_end(&json);
	return worth;
}

static void keep(struct grown *grown, struct span text)
{
	const struct json_node **bigger, *node;
	char *kept = arena_str(&grown->arena, text);

	if (!kept || json_read(span_of(kept), &grown->arena, &node, NULL))
		return;
	bigger = realloc(grown->row, (grown->count + 1) * sizeof(*grown->row));
	if (!bigger)
		return;
	grown->row = bigger;
	grown->row[grown->count++] = node;
}

static void collect(struct rows *rows, struct grown *grown)
{
	struct map joined;
	struct buf text;
	const void *key;
	void *one;
	size_t at = 0;

	map_init(&joined, sizeof(uint64_t), sizeof(struct joined), MOST_ROWS);
	buf_init(&text, LINE_BYTES);
	join(rows, grown->group, rows->rows_now, false, &joined);
	join(rows, grown->group, rows->rows_before, true, &joined);
	while (map_next(&joined, &at, &key, &one))
		if (write_joined(grown->group, one, &text))
			keep(grown, buf_as_span(&text));
	buf_done(&text);
	map_done(&joined);
}

/* ---- order ---- */

/* Without --sort: the first number of bytes that is there now (memory, size), else the first number. */
static const char *sort_column(const struct rows *rows, const struct row_group *group)
{
	const char *first = NULL;

	if (rows->options->sort && column_of(group, span_of(rows->options->sort)))
		return rows->options->sort;
	for (size_t i = 0; i < group->columns; i++) {
		const struct row_column *column = &group->column[i];

		if (column->number && !column->counts && !strcmp(column->unit, "bytes"))
			return column->name;
		if (column->number && !first)
			first = column->name;
	}
	return first;
}

static const char *sort_by; /* of the one sort under way: qsort carries no context */

static double sort_key(const struct json_node *row)
{
	const struct json_node *node = json_get(row, sort_by);

	return node && node->type == JSON_OBJECT ? number_of(json_get(node, "count"))
						 : number_of(node);
}

static int bigger_first(const void *a, const void *b)
{
	double left = sort_key(*(const struct json_node *const *)a);
	double right = sort_key(*(const struct json_node *const *)b);

	return left < right ? 1 : left > right ? -1 : 0;
}

/* ---- printing ---- */

static void print_json(const struct grown *grown, size_t rows)
{
	struct buf text;

	buf_init(&text, LINE_BYTES);
	for (size_t i = 0; i < grown->count && i < rows; i++) {
		struct json json = {.out = &text};

		buf_clear(&text);
		json_node_write(grown->row[i], &json);
		fwrite(text.at, 1, text.len, stdout);
		putchar('\n');
	}
	buf_done(&text);
}

static const struct row_column *histogram_column(const struct row_group *group)
{
	for (size_t i = 0; i < group->columns; i++)
		if (group->column[i].histogram)
			return &group->column[i];
	return NULL;
}

/* One histogram of all rows together; who they were is in the table below it. */
static void print_histogram(const struct grown *grown, const struct row_column *column)
{
	struct histogram_sum sum = {};

	for (size_t i = 0; i < grown->count; i++)
		histogram_add_json(&sum, json_get(grown->row[i], column->name));
	histogram_print(&sum, column->name, column->unit);
}

static void head_of(struct table *table, const struct row_column *column, bool alone)
{
	static const char *const parts[] = {"count", "p50", "p99"};

	table->right[table->columns] = column->number;
	if (!column->histogram) {
		table_head(table, column->name);
		return;
	}
	for (int i = 0; i < 3; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s%s%s", alone ? "" : column->name, alone ? "" : "_",
			 parts[i]);
		table->right[table->columns] = true;
		table_head(table, name);
	}
}

static void histogram_cells(struct table *table, const struct json_node *node, const char *unit)
{
	struct histogram_sum sum = {};

	histogram_add_json(&sum, node);
	if (node)
		table_cell_f(table, "%llu", (unsigned long long)sum.count);
	else
		table_cell(table, span_of(""));
	histogram_quantile_cell(table, &sum, 0.5, unit);
	histogram_quantile_cell(table, &sum, 0.99, unit);
}

/* Has any row a value there? Empty columns are not shown. */
static bool is_used(const struct grown *grown, const char *name)
{
	for (size_t i = 0; i < grown->count; i++)
		if (json_get(grown->row[i], name))
			return true;
	return false;
}

static size_t choose_columns(const struct rows *rows, const struct grown *grown,
			     const struct row_column *shown[TABLE_COLUMNS])
{
	size_t columns = 0, wide = 0;

	for (size_t i = 0; i < grown->group->columns; i++) {
		const struct row_column *column = &grown->group->column[i];

		if (!rows_shows(rows, column) || !strcmp(column->name, "time") ||
		    !is_used(grown, column->name))
			continue;
		wide += column->histogram ? 3 : 1;
		if (wide > TABLE_COLUMNS)
			break;
		shown[columns] = column;
		/* in the order of --columns */
		for (size_t n = columns++; n && rows_place(rows, shown[n]) < rows_place(rows, shown[n - 1]); n--) {
			shown[n] = shown[n - 1];
			shown[n - 1] = column;
		}
	}
	return columns;
}

static void print_table(const struct rows *rows, const struct grown *grown, size_t count)
{
	const struct row_column *shown[TABLE_COLUMNS];
	size_t columns = choose_columns(rows, grown, shown), histograms = 0;
	struct table table;

	table_init(&table);
	for (size_t n = 0; n < columns; n++)
		histograms += shown[n]->histogram;
	for (size_t n = 0; n < columns; n++)
		head_of(&table, shown[n], histograms == 1);
	for (size_t i = 0; i < grown->count && i < count; i++) {
		if (rows_is_wrong(grown->row[i]))
			table_mark(&table);
		for (size_t n = 0; n < columns; n++) {
			const struct json_node *value = json_get(grown->row[i], shown[n]->name);

			if (shown[n]->histogram)
				histogram_cells(&table, value, shown[n]->unit);
			else
				rows_cell(&table, shown[n], value);
		}
	}
	table_print(&table, terminal_width());
	table_done(&table);
	if (grown->count > count)
		printf("... and %zu more (-n %zu)\n", grown->count - count, grown->count);
}

static void print_group(struct rows *rows, const struct grown *grown, bool *histogram_printed)
{
	size_t count = rows->options->rows ? (size_t)rows->options->rows : ROWS_OF_A_TABLE;
	const struct row_column *histogram = histogram_column(grown->group);

	if (rows->options->json) {
		print_json(grown, rows->options->rows ? count : SIZE_MAX);
		return;
	}
	if (!grown->count)
		return;
	if (histogram && !*histogram_printed) {
		print_histogram(grown, histogram);
		*histogram_printed = true;
	}
	print_table(rows, grown, count);
	putchar('\n');
}

void rows_print(struct rows *rows)
{
	bool histogram_printed = false;

	if (rows->terminal && !rows->options->json)
		printf("\033[H\033[2J");
	for (size_t i = 0; i < rows->groups; i++) {
		struct grown grown = {.group = &rows->group[i]};

		arena_init(&grown.arena, GROWN_ARENA);
		collect(rows, &grown);
		sort_by = sort_column(rows, grown.group);
		if (sort_by && grown.count)
			qsort(grown.row, grown.count, sizeof(*grown.row), bigger_first);
		print_group(rows, &grown, &histogram_printed);
		free(grown.row);
		arena_done(&grown.arena);
	}
	fflush(stdout);
}
