/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * conversation - one connection, from events to exchanges: stream, infer, a parser and pair, wired up.
 *
 *	conversation_put(c, direction, position, bytes, moved, ns);	an event of either direction
 *	while (conversation_take(c, &exchange))
 *		...							what has become whole by it
 *
 * Events of one direction may come in any order (stream.h): the positions put them right. Between the two
 * directions only the times tell, and a response that is told of before its request may be lost. If
 * that can happen, say up to when all events are there: conversation_until().
 *
 * Until the protocol is known events are held, as far as there is room, so that the exchange by which it was
 * recognised is not lost.
 *
 * Where events can be missing, call conversation_give_up() from time to time: what was put in the meantime
 * waits behind the hole, in both directions.
 *
 * Datagrams have no positions: each is a message, and put as it is.
 */
#pragma once

#include "protocol/infer.h"
#include "protocol/pair.h"
#include "protocol/stream.h"

enum {
	CONVERSATION_HELD = 24, /* events held of a direction while the protocol is unknown */
	CONVERSATION_HELD_BYTES = 32 * 1024,
	CONVERSATION_DATAGRAMS = 4, /* likewise, datagrams */
	CONVERSATION_DATAGRAM_BYTES = 1024,
};

struct conversation_counts {
	uint64_t messages; /* cut */
	uint64_t bad; /* times a parser found something wrong */
	uint64_t torn; /* messages cut short by gaps */
	uint64_t unread; /* bytes passed without a parser, or without a place in the stream */
};

struct conversation_datagram; /* conversation.c */

struct conversation {
	struct conversation_counts counts;
	struct stream streams[2]; /* by direction */
	struct infer infer;
	struct pair pair;
	const struct protocol *protocol; /* the settled one; NULL: not known */
	void *state; /* owned: of the protocol's parser */
	struct {
		uint64_t guessed; /* position behind the last byte that infer saw */
		uint64_t begun; /* ns: when the message that is open here began; 0: none is */
		uint64_t position; /* behind the last byte that the parser used */
		bool is_lost; /* after CUT_BAD, until resync() finds something */
		bool is_tail; /* a message was just cut short by a gap */
		bool is_new; /* no message was cut since the last loss */
		bool is_closed, is_ended; /* no more will be put; and the parser knows */
	} side[2]; /* by direction */
	struct conversation_datagram *datagrams; /* owned: held while unknown */
	size_t datagrams_len, datagrams_at;
	uint64_t until; /* ns: younger events wait */
	uint64_t moved_ns; /* when bytes moved last, */
	uint64_t
		slowest_ns; /* and from the beginning of a request to the end of its response, at most */
	uint8_t moved_direction; /* likewise */
	bool is_settling; /* the piece that is parsed begins anew: note_pause() */
	struct stream_piece piece; /* being parsed */
	uint8_t direction; /* its direction */
	size_t used; /* bytes of it */
	uint64_t passed; /* bytes of its gap */
	bool has_more; /* the parser has another message already */
	bool has_piece, is_datagram;
	bool is_by_id; /* messages find each other by id */
	bool is_over; /* it has become something nobody reads */
	const char *handover; /* the protocol it is about to change to, or NULL */
	const char *
		became; /* the last one it changed to (static: "tls", "mysql-compressed"), or NULL */
};

/* `sender`: who speaks in direction 0, if known. `from_start`: its first bytes are known to be seen. */
void conversation_init(struct conversation *c, bool is_datagram, enum side sender, bool from_start);
void conversation_done(struct conversation *c);

/* Where a direction begins; without that, with the first event that is put. */
void conversation_begin(struct conversation *c, unsigned direction, uint64_t position);

/* `moved` bytes went in that direction, of which `bytes` were captured. Bytes are borrowed until
 * conversation_take() says false. Returns 0, -ERANGE, -ENOMEM. */
int conversation_put(struct conversation *c, unsigned direction, uint64_t position,
		     struct span bytes, uint64_t moved, uint64_t ns);

bool conversation_take(struct conversation *c, struct exchange *ret_exchange);

/* All events up to `ns` were put: younger ones wait, within limits, for a later `ns` (then take). From the
 * start nothing waits. UINT64_MAX: nothing waits any more. */
void conversation_until(struct conversation *c, uint64_t ns);

/* What is open now, of a protocol whose messages overlap: *at = 0 at first, then left alone. False: no more.
 * Valid until the next call of the others. */
bool conversation_open(struct conversation *c, size_t *at, struct exchange *ret_exchange);

/* Waits no longer for events that are missing in front of others (then take). */
void conversation_give_up(struct conversation *c);

/* Nothing is open or held, in both directions, and the protocol is one of which exchanges may be left out. */
bool conversation_rests(const struct conversation *c);

/* Of one that rests: an exchange whose bytes nobody needs, because its messages are known otherwise. `from_client`: the direction of
 * its request. Fills in the proof. */
void conversation_add(struct conversation *c, unsigned from_client, struct exchange *exchange);

/* A direction has ended; after both, requests without response are given out, too (then take). */
void conversation_close(struct conversation *c, unsigned direction, uint64_t ns);

/* Bytes from here on that the capture need not copy: see struct protocol. */
uint64_t conversation_passes(const struct conversation *c, unsigned direction);
