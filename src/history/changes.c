// SPDX-License-Identifier: GPL-2.0-only
/* changes - what the agent was set to, and when that became otherwise. */
#include "history/changes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/bits.h"

enum { CHANGE_BYTES = 8 * 1024, KEY_TEXT = 24, DROPPED_AT_ONCE = 100 };

#define KIND_SETTINGS "settings"
#define KIND_CHANGE   "change"
#define KEY_LAST      span_of("last")
#define ITEMS         "items."

void settings_add(struct buf *settings, const char *key, struct span value)
{
	buf_text_span(settings, span_of(key));
	buf_text_span(settings, span_first(value, CHANGE_BYTES / 4));
}

struct setting_pair {
	struct span key, value;
};

static bool next_pair(struct reader *reader, struct setting_pair *pair)
{
	if (!reader_left(reader))
		return false;
	pair->key = get_text(reader);
	pair->value = get_text(reader);
	return !reader->bad;
}

static uint64_t key_hash(struct span key)
{
	return hash_bytes(key.at, key.len, 11);
}

/* By the hash of the key: a few hundred keys of our own, none of which are chosen to meet. */
static int index_of(struct span settings, struct map *ret_map)
{
	struct reader reader = reader_of(settings);
	struct setting_pair pair, *slot;

	map_init(ret_map, sizeof(uint64_t), sizeof(struct setting_pair), SETTINGS_MOST);
	while (next_pair(&reader, &pair)) {
		uint64_t hash = key_hash(pair.key);

		slot = map_put(ret_map, &hash, NULL);
		if (!slot)
			return -ENOMEM;
		*slot = pair;
	}
	return reader.bad ? -EBADMSG : 0;
}

struct noting {
	struct store *store;
	const char *by;
	uint64_t now_ns;
	unsigned count;
	bool is_first; /* nothing was known before */
};

/* `was` or `is` may be NULL: the key came, or went. */
static int note_one(struct noting *noting, struct span key, const struct span *was,
		    const struct span *is)
{
	char name[KEY_TEXT], time[TIME_TEXT];
	struct buf text;
	struct json json = {.out = &text};
	int error;

	snprintf(name, sizeof(name), "%016llx%04x", (unsigned long long)noting->now_ns,
		 noting->count++ & 0xffff);
	time_print(noting->now_ns, 3, time);
	buf_init(&text, CHANGE_BYTES);
	json_object(&json);
	json_key_str(&json, "time", time);
	json_key(&json, "key");
	json_span(&json, key);
	if (was) {
		json_key(&json, "was");
		json_span(&json, *was);
	}
	if (is) {
		json_key(&json, "is");
		json_span(&json, *is);
	}
	json_key_str(&json, "by", noting->by);
	json_object_end(&json);
	error = text.full ? -ENOSPC
			  : store_put_note(noting->store, KIND_CHANGE, span_of(name),
					   buf_as_span(&text));
	buf_done(&text);
	return error;
}

static bool is_switch(struct span key)
{
	static const char on[] = ".on";
	size_t len = sizeof(on) - 1;

	return key.len > len && span_is(span_from(key, key.len - len), on);
}

/* Is the item of that parameter among these settings? */
static bool knows_item(const struct map *settings, struct span key)
{
	char text[256];
	uint64_t hash;
	int len = 0, name = sizeof(ITEMS) - 1;

	if (!span_starts(key, ITEMS))
		return false;
	while (name + len < (int)key.len && key.at[name + len] != '.')
		len++;
	snprintf(text, sizeof(text), ITEMS "%.*s.on", len, (const char *)key.at + name);
	hash = key_hash(span_of(text));
	return map_get(settings, &hash) != NULL;
}

/* A key that came or went; `others`: the settings on the side where it is not. */
static bool is_worth_telling(const struct noting *noting, const struct setting_pair *pair,
			     const struct map *others)
{
	if (noting->is_first)
		return span_is(pair->key, "version");
	return is_switch(pair->key) ? span_is(pair->value, "true") : knows_item(others, pair->key);
}

static int note_others(struct noting *noting, struct span settings, const struct map *before)
{
	struct reader reader = reader_of(settings);
	struct setting_pair pair;
	int error = 0;

	while (!error && next_pair(&reader, &pair)) {
		uint64_t hash = key_hash(pair.key);
		const struct setting_pair *was = map_get(before, &hash);

		if (was && !span_same(was->value, pair.value))
			error = note_one(noting, pair.key, &was->value, &pair.value);
		else if (!was && is_worth_telling(noting, &pair, before))
			error = note_one(noting, pair.key, NULL, &pair.value);
	}
	return error;
}

static int note_gone(struct noting *noting, struct span before, const struct map *now)
{
	struct reader reader = reader_of(before);
	struct setting_pair pair;
	int error = 0;

	while (!error && next_pair(&reader, &pair)) {
		uint64_t hash = key_hash(pair.key);

		if (!map_get(now, &hash) && is_worth_telling(noting, &pair, now))
			error = note_one(noting, pair.key, &pair.value, NULL);
	}
	return error;
}

/* The keys of the oldest changes, when there are too many. */
struct thinning {
	size_t count;
	char oldest[DROPPED_AT_ONCE][KEY_TEXT];
};

static int look_at_change(void *ctx, struct span key, struct span value, int64_t changed_ns)
{
	struct thinning *thinning = ctx;

	if (thinning->count < DROPPED_AT_ONCE)
		snprintf(thinning->oldest[thinning->count], KEY_TEXT, "%.*s", (int)key.len,
			 (const char *)key.at);
	thinning->count++;
	return 0;
}

static void forget_oldest(struct store *store)
{
	struct thinning thinning = {};
	size_t surplus;

	if (store_notes(store, KIND_CHANGE, look_at_change, &thinning) ||
	    thinning.count <= CHANGES_KEPT)
		return;
	surplus = thinning.count - CHANGES_KEPT;
	for (size_t i = 0; i < surplus && i < DROPPED_AT_ONCE; i++)
		store_drop_note(store, KIND_CHANGE, span_of(thinning.oldest[i]));
}

static int note_differences(struct noting *noting, struct span before, struct span now)
{
	struct map then_map, now_map;
	int error = index_of(before, &then_map), other = index_of(now, &now_map);

	if (!error)
		error = other;
	if (!error)
		error = note_others(noting, now, &then_map);
	if (!error)
		error = note_gone(noting, before, &now_map);
	map_done(&then_map);
	map_done(&now_map);
	return error;
}

int changes_note(struct store *store, struct span settings, const char *by, uint64_t now_ns)
{
	struct noting noting = {.store = store, .by = by, .now_ns = now_ns};
	struct buf before;
	int error;

	buf_init(&before, SETTINGS_BYTES);
	error = store_note(store, KIND_SETTINGS, KEY_LAST, &before);
	noting.is_first = error == -ENOENT;
	if (error == -ENOENT || error == -EBADMSG) {
		buf_clear(&before);
		error = 0;
	}
	if (!error && !span_same(buf_as_span(&before), settings)) {
		error = note_differences(&noting, buf_as_span(&before), settings);
		if (!error)
			error = store_put_note(store, KIND_SETTINGS, KEY_LAST, settings);
		if (noting.count)
			forget_oldest(store);
	}
	buf_done(&before);
	return error ? error : (int)noting.count;
}

/* ---- asking ---- */

struct listing {
	uint64_t from_ns, to_ns;
	struct buf texts; /* one change after the other, each with its length */
	size_t *at; /* owned: where each begins */
	size_t count;
};

static int list_change(void *ctx, struct span key, struct span value, int64_t changed_ns)
{
	struct listing *listing = ctx;
	char text[KEY_TEXT];
	uint64_t time_ns;

	snprintf(text, sizeof(text), "%.*s", key.len < 16 ? (int)key.len : 16,
		 (const char *)key.at);
	time_ns = strtoull(text, NULL, 16);
	if (time_ns < listing->from_ns || time_ns >= listing->to_ns ||
	    listing->count == CHANGES_KEPT + DROPPED_AT_ONCE)
		return 0;
	listing->at[listing->count++] = listing->texts.len;
	buf_text_span(&listing->texts, value);
	return 0;
}

int changes_write(struct store *store, uint64_t from_ns, uint64_t to_ns, size_t limit,
		  struct json *json)
{
	enum { LIST_BYTES = 8 << 20 };
	struct listing listing = {.from_ns = from_ns, .to_ns = to_ns};
	int error;

	listing.at = calloc(CHANGES_KEPT + DROPPED_AT_ONCE, sizeof(*listing.at));
	if (!listing.at)
		return -ENOMEM;
	buf_init(&listing.texts, LIST_BYTES);
	error = store_notes(store, KIND_CHANGE, list_change, &listing);
	if (!error && listing.texts.full)
		error = -ENOSPC;
	json_array(json);
	for (size_t i = 0; !error && i < listing.count && i < limit; i++) {
		struct reader reader = reader_of(
			span_from(buf_as_span(&listing.texts), listing.at[listing.count - 1 - i]));

		json_raw(json, get_text(&reader));
	}
	json_array_end(json);
	buf_done(&listing.texts);
	free(listing.at);
	return error;
}
