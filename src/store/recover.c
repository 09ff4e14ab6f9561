// SPDX-License-Identifier: GPL-2.0-only
/*
 * recover - what the last process left: the directory, the catalogue, the journals.
 *
 *	*.tmp		a segment that was not finished: unlinked, its rows stand in the journal
 *	*.seg		believed when the catalogue knows it with the same size; else opened and checked
 *	journal-*.log	read in the order of their numbers; rows that no segment has are taken
 *	*.bad		set aside earlier
 *
 * Afterwards the journals stay until their rows are in segments, as always.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/frame.h"
#include "store/inside.h"

/* A file of the directory whose name says that it is a segment or a journal. */
struct found {
	uint64_t number;
	uint64_t bytes;
	char name[FILE_NAME_BYTES];
	char table[STORE_NAME_BYTES]; /* empty: a journal */
	bool known; /* to the catalogue */
};

struct recovery {
	struct store *store;
	struct found *found; /* owned, by number */
	size_t count, room;
	uint64_t *replaced; /* owned: numbers that newly found segments take the place of */
	size_t replaced_count;
	bool told[TABLES_MAX]; /* the catalogue knew the table */
	/* of the journal that is being read */
	uint64_t journal;
	struct store_table *table[TABLES_MAX]; /* owned: by the id that frames use */
	struct heard_samples *samples;
	uint64_t covered[TABLES_MAX]; /* of each live: rows below are in segments */
};

static bool ends_with(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len >= end && !strcmp(name + len - end, ending);
}

/* "NAME-0123456789abcdef" + ending: the number, and how long NAME is. */
static bool parse_name(const char *name, const char *ending, uint64_t *ret_number, size_t *ret_len)
{
	size_t len = strlen(name), end = strlen(ending);
	char *stop;

	if (!ends_with(name, ending) || len < end + 18 || name[len - end - 17] != '-')
		return false;
	*ret_number = strtoull(name + len - end - 16, &stop, 16);
	*ret_len = len - end - 17;
	return stop == name + len - end;
}

static int add_found(struct recovery *recovery, const struct found *found)
{
	if (recovery->count == recovery->room) {
		size_t room = recovery->room ? recovery->room * 2 : 64;
		struct found *files = realloc(recovery->found, room * sizeof(*files));

		if (!files)
			return -ENOMEM;
		recovery->found = files;
		recovery->room = room;
	}
	recovery->found[recovery->count++] = *found;
	return 0;
}

static void note_number(struct store *store, uint64_t number)
{
	if (number >= store->next_number && number < UINT64_MAX)
		store->next_number = number + 1;
}

static int note_file(struct recovery *recovery, const char *name)
{
	struct store *store = recovery->store;
	struct found found = {};
	struct stat stat;
	size_t len;

	if (fstatat(store->dir, name, &stat, AT_SYMLINK_NOFOLLOW) || !S_ISREG(stat.st_mode))
		return 0;
	found.bytes = (uint64_t)stat.st_size;
	if (ends_with(name, ".tmp")) {
		if (store->status.mode == STORE_WRITES)
			store->disk->unlink(store->disk->ctx, store->dir, name);
		return 0;
	}
	if (parse_name(name, ".seg.bad", &found.number, &len) ||
	    parse_name(name, ".log.bad", &found.number, &len)) {
		note_number(store, found.number);
		return 0;
	}
	if (!parse_name(name, ".seg", &found.number, &len) &&
	    !parse_name(name, ".log", &found.number, &len))
		return 0;
	if (!len || len >= STORE_NAME_BYTES || strlen(name) >= FILE_NAME_BYTES)
		return 0;
	note_number(store, found.number);
	snprintf(found.name, sizeof(found.name), "%s", name);
	if (ends_with(name, ".seg"))
		memcpy(found.table, name, len);
	else if (len != 7 || memcmp(name, "journal", 7) != 0)
		return 0;
	return add_found(recovery, &found);
}

static int by_number(const void *a, const void *b)
{
	const struct found *left = a, *right = b;

	return (left->number > right->number) - (left->number < right->number);
}

static int read_directory(struct recovery *recovery)
{
	int copy = dup(recovery->store->dir), error = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return -errno;
	}
	rewinddir(dir);
	while (!error && (entry = readdir(dir)))
		error = note_file(recovery, entry->d_name);
	closedir(dir);
	if (recovery->count)
		qsort(recovery->found, recovery->count, sizeof(*recovery->found), by_number);
	return error;
}

static struct found *find_file(struct recovery *recovery, uint64_t number)
{
	struct found key = {.number = number};

	if (!recovery->count)
		return NULL;
	return bsearch(&key, recovery->found, recovery->count, sizeof(key), by_number);
}

static uint32_t index_of(const struct store *store, const struct live *live)
{
	uint32_t i = 0;

	while (store->live[i] != live)
		i++;
	return i;
}

/* Too many tables or columns are no error here: a definition will meet the same limit and say so. */
static struct live *learn_table(struct store *store, const struct store_table *table,
				bool may_change)
{
	struct live *live = store_live(store, table->name);

	if (!live)
		live = store_new_live(store, table->name);
	if (live)
		live_learn(store, live, table, may_change, NULL);
	return live;
}

static int take_table(void *ctx, const struct store_table *table, uint64_t next_row)
{
	struct recovery *recovery = ctx;
	struct live *live = learn_table(recovery->store, table, true);

	if (!live)
		return 0;
	recovery->told[index_of(recovery->store, live)] = true;
	if (next_row > live->next_row)
		live->next_row = next_row;
	return 0;
}

/* A segment may be older than what the catalogue knows of its table. */
static void take_table_of_segment(struct recovery *recovery, const struct store_table *table)
{
	struct live *live = store_live(recovery->store, table->name);

	learn_table(recovery->store, table,
		    !live || !recovery->told[index_of(recovery->store, live)]);
}

static int take_segment(struct store *store, const struct listed *listed)
{
	struct tier *tier = listed->kind == FILE_SAMPLES ? store_tier(store, listed->table) : NULL;
	struct live *live = listed->kind == FILE_ROWS ? store_live(store, listed->table) : NULL;

	if (listed->kind == FILE_ROWS && !live)
		live = store_new_live(store, listed->table);
	if (!live && !tier) {
		store_trouble(store, "no place for the segments of '%s': they are not used",
			      listed->table);
		return 0;
	}
	return shelf_add(live ? &live->shelf : &tier->shelf, listed);
}

static int take_listed(void *ctx, const struct listed *listed)
{
	struct recovery *recovery = ctx;
	struct store *store = recovery->store;
	struct found *found = find_file(recovery, listed->number);

	if (!found || strcmp(found->table, listed->table) != 0) {
		store->status.segments_missing += !listed->replaced;
		store->catalogue_stale = true;
		return 0;
	}
	if (listed->replaced) {
		store->disk->unlink(store->disk->ctx, store->dir, found->name);
		store->catalogue_stale = true;
		found->known = true;
		return 0;
	}
	if (found->bytes != listed->bytes)
		return 0; /* it is looked at like an unknown one */
	found->known = true;
	return take_segment(store, listed);
}

static void set_file_aside(struct store *store, const char *name)
{
	char bad[FILE_NAME_BYTES + 8];

	store->status.segments_bad++;
	if (store->status.mode != STORE_WRITES)
		return;
	snprintf(bad, sizeof(bad), "%s.bad", name);
	store->disk->rename(store->disk->ctx, store->dir, name, bad);
}

static int note_replaced(struct recovery *recovery, const struct segment_reader *segment)
{
	size_t count = recovery->replaced_count + segment->replaces_count;
	uint64_t *replaced;

	if (!segment->replaces_count)
		return 0;
	replaced = realloc(recovery->replaced, count * sizeof(*replaced));
	if (!replaced)
		return -ENOMEM;
	memcpy(replaced + recovery->replaced_count, segment->replaces,
	       segment->replaces_count * sizeof(*replaced));
	recovery->replaced = replaced;
	recovery->replaced_count = count;
	return 0;
}

static int ask_rows(struct recovery *recovery, const struct found *found, struct listed *listed,
		    struct err *why)
{
	struct store *store = recovery->store;
	struct segment_reader *segment = malloc(sizeof(*segment));
	int error = -ENOMEM;

	if (segment)
		error = segment_open(segment, store->disk, store->dir, found->name, &store->codec,
				     why);
	if (error) {
		free(segment);
		return error;
	}
	snprintf(listed->table, sizeof(listed->table), "%s", segment->table.name);
	listed->first_row = segment->first_row;
	listed->next_row = segment->next_row;
	listed->rows = segment->rows;
	listed->time_min = segment->time_min;
	listed->time_max = segment->time_max;
	listed->seen_ns = segment->written_ns;
	if (strcmp(listed->table, found->table) != 0 || segment->number != found->number)
		error = err_set(why, -EBADMSG, "'%s' says that it is another file", found->name);
	else
		error = note_replaced(recovery, segment);
	if (!error)
		take_table_of_segment(recovery, &segment->table);
	segment_close(segment);
	free(segment);
	return error;
}

static int ask_samples(struct recovery *recovery, const struct found *found, struct listed *listed,
		       struct err *why)
{
	struct store *store = recovery->store;
	struct samples_reader *samples = malloc(sizeof(*samples));
	int error = -ENOMEM;

	if (samples)
		error = samples_open(samples, store->disk, store->dir, found->name, &store->codec,
				     why);
	if (error) {
		free(samples);
		return error;
	}
	snprintf(listed->table, sizeof(listed->table), "%s", samples->facts.tier);
	listed->kind = FILE_SAMPLES;
	listed->first_row = samples->facts.first;
	listed->next_row = samples->facts.next;
	listed->rows = samples->facts.samples;
	listed->time_min = samples->facts.time_min_ms * 1000000;
	listed->time_max = samples->facts.time_max_ms * 1000000;
	listed->seen_ns = samples->facts.written_ns;
	if (strcmp(listed->table, found->table) != 0 || samples->facts.number != found->number)
		error = err_set(why, -EBADMSG, "'%s' says that it is another file", found->name);
	samples_close(samples);
	free(samples);
	return error;
}

/* A segment that the catalogue does not know: asked itself. */
static int take_unknown(struct recovery *recovery, const struct found *found)
{
	struct store *store = recovery->store;
	struct listed listed = {.number = found->number, .kind = FILE_ROWS, .bytes = found->bytes};
	struct err why = {};
	int error;

	if (store_tier(store, found->table))
		error = ask_samples(recovery, found, &listed, &why);
	else
		error = ask_rows(recovery, found, &listed, &why);
	if (error == -ENOMEM)
		return error;
	store->catalogue_stale = true;
	if (!error)
		return take_segment(store, &listed);
	store_trouble(store, "%s", why.text);
	if (error == -EBADMSG)
		set_file_aside(store, found->name);
	return 0;
}

/* Takes a segment out of the list for good. Nobody reads yet. */
static void drop_segment(struct store *store, struct shelf *shelf, struct segment *segment,
			 bool bad)
{
	char name[FILE_NAME_BYTES];

	segment_name(name, segment->listed.table, segment->listed.number);
	shelf_remove(shelf, segment);
	if (bad)
		set_file_aside(store, name);
	else if (store->status.mode == STORE_WRITES)
		store->disk->unlink(store->disk->ctx, store->dir, name);
	store->catalogue_stale = true;
	free(segment);
}

static void drop_replaced(struct recovery *recovery, struct shelf *shelf)
{
	for (uint32_t i = shelf->count; i-- > 0;)
		for (size_t k = 0; k < recovery->replaced_count; k++)
			if (shelf->at[i]->listed.number == recovery->replaced[k]) {
				drop_segment(recovery->store, shelf, shelf->at[i], false);
				break;
			}
}

/* Two segments with the same rows can only come from a name that was believed lost: the smaller
 * one goes. */
static void drop_overlapping(struct store *store, struct shelf *shelf)
{
	for (uint32_t i = 1; i < shelf->count;) {
		struct segment *left = shelf->at[i - 1], *right = shelf->at[i];

		if (right->listed.first_row >= left->listed.next_row)
			i++;
		else
			drop_segment(store, shelf,
				     left->listed.rows < right->listed.rows ? left : right, true);
	}
}

static const struct segment *last_of(const struct shelf *shelf)
{
	return shelf->at[shelf->count - 1];
}

static int take_segments(struct recovery *recovery)
{
	struct store *store = recovery->store;
	int error = catalogue_tables(store->catalogue, take_table, recovery);

	if (!error)
		error = catalogue_segments(store->catalogue, take_listed, recovery);
	if (error && error != -ENOMEM) {
		store->status.catalogue_failures++;
		error = 0;
	}
	for (size_t i = 0; i < recovery->count && !error; i++)
		if (recovery->found[i].table[0] && !recovery->found[i].known)
			error = take_unknown(recovery, &recovery->found[i]);
	for (int i = 0; i < STORE_TIERS && !error; i++)
		drop_overlapping(store, &store->metrics.tier[i].shelf);
	if (store->metrics.tier[0].shelf.count)
		store->metrics.next_scrape =
			last_of(&store->metrics.tier[0].shelf)->listed.next_row;
	for (uint32_t i = 0; i < store->lives && !error; i++) {
		struct live *live = store->live[i];

		drop_replaced(recovery, &live->shelf);
		drop_overlapping(store, &live->shelf);
		if (live->shelf.count)
			recovery->covered[i] = last_of(&live->shelf)->listed.next_row;
		if (recovery->covered[i] > live->next_row)
			live->next_row = recovery->covered[i];
		store->status.rows_found += live->shelf.rows;
	}
	return error;
}

static int hear_table(struct recovery *recovery, struct reader *reader)
{
	struct store_table *table = malloc(sizeof(*table));
	uint32_t id = 0;

	if (!table)
		return -ENOMEM;
	if (table_of_frame(reader, &id, table) || id >= TABLES_MAX) {
		free(table);
		recovery->store->status.frames_bad++;
		return 0;
	}
	free(recovery->table[id]);
	recovery->table[id] = table;
	learn_table(recovery->store, table, true); /* the journal is younger than all segments */
	return 0;
}

/* Rows of a frame that no segment has. */
static void keep_rows(struct recovery *recovery, struct live *live, const struct store_rows *rows,
		      uint64_t first_row)
{
	struct store *store = recovery->store;
	uint64_t *covered = &recovery->covered[index_of(store, live)];
	uint32_t from = first_row < *covered ? (uint32_t)(*covered - first_row) : 0;
	int64_t taken;

	lock_state(store);
	taken = live_take(store, live, rows, from, first_row, recovery->journal);
	if (taken > 0)
		store->status.rows_recovered += (uint64_t)taken;
	*covered = first_row + rows->count;
	if (*covered > live->next_row)
		live->next_row = *covered;
	unlock_state(store);
}

static int hear_rows(struct recovery *recovery, struct reader *reader)
{
	struct store *store = recovery->store;
	struct frame_rows head;
	struct live *live = NULL;
	struct store_rows *rows;
	int error = head_of_rows(reader, &head);

	if (!error && head.id < TABLES_MAX && recovery->table[head.id])
		live = store_live(store, recovery->table[head.id]->name);
	if (!live) {
		store->status.frames_bad++;
		return 0;
	}
	if (head.first_row + head.rows <= recovery->covered[index_of(store, live)])
		return 0;
	rows = store_rows_new(&live->table, head.rows);
	if (!rows)
		return -ENOMEM;
	error = rows_of_frame(reader, &store->codec, &head, recovery->table[head.id], rows);
	if (!error)
		keep_rows(recovery, live, rows, head.first_row);
	else if (error != -ENOMEM)
		store->status.frames_bad++;
	store_rows_free(rows);
	return error == -ENOMEM ? error : 0;
}

static int hear_of_samples(struct recovery *recovery, struct reader *reader, bool series,
			   bool damage)
{
	struct store *store = recovery->store;
	int error;

	lock_state(store);
	error = series ? hear_series(recovery->samples, reader)
		       : hear_samples(recovery->samples, reader, damage);
	store->status.frames_bad += error == -EBADMSG;
	unlock_state(store);
	return error == -EBADMSG ? 0 : error;
}

static int hear_frame(void *ctx, struct span frame, const struct journal_found *found)
{
	struct recovery *recovery = ctx;
	struct store *store = recovery->store;
	struct reader reader = reader_of(frame);
	int error = 0;

	switch (get_u8(&reader)) {
	case FRAME_TABLE: error = hear_table(recovery, &reader); break;
	case FRAME_ROWS: error = hear_rows(recovery, &reader); break;
	case FRAME_SERIES: error = hear_of_samples(recovery, &reader, true, false); break;
	case FRAME_SAMPLES:
		error = hear_of_samples(recovery, &reader, false, found->bad_frames != 0);
		break;
	default: break; /* of a version that knows more */
	}
	if (!error && store->sealed_bytes > store->options.memory_max &&
	    store->status.mode == STORE_WRITES)
		write_sealed(store);
	lock_state(store);
	give_up_rows(store);
	unlock_state(store);
	return error;
}

/* What the dead process wrote is perhaps still only in the kernel's memory: the promise holds
 * from now on again. */
static void make_durable(struct store *store, const char *name)
{
	const struct disk *disk = store->disk;
	int file = disk->open(disk->ctx, store->dir, name, O_RDONLY);

	if (file < 0 || disk->sync(disk->ctx, file))
		store->status.sync_failures++;
	if (file >= 0)
		disk->close(disk->ctx, file);
}

static int read_journal(struct recovery *recovery, const struct found *found, bool is_last)
{
	struct store *store = recovery->store;
	struct journal_found heard;
	struct journal_file file = {
		.number = found->number,
		.file = -1,
		.bytes = found->bytes,
		.durable = found->bytes,
		.name_durable = true,
	};
	int error;

	if (store->journal.count == JOURNAL_FILES_MAX)
		return 0;
	recovery->journal = found->number;
	store->journal.file[store->journal.count++] = file; /* chunks refer to it */
	recovery->samples = hear_begin(store, found->number);
	error = recovery->samples ? journal_read(store->disk, store->dir, found->number, hear_frame,
						 recovery, &heard)
				  : -ENOMEM;
	hear_end(recovery->samples);
	for (int i = 0; i < TABLES_MAX; i++) {
		free(recovery->table[i]);
		recovery->table[i] = NULL;
	}
	if (error == -ENOMEM)
		return error;
	store->status.frames_bad += heard.bad_frames;
	store->status.torn_bytes += heard.torn_bytes;
	for (uint32_t i = 0; i < store->journal.count; i++)
		if (store->journal.file[i].number == found->number)
			store->journal.file[i].damaged = error || heard.bad_frames || heard.newer ||
							 (heard.torn_bytes && !is_last);
	if (error)
		store_trouble(store, "cannot read '%s': %s", found->name, err_name(error));
	if (store->status.mode == STORE_WRITES)
		make_durable(store, found->name);
	return 0;
}

static int read_journals(struct recovery *recovery)
{
	size_t last = 0;
	int error = 0;

	for (size_t i = 0; i < recovery->count; i++)
		if (!recovery->found[i].table[0])
			last = i;
	for (size_t i = 0; i < recovery->count && !error; i++)
		if (!recovery->found[i].table[0])
			error = read_journal(recovery, &recovery->found[i], i == last);
	return error;
}

int recover(struct store *store, struct err *why)
{
	struct recovery recovery = {.store = store};
	int error;

	if (store->dir < 0)
		return 0;
	error = read_directory(&recovery);
	if (!error)
		error = take_segments(&recovery);
	if (!error)
		error = read_journals(&recovery);
	for (int i = 0; i < TABLES_MAX; i++)
		free(recovery.table[i]);
	free(recovery.found);
	free(recovery.replaced);
	if (error)
		return err_set(why, error, "cannot read the store in '%s': %s", store->path,
			       err_name(error));
	if (store->status.mode == STORE_WRITES) {
		store->disk->sync_dir(store->disk->ctx, store->dir);
		release_journals(store);
		sweep_bad(store);
		doubt_clock(store);
	}
	return 0;
}
