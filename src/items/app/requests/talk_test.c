// SPDX-License-Identifier: GPL-2.0-only
/* talk: from the kernel half's events to exchanges, with their phases. */
#include "items/app/requests/phases.c"
#include "items/app/requests/talk.c"
#include "items/app/requests/usual.c"
#include "items/app/requests/verdict.c"

#include <stdarg.h>
#include <time.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#define MS 1000000ull

struct seen {
	char target[16][64], status[16][16], reason[16][16];
	struct outcome outcome[16];
	size_t n;
};

static struct seen seen;
static struct talks talks;
static uint64_t verdicts[REQUESTS_VERDICTS];
static uint32_t ports[REQUESTS_PORTS];

static void keep(void *ctx, struct talk *talk, struct outcome *outcome)
{
	const struct exchange *exchange = outcome->exchange;
	struct seen *to = ctx;

	assert_true(to->n < 16);
	snprintf(to->target[to->n], 64, "%.*s", (int)exchange->request.target.len,
		 (const char *)exchange->request.target.at);
	snprintf(to->status[to->n], 16, "%.*s",
		 exchange->has_response ? (int)exchange->response.status.len : 0,
		 (const char *)exchange->response.status.at);
	snprintf(to->reason[to->n], 16, "%.*s",
		 exchange->has_response ? (int)exchange->response.reason.len : 0,
		 (const char *)exchange->response.reason.at);
	to->outcome[to->n++] = *outcome;
}

static int begin(void **state)
{
	seen = (struct seen){};
	memset(verdicts, 0, sizeof(verdicts));
	talks_init(&talks, 4, keep, &seen);
	memset(ports, 0, sizeof(ports));
	talks.verdicts = verdicts;
	talks.ports = ports;
	return 0;
}

static int end(void **state)
{
	talks_done(&talks);
	return 0;
}

static void open_at(uint64_t cookie, bool is_accepted, uint64_t in, uint64_t out)
{
	struct requests_open open = {
		.head = {REQUESTS_OPEN, sizeof(open), 0, 1},
		.cookie = cookie,
		.position = {in, out},
		.is_accepted = is_accepted,
		.transport = IPPROTO_TCP,
		.local_port = 80,
	};

	talks_event(&talks, &open.head, sizeof(open));
}

/* One call that moved `text`, of which the first and last bytes were copied. */
struct call {
	uint64_t cookie, position, ns, arrived_ns;
	unsigned direction;
	const char *text;
	size_t first, last; /* 0, 0: all of it */
	uint32_t cut_before, lost_before;
};

static void tell(struct call call)
{
	size_t len = strlen(call.text), first = call.first || call.last ? call.first : len;
	struct requests_data *data = calloc(1, sizeof(*data) + len);

	data->head = (struct event_head){REQUESTS_DATA, 0, 0, call.ns};
	data->cookie = call.cookie;
	data->position = call.position;
	data->moved = (uint32_t)len;
	data->direction = (uint8_t)call.direction;
	data->arrived_ns = call.arrived_ns;
	data->arrived_last_ns = call.arrived_ns;
	data->cut_before = call.cut_before;
	data->lost_before = call.lost_before;
	data->srtt_us = 40000;
	data->first = (uint16_t)first;
	data->last = (uint16_t)call.last;
	memcpy(data->bytes, call.text, first);
	memcpy(data->bytes + first, call.text + len - call.last, call.last);
	data->head.size = (uint16_t)(sizeof(*data) + first + call.last);
	talks_event(&talks, &data->head, data->head.size);
	free(data);
}

static void close_of(uint64_t cookie, uint64_t ns)
{
	struct requests_closed closed = {.head = {REQUESTS_CLOSED, sizeof(closed), 0, ns},
					 .cookie = cookie};

	talks_event(&talks, &closed.head, sizeof(closed));
}

#define GET_A     "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_B     "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK_5      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define MISSING   "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define LEN(text) (sizeof(text) - 1)

static uint64_t phase(size_t i, enum phase which)
{
	assert_true(seen.outcome[i].phases >> which & 1);
	return seen.outcome[i].phase_ns[which];
}

static void splits_the_time_of_a_server(void **state)
{
	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 15 * MS, 10 * MS, REQUESTS_IN, GET_A});
	tell((struct call){7, 0, 25 * MS, 0, REQUESTS_OUT, OK_5});
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.target[0], "/a");
	assert_string_equal(seen.status[0], "200");
	assert_int_equal(seen.outcome[0].side, SIDE_SERVER);
	assert_int_equal(seen.outcome[0].began_ns, 10 * MS);
	assert_int_equal(seen.outcome[0].duration_ns, 15 * MS);
	assert_int_equal(phase(0, PHASE_QUEUE), 5 * MS);
	assert_int_equal(phase(0, PHASE_PROCESS), 10 * MS);
	assert_int_equal(phase(0, PHASE_SEND), 0);
	assert_true(seen.outcome[0].is_whole);
}

static void splits_the_time_of_a_client(void **state)
{
	open_at(7, false, 0, 0);
	tell((struct call){7, 0, 10 * MS, 0, REQUESTS_OUT, GET_A});
	tell((struct call){7, 0, 33 * MS, 30 * MS, REQUESTS_IN,
			   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"});
	tell((struct call){7, LEN(OK_5) - 3, 40 * MS, 39 * MS, REQUESTS_IN, "llo"});
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.outcome[0].side, SIDE_CLIENT);
	assert_int_equal(seen.outcome[0].duration_ns, 30 * MS);
	assert_int_equal(phase(0, PHASE_WAIT), 20 * MS);
	assert_int_equal(phase(0, PHASE_QUEUE), 3 * MS);
	assert_int_equal(phase(0, PHASE_DOWNLOAD), 7 * MS);
	assert_int_equal(phase(0, PHASE_NETWORK), 20 * MS); /* srtt is 40 ms: the wait bounds it */
	assert_true(seen.outcome[0].is_network_bound);
}

/* One connection of which both ends are on this machine. */
static void open_end(uint64_t cookie, bool is_server)
{
	struct requests_open open = {
		.head = {REQUESTS_OPEN, sizeof(open), 0, 1},
		.cookie = cookie,
		.is_accepted = is_server,
		.transport = IPPROTO_TCP,
		.local_port = is_server ? 80 : 4000,
		.remote_port = is_server ? 4000 : 80,
		.local_addr = {[15] = is_server},
		.remote_addr = {[15] = !is_server},
	};

	open.local_addr[0] = open.remote_addr[0] = 0x20;
	talks_event(&talks, &open.head, sizeof(open));
}

static void takes_the_network_out_of_the_wait(void **state)
{
	open_end(7, true);
	open_end(8, false);
	for (uint64_t i = 0; i < 2; i++) { /* the second time one end is gone */
		uint64_t in = i * LEN(GET_A), out = i * LEN(OK_5);

		tell((struct call){8, in, 10 * MS, 0, REQUESTS_OUT, GET_A});
		if (!i) {
			tell((struct call){7, in, 22 * MS, 20 * MS, REQUESTS_IN, GET_A});
			tell((struct call){7, out, 32 * MS, 0, REQUESTS_OUT, OK_5});
		}
		tell((struct call){8, out, 43 * MS, 42 * MS, REQUESTS_IN, OK_5});
		close_of(7, 44 * MS);
	}
	assert_int_equal(seen.n, 3);
	assert_true(seen.outcome[0].is_peer_watched && seen.outcome[1].is_peer_watched);
	assert_int_equal(phase(1, PHASE_WAIT), 32 * MS);
	assert_int_equal(phase(1, PHASE_NETWORK), 20 * MS);
	assert_false(seen.outcome[1].is_network_bound);
	assert_false(seen.outcome[2].is_peer_watched);
	assert_true(seen.outcome[2].is_network_bound);
}

static void pairs_what_was_written_at_once(void **state)
{
	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 2 * MS, MS, REQUESTS_IN, GET_A GET_B});
	tell((struct call){7, 0, 3 * MS, 0, REQUESTS_OUT, OK_5 MISSING});
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.target[1], "/b");
	assert_string_equal(seen.status[1], "404");
}

static void counts_a_body_that_was_not_copied(void **state)
{
	static const char long_body[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
					"0123456789012345678901234567890123456789012345678901234567"
					"890123456789012345678901234567890123456789";

	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 2 * MS, MS, REQUESTS_IN, GET_A});
	tell((struct call){7, 0, 3 * MS, 0, REQUESTS_OUT, long_body, .first = 45, .last = 32});
	tell((struct call){7, LEN(GET_A), 4 * MS, MS, REQUESTS_IN, GET_B});
	tell((struct call){7, LEN(long_body), 5 * MS, 0, REQUESTS_OUT, MISSING});
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.status[0], "200");
	assert_string_equal(seen.status[1], "404");
	assert_true(seen.outcome[1].is_whole);
	assert_int_equal(talks.oldest->limit_log2[REQUESTS_OUT], 0); /* no harm was done */
}

/* Bytes that splice moved: a hole that is known. The body has it inside. */
static void passes_bytes_that_nobody_told_of(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";

	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 2 * MS, MS, REQUESTS_IN, GET_A});
	tell((struct call){7, 0, 3 * MS, 0, REQUESTS_OUT, head});
	tell((struct call){7, LEN(GET_A), 4 * MS, MS, REQUESTS_IN, GET_B});
	tell((struct call){7, LEN(head) + 1000, 5 * MS, 0, REQUESTS_OUT, MISSING,
			   .cut_before = 1000});
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.status[0], "200");
	assert_string_equal(seen.status[1], "404");
}

/* The response to /a was lost: /b must not get it, nor the other way round. */
static void never_pairs_across_a_loss(void **state)
{
	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 2 * MS, MS, REQUESTS_IN, GET_A GET_B});
	tell((struct call){7, LEN(OK_5), 3 * MS, 0, REQUESTS_OUT, MISSING,
			   .lost_before = LEN(OK_5)});
	for (size_t i = 0; i < seen.n; i++)
		assert_false(seen.outcome[i].is_whole && !strcmp(seen.target[i], "/a"));
	close_of(7, 9 * MS);
	for (size_t i = 0; i < seen.n; i++)
		if (!strcmp(seen.target[i], "/a"))
			assert_string_equal(seen.status[i], "");
	assert_int_equal(talks.counts.ended.lost, LEN(OK_5));
	assert_int_equal(talks.counts.uneven, 0);
}

static void says_what_is_wanted(void **state)
{
	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 2 * MS, MS, REQUESTS_IN, GET_A});
	tell((struct call){7, 0, 3 * MS, 0, REQUESTS_OUT, OK_5});
	assert_int_equal(verdicts[7], requests_verdict(7, REQUESTS_WANTED, 0, 0));
	open_at(8, true, 0, 0);
	for (uint64_t i = 0; i < 2 * INFER_HOPELESS; i++)
		tell((struct call){8, i * 10, 2 * MS, MS, REQUESTS_IN, "zzzzzzzzzz"});
	assert_int_equal(verdicts[8], requests_verdict(8, REQUESTS_UNWANTED, 0, 0));
}

#define BODY_2K "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"

/* `n` requests, each answered by one long message whose beginning was copied. */
/* What both sides encrypt nobody reads: the kernel half need not even tell of it. */
static void ciphertext_is_not_wanted(void **state)
{
	char record[5 + 257 + 1] = "\x17\x03\x03\x01\x01";

	memset(record + 5, 'x', 257);
	open_at(9, true, 1000, 1000);
	tell((struct call){9, 1000, 1 * MS, 0, REQUESTS_IN, record});
	assert_int_not_equal(verdicts[9] & 0xff, REQUESTS_UNWANTED);
	tell((struct call){9, 1000, 2 * MS, 0, REQUESTS_OUT, record});
	assert_int_equal(verdicts[9] & 0xff, REQUESTS_UNWANTED);
}

static void ask_for_long_ones(uint64_t cookie, uint64_t n)
{
	char answer[LEN(BODY_2K) + 2001];

	memset(answer, 'x', sizeof(answer));
	answer[sizeof(answer) - 1] = 0;
	memcpy(answer, BODY_2K, LEN(BODY_2K));
	for (uint64_t i = 0; i < n; i++) {
		tell((struct call){cookie, i * LEN(GET_A), (2 * i + 1) * MS, MS, REQUESTS_IN,
				   GET_A});
		tell((struct call){cookie, i * strlen(answer), (2 * i + 2) * MS, 0, REQUESTS_OUT,
				   answer, .first = 1024, .last = 32});
	}
}

static void long_messages_need_their_beginning_only(void **state)
{
	open_at(7, true, 0, 0);
	ask_for_long_ones(7, LONG_ENOUGH - 1);
	assert_int_equal(talks.oldest->limit_log2[REQUESTS_OUT], 0);
	talks_done(&talks);
	begin(state);
	open_at(7, true, 0, 0);
	ask_for_long_ones(7, LONG_ENOUGH);
	assert_int_equal(verdicts[7], requests_verdict(7, REQUESTS_WANTED, 0, 10));
	assert_int_equal(ports[80], REQUESTS_LONG_RESPONSES);
}

/* Its answers may come several in a call as well, which must not be cut then. */
static void who_pipelines_gets_whole_calls(void **state)
{
	uint64_t in = LONG_ENOUGH * LEN(GET_A), out = LONG_ENOUGH * (LEN(BODY_2K) + 2000);

	open_at(7, true, 0, 0);
	ask_for_long_ones(7, LONG_ENOUGH);
	assert_int_equal(talks.oldest->limit_log2[REQUESTS_OUT], 10);
	tell((struct call){7, in, 20 * MS, MS, REQUESTS_IN, GET_A GET_B});
	tell((struct call){7, out, 21 * MS, 0, REQUESTS_OUT, OK_5});
	tell((struct call){7, out + LEN(OK_5), 22 * MS, 0, REQUESTS_OUT, OK_5});
	assert_int_equal(seen.n, LONG_ENOUGH + 2);
	assert_int_equal(verdicts[7], requests_verdict(7, REQUESTS_WANTED, 0, HEAD_MAX_LOG2));
	assert_int_equal(ports[80], 0);
}

/* Several requests in a call of which only the beginning was copied: that was too little. */
static void wants_all_of_a_pipeline(void **state)
{
	char pipeline[40 * LEN(GET_A) + 1] = "";

	for (int i = 0; i < 40; i++)
		memcpy(pipeline + (size_t)i * LEN(GET_A), GET_A, LEN(GET_A) + 1);
	ports[80] = REQUESTS_LONG_REQUESTS;
	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 2 * MS, MS, REQUESTS_IN, GET_A});
	tell((struct call){7, 0, 3 * MS, 0, REQUESTS_OUT, OK_5});
	tell((struct call){7, LEN(GET_A), 4 * MS, MS, REQUESTS_IN, pipeline, .first = 40,
			   .last = 0});
	assert_int_equal(verdicts[7], requests_verdict(7, REQUESTS_WANTED, HEAD_MAX_LOG2, 0));
	assert_int_equal(ports[80], 0);
}

static void the_one_silent_for_longest_makes_room(void **state)
{
	for (uint64_t cookie = 1; cookie <= 6; cookie++)
		open_at(cookie, true, 0, 0);
	assert_int_equal(talks.counts.evicted, 2);
	assert_int_equal(talks.oldest->cookie, 3);
	tell((struct call){1, 0, 2 * MS, MS, REQUESTS_IN, GET_A});
	assert_int_equal(talks.counts.orphans, 1);
	/* and is announced again, as is every one that was pushed out */
	assert_int_equal((uint8_t)verdicts[1], REQUESTS_FORGOTTEN);
	assert_int_equal((uint8_t)verdicts[2], REQUESTS_FORGOTTEN);
	assert_int_equal(verdicts[2] >> 32, 1);
}

static void refuses_events_that_contradict_themselves(void **state)
{
	struct requests_data data = {
		.head = {REQUESTS_DATA, sizeof(data), 0, 1}, .cookie = 7, .first = 9};

	open_at(7, true, 0, 0);
	talks_event(&talks, &data.head, sizeof(data));
	data.first = 0;
	data.direction = 2;
	talks_event(&talks, &data.head, sizeof(data));
	data.head.kind = 99;
	talks_event(&talks, &data.head, sizeof(data));
	data.head.kind = REQUESTS_OPEN;
	talks_event(&talks, &data.head, sizeof(struct event_head));
	assert_int_equal(talks.counts.bad, 4);
}

/* A client with a thread that writes and one that reads: a response may be told of before its request, on another CPU. */
static void threads_may_tell_in_any_order(void **state)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);
	char asked[64 * 64], answered[64 * 96];
	uint64_t out = 0, in = 0, ns = MS;

	print_message("SEED=%u\n", seed);
	srand(seed);
	open_at(7, false, 0, 0);
	for (int round = 0; round < 300; round++) {
		int depth = 1 + rand() % 12, at = 0, back = 0;
		bool is_swapped = round && rand() % 3 == 0;
		struct call calls[2];

		for (int i = 0; i < depth; i++) {
			at += snprintf(asked + at, 64, "GET /%d HTTP/1.1\r\n\r\n", round * 16 + i);
			back += snprintf(answered + back, 96,
					 "HTTP/1.1 404 %d\r\nContent-Length: 0\r\n\r\n",
					 round * 16 + i);
		}
		calls[0] = (struct call){7, out, ns, 0, REQUESTS_OUT, asked};
		calls[1] =
			(struct call){7, in, ns + (is_swapped ? -5 : 5), 0, REQUESTS_IN, answered};
		seen.n = 0;
		tell(calls[is_swapped]);
		tell(calls[!is_swapped]);
		assert_int_equal(seen.n, depth);
		for (int i = 0; i < depth; i++) {
			char want[16];

			snprintf(want, sizeof(want), "/%d", round * 16 + i);
			assert_string_equal(seen.target[i], want);
			assert_string_equal(seen.reason[i], want + 1);
			assert_true(seen.outcome[i].is_whole);
		}
		out += (uint64_t)at;
		in += (uint64_t)back;
		ns += 1000;
	}
	assert_int_equal(talks.oldest->conversation.pair.counts.lost_responses, 0);
}

/* ---- HTTP/2: streams that go on, names that become known, layers ---- */

static void move(uint64_t cookie, enum talk_via via, unsigned direction, uint64_t position,
		 uint64_t ns, const char *bytes, size_t len)
{
	const struct chunk chunk = {
		.cookie = cookie,
		.position = position,
		.ns = ns,
		.bytes = (const uint8_t *)bytes,
		.moved = (uint32_t)len,
		.first = (uint32_t)len,
		.pid = 1,
		.via = via,
		.direction = (uint8_t)direction,
	};

	talks_chunk(&talks, &chunk, true);
}
#define MOVE(cookie, via, direction, position, ns, bytes)                                          \
	move(cookie, via, direction, position, ns, bytes, sizeof(bytes) - 1)

#define PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define GET_ROOT "\0\0\3\1\5\0\0\0\1\x82\x86\x84" /* :method GET, :scheme http, :path / */
#define OK_HEAD  "\0\0\1\1\4\0\0\0\1\x88" /* :status 200 */
#define NO_DATA  "\0\0\0\0\1\0\0\0\1" /* the end of the stream */

static void a_stream_is_seen_while_it_goes_on(void **state)
{
	open_at(7, true, 0, 0);
	MOVE(7, VIA_SOCKET, REQUESTS_IN, 0, 10 * MS, PREFACE SETTINGS GET_ROOT);
	MOVE(7, VIA_SOCKET, REQUESTS_OUT, 0, 20 * MS, SETTINGS OK_HEAD);
	assert_int_equal(seen.n, 0);
	talks_open(&talks, 10 * MS, keep, &seen);
	assert_int_equal(seen.n, 0); /* it is not older than that */
	talks_open(&talks, 11 * MS, keep, &seen);
	assert_int_equal(seen.n, 1);
	assert_true(seen.outcome[0].is_open);
	assert_int_equal(seen.outcome[0].began_ns, 10 * MS);
	assert_string_equal(seen.target[0], "/");
	assert_string_equal(seen.status[0], "200");
	MOVE(7, VIA_SOCKET, REQUESTS_OUT, sizeof(SETTINGS OK_HEAD) - 1, 50 * MS, NO_DATA);
	assert_int_equal(seen.n, 2);
	assert_false(seen.outcome[1].is_open);
	assert_int_equal(seen.outcome[1].duration_ns, 40 * MS);
	talks_open(&talks, 60 * MS, keep, &seen);
	assert_int_equal(seen.n, 2);
}

static void a_library_hands_over_what_a_socket_encrypts(void **state)
{
	struct requests_closed closed = {.head = {REQUESTS_CLOSED, sizeof(closed), 0, 40 * MS},
					 .cookie = 7};

	open_at(7, true, 0, 0);
	MOVE(7, VIA_LIBRARY, REQUESTS_IN, 0, 10 * MS, GET_A);
	MOVE(7, VIA_SOCKET, REQUESTS_OUT, 0, 15 * MS, "\x17\3\3\0\4abcd");
	MOVE(7, VIA_LIBRARY, REQUESTS_OUT, 0, 20 * MS, OK_5);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.target[0], "/a");
	assert_int_equal(seen.outcome[0].side, SIDE_SERVER);
	assert_int_equal(phase(0, PHASE_PROCESS), 10 * MS);
	assert_int_equal(find_layer(&talks, 7, VIA_LIBRARY)->local_port, 80);
	MOVE(7, VIA_LIBRARY, REQUESTS_IN, LEN(GET_A), 30 * MS, GET_B);
	talks_event(&talks, &closed.head, sizeof(closed)); /* both end with the socket */
	assert_int_equal(seen.n, 2);
	assert_true(seen.outcome[1].is_failure);
	assert_int_equal(talks.by_cookie.len, 0);
}

static void an_answer_that_may_have_been_lost_is_no_failure(void **state)
{
	open_at(7, true, 0, 0);
	tell((struct call){7, 0, 10 * MS, 0, REQUESTS_IN, GET_A});
	tell((struct call){7, 0, 20 * MS, 0, REQUESTS_OUT, OK_5});
	tell((struct call){7, LEN(GET_A), 30 * MS, 0, REQUESTS_IN, GET_B});
	close_of(7, 40 * MS);
	assert_int_equal(seen.n, 2);
	assert_true(seen.outcome[1].is_failure); /* nothing was lost: there was no answer */
	open_at(8, true, 0, 0);
	tell((struct call){8, 0, 10 * MS, 0, REQUESTS_IN, GET_A});
	tell((struct call){8, 0, 20 * MS, 0, REQUESTS_OUT, OK_5});
	tell((struct call){8, LEN(GET_A), 30 * MS, 0, REQUESTS_IN, GET_B, .cut_before = 0});
	tell((struct call){8, LEN(OK_5) + 50, 35 * MS, 0, REQUESTS_OUT, "rest", .lost_before = 50});
	close_of(8, 40 * MS);
	for (size_t i = 2; i < seen.n; i++)
		assert_false(seen.outcome[i].is_failure);
}

struct names {
	uint32_t opaque[4];
	char text[4][32];
	size_t n;
};

static void note_name(void *ctx, const struct talk *talk, uint32_t opaque, enum hpack_name what,
		      struct span text)
{
	struct names *names = ctx;

	assert_int_equal(talk->cookie, 7);
	assert_true(names->n < 4);
	names->opaque[names->n] = opaque;
	snprintf(names->text[names->n++], 32, "%.*s", (int)text.len, (const char *)text.at);
}

/* Requests that refer to entries from before we came: two routes, told apart by number until a table is read. */
static void a_table_that_is_read_names_routes(void **state)
{
#define ASK_OLD(id, index) "\0\0\3\1\5\0\0\0" id "\x82\x86" index
#define ANSWER_TO(id)      "\0\0\1\1\5\0\0\0" id "\x88"
	const struct hpack_seed table[] = {{span_of(":path"), span_of("/new")},
					   {span_of(":path"), span_of("/old")}};
	struct names names = {};

	open_at(7, true, 5000, 5000);
	MOVE(7, VIA_SOCKET, REQUESTS_IN, 5000, 10 * MS,
	     ASK_OLD("\5", "\xbe") ASK_OLD("\7", "\xbf") ASK_OLD("\11", "\xbe"));
	MOVE(7, VIA_SOCKET, REQUESTS_OUT, 5000, 20 * MS,
	     ANSWER_TO("\5") ANSWER_TO("\7") ANSWER_TO("\11"));
	assert_int_equal(seen.n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(seen.target[i], "");
	assert_int_equal(
		talks_seed(&talks, 8, VIA_SOCKET, SIDE_CLIENT, table, 2, 0, 0, note_name, &names),
		-ENOENT);
	assert_true(talks_seed(&talks, 7, VIA_SOCKET, SIDE_CLIENT, table, 2, 0, 0, note_name,
			       &names) > 0);
	assert_int_equal(names.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(names.text[i], names.opaque[i] == 1 ? "/new" : "/old");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(splits_the_time_of_a_server, begin, end),
		cmocka_unit_test_setup_teardown(splits_the_time_of_a_client, begin, end),
		cmocka_unit_test_setup_teardown(takes_the_network_out_of_the_wait, begin, end),
		cmocka_unit_test_setup_teardown(pairs_what_was_written_at_once, begin, end),
		cmocka_unit_test_setup_teardown(counts_a_body_that_was_not_copied, begin, end),
		cmocka_unit_test_setup_teardown(passes_bytes_that_nobody_told_of, begin, end),
		cmocka_unit_test_setup_teardown(never_pairs_across_a_loss, begin, end),
		cmocka_unit_test_setup_teardown(says_what_is_wanted, begin, end),
		cmocka_unit_test_setup_teardown(ciphertext_is_not_wanted, begin, end),
		cmocka_unit_test_setup_teardown(long_messages_need_their_beginning_only, begin,
						end),
		cmocka_unit_test_setup_teardown(wants_all_of_a_pipeline, begin, end),
		cmocka_unit_test_setup_teardown(who_pipelines_gets_whole_calls, begin, end),
		cmocka_unit_test_setup_teardown(the_one_silent_for_longest_makes_room, begin, end),
		cmocka_unit_test_setup_teardown(a_stream_is_seen_while_it_goes_on, begin, end),
		cmocka_unit_test_setup_teardown(a_library_hands_over_what_a_socket_encrypts, begin,
						end),
		cmocka_unit_test_setup_teardown(an_answer_that_may_have_been_lost_is_no_failure,
						begin, end),
		cmocka_unit_test_setup_teardown(a_table_that_is_read_names_routes, begin, end),
		cmocka_unit_test_setup_teardown(threads_may_tell_in_any_order, begin, end),
		cmocka_unit_test_setup_teardown(refuses_events_that_contradict_themselves, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
