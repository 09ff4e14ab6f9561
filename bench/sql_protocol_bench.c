// SPDX-License-Identifier: GPL-2.0-only
/*
 * sql_protocol_bench - what it costs to follow a session of PostgreSQL or MariaDB.
 *
 * Recorded sessions (src/protocol/testdata) are fed write by write, again and again. Baseline of the same
 * run: memcpy of the same bytes. Rounds alternate; the medians are printed, for each request with its
 * response: cutting, reading, normalising the statement, finding the pair.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/capture.h"
#include "protocol/mysql.h"
#include "protocol/pgsql.h"

enum { ROUNDS = 9, REPEATS = 2000 };

static const struct {
	const struct protocol *protocol;
	const char *capture;
} sessions[] = {
	{&pgsql, "pgsql-pgbench-simple"},   {&pgsql, "pgsql-pgbench-extended"},
	{&pgsql, "pgsql-pgbench-prepared"}, {&pgsql, "pgsql-pipeline"},
	{&mysql, "mysql-pymysql"},          {&mysql, "mysql-prepared"},
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Every capture is cut where messages end: nothing is left over from write to write. */
static uint64_t follow(const struct protocol *protocol, const struct capture *capture, void *state)
{
	uint64_t requests = 0;

	memset(state, 0, protocol->state_size);
	for (size_t step = 0; step < capture->n; step++) {
		struct span in = capture->steps[step].bytes;
		struct message message;
		const char *why;
		size_t used;

		while (in.len && protocol->cut(state, capture->steps[step].from, in, &message,
					       &used, &why) == CUT_MESSAGE) {
			requests += message.kind == MESSAGE_RESPONSE;
			in = span_from(in, used);
		}
	}
	return requests;
}

static uint64_t copy(const struct capture *capture, uint8_t *room)
{
	for (size_t step = 0; step < capture->n; step++) {
		memcpy(room, capture->steps[step].bytes.at, capture->steps[step].bytes.len);
		__asm__ volatile("" : : "r"(room) : "memory");
	}
	return capture->n;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

int main(void)
{
	static uint8_t room[1 << 16];

	for (size_t i = 0; i < sizeof(sessions) / sizeof(*sessions); i++) {
		static struct capture capture;
		const struct protocol *protocol = sessions[i].protocol;
		void *state = malloc(protocol->state_size);
		uint64_t followed[ROUNDS], copied[ROUNDS], requests = 0;
		double ns, copy_ns;

		if (!capture_load(&capture, TESTDATA, sessions[i].capture))
			return 1;
		for (int round = 0; round < ROUNDS; round++) {
			uint64_t begin = now_ns();

			for (int n = 0; n < REPEATS; n++)
				copy(&capture, room);
			copied[round] = now_ns() - begin;
			begin = now_ns();
			for (int n = 0; n < REPEATS; n++)
				requests = follow(protocol, &capture, state);
			followed[round] = now_ns() - begin;
		}
		qsort(followed, ROUNDS, sizeof(*followed), compare);
		qsort(copied, ROUNDS, sizeof(*copied), compare);
		ns = (double)followed[ROUNDS / 2] / REPEATS / (double)requests;
		copy_ns = (double)copied[ROUNDS / 2] / REPEATS / (double)requests;
		printf("%-24s %5.0f ns a request (%llu of them), memcpy %.1f ns, ratio %.0f; state "
		       "%zu bytes\n",
		       sessions[i].capture, ns, (unsigned long long)requests, copy_ns, ns / copy_ns,
		       protocol->state_size);
		capture_done(&capture);
		free(state);
	}
	return 0;
}
