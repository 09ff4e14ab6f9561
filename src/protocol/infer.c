// SPDX-License-Identifier: GPL-2.0-only
/*
 * infer - which protocol is this connection?
 *
 * For each protocol, all there is to remember is what the last message of either direction looked like to
 * it. A write that cannot begin a message of the protocol wipes that out, unless the same direction spoke
 * before it: then it may be more of that message's body. So the evidence is consecutive, and a connection
 * joined in the middle of a body settles with the next request and response.
 *
 * Two protocols may find evidence in the same writes ("get k" is a command of memcached and, in lower
 * case, of Redis): then the one with more marks has it, and with equally many nobody, until a response
 * decides.
 */
#include "protocol/infer.h"

#include "protocol/protocols.h"

void infer_init(struct infer *infer, enum side hint)
{
	*infer = (struct infer){.hint = hint};
}

static enum side other(enum side side)
{
	return side == SIDE_UNKNOWN ? SIDE_UNKNOWN : !side;
}

static bool agree(enum side a, enum side b)
{
	return a == SIDE_UNKNOWN || b == SIDE_UNKNOWN || a == b;
}

static void note(struct infer *infer, size_t i, unsigned direction, struct guess guess)
{
	uint8_t *verdict = &infer->candidates[i].verdict[direction];
	uint8_t *from = &infer->candidates[i].from[direction];

	if (guess.verdict == VERDICT_NO && *verdict && direction == infer->last_direction) {
		infer->candidates[i].is_repeated[direction] = false;
		return; /* the message before it may go on */
	}
	if (guess.verdict == VERDICT_NO) {
		memset(&infer->candidates[i], 0, sizeof(infer->candidates[i]));
		return;
	}
	infer->candidates[i].is_repeated[direction] =
		*verdict == VERDICT_YES && guess.verdict == VERDICT_YES && agree(*from, guess.from);
	/* who spoke last still does, unless it is sure that it is another */
	if (!*verdict || *from == SIDE_UNKNOWN ||
	    (guess.from != SIDE_UNKNOWN && guess.verdict == VERDICT_YES))
		*from = (uint8_t)guess.from;
	*verdict = (uint8_t)guess.verdict;
}

/* How well a candidate stands: 0 = not enough to settle. */
static unsigned marks(const struct infer *infer, size_t i)
{
	__typeof__(infer->candidates[i]) *c = &infer->candidates[i];
	unsigned yes = (c->verdict[0] == VERDICT_YES) + (c->verdict[1] == VERDICT_YES);
	bool is_both = c->verdict[0] && c->verdict[1];

	if (is_both && yes && agree(c->from[0], other(c->from[1])))
		return 1 + yes;
	return c->is_repeated[0] || c->is_repeated[1] ? 1 + yes : 0;
}

static void settle(struct infer *infer, size_t i)
{
	enum side first = infer->candidates[i].from[0], second = infer->candidates[i].from[1];

	if (!infer->candidates[i].verdict[0])
		first = SIDE_UNKNOWN;
	if (!infer->candidates[i].verdict[1])
		second = SIDE_UNKNOWN;
	if (first == SIDE_UNKNOWN)
		first = other(second);
	if (first == SIDE_UNKNOWN)
		first = infer->hint;
	if (first == SIDE_UNKNOWN && protocols[i]->is_opaque)
		first = SIDE_CLIENT;
	if (first == SIDE_UNKNOWN)
		return; /* who asks is not known: wait for a message that tells */
	infer->settled = protocols[i];
	infer->side_of[0] = first;
	infer->side_of[1] = other(first);
	infer->writes = infer->messages = 0;
	infer->doubt = 0;
}

/* A head may come in several writes: what was too short is looked at again with what follows. */
static struct guess guess_of(const struct infer *infer, size_t i, unsigned direction,
			     struct span in, struct span joined)
{
	struct guess guess = protocols[i]->classify(in), whole;

	if (guess.verdict == VERDICT_YES || !joined.len ||
	    infer->candidates[i].verdict[direction] != VERDICT_MAYBE)
		return guess;
	whole = protocols[i]->classify(joined);
	return whole.verdict > guess.verdict ? whole : guess;
}

static struct span join(const struct infer *infer, unsigned direction, struct span in,
			uint8_t *room)
{
	size_t torn = infer->torn_len[direction];
	size_t more = in.len < INFER_TORN ? in.len : INFER_TORN;

	if (!torn)
		return (struct span){};
	memcpy(room, infer->torn[direction], torn);
	memcpy(room + torn, in.at, more);
	return (struct span){room, torn + more};
}

static void keep_torn(struct infer *infer, unsigned direction, struct span in, struct span joined)
{
	struct span keep = span_first(joined.len ? joined : in, INFER_TORN);
	bool is_torn = false;

	for (size_t i = 0; i < INFER_PROTOCOLS; i++)
		is_torn |= infer->candidates[i].verdict[direction] == VERDICT_MAYBE;
	infer->torn_len[direction] = is_torn ? (uint16_t)keep.len : 0;
	if (is_torn)
		memcpy(infer->torn[direction], keep.at, keep.len);
}

const struct protocol *infer_see(struct infer *infer, unsigned direction, struct span in,
				 bool is_datagram)
{
	uint8_t room[2 * INFER_TORN];
	struct span joined;
	unsigned best = 0;
	size_t winner = 0;
	bool is_tie = false;

	if (infer->settled || !in.len)
		return infer->settled;
	infer->writes++;
	joined = is_datagram ? (struct span){} : join(infer, direction, in, room);
	for (size_t i = 0; protocols[i] && i < INFER_PROTOCOLS; i++) {
		unsigned now;

		if (protocols[i]->is_datagram != is_datagram)
			continue;
		note(infer, i, direction, guess_of(infer, i, direction, in, joined));
		now = marks(infer, i);
		is_tie = now == best ? is_tie || now : now < best && is_tie;
		if (now > best) {
			best = now;
			winner = i;
		}
	}
	infer->last_direction = (uint8_t)direction;
	keep_torn(infer, direction, in, joined);
	if (best && !is_tie)
		settle(infer, winner);
	return infer->settled;
}

static void unsettle(struct infer *infer)
{
	memset(infer->candidates, 0, sizeof(infer->candidates));
	infer->torn_len[0] = infer->torn_len[1] = 0;
	infer->settled = NULL;
	infer->writes = infer->messages = 0;
	infer->doubt = 0;
	infer->unsettled++;
}

void infer_confirm(struct infer *infer)
{
	infer->messages++;
	infer->doubt -= infer->doubt > 0;
}

bool infer_contradict(struct infer *infer)
{
	if (!infer->settled)
		return false;
	if (infer->messages < INFER_PROBATION || infer->doubt) {
		unsettle(infer);
		return true;
	}
	infer->doubt = INFER_DOUBT;
	return false;
}
