// SPDX-License-Identifier: GPL-2.0-only
/*
 * run_modes - --test and --bench: the probes of that kind one after another, each by hand.
 *
 * A test has passed when it returns 0, says no error and does not end the script with a code of its own; what it prints
 * is shown only when it has not. A benchmark is run until the kernel has counted enough of its time.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trace/run.h"
#include "trace/run_inside.h"

#define GREEN "\033[32m"
#define RED   "\033[31m"
#define PLAIN "\033[0m"

enum { BENCH_NS = 20000000, BENCH_STEP = 1000, BENCH_RUNS_MAX = 200000 };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool is_of_kind(const struct probe *probe, const char *kind)
{
	return !strcmp(probe->kind->name, kind);
}

/* --- tests --- */

struct test {
	const char *name;
	uint64_t ns;
	bool has_passed;
	char *output; /* owned */
	size_t output_len;
};

static int run_one(struct run *run, const struct probe *probe, struct test *test, struct err *why)
{
	uint32_t errors = run->errors, result = 0;
	FILE *file = run->out->file;
	uint64_t from;
	int err;

	run->exit_code = 0;
	run->is_ending = run->is_exit_called = false;
	run->out->file = open_memstream(&test->output, &test->output_len);
	if (!run->out->file) {
		run->out->file = file;
		return err_set(why, -ENOMEM, "out of memory");
	}
	from = now_ns();
	err = run->loader->run(run->loader, probe->program->fd, &result, why);
	test->ns = now_ns() - from;
	run_read_ring(run);
	fclose(run->out->file);
	run->out->file = file;
	test->has_passed = !result && run->errors == errors && !run->exit_code;
	return err < 0 ? err : 0;
}

static void show_duration(FILE *to, uint64_t ns)
{
	if (ns < 1000)
		fprintf(to, "(%llu ns)", (unsigned long long)ns);
	else if (ns < 1000000)
		fprintf(to, "(%llu μs)", (unsigned long long)(ns / 1000));
	else
		fprintf(to, "(%llu ms)", (unsigned long long)(ns / 1000000));
}

static void show_test(struct run *run, const struct test *test)
{
	FILE *to = run->out->file;

	if (run->out->is_json) {
		struct buf data;
		struct json json = {.out = &data};

		buf_init(&data, 16 << 20);
		json_object(&json);
		json_key(&json, test->name);
		json_object(&json);
		json_key_u64(&json, "duration", test->ns);
		json_key_bool(&json, "passed", test->has_passed);
		json_key_str(&json, "output", test->output);
		json_object_end(&json);
		json_object_end(&json);
		output_json(run->out, "test_result", buf_as_span(&data));
		buf_done(&data);
		return;
	}
	if (!test->has_passed)
		fwrite(test->output, 1, test->output_len, to);
	fprintf(to, "%s %s ",
		test->has_passed ? GREEN "[       OK ]" PLAIN : RED "[  FAILED  ]" PLAIN,
		test->name);
	show_duration(to, test->ns);
	fputs("\n", to);
}

static void show_summary(FILE *to, const struct test *tests, uint32_t count)
{
	uint32_t passed = 0;

	for (uint32_t i = 0; i < count; i++)
		passed += tests[i].has_passed;
	fprintf(to, GREEN "[==========]" PLAIN " %u test%s ran.\n", count, count == 1 ? "" : "s");
	fprintf(to, GREEN "[  PASSED  ]" PLAIN " %u test%s.\n", passed, passed == 1 ? "" : "s");
	if (passed == count)
		return;
	fprintf(to, RED "[  FAILED  ]" PLAIN " %u test%s, listed below:\n", count - passed,
		count - passed == 1 ? "" : "s");
	for (uint32_t i = 0; i < count; i++)
		if (!tests[i].has_passed)
			fprintf(to, RED "[  FAILED  ]" PLAIN " %s\n", tests[i].name);
}

int run_tests(struct run *run, struct err *why)
{
	uint32_t count = 0, done = 0, failed = 0;
	struct test *tests;
	int err = 0;

	for (const struct probe *p = run->script->probes; p; p = p->next)
		count += is_of_kind(p, "test");
	if (!count)
		return 0;
	tests = calloc(count, sizeof(*tests));
	if (!tests)
		return err_set(why, -ENOMEM, "out of memory");
	if (!run->out->is_json)
		fprintf(run->out->file, GREEN "[==========]" PLAIN " Running %u tests.\n", count);
	for (const struct probe *p = run->script->probes; p && !err; p = p->next) {
		if (!is_of_kind(p, "test"))
			continue;
		tests[done].name = p->function;
		if (!run->out->is_json)
			fprintf(run->out->file, GREEN "[ RUN      ]" PLAIN " %s\n", p->function);
		err = run_one(run, p, &tests[done], why);
		if (!err)
			show_test(run, &tests[done]);
		failed += !tests[done++].has_passed;
	}
	if (!err && !run->out->is_json)
		show_summary(run->out->file, tests, count);
	for (uint32_t i = 0; i < count; i++)
		free(tests[i].output);
	free(tests);
	run->exit_code = failed ? 1 : 0;
	return err;
}

/* --- benchmarks --- */

static int run_bench(struct run *run, const struct probe *probe, uint64_t *ret_runs,
		     uint64_t *ret_ns, struct err *why)
{
	uint32_t result;

	*ret_runs = *ret_ns = 0;
	while (*ret_ns < BENCH_NS && *ret_runs < BENCH_RUNS_MAX) {
		uint64_t before = *ret_runs;

		for (int i = 0; i < BENCH_STEP; i++) {
			int err = run->loader->run(run->loader, probe->program->fd, &result, why);

			if (err < 0)
				return err;
			if (result) /* it says that it cannot be measured */
				return 1;
		}
		run_program_cost(probe->program->fd, ret_runs, ret_ns);
		if (*ret_runs == before)
			return err_set(why, -EOPNOTSUPP,
				       "the kernel does not count the time of programs");
	}
	return 0;
}

int run_benches(struct run *run, struct err *why)
{
	int stats = run->loader->enable_stats(run->loader, why);
	bool has_head = run->out->is_json;
	int err = stats < 0 ? stats : 0;

	for (const struct probe *p = run->script->probes; p && err >= 0; p = p->next) {
		uint64_t runs, ns;

		if (!is_of_kind(p, "bench"))
			continue;
		err = run_bench(run, p, &runs, &ns, why);
		if (err)
			continue;
		if (!has_head)
			fprintf(run->out->file, "%-41s%-17s%s\n%.66s\n", "Benchmark", "Time(ns)",
				"Iterations",
				"----------------------------------------------------------------"
				"----");
		has_head = true;
		if (run->out->is_json)
			fprintf(run->out->file,
				"{\"type\": \"benchmark_result\", \"data\": {\"%s\": {\"average\": "
				"%llu, \"iters\": %llu}}}\n",
				p->function, (unsigned long long)(ns / (runs ? runs : 1)),
				(unsigned long long)runs);
		else
			fprintf(run->out->file, "%-41s%-17llu%llu\n", p->function,
				(unsigned long long)(ns / (runs ? runs : 1)),
				(unsigned long long)runs);
	}
	if (stats >= 0)
		close(stats);
	return err < 0 ? err : 0;
}
