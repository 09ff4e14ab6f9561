/* SPDX-License-Identifier: GPL-2.0-only */
/* arrivals - when bytes came to a socket that nobody has read yet: a ring with one writer and one reader. */
#pragma once

#include "items/app/requests/requests.h"

enum {
	ARRIVALS = 8
}; /* places, a power of two; of what comes while they are full nobody knows when */

/* Bytes up to the sequence number `end` were there by then. */
struct arrival_mark {
	requests_u64 ns;
	requests_u32 end, pad;
};

struct arrivals {
	requests_u32 first, end; /* counted without end */
	struct arrival_mark at[ARRIVALS];
};
