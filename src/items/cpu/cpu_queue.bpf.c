// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu_queue - how many threads wait behind the one that runs, on each CPU, 99 times a second.
 *
 * Samples of the fair scheduler's queue that the running thread is in: a control group's own, where groups are used. runqlat
 * measures the waits themselves; this one says how deep queues are, and costs nothing between two samples.
 */
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "off", "length of the queue behind the running thread, sampled");

struct place {
	__u32 cpu COL("count");
};

METRIC_HISTOGRAM(
	cpu_queue, struct place, 1024,
	"name=cpu_queue_length;buckets=linear:1;help=threads that wait behind the running one");

/* 736c55a02c47 ("sched/fair: Rename cfs_rq.nr_running into nr_queued"), 6.15. */
struct cfs_rq___running {
	unsigned int nr_running;
} __attribute__((preserve_access_index));

struct cfs_rq___queued {
	unsigned int nr_queued;
} __attribute__((preserve_access_index));

struct sched_entity___queue {
	void *cfs_rq;
} __attribute__((preserve_access_index));

struct task_struct___queue {
	struct sched_entity___queue se;
} __attribute__((preserve_access_index));

HOOK_PERF(sample, 1, "cpu-clock:99hz")
int on_sample(void *ctx)
{
	struct task_struct___queue *task = (void *)bpf_get_current_task();
	void *queue = BPF_CORE_READ(task, se.cfs_rq);
	struct cfs_rq___running *with_running = queue;
	struct cfs_rq___queued *with_queued = queue;
	struct place place = {.cpu = bpf_get_smp_processor_id()};
	__u32 threads = 0;

	if (bpf_core_field_exists(with_queued->nr_queued))
		threads = BPF_CORE_READ(with_queued, nr_queued);
	else if (bpf_core_field_exists(with_running->nr_running))
		threads = BPF_CORE_READ(with_running, nr_running);
	histogram_add_linear(&cpu_queue, &place, threads ? threads - 1 : 0, 1);
	return 0;
}
