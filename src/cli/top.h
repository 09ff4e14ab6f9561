/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * top - `sonde top`: the machine in a terminal.
 *
 * At every interval the agent is asked for the rows of its items (top_data.c: one struct per process, rates out of
 * counters). It is the columns that are known here, not the items: who says user_ns of a pid says what that process uses.
 *  a view makes a grid of texts and numbers of them (view.c); the grid is drawn with ncurses, or printed when the
 * output is no terminal (screen.c, top.c). Nothing is computed in the agent for it.
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "cli/client.h"
#include "cli/options.h"

/* What is known of a process, in the order of the items that say it. Counters first: they become rates. */
enum top_field {
	TOP_CPU_NS,
	TOP_READ_BYTES,
	TOP_WRITE_BYTES,
	TOP_COUNTERS,
	TOP_MEMORY = TOP_COUNTERS,
	TOP_THREADS,
	TOP_FILES,
	TOP_CONNECTIONS,
	TOP_FIELDS,
};

enum { TOP_TEXT = 64, TOP_PROCESSES = 65536, TOP_ITEMS = 16 };

struct top_process {
	uint32_t pid;
	uint64_t round; /* when it was last seen */
	char name[TOP_TEXT], container[TOP_TEXT], service[TOP_TEXT], exe[256];
	double now[TOP_FIELDS], before[TOP_COUNTERS];
	bool is_new; /* it was there before us: no rate can be told yet. (What came since has grown from zero.) */
};

/* The machine, out of /metrics. */
struct top_host {
	double cpu_busy, cpu_all; /* seconds, all CPUs, since boot; the ones before below */
	double cpu_busy_before, cpu_all_before;
	double memory_total, memory_available;
	double load[3];
	double pressure[3]; /* cpu, memory, io: seconds some waited */
	double pressure_before[3];
};

struct top_data {
	struct client *client; /* borrowed */
	struct arena arena; /* of this round's answers */
	uint64_t round, now_ns, before_ns;
	struct map process; /* pid -> struct top_process */
	struct top_host host;
	char item[TOP_ITEMS][TOP_TEXT]; /* that have rows with columns we know */
	size_t items;
	/* Answers of this round. */
	const struct json_node *list,
		*rows[TOP_ITEMS]; /* all items; rows of those above, NULL where one is off */
	struct map counter; /* hash of a row and column -> what it was (double, round) */
	struct err why;
};

void top_data_init(struct top_data *data, struct client *client);
void top_data_done(struct top_data *data);
/* Asks the agent. An exit status; what is wrong is in data->why. */
int top_data_refresh(struct top_data *data);
double top_seconds(const struct top_data *data);
double top_number(const struct json_node *row, const char *column); /* 0 where there is none */
/* Growth a second of a row's counter since the round before; 0 at the first sight. */
double top_rate(struct top_data *data, const struct json_node *row, const char *column);

/* ---- views ---- */

enum { TOP_COLUMNS = 12, TOP_CELL = 80 };

struct top_column {
	const char *name;
	bool right; /* numbers */
};

struct top_cell {
	char text[TOP_CELL];
	double number; /* what it is sorted by; texts by the text */
};

struct top_grid {
	struct top_column column[TOP_COLUMNS];
	size_t columns, rows, room;
	struct top_cell *cell; /* owned: rows * columns */
	size_t sort;
	bool reversed;
	size_t first_sort; /* the view's own choice */
};

struct top_view {
	const char *name;
	void (*fill)(struct top_data *data, struct top_grid *grid);
	bool whole; /* never long: printed with all its rows */
};

extern const struct top_view top_views[]; /* ends with name NULL */

void top_grid_clear(struct top_grid *grid);
void top_grid_done(struct top_grid *grid);
/* Only rows in which a cell contains the text (NULL or empty: all), sorted. */
void top_grid_arrange(struct top_grid *grid, const char *contains);
/* Lines about the whole machine. */
enum { TOP_SUMMARY = 3 };
void top_summary(struct top_data *data, char line[TOP_SUMMARY][256]);

/* ---- the screen ---- */

struct top_screen;

enum top_key { TOP_NONE, TOP_AGAIN, TOP_QUIT };

/* NULL when this terminal can't. */
struct top_screen *top_screen_open(void);
void top_screen_close(struct top_screen *screen);
/* Draws, then waits for a key or the end of the interval. */
enum top_key top_screen_turn(struct top_screen *screen, struct top_data *data, double wait_s);

int top_command(int argc, char **argv);
