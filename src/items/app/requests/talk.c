// SPDX-License-Identifier: GPL-2.0-only
/*
 * talk - connections, from events of the kernel half to exchanges with phases.
 *
 * The events of a direction come in their order (each connection's calls are told one after the other into one
 * ring), so a hole in front of one is final: bytes that were left out on purpose are given to the stream as bytes
 * without content, lost ones are given up at once.
 */
#include "items/app/requests/phases.h"
#include "items/app/requests/talk_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum {
	RUN_BYTES = 16 * 1024, /* of one side in a row, while the protocol is unknown */
};

#define TUPLE_INSIDE                                                                               \
	(1u << 31) /* of a tuple's netns: layers find each other, not the connections below */
#define LIBRARY_LAYER (1ull << 63) /* of a key: the kernel counts cookies up from 1 */

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

	if (talk->via == VIA_LIBRARY)
		tuple.netns |= TUPLE_INSIDE;

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

void talk_hear(struct talks *talks, struct talk *talk, uint64_t now_ns)
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

static uint64_t key_of(uint64_t cookie, enum talk_via via)
{
	return via == VIA_SOCKET ? cookie : cookie | LIBRARY_LAYER;
}

static void forget(struct talks *talks, struct talk *talk)
{
	const struct conversation *conversation = &talk->conversation;
	uint64_t key = key_of(talk->cookie, talk->via);

	usual_revoke(talks, talk);
	add_sum(&talks->counts.ended, conversation);
	for (int i = 0; i < 2; i++)
		talks->counts.uneven += !stream_is_even(&conversation->streams[i]);
	conversation_done(&talk->conversation);
	free(talk->arrival);
	forget_tuple(talks, talk);
	if (talk->socket)
		talk->socket->inside = NULL;
	if (talk->inside)
		talk->inside->socket = NULL;
	unlink_talk(talks, talk);
	map_del(&talks->by_cookie, &key);
	free(talk);
}

void talks_done(struct talks *talks)
{
	while (talks->oldest)
		forget(talks, talks->oldest);
	usual_done(&talks->usual);
	map_done(&talks->by_cookie);
	map_done(&talks->by_tuple);
}

static struct talk *find_layer(const struct talks *talks, uint64_t cookie, enum talk_via via)
{
	uint64_t key = key_of(cookie, via);
	struct talk **talk = map_get(&talks->by_cookie, &key);

	return talk ? *talk : NULL;
}

struct talk *talk_find(const struct talks *talks, uint64_t cookie)
{
	return find_layer(talks, cookie, VIA_SOCKET);
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
	if (talk->wanted != REQUESTS_UNWANTED && !talk->conversation.is_datagram &&
	    talk->via == VIA_SOCKET)
		ask_again(talks, talk->cookie);
	forget(talks, talk);
}

static struct talk *add(struct talks *talks, uint64_t cookie, enum talk_via via)
{
	uint64_t key = key_of(cookie, via);
	struct talk *talk, **place;

	if (talks->by_cookie.len >= talks->cap && talks->oldest)
		evict(talks, talks->oldest);
	talk = calloc(1, sizeof(*talk));
	place = talk ? map_put(&talks->by_cookie, &key, NULL) : NULL;
	if (!place) {
		talks->counts.refused++;
		free(talk);
		return NULL;
	}
	*place = talk;
	talk->cookie = cookie;
	talk->via = via;
	append_talk(talks, talk);
	return talk;
}

/* ---- exchanges ---- */

/* The other end of it: of a library's layer that end's layer. */
static struct talk *peer_of(const struct talk *talk)
{
	struct talk *peer;

	if (!talk->socket)
		return talk->peer;
	peer = talk->socket->peer;
	return peer ? peer->inside : NULL;
}

static uint64_t harm(const struct conversation *conversation)
{
	return conversation->counts.torn + conversation->counts.unread +
	       conversation->pair.counts.lost_requests + conversation->pair.counts.lost_responses;
}

/* Was any byte of it not read? Then an answer may have been among them. */
static bool has_gaps(const struct conversation *conversation)
{
	uint64_t bytes = 0;

	for (int i = 0; i < 2; i++)
		bytes += conversation->streams[i].lost;
	return bytes || harm(conversation);
}

void talk_hand_on(struct talks *talks, struct talk *talk, const struct exchange *exchange,
		  uint32_t like)
{
	struct outcome outcome = {
		.exchange = exchange,
		.like = like,
		.side = talk->conversation.infer.side_of[REQUESTS_OUT],
		.began_ns = exchange->asked.first,
		.is_whole = exchange->proof != PROOF_ASSUMED && exchange->request.is_complete &&
			    (!exchange->has_response || exchange->response.is_complete),
	};
	outcome.is_failure = exchange->has_response
				     ? exchange->response.is_error
				     : exchange->is_given_up && !has_gaps(&talk->conversation);
	phases_of(talk, peer_of(talk), &outcome);
	talks->receive(talks->ctx, talk, &outcome);
}

static void take_exchanges(struct talks *talks, struct talk *talk)
{
	struct exchange exchange;

	while (conversation_take(&talk->conversation, &exchange)) {
		usual_note_exchange(talks, talk, &exchange);
		talk_hand_on(talks, talk, &exchange, 0);
	}
}

/* ---- events ---- */

static void join_socket(struct talks *talks, struct talk *talk)
{
	struct talk *socket = talk_find(talks, talk->cookie);

	talk->tells_its_end = true;
	if (!socket || socket->inside)
		return;
	talk->socket = socket;
	socket->inside = talk;
}

/* Whose bytes come first: direction 0 is what we receive, of an accepted connection the client's. */
static enum side sender_of(const struct talk *talk)
{
	if (talk->via == VIA_LIBRARY && addr_is_none(talk->remote_addr))
		return SIDE_UNKNOWN;
	return talk->is_accepted ? SIDE_CLIENT : SIDE_SERVER;
}

static void take_open(struct talks *talks, const struct requests_open *open, enum talk_via via)
{
	struct talk *talk = find_layer(talks, open->cookie, via);
	bool is_from_start = !open->position[REQUESTS_IN] && !open->position[REQUESTS_OUT] &&
			     (via == VIA_SOCKET || !(open->head.flags & REQUESTS_END));

	if (talk) /* the kernel half is a new one, or was asked to: what it left out nobody knows */
		forget(talks, talk);
	talk = add(talks, open->cookie, via);
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
	if (via == VIA_LIBRARY)
		join_socket(talks, talk);
	if (!addr_is_none(talk->remote_addr))
		note_tuple(talks, talk);
	conversation_init(&talk->conversation, false, sender_of(talk), is_from_start);
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
static bool is_too_long(struct talk *talk, const struct chunk *chunk)
{
	if (talk->run_direction != chunk->direction)
		talk->run_bytes = 0;
	talk->run_direction = chunk->direction;
	talk->run_bytes += chunk->moved;
	return !talk->conversation.protocol && talk->run_bytes > RUN_BYTES + chunk->moved;
}

static void take_bytes(struct talks *talks, struct talk *talk, const struct chunk *chunk)
{
	struct conversation *conversation = &talk->conversation;
	unsigned direction = chunk->direction;
	uint64_t before = harm(conversation), messages = verdict_messages(conversation, direction),
		 first = chunk->moved - chunk->last;

	usual_note_chunk(talks, talk, chunk);
	if (!chunk->has_loss)
		pass_hole(talk, direction, chunk->position, chunk->ns);
	conversation_put(conversation, direction, chunk->position,
			 (struct span){chunk->bytes, chunk->first}, first, chunk->ns);
	if (chunk->has_loss)
		conversation_give_up(conversation);
	take_exchanges(talks, talk);
	if (chunk->last) {
		conversation_put(conversation, direction, chunk->position + first,
				 (struct span){chunk->bytes + chunk->first, chunk->last},
				 chunk->last, chunk->ns);
		take_exchanges(talks, talk);
	}
	talk->expected[direction] = chunk->position + chunk->moved;
	verdict_learn(talks, talk, chunk, verdict_messages(conversation, direction) - messages,
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

static void take_chunk(struct talks *talks, struct talk *talk, const struct chunk *chunk)
{
	unsigned other = !chunk->direction;

	talk->pid = chunk->pid;
	talk->tid = chunk->tid;
	if (chunk->srtt_us)
		talk->srtt_us = chunk->srtt_us;
	if (chunk->direction == REQUESTS_IN && chunk->moved)
		phases_note_arrival(talk, chunk);
	talk_hear(talks, talk, chunk->ns);
	pass_hole(talk, other, talk->held_until[other], chunk->ns);
	if (other == REQUESTS_IN)
		pass_hole(talk, REQUESTS_IN, chunk->received, chunk->ns);
	if (chunk->moved && is_too_long(talk, chunk))
		talk->held_until[chunk->direction] = chunk->position + chunk->moved;
	else if (chunk->moved)
		take_bytes(talks, talk, chunk);
	if (chunk->is_end)
		end_direction(talks, talk, chunk->direction, chunk->ns);
	verdict_judge(talks, talk);
	if (chunk->via == VIA_SOCKET)
		verdict_pass(talks, talk, chunk->direction);
}

/* What a library hands over and takes lies above a connection, whose ends and times are its own. */
static struct talk *add_inside(struct talks *talks, const struct chunk *chunk, bool is_accepted)
{
	struct talk *talk = add(talks, chunk->cookie, VIA_LIBRARY), *socket;

	if (!talk)
		return NULL;
	socket = talk_find(talks, chunk->cookie); /* now: it may have made room */
	talk->is_accepted = socket ? socket->is_accepted : is_accepted;
	talk->transport = IPPROTO_TCP;
	if (socket) {
		talk->socket = socket;
		socket->inside = talk;
		talk->cgroup = socket->cgroup;
		talk->netns = socket->netns;
		talk->local_port = socket->local_port;
		talk->remote_port = socket->remote_port;
		memcpy(talk->local_addr, socket->local_addr, ADDR_BYTES);
		memcpy(talk->remote_addr, socket->remote_addr, ADDR_BYTES);
	}
	conversation_init(&talk->conversation, false, talk->is_accepted ? SIDE_CLIENT : SIDE_SERVER,
			  !chunk->position);
	for (unsigned i = 0; i < 2; i++) {
		talk->expected[i] = i == chunk->direction ? chunk->position : 0;
		if (i == chunk->direction || !chunk->position)
			conversation_begin(&talk->conversation, i, talk->expected[i]);
	}
	return talk;
}

void talks_chunk(struct talks *talks, const struct chunk *chunk, bool is_accepted)
{
	struct talk *talk = find_layer(talks, chunk->cookie, chunk->via);

	if (chunk->direction > 1 || chunk->first + (uint64_t)chunk->last > chunk->moved) {
		talks->counts.bad++;
		return;
	}
	if (!talk && chunk->via == VIA_LIBRARY)
		talk = add_inside(talks, chunk, is_accepted);
	else if (!talk)
		talks->counts.orphans++;
	if (talk && talks->is_wanted && !talks->is_wanted(talks->ctx, talk))
		return;
	if (talk)
		take_chunk(talks, talk, chunk);
	else if (chunk->via == VIA_SOCKET)
		ask_again(talks, chunk->cookie);
}

/* A request that the kernel half kept back, until it was no usual one any more. */
static void take_by_number(struct talks *talks, const struct chunk *chunk)
{
	struct chunk whole = *chunk;
	struct span text = {};
	uint32_t number;

	if (chunk->first == sizeof(number)) {
		memcpy(&number, chunk->bytes, sizeof(number));
		text = usual_text(&talks->usual, number);
	}
	whole.first = text.len == chunk->moved ? chunk->moved : 0;
	whole.bytes = text.at;
	talks_chunk(talks, &whole, false);
}

static void take_data(struct talks *talks, const struct requests_data *data, size_t size,
		      enum talk_via via)
{
	const struct chunk chunk = {
		.cookie = data->cookie,
		.position = data->position,
		.ns = data->head.ktime_ns,
		.received = data->received,
		.arrived_ns = data->arrived_ns,
		.arrived_last_ns = data->arrived_last_ns,
		.bytes = data->bytes,
		.moved = data->moved,
		.first = data->first,
		.last = data->last,
		.pid = data->pid,
		.tid = data->tid,
		.srtt_us = data->srtt_us,
		.via = via,
		.direction = data->direction,
		.has_loss = data->lost_before,
		.is_end = data->head.flags & REQUESTS_END,
	};

	if (size < sizeof(*data) + data->first + data->last)
		talks->counts.bad++;
	else if (data->head.flags & REQUESTS_BY_NUMBER)
		take_by_number(talks, &chunk);
	else
		talks_chunk(talks, &chunk, false);
}

static void take_closed(struct talks *talks, const struct requests_closed *closed,
			enum talk_via via)
{
	struct talk *talk = find_layer(talks, closed->cookie, via);

	if (!talk) {
		talks->counts.orphans++;
		return;
	}
	usual_revoke(talks, talk);
	for (unsigned i = 0; i < 2; i++)
		if (closed->lost[i] <= talk->conversation.streams[i].lost)
			pass_hole(talk, i, closed->position[i], closed->head.ktime_ns);
	if (talk->inside && !talk->inside->tells_its_end) {
		for (unsigned i = 0; i < 2; i++)
			end_direction(talks, talk->inside, i, closed->head.ktime_ns);
		forget(talks, talk->inside);
	}
	for (unsigned i = 0; i < 2; i++)
		end_direction(talks, talk, i, closed->head.ktime_ns);
	forget(talks, talk);
}

static struct talk *talk_of_datagram(struct talks *talks, const struct requests_datagram *datagram)
{
	struct talk *talk = talk_find(talks, datagram->cookie);

	if (talk)
		return talk;
	talk = add(talks, datagram->cookie, VIA_SOCKET);
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
	talk_hear(talks, talk, datagram->head.ktime_ns);
	conversation_put(&talk->conversation, datagram->direction, 0,
			 (struct span){datagram->bytes, datagram->first}, datagram->moved,
			 datagram->head.ktime_ns);
	take_exchanges(talks, talk);
}

static void take_event(struct talks *talks, const struct event_head *event, size_t size,
		       enum talk_via via)
{
	static const size_t least[] = {
		[REQUESTS_OPEN] = sizeof(struct requests_open),
		[REQUESTS_DATA] = sizeof(struct requests_data),
		[REQUESTS_CLOSED] = sizeof(struct requests_closed),
		[REQUESTS_DATAGRAM] = sizeof(struct requests_datagram),
		[REQUESTS_USUAL] = offsetof(struct usual_event, exchange),
	};

	if (event->kind >= sizeof(least) / sizeof(*least) || !least[event->kind] ||
	    size < least[event->kind]) {
		talks->counts.bad++;
		return;
	}
	switch ((enum requests_event)event->kind) {
	case REQUESTS_OPEN: take_open(talks, (const void *)event, via); break;
	case REQUESTS_DATA: take_data(talks, (const void *)event, size, via); break;
	case REQUESTS_CLOSED: take_closed(talks, (const void *)event, via); break;
	case REQUESTS_DATAGRAM: take_datagram(talks, (const void *)event, size); break;
	case REQUESTS_USUAL: usual_take(talks, (const void *)event, size); break;
	case REQUESTS_CERTIFICATE: break; /* (not for here: least says so) */
	}
}

void talks_event(struct talks *talks, const struct event_head *event, size_t size)
{
	take_event(talks, event, size, VIA_SOCKET);
}

void talks_inside(struct talks *talks, const struct event_head *event, size_t size)
{
	if (event->kind == REQUESTS_DATAGRAM || event->kind == REQUESTS_USUAL)
		talks->counts.bad++;
	else
		take_event(talks, event, size, VIA_LIBRARY);
}

void talks_end_inside(struct talks *talks)
{
	struct talk *next;

	for (struct talk *talk = talks->oldest; talk; talk = next) {
		next = talk->newer;
		if (talk->tells_its_end)
			forget(talks, talk);
	}
}

void talks_tick(struct talks *talks, uint64_t now_ns)
{
	struct talk *next;

	usual_fetch(talks);
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
		else if (talk->transport == REQUESTS_UNIX &&
			 talk->heard_ns + datagrams_idle_ns < now_ns)
			evict(talks,
			      talk); /* nobody tells when it is closed; it is announced again when it speaks */
	}
}

/* ---- what goes on ---- */

static void show_open(struct talk *talk, uint64_t before_ns, talk_outcome each, void *ctx)
{
	struct exchange exchange;
	size_t at = 0;

	while (conversation_open(&talk->conversation, &at, &exchange)) {
		struct outcome outcome = {
			.exchange = &exchange,
			.side = talk->conversation.infer.side_of[REQUESTS_OUT],
			.began_ns = exchange.asked.first,
			.is_open = true,
		};

		if (outcome.began_ns && outcome.began_ns < before_ns)
			each(ctx, talk, &outcome);
	}
}

void talks_open(struct talks *talks, uint64_t before_ns, talk_outcome each, void *ctx)
{
	for (struct talk *talk = talks->oldest; talk; talk = talk->newer)
		if (talk->conversation.protocol && talk->conversation.protocol->open)
			show_open(talk, before_ns, each, ctx);
}

struct naming_of_talk {
	const struct talk *talk;
	talk_named named;
	void *ctx;
};

static void pass_name(void *ctx, uint32_t opaque, enum hpack_name what, struct span text)
{
	const struct naming_of_talk *naming = ctx;

	naming->named(naming->ctx, naming->talk, opaque, what, text);
}

int talks_seed(struct talks *talks, uint64_t cookie, enum talk_via via, enum side from,
	       const struct hpack_seed *table, size_t n, int64_t low, int64_t high,
	       talk_named named, void *ctx)
{
	struct talk *talk = find_layer(talks, cookie, via);
	struct naming_of_talk naming = {talk, named, ctx};

	if (!talk || talk->conversation.protocol != &http2)
		return -ENOENT;
	return http2_seed(talk->conversation.state, from, table, n, low, high, pass_name, &naming);
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
