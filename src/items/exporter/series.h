/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * series - the series of one metric of a configuration, from a map's entries to the lines of /metrics.
 *
 * The cost of a scrape is one hash look-up for each entry of the map and one copy for each line: what a key decodes to is
 * rendered once, as the text between the braces, and found again by the key's bytes. Keys that decode alike are one
 * series, with the sum. Numbers lie side by side, `width` of them for a series: one for a counter or gauge, for a
 * histogram its buckets and the sum. Nothing is allocated for a single series.
 *
 * What is there is what the map has now, as ebpf_exporter shows it: a key that is deleted takes its number along. When a
 * map is about to go (another version, off) its numbers become part of a base that stays.
 */
#pragma once

#include "base/map.h"
#include "items/exporter/decode.h"
#include "record/metric.h"

enum { SERIES_CAP = 262144 }; /* of one metric; the rest together has overflow="true" */

struct kept {
	uint64_t at; /* of its text in texts */
	uint32_t len;
	uint32_t tick; /* when it was seen last */
};

struct series_table {
	const struct config_metric *metric; /* borrowed */
	const struct decode_facts *facts; /* borrowed */
	struct decode decode;
	struct metric description;
	struct family *family; /* owned: says these series */
	uint32_t width; /* numbers of one series */
	uint32_t key_bytes; /* of the labels, with the CPU's number where there is one */
	uint8_t order[CONFIG_LABELS]; /* labels by name, without the bucket */
	uint32_t labels; /* of them */
	uint32_t cap;

	struct map keys; /* key -> struct place */
	struct map names; /* hash of the text -> index */
	struct kept *series; /* owned */
	uint64_t *live, *base; /* owned: width numbers a series; base NULL = all 0 */
	struct sample_note *note; /* owned: one a line; NULL until somebody reads samples */
	uint32_t count, room, shown;
	struct buf texts, scratch;
	uint32_t tick;
	size_t seen; /* keys of the last round */
	uint64_t retry_ns, now_ns; /* names that were not known are looked up again then */
	bool retry;
	bool keeps; /* counted here, not read: a series stays until it is flushed */
	bool failed; /* a key of this poll could not be decoded */

	uint64_t undecoded; /* keys that a decoder could not take */
	uint64_t overflowed;
	char (*le)[32]; /* owned: of each bucket */
};

int series_init(struct series_table *table, const struct config_metric *metric,
		const struct decode_facts *facts, uint32_t key_bytes, struct err *why);
void series_done(struct series_table *table);

/* Between these two every entry is told; `key` has key_bytes. */
void series_begin(struct series_table *table, uint64_t now_ns);
void series_add(struct series_table *table, const uint8_t *key, uint64_t value);
void series_end(struct series_table *table);

/* The map is about to go: its numbers stay. */
void series_fold(struct series_table *table);
/* Takes the numbers of another table over, as its own base: an older version of the metric. */
void series_inherit(struct series_table *table, struct series_table *from);
/* Keys are decoded anew: names are said in another way from now on. */
void series_forget(struct series_table *table);
/* Begins anew. */
void series_clear(struct series_table *table);

/* Series i, of those that are shown now: its labels' text, and its numbers (base and live together). */
bool series_at(const struct series_table *table, uint32_t i, struct span *ret_labels,
	       uint64_t *ret_number);
size_t series_bytes(const struct series_table *table);
