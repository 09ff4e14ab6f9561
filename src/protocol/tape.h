/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tape - what happens on a connection, as events that can be told in any order, cut and lost. For tests of
 * conversations: requests and responses are numbered, so that what comes out can be judged.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/map.h"
#include "protocol/conversation.h"

#include <stdio.h>
#include <time.h>

enum { EVENTS = 4096, STATUSES = 250 };

struct event {
	unsigned direction;
	uint64_t position, moved, ns;
	size_t captured;
	char *bytes;
	bool is_lost;
};

struct tape {
	struct event events[EVENTS];
	size_t n;
	uint64_t position[2];
	uint64_t ns;
};

static inline unsigned seed_of_today(void)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	return seed;
}

static inline void add(struct tape *tape, unsigned direction, const char *bytes, size_t moved,
		       size_t limit)
{
	size_t captured = limit && limit < moved ? limit : moved;
	struct event *event = &tape->events[tape->n++];

	assert_true(tape->n < EVENTS);
	*event = (struct event){.direction = direction,
				.position = tape->position[direction],
				.moved = moved,
				.ns = ++tape->ns,
				.captured = captured,
				.bytes = malloc(moved)};
	memcpy(event->bytes, bytes, moved);
	tape->position[direction] += moved;
}

static inline void tape_done(struct tape *tape)
{
	for (size_t i = 0; i < tape->n; i++)
		free(tape->events[i].bytes);
}

/* Request n is GET /n, its response has the status 400 + n % STATUSES and a body of any length. */
static inline void ask(struct tape *tape, uint64_t n, size_t limit)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "GET /%llu HTTP/1.1\r\nHost: shop.example\r\n\r\n",
			   (unsigned long long)n);

	add(tape, 0, text, (size_t)len, limit);
}

/* A response in many chunks, in one write. */
static inline void answer_in_chunks(struct tape *tape, uint64_t n, size_t limit)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_f(&text, "HTTP/1.1 %u x\r\nTransfer-Encoding: chunked\r\n\r\n",
	      400 + (unsigned)(n % STATUSES));
	for (int chunks = rand() % 10; chunks >= 0; chunks--) {
		size_t len = 1 + (size_t)rand() % 3000;

		buf_f(&text, "%zx\r\n", len);
		buf_fill(&text, 'b', len);
		buf_str(&text, "\r\n");
	}
	buf_str(&text, "0\r\n\r\n");
	add(tape, 1, text.at, text.len, limit);
	buf_done(&text);
}

static inline void answer(struct tape *tape, uint64_t n, size_t limit)
{
	static char text[40000];
	size_t body = rand() % 4 ? (size_t)rand() % 100 : (size_t)rand() % 30000;
	bool in_chunks = rand() % 4 == 0 && body;
	unsigned status = 400 + (unsigned)(n % STATUSES);
	size_t len = (size_t)(in_chunks ? snprintf(text, sizeof(text),
						   "HTTP/1.1 %u x\r\nTransfer-Encoding: "
						   "chunked\r\n\r\n%zx\r\n",
						   status, body)
					: snprintf(text, sizeof(text),
						   "HTTP/1.1 %u x\r\nContent-Length: %zu\r\n\r\n",
						   status, body));

	memset(text + len, 'b', body);
	len += body;
	if (in_chunks) {
		memcpy(text + len, "\r\n0\r\n\r\n", 7);
		len += 7;
	}
	add(tape, 1, text, len, limit);
}

static inline void make_tape(struct tape *tape, unsigned depth, size_t requests, size_t limit)
{
	uint64_t asked = 0, answered = 0;

	*tape = (struct tape){};
	while (answered < requests) {
		if (asked < requests && asked - answered < depth &&
		    (asked == answered || rand() % 2))
			ask(tape, ++asked, limit);
		else
			answer(tape, ++answered, limit);
	}
}

struct result {
	uint64_t digest; /* of all exchanges, in their order, with all that is told of them */
	size_t right, wrong, wrong_assumed, assumed, without;
	size_t nameless; /* it does not say which request it was */
	struct conversation_counts counts;
	struct pair_counts pairs;
	uint64_t lost;
};

static inline void mix(uint64_t *digest, const void *bytes, size_t len)
{
	*digest = hash_bytes(bytes, len, *digest * 31 + len);
}

static inline void mix_exchange(uint64_t *digest, const struct exchange *exchange)
{
	const struct span texts[] = {exchange->request.operation, exchange->request.resource,
				     exchange->request.key, exchange->request.target,
				     exchange->response.status};
	const uint64_t numbers[] = {
		exchange->request.bytes,  exchange->response.bytes,    exchange->response.items,
		exchange->asked.first,    exchange->asked.last,        exchange->asked.position,
		exchange->answered.first, exchange->answered.last,     exchange->answered.position,
		exchange->has_response,   exchange->is_given_up,       exchange->interims,
		exchange->proof,          exchange->response.is_error,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		mix(digest, texts[i].at, texts[i].len);
	mix(digest, numbers, sizeof(numbers));
}

static inline void check(struct result *result, const struct exchange *exchange)
{
	char path[32] = "", status[8] = "";
	unsigned long long n = 0;

	if (!exchange->has_response) {
		result->without++;
		return;
	}
	memcpy(path, exchange->request.resource.at, exchange->request.resource.len);
	memcpy(status, exchange->response.status.at, exchange->response.status.len);
	assert_int_equal(sscanf(path, "/%llu", &n), 1);
	assert_true(exchange->asked.first && exchange->asked.first <= exchange->asked.last);
	if ((unsigned)atoi(status) == 400 + (unsigned)(n % STATUSES)) {
		assert_true(exchange->asked.first < exchange->answered.last);
		result->right++;
		result->assumed += exchange->proof == PROOF_ASSUMED;
	} else if (exchange->proof == PROOF_ASSUMED) {
		result->wrong_assumed++;
	} else {
		result->wrong++;
	}
}

/* How events are told: in what order, and up to when they are known to be there. */
struct telling {
	const size_t *order; /* NULL: as they happened */
	const uint64_t *until; /* after each */
	void (*check)(struct result *, const struct exchange *);
	size_t tail; /* bytes of the end of each event that are captured, too */
};

static inline void take_all(struct conversation *c, struct result *result,
			    const struct telling *telling)
{
	struct exchange exchange;

	while (conversation_take(c, &exchange)) {
		telling->check(result, &exchange);
		mix_exchange(&result->digest, &exchange);
	}
}

static char *borrowed __attribute__((unused)); /* by the conversation, until all is taken */

static inline void put_part(struct conversation *c, const struct event *event, size_t from,
			    size_t captured, size_t moved)
{
	char *bytes = malloc(captured + !captured);

	memcpy(bytes, event->bytes + from, captured);
	assert_int_equal(conversation_put(c, event->direction, event->position + from,
					  (struct span){(uint8_t *)bytes, captured}, moved,
					  event->ns),
			 0);
	borrowed = bytes;
}

static inline struct result tell(const struct tape *tape, bool from_start, struct telling telling)
{
	struct result result = {};
	struct conversation c;

	conversation_init(&c, false, SIDE_CLIENT, from_start);
	for (unsigned i = 0; from_start && i < 2; i++)
		conversation_begin(&c, i, 0);
	for (size_t i = 0; i < tape->n; i++) {
		const struct event *event = &tape->events[telling.order ? telling.order[i] : i];
		size_t left = event->moved - event->captured;
		size_t tail = left < telling.tail ? 0 : telling.tail;

		if (event->is_lost)
			continue;
		put_part(&c, event, 0, event->captured, event->moved - tail);
		if (telling.until)
			conversation_until(&c, telling.until[i]);
		take_all(&c, &result, &telling);
		free(borrowed);
		if (!tail)
			continue;
		put_part(&c, event, event->moved - tail, tail, tail);
		take_all(&c, &result, &telling);
		free(borrowed);
	}
	for (unsigned i = 0; i < 2; i++)
		conversation_close(&c, i, tape->ns + 1);
	take_all(&c, &result, &telling);
	assert_true(pair_is_even(&c.pair));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(stream_is_even(&c.streams[i]));
		assert_int_equal(stream_missing(&c.streams[i]), 0);
		result.lost += c.streams[i].lost;
	}
	result.counts = c.counts;
	result.pairs = c.pair.counts;
	conversation_done(&c);
	return result;
}

static inline struct result play(const struct tape *tape, bool from_start)
{
	return tell(tape, from_start, (struct telling){.check = check});
}

static inline void lose_some(struct tape *tape, int percent)
{
	for (size_t i = 0; i < tape->n; i++)
		tape->events[i].is_lost = rand() % 100 < percent;
}
