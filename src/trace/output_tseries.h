/* SPDX-License-Identifier: GPL-2.0-only */
/* output_tseries - a series over time as a chart, or as JSON. */
#pragma once

#include "base/buf.h"
#include "trace/type.h"

/* One interval of tseries(), as programs keep it: see functions/tseries.c. */
struct interval {
	uint64_t number; /* of the interval since 1970, 0: unused */
	int64_t value;
	uint64_t meta; /* last: when; avg: how many */
};

/* Puts what another CPU has of the same bucket to it. */
void interval_add(const struct type *type, struct interval *to, const struct interval *from);

/* `all` are type->min intervals in any order. */
void output_tseries(const struct type *type, const struct interval *all, bool is_json,
		    struct buf *out);
