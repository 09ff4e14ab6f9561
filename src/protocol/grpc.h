/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * grpc - calls inside HTTP (gRPC over HTTP/2; gRPC-Web): names, status and messages.
 *
 * A body is a row of messages, each behind a head of 5 bytes: a flag and a length. grpc_count() is told of
 * the bytes of a body, and of those that were not captured.
 */
#pragma once

#include "base/span.h"

enum grpc_kind {
	GRPC_NONE,
	GRPC_PLAIN, /* application/grpc */
	GRPC_WEB, /* application/grpc-web: trailers are a message of the body */
	GRPC_WEB_TEXT, /* application/grpc-web-text: the same in base64; its messages are not counted */
};

enum { GRPC_HEAD = 5, GRPC_STATUS_MAX = 8 };

/* Messages of one direction. All zero: at the start of the body. */
struct grpc_count {
	uint64_t messages; /* begun */
	uint64_t bytes; /* of these, heads not counted, as their lengths say */
	uint64_t compressed; /* of `messages` */
	uint64_t due; /* bytes of the message that is open */
	uint8_t head[GRPC_HEAD]; /* of the next message, as far as it is there */
	uint8_t head_len;
	bool is_lost; /* a head was not captured: the numbers are of what came before */
	bool is_wrong; /* what should be a head is none: this is no gRPC */
	bool has_trailers; /* GRPC_WEB: what is open, or was last, are trailers */
	uint8_t matched; /* of these: letters of "grpc-status:"; one more: its value has been read */
	uint8_t status_len;
	char status[2]; /* of GRPC_WEB */
};

enum grpc_kind grpc_kind_of(struct span content_type);

/* "grpc", "grpc-web"; NULL for GRPC_NONE. */
const char *grpc_dialect(enum grpc_kind kind);

/* "/package.Service/Method". False: it is no such path. */
bool grpc_split_path(struct span path, struct span *ret_service, struct span *ret_method);

void grpc_count(struct grpc_count *count, struct span body);
void grpc_count_gap(struct grpc_count *count, uint64_t bytes);

/* Bytes of the body from here on that need not be captured. */
uint64_t grpc_passes(const struct grpc_count *count);

/* Does what was seen end where a message does, all of it understood? */
bool grpc_is_even(const struct grpc_count *count);

/* A grpc-message without its percent encoding (gRPC over HTTP/2, "Responses"). Returns its length. */
size_t grpc_decode_message(struct span text, char *out, size_t room);
