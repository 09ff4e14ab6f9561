// SPDX-License-Identifier: GPL-2.0-only
/*
 * map - a hash table of fixed-size keys and values, with a limit.
 *
 * Keys come from the machine that is watched, so an attacker may choose some of them: the hash is
 * seeded once per process from the kernel's random source.
 */
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FIRST_SLOTS = 16 };

static uint64_t process_seed;

static void choose_seed(void)
{
	if (getrandom(&process_seed, sizeof(process_seed), GRND_NONBLOCK) != sizeof(process_seed))
		process_seed = 0x9e3779b97f4a7c15u ^ (uintptr_t)&process_seed;
}

/* Chosen once, whichever thread comes first: a table must find again what it put. */
uint64_t hash_seed(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, choose_seed);
	return process_seed;
}

/* Multiply-and-fold over 8-byte words; the constants are digits of pi. */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
	const uint8_t *at = bytes;
	uint64_t hash = seed ^ 0x243f6a8885a308d3u ^ len;

	while (len) {
		size_t step = len < 8 ? len : 8;
		uint64_t word = 0;
		unsigned __int128 product;

		memcpy(&word, at, step);
		product = (unsigned __int128)(hash ^ word) * 0x13198a2e03707345u;
		hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ 0xa4093822299f31d0u;
		at += step;
		len -= step;
	}
	hash ^= hash >> 32;
	hash *= 0x82efa98ec4e6c895u;
	return hash ^ hash >> 29;
}

static size_t align8(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

void map_init(struct map *map, size_t key_size, size_t value_size, size_t cap)
{
	*map = (struct map){
		.key_size = key_size,
		.value_size = value_size,
		.cap = cap,
		.stride = align8(key_size) + align8(value_size),
	};
}

void map_done(struct map *map)
{
	free(map->taken);
	free(map->at);
	map->taken = NULL;
	map->at = NULL;
	map->len = map->slots = 0;
}

void map_clear(struct map *map)
{
	map->len = 0;
	if (map->slots)
		memset(map->taken, 0, map->slots);
}

static uint8_t *key_at(const struct map *map, size_t slot)
{
	return map->at + slot * map->stride;
}

static void *value_at(const struct map *map, size_t slot)
{
	return key_at(map, slot) + align8(map->key_size);
}

static size_t home_of(const struct map *map, const void *key)
{
	return hash_bytes(key, map->key_size, hash_seed()) & (map->slots - 1);
}

/* The slot that holds the key, or the free slot where it belongs. Needs a free slot to exist. */
static size_t find(const struct map *map, const void *key)
{
	size_t slot = home_of(map, key);

	while (map->taken[slot] && memcmp(key_at(map, slot), key, map->key_size) != 0)
		slot = (slot + 1) & (map->slots - 1);
	return slot;
}

static bool resize(struct map *map, size_t slots)
{
	struct map old = *map;

	map->taken = calloc(slots, 1);
	map->at = malloc(slots * map->stride);
	if (!map->taken || !map->at) {
		free(map->taken);
		free(map->at);
		*map = old;
		return false;
	}
	map->slots = slots;
	for (size_t from = 0; from < old.slots; from++) {
		size_t to;

		if (!old.taken[from])
			continue;
		to = find(map, key_at(&old, from));
		map->taken[to] = 1;
		memcpy(key_at(map, to), key_at(&old, from), map->stride);
	}
	free(old.taken);
	free(old.at);
	return true;
}

void *map_get(const struct map *map, const void *key)
{
	size_t slot;

	if (!map->len)
		return NULL;
	slot = find(map, key);
	return map->taken[slot] ? value_at(map, slot) : NULL;
}

void *map_put(struct map *map, const void *key, bool *ret_new)
{
	void *value = map_get(map, key);
	size_t slot;

	if (ret_new)
		*ret_new = !value;
	if (value)
		return value;
	if (map->len >= map->cap) {
		map->refused++;
		return NULL;
	}
	if ((map->len + 1) * 4 > map->slots * 3 &&
	    !resize(map, map->slots ? map->slots * 2 : FIRST_SLOTS)) {
		map->refused++;
		return NULL;
	}
	slot = find(map, key);
	map->taken[slot] = 1;
	map->len++;
	memset(key_at(map, slot), 0, map->stride);
	memcpy(key_at(map, slot), key, map->key_size);
	return value_at(map, slot);
}

/* Closes the gap: moves back whatever would no longer be found across the hole. */
static void delete_slot(struct map *map, size_t hole)
{
	size_t mask = map->slots - 1;

	for (size_t next = (hole + 1) & mask; map->taken[next]; next = (next + 1) & mask) {
		size_t home = home_of(map, key_at(map, next));

		if (((next - home) & mask) >= ((next - hole) & mask)) {
			memcpy(key_at(map, hole), key_at(map, next), map->stride);
			hole = next;
		}
	}
	map->taken[hole] = 0;
	map->len--;
}

bool map_del(struct map *map, const void *key)
{
	size_t slot;

	if (!map->len)
		return false;
	slot = find(map, key);
	if (!map->taken[slot])
		return false;
	delete_slot(map, slot);
	return true;
}

size_t map_remove(struct map *map, map_goes goes, void *ctx)
{
	size_t removed = 0;

	/* what is moved into the slot comes from further on, or (round the end) was asked already */
	for (size_t slot = 0; slot < map->slots;) {
		if (map->taken[slot] && goes(ctx, key_at(map, slot), value_at(map, slot))) {
			delete_slot(map, slot);
			removed++;
		} else {
			slot++;
		}
	}
	return removed;
}

bool map_next(const struct map *map, size_t *at, const void **ret_key, void **ret_value)
{
	for (; *at < map->slots; (*at)++)
		if (map->taken[*at]) {
			*ret_key = key_at(map, *at);
			*ret_value = value_at(map, *at);
			(*at)++;
			return true;
		}
	return false;
}

size_t map_bytes(const struct map *map)
{
	return map->slots * (map->stride + 1);
}
