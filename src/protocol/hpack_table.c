// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpack_table - the dynamic table of hpack.c, by ordinals.
 *
 * The real table is never known better than this: it holds the newest entries up to some ordinal. Which
 * that is follows from sizes, if all of them are known. But nothing depends on it: an encoder does not
 * refer to what has left its table, so it does no harm to keep an entry too long, and one let go too
 * early is opaque. So an insertion is always counted, even one that is larger than the table and leaves
 * it empty (RFC 7541 4.4): the entries behind it are as many insertions away as before.
 *
 *	ordinal    ... -1  0 | 1  2  ...  gone | ...  first ... inserted
 *	           from before |  known to be out  | let go |  kept
 *
 * Entries stand in a ring that grows with need; texts in another, one behind the other, where the oldest
 * are overwritten. Whoever asks for a text that was overwritten is told so.
 */
#include "protocol/hpack_table.h"

#include <stdlib.h>

enum patience { PATIENCE_USUAL, PATIENCE_MORE };

enum {
	ENTRIES_MIN = 16,
	ENTRIES_MAX = HPACK_TABLE_KEPT / HPACK_ENTRY_SIZE,
	TEXT_MIN = 512,
	TEXT_MAX = 2 * HPACK_TABLE_KEPT,
};

static uint64_t limit_of(const struct hpack *hpack)
{
	if (hpack->is_size_known)
		return hpack->size < HPACK_TABLE_KEPT ? hpack->size : HPACK_TABLE_KEPT;
	return hpack->patience == PATIENCE_USUAL ? HPACK_TABLE_FIRST : HPACK_TABLE_KEPT;
}

/* The oldest entry that is kept; behind the newest if none is. */
static int64_t first_of(const struct hpack *hpack)
{
	return hpack->inserted - (int64_t)hpack->kept + 1;
}

static struct hpack_entry *slot(const struct hpack *hpack, int64_t ordinal)
{
	return &hpack->entries[(uint64_t)ordinal & (hpack->entries_room - 1)];
}

struct hpack_entry *hpack_table_at(const struct hpack *hpack, int64_t ordinal)
{
	if (!hpack->kept || ordinal < first_of(hpack) || ordinal > hpack->inserted)
		return NULL;
	return slot(hpack, ordinal);
}

static bool is_intact(const struct hpack *hpack, const struct hpack_entry *entry)
{
	return hpack->text_end - entry->text_at <= hpack->text_room;
}

bool hpack_table_texts(const struct hpack *hpack, const struct hpack_entry *entry,
		       struct span *ret_name, struct span *ret_value)
{
	const uint8_t *at = NULL;

	*ret_name = *ret_value = (struct span){};
	if (!entry->name_kept && !entry->value_kept)
		return true;
	if (!is_intact(hpack, entry))
		return false;
	at = hpack->text + (entry->text_at & (hpack->text_room - 1));
	*ret_name = (struct span){at, entry->name_kept};
	*ret_value = (struct span){at + entry->name_kept, entry->value_kept};
	return true;
}

void hpack_table_gone(struct hpack *hpack, int64_t ordinal)
{
	if (!hpack->has_gone || hpack->gone < ordinal)
		hpack->gone = ordinal;
	hpack->has_gone = true;
}

static void let_go_oldest(struct hpack *hpack, bool is_gone)
{
	int64_t first = first_of(hpack);

	hpack->kept_size -= slot(hpack, first)->size;
	hpack->kept--;
	if (is_gone)
		hpack_table_gone(hpack, first);
}

/* Lets go of what has left the real table, or is more than is kept. */
static void shrink(struct hpack *hpack)
{
	uint64_t limit = limit_of(hpack);

	while (hpack->kept && hpack->kept_size > limit)
		let_go_oldest(hpack, hpack->is_size_known && hpack->kept_size > hpack->size);
}

void hpack_table_resize(struct hpack *hpack, uint32_t size)
{
	hpack->size = size;
	hpack->is_size_known = true;
	if (!size)
		hpack_table_gone(hpack, hpack->inserted); /* whatever was in it */
	shrink(hpack);
}

void hpack_table_regret(struct hpack *hpack)
{
	hpack->patience = PATIENCE_MORE;
}

/* The ring of entries. */

static bool grow_entries(struct hpack *hpack, uint32_t room)
{
	struct hpack_entry *entries = calloc(room, sizeof(*entries));

	if (!entries)
		return false;
	for (int64_t i = first_of(hpack); i <= hpack->inserted; i++)
		entries[(uint64_t)i & (room - 1)] = *slot(hpack, i);
	free(hpack->entries);
	hpack->entries = entries;
	hpack->entries_room = room;
	return true;
}

/* Room for one more at the end; at the cost of the oldest, if need be. */
static bool make_room(struct hpack *hpack)
{
	uint32_t room = hpack->entries_room ? 2 * hpack->entries_room : ENTRIES_MIN;

	if (hpack->kept < hpack->entries_room)
		return true;
	if (room <= ENTRIES_MAX && grow_entries(hpack, room))
		return true;
	if (!hpack->entries_room)
		return false;
	let_go_oldest(hpack, false);
	return true;
}

bool hpack_table_reach(struct hpack *hpack, int64_t first)
{
	uint32_t room = hpack->entries_room ? hpack->entries_room : ENTRIES_MIN;

	if (first >= first_of(hpack))
		return true;
	while (room <= ENTRIES_MAX && room < (uint64_t)(hpack->inserted - first) + 1)
		room *= 2;
	if (room > ENTRIES_MAX || (room > hpack->entries_room && !grow_entries(hpack, room)))
		return false;
	while (first_of(hpack) > first) {
		hpack->kept++;
		*slot(hpack, first_of(hpack)) = (struct hpack_entry){};
	}
	return true;
}

/* The ring of texts. */

static bool has_text(const struct hpack *hpack, const struct hpack_entry *entry)
{
	return (entry->name_kept || entry->value_kept) && is_intact(hpack, entry);
}

/* Where the oldest text begins that is still wanted. Entries without text in front of it are not looked at
 * again: nobody can make that costly. */
static uint64_t oldest_text(struct hpack *hpack)
{
	uint64_t oldest = hpack->text_end;

	if (hpack->text_first < first_of(hpack))
		hpack->text_first = first_of(hpack);
	for (int64_t i = hpack->text_first; i <= hpack->inserted; i++) {
		const struct hpack_entry *entry = slot(hpack, i);

		if (has_text(hpack, entry) && entry->text_at < oldest)
			oldest = entry->text_at;
		if (oldest == hpack->text_end)
			hpack->text_first = i + 1;
		else if (!entry->is_filled)
			break; /* those behind are younger */
	}
	return oldest;
}

/* Puts the texts that are kept into a larger ring, one behind the other. */
static bool grow_text(struct hpack *hpack, uint32_t room)
{
	uint8_t *text = malloc(room);
	uint64_t end = 0;

	if (!text)
		return false;
	for (int64_t i = first_of(hpack); i <= hpack->inserted; i++) {
		struct hpack_entry *entry = slot(hpack, i);
		struct span name, value;

		if (!hpack_table_texts(hpack, entry, &name, &value)) {
			entry->kind = HPACK_ENTRY_FORGOTTEN;
			continue;
		}
		if (end + name.len + value.len >
		    room) /* cannot be, as they were in a smaller one */
			break;
		entry->text_at = end;
		entry->is_filled = false;
		if (name.len)
			memcpy(text + end, name.at, name.len);
		if (value.len)
			memcpy(text + end + name.len, value.at, value.len);
		end += name.len + value.len;
	}
	free(hpack->text);
	hpack->text = text;
	hpack->text_room = room;
	hpack->text_end = end;
	return true;
}

/* Where `len` bytes in a row can be written: in front of the ring's end, or at its beginning. */
static uint64_t place_for(const struct hpack *hpack, size_t len)
{
	uint64_t at = hpack->text_end, used = at & (hpack->text_room - 1);

	return used + len > hpack->text_room ? at + hpack->text_room - used : at;
}

static bool make_text_room(struct hpack *hpack, size_t len)
{
	uint32_t room = hpack->text_room;

	for (;;) {
		bool fits = len <= room && hpack->text_room == room &&
			    place_for(hpack, len) + len - oldest_text(hpack) <= room;

		if (fits)
			return true;
		room = room ? 2 * room : TEXT_MIN;
		if (room > TEXT_MAX)
			return len <= hpack->text_room; /* the oldest texts are overwritten */
		if (len <= room && !grow_text(hpack, room))
			return len <= hpack->text_room;
	}
}

static void write_texts(struct hpack *hpack, int64_t ordinal, struct span name, struct span value)
{
	struct hpack_entry *entry = slot(hpack, ordinal);
	size_t len = name.len + value.len;
	uint8_t *to;

	entry->name_kept = entry->value_kept = 0;
	if (!len)
		return;
	if (!make_text_room(hpack, len)) {
		entry->kind = HPACK_ENTRY_FORGOTTEN;
		return;
	}
	if (ordinal < hpack->text_first)
		hpack->text_first = ordinal;
	entry->text_at = place_for(hpack, len);
	entry->name_kept = (uint16_t)name.len;
	entry->value_kept = (uint16_t)value.len;
	hpack->text_end = entry->text_at + len;
	to = hpack->text + (entry->text_at & (hpack->text_room - 1));
	if (name.len)
		memcpy(to, name.at, name.len);
	if (value.len)
		memcpy(to + name.len, value.at, value.len);
}

void hpack_table_insert(struct hpack *hpack, const struct hpack_entry *entry, struct span name,
			struct span value)
{
	uint64_t limit = limit_of(hpack);
	bool is_too_large = hpack->is_size_known && entry->size > hpack->size;

	/* the old ones make room before the new one is there (RFC 7541 4.4) */
	hpack->kept_size += entry->size;
	while (hpack->kept && hpack->kept_size > limit)
		let_go_oldest(hpack, hpack->is_size_known && hpack->kept_size > hpack->size);
	if (hpack->kept_size > limit || !make_room(hpack)) {
		hpack->kept_size = 0;
		hpack->kept = 0;
		hpack->inserted++;
		if (is_too_large)
			hpack_table_gone(hpack, hpack->inserted); /* the table is empty now */
		return;
	}
	hpack->inserted++;
	hpack->kept++;
	*slot(hpack, hpack->inserted) = *entry;
	write_texts(hpack, hpack->inserted, name, value);
}

void hpack_table_fill(struct hpack *hpack, int64_t ordinal, const struct hpack_entry *entry,
		      struct span name, struct span value)
{
	hpack->kept_size += entry->size - slot(hpack, ordinal)->size;
	*slot(hpack, ordinal) = *entry;
	write_texts(hpack, ordinal, name, value);
	slot(hpack, ordinal)->is_filled = true;
}

size_t hpack_bytes(const struct hpack *hpack)
{
	return hpack->entries_room * sizeof(*hpack->entries) + hpack->text_room;
}
