// SPDX-License-Identifier: GPL-2.0-only
/* top_screen - `sonde top` on a terminal: draws the grid with ncurses, and does what the keys say. */
#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/top.h"

enum { SEARCH_BYTES = 64, GAP = 2, HEAD_LINES = 4 };

struct top_screen {
	SCREEN *terminal;
	size_t view, line, top; /* which view; the row under the bar; the first row on the screen */
	bool paused, searching, helping, detailed;
	char search[SEARCH_BYTES];
	struct top_grid grid;
	size_t sort[8]; /* of each view, + 1; 0 = its own */
	bool reversed[8];
};

struct top_screen *top_screen_open(void)
{
	struct top_screen *screen = calloc(1, sizeof(*screen));

	setlocale(LC_CTYPE, "C.UTF-8");
	if (screen)
		screen->terminal = newterm(NULL, stdout, stdin);
	if (!screen || !screen->terminal) {
		free(screen);
		return NULL;
	}
	cbreak();
	noecho();
	keypad(stdscr, true);
	curs_set(0);
	set_escdelay(50);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_BLACK, COLOR_CYAN);
		init_pair(2, COLOR_RED, -1);
	}
	return screen;
}

void top_screen_close(struct top_screen *screen)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen->terminal);
	top_grid_done(&screen->grid);
	free(screen);
}

static size_t views(void)
{
	size_t count = 0;

	while (top_views[count].name)
		count++;
	return count;
}

/* ---- drawing ---- */

static void draw_tabs(const struct top_screen *screen)
{
	move(2, 0);
	for (size_t i = 0; i < views(); i++) {
		if (i == screen->view)
			attron(A_REVERSE);
		printw(" %zu %s ", i + 1, top_views[i].name);
		attroff(A_REVERSE);
	}
	if (screen->searching || screen->search[0])
		printw("  /%s%s", screen->search, screen->searching ? "_" : "");
	if (screen->paused)
		printw("  paused");
}

static void draw_cell(const char *text, int width, bool right)
{
	printw(right ? "%*.*s" : "%-*.*s", width, width, text);
	printw("%*s", GAP, "");
}

static void widths(const struct top_grid *grid, int width[TOP_COLUMNS])
{
	for (size_t c = 0; c < grid->columns; c++) {
		size_t wide = strlen(grid->column[c].name) + 1;

		for (size_t r = 0; r < grid->rows; r++) {
			size_t len = strlen(grid->cell[r * grid->columns + c].text);

			wide = len > wide ? len : wide;
		}
		width[c] = (int)(wide > 60 ? 60 : wide);
	}
}

/* Numbers stay whole: the widest texts give way until all columns are on the screen. */
static void fit(const struct top_grid *grid, int width[TOP_COLUMNS])
{
	enum { TEXT_LEAST = 8 };

	for (;;) {
		size_t widest = grid->columns;
		int all = 0;

		for (size_t c = 0; c < grid->columns; c++) {
			all += width[c] + GAP;
			if (!grid->column[c].right && width[c] > TEXT_LEAST &&
			    (widest == grid->columns || width[c] > width[widest]))
				widest = c;
		}
		if (all - GAP <= COLS || widest == grid->columns)
			return;
		width[widest]--;
	}
}

/* What should not be there is seen at once. */
static bool is_trouble(const struct top_grid *grid, size_t row, size_t column)
{
	static const char *const names[] = {"ERRORS", "LOST", "RESETS"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(grid->column[column].name, names[i]))
			return grid->cell[row * grid->columns + column].number > 0;
	return false;
}

static void draw_row(const struct top_screen *screen, size_t row, const int width[TOP_COLUMNS])
{
	const struct top_grid *grid = &screen->grid;

	if (row == screen->line)
		attron(A_REVERSE);
	for (size_t c = 0; c < grid->columns; c++) {
		bool trouble = is_trouble(grid, row, c);

		if (trouble)
			attron(COLOR_PAIR(2) | A_BOLD);
		draw_cell(grid->cell[row * grid->columns + c].text, width[c],
			  grid->column[c].right);
		if (trouble)
			attroff(COLOR_PAIR(2) | A_BOLD);
	}
	attroff(A_REVERSE);
}

static void draw_grid(struct top_screen *screen)
{
	const struct top_grid *grid = &screen->grid;
	int width[TOP_COLUMNS], lines = LINES - HEAD_LINES - 1;

	widths(grid, width);
	fit(grid, width);
	if (screen->line >= grid->rows)
		screen->line = grid->rows ? grid->rows - 1 : 0;
	if (screen->line < screen->top)
		screen->top = screen->line;
	if (lines > 0 && screen->line >= screen->top + (size_t)lines)
		screen->top = screen->line - (size_t)lines + 1;
	move(HEAD_LINES - 1, 0);
	attron(COLOR_PAIR(1));
	for (size_t c = 0; c < grid->columns; c++) {
		char head[64];

		snprintf(head, sizeof(head), "%s%s", grid->column[c].name,
			 c == grid->sort ? (grid->reversed ? "^" : "v") : "");
		draw_cell(head, width[c], grid->column[c].right);
	}
	attroff(COLOR_PAIR(1));
	for (int i = 0; i < lines && screen->top + (size_t)i < grid->rows; i++) {
		size_t r = screen->top + (size_t)i;

		move(HEAD_LINES + i, 0);
		draw_row(screen, r, width);
	}
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"1-7, Tab      view",
		"Up Down PgUp PgDn Home End   row",
		"< >           sort by another column",
		"r             reverse",
		"/             rows that contain",
		"Esc           all rows again",
		"p, Space      pause",
		"Enter         all of a row",
		"q             quit",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		mvprintw(HEAD_LINES + 1 + (int)i, 4, " %-48s ", lines[i]);
}

static void draw_fact(int *line, const char *name, const char *value)
{
	if (*line < LINES - 2 && value[0])
		mvprintw((*line)++, 4, " %-12s %-*.*s ", name, COLS - 24, COLS - 24, value);
}

/* All of a row, what found no room in its columns too; of a process also where it is from. */
static void draw_details(const struct top_screen *screen, const struct top_data *data)
{
	const struct top_grid *grid = &screen->grid;
	const struct top_cell *row = grid->rows ? &grid->cell[screen->line * grid->columns] : NULL;
	const struct top_process *process = NULL;
	int line = HEAD_LINES + 1;
	uint32_t pid;

	if (!row || COLS < 60)
		return;
	if (!strcmp(grid->column[0].name, "PID")) {
		pid = (uint32_t)row->number;
		process = map_get(&data->process, &pid);
	}
	attron(A_BOLD);
	mvprintw(line++, 4, " %-*s ", COLS - 11, top_views[screen->view].name);
	attroff(A_BOLD);
	for (size_t c = 0; c < grid->columns; c++)
		draw_fact(&line, grid->column[c].name, row[c].text);
	if (!process)
		return;
	draw_fact(&line, "exe", process->exe);
	draw_fact(&line, "container", process->container);
	draw_fact(&line, "service", process->service);
}

static void draw(struct top_screen *screen, struct top_data *data)
{
	char line[TOP_SUMMARY][256];

	top_grid_clear(&screen->grid);
	top_views[screen->view].fill(data, &screen->grid);
	screen->grid.sort = screen->sort[screen->view] ? screen->sort[screen->view] - 1
						       : screen->grid.first_sort;
	screen->grid.reversed = screen->reversed[screen->view];
	top_grid_arrange(&screen->grid, screen->search);
	erase();
	top_summary(data, line);
	mvprintw(0, 0, "%.*s", COLS, line[0]);
	mvprintw(1, 0, "%.*s", COLS, line[1]);
	draw_tabs(screen);
	draw_grid(screen);
	mvprintw(LINES - 1, 0, "q quit  ? keys  %zu rows", screen->grid.rows);
	if (screen->helping)
		draw_help();
	if (screen->detailed)
		draw_details(screen, data);
	refresh();
}

/* ---- keys ---- */

static void search_key(struct top_screen *screen, int key)
{
	size_t len = strlen(screen->search);

	if (key == '\n' || key == KEY_ENTER)
		screen->searching = false;
	else if (key == 27)
		screen->searching = false, screen->search[0] = 0;
	else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len)
		screen->search[len - 1] = 0;
	else if (key >= ' ' && key < 256 && len + 1 < sizeof(screen->search))
		screen->search[len] = (char)key, screen->search[len + 1] = 0;
}

static void go(struct top_screen *screen, long by)
{
	long to = (long)screen->line + by, last = (long)screen->grid.rows - 1;

	screen->line = to < 0 || last < 0 ? 0 : to > last ? (size_t)last : (size_t)to;
}

static void sort_by(struct top_screen *screen, int step)
{
	size_t count = screen->grid.columns, now = screen->grid.sort;

	if (count)
		screen->sort[screen->view] =
			(now + count + (size_t)(step + (int)count)) % count + 1;
}

static void show_view(struct top_screen *screen, size_t view)
{
	screen->view = view;
	screen->line = screen->top = 0;
}

static enum top_key press(struct top_screen *screen, int key)
{
	if (screen->searching) {
		search_key(screen, key);
		return TOP_NONE;
	}
	switch (key) {
	case 'q': return TOP_QUIT;
	case KEY_DOWN:
	case 'j': go(screen, 1); break;
	case KEY_UP:
	case 'k': go(screen, -1); break;
	case KEY_NPAGE: go(screen, LINES - HEAD_LINES - 2); break;
	case KEY_PPAGE: go(screen, -(LINES - HEAD_LINES - 2)); break;
	case KEY_HOME:
	case 'g': go(screen, -(1 << 20)); break;
	case KEY_END:
	case 'G': go(screen, 1 << 20); break;
	case '<': sort_by(screen, -1); break;
	case '>': sort_by(screen, 1); break;
	case 'r': screen->reversed[screen->view] ^= true; break;
	case '/':
		screen->searching = true;
		screen->search[0] = 0;
		break;
	case 27:
		screen->search[0] = 0;
		screen->helping = screen->detailed = false;
		break;
	case 'p':
	case ' ': screen->paused ^= true; break;
	case '?':
	case 'h': screen->helping ^= true; break;
	case '\n':
	case KEY_ENTER: screen->detailed ^= true; break;
	case '\t':
	case KEY_RIGHT: show_view(screen, (screen->view + 1) % views()); break;
	case KEY_LEFT: show_view(screen, (screen->view + views() - 1) % views()); break;
	default:
		if (key >= '1' && key < '1' + (int)views())
			show_view(screen, (size_t)(key - '1'));
	}
	return TOP_NONE;
}

enum top_key top_screen_turn(struct top_screen *screen, struct top_data *data, double wait_s)
{
	uint64_t end_ns = clock_monotonic_ns() + (uint64_t)(wait_s * 1e9);

	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();
		int key;

		draw(screen, data);
		if (now_ns >= end_ns && !screen->paused)
			return TOP_AGAIN;
		timeout(screen->paused ? 1000 : (int)((end_ns - now_ns) / 1000000 + 1));
		key = getch();
		if (key != ERR && press(screen, key) == TOP_QUIT)
			return TOP_QUIT;
	}
}
