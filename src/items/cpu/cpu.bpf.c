// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu - who uses the CPUs: time in user and kernel mode, context switches, threads.
 *
 * The kernel counts all of it in any case; this item reads the sums when somebody asks, and once more when a
 * process is freed (threads.bpf.h). There is no program on the scheduler's path.
 *
 * Time is what the scheduler measured with its clock at every switch (sum_exec_runtime), so that processes
 * which live for less than a tick are right too. Kernels that sample the mode at every tick know its
 * parts only roughly: the measured time is divided in proportion of the sampled ones, as /proc/PID/stat
 * does it (cputime_adjust). The sum of both is exact, the division as good as the kernel's.
 *
 * Threads of the kernel are processes of their own. Host-wide figures by mode, load, pressure and throttling of
 * control groups are in the user half, cpu.c.
 */
#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"
#include "kernel/threads.bpf.h"

ITEM("cpu", "on",
     "CPU time, context switches and threads by process, host time by mode, load and pressure");

#define TIME     "name=cpu;unit=seconds;scale=1e-9;help=CPU time used;labels=mode="
#define SWITCHES "name=cpu_context_switches;help=times that threads left a CPU;labels=kind="

struct used {
	__u64 user_ns COUNTER(TIME "user") COL("ns");
	__u64 system_ns COUNTER(TIME "system") COL("ns");
	__u64 voluntary_switches COUNTER(SWITCHES "voluntary") COL("count");
	__u64 involuntary_switches COUNTER(SWITCHES "involuntary") COL("count");
};

struct row {
	struct owner owner;
	struct used used;
	__u64 threads GAUGE("name=cpu_threads;help=threads that exist") COL("count");
};

TABLE(1, "cpu", struct row, "gone=drop");

/* What processes had used when they were freed. Deleted by the registry once it was read and the pid is gone. */
METRICS(gone, struct owner, struct used, 8192);

/* As the kernel counts it: measured time, and ticks by mode. */
struct raw {
	__u64 runtime_ns, user_ns, system_ns, voluntary, involuntary;
};

static __always_inline void add_thread(struct raw *raw, struct task_struct *thread)
{
	raw->runtime_ns += BPF_CORE_READ(thread, se.sum_exec_runtime);
	raw->user_ns += BPF_CORE_READ(thread, utime);
	raw->system_ns += BPF_CORE_READ(thread, stime);
	raw->voluntary += BPF_CORE_READ(thread, nvcsw);
	raw->involuntary += BPF_CORE_READ(thread, nivcsw);
}

static __always_inline void add_dead_threads(struct raw *raw, struct signal_struct *signal)
{
	raw->runtime_ns += BPF_CORE_READ(signal, sum_sched_runtime);
	raw->user_ns += BPF_CORE_READ(signal, utime);
	raw->system_ns += BPF_CORE_READ(signal, stime);
	raw->voluntary += BPF_CORE_READ(signal, nvcsw);
	raw->involuntary += BPF_CORE_READ(signal, nivcsw);
}

/* time * part / whole, where part <= whole: exact to 2^-31 of `time`, without 128 bits. */
static __always_inline __u64 share_of(__u64 time, __u64 part, __u64 whole)
{
	__u64 high, low;

	for (int i = 0; i < 33 && whole >> 31; i++) {
		whole >>= 1;
		part >>= 1;
	}
	if (!whole)
		return 0;
	high = (time >> 32) * part;
	low = (high % whole << 32) + (time & 0xffffffff) * part;
	return (high / whole << 32) + low / whole;
}

static __always_inline struct used used_of(const struct raw *raw)
{
	struct used used = {
		.voluntary_switches = raw->voluntary,
		.involuntary_switches = raw->involuntary,
	};

	/* no tick met it yet: user mode, as the kernel guesses */
	if (!raw->system_ns)
		used.user_ns = raw->runtime_ns;
	else
		used.user_ns =
			share_of(raw->runtime_ns, raw->user_ns, raw->user_ns + raw->system_ns);
	used.system_ns = raw->runtime_ns - used.user_ns;
	return used;
}

HOOK("iter/task", cpu, 1)
int cpu_table(struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task, *thread;
	enum thread_part part;
	struct raw raw = {};
	struct row row;

	if (!task)
		return 0;
	part = thread_part_of(task);
	if (part == PART_NONE || !filter_task(task))
		return 0;
	row.owner = read_owner(true, task);
	row.threads = part == PART_PROCESS ? task->signal->nr_threads : 1;
	if (part != PART_THREAD)
		add_dead_threads(&raw, task->signal);
	if (part != PART_PROCESS) {
		add_thread(&raw, task);
	} else {
		THREADS_EACH(thread, task)
		add_thread(&raw, thread);
	}
	row.used = used_of(&raw);
	bpf_seq_write(iterator->meta->seq, &row,
		      sizeof(row)); /* when it is full the kernel calls again */
	return 0;
}

static __always_inline int on_free(struct task_struct *task)
{
	static const struct used none;
	struct used *sum, used;
	struct owner owner;
	struct raw raw = {};

	if (!thread_ends_process(task) || !filter_task(task))
		return 0;
	add_dead_threads(&raw, BPF_CORE_READ(task, signal));
	used = used_of(&raw);
	owner = owner_of(task);
	sum = map_get_or_add(&gone, &owner, &none);
	if (!sum)
		return 0;
	__sync_fetch_and_add(&sum->user_ns, used.user_ns);
	__sync_fetch_and_add(&sum->system_ns, used.system_ns);
	__sync_fetch_and_add(&sum->voluntary_switches, used.voluntary_switches);
	__sync_fetch_and_add(&sum->involuntary_switches, used.involuntary_switches);
	return 0;
}

HOOK_PROTO("tp_btf/sched_process_free", process_free, 1, "struct task_struct *")
int BPF_PROG(process_free, struct task_struct *task)
{
	return on_free(task);
}

HOOK_PROTO("raw_tp/sched_process_free", process_free, 2, "struct task_struct *")
int BPF_PROG(process_free_raw, struct task_struct *task)
{
	return on_free(task);
}
