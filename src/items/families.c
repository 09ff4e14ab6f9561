// SPDX-License-Identifier: GPL-2.0-only
/* families - the metrics of an item, and what is remembered between polls of its maps: over all its versions. */
#include "items/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RETIRED = 8192 }; /* sums of the dead of a map, by container and what else is in its keys */

static void choose_labels(struct item *item, uint32_t map_index)
{
	const struct item_map *map = &item->desc->map[map_index];
	static const uint8_t of_process[] = {WHO_PROCESS, WHO_CONTAINER, WHO_POD, WHO_NAMESPACE,
					     WHO_SERVICE};
	struct source *source = &item->source[map_index];
	bool who = false, has_group = false;

	source->labels = 0;
	for (uint32_t i = 0; i < map->key.count; i++) {
		const struct column *column = &map->key.column[i];
		int at = layout_find(&map->layout, span_of(column->name));

		if (column->type == COLUMN_PID ||
		    (column->type == COLUMN_CGROUP_ID && !has_group)) {
			has_group |= column->type == COLUMN_CGROUP_ID;
			who = true;
			continue;
		}
		if (at >= 0 && source->labels < METRIC_LABELS)
			source->label[source->labels++] = (uint16_t)at;
	}
	for (size_t i = 0; who && i < sizeof(of_process); i++) {
		uint16_t at = map->layout.who[of_process[i]];

		if (at != NO_COLUMN && source->labels < METRIC_LABELS)
			source->label[source->labels++] = at;
	}
}

static struct family *take_family(struct family **old, uint32_t count, const struct metric *metric)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct metric *had = old[i] ? family_metric(old[i]) : NULL;
		struct family *family = old[i];

		if (had && !strcmp(had->name, metric->name) && had->type == metric->type &&
		    !strcmp(had->labels ? had->labels : "", metric->labels ? metric->labels : "") &&
		    had->buckets == metric->buckets && had->scale == metric->scale) {
			old[i] = NULL;
			return family;
		}
	}
	return NULL;
}

uint32_t item_label_bytes(const struct item_map *map)
{
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < map->key.count; i++)
		bytes += map->key.column[i].size;
	return bytes;
}

static void done_source(struct source *source)
{
	map_done(&source->last);
	map_done(&source->dying);
	map_done(&source->retired);
}

static void done_sources(struct item *item)
{
	for (uint32_t i = 0; i < ITEM_MAPS; i++)
		done_source(&item->source[i]);
	for (uint32_t i = 0; i < ITEM_STATES; i++)
		map_done(&item->dying_state[i]);
}

static void new_source(struct source *source, const struct item_map *map)
{
	map_init(&source->last, item_label_bytes(map), 8 + map->row.size, 65536);
	map_init(&source->dying, map->key_size ? map->key_size : 1, 0, 65536);
	map_init(&source->retired, map->key_size ? map->key_size : 1, map->row.size, RETIRED);
}

/* Keys of states are tasks, whatever the values are. */
static void take_state(struct item *item, uint32_t index, const struct item_desc *from,
		       struct map old[ITEM_STATES])
{
	for (uint32_t i = 0; from && i < from->states; i++)
		if (!strcmp(from->state[i].name, item->desc->state[index].name)) {
			item->dying_state[index] = old[i];
			memset(&old[i], 0, sizeof(old[i]));
			return;
		}
	map_init(&item->dying_state[index], sizeof(uint32_t), 0, 65536);
}

/*
 * What is remembered between polls and sweeps, for the maps of now. Of a map that means the same as that of the version
 * before, `from`, it is what that one remembered: a key that was dead at the last sweep is still dead, or the names of the
 * dead would be forgotten before their numbers are in a series, if versions come fast.
 */
static void make_sources(struct item *item, const struct item_desc *from)
{
	struct source old[ITEM_MAPS];
	struct map old_state[ITEM_STATES];

	memcpy(old, item->source, sizeof(old));
	memcpy(old_state, item->dying_state, sizeof(old_state));
	memset(item->source, 0, sizeof(item->source));
	memset(item->dying_state, 0, sizeof(item->dying_state));
	for (uint32_t i = 0; item->desc && i < item->desc->maps; i++) {
		const struct item_map *map = &item->desc->map[i];
		int same = from ? item_same_map(from, map) : -1;

		if (same >= 0) {
			item->source[i] = old[same];
			memset(&old[same], 0, sizeof(old[same]));
		} else {
			new_source(&item->source[i], map);
		}
		choose_labels(item, i);
	}
	for (uint32_t i = 0; item->desc && i < item->desc->states; i++)
		take_state(item, i, from, old_state);
	for (uint32_t i = 0; i < ITEM_MAPS; i++)
		done_source(&old[i]);
	for (uint32_t i = 0; i < ITEM_STATES; i++)
		map_done(&old_state[i]);
}

uint32_t item_families_of_object(const struct item *item)
{
	return item->desc ? item->desc->families : 0;
}

int item_make_families(struct item *item, const struct item_desc *from, struct err *why)
{
	uint32_t own = item->desc ? item->desc->metrics : 0, shared = item_families_of_object(item),
		 of_ops = item->ops ? (uint32_t)item->ops->metric_count : 0,
		 kept = item->ops ? (uint32_t)item->ops->kept_count : 0, count = shared + of_ops + kept;
	struct family **old = item->family, **family = calloc(count + 1, sizeof(*family));
	uint32_t old_count = item->families - item->kept, cap = item->cap ? item->cap : METRIC_SERIES;

	if (!family)
		return err_set(why, -ENOMEM, "cannot keep the metrics of '%s': out of memory",
			       item->name);
	for (uint32_t i = 0; i < own + of_ops; i++) {
		const struct metric *metric =
			i < own ? &item->desc->metric[i] : &item->ops->metrics[i - own];
		uint32_t to = i < own ? item->desc->family[i] : shared + i - own;

		if (!family[to])
			family[to] = take_family(old, old_count, metric);
		if (!family[to])
			family[to] = family_new(metric, cap);
	}
	for (uint32_t i = 0; i < kept; i++)
		family[shared + of_ops + i] = item->ops->kept[i];
	for (uint32_t i = 0; i < old_count; i++)
		family_free(old[i]);
	free(old);
	item->family = family;
	item->families = count;
	item->kept = kept;
	make_sources(item, from);
	return 0;
}

void item_forget_retired(struct item *item)
{
	for (uint32_t i = 0; item->desc && i < item->desc->maps; i++)
		map_clear(&item->source[i].retired);
}

void item_drop_families(struct item *item)
{
	for (uint32_t i = 0; i < item->families - item->kept; i++)
		family_free(item->family[i]);
	free(item->family);
	item->family = NULL;
	item->families = item->kept = 0;
	done_sources(item);
}

struct family *const *item_families(const struct item *item, size_t *ret_count)
{
	*ret_count = item->families;
	return item->family;
}
