// SPDX-License-Identifier: GPL-2.0-only
/*
 * pick - the first rows in the order of a column.
 *
 * A heap holds the best rows so far, the worst of them on top; one more than the limit, to know
 * whether there is more. Rows enter with their key only. The other columns are read at the end of
 * the block, for those of its rows that are still in the heap.
 */
#include <errno.h>
#include <stdlib.h>

#include "store/run.h"

struct candidate {
	struct store_cell key;
	uint64_t row;
	uint32_t at; /* its place in the present block */
	/* owned, with the texts behind them; NULL: to be read from the present block */
	struct store_cell *cells;
	size_t bytes; /* of that memory */
};

struct picker {
	int column[QUERY_COLUMNS_MAX]; /* of the table */
	size_t columns;
	int order; /* column of the table */
	bool by_time;
	struct candidate *heap; /* owned */
	size_t count, room; /* room is limit + 1 */
};

/* Does `a` come before `b` in the answer? Of equal keys the later row comes first, or last when
 * ascending. */
static bool is_before(const struct run *run, const struct store_cell *a, uint64_t a_row,
		      const struct store_cell *b, uint64_t b_row)
{
	int order = cell_order(a, b);

	if (!order)
		return run->query->ascending ? a_row < b_row : a_row > b_row;
	if (!a->type || !b->type) /* absent values come last either way */
		return order < 0;
	return run->query->ascending ? order < 0 : order > 0;
}

static bool candidate_before(const struct run *run, const struct candidate *a,
			     const struct candidate *b)
{
	return is_before(run, &a->key, a->row, &b->key, b->row);
}

static int choose_columns(struct run *run, struct picker *picker, struct err *why)
{
	const struct store_query *query = run->query;

	picker->columns = query->columns_count ? query->columns_count : run->table.count;
	for (size_t i = 0; i < picker->columns; i++) {
		picker->column[i] = query->columns_count
					    ? store_table_column(&run->table, query->columns[i])
					    : (int)i;
		if (picker->column[i] < 0)
			return err_set(why, -ENOENT, "table '%s' has no column '%s'",
				       run->table.name, query->columns[i]);
	}
	picker->order = query->order_by ? store_table_column(&run->table, query->order_by) : 0;
	picker->by_time = picker->order == 0;
	if (picker->order < 0)
		return err_set(why, -ENOENT, "table '%s' has no column '%s'", run->table.name,
			       query->order_by);
	if (query->after.set && query->after.key.type &&
	    query->after.key.type != run->table.column[picker->order].type)
		return err_set(why, -EINVAL, "that cursor belongs to another order");
	return 0;
}

static int name_columns(struct run *run, const struct picker *picker)
{
	struct store_answer *answer = run->answer;

	answer->columns = picker->columns;
	answer->column = arena_new(&answer->arena, picker->columns * sizeof(*answer->column));
	if (!answer->column)
		return -ENOMEM;
	for (size_t i = 0; i < picker->columns; i++) {
		const struct store_column *column = &run->table.column[picker->column[i]];

		memcpy(answer->column[i].name, column->name, STORE_NAME_BYTES);
		answer->column[i].type = column->type;
	}
	return 0;
}

int picker_new(struct run *run, struct err *why)
{
	struct picker *picker = calloc(1, sizeof(*picker));
	int error;

	if (!picker)
		return err_set(why, -ENOMEM, "no memory for a question");
	run->picker = picker;
	error = choose_columns(run, picker, why);
	if (error)
		return error;
	picker->room = run->limit + 1;
	picker->heap = calloc(picker->room, sizeof(*picker->heap));
	return picker->heap ? name_columns(run, picker) : -ENOMEM;
}

void picker_free(struct picker *picker)
{
	if (!picker)
		return;
	for (size_t i = 0; i < picker->count; i++)
		free(picker->heap[i].cells);
	free(picker->heap);
	free(picker);
}

bool picker_wants(const struct run *run, int64_t time_min, int64_t time_max)
{
	const struct picker *picker = run->picker;
	bool ascending = run->query->ascending;
	int64_t worst;

	if (!picker->by_time)
		return true;
	if (run->query->after.set && (ascending ? time_max < run->query->after.key.i64
						: time_min > run->query->after.key.i64))
		return false;
	if (picker->count < picker->room)
		return true;
	worst = picker->heap[0].key.i64;
	return ascending ? time_min <= worst : time_max >= worst;
}

static void swap(struct candidate *a, struct candidate *b)
{
	struct candidate keep = *a;

	*a = *b;
	*b = keep;
}

static void sift_up(const struct run *run, struct candidate *heap, size_t at)
{
	while (at && candidate_before(run, &heap[(at - 1) / 2], &heap[at])) {
		swap(&heap[at], &heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

static void sift_down(const struct run *run, struct candidate *heap, size_t count)
{
	size_t at = 0;

	for (;;) {
		size_t worst = at, left = 2 * at + 1, right = left + 1;

		if (left < count && candidate_before(run, &heap[worst], &heap[left]))
			worst = left;
		if (right < count && candidate_before(run, &heap[worst], &heap[right]))
			worst = right;
		if (worst == at)
			return;
		swap(&heap[at], &heap[worst]);
		at = worst;
	}
}

/* Would that row of the present block be among the first? */
static bool is_wanted(const struct run *run, const struct candidate *candidate)
{
	const struct picker *picker = run->picker;
	const struct store_cursor *after = &run->query->after;

	if (after->set && !is_before(run, &after->key, after->row, &candidate->key, candidate->row))
		return false;
	return picker->count < picker->room || candidate_before(run, candidate, &picker->heap[0]);
}

static void offer(struct run *run, const struct candidate *candidate)
{
	struct picker *picker = run->picker;

	if (!is_wanted(run, candidate))
		return;
	if (picker->count < picker->room) {
		picker->heap[picker->count] = *candidate;
		sift_up(run, picker->heap, picker->count++);
		return;
	}
	run->memory -= picker->heap[0].bytes;
	free(picker->heap[0].cells);
	picker->heap[0] = *candidate;
	sift_down(run, picker->heap, picker->count);
}

/* The columns of the present block, in the order of the answer; one that can't be read counts as
 * absent. */
struct columns {
	const struct vector *vector[QUERY_COLUMNS_MAX + 1];
	const struct dict *dict[QUERY_COLUMNS_MAX + 1];
	enum store_type type[QUERY_COLUMNS_MAX + 1];
};

static int open_column(struct run *run, int column, size_t at, struct columns *ret)
{
	const struct store_column *wanted = &run->table.column[column];
	int mine = part_column(&run->part, wanted->name, wanted->type), error = 0;

	ret->vector[at] = NULL;
	ret->type[at] = wanted->type;
	if (mine < 0)
		return 0;
	error = part_vector(&run->part, (uint32_t)mine, &ret->vector[at]);
	if (!error && type_is_text(wanted->type))
		error = part_dict(&run->part, (uint32_t)mine, &ret->dict[at]);
	if (error)
		ret->vector[at] = NULL;
	return error;
}

static struct store_cell cell_of(const struct columns *columns, size_t at, uint32_t row)
{
	if (!columns->vector[at])
		return (struct store_cell){};
	return vector_cell(columns->vector[at], columns->type[at], columns->dict[at], row);
}

static void keep_text(struct store_cell *cell, char **at)
{
	if (!type_is_text(cell->type) || !cell->text.len)
		return;
	memcpy(*at, cell->text.at, cell->text.len);
	cell->text.at = (const uint8_t *)*at;
	*at += cell->text.len;
}

static size_t text_bytes(const struct store_cell *cell)
{
	return type_is_text(cell->type) ? cell->text.len : 0;
}

static int read_candidate(struct run *run, const struct columns *columns,
			  struct candidate *candidate)
{
	const struct picker *picker = run->picker;
	size_t bytes = picker->columns * sizeof(struct store_cell) + text_bytes(&candidate->key);
	struct store_cell *cells;
	char *texts;

	for (size_t i = 0; i < picker->columns; i++) {
		struct store_cell cell = cell_of(columns, i, candidate->at);

		bytes += text_bytes(&cell);
	}
	cells = malloc(bytes);
	if (!cells)
		return -ENOMEM;
	texts = (char *)(cells + picker->columns);
	for (size_t i = 0; i < picker->columns; i++) {
		cells[i] = cell_of(columns, i, candidate->at);
		keep_text(&cells[i], &texts);
	}
	keep_text(&candidate->key, &texts);
	candidate->cells = cells;
	candidate->bytes = bytes;
	return run_charge(run, bytes);
}

static struct candidate candidate_at(const struct run *run, const struct columns *order, uint32_t i)
{
	/* begin with the end that is likely to stay, so that most of the others fail at once */
	uint32_t at = run->wanted[run->query->ascending ? i : run->wanted_count - 1 - i];

	return (struct candidate){
		.key = cell_of(order, 0, at),
		.row = run->part.first_row + at,
		.at = at,
	};
}

static bool any_is_wanted(const struct run *run, const struct columns *order)
{
	for (uint32_t i = 0; i < run->wanted_count; i++) {
		struct candidate candidate = candidate_at(run, order, i);

		if (is_wanted(run, &candidate))
			return true;
	}
	return false;
}

/* All columns are read before the first row is taken: of a damaged block there is none in the answer. */
int picker_take(struct run *run)
{
	struct picker *picker = run->picker;
	struct columns order, columns;
	int error = open_column(run, picker->order, 0, &order);

	if (error || !any_is_wanted(run, &order))
		return error;
	for (size_t i = 0; i < picker->columns && !error; i++)
		error = open_column(run, picker->column[i], i, &columns);
	for (uint32_t i = 0; i < run->wanted_count && !error; i++) {
		struct candidate candidate = candidate_at(run, &order, i);

		offer(run, &candidate);
	}
	for (size_t i = 0; i < picker->count && !error; i++)
		if (!picker->heap[i].cells)
			error = read_candidate(run, &columns, &picker->heap[i]);
	return error;
}

static int by_place(const void *a, const void *b, void *run)
{
	return candidate_before(run, a, b) ? -1 : 1;
}

static int copy_cells(struct store_answer *answer, struct store_cell *to,
		      const struct store_cell *from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		to[i] = from[i];
		if (!type_is_text(from[i].type))
			continue;
		to[i].text.at = (const uint8_t *)arena_str(&answer->arena, from[i].text);
		if (!to[i].text.at)
			return -ENOMEM;
	}
	return 0;
}

int picker_finish(struct run *run)
{
	struct picker *picker = run->picker;
	struct store_answer *answer = run->answer;
	int error = 0;

	qsort_r(picker->heap, picker->count, sizeof(*picker->heap), by_place, run);
	answer->rows = picker->count < picker->room ? picker->count : picker->room - 1;
	answer->cell = arena_new(&answer->arena,
				 (answer->rows * answer->columns + 1) * sizeof(*answer->cell));
	if (!answer->cell)
		return -ENOMEM;
	for (size_t i = 0; i < answer->rows && !error; i++)
		error = copy_cells(answer, answer->cell + i * answer->columns,
				   picker->heap[i].cells, answer->columns);
	if (!error && picker->count == picker->room && answer->rows) {
		answer->next.set = true;
		answer->next.row = picker->heap[answer->rows - 1].row;
		error = copy_cells(answer, &answer->next.key, &picker->heap[answer->rows - 1].key,
				   1);
	}
	return error;
}
