/* SPDX-License-Identifier: GPL-2.0-only */
/* compat - each difference between kernels is one small function, headed by the commit that made it. */
#pragma once

#include "kernel/item.bpf.h"

/* 2f064a59a11f ("sched: Change task_struct::state"), 5.14: `state` became `__state`. */
struct task_struct___old {
	volatile long state;
} __attribute__((preserve_access_index));

struct task_struct___new {
	unsigned int __state;
} __attribute__((preserve_access_index));

static __always_inline __u32 task_state(bool typed, struct task_struct *task)
{
	struct task_struct___new *new_task = (void *)task;
	struct task_struct___old *old_task = (void *)task;

	if (bpf_core_field_exists(new_task->__state))
		return typed ? new_task->__state : BPF_CORE_READ(new_task, __state);
	return typed ? old_task->state : BPF_CORE_READ(old_task, state);
}

/*
 * Is the task on a CPU now? `on_cpu` is an int, since 7.2 a byte with neighbours that are not 0; kernels without
 * CONFIG_SMP may have none.
 */
struct task_struct___int {
	int on_cpu;
} __attribute__((preserve_access_index));

struct task_struct___byte {
	u8 on_cpu;
} __attribute__((preserve_access_index));

static __always_inline bool task_on_cpu(bool typed, struct task_struct *task)
{
	struct task_struct___int *with_int = (void *)task;
	struct task_struct___byte *with_byte = (void *)task;

	if (!bpf_core_field_exists(with_int->on_cpu))
		return task == (struct task_struct *)bpf_get_current_task();
	if (bpf_core_field_size(with_int->on_cpu) == sizeof(with_byte->on_cpu))
		return typed ? with_byte->on_cpu : BPF_CORE_READ(with_byte, on_cpu);
	return typed ? with_int->on_cpu : BPF_CORE_READ(with_int, on_cpu);
}

/* f3d133ee0a17 / 99ed145f4862: `rq_disk` of struct request went with 5.17 (f3fa33acca9f); the disk is then in q->disk. */
struct request_queue___new {
	struct gendisk *disk;
} __attribute__((preserve_access_index));

struct request___old {
	struct gendisk *rq_disk;
} __attribute__((preserve_access_index));

static __always_inline struct gendisk *request_disk(struct request *request)
{
	struct request___old *old_request = (void *)request;
	struct request_queue___new *queue;

	if (bpf_core_field_exists(old_request->rq_disk))
		return BPF_CORE_READ(old_request, rq_disk);
	queue = (void *)BPF_CORE_READ(request, q);
	return BPF_CORE_READ(queue, disk);
}

/*
 * The registers with which the running task entered the kernel: dd6e10fbd9fb ("bpf: Add bpf_task_pt_regs() helper"), 5.15.
 * Before, they lie at the top of its kernel stack, which they do up to 6.12.
 */
static __always_inline struct pt_regs *current_regs(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return BPF_CORE_READ(task, stack) + ARCH_THREAD_SIZE - bpf_core_type_size(struct pt_regs);
}

/*
 * Resident pages of a process: f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter"), 6.2. Before, mm_struct has
 * sums and each thread keeps up to 64 pages that it has not added yet; since then, each CPU does.
 */
enum { RSS_FILE, RSS_ANON, RSS_SWAP, RSS_SHMEM, RSS_KINDS }; /* MM_FILEPAGES ... */

struct rss {
	s64 pages[RSS_KINDS];
};

typedef struct {
	long counter;
} atomic_long_t;

struct mm_rss_stat___old {
	atomic_long_t count[RSS_KINDS];
} __attribute__((preserve_access_index));

struct mm_struct___old {
	struct mm_rss_stat___old rss_stat;
} __attribute__((preserve_access_index));

struct task_rss_stat___old {
	int count[RSS_KINDS];
} __attribute__((preserve_access_index));

struct task_struct___rss {
	struct task_rss_stat___old rss_stat;
} __attribute__((preserve_access_index));

struct percpu_counter {
	s64 count;
	s32 *counters; /* per CPU */
} __attribute__((preserve_access_index));

struct mm_struct___new {
	struct percpu_counter rss_stat[RSS_KINDS];
} __attribute__((preserve_access_index));

static __always_inline void rss_add_thread(struct rss *rss, struct task_struct *thread)
{
	struct task_struct___rss *old_task = (void *)thread;
	int pages[RSS_KINDS] = {};

	if (!bpf_core_field_exists(old_task->rss_stat))
		return;
	BPF_CORE_READ_INTO(&pages, old_task, rss_stat.count);
	for (int kind = 0; kind < RSS_KINDS; kind++)
		rss->pages[kind] += pages[kind];
}

/* The address behind a pointer, as a number: the verifier forbids most arithmetic with pointers, but the
 * difference of two is a number, and one pointer is known as a number too. */
static __always_inline u64 address_of(const void *pointer)
{
	u64 address = (u64)pointer;

	asm volatile("%0 -= %1" : "+r"(address) : "r"(bpf_get_current_task_btf()));
	return address + bpf_get_current_task();
}

struct bpf_array {
	void *pptrs[1]; /* per CPU */
} __attribute__((preserve_access_index));

/*
 * How far from a per-CPU pointer the copy of `cpu` lies: the same for all of them, so it is taken from one of
 * which both is known, the first element of a per-CPU map. False when there is no such CPU.
 */
static __always_inline bool percpu_offset(u32 cpu, s64 *ret_offset)
{
	u64 pointer, place = address_of(&counts) + bpf_core_field_offset(struct bpf_array, pptrs);
	u32 first = 0;
	void *copy = bpf_map_lookup_percpu_elem(&counts, &first, cpu);

	if (!copy || bpf_probe_read_kernel(&pointer, sizeof(pointer), (void *)place))
		return false;
	*ret_offset = address_of(copy) - pointer;
	return true;
}

/* Where the kernel has no parts per CPU. */
static __always_inline void rss_add_mm_old(struct rss *rss, struct mm_struct *mm)
{
	struct mm_struct___old *old_mm = (void *)mm;

	for (int kind = 0; kind < RSS_KINDS && bpf_core_field_exists(old_mm->rss_stat.count); kind++)
		rss->pages[kind] += BPF_CORE_READ(old_mm, rss_stat.count[kind].counter);
}

enum { CPUS_MAX = 8192 }; /* the most that CONFIG_NR_CPUS can be */

struct rss_walk {
	s32 *counters[RSS_KINDS];
	struct rss rss;
};

static long rss_add_cpu(u32 cpu, struct rss_walk *walk)
{
	s64 offset;
	s32 part;

	if (!percpu_offset(cpu, &offset))
		return 1;
	for (int kind = 0; kind < RSS_KINDS; kind++)
		if (!bpf_probe_read_kernel(&part, sizeof(part), (void *)walk->counters[kind] + offset))
			walk->rss.pages[kind] += part;
	return 0;
}

/* For programs that may use bpf_loop() (5.17): the kernels that count per CPU have it. */
static __always_inline void rss_add_mm(struct rss *rss, struct mm_struct *mm)
{
	struct mm_struct___old *old_mm = (void *)mm;
	struct mm_struct___new *new_mm = (void *)mm;
	struct percpu_counter *counter;
	struct rss_walk walk;

	if (bpf_core_field_exists(old_mm->rss_stat.count)) {
		rss_add_mm_old(rss, mm);
		return;
	}
	walk.rss = *rss;
	for (int kind = 0; kind < RSS_KINDS; kind++) {
		/* not rss_stat[kind]: the compiler would step by the size of our short struct */
		counter = (void *)new_mm->rss_stat + kind * bpf_core_type_size(struct percpu_counter);
		walk.rss.pages[kind] += BPF_CORE_READ(counter, count);
		walk.counters[kind] = BPF_CORE_READ(counter, counters);
	}
	bpf_loop(CPUS_MAX, rss_add_cpu, &walk, 0);
	*rss = walk.rss;
}

/*
 * 90ee6ed776c0 ("fs: port files to file_ref"), 6.13: f_count, which counted references from 1, became f_ref,
 * which counts from 0.
 */
struct file___count {
	atomic_long_t f_count;
} __attribute__((preserve_access_index));

typedef struct {
	atomic64_t refcnt;
} file_ref_t;

struct file___ref {
	file_ref_t f_ref;
} __attribute__((preserve_access_index));

static __always_inline s64 file_references(struct file *file)
{
	struct file___count *with_count = (void *)file;
	struct file___ref *with_ref = (void *)file;

	if (bpf_core_field_exists(with_count->f_count))
		return BPF_CORE_READ(with_count, f_count.counter);
	return BPF_CORE_READ(with_ref, f_ref.refcnt.counter) + 1;
}
