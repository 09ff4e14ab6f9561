/* SPDX-License-Identifier: GPL-2.0-only */
/* run_inside - what the files of run share. */
#pragma once

#include <errno.h>

#include "trace/run.h"

/* Acts on all events that are in the ring. */
void run_read_ring(struct run *run);

/* --test, --bench: the probes of that mode. 0 or -errno; run->exit_code says whether all tests passed. */
int run_tests(struct run *run, struct err *why);
int run_benches(struct run *run, struct err *why);

/* run_guard.c: what programs have cost since the kernel counts it. */
void run_program_cost(int program, uint64_t *ret_runs, uint64_t *ret_ns);
void run_cost(const struct run *run, uint64_t *ret_runs, uint64_t *ret_ns);
/* The limits of the options; checked now and then, ending the script where it has passed one. */
int run_guard_start(struct run *run, struct err *why);
void run_guard_check(struct run *run);
void run_guard_done(struct run *run);
