/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pair - requests and responses of one connection become exchanges.
 *
 * The caller tells of every message, of every loss, and takes what has become whole:
 *
 *	pair_message(pair, &message, moment);
 *	while (pair_take(pair, &exchange))
 *		...
 *
 * The promise: no wrong pairs. What cannot be paired with certainty is not paired, and counted. What is
 * certain depends on how the protocol repeats an id, and on what was seen:
 *
 *	PROOF_ID	the response repeats the request's id, and ids are what the protocol goes by
 *	PROOF_ORDER	responses come in order, and every message since the start was seen (or since a
 *			moment when nothing was open, pair_settle())
 *	PROOF_ASSUMED	after a loss, or joined late: the client has never had two requests open, as far
 *			as was seen, and this request came after a response. Or it came after a pause so long that
 *			everything before must have been answered (pair_trust()). A client that pipelines in
 *			secret, or an answer slower than that, would be paired wrong, so such exchanges are
 *			marked; the caller decides whether they will do.
 */
#pragma once

#include "protocol/pack.h"

enum {
	PAIR_ROOM = 512 * 1024, /* bytes for open requests of one connection; about 3000 of Redis */
	PAIR_EARLY = 16, /* responses that wait for their request, by id */
	PAIR_EARLY_IN_ORDER =
		1024, /* likewise in order: those to a pipeline whose one long write is told
				     * of last */
};

/* When and where a message moved. Not looked at, but for pair_give_up(). */
struct pair_moment {
	uint64_t first, last; /* nanoseconds, in the caller's clock: its first and last byte */
	uint64_t position; /* of its first byte in its direction */
};

enum proof {
	PROOF_ID,
	PROOF_ORDER,
	PROOF_ASSUMED,
};

struct exchange {
	struct message request, response; /* valid until the next call */
	struct pair_moment asked, answered;
	bool has_response; /* false: one way, quiet, or never answered */
	bool is_given_up; /* an answer was due and did not come */
	uint32_t interims; /* answers before the answer */
	enum proof proof;
};

/* requests = paired + silent + given_up + lost_requests + open; responses = paired + lost_responses + early */
struct pair_counts {
	uint64_t requests, responses, interims, pushes;
	uint64_t paired;
	uint64_t assumed; /* of `paired` */
	uint64_t silent; /* requests rightly without a response */
	uint64_t given_up; /* requests whose answer never came */
	uint64_t
		lost_requests; /* that could not be paired: the order was lost, or there was no room */
	uint64_t lost_responses; /* likewise, or nobody asked */
	uint64_t overflows; /* of `lost_requests`: no room */
};

struct pair {
	struct pair_counts counts;
	uint8_t *room; /* owned */
	size_t first, end, size; /* of what is in it, in bytes; of it */
	size_t cap;
	uint32_t open, early, ready; /* entries of each sort */
	uint32_t due; /* of the open ones: those that must be answered */
	uint32_t deepest; /* most requests due at once when one of them was answered */
	uint32_t asked_in_row,
		answered_in_row; /* requests, then responses, without one of the others between */
	uint8_t order; /* enum order, in pair.c */
	bool is_answered; /* no request has come since the last response */
	bool is_trusting; /* pair_trust() */
	struct message
		response; /* what pair_take() has still to give out; its spans are borrowed */
	struct pair_moment answered;
	size_t matched; /* entry of its request + 1; 0: none */
	uint8_t proof;
	struct message one_way;
	struct pair_moment asked;
	bool has_one_way;
	bool is_match_early; /* the response is the entry, the request is in `one_way` */
	size_t given; /* entry given out last + 1, to be let go */
};

/* `from_start`: the connection's first byte of either side is known to be seen. */
void pair_init(struct pair *pair, bool from_start, size_t cap);
void pair_done(struct pair *pair);

/* Spans of the message are borrowed until pair_take() says false. */
void pair_message(struct pair *pair, const struct message *message, struct pair_moment moment);

bool pair_take(struct pair *pair, struct exchange *ret_exchange);

enum loss {
	LOSS_TAIL, /* what stood behind a message that was cut short, in the same write: most likely nothing */
	LOSS_ANY, /* bytes that may have held any number of messages */
};

/* Bytes of that side were lost. Of a protocol with ids nothing is lost but those messages: not needed. */
void pair_lost(struct pair *pair, enum side from, enum loss loss);

/* The protocol changes to one with ids; the request that is open goes on there, as `id`. */
void pair_go_on(struct pair *pair, uint64_t id);

/* The caller knows that nothing is open on this connection: the order is certain again. */
void pair_settle(struct pair *pair);

/* The caller has reason to believe that nothing is open: pairs are in order again, but assumed. A response that nobody
 * asked for ends that. */
void pair_trust(struct pair *pair);
bool pair_is_sure(const struct pair *pair);

/* No message waits for another, and a request that comes now will find its response. */
bool pair_rests(const struct pair *pair);

/* Of one that rests: a request and its response, known to belong together as far as the order is. Returns that. */
enum proof pair_add(struct pair *pair);

/* Gives up requests of a protocol with ids asked before `before` (to be taken), or all at the end. */
void pair_give_up(struct pair *pair, uint64_t before);

bool pair_is_even(const struct pair *pair);
