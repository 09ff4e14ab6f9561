// SPDX-License-Identifier: GPL-2.0-only
/* rows - what a watching command shows: events as they come, or what grew in a snapshot since the one before. */
#include "cli/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/units.h"
#include "cli/histogram.h"

enum { ROWS_ARENA = 256 << 20, TABLE_ROWS = 20, LINE_BYTES = 1 << 20 };

void rows_init(struct rows *rows)
{
	*rows = (struct rows){};
	arena_init(&rows->now, ROWS_ARENA);
	arena_init(&rows->before, ROWS_ARENA);
	table_init(&rows->table);
	rows->terminal = isatty(STDOUT_FILENO);
}

void rows_done(struct rows *rows)
{
	arena_done(&rows->now);
	arena_done(&rows->before);
	table_done(&rows->table);
}

static struct row_column *find_column(struct rows *rows, struct span name)
{
	for (size_t i = 0; i < rows->columns; i++)
		if (span_is(name, rows->column[i].name))
			return &rows->column[i];
	return NULL;
}

static void learn_columns(struct rows *rows, const struct json_node *columns)
{
	for (const struct json_node *node = columns ? columns->child : NULL; node; node = node->next) {
		const char *name = json_get_text(node, "name");

		if (!name || find_column(rows, span_of(name)) || rows->columns == ROWS_COLUMNS)
			continue;
		snprintf(rows->column[rows->columns].name, sizeof(rows->column[0].name), "%s", name);
		rows->columns++;
	}
}

static void learn_metric(struct rows *rows, const struct json_node *metric)
{
	const char *type = json_get_text(metric, "type"), *name = json_get_text(metric, "column");
	const char *unit = json_get_text(metric, "unit");
	struct row_column *column = name ? find_column(rows, span_of(name)) : NULL;

	if (!column || !type)
		return;
	column->number = true;
	column->histogram = !strcmp(type, "histogram");
	column->counts = column->histogram || !strcmp(type, "counter");
	snprintf(column->unit, sizeof(column->unit), "%s", unit ? unit : "");
}

void rows_learn(struct rows *rows, const struct json_node *description, const struct options *options)
{
	const struct json_node *events = json_get(description, "events");
	const struct json_node *sources = json_get(description, "sources");

	rows->options = options;
	for (const struct json_node *node = events ? events->child : NULL; node; node = node->next) {
		const char *kind = json_get_text(node, "kind");

		if (kind && rows->kinds < ROWS_KINDS)
			snprintf(rows->kind[rows->kinds++], sizeof(rows->kind[0]), "%s", kind);
		learn_columns(rows, json_get(node, "columns"));
	}
	for (const struct json_node *node = sources ? sources->child : NULL; node; node = node->next) {
		const struct json_node *metrics = json_get(node, "metrics");

		learn_columns(rows, json_get(node, "columns"));
		for (const struct json_node *metric = metrics ? metrics->child : NULL; metric; metric = metric->next)
			learn_metric(rows, metric);
	}
}

/* ---- columns of a table ---- */

/* What a table leaves out unless it is asked for: it is the same in every row, or long. */
static bool is_hidden(const char *name)
{
	static const char *const hidden[] = {"item", "kind", "node", "exe", "container_id", "image", "cgroup",
					     "namespace", "connection", "uid", "service"};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (!strcmp(name, hidden[i]))
			return true;
	return false;
}

static bool is_asked_for(const char *columns, const char *name)
{
	size_t len = strlen(name);

	while (columns && *columns) {
		size_t word = strcspn(columns, ",");

		if (word == len && !strncmp(columns, name, len))
			return true;
		columns += word + (columns[word] == ',');
	}
	return false;
}

static bool is_shown(const struct rows *rows, const char *name)
{
	if (rows->options->columns)
		return is_asked_for(rows->options->columns, name);
	return !is_hidden(name);
}

/* Has any row a value there? Empty columns are not shown. */
static bool is_used(const struct json_node *records, const char *name)
{
	for (const struct json_node *row = records ? records->child : NULL; row; row = row->next)
		if (json_get(row, name))
			return true;
	return false;
}

static void add_cell(struct table *table, const char *name, const struct json_node *node)
{
	struct buf text;

	buf_init(&text, LINE_BYTES);
	if (!strcmp(name, "time") && node && node->text.len >= 23)
		buf_span(&text, span_first(span_from(node->text, 11), 12)); /* 11:36:28.123 */
	else
		print_value(&text, name, node);
	table_cell(table, buf_as_span(&text));
	buf_done(&text);
}

/* ---- events ---- */

/* The stream also carries what the item's maps hold, now and then: that is no event. */
static bool is_event(const struct rows *rows, const struct json_node *record)
{
	const char *kind = json_get_text(record, "kind");

	for (size_t i = 0; kind && i < rows->kinds; i++)
		if (!strcmp(kind, rows->kind[i]))
			return true;
	return false;
}

bool rows_event(struct rows *rows, struct span json)
{
	const struct json_node *record;

	arena_clear(&rows->now);
	if (json_read(json, &rows->now, &record, NULL) || !is_event(rows, record))
		return false;
	if (rows->options->json) {
		fwrite(json.at, 1, json.len, stdout);
		putchar('\n');
		return true;
	}
	if (!rows->head_printed) {
		for (size_t i = 0; i < rows->columns; i++)
			if (is_shown(rows, rows->column[i].name))
				table_head(&rows->table, rows->column[i].name);
		rows->head_printed = true;
	}
	for (size_t i = 0; i < rows->columns; i++)
		if (is_shown(rows, rows->column[i].name))
			add_cell(&rows->table, rows->column[i].name, json_get(record, rows->column[i].name));
	return true;
}

void rows_flush(struct rows *rows)
{
	if (!rows->options->json && rows->table.cell.len) {
		table_print_on(&rows->table, terminal_width(), rows->wide);
		buf_clear(&rows->table.cell);
	}
	fflush(stdout);
}

/* ---- snapshots ---- */

static const struct json_node *copy_of(struct arena *arena, const struct json_node *node)
{
	struct buf text;
	struct json json = {.out = &text};
	const struct json_node *copy = NULL;
	char *kept;

	buf_init(&text, ROWS_ARENA / 4);
	json_node_write(node, &json);
	kept = arena_str(arena, buf_as_span(&text));
	if (kept && json_read(span_of(kept), arena, &copy, NULL))
		copy = NULL;
	buf_done(&text);
	return copy;
}

void rows_snapshot(struct rows *rows, const struct json_node *records)
{
	struct arena swap = rows->before;

	rows->before = rows->now;
	rows->rows_before = rows->rows_now;
	rows->now = swap;
	arena_clear(&rows->now);
	rows->rows_now = records ? copy_of(&rows->now, records) : NULL;
	rows->snapshots++;
}

/* What tells a row from others, as one text. */
static uint64_t identity(struct rows *rows, const struct json_node *row)
{
	uint64_t hash = 1;

	for (const struct json_node *node = row->child; node; node = node->next) {
		const struct row_column *column = find_column(rows, node->key);

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

static void grown_number(struct json *json, const struct json_node *now, const struct json_node *before)
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

/* The row as JSON with growth in place of counters. False when nothing grew. */
static bool grown_row(struct rows *rows, const struct json_node *row, const struct json_node *before,
		      struct buf *out)
{
	struct json json = {.out = out};
	bool counts = false, grew = false;

	json_object(&json);
	for (const struct json_node *node = row->child; node; node = node->next) {
		const struct row_column *column = find_column(rows, node->key);
		const struct json_node *was = before ? json_get(before, (const char *)node->key.at) : NULL;

		json_key(&json, (const char *)node->key.at);
		if (!column || !column->counts) {
			json_node_write(node, &json);
			continue;
		}
		counts = true;
		if (column->histogram)
			grew |= histogram_grown(&json, node, was);
		else {
			grown_number(&json, node, was);
			grew |= number_of(node) != number_of(was);
		}
	}
	json_object_end(&json);
	return grew || !counts;
}

struct grown {
	struct arena arena;
	const struct json_node **row;
	size_t count;
};

static void collect(struct rows *rows, struct grown *grown)
{
	struct map before;
	struct buf text;
	const struct json_node **was;
	uint64_t key;

	map_init(&before, sizeof(key), sizeof(void *), 1 << 20);
	buf_init(&text, LINE_BYTES);
	for (const struct json_node *row = rows->rows_before ? rows->rows_before->child : NULL; row;
	     row = row->next) {
		key = identity(rows, row);
		was = map_put(&before, &key, NULL);
		if (was)
			*was = row;
	}
	for (const struct json_node *row = rows->rows_now ? rows->rows_now->child : NULL; row; row = row->next) {
		const struct json_node **bigger, *node;
		char *kept;

		key = identity(rows, row);
		was = map_get(&before, &key);
		buf_clear(&text);
		if (!grown_row(rows, row, was ? *was : NULL, &text))
			continue;
		kept = arena_str(&grown->arena, buf_as_span(&text));
		if (!kept || json_read(span_of(kept), &grown->arena, &node, NULL))
			continue;
		bigger = realloc(grown->row, (grown->count + 1) * sizeof(*grown->row));
		if (!bigger)
			break;
		grown->row = bigger;
		grown->row[grown->count++] = node;
	}
	buf_done(&text);
	map_done(&before);
}

/* Without --sort: the first number of the item. */
static const char *sort_column(const struct rows *rows)
{
	if (rows->options->sort)
		return rows->options->sort;
	for (size_t i = 0; i < rows->columns; i++)
		if (rows->column[i].number)
			return rows->column[i].name;
	return NULL;
}

static const char *sort_by; /* of the one sort under way: qsort carries no context */

static double sort_key(const struct json_node *row)
{
	const struct json_node *node = json_get(row, sort_by);

	return node && node->type == JSON_OBJECT ? number_of(json_get(node, "count")) : number_of(node);
}

static int bigger_first(const void *a, const void *b)
{
	double left = sort_key(*(const struct json_node *const *)a);
	double right = sort_key(*(const struct json_node *const *)b);

	return left < right ? 1 : left > right ? -1 : 0;
}

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

static const struct row_column *histogram_column(const struct rows *rows)
{
	for (size_t i = 0; i < rows->columns; i++)
		if (rows->column[i].histogram)
			return &rows->column[i];
	return NULL;
}

/* One histogram of all rows together; who they were is in the table below it. */
static void print_histogram(const struct rows *rows, const struct grown *grown,
			    const struct row_column *column)
{
	struct histogram_sum sum = {};

	for (size_t i = 0; i < grown->count; i++)
		histogram_add_json(&sum, json_get(grown->row[i], column->name));
	histogram_print(&sum, column->name, column->unit);
}

static void histogram_cells(struct table *table, const struct json_node *node, const char *unit)
{
	struct histogram_sum sum = {};

	histogram_add_json(&sum, node);
	table_cell_f(table, "%llu", (unsigned long long)sum.count);
	histogram_quantile_cell(table, &sum, 0.5, unit);
	histogram_quantile_cell(table, &sum, 0.99, unit);
}

static void print_table(const struct rows *rows, const struct grown *grown, size_t count)
{
	struct json_node list = {.type = JSON_ARRAY};
	const struct row_column *shown[TABLE_COLUMNS];
	size_t columns = 0;
	struct table table;

	for (size_t i = 0; i < grown->count; i++)
		((struct json_node *)grown->row[i])->next =
			i + 1 < grown->count ? (struct json_node *)grown->row[i + 1] : NULL;
	list.child = grown->count ? (struct json_node *)grown->row[0] : NULL;
	table_init(&table);
	for (size_t i = 0; i < rows->columns && columns < TABLE_COLUMNS - 3; i++) {
		const struct row_column *column = &rows->column[i];

		if (!is_shown(rows, column->name) || !strcmp(column->name, "time") ||
		    !is_used(&list, column->name))
			continue;
		shown[columns++] = column;
		table.right[table.columns] = column->number;
		if (column->histogram) {
			table.right[table.columns + 1] = table.right[table.columns + 2] = true;
			table_head(&table, "count");
			table_head(&table, "p50");
			table_head(&table, "p99");
		} else {
			table_head(&table, column->name);
		}
	}
	for (size_t i = 0; i < grown->count && i < count; i++)
		for (size_t n = 0; n < columns; n++)
			if (shown[n]->histogram)
				histogram_cells(&table, json_get(grown->row[i], shown[n]->name), shown[n]->unit);
			else
				add_cell(&table, shown[n]->name, json_get(grown->row[i], shown[n]->name));
	table_print(&table, terminal_width());
	table_done(&table);
	if (grown->count > count)
		printf("... and %zu more (-n %zu)\n", grown->count - count, grown->count);
}

void rows_print(struct rows *rows)
{
	size_t count = rows->options->rows ? (size_t)rows->options->rows : TABLE_ROWS;
	const struct row_column *histogram = histogram_column(rows);
	struct grown grown = {};

	arena_init(&grown.arena, ROWS_ARENA);
	collect(rows, &grown);
	sort_by = sort_column(rows);
	if (sort_by && grown.count)
		qsort(grown.row, grown.count, sizeof(*grown.row), bigger_first);
	if (rows->options->json) {
		print_json(&grown, rows->options->rows ? count : SIZE_MAX);
	} else {
		if (rows->terminal)
			printf("\033[H\033[2J");
		if (histogram)
			print_histogram(rows, &grown, histogram);
		print_table(rows, &grown, count);
		putchar('\n');
	}
	fflush(stdout);
	free(grown.row);
	arena_done(&grown.arena);
}
