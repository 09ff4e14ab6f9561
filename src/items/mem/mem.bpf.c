// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem - who has the memory: resident, swapped and reserved bytes of processes, and their page faults.
 *
 * Bytes are what /proc/PID/status calls RssAnon, RssFile, RssShmem, VmSwap and VmSize, but exact: kernels
 * count resident pages per CPU (or per thread) and /proc often shows the sum without those parts, which may
 * be tens of MiB off on big machines. Memory that processes share is counted with each of them.
 *
 * Faults are sums that the kernel keeps (threads.bpf.h): read when somebody asks, and once more when a
 * process is freed. Minor: the page was in memory; major: it had to be read from a disk.
 *
 * The host's memory, pressure and the limits of control groups are in the user half, mem.c.
 */
#include "kernel/compat.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"
#include "kernel/threads.bpf.h"

ITEM("mem", "on",
     "memory and page faults by process, the host's memory, pressure, limits of control groups");

#define FAULTS   "name=mem_page_faults;help=page faults;labels=kind="
#define RESIDENT "name=mem_resident;unit=bytes;help=memory that is resident;labels=kind="

struct faults {
	__u64 minor_faults COUNTER(FAULTS "minor") COL("count");
	__u64 major_faults COUNTER(FAULTS "major") COL("count");
};

struct row {
	struct owner owner;
	struct faults faults;
	__s64 anon_bytes GAUGE(RESIDENT "anon") COL("bytes");
	__s64 file_bytes GAUGE(RESIDENT "file") COL("bytes");
	__s64 shmem_bytes GAUGE(RESIDENT "shmem") COL("bytes");
	__s64 swap_bytes GAUGE("name=mem_swap;unit=bytes;help=memory that is swapped out")
		COL("bytes");
	__s64 virtual_bytes GAUGE("name=mem_virtual;unit=bytes;help=address space reserved")
		COL("bytes");
};

TABLE(1, "mem", struct row, "gone=drop");

/* Faults of processes that were freed. Deleted by the registry once it was read and the pid is gone. */
METRICS(gone, struct owner, struct faults, 8192);

static __always_inline void add_thread(struct row *row, struct rss *rss, struct task_struct *thread)
{
	row->faults.minor_faults += BPF_CORE_READ(thread, min_flt);
	row->faults.major_faults += BPF_CORE_READ(thread, maj_flt);
	rss_add_thread(rss, thread);
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

HOOK("iter/task", mem, 1)
int mem_table(struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task, *thread;
	struct mm_struct *mm = 0;
	enum thread_part part;
	struct row row = {};
	struct rss rss = {};

	if (!task || task->flags & PF_KTHREAD)
		return 0;
	part = thread_part_of(task);
	if (part == PART_NONE || !filter_task(task))
		return 0;
	row.owner = read_owner(true, task);
	if (part != PART_THREAD) {
		mm = BPF_CORE_READ(task, mm);
		row.faults.minor_faults = task->signal->min_flt;
		row.faults.major_faults = task->signal->maj_flt;
	}
	if (part != PART_PROCESS) {
		add_thread(&row, &rss, task);
	} else {
		THREADS_EACH(thread, task)
		{
			if (!mm) /* the leader is dead, its threads live on */
				mm = BPF_CORE_READ(thread, mm);
			add_thread(&row, &rss, thread);
		}
	}
	if (mm)
		rss_add_mm(&rss, mm);
	add_memory(&row, &rss, mm);
	bpf_seq_write(iterator->meta->seq, &row,
		      sizeof(row)); /* when it is full the kernel calls again */
	return 0;
}

static __always_inline int on_free(struct task_struct *task)
{
	static const struct faults none;
	struct signal_struct *signal;
	struct faults *sum;
	struct owner owner;

	if (!thread_ends_process(task) || BPF_CORE_READ(task, flags) & PF_KTHREAD ||
	    !filter_task(task))
		return 0;
	signal = BPF_CORE_READ(task, signal);
	owner = owner_of(task);
	sum = map_get_or_add(&gone, &owner, &none);
	if (!sum)
		return 0;
	__sync_fetch_and_add(&sum->minor_faults, BPF_CORE_READ(signal, min_flt));
	__sync_fetch_and_add(&sum->major_faults, BPF_CORE_READ(signal, maj_flt));
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
