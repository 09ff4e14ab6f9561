// SPDX-License-Identifier: GPL-2.0-only
/*
 * http2_frame - frames of HTTP/2 by themselves (RFC 9113 4.1, 6).
 *
 * Bytes are taken for frames, of a connection that we join or behind a hole, only if a row of them fits:
 * each head says where the next one stands, and all but its length is nearly fixed (type, flags, which
 * streams it may be of, and for most types the length). A whole control frame, headers that can be decoded
 * and say whose they are, or frames that end where the write does are hard to meet by chance; heads of DATA
 * alone are not.
 */
#include "protocol/http2_parts.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum { SETTINGS_KNOWN = 9 /* RFC 9113, 8441, 9218 */ };

/* What the RFC says of each type: flags that may be set, the length (0: any), and whether of a stream. */
static const struct {
	uint8_t flags, length;
	enum { ON_STREAM, ON_CONNECTION, ON_BOTH } on;
} rules[HTTP2_TYPES] = {
	[HTTP2_DATA] = {HTTP2_END_STREAM | HTTP2_PADDED, 0, ON_STREAM},
	[HTTP2_HEADERS] = {HTTP2_END_STREAM | HTTP2_END_HEADERS | HTTP2_PADDED | HTTP2_HAS_PRIORITY,
			   0, ON_STREAM},
	[HTTP2_PRIORITY] = {0, 5, ON_STREAM},
	[HTTP2_RST_STREAM] = {0, 4, ON_STREAM},
	[HTTP2_SETTINGS] = {HTTP2_ACK, 0, ON_CONNECTION},
	[HTTP2_PUSH_PROMISE] = {HTTP2_END_HEADERS | HTTP2_PADDED, 0, ON_STREAM},
	[HTTP2_PING] = {HTTP2_ACK, 8, ON_CONNECTION},
	[HTTP2_GOAWAY] = {0, 0, ON_CONNECTION},
	[HTTP2_WINDOW_UPDATE] = {0, 4, ON_BOTH},
	[HTTP2_CONTINUATION] = {HTTP2_END_HEADERS, 0, ON_STREAM},
};

struct http2_frame http2_read_frame(const uint8_t *at)
{
	return (struct http2_frame){
		.length = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2],
		.type = at[3],
		.flags = at[4],
		.stream = http2_u32(at + 5) & 0x7fffffff,
	};
}

static const char *check_length(const struct http2_frame *frame)
{
	if (rules[frame->type].length && frame->length != rules[frame->type].length)
		return "a frame whose length is not that of its type";
	if (frame->type == HTTP2_SETTINGS &&
	    (frame->length % 6 || (frame->flags & HTTP2_ACK && frame->length)))
		return "SETTINGS of an impossible length";
	if (frame->type == HTTP2_GOAWAY && frame->length < 8)
		return "GOAWAY of an impossible length";
	return NULL;
}

const char *http2_check_frame(const struct http2_frame *frame, enum side from, uint32_t max)
{
	if (frame->length > max)
		return "a frame that is longer than allowed";
	if (frame->type >= HTTP2_TYPES)
		return NULL; /* to be passed over (RFC 9113 5.5) */
	if (rules[frame->type].on == ON_STREAM && !frame->stream)
		return "a frame of a stream, on stream 0";
	if (rules[frame->type].on == ON_CONNECTION && frame->stream)
		return "a frame of the connection, on a stream";
	if (frame->type == HTTP2_PUSH_PROMISE && from == SIDE_CLIENT)
		return "PUSH_PROMISE from a client";
	return check_length(frame);
}

/* ---- rows ---- */

/* Stricter than a receiver: what nobody sends is not taken for a frame. */
static bool is_likely(const uint8_t *at, const struct http2_frame *frame)
{
	if (frame->type == HTTP2_ALTSVC || frame->type == HTTP2_ORIGIN ||
	    frame->type == HTTP2_PRIORITY_UPDATE)
		return frame->length <= HTTP2_FRAME_MIN_MAX && !frame->flags;
	if (frame->length < (frame->type == HTTP2_PUSH_PROMISE ? 5 : frame->type == HTTP2_HEADERS))
		return false;
	return frame->type < HTTP2_TYPES && !(frame->flags & ~rules[frame->type].flags) &&
	       !(at[5] & 0x80);
}

/* Anybody may add some of his own (gRPC's is 0xfe03, others are there to annoy), but not only these. */
static bool is_settings(struct span payload)
{
	bool has_known = false;

	for (size_t i = 0; i + 6 <= payload.len; i += 6) {
		unsigned id = (unsigned)payload.at[i] << 8 | payload.at[i + 1];

		if (!id)
			return false;
		has_known |= id <= SETTINGS_KNOWN;
	}
	return has_known;
}

/* Whose header block is it? Pseudo-headers stand first, and all but :authority are in the static table. */
static enum side side_of_block(struct span payload, const struct http2_frame *frame,
			       bool *ret_wrong)
{
	struct hpack_reader reader;
	struct hpack hpack = {};
	struct hpack_field field;
	enum side from = SIDE_UNKNOWN;
	const char *why;
	enum hpack_step step;
	size_t padding = 0;

	if (frame->flags & HTTP2_PADDED) {
		padding = payload.len ? payload.at[0] : 0;
		payload = span_from(payload, 1);
	}
	if (frame->flags & HTTP2_HAS_PRIORITY)
		payload = span_from(payload, 5);
	*ret_wrong = padding > payload.len;
	payload.len -= padding < payload.len ? padding : payload.len;
	hpack_begin(&hpack, payload, &reader);
	while ((step = hpack_next(&reader, &field, &why)) == HPACK_FIELD) {
		if (field.known > HPACK_PASSED || from != SIDE_UNKNOWN)
			continue;
		if (field.id == HPACK_STATUS)
			from = SIDE_SERVER;
		else if (field.id && field.id <= HPACK_PSEUDO_LAST)
			from = SIDE_CLIENT;
	}
	*ret_wrong |= step == HPACK_BAD;
	hpack_done(&hpack);
	return from;
}

static void note_whole(struct http2_row *row, struct span payload, const struct http2_frame *frame)
{
	bool is_wrong = false;
	enum side from = SIDE_UNKNOWN;

	row->whole++;
	switch (frame->type) {
	case HTTP2_SETTINGS:
		row->is_marked |= frame->length ? is_settings(payload) : frame->flags & HTTP2_ACK;
		row->is_wrong |= frame->length && !is_settings(payload);
		break;
	case HTTP2_PING:
	case HTTP2_WINDOW_UPDATE:
	case HTTP2_RST_STREAM: row->is_marked = true; break;
	case HTTP2_PUSH_PROMISE: from = SIDE_SERVER; break;
	case HTTP2_HEADERS:
		if (!(frame->flags & HTTP2_END_HEADERS))
			break;
		from = side_of_block(payload, frame, &is_wrong);
		row->is_marked |= from != SIDE_UNKNOWN;
		row->is_wrong |= is_wrong;
		break;
	default: break;
	}
	if (row->from == SIDE_UNKNOWN)
		row->from = from;
}

struct http2_row http2_read_row(struct span in, uint32_t max, uint32_t frames)
{
	struct http2_row row = {.from = SIDE_UNKNOWN};

	while (in.len >= HTTP2_FRAME_HEAD && row.frames < frames && !row.is_wrong) {
		struct http2_frame frame = http2_read_frame(in.at);

		if (!is_likely(in.at, &frame) || http2_check_frame(&frame, SIDE_SERVER, max)) {
			row.is_wrong = true;
			break;
		}
		row.frames++;
		row.bytes += HTTP2_FRAME_HEAD + frame.length;
		if (frame.stream > row.highest)
			row.highest = frame.stream;
		in = span_from(in, HTTP2_FRAME_HEAD);
		if (in.len >= frame.length)
			note_whole(&row, span_first(in, frame.length), &frame);
		in = span_from(in, frame.length);
	}
	/* frames that fill a write to its last byte: their lengths say so */
	row.is_marked |= row.frames && row.whole == row.frames && !in.len;
	return row;
}

/* ---- what the first bytes of a write look like ---- */

size_t http2_preface(struct span in)
{
	size_t len = in.len < HTTP2_PREFACE ? in.len : HTTP2_PREFACE;
	size_t n = 0;

	while (n < len && in.at[n] == (uint8_t)preface[n])
		n++;
	return n == len ? n : 0;
}

/* Part of a head: of a frame that everybody takes, as far as it is there. */
static bool begins_likely(struct span in)
{
	uint8_t head[HTTP2_FRAME_HEAD] = {};
	struct http2_frame frame;

	memcpy(head, in.at, in.len);
	frame = http2_read_frame(head);
	return head[0] == 0 && frame.length <= HTTP2_FRAME_MIN_MAX && is_likely(head, &frame);
}

struct guess http2_classify(struct span in)
{
	size_t begun = http2_preface(in);
	struct http2_row row;

	if (begun == HTTP2_PREFACE)
		return (struct guess){VERDICT_YES, SIDE_CLIENT};
	if (begun)
		return (struct guess){VERDICT_MAYBE, SIDE_CLIENT};
	if (in.len && in.len < HTTP2_FRAME_HEAD)
		return (struct guess){begins_likely(in) ? VERDICT_MAYBE : VERDICT_NO, SIDE_UNKNOWN};
	row = http2_read_row(in, HTTP2_FRAME_MAX, HTTP2_ROW);
	if (row.is_wrong || !row.frames)
		return (struct guess){VERDICT_NO, SIDE_UNKNOWN};
	return (struct guess){row.is_marked ? VERDICT_YES : VERDICT_MAYBE, row.from};
}
