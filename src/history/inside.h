/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inside - what the files of this room share.
 *
 * history.c	threads, queue, questions
 * pack.c	the loop's half: records and samples become bytes
 * shelve.c	the writer's half: bytes become rows of tables
 * scrape.c	the writer's half: bytes become samples of series
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/map.h"
#include "history/history.h"
#include "store/bits.h"
#include "store/series.h"

enum {
	PARCEL_BYTES = 256 * 1024, /* then it is handed over */
	QUEUE_BYTES = CAP_HISTORY_QUEUE, /* of all parcels that wait */
	RECORD_BYTES = CAP_HISTORY_RECORD,
	LAYOUTS = 1024, /* known at the same time; then all are forgotten */
	SERIES_KNOWN = CAP_SERIES,
	SERIES_IDLE_S = 500, /* a series that was not seen so long gets a new number */
	VALUE_KINDS = VALUE_SKETCH + 1,
};

/* What stands in a parcel; each begins with its letter. */
enum frame {
	PACK_FORGET = 'F', /* all layouts */
	PACK_LAYOUT = 'L', /* number, count, names */
	PACK_RECORD = 'R', /* layout, count, then column, kind, value of each */
	PACK_SERIES = 'N', /* number, kind, name, labels as text, le */
	PACK_SCRAPE = 'S', /* time in ms, count, then number and value of each */
	PACK_PART = 'P', /* the same, of some: the others are as they were */
};

struct packed_sample {
	uint32_t id;
	double value;
} __attribute__((packed));

/* Bytes on their way to the writer. */
struct parcel {
	struct parcel *next;
	struct buf buf; /* owned */
	uint64_t opened_ns; /* CLOCK_MONOTONIC */
	uint64_t records, samples;
};

/* The loop's half. */
struct packer {
	struct parcel *open; /* owned; NULL = nothing since the last */
	struct map layouts; /* u32 -> u8: the writer knows them */
	struct history_flow records, samples; /* what the loop counts of them */
	uint32_t next_id, first_id; /* of series; below first_id they are not known any more */
	struct buf series, values; /* of the scrape being packed */
	uint32_t now_s;
	bool forget; /* the next parcel begins with PACK_FORGET */
};

void packer_init(struct packer *packer);
void packer_done(struct packer *packer);
void parcel_free(struct parcel *parcel);
/* 0, or the reason why not (then nothing was written). */
int pack_record(struct packer *packer, const struct record *record);
/* A parcel of its own, NULL on no memory. */
struct parcel *pack_scrape(struct packer *packer, struct family *const *families, size_t count,
			   uint64_t wall_ns, bool part);

/* One item's table, on the writer's side. */
struct lane {
	char name[STORE_NAME_BYTES]; /* of the item */
	char table_name[STORE_NAME_BYTES];
	const struct store_table *table; /* the store's */
	struct store_rows *rows; /* owned */
	uint32_t room; /* of rows */
	uint64_t stored, expired;
};

/* A layout as the writer knows it, and where its columns go in the table of the item seen last. */
struct shelf_layout {
	uint32_t number, count;
	char (*name)[COLUMN_NAME_BYTES]; /* owned */
	struct lane *lane;
	int16_t (*column)
		[VALUE_KINDS]; /* owned; of each kind of value: -1 = ask, -2 = it can't be kept */
};

enum { LANES_MAX = CAP_HISTORY_TABLES };

struct shelver {
	struct store *store;
	uint32_t keep_s;
	struct lane *lane[LANES_MAX]; /* owned */
	uint32_t lanes;
	struct shelf_layout *layout[LAYOUTS]; /* owned */
	uint32_t layouts;
	struct shelf_layout *last;
	struct map by_number; /* u32 -> u32 */
	uint64_t delivered, expired; /* of the parcel */
};

void shelver_init(struct shelver *shelver, struct store *store, uint32_t keep_s);
void shelver_done(struct shelver *shelver);
void shelve_layout(struct shelver *shelver, struct reader *reader);
void shelve_forget(struct shelver *shelver);
void shelve_record(struct shelver *shelver, struct reader *reader);
/* What was shelved goes into the store. */
void shelver_flush(struct shelver *shelver);

struct scraper {
	struct store *store;
	struct map known; /* u32 -> struct known_series */
	struct store_sample *sample; /* owned */
	size_t room;
	uint64_t scrape, whole; /* number of this one; of the last that had all */
	uint64_t alive, alive_in_parts; /* series; those of them that were in a part since then */
	uint64_t delivered, expired;
};

void scraper_init(struct scraper *scraper, struct store *store);
void scraper_done(struct scraper *scraper);
void scrape_series(struct scraper *scraper, struct reader *reader);
void scrape_samples(struct scraper *scraper, struct reader *reader, bool part);
