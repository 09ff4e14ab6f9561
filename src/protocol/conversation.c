// SPDX-License-Identifier: GPL-2.0-only
/*
 * conversation - one connection, from events to exchanges.
 *
 * Everything happens in conversation_take(), one small step at a time, until an exchange is whole or
 * nothing is left to do: take a piece from the direction whose next event is older, let the parser use
 * some of it, tell pair of the message or the loss.
 *
 * While the protocol is unknown, events stay in their streams, which hold them anyway; the oldest are let
 * go when there are too many. When it becomes known, what could not begin a message of it is let go from
 * the front of each direction, and the rest is parsed as if it had just come.
 */
#include "protocol/conversation.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/protocols.h"

enum { PAUSE_FACTOR = 16 };
static const uint64_t PAUSE_NS = 200000000;

enum { H2C_STREAM = 1 /* the request that asked for it goes on as that: RFC 7540 3.2 */ };

struct conversation_datagram {
	uint64_t ns, moved;
	size_t len;
	uint8_t direction;
	uint8_t bytes[CONVERSATION_DATAGRAM_BYTES];
};

void conversation_init(struct conversation *c, bool is_datagram, enum side sender, bool from_start)
{
	*c = (struct conversation){.is_datagram = is_datagram, .until = UINT64_MAX};
	for (size_t i = 0; i < 2; i++)
		stream_init(&c->streams[i]);
	infer_init(&c->infer, sender);
	pair_init(&c->pair, from_start, PAIR_ROOM);
}

static void drop_state(struct conversation *c)
{
	if (c->state && c->protocol->done)
		c->protocol->done(c->state);
	free(c->state);
	c->state = NULL;
	c->has_more = false;
}

void conversation_done(struct conversation *c)
{
	drop_state(c);
	for (size_t i = 0; i < 2; i++)
		stream_done(&c->streams[i]);
	pair_done(&c->pair);
	free(c->datagrams);
	*c = (struct conversation){};
}

void conversation_begin(struct conversation *c, unsigned direction, uint64_t position)
{
	stream_begin(&c->streams[direction], position);
}

static enum side speaker(const struct conversation *c, unsigned direction)
{
	return c->infer.side_of[direction];
}

/* Unknown. */

/* One piece of the older direction that nobody will read. False if there is none. */
static bool let_go(struct conversation *c, unsigned direction)
{
	struct stream_piece piece;

	if (!stream_take(&c->streams[direction], &piece))
		return false;
	c->counts.unread += piece.gap ? piece.gap : piece.bytes.len;
	if (!piece.gap)
		stream_used(&c->streams[direction], piece.bytes.len);
	return true;
}

/* Events that cannot begin a message: of a connection joined late. True if there were any. */
static bool skip_front(struct conversation *c, unsigned direction)
{
	const struct stream_event *event = stream_peek(&c->streams[direction]);
	bool has_skipped = false;

	while (event && (!event->bytes.len || /* the rest of one, or a hole */
			 c->protocol->classify(event->bytes).verdict == VERDICT_NO)) {
		let_go(c, direction);
		has_skipped = true;
		event = stream_peek(&c->streams[direction]);
	}
	return has_skipped;
}

static int set_parser(struct conversation *c, const struct protocol *protocol)
{
	drop_state(c);
	c->state = calloc(1, protocol->state_size);
	if (!c->state)
		return -ENOMEM;
	c->protocol = protocol;
	for (unsigned i = 0; i < 2; i++) {
		c->side[i].begun = 0;
		c->side[i].is_lost = c->side[i].is_tail = c->side[i].is_new = false;
	}
	return 0;
}

static int start(struct conversation *c, const struct protocol *protocol)
{
	bool has_skipped = false;

	if (set_parser(c, protocol))
		return -ENOMEM;
	for (unsigned i = 0; i < 2; i++)
		has_skipped |= !c->is_datagram && skip_front(c, i);
	if (has_skipped)
		pair_lost(&c->pair, SIDE_SERVER, LOSS_ANY);
	return 0;
}

/* The parser was wrong: back to the start, with what is still to come. */
static void stop(struct conversation *c)
{
	drop_state(c);
	c->protocol = NULL;
	if (!c->is_by_id)
		pair_lost(&c->pair, SIDE_SERVER, LOSS_ANY);
	for (size_t i = 0; i < 2; i++) {
		stream_hold(&c->streams[i]);
		c->side[i].guessed = 0;
	}
}

/* It holds more than it should: the next event must go. */
static bool is_crowded(const struct stream *stream)
{
	return stream->ahead_len >= CONVERSATION_HELD ||
	       stream->ahead_bytes > CONVERSATION_HELD_BYTES;
}

/* Holds what came, within limits, until its protocol is known; if it never will be, lets go. Always false. */
static bool wait_for_verdict(struct conversation *c)
{
	bool is_over = c->is_over || infer_is_hopeless(&c->infer) ||
		       (c->side[0].is_closed && c->side[1].is_closed);

	for (unsigned i = 0; i < 2; i++) {
		struct stream *stream = &c->streams[i];

		stream_hold(stream);
		while (is_over || is_crowded(stream)) {
			if (!stream_peek(stream))
				stream_give_up(stream);
			if (!let_go(c, i))
				break;
			if (!c->is_over) /* whatever was in it */
				pair_lost(&c->pair, SIDE_SERVER, LOSS_ANY);
		}
	}
	return false;
}

static const struct stream_event *not_guessed(const struct conversation *c, unsigned direction)
{
	const struct stream *stream = &c->streams[direction];
	uint64_t from = c->side[direction].guessed;

	return stream_look(stream, from > stream->next ? from : stream->next);
}

/* Shows infer the oldest event it has not seen. True: it knows now. */
static bool find_verdict(struct conversation *c)
{
	const struct protocol *verdict = NULL;

	while (!verdict) {
		const struct stream_event *first = not_guessed(c, 0), *second = not_guessed(c, 1);
		unsigned direction = !first || (second && second->ns < first->ns);
		const struct stream_event *event = direction ? second : first;

		bool can_wait = !is_crowded(&c->streams[0]) && !is_crowded(&c->streams[1]);

		if (!event || (event->ns > c->until && can_wait))
			return false;
		c->side[direction].guessed = event->position + event->moved;
		verdict = infer_see(&c->infer, direction, event->bytes, false);
	}
	return !start(c, verdict);
}

/* Putting. */

static int put_datagram(struct conversation *c, unsigned direction, struct span bytes,
			uint64_t moved, uint64_t ns)
{
	struct conversation_datagram *held;
	size_t n = c->datagrams_len;

	if (!c->protocol)
		c->protocol = infer_see(&c->infer, direction, bytes, true);
	if (c->protocol && !c->state && start(c, c->protocol)) {
		c->protocol = NULL;
		return -ENOMEM;
	}
	if (infer_is_hopeless(&c->infer)) {
		c->counts.unread += moved;
		return 0;
	}
	if (!c->datagrams)
		c->datagrams = calloc(CONVERSATION_DATAGRAMS, sizeof(*c->datagrams));
	if (!c->datagrams)
		return -ENOMEM;
	if (n == CONVERSATION_DATAGRAMS) {
		c->counts.unread += c->datagrams[0].moved;
		memmove(c->datagrams, c->datagrams + 1, --n * sizeof(*c->datagrams));
	}
	held = &c->datagrams[n];
	bytes = span_first(bytes, CONVERSATION_DATAGRAM_BYTES);
	held->ns = ns;
	held->moved = moved;
	held->len = bytes.len;
	held->direction = (uint8_t)direction;
	if (bytes.len)
		memcpy(held->bytes, bytes.at, bytes.len);
	c->datagrams_len = n + 1;
	return 0;
}

int conversation_put(struct conversation *c, unsigned direction, uint64_t position,
		     struct span bytes, uint64_t moved, uint64_t ns)
{
	bytes = span_first(bytes, moved);
	if (c->is_datagram)
		return put_datagram(c, direction, bytes, moved, ns);
	return stream_put(&c->streams[direction], position, bytes, moved, ns);
}

/* Parsing. */

static void note_loss(struct conversation *c, enum loss loss)
{
	unsigned direction = c->direction;

	c->side[direction].is_lost = true;
	c->side[direction].is_new = true;
	c->side[direction].begun = 0;
	if (!c->is_by_id)
		pair_lost(&c->pair, speaker(c, direction), loss);
}

/* Where messages overlap the parser knows when each began. One without any bytes (a call that was broken
 * off) is nowhere in the stream. */
static struct pair_moment moment_of(const struct conversation *c, const struct message *message)
{
	if (!message->bytes)
		return (struct pair_moment){c->piece.ns, c->piece.ns, UINT64_MAX};
	return (struct pair_moment){message->began, message->ended, message->position};
}

static void note_message(struct conversation *c, const struct message *message, uint64_t end)
{
	__typeof__(c->side[0]) *side = &c->side[c->direction];
	struct pair_moment moment = {
		.first = side->begun ? side->begun : c->piece.ns,
		.last = c->piece.ns,
		.position = end - message->bytes,
	};

	if (c->protocol->moment)
		moment = moment_of(c, message);
	c->has_more = message->has_more;
	c->counts.messages++;
	c->counts.torn += !message->is_complete;
	c->is_by_id = message->correlation == CORRELATION_ID;
	infer_confirm(&c->infer);
	side->begun = 0;
	side->is_new = false;
	side->is_tail = !message->is_complete;
	if (message->handover)
		c->handover = message->handover;
	pair_message(&c->pair, message, moment);
}

static void finish_piece(struct conversation *c)
{
	if (!c->piece.gap && !c->is_datagram)
		stream_used(&c->streams[c->direction], c->used);
	c->has_piece = false;
}

static void find_message(struct conversation *c, struct span in)
{
	bool is_settling = c->is_settling;
	size_t used;

	if (c->protocol->resync(c->state, speaker(c, c->direction), in, &used))
		c->side[c->direction].is_lost = false;
	c->counts.unread += used;
	c->used += used;
	c->is_settling = false;
	if (is_settling && used) /* it may have been the first of them */
		pair_lost(&c->pair, SIDE_SERVER, LOSS_ANY);
	if (c->side[c->direction].is_lost)
		finish_piece(c);
}

static void note_bad(struct conversation *c)
{
	bool was_new = c->side[c->direction].is_new;

	c->counts.bad++;
	note_loss(c, LOSS_ANY);
	/* right behind a loss the place may have been found wrongly: that says nothing of the protocol */
	if (!was_new && infer_contradict(&c->infer)) {
		c->counts.unread += c->piece.bytes.len - c->used;
		c->used = c->piece.bytes.len;
		finish_piece(c);
		stop(c);
	}
}

static void tell_moment(struct conversation *c, uint64_t position)
{
	if (c->protocol->moment)
		c->protocol->moment(c->state, speaker(c, c->direction), c->piece.ns, position);
}

/* A message that became whole together with the last one. */
static void take_another(struct conversation *c)
{
	struct message message;
	const char *why;
	size_t used;

	c->has_more = false;
	if (c->protocol->cut(c->state, speaker(c, c->direction), (struct span){}, &message, &used,
			     &why) == CUT_MESSAGE)
		note_message(c, &message, c->piece.position + c->used);
}

static void cut_bytes(struct conversation *c)
{
	__typeof__(c->side[0]) *side = &c->side[c->direction];
	struct span in = span_from(c->piece.bytes, c->used);
	struct message message;
	const char *why;
	size_t used;
	enum cut cut;

	if (!in.len) {
		finish_piece(c);
		return;
	}
	if (side->is_lost) {
		find_message(c, in);
		return;
	}
	if (!side->begun)
		side->begun = c->piece.ns;
	tell_moment(c, c->piece.position + c->used);
	cut = c->protocol->cut(c->state, speaker(c, c->direction), in, &message, &used, &why);
	c->used += used;
	if (cut == CUT_MESSAGE && c->is_datagram)
		message.bytes += c->passed; /* what was not captured of it */
	if (cut == CUT_MESSAGE)
		note_message(c, &message, c->piece.position + c->used);
	else if (cut == CUT_MORE)
		finish_piece(c);
	else
		note_bad(c);
}

static void pass_gap(struct conversation *c)
{
	__typeof__(c->side[0]) *side = &c->side[c->direction];
	struct span kept = c->passed ? (struct span){} : span_from(c->piece.bytes, c->used);
	struct message message;
	const char *why;
	uint64_t used;
	enum cut cut;

	c->used = c->piece.bytes.len;
	if (side->is_lost) {
		c->counts.unread += kept.len + c->piece.gap - c->passed;
		finish_piece(c);
		return;
	}
	if (!side->begun)
		side->begun = c->piece.ns;
	tell_moment(c, c->piece.position + c->piece.bytes.len - kept.len + c->passed);
	cut = c->protocol->gap(c->state, speaker(c, c->direction), kept, c->piece.gap - c->passed,
			       &message, &used, &why);
	c->passed += used;
	if (cut == CUT_MESSAGE)
		note_message(c, &message, c->piece.position + c->piece.bytes.len + c->passed);
	if (cut == CUT_BAD) {
		c->counts.unread += used;
		note_loss(c, side->is_tail && !c->piece.is_lost ? LOSS_TAIL : LOSS_ANY);
	}
	if (cut != CUT_MESSAGE || c->passed == c->piece.gap)
		finish_piece(c);
}

static bool take_datagram(struct conversation *c)
{
	struct conversation_datagram *next = &c->datagrams[c->datagrams_at];

	if (c->datagrams_at == c->datagrams_len) {
		c->datagrams_at = c->datagrams_len = 0;
		return false;
	}
	c->datagrams_at++;
	c->direction = next->direction;
	c->piece = (struct stream_piece){.bytes = {next->bytes, next->len}, .ns = next->ns};
	c->passed = next->moved - next->len;
	c->used = 0;
	c->has_piece = true;
	return true;
}

static bool wait_for_more(struct conversation *c)
{
	stream_hold(&c->streams[0]);
	stream_hold(&c->streams[1]);
	return false;
}

/*
 * A connection whose order was lost finds it again when it rests: the last bytes were the server's, nothing moved for far
 * longer than any answer took, and then the client speaks. What is open by then nobody waits for. It is no proof, so
 * these pairs are marked as assumed (pair_trust()).
 */
static void note_pause(struct conversation *c)
{
	uint64_t pause_ns = c->piece.ns > c->moved_ns ? c->piece.ns - c->moved_ns : 0;
	uint64_t long_ns = c->slowest_ns * PAUSE_FACTOR;
	bool is_turn = speaker(c, c->direction) == SIDE_CLIENT &&
		       speaker(c, c->moved_direction) == SIDE_SERVER &&
		       c->moved_direction != c->direction;

	if (long_ns < PAUSE_NS)
		long_ns = PAUSE_NS;
	c->is_settling = is_turn && !c->is_by_id && c->moved_ns && pause_ns >= long_ns &&
			 !c->piece.gap && !pair_is_sure(&c->pair) && !c->side[0].begun &&
			 !c->side[1].begun;
	if (c->is_settling) {
		pair_trust(&c->pair);
		if (c->protocol->settle)
			c->protocol->settle(c->state);
	}
	c->moved_ns = c->piece.ns;
	c->moved_direction = c->direction;
}

/*
 * The older of the two directions' next pieces. While one direction waits for what is missing, the other
 * waits as well, or requests would be told long after their responses.
 */
static bool take_piece(struct conversation *c)
{
	const struct stream_event *first, *second;
	unsigned direction;

	bool is_full = c->streams[0].ahead_len + c->streams[1].ahead_len >= STREAM_AHEAD;

	if (is_full)
		conversation_give_up(c);
	if (stream_is_stalled(&c->streams[0]) || stream_is_stalled(&c->streams[1]))
		return wait_for_more(c);
	first = stream_peek(&c->streams[0]);
	second = stream_peek(&c->streams[1]);
	direction = !first || (second && second->ns < first->ns);
	if (!is_full && (first || second) && (direction ? second : first)->ns > c->until)
		return wait_for_more(c);
	if (!stream_take(&c->streams[direction], &c->piece))
		return wait_for_more(c);
	c->direction = (uint8_t)direction;
	c->used = 0;
	c->passed = 0;
	c->has_piece = true;
	note_pause(c);
	return true;
}

/* It is another protocol from here on. What it is may be known, too. */
static void hand_over(struct conversation *c)
{
	const struct protocol *next =
		protocol_named(!strcmp(c->handover, "h2c") ? "http2" : c->handover, false);

	if (!strcmp(c->handover, "h2c"))
		pair_go_on(&c->pair, H2C_STREAM);
	c->became = c->handover;
	c->handover = NULL;
	if (next && !set_parser(c, next)) { /* in the middle of a piece */
		c->infer.settled = next;
		c->infer.messages = 0;
		if (strcmp(c->became, "h2c"))
			pair_settle(&c->pair);
		return;
	}
	stop(c);
	c->is_over = true;
}

static void end_direction(struct conversation *c, unsigned direction)
{
	struct message message;
	__typeof__(c->side[0]) *side = &c->side[direction];

	side->is_ended = true;
	c->direction = (uint8_t)direction;
	if (c->protocol && (!side->is_lost || c->protocol->moment) && !c->is_datagram &&
	    c->protocol->close(c->state, speaker(c, direction), stream_kept(&c->streams[direction]),
			       &message) == CUT_MESSAGE)
		note_message(c, &message, c->streams[direction].next);
}

static bool step(struct conversation *c)
{
	if (c->has_more && c->protocol) {
		take_another(c);
		return true;
	}
	if (c->has_piece && c->protocol) {
		if (c->piece.gap)
			pass_gap(c);
		else
			cut_bytes(c);
		return true;
	}
	if (c->has_piece)
		finish_piece(c);
	if (!c->protocol && !c->is_datagram && !c->is_over && find_verdict(c))
		return true;
	if (!c->protocol)
		return wait_for_verdict(c);
	if (c->is_datagram ? take_datagram(c) : take_piece(c))
		return true;
	for (unsigned i = 0; i < 2; i++)
		if (c->side[i].is_closed && stream_give_up(&c->streams[i]))
			return true;
	for (unsigned i = 0; i < 2; i++)
		if (c->side[i].is_closed && !c->side[i].is_ended && !stream_peek(&c->streams[i])) {
			end_direction(c, i);
			return true;
		}
	if (!c->side[0].is_ended || !c->side[1].is_ended || !c->pair.open)
		return false;
	pair_give_up(&c->pair, UINT64_MAX);
	return true;
}

static void note_duration(struct conversation *c, const struct exchange *exchange)
{
	uint64_t ns = exchange->answered.last - exchange->asked.first;

	if (exchange->has_response && exchange->answered.last > exchange->asked.first &&
	    ns > c->slowest_ns)
		c->slowest_ns = ns;
}

bool conversation_take(struct conversation *c, struct exchange *ret_exchange)
{
	for (;;) {
		if (pair_take(&c->pair, ret_exchange)) {
			note_duration(c, ret_exchange);
			return true;
		}
		if (c->handover)
			hand_over(c);
		if (!step(c))
			return false;
	}
}

bool conversation_rests(const struct conversation *c)
{
	if (!c->protocol || !c->protocol->rests || c->is_over || c->has_piece || c->has_more ||
	    c->handover || !pair_rests(&c->pair) || !c->protocol->rests(c->state))
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (!stream_rests(&c->streams[i]) || c->side[i].is_lost || c->side[i].begun ||
		    c->side[i].is_closed)
			return false;
	return true;
}

void conversation_add(struct conversation *c, unsigned from_client, struct exchange *exchange)
{
	stream_leave_out(&c->streams[from_client], exchange->request.bytes, exchange->asked.last);
	stream_leave_out(&c->streams[!from_client], exchange->response.bytes,
			 exchange->answered.last);
	exchange->proof = pair_add(&c->pair);
	infer_confirm(&c->infer);
	c->counts.messages += 2;
	for (int i = 0; i < 2; i++)
		c->side[i].is_new = c->side[i].is_tail = false;
	c->moved_ns = exchange->answered.last;
	c->moved_direction = !from_client;
	note_duration(c, exchange);
}

void conversation_give_up(struct conversation *c)
{
	for (size_t i = 0; i < 2; i++)
		stream_give_up(&c->streams[i]);
}

void conversation_until(struct conversation *c, uint64_t ns)
{
	c->until = ns;
}

void conversation_close(struct conversation *c, unsigned direction, uint64_t ns)
{
	c->side[direction].is_closed = true;
	if (c->side[!direction].is_closed)
		c->until = UINT64_MAX;
	c->piece.ns = ns;
	stream_give_up(&c->streams[direction]);
}

bool conversation_open(struct conversation *c, size_t *at, struct exchange *ret_exchange)
{
	*ret_exchange = (struct exchange){.proof = PROOF_ID};
	if (!c->protocol || !c->protocol->open || c->is_over ||
	    !c->protocol->open(c->state, at, &ret_exchange->request, &ret_exchange->response,
			       &ret_exchange->has_response))
		return false;
	ret_exchange->asked = moment_of(c, &ret_exchange->request);
	ret_exchange->answered = moment_of(c, &ret_exchange->response);
	ret_exchange->interims = ret_exchange->response.interims;
	return true;
}

uint64_t conversation_passes(const struct conversation *c, unsigned direction)
{
	if (c->is_over || infer_is_hopeless(&c->infer))
		return UINT64_MAX;
	if (!c->protocol || !c->protocol->passes || c->side[direction].is_lost)
		return 0;
	return c->protocol->passes(c->state, speaker(c, direction));
}
