/* SPDX-License-Identifier: GPL-2.0-only */
/* datagram - tells the user half of datagrams that could be DNS. Each stands for itself: nothing is remembered. */
#pragma once

#include "items/app/requests/stream.bpf.h"

enum { SOCKADDR_BYTES = 28, DNS_HEADER = 12 };

/* Of a socket that is not connected the caller names the peer. (Of a datagram that it receives it is told the peer
 * after we looked.) */
static __always_inline void read_peer(struct requests_datagram *event, __u64 name)
{
	__u8 address[SOCKADDR_BYTES] = {};
	__u16 family;

	if (!name || bpf_probe_read_user(address, 16, (void *)name))
		return;
	family = *(__u16 *)address;
	event->remote_port = __builtin_bswap16(*(__u16 *)(address + 2));
	if (family == AF_INET) {
		read_ip4(event->remote_addr, *(__be32 *)(address + 4));
	} else if (family == AF_INET6 &&
		   !bpf_probe_read_user(address, sizeof(address), (void *)name)) {
		__builtin_memcpy(event->remote_addr, address + 8, 16);
	}
}

static __always_inline void fill_datagram(bool typed, struct requests_datagram *event,
					  struct sock *sk, const struct call *call, __u32 moved,
					  __u32 direction)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct sock_addrs addrs;

	read_sock_addrs(sk, &addrs);
	event->head.flags = 0;
	/* (a socket without a cookie of its own is known by its address, which is not told) */
	event->cookie = read_sock_cookie(typed, sk);
	if (!event->cookie)
		event->cookie =
			1ull << 61 |
			(__u64)BPF_CORE_READ(sk, sk_socket, sk) * 0x9e3779b97f4a7c15ull >> 3;
	event->cgroup = cgroup_of_current();
	event->arrived_ns = 0;
	event->pid = id >> 32;
	event->tid = (__u32)id;
	event->netns = read_sock_netns(false, sk);
	event->moved = moved;
	event->direction = direction;
	event->pad = 0;
	__builtin_memcpy(event->local_addr, addrs.local_addr, 16);
	__builtin_memcpy(event->remote_addr, addrs.remote_addr, 16);
	event->local_port = addrs.local_port;
	event->remote_port = addrs.remote_port;
	if (!addrs.remote_port && direction == REQUESTS_OUT)
		read_peer(event, call->name);
}

static __always_inline bool is_datagram_filtered(bool typed, struct sock *sk)
{
	struct filter_settings *want = filter_get();

	if (!want || !want->active)
		return false;
	if (want->families && !(want->families & CANDIDATE_DNS))
		return true;
	return is_filtered(typed, read_sock_cookie(typed, sk), sk);
}

static __always_inline void tell_datagram(bool typed, struct room *room, struct sock *sk,
					  const struct call *call, __u32 moved, __u32 direction)
{
	struct requests_datagram *event = datagram_in(room);
	__u32 bytes;

	copy_bytes(room, call, moved, REQUESTS_DATAGRAM_MAX);
	bytes = room->head;
	if (bytes > REQUESTS_DATAGRAM_MAX)
		bytes = REQUESTS_DATAGRAM_MAX;
	if (bytes < DNS_HEADER || !candidate_is_dns(room->bytes))
		return;
	fill_datagram(typed, event, sk, call, moved, direction);
	event->first = bytes;
	emit_output(event, REQUESTS_DATAGRAM, sizeof(*event) + bytes);
}

static __always_inline void on_datagram(bool typed, struct sock *sk, int moved, __u32 direction,
					const struct call *given)
{
	struct call call = {};
	struct room *room;

	if (moved < DNS_HEADER || moved > 65535 || is_datagram_filtered(typed, sk))
		return;
	room = take_room();
	if (!room)
		return;
	if (given)
		call = *given;
	else
		read_call(sk, &call);
	tell_datagram(typed, room, sk, &call, moved, direction);
	room->is_taken = 0;
}

/* (Not inlined, so that what is done for streams lies together.) */
static __attribute__((noinline)) void on_typed_datagram(struct sock *sk, int moved, __u32 direction)
{
	on_datagram(true, sk, moved, direction & 1, 0);
}
