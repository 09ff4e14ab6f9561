// SPDX-License-Identifier: GPL-2.0-only
/*
 * runqlat - how long runnable threads waited for a CPU.
 *
 * A wait begins when a thread is woken (sched_wakeup, sched_wakeup_new) or is put off the CPU although
 * it could go on (sched_switch: state running, or preempted). It ends when sched_switch puts the thread on
 * a CPU; moving it to another CPU's queue in between does not interrupt the wait. A thread that is woken
 * while it still runs has not waited. The sum is field 2 of /proc/PID/schedstat; this is its distribution.
 *
 * The beginning is kept in a table by thread. An entry is made when a thread waits for the first time
 * and then written in place, so that a wait costs two look-ups and no insertion. It goes when the thread
 * is switched off for the last time (state TASK_DEAD), which every thread is, killed or not.
 */
#include "kernel/compat.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "on", "time that runnable threads waited for a CPU");
PARAM(__u64, min_us, 0, "ignore waits shorter than this, in microseconds");

enum { TASK_DEAD = 0x80 };

METRIC_HISTOGRAM(runqlat, struct owner, 8192,
		 "unit=seconds;scale=1e-9;help=time from runnable to running");

/* tid -> since when it waits (ktime, ns; 0 = it does not). Deleted when the thread is dead. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} waiting SEC(".maps") KEY_IS_TASK;

static __always_inline void wait_begins(__u32 tid, __u64 now)
{
	__u64 *since;

	if (!tid) /* the idle threads share this one, and never wait */
		return;
	since = bpf_map_lookup_elem(&waiting, &tid);
	if (since)
		*since = now; /* the run queue's lock is held: nobody else writes it now */
	else
		map_set(&waiting, &tid, &now, BPF_ANY);
}

static __always_inline void wait_ends(bool typed, struct task_struct *task, __u64 now)
{
	__u32 tid = READ_FIELD(typed, task, pid);
	__u64 *since, wait_ns;
	struct owner owner;

	since = tid ? bpf_map_lookup_elem(&waiting, &tid) : 0;
	if (!since || !*since)
		return;
	wait_ns = now - *since;
	*since = 0;
	if (wait_ns < min_us * 1000 || !filter_task(task))
		return;
	/* "current" is still the thread before: the owner is asked of the one that waited */
	owner = read_owner(typed, task);
	histogram_add(&runqlat, &owner, wait_ns);
}

static __always_inline int on_wakeup(bool typed, struct task_struct *task)
{
	if (!task_on_cpu(typed, task))
		wait_begins(READ_FIELD(typed, task, pid), bpf_ktime_get_ns());
	return 0;
}

static __always_inline int on_switch(bool typed, bool preempt, struct task_struct *prev,
				     struct task_struct *next)
{
	__u32 state = task_state(typed, prev), tid = READ_FIELD(typed, prev, pid);
	__u64 now = bpf_ktime_get_ns();

	/* a preempted thread is runnable whatever its state says: it was about to sleep, but did not */
	if (preempt || !state)
		wait_begins(tid, now);
	else if (state & TASK_DEAD)
		bpf_map_delete_elem(&waiting, &tid); /* fails when it never waited */
	wait_ends(typed, next, now);
	return 0;
}

#define WAKEUP_ARGS "struct task_struct *"
#define SWITCH_ARGS "bool,struct task_struct *,struct task_struct *"

HOOK_PROTO("tp_btf/sched_wakeup", wakeup, 1, WAKEUP_ARGS)
int BPF_PROG(wakeup, struct task_struct *task)
{
	return on_wakeup(true, task);
}

HOOK_PROTO("raw_tp/sched_wakeup", wakeup, 2, WAKEUP_ARGS)
int BPF_PROG(wakeup_raw, struct task_struct *task)
{
	return on_wakeup(false, task);
}

HOOK_PROTO("tp_btf/sched_wakeup_new", wakeup_new, 1, WAKEUP_ARGS)
int BPF_PROG(wakeup_new, struct task_struct *task)
{
	return on_wakeup(true, task);
}

HOOK_PROTO("raw_tp/sched_wakeup_new", wakeup_new, 2, WAKEUP_ARGS)
int BPF_PROG(wakeup_new_raw, struct task_struct *task)
{
	return on_wakeup(false, task);
}

HOOK_PROTO("tp_btf/sched_switch", switch, 1, SWITCH_ARGS)
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return on_switch(true, preempt, prev, next);
}

HOOK_PROTO("raw_tp/sched_switch", switch, 2, SWITCH_ARGS)
int BPF_PROG(sched_switch_raw, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return on_switch(false, preempt, prev, next);
}
