// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpudist - how long threads stay on a CPU at a stretch, and how long they stay away.
 *
 * sched_switch ends a stretch of the thread before, and the absence of the thread after. A thread alternates between
 * the two, so one time for each thread is enough. A preempted thread is away, too: its wait is in
 * runqlat; its sleep is not.
 */
#include "kernel/compat.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

#define SINCE_THREADS 65536
#include "kernel/since.bpf.h"

ITEM("cpu", "off", "how long threads stay on a CPU, and away from it");

enum { TASK_DEAD = 0x80 };

METRIC_HISTOGRAM(
	on_cpu, struct owner, 8192,
	"name=cpudist_on;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time on a CPU at a "
	"stretch");
METRIC_HISTOGRAM(
	off_cpu, struct owner, 8192,
	"name=cpudist_off;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time from leaving a "
	"CPU to the next one");

static __always_inline void leaves(bool typed, struct task_struct *task, void *metric, __u64 now,
				   bool dies)
{
	__u32 tid = READ_FIELD(typed, task, pid);
	struct owner owner;
	__u64 took_ns;

	if (!tid) /* idle */
		return;
	if (!(dies ? since_ends(tid, now, &took_ns) : since_turns(tid, now, &took_ns)))
		return;
	if (!filter_task(task))
		return;
	owner = read_owner(typed, task);
	histogram_add(metric, &owner, took_ns);
}

ON_TRACEPOINT(sched_switch, "bool,struct task_struct *,struct task_struct *", bool preempt,
	      struct task_struct *prev, struct task_struct *next)
{
	__u64 now = bpf_ktime_get_ns();

	leaves(typed, prev, &on_cpu, now, !preempt && task_state(typed, prev) & TASK_DEAD);
	leaves(typed, next, &off_cpu, now, false);
	return 0;
}
