// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu - who uses the CPUs: time in user and kernel mode, context switches, threads.
 *
 * The kernel counts all of it in any case; this item reads the sums when somebody asks, and once more when a
 * process ends (threads.bpf.h). There is no program on the scheduler's path.
 *
 * Time is what the scheduler measured with its clock at every switch (sum_exec_runtime), so that processes
 * which live for less than a tick are right too. Kernels that sample the mode at every tick know its
 * parts only roughly: the measured time is divided in proportion of the sampled ones, as /proc/PID/stat
 * does it (cputime_adjust). The sum of both is exact, the division as good as the kernel's.
 *
 * Threads of the kernel are processes of their own. Host-wide figures by mode, load, pressure and throttling of
 * control groups are in the user half, cpu.c.
 */
#include "kernel/item.bpf.h"

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

/* As the kernel counts it: measured time, and ticks by mode. */
struct sums {
	__u64 runtime_ns, user_ns, system_ns, voluntary, involuntary;
};

#include "kernel/threads.bpf.h"

static __always_inline bool is_counted(struct task_struct *task)
{
	return true;
}

static __always_inline void add_thread(struct sums *sums, struct task_struct *thread)
{
	sums->runtime_ns += BPF_CORE_READ(thread, se.sum_exec_runtime);
	sums->user_ns += BPF_CORE_READ(thread, utime);
	sums->system_ns += BPF_CORE_READ(thread, stime);
	sums->voluntary += BPF_CORE_READ(thread, nvcsw);
	sums->involuntary += BPF_CORE_READ(thread, nivcsw);
}

static __always_inline void add_dead(struct sums *sums, struct signal_struct *signal)
{
	sums->runtime_ns += BPF_CORE_READ(signal, sum_sched_runtime);
	sums->user_ns += BPF_CORE_READ(signal, utime);
	sums->system_ns += BPF_CORE_READ(signal, stime);
	sums->voluntary += BPF_CORE_READ(signal, nvcsw);
	sums->involuntary += BPF_CORE_READ(signal, nivcsw);
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

static __always_inline struct used used_of(const struct sums *sums)
{
	struct used used = {
		.voluntary_switches = sums->voluntary,
		.involuntary_switches = sums->involuntary,
	};

	/* no tick met it yet: user mode, as the kernel guesses */
	if (!sums->system_ns)
		used.user_ns = sums->runtime_ns;
	else
		used.user_ns =
			share_of(sums->runtime_ns, sums->user_ns, sums->user_ns + sums->system_ns);
	used.system_ns = sums->runtime_ns - used.user_ns;
	return used;
}

/* The division into modes may have moved back a little: the time that came does not. */
static __always_inline struct used used_since(const struct used *now, const struct used *before)
{
	__u64 time = now->user_ns + now->system_ns - before->user_ns - before->system_ns;
	struct used came = {
		.voluntary_switches = now->voluntary_switches - before->voluntary_switches,
		.involuntary_switches = now->involuntary_switches - before->involuntary_switches,
	};

	if (now->user_ns > before->user_ns)
		came.user_ns = now->user_ns - before->user_ns;
	if (came.user_ns > time)
		came.user_ns = time;
	came.system_ns = time - came.user_ns;
	return came;
}

static __always_inline int write_row(bool loops, struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task;
	struct threads threads;
	struct row row;

	if (!threads_of(loops, task, &threads))
		return 0;
	row.owner = owner_of(task);
	row.used = used_of(&threads.sums);
	row.threads = BPF_CORE_READ(task, signal, nr_threads);
	if (!loops && row.threads > THREADS_WALKED)
		row.threads = 1;
	bpf_seq_write(iterator->meta->seq, &row, sizeof(row)); /* full: the kernel calls again */
	return 0;
}

HOOK("iter/task", cpu, 1)
int cpu_table(struct bpf_iter__task *iterator)
{
	return write_row(true, iterator);
}

HOOK("iter/task", cpu, 2)
int cpu_table_old(struct bpf_iter__task *iterator)
{
	return write_row(false, iterator);
}
