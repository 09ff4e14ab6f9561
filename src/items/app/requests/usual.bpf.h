/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usual - exchanges that need not be told, because there is nothing in them to read.
 *
 * Busy services are asked the same thing over and over. A request that the user half has read before, byte for byte, needs no
 * reading; and of its response only the length matters. So for connections that have a slot (usual_slots.h)
 *
 *	- a call that moves a whole known request (by the hash of its bytes) is not told yet,
 *	- of the first call of the response status and Content-Length are looked at, where they stood last time; the end of the
 *	  head must be where it has to be then, and no byte may be missing or too many,
 *	- when its last byte has moved the times of the exchange are noted. Several are told at once.
 *
 * Whatever is different (another request, another head, bytes that moved unseen, a second request before the response) ends that: what
 * is noted is told first, the request that was held back as well (by its number: the user half has its bytes), and the call
 * like any other. The next USUAL_SETTLING exchanges are told in full, however usual they are.
 *
 * Both ends of a connection flush at the same requests (by their position), so that what one noted finds what the other did.
 */
#pragma once

#include "items/app/requests/arrival.bpf.h"
#include "items/app/requests/call.bpf.h"
#include "items/app/requests/usual_slots.h"

static const __u64 USUAL_PAUSE_NS = 10000000; /* behind a longer one nothing waits */

/* One: what all go by. Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct usual_settings);
} usual_settings SEC(".maps");

/* Hash modulo its size -> a request that has been read before. Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, USUAL_KNOWN);
	__type(key, __u32);
	__type(value, struct usual_known);
} usual_known SEC(".maps");

/* Cookie modulo its size -> a connection. Granted by user space, which also fetches what waits there for long. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, USUAL_SLOTS);
	__type(key, __u32);
	__type(value, struct usual_slot);
} usual_slots SEC(".maps");

/* ---- telling ---- */

/* What was counted as cut, when it was kept back, was lost. */
static __always_inline void usual_note_lost(struct connection *connection, __u64 bytes,
					    __u32 direction)
{
	connection->cut[direction & 1] -= bytes;
	note_lost(connection, bytes, direction & 1);
}

/* The exchanges that wait. `room` is 0 where none is taken. */
static __attribute__((noinline)) void usual_flush(struct room *room, struct usual_slot *slot,
						  struct connection *connection)
{
	struct usual_event *event = &slot->event;
	__u64 count = event->count, size;

	if (!count)
		return;
	asm volatile("" : "+r"(count)); /* (as in copy_buffer) */
	if (count > USUAL_BATCH)
		count = USUAL_BATCH;
	size = __builtin_offsetof(struct usual_event, exchange) +
	       count * sizeof(struct usual_exchange);
	event->head.kind = REQUESTS_USUAL;
	event->head.size = size;
	event->head.flags = 0;
	event->head.ktime_ns = slot->last_ns;
	event->cookie = connection->cookie;
	if (bpf_ringbuf_output(&events, event, size,
			       room ? wakeup_of(room, size, false) : emit_wakeup())) {
		count_add(COUNT_LOST_RING);
		usual_note_lost(connection, slot->bytes[REQUESTS_IN], REQUESTS_IN);
		usual_note_lost(connection, slot->bytes[REQUESTS_OUT], REQUESTS_OUT);
	} else {
		count_add(COUNT_EMITTED);
	}
	event->count = 0;
	slot->bytes[REQUESTS_IN] = slot->bytes[REQUESTS_OUT] = 0;
}

/* The request that was kept back; of its response, what was kept back too can't be told any more. */
static __always_inline void usual_tell_asked(struct usual_slot *slot, struct connection *connection)
{
	struct requests_data *asked = (struct requests_data *)slot->asked;
	__u32 direction = asked->direction & 1;

	asked->head.flags |= REQUESTS_BY_NUMBER;
	asked->head.size = sizeof(slot->asked);
	asked->first = sizeof(__u32);
	asked->last = 0;
	if (bpf_ringbuf_output(&events, asked, sizeof(slot->asked), emit_wakeup())) {
		count_add(COUNT_LOST_RING);
		usual_note_lost(connection, asked->moved, direction);
	} else {
		count_add(COUNT_EMITTED);
		connection->cut[direction] -= asked->moved;
		connection->captured[direction] += asked->moved;
	}
	if (slot->phase == USUAL_ANSWERING)
		connection->cut_before[!direction] += slot->response_bytes;
}

/* Something is not usual: all that was kept back is told, before the call that is under way. */
static __attribute__((noinline)) void usual_stop(struct room *room, struct usual_slot *slot,
						 struct connection *connection)
{
	usual_flush(room, slot, connection);
	if (slot->phase != USUAL_NOTHING && !slot->is_told)
		usual_tell_asked(slot, connection);
	slot->phase = USUAL_NOTHING;
	slot->in_row = 0;
	slot->is_torn = 0;
	if (room) {
		struct requests_data *data = data_in(room);

		data->cut_before = connection->cut_before[data->direction & 1];
		data->lost_before = connection->lost_before[data->direction & 1];
	}
}

/* ---- the slot ---- */

static __always_inline struct usual_slot *usual_take(const struct connection *connection)
{
	__u32 place = connection->cookie % USUAL_SLOTS;
	struct usual_slot *slot = bpf_map_lookup_elem(&usual_slots, &place);

	if (!slot || slot->cookie != connection->cookie)
		return 0;
	if (__sync_lock_test_and_set(&slot->busy, 1)) {
		slot->is_torn = 1;
		return 0;
	}
	if (slot->cookie == connection->cookie)
		return slot;
	__sync_lock_test_and_set(&slot->busy, 0);
	return 0;
}

static __always_inline void usual_let_go(struct usual_slot *slot)
{
	__sync_lock_test_and_set(&slot->busy, 0);
}

/* ---- a request ---- */

/* Hash of the first `bytes` bytes in room `number`. (Not inlined: verifiers follow it once.) */
__attribute__((noinline)) __u64 usual_hash(__u32 number, __u32 bytes, __u64 seed, __u32 port)
{
	struct room *room = bpf_map_lookup_elem(&rooms, &number);
	__u64 hash = usual_hash_begin(seed, port, bytes);

	if (!room || bytes > USUAL_BYTES)
		return 0;
	__builtin_memset(room->bytes + bytes, 0, 8);
	for (__u32 i = 0; i < USUAL_BYTES && i < bytes; i += 8)
		hash = usual_mix(hash, *(__u64 *)(room->bytes + i));
	return usual_hash_end(hash);
}

static __always_inline __u32 usual_port(const struct connection *connection, struct sock *sk)
{
	return connection->is_accepted ? sk->__sk_common.skc_num
				       : __builtin_bswap16(sk->__sk_common.skc_dport);
}

/* The request that lies in the room, all of it: is it one of those? */
static __always_inline struct usual_known *
usual_find(struct room *room, struct sock *sk, const struct connection *connection, __u32 bytes)
{
	__u32 zero = 0, place;
	struct usual_settings *settings = bpf_map_lookup_elem(&usual_settings, &zero);
	struct usual_known *known;
	__u64 hash;

	if (!settings)
		return 0;
	hash = usual_hash(room->number, bytes, settings->seed, usual_port(connection, sk));
	place = hash % USUAL_KNOWN;
	known = bpf_map_lookup_elem(&usual_known, &place);
	return known && known->hash == hash ? known : 0;
}

static __always_inline bool usual_has_holes(const struct connection *connection)
{
	return connection->cut_before[0] | connection->cut_before[1] | connection->lost_before[0] |
	       connection->lost_before[1];
}

/* The bytes of the call, up to `want`, without its end. */
static __always_inline bool usual_read(struct room *room, struct sock *sk, __u32 moved, __u32 want)
{
	struct call call;

	read_call(sk, &call);
	if (call.is_uring)
		return false;
	room->head = room->tail = room->seen = 0;
	if (want > moved)
		want = moved;
	if (call.at)
		copy_buffer(room, &call, want, want);
	else if (call.pieces)
		copy_pieces(call.pieces, call.piece_count, want, want, room->number);
	return room->head >= want;
}

/* True: it need not be told. */
static __always_inline bool usual_ask(struct room *room, struct usual_slot *slot, struct sock *sk,
				      struct connection *connection, __u32 moved, __u32 direction)
{
	struct requests_data *asked = (struct requests_data *)slot->asked;
	struct usual_known *known = 0;

	if (slot->phase != USUAL_NOTHING || slot->is_torn)
		usual_stop(room, slot, connection);
	else if (moved <= USUAL_BYTES && connection->is_told && !usual_has_holes(connection) &&
		 usual_read(room, sk, moved, moved))
		known = usual_find(room, sk, connection, moved);
	if (!known) {
		usual_stop(room, slot, connection);
		return false;
	}
	slot->known = *(volatile struct usual_known *)known;
	*asked = *data_in(room);
	slot->asked[USUAL_ASKED_WORDS - 1] = slot->known.number;
	slot->response_bytes = 0;
	slot->phase = USUAL_ASKED;
	slot->is_told = slot->in_row < USUAL_SETTLING;
	if (slot->is_told)
		return false;
	connection->cut[direction] += moved;
	return true;
}

/* ---- a response ---- */

/* Bytes of the response whose head lies in the room, by its own word; 0 = it looks different from the last one. */
static __always_inline __u64 usual_length(const struct room *room, const struct usual_known *known)
{
	const __u64 lower = 0x2020202020202020ull;
	__u32 at = known->length_at & 1023, digits = 0, end;
	const __u8 *head = room->bytes;
	__u64 length = 0;

	if (at < 32)
		return 0;
	if ((*(__u64 *)head != 0x312e312f50545448ull && /* "HTTP/1.1" */
	     *(__u64 *)head != 0x302e312f50545448ull) ||
	    *(__u32 *)(head + USUAL_STATUS_AT) != known->status)
		return 0;
	head += at;
	if (*(__u16 *)(head - 18) != 0x0a0d || /* CR LF "content-length: " */
	    (*(__u64 *)(head - 16) | lower) != 0x2d746e65746e6f63ull ||
	    (*(__u64 *)(head - 8) | lower) != 0x203a6874676e656cull)
		return 0;
	for (; digits < USUAL_DIGITS; digits++) {
		__u8 digit = head[digits] - '0';

		if (digit > 9)
			break;
		length = length * 10 + digit;
	}
	end = (known->head_bytes + digits - known->digits) & 1023;
	if (!digits || head[digits] != '\r' || end < 32 || end <= at ||
	    *(__u32 *)(room->bytes + end - 4) != 0x0a0d0a0d)
		return 0;
	return end + length;
}

/* The times of an exchange that has ended now. */
static __always_inline void usual_note(struct room *room, struct usual_slot *slot,
				       struct connection *connection, __u32 direction)
{
	const struct requests_data *asked = (const struct requests_data *)slot->asked,
				   *last = data_in(room);
	__u32 zero = 0;
	__u64 place = slot->event.count;
	struct usual_settings *settings = bpf_map_lookup_elem(&usual_settings, &zero);
	struct usual_exchange *exchange;
	__u64 now_ns = last->head.ktime_ns, pause_ns = now_ns - slot->last_ns;

	slot->phase = USUAL_NOTHING;
	if (slot->is_told) {
		slot->in_row++;
		return;
	}
	if (!place) {
		slot->event.position[direction] =
			last->position + last->moved - slot->response_bytes;
		slot->event.position[!direction] = asked->position;
	}
	exchange = &slot->event.exchange[place & (USUAL_BATCH - 1)];
	exchange->asked_ns = asked->head.ktime_ns;
	exchange->waited_ns = slot->waited_ns;
	exchange->answered_ns = slot->answered_ns - asked->head.ktime_ns;
	exchange->took_ns = now_ns - slot->answered_ns;
	exchange->response_bytes = slot->response_bytes;
	exchange->number = slot->known.number;
	slot->event.pid = last->pid;
	slot->event.tid = last->tid;
	slot->event.srtt_us = last->srtt_us;
	__sync_fetch_and_add(&slot->event.count, 1);
	slot->bytes[direction] += slot->response_bytes;
	slot->bytes[!direction] += asked->moved;
	slot->last_ns = now_ns;
	if (place + 1 >= USUAL_BATCH || pause_ns > USUAL_PAUSE_NS || !settings ||
	    settings->batch < 2 ||
	    asked->position / (asked->moved | 1) % USUAL_BATCH == USUAL_BATCH - 1)
		usual_flush(room, slot, connection);
}

static __always_inline __u32 usual_waited(const struct requests_data *received)
{
	__u64 waited_ns = received->head.ktime_ns - received->arrived_ns;

	return received->arrived_ns && waited_ns < USUAL_UNSEEN ? waited_ns : USUAL_UNSEEN;
}

/* True: what has just moved is the response, or as much of it as was still to come; `due` is what is not. */
static __always_inline bool usual_begins(struct room *room, struct usual_slot *slot,
					 struct sock *sk, __u32 moved, __u32 direction)
{
	const struct requests_data *asked = (const struct requests_data *)slot->asked,
				   *answer = data_in(room);
	__u64 total, wait_ns = answer->head.ktime_ns - asked->head.ktime_ns;
	__u32 head_bytes = slot->known.head_bytes + USUAL_DIGITS;

	if (slot->phase != USUAL_ASKED || slot->is_torn || wait_ns >= USUAL_UNSEEN ||
	    head_bytes > 1024 || answer->cut_before || answer->lost_before ||
	    !usual_read(room, sk, moved, head_bytes))
		return false;
	if (room->head < head_bytes && room->head < 1024)
		__builtin_memset(room->bytes + room->head, 0, 8);
	total = usual_length(room, &slot->known);
	if (!total || total < moved || total > 1u << 31)
		return false;
	slot->due = total - moved;
	slot->answered_ns = answer->head.ktime_ns;
	slot->waited_ns = usual_waited(direction == REQUESTS_IN ? answer : asked);
	slot->phase = USUAL_ANSWERING;
	return true;
}

static __always_inline bool usual_answer(struct room *room, struct usual_slot *slot,
					 struct sock *sk, struct connection *connection,
					 __u32 moved, __u32 direction)
{
	const struct requests_data *answer = data_in(room);
	bool is_told = slot->is_told;

	if (slot->phase == USUAL_ANSWERING && moved <= slot->due && !answer->cut_before &&
	    !answer->lost_before && !slot->is_torn) {
		slot->due -= moved;
	} else if (!usual_begins(room, slot, sk, moved, direction)) {
		usual_stop(room, slot, connection);
		return false;
	}
	slot->response_bytes += moved;
	if (!is_told)
		connection->cut[direction] += moved;
	if (!slot->due)
		usual_note(room, slot, connection, direction);
	return !is_told;
}

/* A call that moved bytes. True: it need not be told. */
static __always_inline bool usual_keeps(struct room *room, struct usual_slot *slot, struct sock *sk,
					struct connection *connection, __u32 moved, __u32 direction)
{
	bool is_request = (direction == REQUESTS_IN) == connection->is_accepted;

	if (connection->has_used_uring) {
		usual_stop(room, slot, connection);
		return false;
	}
	direction &= 1;
	return is_request ? usual_ask(room, slot, sk, connection, moved, direction)
			  : usual_answer(room, slot, sk, connection, moved, direction);
}

/* The connection ends. */
static __always_inline void usual_end(struct connection *connection)
{
	struct usual_slot *slot = usual_take(connection);

	if (!slot)
		return;
	usual_stop(0, slot, connection);
	usual_let_go(slot);
}
