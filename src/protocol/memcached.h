/* SPDX-License-Identifier: GPL-2.0-only */
/* memcached - text, meta and binary commands: `memcached` in records. */
#pragma once

#include "protocol/parser.h"

enum {
	MEMCACHED_KEY_MAX = 128, /* bytes kept of a key; it may have 250 */
	MEMCACHED_TARGET_MAX = 64,
};

struct memcached_command; /* memcached_parts.h */

/* One side. All zero = at the start of a message. */
struct memcached_half {
	const struct memcached_command *command; /* of the open request; static */
	const char *status; /* of the open response; static */
	uint64_t due; /* bytes of a value or body still to pass */
	uint64_t bytes; /* of the message so far, 0: none is open */
	uint64_t items; /* values, or lines of statistics */
	uint64_t args; /* words behind the command */
	uint64_t id; /* opaque, or a hash of it; 0: none */
	uint32_t extra_due; /* binary: bytes before the key still to pass */
	uint32_t key_due; /* binary: bytes of the key still to pass */
	uint8_t phase; /* enum phase, in memcached_parts.h */
	uint8_t answer; /* enum answer */
	bool is_error, is_torn, is_interim;
	bool is_sure; /* messages were cut here since the last loss */
	uint8_t key_len, target_len;
	uint8_t key[MEMCACHED_KEY_MAX]; /* of a request; words of an error of a binary response */
	uint8_t target[MEMCACHED_TARGET_MAX];
};

/* One connection. All zero = nothing seen yet. */
struct memcached_state {
	struct memcached_half half[2]; /* by enum side */
	uint8_t dialect; /* enum dialect, in memcached_parts.h */
	bool has_spoken; /* a message was cut: the dialect is sure */
	bool is_handed_over; /* `watch` makes it a log */
};

extern const struct protocol memcached;
