// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpack_seed - puts a table that was read elsewhere into one that was joined in the middle.
 *
 * What was read is right; where it belongs is the question, as blocks may be under way between the place
 * where it was read and ours. Whoever read it knows a range. Each place in it is tried: wherever the
 * two tables overlap, the entries must be the same. Two places that would do are none.
 */
#include <errno.h>

#include "protocol/hpack_table.h"

static bool is_same_entry(const struct hpack *hpack, const struct hpack_entry *entry,
			  const struct hpack_seed *seed)
{
	struct span name, value;

	if (entry->kind == HPACK_ENTRY_FORGOTTEN)
		return true;
	if (entry->value_bytes != seed->value.len)
		return false;
	if (!hpack_table_texts(hpack, entry, &name, &value))
		name = value = (struct span){}; /* overwritten: only lengths can be compared */
	if (!span_same(value, span_first(seed->value, value.len)))
		return false;
	return entry->kind == HPACK_ENTRY_NAMELESS ||
	       (entry->name_bytes == seed->name.len && entry->id == hpack_name_of(seed->name) &&
		span_same(name, span_first(seed->name, name.len)));
}

static bool agrees(const struct hpack *hpack, const struct hpack_seed *table, size_t n,
		   int64_t newest)
{
	for (size_t i = 0; i < n; i++) {
		const struct hpack_entry *entry = hpack_table_at(hpack, newest - (int64_t)i);

		if (entry && !is_same_entry(hpack, entry, &table[i]))
			return false;
	}
	return true;
}

/* Fills in what was not known. Returns 1 if it was not. */
static int learn(struct hpack *hpack, const struct hpack_seed *seed, int64_t ordinal)
{
	const struct hpack_entry *known = hpack_table_at(hpack, ordinal);
	bool is_wanted = hpack->keeps_all || hpack_name_of(seed->name);
	struct span name = span_first(seed->name, HPACK_VALUE_KEPT);
	struct span value = span_first(seed->value, HPACK_VALUE_KEPT);
	struct hpack_entry entry = {
		.size = (uint32_t)(HPACK_ENTRY_SIZE + seed->name.len + seed->value.len),
		.name_bytes = (uint32_t)seed->name.len,
		.value_bytes = (uint32_t)seed->value.len,
		.kind = HPACK_ENTRY_NAMED,
		.id = (uint8_t)hpack_name_of(seed->name),
		.is_seeded = true,
	};

	if (!known || known->kind == HPACK_ENTRY_NAMED)
		return 0;
	hpack_table_fill(hpack, ordinal, &entry, hpack->keeps_all ? name : (struct span){},
			 is_wanted ? value : (struct span){});
	return 1;
}

int hpack_seed(struct hpack *hpack, const struct hpack_seed *table, size_t n, int64_t low,
	       int64_t high)
{
	size_t places = 0;
	int64_t newest = 0, oldest;
	int learnt = 0;

	for (int64_t at = low; at <= high && at <= hpack->inserted; at++)
		if (agrees(hpack, table, n, at)) {
			newest = at;
			places++;
		}
	if (places != 1)
		return places ? -EAGAIN : -EINVAL;
	oldest = newest - (int64_t)n + 1;
	if (hpack->has_gone && oldest <= hpack->gone)
		oldest = hpack->gone + 1;
	hpack_table_regret(hpack); /* what was in a table may be in it for long */
	if (oldest <= newest && !hpack_table_reach(hpack, oldest))
		return -ENOMEM;
	for (size_t i = n; i--;)
		if (newest - (int64_t)i >= oldest)
			learnt += learn(hpack, &table[i], newest - (int64_t)i);
	hpack_table_gone(hpack, newest - (int64_t)n);
	hpack->counts.seeded += (uint64_t)learnt;
	return learnt;
}
