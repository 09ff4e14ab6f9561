/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * head - the series that are known, and their samples that are not yet in a file. Not for other rooms.
 *
 * Samples stay as they came: a scrape is a time, a list of series and their values; scrapes of the same series share
 * the list. So a sample costs 8 bytes of memory.
 */
#pragma once

#include "base/map.h"
#include "store/samples.h"

/* A series. Its index stays its own as long as it is known. */
struct series {
	uint8_t *labels; /* owned; NULL: the place is free */
	uint32_t labels_len;
	/* part of the handle, so that an old handle does not find a newer series */
	uint32_t generation;
	uint32_t next_free; /* index + 1 */
	enum store_series_kind kind;
	uint64_t hash;
	uint64_t last_scrape; /* number of the last one that it was in */
	int64_t seen_ns; /* monotonic, of that scrape */
	uint64_t told_journal; /* number of the journal that knows it ... */
	uint64_t told_bits; /* ... and its last value there */
};

struct registry {
	struct series *at; /* owned */
	uint32_t used; /* places in use or free for use again */
	uint32_t room, count, max;
	uint32_t free; /* index + 1 of the first free place */
	struct map by_hash; /* u64 -> u32 */
	uint64_t refused; /* new series that found no room */
	size_t bytes; /* of labels */
};

void registry_init(struct registry *registry, uint32_t max);
void registry_done(struct registry *registry);

/* Index of the series, new if need be; -ENOSPC, -ENOMEM. */
int64_t registry_put(struct registry *registry, struct span labels, enum store_series_kind kind,
		     int64_t now_ns);
/* The series, NULL for a stale handle. ret_index: its place. */
struct series *registry_get(const struct registry *registry, store_series_handle handle,
			    uint32_t *ret_index);
store_series_handle registry_handle(const struct registry *registry, uint32_t index);
/* Forgets series without sample since `since_ns` that are in no scrape from number `scrape` on. */
void registry_sweep(struct registry *registry, int64_t since_ns, uint64_t scrape);
size_t registry_memory(const struct registry *registry);

static inline struct span series_labels(const struct series *series)
{
	return (struct span){series->labels, series->labels_len};
}

/* Rising indexes. Shared by scrapes. */
struct members {
	uint32_t refs, count;
	uint32_t index[];
};

struct scrape {
	struct scrape *next;
	int64_t time_ms;
	uint64_t number;
	struct members *members;
	double value[];
};

struct head {
	struct head *next;
	struct scrape *first, *last;
	uint64_t scrapes, samples;
	uint64_t first_number, next_number;
	uint64_t first_journal; /* number of the oldest journal file with scrapes of it; 0: none */
	int64_t opened_ns; /* monotonic */
	int64_t time_min_ms, time_max_ms;
	bool unlogged;
	size_t bytes;
};

/* NULL when memory is out. */
struct head *head_new(int64_t now_ns);
void head_free(struct head *head);

struct indexed_sample {
	uint32_t index;
	double value;
};

/* Takes a scrape of `count` samples with rising indexes. 0 or -ENOMEM. */
int head_add(struct head *head, int64_t time_ms, uint64_t number,
	     const struct indexed_sample *samples, uint32_t count);

/* Scrapes by time; of two with the same time the one that came later stands later. Owned by the caller. */
const struct scrape **head_by_time(const struct head *head);

/* The samples of a series: scrapes as head_by_time gave them. 0 or -ENOMEM. */
int head_points(const struct scrape *const *scrapes, uint64_t count, uint32_t index,
		int64_t from_ms, int64_t to_ms, struct run_of_points *points);

/* Index of each series in the head, once, rising. NULL when memory is out. Owned by the caller. */
uint32_t *head_series(const struct head *head, uint32_t used, uint32_t *ret_count);
