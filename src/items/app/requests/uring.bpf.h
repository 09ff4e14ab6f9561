/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uring - payload of io_uring's operations.
 *
 * They move bytes in the same functions as system calls do, so they are seen, counted and have their position;
 * but the registers of the running call say nothing of them. What they moved is told a moment later, when
 * the operation is complete: then the request says where its buffer is. In between the event waits in a hash, by socket and
 * direction; the oldest that waits there is the one that completes. If it isn't (an operation in several parts,
 * one that receives again and again into buffers of the ring), all that wait are given up, and their bytes are a hole.
 *
 * The programs here can't reach the socket's storage: what is lost by them is taken over with the connection's next call.
 */
#pragma once

enum { URING_SLOTS = 4, URING_LOST = URING_SLOTS };

enum uring_op { /* enum io_uring_op */
		URING_READV = 1,
		URING_WRITEV = 2,
		URING_READ_FIXED = 4,
		URING_WRITE_FIXED = 5,
		URING_SENDMSG = 9,
		URING_RECVMSG = 10,
		URING_READ = 22,
		URING_WRITE = 23,
		URING_SEND = 26,
		URING_RECV = 27,
		URING_SEND_ZC = 47,
		URING_SENDMSG_ZC = 48,
};

struct uring_key {
	__u64 sk;
	__u32 direction;
	__u32 slot;
};

struct uring_event {
	__u64 data[sizeof(struct requests_data) / 8];
	__u32 want, number; /* bytes of the beginning; which one, counted */
};

static __always_inline struct requests_data *data_of(struct uring_event *event)
{
	return (void *)event->data;
}

/* Socket, direction, slot -> an event that waits. In slot URING_LOST: how many bytes were lost here, as `moved`. Deleted when
 * complete, when given up, and with the connection. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct uring_key);
	__type(value, struct uring_event);
} uring SEC(".maps");

static __always_inline void uring_drop(struct sock *sk, __u32 direction)
{
	for (__u32 slot = 0; slot < URING_SLOTS; slot++) {
		struct uring_key key = {(__u64)sk, direction, slot};

		bpf_map_delete_elem(&uring, &key);
	}
}

/* What lies in the room waits for its bytes. They count as captured from here on. */
static __always_inline void uring_put(struct room *room, struct sock *sk,
				      struct connection *connection, __u32 want, __u32 direction)
{
	struct requests_data *data = data_in(room);
	struct uring_key key = {(__u64)sk, direction,
				connection->uring_slot[direction & 1]++ % URING_SLOTS};
	struct uring_event event = {.want = want, .number = connection->uring_slot[direction & 1]};
	__u32 captured = want < data->moved ? want : data->moved;

	__builtin_memcpy(event.data, data, sizeof(event.data));
	connection->has_used_uring = true;
	if (map_set(&uring, &key, &event, BPF_ANY))
		note_lost(connection, data->moved, direction);
	else
		note_told(connection, data->moved, captured, direction);
}

/*
 * Before a call is told: of one that throws bytes away there is no buffer; and nobody waits any more when a plain call follows
 * in the same direction, for events go out in order.
 */
static __always_inline void uring_forget(struct sock *sk, struct connection *connection,
					 struct call *call, bool is_thrown_away, __u32 direction)
{
	struct uring_key key = {(__u64)sk, direction, URING_LOST};
	struct uring_event *lost;

	if (is_thrown_away)
		*call = (struct call){};
	if (!connection->has_used_uring)
		return;
	lost = bpf_map_lookup_elem(&uring, &key);
	if (lost) {
		connection->lost[direction & 1] += data_of(lost)->moved;
		connection->captured[direction & 1] -= data_of(lost)->moved;
		connection->lost_before[direction & 1] += data_of(lost)->moved;
		bpf_map_delete_elem(&uring, &key);
	}
	if (!call->is_uring)
		uring_drop(sk, direction);
}

static __always_inline void uring_close(struct sock *sk, struct connection *connection)
{
	struct call none = {};

	uring_forget(sk, connection, &none, false, REQUESTS_IN);
	uring_forget(sk, connection, &none, false, REQUESTS_OUT);
}

/* ---- complete ---- */

static __always_inline void uring_call(struct io_kiocb *request, __u32 op, struct call *ret)
{
	struct io_sr_msg *message = (void *)request;
	struct io_rw *rw = (void *)request;

	switch (op) {
	case URING_SEND:
	case URING_SEND_ZC:
	case URING_RECV: ret->at = (__u64)BPF_CORE_READ(message, buf); break;
	case URING_SENDMSG:
	case URING_SENDMSG_ZC:
	case URING_RECVMSG: take_message((__u64)BPF_CORE_READ(message, buf), ret); break;
	case URING_READ:
	case URING_READ_FIXED:
	case URING_WRITE:
	case URING_WRITE_FIXED: ret->at = BPF_CORE_READ(rw, addr); break;
	case URING_READV:
	case URING_WRITEV:
		ret->pieces = BPF_CORE_READ(rw, addr);
		ret->piece_count = BPF_CORE_READ(rw, len);
		break;
	}
	ret->len = ~0u;
}

static __always_inline bool is_receiving(__u32 op)
{
	return op == URING_RECV || op == URING_RECVMSG || op == URING_READ || op == URING_READV ||
	       op == URING_READ_FIXED;
}

/* The slot of the oldest event that waits; URING_SLOTS = none does. */
static __always_inline __u32 uring_oldest(struct uring_key *key)
{
	__u32 oldest = URING_SLOTS, number = 0;

	for (__u32 slot = 0; slot < URING_SLOTS; slot++) {
		struct uring_event *event;

		key->slot = slot;
		event = bpf_map_lookup_elem(&uring, key);
		if (event && (oldest == URING_SLOTS || (__s8)(event->number - number) < 0)) {
			oldest = slot;
			number = event->number;
		}
	}
	return oldest;
}

static __always_inline void uring_lose(struct uring_key *key, const struct requests_data *data)
{
	struct uring_event lost = {}, *before;

	key->slot = URING_LOST;
	before = bpf_map_lookup_elem(&uring, key);
	data_of(&lost)->moved = data->moved + (before ? data_of(before)->moved : 0);
	map_set(&uring, key, &lost, BPF_ANY);
}

static __always_inline void uring_tell(struct uring_key *key, struct uring_event *event,
				       const struct call *call)
{
	struct room *room = take_room();

	if (!room) {
		uring_lose(key, data_of(event));
		return;
	}
	__builtin_memcpy(data_in(room), event->data, sizeof(event->data));
	copy_bytes(room, call, data_of(event)->moved, event->want);
	if (!send_data(room, false))
		uring_lose(key, data_of(event));
	room->is_taken = 0;
}

static __always_inline int on_complete(struct io_kiocb *request, int result)
{
	struct uring_key key = {};
	struct uring_event *event;
	struct call call = {};
	struct file *file;
	struct socket *socket;
	__u32 op;

	if (!request)
		return 0;
	op = BPF_CORE_READ(request, opcode);
	uring_call(request, op, &call);
	if (!call.at && !call.pieces)
		return 0;
	file = BPF_CORE_READ(request, file);
	socket = BPF_CORE_READ(
		file, private_data); /* (of other files this is no socket, and finds nothing) */
	key.sk = (__u64)BPF_CORE_READ(socket, sk);
	key.direction = is_receiving(op) ? REQUESTS_IN : REQUESTS_OUT;
	key.slot = uring_oldest(&key);
	event = bpf_map_lookup_elem(&uring, &key);
	if (!event || key.slot >= URING_SLOTS)
		return 0;
	if (result <= 0 || data_of(event)->moved != (__u32)result) {
		uring_drop((struct sock *)key.sk, key.direction);
		return 0;
	}
	uring_tell(&key, event, &call);
	key.slot = event->number - 1 & URING_SLOTS - 1;
	bpf_map_delete_elem(&uring, &key);
	return 0;
}
