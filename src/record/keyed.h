/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * keyed - which place has this key: keys of any length, numbered in the order they came.
 *
 * The caller keeps what belongs to a key in an array of its own, at the key's place. Keys are copied into
 * an arena and go all at once.
 */
#pragma once

#include "base/arena.h"

#define KEYED_NONE UINT32_MAX

struct keyed_slot {
	uint64_t hash;
	const uint8_t *bytes; /* the key, in the arena */
	uint32_t len; /* of it */
	uint32_t place; /* + 1; 0 = free */
};

struct keyed {
	struct keyed_slot *slots; /* owned */
	uint32_t len, cap; /* keys */
	uint32_t mask; /* slots - 1 */
	uint64_t seed;
	struct arena *arena; /* borrowed */
};

/* False: out of memory; keyed_done() is allowed all the same. */
bool keyed_init(struct keyed *keyed, uint32_t cap, struct arena *arena);
void keyed_done(struct keyed *keyed);

/* The place, or KEYED_NONE. ret_hash is for keyed_put(). */
uint32_t keyed_find(const struct keyed *keyed, struct span key, uint64_t *ret_hash);

/* The next place, for a key that is not there; KEYED_NONE: full, or the arena is. ret_kept: the copy. */
uint32_t keyed_put(struct keyed *keyed, struct span key, uint64_t hash, struct span *ret_kept);

/* Forgets all keys; the arena is the caller's to clear. */
void keyed_clear(struct keyed *keyed);
