/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tls - what the two halves of the item agree on: which function a probe stands on, and what is known of a process.
 * Included by both. (Events are those of requests.h: to what is behind them, plaintext is bytes like others.)
 */
#pragma once

#include "items/app/requests/requests.h"

/* How a function takes its arguments and says how many bytes it moved: bits 0-7 of a probe's cookie. */
enum tls_form {
	TLS_C, /* (object, buffer, length) -> bytes, or <= 0 */
	TLS_C_EX, /* (object, buffer, length, size_t *bytes) -> 1 */
	TLS_NSPR, /* as TLS_C; the object is a descriptor that may be one without TLS */
	TLS_HANDSHAKE, /* (object): moves no plaintext, but records */
	TLS_NEW, /* (...) -> object: it is new; the return is probed, not the entry */
	TLS_FREE, /* (object): it is gone */
	TLS_GO_HANDSHAKE, /* (receiver), likewise */
	TLS_GO, /* (receiver, buffer, length, room) -> bytes, error; in registers of Go's own */
	TLS_GO_COPY, /* (to, from, length), likewise: plaintext goes to who reads; the receiver lies on the stack */
	TLS_INNER_READ, /* (to, from, length): inside of OpenSSL, plaintext goes to who reads */
	TLS_INNER_WRITE, /* (object, type of record, plaintext, length): it sends a new record */
	TLS_PEEK, /* (object): what is copied meanwhile is read once more */
};

enum {
	/* bits of a probe's cookie */
	TLS_SENDS = 1 << 8, /* the function sends */
	TLS_FIFTH = 1 << 9, /* TLS_C_EX with the fifth argument in place of the fourth */
	TLS_STACK_CHECK =
		1
		<< 10, /* the probe stands on Go's jump to a larger stack: if that is taken, it comes by again */
	TLS_ONCE = 1 << 11, /* each call passes the probe once, and its return is not probed */
	TLS_STACK_SHIFT =
		16, /* bits 16 to 47: how much lower the stack pointer is than at the entry; of
				 TLS_GO_COPY: where the receiver lies, from the stack pointer; of TLS_INNER_*: 16 to 31
				 from the object to its first record, 32 to 34 which register matters */
	TLS_REGISTER_SHIFT = 32,
	TLS_DISTANCE_SHIFT =
		40, /* of TLS_INNER_READ: 40 to 55 from what the register holds to the record */
	TLS_KEPT = 6, /* registers that functions give back as they were: rbx, rbp, r12 to r15 */
	TLS_OBJECTS = 16384, /* TLS connections followed at once */
	TLS_PROCESSES = 4096,
	TLS_UNPROVEN_BIT = 62, /* of a cookie: not a socket's, but a number of ours */
};

#define TLS_UNPROVEN (1ull << TLS_UNPROVEN_BIT)

struct tls_key {
	requests_u64 object; /* address */
	requests_u32 pid, pad;
};
