/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * metric_coarse - metrics once more, summed up: by container, pod, service or host instead of process.
 *
 * A coarse family outlives the series it is made of, so its counters do not fall when the series of a process goes. Gauges are
 * summed too. Exemplars stay with the fine ones.
 */
#pragma once

#include "record/metric.h"

enum coarseness { COARSE_PROCESS, COARSE_CONTAINER, COARSE_POD, COARSE_SERVICE, COARSE_HOST };

/* "pod" -> COARSE_POD; COARSE_PROCESS (nothing is summed) for a word that is none. */
enum coarseness coarseness_of(const char *word);

struct coarse;
struct coarse *coarse_new(enum coarseness level);
void coarse_free(struct coarse *coarse);
enum coarseness coarse_level(const struct coarse *coarse);

/* The families of now, summed up; families that somebody else keeps are handed on as they are. Returns how many were written to
 * ret_families (room for `count`); they live until the next call or coarse_free. */
size_t coarse_families(struct coarse *coarse, struct family *const *families, size_t count,
		       struct family **ret_families, uint64_t now_ns);
