// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_reclaim - time that threads lost because they had to free memory themselves before they got any.
 *
 * "machine": it had none left, and the kernel's own thread was too slow. "cgroup": the limit of a control
 * group was reached. Both hit whoever asks for memory, and the thread does nothing else meanwhile.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"
#include "kernel/since.bpf.h"

ITEM("mem", "off", "time that threads spend freeing memory before they get some");

enum cause { CAUSE_MACHINE, CAUSE_CGROUP };

struct reclaim {
	struct owner owner;
	__u32 cause COL_OPT("enum", "enum=0:machine,1:cgroup");
	__u32 pad;
};

METRIC_HISTOGRAM(
	took, struct reclaim, 4096,
	"name=direct_reclaim;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time spent in "
	"one reclaim");
METRIC_COUNTER(freed, struct reclaim, 4096,
	       "name=direct_reclaim_pages;help=pages that were freed that way");

static __always_inline int ends(enum cause cause, unsigned long pages)
{
	struct reclaim reclaim = {.cause = cause};
	__u64 took_ns;

	if (!since_current_ends(&took_ns))
		return 0;
	reclaim.owner = read_owner_of_current();
	histogram_add(&took, &reclaim, took_ns);
	counter_add(&freed, &reclaim, pages);
	return 0;
}

/* (What the beginnings say differs between kernels, and none of it is used.) */
#define ON_RECLAIM(reclaim, cause)                                                                 \
	ON_TRACEPOINT(mm_vmscan_##reclaim##_begin, "")                                             \
	{                                                                                          \
		if (filter_current())                                                              \
			since_current_begins();                                                    \
		return 0;                                                                          \
	}                                                                                          \
	ON_TRACEPOINT(mm_vmscan_##reclaim##_end, "long unsigned int", unsigned long pages)         \
	{                                                                                          \
		return ends(cause, pages);                                                         \
	}

ON_RECLAIM(direct_reclaim, CAUSE_MACHINE)
ON_RECLAIM(memcg_reclaim, CAUSE_CGROUP)
