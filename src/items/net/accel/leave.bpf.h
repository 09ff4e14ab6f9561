/* SPDX-License-Identifier: GPL-2.0-only */
/* leave - how sockets leave the sockhash, and how writers that are too fast are made to wait. */
#pragma once

#include "items/net/accel/park.bpf.h"
#include "items/net/accel/side.bpf.h"

/* ---- the way back ---- */

struct wait_queue_head {
	struct list_head head;
} __attribute__((preserve_access_index));

struct socket_wq {
	struct wait_queue_head wait;
} __attribute__((preserve_access_index));

struct sock___wait {
	struct socket_wq *sk_wq;
} __attribute__((preserve_access_index));

enum { O_NONBLOCK = 04000 };

/*
 * Somebody may be blocked in recv(): with the verdict program such a reader looks at the queue of redirected bytes only,
 * and would be sent away with EAGAIN by what TCP delivers by itself (tcp_bpf_recvmsg_parser waits once).
 */
static __always_inline bool has_blocked_reader(struct sock *sk)
{
	struct socket_wq *wq = BPF_CORE_READ((struct sock___wait *)sk, sk_wq);
	struct file *file = BPF_CORE_READ(sk, sk_socket, file);
	void *head = (void *)wq + bpf_core_field_offset(struct socket_wq, wait) +
		     bpf_core_field_offset(struct wait_queue_head, head);

	if (!wq || !file || BPF_CORE_READ(file, f_flags) & O_NONBLOCK)
		return false;
	return BPF_CORE_READ(wq, wait.head.next) != head;
}

/*
 * The item is going off. The verdict program can be taken from a socket only while its lock is held: at any other moment
 * bytes may be on their way from TCP to that program, which the kernel drops when it is gone (sk_psock_verdict_recv
 * begins with SK_DROP). That is so when a message of its own is acknowledged, and when it is walked over (iter/tcp holds
 * the lock since 9378096e8a65, 5.15: older than any kernel that needs the verdict). And only when no byte that came by TCP is left
 * in the queue: without the program the reader takes such bytes from there without moving copied_seq, and TCP never gives
 * it what follows ("recvmsg seq # bug").
 */
static __always_inline bool has_unread_of_tcp(struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	struct sk_psock *psock = psock_of(sk);

	return psock && BPF_CORE_READ(tcp, copied_seq) != BPF_CORE_READ(tcp, rcv_nxt) &&
	       !psock_is_empty(psock);
}

static __always_inline bool leave(struct sock *sk, struct side *side)
{
	__u64 cookie = side->cookie;

	if (side->has_left)
		return true;
	if (has_blocked_reader(sk) || has_unread_of_tcp(sk))
		return false;
	bpf_map_delete_elem(&socks, &cookie);
	side->has_left = 1;
	return true;
}

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} __attribute__((preserve_access_index));

/* The walk over the sockets of a network namespace: who is idle leaves. */
HOOK_OPTIONAL("iter/tcp", leaving, 1)
int leaving_walk(struct bpf_iter__tcp *iterator)
{
	struct accel_settings *is = settings_get();
	struct sock_common *common = iterator->sk_common;
	struct tcp_sock *sk;
	struct side *side;

	if (!common || !is || is->on)
		return 0;
	sk = bpf_skc_to_tcp_sock(common);
	if (!sk)
		return 0;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (side)
		leave((struct sock *)sk, side);
	return 0;
}

/* ---- writers that are too fast ---- */

struct sock___buffer {
	int sk_sndbuf;
	u8 sk_userlocks;
} __attribute__((preserve_access_index));

enum {
	SOL_SOCKET = 1,
	SO_SNDBUF = 7,
	SOCK_SNDBUF_LOCK =
		1, /* the application chose a size itself (include/uapi/linux/socket.h) */
	SMALL_BUFFER = 4096,
	FULL_FOR_NS = 1000000000,
};

/*
 * A direction above its limit goes by TCP, and comes back when what went there has arrived. A writer that is faster
 * than its reader would keep 2.6 MB in its send buffer all the time, and never come back: so its buffer is small from
 * the first acknowledgement on, it waits after each message until the reader has caught up; and as it was at the first
 * acknowledgement a second after the direction was full last.
 */
static __always_inline void acknowledged(struct bpf_sock_ops *ops, const struct accel_settings *is)
{
	struct sock___buffer *buffer = (void *)sock_of(ops);
	struct bpf_sock *sk = ops->sk;
	struct side *side;
	int bytes;

	if (!sk)
		return;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side) {
		ask_again(ops);
		return;
	}
	if (!is->on && has_verdict)
		leave((struct sock *)buffer, side);
	if (side->is_full && !side->send_buffer) {
		if (!side->has_resized &&
		    BPF_CORE_READ_BITFIELD_PROBED(buffer, sk_userlocks) & SOCK_SNDBUF_LOCK)
			return;
		side->has_resized = 1;
		side->send_buffer = BPF_CORE_READ(buffer, sk_sndbuf);
		bytes = SMALL_BUFFER;
	} else if (!side->is_full && side->send_buffer &&
		   now_coarse() - side->full_ns > FULL_FOR_NS) {
		bytes = side->send_buffer / 2; /* the kernel doubles it (sock_setsockopt) */
		side->send_buffer = 0;
	} else {
		return;
	}
	bpf_setsockopt(ops, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}
