/* SPDX-License-Identifier: GPL-2.0-only */
/* http1_head - the lines of HTTP/1: heads, chunk lines, trailers. Used by http1.c only. */
#pragma once

#include "protocol/http1.h"

enum coding {
	CODING_NONE,
	CODING_CHUNKED, /* chunked, last */
	CODING_OTHER, /* something else last: the body ends with the connection */
};

struct http_head {
	struct message message; /* texts, status; no lengths */
	uint64_t length; /* Content-Length, if has_length */
	unsigned status; /* responses: 100..999 */
	struct span upgrade; /* Upgrade header */
	enum coding coding; /* Transfer-Encoding */
	uint8_t minor; /* of HTTP/1.minor */
	bool has_length, expects_continue;
};

/* Reads one head. *ret_length: its bytes, the empty line included; 0 if it is not whole. Returns
 * what is wrong with it, or NULL. */
const char *http_read_head(enum side from, struct span in, struct http_head *ret_head,
			   size_t *ret_length);

/* What is wrong with the first line, as far as it is there. */
const char *http_check_first_line(enum side from, struct span in, bool *ret_whole);

/* Reads as many lines as there are of a head that was cut short. False if not even the first is whole. */
bool http_read_torso(enum side from, struct span in, struct http_head *ret_head);

/* Is there an end of a head in `in`, of which the first `scanned` bytes held none? */
bool http_head_ends(struct span in, size_t scanned);

/* Does a head start here? Stricter than reading one: methods in capitals only. */
enum verdict http_head_starts(enum side from, struct span in);

/* "1a;name=value CR LF". *ret_length: bytes of the line, 0 if it is not whole; *ret_bytes: of the chunk. */
const char *http_chunk_line(struct span in, size_t *ret_length, uint64_t *ret_bytes);

/* What is wrong with the line "name: value", or NULL. */
const char *http_check_header(struct span line);

/* "websocket", "h2c", "tls" or "unknown". */
const char *http_upgrade_name(struct span upgrade);
