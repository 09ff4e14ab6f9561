/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * park - connections whose ends have found each other, but nobody knows yet what the rules say of them: one of the two programs was
 * never seen before. The agent looks at it at once; meanwhile they are on TCP, and enter the sockhash later (join.bpf.h).
 */
#pragma once

#include "items/net/accel/who.bpf.h"

enum { ASK_AGAIN_NS = 250000000 };

/* One end. */
struct parked {
	struct accel_identity self, other;
	struct owner owner;
	__u64 mate; /* cookie of the other end; 0 = not known yet */
	__u64 listener; /* struct sock that accepted it: habit.bpf.h */
	__u64 asked_ns; /* when the agent was last asked to let it in */
	__u32 pid, netns;
	__u16 port, peer_port;
	__u8 is_across, is_active;
	__u16 pad;
};

/* cookie -> an end that may enter the sockhash later. Deleted when it does, or is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEL_CONNECTIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct parked);
} lot SEC(".maps");

/* Connections that wait: the agent walks the sockets of these namespaces. */
enum { EVENT_JOIN = 3 };

struct join_event {
	struct event_head head;
	__u32 pid[2], netns[2];
};

static __always_inline void ask_to_join(const struct parked *own, const struct parked *other)
{
	struct join_event *event = emit_reserve(EVENT_JOIN, sizeof(*event));

	if (!event)
		return;
	event->pid[0] = own->pid;
	event->netns[0] = own->netns;
	event->pid[1] = other ? other->pid : 0;
	event->netns[1] = other ? other->netns : 0;
	emit_submit_now(event);
}

/* One of its messages was acknowledged, and it still waits: perhaps it was never quiet when it was looked at. */
static __always_inline void ask_again(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops), now = now_coarse();
	struct parked *own = bpf_map_lookup_elem(&lot, &cookie), *other;

	if (!own || !own->mate || now - own->asked_ns < ASK_AGAIN_NS)
		return;
	own->asked_ns = now;
	other = bpf_map_lookup_elem(&lot, &own->mate);
	ask_to_join(own, other);
}

/* Keeps an end for later. Returns its cookie, or 0. */
static __always_inline __u64 park(struct bpf_sock_ops *ops, struct parked *parked,
				  const struct who *self, const struct who *other)
{
	__u64 cookie = bpf_get_socket_cookie(ops);

	parked->self = self->identity;
	parked->other = other->identity;
	parked->owner = self->owner;
	parked->pid = self->pid;
	parked->netns = self->netns;
	parked->port = ops->local_port;
	parked->peer_port = __builtin_bswap32(ops->remote_port);
	if (map_set(&lot, &cookie, parked, BPF_ANY))
		return 0;
	/* (cannot be set when it enters) */
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG |
					       BPF_SOCK_OPS_RTT_CB_FLAG);
	return cookie;
}
