// SPDX-License-Identifier: GPL-2.0-only
/*
 * klocks - how long threads waited for locks of the kernel, by kind of lock.
 *
 * Only waits: a lock that is free costs nothing here. Since 5.19 (16edd9b511a1) the kernel tells of each wait. A thread may wait
 * for two locks at once (an interrupt that spins meanwhile), so a wait is known by thread and lock.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("cpu", "off", "waits for locks of the kernel, by kind");

/* include/trace/events/lock.h: LCB_F_SPIN 1, READ 2, WRITE 4, RT 8, PERCPU 16, MUTEX 32 */
#define KINDS                                                                                      \
	"enum=0:semaphore,1:spinlock,2:rwsem_read,3:rwlock_read,4:rwsem_write,5:rwlock_write,"     \
	"8:rt_mutex,10:rt_read,12:rt_write,18:percpu_read,20:percpu_write,32:mutex,33:mutex_spin"

struct wait {
	struct owner owner;
	__u32 lock COL_OPT("enum", KINDS);
	__u32 pad;
};

METRIC_HISTOGRAM(klocks, struct wait, 8192,
		 "unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time until the lock was had");

struct waiting_for {
	__u64 lock; /* address */
	__u32 tid;
	__u32 cpu; /* of idle threads, which share a tid; else 0 */
};

struct begun {
	__u64 since; /* ktime, ns */
	__u64 kind;
};

/* Deleted when the wait ends; who is killed while waiting leaves it first. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct waiting_for);
	__type(value, struct begun);
} waits SEC(".maps");

static __always_inline struct waiting_for waiting_for(void *lock)
{
	struct waiting_for key = {.lock = (__u64)lock, .tid = (__u32)bpf_get_current_pid_tgid()};

	if (!key.tid)
		key.cpu = bpf_get_smp_processor_id();
	return key;
}

ON_TRACEPOINT(contention_begin, "void *,unsigned int", void *lock, unsigned int kind)
{
	struct waiting_for key = waiting_for(lock);
	struct begun begun = {.since = bpf_ktime_get_ns(), .kind = kind};

	if (filter_current())
		map_set(&waits, &key, &begun, BPF_ANY);
	return 0;
}

ON_TRACEPOINT(contention_end, "void *,int", void *lock, int result)
{
	struct waiting_for key = waiting_for(lock);
	struct begun *begun = bpf_map_lookup_elem(&waits, &key);
	struct wait wait = {};

	if (!begun)
		return 0;
	wait.owner = read_owner_of_current();
	wait.lock = begun->kind;
	histogram_add(&klocks, &wait, bpf_ktime_get_ns() - begun->since);
	bpf_map_delete_elem(&waits, &key);
	return 0;
}
