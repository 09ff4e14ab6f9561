// SPDX-License-Identifier: GPL-2.0-only
/*
 * accel - bytes between two neighbours go from one socket's queue into the other's, past the TCP stack.
 *
 * Pairing. Both ends of a local connection see the same two initial sequence numbers, whatever NAT or REDIRECT
 * lies between them and in whatever namespaces they are: 64 random bits. The connecting end leaves a note under its
 * number (CONNECT, in its own process), the listener adds its own to it when it answers the SYN (TIMEOUT_INIT of
 * the request), and whoever finds no such answer when the connection is established talks to another machine: it
 * is never touched. So both ends are known, with who they are, before the first of them enters the sockhash.
 *
 * Order. What is redirected is read before what came by TCP. A direction begins with redirecting, or comes back to
 * it, only when the peer's application has read all that was sent by TCP. Going to TCP is always safe.
 *
 * Bound. The queue of redirected bytes has no limit of its own: above ours a direction goes to TCP, which makes the
 * writer wait.
 *
 * The mechanisms in the order in which a connection meets them: who.bpf.h (who its ends are, what the rules say), pairing.bpf.h
 * (they find each other), park.bpf.h, habit.bpf.h and join.bpf.h (those that enter later), message.bpf.h (all that one write costs), calls.bpf.h (what the kernel cannot do on such
 * sockets), leave.bpf.h (the way back), tell.bpf.h and tables.bpf.h (what is told). docs/accel.md has the whole story.
 */
#include "kernel/emit.bpf.h"

ITEM("net", "off",
     "local TCP connections skip the TCP stack: application and sidecar, pod and pod");
PARAM(__u64, limit, 6291456, "unread redirected bytes of a direction above which it goes by TCP");
PARAM(__u64, keep_alive_ms, 15000,
      "how often at least a message goes by TCP, so that connection tracking does not forget");
PARAM(__u64, patience_ms, 10000, "without an agent for so long, connections return to TCP");

EVENTS(256 * 1024);

#include "items/net/accel/calls.bpf.h"
#include "items/net/accel/join.bpf.h"
#include "items/net/accel/leave.bpf.h"
#include "items/net/accel/message.bpf.h"
#include "items/net/accel/pairing.bpf.h"
#include "items/net/accel/tables.bpf.h"

static __always_inline void closed_side(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct side *side;
	__u64 cookie;

	if (!sk)
		return;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side) {
		cookie = bpf_get_socket_cookie(ops);
		bpf_map_delete_elem(&lot, &cookie);
		return;
	}
	bpf_map_delete_elem(&links, &side->cookie);
	if (side->mate)
		bpf_map_delete_elem(&links, &side->mate);
	if (side->reason && side->reason != ACCEL_CALL && side->reason != ACCEL_GONE) {
		add_refusal(&side->owner, side->reason, -1);
	} else {
		habit_settle(side);
		add_totals(side);
		tell_closed(side);
	}
	bpf_sk_storage_delete(&sides, sk);
}

HOOK("sockops", sockets, 1)
int sockets_come_and_go(struct bpf_sock_ops *ops)
{
	struct accel_settings *is = settings_get();
	struct who who;
	__u64 listener;

	if (!is)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB: note_connect(ops, is); break;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		if (!ops->is_fullsock)
			note_answer(ops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB: established_active(ops, is); break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: established_passive(ops, is); break;
	case BPF_SOCK_OPS_RTT_CB: acknowledged(ops, is); break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		listener = (__u64)sock_of(ops);
		read_current(&who, (struct sock *)listener);
		map_set(&listeners, &listener, &who, BPF_ANY);
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] != BPF_TCP_CLOSE)
			break;
		listener = (__u64)sock_of(ops);
		if (ops->args[0] == BPF_TCP_LISTEN)
			bpf_map_delete_elem(&listeners, &listener);
		else
			closed_side(ops);
		break;
	}
	return 1;
}
