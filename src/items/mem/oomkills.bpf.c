// SPDX-License-Identifier: GPL-2.0-only
/*
 * oomkills - processes that were killed for want of memory: which, how big, and who wanted memory when it happened.
 *
 * Costs nothing while nothing is killed. The victim need not be the one that asked: "trigger" is who did. A process whose
 * memory is gone already when it is chosen has sizes of 0.
 */
#include "kernel/compat.bpf.h"
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("mem", "on", "processes killed for want of memory");

METRIC_COUNTER(oomkills, struct owner, 4096, "help=processes killed for want of memory");

struct kill_event {
	struct event_head head;
	struct owner owner;
	__u64 virtual_bytes COL_OPT("bytes", "help=address space of the victim");
	__u32 trigger_pid COL_OPT("ppid", "help=process that asked for memory");
	char comm[16] COL("comm");
	char trigger[16] COL_OPT("text", "help=its name");
	__u32 pad;
};
EVENTS(64 * 1024);
EVENT(1, "oomkill", struct kill_event);

static __always_inline int on_victim(bool typed, struct task_struct *victim)
{
	struct kill_event *event;
	struct owner owner;

	if (!filter_task(victim))
		return 0;
	owner = read_owner(typed, victim);
	counter_add(&oomkills, &owner, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	event->owner = full_owner_of(victim);
	event->virtual_bytes = BPF_CORE_READ(victim, mm, total_vm) * read_page_size();
	event->trigger_pid = bpf_get_current_pid_tgid() >> 32;
	BPF_CORE_READ_STR_INTO(&event->comm, victim, comm);
	bpf_get_current_comm(event->trigger, sizeof(event->trigger));
	event->pad = 0;
	emit_submit(event);
	return 0;
}

ON_TRACEPOINT(mark_victim, "struct task_struct *,uid_t", struct task_struct *victim)
{
	return on_victim(typed, victim);
}

/*
 * Before 72ba14deb40a ("mm: update mark_victim tracepoints fields"), 6.9, the tracepoint tells the tid only, and no helper finds
 * its task. There the victim is whom the kernel's function is called with.
 */
HOOK("fentry/mark_oom_victim", mark_victim, 3)
int BPF_PROG(mark_oom_victim, struct task_struct *victim)
{
	return on_victim(true, victim);
}

HOOK("kprobe/mark_oom_victim", mark_victim, 4)
int BPF_KPROBE(mark_oom_victim_kprobe, struct task_struct *victim)
{
	return on_victim(false, victim);
}
