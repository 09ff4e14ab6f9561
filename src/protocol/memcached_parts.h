/* SPDX-License-Identifier: GPL-2.0-only */
/* memcached_parts - what the two dialects of memcached share. Used by memcached*.c only. */
#pragma once

#include "protocol/memcached.h"

enum dialect {
	DIALECT_UNKNOWN,
	DIALECT_TEXT,
	DIALECT_BINARY,
};

enum phase {
	PHASE_START, /* of a message; in text also of the next line of a response */
	PHASE_DATA, /* a value */
	PHASE_DATA_END, /* the CR LF behind it */
	PHASE_BODY, /* of a binary message */
	PHASE_LOST,
};

/* What follows the name of a text command. */
enum shape {
	SHAPE_KEYS, /* keys */
	SHAPE_TIME_KEYS, /* a time, keys */
	SHAPE_STORE, /* key flags time bytes */
	SHAPE_KEY, /* key, anything */
	SHAPE_META, /* key, flags */
	SHAPE_META_STORE, /* key bytes, flags */
	SHAPE_NOOP, /* nothing */
	SHAPE_BARE, /* anything, no key */
};

struct memcached_command {
	const char *name;
	enum shape shape;
	enum answer answer; /* unless the request says otherwise */
};

enum step {
	STEP_ON,
	STEP_MORE,
	STEP_MESSAGE, /* the half's message is whole */
	STEP_BAD,
};

enum { VALUE_MAX = 1 << 30 /* bytes: the largest -I that memcached takes */ };

/* One step along the stream; *ret_used bytes of a non-empty `in`. */
enum step memcached_text_step(struct memcached_state *state, enum side from, struct span in,
			      size_t *ret_used, const char **ret_why);
enum step memcached_binary_step(struct memcached_state *state, enum side from, struct span in,
				size_t *ret_used, const char **ret_why);

/* When the message is whole: what its id is made of is known. */
void memcached_binary_finish(struct memcached_half *half);

struct guess memcached_text_guess(struct span in);
struct guess memcached_binary_guess(struct span in);

/* Appends what fits of a key. */
void memcached_note_key(struct memcached_half *half, struct span key);
