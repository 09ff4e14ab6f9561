// SPDX-License-Identifier: GPL-2.0-only
/* suggest - what a person may have meant by a word nobody knows. */
#include "base/suggest.h"

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Optimal string alignment (Damerau 1964): three rows of the usual table are enough. Case does not count. */
static unsigned edits(struct span a, struct span b)
{
	unsigned row[3][SUGGEST_BYTES + 1], *before = row[0], *above = row[1], *here = row[2],
					    *swap;

	for (size_t j = 0; j <= b.len; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		here[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = lower(a.at[i - 1]) == lower(b.at[j - 1]);

			here[j] = least(least(above[j], here[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a.at[i - 1]) == lower(b.at[j - 2]) &&
			    lower(a.at[i - 2]) == lower(b.at[j - 1]))
				here[j] = least(here[j], before[j - 2] + 1);
		}
		swap = before;
		before = above;
		above = here;
		here = swap;
	}
	return above[b.len];
}

void suggest(struct suggestion *suggestion, struct span word, struct span candidate)
{
	unsigned distance, near;

	if (!word.len || word.len >= SUGGEST_BYTES || candidate.len >= SUGGEST_BYTES ||
	    !candidate.len)
		return;
	near = word.len < 4 ? 1 : word.len < 9 ? 2 : 3; /* more would be guessing */
	distance = edits(word, candidate);
	if (distance > near || (suggestion->best[0] && distance >= suggestion->distance))
		return;
	suggestion->distance = distance;
	memcpy(suggestion->best, candidate.at, candidate.len);
	suggestion->best[candidate.len] = 0;
}
