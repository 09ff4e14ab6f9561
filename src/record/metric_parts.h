/* SPDX-License-Identifier: GPL-2.0-only */
/* metric_parts - the insides of a family, shared by the file that keeps it and the one that writes it. */
#pragma once

#include "record/histogram.h"
#include "record/metric.h"

enum {
	FAMILY_FIXED = 8, /* constant labels */
	EXEMPLAR_SERIES = 500, /* series of a family that may have exemplars */
	TRACE_ID_BYTES = 40,
};

struct exemplar {
	const char *label; /* static: trace_id, connection ... */
	char trace_id[TRACE_ID_BYTES]; /* or what it is; "" = none */
	double value; /* raw */
	uint64_t time_ns;
};

struct counts {
	uint64_t slot[METRIC_SLOTS], sum;
};

struct histogram_series {
	struct counts live, shown;
	struct counts *base; /* owned, NULL = all zero */
};

struct series {
	char *text; /* owned: rendered labels without braces, a="b",c="d" */
	uint32_t len; /* bytes of text */
	uint64_t hash;
	bool polled; /* added to since family_begin */
	bool is_shown; /* a family_end has been */
	bool has_moved; /* family_forget: it goes unless it is added to */
	uint64_t touched_ns; /* last family_end that found it polled or changed */
	double base, live, shown;
	struct histogram_series *histogram; /* owned, histograms only */
	struct sample_note note, *notes; /* notes: owned; of a histogram's samples, NULL until asked */
	struct exemplar *exemplar; /* owned: METRIC_SLOTS of them (counters: one), or NULL */
};

struct index_slot {
	uint32_t hash; /* upper half, to look at fewer series */
	uint32_t at; /* 1 + index of the series, 0 = free */
};

struct family {
	struct metric metric; /* own copy */
	struct series *series; /* owned */
	size_t count, room, cap;
	struct index_slot *index; /* owned */
	size_t index_slots; /* power of two */
	bool is_full; /* counters: new label sets go to the overflow */
	bool waits; /* family_waits */
	uint64_t overflowed;
	uint32_t exemplars; /* series that have some */
	struct buf scratch; /* where labels are rendered */
	struct label fixed[FAMILY_FIXED]; /* point into metric.labels */
	char fixed_name[FAMILY_FIXED][64];
	uint32_t fixed_count;
	int decimals; /* scale is 10^-decimals; -1 = it is no such power */
	struct histogram_bound bound[METRIC_SLOTS];
	char bound_text[METRIC_SLOTS][32];
	uint32_t bounds;
	const struct family_keeper *keeper; /* NULL = series are ours */
	void *keeper_ctx; /* borrowed */
};

/* The series of these rendered labels, or NULL. */
struct series *family_find(const struct family *family, const char *text, uint32_t len,
			   uint64_t hash);

/* Families of the same name that agree: written, and read, as one. */
struct group {
	struct family *const *family;
	size_t count;
};

/* Calls `each` for all groups by name. Returns how many families were left out because they contradict one of the same
 * name. */
size_t families_group(struct family *const *families, size_t count,
		      void (*each)(void *ctx, const struct group *group), void *ctx);

/* Calls `each` for every series that is shown, once where several families have it: family number `at` is its first. */
void group_walk(const struct group *group,
		void (*each)(void *ctx, const struct group *group, size_t at,
			     const struct series *series),
		void *ctx);

/* What the series is in all families of the group together: its number, or its counts. */
double group_sum(const struct group *group, size_t at, const struct series *series,
		 struct counts *ret_counts);
