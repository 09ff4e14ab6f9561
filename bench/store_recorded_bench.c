// SPDX-License-Identifier: GPL-2.0-only
/*
 * store_recorded_bench - what the embedded history costs for requests that were really made (bench/store.sh records them).
 *
 * The file has a record a line, as `sonde requests --follow --json` prints them; a key is a column, whatever it is called. It is read
 * before the clock runs, as the generator's rows are made before (store_bench.c). A file with fewer rows than are wanted is
 * taken again, later in time, and that is said. CPU seconds of this process (getrusage).
 *
 *	store_recorded_bench FILE [ROWS]
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "store/query.h"

enum {
	BATCH = 1000,
	ROUNDS = 5,
	LINE_ARENA = 256 * 1024,
	ROWS_WANTED = 1000000,
	ROWS_ASKED = 250000
};

#define GOAL_ROWS_PER_CPU_S 1e6
#define GOAL_BYTES_PER_ROW  40.0
#define GOAL_P99_MS         100.0

static struct store_table shape = {
	.name = "requests", .count = 1, .column = {{"time", STORE_TIME}}};

struct value {
	unsigned column;
	struct store_cell cell;
};

struct row {
	int64_t time;
	size_t first, count; /* of its values */
};

struct bench {
	struct store *store;
	const struct store_table *table;
	struct row *row; /* owned */
	size_t rows, row_room;
	struct value *value; /* owned */
	size_t values, value_room;
	struct arena texts;
	uint64_t wanted, written, values_written;
	int64_t asked_from; /* time of the row with which the last ROWS_ASKED begin */
	double cpu;
};

static void die(const char *what)
{
	fprintf(stderr, "store_recorded_bench: %s\n", what);
	exit(1);
}

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double wall_ms(void)
{
	return (double)clock_monotonic_ns() / 1e6;
}

static enum store_type type_of(const struct json_node *node)
{
	uint64_t whole;
	int64_t any;

	switch (node->type) {
	case JSON_BOOL: return STORE_BOOL;
	case JSON_TEXT: return STORE_TEXT;
	case JSON_NUMBER:
		return json_node_u64(node, &whole) ? STORE_U64
		       : json_node_i64(node, &any) ? STORE_I64
						   : STORE_DOUBLE;
	default: return 0;
	}
}

/* Columns of a line that are new; one that was first seen with another type keeps its first one. */
static void learn(const struct json_node *line)
{
	for (const struct json_node *node = line->child; node; node = node->next) {
		struct store_column *column = &shape.column[shape.count];
		enum store_type type = type_of(node);

		if (!type || store_table_column(&shape, (const char *)node->key.at) >= 0)
			continue;
		if (shape.count == TABLE_COLUMNS_MAX || node->key.len >= STORE_NAME_BYTES)
			die("too many columns");
		memcpy(column->name, node->key.at, node->key.len + 1);
		column->type = type;
		shape.count++;
	}
}

static void each_line(const char *path,
		      void (*each)(struct bench *bench, const struct json_node *line),
		      struct bench *bench)
{
	FILE *file = fopen(path, "r");
	size_t room = 0;
	char *line = NULL;
	ssize_t len;

	if (!file)
		die("cannot open the file");
	while ((len = getline(&line, &room, file)) > 0) {
		const struct json_node *root;
		struct arena arena;

		if (line[0] != '{')
			continue;
		arena_init(&arena, LINE_ARENA);
		if (json_read((struct span){(const uint8_t *)line, (size_t)len}, &arena, &root,
			      NULL))
			die("a line is no record");
		each(bench, root);
		arena_done(&arena);
	}
	free(line);
	fclose(file);
}

static void learn_line(struct bench *bench, const struct json_node *line)
{
	learn(line);
}

/* A value as the agent has it: numbers are numbers, texts are texts. */
static bool read_cell(const struct store_column *column, const struct json_node *node,
		      struct store_cell *cell)
{
	cell->type = column->type;
	switch (column->type) {
	case STORE_BOOL: cell->u64 = node->truth; return node->type == JSON_BOOL;
	case STORE_TEXT: cell->text = node->text; return node->type == JSON_TEXT;
	case STORE_U64: return json_node_u64(node, &cell->u64);
	case STORE_I64: return json_node_i64(node, &cell->i64);
	default: return json_node_double(node, &cell->real);
	}
}

static void *grown(void *at, size_t used, size_t *room, size_t size)
{
	if (used < *room)
		return at;
	*room = *room ? *room * 2 : 4096;
	at = realloc(at, *room * size);
	if (!at)
		die("no memory");
	return at;
}

static void take_line(struct bench *bench, const struct json_node *line)
{
	const char *time = json_get_text(line, "time");
	struct row *row;
	uint64_t time_ns;

	if (!time || !time_parse(span_of(time), 0, &time_ns))
		die("a line is no record");
	bench->row = grown(bench->row, bench->rows, &bench->row_room, sizeof(*bench->row));
	row = &bench->row[bench->rows++];
	*row = (struct row){(int64_t)time_ns, bench->values, 0};
	for (const struct json_node *node = line->child; node; node = node->next) {
		int column = store_table_column(bench->table, (const char *)node->key.at);
		struct value *value;

		bench->value = grown(bench->value, bench->values, &bench->value_room,
				     sizeof(*bench->value));
		value = &bench->value[bench->values];
		if (column <= 0 || !read_cell(&bench->table->column[column], node, &value->cell))
			continue;
		if (value->cell.type == STORE_TEXT)
			value->cell.text.at =
				(const uint8_t *)arena_str(&bench->texts, value->cell.text);
		value->column = (unsigned)column;
		bench->values++;
		row->count++;
	}
}

/* What the agent does with a record: values into columns, the batch to the store, the store's tick. */
static void write_rows(struct bench *bench, struct store_rows *rows, int64_t shift_ns)
{
	for (size_t i = 0; i < bench->rows && bench->written < bench->wanted; i++) {
		const struct row *row = &bench->row[i];

		store_rows_i64(rows, 0, row->time + shift_ns);
		for (size_t k = 0; k < row->count; k++) {
			const struct value *value = &bench->value[row->first + k];

			store_rows_cell(rows, value->column, &value->cell);
		}
		store_rows_next(rows);
		bench->values_written += row->count + 1;
		if (bench->written + ROWS_ASKED == bench->wanted)
			bench->asked_from = row->time + shift_ns;
		bench->written++;
		if (store_rows_count(rows) < BATCH && i + 1 < bench->rows &&
		    bench->written < bench->wanted)
			continue;
		if (store_append(bench->store, rows, NULL) < 0)
			die("rows were not taken");
		store_rows_clear(rows);
		store_tick(bench->store);
	}
}

static void write_all(struct bench *bench)
{
	int64_t length_ns = bench->row[bench->rows - 1].time - bench->row[0].time + 1;
	struct store_rows *rows = store_rows_new(bench->table, BATCH);
	unsigned times = 0;
	double begin = cpu_s();

	while (bench->written < bench->wanted)
		write_rows(bench, rows, times++ * length_ns);
	if (store_flush(bench->store, NULL))
		die("cannot write");
	bench->cpu = cpu_s() - begin;
	store_rows_free(rows);
	if (times > 1)
		printf("the file's %zu rows were taken %u times, each later in time\n", bench->rows,
		       times);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double ask(struct store *store, const char *what, const struct store_query *query)
{
	double times[ROUNDS], cpu = cpu_s();

	for (int i = 0; i < ROUNDS; i++) {
		double begin = wall_ms();
		struct store_answer answer;
		struct err why = {};

		if (store_query(store, query, &answer, &why))
			die(why.text);
		times[i] = wall_ms() - begin;
		if (!i)
			printf("  %-34s %zu rows of %llu", what, answer.rows,
			       (unsigned long long)answer.rows_matched);
		store_answer_done(&answer);
	}
	qsort(times, ROUNDS, sizeof(*times), by_size);
	printf(", %.1f ms wall, %.1f ms cpu\n", times[ROUNDS / 2], (cpu_s() - cpu) / ROUNDS * 1e3);
	return times[ROUNDS / 2];
}

static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

int main(int argc, char **argv)
{
	static struct bench bench = {.wanted = ROWS_WANTED};
	char folder[] = "/var/tmp/sonde-store-bench-XXXXXX";
	struct store_table_definition definition = {.name = shape.name, .columns = shape.column};
	struct store_query p99 = {
		.table = "requests",
		.by = {"process", "operation", "resource"},
		.by_count = 3,
		.aggregate = {{STORE_COUNT}, {STORE_QUANTILE, "duration_ns", 0.99}},
		.aggregates = 2,
		.order = 4,
	};
	struct store_query latest = {.table = "requests", .limit = 100};
	struct store_options options;
	struct store_status status;
	struct err why = {};
	double rate, bytes, values, p99_ms;

	if (argc < 2 || !mkdtemp(folder))
		die("store_recorded_bench FILE [ROWS]");
	if (argc > 2)
		bench.wanted = strtoull(argv[2], NULL, 10);
	each_line(argv[1], learn_line, &bench);
	definition.count = shape.count;
	store_defaults(&options);
	options.path = folder;
	if (store_open(&options, &bench.store, &why) ||
	    store_table_define(bench.store, &definition, &bench.table, &why))
		die(why.text);
	arena_init(&bench.texts, (size_t)1 << 30);
	each_line(argv[1], take_line, &bench);
	if (!bench.rows)
		die("the file is empty");
	write_all(&bench);
	store_status(bench.store, &status);
	rate = (double)bench.written / bench.cpu;
	bytes = (double)(status.bytes - status.journal_bytes) / (double)bench.written;
	values = (double)bench.values_written / (double)bench.written;
	printf("recorded requests: %llu rows of %.1f values: %.2f M rows, %.1f M values per CPU "
	       "second, %.1f bytes a row\n",
	       (unsigned long long)bench.written, values, rate / 1e6, rate * values / 1e6, bytes);
	p99.to_ns = latest.to_ns = INT64_MAX;
	p99.from_ns = bench.asked_from;
	p99_ms = ask(bench.store, "p99 per operation", &p99);
	ask(bench.store, "100 latest", &latest);
	store_close(bench.store);
	arena_done(&bench.texts);
	free(bench.row);
	free(bench.value);
	remove_folder(folder);
	if (rate >= GOAL_ROWS_PER_CPU_S && bytes <= GOAL_BYTES_PER_ROW && p99_ms <= GOAL_P99_MS)
		return 0;
	printf("a goal was missed: %.0f rows per CPU second, %.0f bytes a row, %.0f ms\n",
	       GOAL_ROWS_PER_CPU_S, GOAL_BYTES_PER_ROW, GOAL_P99_MS);
	return 1;
}
