// SPDX-License-Identifier: GPL-2.0-only
/* dict - texts numbered in the order in which they first came. */
#include "store/dict.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map.h"

enum { FIRST_TEXTS = 16, FIRST_BYTES = 256 };

void dict_init(struct dict *dict, uint32_t count_max, uint32_t bytes_max)
{
	*dict = (struct dict){.count_max = count_max, .bytes_max = bytes_max};
}

void dict_done(struct dict *dict)
{
	free(dict->bytes);
	free(dict->ends);
	free(dict->slots);
	dict_init(dict, dict->count_max, dict->bytes_max);
}

void dict_clear(struct dict *dict)
{
	if (dict->count)
		memset(dict->slots, 0, dict->slots_room * sizeof(*dict->slots));
	dict->count = dict->used = dict->last = dict->before = 0;
}

size_t dict_memory(const struct dict *dict)
{
	return dict->bytes_room + dict->ends_room * sizeof(*dict->ends) +
	       dict->slots_room * sizeof(*dict->slots);
}

/* Texts come from the machine that is watched; the seed keeps an attacker from making them
 * collide. */
static uint32_t hash_of(struct span text)
{
	return (uint32_t)hash_bytes(text.at, text.len, hash_seed());
}

static bool is_code(const struct dict *dict, uint32_t code, struct span text)
{
	struct span mine = dict_at(dict, code);

	return mine.len == text.len && !memcmp(mine.at, text.at, text.len);
}

static uint64_t *slot_of(const struct dict *dict, uint32_t hash, struct span text)
{
	uint32_t mask = dict->slots_room - 1, at = hash & mask;

	for (;; at = (at + 1) & mask) {
		uint64_t slot = dict->slots[at];

		if (!slot || (slot >> 32 == hash && is_code(dict, (uint32_t)slot - 1, text)))
			return &dict->slots[at];
	}
}

static int grow_slots(struct dict *dict)
{
	uint32_t room = dict->slots_room ? dict->slots_room * 2 : FIRST_TEXTS * 2;
	uint64_t *slots = calloc(room, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < dict->slots_room; i++) {
		uint32_t at = (uint32_t)(dict->slots[i] >> 32) & (room - 1);

		if (!dict->slots[i])
			continue;
		while (slots[at])
			at = (at + 1) & (room - 1);
		slots[at] = dict->slots[i];
	}
	free(dict->slots);
	dict->slots = slots;
	dict->slots_room = room;
	return 0;
}

static int grow_texts(struct dict *dict, size_t len)
{
	if (dict->count == dict->ends_room) {
		uint32_t room = dict->ends_room ? dict->ends_room * 2 : FIRST_TEXTS;
		uint32_t *ends = realloc(dict->ends, room * sizeof(*ends));

		if (!ends)
			return -ENOMEM;
		dict->ends = ends;
		dict->ends_room = room;
	}
	if (dict->used + len > dict->bytes_room) {
		size_t room = dict->bytes_room ? dict->bytes_room : FIRST_BYTES;
		uint8_t *bytes;

		while (room < dict->used + len)
			room *= 2;
		bytes = realloc(dict->bytes, room);
		if (!bytes)
			return -ENOMEM;
		dict->bytes = bytes;
		dict->bytes_room = (uint32_t)room;
	}
	return 0;
}

static uint32_t note_last(struct dict *dict, uint32_t code)
{
	dict->before = dict->last;
	return dict->last = code;
}

int64_t dict_put(struct dict *dict, struct span text)
{
	uint32_t hash;
	uint64_t *slot;

	if (dict->count && is_code(dict, dict->last, text))
		return dict->last;
	if (dict->count && is_code(dict, dict->before, text))
		return note_last(dict, dict->before);
	if (dict->count * 2 >= dict->slots_room && grow_slots(dict))
		return -ENOMEM;
	hash = hash_of(text);
	slot = slot_of(dict, hash, text);
	if (*slot)
		return note_last(dict, (uint32_t)*slot - 1);
	if (dict->count >= dict->count_max || text.len > dict->bytes_max - dict->used)
		return -ENOSPC;
	if (grow_texts(dict, text.len))
		return -ENOMEM;
	if (text.len)
		memcpy(dict->bytes + dict->used, text.at, text.len);
	dict->used += (uint32_t)text.len;
	dict->ends[dict->count++] = dict->used;
	*slot = (uint64_t)hash << 32 | dict->count;
	return note_last(dict, dict->count - 1);
}

int64_t dict_find(const struct dict *dict, struct span text)
{
	if (dict->slots && dict->count) {
		uint64_t slot = *slot_of(dict, hash_of(text), text);

		return slot ? (int64_t)(uint32_t)slot - 1 : -ENOENT;
	}
	for (uint32_t code = 0; code < dict->count; code++)
		if (is_code(dict, code, text))
			return code;
	return -ENOENT;
}

void dict_write(const struct dict *dict, struct buf *out)
{
	buf_varint(out, dict->count);
	for (uint32_t code = 0; code < dict->count; code++)
		buf_varint(out, dict_at(dict, code).len);
	buf_add(out, dict->bytes, dict->used);
}

int dict_read(struct dict *dict, struct span from, uint32_t count_max)
{
	struct reader reader = reader_of(from);
	uint64_t count = get_varint(&reader), used = 0;

	dict_init(dict, 0, 0);
	if (reader.bad || count > count_max || count > reader_left(&reader))
		return -EBADMSG;
	dict->ends = malloc((count + 1) * sizeof(*dict->ends));
	if (!dict->ends)
		return -ENOMEM;
	dict->ends_room = (uint32_t)count + 1;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t len = get_varint(&reader);

		if (reader.bad || len > reader_left(&reader) || used + len > reader_left(&reader))
			goto bad;
		used += len;
		dict->ends[i] = (uint32_t)used;
	}
	if (used != reader_left(&reader) || used > UINT32_MAX)
		goto bad;
	dict->bytes = malloc(used + 1);
	if (!dict->bytes) {
		dict_done(dict);
		return -ENOMEM;
	}
	if (used)
		memcpy(dict->bytes, reader.at, used);
	dict->bytes_room = (uint32_t)used + 1;
	dict->used = (uint32_t)used;
	dict->count = (uint32_t)count;
	return 0;
bad:
	dict_done(dict);
	return -EBADMSG;
}
