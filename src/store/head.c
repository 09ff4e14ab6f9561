// SPDX-License-Identifier: GPL-2.0-only
/* head - the series that are known, and their samples that are not yet in a file. */
#include "store/head.h"

#include <errno.h>
#include <stdlib.h>

void registry_init(struct registry *registry, uint32_t max)
{
	*registry = (struct registry){.max = max};
	map_init(&registry->by_hash, sizeof(uint64_t), sizeof(uint32_t), max);
}

void registry_done(struct registry *registry)
{
	for (uint32_t i = 0; i < registry->used; i++)
		free(registry->at[i].labels);
	free(registry->at);
	map_done(&registry->by_hash);
	registry_init(registry, registry->max);
}

size_t registry_memory(const struct registry *registry)
{
	return registry->room * sizeof(*registry->at) + registry->bytes +
	       map_bytes(&registry->by_hash);
}

store_series_handle registry_handle(const struct registry *registry, uint32_t index)
{
	return (uint64_t)registry->at[index].generation << 32 | index;
}

struct series *registry_get(const struct registry *registry, store_series_handle handle,
			    uint32_t *ret_index)
{
	uint32_t index = (uint32_t)handle;
	struct series *series = index < registry->used ? &registry->at[index] : NULL;

	if (!series || !series->labels || series->generation != handle >> 32)
		return NULL;
	*ret_index = index;
	return series;
}

/* A place for one more series: a free one, or a new one at the end. */
static int64_t take_place(struct registry *registry)
{
	uint32_t place = registry->free;

	if (place) {
		registry->free = registry->at[place - 1].next_free;
		return place - 1;
	}
	if (registry->used == registry->room) {
		uint32_t room = registry->room ? registry->room * 2 : 64;
		struct series *series = realloc(registry->at, room * sizeof(*series));

		if (!series)
			return -ENOMEM;
		memset(series + registry->room, 0, (room - registry->room) * sizeof(*series));
		registry->at = series;
		registry->room = room;
	}
	return registry->used++;
}

static void give_place(struct registry *registry, uint32_t index)
{
	struct series *series = &registry->at[index];

	free(series->labels);
	series->labels = NULL;
	series->next_free = registry->free;
	registry->free = index + 1;
}

static int fill_place(struct registry *registry, uint32_t index, struct span labels, uint64_t hash,
		      enum store_series_kind kind, int64_t now_ns)
{
	struct series *series = &registry->at[index];
	uint32_t *number;

	series->labels = malloc(labels.len + 1);
	number = series->labels ? map_put(&registry->by_hash, &hash, NULL) : NULL;
	if (!number) {
		give_place(registry, index);
		return -ENOMEM;
	}
	*number = index;
	memcpy(series->labels, labels.at, labels.len);
	series->labels_len = (uint32_t)labels.len;
	series->generation++;
	series->kind = kind;
	series->hash = hash;
	series->last_scrape = series->told_journal = series->told_bits = 0;
	series->seen_ns = now_ns;
	registry->count++;
	registry->bytes += labels.len + 1;
	return 0;
}

int64_t registry_put(struct registry *registry, struct span labels, enum store_series_kind kind,
		     int64_t now_ns)
{
	uint64_t hash = hash_bytes(labels.at, labels.len, hash_seed());
	uint32_t *known = map_get(&registry->by_hash, &hash);
	int64_t index;
	int error;

	if (known && span_same(series_labels(&registry->at[*known]), labels))
		return *known;
	if (known ||
	    registry->count == registry->max) { /* two sets with the same hash: not in this life */
		registry->refused++;
		return -ENOSPC;
	}
	index = take_place(registry);
	if (index < 0)
		return index;
	error = fill_place(registry, (uint32_t)index, labels, hash, kind, now_ns);
	return error ? error : index;
}

void registry_sweep(struct registry *registry, int64_t since_ns, uint64_t scrape)
{
	for (uint32_t i = 0; i < registry->used; i++) {
		struct series *series = &registry->at[i];

		if (!series->labels || series->seen_ns >= since_ns || series->last_scrape >= scrape)
			continue;
		map_del(&registry->by_hash, &series->hash);
		registry->count--;
		registry->bytes -= series->labels_len + 1;
		give_place(registry, i);
	}
}

struct head *head_new(int64_t now_ns)
{
	struct head *head = calloc(1, sizeof(*head));

	if (!head)
		return NULL;
	head->opened_ns = now_ns;
	head->time_min_ms = INT64_MAX;
	head->time_max_ms = INT64_MIN;
	return head;
}

static void members_unref(struct members *members)
{
	if (members && !--members->refs)
		free(members);
}

void head_free(struct head *head)
{
	struct scrape *next;

	for (struct scrape *scrape = head ? head->first : NULL; scrape; scrape = next) {
		next = scrape->next;
		members_unref(scrape->members);
		free(scrape);
	}
	free(head);
}

static bool has_members(const struct members *members, const struct indexed_sample *samples,
			uint32_t count)
{
	if (members->count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (members->index[i] != samples[i].index)
			return false;
	return true;
}

static struct members *members_of(struct head *head, const struct indexed_sample *samples,
				  uint32_t count)
{
	struct members *members = head->last ? head->last->members : NULL;

	if (members && has_members(members, samples, count)) {
		members->refs++;
		return members;
	}
	members = malloc(sizeof(*members) + count * sizeof(*members->index));
	if (!members)
		return NULL;
	members->refs = 1;
	members->count = count;
	for (uint32_t i = 0; i < count; i++)
		members->index[i] = samples[i].index;
	head->bytes += sizeof(*members) + count * sizeof(*members->index);
	return members;
}

int head_add(struct head *head, int64_t time_ms, uint64_t number,
	     const struct indexed_sample *samples, uint32_t count)
{
	struct scrape *scrape = malloc(sizeof(*scrape) + count * sizeof(*scrape->value));

	if (!scrape)
		return -ENOMEM;
	*scrape = (struct scrape){.time_ms = time_ms, .number = number};
	scrape->members = members_of(head, samples, count);
	if (!scrape->members) {
		free(scrape);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++)
		scrape->value[i] = samples[i].value;
	if (head->last)
		head->last->next = scrape;
	else
		head->first = scrape;
	head->last = scrape;
	if (!head->scrapes++)
		head->first_number = number;
	head->next_number = number + 1;
	head->samples += count;
	head->bytes += sizeof(*scrape) + count * sizeof(*scrape->value);
	head->time_min_ms = time_ms < head->time_min_ms ? time_ms : head->time_min_ms;
	head->time_max_ms = time_ms > head->time_max_ms ? time_ms : head->time_max_ms;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct scrape *const *left = a, *const *right = b;

	if ((*left)->time_ms != (*right)->time_ms)
		return (*left)->time_ms < (*right)->time_ms ? -1 : 1;
	return (*left)->number < (*right)->number ? -1 : 1;
}

const struct scrape **head_by_time(const struct head *head)
{
	const struct scrape **scrapes = malloc((head->scrapes + 1) * sizeof(struct scrape *));
	uint64_t count = 0;

	for (const struct scrape *scrape = head->first; scrapes && scrape; scrape = scrape->next)
		scrapes[count++] = scrape;
	if (scrapes)
		qsort(scrapes, count, sizeof(struct scrape *), by_time);
	return scrapes;
}

/* Where the series stands in the list, -1 when it is not there. */
static int64_t place_of(const struct members *members, uint32_t index)
{
	uint32_t low = 0, high = members->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (members->index[middle] < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < members->count && members->index[low] == index ? (int64_t)low : -1;
}

int head_points(const struct scrape *const *scrapes, uint64_t count, uint32_t index,
		int64_t from_ms, int64_t to_ms, struct run_of_points *points)
{
	const struct members *members = NULL;
	int64_t place = -1;

	points->count = 0;
	for (uint64_t i = 0; i < count; i++) {
		const struct scrape *scrape = scrapes[i];

		if (scrape->time_ms < from_ms || scrape->time_ms > to_ms)
			continue;
		if (scrape->members != members)
			place = place_of(members = scrape->members, index);
		if (place < 0)
			continue;
		if (points->count && points->time_ms[points->count - 1] == scrape->time_ms)
			points->count--; /* said again: the later word holds */
		if (points_room(points, points->count + 1))
			return -ENOMEM;
		points->time_ms[points->count] = scrape->time_ms;
		points->field[0][points->count++] = scrape->value[place];
	}
	return 0;
}

uint32_t *head_series(const struct head *head, uint32_t used, uint32_t *ret_count)
{
	uint8_t *there = calloc(used + 1, 1);
	uint32_t *list = malloc((used + 1) * sizeof(*list)), count = 0;
	const struct members *members = NULL;

	for (const struct scrape *scrape = head->first; there && list && scrape;
	     scrape = scrape->next) {
		if (scrape->members == members)
			continue;
		members = scrape->members;
		for (uint32_t i = 0; i < members->count; i++)
			there[members->index[i]] = 1;
	}
	for (uint32_t i = 0; there && list && i < used; i++)
		if (there[i])
			list[count++] = i;
	if (!there) {
		free(list);
		list = NULL;
	}
	free(there);
	*ret_count = count;
	return list;
}
