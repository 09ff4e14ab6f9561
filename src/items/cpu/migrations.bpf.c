// SPDX-License-Identifier: GPL-2.0-only
/* migrations - threads that the scheduler moved to another CPU: whose, and how often. */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "off", "threads that were moved to another CPU");

METRIC_COUNTER(migrations, struct owner, 8192, "help=moves of a thread to another CPU");

ON_TRACEPOINT(sched_migrate_task, "struct task_struct *,int", struct task_struct *task, int cpu)
{
	struct owner owner;

	if (!filter_task(task))
		return 0;
	owner = read_owner(typed, task);
	counter_add(&migrations, &owner, 1);
	return 0;
}
