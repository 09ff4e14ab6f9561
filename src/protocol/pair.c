// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair - requests and responses of one connection become exchanges.
 *
 * Open requests stand packed in one run of memory, oldest first:
 *
 *	room:  ... let go ... | first: open | open | hole | open | :end
 *
 * A hole says that requests are missing at that place: a known number (there was no room for them), or an
 * unknown one (their bytes were lost). Responses in order take the first open entry; what a hole of known
 * size takes is lost, and at a hole of unknown size the order is gone.
 *
 * Without order, nothing says which request a response answers, but for this: a client that waits for
 * each response has none open when it asks. So a request that follows a response, and is followed by a
 * response, is paired with it, and marked as assumed; the first sign of two requests open at once ends
 * that for good. Ids that are only repeated in order (memcached) cannot prove it anew: many clients
 * always send the same.
 *
 * Quiet requests (ANSWER_MAYBE, ANSWER_ERROR) are passed over by a response that cannot be theirs. If it
 * could be theirs or another's, it is nobody's, and the order is gone.
 *
 * A response may be told of before its request: a server answers before it has read the whole body, or
 * two CPUs told their events in another order. As long as the order is certain, it waits for its request.
 */
#include "protocol/pair.h"

#include <stdlib.h>

enum order {
	ORDER_SURE,
	ORDER_LOST,
	ORDER_PIPED, /* lost, and the client is known to have several requests open */
};

enum state {
	STATE_OPEN, /* a request */
	STATE_EARLY, /* a response */
	STATE_READY, /* a request to be given out without response */
	STATE_HOLE, /* requests that are missing */
	STATE_DEAD, /* to be passed over */
};

struct entry {
	uint32_t size; /* bytes to the next entry, a multiple of 8 */
	uint8_t state; /* enum state */
	bool is_given_up;
	uint32_t interims;
	uint64_t missing; /* of a hole; UNKNOWN: nobody knows how many */
	struct pair_moment moment;
	struct packed message;
};

#define UNKNOWN UINT64_MAX

enum { ROOM_MIN = 1024 };

void pair_init(struct pair *pair, bool from_start, size_t cap)
{
	*pair = (struct pair){.order = from_start ? ORDER_SURE : ORDER_LOST, .cap = cap};
}

void pair_done(struct pair *pair)
{
	free(pair->room);
	*pair = (struct pair){};
}

/* The run of entries. */

static struct entry *entry_at(const struct pair *pair, size_t at)
{
	return (struct entry *)(pair->room + at);
}

/* Room for `need` more bytes at the end, behind what is there. */
static bool make_room(struct pair *pair, size_t need)
{
	size_t live = pair->end - pair->first;
	size_t size = pair->size ? pair->size : ROOM_MIN;
	uint8_t *room;

	if (pair->end + need <= pair->size)
		return true;
	/* moving is cheap if half of the room was let go; at the cap it must do with an eighth */
	if (live + need <= pair->size &&
	    (pair->first >= pair->size / 2 ||
	     (pair->size == pair->cap && pair->first >= pair->size / 8))) {
		memmove(pair->room, pair->room + pair->first, live);
		pair->end = live;
		pair->first = 0;
		return true;
	}
	while (size < live + need)
		size *= 2;
	if (size == pair->size)
		size *= 2;
	if (size > pair->cap)
		size = pair->cap;
	if (size <= pair->size || size < live + need)
		return false;
	room = malloc(size);
	if (!room)
		return false;
	if (live)
		memcpy(room, pair->room + pair->first, live);
	free(pair->room);
	pair->room = room;
	pair->size = size;
	pair->end = live;
	pair->first = 0;
	return true;
}

static struct entry *push_entry(struct pair *pair, enum state state, size_t text,
				struct pair_moment moment)
{
	size_t size = (sizeof(struct entry) + text + 7) & ~(size_t)7;
	struct entry *entry;

	if (!make_room(pair, size))
		return NULL;
	entry = entry_at(pair, pair->end);
	*entry = (struct entry){.size = (uint32_t)size, .state = state, .moment = moment};
	pair->end += size;
	return entry;
}

static bool is_quiet(const struct entry *entry)
{
	return entry->message.answer != ANSWER_ONE;
}

static void change(struct pair *pair, struct entry *entry, enum state state)
{
	pair->open -= entry->state == STATE_OPEN;
	pair->due -= entry->state == STATE_OPEN && !is_quiet(entry);
	pair->early -= entry->state == STATE_EARLY;
	pair->ready -= entry->state == STATE_READY;
	entry->state = state;
	pair->open += state == STATE_OPEN;
	pair->due += state == STATE_OPEN && !is_quiet(entry);
	pair->early += state == STATE_EARLY;
	pair->ready += state == STATE_READY;
}

static bool push_message(struct pair *pair, enum state state, const struct message *message,
			 struct pair_moment moment)
{
	size_t text = message_packed_size(message) - sizeof(struct packed);
	struct entry *entry = NULL;

	/* a hole must fit behind it, or the first request too many would cost the order */
	if (make_room(pair, 2 * sizeof(struct entry) + text + 8))
		entry = push_entry(pair, state, text, moment);
	if (!entry)
		return false;
	message_pack(message, &entry->message);
	entry->state = STATE_DEAD;
	change(pair, entry, state);
	return true;
}

/* Its memory may be used again. */
static void let_go(struct pair *pair, struct entry *entry)
{
	change(pair, entry, STATE_DEAD);
	while (pair->first < pair->end && entry_at(pair, pair->first)->state == STATE_DEAD)
		pair->first += entry_at(pair, pair->first)->size;
	if (pair->first == pair->end)
		pair->first = pair->end = 0;
}

/* The first entry of one of two states at or behind `at`; NULL: none. */
static struct entry *find(const struct pair *pair, size_t at, enum state state, enum state or_state)
{
	for (; at < pair->end; at += entry_at(pair, at)->size)
		if (entry_at(pair, at)->state == state || entry_at(pair, at)->state == or_state)
			return entry_at(pair, at);
	return NULL;
}

static size_t place_of(const struct pair *pair, const struct entry *entry)
{
	return (size_t)((const uint8_t *)entry - pair->room);
}

static struct entry *next_of(const struct pair *pair, const struct entry *entry, enum state state,
			     enum state or_state)
{
	return find(pair, place_of(pair, entry) + entry->size, state, or_state);
}

/* Order. */

static void drop_all(struct pair *pair)
{
	struct entry *entry;

	while ((entry = find(pair, pair->first, STATE_OPEN, STATE_EARLY))) {
		*(entry->state == STATE_OPEN ? &pair->counts.lost_requests
					     : &pair->counts.lost_responses) += 1;
		let_go(pair, entry);
	}
	while ((entry = find(pair, pair->first, STATE_HOLE, STATE_HOLE)))
		let_go(pair, entry);
}

static void lose_order(struct pair *pair)
{
	drop_all(pair);
	pair->is_trusting = false;
	if (pair->order == ORDER_SURE)
		pair->order = pair->deepest > 1 ? ORDER_PIPED : ORDER_LOST;
}

static void add_hole(struct pair *pair, uint64_t missing)
{
	struct pair_moment never = {};
	struct entry *entry = NULL, *last = NULL;

	while ((entry = last ? next_of(pair, last, STATE_OPEN, STATE_HOLE)
			     : find(pair, pair->first, STATE_OPEN, STATE_HOLE)))
		last = entry;
	if (last && last->state == STATE_HOLE) {
		last->missing = last->missing == UNKNOWN || missing == UNKNOWN
					? UNKNOWN
					: last->missing + missing;
		return;
	}
	entry = push_entry(pair, STATE_HOLE, 0, never);
	if (entry)
		entry->missing = missing;
	else
		lose_order(pair);
}

/* Behind one torn request the only open one is still that, if its client does not pipeline. */
static void lose_tail(struct pair *pair, enum side from)
{
	if (from == SIDE_SERVER && (pair->open || pair->early))
		lose_order(pair);
	if (from == SIDE_SERVER)
		return; /* everything asked was answered: nothing can have stood there */
	if (pair->open == 1 && pair->deepest <= 1 && !pair->early && pair->order != ORDER_PIPED)
		pair->order = ORDER_LOST;
	else
		pair_lost(pair, from, LOSS_ANY);
}

void pair_lost(struct pair *pair, enum side from, enum loss loss)
{
	if (loss == LOSS_TAIL) {
		lose_tail(pair, from);
		return;
	}
	pair->is_answered = false;
	pair->asked_in_row = pair->answered_in_row = 0;
	if (from == SIDE_CLIENT && pair->order == ORDER_SURE && !pair->early)
		add_hole(pair, UNKNOWN); /* requests before it are still certain */
	else
		lose_order(pair);
}

void pair_settle(struct pair *pair)
{
	drop_all(pair);
	pair->order = ORDER_SURE;
	pair->is_trusting = false;
}

void pair_trust(struct pair *pair)
{
	pair_settle(pair);
	pair->is_trusting = true;
}

bool pair_is_sure(const struct pair *pair)
{
	return pair->order == ORDER_SURE;
}

bool pair_rests(const struct pair *pair)
{
	bool is_empty =
		!pair->open && !pair->early && !pair->ready && !pair->has_one_way && !pair->matched;

	return is_empty &&
	       (pair->order == ORDER_SURE || (pair->order == ORDER_LOST && pair->is_answered));
}

enum proof pair_add(struct pair *pair)
{
	enum proof proof =
		pair->order == ORDER_SURE && !pair->is_trusting ? PROOF_ORDER : PROOF_ASSUMED;

	pair->counts.requests++;
	pair->counts.responses++;
	pair->counts.paired++;
	pair->counts.assumed += proof == PROOF_ASSUMED;
	pair->asked_in_row = pair->answered_in_row = 1;
	pair->is_answered = true;
	if (!pair->deepest)
		pair->deepest = 1;
	return proof;
}

void pair_go_on(struct pair *pair, uint64_t id)
{
	struct entry *entry = find(pair, pair->first, STATE_OPEN, STATE_OPEN);

	if (pair->open == 1) {
		entry->message.correlation = CORRELATION_ID;
		entry->message.id = id;
	} else {
		drop_all(pair);
	}
	pair->order = ORDER_SURE;
}

/* Pairing. */

static void match(struct pair *pair, struct entry *entry, const struct message *response,
		  struct pair_moment moment, enum proof proof)
{
	/* Only now: a request may have seemed to come before the response to the last one, where that was lost
	 * and nobody knew yet. */
	if (pair->due > pair->deepest)
		pair->deepest = pair->due;
	pair->matched = place_of(pair, entry) + 1;
	pair->response = *response;
	pair->answered = moment;
	pair->proof = proof;
	pair->is_match_early = false;
	pair->counts.paired++;
	pair->counts.assumed += proof == PROOF_ASSUMED;
}

/* Ids that are repeated in order must be equal; only an error may come without. */
static bool could_answer(const struct message *response, const struct entry *entry)
{
	if (response->correlation == CORRELATION_ORDER_ID && response->id != entry->message.id &&
	    (response->id || !response->is_error))
		return false;
	return entry->message.answer != ANSWER_ERROR || response->is_error;
}

/* What stands before `end`, and has no claim on a response: quiet ones will have none, others' are lost. */
static void pass_over(struct pair *pair, const struct entry *end)
{
	struct entry *entry = find(pair, pair->first, STATE_OPEN, STATE_HOLE);

	while (entry && entry != end) {
		struct entry *next = next_of(pair, entry, STATE_OPEN, STATE_HOLE);

		if (entry->state == STATE_OPEN && is_quiet(entry)) {
			pair->counts.silent++;
			change(pair, entry, STATE_READY);
		} else {
			pair->counts.lost_requests += entry->state == STATE_OPEN;
			change(pair, entry, STATE_DEAD);
		}
		entry = next;
	}
}

/* A response that waited has its request. */
static void match_early(struct pair *pair, struct entry *entry, enum proof proof)
{
	pair->matched = place_of(pair, entry) + 1;
	pair->proof = proof;
	pair->is_match_early = true;
	pair->counts.paired++;
	if (proof == PROOF_ORDER)
		pass_over(pair, entry);
}

static struct entry *find_id(const struct pair *pair, enum state state, uint64_t id)
{
	struct entry *entry =
		state != STATE_EARLY || pair->early ? find(pair, pair->first, state, state) : NULL;

	while (entry && entry->message.id != id)
		entry = next_of(pair, entry, state, state);
	return entry;
}

/* The quiet requests at the front and the first that is not: ret_count of them may be meant. */
static struct entry *find_candidate(const struct pair *pair, const struct message *response,
				    size_t *ret_count, bool *ret_hole)
{
	struct entry *entry = find(pair, pair->first, STATE_OPEN, STATE_HOLE), *found = NULL;

	*ret_count = 0;
	*ret_hole = false;
	for (; entry; entry = next_of(pair, entry, STATE_OPEN, STATE_HOLE)) {
		if (entry->state == STATE_HOLE) {
			*ret_hole = true;
			break;
		}
		if (could_answer(response, entry)) {
			found = entry;
			++*ret_count;
		}
		if (!is_quiet(entry))
			break;
	}
	return found;
}

static void take_from_hole(struct pair *pair)
{
	struct entry *hole = find(pair, pair->first, STATE_HOLE, STATE_HOLE);

	pair->counts.lost_responses++;
	if (hole->missing == UNKNOWN) {
		lose_order(pair);
		return;
	}
	pass_over(pair, hole);
	if (!--hole->missing)
		let_go(pair, hole);
}

static void answer_by_order(struct pair *pair, const struct message *response,
			    struct pair_moment moment)
{
	size_t count;
	bool is_hole;
	struct entry *found = find_candidate(pair, response, &count, &is_hole);

	if (count == 1 && !is_hole) {
		pass_over(pair, found);
		match(pair, found, response, moment,
		      pair->is_trusting ? PROOF_ASSUMED : PROOF_ORDER);
		return;
	}
	if (!count && is_hole) {
		take_from_hole(pair);
		return;
	}
	if (!count && !pair->due && !pair->is_trusting && pair->early < PAIR_EARLY_IN_ORDER &&
	    push_message(pair, STATE_EARLY, response, moment))
		return;
	/* Nobody's, or one of several's; and how many of those are still to be answered, nobody knows. */
	pair->counts.lost_responses++;
	lose_order(pair);
}

static void answer_without_order(struct pair *pair, const struct message *response,
				 struct pair_moment moment)
{
	struct entry *found = find(pair, pair->first, STATE_OPEN, STATE_OPEN);

	if (found && pair->open == 1 && pair->order == ORDER_LOST && could_answer(response, found))
		match(pair, found, response, moment, PROOF_ASSUMED);
	else
		pair->counts.lost_responses++;
}

static void answer_by_id(struct pair *pair, const struct message *response,
			 struct pair_moment moment)
{
	struct entry *found = find_id(pair, STATE_OPEN, response->id);

	if (found) {
		match(pair, found, response, moment, PROOF_ID);
		return;
	}
	if (pair->early >= PAIR_EARLY) {
		let_go(pair, find(pair, pair->first, STATE_EARLY, STATE_EARLY));
		pair->counts.lost_responses++;
	}
	if (!push_message(pair, STATE_EARLY, response, moment))
		pair->counts.lost_responses++;
}

static void take_response(struct pair *pair, const struct message *response,
			  struct pair_moment moment)
{
	pair->counts.responses++;
	if (response->correlation == CORRELATION_ID)
		answer_by_id(pair, response, moment);
	else if (pair->order == ORDER_SURE)
		answer_by_order(pair, response, moment);
	else
		answer_without_order(pair, response, moment);
	pair->is_answered = true;
}

/* No room: in order, its place is remembered; by id, the oldest makes room. */
static void push_request(struct pair *pair, const struct message *request,
			 struct pair_moment moment)
{
	bool by_id = request->correlation == CORRELATION_ID;
	struct entry *oldest;

	if (push_message(pair, STATE_OPEN, request, moment))
		return;
	oldest = by_id ? find(pair, pair->first, STATE_OPEN, STATE_OPEN) : NULL;
	pair->counts.lost_requests++;
	pair->counts.overflows++;
	if (oldest) {
		let_go(pair, oldest);
		if (push_message(pair, STATE_OPEN, request, moment))
			return;
		pair->counts.lost_requests++;
		pair->counts.overflows++;
	} else if (!by_id && request->answer == ANSWER_ONE) {
		add_hole(pair, 1);
	} else if (!by_id) {
		add_hole(pair, UNKNOWN);
	}
}

/* After a loss. A request that cannot be paired is counted at once, so that nothing piles up. */
static void ask_without_order(struct pair *pair, const struct message *request,
			      struct pair_moment moment)
{
	if (pair->open || !pair->is_answered || pair->order == ORDER_PIPED ||
	    request->answer != ANSWER_ONE) {
		drop_all(pair);
		pair->counts.lost_requests++;
		return;
	}
	push_request(pair, request, moment);
}

/* Two requests in a row may be one whose response was lost, and the next. Followed by two responses in a
 * row, they are a pipeline. */
static void note_run(struct pair *pair, bool is_request)
{
	if (is_request) {
		pair->asked_in_row = pair->answered_in_row ? 1 : pair->asked_in_row + 1;
		pair->answered_in_row = 0;
		return;
	}
	pair->answered_in_row++;
	if (pair->order == ORDER_LOST && pair->asked_in_row > 1 && pair->answered_in_row > 1)
		pair->order = ORDER_PIPED;
}

static void take_request(struct pair *pair, const struct message *request,
			 struct pair_moment moment)
{
	bool by_id = request->correlation == CORRELATION_ID;
	struct entry *early = NULL;

	pair->counts.requests++;
	if (request->answer == ANSWER_NONE) {
		pair->counts.silent++;
		pair->one_way = *request;
		pair->asked = moment;
		pair->has_one_way = true;
		return;
	}
	if (by_id)
		early = find_id(pair, STATE_EARLY, request->id);
	else if (pair->order == ORDER_SURE && !pair->due && request->answer == ANSWER_ONE)
		early = find(pair, pair->first, STATE_EARLY, STATE_EARLY);
	if (early) {
		pair->one_way = *request;
		pair->asked = moment;
		match_early(pair, early, by_id ? PROOF_ID : PROOF_ORDER);
		return;
	}
	if (by_id || pair->order == ORDER_SURE)
		push_request(pair, request, moment);
	else
		ask_without_order(pair, request, moment);
	pair->is_answered = false;
}

static void take_interim(struct pair *pair, const struct message *interim)
{
	struct entry *entry = interim->correlation == CORRELATION_ORDER
				      ? find(pair, pair->first, STATE_OPEN, STATE_OPEN)
				      : find_id(pair, STATE_OPEN, interim->id);

	pair->counts.interims++;
	if (entry)
		entry->interims++;
}

void pair_message(struct pair *pair, const struct message *message, struct pair_moment moment)
{
	switch (message->kind) {
	case MESSAGE_REQUEST:
		note_run(pair, true);
		take_request(pair, message, moment);
		break;
	case MESSAGE_RESPONSE:
		note_run(pair, false);
		take_response(pair, message, moment);
		break;
	case MESSAGE_INTERIM: take_interim(pair, message); break;
	case MESSAGE_PUSH: pair->counts.pushes++; break;
	}
}

/* Giving out. */

static void fill(struct pair *pair, struct entry *entry, struct exchange *ret_exchange)
{
	*ret_exchange = (struct exchange){
		.asked = entry->moment,
		.interims = entry->interims,
		.is_given_up = entry->is_given_up,
		.proof = PROOF_ORDER,
	};
	message_unpack(&entry->message, &ret_exchange->request);
	pair->given = place_of(pair, entry) + 1;
}

static void fill_early(struct pair *pair, struct entry *entry, struct exchange *ret_exchange)
{
	*ret_exchange = (struct exchange){
		.request = pair->one_way,
		.asked = pair->asked,
		.answered = entry->moment,
		.has_response = true,
		.proof = pair->proof,
	};
	message_unpack(&entry->message, &ret_exchange->response);
	pair->given = place_of(pair, entry) + 1;
}

bool pair_take(struct pair *pair, struct exchange *ret_exchange)
{
	struct entry *entry;

	if (pair->given)
		let_go(pair, entry_at(pair, pair->given - 1));
	pair->given = 0;
	if (pair->has_one_way) {
		*ret_exchange = (struct exchange){.request = pair->one_way, .asked = pair->asked};
		pair->has_one_way = false;
		return true;
	}
	entry = pair->ready ? find(pair, pair->first, STATE_READY, STATE_READY) : NULL;
	if (entry) {
		fill(pair, entry, ret_exchange);
		return true;
	}
	if (!pair->matched)
		return false;
	entry = entry_at(pair, pair->matched - 1);
	pair->matched = 0;
	if (pair->is_match_early) {
		fill_early(pair, entry, ret_exchange);
		return true;
	}
	fill(pair, entry, ret_exchange);
	ret_exchange->response = pair->response;
	ret_exchange->answered = pair->answered;
	ret_exchange->has_response = true;
	ret_exchange->interims += pair->response.interims;
	ret_exchange->proof = pair->proof;
	return true;
}

void pair_give_up(struct pair *pair, uint64_t before)
{
	struct entry *entry = find(pair, pair->first, STATE_OPEN, STATE_OPEN);

	for (; entry; entry = next_of(pair, entry, STATE_OPEN, STATE_OPEN)) {
		bool in_order = entry->message.correlation != CORRELATION_ID;

		if (entry->moment.first >= before || (in_order && before != UINT64_MAX))
			continue;
		change(pair, entry, STATE_READY);
		entry->is_given_up = entry->message.answer == ANSWER_ONE;
		*(entry->is_given_up ? &pair->counts.given_up : &pair->counts.silent) += 1;
	}
}

bool pair_is_even(const struct pair *pair)
{
	const struct pair_counts *c = &pair->counts;

	return c->requests == c->paired + c->silent + c->given_up + c->lost_requests + pair->open &&
	       c->responses == c->paired + c->lost_responses + pair->early;
}
