/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * metric - counters, gauges and histograms with labels, kept by name, written as Prometheus text.
 *
 * A family is one metric: its description and its series. Series are filled by polling: between
 * family_begin and family_end every source adds what it has now; label sets that come out equal are summed.
 * What a counter had gained in keys that are gone (a dead process, an old version of the item) is folded
 * into its base, so that the public number never falls: public = base + live, and never less than it was
 * at the last family_end (sources are read one after the other: a process may be in between).
 * A family has a cap; what does not fit goes into one series with overflow="true": sums stay exact.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum bucket_kind { BUCKETS_LOG2, BUCKETS_LINEAR, BUCKETS_EXPLICIT };
enum {
	METRIC_NAME_BYTES = 96,
	METRIC_SLOTS = 36,
	METRIC_LABELS = 20, /* of one series; further ones are left out */
	METRIC_LABEL_BYTES = 512, /* of one label value; longer ones are cut */
	METRIC_SERIES = 20000,
};

struct metric {
	char name[METRIC_NAME_BYTES]; /* whole public name, with unit and _total */
	enum metric_type type;
	char unit[16]; /* seconds, bytes ... or empty */
	char *help; /* owned */
	double scale; /* raw number * scale = number in the unit */
	char *labels; /* owned: constant labels "direction=inbound,x=y", or NULL */
	enum bucket_kind buckets;
	double low, high; /* BUCKETS_LOG2, raw: bounds outside are not shown; 0 = all are */
	double step; /* BUCKETS_LINEAR, raw */
	double bound[METRIC_SLOTS]; /* BUCKETS_EXPLICIT, raw; ascending */
	uint32_t bounds;
	uint32_t offset, size; /* where the number lies in the map's value */
	bool is_signed;
};

void metric_done(struct metric *metric);

struct label {
	const char *name; /* a column name */
	struct span value;
};

struct family;

/* `series` = cap on label sets. Takes a copy of the description. NULL on no memory. */
struct family *family_new(const struct metric *metric, size_t series);
void family_free(struct family *family);
/* Another cap, from the next new label set on. */
void family_set_cap(struct family *family, size_t series);

void family_begin(struct family *family);
/* Labels with an empty value are left out. Order does not matter. Counters and gauges; raw numbers. */
void family_add(struct family *family, const struct label *labels, size_t count, double value);
void family_add_histogram(struct family *family, const struct label *labels, size_t count,
			  const uint64_t slot[METRIC_SLOTS], uint64_t sum);
/* Same, but straight into the base: the source of this number is about to disappear. */
void family_retire(struct family *family, const struct label *labels, size_t count, double value);
void family_retire_histogram(struct family *family, const struct label *labels, size_t count,
			     const uint64_t slot[METRIC_SLOTS], uint64_t sum);
/* Drops gauge series that were not added since family_begin, and counter series that were neither added
 * nor changed for an hour. */
void family_end(struct family *family, uint64_t now_ns);

/*
 * When a counter of this family falls, what is missing was forgotten by its source and goes into the base: so it is
 * at first. `waits`: it is on its way from one source to another (a process that ends, seen by neither just now), and
 * the number stands still until it has come.
 */
void family_waits(struct family *family, bool waits);

/* live becomes part of base, for all series: before the maps behind them are replaced or freed. */
void family_fold(struct family *family);

/* The series goes: what it has counted is counted in another from now on. */
void family_forget(struct family *family, const struct label *labels, size_t count);

/* What to look at for the bucket of `value` (raw): shown in OpenMetrics as an exemplar. `name` is static (trace_id, else
 * connection); ids are letters, digits and dashes. time_ns: since 1970. */
void family_exemplar(struct family *family, const struct label *labels, size_t count, double value,
		     const char *name, const char *id, uint64_t time_ns);

const struct metric *family_metric(const struct family *family);
size_t family_series(const struct family *family);
uint64_t family_overflowed(const struct family *family); /* adds that found the family full */

/* All families, sorted by name, as Prometheus text 0.0.4 or as OpenMetrics 1.0 (ends with # EOF). Families of
 * the same name (two items) are written under one TYPE line, equal label sets as one sum. Returns how many
 * families were left out because their type or buckets contradict one of the same name. When `out` is
 * full the text is cut: do not send it. */
size_t families_write(struct family *const *families, size_t count, bool openmetrics,
		      struct buf *out);

/* [{"labels":{...},"value":..}] or {"labels":{...},"count":..,"sum":..,"buckets":[{"le":..,"count":..}]}. */
void family_json(const struct family *family, struct json *json);

/* A word for each sample that whoever reads them may keep there: 0 at first, gone with its series. One reader only. */
struct sample_note {
	uint32_t id, seen;
};

/* One number of /metrics. Everything is borrowed for the call. */
struct metric_sample {
	const struct metric *metric;
	const char *suffix; /* "", or _bucket, _sum, _count of a histogram */
	struct span labels; /* as they stand between the braces, without `le` */
	const char *le; /* of buckets, else NULL */
	double value;
	const char *text; /* the value as it is to be written; NULL = as ours are */
	struct sample_note *note;
};

/* Calls `each` for every sample that families_write would write, in the same order. Returns as that does. */
typedef void (*metric_sample_each)(void *ctx, const struct metric_sample *sample);
size_t families_samples(struct family *const *families, size_t count, metric_sample_each each,
			void *ctx);

/* Takes the next label off labels as metric_sample has them, its value decoded; false when there is none. */
struct label_text {
	struct span name;
	size_t len; /* of value */
	char value[METRIC_LABEL_BYTES * 3];
};
bool metric_labels_next(struct span *labels, struct label_text *ret_label);

/*
 * A family whose series somebody else keeps: very many, and with labels as he wants them. It has a description and
 * says its samples when they are asked for; begin, add, retire, fold and end do nothing to it. No other family
 * may have its name. `ctx` is borrowed.
 */
struct family_keeper {
	size_t (*series)(void *ctx);
	/* In the order of /metrics: of a histogram its buckets (cumulative, +Inf last), sum and count. */
	void (*samples)(void *ctx, metric_sample_each each, void *each_ctx);
};
struct family *family_kept(const struct metric *metric, const struct family_keeper *keeper, void *ctx);
