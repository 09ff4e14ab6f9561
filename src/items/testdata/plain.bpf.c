// SPDX-License-Identifier: GPL-2.0-only
/* plain - the smallest item: it counts by nothing, so nobody can choose by what. */
#include "kernel/item.bpf.h"

ITEM("cpu", "on", "counts switches");
METRIC_COUNTER(switches, __u32, 1, "help=context switches");

HOOK("raw_tp/sched_switch", switch, 1)
int on_switch(void *ctx)
{
	static const __u32 zero;

	counter_add(&switches, &zero, 1);
	return 0;
}
