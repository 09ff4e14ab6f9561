/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * filter - which tasks an item looks at. The only place where items filter, before any copy.
 *
 * The settings lie in an mmapable array, written by user space while the program runs; all zero =
 * everything is wanted. What is turned away is counted as COUNT_FILTERED.
 */
#pragma once

#include "kernel/item.bpf.h"

/* Shared with user space (src/kernel/filter.h says the same struct). */
struct filter_settings {
	__u32 active; /* 0 = nothing below is looked at */
	__u32 pid; /* thread group, 0 = any */
	__u32 uid; /* looked at when uid_set */
	__u32 uid_set; /* 0 or 1 */
	__u16 port; /* host order, either end; 0 = any. For items that have ports */
	__u16 pad[3];
	__u64 cgroup; /* id, 0 = any. (Several cgroups are filtered by user space.) */
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

static __always_inline bool filter_wants(__u32 tgid, __u32 uid, __u64 cgroup)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active)
		return true;
	if ((!want->pid || want->pid == tgid) && (!want->uid_set || want->uid == uid) &&
	    (!want->cgroup || want->cgroup == cgroup))
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
	return filter_wants(bpf_get_current_pid_tgid() >> 32, (__u32)bpf_get_current_uid_gid(),
			    owner_of_current().cgroup);
}

/* Is another task wanted? */
static __always_inline bool filter_task(struct task_struct *task)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active)
		return true;
	return filter_wants(BPF_CORE_READ(task, tgid), BPF_CORE_READ(task, cred, uid.val),
			    cgroup_of(task));
}

static __always_inline bool filter_ports(__u16 a, __u16 b)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active || !want->port || want->port == a || want->port == b)
		return true;
	count_add(COUNT_FILTERED);
	return false;
}
