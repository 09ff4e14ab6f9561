/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usual_slots - what both halves know of exchanges that need not be read: usual.bpf.h measures them, usual.c makes exchanges of them.
 *
 * Three arrays, written by the user half and mapped into it:
 *
 *	usual_settings	one: the seed of the hash, how many exchanges may wait
 *	usual_known	by hash: requests that have been read before, and how their response looks
 *	usual_slots	by cookie: connections whose exchanges are measured, and those that wait to be told
 *
 * A hook that works at a slot sets `busy` from 0 to 1 first. One that finds it set does not wait: it says so (`is_torn`), and tells
 * its call as any other. The user half reads what waits without that, and without taking it away: it knows exchanges that it
 * has had already by their position.
 */
#pragma once

#include "items/app/requests/arrivals.h"
#include "items/app/requests/requests.h"

enum {
	USUAL_KNOWN = 2048, /* places; a power of two */
	USUAL_BYTES = 1024, /* of a request, at most */
	USUAL_SLOTS = 1024, /* connections; a power of two */
	USUAL_BATCH = 16, /* exchanges told at once, at most; a power of two */
	USUAL_SETTLING =
		2, /* exchanges of a connection that were told in full and were usual, before others are not */
	USUAL_DIGITS = 10, /* of a length, at most */
	USUAL_TOLD_WORDS = sizeof(struct requests_data) / 8 + 1, /* and the request's number */
	USUAL_HEAD_BYTES = 1000, /* of a response's head, at most: what is looked at in it */
};

struct usual_settings {
	requests_u64 seed; /* nobody who sends requests knows it */
	requests_u64 batch; /* exchanges that wait for each other: 1 to USUAL_BATCH */
};

/* A request that has been read, and the head of the response that it had last. */
struct usual_known {
	requests_u64 hash; /* usual_hash() of all its bytes; 0: an empty place */
	requests_u32 number; /* its name among all that ever had a place here */
	requests_u16 bytes; /* of the request */
	requests_u16 head_bytes; /* of the head */
	requests_u16 length_at; /* in the head, of the first digit of Content-Length */
	requests_u8 digits; /* that it had */
	requests_u8 pad;
	requests_u32 status; /* "200 ", behind "HTTP/1.1 " */
};
_Static_assert(sizeof(struct usual_known) == 24, "kernel and user half must agree");

enum { USUAL_STATUS_AT = 9 };

/* An exchange. Server: the request is received, the response sent; client: the other way round. */
struct usual_exchange {
	requests_u64 asked_ns; /* the call that moved the request */
	requests_u32
		waited_ns; /* what was received first lay in the socket for so long; USUAL_UNSEEN: nobody saw it come */
	requests_u32 answered_ns; /* from asked_ns to the first call that moved of the response */
	requests_u64 took_ns; /* from there to the last */
	requests_u32 response_bytes;
	requests_u32 number; /* of the request */
};
_Static_assert(sizeof(struct usual_exchange) == 32, "kernel and user half must agree");

#define USUAL_UNSEEN 0xffffffffu

/* The event: exchanges of one connection that followed each other, with nothing between. */
struct usual_event {
	struct event_head head;
	requests_u64 cookie;
	requests_u64 position[2]; /* of the first byte of the first of them */
	requests_u32 pid, tid; /* of the last */
	requests_u32 srtt_us, pad;
	requests_u64 count; /* grows when an exchange is all there */
	struct usual_exchange exchange[USUAL_BATCH]; /* count of them */
};

/* The call that moved a request: what struct requests_data says of it. */
struct usual_asked {
	requests_u64 ns, arrived_ns, arrived_last_ns;
	requests_u64 position, received;
	requests_u32 pid, tid, srtt_us, bytes;
};

enum usual_phase {
	USUAL_NOTHING, /* no exchange is under way that could become one of these */
	USUAL_ASKED,
	USUAL_ANSWERING,
};

enum { USUAL_MARKS = 2 }; /* a power of two */

/*
 * What the end that sends leaves for the one that receives: a line of the cache of its own, since both are mostly on different CPUs, and
 * nothing else that is done for an exchange is dearer than to move a line from one to the other.
 *
 * It says when bytes came (as struct arrivals does), and what the message is that began with the last call, when
 * the sender has read it: who receives it need not read it again. Both words may be read at any time: each says of which byte of the
 * stream it speaks (usual_tag()).
 */
struct usual_mailbox {
	requests_u64 cookie; /* of who receives, while its slot holds the connection; else 0 */
	requests_u32 first, end; /* arrivals, counted without end */
	struct arrival_mark at[USUAL_MARKS];
	requests_u64 bytes; /* tag << 32, and the number in its name: of the message */
	requests_u64 number; /* of the request that it is, or answers */
};
_Static_assert(sizeof(struct usual_mailbox) == 64, "a line of the cache, and nothing else in it");

/* Names a byte of a stream, by where it stands and by TCP's own number (which stays where it is when bytes go past TCP). */
static inline requests_u64 usual_tag(requests_u64 position, requests_u32 sequence)
{
	return (position + sequence) << 32;
}

/*
 * While it `holds` the connection, what hooks know of the connection is here and not in the socket (connection.bpf.h), to which it
 * goes back before a call is told.
 */
struct usual_slot {
	struct usual_mailbox mailbox;
	/* seldom used: processors fetch lines in pairs, and half of the time the mailbox's is on its way to the other CPU */
	requests_u64 lost[2]; /* bytes of exchanges that could not be told, by direction */
	requests_u64 seldom[6];
	/* what every hook looks at */
	requests_u64 busy; /* 1: a hook works at it, or it is being granted */
	requests_u64 cookie; /* whose it is; 0: nobody's. Set and cleared by the user half */
	requests_u64 peer; /* the cookie of the other end, when it is on this machine; likewise */
	requests_u64 position[2]; /* behind the last byte that moved */
	requests_u32 sequence[2]; /* TCP's own, there */
	requests_u32 receiver; /* thread that received last */
	requests_u32 verdict; /* the connection's */
	requests_u8 holds;
	requests_u8 is_accepted;
	requests_u8 phase; /* enum usual_phase */
	requests_u8 in_row; /* usual ones in a row, up to USUAL_SETTLING */
	requests_u8 is_told; /* this exchange is told in full */
	requests_u8 is_torn; /* a call was told past this slot */
	requests_u8 has_lost; /* exchanges, for want of room */
	requests_u8 pad;
	/* the exchange that is under way */
	requests_u64 due; /* bytes of the response that are still to come */
	requests_u64 answered_ns; /* when the first of the response moved */
	requests_u32 response_bytes; /* that have moved */
	requests_u32 waited_ns;
	struct usual_known known; /* what was asked */
	struct usual_asked asked; /* by which call */
	/* those that wait */
	requests_u64 last_ns; /* when the last of them ended */
	requests_u64 bytes[2]; /* of them, by direction */
	requests_u64 told
		[USUAL_TOLD_WORDS]; /* where the event of the call that asked is made, if it must be told after all */
	struct usual_event event;
} __attribute__((aligned(128)));

/*
 * The hash has two lanes, of the words at even and at odd places, so that one need not wait for the other. What is behind the last
 * byte is filled up with zeros to USUAL_WORDS words.
 */
enum { USUAL_WORDS = 2 };

static inline requests_u64 usual_mix(requests_u64 hash, requests_u64 word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25ull;
	return hash ^ hash >> 32;
}

/* Requests to servers of different ports are different. */
static inline requests_u64 usual_hash_begin(requests_u64 seed, requests_u32 port,
					    requests_u32 bytes)
{
	return usual_mix(seed, (requests_u64)port << 32 | bytes);
}

static inline requests_u64 usual_hash_end(requests_u64 even, requests_u64 odd)
{
	requests_u64 hash = usual_mix(even, odd);

	return hash ? hash : 1;
}
