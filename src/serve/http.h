/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http - what a request says: pure functions over bytes (RFC 9110, RFC 9112), no socket, no allocation.
 *
 * The bytes come from anybody, so this is strict where leniency has been a hole: lines end with CR LF,
 * no folded fields, no blank before the colon, no control bytes, one Host, one Content-Length, and never a length
 * together with a transfer coding.
 */
#pragma once

#include "base/span.h"

enum {
	HTTP_HEAD_BYTES = 16 * 1024, /* request line and fields at most */
	HTTP_TARGET_BYTES = 8 * 1024,
	HTTP_FIELDS = 64,
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHODS,
};

/* "GET"; the table's order is the enum's. */
const char *http_method_name(enum http_method method);

struct http_field {
	struct span name, value; /* value without blanks around it */
};

/* Spans point into the head that was parsed. */
struct http_request {
	enum http_method method;
	unsigned minor; /* of HTTP/1.x: 0 or 1 */
	struct span path; /* begins with '/', or is "*" (OPTIONS); still percent-encoded */
	struct span query; /* behind the '?', empty if there is none */
	struct span host; /* field Host, or the authority of an absolute target */
	bool keep_alive; /* the client would go on using the connection */
	bool expects_continue; /* it waits for "100 Continue" before it sends the body */
	bool is_chunked; /* the body comes in chunks */
	uint64_t length; /* bytes of the body otherwise; 0 = none */
	unsigned fields;
	struct http_field field[HTTP_FIELDS];
};

/*
 * Where the head ends (behind its empty line); 0 = not yet. `scanned` (0 at first) remembers how far the
 * search came, so that a client that sends byte by byte costs one look per byte.
 */
size_t http_head_end(struct span in, size_t *scanned);

/* `head`: up to and with its empty line. Returns 0, or the status to answer (400, 414, 431, 501, 505) and a
 * static sentence. Empty lines before the request line are the caller's to skip. */
int http_parse(struct span head, struct http_request *ret_request, const char **ret_why);

/* The value of the first field of that name (case does not count); at NULL = not there. */
struct span http_field(const struct http_request *request, const char *name);

/* How much a client wants one of its choices, 0..1000: the q of `what` in a field like Accept-Encoding
 * (RFC 9110 12.4.2), of `*` if `what` is not named, 0 if neither is. */
unsigned http_wants(struct span list, const char *what);

/* Does it want OpenMetrics rather than the older text? (field Accept) */
bool http_wants_openmetrics(struct span accept);

/* The status's usual words: "Not Found". */
const char *http_reason(int status);

/* A body in chunks, taken off piece by piece. All zero = at the first chunk. */
struct http_chunks {
	uint64_t left; /* bytes of this chunk still to come */
	uint8_t state;
	uint8_t digits;
	uint16_t line; /* bytes of an extension or trailer line so far */
	uint32_t trailer; /* bytes of all trailers */
};

enum http_cut { HTTP_MORE, HTTP_PIECE, HTTP_END, HTTP_BAD };

/*
 * HTTP_PIECE: ret_piece is data, call again. HTTP_MORE: all of `in` is used. HTTP_END: the body is over, ret_used says
 * where. HTTP_BAD: ret_why.
 */
enum http_cut http_chunks_cut(struct http_chunks *chunks, struct span in, size_t *ret_used,
			      struct span *ret_piece, const char **ret_why);
