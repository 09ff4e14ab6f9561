/* SPDX-License-Identifier: GPL-2.0-only */
/* arrival - when received bytes came to the socket, for the time that they waited there unread. */
#pragma once

#include "items/app/requests/connection.bpf.h"

static __always_inline bool is_behind(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* Bytes that a call moved, or (0) the end of a direction. */
struct move {
	__u64 ns;
	__u64 position; /* of the first */
	__u64 arrived_ns, arrived_last_ns; /* received bytes, at the socket; 0 = not known */
	__u64 id; /* pid and tid */
	__u32 moved, direction;
};

/*
 * When the first and the last of the bytes arrived that were read last; what is not found stays 0. Forgets what came
 * before the last one.
 */
static __always_inline void find_arrivals(struct connection *connection, __u32 moved,
					  struct move *data)
{
	__u32 end = connection->sequence[REQUESTS_IN], first = end - moved + 1;

	for (int i = 0; i < MARKS && connection->first_mark != connection->end_mark; i++) {
		struct mark *mark = &connection->mark[connection->first_mark % MARKS];

		if (!data->arrived_ns && !is_behind(first, mark->end))
			data->arrived_ns = mark->ns;
		if (!is_behind(end, mark->end)) {
			data->arrived_last_ns = mark->ns;
			connection->first_mark += mark->end == end;
			break;
		}
		connection->first_mark++;
	}
}

/* Received bytes up to the sequence number `end` are there now. */
static __always_inline void note_arrival(struct connection *connection, __u32 end, __u64 now_ns)
{
	struct mark *mark;

	if (connection->end_mark - connection->first_mark >= MARKS)
		return;
	if (connection->first_mark != connection->end_mark &&
	    connection->mark[(connection->end_mark - 1) % MARKS].end == end)
		return;
	mark = &connection->mark[connection->end_mark % MARKS];
	mark->ns = now_ns;
	mark->end = end;
	connection->end_mark++;
}

/* TCP has looked at the clock when the segment came (tcp_mstamp_refresh); to ask again costs more than all else here. */
static __always_inline __u64 arrived_now_ns(bool typed, struct tcp_sock *tcp)
{
	if (bpf_core_field_exists(tcp->tcp_clock_cache))
		return READ_FIELD(typed, tcp, tcp_clock_cache);
	return bpf_ktime_get_ns();
}

/* The reader is woken: of a socket that listens, of any family, and with nothing new too. */
static __always_inline int on_arrival(bool typed, struct sock *sk)
{
	struct connection *connection;
	struct tcp_sock *tcp;

	if (READ_FIELD(typed, sk, sk_protocol) != PROTO_TCP)
		return 0;
	connection = find_connection(typed, sk);
	if (!connection || is_unwanted(connection))
		return 0;
	tcp = tcp_of(typed, sk);
	if (tcp)
		note_arrival(connection, READ_FIELD(typed, tcp, rcv_nxt),
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
	note_arrival(connection, sequence.end, bpf_ktime_get_ns());
	return 0;
}
