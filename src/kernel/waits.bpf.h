/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * waits - how long runnable threads waited for a CPU: when such a wait begins, and when it ends.
 *
 * A wait begins when a thread is woken (sched_wakeup, sched_wakeup_new) or is put off the CPU although
 * it could go on (sched_switch: state running, or preempted). It ends when sched_switch puts the thread on
 * a CPU; moving it to another CPU's queue in between does not interrupt the wait. A thread that is woken
 * while it still runs has not waited; one that was put off just before it would have slept waits already, and goes on
 * waiting when it is woken. The sum is field 2 of /proc/PID/schedstat.
 *
 * The beginning is kept in a table by thread. An entry is made when a thread waits for the first time
 * and then written in place, so that a wait costs two look-ups and no insertion. It goes when the thread
 * is switched off for the last time (state TASK_DEAD), which every thread is, killed or not.
 */
#pragma once

#include "kernel/compat.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

enum { TASK_DEAD = 0x80 };

/* tid -> since when it waits (ktime, ns; 0 = it does not). Deleted when the thread is dead. */
PER_THREAD(waiting, __u64, 65536);

/* What the item makes of a wait: `task` runs now, in place of `prev`. */
static __always_inline void wait_ended(bool typed, struct task_struct *task,
				       struct task_struct *prev, __u64 wait_ns);

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

static __always_inline void wait_ends(bool typed, struct task_struct *task,
				      struct task_struct *prev, __u64 now)
{
	__u32 tid = READ_FIELD(typed, task, pid);
	__u64 *since, wait_ns;

	since = tid ? bpf_map_lookup_elem(&waiting, &tid) : 0;
	if (!since || !*since)
		return;
	wait_ns = now - *since;
	*since = 0;
	wait_ended(typed, task, prev, wait_ns);
}

/* CONFIG_SCHED_INFO */
struct sched_info___queued {
	unsigned long pcount;
	unsigned long long last_queued;
} __attribute__((preserve_access_index));

struct task_struct___queued {
	struct sched_info___queued sched_info;
} __attribute__((preserve_access_index));

/*
 * Was it in a queue before it was woken? What comes into a queue is given the time when it did (sched_info_enqueue); what was
 * put off while its state said that it sleeps is not (sched_info_depart). Kernels that keep no such times count nothing else
 * there either.
 */
static __always_inline bool wait_goes_on(bool typed, struct task_struct *task)
{
	struct task_struct___queued *queued = (void *)task;

	return bpf_core_field_exists(queued->sched_info.last_queued) &&
	       !READ_FIELD(typed, queued, sched_info.last_queued) &&
	       READ_FIELD(typed, queued, sched_info.pcount);
}

static __always_inline int wait_on_wakeup(bool typed, struct task_struct *task)
{
	if (!task_on_cpu(typed, task) && !wait_goes_on(typed, task))
		wait_begins(READ_FIELD(typed, task, pid), bpf_ktime_get_ns());
	return 0;
}

static __always_inline int wait_on_switch(bool typed, bool preempt, struct task_struct *prev,
					  struct task_struct *next)
{
	__u32 state = task_state(typed, prev), tid = READ_FIELD(typed, prev, pid);
	__u64 now = bpf_ktime_get_ns();

	/* a preempted thread is runnable whatever its state says: it was about to sleep, but did not */
	if (preempt || !state)
		wait_begins(tid, now);
	else if (state & TASK_DEAD)
		bpf_map_delete_elem(&waiting, &tid); /* fails when it never waited */
	wait_ends(typed, next, prev, now);
	return 0;
}

#define WAKEUP_ARGS "struct task_struct *"
#define SWITCH_ARGS "bool,struct task_struct *,struct task_struct *"

HOOK_PROTO("tp_btf/sched_wakeup", wakeup, 1, WAKEUP_ARGS)
int BPF_PROG(wakeup, struct task_struct *task)
{
	return wait_on_wakeup(true, task);
}

HOOK_PROTO("raw_tp/sched_wakeup", wakeup, 2, WAKEUP_ARGS)
int BPF_PROG(wakeup_raw, struct task_struct *task)
{
	return wait_on_wakeup(false, task);
}

HOOK_PROTO("tp_btf/sched_wakeup_new", wakeup_new, 1, WAKEUP_ARGS)
int BPF_PROG(wakeup_new, struct task_struct *task)
{
	return wait_on_wakeup(true, task);
}

HOOK_PROTO("raw_tp/sched_wakeup_new", wakeup_new, 2, WAKEUP_ARGS)
int BPF_PROG(wakeup_new_raw, struct task_struct *task)
{
	return wait_on_wakeup(false, task);
}

HOOK_PROTO("tp_btf/sched_switch", switch, 1, SWITCH_ARGS)
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return wait_on_switch(true, preempt, prev, next);
}

HOOK_PROTO("raw_tp/sched_switch", switch, 2, SWITCH_ARGS)
int BPF_PROG(sched_switch_raw, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return wait_on_switch(false, preempt, prev, next);
}
