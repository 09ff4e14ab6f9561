/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * suggest - what a person may have meant by a word nobody knows: "limts" -> "limits".
 *
 * Start with all zero, offer every word that would have been right, then ask for the nearest.
 */
#pragma once

#include "base/span.h"

enum { SUGGEST_BYTES = 64 };

struct suggestion {
	unsigned distance; /* edits between the word and `best` */
	char best[SUGGEST_BYTES]; /* "" = none was near enough */
};

/* Letters changed, added, left out or swapped with a neighbour count one each; words above
 * SUGGEST_BYTES - 1 are never near. */
void suggest(struct suggestion *suggestion, struct span word, struct span candidate);
