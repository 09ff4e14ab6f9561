/* SPDX-License-Identifier: GPL-2.0-only */
/* dict - texts numbered 0, 1, 2 ... in the order in which they first came, with a limit. */
#pragma once

#include <stdbool.h>

#include "store/bits.h"

struct dict {
	uint8_t *bytes; /* owned: all texts, one after the other */
	uint32_t *ends; /* owned: where each text ends in `bytes` */
	/* owned: hash << 32 | code + 1, 0 = free; NULL in a dictionary that was read */
	uint64_t *slots;
	uint32_t count; /* texts */
	uint32_t used; /* of `bytes` */
	uint32_t ends_room, bytes_room, slots_room;
	uint32_t count_max; /* texts at most */
	uint32_t bytes_max; /* bytes at most */
	/* codes of the last text asked for, and of another one before it: neighbours are often alike, or take turns (client, server) */
	uint32_t last, before;
};

void dict_init(struct dict *dict, uint32_t count_max, uint32_t bytes_max);
void dict_done(struct dict *dict);
/* Forgets the texts, keeps the memory. */
void dict_clear(struct dict *dict);

/* The code of the text, new if need be; -ENOSPC when the dictionary is full, -ENOMEM. */
int64_t dict_put(struct dict *dict, struct span text);

/* The code, or -ENOENT. Also for dictionaries that were read (then slowly). */
int64_t dict_find(const struct dict *dict, struct span text);

static inline struct span dict_at(const struct dict *dict, uint32_t code)
{
	uint32_t from = code ? dict->ends[code - 1] : 0;

	return (struct span){dict->bytes + from, dict->ends[code] - from};
}

/* Bytes of memory it holds. */
size_t dict_memory(const struct dict *dict);

/* Written form: count, lengths, bytes. */
void dict_write(const struct dict *dict, struct buf *out);
/* 0, -EBADMSG or -ENOMEM. The texts are copied; nothing can be put into such a dictionary. */
int dict_read(struct dict *dict, struct span from, uint32_t count_max);
