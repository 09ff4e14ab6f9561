/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * map - a hash table of fixed-size keys and values, with a limit.
 *
 * Open addressing with linear probing; deleting shifts the run back, so there are no tombstones and
 * a table that lives for months does not decay. Keys are compared byte by byte: zero their padding.
 * Pointers into the table are valid until the next map_put or map_del.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	size_t key_size, value_size; /* bytes */
	size_t len; /* entries */
	size_t cap; /* entries at most */
	uint64_t refused; /* puts that found the table full (or memory out) */
	size_t slots; /* power of two, 0 before the first put */
	size_t stride; /* bytes from slot to slot */
	uint8_t *taken; /* owned: one byte a slot */
	uint8_t *at; /* owned: key and value (aligned to 8) of each slot */
};

void map_init(struct map *map, size_t key_size, size_t value_size, size_t cap);
void map_done(struct map *map);
void map_clear(struct map *map);

/* The value, or NULL. */
void *map_get(const struct map *map, const void *key);

/* The value of that key, zeroed if it is new; NULL (and refused++) when the table is full.
 * ret_new may be NULL. */
void *map_put(struct map *map, const void *key, bool *ret_new);

bool map_del(struct map *map, const void *key);

/* Walks all entries: `size_t i = 0; while (map_next(&map, &i, &key, &value))`. To delete while
 * walking, collect keys first. */
bool map_next(const struct map *map, size_t *at, const void **ret_key, void **ret_value);

/* Deletes every entry of which `goes` says so (it frees what the entry owns); a few may be asked about twice.
 * Returns how many went. */
typedef bool (*map_goes)(void *ctx, const void *key, void *value);
size_t map_remove(struct map *map, map_goes goes, void *ctx);

/* Bytes of memory it holds. */
size_t map_bytes(const struct map *map);

/* 64-bit hash of any bytes (used by the table itself; good enough for sketches, not for secrets). */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);
/* The same for the life of the process, unknown to others: for tables whose keys others may choose. */
uint64_t hash_seed(void);
