/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * requests - what the kernel half tells the user half: bytes that moved over sockets. Included by both.
 *
 * A connection over TCP is announced once (open), before the first of its bytes is told (data), and its
 * end is told with what was made of all its bytes (closed). A position counts the bytes of a direction since
 * the connection began, so it goes on where it was when the agent starts anew. Datagrams stand for
 * themselves.
 *
 * The other way the user half writes verdicts: one word for a connection, in an array that the kernel half
 * looks at with every event. A place in it is shared by connections whose cookies differ by a multiple of
 * REQUESTS_VERDICTS; the upper half of the word says whose it is, and the kernel half remembers it.
 */
#pragma once

#ifndef __bpf__
#include <stdint.h>

#include "kernel/kernel.h"
typedef uint8_t requests_u8;
typedef uint16_t requests_u16;
typedef uint32_t requests_u32;
typedef uint64_t requests_u64;
#else
typedef __u8 requests_u8;
typedef __u16 requests_u16;
typedef __u32 requests_u32;
typedef __u64 requests_u64;
#endif

enum requests_event {
	REQUESTS_OPEN = 1,
	REQUESTS_DATA,
	REQUESTS_CLOSED,
	REQUESTS_DATAGRAM,
	REQUESTS_USUAL, /* struct usual_event (usual_slots.h) */
	REQUESTS_CERTIFICATE, /* struct requests_data: a message of a handshake (tls_certificates.h) */
};

enum requests_direction {
	REQUESTS_IN, /* received */
	REQUESTS_OUT, /* sent */
};

enum {
	REQUESTS_HEAD_MAX = 16 * 1024, /* bytes of the beginning of one call, at most */
	REQUESTS_TAIL = 32, /* bytes of its end, where not all of it was copied */
	REQUESTS_DATAGRAM_MAX = 1024, /* bytes of a datagram */
	REQUESTS_VERDICTS = 65536, /* places; a power of two */
	REQUESTS_PORTS = 65536,
	REQUESTS_UNIX = 1, /* transport: a stream between two processes; else an IPPROTO */
};

struct requests_open {
	struct event_head head;
	requests_u64 cookie;
	requests_u64 cgroup;
	requests_u64 position[2]; /* bytes that had moved before the first one told */
	requests_u32 pid, netns;
	requests_u8 local_addr[16], remote_addr[16]; /* IPv4 as ::ffff:a.b.c.d */
	requests_u16 local_port, remote_port; /* host order */
	requests_u8
		transport; /* IPPROTO_TCP, or REQUESTS_UNIX: addresses are numbers of the ends */
	requests_u8
		is_accepted; /* 1: came in; 0: went out, or came to who listens without a backlog */
	requests_u8 pad[2];
};
_Static_assert(sizeof(struct requests_open) == 96, "kernel and user half must agree");

enum requests_data_flags { /* event_head.flags */
			   REQUESTS_END = 1, /* the other side will send nothing more */
			   REQUESTS_BY_NUMBER =
				   2, /* instead of the bytes there is the number of a usual request (usual_slots.h) */
};

struct requests_data {
	struct event_head head;
	requests_u64 cookie;
	requests_u64 position; /* of the first byte that moved */
	requests_u64
		received; /* all received bytes up to there have been told or cut; 0 = not known */
	requests_u64
		arrived_ns; /* received bytes: when the first came to the socket; 0 = not seen */
	requests_u64 arrived_last_ns; /* and the last */
	requests_u32 pid, tid;
	requests_u32 moved; /* bytes */
	requests_u32 cut_before; /* bytes before `position` that were not told, on purpose */
	requests_u32 lost_before; /* and those whose events found no room */
	requests_u32 srtt_us; /* smoothed round trip time */
	requests_u16 first; /* bytes in `bytes`: of the beginning, */
	requests_u16 last; /* and behind them of the end */
	requests_u8 direction;
	requests_u8 pad[3];
	requests_u8 bytes[];
};
_Static_assert(sizeof(struct requests_data) == 88, "kernel and user half must agree");

/* Equation: moved = captured + cut + lost, in bytes, since the connection was first seen. */
struct requests_closed {
	struct event_head head;
	requests_u64 cookie;
	requests_u64 position[2]; /* behind the last byte */
	requests_u64 moved[2], captured[2], cut[2], lost[2];
};
_Static_assert(sizeof(struct requests_closed) == 104, "kernel and user half must agree");

/* The remote end is absent (0) of a datagram that came to a socket that is not connected. */
struct requests_datagram {
	struct event_head head;
	requests_u64 cookie;
	requests_u64 cgroup;
	requests_u64 arrived_ns;
	requests_u32 pid, tid;
	requests_u32 netns;
	requests_u32 moved;
	requests_u8 local_addr[16], remote_addr[16];
	requests_u16 local_port, remote_port;
	requests_u16 first;
	requests_u8 direction;
	requests_u8 pad;
	requests_u8 bytes[];
};
_Static_assert(sizeof(struct requests_datagram) == 96, "kernel and user half must agree");

/* A verdict: bits 0-7 what is wanted, 8-15 and 16-23 how many bytes of a call's beginning are copied (log2)
 * by direction, 32-63 whose it is. */
enum requests_wanted {
	REQUESTS_UNDECIDED,
	REQUESTS_WANTED,
	REQUESTS_UNWANTED, /* nothing of this connection is read any more */
	REQUESTS_FORGOTTEN, /* undecided, and to be announced once more; bits 24-31 tell one time from the next */
};

/*
 * What was learnt of the connections of a server's port, for those to come: a bit for what it receives (1) and sends (2),
 * set where long calls are one message with a long body, of which `head_bytes` do. Where nothing was learnt
 * REQUESTS_HEAD_MAX are copied: a long call may be many messages.
 */
enum requests_port { REQUESTS_LONG_REQUESTS = 1, REQUESTS_LONG_RESPONSES = 2 };

/*
 * What of a connection need not be copied: received and sent bytes up to these positions are only counted, as the body of
 * a message whose length is known is. The call that moves the last of them is told, without bytes. In an array with places like
 * those of verdicts; the cookie is written last, and 0 while the rest changes.
 */
struct requests_pass {
	requests_u64 cookie;
	requests_u64 until[2];
};

static inline requests_u64 requests_verdict(requests_u64 cookie, requests_u32 wanted,
					    requests_u32 in_log2, requests_u32 out_log2)
{
	return (cookie / REQUESTS_VERDICTS + 1) << 32 | (out_log2 << 16 | in_log2 << 8 | wanted);
}
