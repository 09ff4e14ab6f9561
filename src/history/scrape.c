// SPDX-License-Identifier: GPL-2.0-only
/*
 * scrape - the writer's half: bytes become samples of series.
 *
 * A series that was in the last scrape and is not in this one gets Prometheus' mark for "gone" (a NaN of certain
 * bits), so that a query does not see its last value for five minutes more.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "history/inside.h"

#define GONE_BITS 0x7ff0000000000002u /* value.StaleNaN of Prometheus */

struct known_series {
	store_series_handle handle;
	uint64_t scrape; /* number of the last one it was in */
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

static size_t mark_gone(struct scraper *scraper, size_t used)
{
	const uint64_t bits = GONE_BITS;
	const void *key;
	void *value;

	for (size_t i = 0; map_next(&scraper->known, &i, &key, &value);) {
		const struct known_series *known = value;

		if (known->scrape + 1 != scraper->scrape || !known->handle)
			continue;
		if (used == scraper->room)
			break;
		scraper->sample[used].series = known->handle;
		memcpy(&scraper->sample[used++].value, &bits, sizeof(bits));
	}
	return used;
}

static bool is_idle(void *ctx, const void *key, void *value)
{
	const struct known_series *known = value;

	return *(uint64_t *)ctx - known->seen_s > SERIES_IDLE_S * 3 / 2;
}

void scrape_samples(struct scraper *scraper, struct reader *reader)
{
	int64_t time_ms = (int64_t)get_varint(reader);
	uint64_t count = get_varint(reader), stayed = 0, now = now_s();
	size_t used = 0, gone;
	int taken;

	if (reader->bad ||
	    count > (size_t)(reader->end - reader->at) / sizeof(struct packed_sample))
		return;
	scraper->scrape++;
	if (!make_room(scraper, count + scraper->before)) {
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
		stayed += known->scrape && known->scrape + 1 == scraper->scrape;
		known->scrape = scraper->scrape;
		known->seen_s = now;
		scraper->sample[used++] = (struct store_sample){known->handle, packed.value};
	}
	gone = stayed < scraper->before ? mark_gone(scraper, used) : used;
	taken = store_samples(scraper->store, time_ms, scraper->sample, gone, NULL);
	taken = taken > (int)used ? (int)used : taken < 0 ? 0 : taken;
	scraper->before = used;
	scraper->delivered += (uint64_t)taken;
	scraper->expired += count - (uint64_t)taken;
	if (scraper->scrape % 64 == 0)
		map_remove(&scraper->known, is_idle, &now);
}
