// SPDX-License-Identifier: GPL-2.0-only
/*
 * The writer is killed at any moment, again and again. What it had been told is taken must be there, once, and
 * nothing else but the batch in progress. SONDE_FULL=1: a thousand times instead of fifty.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/check.h"

enum { BATCH_MAX = 40, ROWS_MAX_KEPT = 12000 };

static unsigned short seed[3];

/* Opens the store, appends batch after batch, says after each one how many rows were taken in all. */
static void write_until_killed(const char *path, uint64_t number, int tell, unsigned round)
{
	unsigned short mine[3] = {seed[0], (unsigned short)round, 7};
	const struct store_table *table;
	struct store_options options;
	struct store_rows *rows;
	struct store *store;

	kit_options(&options, path, NULL);
	options.sync_ms = 5;
	if (store_open(&options, &store, NULL))
		_exit(1);
	kit_define(store, &table);
	rows = store_rows_new(table, BATCH_MAX);
	for (;;) {
		uint64_t count = 1 + kit_below(mine, BATCH_MAX);

		if (kit_append(store, rows, number, number + count) != (int)count)
			_exit(1);
		number += count;
		if (write(tell, &number, sizeof(number)) != sizeof(number))
			_exit(1);
		if (kit_below(mine, 4) == 0)
			store_tick(store);
		if (kit_below(mine, 30) == 0)
			store_flush(store, NULL); /* also small segments, so that some are merged */
	}
}

/* Lets the writer run until it took a chance number of batches, and a chance time more. Returns rows taken. */
static uint64_t kill_a_writer(const char *path, uint64_t number, unsigned round)
{
	int pipes[2], status;
	uint64_t told = number, batches = kit_below(seed, 60);
	struct timespec more = {.tv_nsec = (long)kit_below(seed, 3000000)};
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child) {
		close(pipes[0]);
		write_until_killed(path, number, pipes[1], round);
	}
	close(pipes[1]);
	for (uint64_t i = 0; i < batches; i++)
		if (read(pipes[0], &told, sizeof(told)) != sizeof(told))
			break;
	nanosleep(&more, NULL); /* not to wait for something: it is the chance moment */
	kill(child, SIGKILL);
	while (read(pipes[0], &told, sizeof(told)) == sizeof(told))
		;
	close(pipes[0]);
	waitpid(child, &status, 0);
	if (!WIFSIGNALED(status))
		fail_msg("the writer ended by itself with status %d", status);
	return told;
}

static uint64_t check_what_is_there(const char *path, uint64_t told)
{
	struct store_options options;
	struct store_status status;
	struct kit_check found;
	struct store *store;
	struct err why = {};

	kit_options(&options, path, NULL);
	if (store_open(&options, &store, &why))
		fail_msg("%s", why.text);
	found = kit_check(store, told + BATCH_MAX, NULL);
	store_status(store, &status);
	if (found.first || found.gaps || found.end < told || found.unreadable)
		fail_msg("told %llu, found [%llu, %llu) with %llu gaps", (unsigned long long)told,
			 (unsigned long long)found.first, (unsigned long long)found.end,
			 (unsigned long long)found.gaps);
	assert_int_equal(status.segments_bad, 0);
	assert_int_equal(status.frames_bad, 0);
	assert_false(status.catalogue_renewed);
	kit_equations(store);
	store_close(store);
	return found.end;
}

static void nothing_taken_is_lost_when_the_writer_is_killed(void **state)
{
	unsigned rounds = getenv("SONDE_FULL") ? 1000 : 50;
	uint64_t number = 0, rows = 0, in_progress = 0;
	char path[64];

	kit_folder(path);
	for (unsigned round = 0; round < rounds; round++) {
		uint64_t told = kill_a_writer(path, number, round);
		uint64_t found = number;

		if (told || number) {
			found = check_what_is_there(path, told);
			in_progress += found > told;
		}
		rows += found - number;
		number = found;
		if (number > ROWS_MAX_KEPT) {
			kit_clear(path);
			number = 0;
		}
	}
	print_message("%u kills, %llu rows, a batch in progress was kept %llu times\n", rounds,
		      (unsigned long long)rows, (unsigned long long)in_progress);
	kit_remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_taken_is_lost_when_the_writer_is_killed),
	};

	seed[0] = (unsigned short)(getenv("SEED") ? strtol(getenv("SEED"), NULL, 10) : time(NULL));
	print_message("seed %u (set SEED to repeat)\n", seed[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
