// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recorded conversations of real peers (tests/record_http2.py): what comes out must be what the peers
 * say took place, whole, in pieces, and with bodies not captured. Joined at any write, and with any bytes
 * lost, exchanges may be missing and names unknown; but none may be another than that of the same stream
 * in the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "protocol/capture.h"
#include "protocol/conversation.h"

enum { CAPTURES = 64, LINES = 4096, LINE = 200, STREAMS = 512 };

/* What took place, by stream. */
struct outcome {
	char line[STREAMS][LINE];
	uint32_t interims[STREAMS];
	size_t exchanges, answered, named, lost;
};

/* How much of each write is captured, and what is lost. */
struct manner {
	size_t first; /* writes before it are not seen */
	size_t captured; /* bytes of each write; 0: all */
	bool in_pieces;
	unsigned lossy; /* one write in so many is lost in part; 0: none */
	unsigned seed;
};

static const char *or_dash(struct span text, char *room, size_t size)
{
	snprintf(room, size, "%.*s", (int)text.len, text.at ? (const char *)text.at : "");
	return text.len ? room : "-";
}

static void print_line(const struct exchange *exchange, char *out)
{
	const struct message *asked = &exchange->request, *answered = &exchange->response;
	char a[80], b[120], c[20], d[20];

	snprintf(out, LINE, "%s %s %s %s %llu %llu", or_dash(asked->operation, a, sizeof(a)),
		 or_dash(asked->resource, b, sizeof(b)), or_dash(answered->status, c, sizeof(c)),
		 or_dash(answered->chosen[CHOSEN_GRPC_STATUS], d, sizeof(d)),
		 (unsigned long long)asked->items, (unsigned long long)answered->items);
}

static void note_exchange(struct outcome *outcome, const struct exchange *exchange)
{
	uint64_t id = exchange->request.id;

	outcome->exchanges++;
	outcome->answered += exchange->has_response;
	outcome->named += exchange->request.operation.len && exchange->request.resource.len;
	if (!exchange->has_response)
		return;
	assert_true(id < STREAMS);
	if (outcome->line[id][0])
		fail_msg("stream %llu twice", (unsigned long long)id);
	print_line(exchange, outcome->line[id]);
	outcome->interims[id] = exchange->interims;
	assert_true(exchange->asked.first <= exchange->asked.last);
	assert_true(exchange->answered.first <= exchange->answered.last);
}

static void put(struct conversation *c, unsigned direction, uint64_t *position, struct span bytes,
		size_t captured, uint64_t ns)
{
	assert_int_equal(conversation_put(c, direction, *position, span_first(bytes, captured),
					  bytes.len, ns),
			 0);
	*position += bytes.len;
}

static void take(struct conversation *c, struct outcome *outcome)
{
	struct exchange exchange;

	while (conversation_take(c, &exchange))
		note_exchange(outcome, &exchange);
}

/* One write: whole, torn, in pieces, or in part lost. */
static void put_write(struct conversation *c, const struct drive_step *step, uint64_t *position,
		      struct manner *manner, uint64_t ns)
{
	unsigned direction = step->from == SIDE_SERVER;
	struct span rest = step->bytes;

	if (manner->lossy && rand_r(&manner->seed) % manner->lossy == 0) {
		size_t gone = 1 + (size_t)rand_r(&manner->seed) % rest.len;
		size_t before = (size_t)rand_r(&manner->seed) % (rest.len - gone + 1);

		if (before)
			put(c, direction, position, span_first(rest, before), before, ns);
		*position += gone; /* the event of these never comes */
		rest = span_from(rest, before + gone);
	}
	while (rest.len) {
		size_t moved =
			manner->in_pieces ? 1 + (size_t)rand_r(&manner->seed) % rest.len : rest.len;
		size_t captured = manner->captured ? manner->captured : moved;

		put(c, direction, position, span_first(rest, moved), captured, ns);
		rest = span_from(rest, moved);
	}
}

static void play(const struct capture *capture, struct manner manner, struct outcome *outcome)
{
	struct conversation c;
	uint64_t position[2] = {1000, 7000};

	*outcome = (struct outcome){};
	conversation_init(&c, false, SIDE_CLIENT, !manner.first);
	for (unsigned i = 0; i < 2 && !manner.first; i++)
		conversation_begin(&c, i, position[i]);
	for (size_t i = 0; i < capture->n; i++) {
		if (i < manner.first) {
			position[capture->steps[i].from] += capture->steps[i].bytes.len;
			continue;
		}
		put_write(&c, &capture->steps[i], &position[capture->steps[i].from], &manner,
			  i + 1);
		take(&c, outcome);
		if (manner.lossy) {
			conversation_give_up(&c);
			take(&c, outcome);
		}
	}
	for (unsigned i = 0; i < 2; i++)
		conversation_close(&c, i, capture->n + 1);
	take(&c, outcome);
	assert_true(pair_is_even(&c.pair));
	assert_true(stream_is_even(&c.streams[0]) && stream_is_even(&c.streams[1]));
	if (!manner.lossy && !manner.captured && !manner.first)
		assert_int_equal(c.counts.bad, 0);
	outcome->lost = c.counts.bad;
	conversation_done(&c);
}

/* ---- what the peers say ---- */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *sorted_lines(const struct outcome *outcome)
{
	const char *lines[STREAMS];
	char *text = calloc(1, STREAMS * (LINE + 1));
	size_t n = 0, len = 0;

	for (size_t i = 0; i < STREAMS; i++)
		if (outcome->line[i][0])
			lines[n++] = outcome->line[i];
	qsort(lines, n, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, LINE + 1, "%s\n", lines[i]);
	return text;
}

static bool read_said(const char *name, char *text, size_t room)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.said", TESTDATA, name);
	file = fopen(path, "r");
	if (!file)
		return false;
	text[fread(text, 1, room - 1, file)] = '\0';
	fclose(file);
	return true;
}

static void check_said(const struct capture *capture, const char *how, struct manner manner)
{
	static char said[1 << 16];
	static struct outcome outcome;
	char *lines;

	assert_true(read_said(capture->name, said, sizeof(said)));
	play(capture, manner, &outcome);
	lines = sorted_lines(&outcome);
	if (strcmp(lines, said))
		fail_msg("%s, %s: \n%s\ninstead of\n%s", capture->name, how, lines, said);
	free(lines);
}

static void each(void (*check)(const struct capture *, unsigned *seed), unsigned *seed)
{
	static char names[256][64], said[1 << 16];
	size_t n = capture_names(TESTDATA, names, 256), checked = 0;

	for (size_t i = 0; i < n; i++) {
		struct capture capture;

		if (!read_said(names[i], said, sizeof(said)))
			continue;
		assert_true(capture_load(&capture, TESTDATA, names[i]));
		check(&capture, seed);
		capture_done(&capture);
		checked++;
	}
	assert_true(checked >= 10);
}

static void check_whole(const struct capture *capture, unsigned *seed)
{
	check_said(capture, "whole", (struct manner){});
}

static void check_pieces(const struct capture *capture, unsigned *seed)
{
	for (int i = 0; i < 20; i++)
		check_said(capture, "in pieces",
			   (struct manner){.in_pieces = true, .seed = (*seed)++});
}

static void says_what_the_peers_say(void **state)
{
	each(check_whole, NULL);
}

static unsigned seed_now(void)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	return seed;
}

static void says_the_same_however_it_is_cut(void **state)
{
	unsigned seed = seed_now();

	each(check_pieces, &seed);
}

/* ---- less than all of it ---- */

static struct {
	size_t exchanges, named, possible;
} seen;

/* A word that is known must be the same; numbers of messages only if all were seen. */
static void check_word(const struct capture *capture, const char *how, size_t at, size_t stream,
		       const char *got, const char *whole)
{
	char a[4][LINE] = {}, b[4][LINE] = {};

	sscanf(got, "%199s %199s %199s %199s", a[0], a[1], a[2], a[3]);
	sscanf(whole, "%199s %199s %199s %199s", b[0], b[1], b[2], b[3]);
	for (size_t i = 0; i < 4; i++) {
		/* without its content-type, which came before we did, a call is a plain POST */
		bool is_plain = i < 2 && strcmp(b[3], "-");
		char path[2 * LINE + 4];

		snprintf(path, sizeof(path), "/%s/%s", b[1], b[0]);
		if (!strcmp(a[i], "-") || !strcmp(a[i], b[i]) ||
		    (is_plain && !strcmp(a[i], i ? path : "POST")))
			continue;
		fail_msg("%s, %s %zu, stream %zu: '%s' instead of '%s'", capture->name, how, at,
			 stream, got, whole);
	}
}

static void check_less(const struct capture *capture, const char *how, size_t at,
		       struct manner manner)
{
	static struct outcome whole, less;

	play(capture, (struct manner){}, &whole);
	play(capture, manner, &less);
	for (size_t i = 0; i < STREAMS; i++) {
		if (!less.line[i][0])
			continue;
		if (!whole.line[i][0])
			fail_msg("%s, %s %zu: stream %zu never was", capture->name, how, at, i);
		check_word(capture, how, at, i, less.line[i], whole.line[i]);
	}
	seen.exchanges += less.exchanges;
	seen.named += less.named;
	seen.possible += whole.exchanges;
}

static void report(const char *what)
{
	print_message("%s: %zu exchanges of %zu, %zu of them named\n", what, seen.exchanges,
		      seen.possible, seen.named);
	memset(&seen, 0, sizeof(seen));
}

static void check_joins(const struct capture *capture, unsigned *seed)
{
	for (size_t i = 1; i < capture->n; i++)
		check_less(capture, "joined at write", i, (struct manner){.first = i});
}

static void names_nothing_wrongly_that_was_joined_late(void **state)
{
	each(check_joins, NULL);
	report("joined late");
}

static void check_losses(const struct capture *capture, unsigned *seed)
{
	for (size_t i = 0; i < 150; i++) {
		struct manner manner = {.lossy = 2 + (unsigned)i % 30, .seed = (*seed)++};

		check_less(capture, "with losses, seed", manner.seed, manner);
	}
}

static void names_nothing_wrongly_where_bytes_were_lost(void **state)
{
	unsigned seed = seed_now();

	each(check_losses, &seed);
	report("with losses");
}

static void check_torn(const struct capture *capture, unsigned *seed)
{
	static const size_t captured[] = {16, 64, 100, 256, 512, 1024, 4096};

	for (size_t i = 0; i < sizeof(captured) / sizeof(*captured); i++)
		check_less(capture, "bytes of each write:", captured[i],
			   (struct manner){.captured = captured[i]});
}

static void names_nothing_wrongly_where_writes_were_cut(void **state)
{
	each(check_torn, NULL);
	report("beginnings of writes");
}

/* ---- while they run, and how long they took ---- */

static void shows_streams_while_they_run(void **state)
{
	struct capture capture;
	struct conversation c;
	struct exchange exchange;
	uint64_t position[2] = {}, most = 0;
	bool has_seen_slow = false;

	assert_true(capture_load(&capture, TESTDATA, "http2-node"));
	conversation_init(&c, false, SIDE_CLIENT, true);
	for (size_t i = 0; i < capture.n; i++) {
		struct manner manner = {};
		uint64_t open = 0;

		put_write(&c, &capture.steps[i], &position[capture.steps[i].from], &manner, i + 1);
		while (conversation_take(&c, &exchange))
			;
		for (size_t at = 0; conversation_open(&c, &at, &exchange); open++)
			has_seen_slow |= span_is(exchange.request.resource, "/slow") &&
					 exchange.has_response &&
					 span_is(exchange.response.status, "200") &&
					 exchange.asked.first > 0;
		most = open > most ? open : most;
	}
	assert_true(has_seen_slow);
	assert_int_equal(most, 20); /* those in parallel */
	conversation_done(&c);
	capture_done(&capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_the_peers_say),
		cmocka_unit_test(says_the_same_however_it_is_cut),
		cmocka_unit_test(names_nothing_wrongly_that_was_joined_late),
		cmocka_unit_test(names_nothing_wrongly_where_bytes_were_lost),
		cmocka_unit_test(names_nothing_wrongly_where_writes_were_cut),
		cmocka_unit_test(shows_streams_while_they_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
