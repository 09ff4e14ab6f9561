/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * recent - the last records of each item, in memory, until there is a store.
 *
 * All items share one limit. When it is reached, the item that holds most gives its oldest record: what happens often
 * does not push out what happens rarely.
 */
#pragma once

#include "record/record.h"

struct recent;

/* `bytes` at most, all items together. NULL on no memory. */
struct recent *recent_new(size_t bytes);
void recent_free(struct recent *recent);
void recent_add(struct recent *recent, const struct record *record);
size_t recent_bytes(const struct recent *recent);
uint64_t recent_dropped(const struct recent *recent); /* records that found no room at all */

/* Which ones. Numbers count records from 1, in the order they came. */
struct recent_range {
	uint64_t from_ns, to_ns; /* from <= time < to */
	uint64_t after, before; /* number: after < number < before; before 0 = no limit */
	bool newest_first;
};

/* False = no more, please. The record is borrowed for the call. */
typedef bool (*recent_each)(void *ctx, const struct record *record, uint64_t number);
void recent_walk(struct recent *recent, const char *item, const struct recent_range *range,
		 recent_each each, void *ctx);

/* Time of the oldest record of that item, 0 = there is none. */
uint64_t recent_oldest(const struct recent *recent, const char *item);
