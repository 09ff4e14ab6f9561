// SPDX-License-Identifier: GPL-2.0-only
/* clock - what time it is, and what time it was when the kernel said so. */
#include "base/clock.h"

#include "base/units.h"

#include <time.h>

enum {
	LOOKS = 5, /* tries to read both clocks without being interrupted in between */
	LOOK_NS = 50000, /* a look that took longer says nothing */
	DAYS_TO_1970 =
		719468, /* from 1 March of year 0, in the Gregorian calendar reckoned backwards */
	DAYS_OF_400_YEARS = 146097,
};
#define SECOND_NS 1000000000ull

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

void clock_eras_note(struct clock_eras *eras, uint64_t monotonic_ns, uint64_t wall_ns)
{
	int64_t distance = (int64_t)(wall_ns - monotonic_ns), change;
	uint64_t since = eras->looked_ns;

	eras->looked_ns = monotonic_ns;
	if (eras->count) {
		change = distance - eras->era[eras->count - 1].distance_ns;
		if (change < CLOCK_STEP_NS && change > -CLOCK_STEP_NS)
			return;
	}
	if (eras->count == CLOCK_ERAS) {
		memmove(eras->era, eras->era + 1, sizeof(*eras->era) * (CLOCK_ERAS - 1));
		eras->count--;
	}
	/* The step was somewhere since the last look: what came after that look was most likely
	 * read because of it (the machine woke up, and events flowed again). */
	eras->era[eras->count++] = (struct clock_era){.since_ns = since, .distance_ns = distance};
}

uint64_t clock_eras_wall(const struct clock_eras *eras, uint64_t monotonic_ns)
{
	uint32_t at = eras->count;

	if (!at)
		return monotonic_ns;
	while (--at && eras->era[at].since_ns >= monotonic_ns)
		;
	return monotonic_ns + (uint64_t)eras->era[at].distance_ns;
}

static void look_at_clocks(struct clock_eras *eras)
{
	uint64_t best = UINT64_MAX, best_monotonic = 0, best_wall = 0;

	for (int i = 0; i < LOOKS && best > LOOK_NS / 50; i++) {
		uint64_t before = clock_monotonic_ns(), wall = clock_wall_ns();
		uint64_t took = clock_monotonic_ns() - before;

		if (took < best) {
			best = took;
			best_monotonic = before + took / 2;
			best_wall = wall;
		}
	}
	if (best <= LOOK_NS || !eras->count)
		clock_eras_note(eras, best_monotonic, best_wall);
}

uint64_t clock_wall_of(uint64_t ktime_ns)
{
	static _Thread_local struct clock_eras eras;

	if (!ktime_ns)
		return clock_wall_ns();
	if (ktime_ns > eras.looked_ns)
		look_at_clocks(&eras);
	return clock_eras_wall(&eras, ktime_ns);
}

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

/*
 * Years that begin in March have their leap day at the end, so the day within the year tells the month by
 * one line: months from March have 31 30 31 30 31 | 31 30 31 30 31 | 31 .. days, 153 in five.
 */
static struct date date_of(int64_t days_since_1970)
{
	int64_t days = days_since_1970 + DAYS_TO_1970;
	int64_t era = (days >= 0 ? days : days - DAYS_OF_400_YEARS + 1) / DAYS_OF_400_YEARS;
	int64_t of_era = days - era * DAYS_OF_400_YEARS;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned month = (unsigned)(5 * of_year + 2) / 153; /* 0 = March */

	return (struct date){
		.year = year + era * 400 + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = (unsigned)of_year - (153 * month + 2) / 5 + 1,
	};
}

static int64_t days_of(struct date date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
	unsigned month = date.month > 2 ? date.month - 3 : date.month + 9;
	int64_t of_year = (153 * month + 2) / 5 + date.day - 1;

	return era * DAYS_OF_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       DAYS_TO_1970;
}

static char *put_digits(char *at, uint64_t number, unsigned count)
{
	for (unsigned i = count; i--; number /= 10)
		at[i] = (char)('0' + number % 10);
	return at + count;
}

size_t time_print(uint64_t wall_ns, unsigned decimals, char ret_text[TIME_TEXT])
{
	uint64_t seconds = wall_ns / SECOND_NS, ns = wall_ns % SECOND_NS;
	struct date date = date_of((int64_t)(seconds / 86400));
	char *at = put_digits(ret_text, (uint64_t)date.year, 4);

	*at++ = '-';
	at = put_digits(at, date.month, 2);
	*at++ = '-';
	at = put_digits(at, date.day, 2);
	*at++ = 'T';
	at = put_digits(at, seconds / 3600 % 24, 2);
	*at++ = ':';
	at = put_digits(at, seconds / 60 % 60, 2);
	*at++ = ':';
	at = put_digits(at, seconds % 60, 2);
	if (decimals) {
		*at++ = '.';
		for (unsigned i = decimals < 9 ? decimals : 9; i < 9; i++)
			ns /= 10;
		at = put_digits(at, ns, decimals < 9 ? decimals : 9);
	}
	*at++ = 'Z';
	*at = 0;
	return (size_t)(at - ret_text);
}

/* Takes exactly `count` digits off the front. */
static bool take_digits(struct span *text, unsigned count, unsigned *ret)
{
	unsigned number = 0;

	if (text->len < count)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (text->at[i] < '0' || text->at[i] > '9')
			return false;
		number = number * 10 + (text->at[i] - '0');
	}
	*text = span_from(*text, count);
	*ret = number;
	return true;
}

static bool take_char(struct span *text, char c)
{
	if (!text->len || text->at[0] != (uint8_t)c)
		return false;
	*text = span_from(*text, 1);
	return true;
}

static uint64_t take_fraction(struct span *text)
{
	uint64_t ns = 0, weight = SECOND_NS / 10;

	for (; text->len && text->at[0] >= '0' && text->at[0] <= '9'; weight /= 10) {
		ns += weight * (text->at[0] - '0');
		*text = span_from(*text, 1);
	}
	return ns;
}

/* "Z" or "+01:30": seconds to take off. */
static bool take_offset(struct span *text, int64_t *ret_seconds)
{
	unsigned hours, minutes;
	bool west = text->len && text->at[0] == '-';

	*ret_seconds = 0;
	if (take_char(text, 'Z') || take_char(text, 'z'))
		return true;
	if ((!west && !take_char(text, '+')) || (west && !take_char(text, '-')))
		return false;
	if (!take_digits(text, 2, &hours) || !take_char(text, ':') ||
	    !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_seconds = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return true;
}

static bool parse_rfc3339(struct span text, uint64_t *ret_wall_ns)
{
	unsigned year, month, day, hour, minute, second;
	int64_t offset, seconds;
	uint64_t ns = 0;

	if (!take_digits(&text, 4, &year) || !take_char(&text, '-') ||
	    !take_digits(&text, 2, &month) || !take_char(&text, '-') ||
	    !take_digits(&text, 2, &day))
		return false;
	if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' '))
		return false;
	if (!take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
	    !take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
	    !take_digits(&text, 2, &second))
		return false;
	if (take_char(&text, '.'))
		ns = take_fraction(&text);
	if (!take_offset(&text, &offset) || text.len)
		return false;
	/* 60: a leap second (RFC 3339 5.7) */
	if (year < 1970 || year > 2500 || month < 1 || month > 12 || day < 1 || day > 31 ||
	    hour > 23 || minute > 59 || second > 60)
		return false;
	seconds = days_of((struct date){.year = year, .month = month, .day = day}) * 86400 +
		  hour * 3600 + minute * 60 + second - offset;
	if (seconds < 0)
		return false;
	*ret_wall_ns = (uint64_t)seconds * SECOND_NS + ns;
	return true;
}

bool time_parse(struct span text, uint64_t now_ns, uint64_t *ret_wall_ns)
{
	struct quantity quantity;

	if (span_starts(text, "now")) {
		text = span_from(text, 3);
		if (!text.len) {
			*ret_wall_ns = now_ns;
			return true;
		}
		if (!quantity_parse(text, &quantity) || quantity.kind != QUANTITY_NS ||
		    -quantity.value > (double)now_ns || quantity.value > 4e18)
			return false;
		*ret_wall_ns = now_ns + (uint64_t)(int64_t)quantity.value;
		return true;
	}
	if (quantity_parse(text, &quantity) && quantity.kind == QUANTITY_PLAIN) {
		if (quantity.value < 0 || quantity.value > 18e9) /* 2^64 ns end in 2554 */
			return false;
		*ret_wall_ns = quantity.is_whole ? quantity.whole * SECOND_NS
						 : (uint64_t)(quantity.value * 1e9);
		return true;
	}
	return parse_rfc3339(text, ret_wall_ns);
}
