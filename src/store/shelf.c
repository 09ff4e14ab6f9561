// SPDX-License-Identifier: GPL-2.0-only
/* shelf - the segments of one table or tier, by rising number of their first row. */
#include <errno.h>
#include <stdlib.h>

#include "store/inside.h"

static void note_size(struct shelf *shelf, const struct listed *listed, int sign)
{
	shelf->bytes += (uint64_t)((int64_t)listed->bytes * sign);
	shelf->rows += (uint64_t)((int64_t)listed->rows * sign);
}

int shelf_add(struct shelf *shelf, const struct listed *listed)
{
	struct segment *segment = calloc(1, sizeof(*segment));
	uint32_t at = shelf->count;

	if (segment && shelf->count == shelf->room) {
		uint32_t room = shelf->room ? shelf->room * 2 : 16;
		struct segment **segments = realloc(shelf->at, room * sizeof(struct segment *));

		if (segments) {
			shelf->at = segments;
			shelf->room = room;
		}
	}
	if (!segment || shelf->count == shelf->room) {
		free(segment);
		return -ENOMEM;
	}
	segment->listed = *listed;
	while (at && shelf->at[at - 1]->listed.first_row > listed->first_row)
		at--;
	memmove(shelf->at + at + 1, shelf->at + at, (shelf->count - at) * sizeof(struct segment *));
	shelf->at[at] = segment;
	shelf->count++;
	note_size(shelf, listed, 1);
	return 0;
}

void shelf_remove(struct shelf *shelf, struct segment *segment)
{
	for (uint32_t i = 0; i < shelf->count; i++)
		if (shelf->at[i] == segment) {
			shelf->count--;
			memmove(shelf->at + i, shelf->at + i + 1,
				(shelf->count - i) * sizeof(struct segment *));
			note_size(shelf, &segment->listed, -1);
			return;
		}
}

void shelf_done(struct shelf *shelf)
{
	for (uint32_t i = 0; i < shelf->count; i++)
		free(shelf->at[i]);
	free(shelf->at);
	*shelf = (struct shelf){};
}

uint32_t store_shelves(const struct store *store)
{
	return store->lives + STORE_TIERS;
}

struct shelf *store_shelf(struct store *store, uint32_t at)
{
	return at < store->lives ? &store->live[at]->shelf
				 : &store->metrics.tier[at - store->lives].shelf;
}

struct tier *store_tier(struct store *store, const char *name)
{
	for (int i = 0; i < STORE_TIERS; i++)
		if (!strcmp(store->metrics.tier[i].shelf.name, name))
			return &store->metrics.tier[i];
	return NULL;
}
