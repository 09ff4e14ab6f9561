// SPDX-License-Identifier: GPL-2.0-only
/*
 * store_bench - what the embedded history costs: rows in, bytes kept, questions answered.
 *
 * A million request rows over four hours, made by a generator with a printed seed: paths by Zipf, latencies
 * log-normal, about four spans a trace. Baseline of the same run: SQLite with a row for each request, texts as texts,
 * indexes on time and trace, WAL, one transaction per batch, as most would write it first. CPU seconds
 * of this process (getrusage), making the rows not counted; questions in milliseconds, the median of five.
 *
 *	store_bench [SEED [ROWS]]
 */
#include <dirent.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "store/query.h"

enum { SERVICES = 20, PATHS = 500, PODS = 200, BATCH = 1000, ROUNDS = 5, PEERS = 2000 };
enum { HOUR_S = 3600, HOURS = 4 };

#define SECOND              ((int64_t)1000000000)
#define BEGIN               ((int64_t)1790000000 * SECOND)
#define GOAL_ROWS_PER_CPU_S 1e6
#define GOAL_BYTES_PER_ROW  40.0
#define GOAL_P99_MS         100.0

enum column {
	TIME,
	SERVICE,
	PATH,
	STATUS,
	DURATION,
	REQUEST,
	RESPONSE,
	TRACE,
	SPAN,
	PEER,
	PORT,
	PID,
	POD,
	COLUMNS
};

static const struct store_column columns[COLUMNS] = {
	[TIME] = {"time", STORE_TIME},
	[SERVICE] = {"service", STORE_TEXT},
	[PATH] = {"resource", STORE_TEXT},
	[STATUS] = {"status", STORE_TEXT},
	[DURATION] = {"duration_ns", STORE_U64},
	[REQUEST] = {"request_bytes", STORE_U64},
	[RESPONSE] = {"response_bytes", STORE_U64},
	[TRACE] = {"trace_id", STORE_ID16, true},
	[SPAN] = {"span_id", STORE_U64},
	[PEER] = {"remote_addr", STORE_TEXT},
	[PORT] = {"remote_port", STORE_U64},
	[PID] = {"pid", STORE_U64},
	[POD] = {"pod", STORE_TEXT},
};

struct request {
	int64_t time;
	const char *service, *path, *status, *peer, *pod;
	uint64_t duration, request, response, span, port, pid;
	uint8_t trace[16];
};

static unsigned short seed[3];
static size_t row_count = 1000000;
static struct request *requests;
static char services[SERVICES][24], paths[PATHS][48], pods[PODS][40], peers[PEERS][16];

static uint64_t random_number(void)
{
	return (uint64_t)(uint32_t)jrand48(seed) << 32 | (uint32_t)jrand48(seed);
}

static double normal(void)
{
	return sqrt(-2 * log(1 - erand48(seed))) * cos(6.283185307179586 * erand48(seed));
}

static void make_texts(void)
{
	for (int i = 0; i < SERVICES; i++)
		snprintf(services[i], sizeof(services[i]), "shop-service-%02d", i);
	for (int i = 0; i < PATHS; i++)
		snprintf(paths[i], sizeof(paths[i]), "/api/v1/resource%03d/items/{id}", i);
	for (int i = 0; i < PODS; i++)
		snprintf(pods[i], sizeof(pods[i]), "shop-service-%02d-7d4b9c-%05d", i / 10, i);
	for (int i = 0; i < PEERS; i++)
		snprintf(peers[i], sizeof(peers[i]), "10.0.%d.%d", i / 250, i % 250);
}

static void make_request(struct request *request, size_t number)
{
	static uint8_t trace[16];
	static int left;
	int path = (int)(PATHS * pow(erand48(seed), 3)), pod;

	if (!left) {
		for (int i = 0; i < 16; i++)
			trace[i] = (uint8_t)random_number();
		left = 1 + (int)(random_number() % 7);
	}
	left--;
	pod = path % SERVICES * (PODS / SERVICES) + (int)(random_number() % (PODS / SERVICES));
	*request = (struct request){
		.time = BEGIN +
			(int64_t)((double)number / (double)row_count * HOURS * HOUR_S *
				  (double)SECOND) +
			(int64_t)(random_number() % 1000000),
		.service = services[path % SERVICES],
		.path = paths[path],
		.status = random_number() % 100 < 97 ? "200"
			  : random_number() % 2      ? "500"
						     : "404",
		.peer = peers[random_number() % PEERS],
		.pod = pods[pod],
		.duration = (uint64_t)(exp(6.5 + 0.004 * path + 0.9 * normal()) * 1000),
		.request = 100 + random_number() % 900,
		.response = (uint64_t)exp(7 + normal()),
		.span = random_number(),
		.port = 32768 + random_number() % 28000,
		.pid = 1000 + (uint64_t)pod,
	};
	memcpy(request->trace, trace, 16);
}

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "store_bench: %s\n", what);
	exit(1);
}

static void fill(struct store_rows *rows, const struct request *request)
{
	store_rows_i64(rows, TIME, request->time);
	store_rows_text(rows, SERVICE, span_of(request->service));
	store_rows_text(rows, PATH, span_of(request->path));
	store_rows_text(rows, STATUS, span_of(request->status));
	store_rows_u64(rows, DURATION, request->duration);
	store_rows_u64(rows, REQUEST, request->request);
	store_rows_u64(rows, RESPONSE, request->response);
	store_rows_id16(rows, TRACE, request->trace);
	store_rows_u64(rows, SPAN, request->span);
	store_rows_text(rows, PEER, span_of(request->peer));
	store_rows_u64(rows, PORT, request->port);
	store_rows_u64(rows, PID, request->pid);
	store_rows_text(rows, POD, span_of(request->pod));
	store_rows_next(rows);
}

static struct store *open_store(const char *folder, const struct store_table **ret_table)
{
	const struct store_table_definition definition = {
		.name = "requests", .columns = columns, .count = COLUMNS};
	struct store_options options;
	struct store *store;
	struct err why = {};

	store_defaults(&options);
	options.path = folder;
	if (store_open(&options, &store, &why) ||
	    store_table_define(store, &definition, ret_table, &why))
		die(why.text);
	return store;
}

struct figures {
	double cpu, wall, worst_batch, bytes;
};

static struct figures write_rows(struct store *store, const struct store_table *table)
{
	struct store_rows *rows = store_rows_new(table, BATCH);
	struct figures figures = {.cpu = cpu_s(), .wall = wall_s()};
	struct store_status status;
	struct err why = {};

	for (size_t i = 0; i < row_count; i += BATCH) {
		double begin = wall_s();

		for (size_t k = i; k < i + BATCH && k < row_count; k++)
			fill(rows, &requests[k]);
		if (store_append(store, rows, &why) < 0)
			die(why.text);
		store_rows_clear(rows);
		store_tick(store);
		if (wall_s() - begin > figures.worst_batch)
			figures.worst_batch = wall_s() - begin;
	}
	if (store_flush(store, &why))
		die(why.text);
	figures.cpu = cpu_s() - figures.cpu;
	figures.wall = wall_s() - figures.wall;
	store_status(store, &status);
	if (status.rows_in_segments != row_count)
		die("rows are missing");
	figures.bytes = (double)(status.bytes - status.journal_bytes);
	printf("store: journal and segments took %.1f bytes a row to write\n",
	       (double)status.bytes_written / (double)row_count);
	store_rows_free(rows);
	return figures;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Milliseconds, the median of ROUNDS. */
static double ask(struct store *store, const char *what, const struct store_query *query)
{
	double times[ROUNDS], cpu = cpu_s();
	struct store_answer answer;
	struct err why = {};

	for (int i = 0; i < ROUNDS; i++) {
		double begin = wall_s();

		if (store_query(store, query, &answer, &why))
			die(why.text);
		times[i] = (wall_s() - begin) * 1e3;
		if (i + 1 < ROUNDS)
			store_answer_done(&answer);
	}
	cpu = (cpu_s() - cpu) / ROUNDS * 1e3;
	qsort(times, ROUNDS, sizeof(*times), by_size);
	printf("  %-34s %8.2f ms wall %8.2f ms cpu, %zu rows of %llu matching, %llu looked at, %u "
	       "of %u segments\n",
	       what, times[ROUNDS / 2], cpu, answer.rows, (unsigned long long)answer.rows_matched,
	       (unsigned long long)answer.rows_seen, answer.segments_read,
	       answer.segments_read + answer.segments_skipped);
	store_answer_done(&answer);
	return times[ROUNDS / 2];
}

static double ask_all(struct store *store)
{
	const int64_t end = BEGIN + HOURS * HOUR_S * SECOND + SECOND,
		      hour = end - SECOND - HOUR_S * SECOND;
	struct store_cell service = {.type = STORE_TEXT, .text = span_of(services[3])};
	struct store_cell slow = {.type = STORE_U64, .u64 = 20000000};
	struct store_cell trace = {.type = STORE_ID16};
	struct predicate by_service = {
		.op = PREDICATE_EQUAL, .column = "service", .value = &service, .values = 1};
	struct predicate by_trace = {
		.op = PREDICATE_EQUAL, .column = "trace_id", .value = &trace, .values = 1};
	struct predicate is_slow = {
		.op = PREDICATE_GREATER, .column = "duration_ns", .value = &slow, .values = 1};
	struct store_query p99 = {
		.table = "requests",
		.from_ns = hour,
		.to_ns = end,
		.by = {"service", "resource"},
		.by_count = 2,
		.aggregate = {{STORE_COUNT}, {STORE_QUANTILE, "duration_ns", 0.99}},
		.aggregates = 2,
		.order = 3,
	};
	struct store_query top = {
		.table = "requests",
		.from_ns = end - SECOND - HOUR_S / 4 * SECOND,
		.to_ns = end,
		.where = &by_service,
		.by = {"resource"},
		.by_count = 1,
		.aggregate = {{STORE_COUNT}},
		.aggregates = 1,
		.order = 1,
		.limit = 10,
	};
	struct store_query of_trace = {.table = "requests", .to_ns = end, .where = &by_trace};
	struct store_query slowest = {.table = "requests",
				      .from_ns = hour,
				      .to_ns = end,
				      .where = &is_slow,
				      .order_by = "duration_ns",
				      .limit = 100};
	struct store_query latest = {.table = "requests", .to_ns = end, .limit = 100};
	struct store_query minutes = p99;
	double p99_ms;

	memcpy(trace.id16, requests[row_count / 2].trace, 16);
	minutes.by_count = 1;
	minutes.step_ns = 60 * SECOND;
	minutes.order = -1;
	p99_ms = ask(store, "p99 per operation, last hour", &p99);
	ask(store, "p99 per service and minute", &minutes);
	ask(store, "top 10 paths, 15 min, 1 service", &top);
	ask(store, "by trace id, all time", &of_trace);
	ask(store, "100 slowest, last hour", &slowest);
	ask(store, "100 latest", &latest);
	return p99_ms;
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
}

static void bind_request(sqlite3_stmt *insert, const struct request *request)
{
	sqlite3_bind_int64(insert, 1, request->time);
	sqlite3_bind_text(insert, 2, request->service, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 3, request->path, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 4, request->status, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 5, (sqlite3_int64)request->duration);
	sqlite3_bind_int64(insert, 6, (sqlite3_int64)request->request);
	sqlite3_bind_int64(insert, 7, (sqlite3_int64)request->response);
	sqlite3_bind_blob(insert, 8, request->trace, 16, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 9, (sqlite3_int64)request->span);
	sqlite3_bind_text(insert, 10, request->peer, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 11, (sqlite3_int64)request->port);
	sqlite3_bind_int64(insert, 12, (sqlite3_int64)request->pid);
	sqlite3_bind_text(insert, 13, request->pod, -1, SQLITE_STATIC);
}

static struct figures write_sqlite(sqlite3 *db, size_t count)
{
	struct figures figures = {.cpu = cpu_s(), .wall = wall_s()};
	sqlite3_stmt *insert, *size;

	run(db,
	    "pragma journal_mode = wal; pragma synchronous = normal;"
	    "create table r (time integer, service text, path text, status text, duration integer,"
	    " request integer, response integer, trace blob, span integer, peer text, port integer,"
	    " pid integer, pod text); create index r_time on r (time); create index r_trace on r "
	    "(trace)");
	sqlite3_prepare_v2(db, "insert into r values (?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &insert,
			   NULL);
	for (size_t i = 0; i < count; i += BATCH) {
		run(db, "begin");
		for (size_t k = i; k < i + BATCH && k < count; k++) {
			bind_request(insert, &requests[row_count - count + k]);
			if (sqlite3_step(insert) != SQLITE_DONE)
				die(sqlite3_errmsg(db));
			sqlite3_reset(insert);
		}
		run(db, "commit");
	}
	sqlite3_finalize(insert);
	run(db, "pragma wal_checkpoint(truncate)");
	figures.cpu = cpu_s() - figures.cpu;
	figures.wall = wall_s() - figures.wall;
	sqlite3_prepare_v2(db,
			   "select page_count * page_size from pragma_page_count, pragma_page_size",
			   -1, &size, NULL);
	sqlite3_step(size);
	figures.bytes = (double)sqlite3_column_int64(size, 0);
	sqlite3_finalize(size);
	return figures;
}

/* The 99th percentile of every operation, exact, from the sorted rows. */
static double p99_of_sqlite(sqlite3 *db)
{
	double times[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		double begin = wall_s();
		sqlite3_stmt *query;

		sqlite3_prepare_v2(db,
				   "select path, max(duration) from (select path, duration, "
				   "percent_rank() over"
				   " (partition by service, path order by duration) as rank from "
				   "r) where rank <= 0.99"
				   " group by path",
				   -1, &query, NULL);
		while (sqlite3_step(query) == SQLITE_ROW)
			;
		sqlite3_finalize(query);
		times[i] = (wall_s() - begin) * 1e3;
	}
	qsort(times, ROUNDS, sizeof(*times), by_size);
	return times[ROUNDS / 2];
}

/* It holds files only. */
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
	char folder[] = "/var/tmp/sonde-store-bench-XXXXXX", file[80];
	unsigned number =
		argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL) & 0xffff;
	const struct store_table *table;
	struct figures ours, theirs;
	struct store *store;
	size_t hour_rows;
	double p99, p99_sqlite;
	sqlite3 *db;

	if (argc > 2)
		row_count = strtoul(argv[2], NULL, 10);
	seed[0] = (unsigned short)number;
	hour_rows = row_count / HOURS;
	requests = calloc(row_count, sizeof(*requests));
	if (!requests || !mkdtemp(folder))
		die("no memory or no folder");
	printf("seed %u, %zu rows\n", number, row_count);
	make_texts();
	for (size_t i = 0; i < row_count; i++)
		make_request(&requests[i], i);

	store = open_store(folder, &table);
	ours = write_rows(store, table);
	printf("store: %.2f M rows per CPU second, %.2f M per second of wall time, %.1f bytes a "
	       "row, worst batch %.0f ms\n",
	       (double)row_count / ours.cpu / 1e6, (double)row_count / ours.wall / 1e6,
	       ours.bytes / (double)row_count, ours.worst_batch * 1e3);
	p99 = ask_all(store);
	store_close(store);

	snprintf(file, sizeof(file), "%s/baseline.sqlite", folder);
	if (sqlite3_open(file, &db) != SQLITE_OK)
		die("no baseline");
	theirs = write_sqlite(db, hour_rows);
	p99_sqlite = p99_of_sqlite(db);
	sqlite3_close(db);
	printf("SQLite: %.3f M rows per CPU second, %.1f bytes a row, p99 per operation over the "
	       "same hour %.0f ms\n",
	       (double)hour_rows / theirs.cpu / 1e6, theirs.bytes / (double)hour_rows, p99_sqlite);
	printf("ratio: %.1f times the rows per CPU second, %.2f of the bytes, %.3f of the time of "
	       "a question\n",
	       ((double)row_count / ours.cpu) / ((double)hour_rows / theirs.cpu),
	       ours.bytes / (double)row_count / (theirs.bytes / (double)hour_rows),
	       p99 / p99_sqlite);
	remove_folder(folder);
	if ((double)row_count / ours.cpu < GOAL_ROWS_PER_CPU_S ||
	    ours.bytes / (double)row_count > GOAL_BYTES_PER_ROW || p99 > GOAL_P99_MS) {
		printf("a goal was missed: %.0f rows per CPU second, %.0f bytes a row, %.0f ms\n",
		       GOAL_ROWS_PER_CPU_S, GOAL_BYTES_PER_ROW, GOAL_P99_MS);
		return 1;
	}
	return 0;
}
