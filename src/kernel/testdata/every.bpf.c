// SPDX-License-Identifier: GPL-2.0-only
/* every - an item for the kernel room's test: events, counters, a table, alternatives that must fail. */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "off", "For the test of loading, attaching and reading");
PARAM(__u32, only_pid, 0, "count system calls of this process");

struct seen {
	struct event_head head;
	__u32 pid COL("pid");
	__u32 number COL("count");
	__u64 again[2]; /* the time once more: 48 bytes with the ring's own head, so that events wrap */
};
EVENTS(64 * 1024);
EVENT(1, "seen", struct seen);

struct key {
	__u32 number COL("syscall");
};
METRIC_COUNTER(calls, struct key, 600, "help=System calls of the process");

struct row {
	__u32 pid COL("pid");
	__u32 threads COL("count");
};
TABLE(1, "task", struct row, "gone=drop");

/* per-CPU hash: nothing uses it as a metric, the test reads it */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __u64);
	__type(value, __u64[3]);
} percpu SEC(".maps");

static __always_inline int on_syscall(long number)
{
	struct key key = {.number = (__u32)number};
	__u64 percpu_key = 7, initial[3] = {}, *values;
	struct seen *seen;

	if (bpf_get_current_pid_tgid() >> 32 != only_pid || !filter_current())
		return 0;
	counter_add(&calls, &key, 1);
	values = map_get_or_add(&percpu, &percpu_key, initial);
	if (values)
		values[2]++;
	if (number != ARCH_NR_getpid)
		return 0;
	seen = emit_reserve(1, sizeof(*seen));
	if (!seen)
		return 0;
	seen->pid = only_pid;
	seen->number = (__u32)number;
	seen->again[0] = seen->again[1] = seen->head.ktime_ns;
	emit_submit(seen);
	return 0;
}

/* no such tracepoint: struck out before loading */
HOOK("tp_btf/sonde_no_such_tracepoint", enter, 1)
int BPF_PROG(enter_missing, struct pt_regs *regs, long number)
{
	return on_syscall(number);
}

/* another prototype than the kernel's: struck out before loading */
HOOK_PROTO("raw_tp/sys_enter", enter, 2, "struct sock *,int")
int BPF_PROG(enter_prototype, struct pt_regs *regs, long number)
{
	return on_syscall(number);
}

/* reads through a pointer that is none: struck out by the verifier */
HOOK("raw_tp/sys_enter", enter, 3)
int BPF_PROG(enter_refused, struct pt_regs *regs, long number)
{
	return *(int *)(long)number;
}

HOOK_PROTO("tp_btf/sys_enter", enter, 4, "struct pt_regs *,long int")
int BPF_PROG(enter_typed, struct pt_regs *regs, long number)
{
	return on_syscall(number);
}

HOOK("raw_tp/sys_enter", enter, 5)
int BPF_PROG(enter_raw, struct pt_regs *regs, long number)
{
	return on_syscall(number);
}

HOOK_OPTIONAL("tp_btf/sonde_no_such_tracepoint", never, 1)
int BPF_PROG(never_there)
{
	return 0;
}

HOOK("iter/task", tasks, 1)
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct row row = {};

	if (!task || task->pid != task->tgid)
		return 0;
	row.pid = task->tgid;
	row.threads = 1;
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

HOOK_PERF(tick, 1, "cpu-clock:99hz")
int tick(void *ctx)
{
	return 0;
}
