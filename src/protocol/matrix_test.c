// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recorded conversations of all protocols, and of protocols that are none of ours, against all parsers:
 * from the start, joined at every write, cut anew at random, and with most of each write missing. No
 * verdict may ever be of another class.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protocol/capture.h"
#include "protocol/conversation.h"
#include "protocol/protocols.h"

#include <time.h>

enum { CAPTURES = 128 };

/* By the beginning of the file's name. */
static const struct {
	const char *prefix, *protocol;
} classes[] = {
	{"http1", "http"},          {"http2", "http2"},      {"redis", "redis"},
	{"memcached", "memcached"}, {"tls", "tls"},          {"dns", "dns"},
	{"mysql", "mysql"},         {"pgsql", "postgresql"}, {"other", NULL},
};

static const char *class_of(const char *name)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (!strncmp(name, classes[i].prefix, strlen(classes[i].prefix)))
			return classes[i].protocol;
	fail_msg("%s: of no class", name);
	return NULL;
}

/* NULL as well if its parser is not there (yet). */
static const struct protocol *expected(const struct capture *capture)
{
	const char *class = class_of(capture->name);

	return class ? protocol_named(class, strstr(capture->name, ".udp")) : NULL;
}

struct result {
	size_t exchanges, answered;
	size_t settled_after; /* steps; 0: never */
	uint64_t bad;
	char out[4096];
};

static void write_down(struct result *result, const struct exchange *exchange)
{
	size_t len = strlen(result->out);

	snprintf(result->out + len, sizeof(result->out) - len, "%.*s %.*s -> %.*s\n",
		 (int)exchange->request.operation.len, (const char *)exchange->request.operation.at,
		 (int)exchange->request.resource.len, (const char *)exchange->request.resource.at,
		 (int)exchange->response.status.len, (const char *)exchange->response.status.at);
}

/* How a step is given: whole, with only its first bytes captured, or in pieces of random length. */
struct manner {
	size_t captured; /* bytes of each write; 0: all */
	bool in_pieces;
	bool knows_who; /* asks: from connect() or accept() */
};

static void check_verdict(const struct capture *capture, const struct conversation *c,
			  const char *how, size_t at)
{
	const struct protocol *right = expected(capture);
	const char *class = class_of(capture->name);

	if (c->protocol && !strcmp(c->protocol->name, "tls") && strstr(capture->name, "tls"))
		return; /* a database whose connection was secured */
	if (c->protocol && !strcmp(c->protocol->name, "http") && strstr(capture->name, "h2c"))
		return; /* it begins so */
	if (c->protocol && c->protocol != right && (!class || strcmp(c->protocol->name, class)))
		fail_msg("%s, %s %zu: taken for %s", capture->name, how, at, c->protocol->name);
}

static struct result play(const struct capture *capture, size_t first, struct manner manner,
			  const char *how)
{
	struct result result = {};
	struct conversation c;
	struct exchange exchange;
	uint64_t position[2] = {};
	bool is_udp = strstr(capture->name, ".udp");

	conversation_init(&c, is_udp, manner.knows_who ? SIDE_CLIENT : SIDE_UNKNOWN, !first);
	for (size_t i = first; i < capture->n; i++) {
		struct span rest = capture->steps[i].bytes;
		unsigned direction = capture->steps[i].from == SIDE_SERVER;

		while (rest.len) {
			size_t moved = manner.in_pieces ? 1 + (size_t)rand() % rest.len : rest.len;
			size_t captured = manner.captured && manner.captured < moved
						  ? manner.captured
						  : moved;

			assert_int_equal(conversation_put(&c, direction, position[direction],
							  span_first(rest, captured), moved, i + 1),
					 0);
			position[direction] += moved;
			rest = span_from(rest, moved);
			while (conversation_take(&c, &exchange)) {
				result.exchanges++;
				result.answered += exchange.has_response;
				write_down(&result, &exchange);
			}
			check_verdict(capture, &c, how, first);
			if (c.protocol && !result.settled_after)
				result.settled_after = i - first + 1;
		}
	}
	for (unsigned i = 0; i < 2; i++)
		conversation_close(&c, i, capture->n);
	while (conversation_take(&c, &exchange))
		write_down(&result, &exchange);
	assert_true(pair_is_even(&c.pair));
	assert_true(stream_is_even(&c.streams[0]) && stream_is_even(&c.streams[1]));
	result.bad = c.counts.bad;
	conversation_done(&c);
	return result;
}

static void each_capture(void (*check)(const struct capture *))
{
	static char names[CAPTURES][64];
	size_t n = capture_names(TESTDATA, names, CAPTURES);

	assert_true(n > 30);
	for (size_t i = 0; i < n; i++) {
		struct capture capture;

		assert_true(capture_load(&capture, TESTDATA, names[i]));
		check(&capture);
		capture_done(&capture);
	}
}

static void check_from_start(const struct capture *capture)
{
	const struct protocol *right = expected(capture);
	struct result result = play(capture, 0, (struct manner){}, "from the start");

	if (!right) {
		assert_int_equal(result.settled_after, 0);
		return;
	}
	if (!result.settled_after || !result.exchanges)
		fail_msg("%s: never recognised", capture->name);
	if (result.bad)
		fail_msg("%s: %llu times something wrong", capture->name,
			 (unsigned long long)result.bad);
}

static void check_joined_late(const struct capture *capture)
{
	for (size_t i = 1; i < capture->n; i++)
		play(capture, i, (struct manner){}, "joined at write");
}

static void check_cut_anew(const struct capture *capture)
{
	for (size_t i = 0; i < 20; i++)
		play(capture, (size_t)rand() % capture->n, (struct manner){.in_pieces = true},
		     "cut anew");
}

/* Heads only, as the capture does by itself. */
static void check_torn(const struct capture *capture)
{
	static const size_t captured[] = {8, 16, 32, 64, 128, 256, 512};

	for (size_t i = 0; i < sizeof(captured) / sizeof(*captured); i++)
		for (size_t first = 0; first < capture->n; first += 1 + capture->n / 16)
			play(capture, first, (struct manner){.captured = captured[i]}, "torn");
}

static void knows_every_protocol_from_the_start(void **state)
{
	each_capture(check_from_start);
}

static void is_never_of_another_class_when_joined_late(void **state)
{
	each_capture(check_joined_late);
}

static void is_never_of_another_class_however_it_is_cut(void **state)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	each_capture(check_cut_anew);
}

static void is_never_of_another_class_with_heads_only(void **state)
{
	each_capture(check_torn);
}

/* Where more than two writes may be needed, or nothing can be known any more. All others settle with the second
 * write, wherever one joins. */
static const struct exception {
	const char *name;
	size_t from, to; /* joined at these writes */
	size_t limit; /* writes until it is settled; 0: never */
	const char *why;
} exceptions[] = {
	{"http1-expect", 1, 1, 0, "a 1xx, a body, and that was all"},
	{"http2-h2c-curl", 1, 1, 0, "HTTP/1.1 101, and then no HTTP/1.1 any more"},
	{"http2-h2c-nghttp", 1, 1, 3, "likewise"},
	{"memcached-meta", 1, 1, 3, "EN is in nobody else's language, but short"},
	{"memcached-meta", 4, 9, 4, "mn, EN and MN are short words of any protocol"},
	{"memcached-text", 26, 30, 0, "STAT, bogus, ERROR, OK: others say so as well"},
	{"mysql-compressed", 2, 7, 0, "compressed: known by the handshake only"},
	{"mysql-infile", 4, 13, 5, "in the contents of a file"},
	{"mysql-infile", 14, 14, 0, "an answer and a goodbye: no message left that is sure"},
	{"mysql-prepared", 104, 104, 0, "likewise"},
	{"mysql-pymysql", 22, 22, 0, "likewise"},
	{"mysql-multi", 4, 9, 4, "in the rows of a result"},
	{"mysql-pymysql", 17, 19, 5, "in the rows of a result"},
	{"mysql-simple", 13, 13, 3, "in the rows of a result"},
	{"mysql-tls", 1, 1, 3, "in the handshake, before encryption"},
	{"pgsql", 11, 11, 3, "in the rows of a result"},
	{"pgsql-asyncpg", 40, 41, 4, "in the rows of a result"},
	{"pgsql-replication", 10, 13, 0, "a stream of changes, which is handed over"},
	{"pgsql-simple", 7, 7, 3, "in the rows of a result"},
	{"redis-inline", 0, 4, 6, "a word and a line end"},
	{"redis-subscribe", 1, 1, 3, "two pushes before the next command"},
};

static size_t writes_allowed(const char *name, size_t first)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (!strcmp(name, exceptions[i].name) && first >= exceptions[i].from &&
		    first <= exceptions[i].to)
			return exceptions[i].limit;
	return 2;
}

static struct {
	size_t joins, in_two;
} settled;

static void check_settles(const struct capture *capture)
{
	if (!expected(capture))
		return;
	for (size_t first = 0; first + 2 <= capture->n; first++) {
		/* most frames of HTTP/2 do not say which side they are of */
		bool knows_who = !strncmp(capture->name, "http2", 5);
		struct result result = play(capture, first, (struct manner){.knows_who = knows_who},
					    "joined at write");
		size_t allowed = writes_allowed(capture->name, first);
		size_t left = capture->n - first;

		settled.joins++;
		settled.in_two += result.settled_after && result.settled_after <= 2;
		if (allowed > left)
			continue;
		if ((allowed && !result.settled_after) || result.settled_after > allowed)
			fail_msg("%s, joined at write %zu: settled after %zu", capture->name, first,
				 result.settled_after);
	}
}

static void settles_within_two_messages(void **state)
{
	each_capture(check_settles);
	print_message("%zu of %zu joins are settled after two writes\n", settled.in_two,
		      settled.joins);
	assert_true(settled.in_two * 100 >= settled.joins * 90);
}

static void random_bytes_are_nothing(void **state)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	for (size_t round = 0; round < 3000; round++) {
		struct conversation c;
		struct exchange exchange;
		uint64_t position[2] = {};

		conversation_init(&c, round % 2, SIDE_UNKNOWN, true);
		for (size_t i = 0; i < 40; i++) {
			uint8_t bytes[200];
			size_t len = 1 + (size_t)rand() % sizeof(bytes);
			unsigned direction = (unsigned)rand() % 2;

			for (size_t k = 0; k < len; k++)
				bytes[k] = (uint8_t)(rand() >> 5);
			conversation_put(&c, direction, position[direction],
					 (struct span){bytes, len}, len, i);
			position[direction] += len;
			while (conversation_take(&c, &exchange))
				fail_msg("an exchange in random bytes: %s", c.protocol->name);
			if (c.protocol)
				fail_msg("random bytes taken for %s", c.protocol->name);
		}
		conversation_done(&c);
	}
}

/* One table: what comes out of a whole conversation. */
static void gives_the_exchanges_that_took_place(void **state)
{
	static const struct {
		const char *name, *out;
	} whole[] = {
		{"http1-keepalive", "GET / -> 200\nGET /users/7/profile -> 200\nGET /missing -> "
				    "404\nGET /error -> 503\n"},
		{"http1-expect", "POST /post -> 201\n"},
		{"redis-transaction", "MULTI  -> OK\nSET  -> QUEUED\nINCR  -> QUEUED\nEXEC  -> "
				      "OK\nMULTI  -> OK\nDISCARD  -> OK\n"},
		{"redis-subscribe", "SUBSCRIBE  -> OK\nUNSUBSCRIBE  -> OK\nPING  -> OK\n"},
		{"memcached-meta", "ms  -> HD\nmg  -> VA\nmg  -> EN\nmg  -> \nmg  -> VA\nmn  -> "
				   "MN\nmd  -> \nmn  -> MN\nma  -> VA\n"},
		{"tls-untrusted", "ClientHello shop.example -> TLS1.2\n"},
		{"dns-stream", "A shop.example -> NOERROR\n"},
	};

	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		struct capture capture;
		struct result result;

		assert_true(capture_load(&capture, TESTDATA, whole[i].name));
		result = play(&capture, 0, (struct manner){}, "whole");
		assert_string_equal(result.out, whole[i].out);
		capture_done(&capture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_every_protocol_from_the_start),
		cmocka_unit_test(is_never_of_another_class_when_joined_late),
		cmocka_unit_test(is_never_of_another_class_however_it_is_cut),
		cmocka_unit_test(is_never_of_another_class_with_heads_only),
		cmocka_unit_test(settles_within_two_messages),
		cmocka_unit_test(random_bytes_are_nothing),
		cmocka_unit_test(gives_the_exchanges_that_took_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
