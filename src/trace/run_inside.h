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
