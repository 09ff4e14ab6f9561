/* SPDX-License-Identifier: GPL-2.0-only */
/* format - formats of printf: cutting them into conversions, and carrying one out. */
#pragma once

#include "base/buf.h"
#include "trace/output.h"
#include "trace/type.h"

struct conversion {
	size_t from; /* byte of its '%' */
	char flags[6];
	int width, precision; /* -1: not given */
	uint8_t length; /* bytes of the integer that C would take: 1, 2, 4, 8 */
	char letter; /* d u x X o c s p r g i %; 'r' is %r, %rx, %rh; 'g' is %gr */
	char variant; /* of r: 0, 'x', 'h' */
};

/* The next conversion from *at on; *at moves behind it. What is none is left as text. */
bool format_next(struct span format, size_t *at, struct conversion *ret_conversion);

void format_value(struct output *output, const struct conversion *conversion,
		  const struct type *type, const uint8_t *bytes, struct buf *out);
