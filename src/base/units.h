/* SPDX-License-Identifier: GPL-2.0-only */
/* units - quantities as people write and read them: "100ms", "4KiB", "5%"; 12.3 ms, 4.1 MiB. */
#pragma once

#include "base/buf.h"
#include "base/span.h"

enum quantity_kind {
	QUANTITY_PLAIN, /* a number without a unit, also with k (1000) */
	QUANTITY_NS, /* a duration, given in ns us µs ms s m h d w */
	QUANTITY_BYTES, /* a size, given in B KiB MiB GiB TiB (1024) or kB KB MB GB TB (1000) */
	QUANTITY_PERCENT, /* 5% is 5 */
};

struct quantity {
	enum quantity_kind kind;
	double value; /* nanoseconds, bytes or the plain number */
	bool is_whole; /* `whole` holds the number exactly (doubles end at 2^53) */
	bool is_negative; /* then the number is -whole */
	uint64_t whole;
};

/* False when `text` is anything but one whole number with at most one unit. */
bool quantity_parse(struct span text, struct quantity *ret);

/* Three significant digits and the unit that suits: "12.3 ms", "1.5 s", "2m05s", "4.1 MiB", "999 B". */
void print_duration(struct buf *out, double ns);
void print_bytes(struct buf *out, double bytes);
/* At most three significant digits, no unit: "0.5", "12.3", "1234". */
void print_number(struct buf *out, double number);

/*
 * The shortest text that reads back as the same double, as Go and the OpenMetrics specification spell it
 * ("1.0", "0.001", "1e-06", "+Inf", "NaN"). ret holds at least DOUBLE_TEXT bytes. Returns its length.
 */
enum { DOUBLE_TEXT = 32 };
size_t print_double(char *ret, double value);
