// SPDX-License-Identifier: GPL-2.0-only
/*
 * workqueues - work that the kernel puts off to its own threads: how long it waited, and how long it ran.
 *
 * Work waits when a queue may run no more at once, or when its thread gets no CPU; whoever depends on it waits along. Who
 * asked for it is not known when it runs.
 */
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "off", "deferred work of the kernel: time it waited and ran, by queue");

struct workqueue_struct {
	char name[24];
} __attribute__((preserve_access_index));

struct pool_workqueue {
	struct workqueue_struct *wq;
} __attribute__((preserve_access_index));

struct work_struct;

struct queue {
	char workqueue[24] COL("text");
};

METRIC_HISTOGRAM(
	waited, struct queue, 1024,
	"name=workqueues_wait;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time from "
	"queueing to running");
METRIC_HISTOGRAM(
	ran, struct queue, 1024,
	"name=workqueues;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time that it ran");

struct progress {
	__u64 when; /* queued, then begun (ktime, ns) */
	struct queue queue;
};

/* work -> where it is. Deleted when it has run; what is cancelled stays until it is queued again or its memory is. */
PER_OBJECT(works, struct progress, 16384);

static __always_inline int on_queued(struct pool_workqueue *pool, struct work_struct *work)
{
	__u64 key = (__u64)work;
	struct progress progress = {.when = bpf_ktime_get_ns()};

	if (bpf_probe_read_kernel_str(progress.queue.workqueue, sizeof(progress.queue.workqueue),
				      BPF_CORE_READ(pool, wq, name)) < 0)
		count_add(COUNT_LOST_READ);
	map_set(&works, &key, &progress, BPF_ANY);
	return 0;
}

ON_TRACEPOINT(workqueue_queue_work, "int,struct pool_workqueue *,struct work_struct *", int cpu,
	      struct pool_workqueue *pool, struct work_struct *work)
{
	return on_queued(pool, work);
}

/* Before fe28f631fa94, 5.16. */
ON_TRACEPOINT_OTHER(2, workqueue_queue_work,
		    "unsigned int,struct pool_workqueue *,struct work_struct *", unsigned int cpu,
		    struct pool_workqueue *pool, struct work_struct *work)
{
	return on_queued(pool, work);
}

ON_TRACEPOINT(workqueue_execute_start, "struct work_struct *", struct work_struct *work)
{
	__u64 key = (__u64)work, now = bpf_ktime_get_ns();
	struct progress *progress = bpf_map_lookup_elem(&works, &key);
	struct queue queue;

	if (!progress)
		return 0;
	queue = progress->queue;
	histogram_add(&waited, &queue, now - progress->when);
	progress->when = now;
	return 0;
}

/* (The work itself may be freed by now: only its address is used.) */
ON_TRACEPOINT(workqueue_execute_end, "struct work_struct *", struct work_struct *work)
{
	__u64 key = (__u64)work;
	struct progress *progress = bpf_map_lookup_elem(&works, &key);
	struct queue queue;

	if (!progress)
		return 0;
	queue = progress->queue;
	histogram_add(&ran, &queue, bpf_ktime_get_ns() - progress->when);
	bpf_map_delete_elem(&works, &key);
	return 0;
}
