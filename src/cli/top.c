// SPDX-License-Identifier: GPL-2.0-only
/* top - `sonde top`: asks the agent at every interval; a screen on a terminal, else tables or JSON lines. */
#include "cli/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/table.h"
#include "main/run.h"

enum { PLAIN_ROWS = 20 };

static const struct top_view *view_named(const char *name)
{
	for (const struct top_view *view = top_views; view->name; view++)
		if (!strcmp(view->name, name))
			return view;
	return NULL;
}

static int sort_of(const struct top_grid *grid, const char *name)
{
	for (size_t i = 0; i < grid->columns; i++)
		if (!strcasecmp(grid->column[i].name, name))
			return (int)i;
	return -1;
}

static void print_json(const struct top_grid *grid, size_t rows)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	for (size_t r = 0; r < grid->rows && r < rows; r++) {
		struct json json = {.out = &text};

		buf_clear(&text);
		json_object(&json);
		for (size_t c = 0; c < grid->columns; c++) {
			const struct top_cell *cell = &grid->cell[r * grid->columns + c];
			char name[64] = {};

			for (size_t i = 0; grid->column[c].name[i] && i + 1 < sizeof(name); i++) {
				char letter = grid->column[c].name[i];

				name[i] = letter == ' '                    ? '_'
					  : letter >= 'A' && letter <= 'Z' ? (char)(letter + 32)
									   : letter;
			}
			if (grid->column[c].right)
				json_key_double(&json,
						name[strlen(name) - 1] == '%'
							? (name[strlen(name) - 1] = 0, name)
							: name,
						cell->number);
			else if (cell->text[0])
				json_key_str(&json, name, cell->text);
		}
		json_object_end(&json);
		puts(buf_text(&text));
	}
	buf_done(&text);
}

static void print_plain(struct top_data *data, const struct top_grid *grid, size_t rows)
{
	char line[TOP_SUMMARY][256];
	struct table table;

	top_summary(data, line);
	printf("%s\n%s\n\n", line[0], line[1]);
	table_init(&table);
	for (size_t c = 0; c < grid->columns; c++) {
		table.right[c] = grid->column[c].right;
		table_head(&table, grid->column[c].name);
	}
	for (size_t i = 0; i < rows * grid->columns && i < grid->rows * grid->columns; i++)
		table_cell(&table, span_of(grid->cell[i].text));
	table_print(&table, terminal_width());
	table_done(&table);
	putchar('\n');
}

/* Without a terminal: the view once an interval. */
static int print_views(struct top_data *data, const struct options *options,
		       const struct top_view *view)
{
	double left = options->duration_s, wait = options->interval_s;
	struct top_grid grid = {};
	int status = top_data_refresh(data), sort;

	view->fill(data, &grid); /* what the counters were */
	do {
		if (left && left < wait)
			wait = left;
		nanosleep(&(struct timespec){(time_t)wait,
					     (long)((wait - (double)(time_t)wait) * 1e9)},
			  NULL);
		left -= wait;
		status = status == EXIT_DONE ? top_data_refresh(data) : status;
		if (status != EXIT_DONE)
			break;
		top_grid_clear(&grid);
		view->fill(data, &grid);
		sort = options->sort ? sort_of(&grid, options->sort) : (int)grid.first_sort;
		if (sort < 0) {
			log_error("--sort: '%s' has no column '%s'", view->name, options->sort);
			status = EXIT_USAGE;
			break;
		}
		grid.sort = (size_t)sort;
		top_grid_arrange(&grid, NULL);
		if (options->json)
			print_json(&grid, options->rows ? (size_t)options->rows : SIZE_MAX);
		else
			print_plain(data, &grid,
				    options->rows ? (size_t)options->rows
				    : view->whole ? SIZE_MAX
						  : PLAIN_ROWS);
		fflush(stdout);
	} while (!options->duration_s || left > 0.001);
	top_grid_done(&grid);
	return status;
}

static int show_screen(struct top_data *data, const struct options *options)
{
	struct top_screen *screen = top_screen_open();
	uint64_t end_ns = options->duration_s
				  ? clock_monotonic_ns() + (uint64_t)(options->duration_s * 1e9)
				  : UINT64_MAX;
	int status = EXIT_DONE;
	double wait = 0.5; /* so that rates are there soon */

	if (!screen) {
		log_error("cannot draw on this terminal: no description of '%s'; install "
			  "ncurses-base, or say | cat",
			  getenv("TERM") ? getenv("TERM") : "");
		return EXIT_CANT;
	}
	while (status == EXIT_DONE && clock_monotonic_ns() < end_ns) {
		status = top_data_refresh(data);
		if (status == EXIT_DONE && top_screen_turn(screen, data, wait) == TOP_QUIT)
			break;
		wait = options->interval_s;
	}
	top_screen_close(screen);
	return status;
}

/* Without an agent one of our own, with the items that are on by default. */
static int open_agent(struct client *client, const char *socket)
{
	if (socket || getenv("SONDE_SOCKET"))
		return client_open(client, socket, NULL, NULL);
	return client_open_quietly(client) ? client_open_private(client, NULL, NULL) : EXIT_DONE;
}

int top_command(int argc, char **argv)
{
	const struct top_view *view = &top_views[0];
	struct options options;
	struct client client;
	struct top_data data;
	int status = options_parse(&options, argc, argv, false, NULL);

	if (status == EXIT_DONE && options.words)
		view = view_named(options.word[0]);
	if (status == EXIT_DONE && !view) {
		log_error(
			"top has no view '%s': processes, containers, connections, devices, items",
			options.word[0]);
		status = EXIT_USAGE;
	}
	if (options.interval_s <= 0)
		options.interval_s = 2;
	if (status == EXIT_DONE) {
		status = open_agent(&client, options.socket);
		if (status == EXIT_DONE) {
			top_data_init(&data, &client);
			if (isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !options.json)
				status = show_screen(&data, &options);
			else
				status = print_views(&data, &options, view);
			if (status != EXIT_DONE && data.why.code)
				log_error("%s", data.why.text);
			top_data_done(&data);
		}
		client_close(&client);
	}
	options_done(&options);
	return status;
}
