// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2 - HTTP/2 (RFC 9113), also when it is joined in the middle, and gRPC in it.
 *
 * Each side is a row of frames: 9 bytes of head, then a payload whose length it tells (http2_steps.c).
 * Header blocks are decoded whole, all of them (http2_blocks.c, http2_head.c); a gap inside DATA does no
 * harm. Streams that have ended are delivered before more bytes are taken (http2_streams.c).
 *
 * Where a frame begins is never guessed. Behind a gap that swallowed the head of a frame the place is
 * lost: the next head is looked for where a row of frames fits (http2_frame.c) whose streams fit, too.
 * The blocks that may have been lost begin a new epoch of names. So does the first byte of a connection
 * joined late; of a new one, which the client's preface tells, the tables are known to be empty.
 *
 * Through a CONNECT tunnel anything may be carried, HTTP/2 as well. On a connection that has one, a row
 * must be longer than any one frame.
 */
#include <stdlib.h>

#include "protocol/http2_parts.h"

enum {
	ROW_SURE = 3, /* heads of frames in a row that are taken for frames behind a hole */
	ROW_MARKED = 2, /* likewise, with something that is hard to meet by chance */
	ROW_OF_A_FRAME = 1 + HTTP2_FRAME_MIN_MAX /
				     HTTP2_FRAME_HEAD, /* frames that are longer than any one */
	FAR_STREAM = 1 << 16, /* by so much numbers of streams may have grown in a hole */
	UNDECIDED_MAX = 4096, /* bytes kept while a row is too short */
};

static void lose_place(struct http2_state *state, enum side from)
{
	struct http2_half *half = &state->half[from];

	if (half->phase == HTTP2_LOST)
		return;
	http2_forget_block(half);
	hpack_lose(&half->hpack);
	half->phase = HTTP2_LOST;
	half->due = 0;
	half->losses++;
	state->is_flow_lost = true;
}

static enum cut http2_cut(void *at, enum side from, struct span in, struct message *ret_message,
			  size_t *ret_used, const char **ret_why)
{
	struct http2_state *state = at;
	struct http2_reader reader = {
		.state = state, .half = &state->half[from], .from = from, .in = in};
	enum http2_step step = HTTP2_ON;

	while (step == HTTP2_ON && !state->done)
		step = http2_step(&reader);
	*ret_used = reader.used;
	if (http2_deliver(state, ret_message))
		return CUT_MESSAGE;
	if (step == HTTP2_MORE)
		return CUT_MORE;
	*ret_used += !reader.used; /* resync() must not find the same head again */
	lose_place(state, from);
	*ret_why = reader.why;
	return CUT_BAD;
}

static enum cut http2_gap(void *at, enum side from, struct span kept, uint64_t bytes,
			  struct message *ret_message, uint64_t *ret_used, const char **ret_why)
{
	struct http2_state *state = at;
	struct http2_reader reader = {
		.state = state, .half = &state->half[from], .from = from, .in = kept};

	*ret_used = http2_step_gap(&reader, bytes);
	if (http2_deliver(state, ret_message))
		return CUT_MESSAGE;
	if (*ret_used == bytes && reader.half->phase != HTTP2_LOST)
		return CUT_MORE;
	lose_place(state, from);
	*ret_used = bytes;
	*ret_why = "a gap where the head of a frame should be";
	return CUT_BAD;
}

/* ---- finding the place again ---- */

static bool fits(const struct http2_state *state, const struct http2_row *row)
{
	uint32_t last = state->half[SIDE_CLIENT].last_stream;
	bool is_near = !last || row->highest <= last + FAR_STREAM;
	bool is_sure = row->frames >= ROW_SURE || (row->is_marked && row->frames >= ROW_MARKED);

	return is_near && is_sure && (!state->has_tunnel || row->bytes > HTTP2_FRAME_MIN_MAX);
}

static bool http2_resync(void *at, enum side from, struct span in, size_t *ret_used)
{
	struct http2_state *state = at;
	struct http2_half *half = &state->half[from];
	uint32_t max = half->frame_max;
	size_t undecided = in.len;

	/* the same bytes are not looked at again for every one that comes; unless a gap took them */
	*ret_used = 0;
	if (half->undecided && in.len >= half->undecided &&
	    in.len < half->undecided + half->undecided / 4 + HTTP2_FRAME_HEAD)
		return false;
	half->undecided = 0;
	for (size_t i = 0; i < in.len; i++) {
		struct http2_row row =
			http2_read_row(span_from(in, i), max ? max : HTTP2_FRAME_MIN_MAX,
				       state->has_tunnel ? ROW_OF_A_FRAME : HTTP2_ROW);

		if (row.is_wrong || (row.from != SIDE_UNKNOWN && row.from != from))
			continue;
		if (fits(state, &row)) {
			half->phase = HTTP2_HEAD;
			half->has_begun = false;
			*ret_used = i;
			return true;
		}
		if (undecided == in.len)
			undecided = i;
	}
	if (!state->has_tunnel && in.len - undecided > UNDECIDED_MAX)
		undecided = in.len - UNDECIDED_MAX;
	if (in.len - undecided > KEPT_MAX / 2)
		undecided = in.len - KEPT_MAX / 2;
	*ret_used = undecided;
	half->undecided = in.len - undecided;
	return false;
}

/* ---- the end ---- */

static enum cut http2_close(void *at, enum side from, struct span kept, struct message *ret_message)
{
	struct http2_state *state = at;

	state->half[from].is_closed = true;
	while (state->half[!from].is_closed && http2_oldest(state)) {
		state->counts.unfinished++;
		http2_finish(state, http2_oldest(state));
	}
	return http2_deliver(state, ret_message) ? CUT_MESSAGE : CUT_MORE;
}

static void http2_done(void *at)
{
	struct http2_state *state = at;

	for (size_t i = 0; i < 2; i++) {
		hpack_done(&state->half[i].hpack);
		free(state->half[i].block);
	}
	http2_routes_done(state);
	free(state->streams);
	free(state->index);
	*state = (struct http2_state){};
}

static void http2_moment(void *at, enum side from, uint64_t ns, uint64_t position)
{
	struct http2_half *half = &((struct http2_state *)at)->half[from];

	half->now = ns;
	half->at = position;
}

static uint64_t http2_passes(const void *at, enum side from)
{
	const struct http2_state *state = at;
	const struct http2_half *half = &state->half[from];
	const struct http2_stream *stream;
	uint64_t body;

	if (half->phase != HTTP2_BODY)
		return half->phase == HTTP2_SKIP ? half->due : 0;
	stream = http2_find(state, half->stream);
	body = stream ? grpc_passes(&stream->way[from].grpc) : UINT64_MAX;
	return body < half->due ? body : half->due;
}

/* ---- looking at what is open ---- */

bool http2_open(struct http2_state *state, size_t *at, struct http2_view *ret_view)
{
	struct http2_stream *stream = NULL;

	if (*at != SIZE_MAX)
		stream = *at ? &state->streams[*at - 1] : http2_oldest(state);
	if (!stream)
		return false;
	*at = stream->next ? stream->next : SIZE_MAX;
	*ret_view = (struct http2_view){
		.stream = stream->id,
		.has_request = stream->has_request,
		.has_response = stream->way[SIDE_SERVER].has_headers,
	};
	if (stream->has_request)
		http2_make_request(stream, &ret_view->request);
	http2_make_response(stream, &ret_view->response);
	return true;
}

static bool http2_view(void *at, size_t *place, struct message *ret_request,
		       struct message *ret_response, bool *ret_has_response)
{
	struct http2_view view;

	if (!http2_open(at, place, &view))
		return false;
	*ret_request = view.request;
	*ret_response = view.response;
	*ret_has_response = view.has_response;
	return true;
}

size_t http2_bytes(const struct http2_state *state)
{
	size_t bytes = state->room * sizeof(*state->streams) +
		       state->index_room * sizeof(*state->index) + http2_routes_bytes(state);

	for (size_t i = 0; i < 2; i++)
		bytes += state->half[i].block_room + hpack_bytes(&state->half[i].hpack);
	return bytes;
}

const struct protocol http2 = {
	.name = "http2",
	.state_size = sizeof(struct http2_state),
	.classify = http2_classify,
	.cut = http2_cut,
	.gap = http2_gap,
	.resync = http2_resync,
	.close = http2_close,
	.passes = http2_passes,
	.moment = http2_moment,
	.open = http2_view,
	.done = http2_done,
	.call_bytes = HTTP2_FRAME_MIN_MAX,
};
