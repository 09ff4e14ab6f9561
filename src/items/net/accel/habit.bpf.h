/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * habit - do connections from this program to that listener live long enough to gain anything?
 *
 * To enter the sockhash and to leave it costs as much as some messages gain. So there is a balance for each program and listener:
 * an end that is closed costs, each message that was redirected pays. Far below zero, connections are short: then only
 * so many a second are taken as cannot be felt, and tell whether it is still so; all others are left alone.
 */
#pragma once

#include "items/net/accel/who.bpf.h"

enum {
	HABIT_COST = 4, /* messages that pay for one end */
	HABIT_STEP = 64, /* messages after which they are counted; a power of two */
	HABIT_LOW = -8192,
	HABIT_SHORT = -6144, /* below: connections are short. (A thousand of one exchange.) */
	HABIT_HIGH = 2048,
	HABIT_BYTES_SHIFT = 14, /* 16 KiB pay as much as a message */
	HABIT_APART_NS = 10000000, /* of short ones, one in this time is taken */
};

struct habit_key {
	__u64 listener; /* struct sock */
	__u32 client, pad; /* number of the identity that connects */
};

struct habit {
	__s64 balance; /* in messages */
	__u64 taken_ns; /* when one was taken last, while they are short */
};

/* program and listener -> habit. Ages out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct habit_key);
	__type(value, struct habit);
} habits SEC(".maps");

/* Is this one to be left alone? */
static __always_inline bool habit_is_short(__u64 listener, __u32 client)
{
	struct habit_key key = {.listener = listener, .client = client};
	struct habit *habit = bpf_map_lookup_elem(&habits, &key);
	__u64 now;

	if (!habit || habit->balance >= HABIT_SHORT)
		return false;
	now = now_coarse();
	if (now - habit->taken_ns < HABIT_APART_NS)
		return true;
	habit->taken_ns = now;
	return false;
}

static __always_inline void habit_count(const struct side *side, __s64 amount)
{
	struct habit_key key = {.listener = side->listener,
				.client = side->is_active ? side->self : side->other};
	static const struct habit nothing;
	struct habit *habit = map_get_or_add(&habits, &key, &nothing);

	/* (the bounds may be passed by one amount: nobody has to be exact here) */
	if (habit && (amount < 0 ? habit->balance > HABIT_LOW : habit->balance < HABIT_HIGH))
		__sync_fetch_and_add(&habit->balance, amount);
}

/* It is closed. */
static __always_inline void habit_settle(const struct side *side)
{
	__s64 earned = side->redirected_messages % HABIT_STEP +
		       (__s64)(side->redirected_bytes >> HABIT_BYTES_SHIFT);

	habit_count(side, (earned < HABIT_HIGH ? earned : HABIT_HIGH) - HABIT_COST);
}
