// SPDX-License-Identifier: GPL-2.0-only
/*
 * neighbours - who takes the CPU from whom: a thread is put off although it could go on, and another one runs.
 *
 * Counted for the one that was put off, with the control group of the one that came. Within a group they share what the group
 * has; between groups it is the noisy neighbour. The time lost that way is in runqlat.
 */
#include "kernel/compat.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "off", "who takes the CPU from whom, by control group");

struct pair {
	struct owner owner;
	__u64 by COL_OPT("cgroup_id", "name=taken_by;help=control group of who runs instead");
};

METRIC_COUNTER(neighbours, struct pair, 16384,
	       "help=times that a thread was put off for another one");

ON_TRACEPOINT(sched_switch, "bool,struct task_struct *,struct task_struct *", bool preempt,
	      struct task_struct *prev, struct task_struct *next)
{
	struct pair pair = {};

	if (!READ_FIELD(typed, prev, pid) || !READ_FIELD(typed, next, pid) ||
	    (!preempt && task_state(typed, prev)) || !filter_task(prev))
		return 0;
	pair.owner = read_owner(typed, prev);
	pair.by = cgroup_of(next);
	counter_add(&neighbours, &pair, 1);
	return 0;
}
