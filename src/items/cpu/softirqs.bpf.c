// SPDX-License-Identifier: GPL-2.0-only
/*
 * softirqs - soft interrupts: how long each kind ran, and how long it waited after it was raised.
 *
 * A CPU runs one soft interrupt at a time, so its state is an array with a copy for each CPU. They belong to the
 * machine: who runs when one comes has nothing to do with it.
 */
#include "kernel/item.bpf.h"

ITEM("cpu", "off", "soft interrupts: time they ran, and waited to run");

enum { VECTORS = 10 }; /* include/linux/interrupt.h */

struct kind {
	__u32 softirq COL_OPT("enum", "enum=0:hi,1:timer,2:net_tx,3:net_rx,4:block,5:irq_poll,"
				      "6:tasklet,7:sched,8:hrtimer,9:rcu");
};

METRIC_HISTOGRAM(
	ran, struct kind, 16,
	"name=softirqs;unit=seconds;scale=1e-9;buckets=log2:250ns..1s;help=time that a soft "
	"interrupt ran");
METRIC_HISTOGRAM(waited, struct kind, 16,
		 "name=softirqs_wait;unit=seconds;scale=1e-9;buckets=log2:250ns..1s;help=time from "
		 "raising a soft interrupt to running it");

struct progress {
	__u64 raised, entered; /* ktime, ns; 0 = it is not */
};
PER_CPU(progress, struct progress, VECTORS);

ON_TRACEPOINT(softirq_raise, "unsigned int", unsigned int vector)
{
	struct progress *now = bpf_map_lookup_elem(&progress, &vector);

	if (now && !now->raised)
		now->raised = bpf_ktime_get_ns();
	return 0;
}

ON_TRACEPOINT(softirq_entry, "unsigned int", unsigned int vector)
{
	struct progress *now = bpf_map_lookup_elem(&progress, &vector);
	struct kind kind = {.softirq = vector};

	if (!now)
		return 0;
	now->entered = bpf_ktime_get_ns();
	if (now->raised)
		histogram_add(&waited, &kind, now->entered - now->raised);
	now->raised = 0;
	return 0;
}

ON_TRACEPOINT(softirq_exit, "unsigned int", unsigned int vector)
{
	struct progress *now = bpf_map_lookup_elem(&progress, &vector);
	struct kind kind = {.softirq = vector};

	if (!now || !now->entered)
		return 0;
	histogram_add(&ran, &kind, bpf_ktime_get_ns() - now->entered);
	now->entered = 0;
	return 0;
}
