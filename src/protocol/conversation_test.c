// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection of HTTP whose requests and responses are numbered, told in events as the kernel would: out
 * of order, cut, lost. What comes out must be true, and what does not come out must be accounted for.
 */
#include "protocol/capture.h"
#include "protocol/tape.h"

/* Within blocks, so that causes stay near their effects; the times stay true. */
static void shuffle(struct tape *tape, size_t block)
{
	for (size_t i = 0; i < tape->n; i++) {
		size_t j = i / block * block + (size_t)rand() % block;
		struct event other = tape->events[i];

		if (j < tape->n && i >= 2 && j >= 2) {
			tape->events[i] = tape->events[j];
			tape->events[j] = other;
		}
	}
}

static void tells_every_exchange_when_all_is_seen(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 60; round++) {
		struct tape tape;
		struct result result;

		make_tape(&tape, 1 + (unsigned)rand() % 32, 200, 0);
		result = play(&tape, true);
		assert_int_equal(result.right, 200);
		assert_int_equal(result.wrong + result.assumed + result.counts.bad +
					 result.counts.unread,
				 0);
		tape_done(&tape);
	}
}

/* As the capture does it: heads are copied, bodies counted. */
static void needs_no_more_than_heads(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 60; round++) {
		struct tape tape;
		struct result result;

		make_tape(&tape, 1 + (unsigned)rand() % 32, 200, 128);
		result = play(&tape, true);
		assert_int_equal(result.right, 200);
		assert_int_equal(result.wrong + result.assumed + result.counts.bad, 0);
		tape_done(&tape);
	}
}

/* Nearly as little: the beginning and the end of each call. Of chunks in a row only the client that waits tells
 * where they ended. */
static void needs_no_more_than_both_ends_of_each_write(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 60; round++) {
		struct tape tape;
		struct result result;

		make_tape(&tape, 1 + (unsigned)rand() % 32, 200, 256);
		result = tell(&tape, true, (struct telling){.check = check, .tail = 32});
		assert_int_equal(result.right, 200);
		assert_int_equal(result.wrong + result.assumed + result.counts.bad, 0);
		tape_done(&tape);

		tape = (struct tape){};
		for (uint64_t n = 1; n <= 200; n++) {
			ask(&tape, n, 256);
			answer_in_chunks(&tape, n, 256);
		}
		result = tell(&tape, true, (struct telling){.check = check, .tail = 32});
		/* a gap may by chance be as long as the rest of its chunk and the last one */
		assert_true(result.right >= 197);
		assert_int_equal(result.wrong + result.wrong_assumed, 0);
		tape_done(&tape);
	}
}

static void events_in_any_order_give_the_same(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 60; round++) {
		struct tape tape;
		struct result result;

		make_tape(&tape, 1 + (unsigned)rand() % 8, 200, rand() % 2 ? 128 : 0);
		shuffle(&tape, 2 + (size_t)rand() % 8);
		result = play(&tape, true);
		assert_int_equal(result.right, 200);
		assert_int_equal(result.wrong + result.assumed + result.counts.bad, 0);
		tape_done(&tape);
	}
}

static void nothing_wrong_when_events_are_lost(void **state)
{
	size_t right = 0, all = 0, assumed = 0;

	seed_of_today();
	for (size_t round = 0; round < 200; round++) {
		unsigned depth = round % 2 ? 1 : 2 + (unsigned)rand() % 16;
		struct tape tape;
		struct result result;

		make_tape(&tape, depth, 200, rand() % 2 ? 128 : 0);
		lose_some(&tape, 1 + rand() % 4);
		result = play(&tape, true);
		assert_int_equal(result.wrong, 0);
		if (depth == 1) {
			assert_int_equal(result.wrong_assumed, 0);
			right += result.right;
			assumed += result.assumed;
			all += 200;
		}
		tape_done(&tape);
	}
	print_message("clients that wait: %zu of %zu told, %zu of them assumed\n", right, all,
		      assumed);
	assert_true(right > all * 80 / 100);
}

static void joins_late(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 100; round++) {
		struct tape tape;
		struct result result;
		size_t first;

		make_tape(&tape, 1, 60, rand() % 2 ? 128 : 0);
		first = (size_t)rand() % (tape.n / 2);
		for (size_t i = 0; i < first; i++)
			tape.events[i].is_lost = true;
		result = play(&tape, false);
		assert_int_equal(result.wrong + result.wrong_assumed, 0);
		/* the first two or three messages are spent on learning what it is, and who waits for whom */
		assert_true(result.right + 2 >= (tape.n - first) / 2);
		tape_done(&tape);
	}
}

/* First and last byte of request and response, where they stand, how long they are. */
static void times_and_places_are_those_of_the_bytes(void **state)
{
	struct conversation c;
	struct exchange exchange;
	static const struct {
		unsigned direction;
		const char *bytes;
		uint64_t moved, ns;
	} events[] = {
		{0, "POST /x HTTP/1.1\r\nConte", 0, 10},
		{0, "nt-Length: 10\r\n\r\nabc", 0, 20},
		{0, "", 4, 30},
		{0, "xyz", 0, 40},
		{1, "HTTP/1.1 200 OK\r\n", 0, 100},
		{1, "Content-Length: 5\r\n\r\nh", 0, 110},
		{1, "", 4, 120},
	};
	uint64_t position[2] = {1000, 5000};

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct span bytes = span_of(events[i].bytes);
		uint64_t moved = events[i].moved ? events[i].moved : bytes.len;

		conversation_put(&c, events[i].direction, position[events[i].direction], bytes,
				 moved, events[i].ns);
		position[events[i].direction] += moved;
		assert_int_equal(conversation_take(&c, &exchange), i == 6);
	}
	assert_int_equal(exchange.asked.first, 10);
	assert_int_equal(exchange.asked.last, 40);
	assert_int_equal(exchange.asked.position, 1000);
	assert_int_equal(exchange.request.bytes, position[0] - 1000);
	assert_int_equal(exchange.answered.first, 100);
	assert_int_equal(exchange.answered.last, 120);
	assert_int_equal(exchange.answered.position, 5000);
	assert_int_equal(exchange.response.bytes, position[1] - 5000);
	assert_false(conversation_take(&c, &exchange));
	conversation_done(&c);
}

/* A head in two writes, each gone when it was taken. */
static void keeps_what_the_parser_left_over(void **state)
{
	static const char *const writes[] = {"GET / HT", "TP/1.1\r\nHost: shop.example\r\n\r\n"};
	struct conversation c;
	struct exchange exchange;

	conversation_init(&c, false, SIDE_CLIENT, true);
	for (uint64_t round = 0; round < 4; round++) {
		for (size_t i = 0; i < 3; i++) {
			char *bytes = strdup(i < 2 ? writes[i] : "HTTP/1.1 204 x\r\n\r\n");
			struct stream *stream = &c.streams[i == 2];
			size_t len = strlen(bytes);

			conversation_put(&c, i == 2, stream->end,
					 (struct span){(uint8_t *)bytes, len}, len,
					 1 + round * 10 + i);
			assert_int_equal(conversation_take(&c, &exchange), i == 2);
			assert_false(i == 2 && conversation_take(&c, &exchange));
			free(bytes);
		}
	}
	assert_int_equal(c.counts.bad, 0);
	conversation_done(&c);
}

static void lets_go_of_what_nobody_reads(void **state)
{
	struct conversation c;
	struct exchange exchange;
	uint64_t position = 0;

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < 200; i++) {
		conversation_put(&c, 0, position, span_of("some other protocol"), 100000, i);
		position += 100000;
		assert_false(conversation_take(&c, &exchange));
		assert_true(c.streams[0].ahead_len <= CONVERSATION_HELD);
	}
	assert_true(infer_is_hopeless(&c.infer));
	assert_int_equal(conversation_passes(&c, 0), UINT64_MAX);
	assert_int_equal(c.streams[0].ahead_len, 0);
	assert_int_equal(c.counts.unread, position);
	conversation_done(&c);
}

/* A verdict is taken back when the stream does not bear it out; the next may be another. */
static void a_verdict_can_be_taken_back(void **state)
{
	struct conversation c;
	struct exchange exchange;
	uint64_t position[2] = {};
	size_t exchanges = 0;
	static const struct {
		unsigned direction;
		const char *bytes;
	} events[] = {
		{0, "get k\r\n"},
		{1, "END\r\n"}, /* memcached, by the looks of it */
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	};

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct span bytes = span_of(events[i].bytes);

		conversation_put(&c, events[i].direction, position[events[i].direction], bytes,
				 bytes.len, i + 1);
		position[events[i].direction] += bytes.len;
		while (conversation_take(&c, &exchange))
			exchanges++;
		if (i == 1)
			assert_string_equal(c.protocol->name, "memcached");
	}
	assert_string_equal(c.protocol->name, "http");
	assert_int_equal(c.infer.unsettled, 1);
	assert_true(exchanges >= 2);
	conversation_done(&c);
}

static void datagrams_are_paired_too(void **state)
{
	static const char query[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\4shop\7example\0\0\1\0\1";
	char reply[200];
	struct conversation c;
	struct exchange exchange;

	memcpy(reply, query, sizeof(query));
	reply[2] = (char)0x81;
	conversation_init(&c, true, SIDE_UNKNOWN, true);
	conversation_put(&c, 1, 0, (struct span){(const uint8_t *)query, sizeof(query) - 1},
			 sizeof(query) - 1, 1);
	assert_false(conversation_take(&c, &exchange));
	conversation_put(&c, 0, 0, (struct span){(const uint8_t *)reply, sizeof(query) - 1}, 500,
			 2);
	assert_true(conversation_take(&c, &exchange));
	assert_int_equal(exchange.proof, PROOF_ID);
	assert_true(span_is(exchange.request.resource, "shop.example"));
	assert_int_equal(exchange.asked.first, 1);
	assert_int_equal(exchange.answered.last, 2);
	assert_int_equal(exchange.response.bytes, 500);
	assert_int_equal(c.infer.side_of[1], SIDE_CLIENT);
	conversation_done(&c);
}

/* Bytes of one direction, all captured, as the next event. */
static size_t say(struct conversation *c, unsigned direction, const char *bytes, size_t len)
{
	struct exchange exchange;
	struct stream *stream = &c->streams[direction];
	size_t exchanges = 0;

	assert_int_equal(conversation_put(c, direction, stream->end,
					  (struct span){(const uint8_t *)bytes, len}, len,
					  c->streams[0].end + c->streams[1].end + 1),
			 0);
	while (conversation_take(c, &exchange)) {
		assert_true(exchange.has_response);
		exchanges++;
	}
	return exchanges;
}
#define SAY(c, direction, bytes) say(c, direction, bytes, sizeof(bytes) - 1)

/* Bytes at a position, at a time; how many exchanges became whole, all of them right: /N answered by N. */
static size_t put_at(struct conversation *c, unsigned direction, uint64_t position,
		     const char *text, uint64_t ns, size_t *ret_assumed)
{
	struct exchange exchange;
	size_t exchanges = 0, len = strlen(text);

	assert_int_equal(conversation_put(c, direction, position,
					  (struct span){(const uint8_t *)text, len}, len, ns),
			 0);
	while (conversation_take(c, &exchange)) {
		assert_true(exchange.has_response);
		assert_true(span_same(span_from(exchange.request.target, 1),
				      span_from(exchange.response.reason, 0)));
		*ret_assumed += exchange.proof == PROOF_ASSUMED;
		exchanges++;
	}
	return exchanges;
}

#define ASK(n)    "GET /" n " HTTP/1.1\r\n\r\n"
#define ANSWER(n) "HTTP/1.1 404 " n "\r\nContent-Length: 0\r\n\r\n"

/* Requests of a pipeline were lost. While it goes on nothing is paired; after a pause far longer than any answer took,
 * everything is. */
static void a_pipeline_finds_its_place_again_after_a_pause(void **state)
{
	const uint64_t ms = 1000000;
	uint64_t in = 0, out = 0, ns = ms;
	size_t assumed = 0, paired = 0;
	struct conversation c;

	conversation_init(&c, false, SIDE_CLIENT, true);
	conversation_begin(&c, 0, 0);
	conversation_begin(&c, 1, 0);
#define PUT(direction, at, text, pause)                                                            \
	(ns += (pause), paired += put_at(&c, direction, at, text, ns, &assumed), at += strlen(text))
	PUT(0, in, ASK("1") ASK("2"), ms);
	PUT(1, out, ANSWER("1") ANSWER("2"), 10 * ms);
	assert_int_equal(paired, 2);
	in += 40; /* lost: nobody knows how many requests */
	PUT(0, in, ASK("5") ASK("6"), ms);
	conversation_give_up(&c);
	PUT(1, out, ANSWER("3") ANSWER("4"), ms);
	PUT(1, out, ANSWER("5") ANSWER("6"), ms);
	PUT(0, in, ASK("7") ASK("8"), 100 * ms); /* the slowest took 10 ms: that is no pause */
	PUT(1, out, ANSWER("7") ANSWER("8"), ms);
	assert_int_equal(paired, 2);
	PUT(0, in, ASK("9") ASK("10"), 250 * ms);
	PUT(1, out, ANSWER("9"), ms);
	PUT(0, in, ASK("11"), ms);
	PUT(1, out, ANSWER("10") ANSWER("11"), ms);
	assert_int_equal(paired, 5);
	assert_int_equal(assumed, 3);
#undef PUT
	assert_true(pair_is_even(&c.pair));
	conversation_done(&c);
}

/* Over TCP: the length may come in a write of its own, several questions may be open, and answers come in
 * any order (RFC 7766 6.2.1.1, 8). */
static void dns_over_tcp_is_paired_by_id(void **state)
{
#define QUERY(id, flags, name) id flags "\0\1\0\0\0\0\0\0\4" name "\0\0\1\0\1"
#define ASKED                  "\1\0"
#define GIVEN                  "\x81\x80"
	struct conversation c;

	conversation_init(&c, false, SIDE_UNKNOWN, true);
	assert_int_equal(SAY(&c, 0, "\0\26"), 0);
	assert_int_equal(SAY(&c, 0, QUERY("\0\1", ASKED, "shop")), 0);
	assert_int_equal(SAY(&c, 1, "\0\26" QUERY("\0\1", GIVEN, "shop")), 1);
	assert_string_equal(c.protocol->name, "dns");
	assert_int_equal(
		SAY(&c, 0,
		    "\0\26" QUERY("\0\2", ASKED, "cart") "\0\26" QUERY("\0\3", ASKED, "news")),
		0);
	assert_int_equal(SAY(&c, 1, "\0\26" QUERY("\0\3", GIVEN, "news")), 1);
	assert_int_equal(SAY(&c, 1, "\0\26"), 0);
	assert_int_equal(SAY(&c, 1, QUERY("\0\2", GIVEN, "cart")), 1);
	assert_int_equal(c.counts.bad, 0);
	conversation_done(&c);
}

static void a_compressed_session_is_marked(void **state)
{
	struct conversation c;
	struct capture capture;
	size_t exchanges = 0;

	assert_true(capture_load(&capture, TESTDATA, "mysql-compressed"));
	conversation_init(&c, false, SIDE_UNKNOWN, true);
	for (size_t i = 0; i < capture.n; i++)
		exchanges +=
			say(&c, capture.steps[i].from == SIDE_SERVER,
			    (const char *)capture.steps[i].bytes.at, capture.steps[i].bytes.len);
	assert_int_equal(exchanges, 1); /* the login */
	assert_string_equal(c.became, "mysql-compressed");
	assert_int_equal(c.counts.bad, 0);
	assert_int_equal(conversation_passes(&c, 0), UINT64_MAX);
	conversation_done(&c);
	capture_done(&capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_every_exchange_when_all_is_seen),
		cmocka_unit_test(needs_no_more_than_heads),
		cmocka_unit_test(needs_no_more_than_both_ends_of_each_write),
		cmocka_unit_test(events_in_any_order_give_the_same),
		cmocka_unit_test(nothing_wrong_when_events_are_lost),
		cmocka_unit_test(joins_late),
		cmocka_unit_test(times_and_places_are_those_of_the_bytes),
		cmocka_unit_test(keeps_what_the_parser_left_over),
		cmocka_unit_test(lets_go_of_what_nobody_reads),
		cmocka_unit_test(a_verdict_can_be_taken_back),
		cmocka_unit_test(datagrams_are_paired_too),
		cmocka_unit_test(dns_over_tcp_is_paired_by_id),
		cmocka_unit_test(a_pipeline_finds_its_place_again_after_a_pause),
		cmocka_unit_test(a_compressed_session_is_marked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
