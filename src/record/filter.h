/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * filter - the small language of CLI, API and page: which records are wanted.
 *
 *	status >= 500 and service = shop and path ~ "^/api" and not port in (22, 8470)
 *
 * = != < <= > >= ~ !~ in (...), and or not ( ), values with units (100ms, 4KiB), texts bare or quoted,
 * `port` and `addr` match either end, `*` and `?` glob in a bare or quoted text after = (in quotes, \* and \?
 * mean themselves). A comparison with an absent value is false (and its `!=`, `!~` true). A column alone
 * (`error and not tls`) asks whether it is there and not false. An address compared with a network
 * (`addr = 10.0.0.0/8`) asks whether it lies in it. ~ is a Perl-compatible regular expression, found anywhere.
 */
#pragma once

#include "base/units.h"
#include "record/record.h"

struct filter;

/* NULL text or empty text = everything. `why` points at the place: `filter, column 12: ...`. */
int filter_parse(struct span text, struct filter **ret_filter, struct err *why);
void filter_free(struct filter *filter);

/* Fails when a column does not exist in any of the layouts, with a suggestion. */
int filter_check(const struct filter *filter, const struct layout *const *layouts, size_t count,
		 struct err *why);

/* Does it ask for a column of this name? */
bool filter_mentions(const struct filter *filter, const char *column);

/* NULL filter matches. */
bool filter_match(const struct filter *filter, const struct record *record);

/* Does everything that matches have exactly this value there ("pid = 17 and ...")? Then the kernel or an
 * index can sort out the rest before. The text is borrowed from the filter. */
bool filter_requires(const struct filter *filter, const char *column, struct span *ret_value);
/* The same of several columns (ends with NULL): one of them must have the value. */
bool filter_requires_any(const struct filter *filter, const char *const *columns,
			 struct span *ret_value);

/* A comparison that holds for everything that matches: an index can sort out the rest before. */
struct requirement {
	enum { REQUIRES_EQUAL, REQUIRES_LESS, REQUIRES_AT_MOST, REQUIRES_GREATER, REQUIRES_AT_LEAST } op;
	const char *column; /* borrowed from the filter, as is the text */
	struct span text;
	bool is_number; /* then also `number` (ns, bytes, or plain) */
	struct quantity number;
};
/* At most `max` of them. Returns how many. */
size_t filter_requirements(const struct filter *filter, struct requirement *ret, size_t max);

/* Texts on which a regular expression gave up at its limit (they count as not matching). */
uint64_t filter_gave_up(const struct filter *filter);

/* "100ms" -> ns, "4KiB" -> bytes, "12" -> 12; false if it is no number. Shared with configuration. */
bool parse_quantity(struct span text, double *ret_value);
