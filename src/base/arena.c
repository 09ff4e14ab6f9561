// SPDX-License-Identifier: GPL-2.0-only
/* arena - memory for one message, request or query: many small pieces, freed at once, capped. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024, ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t used, room; /* bytes of `bytes` */
	alignas(ALIGN) unsigned char bytes[];
};

void arena_init(struct arena *arena, size_t cap)
{
	*arena = (struct arena){.cap = cap};
}

void arena_done(struct arena *arena)
{
	struct arena_block *next;

	for (struct arena_block *block = arena->first; block; block = next) {
		next = block->next;
		free(block);
	}
	*arena = (struct arena){.cap = arena->cap};
}

void arena_clear(struct arena *arena)
{
	struct arena_block *keep = arena->first;

	if (!keep)
		return;
	arena->first = keep->next;
	arena_done(arena);
	keep->next = NULL;
	keep->used = 0;
	arena->first = keep;
}

void *arena_new(struct arena *arena, size_t bytes)
{
	struct arena_block *block = arena->first;
	void *at;

	if (bytes > arena->cap || arena->used > arena->cap - bytes)
		return NULL;
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!block || block->room - block->used < bytes) {
		size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		*block = (struct arena_block){.next = arena->first, .room = room};
		arena->first = block;
	}
	at = block->bytes + block->used;
	block->used += bytes;
	arena->used += bytes;
	return memset(at, 0, bytes);
}

char *arena_str(struct arena *arena, struct span text)
{
	char *at = arena_new(arena, text.len + 1);

	if (at && text.len)
		memcpy(at, text.at, text.len);
	return at;
}
