/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * filter - which tasks an item looks at. The only place where items filter, before any copy.
 *
 * The settings lie in an mmapable array, written by user space while the program runs; all zero =
 * everything is wanted. What is turned away is counted as COUNT_FILTERED.
 */
#pragma once

#include "kernel/item.bpf.h"

enum { FILTER_CGROUPS = 8 }; /* containers of a pod; more are filtered by user space */

/* Shared with user space (items/app/requests/inside.h says the same struct). */
struct filter_settings {
	__u32 active; /* 0 = nothing below is looked at */
	__u32 pid; /* thread group, 0 = any */
	__u32 uid; /* looked at when uid_set */
	__u32 uid_set; /* 0 or 1 */
	__u16 port; /* host order, either end; 0 = any. For items that have ports */
	__u16 addr_set; /* 0 or 1 */
	__u32 sample; /* of so many connections one; 0 and 1 = all. For items that have connections */
	__u64 cgroup[FILTER_CGROUPS]; /* ids; the first is 0 = any, the others 0 = no more */
	__u8 addr[16]; /* either end, IPv4 as ::ffff:a.b.c.d; looked at when addr_set */
	__u32 families; /* bits of the item's own; 0 = any */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct filter_settings);
} filter SEC(".maps");

static __always_inline struct filter_settings *filter_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&filter, &zero);
}

/*
 * Items whose user half pushes several control groups say FILTER_MANY_CGROUPS before they include this; the others
 * need not carry it along. (Not inlined: verifiers follow it once, and not behind each way that leads here.)
 */
#ifdef FILTER_MANY_CGROUPS
__attribute__((noinline)) int filter_has_cgroup(__u64 cgroup)
{
	struct filter_settings *want = filter_get();

	for (int i = 0; want && i < FILTER_CGROUPS && want->cgroup[i]; i++)
		if (want->cgroup[i] == cgroup)
			return 1;
	return 0;
}
#else
static __always_inline int filter_has_cgroup(__u64 cgroup)
{
	struct filter_settings *want = filter_get();

	return want && want->cgroup[0] == cgroup;
}
#endif

static __always_inline bool filter_wants(__u32 tgid, __u32 uid, __u64 cgroup)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active)
		return true;
	if ((!want->pid || want->pid == tgid) && (!want->uid_set || want->uid == uid) &&
	    (!want->cgroup[0] || filter_has_cgroup(cgroup)))
		return true;
	count_add(COUNT_FILTERED);
	return false;
}

/* Is the running task wanted? */
static __always_inline bool filter_current(void)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active)
		return true;
	return filter_wants(
		bpf_get_current_pid_tgid() >> 32, (__u32)bpf_get_current_uid_gid(),
		want->cgroup[0] ? cgroup_of((struct task_struct *)bpf_get_current_task()) : 0);
}

/* Is another task wanted? */
static __always_inline bool filter_task(struct task_struct *task)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active)
		return true;
	return filter_wants(BPF_CORE_READ(task, tgid), BPF_CORE_READ(task, cred, uid.val),
			    want->cgroup[0] ? cgroup_of(task) : 0);
}

static __always_inline bool filter_ports(__u16 a, __u16 b)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active || !want->port || want->port == a || want->port == b)
		return true;
	count_add(COUNT_FILTERED);
	return false;
}

/* A connection is in the sample or not, for its whole life. */
static __always_inline bool filter_sample(__u64 cookie)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active || want->sample < 2 ||
	    (__u32)((cookie * 0x9e3779b97f4a7c15ull) >> 32) % want->sample == 0)
		return true;
	count_add(COUNT_FILTERED);
	return false;
}

/* The address of either end, 16 bytes each. */
static __always_inline bool filter_addrs(const __u64 a[2], const __u64 b[2])
{
	struct filter_settings *want = filter_get();
	const __u64 *addr;

	if (!want || !want->active || !want->addr_set)
		return true;
	addr = (const __u64 *)want->addr;
	if ((a[0] == addr[0] && a[1] == addr[1]) || (b[0] == addr[0] && b[1] == addr[1]))
		return true;
	count_add(COUNT_FILTERED);
	return false;
}
