// SPDX-License-Identifier: GPL-2.0-only
/*
 * recent - the last records of each item, in memory.
 *
 * A record is kept as one block: its values that are there, texts behind each other. Its layout belongs to an item that may
 * be taken out or upgraded tomorrow, so layouts are kept as copies, one for all records whose columns
 * are called the same.
 */
#include "serve/recent.h"

#include <stdlib.h>

enum { LANES = 256, LAYOUTS = 512, VALUE_TIME_COLUMN = 0, VALUE_ITEM_COLUMN = 1 };

struct kept_value {
	struct value
		value; /* VALUE_TEXT, VALUE_JSON: text.at is NULL, the bytes stand in the block's tail */
	uint32_t column;
};

struct kept {
	struct kept *older, *newer;
	const struct layout *layout; /* of recent->layout */
	uint64_t time_ns, number;
	size_t bytes; /* of this block */
	uint32_t count;
	struct kept_value value[]; /* then the texts, in order */
};

struct lane {
	char item[COLUMN_NAME_BYTES];
	struct kept *oldest, *newest;
	size_t bytes;
};

struct recent {
	size_t cap, bytes;
	uint64_t number, dropped;
	size_t lanes, layouts;
	struct lane *lane[LANES]; /* owned */
	struct layout *layout[LAYOUTS]; /* owned */
	const struct layout *seen; /* the last layout that was looked up, and its copy */
	const struct layout *seen_copy;
	struct record record; /* being handed out */
};

struct recent *recent_new(size_t bytes)
{
	struct recent *recent = calloc(1, sizeof(*recent));

	if (recent)
		recent->cap = bytes;
	return recent;
}

static void drop_oldest(struct recent *recent, struct lane *lane)
{
	struct kept *kept = lane->oldest;

	lane->oldest = kept->newer;
	if (lane->oldest)
		lane->oldest->older = NULL;
	else
		lane->newest = NULL;
	lane->bytes -= kept->bytes;
	recent->bytes -= kept->bytes;
	free(kept);
}

void recent_free(struct recent *recent)
{
	if (!recent)
		return;
	for (size_t i = 0; i < recent->lanes; i++) {
		while (recent->lane[i]->oldest)
			drop_oldest(recent, recent->lane[i]);
		free(recent->lane[i]);
	}
	for (size_t i = 0; i < recent->layouts; i++)
		free(recent->layout[i]);
	free(recent);
}

static bool same_layout(const struct layout *a, const struct layout *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->column[i].unit != b->column[i].unit ||
		    strncmp(a->column[i].name, b->column[i].name, sizeof(a->column[i].name)) != 0)
			return false;
	return true;
}

static const struct layout *keep_layout(struct recent *recent, const struct layout *layout)
{
	struct layout *copy;

	/* the address alone says little: an item may be gone and another one at its place */
	if (recent->seen == layout && same_layout(recent->seen_copy, layout))
		return recent->seen_copy;
	for (size_t i = 0; i < recent->layouts; i++)
		if (same_layout(recent->layout[i], layout)) {
			recent->seen = layout;
			return recent->seen_copy = recent->layout[i];
		}
	copy = recent->layouts < LAYOUTS ? malloc(sizeof(*copy)) : NULL;
	if (!copy)
		return NULL;
	*copy = *layout;
	copy->schema = NULL;
	for (uint32_t i = 0; i < copy->count; i++)
		copy->column[i].help = NULL;
	recent->seen = layout;
	return recent->seen_copy = recent->layout[recent->layouts++] = copy;
}

static struct lane *find_lane(const struct recent *recent, struct span item)
{
	for (size_t i = 0; i < recent->lanes; i++)
		if (span_is(item, recent->lane[i]->item))
			return recent->lane[i];
	return NULL;
}

static struct lane *make_lane(struct recent *recent, struct span item)
{
	struct lane *lane = find_lane(recent, item);

	if (lane || recent->lanes == LANES || !item.len || item.len >= sizeof(lane->item))
		return lane;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return NULL;
	memcpy(lane->item, item.at, item.len);
	return recent->lane[recent->lanes++] = lane;
}

static bool has_text(const struct value *value)
{
	return value->kind == VALUE_TEXT || value->kind == VALUE_JSON;
}

static bool is_kept(const struct value *value)
{
	return value->kind != VALUE_ABSENT && value->kind != VALUE_SKETCH;
}

static size_t block_bytes(const struct record *record, uint32_t *ret_count)
{
	size_t bytes = sizeof(struct kept);
	uint32_t count = 0;

	for (uint32_t i = 0; i < record->layout->count; i++) {
		const struct value *value = &record->value[i];

		if (!is_kept(value))
			continue;
		count++;
		bytes += sizeof(struct kept_value) + (has_text(value) ? value->text.len : 0);
	}
	*ret_count = count;
	return bytes;
}

/* The largest lane gives way: so none can push the others out. */
static void make_space(struct recent *recent, size_t bytes)
{
	while (recent->bytes && recent->bytes + bytes > recent->cap) {
		struct lane *largest = recent->lane[0];

		for (size_t i = 1; i < recent->lanes; i++)
			if (recent->lane[i]->bytes > largest->bytes)
				largest = recent->lane[i];
		drop_oldest(recent, largest);
	}
}

static void copy_values(struct kept *kept, const struct record *record)
{
	uint8_t *tail = (uint8_t *)&kept->value[kept->count];
	struct kept_value *to = kept->value;

	for (uint32_t i = 0; i < record->layout->count; i++) {
		const struct value *value = &record->value[i];

		if (!is_kept(value))
			continue;
		*to = (struct kept_value){.value = *value, .column = i};
		if (has_text(value)) {
			if (value->text.len)
				memcpy(tail, value->text.at, value->text.len);
			tail += value->text.len;
			to->value.text.at = NULL;
		}
		to++;
	}
}

void recent_add(struct recent *recent, const struct record *record)
{
	const struct value *time = &record->value[VALUE_TIME_COLUMN];
	const struct value *item = &record->value[VALUE_ITEM_COLUMN];
	uint32_t count;
	size_t bytes = block_bytes(record, &count);
	const struct layout *layout = keep_layout(recent, record->layout);
	struct lane *lane = item->kind == VALUE_TEXT ? make_lane(recent, item->text) : NULL;
	struct kept *kept = NULL;

	if (layout && lane && bytes <= recent->cap) {
		make_space(recent, bytes);
		kept = malloc(bytes);
	}
	if (!kept) {
		recent->dropped++;
		return;
	}
	*kept = (struct kept){
		.older = lane->newest,
		.layout = layout,
		.time_ns = time->kind == VALUE_TIME ? time->u64 : 0,
		.number = ++recent->number,
		.bytes = bytes,
		.count = count,
	};
	copy_values(kept, record);
	if (lane->newest)
		lane->newest->newer = kept;
	else
		lane->oldest = kept;
	lane->newest = kept;
	lane->bytes += bytes;
	recent->bytes += bytes;
}

size_t recent_bytes(const struct recent *recent)
{
	return sizeof(*recent) + recent->bytes + recent->lanes * sizeof(struct lane) +
	       recent->layouts * sizeof(struct layout);
}

uint64_t recent_dropped(const struct recent *recent)
{
	return recent->dropped;
}

static const struct record *unpack(struct recent *recent, const struct kept *kept)
{
	const uint8_t *tail = (const uint8_t *)&kept->value[kept->count];
	struct record *record = &recent->record;

	*record = (struct record){.layout = kept->layout};
	for (uint32_t i = 0; i < kept->count; i++) {
		struct value value = kept->value[i].value;

		if (has_text(&value)) {
			value.text.at = tail;
			tail += value.text.len;
		}
		record->value[kept->value[i].column] = value;
	}
	return record;
}

void recent_walk(struct recent *recent, const char *item, const struct recent_range *range,
		 recent_each each, void *ctx)
{
	const struct lane *lane = find_lane(recent, span_of(item));
	const struct kept *next;

	if (!lane)
		return;
	for (const struct kept *at = range->newest_first ? lane->newest : lane->oldest; at;
	     at = next) {
		next = range->newest_first ? at->older : at->newer;
		if (at->number <= range->after || (range->before && at->number >= range->before) ||
		    at->time_ns < range->from_ns || at->time_ns >= range->to_ns)
			continue;
		if (!each(ctx, unpack(recent, at), at->number))
			return;
	}
}

uint64_t recent_oldest(const struct recent *recent, const char *item)
{
	const struct lane *lane = find_lane(recent, span_of(item));

	return lane && lane->oldest ? lane->oldest->time_ns : 0;
}
