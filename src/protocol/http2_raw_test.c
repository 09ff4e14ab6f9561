// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames made here, in numbers: many at once, every shape a request can have, and what an attacker sends.
 * Everything is counted exactly, and memory has its bounds.
 */
#include "protocol/drive_test.h"
#include "protocol/http2.h"

#include <time.h>

enum { ROOM = 64 << 20, MEMORY_MAX = 4 << 20 };

/* One side's bytes, as they are written. */
struct side_bytes {
	uint8_t *at; /* owned */
	size_t len;
};

/* A connection under test: what was delivered, by kind. */
struct play {
	struct http2_state state;
	struct side_bytes out[2];
	size_t requests, responses, pushes, errors, unasked, incomplete, interims, bad;
	char last[2][256]; /* the last request and response: "operation target status reason" */
	uint64_t items[2];
	size_t most_bytes; /* of memory */
};

static void play_init(struct play *play)
{
	*play = (struct play){};
	for (size_t i = 0; i < 2; i++)
		play->out[i].at = malloc(ROOM);
}

static void play_done(struct play *play)
{
	http2.done(&play->state);
	free(play->out[0].at);
	free(play->out[1].at);
}

static void add(struct play *play, enum side from, const void *bytes, size_t len)
{
	assert_true(play->out[from].len + len <= ROOM);
	if (len)
		memcpy(play->out[from].at + play->out[from].len, bytes, len);
	play->out[from].len += len;
}

static void frame(struct play *play, enum side from, uint8_t type, uint8_t flags, uint32_t stream,
		  const void *payload, size_t len)
{
	uint8_t head[9] = {(uint8_t)(len >> 16),
			   (uint8_t)(len >> 8),
			   (uint8_t)len,
			   type,
			   flags,
			   (uint8_t)(stream >> 24),
			   (uint8_t)(stream >> 16),
			   (uint8_t)(stream >> 8),
			   (uint8_t)stream};

	add(play, from, head, sizeof(head));
	add(play, from, payload, len);
}

static void note(struct play *play, const struct message *message)
{
	size_t which = message->kind != MESSAGE_REQUEST;

	play->requests += message->kind == MESSAGE_REQUEST;
	play->responses += message->kind == MESSAGE_RESPONSE;
	play->pushes += message->kind == MESSAGE_PUSH;
	play->errors += message->is_error;
	play->unasked += message->is_unasked;
	play->incomplete += !message->is_complete;
	play->interims += message->interims;
	play->items[which] += message->items;
	snprintf(play->last[which], sizeof(play->last[which]), "%.*s %.*s %.*s %.*s",
		 (int)message->operation.len, (const char *)message->operation.at,
		 (int)message->target.len, (const char *)message->target.at,
		 (int)message->status.len, (const char *)message->status.at,
		 (int)message->reason.len, (const char *)message->reason.at);
}

/* Gives what was written since the last time, in pieces as a stream would. */
static void flush(struct play *play, enum side from)
{
	struct span in = {play->out[from].at, play->out[from].len};

	while (in.len) {
		struct span piece = span_first(in, 32768);
		struct message message;
		const char *why;
		size_t used;
		enum cut cut = http2.cut(&play->state, from, piece, &message, &used, &why);

		in = span_from(in, used);
		if (cut == CUT_MESSAGE)
			note(play, &message);
		while (cut == CUT_MESSAGE && message.has_more) {
			cut = http2.cut(&play->state, from, (struct span){}, &message, &used, &why);
			assert_int_equal(cut, CUT_MESSAGE);
			note(play, &message);
		}
		if (cut == CUT_BAD) {
			play->bad++;
			break;
		}
		if (cut == CUT_MORE && !used)
			break;
		if (http2_bytes(&play->state) > play->most_bytes)
			play->most_bytes = http2_bytes(&play->state);
	}
	play->out[from].len = 0;
}

static void begin(struct play *play)
{
	play_init(play);
	add(play, SIDE_CLIENT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	frame(play, SIDE_CLIENT, 4, 0, 0, "", 0);
	frame(play, SIDE_SERVER, 4, 0, 0, "", 0);
}

static void end(struct play *play)
{
	struct message message;

	for (int i = 0; i < 2; i++)
		flush(play, i);
	for (int i = 0; i < 2; i++)
		while (http2.close(&play->state, i, (struct span){}, &message) == CUT_MESSAGE)
			note(play, &message);
}

/* GET http, :path as a literal without indexing. */
static size_t get_block(uint8_t *out, const char *path)
{
	size_t len = strlen(path);

	out[0] = 0x82;
	out[1] = 0x86;
	out[2] = 0x04;
	out[3] = (uint8_t)(len < 127 ? len : 127);
	if (len < 127) {
		memcpy(out + 4, path, len);
		return 4 + len;
	}
	assert_true(len - 127 < 1 << 14);
	out[4] = (uint8_t)((len - 127) | 0x80);
	out[5] = (uint8_t)((len - 127) >> 7);
	memcpy(out + 6, path, len);
	return 6 + len;
}

static void get(struct play *play, uint32_t stream, const char *path)
{
	uint8_t block[32768];

	frame(play, SIDE_CLIENT, 1, 5, stream, block, get_block(block, path));
}

static void answer(struct play *play, uint32_t stream, uint8_t status)
{
	frame(play, SIDE_SERVER, 1, 5, stream, &status, 1);
}

/* ---- shapes ---- */

static void reads_hundreds_of_settings_before_the_first_request(void **state)
{
	static const uint8_t setting[] = {0, 3, 0, 0, 0, 100};
	struct play play;

	begin(&play);
	for (int i = 0; i < 500; i++)
		frame(&play, SIDE_CLIENT, 4, 0, 0, setting, 6);
	get(&play, 1, "/x");
	answer(&play, 1, 0x88);
	end(&play);
	assert_int_equal(play.state.counts.settings, 502);
	assert_string_equal(play.last[0], "GET /x  ");
	assert_string_equal(play.last[1], "  200 ");
	play_done(&play);
}

static void reads_119_requests_of_one_segment(void **state)
{
	struct play play;

	begin(&play);
	for (uint32_t i = 0; i < 119; i++)
		get(&play, 2 * i + 1, "/many");
	flush(&play, SIDE_CLIENT);
	for (uint32_t i = 0; i < 119; i++)
		answer(&play, 2 * i + 1, 0x88);
	end(&play);
	assert_int_equal(play.requests, 119);
	assert_int_equal(play.responses, 119);
	assert_int_equal(play.state.counts.finished, 119);
	play_done(&play);
}

static void reads_paths_of_every_length_and_kind(void **state)
{
	/* :path with index 4 of the static table, as a literal with its name, never indexed, entered */
	static const struct {
		const char *what;
		uint8_t block[16];
		size_t len;
	} kinds[] = {
		{"literal", {0x82, 0x86, 0x04, 2, '/', 'x'}, 6},
		{"entered", {0x82, 0x86, 0x44, 2, '/', 'x'}, 6},
		{"never indexed", {0x82, 0x86, 0x14, 2, '/', 'x'}, 6},
		{"with its name", {0x82, 0x86, 0, 5, ':', 'p', 'a', 't', 'h', 2, '/', 'x'}, 12},
		{"by reference", {0x82, 0x86, 0xbe}, 3},
		{"behind a size update", {0x3f, 0xe1, 0x1f, 0x82, 0x86, 0xbe}, 6},
		{"Huffman coded", {0x82, 0x86, 0x04, 0x82, 0x63, 0xcf}, 6},
	};
	struct play play;
	uint32_t stream = 1;
	char path[4096];

	begin(&play);
	for (size_t i = 0; i < COUNT(kinds); i++, stream += 2) {
		frame(&play, SIDE_CLIENT, 1, 5, stream, kinds[i].block, kinds[i].len);
		answer(&play, stream, 0x88);
		flush(&play, SIDE_CLIENT);
		flush(&play, SIDE_SERVER);
		if (strcmp(play.last[0], "GET /x  "))
			fail_msg("%s: %s", kinds[i].what, play.last[0]);
	}
	for (size_t len = 1; len < 4000; len += len < 600 ? 1 : 97, stream += 2) {
		memset(path, 'p', len);
		path[0] = '/';
		path[len] = '\0';
		get(&play, stream, path);
		answer(&play, stream, 0x88);
		flush(&play, SIDE_CLIENT);
		flush(&play, SIDE_SERVER);
		assert_memory_equal(play.last[0] + 4, path, len < 200 ? len : 200);
	}
	assert_int_equal(play.bad, 0);
	play_done(&play);
}

static void tells_statuses_in_and_out_of_the_static_table(void **state)
{
	static const char *const statuses[] = {"200", "204", "206", "304", "400", "404", "500",
					       "201", "302", "418", "429", "502", "503"};
	struct play play;

	begin(&play);
	for (uint32_t i = 0; i < COUNT(statuses); i++) {
		uint8_t block[5] = {0x08, 3};

		memcpy(block + 2, statuses[i], 3);
		get(&play, 2 * i + 1, "/x");
		if (i < 7)
			answer(&play, 2 * i + 1, (uint8_t)(0x88 + i));
		else
			frame(&play, SIDE_SERVER, 1, 5, 2 * i + 1, block, 5);
		flush(&play, SIDE_CLIENT);
		flush(&play, SIDE_SERVER);
		assert_memory_equal(play.last[1] + 2, statuses[i], 3);
	}
	assert_int_equal(play.errors, 7);
	play_done(&play);
}

static void counts_resets_exactly(void **state)
{
	struct play play;

	begin(&play);
	for (uint32_t i = 0; i < 10; i++)
		get(&play, 2 * i + 1, "/x");
	for (uint32_t i = 0; i < 10; i += 2)
		frame(&play, SIDE_CLIENT, 3, 0, 2 * i + 1, "\0\0\0\x8", 4);
	flush(&play, SIDE_CLIENT);
	for (uint32_t i = 0; i < 10; i++) /* those that were reset are answered all the same */
		answer(&play, 2 * i + 1, 0x88);
	end(&play);
	assert_int_equal(play.requests, 10);
	assert_int_equal(play.responses, 10);
	assert_int_equal(play.errors, 5);
	assert_int_equal(play.unasked, 0);
	assert_int_equal(play.state.counts.stray, 5);
	play_done(&play);
}

/* ---- attacks ---- */

static void one_large_entry_referred_to_again_and_again_costs_nothing(void **state)
{
	static uint8_t block[16384];
	struct play play;

	begin(&play);
	block[0] = 0x82; /* GET http / and "a: 3900 times b", then 12,000 times that */
	block[1] = 0x86;
	block[2] = 0x84;
	memcpy(block + 3,
	       "\x40\x01"
	       "a\x7f\xbd\x1d",
	       6);
	memset(block + 9, 'b', 3900);
	memset(block + 3909, 0xbe, sizeof(block) - 3909);
	for (uint32_t i = 0; i < 200; i++)
		frame(&play, SIDE_CLIENT, 1, 5, 2 * i + 1, block, sizeof(block));
	flush(&play, SIDE_CLIENT);
	assert_int_equal(play.bad, 0);
	assert_int_equal(play.state.counts.blocks, 200);
	assert_true(play.most_bytes < MEMORY_MAX);
	play_done(&play);
}

/* A table of 64 KiB full of entries nobody wants, and then such that are wanted. */
static void a_table_full_of_trifles_costs_no_more(void **state)
{
	static uint8_t block[15000];
	clock_t began = clock();
	struct play play;
	size_t len = 0;

	begin(&play);
	memcpy(block, "\x3f\xe1\xff\x03\x82\x86\x84", 7);
	for (len = 7; len + 3 <= sizeof(block); len += 3)
		memcpy(block + len, "\x40\x00\x00", 3);
	frame(&play, SIDE_CLIENT, 1, 5, 1, block, len);
	for (uint32_t i = 1; i < 1000; i++) {
		for (len = 0; len + 4 <= 2000; len += 4)
			memcpy(block + len, len % 8 ? "\x44\x02/a" : "\x40\x00\x01x", 4);
		frame(&play, SIDE_CLIENT, 1, 5, 2 * i + 1, block, len);
	}
	flush(&play, SIDE_CLIENT);
	assert_int_equal(play.bad, 0);
	assert_true(play.state.half[SIDE_CLIENT].hpack.kept > 1500);
	assert_true(play.most_bytes < MEMORY_MAX);
	print_message("500,000 insertions into a table of 64 KiB: %.2f s\n",
		      (double)(clock() - began) / CLOCKS_PER_SEC);
	play_done(&play);
}

/* Headers of 16 MB, in one frame and in pieces: not read, counted, and a new epoch of names. */
static void headers_of_16_mb_are_passed_over(void **state)
{
	static uint8_t piece[16384];
	struct play play;

	begin(&play);
	memset(piece, 0x82, sizeof(piece));
	frame(&play, SIDE_CLIENT, 1, 1, 1, piece, sizeof(piece));
	for (int i = 0; i < 1024; i++)
		frame(&play, SIDE_CLIENT, 9, i == 1023 ? 4 : 0, 1, piece, sizeof(piece));
	get(&play, 3, "/after");
	answer(&play, 1, 0x88);
	answer(&play, 3, 0x88);
	end(&play);
	assert_int_equal(play.state.counts.long_blocks, 1);
	assert_int_equal(play.state.half[SIDE_CLIENT].hpack.counts.epochs, 1);
	assert_int_equal(play.requests, 2);
	assert_int_equal(play.responses, 2);
	assert_string_equal(play.last[0], "GET /after  ");
	assert_true(play.most_bytes < MEMORY_MAX);
	play_done(&play);
}

static void endless_continuation_is_counted(void **state)
{
	struct play play;

	begin(&play);
	frame(&play, SIDE_CLIENT, 1, 1, 1, "\x82", 1);
	for (int i = 0; i < 1000000; i++)
		frame(&play, SIDE_CLIENT, 9, 0, 1, "", 0);
	flush(&play, SIDE_CLIENT);
	assert_int_equal(play.state.counts.continuations, 1000000);
	assert_true(play.most_bytes < MEMORY_MAX);
	play_done(&play);
}

/* CVE-2023-44487: opened and reset at once, again and again. */
static void a_million_resets_are_a_million_exchanges(void **state)
{
	static const uint8_t block[] = {0x82, 0x86, 0x84};
	clock_t began = clock();
	struct play play;

	begin(&play);
	for (uint32_t i = 0; i < 1000000; i++) {
		frame(&play, SIDE_CLIENT, 1, 5, 2 * i + 1, block, sizeof(block));
		frame(&play, SIDE_CLIENT, 3, 0, 2 * i + 1, "\0\0\0\x8", 4);
	}
	end(&play);
	assert_int_equal(play.requests, 1000000);
	assert_int_equal(play.responses, 1000000);
	assert_int_equal(play.state.counts.reset, 1000000);
	assert_true(play.most_bytes < MEMORY_MAX);
	print_message("1,000,000 resets: %.2f s\n", (double)(clock() - began) / CLOCKS_PER_SEC);
	play_done(&play);
}

static void streams_that_are_never_closed_make_room(void **state)
{
	struct play play;

	begin(&play);
	for (uint32_t i = 0; i < 100000; i++)
		get(&play, 2 * i + 1, "/open");
	end(&play);
	assert_int_equal(play.requests, 100000);
	assert_int_equal(play.responses, 0);
	assert_int_equal(play.state.counts.evicted, 100000 - HTTP2_STREAMS);
	assert_int_equal(play.state.counts.unfinished, HTTP2_STREAMS);
	assert_true(play.most_bytes < MEMORY_MAX);
	print_message("1,024 streams and their texts: %zu bytes\n", play.most_bytes);
	play_done(&play);
}

static void a_thousand_streams_at_once_are_no_attack(void **state)
{
	struct play play;

	begin(&play);
	for (uint32_t i = 0; i < 1000; i++)
		get(&play, 2 * i + 1, "/x");
	flush(&play, SIDE_CLIENT);
	for (uint32_t i = 1000; i--;)
		answer(&play, 2 * i + 1, 0x88);
	end(&play);
	assert_int_equal(play.requests, 1000);
	assert_int_equal(play.responses, 1000);
	assert_int_equal(play.state.counts.evicted, 0);
	assert_int_equal(play.state.len, 0);
	play_done(&play);
}

static void opaque_routes_have_a_cap(void **state)
{
	struct play play;

	play_init(&play); /* joined late: no preface */
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t index = 100 + i;
		uint8_t block[6] = {0x82, 0x86, 0xff, (uint8_t)((index - 127) | 0x80),
				    (uint8_t)((index - 127) >> 7)};

		if (index < 127)
			continue;
		frame(&play, SIDE_CLIENT, 1, 5, 2 * i + 1, block, 5);
	}
	flush(&play, SIDE_CLIENT);
	assert_int_equal(play.bad, 0);
	assert_int_equal(play.state.counts.unnumbered, 3000 - 27 - HTTP2_ROUTES);
	assert_true(play.most_bytes < MEMORY_MAX);
	play_done(&play);
}

/* ---- the place is lost ---- */

static bool finds_row(struct play *play, enum side from, size_t *ret_used)
{
	return http2.resync(&play->state, from,
			    (struct span){play->out[from].at, play->out[from].len}, ret_used);
}

/* What was kept while the row was too short may be gone: then less than that is looked at as well. */
static void finds_the_place_behind_a_second_gap(void **state)
{
	static const uint8_t noise[3000] = {0, 0x0b, 0xb8, 0, 0,
					    0, 0,    0,    1}; /* DATA of 3,000 bytes */
	struct play play;
	struct message message;
	const char *why;
	uint64_t gone;
	size_t used;

	begin(&play);
	flush(&play, SIDE_CLIENT);
	assert_int_equal(
		http2.gap(&play.state, SIDE_CLIENT, (struct span){}, 100, &message, &gone, &why),
		CUT_BAD);
	add(&play, SIDE_CLIENT, noise, sizeof(noise));
	assert_false(finds_row(&play, SIDE_CLIENT, &used));
	assert_int_equal(used, 0); /* it may be a frame: kept */
	play.out[SIDE_CLIENT].len = 0; /* a gap takes it */
	frame(&play, SIDE_CLIENT, 6, 0, 0, "12345678", 8);
	get(&play, 3, "/found");
	assert_true(finds_row(&play, SIDE_CLIENT, &used));
	assert_int_equal(used, 0);
	flush(&play, SIDE_CLIENT);
	answer(&play, 3, 0x88);
	end(&play);
	assert_string_equal(play.last[0], "GET /found  ");
	play_done(&play);
}

/* HTTP/2 inside of HTTP/2: a row that one frame could hold is not believed. */
static void does_not_take_what_is_in_a_tunnel_for_frames(void **state)
{
	static const uint8_t connect[] = {0x02, 7, 'C', 'O', 'N', 'N', 'E', 'C', 'T', 0x01, 1, 'h'};
	struct play play;
	struct message message;
	const char *why;
	uint64_t gone;
	size_t used;

	begin(&play);
	frame(&play, SIDE_CLIENT, 1, 4, 1, connect, sizeof(connect));
	flush(&play, SIDE_CLIENT);
	assert_int_equal(
		http2.gap(&play.state, SIDE_CLIENT, (struct span){}, 100, &message, &gone, &why),
		CUT_BAD);
	for (uint32_t i = 0; i < 200; i++)
		get(&play, 2 * i + 1, "/inner");
	assert_false(finds_row(&play, SIDE_CLIENT, &used));
	for (uint32_t i = 0; i < 1000; i++)
		get(&play, 2 * i + 401, "/outer");
	assert_true(finds_row(&play, SIDE_CLIENT, &used));
	play_done(&play);
}

/* ---- waiting for permission to send ---- */

static void move_clock(struct play *play, uint64_t ns)
{
	http2.moment(&play->state, SIDE_CLIENT, ns, 0);
	http2.moment(&play->state, SIDE_SERVER, ns, 0);
}

static struct message next_message(struct play *play, enum side from)
{
	struct message message = {};
	const char *why;
	size_t used;

	http2.cut(&play->state, from, (struct span){play->out[from].at, play->out[from].len},
		  &message, &used, &why);
	play->out[from].len = 0;
	return message;
}

/* 65,535 bytes at 100; the rest at 900, which the client allows at 700: blocked for 600. */
static void measures_how_long_a_sender_was_blocked(void **state)
{
	static uint8_t data[16384];
	struct play play;
	struct message message;

	begin(&play);
	move_clock(&play, 50);
	get(&play, 1, "/download");
	flush(&play, SIDE_CLIENT);
	move_clock(&play, 100);
	frame(&play, SIDE_SERVER, 1, 4, 1, "\x88", 1);
	for (int i = 0; i < 4; i++)
		frame(&play, SIDE_SERVER, 0, 0, 1, data, i == 3 ? 16383 : 16384);
	flush(&play, SIDE_SERVER);
	move_clock(&play, 700);
	frame(&play, SIDE_CLIENT, 8, 0, 1, "\0\0\x40\0", 4);
	frame(&play, SIDE_CLIENT, 8, 0, 0, "\0\0\x40\0", 4);
	flush(&play, SIDE_CLIENT);
	move_clock(&play, 900);
	frame(&play, SIDE_SERVER, 0, 1, 1, data, 10);
	message = next_message(&play, SIDE_SERVER);
	assert_int_equal(message.kind, MESSAGE_REQUEST);
	assert_int_equal(message.began, 50);
	assert_int_equal(message.blocked_ns, 0);
	message = next_message(&play, SIDE_SERVER);
	assert_int_equal(message.kind, MESSAGE_RESPONSE);
	assert_int_equal(message.began, 100);
	assert_int_equal(message.ended, 900);
	assert_int_equal(message.blocked_ns, 600);
	assert_int_equal(message.bytes - message.header_bytes, 65545);
	play_done(&play);
}

/* ---- a table that was read elsewhere ---- */

static struct {
	uint32_t opaque;
	char text[64];
	size_t calls;
} named;

static void note_named(void *ctx, uint32_t opaque, enum hpack_name what, struct span text)
{
	named.opaque = opaque;
	named.calls++;
	snprintf(named.text, sizeof(named.text), "%d %.*s", (int)what, (int)text.len,
		 (const char *)text.at);
}

static void names_what_was_counted_before_the_table_came(void **state)
{
	static const struct hpack_seed table[] = {
		{{(const uint8_t *)":path", 5}, {(const uint8_t *)"/shop.Orders/Get", 16}},
		{{(const uint8_t *)":authority", 10}, {(const uint8_t *)"shop", 4}},
	};
	struct play play;
	struct message message;

	play_init(&play);
	frame(&play, SIDE_CLIENT, 1, 5, 9, "\xbf\x83\xbe\x86", 4); /* as Go does */
	flush(&play, SIDE_CLIENT);
	answer(&play, 9, 0x88);
	message = next_message(&play, SIDE_SERVER);
	assert_int_equal(message.naming, NAMING_OPAQUE);
	assert_int_equal(message.opaque, 1);
	assert_int_equal(http2_seed(&play.state, SIDE_CLIENT, table, 2, 0, 0, note_named, NULL), 2);
	assert_int_equal(named.calls, 1);
	assert_int_equal(named.opaque, message.opaque);
	assert_string_equal(named.text, "3 /shop.Orders/Get");
	next_message(&play, SIDE_SERVER);
	frame(&play, SIDE_CLIENT, 1, 5, 11, "\xbf\x83\xbe\x86", 4);
	flush(&play, SIDE_CLIENT);
	answer(&play, 11, 0x88);
	message = next_message(&play, SIDE_SERVER);
	assert_int_equal(message.naming, NAMING_SEEDED);
	assert_memory_equal(message.target.at, "/shop.Orders/Get", 16);
	play_done(&play);
}

/* A message never counts bytes that are still to come (drive_write_down promises it), wherever it is cut. */
static void padding_of_a_header_block_is_counted_when_it_is_there(void **state)
{
	static const uint8_t frames[] = {0, 0, 4, 1, 0x08 | 0x04 | 0x01, 0, 0, 0, 1, 2, 0x88, 0, 0,
					 0, 0, 2, 1, 0x08 | 0x04 | 0x01, 0, 0, 0, 3, 1, 0};

	for (size_t piece = 1; piece < sizeof(frames); piece++) {
		struct drive drive;

		drive_init(&drive, &http2);
		for (size_t at = 0; at < sizeof(frames); at += piece)
			drive_bytes(
				&drive, SIDE_SERVER,
				span_first((struct span){frames + at, sizeof(frames) - at}, piece));
		buf_str(&drive.out, "");
		assert_non_null(strstr(buf_text(&drive.out), "status=200"));
		drive_done(&drive);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_hundreds_of_settings_before_the_first_request),
		cmocka_unit_test(reads_119_requests_of_one_segment),
		cmocka_unit_test(reads_paths_of_every_length_and_kind),
		cmocka_unit_test(tells_statuses_in_and_out_of_the_static_table),
		cmocka_unit_test(counts_resets_exactly),
		cmocka_unit_test(one_large_entry_referred_to_again_and_again_costs_nothing),
		cmocka_unit_test(a_table_full_of_trifles_costs_no_more),
		cmocka_unit_test(headers_of_16_mb_are_passed_over),
		cmocka_unit_test(endless_continuation_is_counted),
		cmocka_unit_test(a_million_resets_are_a_million_exchanges),
		cmocka_unit_test(streams_that_are_never_closed_make_room),
		cmocka_unit_test(a_thousand_streams_at_once_are_no_attack),
		cmocka_unit_test(opaque_routes_have_a_cap),
		cmocka_unit_test(finds_the_place_behind_a_second_gap),
		cmocka_unit_test(does_not_take_what_is_in_a_tunnel_for_frames),
		cmocka_unit_test(measures_how_long_a_sender_was_blocked),
		cmocka_unit_test(names_what_was_counted_before_the_table_came),
		cmocka_unit_test(padding_of_a_header_block_is_counted_when_it_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
