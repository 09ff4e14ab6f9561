// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscalls - which system calls are made, how long they take and how they fail.
 *
 * A call begins at sys_enter and ends at sys_exit of the same thread; it is counted when it ends, so a
 * thread that sleeps in poll() for a day is counted a day later, and calls that began before the item
 * was switched on are not counted. exit and exit_group never end: they are counted when they begin,
 * with no time. Calls of 32-bit programs have numbers of their own: they are shown as 10000 + number.
 * A call that a signal interrupted counts as EINTR, also where the kernel then starts it again.
 *
 * Off by default, because every system call of the machine pays for it: getppid took 166 ns without and
 * 600 ns with it.
 * Classic tracepoints are tried first: a pair costs some 65 ns more than raw ones, but where the kernel preempts
 * lazily a preempted raw program makes all others on its CPU miss their calls (7.2: a third of them with
 * four busy threads on two CPUs), and the end of a thread as well.
 */
#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "off", "system calls: counts, time and errors");
PARAM(__u64, min_us, 0, "ignore calls shorter than this, in microseconds");
PARAM(bool, errors_only, false, "only calls that failed");

enum {
	SYSCALL_32BIT = 10000, /* added to the numbers of 32-bit programs */
	ERRNO_MAX = 4095,
	ERESTARTSYS = 512, /* the first and the last of the kernel's own codes for "interrupted" */
	ERESTART_RESTARTBLOCK = 516,
	EINTR = 4,
};

struct call {
	struct owner owner;
	__u32 syscall COL("syscall");
	__u32 pad;
};

METRIC_HISTOGRAM_GROWING(
	syscalls, struct call, 32768,
	"name=syscall;unit=seconds;scale=1e-9;help=time from entering a system call to leaving it");

struct failure {
	struct owner owner;
	__u32 syscall COL("syscall");
	__u32 errno COL("errno");
};

METRIC_COUNTER(errors, struct failure, 8192,
	       "name=syscall_errors;help=system calls that returned an error");

/* The call that a thread is in. */
struct current_call {
	__u64 since; /* ktime, ns; 0 = in none that we saw begin */
	__u32 syscall;
	__u32 pad;
};

/* tid -> its call, written in place. Deleted when the thread exits, or changes its tid by exec. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct current_call);
} calls SEC(".maps") KEY_IS_TASK;

static __always_inline void count_call(__u32 syscall, __u64 took_ns, long result)
{
	bool failed = result < 0 && result >= -ERRNO_MAX;
	struct failure failure = {.owner = read_owner_of_current(), .syscall = syscall};
	struct call call = {.owner = failure.owner, .syscall = syscall};

	if (took_ns < min_us * 1000 || (errors_only && !failed))
		return;
	barrier_var(
		took_ns); /* adding a constant 0 would become an atomic OR, which 5.10 does not know */
	histogram_add(&syscalls, &call, took_ns);
	if (!failed)
		return;
	failure.errno = -result;
	if (failure.errno >= ERESTARTSYS && failure.errno <= ERESTART_RESTARTBLOCK)
		failure.errno = EINTR;
	counter_add(&errors, &failure, 1);
}

static __always_inline int on_enter(long number)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct current_call now = {.since = bpf_ktime_get_ns(), .syscall = number}, *call;

	if (!filter_current())
		return 0;
	if (read_current_is_32bit()) {
		now.syscall += SYSCALL_32BIT;
	} else if (number == ARCH_NR_exit || number == ARCH_NR_exit_group) {
		count_call(number, 0, 0);
		return 0;
	}
	call = bpf_map_lookup_elem(&calls, &tid);
	if (call)
		*call = now;
	else
		map_set(&calls, &tid, &now, BPF_ANY);
	return 0;
}

static __always_inline int on_exit(long result)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct current_call *call = bpf_map_lookup_elem(&calls, &tid);
	__u64 since;

	if (!call || !call->since)
		return 0;
	since = call->since;
	call->since = 0;
	count_call(call->syscall, bpf_ktime_get_ns() - since, result);
	return 0;
}

static __always_inline int on_thread_exit(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&calls, &tid); /* fails when the thread made no call since we look */
	return 0;
}

/* A thread that execs takes over the tid of its process: what began as old_tid ends as the new one. */
static __always_inline int on_exec(__u32 old_tid)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct current_call *old = bpf_map_lookup_elem(&calls, &old_tid), call;

	if (tid == old_tid || !old)
		return 0;
	call = *old;
	map_set(&calls, &tid, &call, BPF_ANY);
	bpf_map_delete_elem(&calls, &old_tid);
	return 0;
}

HOOK("tp/raw_syscalls/sys_enter", enter, 1)
int enter_tp(struct trace_event_raw_sys_enter *event)
{
	return on_enter(event->id);
}

HOOK_PROTO("raw_tp/sys_enter", enter, 2, "struct pt_regs *,long int")
int BPF_PROG(enter_raw, struct pt_regs *regs, long number)
{
	return on_enter(number);
}

HOOK("tp/raw_syscalls/sys_exit", exit, 1)
int exit_tp(struct trace_event_raw_sys_exit *event)
{
	return on_exit(event->ret);
}

HOOK_PROTO("raw_tp/sys_exit", exit, 2, "struct pt_regs *,long int")
int BPF_PROG(exit_raw, struct pt_regs *regs, long result)
{
	return on_exit(result);
}

HOOK("tp/sched/sched_process_exit", thread_exit, 1)
int thread_exit_tp(void *event)
{
	return on_thread_exit();
}

HOOK("raw_tp/sched_process_exit", thread_exit, 2)
int thread_exit_raw(void *event)
{
	return on_thread_exit();
}

HOOK("tp/sched/sched_process_exec", exec, 1)
int exec_tp(struct trace_event_raw_sched_process_exec *event)
{
	return on_exec(event->old_pid);
}

HOOK_PROTO("raw_tp/sched_process_exec", exec, 2, "struct task_struct *,pid_t")
int BPF_PROG(exec_raw, struct task_struct *task, int old_tid)
{
	return on_exec(old_tid);
}
