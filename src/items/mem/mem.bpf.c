// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem - who has the memory: resident, swapped and reserved bytes of processes, and their page faults.
 *
 * Bytes are what /proc/PID/status calls RssAnon, RssFile, RssShmem, VmSwap and VmSize, but exact: kernels
 * count resident pages per CPU (or per thread) and /proc often shows the sum without those parts, which may
 * be tens of MiB off on big machines. Memory that processes share is counted with each of them.
 *
 * Faults are sums that the kernel keeps (threads.bpf.h): read when somebody asks, and once more when a
 * process ends. Minor: the page was in memory; major: it had to be read from a disk.
 *
 * The host's memory, pressure and the limits of control groups are in the user half, mem.c.
 */
#include "kernel/compat.bpf.h"
#include "kernel/item.bpf.h"

ITEM("mem", "on",
     "memory and page faults by process, the host's memory, pressure, limits of control groups");

#define FAULTS   "name=mem_page_faults;help=page faults;labels=kind="
#define RESIDENT "name=mem_resident;unit=bytes;help=memory that is resident;labels=kind="

struct used {
	__u64 minor_faults COUNTER(FAULTS "minor") COL("count");
	__u64 major_faults COUNTER(FAULTS "major") COL("count");
};

struct row {
	struct owner owner;
	struct used used;
	__s64 anon_bytes GAUGE(RESIDENT "anon") COL("bytes");
	__s64 file_bytes GAUGE(RESIDENT "file") COL("bytes");
	__s64 shmem_bytes GAUGE(RESIDENT "shmem") COL("bytes");
	__s64 swap_bytes GAUGE("name=mem_swap;unit=bytes;help=memory that is swapped out")
		COL("bytes");
	__s64 virtual_bytes GAUGE("name=mem_virtual;unit=bytes;help=address space reserved")
		COL("bytes");
};

TABLE(1, "mem", struct row, "gone=drop");

struct sums {
	struct used used;
	struct rss rss; /* that threads have not added to their process's yet */
	struct mm_struct *mm; /* of a thread that lives: the leader may be dead */
};

#include "kernel/threads.bpf.h"

/* Threads of the kernel have no memory. */
static __always_inline bool is_counted(struct task_struct *task)
{
	return !(BPF_CORE_READ(task, flags) & PF_KTHREAD);
}

static __always_inline void add_thread(struct sums *sums, struct task_struct *thread)
{
	sums->used.minor_faults += BPF_CORE_READ(thread, min_flt);
	sums->used.major_faults += BPF_CORE_READ(thread, maj_flt);
	rss_add_thread(&sums->rss, thread);
	if (!sums->mm)
		sums->mm = BPF_CORE_READ(thread, mm);
}

static __always_inline void add_dead(struct sums *sums, struct signal_struct *signal)
{
	sums->used.minor_faults += BPF_CORE_READ(signal, min_flt);
	sums->used.major_faults += BPF_CORE_READ(signal, maj_flt);
}

static __always_inline struct used used_of(const struct sums *sums)
{
	return sums->used;
}

static __always_inline struct used used_since(const struct used *now, const struct used *before)
{
	return (struct used){
		.minor_faults = now->minor_faults - before->minor_faults,
		.major_faults = now->major_faults - before->major_faults,
	};
}

static __always_inline void add_memory(struct row *row, const struct rss *rss, struct mm_struct *mm)
{
	__s64 page = read_page_size();

	row->anon_bytes = rss->pages[RSS_ANON] * page;
	row->file_bytes = rss->pages[RSS_FILE] * page;
	row->shmem_bytes = rss->pages[RSS_SHMEM] * page;
	row->swap_bytes = rss->pages[RSS_SWAP] * page;
	row->virtual_bytes = mm ? BPF_CORE_READ(mm, total_vm) * page : 0;
}

static __always_inline int write_row(bool loops, struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task;
	struct threads threads;
	struct mm_struct *mm;
	struct row row = {};

	if (!threads_of(loops, task, &threads))
		return 0;
	row.owner = owner_of(task);
	row.used = threads.sums.used;
	/* where each thread has a row, the process's memory is the leader's */
	mm = task->pid == task->tgid ? threads.sums.mm : 0;
	if (mm && loops)
		rss_add_mm(&threads.sums.rss, mm);
	else if (mm)
		rss_add_mm_old(&threads.sums.rss, mm);
	add_memory(&row, &threads.sums.rss, mm);
	bpf_seq_write(iterator->meta->seq, &row, sizeof(row)); /* full: the kernel calls again */
	return 0;
}

HOOK("iter/task", mem, 1)
int mem_table(struct bpf_iter__task *iterator)
{
	return write_row(true, iterator);
}

HOOK("iter/task", mem, 2)
int mem_table_old(struct bpf_iter__task *iterator)
{
	return write_row(false, iterator);
}
