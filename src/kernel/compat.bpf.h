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
