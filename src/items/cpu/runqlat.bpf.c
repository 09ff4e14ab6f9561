// SPDX-License-Identifier: GPL-2.0-only
/* runqlat - how long runnable threads waited for a CPU (waits.bpf.h says when a wait begins and ends). */
#include "kernel/waits.bpf.h"

ITEM("cpu", "on", "time that runnable threads waited for a CPU");
PARAM(__u64, min_us, 0, "ignore waits shorter than this, in microseconds");

METRIC_HISTOGRAM(
	runqlat, struct owner, 8192,
	"unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time from runnable to running");

static __always_inline void wait_ended(bool typed, struct task_struct *task,
				       struct task_struct *prev, __u64 wait_ns)
{
	struct owner owner;

	if (wait_ns < min_us * 1000 || !filter_task(task))
		return;
	/* "current" is still the thread before: the owner is asked of the one that waited */
	owner = read_owner(typed, task);
	histogram_add(&runqlat, &owner, wait_ns);
}
