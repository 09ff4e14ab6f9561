/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * conv_test - recorded conversations (tests/record_sql_captures.py), fed whole, cut, with gaps and with losses.
 *
 * What comes out of NAME.cap must be NAME.out, wherever the bytes are cut. Then bytes are taken away:
 * as a capture limit does (the head of each write stays), and at random. Messages may be missing then,
 * but of those that are there, request and response of one id must be those of one id in the whole.
 * With SONDE_WRITE_OUT in the environment the NAME.out are written: to be read before they are believed.
 */
#pragma once

#include <stdio.h>
#include <time.h>

#include "protocol/capture.h"
#include "protocol/drive_test.h"

static inline struct capture conv_load(const char *name)
{
	struct capture capture;

	if (!capture_load(&capture, TESTDATA, name))
		fail_msg("cannot read the capture %s", name);
	return capture;
}

static inline FILE *conv_open(const char *name, const char *mode)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.out", TESTDATA, name);
	file = fopen(path, mode);
	if (!file)
		fail_msg("cannot open %s", path);
	return file;
}

static inline void conv_check_text(const char *name, const char *got)
{
	static char expected[1 << 18];
	FILE *file;
	size_t len;

	if (getenv("SONDE_WRITE_OUT")) {
		file = conv_open(name, "w");
		fputs(got, file);
		fclose(file);
		return;
	}
	file = conv_open(name, "r");
	len = fread(expected, 1, sizeof(expected) - 1, file);
	expected[len] = '\0';
	fclose(file);
	if (strcmp(expected, got))
		fail_msg("%s gives\n%s\ninstead of\n%s", name, got, expected);
}

static inline void conv_check_cuts(const struct protocol *protocol, const char *name)
{
	struct capture capture = conv_load(name);
	char *whole = drive_all(protocol, capture.steps, capture.n, SIZE_MAX, 0, 0, true);

	conv_check_text(name, whole);
	for (size_t piece = 1; piece < 8; piece++) {
		char *pieces =
			drive_all(protocol, capture.steps, capture.n, SIZE_MAX, 0, piece, true);

		if (strcmp(whole, pieces))
			fail_msg("%s in pieces of %zu:\n%s\ninstead of\n%s", name, piece, pieces,
				 whole);
		free(pieces);
	}
	for (size_t step = 0; step < capture.n; step++)
		for (size_t at = 1; at < capture.steps[step].bytes.len; at += 1 + at / 64) {
			char *cut =
				drive_all(protocol, capture.steps, capture.n, step, at, 0, true);

			if (strcmp(whole, cut))
				fail_msg("%s, step %zu cut at %zu:\n%s\ninstead of\n%s", name, step,
					 at, cut, whole);
			free(cut);
		}
	free(whole);
	capture_done(&capture);
}

/* ---- with bytes taken away ---- */

struct conv_message {
	bool is_request, is_unasked;
	uint64_t id, begin, end; /* in the stream of its side */
	size_t pair; /* of a request: which message answers it, SIZE_MAX: none */
};

struct conv_messages {
	struct conv_message at[2048];
	size_t n;
};

static inline uint64_t conv_number(const char *line, const char *end, const char *key, int base)
{
	const char *found = memmem(line, (size_t)(end - line), key, strlen(key));

	return found ? strtoull(found + strlen(key), NULL, base) : 0;
}

static inline bool conv_has(const char *line, const char *end, const char *word)
{
	return memmem(line, (size_t)(end - line), word, strlen(word));
}

/* Pairs the messages as whoever uses the parser would: by id, as long as one is open. */
static inline void conv_read_messages(const char *text, struct conv_messages *messages)
{
	messages->n = 0;
	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');
		struct conv_message *message = &messages->at[messages->n];

		*message = (struct conv_message){
			.is_request = line[0] == '>',
			.is_unasked =
				conv_has(line, end, " unasked") || conv_has(line, end, " push"),
			.id = conv_number(line, end, " id=", 16),
			.end = conv_number(line, end, " at=", 10),
			.pair = SIZE_MAX,
		};
		message->begin = message->end - conv_number(line, end, " bytes=", 10);
		for (size_t i = messages->n; !message->is_request && !message->is_unasked && i--;)
			if (messages->at[i].is_request && messages->at[i].id == message->id &&
			    messages->at[i].pair == SIZE_MAX) {
				messages->at[i].pair = messages->n;
				break;
			}
		if (message->id && messages->n < 2047)
			messages->n++;
		line = end + 1;
	}
}

/* What comes out if we join after the first `late` steps. */
static inline char *conv_run(const struct protocol *protocol, const struct drive_step *steps,
			     size_t n, size_t late)
{
	struct drive drive;
	char *text;

	drive_init(&drive, protocol);
	drive.shows_position = true;
	drive.shows_whole_id = true;
	for (size_t i = 0; i < late; i++)
		drive.side[steps[i].from].position += steps[i].bytes.len;
	drive_steps(&drive, steps + late, n - late, SIZE_MAX, 0, 0);
	buf_str(&drive.out, "");
	text = buf_take(&drive.out);
	drive_done(&drive);
	return text ? text : calloc(1, 1);
}

/* Where the response behind this one begins: until there it may be taken to last, if its end was lost. */
static inline uint64_t conv_limit(const struct conv_messages *whole,
				  const struct conv_message *response)
{
	uint64_t limit = UINT64_MAX;

	for (size_t i = 0; i < whole->n; i++)
		if (!whole->at[i].is_request && whole->at[i].begin >= response->end &&
		    whole->at[i].begin < limit)
			limit = whole->at[i].begin;
	return limit;
}

/* Number of pairs in `less`; fails if one of them is not one of `whole`. */
static inline size_t conv_check_pairs(const char *name, const char *how, const char *less_text,
				      const struct conv_messages *whole)
{
	static struct conv_messages less;
	size_t pairs = 0;

	conv_read_messages(less_text, &less);
	for (size_t i = 0; i < less.n; i++) {
		const struct conv_message *request = &less.at[i], *response, *right = NULL;

		if (!request->is_request || request->pair == SIZE_MAX)
			continue;
		response = &less.at[request->pair];
		for (size_t k = 0; k < whole->n; k++)
			if (whole->at[k].is_request && whole->at[k].pair != SIZE_MAX &&
			    whole->at[k].begin < request->end && request->end <= whole->at[k].end)
				right = &whole->at[whole->at[k].pair];
		if (!right || response->end <= right->begin ||
		    response->end > conv_limit(whole, right))
			fail_msg("%s, %s: request that ends at %llu is answered by what ends at "
				 "%llu, not "
				 "%llu\n%s",
				 name, how, (unsigned long long)request->end,
				 (unsigned long long)response->end,
				 right ? (unsigned long long)right->end : 0ull, less_text);
		pairs++;
	}
	return pairs;
}

/* Only the first `head` and the last `tail` bytes of each write. Returns how many pairs of *ret_all are
 * found; that the others are not found wrong is checked. */
static inline size_t conv_check_capture_limit(const struct protocol *protocol, const char *name,
					      size_t head, size_t tail, size_t *ret_all)
{
	struct capture capture = conv_load(name);
	struct drive_step *steps = calloc(3 * capture.n, sizeof(*steps));
	static struct conv_messages whole;
	char *whole_text = conv_run(protocol, capture.steps, capture.n, 0), *text, how[64];
	size_t n = 0, pairs;

	conv_read_messages(whole_text, &whole);
	for (size_t i = 0; i < capture.n; i++) {
		const struct drive_step *step = &capture.steps[i];
		size_t len = step->bytes.len;

		steps[n++] = *step;
		if (len <= head + tail)
			continue;
		steps[n - 1].bytes.len = head;
		steps[n++] = (struct drive_step){step->from, '~', {}, len - head - tail};
		steps[n++] =
			(struct drive_step){step->from, 'b', span_from(step->bytes, len - tail), 0};
	}
	snprintf(how, sizeof(how), "the first %zu and the last %zu bytes of each write", head,
		 tail);
	text = conv_run(protocol, steps, n, 0);
	*ret_all = 0;
	for (size_t i = 0; i < whole.n; i++)
		*ret_all += whole.at[i].is_request && whole.at[i].pair != SIZE_MAX;
	pairs = conv_check_pairs(name, how, text, &whole);
	free(text);
	free(steps);
	free(whole_text);
	capture_done(&capture);
	return pairs;
}

/* All of them, with several limits. With 512 bytes and a tail, no answer may be missing. */
static inline void conv_check_capture_limits(const struct protocol *protocol,
					     const char *const *names, size_t n)
{
	static const size_t limits[][2] = {{8, 0},    {32, 0},   {128, 0}, {512, 0},
					   {1024, 0}, {128, 32}, {512, 32}};

	for (size_t limit = 0; limit < COUNT(limits); limit++) {
		size_t pairs = 0, all = 0, of;

		for (size_t i = 0; i < n; i++) {
			pairs += conv_check_capture_limit(protocol, names[i], limits[limit][0],
							  limits[limit][1], &of);
			all += of;
		}
		print_message("first %zu and last %zu bytes of each write: %zu of %zu pairs\n",
			      limits[limit][0], limits[limit][1], pairs, all);
		if (limits[limit][0] >= 512 && limits[limit][1])
			assert_int_equal(pairs, all);
	}
}

/* We come when the connection is older. After the request that may be answered when we come, all pairs
 * are found. */
static inline void conv_check_joins(const struct protocol *protocol, const char *name)
{
	struct capture capture = conv_load(name);
	static struct conv_messages whole;
	char *whole_text = conv_run(protocol, capture.steps, capture.n, 0);

	conv_read_messages(whole_text, &whole);
	for (size_t late = 1; late < capture.n; late++) {
		char *text = conv_run(protocol, capture.steps, capture.n, late), how[64];
		uint64_t missed = 0;
		size_t due = 0, pairs;

		for (size_t i = 0; i < late; i++)
			if (capture.steps[i].from == SIDE_CLIENT)
				missed += capture.steps[i].bytes.len;
		for (size_t i = 0; i < whole.n; i++)
			due += whole.at[i].is_request && whole.at[i].pair != SIZE_MAX &&
			       whole.at[i].begin >= missed;
		snprintf(how, sizeof(how), "joined after %zu steps", late);
		pairs = conv_check_pairs(name, how, text, &whole);
		if (pairs + 1 < due && !strstr(text, "bad"))
			fail_msg("%s, %s: %zu of %zu pairs\n%s", name, how, pairs, due, text);
		free(text);
	}
	free(whole_text);
	capture_done(&capture);
}

/* Some bytes are missing anywhere. */
static inline void conv_check_losses(const struct protocol *protocol, const char *name,
				     unsigned *seed)
{
	struct capture capture = conv_load(name);
	struct drive_step *steps = calloc(3 * capture.n, sizeof(*steps));
	static struct conv_messages whole;
	char *whole_text = conv_run(protocol, capture.steps, capture.n, 0);

	conv_read_messages(whole_text, &whole);
	for (int round = 0; round < 300; round++) {
		size_t n = 0;
		char *text;

		for (size_t i = 0; i < capture.n; i++) {
			struct span bytes = capture.steps[i].bytes;
			size_t from, len;

			steps[n++] = capture.steps[i];
			if (rand_r(seed) % 4)
				continue;
			from = (size_t)rand_r(seed) % bytes.len;
			len = 1 + (size_t)rand_r(seed) % (bytes.len - from);
			if (rand_r(seed) % 3 == 0) {
				from = 0;
				len = bytes.len;
			}
			steps[n - 1].bytes.len = from;
			steps[n++] = (struct drive_step){capture.steps[i].from, '~', {}, len};
			steps[n++] = (struct drive_step){capture.steps[i].from, 'b',
							 span_from(bytes, from + len), 0};
		}
		text = conv_run(protocol, steps, n, 0);
		conv_check_pairs(name, "with random losses", text, &whole);
		free(text);
	}
	free(whole_text);
	free(steps);
	capture_done(&capture);
}

/* No write of another protocol is surely ours; none of ours is surely not, up to the handover. */
static inline void conv_check_guesses(const struct protocol *protocol, const char *prefix,
				      size_t *ret_sure, size_t *ret_all)
{
	static char names[256][64];
	size_t count = capture_names(TESTDATA, names, COUNT(names));

	*ret_sure = *ret_all = 0;
	assert_true(count > 20);
	for (size_t i = 0; i < count; i++) {
		bool is_ours = !strncmp(names[i], prefix, strlen(prefix));
		struct capture capture = conv_load(names[i]);

		for (size_t step = 0; step < capture.n; step++) {
			struct span bytes = span_first(capture.steps[step].bytes, 1024);
			struct guess guess = protocol->classify(bytes);
			bool is_over =
				is_ours &&
				(strstr(names[i], "-tls") || strstr(names[i], "compressed") ||
				 strstr(names[i], "replication") || strstr(names[i], "infile"));

			if (!is_ours && guess.verdict == VERDICT_YES)
				fail_msg("%s, write %zu is taken for %s", names[i], step,
					 protocol->name);
			if (!is_ours || is_over)
				continue;
			if (guess.verdict == VERDICT_NO ||
			    (guess.from != SIDE_UNKNOWN && guess.from != capture.steps[step].from))
				fail_msg("%s, write %zu is not taken for %s, side %d", names[i],
					 step, protocol->name, capture.steps[step].from);
			*ret_sure += guess.verdict == VERDICT_YES;
			++*ret_all;
		}
		capture_done(&capture);
	}
	print_message("%zu of %zu writes are surely %s\n", *ret_sure, *ret_all, protocol->name);
}
