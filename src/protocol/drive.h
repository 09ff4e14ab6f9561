/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drive - feeds a parser as the agent does, and writes down what comes out. For tests and fuzz targets.
 *
 * Input and state live in heap blocks of exactly their size, so that the address sanitizer sees every
 * read beyond them and every span that outlives its input. What a parser promises for each call is
 * checked here (parser.h): a broken promise aborts.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "protocol/pack.h"
#include "protocol/parser.h"

struct drive {
	const struct protocol *protocol;
	void *state;
	struct {
		uint8_t *kept; /* owned */
		size_t len;
		uint64_t position; /* bytes used so far, gaps included */
		bool is_lost; /* after CUT_BAD, until resync() finds something */
	} side[2];
	struct buf out; /* a line for each message */
	size_t messages, bad;
	const char *why; /* of the last CUT_BAD */
	bool stops_at_bad; /* ignore everything after it */
	bool shows_position; /* where in the stream each message ends */
	bool shows_whole_id; /* not only the lower bits */
	bool shows_times; /* when messages began and ended */
	uint64_t clock; /* told with the bytes; 0: time stands still */
};

#define drive_promise(truth)                                                                       \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			fprintf(stderr, "broken promise: %s (%s:%d)\n", #truth, __FILE__,          \
				__LINE__);                                                         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline void drive_init(struct drive *drive, const struct protocol *protocol)
{
	*drive = (struct drive){.protocol = protocol, .state = calloc(1, protocol->state_size)};
	buf_init(&drive->out, 1 << 24);
}

static inline void drive_done(struct drive *drive)
{
	if (drive->protocol->done)
		drive->protocol->done(drive->state);
	free(drive->state);
	free(drive->side[0].kept);
	free(drive->side[1].kept);
	buf_done(&drive->out);
}

static inline void drive_text(struct drive *drive, const char *name, struct span text)
{
	if (!text.len)
		return;
	buf_f(&drive->out, " %s=", name);
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < ' ' || text.at[i] >= 0x7f)
			buf_f(&drive->out, "\\%02x", text.at[i]);
		else
			buf_char(&drive->out, (char)text.at[i]);
}

static inline void drive_write_down(struct drive *drive, enum side from, const struct message *m)
{
	static const char *const kinds[] = {"request", "response", "interim", "push"};
	static const char *const answers[] = {"", " no-answer", " maybe-answer", " error-answer"};
	static const char *const chosen[] = {"host", "traceparent", "request-id", "agent",
					     "type", "user",        "grpc-status"};
	static const char *const namings[] = {"", " seeded", " opaque", " lost"};
	struct message bounded = *m;

	if (drive->protocol->moment) /* whoever spoke when it was whole */
		from = m->kind == MESSAGE_REQUEST ? SIDE_CLIENT : SIDE_SERVER;
	drive_promise(m->bytes <= drive->side[from].position);
	drive_promise(m->header_bytes <= m->bytes);
	message_bound(&bounded, PACKED_MAX);
	drive_promise(message_packed_size(&bounded) == message_packed_size(m));
	drive_promise(message_packed_size(m) <= PACKED_MAX);

	buf_f(&drive->out, "%c %s%s", from == SIDE_CLIENT ? '>' : '<', kinds[m->kind],
	      answers[m->answer]);
	drive_text(drive, "op", m->operation);
	drive_text(drive, "resource", m->resource);
	drive_text(drive, "target", m->target);
	drive_text(drive, "status", m->status);
	drive_text(drive, "reason", m->reason);
	drive_text(drive, "key", m->key);
	for (size_t i = 0; i < CHOSEN_COUNT; i++)
		drive_text(drive, chosen[i], m->chosen[i]);
	buf_f(&drive->out, " bytes=%llu", (unsigned long long)m->bytes);
	if (m->header_bytes)
		buf_f(&drive->out, " head=%llu", (unsigned long long)m->header_bytes);
	if (m->items)
		buf_f(&drive->out, " items=%llu", (unsigned long long)m->items);
	if (m->id)
		buf_f(&drive->out, " id=%llx", /* the rest may be a hash */
		      (unsigned long long)m->id & (drive->shows_whole_id ? ~0ull : 0xffff));
	if (m->dialect)
		buf_f(&drive->out, " %s", m->dialect);
	if (m->interims)
		buf_f(&drive->out, " interims=%u", m->interims);
	buf_f(&drive->out, "%s", namings[m->naming]);
	if (m->opaque)
		buf_f(&drive->out, "#%u", m->opaque);
	if (m->blocked_ns)
		buf_f(&drive->out, " blocked=%llu", (unsigned long long)m->blocked_ns);
	buf_f(&drive->out, "%s%s%s%s", m->is_error ? " error" : "",
	      m->is_complete ? "" : " incomplete", m->is_unasked ? " unasked" : "",
	      m->ends_stream ? " last" : "");
	if (m->handover)
		buf_f(&drive->out, " then=%s", m->handover);
	if (drive->shows_position)
		buf_f(&drive->out, " at=%llu", (unsigned long long)drive->side[from].position);
	if (drive->shows_times)
		buf_f(&drive->out, " time=%llu-%llu", (unsigned long long)m->began,
		      (unsigned long long)m->ended);
	buf_char(&drive->out, '\n');
	drive->messages++;
}

static inline void drive_note_bad(struct drive *drive, enum side from, const char *why)
{
	drive_promise(why && *why);
	drive->side[from].is_lost = true;
	drive->bad++;
	drive->why = why;
	buf_f(&drive->out, "%c bad\n", from == SIDE_CLIENT ? '>' : '<');
}

static inline bool drive_is_over(const struct drive *drive)
{
	return drive->stops_at_bad && drive->bad;
}

static inline void drive_keep(struct drive *drive, enum side from, struct span rest)
{
	uint8_t *kept = NULL;

	if (rest.len) {
		kept = malloc(rest.len);
		memcpy(kept, rest.at, rest.len);
	}
	free(drive->side[from].kept);
	drive->side[from].kept = kept;
	drive->side[from].len = rest.len;
}

/* As much of `in` as can be used. */
static inline struct span drive_cut(struct drive *drive, enum side from, struct span in)
{
	const struct protocol *protocol = drive->protocol;
	size_t idle = 0; /* messages that used nothing, in a row */

	bool has_more = false;

	while ((in.len || has_more) && !drive_is_over(drive)) {
		struct message message;
		const char *why = NULL;
		size_t used = SIZE_MAX;
		enum cut cut;

		if (drive->side[from].is_lost) {
			bool found = protocol->resync(drive->state, from, in, &used);

			drive_promise(used <= in.len);
			drive->side[from].position += used;
			in = span_from(in, used);
			if (!found)
				break;
			drive->side[from].is_lost = false;
			continue;
		}
		if (protocol->moment)
			protocol->moment(drive->state, from, drive->clock,
					 drive->side[from].position);
		cut = protocol->cut(drive->state, from, in, &message, &used, &why);
		drive_promise(used <= in.len);
		drive_promise(used || cut != CUT_BAD);
		drive_promise(used || cut != CUT_MESSAGE || has_more || idle++ == 0);
		drive_promise(!has_more || cut == CUT_MESSAGE);
		has_more = cut == CUT_MESSAGE && message.has_more;
		if (used)
			idle = 0;
		drive->side[from].position += used;
		if (cut == CUT_MESSAGE)
			drive_write_down(drive, from, &message);
		in = span_from(in, used);
		if (cut == CUT_BAD)
			drive_note_bad(drive, from, why);
		if (cut == CUT_MORE)
			break;
	}
	drive_promise(in.len <= KEPT_MAX || drive_is_over(drive));
	return in;
}

/* One piece of bytes. */
static inline void drive_bytes(struct drive *drive, enum side from, struct span bytes)
{
	size_t len = drive->side[from].len + bytes.len;
	uint8_t *joined;

	if (!len || drive_is_over(drive))
		return;
	joined = malloc(len);
	if (drive->side[from].len)
		memcpy(joined, drive->side[from].kept, drive->side[from].len);
	if (bytes.len)
		memcpy(joined + drive->side[from].len, bytes.at, bytes.len);
	drive_keep(drive, from, drive_cut(drive, from, (struct span){joined, len}));
	free(joined);
}

/* Messages that were there already. */
static inline void drive_more(struct drive *drive, enum side from)
{
	struct message message = {.has_more = true};
	const char *why;
	size_t used;

	while (message.has_more) {
		drive_promise(drive->protocol->cut(drive->state, from, (struct span){}, &message,
						   &used, &why) == CUT_MESSAGE &&
			      !used);
		drive_write_down(drive, from, &message);
	}
}

static inline void drive_gap(struct drive *drive, enum side from, uint64_t bytes)
{
	struct span kept = {drive->side[from].kept, drive->side[from].len};

	while (bytes && !drive_is_over(drive)) {
		struct message message;
		const char *why = NULL;
		uint64_t used = UINT64_MAX;
		enum cut cut;

		if (drive->side[from].is_lost) {
			drive->side[from].position += kept.len + bytes;
			break;
		}
		if (drive->protocol->moment)
			drive->protocol->moment(drive->state, from, drive->clock,
						drive->side[from].position);
		cut = drive->protocol->gap(drive->state, from, kept, bytes, &message, &used, &why);
		drive_promise(used <= bytes);
		drive_promise(used == bytes || cut == CUT_MESSAGE);
		drive->side[from].position += kept.len + used;
		kept = (struct span){};
		bytes -= used;
		if (cut == CUT_MESSAGE)
			drive_write_down(drive, from, &message);
		if (cut == CUT_MESSAGE && message.has_more)
			drive_more(drive, from);
		if (cut == CUT_BAD)
			drive_note_bad(drive, from, why);
	}
	drive_keep(drive, from, (struct span){});
}

static inline void drive_close(struct drive *drive, enum side from)
{
	struct span kept = {drive->side[from].kept, drive->side[from].len};
	struct message message;

	if (drive_is_over(drive))
		return;
	drive->side[from].position += kept.len;
	for (bool has_more = !drive->side[from].is_lost || drive->protocol->moment; has_more;
	     kept = (struct span){}) {
		has_more =
			drive->protocol->close(drive->state, from, kept, &message) == CUT_MESSAGE;
		if (has_more)
			drive_write_down(drive, from, &message);
		has_more = has_more && message.has_more;
	}
	drive_keep(drive, from, (struct span){});
}

/* One step of a conversation. */
struct drive_step {
	enum side from;
	char what; /* 'b' bytes, '~' gap, '|' close */
	struct span bytes;
	uint64_t gap;
};

/* Feeds the steps; bytes of step `cut_step` in two pieces, cut at `cut_at`; all bytes in pieces of
 * `piece` if that is not 0. */
static inline void drive_steps(struct drive *drive, const struct drive_step *steps, size_t n,
			       size_t cut_step, size_t cut_at, size_t piece)
{
	for (size_t i = 0; i < n; i++) {
		struct span rest = steps[i].bytes;

		if (steps[i].what == '~')
			drive_gap(drive, steps[i].from, steps[i].gap);
		if (steps[i].what == '|')
			drive_close(drive, steps[i].from);
		if (steps[i].what != 'b')
			continue;
		if (i == cut_step) {
			drive_bytes(drive, steps[i].from, span_first(rest, cut_at));
			rest = span_from(rest, cut_at);
		}
		while (piece && rest.len > piece) {
			drive_bytes(drive, steps[i].from, span_first(rest, piece));
			rest = span_from(rest, piece);
		}
		drive_bytes(drive, steps[i].from, rest);
	}
}

/* Everything as one text, to be freed by the caller. */
static inline char *drive_all(const struct protocol *protocol, const struct drive_step *steps,
			      size_t n, size_t cut_step, size_t cut_at, size_t piece,
			      bool stops_at_bad)
{
	struct drive drive;
	char *text;

	drive_init(&drive, protocol);
	drive.stops_at_bad = stops_at_bad;
	drive_steps(&drive, steps, n, cut_step, cut_at, piece);
	buf_str(&drive.out, "");
	text = buf_take(&drive.out);
	drive_done(&drive);
	return text ? text : calloc(1, 1);
}

/*
 * For fuzz targets: makes steps of any bytes. The first byte of a step says who speaks and what comes:
 * bit 0 the side, bits 1-2 bytes (0, 1), gap (2) or close (3), bits 3-7 with the next byte a length.
 */
static inline size_t drive_steps_of(const uint8_t *at, size_t len, struct drive_step *steps,
				    size_t max)
{
	size_t n = 0, i = 0;

	while (n < max && i + 2 <= len) {
		uint8_t head = at[i];
		size_t want = (size_t)(head >> 3) << 8 | at[i + 1];

		i += 2;
		steps[n] = (struct drive_step){.from = head & 1};
		switch (head >> 1 & 3) {
		case 2:
			steps[n].what = '~';
			steps[n].gap = want + 1;
			break;
		case 3: steps[n].what = '|'; break;
		default:
			steps[n].what = 'b';
			steps[n].bytes = (struct span){at + i, want < len - i ? want : len - i};
			i += steps[n].bytes.len;
		}
		n++;
	}
	return n;
}

/* The property of every stream parser: the same messages, wherever the input was cut. */
static inline int drive_fuzz(const struct protocol *protocol, const uint8_t *at, size_t len)
{
	struct drive_step steps[64];
	size_t piece = len ? at[0] % 9 + 1 : 1;
	size_t n = len ? drive_steps_of(at + 1, len - 1, steps, 64) : 0;
	char *whole = drive_all(protocol, steps, n, SIZE_MAX, 0, 0, true);
	char *pieces = drive_all(protocol, steps, n, SIZE_MAX, 0, piece, true);
	char *onward = drive_all(protocol, steps, n, SIZE_MAX, 0, piece, false);

	if (strcmp(whole, pieces)) {
		fprintf(stderr, "whole:\n%s\nin pieces of %zu:\n%s\n", whole, piece, pieces);
		abort();
	}
	free(whole);
	free(pieces);
	free(onward);
	for (size_t i = 0; i < n; i++) {
		uint8_t *exact = malloc(steps[i].bytes.len + !steps[i].bytes.len);

		if (steps[i].bytes.len)
			memcpy(exact, steps[i].bytes.at, steps[i].bytes.len);
		protocol->classify((struct span){exact, steps[i].bytes.len});
		free(exact);
	}
	return 0;
}
