/* SPDX-License-Identifier: GPL-2.0-only */
/* arena - memory for one message, request or query: many small pieces, freed at once, capped. */
#pragma once

#include <stddef.h>

#include "base/span.h"

struct arena {
	struct arena_block *first; /* owned list of blocks, newest first */
	size_t used;		   /* bytes handed out */
	size_t cap;		   /* bytes at most */
};

void arena_init(struct arena *arena, size_t cap);
void arena_done(struct arena *arena);

/* Forgets everything but keeps one block for the next use. */
void arena_clear(struct arena *arena);

/* Zeroed memory, aligned to 16 bytes; NULL when the cap is reached or memory is out. */
void *arena_new(struct arena *arena, size_t bytes);

/* A 0-ended copy; NULL as above. */
char *arena_str(struct arena *arena, struct span text);
