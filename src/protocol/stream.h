/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream - one direction of a connection, put in order again.
 *
 * Events come from several CPUs and so in any order. Each says where in the stream it began, how many
 * bytes it moved and holds the first of them, perhaps none. stream_put() takes one, stream_take() gives
 * out what follows without a hole: bytes for the parser, and gaps where bytes were moved but not copied,
 * or where an event never came.
 *
 *	stream_put(stream, position, bytes, moved, ns);
 *	while (stream_take(stream, &piece)) {
 *		if (piece.gap)
 *			parser's gap(piece.bytes, piece.gap);
 *		else
 *			stream_used(stream, bytes used by the parser's cut());
 *	}
 *
 * An event in its place is not copied; what came too early is, and what the parser left over is, up to a
 * cap each. When the cap is reached, or the caller has waited long enough (stream_give_up), what is
 * missing is declared lost.
 *
 * What moved is what was captured, cut, lost or is still missing: stream_is_even() checks that.
 */
#pragma once

#include "base/buf.h"
#include "base/span.h"

enum {
	STREAM_AHEAD = 64, /* events held that came too early */
	STREAM_AHEAD_BYTES = 1 << 18, /* bytes of those */
	STREAM_KEPT_BYTES =
		1 << 17, /* bytes left over by the parser, and of the next event behind them */
};

#define STREAM_JUMP_MAX (1ULL << 40) /* bytes: no event is that far ahead; its position is wrong */

struct stream_event {
	uint64_t position; /* of its first byte */
	uint64_t moved; /* bytes */
	struct span bytes; /* the first of them */
	uint64_t ns; /* when; in the caller's clock, not looked at */
	uint8_t *owned; /* those of an event that is held; NULL: borrowed */
	bool is_lost; /* no event at all: a hole */
};

struct stream {
	uint64_t start, next; /* positions: of the first byte ever, of the next to be given out */
	uint64_t end; /* behind the last byte heard of */
	uint64_t captured, cut,
		lost; /* bytes given out: copied, not copied, in events that never came */
	uint64_t late; /* bytes of events that came twice, or after they were given up */
	uint64_t last_ns; /* when the last byte given out moved */
	uint64_t refused; /* events with an impossible position, or no memory for them */
	struct stream_event
		now; /* the event at `next`, as far as it is not given out; moved = 0: none */
	struct stream_event *ahead; /* owned, STREAM_AHEAD; sorted by position */
	size_t ahead_len, ahead_bytes;
	struct buf
		kept; /* owned: what the parser left over, and the piece that it was given with */
	struct span last; /* the piece given out last */
	size_t last_used; /* bytes of it that the parser used */
	uint8_t last_kind; /* enum last, in stream.c */
	bool is_started;
};

struct stream_piece {
	struct span bytes; /* valid until the next call */
	uint64_t gap; /* bytes missing behind `bytes`; 0: none, and `bytes` is not empty */
	uint64_t position; /* of the first byte of `bytes` */
	uint64_t ns; /* when the last of it moved; of a hole: when what precedes it did */
	bool is_lost; /* the gap: no event told of it */
};

/* The stream begins with its first event; or, if its connection is seen from the start, at `position`. */
void stream_init(struct stream *stream);
void stream_begin(struct stream *stream, uint64_t position);
void stream_done(struct stream *stream);

/* 0, or -ERANGE (position impossible), -ENOMEM. Bytes are borrowed until stream_take() says false, or
 * until stream_hold(). */
int stream_put(struct stream *stream, uint64_t position, struct span bytes, uint64_t moved,
	       uint64_t ns);

/* Makes the borrowed bytes its own: they will be taken later. */
int stream_hold(struct stream *stream);

/* The event that stream_take() would give out next, as far as it is there; NULL: none. */
const struct stream_event *stream_peek(const struct stream *stream);

/* Something is missing in front of what came. */
bool stream_is_stalled(const struct stream *stream);

/* The event there that holds the byte at `position`, with all between here and there being there, too. */
const struct stream_event *stream_look(const struct stream *stream, uint64_t position);

bool stream_take(struct stream *stream, struct stream_piece *ret_piece);

/* Of the last piece without a gap, only so many bytes were used: the rest comes again with what follows. */
void stream_used(struct stream *stream, size_t bytes);

/* Waits no longer for what is missing before the first event held. False if none is. */
bool stream_give_up(struct stream *stream);

/* Bytes known to be missing, or held, and so not yet given out. */
uint64_t stream_missing(const struct stream *stream);

/* What was left over, for the parser's close(). */
struct span stream_kept(const struct stream *stream);

/* All that came was given out and used. */
bool stream_rests(const struct stream *stream);

/* Of one that rests: so many bytes more moved, and nobody needs them. */
void stream_leave_out(struct stream *stream, uint64_t bytes, uint64_t ns);

bool stream_is_even(const struct stream *stream);
