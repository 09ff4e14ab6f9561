// SPDX-License-Identifier: GPL-2.0-only
/*
 * slowrunq - threads that waited long for a CPU, each one, and whom they waited for.
 *
 * The same waits as runqlat (waits.bpf.h). Who ran until then is not always who was in the way all the time, but
 * it is who was in the way at last.
 */
#include "kernel/emit.bpf.h"
#include "kernel/waits.bpf.h"

ITEM("cpu", "off", "threads that waited long for a CPU, and who ran meanwhile");
PARAM(__u64, min_us, 10000, "waits of at least this, in microseconds");

METRIC_COUNTER(slowrunq, struct owner, 8192, "help=waits for a CPU that took long");

struct slow_wait {
	struct event_head head;
	struct owner owner;
	__u32 tid COL("tid");
	__u32 cpu COL("count");
	__u64 wait_ns COL_OPT("ns", "help=from runnable to running");
	char comm[16] COL("comm");
	char previous[16] COL_OPT("text", "help=thread that ran on this CPU before");
	__u32 previous_pid COL_OPT("ppid", "help=its process");
	__u32 pad;
};
EVENTS(256 * 1024);
EVENT(1, "wait", struct slow_wait);

static __always_inline void wait_ended(bool typed, struct task_struct *task,
				       struct task_struct *prev, __u64 wait_ns)
{
	struct slow_wait *event;
	struct owner owner;

	if (wait_ns < min_us * 1000 || !filter_task(task))
		return;
	owner = read_owner(typed, task);
	counter_add(&slowrunq, &owner, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return;
	event->owner = full_owner_of(task);
	event->tid = READ_FIELD(typed, task, pid);
	event->cpu = bpf_get_smp_processor_id();
	event->wait_ns = wait_ns;
	BPF_CORE_READ_STR_INTO(&event->comm, task, comm);
	BPF_CORE_READ_STR_INTO(&event->previous, prev, comm);
	event->previous_pid = READ_FIELD(typed, prev, tgid);
	event->pad = 0;
	emit_submit(event);
}
