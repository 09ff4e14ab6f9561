/* SPDX-License-Identifier: GPL-2.0-only */
/* http1 - HTTP/1.0 and HTTP/1.1: `http` in records. */
#pragma once

#include "protocol/pack.h"

enum {
	HTTP_REQUESTS = 64, /* requests whose kind is remembered until their response */
	HTTP_TEXT = 1024, /* bytes of text kept of one message while its body passes */
	HTTP_HEAD_MAX = 65535 /* bytes of one head */
};

struct http_half {
	uint8_t phase; /* enum phase, in http1.c */
	bool is_doubtful; /* whether a body follows: a look at its first bytes decides */
	bool expects_continue; /* a request that may withhold its body */
	bool is_first_checked; /* the first line of what is kept is whole and right */
	uint32_t scanned; /* bytes at the start of what is kept, known to hold no end of a head */
	uint64_t due; /* bytes of the body or chunk still to pass */
	union {
		struct packed open; /* the message whose body passes */
		uint8_t room[sizeof(struct packed) + HTTP_TEXT];
	};
};

/* One connection. All zero = nothing seen yet. */
struct http_state {
	struct http_half half[2]; /* by enum side */
	uint8_t shapes[HTTP_REQUESTS]; /* ring: what is special about the responses still to come */
	uint32_t shape_first, shape_len; /* of that ring */
	uint64_t shapes_missing; /* requests behind those, for which there was no room */
	bool is_order_lost; /* messages were lost: nobody knows which response is next */
	bool is_handed_over; /* it is another protocol by now */
};

extern const struct protocol http1;
