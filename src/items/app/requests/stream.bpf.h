/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream - tells the user half what moved over a connection.
 *
 * Of each call the first bytes are copied, and a few of its end; what lies between is only counted. How many, the user half
 * says for each connection (verdicts, passes: requests.h), and whether it wants any at all: most connections of most machines
 * cost no more than a look at their storage. As long as it has said nothing, calls whose first bytes no parser could take
 * are not told either (candidate.h).
 */
#pragma once

#include "items/app/requests/arrival.bpf.h"
#include "items/app/requests/call.bpf.h"

/* ---- the ring ---- */

/* Is the reader to be woken? Asking how full the ring is costs more than an event's header, so only after so many bytes. */
static __always_inline __u64 wakeup_of(struct room *room, __u32 bytes, bool is_urgent)
{
	__u64 quarter;

	if (is_urgent)
		return BPF_RB_FORCE_WAKEUP;
	room->unasked += bytes;
	if (room->unasked < room->may_be_unasked)
		return BPF_RB_NO_WAKEUP;
	quarter = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 4;
	room->unasked = 0;
	room->may_be_unasked = quarter / 64;
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= quarter ? BPF_RB_FORCE_WAKEUP
									: BPF_RB_NO_WAKEUP;
}

static __always_inline void note_lost(struct connection *connection, __u32 bytes, __u32 direction)
{
	connection->lost[direction] += bytes;
	connection->lost_before[direction] += bytes;
}

static __always_inline __u64 cgroup_of_current(void)
{
	return item_cgroup1 ? cgroup_of((struct task_struct *)bpf_get_current_task())
			    : bpf_get_current_cgroup_id();
}

/* Both ends of a Unix stream know each other by where they lie, which is nobody else's business. */
static __always_inline void read_unix_ends(struct sock *sk, struct requests_open *event)
{
	const __u64 odd = 0x9e3779b97f4a7c15ull;
	__u64 *local = (__u64 *)event->local_addr, *remote = (__u64 *)event->remote_addr;
	__u64 own = (__u64)BPF_CORE_READ(sk, sk_socket, sk) * odd,
	      peer = (__u64)BPF_CORE_READ((struct unix_sock *)sk, peer) * odd;

	local[0] = own ^ own >> 29;
	remote[0] = peer ^ peer >> 29;
	local[1] = remote[1] = 0;
	event->local_port = event->remote_port = 0;
	event->transport = REQUESTS_UNIX;
}

static __always_inline void read_ends(struct sock *sk, struct requests_open *event)
{
	struct sock_addrs addrs;

	read_sock_addrs(sk, &addrs);
	__builtin_memcpy(event->local_addr, addrs.local_addr, 16);
	__builtin_memcpy(event->remote_addr, addrs.remote_addr, 16);
	event->local_port = addrs.local_port;
	event->remote_port = addrs.remote_port;
	event->transport = PROTO_TCP;
}

static __always_inline bool tell_open(struct sock *sk, struct connection *connection,
				      const struct tcp_sock *tcp)
{
	struct requests_open *event = emit_reserve(REQUESTS_OPEN, sizeof(*event));

	if (!event)
		return false;
	event->cookie = connection->cookie;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->cgroup = cgroup_of_current();
	event->netns = read_sock_netns(false, sk);
	for (int i = 0; i < 2; i++)
		event->position[i] = connection->begin[i];
	if (tcp)
		read_ends(sk, event);
	else
		read_unix_ends(sk, event);
	event->is_accepted = connection->is_accepted;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	connection->is_told = true;
	emit_submit(event);
	return true;
}

static __always_inline void tell_closed(struct connection *connection)
{
	struct requests_closed *event;

	if (!connection->is_told)
		return;
	event = emit_reserve(REQUESTS_CLOSED, sizeof(*event));
	if (!event)
		return;
	event->cookie = connection->cookie;
	for (int i = 0; i < 2; i++) {
		event->position[i] = connection->position[i];
		event->moved[i] = connection->moved[i];
		event->captured[i] = connection->captured[i];
		event->cut[i] = connection->cut[i];
		event->lost[i] = connection->lost[i];
	}
	emit_submit(event);
}

/* ---- what is wanted ---- */

/* (A call of moderate length may be several messages, however long they were before: it is not cut.) */
static __always_inline __u32 wanted_bytes(const struct connection *connection, __u32 moved,
					  __u32 direction)
{
	__u32 log2 = connection->verdict >> (direction ? 16 : 8) & 31;
	bool is_request = (direction == REQUESTS_IN) == connection->is_accepted;

	if (log2)
		return moved <= MODERATE_BYTES ? MODERATE_BYTES : 1u << log2;
	if (connection->undecided_bytes >= UNDECIDED_BYTES)
		return UNDECIDED_LITTLE;
	return connection->undecided_bytes >= UNDECIDED_FULL ||
			       connection->learnt & (is_request ? REQUESTS_LONG_REQUESTS
								: REQUESTS_LONG_RESPONSES)
		       ? head_bytes
		       : REQUESTS_HEAD_MAX;
}

/* Of an unknown connection: is there anything in it for a parser that somebody asked for? */
static __always_inline bool is_hopeful(struct connection *connection, const struct room *room,
				       __u32 moved)
{
	struct filter_settings *want;
	int families;

	if ((connection->verdict & 0xff) == REQUESTS_WANTED || connection->misses == HOPEFUL)
		return true;
	families = room_candidate(room->number, moved);
	want = filter_get();
	if (want && want->active && want->families)
		families &= want->families;
	if (families) {
		connection->misses = HOPEFUL;
		return true;
	}
	connection->misses++;
	return false;
}

/* Of a socket of the kernel's own (NFS) no descriptor leads to it, and the running call knows nothing of its bytes. */
static __always_inline bool is_kernels(bool typed, struct sock *sk)
{
	if (typed)
		return !sk->sk_socket->file;
	return !BPF_CORE_READ(sk, sk_socket, file);
}

static __always_inline bool is_filtered(bool typed, __u64 cookie, struct sock *sk)
{
	struct filter_settings *want = filter_get();
	struct sock_addrs addrs = {};
	__u16 remote_port;

	if (!want || !want->active)
		return false;
	if (!filter_current() || !filter_sample(cookie))
		return true;
	if (READ_FIELD(typed, sk, __sk_common.skc_family) == AF_UNIX)
		return want->port || want->addr_set;
	remote_port = READ_FIELD(typed, sk, __sk_common.skc_dport);
	if (!remote_port) /* of datagrams: their other end is not the socket's */
		return false;
	if (!filter_ports(READ_FIELD(typed, sk, __sk_common.skc_num),
			  __builtin_bswap16(remote_port)))
		return true;
	if (!want->addr_set)
		return false;
	read_sock_addrs(sk, &addrs);
	return !filter_addrs((__u64 *)addrs.local_addr, (__u64 *)addrs.remote_addr);
}

/* ---- telling ---- */

/* All that is received has been told or cut up to there, as far as who sends now knows; 0 = not known. */
static __always_inline __u64 received_until(const struct connection *connection, __u64 id)
{
	return connection->receiver == (__u32)id && !connection->lost_before[REQUESTS_IN] &&
			       !connection->has_used_uring
		       ? connection->position[REQUESTS_IN]
		       : 0;
}

static __always_inline __u32 srtt_us(bool typed, struct tcp_sock *tcp)
{
	return tcp ? READ_FIELD(typed, tcp, srtt_us) >> 3 : 0;
}

static __always_inline void fill_data(bool typed, struct requests_data *data,
				      struct connection *connection, struct tcp_sock *tcp,
				      const struct move *move)
{
	__u32 direction = move->direction & 1;

	data->head.kind = REQUESTS_DATA;
	data->head.flags = move->moved ? 0 : REQUESTS_END;
	data->head.ktime_ns = move->ns;
	data->cookie = connection->cookie;
	data->position = move->position;
	data->pid = move->id >> 32;
	data->tid = (__u32)move->id;
	data->moved = move->moved;
	data->cut_before = connection->cut_before[direction];
	data->lost_before = connection->lost_before[direction];
	data->srtt_us = srtt_us(typed, tcp);
	data->direction = direction;
	data->received = move->received;
	data->arrived_ns = move->arrived_ns;
	data->arrived_last_ns = move->arrived_last_ns;
}

/* The bytes of this event are counted: told, they are captured or cut. */
static __always_inline void note_told(struct connection *connection, __u32 moved, __u32 captured,
				      __u32 direction)
{
	if (is_undecided(connection)) {
		connection->undecided_bytes += captured;
		connection->undecided_calls++;
	}
	connection->captured[direction] += captured;
	connection->cut[direction] += moved - captured;
	connection->cut_before[direction] = 0;
	connection->lost_before[direction] = 0;
}

/* Sends what lies in the room. False: the ring was full. */
static __always_inline bool send_data(struct room *room, bool is_urgent)
{
	struct requests_data *data = data_in(room);
	__u64 bytes = room->head + room->tail;

	data->first = room->head;
	data->last = room->tail;
	asm volatile("" : "+r"(bytes)); /* (as in copy_buffer) */
	if (bytes > REQUESTS_HEAD_MAX + REQUESTS_TAIL)
		bytes = REQUESTS_HEAD_MAX + REQUESTS_TAIL;
	data->head.size = sizeof(*data) + bytes;
	return emit_built(data, sizeof(*data) + bytes,
			  wakeup_of(room, sizeof(*data) + bytes, is_urgent));
}

/* A busy connection of which nothing is known: the reader shall look at it now, and not at its next tick. */
static __always_inline bool is_urgent(const struct connection *connection, __u32 captured)
{
	__u32 before = connection->undecided_bytes / UNDECIDED_WAKEUP_BYTES,
	      after = (connection->undecided_bytes + captured) / UNDECIDED_WAKEUP_BYTES;

	return is_undecided(connection) &&
	       (connection->undecided_calls % UNDECIDED_WAKEUP == UNDECIDED_WAKEUP - 1 ||
		before != after);
}

#include "items/app/requests/uring.bpf.h"
#include "items/app/requests/usual.bpf.h"

static __always_inline void tell_from(bool typed, struct room *room, struct sock *sk,
				      struct connection *connection, struct tcp_sock *tcp,
				      const struct call *call, __u32 want, __u32 moved,
				      __u32 direction)
{
	if (moved)
		copy_bytes(room, call, moved, want);
	if (moved && want && !call->is_uring && !is_hopeful(connection, room, moved)) {
		note_cut(connection, moved, direction);
		return;
	}
	if (!connection->is_told && is_kernels(typed, sk)) {
		connection->misses = MISSES;
		note_cut(connection, moved, direction);
		return;
	}
	if (!connection->is_told && !tell_open(sk, connection, tcp)) {
		note_lost(connection, moved, direction);
		return;
	}
	if (call->is_uring)
		uring_put(room, sk, connection, want, direction);
	else if (send_data(room, is_urgent(connection, room->head + room->tail)))
		note_told(connection, moved, room->head + room->tail, direction);
	else
		note_lost(connection, moved, direction);
}

/* `given`: the call where it is known already, 0 = the one that the running task is in. */
static __always_inline void tell_call(bool typed, struct room *room, struct sock *sk,
				      struct connection *connection, struct tcp_sock *tcp,
				      const struct call *given, __u32 want, __u32 moved,
				      __u32 direction, __u32 flags)
{
	struct call call = {};

	if (given)
		call = *given;
	else if (moved)
		read_call(sk, &call);
	if (flags & MSG_TRUNC || connection->has_used_uring)
		uring_forget(sk, connection, &call, flags & MSG_TRUNC, direction);
	tell_from(typed, room, sk, connection, tcp, &call, want, moved, direction);
}

static __always_inline void tell_move(bool typed, struct sock *sk, struct connection *connection,
				      struct tcp_sock *tcp, const struct call *given,
				      struct move *move, __u32 want, __u32 flags)
{
	struct room *room = take_room();

	if (!room) {
		note_lost(connection, move->moved, move->direction & 1);
		return;
	}
	room->head = room->tail = 0;
	move->ns = bpf_ktime_get_ns();
	move->arrived_ns = move->arrived_last_ns = 0;
	if (move->direction == REQUESTS_IN && move->moved)
		connection->arrivals.first = find_arrivals(&connection->arrivals,
							   connection->sequence[REQUESTS_IN], move);
	move->received = received_until(connection, move->id);
	fill_data(typed, data_in(room), connection, tcp, move);
	tell_call(typed, room, sk, connection, tcp, given, want, move->moved, move->direction & 1,
		  flags);
	room->is_taken = 0;
}

/* True: the bytes belong to an exchange that need not be told (usual.bpf.h). */
static __always_inline bool is_kept_back(struct sock *sk, struct tcp_sock *tcp, struct move *move)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct usual_slot *slot = slot_of_cookie(cookie);
	bool is_kept;

	if (!slot || !slot_take(slot, cookie))
		return false;
	is_kept = usual_keeps(slot, sk, tcp, move);
	slot_let_go(slot);
	return is_kept;
}

static __always_inline void tell_stream(bool typed, struct sock *sk, struct tcp_sock *tcp,
					struct move *move, __u32 flags, const struct call *given)
{
	struct connection *connection = find_connection(typed, sk);
	__u32 want, tid = (__u32)move->id, moved = move->moved, direction = move->direction & 1;
	__u64 until;

	/* (what is read after the end is nobody's: there is no second end to forget it at) */
	if (!connection && moved && READ_FIELD(typed, sk, __sk_common.skc_state) != TCP_CLOSE)
		connection = join_connection(typed, sk, tcp, moved, direction);
	if (!connection)
		return;
	read_verdict(typed, connection, sk, tcp, moved, direction);
	if (is_unwanted(connection))
		return;
	if (direction == REQUESTS_IN)
		connection->receiver = tid;
	if (tcp && (!moved || (direction == REQUESTS_OUT && connection->receiver == tid)))
		catch_up(typed, connection, sk, tcp);
	move->position = connection->position[direction & 1];
	if (moved)
		move->position = advance(typed, connection, tcp, moved, direction);
	else if (!connection->is_told || !(READ_FIELD(typed, sk, sk_shutdown) & RCV_SHUTDOWN))
		return;
	if (is_filtered(typed, connection->cookie, sk)) {
		note_cut(connection, moved, direction);
		return;
	}
	until = pass_until(connection, direction);
	if (moved && move->position + moved < until) {
		note_cut(connection, moved, direction);
		return;
	}
	want = moved && move->position + moved == until
		       ? 0
		       : wanted_bytes(connection, moved, direction);
	tell_move(typed, sk, connection, tcp, given, move, want, flags);
}

static __always_inline struct move move_of(__u32 moved, __u32 direction)
{
	return (struct move){
		.id = bpf_get_current_pid_tgid(),
		.moved = moved,
		.direction = direction & 1,
	};
}

/* (Not inlined, so that what is done most often lies together, and that each has its own stack.) */
static __attribute__((noinline)) bool keep_back(struct sock *sk, struct tcp_sock *tcp, __u32 moved,
						__u32 direction)
{
	struct move move = move_of(moved, direction);

	return is_kept_back(sk, tcp, &move);
}

static __attribute__((noinline)) void tell_typed(struct sock *sk, struct tcp_sock *tcp, __u32 moved,
						 __u32 direction, __u32 flags)
{
	struct move move = move_of(moved, direction);

	tell_stream(true, sk, tcp, &move, flags, 0);
}

static __always_inline void on_stream(bool typed, struct sock *sk, __u32 moved, __u32 direction,
				      __u32 flags, const struct call *given)
{
	struct tcp_sock *tcp = tcp_of(typed, sk);
	struct move move;

	if (typed && !given) {
		if (!tcp || !keep_back(sk, tcp, moved, direction))
			tell_typed(sk, tcp, moved, direction, flags);
		return;
	}
	move = move_of(moved, direction);
	tell_stream(typed, sk, tcp, &move, flags, given);
}

static __always_inline void end_connection(bool typed, struct connection *connection,
					   struct sock *sk, struct tcp_sock *tcp)
{
	__u64 address = (__u64)sk;

	if (typed && tcp)
		usual_end(connection);
	catch_up_all(typed, connection, sk, tcp);
	if (connection->has_used_uring)
		uring_close(sk, connection);
	tell_closed(connection);
	connection->is_ending = false;
	if (!typed)
		bpf_map_delete_elem(&by_address, &address);
}

/*
 * A reset that comes while a process sends is looked at when it lets go of the socket, before we are told what was sent: then the
 * end has to wait for that. (Of close() the socket is shut down for both directions when its state changes.)
 */
static __always_inline bool is_call_under_way(bool typed, struct sock *sk)
{
	return READ_FIELD(typed, sk, sk_lock.owned) &&
	       (READ_FIELD(typed, sk, sk_shutdown) & BOTH_SHUTDOWN) != BOTH_SHUTDOWN;
}

static __always_inline int on_state(bool typed, struct sock *sk, int new_state)
{
	struct connection *connection;
	struct tcp_sock *tcp;

	if (new_state != TCP_ESTABLISHED && new_state != TCP_CLOSE)
		return 0;
	tcp = tcp_of(typed, sk);
	if (!tcp)
		return 0;
	if (new_state == TCP_ESTABLISHED) {
		make_connection(typed, sk, tcp);
		return 0;
	}
	connection = find_connection(typed, sk);
	if (!connection)
		return 0;
	/* (by address there would be nothing to forget it at, where no such call follows: setsockopt) */
	if (typed && connection->is_told && is_call_under_way(typed, sk))
		connection->is_ending = true;
	else
		end_connection(typed, connection, sk, tcp);
	return 0;
}

/* Behind each call of a TCP socket that is closed. (Likewise.) */
static __always_inline void on_ended(bool typed, struct sock *sk)
{
	struct connection *connection = find_connection(typed, sk);
	struct tcp_sock *tcp = tcp_of(typed, sk);

	if (connection && tcp && connection->is_ending)
		end_connection(typed, connection, sk, tcp);
}

static __attribute__((noinline)) void on_typed_ended(struct sock *sk)
{
	on_ended(true, sk);
}
