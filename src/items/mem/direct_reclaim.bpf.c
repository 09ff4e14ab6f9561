// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct_reclaim - time that threads lost because they had to free memory themselves before they got any.
 *
 * "machine": it had none left, and the kernel's own thread was too slow. "cgroup": the limit of a control
 * group was reached. Both hit whoever asks for memory, and the thread does nothing else meanwhile.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

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

/* tid -> when its reclaim began (ktime, ns). Deleted at its end. */
PER_THREAD(since, __u64, 16384);

static __always_inline int begins(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_ns();

	if (filter_current())
		map_set(&since, &tid, &now, BPF_ANY);
	return 0;
}

static __always_inline int ends(enum cause cause, unsigned long pages)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 *began = bpf_map_lookup_elem(&since, &tid);
	struct reclaim reclaim = {.cause = cause};

	if (!began)
		return 0;
	reclaim.owner = read_owner_of_current();
	histogram_add(&took, &reclaim, bpf_ktime_get_ns() - *began);
	counter_add(&freed, &reclaim, pages);
	bpf_map_delete_elem(&since, &tid);
	return 0;
}

/* (What the beginnings say differs between kernels, and none of it is used.) */
#define ON_RECLAIM(reclaim, cause)                                                                 \
	ON_TRACEPOINT(mm_vmscan_##reclaim##_begin, "")                                             \
	{                                                                                          \
		return begins();                                                                   \
	}                                                                                          \
	ON_TRACEPOINT(mm_vmscan_##reclaim##_end, "long unsigned int", unsigned long pages)         \
	{                                                                                          \
		return ends(cause, pages);                                                         \
	}

ON_RECLAIM(direct_reclaim, CAUSE_MACHINE)
ON_RECLAIM(memcg_reclaim, CAUSE_CGROUP)
