// SPDX-License-Identifier: GPL-2.0-only
/*
 * hardirqs - hard interrupts: how often each came and how long its handler ran.
 *
 * Only interrupts that a driver asked for: the machine's own (timer, calls between CPUs) have no handler of that kind.
 * Of several handlers that share a line each counts. Off the list of any owner: an interrupt hits whoever runs.
 */
#include "kernel/item.bpf.h"

ITEM("cpu", "off", "hard interrupts: how often each came, and time its handler ran");

struct irqaction {
	const char *name;
} __attribute__((preserve_access_index));

struct line {
	__u32 irq COL("count");
	char device[20] COL_OPT("text", "help=name that its driver gave it");
};

METRIC_HISTOGRAM(hardirqs, struct line, 1024,
		 "unit=seconds;scale=1e-9;buckets=log2:250ns..1s;help=time that the handler of an "
		 "interrupt ran");

/* [0]: when this CPU came into a handler (ktime, ns). Handlers run with interrupts off, one at a time. */
PER_CPU(entered, __u64, 1);

ON_TRACEPOINT(irq_handler_entry, "int,struct irqaction *", int irq, struct irqaction *action)
{
	__u32 zero = 0;
	__u64 *since = bpf_map_lookup_elem(&entered, &zero);

	if (since)
		*since = bpf_ktime_get_ns();
	return 0;
}

ON_TRACEPOINT(irq_handler_exit, "int,struct irqaction *,int", int irq, struct irqaction *action,
	      int result)
{
	struct line line = {.irq = irq};
	__u32 zero = 0;
	__u64 *since = bpf_map_lookup_elem(&entered, &zero);

	if (!since || !*since)
		return 0;
	if (bpf_probe_read_kernel_str(line.device, sizeof(line.device),
				      BPF_CORE_READ(action, name)) < 0)
		count_add(COUNT_LOST_READ);
	histogram_add(&hardirqs, &line, bpf_ktime_get_ns() - *since);
	*since = 0;
	return 0;
}
