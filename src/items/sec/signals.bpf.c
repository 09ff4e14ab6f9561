// SPDX-License-Identifier: GPL-2.0-only
/*
 * signals - signals that were sent: which, to whom, by whom, and what became of them.
 *
 * Counted for who gets it. A signal of the kernel (a fault, a child's end, a timer) has whoever runs as its sender, so the
 * record says where it came from: "kernel", or "user" (kill, tgkill, sigqueue).
 */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("sec", "off", "signals sent: which, to whom and by whom");

#define RESULTS "enum=0:delivered,1:ignored,2:already_pending,3:overflow,4:lost"

struct sent {
	struct owner owner;
	__u32 signal COL("signal");
	__u32 result COL_OPT("enum", RESULTS);
};
METRIC_COUNTER(signals, struct sent, 16384, "help=signals by who gets them");

struct signal_event {
	struct event_head head;
	struct owner owner;
	__u32 signal COL("signal");
	__u32 result COL_OPT("enum", RESULTS);
	__u32 origin COL_OPT("enum", "enum=0:user,1:kernel");
	__u32 sender_pid COL_OPT("ppid", "help=process that ran when it was sent");
	char comm[16] COL("comm");
	char sender[16] COL_OPT("text", "help=its name");
};
EVENTS(256 * 1024);
EVENT(1, "signal", struct signal_event);

struct kernel_siginfo {
	int si_code;
} __attribute__((preserve_access_index));

enum { SEND_SIG_PRIV = 1 /* include/linux/sched/signal.h: no siginfo, but from the kernel */ };

static __always_inline bool is_from_kernel(struct kernel_siginfo *info)
{
	if ((__u64)info <= SEND_SIG_PRIV)
		return (__u64)info == SEND_SIG_PRIV;
	return BPF_CORE_READ(info, si_code) > 0; /* SI_FROMKERNEL */
}

ON_TRACEPOINT(signal_generate, "int,struct kernel_siginfo *,struct task_struct *,int,int",
	      int number, struct kernel_siginfo *info, struct task_struct *task, int group,
	      int result)
{
	struct sent sent = {.signal = number, .result = result};
	struct signal_event *event;

	if (!filter_task(task))
		return 0;
	sent.owner = read_owner(typed, task);
	counter_add(&signals, &sent, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	event->owner = full_owner_of(task);
	event->signal = number;
	event->result = result;
	event->origin = is_from_kernel(info);
	event->sender_pid = bpf_get_current_pid_tgid() >> 32;
	BPF_CORE_READ_STR_INTO(&event->comm, task, comm);
	bpf_get_current_comm(event->sender, sizeof(event->sender));
	emit_submit(event);
	return 0;
}
