/* SPDX-License-Identifier: GPL-2.0-only */
/* pmu - what both halves of the item say the same way. */
#pragma once

enum { PMU_CYCLES, PMU_CACHES, PMU_BRANCHES, PMU_SOFTWARE, PMU_GROUPS };
enum { PMU_COUNTERS = 3, PMU_CONTAINERS = 4096 };

/* A group of counters that run together: sums, or what they say now. */
struct pmu_reading {
	unsigned long long wanted_ns; /* for so long the group was wanted */
	unsigned long long counted_ns; /* and for so long it counted: less where counters are shared out */
	unsigned long long value[PMU_COUNTERS];
};

struct pmu_container {
	struct pmu_reading group[PMU_GROUPS];
};
