// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream - one direction of a connection, put in order again.
 *
 * `next` is the only truth: everything before it was given out once, as bytes or as gap, and is never
 * given again. An event that begins there is given out as it is; one that begins later waits in `ahead`,
 * sorted; one that reaches back is trimmed. So duplicates and overlaps need no case of their own, and a
 * hole that is given up is an event like any other, without bytes.
 *
 * What the parser left over stands in `kept` and belongs right before `next`; the next bytes are put
 * behind it, so that the parser sees one run.
 */
#include "protocol/stream.h"

#include <errno.h>
#include <stdlib.h>

enum last {
	LAST_NONE,
	LAST_BORROWED, /* bytes of the event */
	LAST_KEPT, /* all of `kept` */
	LAST_GAP,
};

void stream_init(struct stream *stream)
{
	*stream = (struct stream){};
	buf_init(&stream->kept, STREAM_KEPT_BYTES);
}

void stream_begin(struct stream *stream, uint64_t position)
{
	stream->is_started = true;
	stream->start = stream->next = stream->end = position;
}

void stream_done(struct stream *stream)
{
	for (size_t i = 0; i < stream->ahead_len; i++)
		free(stream->ahead[i].owned);
	free(stream->ahead);
	free(stream->now.owned);
	buf_done(&stream->kept);
	*stream = (struct stream){};
}

/* Takes away what was given out before; moved is 0 if nothing is left. */
static void trim(struct stream *stream, struct stream_event *event)
{
	uint64_t late = event->position < stream->next ? stream->next - event->position : 0;

	if (late > event->moved)
		late = event->moved;
	stream->late += late;
	event->position += late;
	event->moved -= late;
	event->bytes =
		span_from(event->bytes, late < event->bytes.len ? (size_t)late : event->bytes.len);
}

static int hold(struct stream *stream, struct stream_event event)
{
	size_t at = stream->ahead_len;

	if (!stream->ahead)
		stream->ahead = calloc(STREAM_AHEAD, sizeof(*stream->ahead));
	if (!stream->ahead || at == STREAM_AHEAD)
		return -ENOMEM;
	if (stream->ahead_bytes + event.bytes.len > STREAM_AHEAD_BYTES)
		event.bytes.len = 0; /* then its bytes are as good as not copied */
	if (event.bytes.len) {
		event.owned = malloc(event.bytes.len);
		if (!event.owned)
			return -ENOMEM;
		memcpy(event.owned, event.bytes.at, event.bytes.len);
	}
	event.bytes.at = event.owned;
	while (at && stream->ahead[at - 1].position > event.position)
		at--;
	memmove(stream->ahead + at + 1, stream->ahead + at,
		(stream->ahead_len - at) * sizeof(*stream->ahead));
	stream->ahead[at] = event;
	stream->ahead_len++;
	stream->ahead_bytes += event.bytes.len;
	return 0;
}

static uint64_t end_of(const struct stream_event *event)
{
	return event->position + event->moved;
}

/* The first event held that is not wholly given out by now (by others that overlap it). */
static const struct stream_event *first_ahead(const struct stream *stream)
{
	for (size_t i = 0; i < stream->ahead_len; i++)
		if (end_of(&stream->ahead[i]) > stream->next)
			return &stream->ahead[i];
	return NULL;
}

const struct stream_event *stream_peek(const struct stream *stream)
{
	const struct stream_event *ahead;

	if (stream->now.moved)
		return &stream->now;
	ahead = first_ahead(stream);
	return ahead && ahead->position <= stream->next ? ahead : NULL;
}

bool stream_is_stalled(const struct stream *stream)
{
	return !stream_peek(stream) && first_ahead(stream);
}

const struct stream_event *stream_look(const struct stream *stream, uint64_t position)
{
	uint64_t reached = stream->next;

	if (stream->now.moved && position < end_of(&stream->now))
		return &stream->now;
	if (stream->now.moved)
		reached = end_of(&stream->now);
	for (size_t i = 0; i < stream->ahead_len; i++) {
		const struct stream_event *event = &stream->ahead[i];

		if (event->position > reached)
			return NULL;
		if (position < end_of(event))
			return event;
		if (end_of(event) > reached)
			reached = end_of(event);
	}
	return NULL;
}

/* Keeps what the parser left of the last piece, and lets go of what nobody needs any more. */
static void settle_last(struct stream *stream)
{
	size_t used = stream->last_used < stream->last.len ? stream->last_used : stream->last.len;

	switch ((enum last)stream->last_kind) {
	case LAST_NONE: return;
	case LAST_GAP: buf_clear(&stream->kept); break;
	case LAST_KEPT: buf_drop(&stream->kept, used); break;
	case LAST_BORROWED: buf_span(&stream->kept, span_from(stream->last, used)); break;
	}
	if (!stream->now.moved) {
		free(stream->now.owned);
		stream->now = (struct stream_event){};
	}
	stream->last_kind = LAST_NONE;
}

int stream_hold(struct stream *stream)
{
	struct stream_event *now = &stream->now;

	settle_last(stream);
	if (!now->moved || now->owned || !now->bytes.len)
		return 0;
	now->owned = malloc(now->bytes.len);
	if (!now->owned) {
		now->bytes.len = 0;
		return -ENOMEM;
	}
	memcpy(now->owned, now->bytes.at, now->bytes.len);
	now->bytes.at = now->owned;
	return 0;
}

bool stream_give_up(struct stream *stream)
{
	settle_last(stream);
	if (!stream_is_stalled(stream))
		return false;
	stream->now = (struct stream_event){
		.position = stream->next,
		.moved = first_ahead(stream)->position - stream->next,
		.ns = stream->last_ns,
		.is_lost = true,
	};
	return true;
}

/* The held event that continues the stream becomes the one in its place. */
static void advance(struct stream *stream)
{
	while (!stream->now.moved && stream->ahead_len &&
	       stream->ahead[0].position <= stream->next) {
		struct stream_event event = stream->ahead[0];

		stream->ahead_len--;
		stream->ahead_bytes -= event.bytes.len;
		memmove(stream->ahead, stream->ahead + 1,
			stream->ahead_len * sizeof(*stream->ahead));
		trim(stream, &event);
		if (event.moved)
			stream->now = event;
		else
			free(event.owned);
	}
	if (stream->ahead_len == STREAM_AHEAD || stream->ahead_bytes > STREAM_AHEAD_BYTES / 2)
		stream_give_up(stream);
}

int stream_put(struct stream *stream, uint64_t position, struct span bytes, uint64_t moved,
	       uint64_t ns)
{
	struct stream_event event = {position, moved, span_first(bytes, moved), ns};
	int result = 0;

	settle_last(stream);
	if (!stream->is_started)
		stream_begin(stream, position);
	if ((position > stream->next && position - stream->next > STREAM_JUMP_MAX) ||
	    moved > STREAM_JUMP_MAX || position + moved < position) {
		stream->refused++;
		return -ERANGE;
	}
	trim(stream, &event);
	if (!event.moved)
		return 0;
	if (event.position == stream->next && !stream->now.moved)
		stream->now = event;
	else
		result = hold(stream, event);
	if (result)
		stream->refused++;
	else if (position + moved > stream->end)
		stream->end = position + moved;
	return result;
}

static void move_on(struct stream *stream, uint64_t bytes, uint64_t *counter)
{
	stream->last_ns = stream->now.ns;
	*counter += bytes;
	stream->next += bytes;
	stream->now.position += bytes;
	stream->now.moved -= bytes;
}

static void give_gap(struct stream *stream, uint64_t bytes, struct stream_piece *ret_piece)
{
	*ret_piece = (struct stream_piece){
		.bytes = stream_kept(stream),
		.gap = bytes,
		.ns = stream->now.ns,
		.position = stream->next - stream->kept.len,
		.is_lost = stream->now.is_lost,
	};
	move_on(stream, bytes, stream->now.is_lost ? &stream->lost : &stream->cut);
	stream->last_kind = LAST_GAP;
}

static void give_bytes(struct stream *stream, struct stream_piece *ret_piece)
{
	struct span bytes = stream->now.bytes;

	stream->last = bytes;
	stream->last_kind = LAST_BORROWED;
	if (stream->kept.len) {
		bytes = span_first(bytes, STREAM_KEPT_BYTES - stream->kept.len);
		if (!bytes.len || buf_span(&stream->kept, bytes)) {
			/* no room, or no memory: as good as not copied */
			stream->now.bytes = (struct span){};
			give_gap(stream, stream->last.len, ret_piece);
			return;
		}
		stream->last = stream_kept(stream);
		stream->last_kind = LAST_KEPT;
	}
	stream->last_used = 0;
	stream->now.bytes = span_from(stream->now.bytes, bytes.len);
	move_on(stream, bytes.len, &stream->captured);
	*ret_piece = (struct stream_piece){
		.bytes = stream->last,
		.ns = stream->now.ns,
		.position = stream->next - stream->last.len,
	};
}

bool stream_take(struct stream *stream, struct stream_piece *ret_piece)
{
	settle_last(stream);
	advance(stream);
	if (!stream->now.moved)
		return false;
	if (stream->now.bytes.len)
		give_bytes(stream, ret_piece);
	else
		give_gap(stream, stream->now.moved, ret_piece);
	return true;
}

void stream_used(struct stream *stream, size_t bytes)
{
	stream->last_used = bytes;
}

uint64_t stream_missing(const struct stream *stream)
{
	return stream->end - stream->next;
}

struct span stream_kept(const struct stream *stream)
{
	return buf_as_span(&stream->kept);
}

bool stream_rests(const struct stream *stream)
{
	bool is_used = stream->last_kind == LAST_NONE || stream->last_kind == LAST_GAP ||
		       stream->last_used >= stream->last.len;

	return !stream->now.moved && !stream->ahead_len && is_used &&
	       (stream->last_kind != LAST_NONE || !stream->kept.len);
}

void stream_leave_out(struct stream *stream, uint64_t bytes, uint64_t ns)
{
	settle_last(stream);
	stream->next += bytes;
	stream->end += bytes;
	stream->cut += bytes;
	stream->last_ns = ns;
}

bool stream_is_even(const struct stream *stream)
{
	return stream->captured + stream->cut + stream->lost + stream_missing(stream) ==
	       stream->end - stream->start;
}
