/* SPDX-License-Identifier: GPL-2.0-only */
/* slot - where the exchanges of some connections are measured (usual.bpf.h): how hooks find it, and have it for themselves. */
#pragma once

#include "items/app/requests/connection.bpf.h"
#include "items/app/requests/usual_slots.h"

/* Cookie modulo its size -> a connection. Granted by user space, which also fetches what waits there for long. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, USUAL_SLOTS);
	__type(key, __u32);
	__type(value, struct usual_slot);
} usual_slots SEC(".maps");

static __always_inline struct usual_slot *slot_of_cookie(__u64 cookie)
{
	__u32 place = cookie % USUAL_SLOTS;
	struct usual_slot *slot = cookie ? bpf_map_lookup_elem(&usual_slots, &place) : 0;

	return slot && slot->cookie == cookie ? slot : 0;
}

/* What lies there for who receives, while the slot holds the connection. */
static __always_inline struct usual_mailbox *mailbox_of_cookie(__u64 cookie)
{
	__u32 place = cookie % USUAL_SLOTS;
	struct usual_slot *slot = cookie ? bpf_map_lookup_elem(&usual_slots, &place) : 0;

	return slot && *(volatile __u64 *)&slot->mailbox.cookie == cookie ? &slot->mailbox : 0;
}

/* 0 = another hook is at it: what this one sees will be told past it. */
static __always_inline struct usual_slot *slot_take(struct usual_slot *slot, __u64 cookie)
{
	if (__sync_lock_test_and_set(&slot->busy, 1)) {
		slot->is_torn = 1;
		return 0;
	}
	if (slot->cookie == cookie)
		return slot;
	arch_store_release(&slot->busy, 0);
	return 0;
}

static __always_inline void slot_let_go(struct usual_slot *slot)
{
	arch_store_release(&slot->busy, 0);
}
