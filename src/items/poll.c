// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll - from the maps and tables of an item to its metrics.
 *
 * An entry's key (or a row's columns) is turned into a record, so that pids and control groups get their
 * names, and the label columns of that record name the series. Nothing is kept per entry but what is
 * needed when an entry goes: the numbers of a dead process are folded into the series they belonged to, and only
 * then its key is deleted.
 */
#include "items/private.h"

#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpus.h"

enum { POLL_NS = 20000000, DELETE_KEYS = 4096, SWEEP_KEY_BYTES = 16 << 20 };
enum { CROWDED = 8 }; /* a map that is full to an eighth is swept at every tick */

/* The entry at hand: key and value, or a row, side by side. */
struct walk {
	struct item *item;
	uint32_t map; /* index in the description */
	struct buf *row;
	struct buf *keys; /* sweeping: keys to delete */
	struct map *dying; /* sweeping: keys that were dead at the last one */
	struct map next; /* sweeping: the dying of the next sweep */
	uint32_t entries; /* sweeping: that were there */
	bool retire; /* the map is about to go */
};

/* Is this map one that the next version goes on with? */
static bool goes_on(const struct item *item, const struct item_map *map, struct object *next)
{
	return next && !map->is_table && object_same_map(item->object, next, map->name);
}

static const struct item_map *map_of(const struct walk *walk)
{
	return &walk->item->desc->map[walk->map];
}

/* ---- one entry ---- */

int item_fill_row(struct item *item, const struct item_map *map, const void *row,
		  struct record *record)
{
	int error;

	arena_clear(&item->arena);
	error = record_fill(record, &map->layout, row, map->row.size, 0,
			    item->registry->options.resolver, &item->arena);
	item->tally.dropped += error < 0;
	return error;
}

/* A container whose name nobody knows is told from others, and from what runs in none, by its id. */
static uint16_t label_column(const struct record *record, uint16_t column)
{
	const uint16_t *who = record->layout->who;

	return column == who[WHO_CONTAINER] && who[WHO_CONTAINER_ID] != NO_COLUMN && !record->value[column].kind
		       ? who[WHO_CONTAINER_ID]
		       : column;
}

static size_t labels_of(const struct walk *walk, const struct record *record,
			struct label label[METRIC_LABELS],
			char scratch[METRIC_LABELS][VALUE_TEXT_BYTES])
{
	const struct source *source = &walk->item->source[walk->map];

	for (uint32_t i = 0; i < source->labels; i++) {
		uint16_t at = label_column(record, source->label[i]);

		label[i].name = record->layout->column[at].name;
		label[i].value = value_as_text(&record->value[at], scratch[i]);
	}
	return source->labels;
}

static double number_at(const uint8_t *at, const struct metric *metric)
{
	uint64_t wide = 0;
	uint32_t narrow;

	if (metric->size == 4) {
		memcpy(&narrow, at, 4);
		return metric->type == METRIC_GAUGE ? (double)(int32_t)narrow : (double)narrow;
	}
	memcpy(&wide, at, 8);
	return metric->type == METRIC_GAUGE ? (double)(int64_t)wide : (double)wide;
}

static void give_histogram(struct family *family, const struct label *label, size_t count,
			   const uint8_t *at, bool retire)
{
	uint64_t slot[METRIC_SLOTS], sum;

	memcpy(slot, at, sizeof(slot));
	memcpy(&sum, at + sizeof(slot), sizeof(sum));
	if (retire)
		family_retire_histogram(family, label, count, slot, sum);
	else
		family_add_histogram(family, label, count, slot, sum);
}

/* ---- what found its map full ---- */

static bool is_metric_hash(const struct item_map *map)
{
	return map->type == BPF_MAP_TYPE_HASH || map->type == BPF_MAP_TYPE_PERCPU_HASH;
}

static bool all_are(const uint8_t *at, size_t len, uint8_t byte)
{
	while (len && *at == byte)
		at++, len--;
	return !len;
}

/* The entry where an object counts what found the map full (item.bpf.h, overflow_key). */
bool item_is_overflow(const struct item_map *map, const uint8_t *row)
{
	return is_metric_hash(map) && all_are(row, map->key_size, 0xff);
}

void item_reserve_overflow(struct item *item, struct object *object)
{
	uint8_t key[ITEM_KEY_BYTES];

	memset(key, 0xff, sizeof(key));
	for (uint32_t i = 0; i < item->desc->maps; i++) {
		const struct item_map *map = &item->desc->map[i];
		uint8_t *none = is_metric_hash(map)
					? calloc(cpus_possible(), (map->value_size + 7ul) & ~7ul)
					: NULL;

		/* of a map shared with the old version it is there; where it can't be, what is refused counts as lost */
		if (none)
			object_add(object, map->name, key, none);
		free(none);
	}
}

static size_t labels_of_overflow(struct label label[METRIC_LABELS])
{
	label[0] = (struct label){.name = "overflow", .value = span_of("true")};
	return 1;
}

/* Gives the numbers of one entry to the families; `retire`: because the entry goes. */
static void give(const struct walk *walk, const uint8_t *row, bool retire)
{
	const struct item_map *map = map_of(walk);
	char scratch[METRIC_LABELS][VALUE_TEXT_BYTES];
	struct label label[METRIC_LABELS];
	struct record record;
	size_t count;

	if (item_is_overflow(map, row)) {
		if (all_are(row + map->key_size, map->value_size, 0))
			return;
		count = labels_of_overflow(label);
	} else if (item_fill_row(walk->item, map, row, &record)) {
		return;
	} else {
		count = labels_of(walk, &record, label, scratch);
	}
	for (uint32_t i = 0; i < map->metrics; i++) {
		uint32_t index = map->first_metric + i;
		const struct metric *metric = &walk->item->desc->metric[index];
		struct family *family = walk->item->family[walk->item->desc->family[index]];
		const uint8_t *at = row + map->key_size + metric->offset;

		if (!family || (retire && metric->type == METRIC_GAUGE))
			continue;
		if (metric->type == METRIC_HISTOGRAM)
			give_histogram(family, label, count, at, retire);
		else if (retire)
			family_retire(family, label, count, number_at(at, metric));
		else
			family_add(family, label, count, number_at(at, metric));
	}
}

/* ---- polling ---- */

/* Copies key and value side by side; the arena of records comes later, so this is the walk's own buffer. */
static const uint8_t *side_by_side(struct walk *walk, const void *key, const void *value)
{
	const struct item_map *map = map_of(walk);

	buf_clear(walk->row);
	buf_add(walk->row, key, map->key_size);
	buf_add(walk->row, value, map->value_size);
	return (const uint8_t *)walk->row->at;
}

static bool poll_entry(void *ctx, const void *key, const void *value)
{
	struct walk *walk = ctx;

	give(walk, side_by_side(walk, key, value), walk->retire);
	return true;
}

void item_label_key(const struct item_map *map, const uint8_t *row, struct buf *out)
{
	buf_clear(out);
	for (uint32_t i = 0; i < map->key.count; i++)
		buf_add(out, row + map->key.column[i].offset, map->key.column[i].size);
}

static bool poll_row(void *ctx, const void *bytes)
{
	struct walk *walk = ctx;
	struct source *source = &walk->item->source[walk->map];
	uint8_t *kept;

	give(walk, bytes, false);
	if (map_of(walk)->gone_drop || !source->last.key_size)
		return true;
	item_label_key(map_of(walk), bytes, walk->row);
	kept = map_put(&source->last, walk->row->at, NULL);
	if (!kept)
		return true; /* counted as refused; its numbers go with its process */
	memcpy(kept, &walk->item->polls, 8);
	memcpy(kept + 8, bytes, map_of(walk)->row.size);
	return true;
}

/* Rows that were there at the last poll and are not now: what they had stays in the sums. */
static void retire_gone_rows(struct walk *walk)
{
	struct source *source = &walk->item->source[walk->map];
	const void *key;
	uint8_t *kept;
	size_t at = 0;

	buf_clear(walk->row);
	while (map_next(&source->last, &at, &key, (void **)&kept)) {
		uint64_t poll;

		memcpy(&poll, kept, 8);
		if (poll == walk->item->polls)
			continue;
		give(walk, kept + 8, true);
		buf_add(walk->row, key, source->last.key_size);
	}
	for (size_t i = 0; i + source->last.key_size <= walk->row->len; i += source->last.key_size)
		map_del(&source->last, walk->row->at + i);
}

/* What leaves a table with gone=drop comes to a map of the gone. */
static void wait_for_the_gone(struct item *item)
{
	for (uint32_t i = 0; item->desc && i < item->desc->maps; i++) {
		const struct item_map *map = &item->desc->map[i];

		for (uint32_t m = 0; map->gone_drop && m < map->metrics; m++)
			family_waits(item->family[item->desc->family[map->first_metric + m]],
				     !item->is_fresh);
	}
}

int item_read_source(struct item *item, const struct item_map *map, map_entry entry, table_row row,
		     void *ctx)
{
	if (map->is_table)
		return object_read_table(item->object, map->name, map->row.size, row, ctx);
	return object_read(item->object, map->name, entry, ctx);
}

static void poll_sources(struct item *item, bool tables, bool retire, struct object *next, struct buf *row)
{
	for (uint32_t i = 0; item->desc && i < item->desc->maps; i++) {
		struct walk walk = {.item = item, .map = i, .row = row, .retire = retire};

		if (item->desc->map[i].is_table != tables)
			continue;
		if (goes_on(item, map_of(&walk), next))
			walk.retire = false;
		if (item_read_source(item, map_of(&walk), poll_entry, poll_row, &walk) < 0)
			item->tally.unread++;
		else if (tables && !item->desc->map[i].gone_drop)
			retire_gone_rows(&walk);
	}
}

/*
 * Maps first: who ends after the map of the gone was read has left its table when that is read, and is in neither
 * (which is waited for); the other way round it would be in both. What died while the item was off is not
 * coming: the first poll waits for nobody.
 */
static void poll_object(struct item *item, bool retire, struct object *next, uint64_t now_ns)
{
	struct buf row;

	buf_init(&row, 1 << 20);
	for (uint32_t i = 0; i < item_families_of_object(item); i++)
		family_begin(item->family[i]);
	wait_for_the_gone(item);
	poll_sources(item, false, retire, next, &row);
	poll_sources(item, true, retire, next, &row);
	for (uint32_t i = 0; i < item_families_of_object(item); i++)
		family_end(item->family[i], now_ns);
	item->is_fresh = false;
	buf_done(&row);
}

/*
 * The object's maps are about to go: what they hold moves into the base. What a table says is the kernel's own
 * sum and will be said again by the next version; likewise what a user half reads that outlives it.
 */
void item_fold(struct item *item, struct object *next)
{
	uint32_t own = item_families_of_object(item);

	item->polls++;
	poll_object(item, true, next, clock_monotonic_ns());
	for (uint32_t i = own; i < item->families && !item->ops->sums_outlive_it && !next; i++)
		family_fold(item->family[i]);
}

static void poll_collected(struct item *item, uint64_t now_ns)
{
	uint32_t own = item_families_of_object(item);

	for (uint32_t i = own; i < item->families; i++)
		family_begin(item->family[i]);
	if (item->ops && item->ops->collect)
		item->ops->collect(item, item->state_of_ops, (struct collector *)item);
	for (uint32_t i = own; i < item->families; i++)
		family_end(item->family[i], now_ns);
}

size_t item_poll_machine(struct item *item, uint64_t now_ns, struct family *const **ret_families)
{
	uint32_t own = item_families_of_object(item);

	if (!item->started || !item->ops || !item->ops->of_machine)
		return 0;
	poll_collected(item, now_ns);
	*ret_families = item->family + own;
	return item->families - own;
}

void item_poll(struct item *item, uint64_t now_ns)
{
	uint64_t at_ns = now_ns ? now_ns : clock_monotonic_ns();

	if (!item->started || (now_ns && now_ns - item->polled_ns < POLL_NS))
		return;
	item->polled_ns = now_ns ? now_ns : item->polled_ns;
	item->polls++;
	poll_object(item, false, NULL, at_ns);
	poll_collected(item, at_ns);
}

/* A collector is the item itself: its families after those of the object. */
static struct family *collected(struct collector *out, size_t metric)
{
	struct item *item = (struct item *)out;

	return metric < item->ops->metric_count ? item->family[item_families_of_object(item) + metric]
						: NULL;
}

void collector_add(struct collector *out, size_t metric, const struct label *labels, size_t count,
		   double value)
{
	struct family *family = collected(out, metric);

	if (family)
		family_add(family, labels, count, value);
}

void collector_add_histogram(struct collector *out, size_t metric, const struct label *labels,
			     size_t count, const uint64_t slot[METRIC_SLOTS], uint64_t sum)
{
	struct family *family = collected(out, metric);

	if (family)
		family_add_histogram(family, labels, count, slot, sum);
}

void collector_exemplar(struct collector *out, size_t metric, const struct label *labels,
			size_t count, double value, const char *name, const char *id,
			uint64_t time_ns)
{
	struct family *family = collected(out, metric);

	if (family)
		family_exemplar(family, labels, count, value, name, id, time_ns);
}

void item_forget_series(struct item *item, size_t metric, const struct label *labels, size_t count)
{
	struct family *family = collected((struct collector *)item, metric);

	if (family)
		family_forget(family, labels, count);
}

/* ---- the dead ---- */

/* Many maps have keys of the same processes: who lived at this tick is not asked for again. */
static bool is_dead(struct registry *registry, uint32_t pid)
{
	uint32_t *known = &registry->living[pid % REGISTRY_LIVING];

	if (!pid || *known == pid)
		return false;
	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return true;
	*known = pid;
	return false;
}

const struct column *item_pid_column(const struct item_map *map)
{
	for (uint32_t i = 0; i < map->key.count; i++)
		if (map->key.column[i].type == COLUMN_PID)
			return &map->key.column[i];
	return NULL;
}

void item_forget_process(const struct item_map *map, uint8_t *key)
{
	for (uint32_t i = 0; i < map->key.count; i++) {
		const struct column *column = &map->key.column[i];

		if (column->type == COLUMN_PID || column->type == COLUMN_TID ||
		    column->type == COLUMN_COMM || column->type == COLUMN_UID)
			memset(key + column->offset, 0, column->size);
	}
}

/* What a dead process had is still part of its container's and the host's rows. */
static void add_to_retired(const struct walk *walk, const uint8_t *row)
{
	const struct item_map *map = map_of(walk);
	uint8_t key[ITEM_KEY_BYTES], *sum;
	bool is_new;

	memcpy(key, row, map->key_size);
	item_forget_process(map, key);
	sum = map_put(&walk->item->source[walk->map].retired, key, &is_new);
	if (!sum)
		return; /* counted as refused: it is missing in those rows, not in the metrics */
	if (is_new) {
		memcpy(sum, row, map->row.size);
		memcpy(sum, key, map->key_size);
	} else {
		item_add_row(walk->item->desc, map, sum, row);
	}
}

/* Dead now and at the last sweep: nothing adds to it any more. Dead only now: look again. */
static bool has_been_dead(struct walk *walk, const void *key, uint32_t pid)
{
	if (!is_dead(walk->item->registry, pid))
		return false;
	if (!map_get(walk->dying, key)) {
		map_put(&walk->next, key, NULL);
		return false;
	}
	/* the rest at the next sweep */
	return walk->keys->len + walk->dying->key_size <= SWEEP_KEY_BYTES;
}

static bool sweep_entry(void *ctx, const void *key, const void *value)
{
	struct walk *walk = ctx;
	const struct item_map *map = map_of(walk);
	uint32_t pid;

	memcpy(&pid, (const uint8_t *)key + item_pid_column(map)->offset, sizeof(pid));
	walk->entries++;
	if (item_is_overflow(map, key) || !has_been_dead(walk, key, pid))
		return true;
	give(walk, side_by_side(walk, key, value), true);
	add_to_retired(walk, (const uint8_t *)walk->row->at);
	buf_add(walk->keys, key, map->key_size);
	/* what the last poll read of it must not be shown beside the base it is in now */
	walk->item->polled_ns = 0;
	return true;
}

/* A state whose key is a task. */
static bool sweep_state(void *ctx, const void *key, const void *value)
{
	struct walk *walk = ctx;
	uint32_t task;

	memcpy(&task, key, sizeof(task));
	if (has_been_dead(walk, key, task))
		buf_add(walk->keys, key, sizeof(task));
	return true;
}

static void delete_keys(const struct walk *walk, const char *map)
{
	size_t key_size = walk->dying->key_size, count = walk->keys->len / key_size;

	for (size_t at = 0; at < count; at += DELETE_KEYS)
		object_delete(walk->item->object, map, walk->keys->at + at * key_size,
			      count - at < DELETE_KEYS ? count - at : DELETE_KEYS);
}

static void sweep_map(struct walk *walk, const char *map, struct map *dying, map_entry entry)
{
	walk->dying = dying;
	buf_clear(walk->keys);
	map_init(&walk->next, dying->key_size, 0, 65536);
	if (object_read(walk->item->object, map, entry, walk) < 0)
		walk->item->tally.unread++;
	delete_keys(walk, map);
	map_done(dying);
	*dying = walk->next;
	walk->item->has_dying |= walk->next.len > 0;
}

void item_sweep(struct item *item)
{
	struct buf row, keys;

	if (!item->started || !item->desc)
		return;
	buf_init(&row, 1 << 20);
	buf_init(&keys, SWEEP_KEY_BYTES);
	item->crowded = item->has_dying = false;
	for (uint32_t i = 0; i < item->desc->maps; i++) {
		const struct item_map *map = &item->desc->map[i];
		struct walk walk = {.item = item, .map = i, .row = &row, .keys = &keys};

		if (map->is_table || !item_pid_column(map))
			continue;
		sweep_map(&walk, map->name, &item->source[i].dying, sweep_entry);
		item->crowded = item->crowded || walk.entries > map->max_entries / CROWDED;
	}
	for (uint32_t i = 0; i < item->desc->states; i++) {
		struct walk walk = {.item = item, .keys = &keys};

		sweep_map(&walk, item->desc->state[i].name, &item->dying_state[i], sweep_state);
	}
	buf_done(&row);
	buf_done(&keys);
}

/* ---- what had begun when a version was let go ---- */

struct begun {
	uint32_t bytes; /* of a value */
	uint64_t count;
};

/* An entry whose value is all 0 stands for nothing that is under way. */
static bool count_begun(void *ctx, const void *key, const void *value)
{
	struct begun *begun = ctx;

	begun->count += !all_are(value, begun->bytes, 0);
	return true;
}

static bool is_metric_map(const struct item_desc *desc, const char *name)
{
	for (uint32_t i = 0; i < desc->maps; i++)
		if (!strcmp(desc->map[i].name, name))
			return true;
	return false;
}

void item_drop_begun(struct item *item, struct object *next)
{
	struct begun begun = {};
	struct map_cost map;

	for (size_t i = 0; object_map(item->object, i, &map); i++) {
		if ((map.type != BPF_MAP_TYPE_HASH && map.type != BPF_MAP_TYPE_LRU_HASH) ||
		    is_metric_map(item->desc, map.name) || object_same_map(item->object, next, map.name))
			continue;
		begun.bytes = map.value_size;
		if (object_read(item->object, map.name, count_begun, &begun) < 0)
			item->tally.unread++;
	}
	if (begun.count)
		item_count(item, "dropped", "upgrade", begun.count);
}

/* ---- accounting ---- */

void item_read_counts(struct item *item, uint64_t ret_count[COUNTS], uint64_t *ret_missed)
{
	struct program_cost program;

	memcpy(ret_count, item->tally.kernel, sizeof(item->tally.kernel));
	*ret_missed = item->tally.missed;
	if (!item->object)
		return;
	if (object_map_fd(item->object, "counts") >= 0) {
		uint64_t now[COUNTS];

		if (object_read_counts(item->object, "counts", now, COUNTS))
			item->tally.unread++;
		else
			for (int i = 0; i < COUNTS; i++)
				ret_count[i] += now[i];
	}
	for (size_t i = 0; object_program(item->object, i, &program); i++)
		*ret_missed += program.missed;
}
