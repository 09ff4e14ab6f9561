/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sketch - percentiles of any number of values in a few hundred counters.
 *
 * Whatever was added, sketch_quantile answers within 1 % of the true value of that rank (relative
 * error), as long as no counters had to be folded (see `folded`). Sketches add up: merging two is
 * the same as having added all values to one, so they can be kept per minute, per segment or per
 * machine and joined when somebody asks. All zero = empty. Not a number and infinity are refused
 * and counted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

enum {
	SKETCH_BUCKETS_MAX = 2048, /* of each sign: a range of 6e17 : 1 at 1 % */
	SKETCH_BYTES_MAX = 2 * 2048 * 10 + 128, /* of the written form */
};

#define SKETCH_ERROR 0.01

/* Counters of neighbouring buckets; bucket `first` is counts[0]. */
struct sketch_side {
	uint64_t *counts; /* owned */
	int32_t first; /* index of the bucket of counts[0] */
	uint32_t len; /* buckets in use */
	uint32_t room; /* buckets allocated */
};

struct sketch {
	uint64_t count; /* values added */
	uint64_t zeros; /* of them 0 (or too near to it for a bucket) */
	uint64_t
		folded; /* values in counters that were folded into a neighbour: their error is not bounded */
	uint64_t refused; /* NaN, infinity, or memory out: not in `count` */
	double sum, min, max; /* exact but for rounding; 0 when empty */
	struct sketch_side positive; /* values above 0 */
	struct sketch_side negative; /* magnitudes of values below 0 */
};

void sketch_done(struct sketch *sketch);

/* 0, -EINVAL (not finite) or -ENOMEM. */
int sketch_add(struct sketch *sketch, double value);
int sketch_add_many(struct sketch *sketch, double value, uint64_t times);

/* True: adding this value needs no more memory than it holds. */
bool sketch_fits(const struct sketch *sketch, double value);

/* Adds all that `from` has seen. 0 or -ENOMEM; after -ENOMEM the lacking values are in
 * `refused`. */
int sketch_merge(struct sketch *sketch, const struct sketch *from);

/* The value below which the share `quantile` (0..1) of all values lies; NaN when empty. */
double sketch_quantile(const struct sketch *sketch, double quantile);

/* All buckets that are not empty, ascending: `middle` is within 1 % of each of its `count` values. */
typedef void (*sketch_bucket)(void *ctx, double middle, uint64_t count);
void sketch_each(const struct sketch *sketch, sketch_bucket bucket, void *ctx);

/* Bytes of memory it holds beside the struct. */
size_t sketch_bytes(const struct sketch *sketch);

/* The written form: stable, the same on every machine. */
int sketch_write(const struct sketch *sketch, struct buf *out);

/* Reads the written form, which may come from anywhere. 0, -EBADMSG or -ENOMEM; on failure the
 * sketch is empty. */
int sketch_read(struct sketch *sketch, struct span from);
