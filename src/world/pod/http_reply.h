/* SPDX-License-Identifier: GPL-2.0-only */
/* http_reply - cuts one HTTP/1.1 reply out of bytes that come in pieces (RFC 9112). Pure; for our own requests only. */
#pragma once

#include "base/span.h"

enum reply_stage {
	REPLY_STATUS, /* the first line */
	REPLY_HEADERS,
	REPLY_BODY, /* `left` bytes, or until the connection ends */
	REPLY_CHUNK_SIZE,
	REPLY_CHUNK,
	REPLY_CHUNK_END,
	REPLY_TRAILERS,
	REPLY_DONE,
};

enum { REPLY_LINE_BYTES = 4096, REPLY_LINES = 128 };

/* All zero = at the start of a reply. */
struct http_reply {
	enum reply_stage stage;
	int status; /* 200; 0 = not known yet */
	bool chunked, has_length;
	uint64_t left; /* bytes of the body or chunk still to come */
	uint32_t lines;
	size_t line_bytes;
	char line[REPLY_LINE_BYTES]; /* a line that is not whole yet */
};

typedef void (*reply_piece)(void *ctx, struct span piece);

/* Takes bytes and hands pieces of the body on. 1 = the reply has ended, 0 = more to come, -EPROTO = this is no reply. */
int http_reply_feed(struct http_reply *reply, struct span bytes, reply_piece each, void *ctx);
/* The connection has ended: was that the end of the reply? */
bool http_reply_may_end(const struct http_reply *reply);
