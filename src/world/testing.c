// SPDX-License-Identifier: GPL-2.0-only
/* testing - what the tests on the running kernel share. */
#include "world/testing.h"

#include <time.h>

#include "kernel/testing.h"

struct kernel *kernel;
struct world *world;
unsigned seed;

/* Children that a failed test left behind would keep the broker's socket open. */
static pid_t living[64];

static void note_child(pid_t old, pid_t new)
{
	for (size_t i = 0; i < sizeof(living) / sizeof(*living); i++)
		if (living[i] == old) {
			living[i] = new;
			return;
		}
}

int start(void **state)
{
	struct err why = {};

	seed = getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : (unsigned)time(NULL);
	print_message("seed %u\n", seed);
	srandom(seed);
	if (geteuid()) {
		print_message("needs root\n");
		return 0;
	}
	kernel = testing_broker_start();
	if (world_new(kernel, NULL, &world, &why))
		fail_msg("%s", why.text);
	return 0;
}

int finish(void **state)
{
	if (geteuid())
		return 0;
	for (size_t i = 0; i < sizeof(living) / sizeof(*living); i++)
		if (living[i])
			end_child(living[i]);
	world_free(world);
	return testing_broker_end(kernel);
}

struct who who_is(uint32_t pid, uint64_t ktime_ns)
{
	struct resolver *resolver = world_resolver(world);
	struct who who;

	if (!resolver->pid(resolver->ctx, pid, ktime_ns, &who))
		fail_msg("nobody knows pid %u", pid);
	return who;
}

void assert_span(struct span span, const char *text)
{
	if (!span_is(span, text))
		fail_msg("'%.*s', not '%s'", (int)span.len, (const char *)span.at, text);
}

void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	note_child(pid, 0);
}

pid_t start_child(void (*prepare)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prepare();
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	note_child(0, pid);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* Waits for the exec: the write end closes by it. */
pid_t start_program(const char *path, char *const argv[])
{
	int done[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		execv(path, argv);
		_exit(1);
	}
	note_child(0, pid);
	close(done[1]);
	assert_int_equal(read(done[0], &byte, 1), 0);
	close(done[0]);
	return pid;
}
