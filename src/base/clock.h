/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clock - what time it is, and what time it was when the kernel said so.
 *
 * Events carry CLOCK_MONOTONIC (bpf_ktime_get_ns). The distance to the wall clock changes only when
 * somebody steps the wall clock or the machine is suspended (CLOCK_MONOTONIC then stands still; NTP's
 * slewing moves both alike). Each distance is an era: it holds from the monotonic moment it was first seen
 * until the next one. An event belongs to the era of its own moment, however late it is read, so a step
 * never moves what happened before it, and within an era distances between events are exact.
 */
#pragma once

#include "base/span.h"

uint64_t clock_monotonic_ns(void);
uint64_t clock_wall_ns(void); /* ns since 1970, UTC */

enum { CLOCK_ERAS = 16, CLOCK_STEP_NS = 200000 };

struct clock_era {
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	int64_t distance_ns; /* wall = monotonic + distance */
};

/* All zero = nothing known yet. */
struct clock_eras {
	struct clock_era era[CLOCK_ERAS]; /* oldest first; the oldest is forgotten */
	uint32_t count;
	uint64_t looked_ns; /* CLOCK_MONOTONIC of the newest look at both clocks */
};

/* Notes that both clocks showed this at one moment. Distances that differ by less than
 * CLOCK_STEP_NS (reading two clocks takes time) are the same era. */
void clock_eras_note(struct clock_eras *eras, uint64_t monotonic_ns, uint64_t wall_ns);
uint64_t clock_eras_wall(const struct clock_eras *eras, uint64_t monotonic_ns);

/*
 * Wall time of a kernel time stamp; 0 = now. Keeps eras of its own per thread: looks at the clocks when a
 * time stamp is newer than its last look, so once per batch of events.
 */
uint64_t clock_wall_of(uint64_t ktime_ns);

/* RFC 3339 in UTC with 0, 3, 6 or 9 decimals: "2026-11-21T11:36:28.123456789Z". Returns the length. */
enum { TIME_TEXT = 32 };
size_t time_print(uint64_t wall_ns, unsigned decimals, char ret_text[TIME_TEXT]);

/* RFC 3339 (with any offset), seconds since 1970 (with decimals), "now", "now-5m". */
bool time_parse(struct span text, uint64_t now_ns, uint64_t *ret_wall_ns);
