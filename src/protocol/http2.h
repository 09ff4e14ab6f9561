/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http2 - HTTP/2 (RFC 9113), also when it is joined in the middle, and gRPC in it: `http2` in records.
 *
 * Streams overlap, so the parser keeps what it needs of each until both its sides have ended. Then it
 * delivers two messages, the request and the response, with their times and positions in them (moment()).
 * A stream that was reset, refused or is open at the end of the connection is delivered as far as it came.
 * Long ones can be looked at while they run: http2_open().
 *
 * Of a call of gRPC, `operation` is the method, `resource` the service, `target` the whole path, `items`
 * the messages; the response has CHOSEN_GRPC_STATUS and, as its reason, grpc-message.
 *
 * The names of a connection that is older than we are may be unknown at first (hpack.h): then `opaque` of a
 * request is a number, the same for all requests of the same route and for no others'. It has nothing to do
 * with the numbers of other connections. A table that was read elsewhere makes names of numbers, also for
 * what was counted before: http2_seed().
 */
#pragma once

#include "protocol/grpc.h"
#include "protocol/hpack.h"
#include "protocol/pack.h"

enum {
	HTTP2_STREAMS = 1024, /* open at once; the oldest makes room, delivered as far as it came */
	HTTP2_BLOCK_MAX = 64 * 1024, /* bytes of a header block; a longer one is not read */
	HTTP2_ROUTES = 1024, /* opaque routes that are told apart */
	HTTP2_ROUTE_PARTS = 4, /* unknown fields of which one or more are the path */
	HTTP2_RESETS = 64, /* streams that were reset, whose late frames are told from others' */
};

/* What came by, by connection. frames = those of a type that is known + unknown_frames. */
struct http2_counts {
	uint64_t frames[2]; /* by enum side */
	uint64_t unknown_frames, data_frames, blocks, continuations;
	uint64_t settings, pings, resets, goaways, pushes, window_updates, priorities;
	uint64_t streams; /* opened */
	uint64_t finished, reset, refused, evicted, unfinished; /* how they ended; else open */
	uint64_t stray; /* frames of streams that had ended already */
	uint64_t long_blocks; /* header blocks above HTTP2_BLOCK_MAX */
	uint64_t lost_blocks; /* of which part was not captured */
	uint64_t unnumbered; /* opaque requests for which there was no number */
	uint64_t no_memory;
};

/* Part of one stream in one direction. */
struct http2_way {
	uint64_t bytes, header_bytes; /* on the wire, heads of frames included */
	uint64_t began, last; /* ns, of its first and last byte; 0: not told */
	uint64_t position; /* of its first byte */
	int64_t window; /* sent, less what the other side has allowed beyond the initial window */
	uint64_t blocked_ns; /* its sender had to wait for the other side's permission */
	uint64_t blocked_since, waited_ns,
		all_waited_ns; /* of the wait that goes on; http2_flow.c */
	struct grpc_count grpc;
	uint32_t losses; /* of that side, when the stream began */
	bool has_headers, has_ended;
	bool has_lost; /* headers that were not captured */
};

struct http2_half {
	uint8_t phase; /* enum http2_phase */
	uint8_t type, flags; /* of the frame that is open */
	uint8_t padding; /* of it */
	uint32_t stream; /* of it */
	uint32_t due; /* bytes of its payload to come, padding included */
	uint64_t began, position; /* of its first byte */
	uint64_t now, at; /* of the bytes given next: moment() */

	/* the header block that is open; 0: none is */
	uint32_t block_stream, block_promised;
	uint64_t block_bytes; /* on the wire */
	uint64_t block_began, block_position;
	uint8_t *block; /* owned: its fragments, put together */
	size_t block_len, block_room;
	bool block_ends_stream, is_block_broken;

	struct hpack hpack;
	bool begins_with_settings;
	bool has_begun;
	bool is_closed;
	uint32_t losses; /* times the place was lost */
	size_t undecided; /* bytes that were looked at by resync() and kept */
	uint32_t first_stream,
		last_stream; /* lowest and highest number that this side opened; 0: none */
	uint32_t frame_max; /* bytes of a payload that it may send; 0: not known */
	int64_t window, initial_window; /* what it may send: of the connection, of a new stream */
	uint64_t blocked_since, waited_ns; /* for the connection's window */
};

/* One connection. All zero = nothing seen yet. */
struct http2_state {
	struct http2_counts counts;
	struct http2_half half[2]; /* by enum side */
	struct http2_stream *streams; /* owned */
	uint16_t *index; /* owned: hash of numbers -> place + 1 */
	uint32_t room, len, index_room; /* of streams */
	uint16_t free, oldest, newest, done, done_last; /* lists of places + 1; 0: empty */
	uint16_t given; /* delivered last: its texts are still in use */
	bool is_from_start;
	bool is_flow_lost; /* what may be sent is not known any more */
	bool has_tunnel; /* CONNECT */
	bool has_upgraded; /* the answer to the request of HTTP/1 that asked for HTTP/2 has come */
	uint32_t resets[HTTP2_RESETS]; /* ring */
	uint32_t reset_next;
	uint32_t goaway[2]; /* last stream that each side will look at + 1; 0: no GOAWAY */
	struct http2_routes *routes; /* owned */
};

extern const struct protocol http2;

/* A stream that is open. Its texts are valid until the next call with this state. */
struct http2_view {
	uint32_t stream;
	struct message request, response; /* as they would be delivered now */
	bool has_request, has_response;
};

/* Gives the open streams, oldest first: *at = 0 at first, then left alone. False: no more. */
bool http2_open(struct http2_state *state, size_t *at, struct http2_view *ret_view);

/* The number `opaque` stands for that: of requests a path, of responses a grpc-status or :status. */
typedef void (*http2_named)(void *ctx, uint32_t opaque, enum hpack_name what, struct span text);

/* Puts in a table read elsewhere, of the encoder that side `from` uses: see hpack_seed(). Then calls
 * `named` for each number that has become a name. */
int http2_seed(struct http2_state *state, enum side from, const struct hpack_seed *table, size_t n,
	       int64_t low, int64_t high, http2_named named, void *ctx);

/* Bytes of memory it holds beside itself. */
size_t http2_bytes(const struct http2_state *state);
