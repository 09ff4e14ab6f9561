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
 * An item of this kind is a table (iter/task) for the processes that are there, and a program at
 * sched_process_free for those that are gone: it sees every process exactly once, when nothing can be
 * added to its sums any more, so that a process which lived for a millisecond between two readings counts
 * with all it did. Nothing runs while processes work. Between being reaped and being freed (one RCU grace
 * period) a process is in neither; readers keep their counters from falling meanwhile.
 *
 * The table has one row per process, made when the iterator meets its leader. A process of more threads
 * than can be walked (THREADS_WALKED: the verifier follows every round of the loop) has a row for each
 * of its threads instead; rows of one owner are summed.
 */
#pragma once

#include "kernel/item.bpf.h"

enum { THREADS_WALKED = 2048 };

enum thread_part {
	PART_NONE, /* this thread's process makes its row elsewhere */
	PART_PROCESS, /* this is the leader: the whole process goes into its row */
	PART_LEADER, /* the leader of a big process: what the process's dead threads had, and its own */
	PART_THREAD, /* another thread of a big process: its own only */
};

/* What an iterator's task stands for. */
static __always_inline enum thread_part thread_part_of(struct task_struct *task)
{
	bool is_leader = task->pid == task->tgid;

	if (task->signal->nr_threads > THREADS_WALKED)
		return is_leader ? PART_LEADER : PART_THREAD;
	return is_leader ? PART_PROCESS : PART_NONE;
}

/* Is this the leader, freed as the last task of its process? (At exec, a thread that is not the leader takes over
 * the leader's tid and gives it its own: the old leader is freed then, but the process lives.) */
static __always_inline bool thread_ends_process(struct task_struct *task)
{
	return BPF_CORE_READ(task, pid) == BPF_CORE_READ(task, tgid);
}

static __always_inline struct task_struct *thread_of_node(struct list_head *node)
{
	return (void *)node - bpf_core_field_offset(struct task_struct, thread_node);
}

/* Walks the threads of a process: `thread` is a plain pointer, to be read with BPF_CORE_READ. */
#define THREADS_EACH(thread, task)                                                                 \
	struct list_head *head_ =                                                                  \
		(void *)(task)->signal + bpf_core_field_offset(struct signal_struct, thread_head); \
	struct list_head *node_ = BPF_CORE_READ(head_, next);                                      \
                                                                                                   \
	for (int i_ = 0; i_ < THREADS_WALKED && node_ && node_ != head_ &&                         \
			 ((thread) = thread_of_node(node_), true);                                 \
	     i_++, node_ = BPF_CORE_READ(thread, thread_node.next))
