/* SPDX-License-Identifier: GPL-2.0-only */
/* pairing - both ends of a connection find each other by their two initial sequence numbers, and enter the sockhash. */
#pragma once

#include "items/net/accel/habit.bpf.h"
#include "items/net/accel/park.bpf.h"
#include "items/net/accel/tell.bpf.h"
#include "items/net/accel/who.bpf.h"

/* A connection that is being made: both ends, as far as they are known. */
struct note {
	struct who active, passive;
	__u64 cookie, sk; /* of the connecting end, once it is in the sockhash */
	__u32 server_isn, is_answered;
	__u32 self, other; /* numbers of identities, active and passive */
	__u64 listener; /* struct sock */
	__u8 is_across;
	__u8 is_parked; /* the connecting end is, not in the sockhash */
	__u16 pad[3];
};

/* sequence number of the connecting end -> note. Deleted when both ends are established; what fails ages out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct note);
} notes SEC(".maps");

struct link {
	__u64 cookie, sk;
};

/* cookie of the connecting end -> its peer, until it sends for the first time or is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEL_CONNECTIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct link);
} links SEC(".maps");

/* ---- sockets that come ---- */

struct tcp_sock___inq {
	u8 recvmsg_inq : 1;
} __attribute__((preserve_access_index));

struct inet_connection_sock___ulp {
	void *icsk_ulp_ops;
} __attribute__((preserve_access_index));

struct sock___options {
	int sk_rcvlowat;
} __attribute__((preserve_access_index));

enum sock_flags { SOCK_ZEROCOPY = 0 }; /* only its name: the value is the kernel's */

/* Set before the connection was made, or inherited from the listener. */
static __always_inline __u32 calls_of_options(struct sock *sk)
{
	struct sock___options *options = (void *)sk;
	struct tcp_sock___inq *inq = (void *)sk;
	__u32 calls = 0;

	if (BPF_CORE_READ(options, sk_rcvlowat) > 1)
		calls |= CALL_RCVLOWAT;
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) >>
		    bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY) &
	    1)
		calls |= CALL_ZEROCOPY;
	if (bpf_core_field_exists(inq->recvmsg_inq) &&
	    BPF_CORE_READ_BITFIELD_PROBED(inq, recvmsg_inq))
		calls |= CALL_INQ;
	if (BPF_CORE_READ((struct inet_connection_sock___ulp *)sk, icsk_ulp_ops))
		calls |= CALL_ULP;
	return calls;
}

static __always_inline void note_connect(struct bpf_sock_ops *ops, struct accel_settings *is)
{
	struct sock *sk = sock_of(ops);
	__u32 isn = BPF_CORE_READ((struct tcp_sock *)sk, write_seq);
	struct note note = {};

	read_current(&note.active, sk);
	map_set(&notes, &isn, &note, BPF_ANY);
}

struct tcp_request_sock {
	u32 rcv_isn, snt_isn;
} __attribute__((preserve_access_index));

struct sock_common___listener {
	struct sock *skc_listener;
} __attribute__((preserve_access_index));

struct request_sock___listener {
	struct sock_common___listener __req_common;
} __attribute__((preserve_access_index));

/* The listener answers a SYN: what the connecting end left under its number gets the other half. */
static __always_inline void note_answer(struct bpf_sock_ops *ops)
{
	struct sock *request = sock_of(ops);
	__u32 isn = BPF_CORE_READ((struct tcp_request_sock *)request, rcv_isn);
	struct note *note = bpf_map_lookup_elem(&notes, &isn);
	__u64 listener;
	struct who *who;

	if (!note)
		return;
	listener = (__u64)BPF_CORE_READ((struct request_sock___listener *)request,
					__req_common.skc_listener);
	who = bpf_map_lookup_elem(&listeners, &listener);
	if (who)
		note->passive = *who;
	note->passive.netns = BPF_CORE_READ(request, __sk_common.skc_net.net, ns.inum);
	note->listener = listener;
	note->server_isn = BPF_CORE_READ((struct tcp_request_sock *)request, snt_isn);
	note->is_answered = 1;
}

static __always_inline struct side *side_new(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct side *side = bpf_sk_storage_get(&sides, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!side) {
		count_add(COUNT_LOST_MEMORY);
		return 0;
	}
	side->cookie = bpf_get_socket_cookie(ops);
	side->sk = (__u64)sock_of(ops);
	side->port = ops->local_port;
	side->peer_port = __builtin_bswap32(ops->remote_port);
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return side;
}

/* Under a rule, and yet not to be touched: it is told, until it is closed. */
static __always_inline void refuse(struct side *side, const struct owner *owner, __u32 reason)
{
	side->owner = *owner;
	side->reason = reason;
	add_refusal(owner, reason, 1);
}

static __always_inline long enter(struct bpf_sock_ops *ops, struct side *side)
{
	long error = bpf_sock_hash_update(ops, &socks, &side->cookie, BPF_ANY);

	if (!error && has_verdict) {
		error = bpf_sock_hash_update(ops, &held, &side->cookie, BPF_ANY);
		if (error)
			bpf_map_delete_elem(&socks, &side->cookie);
	}
	if (error)
		count_add(COUNT_LOST_MAP);
	if (error)
		return error;
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
	return 0;
}

static __always_inline void count_short(const struct owner *owner)
{
	static const struct totals nothing;
	struct totals *sum = map_get_or_add(&closed, owner, &nothing);

	if (sum)
		__sync_fetch_and_add(&sum->short_lived, 1);
}

/* Not now, but perhaps later. */
static __always_inline bool park_active(struct bpf_sock_ops *ops, struct note *note)
{
	struct parked parked = {
		.listener = note->listener, .is_across = note->is_across, .is_active = 1};

	note->cookie = park(ops, &parked, &note->active, &note->passive);
	note->is_parked = 1;
	return note->cookie;
}

static __always_inline void park_passive(struct bpf_sock_ops *ops, const struct note *note)
{
	struct parked parked = {.listener = note->listener,
				.is_across = note->is_across,
				.mate = note->cookie},
		      *active = bpf_map_lookup_elem(&lot, &note->cookie);
	__u64 cookie = active ? park(ops, &parked, &note->passive, &note->active) : 0;

	if (!cookie)
		return;
	active->mate = cookie;
	ask_to_join(active, &parked);
}

/* A program that nobody has looked at yet. (Without an inode it is none: nobody knows who listens.) */
static __always_inline bool is_stranger(const struct who *who, __u32 number)
{
	return !number && who->identity.inode;
}

/* 64 bits that nobody else has: ours, and the other's that the listener noted. */
static __always_inline void established_active(struct bpf_sock_ops *ops, struct accel_settings *is)
{
	__u32 isn = ops->snd_nxt - 1, calls;
	struct note *note = bpf_map_lookup_elem(&notes, &isn);
	struct bpf_sock *sk = ops->sk;
	struct side *side;
	int verdict;

	if (!note || !sk)
		return;
	if (!note->is_answered || note->server_isn != ops->rcv_nxt - 1)
		goto drop; /* the peer is on another machine */
	count_neighbour(&note->active);
	count_neighbour(&note->passive);
	note->self = number_of(&note->active.identity, note->active.owner.pid);
	note->other = number_of(&note->passive.identity, note->passive.owner.pid);
	if (!is->rules || !is->on)
		goto drop;
	note->is_across = note->active.netns != note->passive.netns;
	if (is_stranger(&note->active, note->self) || is_stranger(&note->passive, note->other)) {
		if (park_active(ops, note))
			return;
		goto drop;
	}
	verdict = judge(is, note->self, note->other, note->is_across, ops->local_port,
			__builtin_bswap32(ops->remote_port));
	if (verdict < 0)
		goto drop;
	if (!verdict && habit_is_short(note->listener, note->self)) {
		count_short(&note->active.owner);
		count_short(&note->passive.owner);
		goto drop;
	}
	side = side_new(ops, sk);
	if (!side)
		goto drop;
	calls = calls_of_options(sock_of(ops));
	if (calls)
		verdict = ACCEL_OPTIONS;
	if (!verdict && enter(ops, side))
		verdict = ACCEL_NO_ROOM;
	if (verdict) {
		refuse(side, &note->active.owner, verdict);
		goto drop;
	}
	side->owner = note->active.owner;
	side->self = note->self;
	side->other = note->other;
	side->is_across = note->is_across;
	side->epoch = is->epoch;
	side->tcp_ns = now_coarse();
	side->listener = note->listener;
	side->is_active = 1;
	note->cookie = side->cookie;
	note->sk = side->sk;
	return;
drop:
	bpf_map_delete_elem(&notes, &isn);
}

static __always_inline void established_passive(struct bpf_sock_ops *ops, struct accel_settings *is)
{
	__u32 isn = ops->rcv_nxt - 1;
	struct note *note = bpf_map_lookup_elem(&notes, &isn);
	struct bpf_sock *sk = ops->sk;
	struct link link = {};
	struct side *side;

	if (!note || !sk || !note->cookie || note->server_isn != ops->snd_nxt - 1)
		return;
	if (note->is_parked) {
		park_passive(ops, note);
		goto drop;
	}
	side = side_new(ops, sk);
	if (!side)
		goto drop;
	if (calls_of_options(sock_of(ops))) {
		refuse(side, &note->passive.owner, ACCEL_OPTIONS);
		goto drop;
	}
	if (enter(ops, side)) {
		refuse(side, &note->passive.owner, ACCEL_NO_ROOM);
		goto drop;
	}
	side->owner = note->passive.owner;
	side->self = note->other;
	side->other = note->self;
	side->is_across = note->is_across;
	side->epoch = is->epoch;
	side->tcp_ns = now_coarse();
	side->listener = note->listener;
	side->peer_cookie = note->cookie;
	side->peer_sk = note->sk;
	link.cookie = side->cookie;
	link.sk = side->sk;
	map_set(&links, &note->cookie, &link, BPF_ANY);
drop:
	bpf_map_delete_elem(&notes, &isn);
}
