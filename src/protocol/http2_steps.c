// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_steps - one step along the frames of a side (RFC 9113 4, 6).
 *
 * A step takes what it can of the input: the head of a frame, a few bytes of a control frame, as much of a
 * payload as is there. Only heads and small things must stand in one piece. Payloads of DATA are counted,
 * and the heads of gRPC messages in them looked at.
 */
#include "protocol/http2_parts.h"

enum setting { /* RFC 9113 6.5.2 */
	       SETTING_INITIAL_WINDOW = 4,
	       SETTING_MAX_FRAME = 5,
};

static void take(struct http2_reader *reader, size_t bytes)
{
	reader->in = span_from(reader->in, bytes);
	reader->used += bytes;
}

/* ---- phases ---- */

static enum http2_step end_frame(struct http2_reader *reader)
{
	reader->half->phase = HTTP2_HEAD;
	return HTTP2_ON;
}

static enum http2_step skip(struct http2_reader *reader)
{
	size_t step = reader->in.len < reader->half->due ? reader->in.len : reader->half->due;

	reader->half->due -= (uint32_t)step;
	take(reader, step);
	return reader->half->due ? HTTP2_MORE : end_frame(reader);
}

/* The padding behind a fragment. False when some is still to come. */
static bool take_padding(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	size_t step = reader->in.len < half->padding ? reader->in.len : half->padding;

	take(reader, step);
	half->due -= (uint32_t)step;
	half->padding -= (uint8_t)step;
	return !half->padding;
}

/* A fragment of a block, as far as it is here; whole ones are not copied. The block is complete when its padding is here
 * too: a message never counts bytes that are still to come. */
static enum http2_step take_fragment(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	size_t due = half->due - half->padding;
	struct span fragment = span_first(reader->in, due);
	bool is_last = half->flags & HTTP2_END_HEADERS, is_here = reader->in.len >= half->due;

	if (!is_here || !is_last || half->block_len || half->is_block_broken)
		http2_gather(reader, fragment);
	take(reader, fragment.len);
	half->due -= (uint32_t)fragment.len;
	if (fragment.len < due || !take_padding(reader))
		return HTTP2_MORE;
	half->phase = HTTP2_HEAD;
	if (!is_last)
		return HTTP2_ON;
	if (half->block_len)
		fragment = (struct span){half->block, half->block_len};
	return http2_take_block(reader, fragment);
}

static void open_block(struct http2_half *half, uint32_t promised)
{
	half->block_stream = half->stream;
	half->block_promised = promised;
	half->block_ends_stream = !promised && half->flags & HTTP2_END_STREAM;
	half->block_bytes = HTTP2_FRAME_HEAD + half->due;
	half->block_began = half->began;
	half->block_position = half->position;
	half->phase = HTTP2_BLOCK;
}

static enum http2_step begin_block(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	bool is_padded = half->flags & HTTP2_PADDED;
	bool is_promise = half->type == HTTP2_PUSH_PROMISE;
	size_t prefix = (size_t)is_padded + (is_promise                         ? 4
					     : half->flags & HTTP2_HAS_PRIORITY ? 5
										: 0);
	uint32_t promised;

	if (prefix > half->due)
		return http2_bad(reader, "HEADERS shorter than its flags say");
	if (reader->in.len < prefix)
		return HTTP2_MORE;
	half->padding = is_padded ? reader->in.at[0] : 0;
	if (prefix + half->padding > half->due)
		return http2_bad(reader, "padding that is longer than its frame");
	promised = is_promise ? http2_u32(reader->in.at + is_padded) & 0x7fffffff : 0;
	if (is_promise && (!promised || promised & 1))
		return http2_bad(reader, "PUSH_PROMISE of a stream that is not the server's");
	open_block(half, promised);
	take(reader, prefix);
	half->due -= (uint32_t)prefix;
	return HTTP2_ON;
}

static enum http2_step begin_data(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	struct http2_stream *stream = http2_find(reader->state, half->stream);

	if (!half->due)
		return http2_bad(reader, "padding that is longer than its frame");
	if (!reader->in.len)
		return HTTP2_MORE;
	half->padding = reader->in.at[0];
	if ((uint32_t)half->padding + 1 > half->due)
		return http2_bad(reader, "padding that is longer than its frame");
	take(reader, 1);
	half->due--;
	if (stream)
		http2_count(half, &stream->way[reader->from], 1, 1);
	half->phase = HTTP2_BODY;
	return HTTP2_ON;
}

/* The frame's head tells all that is counted; so no matter what of its payload is captured. */
static void count_data(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	struct http2_stream *stream = http2_find(reader->state, half->stream);

	reader->state->counts.data_frames++;
	if (!stream) {
		reader->state->counts.stray++;
		return;
	}
	http2_flow_data(reader->state, stream, reader->from, half->due);
	http2_count(half, &stream->way[reader->from], HTTP2_FRAME_HEAD, HTTP2_FRAME_HEAD);
}

static enum http2_step end_data(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	struct http2_stream *stream = http2_find(reader->state, half->stream);

	if (stream && half->flags & HTTP2_END_STREAM)
		http2_end_side(reader->state, stream, reader->from);
	return end_frame(reader);
}

static enum http2_step take_data(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	struct http2_stream *stream = http2_find(reader->state, half->stream);
	size_t step = reader->in.len < half->due ? reader->in.len : half->due;
	uint32_t data_due = half->due > half->padding ? half->due - half->padding : 0;
	struct span data = span_first(span_first(reader->in, step), data_due);

	if (stream) {
		struct http2_way *way = &stream->way[reader->from];

		grpc_count(&way->grpc, data);
		http2_count(half, way, step, step - data.len);
	}
	take(reader, step);
	half->due -= (uint32_t)step;
	return half->due ? HTTP2_MORE : end_data(reader);
}

/* ---- control frames ---- */

static void take_setting(struct http2_reader *reader, unsigned id, uint32_t value)
{
	struct http2_half *other = &reader->state->half[!reader->from];

	if (id == SETTING_INITIAL_WINDOW)
		other->initial_window = value;
	if (id == SETTING_MAX_FRAME && value >= HTTP2_FRAME_MIN_MAX && value <= HTTP2_FRAME_MAX &&
	    value > other->frame_max)
		other->frame_max = value;
}

static enum http2_step take_settings(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;

	while (half->due && reader->in.len >= 6) {
		take_setting(reader, (unsigned)reader->in.at[0] << 8 | reader->in.at[1],
			     http2_u32(reader->in.at + 2));
		take(reader, 6);
		half->due -= 6;
	}
	return half->due ? HTTP2_MORE : end_frame(reader);
}

static enum http2_step take_control(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	size_t want = half->type == HTTP2_GOAWAY ? 8 : 4;
	struct http2_stream *stream;
	uint32_t value;

	if (half->type == HTTP2_SETTINGS)
		return take_settings(reader);
	if (reader->in.len < want)
		return HTTP2_MORE;
	value = http2_u32(reader->in.at);
	switch (half->type) {
	case HTTP2_RST_STREAM: http2_reset(reader->state, half->stream, reader->from, value); break;
	case HTTP2_GOAWAY:
		http2_goaway(reader->state, reader->from, value & 0x7fffffff,
			     http2_u32(reader->in.at + 4));
		break;
	default:
		reader->state->counts.window_updates++;
		stream = half->stream ? http2_find(reader->state, half->stream) : NULL;
		if (stream || !half->stream)
			http2_flow_update(reader->state, stream, reader->from, value & 0x7fffffff);
	}
	take(reader, want);
	half->due -= (uint32_t)want;
	half->phase = HTTP2_SKIP;
	return HTTP2_ON;
}

/* ---- heads of frames ---- */

static const char *check_order(const struct http2_reader *reader, const struct http2_frame *frame)
{
	const struct http2_half *half = reader->half;
	bool is_continuation = frame->type == HTTP2_CONTINUATION;

	if (half->block_stream && (!is_continuation || frame->stream != half->block_stream))
		return "another frame inside a header block";
	if (!half->block_stream && is_continuation && half->has_begun)
		return "CONTINUATION of nothing";
	return NULL;
}

static void begin_payload(struct http2_reader *reader, const struct http2_frame *frame)
{
	struct http2_half *half = reader->half;
	struct http2_counts *counts = &reader->state->counts;

	half->phase = HTTP2_SKIP;
	switch (frame->type) {
	case HTTP2_DATA:
		count_data(reader);
		half->phase = frame->flags & HTTP2_PADDED ? HTTP2_PADDING_LENGTH : HTTP2_BODY;
		break;
	case HTTP2_HEADERS:
	case HTTP2_PUSH_PROMISE: half->phase = HTTP2_PREFIX; break;
	case HTTP2_CONTINUATION:
		counts->continuations++;
		half->block_bytes += HTTP2_FRAME_HEAD + frame->length;
		half->phase = HTTP2_BLOCK;
		break;
	case HTTP2_SETTINGS:
		counts->settings++;
		half->phase = HTTP2_CONTROL;
		break;
	case HTTP2_RST_STREAM:
	case HTTP2_GOAWAY:
	case HTTP2_WINDOW_UPDATE: half->phase = HTTP2_CONTROL; break;
	case HTTP2_PING: counts->pings++; break;
	case HTTP2_PRIORITY: counts->priorities++; break;
	default: counts->unknown_frames++;
	}
}

static enum http2_step take_frame_head(struct http2_reader *reader)
{
	struct http2_half *half = reader->half;
	struct http2_frame frame;
	const char *why;

	if (reader->in.len < HTTP2_FRAME_HEAD)
		return HTTP2_MORE;
	frame = http2_read_frame(reader->in.at);
	why = http2_check_frame(&frame, reader->from, HTTP2_FRAME_MAX);
	if (!why)
		why = check_order(reader, &frame);
	if (why)
		return http2_bad(reader, why);
	if (!half->has_begun) {
		half->has_begun = true;
		half->begins_with_settings =
			frame.type == HTTP2_SETTINGS && !(frame.flags & HTTP2_ACK);
		if (frame.type == HTTP2_CONTINUATION) { /* of a block that began before we came */
			half->block_stream = frame.stream;
			half->is_block_broken = true;
		}
	}
	reader->state->counts.frames[reader->from]++;
	half->type = frame.type;
	half->flags = frame.flags;
	half->stream = frame.stream;
	half->due = frame.length;
	half->padding = 0;
	half->began = half->now;
	half->position = half->at + reader->used;
	take(reader, HTTP2_FRAME_HEAD);
	begin_payload(reader, &frame);
	return HTTP2_ON;
}

static enum http2_step take_start(struct http2_reader *reader)
{
	struct http2_state *state = reader->state;
	size_t begun = reader->from == SIDE_CLIENT ? http2_preface(reader->in) : 0;

	if (begun && begun < HTTP2_PREFACE)
		return HTTP2_MORE;
	reader->half->phase = HTTP2_HEAD;
	if (!begun)
		return HTTP2_ON;
	take(reader, HTTP2_PREFACE);
	state->is_from_start = true;
	for (size_t i = 0; i < 2; i++) {
		state->half[i].window += HTTP2_WINDOW;
		if (!state->half[i].initial_window)
			state->half[i].initial_window = HTTP2_WINDOW;
	}
	return HTTP2_ON;
}

enum http2_step http2_step(struct http2_reader *reader)
{
	switch ((enum http2_phase)reader->half->phase) {
	case HTTP2_START: return take_start(reader);
	case HTTP2_HEAD: return take_frame_head(reader);
	case HTTP2_CONTROL: return take_control(reader);
	case HTTP2_PREFIX: return begin_block(reader);
	case HTTP2_BLOCK: return take_fragment(reader);
	case HTTP2_PADDING_LENGTH: return begin_data(reader);
	case HTTP2_BODY: return take_data(reader);
	case HTTP2_SKIP: return skip(reader);
	case HTTP2_LOST: break;
	}
	return http2_bad(reader, "the place in the stream is lost");
}

/* ---- gaps ---- */

static uint64_t skip_gap(struct http2_reader *reader, uint64_t bytes)
{
	struct http2_half *half = reader->half;
	uint32_t step = bytes < half->due ? (uint32_t)bytes : half->due;

	half->due -= step;
	if (!half->due)
		end_frame(reader);
	return step;
}

static uint64_t body_gap(struct http2_reader *reader, uint64_t bytes)
{
	struct http2_half *half = reader->half;
	struct http2_stream *stream = http2_find(reader->state, half->stream);
	uint32_t step = bytes < half->due ? (uint32_t)bytes : half->due;
	uint32_t data_due = half->due > half->padding ? half->due - half->padding : 0;
	uint32_t data = step < data_due ? step : data_due;

	if (stream) {
		grpc_count_gap(&stream->way[reader->from].grpc, data);
		http2_count(half, &stream->way[reader->from], step, step - data);
	}
	half->due -= step;
	if (!half->due)
		end_data(reader);
	return step;
}

/* What is left of the block's frame is known, so the place is not lost; but the block is. */
static uint64_t block_gap(struct http2_reader *reader, uint64_t bytes)
{
	struct http2_half *half = reader->half;
	uint32_t step = bytes < half->due ? (uint32_t)bytes : half->due;

	reader->state->counts.lost_blocks += !half->is_block_broken;
	half->is_block_broken = true;
	half->due -= step;
	if (half->padding > half->due)
		half->padding = (uint8_t)half->due;
	if (half->due)
		return step;
	half->phase = HTTP2_SKIP;
	if (half->flags & HTTP2_END_HEADERS)
		http2_take_block(reader, (struct span){});
	return step + skip_gap(reader, bytes - step);
}

uint64_t http2_step_gap(struct http2_reader *reader, uint64_t bytes)
{
	struct http2_half *half = reader->half;

	switch ((enum http2_phase)half->phase) {
	case HTTP2_SKIP: return skip_gap(reader, bytes);
	case HTTP2_PADDING_LENGTH: half->phase = HTTP2_BODY; /* fall through */
	case HTTP2_BODY: return body_gap(reader, bytes);
	case HTTP2_BLOCK: return block_gap(reader, bytes);
	case HTTP2_PREFIX:
		if (half->type == HTTP2_PUSH_PROMISE)
			return 0; /* nobody knows of which stream */
		open_block(half, 0);
		half->due -= (uint32_t)reader->in.len;
		return block_gap(reader, bytes);
	case HTTP2_CONTROL:
		if (half->type != HTTP2_SETTINGS && half->type != HTTP2_WINDOW_UPDATE)
			return 0;
		reader->state->is_flow_lost = true;
		half->due -= (uint32_t)reader->in.len;
		return skip_gap(reader, bytes);
	default: return 0;
	}
}
