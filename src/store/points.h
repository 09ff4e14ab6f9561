/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * points - the samples of a series as bytes, exactly, and back.
 *
 * Times: first one, then how the step changes. Values: where they were short decimal numbers (decimal.h), as
 * whole numbers: their steps or how the steps change, whichever is shorter; with a few exceptions (what
 * is no number, -0). Others: by what differs from the one before. Varints throughout; whoever packs many
 * series together (samples.h) lets ZSTD find what they have in common.
 */
#pragma once

#include "store/bits.h"

enum { POINTS_MAX = 1 << 16 }; /* of one series in one file */

void times_write(const int64_t *times_ms, uint32_t count, struct buf *out);
/* The times must rise. */
bool times_read(struct reader *from, uint32_t count, int64_t *ret_times);

/* `scratch` has room for `count` numbers. */
void values_write(const double *values, uint32_t count, int64_t *scratch, struct buf *out);
bool values_read(struct reader *from, uint32_t count, double *ret_values);
