/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * since - since when each thread is in the middle of something: one beginning, one end, the time between them.
 *
 * For items that time one thing that does not nest within a thread. Who begins twice without an end begins anew. The item says
 * how many threads may be under way at once (SINCE_THREADS) before it includes this.
 */
#pragma once

#include "kernel/item.bpf.h"

#ifndef SINCE_THREADS
#define SINCE_THREADS 16384
#endif

/* tid -> when it began (ktime, ns). Deleted at its end. */
PER_THREAD(since, __u64, SINCE_THREADS);

static __always_inline void since_begins(__u32 tid, __u64 now)
{
	map_set(&since, &tid, &now, BPF_ANY);
}

/* False: its beginning was not seen. */
static __always_inline bool since_ends(__u32 tid, __u64 now, __u64 *ret_took_ns)
{
	__u64 *began = bpf_map_lookup_elem(&since, &tid);

	if (!began)
		return false;
	*ret_took_ns = now - *began;
	bpf_map_delete_elem(&since, &tid);
	return true;
}

/* For what follows itself: the end of one is the beginning of the next, in place. */
static __always_inline bool since_turns(__u32 tid, __u64 now, __u64 *ret_took_ns)
{
	__u64 *began = bpf_map_lookup_elem(&since, &tid);

	if (!began) {
		since_begins(tid, now);
		return false;
	}
	*ret_took_ns = now - *began;
	*began = now;
	return true;
}

static __always_inline void since_current_begins(void)
{
	since_begins((__u32)bpf_get_current_pid_tgid(), bpf_ktime_get_ns());
}

static __always_inline bool since_current_ends(__u64 *ret_took_ns)
{
	return since_ends((__u32)bpf_get_current_pid_tgid(), bpf_ktime_get_ns(), ret_took_ns);
}
