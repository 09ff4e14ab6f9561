// SPDX-License-Identifier: GPL-2.0-only
/*
 * store_recorded_bench - what the embedded history costs for requests that were really made (bench/store.sh records them).
 *
 * The file has a record a line, as `sonde requests --follow --json` prints them; a key is a column, whatever it is called. Reading
 * JSON is not measured: a batch is read, then filled and appended under the clock. A file with fewer rows than are wanted is
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

enum { BATCH = 1000, ROUNDS = 5, LINE_ARENA = 256 * 1024, ROWS_WANTED = 250000 };

#define GOAL_ROWS_PER_CPU_S 1e6
#define GOAL_BYTES_PER_ROW  40.0
#define GOAL_P99_MS         100.0

static struct store_table shape = {
	.name = "requests", .count = 1, .column = {{"time", STORE_TIME}}};

struct bench {
	const char *path;
	struct store *store;
	const struct store_table *table;
	struct store_rows *rows;
	struct arena arenas[BATCH];
	const struct json_node *lines[BATCH];
	size_t in_batch;
	uint64_t rows_done, wanted;
	int64_t shift_ns, first_ns, last_ns;
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

static void each_line(const char *path, bool (*each)(struct bench *bench, struct span line),
		      struct bench *bench)
{
	FILE *file = fopen(path, "r");
	size_t room = 0;
	char *line = NULL;
	ssize_t len;

	if (!file)
		die("cannot open the file");
	while ((len = getline(&line, &room, file)) > 0)
		if (line[0] == '{' &&
		    !each(bench, (struct span){(const uint8_t *)line, (size_t)len}))
			break;
	free(line);
	fclose(file);
}

static bool learn_line(struct bench *bench, struct span line)
{
	const struct json_node *root;
	struct arena arena;
	uint64_t time_ns;

	arena_init(&arena, LINE_ARENA);
	if (json_read(line, &arena, &root, NULL) || !json_get_text(root, "time") ||
	    !time_parse(span_of(json_get_text(root, "time")), 0, &time_ns))
		die("a line is no record");
	learn(root);
	if (!bench->first_ns || (int64_t)time_ns < bench->first_ns)
		bench->first_ns = (int64_t)time_ns;
	if ((int64_t)time_ns > bench->last_ns)
		bench->last_ns = (int64_t)time_ns;
	arena_done(&arena);
	return true;
}

static void fill_value(struct bench *bench, unsigned column, const struct json_node *node)
{
	struct store_rows *rows = bench->rows;
	uint64_t whole;
	int64_t any;
	double real;

	switch (bench->table->column[column].type) {
	case STORE_BOOL: store_rows_bool(rows, column, node->truth); break;
	case STORE_TEXT: store_rows_text(rows, column, node->text); break;
	case STORE_U64:
		if (json_node_u64(node, &whole))
			store_rows_u64(rows, column, whole);
		break;
	case STORE_I64:
		if (json_node_i64(node, &any))
			store_rows_i64(rows, column, any);
		break;
	default:
		if (json_node_double(node, &real))
			store_rows_double(rows, column, real);
	}
}

/* What the agent does per record: values into columns, the batch to the store, the store's tick. */
static void write_batch(struct bench *bench)
{
	static int at[BATCH][TABLE_COLUMNS_MAX];
	static uint64_t times[BATCH];
	double begin;

	for (size_t i = 0; i < bench->in_batch;
	     i++) { /* names and times are numbers in the agent, too */
		size_t k = 0;

		if (!time_parse(span_of(json_get_text(bench->lines[i], "time")), 0, &times[i]))
			die("a line is no record");
		for (const struct json_node *node = bench->lines[i]->child; node; node = node->next)
			at[i][k++] = store_table_column(bench->table, (const char *)node->key.at);
	}
	begin = cpu_s();
	for (size_t i = 0; i < bench->in_batch; i++) {
		size_t k = 0;

		store_rows_i64(bench->rows, 0, (int64_t)times[i] + bench->shift_ns);
		for (const struct json_node *node = bench->lines[i]->child; node;
		     node = node->next, k++)
			if (at[i][k] > 0)
				fill_value(bench, (unsigned)at[i][k], node);
		store_rows_next(bench->rows);
	}
	if (store_append(bench->store, bench->rows, NULL) != (int)bench->in_batch)
		die("rows were not taken");
	store_rows_clear(bench->rows);
	store_tick(bench->store);
	bench->cpu += cpu_s() - begin;
	bench->rows_done += bench->in_batch;
	for (size_t i = 0; i < bench->in_batch; i++)
		arena_done(&bench->arenas[i]);
	bench->in_batch = 0;
}

static bool take_line(struct bench *bench, struct span line)
{
	struct arena *arena = &bench->arenas[bench->in_batch];

	arena_init(arena, LINE_ARENA);
	if (json_read(line, arena, &bench->lines[bench->in_batch], NULL))
		die("a line is no record");
	if (++bench->in_batch == BATCH)
		write_batch(bench);
	return bench->rows_done < bench->wanted;
}

static void write_all(struct bench *bench)
{
	unsigned times = 0;
	double begin;

	while (bench->rows_done < bench->wanted) {
		bench->shift_ns = (int64_t)times++ * (bench->last_ns - bench->first_ns + 1);
		each_line(bench->path, take_line, bench);
		if (!bench->rows_done && !bench->in_batch)
			die("the file is empty");
	}
	if (bench->in_batch)
		write_batch(bench);
	begin = cpu_s();
	if (store_flush(bench->store, NULL))
		die("cannot write");
	bench->cpu += cpu_s() - begin;
	if (times > 1)
		printf("the file was taken %u times, each later in time\n", times);
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
	double rate, bytes, p99_ms;

	if (argc < 2 || !mkdtemp(folder))
		die("store_recorded_bench FILE [ROWS]");
	bench.path = argv[1];
	if (argc > 2)
		bench.wanted = strtoull(argv[2], NULL, 10);
	each_line(bench.path, learn_line, &bench);
	definition.count = shape.count;
	store_defaults(&options);
	options.path = folder;
	if (store_open(&options, &bench.store, &why) ||
	    store_table_define(bench.store, &definition, &bench.table, &why))
		die(why.text);
	bench.rows = store_rows_new(bench.table, BATCH);
	write_all(&bench);
	store_status(bench.store, &status);
	rate = (double)bench.rows_done / bench.cpu;
	bytes = (double)(status.bytes - status.journal_bytes) / (double)bench.rows_done;
	printf("recorded requests: %llu rows of %u columns: %.2f M rows per CPU second, %.1f bytes "
	       "a row\n",
	       (unsigned long long)bench.rows_done, shape.count, rate / 1e6, bytes);
	p99.to_ns = latest.to_ns = INT64_MAX;
	p99_ms = ask(bench.store, "p99 per operation", &p99);
	ask(bench.store, "100 latest", &latest);
	store_rows_free(bench.rows);
	store_close(bench.store);
	remove_folder(folder);
	if (rate < GOAL_ROWS_PER_CPU_S || bytes > GOAL_BYTES_PER_ROW || p99_ms > GOAL_P99_MS)
		printf("above a goal that is set for generated rows: %.0f rows per CPU second, "
		       "%.0f bytes, %.0f ms\n",
		       GOAL_ROWS_PER_CPU_S, GOAL_BYTES_PER_ROW, GOAL_P99_MS);
	return 0;
}
