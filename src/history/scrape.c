// SPDX-License-Identifier: GPL-2.0-only
/*
 * scrape - the writer's half: bytes become samples of series.
 *
 * A series that was in the last scrape and is not in this one gets Prometheus' mark for "gone" (a NaN of certain
 * bits), so that a query does not see its last value for five minutes more.
 *
 * Between two scrapes of all there may be some of a part. Which series the part has is seen from the parts themselves, anew after
 * each scrape of all: one that was in a part since then, and is not in the next one, is gone.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "history/inside.h"

#define GONE_BITS 0x7ff0000000000002u /* value.StaleNaN of Prometheus */

struct known_series {
	store_series_handle handle;
	uint64_t scrape; /* number of the last one it was in */
	uint64_t part_of; /* number of the scrape of all after which it was in a part */
	bool is_alive; /* was there, and was not marked as gone */
	uint64_t seen_s;
};

void scraper_init(struct scraper *scraper, struct store *store)
{
	*scraper = (struct scraper){.store = store};
	map_init(&scraper->known, sizeof(uint32_t), sizeof(struct known_series), SERIES_KNOWN);
}

void scraper_done(struct scraper *scraper)
{
	map_done(&scraper->known);
	free(scraper->sample);
}

static uint64_t now_s(void)
{
	return clock_monotonic_ns() / 1000000000;
}

void scrape_series(struct scraper *scraper, struct reader *reader)
{
	uint32_t id = (uint32_t)get_varint(reader);
	enum store_series_kind kind = get_u8(reader);
	struct span name = get_text(reader), text = get_text(reader), le = get_text(reader);
	struct label_text texts[METRIC_LABELS];
	struct store_label labels[METRIC_LABELS + 2] = {{span_of("__name__"), name}};
	struct known_series *known;
	size_t count = 1;

	if (reader->bad)
		return;
	while (count <= METRIC_LABELS && metric_labels_next(&text, &texts[count - 1])) {
		const struct label_text *label = &texts[count - 1];

		labels[count++] = (struct store_label){label->name,
						       {(const uint8_t *)label->value, label->len}};
	}
	if (le.len)
		labels[count++] = (struct store_label){span_of("le"), le};
	known = map_put(&scraper->known, &id, NULL);
	if (known) /* without a place in the store: handle 0, refused with each sample */
		known->handle = store_series(scraper->store, labels, count, kind, NULL);
	if (known)
		known->seen_s = now_s();
}

static bool make_room(struct scraper *scraper, size_t count)
{
	struct store_sample *sample;

	if (count <= scraper->room)
		return true;
	sample = realloc(scraper->sample, count * sizeof(*sample));
	if (!sample)
		return false;
	scraper->sample = sample;
	scraper->room = count;
	return true;
}

static size_t mark_gone(struct scraper *scraper, size_t used, bool part)
{
	const uint64_t bits = GONE_BITS;
	const void *key;
	void *value;

	for (size_t i = 0; map_next(&scraper->known, &i, &key, &value);) {
		struct known_series *known = value;
		bool in_parts = known->part_of == scraper->whole;

		if (!known->is_alive || known->scrape == scraper->scrape || (part && !in_parts))
			continue;
		if (used == scraper->room)
			break;
		known->is_alive = false;
		scraper->alive--;
		scraper->alive_in_parts -= in_parts;
		scraper->sample[used].series = known->handle;
		memcpy(&scraper->sample[used++].value, &bits, sizeof(bits));
	}
	return used;
}

/* It is in the scrape. */
static void note_seen(struct scraper *scraper, struct known_series *known, uint64_t now, bool part)
{
	scraper->alive += !known->is_alive;
	known->is_alive = true;
	known->scrape = scraper->scrape;
	known->seen_s = now;
	if (part && known->part_of != scraper->whole) {
		known->part_of = scraper->whole;
		scraper->alive_in_parts++;
	}
}

/* It will be told of anew, with another number, should it come back. */
static bool is_idle(void *ctx, const void *key, void *value)
{
	struct scraper *scraper = ctx;
	const struct known_series *known = value;
	bool goes = now_s() - known->seen_s > SERIES_IDLE_S * 3 / 2;

	scraper->alive -= goes && known->is_alive;
	return goes;
}

void scrape_samples(struct scraper *scraper, struct reader *reader, bool part)
{
	int64_t time_ms = (int64_t)get_varint(reader);
	uint64_t count = get_varint(reader), now = now_s();
	size_t used = 0, all;
	int taken;

	if (reader->bad ||
	    count > (size_t)(reader->end - reader->at) / sizeof(struct packed_sample))
		return;
	scraper->scrape++;
	if (!make_room(scraper, count + scraper->alive)) {
		scraper->expired += count;
		reader->at += count * sizeof(struct packed_sample);
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		struct packed_sample packed;
		struct known_series *known;

		memcpy(&packed, reader->at, sizeof(packed));
		reader->at += sizeof(packed);
		known = map_get(&scraper->known, &packed.id);
		if (!known || !known->handle)
			continue;
		note_seen(scraper, known, now, part);
		scraper->sample[used++] = (struct store_sample){known->handle, packed.value};
	}
	all = used < (part ? scraper->alive_in_parts : scraper->alive)
		      ? mark_gone(scraper, used, part)
		      : used;
	if (!part) {
		scraper->whole = scraper->scrape;
		scraper->alive_in_parts = 0;
	}
	taken = store_samples(scraper->store, time_ms, scraper->sample, all, NULL);
	taken = taken > (int)used ? (int)used : taken < 0 ? 0 : taken;
	scraper->delivered += (uint64_t)taken;
	scraper->expired += count - (uint64_t)taken;
	if (scraper->scrape % 64 == 0)
		map_remove(&scraper->known, is_idle, scraper);
}
