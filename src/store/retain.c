// SPDX-License-Identifier: GPL-2.0-only
/*
 * retain - what is deleted, and in which order.
 *
 *  1. Files that were set aside (*.bad): the oldest above BAD_FILES_MAX.
 *  2. Segments whose rows are all older than their table keeps them, by table, then by tier. (But
 *     not samples that the next tier does not have yet, roll.c.) A segment is as old
 *     as the younger of its newest row and its writing, so that rows with times of the past
 *     (imported, or from before the clock was set) are not deleted at once. A time in the future
 *     counts as now.
 *  3. If all files together are above bytes_max, or the file system has less than room_min left
 *     (then down to an eighth of bytes_max): the table that holds the most bytes in proportion to
 *     its weight gives its oldest segment, again and again.
 *  4. A segment that can't be written for want of room: the same, down to a 64th of bytes_max.
 *
 * Nothing is deleted for its age within clock_hold_s after the wall clock stepped by more than a
 * minute against the steady one, nor so long after the start when nothing that is kept was written
 * within the last day: a clock that is far ahead would delete everything.
 */
#include <dirent.h>
#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/inside.h"

#define SECOND ((int64_t)1000000000)

enum { STEP_S = 60, DAY_S = 86400 };

void watch_clock(struct store *store)
{
	int64_t wall = wall_now(store), mono = mono_now(store);
	int64_t step = (wall - store->last_wall_ns) - (mono - store->last_mono_ns);

	store->last_wall_ns = wall;
	store->last_mono_ns = mono;
	if (step > -STEP_S * SECOND && step < STEP_S * SECOND)
		return;
	lock_state(store);
	store->status.clock_steps++;
	unlock_state(store);
	store->hold_until_ns = mono + store->options.clock_hold_s * SECOND;
}

void doubt_clock(struct store *store)
{
	int64_t newest = INT64_MIN, wall = wall_now(store);

	for (uint32_t i = 0; i < store_shelves(store); i++) {
		const struct shelf *shelf = store_shelf(store, i);

		for (uint32_t k = 0; k < shelf->count; k++)
			if (shelf->at[k]->listed.seen_ns > newest)
				newest = shelf->at[k]->listed.seen_ns;
	}
	if (newest != INT64_MIN &&
	    (newest < wall - DAY_S * SECOND || newest > wall + STEP_S * SECOND))
		store->hold_until_ns = mono_now(store) + store->options.clock_hold_s * SECOND;
}

static int make_room_for_doomed(struct store *store)
{
	uint32_t room = store->doomed_room ? store->doomed_room * 2 : 16;
	struct segment **doomed;

	if (store->doomed_count < store->doomed_room)
		return 0;
	doomed = realloc(store->doomed, room * sizeof(struct segment *));
	if (!doomed)
		return -ENOMEM;
	store->doomed = doomed;
	store->doomed_room = room;
	return 0;
}

static void forget_listed(struct store *store, const struct listed *listed, bool replaced)
{
	struct listed row = *listed;
	int error;

	row.replaced = true;
	error = replaced ? catalogue_put_segment(store->catalogue, &row)
			 : catalogue_drop_segment(store->catalogue, listed->number);
	if (error) {
		store->catalogue_stale = true;
		store->status.catalogue_failures++;
	}
}

void doom_segment(struct store *store, struct shelf *shelf, struct segment *segment, bool replaced)
{
	if (make_room_for_doomed(store))
		return;
	if (shelf) {
		lock_state(store);
		shelf_remove(shelf, segment);
		unlock_state(store);
	}
	segment->listed.replaced = replaced;
	store->doomed[store->doomed_count++] = segment;
	forget_listed(store, &segment->listed, replaced);
}

/*
 * A file that was unlinked comes back when the power goes before the folder is synced. If the catalogue has
 * forgotten by then that it was replaced, its rows would be there twice.
 */
static void forget_unlinked(struct store *store, struct segment **gone, uint32_t count)
{
	bool replaced = false;
	int error = 0;

	for (uint32_t i = 0; i < count; i++)
		replaced |= gone[i]->listed.replaced;
	if (replaced)
		error = store->disk->sync_dir(store->disk->ctx, store->dir);
	for (uint32_t i = 0; i < count; i++) {
		if (gone[i]->listed.replaced && !error)
			forget_listed(store, &gone[i]->listed, false);
		free(gone[i]);
	}
}

void sweep_doomed(struct store *store)
{
	uint32_t kept = 0, gone = 0;

	for (uint32_t i = 0; i < store->doomed_count; i++) {
		struct segment *segment = store->doomed[i];
		char name[FILE_NAME_BYTES];

		if (atomic_load(&segment->readers)) {
			store->doomed[i] = store->doomed[kept];
			store->doomed[kept++] = segment;
			continue;
		}
		segment_name(name, segment->listed.table, segment->listed.number);
		store->disk->unlink(store->disk->ctx, store->dir, name);
		gone++;
	}
	if (gone)
		forget_unlinked(store, store->doomed + kept, gone);
	store->doomed_count = kept;
}

static void expire(struct store *store, struct shelf *shelf, struct segment *segment)
{
	lock_state(store);
	if (segment->listed.kind == FILE_ROWS)
		store->status.rows_expired += segment->listed.rows;
	store->status.segments_expired++;
	unlock_state(store);
	doom_segment(store, shelf, segment, false);
}

static bool is_too_old(const struct listed *listed, int64_t keep_ns, int64_t now)
{
	int64_t age_from = listed->time_max > listed->seen_ns ? listed->time_max : listed->seen_ns;

	return keep_ns && age_from <= now && now - age_from > keep_ns;
}

/* Samples are not too old before the next tier has them. */
static int64_t kept_until(struct store *store, uint32_t shelf)
{
	int64_t rolled;

	if (shelf < store->lives)
		return INT64_MAX;
	rolled = rolled_to(store, shelf - store->lives);
	return rolled == INT64_MAX || rolled == INT64_MIN ? rolled : rolled * 1000000;
}

static void expire_old(struct store *store, struct shelf *shelf, int64_t until)
{
	int64_t now = wall_now(store);

	for (uint32_t i = shelf->count; i-- > 0;) {
		struct listed *listed = &shelf->at[i]->listed;

		if (listed->seen_ns > now) /* the clock was ahead when it was written */
			listed->seen_ns = now;
		if (listed->time_max <= now && listed->time_max <= until &&
		    is_too_old(listed, shelf->keep_ns, now))
			expire(store, shelf, shelf->at[i]);
	}
}

/* Whose turn it is to give: the most bytes for its weight. */
static struct shelf *heaviest(struct store *store)
{
	struct shelf *heavy = NULL;

	for (uint32_t i = 0; i < store_shelves(store); i++) {
		struct shelf *shelf = store_shelf(store, i);

		if (shelf->count && (!heavy || (double)shelf->bytes / shelf->weight >
						       (double)heavy->bytes / heavy->weight))
			heavy = shelf;
	}
	return heavy;
}

static uint64_t bytes_now(struct store *store)
{
	uint64_t bytes;

	lock_state(store);
	bytes = store_bytes(store) + store->bad_bytes;
	unlock_state(store);
	return bytes;
}

bool give_up_oldest(struct store *store, uint64_t floor)
{
	struct shelf *shelf = heaviest(store);

	if (!shelf || bytes_now(store) <= floor)
		return false;
	expire(store, shelf, shelf->at[0]);
	sweep_doomed(store);
	return true;
}

struct bad_file {
	uint64_t bytes;
	int64_t changed_ns;
	char name[FILE_NAME_BYTES + 8];
};

/* Fills at most `max`, the newest; unlinks older ones. Returns how many stay. */
static uint32_t keep_newest_bad(struct store *store, DIR *dir, struct bad_file *files, uint32_t max)
{
	struct dirent *entry;
	uint32_t count = 0;

	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		struct bad_file file, swap;
		struct stat stat;

		if (len < 4 || len >= sizeof(file.name) ||
		    strcmp(entry->d_name + len - 4, ".bad") != 0 ||
		    fstatat(store->dir, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW))
			continue;
		file.bytes = (uint64_t)stat.st_size;
		file.changed_ns = stat.st_ctim.tv_sec * SECOND + stat.st_ctim.tv_nsec;
		snprintf(file.name, sizeof(file.name), "%s", entry->d_name);
		for (uint32_t i = 0; i < count; i++)
			if (files[i].changed_ns < file.changed_ns) {
				swap = files[i];
				files[i] = file;
				file = swap;
			}
		if (count < max)
			files[count++] = file;
		else
			store->disk->unlink(store->disk->ctx, store->dir, file.name);
	}
	return count;
}

void sweep_bad(struct store *store)
{
	struct bad_file files[BAD_FILES_MAX];
	int copy = dup(store->dir);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	uint64_t bytes = 0;
	uint32_t count;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return;
	}
	rewinddir(dir);
	count = keep_newest_bad(store, dir, files, BAD_FILES_MAX);
	closedir(dir);
	for (uint32_t i = 0; i < count; i++)
		bytes += files[i].bytes;
	lock_state(store);
	store->bad_bytes = bytes;
	unlock_state(store);
}

void retain(struct store *store)
{
	int64_t room;

	if (mono_now(store) >= store->hold_until_ns)
		for (uint32_t i = 0; i < store_shelves(store); i++)
			expire_old(store, store_shelf(store, i), kept_until(store, i));
	while (give_up_oldest(store, store->options.bytes_max))
		;
	room = store->disk->room(store->disk->ctx, store->dir);
	while (room >= 0 && room < (int64_t)store->options.room_min &&
	       give_up_oldest(store, store->options.bytes_max / 8)) {
		int64_t now = store->disk->room(store->disk->ctx, store->dir);

		if (now <= room) /* it is not our files that take it, or they are still read */
			break;
		room = now;
	}
	sweep_doomed(store);
}

static void set_aside(struct store *store, struct shelf *shelf, struct segment *segment)
{
	char name[FILE_NAME_BYTES], bad[FILE_NAME_BYTES + 8];

	lock_state(store);
	shelf_remove(shelf, segment);
	store->status.segments_bad++;
	if (segment->listed.kind == FILE_ROWS)
		store->status.rows_set_aside += segment->listed.rows;
	unlock_state(store);
	segment_name(name, segment->listed.table, segment->listed.number);
	snprintf(bad, sizeof(bad), "%s.bad", name);
	store->disk->rename(store->disk->ctx, store->dir, name, bad);
	forget_listed(store, &segment->listed, false);
	if (make_room_for_doomed(store))
		return; /* leaks the entry rather than to free what may be in use */
	store->doomed[store->doomed_count++] = segment;
}

void set_suspects_aside(struct store *store)
{
	bool any = false;

	for (uint32_t i = 0; i < store_shelves(store); i++) {
		struct shelf *shelf = store_shelf(store, i);

		for (uint32_t k = shelf->count; k-- > 0;)
			if (atomic_load(&shelf->at[k]->suspect)) {
				set_aside(store, shelf, shelf->at[k]);
				any = true;
			}
	}
	if (any)
		sweep_bad(store);
}
