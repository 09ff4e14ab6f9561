// SPDX-License-Identifier: GPL-2.0-only
/*
 * select - the samples of the series that match, from the tiers and from memory, as one list per series.
 *
 * The time asked for is divided among the tiers: the coarsest one that is fine enough has the middle, from its
 * oldest sample to the end of what was rolled up; what is newer comes from the finer ones, what is older
 * from the coarser ones. Every moment belongs to one tier, so no sample is there twice. As with rows, memory is
 * looked at with the store locked, and files afterwards, kept from being unlinked.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/inside.h"

/* A series of the answer while it grows. */
struct found_series {
	struct store_points points; /* its arrays are owned */
	size_t room;
	bool unsorted;
};

/* A piece of time for which one tier is asked: from <= time <= to. */
struct share {
	int64_t from_ms, to_ms; /* from > to: none */
	bool rolled;
	struct segment **segment; /* owned list; kept by their count of readers */
	uint32_t segments;
};

struct selecting {
	struct store *store;
	const struct store_select *select;
	struct store_selection *selection;
	struct codec codec;
	struct buf prefix; /* labels of the metric that is asked for, empty: any */
	struct share share[STORE_TIERS];
	struct map by_labels; /* hash of the labels -> place in `found` */
	struct found_series *found; /* owned */
	size_t count, room, samples, samples_max, series_max, memory;
	struct run_of_points points;
};

static int charge(struct selecting *selecting, size_t bytes)
{
	selecting->memory += bytes;
	return selecting->memory > SELECT_MEMORY_MAX ? -ENOMEM : 0;
}

static void missed(struct selecting *selecting, const char *what)
{
	selecting->selection->partial = true;
	snprintf(selecting->selection->why_partial, sizeof(selecting->selection->why_partial), "%s",
		 what);
}

static int new_series(struct selecting *selecting, struct span labels, enum store_series_kind kind)
{
	struct found_series *found;
	const char *copy;

	if (selecting->count == selecting->series_max)
		return -E2BIG;
	if (selecting->count == selecting->room) {
		size_t room = selecting->room ? selecting->room * 2 : 64;

		found = realloc(selecting->found, room * sizeof(*found));
		if (!found || charge(selecting, (room - selecting->room) * sizeof(*found)))
			return -ENOMEM;
		selecting->found = found;
		selecting->room = room;
	}
	copy = arena_str(&selecting->selection->arena, labels);
	if (!copy)
		return -ENOMEM;
	selecting->found[selecting->count++] = (struct found_series){
		.points = {.labels = {(const uint8_t *)copy, labels.len}, .kind = kind}};
	return 0;
}

/* The place of the series in the answer, or -errno. Two sets with the same hash stand one after the other. */
static int64_t place_of(struct selecting *selecting, struct span labels,
			enum store_series_kind kind)
{
	uint64_t hash = hash_bytes(labels.at, labels.len, hash_seed());
	uint32_t *place;
	int error;

	for (;; hash++) {
		place = map_get(&selecting->by_labels, &hash);
		if (!place)
			break;
		if (span_same(selecting->found[*place].points.labels, labels))
			return *place;
	}
	error = new_series(selecting, labels, kind);
	if (error)
		return error;
	place = map_put(&selecting->by_labels, &hash, NULL);
	if (!place)
		return -ENOMEM;
	*place = (uint32_t)selecting->count - 1;
	return *place;
}

static int make_room(struct selecting *selecting, struct found_series *found, size_t count)
{
	size_t room = found->room ? found->room : 16;
	bool counter = found->points.kind == SERIES_COUNTER;
	void *times, *values, *drops = NULL;

	if (count <= found->room)
		return 0;
	while (room < count)
		room *= 2;
	if (charge(selecting, (room - found->room) * (counter ? 24 : 16)))
		return -ENOMEM;
	times = realloc(found->points.time_ms, room * sizeof(int64_t));
	if (times)
		found->points.time_ms = times;
	values = realloc(found->points.value, room * sizeof(double));
	if (values)
		found->points.value = values;
	if (counter)
		drops = realloc(found->points.drop, room * sizeof(double));
	if (drops)
		found->points.drop = drops;
	if (!times || !values || (counter && !drops))
		return -ENOMEM;
	found->room = room;
	return 0;
}

static double field_of(const struct selecting *selecting, const struct run_of_points *points,
		       uint32_t at, enum store_series_kind kind, bool rolled)
{
	enum store_field field = selecting->select->field;

	if (!rolled || kind == SERIES_COUNTER)
		return field == FIELD_COUNT ? 1 : points->field[0][at];
	switch (field) {
	case FIELD_MIN: return points->field[ROLLED_MIN][at];
	case FIELD_MAX: return points->field[ROLLED_MAX][at];
	case FIELD_SUM: return points->field[ROLLED_SUM][at];
	case FIELD_COUNT: return points->field[ROLLED_COUNT][at];
	default: return points->field[ROLLED_SUM][at] / points->field[ROLLED_COUNT][at];
	}
}

/* Adds the points that belong to the share. */
static int add_points(struct selecting *selecting, struct span labels, enum store_series_kind kind,
		      const struct share *share)
{
	const struct run_of_points *points = &selecting->points;
	struct found_series *found = NULL;
	int64_t place;

	for (uint32_t i = 0; i < points->count; i++) {
		struct store_points *to;

		if (points->time_ms[i] < share->from_ms || points->time_ms[i] > share->to_ms)
			continue;
		if (!found) {
			place = place_of(selecting, labels, kind);
			if (place < 0)
				return (int)place;
			found = &selecting->found[place];
			if (make_room(selecting, found, found->points.count + points->count - i))
				return -ENOMEM;
		}
		if (++selecting->samples > selecting->samples_max)
			return -E2BIG;
		to = &found->points;
		found->unsorted |= to->count && to->time_ms[to->count - 1] >= points->time_ms[i];
		to->time_ms[to->count] = points->time_ms[i];
		to->value[to->count] = field_of(selecting, points, i, to->kind, share->rolled);
		if (to->kind == SERIES_COUNTER) /* of raw samples it is not known yet */
			to->drop[to->count] = share->rolled && kind == SERIES_COUNTER
						      ? points->field[ROLLED_DROP][i]
						      : NAN;
		to->count++;
	}
	return 0;
}

static int add_labels(struct selecting *selecting, struct span labels, enum store_series_kind kind)
{
	int64_t place = place_of(selecting, labels, kind);

	return place < 0 ? (int)place : 0;
}

static bool wanted(const struct selecting *selecting, struct span labels)
{
	return labels_match(labels, selecting->select->matcher, selecting->select->matchers);
}

static bool touches(const struct share *share, int64_t min_ms, int64_t max_ms)
{
	return share->from_ms <= share->to_ms && min_ms <= share->to_ms && max_ms >= share->from_ms;
}

/* Needs state. */
static int take_head(struct selecting *selecting, const struct head *head,
		     const struct share *share)
{
	const struct registry *registry = &selecting->store->metrics.registry;
	const struct scrape **scrapes;
	uint32_t count, *index;
	int error = 0;

	if (!head || !head->scrapes || !touches(share, head->time_min_ms, head->time_max_ms))
		return 0;
	scrapes = head_by_time(head);
	index = head_series(head, registry->used, &count);
	if (!scrapes || !index)
		error = -ENOMEM;
	for (uint32_t i = 0; i < count && !error; i++) {
		const struct series *series = &registry->at[index[i]];

		if (!wanted(selecting, series_labels(series)))
			continue;
		if (selecting->select->only_labels) {
			error = add_labels(selecting, series_labels(series), series->kind);
			continue;
		}
		error = head_points(scrapes, head->scrapes, index[i], share->from_ms, share->to_ms,
				    &selecting->points);
		if (!error)
			error = add_points(selecting, series_labels(series), series->kind, share);
	}
	free(scrapes);
	free(index);
	return error;
}

static int take_group(struct selecting *selecting, struct samples_reader *reader,
		      const struct share *share)
{
	uint32_t series = reader->group[reader->open - 1].series;
	int error = 0;

	for (uint32_t i = 0; i < series && !error; i++) {
		if (!wanted(selecting, reader->labels[i]))
			continue;
		if (selecting->select->only_labels) {
			error = add_labels(selecting, reader->labels[i], reader->kind[i]);
			continue;
		}
		error = samples_points(reader, i, &selecting->points);
		if (!error)
			error = add_points(selecting, reader->labels[i], reader->kind[i], share);
	}
	return error;
}

static int take_groups(struct selecting *selecting, struct samples_reader *reader,
		       const struct share *share)
{
	struct span prefix = buf_as_span(&selecting->prefix);

	for (uint32_t i = 0; i < reader->groups; i++) {
		int error;

		if (!touches(share, reader->group[i].time_min_ms, reader->group[i].time_max_ms) ||
		    (prefix.len && !samples_may_hold(reader, i, prefix)))
			continue;
		error = samples_group(reader, i);
		if (!error)
			error = take_group(selecting, reader, share);
		if (error == -EBADMSG || error == -EIO) {
			atomic_fetch_add(&selecting->store->blocks_bad, 1);
			missed(selecting, "a damaged group of series was left out");
		} else if (error) {
			return error;
		}
	}
	return 0;
}

static int take_file(struct selecting *selecting, struct segment *segment,
		     const struct share *share)
{
	struct samples_reader *reader = malloc(sizeof(*reader));
	char name[FILE_NAME_BYTES];
	int error = -ENOMEM;

	if (!reader)
		return error;
	samples_name(name, segment->listed.table, segment->listed.number);
	error = samples_open(reader, selecting->store->disk, selecting->store->dir, name,
			     &selecting->codec, NULL);
	if (!error) {
		selecting->selection->files_read++;
		error = take_groups(selecting, reader, share);
		samples_close(reader);
	} else if (error != -ENOMEM) {
		if (error == -EBADMSG)
			atomic_store(&segment->suspect, true);
		missed(selecting, "a file of samples could not be read");
		error = 0;
	}
	free(reader);
	return error;
}

/* Needs state. */
static int note_files(struct selecting *selecting, struct share *share, const struct shelf *shelf)
{
	share->segment = malloc((shelf->count + 1) * sizeof(struct segment *));
	if (!share->segment)
		return -ENOMEM;
	for (uint32_t i = 0; i < shelf->count; i++) {
		const struct listed *listed = &shelf->at[i]->listed;

		if (!touches(share, listed->time_min / 1000000, listed->time_max / 1000000)) {
			selecting->selection->files_skipped++;
			continue;
		}
		atomic_fetch_add(&shelf->at[i]->readers, 1);
		share->segment[share->segments++] = shelf->at[i];
	}
	return 0;
}

/* The oldest sample that the tier has, INT64_MAX if it is empty. Needs state. */
static int64_t oldest_of(const struct store *store, int tier)
{
	const struct shelf *shelf = &store->metrics.tier[tier].shelf;
	int64_t oldest = INT64_MAX;

	for (uint32_t i = 0; i < shelf->count; i++)
		if (shelf->at[i]->listed.time_min / 1000000 < oldest)
			oldest = shelf->at[i]->listed.time_min / 1000000;
	if (tier)
		return oldest;
	for (const struct head *head = store->metrics.sealed; head; head = head->next)
		oldest = head->time_min_ms < oldest ? head->time_min_ms : oldest;
	if (store->metrics.open && store->metrics.open->time_min_ms < oldest)
		oldest = store->metrics.open->time_min_ms;
	return oldest;
}

/* Until when the tier has everything; raw samples are always up to date. */
static int64_t newest_of(const struct store *store, int tier)
{
	const struct shelf *shelf = &store->metrics.tier[tier].shelf;

	if (!tier)
		return INT64_MAX;
	return shelf->count ? (int64_t)shelf->at[shelf->count - 1]->listed.next_row : INT64_MIN;
}

static int preferred_tier(const struct selecting *selecting)
{
	int tier = STORE_TIERS - 1;

	while (tier &&
	       selecting->store->metrics.tier[tier].step_ms > selecting->select->resolution_ms)
		tier--;
	return tier;
}

/* Who has which piece of time. Needs state. */
static void divide(struct selecting *selecting)
{
	const struct store_select *select = selecting->select;
	int tier = preferred_tier(selecting);
	int64_t from = select->from_ms, to = select->to_ms;

	for (int i = 0; i < STORE_TIERS; i++)
		selecting->share[i] = (struct share){.from_ms = 1, .to_ms = 0, .rolled = i != 0};
	/* the newest end: tiers below have it until the end of what the one above has */
	while (tier && newest_of(selecting->store, tier) < from)
		tier--;
	for (int i = tier; i >= 0; i--) {
		int64_t newest = newest_of(selecting->store, i);

		selecting->share[i].from_ms =
			i == tier ? from : newest_of(selecting->store, i + 1) + 1;
		selecting->share[i].to_ms = newest < to ? newest : to;
		if (selecting->share[i].from_ms < from)
			selecting->share[i].from_ms = from;
		if (newest >= to)
			break;
	}
	/* the oldest end: where the preferred tier has nothing any more, those above stand in */
	for (int i = tier; i + 1 < STORE_TIERS; i++) {
		int64_t oldest = oldest_of(selecting->store, i),
			upper = oldest_of(selecting->store, i + 1);
		struct share *mine = &selecting->share[i], *above = &selecting->share[i + 1];

		if (upper >= oldest || oldest <= from)
			break;
		above->from_ms = from;
		above->to_ms = oldest - 1 < to ? oldest - 1 : to;
		mine->from_ms = oldest;
	}
}

/* The prefix of the metric's name, when exactly one is asked for. */
static int find_prefix(struct selecting *selecting)
{
	for (size_t i = 0; i < selecting->select->matchers; i++) {
		const struct store_matcher *matcher = &selecting->select->matcher[i];

		if (matcher->op == MATCHER_EQUAL && span_is(matcher->name, "__name__") &&
		    matcher->value.len)
			return labels_of_name(matcher->value, &selecting->prefix);
	}
	return 0;
}

static int look(struct selecting *selecting)
{
	struct store *store = selecting->store;
	int error = 0;

	lock_state(store);
	divide(selecting);
	for (int i = 0; i < STORE_TIERS && !error; i++)
		error = note_files(selecting, &selecting->share[i], &store->metrics.tier[i].shelf);
	for (const struct head *head = store->metrics.sealed; head && !error; head = head->next)
		error = take_head(selecting, head, &selecting->share[0]);
	if (!error)
		error = take_head(selecting, store->metrics.open, &selecting->share[0]);
	unlock_state(store);
	for (int i = STORE_TIERS - 1; i >= 0; i--)
		for (uint32_t k = 0; k < selecting->share[i].segments && !error; k++)
			error = take_file(selecting, selecting->share[i].segment[k],
					  &selecting->share[i]);
	return error;
}

/* A point and where it came in: of two at the same time the later one holds. */
struct placed_point {
	int64_t time_ms;
	size_t place;
	double value, drop;
};

static int by_time(const void *a, const void *b)
{
	const struct placed_point *left = a, *right = b;

	if (left->time_ms != right->time_ms)
		return left->time_ms < right->time_ms ? -1 : 1;
	return left->place < right->place ? -1 : 1;
}

static int sort_all(struct store_points *points)
{
	struct placed_point *placed = malloc(points->count * sizeof(*placed));
	size_t kept = 0;

	if (!placed)
		return -ENOMEM;
	for (size_t i = 0; i < points->count; i++)
		placed[i] = (struct placed_point){points->time_ms[i], i, points->value[i],
						  points->drop ? points->drop[i] : 0};
	qsort(placed, points->count, sizeof(*placed), by_time);
	for (size_t i = 0; i < points->count; i++) {
		if (kept && points->time_ms[kept - 1] == placed[i].time_ms)
			kept--;
		points->time_ms[kept] = placed[i].time_ms;
		points->value[kept] = placed[i].value;
		if (points->drop)
			points->drop[kept] = placed[i].drop;
		kept++;
	}
	points->count = kept;
	free(placed);
	return 0;
}

static int rotate(void *words, size_t count, size_t by)
{
	uint64_t *at = words, *copy;

	if (!words)
		return 0;
	copy = malloc(by * sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, at, by * sizeof(*at));
	memmove(at, at + by, (count - by) * sizeof(*at));
	memcpy(at + count - by, copy, by * sizeof(*at));
	free(copy);
	return 0;
}

/* The usual case: what was in memory stands in front of what was in files, each in order. */
static int sort_points(struct store_points *points)
{
	size_t steps_back = 0, at = 0;
	int error;

	for (size_t i = 1; i < points->count; i++)
		if (points->time_ms[i] <= points->time_ms[i - 1]) {
			steps_back++;
			at = i;
		}
	if (steps_back != 1 || points->time_ms[points->count - 1] >= points->time_ms[0])
		return sort_all(points);
	error = rotate(points->time_ms, points->count, at);
	if (!error)
		error = rotate(points->value, points->count, at);
	return error ? error : rotate(points->drop, points->count, at);
}

/* Where raw samples stand beside windows, their resets are seen in the values. */
static void fill_drops(struct store_points *points)
{
	bool any = false;

	for (size_t i = 0; i < points->count; i++)
		any |= !isnan(points->drop[i]);
	if (!any) {
		free(points->drop);
		points->drop = NULL;
		return;
	}
	for (size_t i = 0; i < points->count; i++)
		if (isnan(points->drop[i]))
			points->drop[i] = i && points->value[i] < points->value[i - 1]
						  ? points->value[i - 1]
						  : 0;
}

static int by_labels(const void *a, const void *b)
{
	const struct store_points *left = a, *right = b;

	return labels_order(left->labels, right->labels);
}

/* The series go over to the selection, in the order of their labels. */
static int hand_over(struct selecting *selecting, bool failed)
{
	struct store_selection *selection = selecting->selection;
	struct store_points *series = malloc((selecting->count + 1) * sizeof(*series));
	int error = series ? 0 : -ENOMEM;

	for (size_t i = 0; i < selecting->count; i++) {
		struct found_series *found = &selecting->found[i];

		if (!failed && !error && found->unsorted)
			error = sort_points(&found->points);
		if (found->points.drop)
			fill_drops(&found->points);
		if (!series || failed) {
			free(found->points.time_ms);
			free(found->points.value);
			free(found->points.drop);
			continue;
		}
		series[i] = found->points;
		selection->samples += found->points.count;
	}
	if (!series || failed) {
		free(series);
		return error;
	}
	qsort(series, selecting->count, sizeof(*series), by_labels);
	selection->series = series;
	selection->count = selecting->count;
	return error;
}

static void end_selecting(struct selecting *selecting)
{
	for (int i = 0; i < STORE_TIERS; i++) {
		for (uint32_t k = 0; k < selecting->share[i].segments; k++)
			atomic_fetch_sub(&selecting->share[i].segment[k]->readers, 1);
		free(selecting->share[i].segment);
	}
	points_done(&selecting->points);
	map_done(&selecting->by_labels);
	buf_done(&selecting->prefix);
	codec_done(&selecting->codec);
	free(selecting->found);
	free(selecting);
}

static int explain(int error, const struct selecting *selecting, struct err *why)
{
	if (error == -E2BIG)
		return err_set(why, error,
			       "more than %zu series or %zu samples match: ask for less, or for a "
			       "coarser resolution",
			       selecting->series_max, selecting->samples_max);
	if (error == -ENOMEM)
		return err_set(why, error,
			       "the samples need more than %d MiB: ask for less, or for a coarser "
			       "resolution",
			       SELECT_MEMORY_MAX >> 20);
	return err_set(why, error, "cannot read the samples: %s", err_name(error));
}

int store_select(struct store *store, const struct store_select *select,
		 struct store_selection *selection, struct err *why)
{
	struct selecting *selecting = calloc(1, sizeof(*selecting));
	int error, later;

	*selection = (struct store_selection){};
	arena_init(&selection->arena, SELECT_MEMORY_MAX);
	if (!selecting)
		return err_set(why, -ENOMEM, "no memory to select samples");
	selecting->store = store;
	selecting->select = select;
	selecting->selection = selection;
	selecting->series_max = select->series_max ? select->series_max : SELECT_SERIES_MAX;
	selecting->samples_max = select->samples_max ? select->samples_max : SELECT_SAMPLES_MAX;
	map_init(&selecting->by_labels, sizeof(uint64_t), sizeof(uint32_t), selecting->series_max);
	buf_init(&selecting->prefix, LABELS_BYTES_MAX + 64);
	error = codec_init(&selecting->codec);
	if (!error)
		error = find_prefix(selecting);
	if (!error)
		error = look(selecting);
	later = hand_over(selecting, error != 0);
	if (!error)
		error = later;
	if (error)
		explain(error, selecting, why);
	end_selecting(selecting);
	return error;
}

void store_selection_done(struct store_selection *selection)
{
	for (size_t i = 0; i < selection->count; i++) {
		free(selection->series[i].time_ms);
		free(selection->series[i].value);
		free(selection->series[i].drop);
	}
	free(selection->series);
	arena_done(&selection->arena);
	*selection = (struct store_selection){};
}

bool store_points_label(const struct store_points *points, size_t at, struct store_label *ret_label)
{
	struct reader reader = reader_of(points->labels);

	for (size_t i = 0; labels_next(&reader, ret_label); i++)
		if (i == at)
			return true;
	return false;
}
