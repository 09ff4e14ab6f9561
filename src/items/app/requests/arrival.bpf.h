/* SPDX-License-Identifier: GPL-2.0-only */
/* arrival - when received bytes came to the socket, for the time that they waited there unread. */
#pragma once

#include "items/app/requests/slot.bpf.h"

static __always_inline bool is_behind(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* Bytes that a call moved, or (0) the end of a direction. */
struct move {
	__u64 ns;
	__u64 position; /* of the first */
	__u64 arrived_ns, arrived_last_ns; /* received bytes, at the socket; 0 = not known */
	__u64 received; /* all that was received has been told or cut up to there; 0 = not known */
	__u64 id; /* pid and tid */
	__u32 moved, direction;
};

/*
 * When the first and the last of the bytes arrived that are read now, of which the last is before the sequence number `end`; what is
 * not found stays 0. Returns the first that says more than that: what `arrivals` begins with when they have been read.
 */
static __always_inline __u32 find_arrivals(const struct arrivals *arrivals, __u32 end,
					   struct move *move)
{
	__u32 first = end - move->moved + 1, number = arrivals->first;

	for (int i = 0; i < ARRIVALS && number != arrivals->end; i++) {
		const struct arrival_mark *mark = &arrivals->at[number % ARRIVALS];

		if (!move->arrived_ns && !is_behind(first, mark->end))
			move->arrived_ns = mark->ns;
		if (!is_behind(end, mark->end)) {
			move->arrived_last_ns = mark->ns;
			return number + (mark->end == end);
		}
		number++;
	}
	return number;
}

/* Received bytes up to the sequence number `end` are there now. */
static __always_inline void note_arrival(struct arrivals *arrivals, __u32 end, __u64 now_ns)
{
	struct arrival_mark *mark;

	if (arrivals->end - arrivals->first >= ARRIVALS ||
	    (arrivals->first != arrivals->end &&
	     arrivals->at[(arrivals->end - 1) % ARRIVALS].end == end))
		return;
	mark = &arrivals->at[arrivals->end % ARRIVALS];
	mark->ns = now_ns;
	mark->end = end;
	arrivals->end++;
}

/* TCP has looked at the clock when the segment came (tcp_mstamp_refresh); to ask again costs more than all else here. */
static __always_inline __u64 arrived_now_ns(bool typed, struct tcp_sock *tcp)
{
	if (bpf_core_field_exists(tcp->tcp_clock_cache))
		return READ_FIELD(typed, tcp, tcp_clock_cache);
	return bpf_ktime_get_ns();
}

/* A connection that a slot holds. */
static __always_inline void note_arrival_in_mailbox(struct usual_mailbox *mailbox, __u32 end,
						    __u64 now_ns)
{
	struct arrival_mark *mark;

	if (mailbox->end - mailbox->first >= USUAL_MARKS ||
	    (mailbox->first != mailbox->end &&
	     mailbox->at[(mailbox->end - 1) % USUAL_MARKS].end == end))
		return;
	mark = &mailbox->at[mailbox->end % USUAL_MARKS];
	mark->ns = now_ns;
	mark->end = end;
	mailbox->end++;
}

/* The reader is woken: of a socket that listens, of any family, and with nothing new too. */
static __always_inline int on_arrival(bool typed, struct sock *sk)
{
	struct usual_mailbox *mailbox;
	struct connection *connection;
	struct tcp_sock *tcp;

	if (READ_FIELD(typed, sk, sk_protocol) != PROTO_TCP)
		return 0;
	tcp = tcp_of(typed, sk);
	if (!tcp)
		return 0;
	mailbox = typed ? mailbox_of_cookie(sk->__sk_common.skc_cookie.counter) : 0;
	if (mailbox) {
		note_arrival_in_mailbox(mailbox, READ_FIELD(typed, tcp, rcv_nxt),
					arrived_now_ns(typed, tcp));
		return 0;
	}
	connection = find_connection(typed, sk);
	if (connection && !is_unwanted(connection))
		note_arrival(&connection->arrivals, READ_FIELD(typed, tcp, rcv_nxt),
			     arrived_now_ns(typed, tcp));
	return 0;
}

/* A segment has come, and is looked at (tcp_probe). */
static __always_inline int on_segment(bool typed, struct sock *sk, struct sk_buff *skb)
{
	struct {
		__u32 first, end;
	} sequence = {}; /* struct tcp_skb_cb */
	struct connection *connection = find_connection(typed, sk);
	struct tcp_sock *tcp;

	if (!connection || is_unwanted(connection))
		return 0;
	tcp = tcp_of(typed, sk);
	if (!tcp || bpf_probe_read_kernel(&sequence, sizeof(sequence), skb->cb) ||
	    sequence.first == sequence.end ||
	    is_behind(sequence.first, READ_FIELD(typed, tcp, rcv_nxt)))
		return 0; /* an acknowledgement, or out of order */
	note_arrival(&connection->arrivals, sequence.end, bpf_ktime_get_ns());
	return 0;
}
