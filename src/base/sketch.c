// SPDX-License-Identifier: GPL-2.0-only
/*
 * sketch - percentiles of any number of values in a few hundred counters.
 *
 * The idea (DDSketch, Masson, Rim and Lee, VLDB 2019): count values in buckets whose bounds grow by
 * a fixed ratio g. Whichever value of a bucket [low, low * g) is meant, the answer 2 * low * high /
 * (low + high) is wrong by at most (g - 1) / (g + 1) of it. With g = 1.01 / 0.99 that is 1 %.
 *
 * The number of a bucket should be log(value) / log(g), but a logarithm per value is most of the
 * cost. A double is its own logarithm in the large (the exponent); within one power of two, log2(1
 * + s) is replaced by the cubic c(s) = ((6/35 s - 3/5) s + 10/7) s, which rises from 0 to 1 as
 * well. Buckets are then cut evenly in exponent + c(s). The cubic is steeper or flatter than the
 * logarithm: its slope against ln(value), c'(s) * (1 + s), lies between 10/7 (at s = 0) and 52/35.
 * Cutting steps of 1 / SCALE with SCALE = 7/10 / ln(g) makes the widest bucket exactly g wide and
 * the others up to 4 % narrower: no bucket is ever wider than promised. (SCALE is rounded up, from
 * 34.9988 to 35.)
 *
 * A sketch that would need more than SKETCH_BUCKETS_MAX buckets folds its lowest ones together:
 * high percentiles are what people ask for. How many values that concerns is counted.
 */
#include "base/sketch.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, FIRST_ROOM = 32 };

/* Buckets per power of two: 7/10 divided by ln((1 + SKETCH_ERROR) / (1 - SKETCH_ERROR)), rounded
 * up. */
#define SCALE 35.0

/* Smaller magnitudes count as 0: the smallest normal double, so that the exponent tells all. */
#define TINY 0x1p-1022

static int32_t bucket_of(double magnitude)
{
	uint64_t bits;
	double s;

	memcpy(&bits, &magnitude, sizeof(bits));
	s = (double)(bits & 0xfffffffffffffu) * 0x1p-52;
	s = ((6.0 / 35 * s - 3.0 / 5) * s + 10.0 / 7) * s;
	return (int32_t)floor(((double)((int)(bits >> 52) - 1023) + s) * SCALE);
}

/* The lower bound of a bucket: bucket_of turned round. The cubic rises steadily, so halving
 * finds s. */
static double bound_of(int32_t bucket)
{
	double place = bucket / SCALE, exponent = floor(place), want = place - exponent;
	double low = 0, high = 1;

	for (int i = 0; i < 52; i++) {
		double s = (low + high) / 2;

		if (((6.0 / 35 * s - 3.0 / 5) * s + 10.0 / 7) * s < want)
			low = s;
		else
			high = s;
	}
	return ldexp(1 + low, (int)exponent);
}

static double middle_of(int32_t bucket)
{
	double low = bound_of(bucket), high = bound_of(bucket + 1);

	/* the topmost bucket may reach beyond the largest double */
	return isfinite(high) ? low * (2 / (1 + low / high)) : low * (1 + SKETCH_ERROR);
}

void sketch_done(struct sketch *sketch)
{
	free(sketch->positive.counts);
	free(sketch->negative.counts);
	*sketch = (struct sketch){};
}

size_t sketch_bytes(const struct sketch *sketch)
{
	return (sketch->positive.room + sketch->negative.room) * sizeof(uint64_t);
}

static int side_make_room(struct sketch_side *side, uint32_t len)
{
	uint32_t room = side->room ? side->room : FIRST_ROOM;
	uint64_t *counts;

	if (len <= side->room)
		return 0;
	while (room < len)
		room *= 2;
	counts = realloc(side->counts, room * sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	side->counts = counts;
	side->room = room;
	return 0;
}

/* Folds all buckets below `first` into it. */
static void side_fold(struct sketch_side *side, int32_t first, uint64_t *folded)
{
	uint32_t below = (uint32_t)(first - side->first);
	uint64_t sum = 0;

	if (below > side->len)
		below = side->len;
	for (uint32_t i = 0; i < below; i++)
		sum += side->counts[i];
	if (below == side->len) {
		side->len = 1;
		side->counts[0] = 0;
	} else {
		side->len -= below;
		memmove(side->counts, side->counts + below, side->len * sizeof(*side->counts));
	}
	side->counts[0] += sum;
	side->first = first;
	*folded += sum;
}

/* Makes the buckets from..last part of the side. Low ones may have been folded on return. */
static int side_span(struct sketch_side *side, int32_t from, int32_t last, uint64_t *folded)
{
	int32_t first, end;
	uint32_t len, shift;
	int error;

	if (!side->len) {
		first = from;
		end = last;
	} else {
		first = from < side->first ? from : side->first;
		end = side->first + (int32_t)side->len - 1;
		end = last > end ? last : end;
	}
	if (end - first >= SKETCH_BUCKETS_MAX) {
		first = end - SKETCH_BUCKETS_MAX + 1;
		if (side->len && first > side->first)
			side_fold(side, first, folded);
	}
	len = (uint32_t)(end - first) + 1;
	error = side_make_room(side, len);
	if (error)
		return error;
	shift = side->len ? (uint32_t)(side->first - first) : 0;
	if (shift)
		memmove(side->counts + shift, side->counts, side->len * sizeof(*side->counts));
	memset(side->counts, 0, shift * sizeof(*side->counts));
	memset(side->counts + shift + side->len, 0,
	       (len - shift - side->len) * sizeof(*side->counts));
	side->first = first;
	side->len = len;
	return 0;
}

static int side_add(struct sketch_side *side, int32_t bucket, uint64_t times, uint64_t *folded)
{
	uint32_t at = (uint32_t)bucket - (uint32_t)side->first;
	int error;

	if (at >= side->len) {
		error = side_span(side, bucket, bucket, folded);
		if (error)
			return error;
		if (bucket < side->first) {
			*folded += times;
			bucket = side->first;
		}
		at = (uint32_t)(bucket - side->first);
	}
	side->counts[at] += times;
	return 0;
}

static void note_bounds(struct sketch *sketch, double min, double max)
{
	if (!sketch->count || min < sketch->min)
		sketch->min = min;
	if (!sketch->count || max > sketch->max)
		sketch->max = max;
}

/* The sum stays a number: it stops at the largest double. */
static void add_to_sum(struct sketch *sketch, double value)
{
	double sum = sketch->sum + value;

	sketch->sum = isfinite(sum) ? sum : copysign(DBL_MAX, value);
}

int sketch_add_many(struct sketch *sketch, double value, uint64_t times)
{
	double magnitude = fabs(value);
	int error = 0;

	if (!times)
		return 0;
	if (!isfinite(value)) {
		sketch->refused += times;
		return -EINVAL;
	}
	if (magnitude < TINY)
		sketch->zeros += times;
	else
		error = side_add(value > 0 ? &sketch->positive : &sketch->negative,
				 bucket_of(magnitude), times, &sketch->folded);
	if (error) {
		sketch->refused += times;
		return error;
	}
	note_bounds(sketch, value, value);
	sketch->count += times;
	add_to_sum(sketch, value * (double)times);
	return 0;
}

int sketch_add(struct sketch *sketch, double value)
{
	return sketch_add_many(sketch, value, 1);
}

bool sketch_fits(const struct sketch *sketch, double value)
{
	const struct sketch_side *side = value > 0 ? &sketch->positive : &sketch->negative;
	int64_t first, last, bucket;

	if (!(fabs(value) >= TINY) || !isfinite(value))
		return true; /* it has no bucket */
	bucket = bucket_of(fabs(value));
	first = side->len ? side->first : bucket;
	last = first + (side->len ? side->len : 1) - 1;
	first = bucket < first ? bucket : first;
	last = bucket > last ? bucket : last;
	return last - first < side->room || side->room >= SKETCH_BUCKETS_MAX; /* else it folds */
}

static uint64_t side_total(const struct sketch_side *side)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < side->len; i++)
		total += side->counts[i];
	return total;
}

static int side_merge(struct sketch_side *side, const struct sketch_side *from, uint64_t *folded)
{
	int error;

	if (!from->len)
		return 0;
	error = side_span(side, from->first, from->first + (int32_t)from->len - 1, folded);
	if (error)
		return error;
	for (uint32_t i = 0; i < from->len; i++) {
		int32_t bucket = from->first + (int32_t)i;

		if (bucket < side->first) {
			*folded += from->counts[i];
			bucket = side->first;
		}
		side->counts[bucket - side->first] += from->counts[i];
	}
	return 0;
}

int sketch_merge(struct sketch *sketch, const struct sketch *from)
{
	const struct sketch_side *sides[2] = {&from->positive, &from->negative};
	struct sketch_side *ours[2] = {&sketch->positive, &sketch->negative};
	uint64_t added = from->zeros;
	int error = 0;

	sketch->refused += from->refused;
	sketch->folded += from->folded;
	for (int i = 0; i < 2; i++) {
		if (side_merge(ours[i], sides[i], &sketch->folded)) {
			sketch->refused += side_total(sides[i]);
			error = -ENOMEM;
		} else {
			added += side_total(sides[i]);
		}
	}
	sketch->zeros += from->zeros;
	if (added)
		note_bounds(sketch, from->min, from->max);
	sketch->count += added;
	add_to_sum(sketch, from->sum);
	return error;
}

static double within_bounds(const struct sketch *sketch, double value)
{
	if (value < sketch->min)
		return sketch->min;
	return value > sketch->max ? sketch->max : value;
}

double sketch_quantile(const struct sketch *sketch, double quantile)
{
	const struct sketch_side *negative = &sketch->negative, *positive = &sketch->positive;
	uint64_t rank, seen = 0;

	if (!sketch->count || !(quantile >= 0 && quantile <= 1))
		return NAN;
	rank = (uint64_t)(quantile * (double)(sketch->count - 1));
	for (uint32_t i = negative->len; i-- > 0;) {
		seen += negative->counts[i];
		if (seen > rank)
			return within_bounds(sketch, -middle_of(negative->first + (int32_t)i));
	}
	seen += sketch->zeros;
	if (seen > rank)
		return 0;
	for (uint32_t i = 0; i < positive->len; i++) {
		seen += positive->counts[i];
		if (seen > rank)
			return within_bounds(sketch, middle_of(positive->first + (int32_t)i));
	}
	return sketch->max;
}

void sketch_each(const struct sketch *sketch, sketch_bucket bucket, void *ctx)
{
	const struct sketch_side *negative = &sketch->negative, *positive = &sketch->positive;

	for (uint32_t i = negative->len; i-- > 0;)
		if (negative->counts[i])
			bucket(ctx,
			       within_bounds(sketch, -middle_of(negative->first + (int32_t)i)),
			       negative->counts[i]);
	if (sketch->zeros)
		bucket(ctx, 0, sketch->zeros);
	for (uint32_t i = 0; i < positive->len; i++)
		if (positive->counts[i])
			bucket(ctx, within_bounds(sketch, middle_of(positive->first + (int32_t)i)),
			       positive->counts[i]);
}

static void write_varint(struct buf *out, uint64_t value)
{
	for (; value > 127; value >>= 7)
		buf_char(out, (char)(value | 128));
	buf_char(out, (char)value);
}

static void write_double(struct buf *out, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	for (int i = 0; i < 8; i++)
		buf_char(out, (char)(bits >> 8 * i));
}

static void write_side(struct buf *out, const struct sketch_side *side)
{
	uint32_t from = 0, to = side->len;

	while (to > from && !side->counts[to - 1])
		to--;
	while (from < to && !side->counts[from])
		from++;
	write_varint(out, to - from);
	if (to == from)
		return;
	write_varint(out, (uint64_t)(side->first + (int32_t)from + 65536));
	for (uint32_t i = from; i < to; i++)
		write_varint(out, side->counts[i]);
}

int sketch_write(const struct sketch *sketch, struct buf *out)
{
	buf_char(out, FORMAT);
	write_varint(out, sketch->zeros);
	write_varint(out, sketch->folded);
	write_varint(out, sketch->refused);
	write_double(out, sketch->sum);
	write_double(out, sketch->min);
	write_double(out, sketch->max);
	write_side(out, &sketch->positive);
	write_side(out, &sketch->negative);
	return out->full ? -ENOSPC : 0;
}

/* Reads 0 beyond the end or of what is not a number of 64 bits, and remembers that. */
struct reading {
	struct span rest;
	bool bad;
};

static uint64_t read_varint(struct reading *reading)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && reading->rest.len; shift += 7) {
		uint8_t byte = reading->rest.at[0];

		reading->rest = span_from(reading->rest, 1);
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return value;
	}
	reading->bad = true;
	return 0;
}

static double read_double(struct reading *reading)
{
	uint64_t bits = 0;
	double value;

	if (reading->rest.len < 8) {
		reading->bad = true;
		return 0;
	}
	for (int i = 0; i < 8; i++)
		bits |= (uint64_t)reading->rest.at[i] << 8 * i;
	reading->rest = span_from(reading->rest, 8);
	memcpy(&value, &bits, sizeof(value));
	reading->bad |= !isfinite(value);
	return value;
}

static int read_side(struct reading *reading, struct sketch_side *side, uint64_t *count)
{
	uint64_t len = read_varint(reading), first;

	if (!len || reading->bad)
		return 0;
	first = read_varint(reading);
	/* the last bucket counts: what is written leaves out empty ones in front */
	if (len > SKETCH_BUCKETS_MAX || first > 131072 || first + len - 1 > 131072 ||
	    len > reading->rest.len) {
		reading->bad = true;
		return 0;
	}
	if (side_make_room(side, (uint32_t)len))
		return -ENOMEM;
	side->first = (int32_t)first - 65536;
	side->len = (uint32_t)len;
	for (uint32_t i = 0; i < len; i++) {
		side->counts[i] = read_varint(reading);
		reading->bad |= __builtin_add_overflow(*count, side->counts[i], count);
	}
	return 0;
}

int sketch_read(struct sketch *sketch, struct span from)
{
	struct reading reading = {.rest = from};
	int error;

	*sketch = (struct sketch){};
	if (read_varint(&reading) != FORMAT)
		return -EBADMSG;
	sketch->count = sketch->zeros = read_varint(&reading);
	sketch->folded = read_varint(&reading);
	sketch->refused = read_varint(&reading);
	sketch->sum = read_double(&reading);
	sketch->min = read_double(&reading);
	sketch->max = read_double(&reading);
	error = read_side(&reading, &sketch->positive, &sketch->count);
	if (!error)
		error = read_side(&reading, &sketch->negative, &sketch->count);
	if (!error && (reading.bad || reading.rest.len || sketch->min > sketch->max))
		error = -EBADMSG;
	if (error)
		sketch_done(sketch);
	return error;
}
