// SPDX-License-Identifier: GPL-2.0-only
/* rows - what a watching command shows: its columns, events as they come, snapshots. Those are printed by grown.c. */
#include "cli/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/suggest.h"
#include "base/units.h"

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

static struct row_column *find_column(struct row_group *group, struct span name)
{
	for (size_t i = 0; i < group->columns; i++)
		if (span_is(name, group->column[i].name))
			return &group->column[i];
	return NULL;
}

static void learn_column(struct row_group *group, const struct json_node *node)
{
	const char *name = json_get_text(node, "name"), *type = json_get_text(node, "type");
	const char *unit = json_get_text(node, "unit");
	struct row_column *column;

	if (!name || find_column(group, span_of(name)) || group->columns == ROWS_COLUMNS)
		return;
	column = &group->column[group->columns++];
	*column = (struct row_column){.number = type && strcmp(type, "key") != 0};
	snprintf(column->name, sizeof(column->name), "%s", name);
	snprintf(column->unit, sizeof(column->unit), "%s", unit ? unit : "");
	column->hidden = json_get(node, "hidden");
	column->histogram = type && !strcmp(type, "histogram");
	column->counts = column->histogram || (type && !strcmp(type, "counter"));
}

static void learn_columns(struct row_group *group, const struct json_node *columns)
{
	for (const struct json_node *node = columns ? columns->child : NULL; node;
	     node = node->next)
		learn_column(group, node);
}

/* Do both have the same columns that are no numbers? */
static bool same_keys(const struct row_group *left, struct row_group *right)
{
	size_t keys = 0, others = 0;

	for (size_t i = 0; i < left->columns; i++) {
		const struct row_column *column = find_column(right, span_of(left->column[i].name));

		if (!left->column[i].number && (!column || column->number))
			return false;
		keys += !left->column[i].number;
	}
	for (size_t i = 0; i < right->columns; i++)
		others += !right->column[i].number;
	return keys == others;
}

/* One source of rows: a table of its own, or columns of one that has the same keys. */
static void learn_rows(struct rows *rows, const struct json_node *source)
{
	const char *kind = json_get_text(source, "kind");
	struct row_group fresh = {};

	if (!kind || rows->groups == ROWS_GROUPS)
		return;
	snprintf(fresh.kind, sizeof(fresh.kind), "%s", kind);
	learn_columns(&fresh, json_get(source, "columns"));
	for (size_t i = 0; i < rows->groups; i++) {
		struct row_group *group = &rows->group[i];

		if (strcmp(group->kind, fresh.kind) != 0 || !same_keys(group, &fresh))
			continue;
		learn_columns(group, json_get(source, "columns"));
		return;
	}
	rows->group[rows->groups++] = fresh;
}

static void order_events(struct rows *rows);

static void learn_events(struct rows *rows, const struct json_node *kinds)
{
	for (const struct json_node *node = kinds ? kinds->child : NULL; node; node = node->next) {
		const char *kind = json_get_text(node, "kind");

		if (kind && rows->kinds < ROWS_KINDS)
			snprintf(rows->kind[rows->kinds++], sizeof(rows->kind[0]), "%s", kind);
		learn_columns(&rows->event, json_get(node, "columns"));
	}
}

void rows_learn(struct rows *rows, const struct json_node *item, const struct options *options)
{
	const struct json_node *events = json_get(json_get(item, "description"), "events");
	const struct json_node *records = json_get(item, "records");
	const struct json_node *sources = json_get(item, "rows");

	rows->options = options;
	rows->groups = rows->kinds = rows->event.columns = 0;
	learn_events(rows, events);
	learn_events(rows, records);
	order_events(rows);
	for (const struct json_node *node = sources ? sources->child : NULL; node;
	     node = node->next)
		learn_rows(rows, node);
}

static bool knows_column(const struct row_group *group, struct span name,
			 struct suggestion *nearest)
{
	for (size_t i = 0; i < group->columns; i++) {
		if (span_is(name, group->column[i].name))
			return true;
		suggest(nearest, name, span_of(group->column[i].name));
	}
	return false;
}

static int check_column(const struct rows *rows, struct span name, const char *option,
			struct err *why)
{
	struct suggestion nearest = {};
	bool known = knows_column(&rows->event, name, &nearest);

	for (size_t i = 0; i < rows->groups && !known; i++)
		known = knows_column(&rows->group[i], name, &nearest);
	if (known)
		return 0;
	if (nearest.best[0])
		return err_set(why, -ENOENT, "%s: no column '%.*s', did you mean '%s'?", option,
			       (int)name.len, (const char *)name.at, nearest.best);
	return err_set(why, -ENOENT, "%s: no column '%.*s'; 'sonde items show ITEM' lists them",
		       option, (int)name.len, (const char *)name.at);
}

int rows_check(const struct rows *rows, struct err *why)
{
	const char *columns = rows->options->columns;
	int error = rows->options->sort
			    ? check_column(rows, span_of(rows->options->sort), "--sort", why)
			    : 0;

	while (!error && columns && *columns) {
		size_t word = strcspn(columns, ",");

		error = check_column(rows, (struct span){(const uint8_t *)columns, word},
				     "--columns", why);
		columns += word + (columns[word] == ',');
	}
	return error;
}

/* ---- columns of a table ---- */

/* What a table leaves out unless it is asked for: it is the same in every row, or long. */
static bool is_hidden(const char *name)
{
	static const char *const hidden[] = {"item",         "kind",  "node",    "exe",
					     "container_id", "image", "cgroup",  "namespace",
					     "connection",   "uid",   "service", "tid"};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (!strcmp(name, hidden[i]))
			return true;
	return false;
}

size_t rows_place(const struct rows *rows, const struct row_column *column)
{
	const char *columns = rows->options->columns;
	size_t len = strlen(column->name);

	for (size_t place = 0; columns && *columns; place++) {
		size_t word = strcspn(columns, ",");

		if (word == len && !strncmp(columns, column->name, len))
			return place;
		columns += word + (columns[word] == ',');
	}
	return SIZE_MAX;
}

bool rows_shows(const struct rows *rows, const struct row_column *column)
{
	if (rows->options->columns)
		return rows_place(rows, column) != SIZE_MAX;
	return !column->hidden && !is_hidden(column->name);
}

/* Those that were asked for come first, in the order in which they were. */
static void order_events(struct rows *rows)
{
	struct row_group *event = &rows->event;

	for (size_t i = 1; rows->options->columns && i < event->columns; i++)
		for (size_t n = i; n && rows_place(rows, &event->column[n]) < rows_place(rows, &event->column[n - 1]); n--) {
			struct row_column column = event->column[n];

			event->column[n] = event->column[n - 1];
			event->column[n - 1] = column;
		}
}

void rows_cell(struct table *table, const struct row_column *column, const struct json_node *node)
{
	struct buf text;

	buf_init(&text, LINE_BYTES);
	if (!strcmp(column->unit, "time") && node && node->text.len >= 23)
		buf_span(&text, span_first(span_from(node->text, 11), 12)); /* 11:36:28.123 */
	else
		print_value(&text, column->name, node);
	table_cell(table, buf_as_span(&text));
	buf_done(&text);
}

/* ---- events ---- */

/* Where an item has events of several kinds, a line says of which kind it is. */
static bool shows_in_events(const struct rows *rows, const struct row_column *column)
{
	if (!rows->options->columns && rows->kinds > 1 && !strcmp(column->name, "kind"))
		return true;
	return rows_shows(rows, column);
}

/* The stream also carries what the item's maps hold, now and then: that is no event. */
static bool is_event(const struct rows *rows, const struct json_node *record)
{
	const char *kind = json_get_text(record, "kind");

	for (size_t i = 0; kind && i < rows->kinds; i++)
		if (!strcmp(kind, rows->kind[i]))
			return true;
	return false;
}

bool rows_is_wrong(const struct json_node *record)
{
	const struct json_node *error = json_get(record, "error"), *errors = json_get(record, "errors");
	double count = 0;

	if (errors && errors->type == JSON_NUMBER)
		json_node_double(errors, &count);
	return count > 0 || (error && error->type == JSON_BOOL && error->truth);
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
		for (size_t i = 0; i < rows->event.columns; i++)
			if (shows_in_events(rows, &rows->event.column[i]))
				table_head(&rows->table, rows->event.column[i].name);
		rows->head_printed = true;
	}
	if (rows_is_wrong(record))
		table_mark(&rows->table);
	for (size_t i = 0; i < rows->event.columns; i++) {
		const struct row_column *column = &rows->event.column[i];

		if (shows_in_events(rows, column))
			rows_cell(&rows->table, column, json_get(record, column->name));
	}
	return true;
}

void rows_flush(struct rows *rows)
{
	if (!rows->options->json && rows->table.cell.len) {
		table_print_on(&rows->table, terminal_width(), rows->wide);
		buf_clear(&rows->table.cell);
		rows->table.has_head = false;
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
