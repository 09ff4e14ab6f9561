/* SPDX-License-Identifier: GPL-2.0-only */
/* dns - DNS over datagrams and over streams: `dns` in records, both. */
#pragma once

#include "protocol/parser.h"

enum {
	DNS_NAME_MAX = 255, /* bytes of a name as text, without a 0 (RFC 1035 3.1) */
	DNS_HEAD = 12, /* bytes before the first question */
};

/* One connection. All zero = nothing seen yet. */
struct dns_state {
	uint32_t due[2]; /* streams, by enum side: bytes of the message still to pass */
	uint32_t bytes[2]; /* of that message, its two length bytes included */
	bool is_lost[2];
	uint8_t name[2][DNS_NAME_MAX]; /* of the last message's question, lower case */
	uint8_t name_len[2];
	char type[2][12]; /* "TYPE65535" for types without a name of their own */
	uint16_t flags[2], answers[2]; /* of the message that passes */
	uint16_t type_number[2], id[2];
	uint8_t questions[2];
};

extern const struct protocol dns; /* one message a datagram */
extern const struct protocol dns_stream; /* with two bytes of length (RFC 1035 4.2.2) */

/* One resource record of a response. */
struct dns_answer {
	struct span name; /* lower case, in the walk; valid until the next call */
	struct span data; /* in the datagram: 4 bytes for A, 16 for AAAA */
	uint32_t ttl; /* seconds */
	uint16_t type; /* 1 = A, 5 = CNAME, 28 = AAAA ... */
};

struct dns_walk {
	struct span in;
	size_t at;
	uint32_t left;
	uint8_t name[DNS_NAME_MAX];
};

/* The answers of a whole datagram, one by one: for the names behind addresses. False: no more, or what
 * follows is not right. */
bool dns_walk_start(struct dns_walk *walk, struct span datagram);
bool dns_walk_next(struct dns_walk *walk, struct dns_answer *ret_answer);
