// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyed - which place has this key.
 *
 * Open addressing with linear probing, never more than half full. Each slot has its key's hash, so that
 * strangers on the way are told by a number. The hash is seeded per process:
 * parts of the keys come from the network.
 */
#include "record/keyed.h"

#include "base/map.h"

#include <stdlib.h>

/*
 * As hash_bytes(), but sixteen bytes a step: one multiplication mixes two words, and each is hidden from
 * strangers by a number they do not know, or they could choose keys whose product is 0.
 */
static uint64_t hash_key(struct span key, uint64_t seed)
{
	const uint64_t secret = seed * 0x9e3779b97f4a7c15u | 1;
	uint64_t hash = seed ^ key.len;

	for (size_t at = 0; at < key.len; at += 16) {
		uint64_t word[2] = {};
		unsigned __int128 product;

		if (key.len - at >= 16)
			memcpy(word, key.at + at, 16);
		else
			memcpy(word, key.at + at, key.len - at);
		product = (unsigned __int128)(hash ^ word[0]) * (secret ^ word[1]);
		hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ seed;
	}
	hash ^= hash >> 32;
	hash *= 0x82efa98ec4e6c895u;
	return hash ^ hash >> 29;
}

bool keyed_init(struct keyed *keyed, uint32_t cap, struct arena *arena)
{
	uint32_t slots = 16;

	while (slots < 2 * (uint64_t)cap)
		slots *= 2;
	*keyed = (struct keyed){
		.slots = calloc(slots, sizeof(*keyed->slots)),
		.cap = cap,
		.mask = slots - 1,
		.seed = hash_seed(),
		.arena = arena,
	};
	return keyed->slots;
}

void keyed_done(struct keyed *keyed)
{
	free(keyed->slots);
	*keyed = (struct keyed){};
}

uint32_t keyed_find(const struct keyed *keyed, struct span key, uint64_t *ret_hash)
{
	uint64_t hash = hash_key(key, keyed->seed);
	const struct keyed_slot *slot;

	*ret_hash = hash;
	for (uint64_t at = hash;; at++) {
		slot = &keyed->slots[at & keyed->mask];
		if (!slot->place)
			return KEYED_NONE;
		if (slot->hash == hash && slot->len == key.len &&
		    !memcmp(slot->bytes, key.at, key.len))
			return slot->place - 1;
	}
}

uint32_t keyed_put(struct keyed *keyed, struct span key, uint64_t hash, struct span *ret_kept)
{
	uint8_t *copy;
	uint64_t at = hash;

	if (keyed->len == keyed->cap)
		return KEYED_NONE;
	copy = arena_new(keyed->arena, key.len);
	if (!copy)
		return KEYED_NONE;
	memcpy(copy, key.at, key.len);
	while (keyed->slots[at & keyed->mask].place)
		at++;
	keyed->slots[at & keyed->mask] =
		(struct keyed_slot){hash, copy, (uint32_t)key.len, ++keyed->len};
	*ret_kept = (struct span){copy, key.len};
	return keyed->len - 1;
}

void keyed_clear(struct keyed *keyed)
{
	if (keyed->len)
		memset(keyed->slots, 0, ((size_t)keyed->mask + 1) * sizeof(*keyed->slots));
	keyed->len = 0;
}
