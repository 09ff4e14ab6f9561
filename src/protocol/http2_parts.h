/* SPDX-License-Identifier: GPL-2.0-only */
/* http2_parts - what http2.c is made of: frames, heads, streams, flow control. Used by http2*.c only. */
#pragma once

#include "protocol/http2.h"

/* ---- frames (RFC 9113 4, 6): http2_frame.c ---- */

enum http2_type {
	HTTP2_DATA,
	HTTP2_HEADERS,
	HTTP2_PRIORITY,
	HTTP2_RST_STREAM,
	HTTP2_SETTINGS,
	HTTP2_PUSH_PROMISE,
	HTTP2_PING,
	HTTP2_GOAWAY,
	HTTP2_WINDOW_UPDATE,
	HTTP2_CONTINUATION,
	HTTP2_TYPES,
	HTTP2_ALTSVC = 0x0a, /* RFC 7838 */
	HTTP2_ORIGIN = 0x0c, /* RFC 8336 */
	HTTP2_PRIORITY_UPDATE = 0x10, /* RFC 9218 */
};

enum {
	HTTP2_ROW = 64, /* frames of a row that are looked at, where nothing else is said */
	HTTP2_FRAME_HEAD = 9, /* bytes */
	HTTP2_FRAME_MIN_MAX = 16384, /* bytes of a payload that everybody takes */
	HTTP2_FRAME_MAX = (1 << 24) - 1,
	HTTP2_PREFACE = 24, /* bytes */
	HTTP2_WINDOW = 65535, /* bytes that may be sent before anyone speaks of it */

	HTTP2_END_STREAM = 0x01, /* flags */
	HTTP2_ACK = 0x01,
	HTTP2_END_HEADERS = 0x04,
	HTTP2_PADDED = 0x08,
	HTTP2_HAS_PRIORITY = 0x20,
};

struct http2_stream;

struct http2_frame {
	uint32_t length, stream;
	uint8_t type, flags;
};

/* `at`: HTTP2_FRAME_HEAD bytes. */
struct http2_frame http2_read_frame(const uint8_t *at);

/* What is wrong with a frame by itself, or NULL. */
const char *http2_check_frame(const struct http2_frame *frame, enum side from, uint32_t max);

static inline uint32_t http2_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A row of frames as it seems to stand at the start of `in`. */
struct http2_row {
	uint32_t frames; /* heads that are right, and known to us */
	uint32_t highest; /* stream of these */
	size_t bytes; /* of `in` that they take, with their payloads */
	uint32_t whole; /* of these, with all of their payload here */
	bool is_marked; /* one of them is hard to meet by chance */
	bool is_wrong; /* what follows them is no frame */
	enum side from; /* who says such things */
};

/* `max`: bytes of a payload; `frames`: no more are looked at. */
struct http2_row http2_read_row(struct span in, uint32_t max, uint32_t frames);

/* How many bytes of `in` are right as the beginning of the client's preface. */
size_t http2_preface(struct span in);

struct guess http2_classify(struct span in);

/* ---- header blocks as messages: http2_head.c ---- */

enum {
	HTTP2_HEAD_TEXT = 2560, /* bytes: all that is wanted fits, or it would be cut */
	HTTP2_UNKNOWN = 8,
};

struct http2_head {
	struct message message; /* texts; target is the path */
	uint32_t status; /* 0: none, or not known */
	bool has_status; /* known or not */
	bool has_type; /* content-type, known */
	bool is_connect;
	bool has_unknown; /* fields */
	struct span grpc_status, grpc_message;
	enum naming naming;
	uint32_t seen; /* bits of enum hpack_name */
	bool is_past_pseudo; /* a header stood there that is none */
	uint32_t unknown; /* fields that may be pseudo-headers, at most HTTP2_UNKNOWN */
	int64_t parts[HTTP2_UNKNOWN]; /* what they are called */
	struct span values[HTTP2_UNKNOWN]; /* of the first, if it has no name but a value */
	size_t text_len;
	uint8_t text[HTTP2_HEAD_TEXT];
};

/* Reads a block that is whole. Returns what is wrong with it, or NULL. */
const char *http2_read_head(struct hpack *hpack, struct span block, bool is_request,
			    struct http2_head *ret_head);

/* ---- opaque routes: http2_routes.c ---- */

/* The number for what is unknown in a head; 0: there is none left. */
uint32_t http2_route(struct http2_state *state, enum side from, const struct http2_head *head,
		     uint32_t parts);
void http2_routes_done(struct http2_state *state);
size_t http2_routes_bytes(const struct http2_state *state);

/* ---- one call of the parser: http2_steps.c ---- */

enum http2_phase {
	HTTP2_START, /* nothing seen: a preface may come */
	HTTP2_HEAD, /* of a frame */
	HTTP2_CONTROL, /* a payload of few bytes, or of a few at a time */
	HTTP2_PREFIX, /* what stands before a header block in its frame */
	HTTP2_BLOCK, /* a fragment of a header block: due - padding bytes */
	HTTP2_PADDING_LENGTH, /* of DATA */
	HTTP2_BODY, /* of DATA: due - padding bytes */
	HTTP2_SKIP, /* due bytes that say nothing */
	HTTP2_LOST,
};

enum http2_step {
	HTTP2_ON, /* go on with the next step */
	HTTP2_MORE,
	HTTP2_BAD,
};

struct http2_reader {
	struct http2_state *state;
	struct http2_half *half;
	enum side from;
	struct span in; /* not used yet */
	size_t used;
	const char *why; /* HTTP2_BAD: a static sentence */
};

enum http2_step http2_step(struct http2_reader *reader);

/* Bytes were not captured. Returns how many of them belong to the frame that is open; less than `bytes`:
 * behind it, the place is lost. `reader->in`: what stood before them and was not used. */
uint64_t http2_step_gap(struct http2_reader *reader, uint64_t bytes);

static inline enum http2_step http2_bad(struct http2_reader *reader, const char *why)
{
	reader->why = why;
	return HTTP2_BAD;
}

/* ---- what frames mean for streams: http2_blocks.c ---- */

/* Puts a fragment of a header block behind the others. */
void http2_gather(struct http2_reader *reader, struct span fragment);

/* The block is whole; or broken. */
enum http2_step http2_take_block(struct http2_reader *reader, struct span block);
void http2_forget_block(struct http2_half *half);

void http2_count(const struct http2_half *half, struct http2_way *way, uint64_t bytes,
		 uint64_t head);
void http2_end_side(struct http2_state *state, struct http2_stream *stream, enum side from);
void http2_reset(struct http2_state *state, uint32_t id, enum side from, uint32_t code);
void http2_goaway(struct http2_state *state, enum side from, uint32_t last, uint32_t code);

/* ---- streams: http2_streams.c ---- */

enum { HTTP2_REQUEST_TEXT = 640, HTTP2_TYPE_TEXT = 64, HTTP2_REASON_TEXT = 160 };

enum http2_stage {
	HTTP2_OPEN,
	HTTP2_REQUEST_DUE, /* to be delivered, then the response */
	HTTP2_RESPONSE_DUE,
	HTTP2_DELIVERED,
};

struct http2_stream {
	uint32_t id; /* 0: free */
	uint16_t next; /* of the free, the open, or the done ones: place + 1 */
	uint16_t older; /* of the open ones */
	uint8_t stage; /* enum http2_stage */
	uint8_t grpc; /* enum grpc_kind */
	bool has_request; /* we have seen its beginning */
	bool is_pushed;
	bool is_type_unknown; /* the request's content-type may be among what is not known */
	bool is_status_unknown;
	bool is_error;
	uint8_t response_naming;
	uint8_t type_len, grpc_status_len, reason_len;
	uint16_t status;
	uint8_t digits[3]; /* the same as text */
	uint32_t interims;
	uint32_t response_opaque;
	const char *ending; /* static: why it ended before its time; NULL */
	struct http2_way way[2]; /* by enum side: what each sent */
	uint8_t type[HTTP2_TYPE_TEXT], reason[HTTP2_REASON_TEXT];
	char grpc_status[GRPC_STATUS_MAX];
	union {
		struct packed request;
		uint8_t room[sizeof(struct packed) + HTTP2_REQUEST_TEXT];
	};
};

struct http2_stream *http2_find(const struct http2_state *state, uint32_t id);

/* A new one; the oldest makes room. NULL: no memory. */
struct http2_stream *http2_add(struct http2_state *state, uint32_t id);

/* It will be delivered next. */
void http2_finish(struct http2_state *state, struct http2_stream *stream);

/* Those that are open, oldest first; NULL behind the last. */
struct http2_stream *http2_oldest(const struct http2_state *state);
struct http2_stream *http2_next(const struct http2_state *state, const struct http2_stream *stream);

/* The next message of those that are finished. False: none. */
bool http2_deliver(struct http2_state *state, struct message *ret_message);

/* What would be delivered. */
void http2_make_request(const struct http2_stream *stream, struct message *ret_message);
void http2_make_response(const struct http2_stream *stream, struct message *ret_message);

/* ---- flow control (RFC 9113 5.2): http2_flow.c ---- */

void http2_flow_open(const struct http2_state *state, struct http2_stream *stream);
void http2_flow_data(struct http2_state *state, struct http2_stream *stream, enum side from,
		     uint32_t bytes);

/* Side `from` lets the other one send more: on that stream, or (NULL) on the connection. */
void http2_flow_update(struct http2_state *state, struct http2_stream *stream, enum side from,
		       uint32_t bytes);
