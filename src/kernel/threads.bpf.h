/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads - sums over all threads of a process that the kernel keeps anyway, read when somebody asks.
 *
 * CPU time, context switches, page faults and bytes of I/O are counted by the kernel in every task_struct.
 * When a thread dies its counts move into the signal_struct that the process's threads share
 * (__exit_signal), the leader's too when the process is reaped. So a process has used
 *
 *	its signal_struct's sums  +  what each of its present threads has
 *
 * An item of this kind is a table (iter/task) for the processes that live and a map for those that ended, so
 * that a process which lived for a millisecond between two readings counts with all it did. Nothing runs while
 * processes work. Two programs fill the map:
 *
 *	sched_process_exit of the last thread: what the process had until then. It runs in the process's own
 *		time, so it is certain; but taking the process's memory apart may be most of what it ever does.
 *	sched_process_free: the rest. Nothing can be added to the sums any more; but it is called out of a
 *		softirq, in the time of whoever runs just then, and may be missed (measured: one in 600).
 *
 * What the first one counted is kept in `ended` until the second one has come, which counts the difference; the
 * table leaves out whom it counted. Who has no entry ended before the item was there and counts no more; a reading
 * that meets such a process before it was reaped makes the entry. So nothing counts twice, and readers who look at the map
 * first and at the table then see nobody twice either (who ends in between is seen at the next reading).
 *
 * The table has one row for each process, made when the iterator meets its leader, which walks the threads with
 * bpf_loop(). A thread that dies meanwhile would be missed or counted twice: the kernel guards the sums with a
 * sequence lock, and the walk is repeated when that moved. Kernels older than bpf_loop() (5.17, e6f2dd0f8067)
 * walk a few threads only, because the verifier follows every round of the loop; there, each thread of a bigger
 * process makes a row, and readers add the rows of one owner up.
 */
#pragma once

#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

/*
 * The item says what it adds up before it includes this file:
 *	struct used		the numbers that its metrics are made of, all __u64
 *	struct sums		what is added up over the threads of a process
 *	add_thread, add_dead	add what a thread has, what dead threads had
 *	used_of			from the sums of a process to its numbers
 *	used_since		what came to the numbers since they were told before
 *	is_counted		does this task count at all?
 */
static __always_inline void add_thread(struct sums *sums, struct task_struct *thread);
static __always_inline void add_dead(struct sums *sums, struct signal_struct *signal);
static __always_inline struct used used_of(const struct sums *sums);
static __always_inline struct used used_since(const struct used *now, const struct used *before);
static __always_inline bool is_counted(struct task_struct *task);

enum {
	THREADS_WALKED = 128, /* without bpf_loop() */
	THREADS_LOOPED = 1 << 22, /* with it: there are never more (PID_MAX_LIMIT) */
};

/* What processes had used when they ended. Deleted by the registry once it was read and the pid is gone. */
METRICS(gone, struct owner, struct used, 8192);

struct ended {
	__u64 start_time;
	__u64 is_counted; /* 0: it is a row of the table until it is reaped */
	struct owner owner;
	struct used used;
};

/*
 * tgid -> what was counted when it ended. Deleted when it is freed; by the registry where that was missed. Whom it
 * has no room for is counted at its exit, and what it uses after that is lost.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct ended);
} ended SEC(".maps") KEY_IS_TASK;

/* ---- walking ---- */

struct threads {
	struct list_head *head, *next;
	struct sums sums;
};

static long threads_step(__u32 round, struct threads *threads)
{
	struct task_struct *thread =
		(void *)threads->next - bpf_core_field_offset(struct task_struct, thread_node);

	if (!threads->next || threads->next == threads->head)
		return 1;
	add_thread(&threads->sums, thread);
	threads->next = BPF_CORE_READ(thread, thread_node.next);
	return 0;
}

static __always_inline void threads_begin(struct threads *threads, struct signal_struct *signal)
{
	static const struct threads none;
	struct list_head *head =
		(void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);

	*threads = none;
	threads->head = head;
	threads->next = BPF_CORE_READ(head, next);
	add_dead(&threads->sums, signal);
}

/* Odd while the sums are being changed (seqlock_t). */
static __always_inline __u32 threads_sequence(struct signal_struct *signal)
{
	return BPF_CORE_READ(signal, stats_lock.seqcount.seqcount.sequence);
}

/* The sums of a process. False: they moved meanwhile. */
static __always_inline bool threads_try(struct threads *threads, struct signal_struct *signal)
{
	__u32 before = threads_sequence(signal);

	threads_begin(threads, signal);
	bpf_loop(THREADS_LOOPED, threads_step, threads, 0);
	return !(before & 1) && before == threads_sequence(signal);
}

/* Three tries. (No loop: up to 6.1 the verifier refuses one around a call with a callback.) */
static __always_inline void threads_sum(struct threads *threads, struct signal_struct *signal)
{
	if (!threads_try(threads, signal) && !threads_try(threads, signal))
		threads_try(threads, signal);
}

/*
 * The same without bpf_loop(), for what this task stands for: its whole process, when that has few threads and
 * this is its leader; else itself, and for a leader its process's dead threads too. False: it stands for nothing.
 */
static __always_inline bool threads_sum_part(struct threads *threads, struct task_struct *task)
{
	static const struct sums none;
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	bool is_leader = task->pid == task->tgid;

	if (BPF_CORE_READ(signal, nr_threads) > THREADS_WALKED) {
		threads_begin(threads, signal);
		if (!is_leader)
			threads->sums = none;
		add_thread(&threads->sums, task);
		return true;
	}
	if (!is_leader)
		return false;
	threads_begin(threads, signal);
	for (int i = 0; i < THREADS_WALKED && !threads_step(i, threads); i++)
		;
	return true;
}

/* Is it in `gone` already? The task is an iterator's. */
static __always_inline bool threads_have_ended(struct task_struct *task)
{
	struct ended *before, found = {.start_time = BPF_CORE_READ(task, group_leader, start_time)};
	__u32 tgid = task->tgid;

	if (!thread_was_last(task))
		return false;
	before = bpf_map_lookup_elem(&ended, &tgid);
	if (before && before->start_time == found.start_time)
		return before->is_counted;
	found.owner = owner_of(task);
	map_set(&ended, &tgid, &found, BPF_ANY); /* it ended before the item was there */
	return false;
}

/* What an iterator's row says about its task; false = there is none. `loops`, a constant: with bpf_loop(). */
static __always_inline bool threads_of(bool loops, struct task_struct *task,
				       struct threads *threads)
{
	if (!task || !is_counted(task) || threads_have_ended(task))
		return false;
	if (loops && task->pid != task->tgid)
		return false;
	if (!filter_task(task))
		return false;
	if (!loops)
		return threads_sum_part(threads, task);
	threads_sum(threads, BPF_CORE_READ(task, signal));
	return true;
}

/* ---- ends ---- */

static __always_inline bool is_nothing(const struct used *used)
{
	const __u64 *number = (const void *)used;
	__u64 any = 0;

	for (__u32 i = 0; i < sizeof(*used) / 8; i++)
		any |= number[i];
	return !any;
}

static __always_inline void add_to_gone(const struct owner *owner, const struct used *used)
{
	static const struct used none;
	const __u64 *number = (const void *)used;
	__u64 *sum;

	if (is_nothing(used))
		return;
	sum = map_get_or_add(&gone, owner, &none);
	for (__u32 i = 0; sum && i < sizeof(*used) / 8; i++)
		__sync_fetch_and_add(&sum[i], number[i]);
}

static __always_inline int on_process_exit(struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct ended now = {.is_counted = 1}, *before;
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct sums sums = {};
	long error;

	if (!thread_was_last(task) || !is_counted(task) || !filter_task(task))
		return 0;
	now.start_time = BPF_CORE_READ(leader, start_time);
	before = bpf_map_lookup_elem(&ended, &tgid);
	if (before && before->start_time == now.start_time)
		return 0; /* another of its threads ended at the same time, or a reading met it just now */
	if (before)
		bpf_map_delete_elem(&ended,
				    &tgid); /* its end was missed, and the pid is used again */
	/* threads that are on their way out are not in the sums yet: they come when it is freed */
	add_dead(&sums, BPF_CORE_READ(task, signal));
	add_thread(&sums, task);
	if (leader != task)
		add_thread(&sums, leader);
	now.owner = owner_of(task);
	now.used = used_of(&sums);
	error = bpf_map_update_elem(&ended, &tgid, &now, BPF_NOEXIST);
	if (error == -EEXIST)
		return 0;
	if (error)
		count_add(COUNT_LOST_MAP);
	add_to_gone(&now.owner, &now.used);
	return 0;
}

static __always_inline int on_process_free(struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct sums sums = {};
	struct ended *before;
	struct owner owner;
	struct used used;

	if (!thread_ends_process(task))
		return 0;
	before = bpf_map_lookup_elem(&ended, &tgid);
	if (!before || before->start_time != BPF_CORE_READ(task, start_time))
		return 0;
	add_dead(&sums, BPF_CORE_READ(task, signal));
	used = used_of(&sums);
	used = used_since(&used, &before->used);
	owner = before->owner;
	bpf_map_delete_elem(&ended, &tgid);
	add_to_gone(&owner, &used);
	return 0;
}

HOOK_PROTO("tp_btf/sched_process_exit", process_exit, 1, "struct task_struct *")
int BPF_PROG(process_exit, struct task_struct *task)
{
	return on_process_exit(task);
}

HOOK_PROTO("raw_tp/sched_process_exit", process_exit, 2, "struct task_struct *")
int BPF_PROG(process_exit_raw, struct task_struct *task)
{
	return on_process_exit(task);
}

HOOK_PROTO("tp_btf/sched_process_free", process_free, 1, "struct task_struct *")
int BPF_PROG(process_free, struct task_struct *task)
{
	return on_process_free(task);
}

HOOK_PROTO("raw_tp/sched_process_free", process_free, 2, "struct task_struct *")
int BPF_PROG(process_free_raw, struct task_struct *task)
{
	return on_process_free(task);
}
