/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp - whose a TCP connection is, and which side of it we are on.
 *
 * Most changes of a socket's state happen in the network's soft interrupt, where the running task is anybody. So
 * the owner is noted where it is certain: whoever calls listen() or connect(). A connection that came in belongs to
 * who listens on its port; one that went out has an entry of its own from connect() until its end. When a process
 * ends a connection itself (FIN_WAIT1 from ESTABLISHED, LAST_ACK from CLOSE_WAIT are close() or shutdown() only),
 * the running task is the owner for sure.
 *
 * Incoming connections need no entry, so a server with a million of them costs nothing here. Which ones came in the
 * socket itself tells: an accepted socket is a copy of the listening one (sk_clone_lock), with its backlog, which
 * one that connects never has. Only where somebody listens with a backlog of 0 the port decides.
 *
 * Who listened or connected before the agent came is found by a walk over all descriptors (tcp_listening_seen,
 * tcp_outgoing_seen), which also puts right who has a connection now: it may have been handed over.
 */
#pragma once

#include "kernel/item.bpf.h"
#define READ_CURRENT_ONCE
#include "kernel/read.bpf.h"
#include "kernel/tcp_states.bpf.h"

#define TCP_STATE_NAMES                                                                            \
	"enum=1:established,2:syn_sent,3:syn_recv,4:fin_wait1,5:fin_wait2,6:time_wait,7:close,"    \
	"8:close_wait,9:last_ack,10:listen,11:closing"

enum tcp_direction { TCP_INBOUND = 1, TCP_OUTBOUND = 2, TCP_DIRECTIONS };

#define TCP_DIRECTION_NAMES "enum=1:inbound,2:outbound"

/* include/uapi/asm-generic/errno.h */
enum {
	EPIPE = 32,
	EADDRNOTAVAIL = 99,
	ECONNABORTED = 103,
	ECONNRESET = 104,
	ETIMEDOUT = 110,
	ECANCELED = 125,
};

struct tcp_port {
	__u32 netns; /* inode number */
	__u16 port; /* host order */
	__u16 pad;
};

struct tcp_listener {
	struct owner owner;
	__u32 sockets; /* that listen there (SO_REUSEPORT) */
	__u32 no_backlog; /* 1 = one of them with a backlog of 0 */
	__u64 walk; /* the walk that saw it last; 0 = none */
};

/* port -> who listens on it. Deleted when the last socket stops listening. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcp_port);
	__type(value, struct tcp_listener);
} tcp_listeners SEC(".maps");

struct tcp_outgoing {
	struct owner owner;
	__u64 since_ns; /* ktime of connect() */
};

/*
 * sock -> who connected it. Deleted when the socket's state becomes CLOSE, which every socket's does. The entries
 * are allocated as they come: a host without outgoing connections pays 4 MiB for the buckets.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct tcp_outgoing);
} tcp_outgoing SEC(".maps");

static __always_inline struct tcp_port tcp_port_of(bool typed, struct sock *sk)
{
	return (struct tcp_port){
		.netns = read_sock_netns(typed, sk),
		.port = read_local_port(typed, sk),
	};
}

static __always_inline void tcp_listens(bool typed, struct sock *sk)
{
	struct tcp_port port = tcp_port_of(typed, sk);
	struct tcp_listener fresh = {.owner = read_owner_of_current()}, *listener;

	listener = map_get_or_add(&tcp_listeners, &port, &fresh);
	if (!listener)
		return;
	__sync_fetch_and_add(&listener->sockets, 1);
	if (!READ_FIELD(typed, sk, sk_max_ack_backlog))
		listener->no_backlog = 1;
}

static __always_inline void tcp_stops_listening(bool typed, struct sock *sk)
{
	struct tcp_port port = tcp_port_of(typed, sk);
	struct tcp_listener *listener = bpf_map_lookup_elem(&tcp_listeners, &port);

	if (!listener)
		return;
	/* (what an atomic addition returns needs 5.12) two that stop at once may both see 0 and delete */
	__sync_fetch_and_add(&listener->sockets, -1);
	if ((__s32) * (volatile __u32 *)&listener->sockets <= 0)
		bpf_map_delete_elem(&tcp_listeners, &port);
}

/*
 * A walk over all descriptors meets a listening socket, once. `owner`: the first process that holds it. It goes
 * before who called listen(): a daemon listens, forks, and ends.
 */
static __always_inline void tcp_listening_seen(struct sock *sk, struct owner owner, __u64 walk)
{
	struct tcp_port port = tcp_port_of(false, sk);
	struct tcp_listener seen = {.owner = owner, .sockets = 1, .walk = walk}, *listener;

	seen.no_backlog = !BPF_CORE_READ(sk, sk_max_ack_backlog);
	listener = bpf_map_lookup_elem(&tcp_listeners, &port);
	if (!listener || listener->walk != walk) {
		map_set(&tcp_listeners, &port, &seen, BPF_ANY);
		return;
	}
	__sync_fetch_and_add(&listener->sockets, 1);
	listener->no_backlog |= seen.no_backlog;
}

/* What is known of a connection. pid and cgroup are 0 where nobody is. */
struct tcp_party {
	struct owner owner;
	__u32 direction; /* enum tcp_direction */
	__u64 since_ns; /* connect(), 0 = not seen */
};

static __always_inline __u32 tcp_direction_of(bool typed, struct sock *sk)
{
	struct tcp_listener *listener;
	struct tcp_port port;

	/* nobody accepted it, and who listened is gone: closed with the listening socket */
	if (READ_FIELD(typed, sk, sk_max_ack_backlog) || !BPF_CORE_READ(sk, sk_socket))
		return TCP_INBOUND;
	port = tcp_port_of(typed, sk);
	listener = bpf_map_lookup_elem(&tcp_listeners, &port);
	return listener && listener->no_backlog ? TCP_INBOUND : TCP_OUTBOUND;
}

static __always_inline void tcp_find_listener(bool typed, struct sock *sk, struct tcp_party *party)
{
	struct tcp_port port = tcp_port_of(typed, sk);
	struct tcp_listener *listener = bpf_map_lookup_elem(&tcp_listeners, &port);

	if (!listener)
		return;
	if (party->direction != TCP_INBOUND && !listener->no_backlog)
		return;
	party->direction = TCP_INBOUND;
	party->owner = listener->owner;
}

static __always_inline struct tcp_party tcp_party_of(bool typed, struct sock *sk)
{
	__u64 key = (__u64)(unsigned long)sk;
	struct tcp_party party = {.direction = TCP_OUTBOUND};
	struct tcp_outgoing *outgoing;

	if (READ_FIELD(typed, sk, sk_max_ack_backlog)) {
		party.direction = TCP_INBOUND;
		tcp_find_listener(typed, sk, &party);
		return party;
	}
	outgoing = bpf_map_lookup_elem(&tcp_outgoing, &key);
	if (outgoing) {
		party.owner = outgoing->owner;
		party.since_ns = outgoing->since_ns;
	} else {
		tcp_find_listener(typed, sk, &party);
	}
	return party;
}

static __always_inline void tcp_connects(struct sock *sk)
{
	__u64 key = (__u64)(unsigned long)sk;
	struct tcp_outgoing outgoing = {
		.owner = read_owner_of_current(),
		.since_ns = bpf_ktime_get_ns(),
	};

	map_set(&tcp_outgoing, &key, &outgoing, BPF_ANY);
}

/* Notes what a change of state says about owners. To be called first; tcp_forget last. */
static __always_inline void tcp_note(bool typed, struct sock *sk, int old_state, int new_state)
{
	if (new_state == TCP_LISTEN)
		tcp_listens(typed, sk);
	else if (old_state == TCP_LISTEN && new_state == TCP_CLOSE)
		tcp_stops_listening(typed, sk);
	else if (new_state == TCP_SYN_SENT)
		tcp_connects(sk);
}

static __always_inline void tcp_forget(bool typed, struct sock *sk, int old_state, int new_state)
{
	__u64 key = (__u64)(unsigned long)sk;

	/* incoming ones have no entry */
	if (new_state == TCP_CLOSE && old_state != TCP_LISTEN &&
	    !READ_FIELD(typed, sk, sk_max_ack_backlog))
		bpf_map_delete_elem(&tcp_outgoing, &key);
}

/* Does the process itself end the connection here? Then "current" is its owner. */
static __always_inline bool tcp_is_closed_by_current(int old_state, int new_state)
{
	return (old_state == TCP_ESTABLISHED && new_state == TCP_FIN_WAIT1) ||
	       (old_state == TCP_CLOSE_WAIT && new_state == TCP_LAST_ACK);
}

/*
 * Or does it throw it away (data unread, SO_LINGER 0: tcp_close, tcp_disconnect)? Whatever else ends a connection
 * at once says so in sk_err first.
 */
static __always_inline bool tcp_is_aborted_by_current(int old_state, int new_state, int error)
{
	return (old_state == TCP_ESTABLISHED || old_state == TCP_CLOSE_WAIT) &&
	       new_state == TCP_CLOSE && !error;
}

static __always_inline bool tcp_is_tcp(bool typed, struct sock *sk)
{
	return READ_FIELD(typed, sk, sk_protocol) == PROTO_TCP;
}

enum {
	S_IFMT = 0170000,
	S_IFSOCK = 0140000,
};

/* The TCP socket behind a descriptor that an iterator met; NULL = it is something else. */
static __always_inline struct sock *tcp_sock_of(struct file *file)
{
	struct socket *socket;
	struct sock *sk;

	if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	socket = file->private_data;
	sk = BPF_CORE_READ(socket, sk);
	return sk && tcp_is_tcp(false, sk) ? sk : 0;
}

/*
 * A walk meets a connection that went out. When the socket's end came between our look at its state and the entry, the
 * entry goes again.
 */
static __always_inline void tcp_outgoing_seen(struct sock *sk, struct owner owner)
{
	__u64 key = (__u64)(unsigned long)sk;
	struct tcp_outgoing *known = bpf_map_lookup_elem(&tcp_outgoing, &key), seen = {};

	if (known && known->owner.pid == owner.pid && known->owner.cgroup == owner.cgroup)
		return;
	if (known)
		seen.since_ns = known->since_ns;
	seen.owner = owner;
	map_set(&tcp_outgoing, &key, &seen, BPF_ANY);
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE)
		bpf_map_delete_elem(&tcp_outgoing, &key);
}
