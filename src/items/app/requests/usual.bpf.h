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
 * Both ends of a connection flush at the same requests (by their position), so that what one noted finds what the other did. And
 * what one end has sent, and read for that, the other need not read again when it receives it: the sender leaves a word
 * (struct usual_mailbox). One that does not, or not yet, is no loss but of time.
 */
#pragma once

#include "items/app/requests/arrival.bpf.h"
#include "items/app/requests/call.bpf.h"

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

/* ---- telling ---- */

/* What was counted as cut, when it was kept back, was lost. */
static __always_inline void usual_note_lost(struct connection *connection, __u64 bytes,
					    __u32 direction)
{
	connection->cut[direction & 1] -= bytes;
	note_lost(connection, bytes, direction & 1);
}

/* The exchanges that wait. */
static __attribute__((noinline)) void usual_flush(struct usual_slot *slot)
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
	event->cookie = slot->cookie;
	if (!emit_built(event, size, emit_wakeup())) {
		slot->lost[REQUESTS_IN] += slot->bytes[REQUESTS_IN];
		slot->lost[REQUESTS_OUT] += slot->bytes[REQUESTS_OUT];
		slot->has_lost = 1;
	}
	event->count = 0;
	slot->bytes[REQUESTS_IN] = slot->bytes[REQUESTS_OUT] = 0;
}

/* The request that was kept back; of its response, what was kept back too can't be told any more. */
static __always_inline void usual_tell_asked(struct usual_slot *slot, struct connection *connection)
{
	struct requests_data *data = (struct requests_data *)slot->told;
	__u32 direction = !connection->is_accepted; /* (enum requests_direction) */

	asm volatile(
		""
		: "+r"(direction)); /* (else the compiler knows that it is 0 or 1, and verifiers don't) */
	__builtin_memset(data, 0, sizeof(*data));
	data->head.kind = REQUESTS_DATA;
	data->head.size = sizeof(slot->told);
	data->head.flags = REQUESTS_BY_NUMBER;
	data->head.ktime_ns = slot->asked.ns;
	data->cookie = connection->cookie;
	data->position = slot->asked.position;
	data->received = slot->asked.received;
	data->arrived_ns = slot->asked.arrived_ns;
	data->arrived_last_ns = slot->asked.arrived_last_ns;
	data->pid = slot->asked.pid;
	data->tid = slot->asked.tid;
	data->moved = slot->asked.bytes;
	data->srtt_us = slot->asked.srtt_us;
	data->first = sizeof(slot->known.number);
	data->direction = direction;
	slot->told[USUAL_TOLD_WORDS - 1] = slot->known.number;
	if (!emit_built(data, sizeof(slot->told), emit_wakeup())) {
		usual_note_lost(connection, slot->asked.bytes, direction);
	} else {
		connection->cut[direction & 1] -= slot->asked.bytes;
		connection->captured[direction & 1] += slot->asked.bytes;
	}
	if (slot->phase == USUAL_ANSWERING)
		connection->cut_before[!direction] += slot->response_bytes;
}

/* Something is not usual: all that was kept back is told, before the call that is under way. */
static __attribute__((noinline)) void usual_stop(struct usual_slot *slot,
						 struct connection *connection)
{
	usual_flush(slot);
	if (slot->phase != USUAL_NOTHING && !slot->is_told)
		usual_tell_asked(slot, connection);
	for (int i = 0; i < 2; i++) {
		usual_note_lost(connection, slot->lost[i], i);
		slot->lost[i] = 0;
	}
	slot->phase = USUAL_NOTHING;
	slot->in_row = slot->is_torn = slot->has_lost = 0;
}

/* ---- holding a connection ---- */

static __always_inline bool usual_has_holes(const struct connection *connection)
{
	return connection->cut_before[0] | connection->cut_before[1] | connection->lost_before[0] |
	       connection->lost_before[1];
}

static __always_inline bool usual_may_hold(const struct connection *connection)
{
	return connection->is_told && !usual_has_holes(connection) && !is_unwanted(connection) &&
	       !connection->has_used_uring;
}

/* From now on what is known of the connection is in the slot. */
static __attribute__((noinline)) void usual_hold(struct usual_slot *slot,
						 const struct connection *connection)
{
	struct usual_mailbox *mailbox = &slot->mailbox;

	for (int i = 0; i < 2; i++) {
		slot->position[i] = connection->position[i];
		slot->sequence[i] = connection->sequence[i];
	}
	slot->receiver = connection->receiver;
	slot->verdict = connection->verdict;
	slot->is_accepted = connection->is_accepted;
	slot->holds = 1;
	mailbox->bytes = mailbox->number = 0;
	mailbox->first = mailbox->end = 0;
	for (int i = 0;
	     i < USUAL_MARKS && connection->arrivals.first + i != connection->arrivals.end; i++)
		mailbox->at[mailbox->end++ % USUAL_MARKS] =
			connection->arrivals.at[(connection->arrivals.first + i) % ARRIVALS];
	mailbox->cookie = slot->cookie;
}

/* And back. (What was told past the slot meanwhile has brought the connection further already: that stays.) */
static __attribute__((noinline)) void usual_release(struct usual_slot *slot,
						    struct connection *connection)
{
	struct usual_mailbox *mailbox = &slot->mailbox;

	slot->holds = 0;
	mailbox->cookie = 0;
	for (int i = 0; i < 2; i++) {
		__u64 moved = slot->position[i] - connection->position[i];

		if ((__s64)moved <= 0)
			continue;
		connection->position[i] += moved;
		connection->moved[i] += moved;
		connection->cut[i] += moved;
		connection->sequence[i] = slot->sequence[i];
	}
	connection->receiver = slot->receiver;
	connection->arrivals.first = connection->arrivals.end = 0;
	for (int i = 0; i < USUAL_MARKS && mailbox->first + i != mailbox->end; i++)
		connection->arrivals.at[connection->arrivals.end++ % ARRIVALS] =
			mailbox->at[(mailbox->first + i) % USUAL_MARKS];
}

/* ---- what one end says to the other ---- */

/* The call that has just sent is the beginning of a message of so many bytes: request `number`, or the response to it. */
static __always_inline void usual_vouch(const struct usual_slot *slot, const struct move *move,
					__u32 bytes, __u32 number)
{
	volatile struct usual_mailbox *mailbox = mailbox_of_cookie(slot->peer);
	__u64 tag = usual_tag(move->position, slot->sequence[REQUESTS_OUT]);

	if (!mailbox)
		return;
	mailbox->bytes = tag | bytes;
	mailbox->number = tag | number;
}

/* Bytes of the message that begins with the call that has just received, and its number; 0 = nobody vouches for it. */
static __always_inline __u32 usual_vouched(const struct usual_slot *slot, const struct move *move,
					   __u32 *ret_number)
{
	const volatile struct usual_mailbox *mailbox = &slot->mailbox;
	__u64 tag = usual_tag(move->position, slot->sequence[REQUESTS_IN]);
	__u64 bytes = mailbox->bytes ^ tag, number = mailbox->number ^ tag;

	*ret_number = (__u32)number;
	return bytes >> 32 || number >> 32 ? 0 : (__u32)bytes;
}

/* When the bytes arrived that are read now (as find_arrivals()). */
static __always_inline __u32 usual_find_arrivals(const struct usual_mailbox *mailbox, __u32 end,
						 struct move *move)
{
	__u32 first = end - move->moved + 1, number = mailbox->first;

	for (int i = 0; i < USUAL_MARKS && number != mailbox->end; i++, number++) {
		const struct arrival_mark *mark = &mailbox->at[number % USUAL_MARKS];

		if (!move->arrived_ns && !is_behind(first, mark->end))
			move->arrived_ns = mark->ns;
		if (!is_behind(end, mark->end)) {
			move->arrived_last_ns = mark->ns;
			return number + (mark->end == end);
		}
	}
	return number;
}

/* ---- a request ---- */

/* Of the first `bytes` bytes in the room. */
static __always_inline __u64 usual_hash(struct room *room, __u32 bytes, __u64 seed, __u32 port)
{
	__u64 even = usual_hash_begin(seed, port, bytes), odd = seed, at = bytes;

	asm volatile("" : "+r"(at)); /* (as in copy_buffer) */
	if (at > USUAL_BYTES)
		return 0;
	__builtin_memset(room->bytes + at, 0, 8 * USUAL_WORDS);
	for (__u32 i = 0; i < USUAL_BYTES && i < bytes; i += 8 * USUAL_WORDS) {
		even = usual_mix(even, *(__u64 *)(room->bytes + i));
		odd = usual_mix(odd, *(__u64 *)(room->bytes + i + 8));
	}
	return usual_hash_end(even, odd);
}

/* The request that lies in the room, all of it: is it one of those? */
static __always_inline struct usual_known *usual_find(struct room *room, struct sock *sk,
						      bool is_accepted, __u32 bytes)
{
	__u32 zero = 0, place;
	struct usual_settings *settings = bpf_map_lookup_elem(&usual_settings, &zero);
	struct usual_known *known;
	__u64 hash;

	if (!settings)
		return 0;
	hash = usual_hash(room, bytes, settings->seed, server_port(true, is_accepted, sk));
	place = hash % USUAL_KNOWN;
	known = bpf_map_lookup_elem(&usual_known, &place);
	return known && known->hash == hash ? known : 0;
}

/* The bytes of the call, up to `want`, without its end: those of a vector when they are in its first piece. */
static __always_inline bool usual_read(struct room *room, struct sock *sk, __u32 moved, __u32 want)
{
	struct call_registers registers = {};
	struct call_piece piece = {};
	struct call call = {};
	__u64 len = want < moved ? want : moved;

	if (!read_running_call(sk, &registers, &call.is_uring) || call.is_uring)
		return false;
	take_call(&registers, &call);
	piece.at = call.at;
	piece.len = call.len;
	if (call.pieces && bpf_probe_read_user(&piece, sizeof(piece), (void *)call.pieces))
		return false;
	if (len > piece.len)
		len = piece.len;
	if (!len)
		return false;
	asm volatile(
		""
		: "+r"(len)); /* (as in copy_buffer; and both comparisons are not to become one) */
	if (len > USUAL_BYTES || bpf_probe_read_user(room->bytes, len, (void *)piece.at))
		return false;
	room->head = len;
	return true;
}

/* The request that has just been received, by the word of who sent it. */
static __always_inline struct usual_known *usual_find_vouched(const struct usual_slot *slot,
							      const struct move *move)
{
	struct usual_known *known;
	__u32 number, place;

	if (move->direction != REQUESTS_IN || usual_vouched(slot, move, &number) != move->moved)
		return 0;
	place = number % USUAL_KNOWN;
	known = bpf_map_lookup_elem(&usual_known, &place);
	return known && known->hash && known->number == number ? known : 0;
}

static __always_inline struct usual_known *
usual_find_read(struct room *room, struct sock *sk, bool is_accepted, const struct move *move)
{
	if (move->moved > USUAL_BYTES || !usual_read(room, sk, move->moved, move->moved) ||
	    room->head != move->moved)
		return 0;
	return usual_find(room, sk, is_accepted, move->moved);
}

static __always_inline bool usual_ask(struct room *room, struct usual_slot *slot, struct sock *sk,
				      struct tcp_sock *tcp, const struct move *move)
{
	struct usual_known *known;

	if (slot->phase != USUAL_NOTHING)
		return false;
	known = usual_find_vouched(slot, move);
	if (!known)
		known = usual_find_read(room, sk, slot->is_accepted, move);
	if (!known)
		return false;
	slot->known = *(volatile struct usual_known *)known;
	if (move->direction == REQUESTS_OUT)
		usual_vouch(slot, move, move->moved, slot->known.number);
	slot->asked.ns = move->ns;
	slot->asked.arrived_ns = move->arrived_ns;
	slot->asked.arrived_last_ns = move->arrived_last_ns;
	slot->asked.position = move->position;
	slot->asked.received = move->received;
	slot->asked.pid = move->id >> 32;
	slot->asked.tid = (__u32)move->id;
	slot->asked.srtt_us = srtt_us(true, tcp);
	slot->asked.bytes = move->moved;
	slot->response_bytes = 0;
	slot->phase = USUAL_ASKED;
	slot->is_told = slot->in_row < USUAL_SETTLING;
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

/* How long received bytes lay in the socket. */
static __always_inline __u32 usual_waited(__u64 arrived_ns, __u64 read_ns)
{
	__u64 waited_ns = read_ns - arrived_ns;

	return arrived_ns && waited_ns < USUAL_UNSEEN ? waited_ns : USUAL_UNSEEN;
}

/* Exchanges of both ends are told in the same groups. */
static __always_inline bool usual_is_last(const struct usual_asked *asked)
{
	return asked->position / (asked->bytes | 1) % USUAL_BATCH == USUAL_BATCH - 1;
}

/* The times of an exchange that has ended now. */
static __always_inline void usual_note(struct usual_slot *slot, struct tcp_sock *tcp,
				       const struct move *last)
{
	__u32 zero = 0, direction = last->direction & 1;
	__u64 place = slot->event.count, pause_ns = last->ns - slot->last_ns;
	struct usual_settings *settings = bpf_map_lookup_elem(&usual_settings, &zero);
	struct usual_exchange *exchange;

	slot->phase = USUAL_NOTHING;
	if (slot->is_told) {
		slot->in_row++;
		return;
	}
	if (!place) {
		slot->event.position[direction] =
			last->position + last->moved - slot->response_bytes;
		slot->event.position[!direction] = slot->asked.position;
	}
	exchange = &slot->event.exchange[place & (USUAL_BATCH - 1)];
	exchange->asked_ns = slot->asked.ns;
	exchange->waited_ns = slot->waited_ns;
	exchange->answered_ns = slot->answered_ns - slot->asked.ns;
	exchange->took_ns = last->ns - slot->answered_ns;
	exchange->response_bytes = slot->response_bytes;
	exchange->number = slot->known.number;
	slot->event.pid = last->id >> 32;
	slot->event.tid = (__u32)last->id;
	slot->event.srtt_us = srtt_us(true, tcp);
	__sync_fetch_and_add(&slot->event.count, 1);
	slot->bytes[direction] += slot->response_bytes;
	slot->bytes[!direction] += slot->asked.bytes;
	slot->last_ns = last->ns;
	if (place + 1 >= USUAL_BATCH || pause_ns > USUAL_PAUSE_NS || !settings ||
	    settings->batch < 2 || usual_is_last(&slot->asked))
		usual_flush(slot);
}

/* Bytes of the response that begins with what has just moved; 0 = it is not as usual. */
static __always_inline __u64 usual_total(struct room *room, const struct usual_slot *slot,
					 struct sock *sk, const struct move *move)
{
	__u32 head_bytes = slot->known.head_bytes + USUAL_DIGITS, number;
	__u64 total;

	if (move->direction == REQUESTS_IN) {
		total = usual_vouched(slot, move, &number);
		if (total && number == slot->known.number)
			return total;
	}
	if (head_bytes > USUAL_BYTES || !usual_read(room, sk, move->moved, head_bytes))
		return 0;
	total = room->head;
	asm volatile("" : "+r"(total));
	if (total <= USUAL_BYTES) /* nothing of an earlier call is behind it */
		__builtin_memset(room->bytes + total, 0, 8 * USUAL_WORDS);
	return usual_length(room, &slot->known);
}

/* True: what has just moved is the response, or the beginning of it; `due` is what is still to come. */
static __always_inline bool usual_begins(struct room *room, struct usual_slot *slot,
					 struct sock *sk, const struct move *move)
{
	__u64 total, wait_ns = move->ns - slot->asked.ns;

	if (slot->phase != USUAL_ASKED || wait_ns >= USUAL_UNSEEN)
		return false;
	total = usual_total(room, slot, sk, move);
	if (!total || total < move->moved || total > 1u << 31)
		return false;
	if (move->direction == REQUESTS_OUT)
		usual_vouch(slot, move, total, slot->known.number);
	slot->due = total - move->moved;
	slot->answered_ns = move->ns;
	slot->waited_ns = move->direction == REQUESTS_IN
				  ? usual_waited(move->arrived_ns, move->ns)
				  : usual_waited(slot->asked.arrived_ns, slot->asked.ns);
	slot->phase = USUAL_ANSWERING;
	return true;
}

static __always_inline bool usual_answer(struct room *room, struct usual_slot *slot,
					 struct sock *sk, struct tcp_sock *tcp,
					 const struct move *move)
{
	if (slot->phase == USUAL_ANSWERING && move->moved <= slot->due)
		slot->due -= move->moved;
	else if (!usual_begins(room, slot, sk, move))
		return false;
	slot->response_bytes += move->moved;
	if (!slot->due)
		usual_note(slot, tcp, move);
	return true;
}

/* ---- a call ---- */

/* (Not inlined: it is rare that somebody has a filter.) */
static __attribute__((noinline)) bool usual_is_filtered(__u64 cookie, struct sock *sk)
{
	return is_filtered(true, cookie, sk);
}

/* Has the user half nothing new to say, and nobody a filter against it? */
static __always_inline bool usual_is_undisturbed(const struct usual_slot *slot, struct sock *sk)
{
	__u32 place = slot->cookie % REQUESTS_VERDICTS;
	__u64 *verdict = bpf_map_lookup_elem(&verdicts, &place), word;
	struct filter_settings *want = filter_get();

	if (!verdict || (want && want->active && usual_is_filtered(slot->cookie, sk)))
		return false;
	word = *(volatile __u64 *)verdict;
	return (__u32)word == slot->verdict ||
	       word >> 32 != (__u32)(slot->cookie / REQUESTS_VERDICTS + 1);
}

/*
 * Where the call's bytes began, and when they came; false: some moved before them that nobody saw. (As advance() and
 * catch_up() look at it, but nothing is changed: the call may still have to be told.)
 */
static __always_inline bool usual_places(struct usual_slot *slot, struct tcp_sock *tcp,
					 struct move *move, __u32 *ret_sequence)
{
	__u32 direction = move->direction & 1, step;

	*ret_sequence = direction ? tcp->write_seq : tcp->copied_seq;
	step = *ret_sequence - slot->sequence[direction];
	if (step > move->moved && step < 1u << 31)
		return false;
	if (step != move->moved) /* past TCP */
		*ret_sequence = slot->sequence[direction];
	move->position = slot->position[direction];
	move->received = slot->position[REQUESTS_IN];
	if (direction == REQUESTS_IN)
		move->received += move->moved;
	else if (slot->receiver != (__u32)move->id)
		move->received = 0;
	else if (tcp->copied_seq != slot->sequence[REQUESTS_IN])
		return false;
	return true;
}

enum usual_way {
	USUAL_ENDS, /* it is different: to be told, and what was kept back before it */
	USUAL_TOLD, /* one of those that are told in full */
	USUAL_KEPT, /* need not be told */
};

/* A call that moved bytes of a connection that the slot holds. */
static __always_inline enum usual_way usual_way_of(struct room *room, struct usual_slot *slot,
						   struct sock *sk, struct tcp_sock *tcp,
						   struct move *move)
{
	__u32 direction = move->direction & 1, arrivals = slot->mailbox.first, sequence;
	bool is_told;

	if (!move->moved || slot->is_torn || slot->has_lost || !usual_is_undisturbed(slot, sk) ||
	    !usual_places(slot, tcp, move, &sequence))
		return USUAL_ENDS;
	move->ns = bpf_ktime_get_ns();
	if (direction == REQUESTS_IN)
		arrivals = usual_find_arrivals(&slot->mailbox, sequence, move);
	is_told = slot->is_told;
	if ((direction == REQUESTS_IN) == slot->is_accepted) {
		if (!usual_ask(room, slot, sk, tcp, move))
			return USUAL_ENDS;
		is_told = slot->is_told;
	} else if (!usual_answer(room, slot, sk, tcp, move)) {
		return USUAL_ENDS;
	}
	if (is_told)
		return USUAL_TOLD;
	slot->position[direction] += move->moved;
	slot->sequence[direction] = sequence;
	if (direction == REQUESTS_IN) {
		slot->mailbox.first = arrivals;
		slot->receiver = (__u32)move->id;
	}
	return USUAL_KEPT;
}

/* The same of a connection that has a slot. True: it need not be told. */
static __always_inline bool usual_keeps(struct usual_slot *slot, struct sock *sk,
					struct tcp_sock *tcp, struct move *move)
{
	struct connection *connection = 0;
	enum usual_way way = USUAL_ENDS;
	struct room *room = take_room();

	if (!slot->holds) {
		connection = find_connection(true, sk);
		if (!connection)
			goto out;
		if (usual_may_hold(connection))
			usual_hold(slot, connection);
	}
	if (room && slot->holds)
		way = usual_way_of(room, slot, sk, tcp, move);
	if (way == USUAL_KEPT)
		goto out;
	if (!connection)
		connection = find_connection(true, sk);
	if (!connection)
		goto out;
	if (slot->holds)
		usual_release(slot, connection);
	if (way == USUAL_ENDS)
		usual_stop(slot, connection);
out:
	if (room)
		room->is_taken = 0;
	return way == USUAL_KEPT;
}

/* The connection ends. */
static __always_inline void usual_end(struct connection *connection)
{
	struct usual_slot *slot = slot_of_cookie(connection->cookie);

	if (!slot || !slot_take(slot, connection->cookie))
		return;
	if (slot->holds)
		usual_release(slot, connection);
	usual_stop(slot, connection);
	slot_let_go(slot);
}
