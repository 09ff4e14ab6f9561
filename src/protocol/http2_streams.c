// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_streams - the streams of a connection that are open, and those that wait to be delivered.
 *
 * Places are never moved but when there must be more of them; a hash of stream numbers says which is whose.
 * An open stream is in the list of open ones, oldest first. When it has ended it is moved to the list of
 * done ones; a parser delivers from there, request first, before it takes more bytes. A place is free again
 * with the call behind the last delivery, as the messages point into it.
 */
#include <stdlib.h>

#include "protocol/http2_parts.h"

enum {
	ROOM_MIN = 4,
	ROOM_MAX = HTTP2_STREAMS + 8, /* those that are being delivered, too */
	INDEX_MIN = 16,
	RESOURCE_MAX = 256, /* bytes: message_bound() */
	METHOD_MAX = 64,
};

static struct http2_stream *place(const struct http2_state *state, uint16_t at)
{
	return at ? &state->streams[at - 1] : NULL;
}

static uint16_t place_of(const struct http2_state *state, const struct http2_stream *stream)
{
	return (uint16_t)(stream - state->streams + 1);
}

/* ---- the hash of numbers ---- */

static uint32_t home_of(const struct http2_state *state, uint32_t id)
{
	return (id * 2654435761u >> 12) & (state->index_room - 1);
}

/* Where its place is noted, or would be. */
static uint32_t find_index(const struct http2_state *state, uint32_t id)
{
	uint32_t at = home_of(state, id);

	while (state->index[at] && state->streams[state->index[at] - 1].id != id)
		at = (at + 1) & (state->index_room - 1);
	return at;
}

struct http2_stream *http2_find(const struct http2_state *state, uint32_t id)
{
	return state->index_room ? place(state, state->index[find_index(state, id)]) : NULL;
}

/* Shifts those behind it back, so that no search ends too early. */
static void remove_index(struct http2_state *state, uint32_t id)
{
	uint32_t mask = state->index_room - 1, hole = find_index(state, id), at = hole;

	for (;;) {
		uint32_t home;

		at = (at + 1) & mask;
		if (!state->index[at])
			break;
		home = home_of(state, state->streams[state->index[at] - 1].id);
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			state->index[hole] = state->index[at];
			hole = at;
		}
	}
	state->index[hole] = 0;
}

static bool grow(struct http2_state *state)
{
	uint32_t room = state->room ? 2 * state->room : ROOM_MIN;
	uint32_t index_room = state->index_room;
	struct http2_stream *streams;
	uint16_t *index;

	if (room > ROOM_MAX)
		room = ROOM_MAX;
	if (room <= state->room)
		return false;
	while (index_room < 2 * room)
		index_room = index_room ? 2 * index_room : INDEX_MIN;
	index = calloc(index_room, sizeof(*index));
	streams = index ? realloc(state->streams, room * sizeof(*streams)) : NULL;
	if (!streams) {
		free(index);
		return false;
	}
	free(state->index);
	state->streams = streams;
	state->index = index;
	state->index_room = index_room;
	for (uint32_t i = room; i-- > state->room;) {
		streams[i].id = 0;
		streams[i].next = state->free;
		state->free = (uint16_t)(i + 1);
	}
	for (uint32_t i = 0; i < state->room; i++)
		if (streams[i].id && streams[i].stage == HTTP2_OPEN)
			index[find_index(state, streams[i].id)] = (uint16_t)(i + 1);
	state->room = room;
	return true;
}

/* ---- open ones ---- */

struct http2_stream *http2_oldest(const struct http2_state *state)
{
	return place(state, state->oldest);
}

struct http2_stream *http2_next(const struct http2_state *state, const struct http2_stream *stream)
{
	return place(state, stream->next);
}

static void unlink_open(struct http2_state *state, struct http2_stream *stream)
{
	struct http2_stream *older = place(state, stream->older);
	struct http2_stream *newer = place(state, stream->next);

	*(older ? &older->next : &state->oldest) = stream->next;
	*(newer ? &newer->older : &state->newest) = stream->older;
	state->len--;
}

static void link_open(struct http2_state *state, struct http2_stream *stream)
{
	struct http2_stream *newest = place(state, state->newest);

	stream->older = state->newest;
	*(newest ? &newest->next : &state->oldest) = place_of(state, stream);
	state->newest = place_of(state, stream);
	state->len++;
}

/* Makes room: it is delivered as far as it came, and its response, if there is one, by itself. */
static void evict_oldest(struct http2_state *state)
{
	struct http2_stream *oldest = http2_oldest(state);

	state->counts.evicted++;
	http2_finish(state, oldest);
}

struct http2_stream *http2_add(struct http2_state *state, uint32_t id)
{
	struct http2_stream *stream;
	uint16_t next;

	if (state->len == HTTP2_STREAMS)
		evict_oldest(state);
	if (!state->free && !grow(state)) {
		state->counts.no_memory++;
		return NULL;
	}
	stream = place(state, state->free);
	next = stream->next;
	memset(stream, 0, offsetof(struct http2_stream, type));
	state->free = next;
	stream->id = id;
	stream->way[SIDE_CLIENT].losses = state->half[SIDE_CLIENT].losses;
	stream->way[SIDE_SERVER].losses = state->half[SIDE_SERVER].losses;
	state->index[find_index(state, id)] = place_of(state, stream);
	link_open(state, stream);
	state->counts.streams++;
	return stream;
}

/* ---- done ones ---- */

void http2_finish(struct http2_state *state, struct http2_stream *stream)
{
	struct http2_stream *last = place(state, state->done_last);

	unlink_open(state, stream);
	remove_index(state, stream->id);
	stream->stage =
		stream->has_request && !stream->is_pushed ? HTTP2_REQUEST_DUE : HTTP2_RESPONSE_DUE;
	stream->next = 0;
	*(last ? &last->next : &state->done) = place_of(state, stream);
	state->done_last = place_of(state, stream);
}

static void let_go_given(struct http2_state *state)
{
	struct http2_stream *stream = place(state, state->given);

	state->given = 0;
	if (!stream || stream->stage != HTTP2_DELIVERED)
		return;
	stream->id = 0;
	stream->next = state->free;
	state->free = place_of(state, stream);
}

static bool has_response(const struct http2_stream *stream)
{
	return stream->ending || stream->way[SIDE_SERVER].has_headers;
}

static void take_done(struct http2_state *state, struct http2_stream *stream)
{
	stream->stage = HTTP2_DELIVERED;
	state->done = stream->next;
	if (!state->done)
		state->done_last = 0;
}

bool http2_deliver(struct http2_state *state, struct message *ret_message)
{
	struct http2_stream *stream;

	let_go_given(state);
	stream = place(state, state->done);
	if (!stream)
		return false;
	state->given = state->done;
	if (stream->stage == HTTP2_REQUEST_DUE) {
		http2_make_request(stream, ret_message);
		stream->stage = HTTP2_RESPONSE_DUE;
		if (!has_response(stream))
			take_done(state, stream);
	} else {
		http2_make_response(stream, ret_message);
		take_done(state, stream);
	}
	ret_message->has_more = state->done;
	return true;
}

/* ---- messages ---- */

static void fill_way(const struct http2_way *way, struct message *message)
{
	message->correlation = CORRELATION_ID;
	message->bytes = way->bytes;
	message->header_bytes = way->header_bytes;
	message->began = way->began;
	message->ended = way->last;
	message->position = way->position;
	message->blocked_ns = way->blocked_ns;
	message->is_complete = way->has_ended && !way->has_lost;
}

/* Where the content type is not known, messages that fit exactly are proof enough. */
static enum grpc_kind kind_of(const struct http2_stream *stream)
{
	const struct grpc_count *asked = &stream->way[SIDE_CLIENT].grpc;
	const struct grpc_count *answered = &stream->way[SIDE_SERVER].grpc;

	if (stream->grpc || !stream->is_type_unknown)
		return stream->grpc;
	return asked->messages && grpc_is_even(asked) && grpc_is_even(answered) ? GRPC_PLAIN
										: GRPC_NONE;
}

static struct span without_query(struct span path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.at[i] == '?' || path.at[i] == '#')
			path.len = i;
	return span_first(path, RESOURCE_MAX);
}

void http2_make_request(const struct http2_stream *stream, struct message *ret_message)
{
	enum grpc_kind kind = kind_of(stream);
	struct span service, method;

	message_unpack(&stream->request, ret_message);
	ret_message->kind = MESSAGE_REQUEST;
	ret_message->id = stream->id;
	ret_message->resource = without_query(ret_message->target);
	fill_way(&stream->way[SIDE_CLIENT], ret_message);
	if (kind == GRPC_NONE)
		return;
	ret_message->dialect = grpc_dialect(kind);
	ret_message->items = stream->way[SIDE_CLIENT].grpc.messages;
	if (grpc_split_path(ret_message->target, &service, &method)) {
		ret_message->operation = span_first(method, METHOD_MAX);
		ret_message->resource = span_first(service, RESOURCE_MAX);
		ret_message->target_mask = TARGET_CLEAN;
	} else if (!ret_message->target.len) {
		ret_message->operation = (struct span){}; /* it is in the path */
	}
}

/* It stands in the body. */
static void take_web_status(const struct grpc_count *count, struct message *message)
{
	struct span status = {(const uint8_t *)count->status, count->status_len};

	message->chosen[CHOSEN_GRPC_STATUS] = status;
	message->is_error |= status.len && !span_is(status, "0");
}

void http2_make_response(const struct http2_stream *stream, struct message *ret_message)
{
	enum grpc_kind kind = kind_of(stream);

	*ret_message = (struct message){
		.kind = stream->is_pushed ? MESSAGE_PUSH : MESSAGE_RESPONSE,
		.id = stream->id,
		.is_unasked = !stream->has_request,
		.is_error = stream->is_error,
		.interims = stream->interims,
		.naming = stream->response_naming,
		.opaque = stream->response_opaque,
		.dialect = grpc_dialect(kind),
		.status = {stream->digits, stream->status ? 3 : 0},
		.reason = {stream->reason, stream->reason_len},
	};
	if (stream->is_pushed && stream->has_request) {
		struct message promise;

		message_unpack(&stream->request, &promise);
		ret_message->operation = promise.operation;
		ret_message->resource = without_query(promise.target);
		ret_message->target = promise.target;
		ret_message->target_mask = promise.target_mask;
	}
	fill_way(&stream->way[SIDE_SERVER], ret_message);
	ret_message->chosen[CHOSEN_CONTENT_TYPE] = (struct span){stream->type, stream->type_len};
	if (stream->ending)
		ret_message->reason = span_of(stream->ending);
	if (kind == GRPC_NONE)
		return;
	ret_message->items = stream->way[SIDE_SERVER].grpc.messages;
	ret_message->chosen[CHOSEN_GRPC_STATUS] =
		(struct span){(const uint8_t *)stream->grpc_status, stream->grpc_status_len};
	if (kind == GRPC_WEB && !stream->grpc_status_len)
		take_web_status(&stream->way[SIDE_SERVER].grpc, ret_message);
}
