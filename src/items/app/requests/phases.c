// SPDX-License-Identifier: GPL-2.0-only
/*
 * phases - where the time of an exchange went.
 *
 * What moved is known by position, so each end of a message finds the call that moved it: when it was read
 * or written says the conversation, when received bytes had come to the socket say the arrivals remembered here.
 *
 *	server:	arrival .. queue .. read .... request read .. process .. response written .. send .. last of it
 *	client:	written .. send .. last of it .. wait .. arrival .. queue .. read .. download .. last read
 */
#include "items/app/requests/phases.h"

#include <stdlib.h>

enum { ARRIVALS_FIRST = 8 };

/* More are remembered once one was looked for that had been pushed out. */
static bool make_room(struct talk *talk)
{
	uint32_t room = talk->arrival_room ? talk->arrival_room * 2 : ARRIVALS_FIRST;
	struct arrival *more;

	if (talk->arrival_room && (!talk->has_missed_arrival || room > TALK_ARRIVALS))
		return true;
	more = calloc(room, sizeof(*more));
	if (!more)
		return talk->arrival_room;
	for (uint32_t i = 0; i < talk->arrival_room && i < talk->arrivals; i++) {
		uint32_t number = talk->arrivals - 1 - i;

		more[number % room] = talk->arrival[number % talk->arrival_room];
	}
	free(talk->arrival);
	talk->arrival = more;
	talk->arrival_room = room;
	talk->has_missed_arrival = false;
	return true;
}

void phases_note_arrival(struct talk *talk, const struct chunk *chunk)
{
	if (!make_room(talk))
		return;
	talk->arrival[talk->arrivals++ % talk->arrival_room] = (struct arrival){
		.position = chunk->position,
		.end = chunk->position + chunk->moved,
		.first_ns = chunk->arrived_ns,
		.last_ns = chunk->arrived_last_ns ? chunk->arrived_last_ns : chunk->arrived_ns,
	};
}

/* When the received byte at `position` had come to the socket; 0 = not known. */
static uint64_t arrived(struct talk *talk, uint64_t position)
{
	for (uint32_t i = 0; i < talk->arrival_room && i < talk->arrivals; i++) {
		const struct arrival *arrival =
			&talk->arrival[(talk->arrivals - 1 - i) % talk->arrival_room];

		if (position >= arrival->position && position < arrival->end)
			return position == arrival->position ? arrival->first_ns : arrival->last_ns;
	}
	talk->has_missed_arrival |= talk->arrivals > talk->arrival_room;
	return 0;
}

static uint64_t span_ns(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void set_phase(struct outcome *outcome, enum phase phase, uint64_t ns)
{
	outcome->phase_ns[phase] = ns;
	outcome->phases |= 1u << phase;
}

static void time_server(struct talk *talk, struct outcome *outcome)
{
	const struct pair_moment *asked = &outcome->exchange->asked,
				 *answered = &outcome->exchange->answered;
	uint64_t came_ns = arrived(talk, asked->position);

	if (came_ns && came_ns <= asked->first) {
		outcome->began_ns = came_ns;
		set_phase(outcome, PHASE_QUEUE, asked->first - came_ns);
	}
	if (!outcome->exchange->has_response)
		return;
	outcome->duration_ns = span_ns(outcome->began_ns, answered->last);
	set_phase(outcome, PHASE_PROCESS, span_ns(asked->last, answered->first));
	set_phase(outcome, PHASE_SEND, span_ns(answered->first, answered->last));
	talk->stay[talk->stays++ % TALK_STAYS] = (struct stay){
		.position = asked->position,
		.ns = span_ns(outcome->began_ns, answered->first),
	};
}

/* How long the request was at its server, if that is on this machine and has told already. */
static bool stay_at(const struct talk *server, uint64_t position, uint64_t *ret_ns)
{
	for (uint32_t i = 0; i < TALK_STAYS && i < server->stays; i++) {
		const struct stay *stay = &server->stay[(server->stays - 1 - i) % TALK_STAYS];

		if (stay->position != position)
			continue;
		*ret_ns = stay->ns;
		return true;
	}
	return false;
}

/* What of a client's wait was not the server's. Seen from one end only, the round trip time bounds it. */
static void time_network(const struct talk *talk, const struct talk *server, uint64_t wait_ns,
			 struct outcome *outcome)
{
	uint64_t rtt_ns = (uint64_t)talk->srtt_us * 1000, stay_ns;

	if (server && stay_at(server, outcome->exchange->asked.position, &stay_ns)) {
		set_phase(outcome, PHASE_NETWORK, span_ns(stay_ns, wait_ns));
	} else if (rtt_ns) {
		outcome->is_network_bound = true;
		set_phase(outcome, PHASE_NETWORK, rtt_ns < wait_ns ? rtt_ns : wait_ns);
	}
}

static void time_client(struct talk *talk, const struct talk *server, struct outcome *outcome)
{
	const struct pair_moment *asked = &outcome->exchange->asked,
				 *answered = &outcome->exchange->answered;
	uint64_t came_ns, wait_ns;

	set_phase(outcome, PHASE_SEND, span_ns(asked->first, asked->last));
	if (!outcome->exchange->has_response)
		return;
	came_ns = arrived(talk, answered->position);
	if (came_ns > answered->first)
		came_ns = 0;
	wait_ns = span_ns(asked->last, came_ns ? came_ns : answered->first);
	outcome->duration_ns = span_ns(outcome->began_ns, answered->last);
	set_phase(outcome, PHASE_WAIT, wait_ns);
	if (came_ns)
		set_phase(outcome, PHASE_QUEUE, answered->first - came_ns);
	set_phase(outcome, PHASE_DOWNLOAD, span_ns(answered->first, answered->last));
	time_network(talk, server, wait_ns, outcome);
}

void phases_of(struct talk *talk, const struct talk *peer, struct outcome *outcome)
{
	outcome->is_peer_watched = peer;
	if (outcome->side == SIDE_SERVER)
		time_server(talk, outcome);
	else
		time_client(talk, peer, outcome);
}
