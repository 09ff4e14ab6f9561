/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * testing - what the tests on the running kernel share: a world with a broker of its own, and children that do
 * as they are told. The test itself stays privileged: it makes groups, namespaces and containers.
 */
#pragma once

#include "world/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"

static const uint64_t second_ns __attribute__((unused)) = 1000000000;

extern struct kernel *kernel;
extern struct world *world;
extern unsigned seed; /* of srandom(); SEED=N in the environment repeats a run */

/* Group setup and teardown. */
int start(void **state);
int finish(void **state);

/* As the resolver says it; fails the test when nobody is known. */
struct who who_is(uint32_t pid, uint64_t ktime_ns);
void assert_span(struct span span, const char *text);

/* A child that has done what `prepare` does and then waits to be killed. */
pid_t start_child(void (*prepare)(void));
/* A child that has executed the program. */
pid_t start_program(const char *path, char *const argv[]);
void end_child(pid_t pid);
