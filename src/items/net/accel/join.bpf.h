/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * join - connections that were parked (park.bpf.h) enter the sockhash.
 *
 * Not in a callback of theirs (bpf_sock_hash_update is for sockets that are just established), but when the sockets of
 * their network namespace are walked: iter/tcp holds their lock, and feeding a sockhash from it is safe since 6.4. Each end
 * enters by itself; the other one begins to redirect when it learns of that (`links`).
 *
 * An end enters only between two messages, with nothing in its receive queue: bytes of a buffer that was read in part would be
 * read twice (tcp_read_skb hands on whole ones). And only when its file is non-blocking: who is blocked in recv(), or on
 * the way into it, goes on looking at TCP's queue only.
 */
#pragma once

#include "items/net/accel/leave.bpf.h"
#include "items/net/accel/pairing.bpf.h"

static __always_inline bool is_quiet(struct sock *sk)
{
	struct file *file = BPF_CORE_READ(sk, sk_socket, file);

	return file && BPF_CORE_READ(file, f_flags) & O_NONBLOCK &&
	       !BPF_CORE_READ(sk, sk_receive_queue.qlen) && !calls_of_options(sk);
}

static __always_inline __u32 known_number(const struct accel_identity *identity)
{
	__u32 *number = bpf_map_lookup_elem(&numbers, identity);

	return number ? *number : 0;
}

static __always_inline bool may_join(const struct accel_settings *is, const struct parked *parked,
				     struct sock *sk)
{
	__u32 self = known_number(&parked->self), other = known_number(&parked->other);

	if (!self || !other || !parked->mate)
		return false;
	return !judge(is, self, other, parked->is_across, parked->port, parked->peer_port) &&
	       is_quiet(sk);
}

static __always_inline void fill_side(struct side *side, const struct parked *parked,
				      const struct accel_settings *is)
{
	side->port = parked->port;
	side->peer_port = parked->peer_port;
	side->owner = parked->owner;
	side->self = known_number(&parked->self);
	side->other = known_number(&parked->other);
	side->is_across = parked->is_across;
	side->is_active = parked->is_active;
	side->listener = parked->listener;
	side->mate = parked->mate;
	side->epoch = is->epoch;
	side->tcp_ns = bpf_ktime_get_ns(); /* (iterators have no coarse clock) */
}

static __always_inline void join(struct sock_common *common, struct tcp_sock *sk,
				 const struct parked *parked, __u64 cookie,
				 const struct accel_settings *is)
{
	struct side *side = bpf_sk_storage_get(&sides, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct link link = {.cookie = cookie};

	if (!side) {
		count_add(COUNT_LOST_MEMORY);
		return;
	}
	bpf_probe_read_kernel(&link.sk, sizeof(link.sk), &sk);
	fill_side(side, parked, is);
	side->cookie = cookie;
	side->sk = link.sk;
	if (bpf_map_update_elem(&socks, &cookie, common, BPF_NOEXIST)) {
		count_add(COUNT_LOST_MAP);
		bpf_sk_storage_delete(&sides, sk);
		return;
	}
	if (has_verdict && bpf_map_update_elem(&held, &cookie, common, BPF_NOEXIST))
		side->reason =
			ACCEL_NO_ROOM; /* it is not redirected to, and leaves when it is closed */
	else
		map_set(&links, &side->mate, &link, BPF_ANY);
	bpf_map_delete_elem(&lot, &cookie);
}

HOOK_OPTIONAL("iter/tcp", joining, 1)
int joining_walk(struct bpf_iter__tcp *iterator)
{
	struct accel_settings *is = settings_get();
	struct sock_common *common = iterator->sk_common;
	struct parked *parked;
	struct tcp_sock *sk;
	__u64 cookie;

	if (!common || !is || !is->on || common->skc_state != BPF_TCP_ESTABLISHED)
		return 0;
	cookie = common->skc_cookie.counter;
	parked = bpf_map_lookup_elem(&lot, &cookie);
	if (!parked)
		return 0;
	sk = bpf_skc_to_tcp_sock(common);
	if (sk && may_join(is, parked, (struct sock *)sk))
		join(common, sk, parked, cookie, is);
	return 0;
}
