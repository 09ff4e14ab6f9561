// SPDX-License-Identifier: GPL-2.0-only
/*
 * usual - exchanges that the kernel half need not tell.
 *
 * A request that came SIGHTINGS times, each time in one call and as one whole message on a connection where nothing else was open,
 * is published to the kernel half by the hash of its bytes, with the form of its last response's head. Connections that it came on
 * get a slot: their exchanges are measured there from then on (usual.bpf.h), and come here as times without bytes. What was
 * asked and answered is the same as last time, so the exchange is made of the messages that are remembered.
 *
 * A place is shared by requests whose hashes differ by a multiple of USUAL_KNOWN. One that is there gives way to another only
 * when that came more often meanwhile: then the kernel half forgets it, and names it no more.
 */
#include "items/app/requests/usual.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/map.h"
#include "items/app/requests/phases.h"
#include "items/app/requests/talk_parts.h"

enum {
	SIGHTINGS = 4,
	SIGHTINGS_MAX = 16, /* counted */
	KEPT_BYTES = 4 << 20, /* of texts and messages, at most */
};

struct usual_request {
	uint64_t hash; /* 0: an empty place */
	uint32_t number;
	uint8_t sightings;
	bool is_published;
	uint16_t len;
	uint8_t *text; /* owned */
	struct packed *request, *response; /* owned */
	size_t bytes; /* of those three */
};

/* ---- places ---- */

static struct usual_request *place_of(const struct usual *usual, uint64_t hash)
{
	return &usual->requests[hash % USUAL_KNOWN];
}

static void withdraw(struct usual *usual, struct usual_request *request)
{
	if (request->is_published)
		__atomic_store_n(&usual->known[request->hash % USUAL_KNOWN].hash, 0,
				 __ATOMIC_RELEASE);
	usual->bytes -= request->bytes;
	free(request->text);
	free(request->request);
	free(request->response);
	*request = (struct usual_request){};
}

static struct usual_request *by_number(const struct usual *usual, uint32_t number)
{
	struct usual_request *request;

	if (!usual->requests)
		return NULL;
	/* (numbers are given so that they lead to their place) */
	request = &usual->requests[number % USUAL_KNOWN];
	return request->number == number && request->is_published ? request : NULL;
}

struct span usual_text(const struct usual *usual, uint32_t number)
{
	const struct usual_request *request = by_number(usual, number);

	return request ? (struct span){request->text, request->len} : (struct span){};
}

static void forget_all(struct usual *usual)
{
	for (size_t i = 0; usual->requests && i < USUAL_KNOWN; i++)
		withdraw(usual, &usual->requests[i]);
}

void usual_done(struct usual *usual)
{
	forget_all(usual);
	free(usual->requests);
	*usual = (struct usual){};
}

void usual_follow(struct talks *talks, struct usual_settings *settings, struct usual_known *known,
		  struct usual_slot *slots)
{
	struct usual *usual = &talks->usual;

	usual->known = NULL; /* the last one's may be gone */
	for (size_t i = 0; usual->requests && i < USUAL_KNOWN; i++)
		usual->requests[i].is_published = false;
	forget_all(usual);
	usual->settings = NULL;
	usual->slots = NULL;
	usual->granted = 0;
	for (struct talk *talk = talks->oldest; talk; talk = talk->newer)
		talk->usual = (struct usual_sight){};
	if (!settings || !known || !slots)
		return;
	if (!usual->requests)
		usual->requests = calloc(USUAL_KNOWN, sizeof(*usual->requests));
	if (!usual->requests)
		return;
	for (size_t i = 0; i < USUAL_SLOTS; i++)
		slots[i] = (struct usual_slot){};
	memset(known, 0, USUAL_KNOWN * sizeof(*known));
	settings->seed = hash_seed();
	settings->batch = USUAL_BATCH;
	usual->settings = settings;
	usual->known = known;
	usual->slots = slots;
}

/* ---- what is seen ---- */

static uint64_t hash_of(const struct usual *usual, const struct talk *talk, struct span bytes)
{
	uint32_t port = talk_server_port(talk);
	uint64_t seed = usual->settings->seed, word[USUAL_WORDS];
	uint64_t even = usual_hash_begin(seed, port, (uint32_t)bytes.len), odd = seed;

	for (size_t at = 0; at < bytes.len; at += sizeof(word)) {
		struct span next = span_first(span_from(bytes, at), sizeof(word));

		memset(word, 0, sizeof(word));
		memcpy(word, next.at, next.len);
		even = usual_mix(even, word[0]);
		odd = usual_mix(odd, word[1]);
	}
	return usual_hash_end(even, odd);
}

/* Counts it, and keeps its bytes when it has come often enough. */
static void note_sighting(struct usual *usual, uint64_t hash, struct span bytes)
{
	struct usual_request *request = place_of(usual, hash);

	if (request->hash != hash && request->sightings) {
		request->sightings--;
		return;
	}
	if (request->hash != hash) {
		withdraw(usual, request);
		request->hash = hash;
	}
	if (request->sightings < SIGHTINGS_MAX)
		request->sightings++;
	if (request->text || request->sightings < SIGHTINGS ||
	    usual->bytes + bytes.len > KEPT_BYTES)
		return;
	request->text = malloc(bytes.len);
	if (!request->text)
		return;
	memcpy(request->text, bytes.at, bytes.len);
	request->len = (uint16_t)bytes.len;
	request->bytes += bytes.len;
	usual->bytes += bytes.len;
}

static void note_request(struct usual *usual, struct talk *talk, const struct chunk *chunk)
{
	struct span bytes = {chunk->bytes, chunk->first};

	talk->usual.hash = talk->usual.head_bytes = 0;
	if (chunk->first != chunk->moved || chunk->moved > USUAL_BYTES || chunk->has_loss ||
	    chunk->position != talk->expected[chunk->direction] ||
	    !conversation_rests(&talk->conversation))
		return;
	talk->usual.hash = hash_of(usual, talk, bytes);
	note_sighting(usual, talk->usual.hash, bytes);
}

static size_t find_length(struct span head)
{
	static const char name[] = "\r\ncontent-length: ";
	const size_t len = sizeof(name) - 1;

	for (size_t at = 0; at + len < head.len; at++)
		if (head.at[at] == '\r' && head.at[at + 1] == '\n' &&
		    !strncasecmp((const char *)head.at + at, name, len))
			return at + len;
	return 0;
}

/* The head of a response, as the kernel half will look for it. */
static void note_response(struct talk *talk, const struct chunk *chunk)
{
	struct span bytes = {chunk->bytes, chunk->first};
	const uint8_t *end = memmem(bytes.at, bytes.len, "\r\n\r\n", 4);
	struct usual_sight *sight = &talk->usual;
	uint64_t length = 0;
	size_t at, digits = 0;

	if (!end || bytes.len < USUAL_STATUS_AT + sizeof(sight->status))
		return;
	bytes.len = (size_t)(end - bytes.at) + 4;
	at = find_length(bytes);
	while (at && digits < USUAL_DIGITS && bytes.at[at + digits] >= '0' &&
	       bytes.at[at + digits] <= '9')
		length = length * 10 + bytes.at[at + digits++] - '0';
	if (!digits || bytes.at[at + digits] != '\r' || bytes.len > USUAL_HEAD_BYTES)
		return;
	sight->head_bytes = (uint16_t)bytes.len;
	sight->length_at = (uint16_t)at;
	sight->digits = (uint8_t)digits;
	memcpy(&sight->status, bytes.at + USUAL_STATUS_AT, sizeof(sight->status));
}

void usual_note_chunk(struct talks *talks, struct talk *talk, const struct chunk *chunk)
{
	struct usual *usual = &talks->usual;
	const struct conversation *conversation = &talk->conversation;

	if (!usual->slots || talk->via != VIA_SOCKET || talk->transport != IPPROTO_TCP ||
	    !conversation->protocol || !conversation->protocol->rests)
		return;
	if (conversation->infer.side_of[chunk->direction] == SIDE_CLIENT)
		note_request(usual, talk, chunk);
	else if (talk->usual.hash && !talk->usual.head_bytes &&
		 place_of(usual, talk->usual.hash)->text)
		note_response(talk, chunk);
}

/* ---- what is published ---- */

static struct packed *pack(struct usual *usual, struct usual_request *request,
			   const struct message *message)
{
	size_t size = message_packed_size(message);
	struct packed *packed = usual->bytes + size <= KEPT_BYTES ? malloc(size) : NULL;

	if (!packed)
		return NULL;
	message_pack(message, packed);
	request->bytes += size;
	usual->bytes += size;
	return packed;
}

/* What it says of its content another response may say otherwise. */
static bool keep_messages(struct usual *usual, struct usual_request *request,
			  const struct exchange *exchange)
{
	struct message response = exchange->response;

	response.chosen[CHOSEN_CONTENT_TYPE] = (struct span){};
	if (!request->request)
		request->request = pack(usual, request, &exchange->request);
	if (!request->response)
		request->response = pack(usual, request, &response);
	return request->request && request->response;
}

/* A number that leads to the place, and that no other request ever had there. */
static uint32_t next_number(struct usual *usual, uint64_t hash)
{
	return (uint32_t)(hash % USUAL_KNOWN) + ++usual->numbered * USUAL_KNOWN;
}

static void publish(struct usual *usual, struct usual_request *request,
		    const struct usual_sight *sight)
{
	struct usual_known *known = &usual->known[request->hash % USUAL_KNOWN];
	const struct usual_known wanted = {
		.hash = request->hash,
		.number = request->number,
		.bytes = request->len,
		.head_bytes = sight->head_bytes,
		.length_at = sight->length_at,
		.digits = sight->digits,
		.status = sight->status,
	};

	if (request->is_published && !memcmp(known, &wanted, sizeof(wanted)))
		return;
	if (!request->number)
		request->number = next_number(usual, request->hash);
	__atomic_store_n(&known->hash, 0, __ATOMIC_RELEASE);
	known->number = request->number;
	known->bytes = wanted.bytes;
	known->head_bytes = wanted.head_bytes;
	known->length_at = wanted.length_at;
	known->digits = wanted.digits;
	known->status = wanted.status;
	__atomic_store_n(&known->hash, wanted.hash, __ATOMIC_RELEASE);
	request->is_published = true;
}

/* ---- slots ---- */

static struct usual_slot *slot_of(const struct usual *usual, const struct talk *talk)
{
	return &usual->slots[talk->cookie % USUAL_SLOTS];
}

/* Slots of both ends of a connection know each other. */
static void introduce(struct usual *usual, const struct talk *talk)
{
	const struct talk *peer = talk->peer;

	if (!peer || !peer->usual.has_slot)
		return;
	__atomic_store_n(&slot_of(usual, talk)->peer, peer->cookie, __ATOMIC_RELEASE);
	__atomic_store_n(&slot_of(usual, peer)->peer, talk->cookie, __ATOMIC_RELEASE);
}

/* (No hook looks at it as long as it has no cookie; one that came for the last owner may still be there.) */
static void grant(struct usual *usual, struct talk *talk)
{
	struct usual_slot *slot = slot_of(usual, talk);

	if (slot->cookie || __atomic_exchange_n(&slot->busy, 1, __ATOMIC_ACQUIRE))
		return;
	*slot = (struct usual_slot){.busy = 1};
	__atomic_store_n(&slot->cookie, talk->cookie, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
	talk->usual.has_slot = true;
	usual->granted++;
	introduce(usual, talk);
}

/* (A hook that is at it is waited for, but not for ever: it may be on a CPU that was taken from us.) */
static void take_back(struct usual *usual, struct talk *talk)
{
	struct usual_slot *slot = slot_of(usual, talk);
	int patience = 10000;

	if (!talk->usual.has_slot)
		return;
	while (__atomic_exchange_n(&slot->busy, 1, __ATOMIC_ACQUIRE) && patience)
		patience--;
	__atomic_store_n(&slot->mailbox.cookie, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->cookie, 0, __ATOMIC_RELEASE);
	if (patience)
		__atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
	talk->usual.has_slot = false;
	usual->granted--;
}

/* What waits there now, as far as no hook changed it meanwhile. */
static bool look(const struct usual_slot *slot, struct usual_event *ret_event)
{
	uint64_t count = __atomic_load_n(&slot->event.count, __ATOMIC_ACQUIRE);

	*ret_event = slot->event;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!count || count > USUAL_BATCH ||
	    __atomic_load_n(&slot->event.count, __ATOMIC_RELAXED) < count ||
	    slot->event.position[0] != ret_event->position[0])
		return false;
	ret_event->count = count;
	return true;
}

/* Takes what waits, when everything before it has been told. */
static void fetch(struct talks *talks, struct talk *talk)
{
	const struct usual_slot *slot = slot_of(&talks->usual, talk);
	struct usual_event event;

	if (!look(slot, &event) || event.position[0] > talk->expected[0] ||
	    event.position[1] > talk->expected[1])
		return;
	event.cookie = talk->cookie;
	event.head.ktime_ns = slot->last_ns;
	usual_take(talks, &event, sizeof(event));
}

void usual_revoke(struct talks *talks, struct talk *talk)
{
	if (!talk->usual.has_slot || !talks->usual.slots)
		return;
	fetch(talks, talk);
	take_back(&talks->usual, talk);
}

void usual_fetch(struct talks *talks)
{
	struct usual *usual = &talks->usual;

	for (size_t i = 0; usual->granted && i < USUAL_SLOTS; i++) {
		const struct usual_slot *slot = &usual->slots[i];
		uint64_t cookie = __atomic_load_n(&slot->cookie, __ATOMIC_ACQUIRE);
		struct talk *talk = cookie && slot->event.count ? talk_find(talks, cookie) : NULL;

		if (talk)
			fetch(talks, talk);
	}
}

/* ---- exchanges ---- */

/* What of it could be otherwise the next time is not to be had from memory. */
static bool is_plain(const struct exchange *exchange, const struct usual_request *request,
		     const struct usual_sight *sight)
{
	const struct message *asked = &exchange->request, *answered = &exchange->response;

	return exchange->has_response && !exchange->interims && asked->is_complete &&
	       answered->is_complete && !answered->is_error && !asked->handover &&
	       !answered->handover && !asked->ends_stream && asked->bytes == request->len &&
	       answered->header_bytes == sight->head_bytes && !span_is(asked->operation, "HEAD") &&
	       !span_is(asked->operation, "CONNECT");
}

void usual_note_exchange(struct talks *talks, struct talk *talk, const struct exchange *exchange)
{
	struct usual *usual = &talks->usual;
	struct usual_sight *sight = &talk->usual;
	struct usual_request *request;

	if (!sight->hash || !sight->head_bytes || !usual->slots)
		return;
	request = place_of(usual, sight->hash);
	if (request->hash == sight->hash && request->text && is_plain(exchange, request, sight) &&
	    keep_messages(usual, request, exchange)) {
		publish(usual, request, sight);
		if (!sight->has_slot)
			grant(usual, talk);
	}
	sight->hash = sight->head_bytes = 0;
}

/* One that the kernel half measured, of messages that are remembered. */
static void take_one(struct talks *talks, struct talk *talk, struct exchange *exchange,
		     const struct usual_exchange *one)
{
	bool is_server = talk->is_accepted;
	unsigned from_client = is_server ? REQUESTS_IN : REQUESTS_OUT;
	uint64_t first_ns = one->asked_ns + one->answered_ns, *expected = talk->expected;
	struct chunk received = {
		.position = expected[REQUESTS_IN],
		.moved = is_server ? (uint32_t)exchange->request.bytes : one->response_bytes,
	};

	exchange->response.bytes = one->response_bytes;
	exchange->asked = (struct pair_moment){one->asked_ns, one->asked_ns, expected[from_client]};
	exchange->answered =
		(struct pair_moment){first_ns, first_ns + one->took_ns, expected[!from_client]};
	if (one->waited_ns != USUAL_UNSEEN)
		received.arrived_ns = (is_server ? one->asked_ns : first_ns) - one->waited_ns;
	phases_note_arrival(talk, &received);
	expected[from_client] += exchange->request.bytes;
	expected[!from_client] += one->response_bytes;
	conversation_add(&talk->conversation, from_client, exchange);
	talk_hand_on(talks, talk, exchange, one->number);
}

static bool fits(const struct talk *talk, const uint64_t position[2])
{
	return position[0] == talk->expected[0] && position[1] == talk->expected[1] &&
	       conversation_rests(&talk->conversation) &&
	       talk->conversation.infer.side_of[REQUESTS_IN] ==
		       (talk->is_accepted ? SIDE_CLIENT : SIDE_SERVER);
}

/* Returns how many of them fitted, or had been taken before. */
static uint64_t take_all(struct talks *talks, struct talk *talk, const struct usual_event *event)
{
	unsigned from_client = talk->is_accepted ? REQUESTS_IN : REQUESTS_OUT;
	uint64_t position[2] = {event->position[0], event->position[1]}, i;
	struct usual_request *request = NULL;
	struct exchange exchange = {.has_response = true};

	for (i = 0; i < event->count; i++) {
		const struct usual_exchange *one = &event->exchange[i];

		if (!request || request->number != one->number) {
			request = by_number(&talks->usual, one->number);
			if (!request || !request->response)
				break;
			message_unpack(request->request, &exchange.request);
			message_unpack(request->response, &exchange.response);
			request->sightings = SIGHTINGS_MAX;
		}
		if (position[from_client] >= talk->expected[from_client]) {
			if (!fits(talk, position))
				break;
			take_one(talks, talk, &exchange, one);
		}
		position[from_client] += request->len;
		position[!from_client] += one->response_bytes;
	}
	return i;
}

void usual_take(struct talks *talks, const struct usual_event *event, size_t size)
{
	struct talk *talk = talk_find(talks, event->cookie);
	uint64_t taken = 0;

	if (event->count > USUAL_BATCH || size < offsetof(struct usual_event, exchange) +
							  event->count * sizeof(*event->exchange)) {
		talks->counts.bad++;
		return;
	}
	if (talk) {
		talk->pid = event->pid;
		talk->tid = event->tid;
		if (event->srtt_us)
			talk->srtt_us = event->srtt_us;
		talk_hear(talks, talk, event->head.ktime_ns);
		taken = take_all(talks, talk, event);
	}
	talks->counts.orphans += !talk;
	talks->usual.counts.left_out += event->count - taken;
	if (talk && taken < event->count)
		take_back(&talks->usual, talk);
}
