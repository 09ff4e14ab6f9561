// SPDX-License-Identifier: GPL-2.0-only
/* top_view - the views of `sonde top`: what each shows of the data, as a grid of cells that can be sorted and searched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/top_grid.h"

enum { GRID_ROWS = 20000 };

void top_grid_clear(struct top_grid *grid)
{
	grid->columns = grid->rows = 0;
}

void top_grid_done(struct top_grid *grid)
{
	free(grid->cell);
	*grid = (struct top_grid){};
}

void top_columns(struct top_grid *grid, const char *const *names, size_t count, size_t texts,
		 size_t sort)
{
	grid->columns = count;
	grid->first_sort = sort;
	for (size_t i = 0; i < count; i++)
		grid->column[i] =
			(struct top_column){names[i], i >= texts || !strcmp(names[i], "PID")};
}

struct top_cell *top_add_row(struct top_grid *grid)
{
	struct top_cell *row;

	if (grid->rows == GRID_ROWS)
		return NULL;
	if ((grid->rows + 1) * grid->columns > grid->room) {
		size_t room = grid->room ? grid->room * 2 : 1024 * TOP_COLUMNS;
		struct top_cell *bigger = realloc(grid->cell, room * sizeof(*bigger));

		if (!bigger)
			return NULL;
		grid->cell = bigger;
		grid->room = room;
	}
	row = &grid->cell[grid->rows++ * grid->columns];
	memset(row, 0, grid->columns * sizeof(*row));
	return row;
}

void top_cell_text(struct top_cell *cell, const char *text)
{
	snprintf(cell->text, sizeof(cell->text), "%s", text ? text : "");
}

void top_cell_number(struct top_cell *cell, double number,
		     void (*print)(struct buf *out, double number), const char *after)
{
	struct buf text;

	cell->number = number;
	if (!number)
		return;
	buf_init(&text, 64);
	print(&text, number);
	snprintf(cell->text, sizeof(cell->text), "%s%s", buf_text(&text), after);
	buf_done(&text);
}

static void percent_cell(struct top_cell *cell, double share)
{
	cell->number = share;
	snprintf(cell->text, sizeof(cell->text), "%.1f", share * 100);
}

static double rate_of(const struct top_data *data, const struct top_process *process,
		      enum top_field field)
{
	double seconds = top_seconds(data), grown = process->now[field] - process->before[field];

	return process->is_new || seconds <= 0 || grown < 0 ? 0 : grown / seconds;
}

/* ---- processes ---- */

static void fill_numbers(const struct top_data *data, const struct top_process *process,
			 struct top_cell *row)
{
	percent_cell(&row[0], rate_of(data, process, TOP_CPU_NS) / 1e9);
	top_cell_number(&row[1], process->now[TOP_MEMORY], print_bytes, "");
	top_cell_number(&row[2], process->now[TOP_THREADS], print_number, "");
	top_cell_number(&row[3], rate_of(data, process, TOP_READ_BYTES), print_bytes, "/s");
	top_cell_number(&row[4], rate_of(data, process, TOP_WRITE_BYTES), print_bytes, "/s");
	top_cell_number(&row[5], process->now[TOP_FILES], print_number, "");
	top_cell_number(&row[6], process->now[TOP_CONNECTIONS], print_number, "");
}

#define NUMBERS "CPU%", "MEMORY", "THREADS", "READ", "WRITE", "FILES", "SOCKETS"

static const char *owner_of(const struct top_process *process)
{
	return process->container[0] ? process->container : process->service;
}

static void fill_processes(struct top_data *data, struct top_grid *grid)
{
	static const char *const names[] = {"PID", "PROCESS", "OWNER", NUMBERS};
	const void *key;
	void *value;
	size_t at = 0;

	top_columns(grid, names, sizeof(names) / sizeof(*names), 3, 3);
	while (map_next(&data->process, &at, &key, &value)) {
		const struct top_process *process = value;
		struct top_cell *row = process->round == data->round ? top_add_row(grid) : NULL;

		if (!row)
			continue;
		row[0].number = process->pid;
		snprintf(row[0].text, sizeof(row[0].text), "%u", process->pid);
		top_cell_text(&row[1], process->name);
		top_cell_text(&row[2], owner_of(process));
		fill_numbers(data, process, &row[3]);
	}
}

/* Containers, pods and services: their processes together. */
static void fill_owners(struct top_data *data, struct top_grid *grid)
{
	static const char *const names[] = {"OWNER", "PROCESSES", NUMBERS};
	struct map sums;
	const void *key;
	void *value;
	size_t at = 0;

	top_columns(grid, names, sizeof(names) / sizeof(*names), 1, 2);
	map_init(&sums, TOP_TEXT, sizeof(struct top_process), TOP_PROCESSES);
	while (map_next(&data->process, &at, &key, &value)) {
		const struct top_process *process = value;
		char owner[TOP_TEXT] = {};
		struct top_process *sum;

		if (process->round != data->round)
			continue;
		snprintf(owner, sizeof(owner), "%s",
			 owner_of(process)[0] ? owner_of(process) : "(host)");
		sum = map_put(&sums, owner, NULL);
		if (!sum)
			continue;
		sum->pid++;
		for (int i = 0; i < TOP_FIELDS; i++)
			sum->now[i] += process->now[i];
		for (int i = 0; i < TOP_COUNTERS; i++)
			sum->before[i] += process->is_new ? process->now[i] : process->before[i];
	}
	at = 0;
	while (map_next(&sums, &at, &key, &value)) {
		struct top_cell *row = top_add_row(grid);

		if (!row)
			break;
		top_cell_text(&row[0], key);
		top_cell_number(&row[1], ((struct top_process *)value)->pid, print_number, "");
		fill_numbers(data, value, &row[2]);
	}
	map_done(&sums);
}

/* ---- connections, devices, items ---- */

const struct json_node *top_next_row(const struct top_data *data, size_t *item,
				     const struct json_node *row)
{
	row = row ? row->next : NULL;
	while (!row && *item < data->items) {
		const struct json_node *rows = data->rows[(*item)++];

		row = rows ? rows->child : NULL;
	}
	return row;
}

const struct json_node *top_first_row(const struct top_data *data, size_t *ret_item)
{
	*ret_item = 0;
	return top_next_row(data, ret_item, NULL);
}

static void fill_connections(struct top_data *data, struct top_grid *grid)
{
	static const char *const names[] = {"PID",         "PROCESS", "STATE",  "DIRECTION",
					    "CONNECTIONS", "OPENED",  "CLOSED", "RESETS"};
	size_t item;

	top_columns(grid, names, sizeof(names) / sizeof(*names), 4, 4);
	for (const struct json_node *node = top_first_row(data, &item); node;
	     node = top_next_row(data, &item, node)) {
		double opened = top_rate(data, node, "opened"),
		       closed = top_rate(data, node, "closed");
		bool is_count = json_get(node, "connections") != NULL;
		struct top_cell *row = is_count || opened || closed ? top_add_row(grid) : NULL;

		if (!row)
			continue;
		row[0].number = top_number(node, "pid");
		if (row[0].number)
			snprintf(row[0].text, sizeof(row[0].text), "%.0f", row[0].number);
		top_cell_text(&row[1], json_get_text(node, "process"));
		top_cell_text(&row[2], json_get_text(node, "state"));
		top_cell_text(&row[3], json_get_text(node, "direction"));
		top_cell_number(&row[4], top_number(node, "connections"), print_number, "");
		top_cell_number(&row[5], opened, print_number, "/s");
		top_cell_number(&row[6], closed, print_number, "/s");
		top_cell_number(&row[7], top_rate(data, node, "resets"), print_number, "/s");
	}
}

static void device_row(struct top_data *data, struct top_grid *grid, const struct json_node *node,
		       const char *name, const char *kind, const char *const column[4],
		       const char *busy)
{
	struct top_cell *row = top_add_row(grid);

	if (!row)
		return;
	top_cell_text(&row[0], json_get_text(node, name));
	top_cell_text(&row[1], kind);
	for (int i = 0; i < 4; i++)
		top_cell_number(&row[2 + i], top_rate(data, node, column[i]),
				i < 2 ? print_bytes : print_number, "/s");
	if (busy)
		percent_cell(&row[6], top_rate(data, node, busy) / 1e9);
}

static void filesystem_row(struct top_grid *grid, const struct json_node *node)
{
	double size = top_number(node, "size_bytes"),
	       available = top_number(node, "available_bytes");
	struct top_cell *row = top_add_row(grid);

	if (!row)
		return;
	top_cell_text(&row[0], json_get_text(node, "mount"));
	top_cell_text(&row[1], json_get_text(node, "fstype"));
	if (size > 0)
		percent_cell(&row[6], 1 - available / size);
	top_cell_number(&row[7], available, print_bytes, "");
}

static void fill_devices(struct top_data *data, struct top_grid *grid)
{
	static const char *const names[] = {"DEVICE", "KIND",    "IN",    "OUT",
					    "IN OPS", "OUT OPS", "USED%", "FREE"};
	static const char *const of_disk[] = {"read_bytes", "write_bytes", "reads", "writes"};
	static const char *const of_nic[] = {"received_bytes", "sent_bytes", "received_packets",
					     "sent_packets"};

	size_t item;

	top_columns(grid, names, sizeof(names) / sizeof(*names), 2, 3);
	for (const struct json_node *node = top_first_row(data, &item); node;
	     node = top_next_row(data, &item, node)) {
		if (json_get(node, "busy_ns"))
			device_row(data, grid, node, "device", "disk", of_disk, "busy_ns");
		else if (json_get(node, "mount"))
			filesystem_row(grid, node);
		else if (json_get(node, "interface"))
			device_row(data, grid, node, "interface", "network", of_nic, NULL);
	}
}

static void fill_items(struct top_data *data, struct top_grid *grid)
{
	static const char *const names[] = {"ITEM", "WING",   "STATE", "EVENTS",
					    "LOST", "SERIES", "NS/RUN"};

	top_columns(grid, names, sizeof(names) / sizeof(*names), 3, 3);
	for (const struct json_node *node = data->list ? data->list->child : NULL; node;
	     node = node->next) {
		const struct json_node *events = json_get(node, "events");
		struct top_cell *row = top_add_row(grid);

		if (!row)
			return;
		top_cell_text(&row[0], json_get_text(node, "name"));
		top_cell_text(&row[1], json_get_text(node, "wing"));
		top_cell_text(&row[2], json_get_text(node, "state"));
		top_cell_number(&row[3], top_number(events, "emitted"), print_number, "");
		top_cell_number(&row[4], top_number(events, "lost"), print_number, "");
		top_cell_number(&row[5], top_number(node, "series"), print_number, "");
		top_cell_number(&row[6], top_number(node, "ns_per_run"), print_number, "");
	}
}

const struct top_view top_views[] = {
	{"processes", fill_processes},        {"containers", fill_owners},
	{"connections", fill_connections},    {"devices", fill_devices},
	{"items", fill_items, .whole = true}, {"services", top_fill_services},
	{"requests", top_fill_requests},      {},
};

/* ---- order ---- */

static const struct top_grid *sorted; /* of the one sort under way: qsort carries no context */

static int in_order(const void *a, const void *b)
{
	const struct top_cell *left = (const struct top_cell *)a + sorted->sort;
	const struct top_cell *right = (const struct top_cell *)b + sorted->sort;
	int order = sorted->column[sorted->sort].right
			    ? (left->number < right->number) - (left->number > right->number)
			    : strcmp(left->text, right->text);

	return sorted->reversed ? -order : order;
}

static bool row_contains(const struct top_grid *grid, const struct top_cell *row, const char *text)
{
	for (size_t i = 0; i < grid->columns; i++)
		if (strcasestr(row[i].text, text))
			return true;
	return false;
}

void top_grid_arrange(struct top_grid *grid, const char *contains)
{
	size_t kept = 0, bytes = grid->columns * sizeof(*grid->cell);

	for (size_t i = 0; i < grid->rows; i++) {
		const struct top_cell *row = &grid->cell[i * grid->columns];

		if (contains && *contains && !row_contains(grid, row, contains))
			continue;
		memmove(&grid->cell[kept++ * grid->columns], row, bytes);
	}
	grid->rows = kept;
	if (grid->sort >= grid->columns)
		grid->sort = grid->first_sort;
	sorted = grid;
	if (grid->rows)
		qsort(grid->cell, grid->rows, bytes, in_order);
}

static size_t living(const struct top_data *data)
{
	size_t count = 0, at = 0;
	const void *key;
	void *process;

	while (map_next(&data->process, &at, &key, &process))
		count += ((struct top_process *)process)->now[TOP_THREADS] > 0;
	return count;
}

void top_summary(struct top_data *data, char line[TOP_SUMMARY][256])
{
	static const char *const what[] = {"cpu", "memory", "io"};
	const struct top_host *host = &data->host;
	double all = host->cpu_all - host->cpu_all_before, seconds = top_seconds(data), share[3];
	double used = host->memory_total - host->memory_available;
	struct buf memory;

	buf_init(&memory, 128);
	print_bytes(&memory, used);
	buf_str(&memory, " of ");
	print_bytes(&memory, host->memory_total);
	for (int i = 0; i < 3; i++)
		share[i] = seconds > 0
				   ? (host->pressure[i] - host->pressure_before[i]) / seconds * 100
				   : 0;
	for (int i = 0; i < 3; i++) /* two clocks: a little more than all is all */
		share[i] = share[i] > 100 ? 100 : share[i];
	snprintf(line[0], 256, "cpu %.1f %%   load %.2f %.2f %.2f   memory %s   processes %zu",
		 all > 0 && host->cpu_all_before > 0
			 ? (host->cpu_busy - host->cpu_busy_before) / all * 100
			 : 0,
		 host->load[0], host->load[1], host->load[2], buf_text(&memory), living(data));
	snprintf(line[1], 256, "waiting: %s %.1f %%   %s %.1f %%   %s %.1f %%", what[0], share[0],
		 what[1], share[1], what[2], share[2]);
	line[2][0] = 0;
	buf_done(&memory);
}
