// SPDX-License-Identifier: GPL-2.0-only
/*
 * talk - connections, from events of the kernel half to exchanges with phases.
 *
 * The events of a direction come in their order (each connection's calls are told one after the other into one
 * ring), so a hole in front of one is final: bytes that were left out on purpose are given to the stream as bytes
 * without content, lost ones are given up at once.
 *
 * Times. What moved is known by position, so each end of a message finds the call that moved it: when it was read
 * or written says the conversation, when received bytes had come to the socket say the arrivals remembered here.
 *
 *	server:	arrival .. queue .. read .... request read .. process .. response written .. send .. last of it
 *	client:	written .. send .. last of it .. wait .. arrival .. queue .. read .. download .. last read
 */
#include "items/app/requests/talk.h"

#include <netinet/in.h>
#include <stdlib.h>

enum {
	HEAD_MAX_LOG2 = 14,
	RUN_BYTES = 16 * 1024, /* of one side in a row, while the protocol is unknown */
	LONG_ENOUGH = 4, /* long calls, after which the next ones are believed to be alike */
	LONG_NEVER = UINT8_MAX,
};

_Static_assert(1 << HEAD_MAX_LOG2 == REQUESTS_HEAD_MAX, "one limit");

static const uint64_t give_up_ns =
			      10ull *
			      1000000000, /* an answer by datagram is not to be expected any more */
	datagrams_idle_ns = 60ull * 1000000000, stalled_ns = 2ull * 1000000000;

void talks_init(struct talks *talks, size_t cap, talk_outcome receive, void *ctx)
{
	*talks = (struct talks){.cap = cap, .receive = receive, .ctx = ctx, .head_log2 = 10};
	map_init(&talks->by_cookie, sizeof(uint64_t), sizeof(struct talk *), cap);
	map_init(&talks->by_tuple, sizeof(struct tuple), sizeof(struct talk *), cap);
}

/* ---- both ends of a connection ---- */

static bool is_loopback(const uint8_t addr[ADDR_BYTES])
{
	static const uint8_t loopback6[ADDR_BYTES] = {[15] = 1};

	return addr_is_ip4(addr) ? addr[12] == 127 : !memcmp(addr, loopback6, ADDR_BYTES);
}

static struct tuple tuple_of(const struct talk *talk, bool of_the_peer)
{
	struct tuple tuple = {.netns = is_loopback(talk->local_addr) ? talk->netns : 0};

	memcpy(tuple.local_addr, of_the_peer ? talk->remote_addr : talk->local_addr, ADDR_BYTES);
	memcpy(tuple.remote_addr, of_the_peer ? talk->local_addr : talk->remote_addr, ADDR_BYTES);
	tuple.local_port = of_the_peer ? talk->remote_port : talk->local_port;
	tuple.remote_port = of_the_peer ? talk->local_port : talk->remote_port;
	return tuple;
}

static void note_tuple(struct talks *talks, struct talk *talk)
{
	struct tuple own = tuple_of(talk, false), others = tuple_of(talk, true);
	struct talk **place = map_put(&talks->by_tuple, &own, NULL), **peer;

	if (place)
		*place = talk;
	peer = map_get(&talks->by_tuple, &others);
	if (!peer || *peer == talk || (*peer)->peer)
		return;
	talk->peer = *peer;
	talk->peer->peer = talk;
}

static void forget_tuple(struct talks *talks, const struct talk *talk)
{
	struct tuple tuple = tuple_of(talk, false);
	struct talk **place = map_get(&talks->by_tuple, &tuple);

	if (place && *place == talk)
		map_del(&talks->by_tuple, &tuple);
	if (talk->peer)
		talk->peer->peer = NULL;
}

/* ---- the list, oldest first ---- */

static void unlink_talk(struct talks *talks, struct talk *talk)
{
	*(talk->older ? &talk->older->newer : &talks->oldest) = talk->newer;
	*(talk->newer ? &talk->newer->older : &talks->newest) = talk->older;
	talk->older = talk->newer = NULL;
}

static void append_talk(struct talks *talks, struct talk *talk)
{
	talk->older = talks->newest;
	*(talks->newest ? &talks->newest->newer : &talks->oldest) = talk;
	talks->newest = talk;
}

static void hear(struct talks *talks, struct talk *talk, uint64_t now_ns)
{
	talk->heard_ns = now_ns;
	if (talks->newest == talk)
		return;
	unlink_talk(talks, talk);
	append_talk(talks, talk);
}

static void add_pairs(struct pair_counts *sum, const struct pair_counts *more)
{
	sum->requests += more->requests;
	sum->responses += more->responses;
	sum->interims += more->interims;
	sum->pushes += more->pushes;
	sum->paired += more->paired;
	sum->assumed += more->assumed;
	sum->silent += more->silent;
	sum->given_up += more->given_up;
	sum->lost_requests += more->lost_requests;
	sum->lost_responses += more->lost_responses;
	sum->overflows += more->overflows;
}

static void add_sum(struct talks_sum *sum, const struct conversation *conversation)
{
	add_pairs(&sum->pairs, &conversation->pair.counts);
	sum->bad += conversation->counts.bad;
	for (int i = 0; i < 2; i++) {
		sum->captured += conversation->streams[i].captured;
		sum->cut += conversation->streams[i].cut;
		sum->lost += conversation->streams[i].lost;
	}
}

static void forget(struct talks *talks, struct talk *talk)
{
	const struct conversation *conversation = &talk->conversation;

	add_sum(&talks->counts.ended, conversation);
	for (int i = 0; i < 2; i++)
		talks->counts.uneven += !stream_is_even(&conversation->streams[i]);
	conversation_done(&talk->conversation);
	forget_tuple(talks, talk);
	unlink_talk(talks, talk);
	map_del(&talks->by_cookie, &talk->cookie);
	free(talk);
}

void talks_done(struct talks *talks)
{
	while (talks->oldest)
		forget(talks, talks->oldest);
	map_done(&talks->by_cookie);
	map_done(&talks->by_tuple);
}

static struct talk *find(const struct talks *talks, uint64_t cookie)
{
	struct talk **talk = map_get(&talks->by_cookie, &cookie);

	return talk ? *talk : NULL;
}

/* The kernel half announces that connection again when it moves bytes. */
static void ask_again(struct talks *talks, uint64_t cookie)
{
	uint64_t times = talks->counts.evicted + talks->counts.orphans;

	if (talks->verdicts)
		__atomic_store_n(&talks->verdicts[cookie % REQUESTS_VERDICTS],
				 requests_verdict(cookie, REQUESTS_FORGOTTEN, 0, 0) | (times & 0xff)
											      << 24,
				 __ATOMIC_RELAXED);
}

static void evict(struct talks *talks, struct talk *talk)
{
	talks->counts.evicted++;
	if (talk->wanted != REQUESTS_UNWANTED && !talk->conversation.is_datagram)
		ask_again(talks, talk->cookie);
	forget(talks, talk);
}

static struct talk *add(struct talks *talks, uint64_t cookie)
{
	struct talk *talk, **place;

	if (talks->by_cookie.len >= talks->cap && talks->oldest)
		evict(talks, talks->oldest);
	talk = calloc(1, sizeof(*talk));
	place = talk ? map_put(&talks->by_cookie, &cookie, NULL) : NULL;
	if (!place) {
		talks->counts.refused++;
		free(talk);
		return NULL;
	}
	*place = talk;
	talk->cookie = cookie;
	append_talk(talks, talk);
	return talk;
}

/* ---- times ---- */

static void note_arrival(struct talk *talk, const struct requests_data *data)
{
	talk->arrival[talk->arrivals++ % TALK_ARRIVALS] = (struct arrival){
		.position = data->position,
		.end = data->position + data->moved,
		.first_ns = data->arrived_ns,
		.last_ns = data->arrived_last_ns ? data->arrived_last_ns : data->arrived_ns,
	};
}

/* When the received byte at `position` had come to the socket; 0 = not known. */
static uint64_t arrived(const struct talk *talk, uint64_t position)
{
	for (uint32_t i = 0; i < TALK_ARRIVALS && i < talk->arrivals; i++) {
		const struct arrival *arrival =
			&talk->arrival[(talk->arrivals - 1 - i) % TALK_ARRIVALS];

		if (position >= arrival->position && position < arrival->end)
			return position == arrival->position ? arrival->first_ns : arrival->last_ns;
	}
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

static void time_client(const struct talk *talk, const struct talk *server, struct outcome *outcome)
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

static void hand_on(struct talks *talks, struct talk *talk, const struct exchange *exchange)
{
	struct outcome outcome = {
		.exchange = exchange,
		.side = talk->conversation.infer.side_of[REQUESTS_OUT],
		.began_ns = exchange->asked.first,
		.is_whole = exchange->proof != PROOF_ASSUMED && exchange->request.is_complete &&
			    (!exchange->has_response || exchange->response.is_complete),
	};
	outcome.is_peer_watched = talk->peer;
	if (outcome.side == SIDE_SERVER)
		time_server(talk, &outcome);
	else
		time_client(talk, talk->peer, &outcome);
	talks->receive(talks->ctx, talk, &outcome);
}

static void take_exchanges(struct talks *talks, struct talk *talk)
{
	struct exchange exchange;

	while (conversation_take(&talk->conversation, &exchange))
		hand_on(talks, talk, &exchange);
}

/* ---- verdicts ---- */

static void write_verdict(struct talks *talks, struct talk *talk, enum requests_wanted wanted)
{
	uint64_t word = requests_verdict(talk->cookie, wanted, talk->limit_log2[REQUESTS_IN],
					 talk->limit_log2[REQUESTS_OUT]);

	talk->wanted = (uint8_t)wanted;
	if (talks->verdicts)
		__atomic_store_n(&talks->verdicts[talk->cookie % REQUESTS_VERDICTS], word,
				 __ATOMIC_RELAXED);
}

static void judge(struct talks *talks, struct talk *talk)
{
	const struct conversation *conversation = &talk->conversation;
	enum requests_wanted wanted = REQUESTS_UNDECIDED;

	if (conversation->is_over || infer_is_hopeless(&conversation->infer))
		wanted = REQUESTS_UNWANTED;
	else if (conversation->protocol)
		wanted = REQUESTS_WANTED;
	if (wanted != talk->wanted)
		write_verdict(talks, talk, wanted);
}

/*
 * How much of a call is worth copying. A call longer than head_bytes may be many messages in a row, of which every
 * byte counts, or one with a long body, of which the beginning does. It begins with as much as can be
 * had; after LONG_ENOUGH calls that were one message each it is head_bytes, until that does harm.
 */
static void set_limit(struct talks *talks, struct talk *talk, unsigned direction, uint32_t log2)
{
	bool is_request = (direction == REQUESTS_IN) == talk->is_accepted;
	uint16_t port = talk->is_accepted ? talk->local_port : talk->remote_port;
	uint32_t bit = is_request ? REQUESTS_LONG_REQUESTS : REQUESTS_LONG_RESPONSES;

	talk->limit_log2[direction] = (uint8_t)log2;
	write_verdict(talks, talk, talk->wanted);
	if (talks->ports)
		talks->ports[port] = log2 == HEAD_MAX_LOG2 ? talks->ports[port] & ~bit
							   : talks->ports[port] | bit;
}

static void learn_from_call(struct talks *talks, struct talk *talk,
			    const struct requests_data *data, uint64_t messages, bool did_harm)
{
	uint8_t *calls = &talk->long_calls[data->direction];

	if (data->moved <= 1u << talks->head_log2)
		return;
	if (did_harm && (uint32_t)data->first + data->last < data->moved &&
	    talk->limit_log2[data->direction] != HEAD_MAX_LOG2)
		set_limit(talks, talk, data->direction, HEAD_MAX_LOG2);
	if (did_harm || messages > 1)
		*calls = LONG_NEVER;
	else if (*calls != LONG_NEVER && ++*calls == LONG_ENOUGH)
		set_limit(talks, talk, data->direction, talks->head_log2);
}

static uint64_t harm(const struct conversation *conversation)
{
	return conversation->counts.torn + conversation->counts.unread +
	       conversation->pair.counts.lost_requests + conversation->pair.counts.lost_responses;
}

/* That went in this direction; as long as nobody knows whose it is, none. */
static uint64_t messages_of(const struct conversation *conversation, unsigned direction)
{
	const struct pair_counts *counts = &conversation->pair.counts;

	if (!conversation->protocol)
		return 0;
	return conversation->infer.side_of[direction] == SIDE_CLIENT
		       ? counts->requests
		       : counts->responses + counts->interims + counts->pushes;
}

/* ---- events ---- */

static void take_open(struct talks *talks, const struct requests_open *open)
{
	struct talk *talk = find(talks, open->cookie);
	bool is_from_start = !open->position[REQUESTS_IN] && !open->position[REQUESTS_OUT];

	if (talk) /* the kernel half is a new one, or was asked to: what it left out nobody knows */
		forget(talks, talk);
	talk = add(talks, open->cookie);
	if (!talk)
		return;
	talk->cgroup = open->cgroup;
	talk->pid = open->pid;
	talk->netns = open->netns;
	talk->local_port = open->local_port;
	talk->remote_port = open->remote_port;
	talk->transport = open->transport;
	talk->is_accepted = open->is_accepted;
	talk->heard_ns = open->head.ktime_ns;
	memcpy(talk->local_addr, open->local_addr, ADDR_BYTES);
	memcpy(talk->remote_addr, open->remote_addr, ADDR_BYTES);
	note_tuple(talks, talk);
	/* direction 0 is what we receive: of an accepted connection the client's */
	conversation_init(&talk->conversation, false, open->is_accepted ? SIDE_CLIENT : SIDE_SERVER,
			  is_from_start);
	for (unsigned i = 0; i < 2; i++) {
		talk->expected[i] = open->position[i];
		conversation_begin(&talk->conversation, i, open->position[i]);
	}
}

/* Bytes that nobody told of, up to a position that is known. */
static void pass_hole(struct talk *talk, unsigned direction, uint64_t until, uint64_t ns)
{
	uint64_t *expected = &talk->expected[direction];

	if (until <= *expected)
		return;
	conversation_put(&talk->conversation, direction, *expected, (struct span){},
			 until - *expected, ns);
	*expected = until;
}

/*
 * As long as nobody knows the protocol its events are held, as far as there is room. A long body must not push out
 * the head before it: behind RUN_BYTES in a row the bytes are only counted, as a hole that ends when the other side speaks.
 */
static bool is_too_long(struct talk *talk, const struct requests_data *data)
{
	if (talk->run_direction != data->direction)
		talk->run_bytes = 0;
	talk->run_direction = data->direction;
	talk->run_bytes += data->moved;
	return !talk->conversation.protocol && talk->run_bytes > RUN_BYTES + data->moved;
}

static void take_bytes(struct talks *talks, struct talk *talk, const struct requests_data *data)
{
	struct conversation *conversation = &talk->conversation;
	unsigned direction = data->direction;
	uint64_t ns = data->head.ktime_ns, before = harm(conversation),
		 messages = messages_of(conversation, direction), first = data->moved - data->last;

	if (!data->lost_before)
		pass_hole(talk, direction, data->position, ns);
	conversation_put(conversation, direction, data->position,
			 (struct span){data->bytes, data->first}, first, ns);
	if (data->lost_before)
		conversation_give_up(conversation);
	take_exchanges(talks, talk);
	if (data->last) {
		conversation_put(conversation, direction, data->position + first,
				 (struct span){data->bytes + data->first, data->last}, data->last,
				 ns);
		take_exchanges(talks, talk);
	}
	talk->expected[direction] = data->position + data->moved;
	learn_from_call(talks, talk, data, messages_of(conversation, direction) - messages,
			harm(conversation) != before);
}

static void end_direction(struct talks *talks, struct talk *talk, unsigned direction, uint64_t ns)
{
	if (talk->is_ended[direction])
		return;
	talk->is_ended[direction] = true;
	conversation_close(&talk->conversation, direction, ns);
	take_exchanges(talks, talk);
}

static void take_data(struct talks *talks, const struct requests_data *data, size_t size)
{
	struct talk *talk = find(talks, data->cookie);
	unsigned other;

	if (data->direction > 1 || size < sizeof(*data) + data->first + data->last ||
	    (uint32_t)data->first + data->last > data->moved) {
		talks->counts.bad++;
		return;
	}
	if (!talk) {
		talks->counts.orphans++;
		ask_again(talks, data->cookie);
		return;
	}
	talk->pid = data->pid;
	talk->tid = data->tid;
	if (data->srtt_us)
		talk->srtt_us = data->srtt_us;
	if (data->direction == REQUESTS_IN && data->moved)
		note_arrival(talk, data);
	hear(talks, talk, data->head.ktime_ns);
	other = !data->direction;
	pass_hole(talk, other, talk->held_until[other], data->head.ktime_ns);
	if (other == REQUESTS_IN)
		pass_hole(talk, REQUESTS_IN, data->received, data->head.ktime_ns);
	if (data->moved && is_too_long(talk, data))
		talk->held_until[data->direction] = data->position + data->moved;
	else if (data->moved)
		take_bytes(talks, talk, data);
	if (data->head.flags & REQUESTS_END)
		end_direction(talks, talk, data->direction, data->head.ktime_ns);
	judge(talks, talk);
}

static void take_closed(struct talks *talks, const struct requests_closed *closed)
{
	struct talk *talk = find(talks, closed->cookie);

	if (!talk) {
		talks->counts.orphans++;
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		if (closed->lost[i] <= talk->conversation.streams[i].lost)
			pass_hole(talk, i, closed->position[i], closed->head.ktime_ns);
	for (unsigned i = 0; i < 2; i++)
		end_direction(talks, talk, i, closed->head.ktime_ns);
	forget(talks, talk);
}

static struct talk *talk_of_datagram(struct talks *talks, const struct requests_datagram *datagram)
{
	struct talk *talk = find(talks, datagram->cookie);

	if (talk)
		return talk;
	talk = add(talks, datagram->cookie);
	if (!talk)
		return NULL;
	talk->local_port = datagram->local_port;
	talk->transport = IPPROTO_UDP;
	talk->netns = datagram->netns;
	memcpy(talk->local_addr, datagram->local_addr, ADDR_BYTES);
	conversation_init(&talk->conversation, true, SIDE_UNKNOWN, false);
	return talk;
}

/* A response that is sent names who asked. A client that asks several servers over one socket is not told
 * here whose the answer is. */
static void note_peer(struct talk *talk, const struct requests_datagram *datagram)
{
	bool is_same = talk->remote_port == datagram->remote_port &&
		       !memcmp(talk->remote_addr, datagram->remote_addr, ADDR_BYTES);

	if (!datagram->remote_port || is_same)
		return;
	talk->has_several_peers |= talk->remote_port != 0;
	talk->remote_port = datagram->remote_port;
	memcpy(talk->remote_addr, datagram->remote_addr, ADDR_BYTES);
}

static void take_datagram(struct talks *talks, const struct requests_datagram *datagram,
			  size_t size)
{
	struct talk *talk;

	if (datagram->direction > 1 || size < sizeof(*datagram) + datagram->first ||
	    datagram->first > datagram->moved) {
		talks->counts.bad++;
		return;
	}
	talk = talk_of_datagram(talks, datagram);
	if (!talk)
		return;
	talk->pid = datagram->pid;
	talk->tid = datagram->tid;
	talk->cgroup = datagram->cgroup;
	note_peer(talk, datagram);
	hear(talks, talk, datagram->head.ktime_ns);
	conversation_put(&talk->conversation, datagram->direction, 0,
			 (struct span){datagram->bytes, datagram->first}, datagram->moved,
			 datagram->head.ktime_ns);
	take_exchanges(talks, talk);
}

void talks_event(struct talks *talks, const struct event_head *event, size_t size)
{
	static const size_t least[] = {
		[REQUESTS_OPEN] = sizeof(struct requests_open),
		[REQUESTS_DATA] = sizeof(struct requests_data),
		[REQUESTS_CLOSED] = sizeof(struct requests_closed),
		[REQUESTS_DATAGRAM] = sizeof(struct requests_datagram),
	};

	if (event->kind >= sizeof(least) / sizeof(*least) || !least[event->kind] ||
	    size < least[event->kind]) {
		talks->counts.bad++;
		return;
	}
	switch ((enum requests_event)event->kind) {
	case REQUESTS_OPEN: take_open(talks, (const void *)event); break;
	case REQUESTS_DATA: take_data(talks, (const void *)event, size); break;
	case REQUESTS_CLOSED: take_closed(talks, (const void *)event); break;
	case REQUESTS_DATAGRAM: take_datagram(talks, (const void *)event, size); break;
	}
}

void talks_tick(struct talks *talks, uint64_t now_ns)
{
	struct talk *next;

	for (struct talk *talk = talks->oldest; talk && talk->heard_ns + stalled_ns < now_ns;
	     talk = next) {
		next = talk->newer;
		if (talk->conversation.is_datagram) {
			if (talk->conversation.is_by_id && now_ns > give_up_ns)
				pair_give_up(&talk->conversation.pair, now_ns - give_up_ns);
		} else {
			conversation_give_up(&talk->conversation);
		}
		take_exchanges(talks, talk);
		if (talk->conversation.is_datagram && talk->heard_ns + datagrams_idle_ns < now_ns)
			forget(talks, talk);
	}
}

void talks_sum(const struct talks *talks, struct talks_sum *ret_sum)
{
	*ret_sum = talks->counts.ended;
	for (const struct talk *talk = talks->oldest; talk; talk = talk->newer)
		add_sum(ret_sum, &talk->conversation);
}

size_t talks_bytes(const struct talks *talks)
{
	return map_bytes(&talks->by_cookie) + talks->by_cookie.len * sizeof(struct talk);
}
