/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calls - system calls of a kind: what a thread asked for, since when, and how it ended.
 *
 * An item names its calls, each with a number of its own, and says what becomes of one that has ended:
 *
 *	CALL(fsync, SYNC_FSYNC)
 *	CALL(fdatasync, SYNC_FDATASYNC)
 *	static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
 *
 * Classic tracepoints: they cost other calls next to nothing, and lose none where the kernel preempts lazily (syscalls.bpf.c).
 * A call that began before the item was on is not known and does not count; nor do calls of 32-bit programs, which
 * have no such tracepoints.
 */
#pragma once

#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

enum { CALL_ARGS = 5, ERRNO_MAX = 4095 };

/* What the tracepoints hand over: the same for each call, whose own fields follow the number in words of their own. */
struct call_entered {
	__u64 common;
	__u64 number;
	__u64 argument[6];
};

struct call_left {
	__u64 common;
	__u64 number;
	__s64 result;
};

struct call {
	__u64 since; /* ktime, ns */
	__u64 what; /* the item's number */
	__u64 argument[CALL_ARGS];
};

/* tid -> the call it is in. Deleted when the call ends. */
PER_THREAD(calls, struct call, 16384);

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result);

static __always_inline int call_begins(__u32 what, struct call_entered *event)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call call = {.since = bpf_ktime_get_ns(), .what = what};

	if (!filter_current())
		return 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < CALL_ARGS; i++)
		call.argument[i] = event->argument[i];
	map_set(&calls, &tid, &call, BPF_ANY);
	return 0;
}

static __always_inline int call_ends(__u32 what, long result)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &tid);

	if (!call || call->what != what)
		return 0;
	call_ended(call, bpf_ktime_get_ns() - call->since, result);
	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

/* What went wrong, for an errno column: 0 = nothing. */
static __always_inline __u32 call_errno(long result)
{
	return result < 0 && result >= -ERRNO_MAX ? -result : 0;
}

#define CALL_AS(hook_kind, call, number)                                                           \
	hook_kind("tp/syscalls/sys_enter_" #call, enter_##call,                                    \
		  1) int enter_##call(struct call_entered *event)                                  \
	{                                                                                          \
		return call_begins(number, event);                                                 \
	}                                                                                          \
	hook_kind("tp/syscalls/sys_exit_" #call, exit_##call,                                      \
		  1) int exit_##call(struct call_left *event)                                      \
	{                                                                                          \
		return call_ends(number, event->result);                                           \
	}

#define CALL(call, number) CALL_AS(HOOK, call, number)

/* One that only some kernels or architectures have. */
#define CALL_OPTIONAL(call, number) CALL_AS(HOOK_OPTIONAL, call, number)
