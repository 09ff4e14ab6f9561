// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_blocks - what frames mean for streams: header blocks, ends, resets.
 *
 * All header blocks are decoded, whatever becomes of their streams: each changes the table that the next
 * ones refer to. One that was not captured whole, or is longer than anybody takes, begins a new epoch of
 * names (hpack.h).
 *
 * A stream ends when both its sides have ended. Where frames were lost, or the connection was joined late,
 * the request's end may have been among what was not seen: then it ends with its response.
 */
#include <stdlib.h>

#include "protocol/http2_parts.h"

enum {
	BLOCK_MIN = 256, /* bytes of room for a block */
	GOAWAYS_MAX = 16, /* that are looked at: servers send two */
	BLOCK_KEPT = 4096, /* of it that are kept for the next one */
};

/* RFC 9113 7, for either side */
static const char *const endings[2][14] = {
	{"client: NO_ERROR", "client: PROTOCOL_ERROR", "client: INTERNAL_ERROR",
	 "client: FLOW_CONTROL_ERROR", "client: SETTINGS_TIMEOUT", "client: STREAM_CLOSED",
	 "client: FRAME_SIZE_ERROR", "client: REFUSED_STREAM", "client: CANCEL",
	 "client: COMPRESSION_ERROR", "client: CONNECT_ERROR", "client: ENHANCE_YOUR_CALM",
	 "client: INADEQUATE_SECURITY", "client: HTTP_1_1_REQUIRED"},
	{"server: NO_ERROR", "server: PROTOCOL_ERROR", "server: INTERNAL_ERROR",
	 "server: FLOW_CONTROL_ERROR", "server: SETTINGS_TIMEOUT", "server: STREAM_CLOSED",
	 "server: FRAME_SIZE_ERROR", "server: REFUSED_STREAM", "server: CANCEL",
	 "server: COMPRESSION_ERROR", "server: CONNECT_ERROR", "server: ENHANCE_YOUR_CALM",
	 "server: INADEQUATE_SECURITY", "server: HTTP_1_1_REQUIRED"},
};

/* ---- streams ---- */

static bool was_reset(const struct http2_state *state, uint32_t id)
{
	for (size_t i = 0; i < HTTP2_RESETS; i++)
		if (state->resets[i] == id)
			return true;
	return false;
}

/* May a stream that we do not know be one whose beginning we have not seen? */
static bool may_be_unseen(const struct http2_state *state, uint32_t id)
{
	bool is_all_seen = state->is_from_start && !state->half[SIDE_CLIENT].losses &&
			   !state->half[SIDE_SERVER].losses && !state->counts.evicted;

	return !is_all_seen && !was_reset(state, id);
}

/* The request's end may have been in bytes that were lost, or before we came. */
static bool may_have_ended(const struct http2_state *state, const struct http2_stream *stream,
			   enum side side)
{
	return stream->way[side].has_ended || !stream->way[side].has_headers ||
	       stream->way[side].losses != state->half[side].losses;
}

void http2_end_side(struct http2_state *state, struct http2_stream *stream, enum side from)
{
	stream->way[from].has_ended = true;
	if (!stream->way[SIDE_SERVER].has_ended ||
	    (!stream->is_pushed && !may_have_ended(state, stream, SIDE_CLIENT)))
		return;
	state->counts.finished++;
	http2_finish(state, stream);
}

static void cut_short(struct http2_state *state, struct http2_stream *stream, const char *ending,
		      bool is_error)
{
	stream->ending = ending;
	stream->is_error |= is_error;
	http2_finish(state, stream);
}

void http2_reset(struct http2_state *state, uint32_t id, enum side from, uint32_t code)
{
	struct http2_stream *stream = http2_find(state, id);
	bool has_answer;

	state->counts.resets++;
	state->resets[state->reset_next++ % HTTP2_RESETS] = id;
	if (!stream) {
		state->counts.stray++;
		return;
	}
	state->counts.reset++;
	/* a server that has answered whole need not read the rest of the request (RFC 9113 8.1) */
	has_answer = stream->way[SIDE_SERVER].has_ended;
	cut_short(state, stream, has_answer ? NULL : endings[from][code < 14 ? code : 2],
		  !has_answer && code);
}

/* Bytes of a frame, its head included; `head` of them are no data. */
void http2_count(const struct http2_half *half, struct http2_way *way, uint64_t bytes,
		 uint64_t head)
{
	if (!way->bytes) {
		way->began = half->began;
		way->position = half->position;
	}
	way->bytes += bytes;
	way->header_bytes += head;
	way->last = half->now;
}

/* ---- header blocks ---- */

static void note_opaque(struct http2_reader *reader, struct http2_stream *stream,
			struct http2_head *head)
{
	if (head->naming == NAMING_OPAQUE)
		head->message.opaque =
			http2_route(reader->state, reader->from, head, HTTP2_ROUTE_PARTS);
	head->message.naming = (uint8_t)head->naming;
	stream->is_type_unknown = !head->has_type && head->has_unknown;
}

static void pack_request(struct http2_stream *stream, struct message *message)
{
	message_bound(message, HTTP2_REQUEST_TEXT);
	message_pack(message, &stream->request);
	stream->has_request = true;
}

static void take_request_head(struct http2_reader *reader, struct http2_stream *stream,
			      struct http2_head *head)
{
	reader->state->has_tunnel |= span_is(head->message.operation, "CONNECT");
	stream->grpc = (uint8_t)grpc_kind_of(head->message.chosen[CHOSEN_CONTENT_TYPE]);
	note_opaque(reader, stream, head);
	pack_request(stream, &head->message);
}

/* What is not known of the end of a call: a status, or the headers that hold it. */
static void note_opaque_answer(struct http2_reader *reader, struct http2_stream *stream,
			       const struct http2_head *head)
{
	bool lacks_status = head->has_status && !head->status;
	bool lacks_call = stream->grpc && !stream->grpc_status_len && head->has_unknown;

	if (!lacks_status && !lacks_call)
		return;
	stream->response_naming = NAMING_OPAQUE;
	stream->response_opaque =
		http2_route(reader->state, reader->from, head, lacks_call ? HTTP2_ROUTE_PARTS : 1);
}

static void take_trailers(struct http2_stream *stream, const struct http2_head *head)
{
	if (head->grpc_status.len && !stream->grpc_status_len) {
		struct span status = span_first(head->grpc_status, GRPC_STATUS_MAX);

		memcpy(stream->grpc_status, status.at, status.len);
		stream->grpc_status_len = (uint8_t)status.len;
		stream->is_error |= !span_is(status, "0");
	}
	if (head->grpc_message.len)
		stream->reason_len = (uint8_t)grpc_decode_message(
			head->grpc_message, (char *)stream->reason, HTTP2_REASON_TEXT);
}

static void take_response_head(struct http2_stream *stream, const struct http2_head *head)
{
	struct span type = span_first(head->message.chosen[CHOSEN_CONTENT_TYPE], HTTP2_TYPE_TEXT);

	stream->status = (uint16_t)head->status;
	stream->digits[0] = (uint8_t)('0' + head->status / 100);
	stream->digits[1] = (uint8_t)('0' + head->status / 10 % 10);
	stream->digits[2] = (uint8_t)('0' + head->status % 10);
	stream->is_error |= head->status >= 400;
	if (type.len)
		memcpy(stream->type, type.at, type.len);
	stream->type_len = (uint8_t)type.len;
	if (!stream->grpc && (!stream->has_request || stream->is_type_unknown))
		stream->grpc = (uint8_t)grpc_kind_of(type);
	stream->is_type_unknown &= !head->has_type;
}

/*
 * A block without the end of the stream is no trailer. So one that has no status at all, behind another,
 * is a trailer only at the end; and one that came before another, without data between, was an interim
 * answer even if its status is not known.
 */
static void take_server_head(struct http2_reader *reader, struct http2_stream *stream,
			     const struct http2_head *head)
{
	struct http2_way *way = &stream->way[SIDE_SERVER];
	bool is_interim = head->status >= 100 && head->status < 200;
	bool is_trailer = way->has_headers && reader->half->block_ends_stream &&
			  (stream->status >= 200 || !head->status);

	if (is_interim && !reader->half->block_ends_stream) {
		stream->interims++;
		return;
	}
	if (way->has_headers && !is_trailer)
		stream->interims++; /* whatever its status was */
	if (!is_trailer) {
		way->has_headers = true;
		take_response_head(stream, head);
	}
	take_trailers(stream, head);
	if (reader->half->block_ends_stream || !head->status)
		note_opaque_answer(reader, stream, head);
}

/* Stream 1 without a client that opened it: the answer to a request of HTTP/1 (RFC 7540 3.2). */
static bool is_upgrade(struct http2_state *state, uint32_t id)
{
	bool is_first =
		!state->has_upgraded && id == 1 && state->half[SIDE_CLIENT].first_stream != 1;

	state->has_upgraded |= is_first;
	return is_first;
}

/* The stream that a block is about. NULL: nobody's. */
static struct http2_stream *stream_of_block(struct http2_reader *reader)
{
	struct http2_state *state = reader->state;
	struct http2_half *half = reader->half;
	uint32_t id = half->block_promised ? half->block_promised : half->block_stream;
	struct http2_stream *stream = http2_find(state, id);
	bool is_new;

	if (stream)
		return stream;
	if (reader->from == SIDE_CLIENT || half->block_promised)
		is_new = id > half->last_stream;
	else
		is_new = may_be_unseen(state, id) || is_upgrade(state, id);
	if (!is_new) {
		state->counts.stray++;
		return NULL;
	}
	if (!half->first_stream)
		half->first_stream = id;
	if (id > half->last_stream && (reader->from == SIDE_CLIENT || half->block_promised))
		half->last_stream = id;
	stream = http2_add(state, id);
	if (stream)
		http2_flow_open(state, stream);
	return stream;
}

static void take_head(struct http2_reader *reader, struct http2_stream *stream,
		      struct http2_head *head)
{
	struct http2_half *half = reader->half;
	struct http2_way *way = &stream->way[reader->from];

	if (half->block_promised) {
		stream->is_pushed = true;
		reader->state->counts.pushes++;
		take_request_head(reader, stream, head);
		return;
	}
	if (!way->bytes) {
		way->began = half->block_began;
		way->position = half->block_position;
	}
	way->bytes += half->block_bytes;
	way->header_bytes += half->block_bytes;
	way->last = half->now;
	if (reader->from == SIDE_SERVER) {
		take_server_head(reader, stream, head);
	} else if (!way->has_headers) {
		way->has_headers = true;
		take_request_head(reader, stream, head);
	}
	if (half->block_ends_stream)
		http2_end_side(reader->state, stream, reader->from);
}

/* Of a block that was lost, only its frames are known. */
static void take_lost_head(struct http2_reader *reader)
{
	struct http2_head head;
	struct http2_stream *stream = stream_of_block(reader);
	bool was_first = stream && !stream->way[reader->from].has_headers;

	hpack_lose(&reader->half->hpack);
	if (!stream)
		return;
	memset(&head, 0, offsetof(struct http2_head, text));
	head.naming = NAMING_LOST;
	stream->way[reader->from].has_lost = true;
	take_head(reader, stream, &head);
	if (reader->from == SIDE_SERVER && was_first)
		stream->response_naming = NAMING_LOST;
}

/* The first block of a side, on a connection that we saw begin: its table is empty. */
static void begin_names(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	bool is_fresh = reader->state->is_from_start && !half->losses &&
			(reader->from == SIDE_CLIENT || half->begins_with_settings);

	if (!half->hpack.counts.blocks && !half->hpack.epoch && is_fresh)
		hpack_start(&half->hpack);
}

void http2_forget_block(struct http2_half *half)
{
	if (half->block_room > BLOCK_KEPT) {
		free(half->block);
		half->block = NULL;
		half->block_room = 0;
	}
	half->block_len = 0;
	half->block_stream = half->block_promised = 0;
	half->is_block_broken = false;
}

enum http2_step http2_take_block(struct http2_reader *reader, struct span block)
{
	struct http2_half *half = reader->half;
	struct http2_head head;
	struct http2_stream *stream;
	const char *why = NULL;

	reader->state->counts.blocks++;
	begin_names(reader);
	if (half->is_block_broken) {
		take_lost_head(reader);
		http2_forget_block(half);
		return HTTP2_ON;
	}
	why = http2_read_head(&half->hpack, block,
			      reader->from == SIDE_CLIENT || half->block_promised, &head);
	if (why)
		return http2_bad(reader, why);
	stream = stream_of_block(reader);
	if (stream)
		take_head(reader, stream, &head);
	http2_forget_block(half);
	return HTTP2_ON;
}

/* Puts a fragment behind the others. */
void http2_gather(struct http2_reader *reader, struct span fragment)
{
	struct http2_half *half = reader->half;
	size_t need = half->block_len + fragment.len, room = half->block_room;
	uint8_t *block;

	if (half->is_block_broken || !fragment.len)
		return;
	if (need > HTTP2_BLOCK_MAX) {
		reader->state->counts.long_blocks++;
		half->is_block_broken = true;
		return;
	}
	while (room < need)
		room = room ? 2 * room : BLOCK_MIN;
	block = room > half->block_room ? realloc(half->block, room) : half->block;
	if (!block) {
		reader->state->counts.no_memory++;
		half->is_block_broken = true;
		return;
	}
	half->block = block;
	half->block_room = room;
	memcpy(block + half->block_len, fragment.at, fragment.len);
	half->block_len = need;
}

/* Streams that the other side opened behind the last one named will not be looked at (RFC 9113 6.8). */
void http2_goaway(struct http2_state *state, enum side from, uint32_t last, uint32_t code)
{
	struct http2_stream *stream = http2_oldest(state), *next;

	state->counts.goaways++;
	state->goaway[from] = last + 1;
	if (from == SIDE_CLIENT || state->counts.goaways > GOAWAYS_MAX)
		return;
	for (; stream; stream = next) {
		next = http2_next(state, stream);
		if (stream->id <= last || !(stream->id & 1))
			continue;
		state->counts.refused++;
		cut_short(state, stream, endings[SIDE_SERVER][code < 14 && code ? code : 7], true);
	}
}
