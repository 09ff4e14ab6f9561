/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * labels - a set of labels as one piece of bytes: names and values with their lengths, `__name__` first, the
 * others by name. Equal sets are equal bytes; series of one metric are neighbours in the order of bytes.
 */
#pragma once

#include "base/arena.h"
#include "store/bits.h"
#include "store/series.h"

enum { LABELS_BYTES_MAX = 8192, LABELS_MAX = 64 };

/* Writes the set behind what `out` holds; labels with an empty value are left out. -EINVAL: a name twice
 * or empty; -E2BIG: above the limits. */
int labels_write(const struct store_label *labels, size_t count, struct buf *out);

/* Is that such a set? */
bool labels_valid(struct span set);

/* Reads the next label; false at the end. Begin with `struct reader reader = reader_of(set)`. */
bool labels_next(struct reader *reader, struct store_label *ret_label);

/* The value of a label, empty when there is none. */
struct span labels_value(struct span set, struct span name);

/* The bytes with which all sets of that metric begin. Not above LABELS_BYTES_MAX. */
int labels_of_name(struct span name, struct buf *out);

/* The order of series in files: below 0, 0, above 0. */
int labels_order(struct span a, struct span b);

/* Do all matchers hold for this set? */
bool labels_match(struct span set, const struct store_matcher *matchers, size_t count);
