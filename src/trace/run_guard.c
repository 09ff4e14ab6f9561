// SPDX-License-Identifier: GPL-2.0-only
/*
 * run_guard - what a script's programs cost, and the end of one that costs, says or lasts more than it may.
 *
 * The kernel counts the time of programs while somebody asks it to; a second's share of it is measured against one CPU.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "trace/run_inside.h"

static const uint64_t second_ns = 1000000000;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

void run_program_cost(int program, uint64_t *ret_runs, uint64_t *ret_ns)
{
	char path[64], line[256];
	unsigned long long number;
	FILE *info;

	*ret_runs = *ret_ns = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", program);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info)) {
		if (sscanf(line, "run_time_ns: %llu", &number) == 1)
			*ret_ns = number;
		else if (sscanf(line, "run_cnt: %llu", &number) == 1)
			*ret_runs = number;
	}
	if (info)
		fclose(info);
}

void run_cost(const struct run *run, uint64_t *ret_runs, uint64_t *ret_ns)
{
	*ret_runs = *ret_ns = 0;
	for (const struct program *p = run->compiled->programs; p; p = p->next) {
		uint64_t runs, ns;

		run_program_cost(p->fd, &runs, &ns);
		*ret_runs += runs;
		*ret_ns += ns;
	}
}

int run_guard_start(struct run *run, struct err *why)
{
	struct guard *guard = &run->guard;
	uint64_t runs;

	guard->begun_ns = guard->seen_ns = now_ns();
	guard->stats = -1;
	if (run->options->limits.cost <= 0)
		return 0;
	guard->stats = run->loader->enable_stats(run->loader, why);
	if (guard->stats < 0)
		return guard->stats;
	run_cost(run, &runs, &guard->seen_cost_ns);
	return 0;
}

static void end(struct run *run, const char *limit, double value, const char *unit, double allowed)
{
	fprintf(stderr, "WARNING: ended by %s: %.3g%s, and %.3g%s are allowed\n", limit, value,
		unit, allowed, unit);
	run->is_ending = true;
	if (!run->exit_code)
		run->exit_code = EXIT_LIMIT;
}

void run_guard_check(struct run *run)
{
	const struct run_limits *limits = &run->options->limits;
	struct guard *guard = &run->guard;
	uint64_t now = now_ns(), runs, cost;
	double share;

	if (limits->time_ns && now - guard->begun_ns >= limits->time_ns)
		run->is_ending = true; /* as asked: no fault */
	if (guard->stats < 0 || now - guard->seen_ns < second_ns)
		return;
	run_cost(run, &runs, &cost);
	share = (double)(cost - guard->seen_cost_ns) * 100 / (double)(now - guard->seen_ns);
	guard->seen_ns = now;
	guard->seen_cost_ns = cost;
	if (share > limits->cost)
		end(run, "--max-cost", share, " % of a CPU", limits->cost);
}

void run_guard_done(struct run *run)
{
	if (run->guard.stats >= 0)
		close(run->guard.stats);
	run->guard.stats = -1;
}
