// SPDX-License-Identifier: GPL-2.0-only
/*
 * roll - a tier is made out of the one below it, a span at a time.
 *
 * When the raw files (or the tier below) hold all of a span that the next tier lacks, that span's series are read
 * in the order of their labels from all files at once, put into windows, and written as one file. Nothing
 * of it is kept in memory or in the journal: after a crash the same span is made again from the same files.
 * That is why files are not deleted for their age before the tier above has them (retain.c).
 *
 * A gauge's window: count, sum, least, greatest of its numbers (what is no number is left out). Sums of
 * decimals are exact, so that they pack well. A counter's window: the last value, and `drop`, the sum of the
 * values from which it fell back: increase = last - last before + drop, however often it began anew.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/decimal.h"
#include "store/inside.h"

enum {
	SOURCES_MAX = 512, /* files that are read at once */
	BEFORE_MS = 300000, /* a counter's last value is looked for so far before the span */
	GRACE_MS = 2000, /* for scrapes that come late */
};

/* A file that is read along: its present series is the one with the least labels not yet rolled. */
struct source {
	struct samples_reader reader;
	uint32_t group, series;
	bool ended;
};

struct roll {
	struct store *store;
	struct tier *from, *to;
	int64_t begin_ms, end_ms; /* begin < time <= end */
	struct source *source[SOURCES_MAX]; /* owned */
	uint32_t sources;
	struct run_of_points piece, points, windows;
	struct samples_writer writer;
};

/* A sum that stays exact as long as all are decimals. */
struct sum {
	bool inexact;
	int places;
	int64_t whole;
	double plain;
};

static void sum_add(struct sum *sum, double value)
{
	int64_t whole = 0;

	sum->plain += value;
	while (!sum->inexact && !decimal_fits(value, sum->places, &whole)) {
		sum->inexact = sum->places == DECIMAL_PLACES_MAX ||
			       __builtin_mul_overflow(sum->whole, 10, &sum->whole);
		sum->places++;
	}
	sum->inexact |= __builtin_add_overflow(sum->whole, whole, &sum->whole);
}

static double sum_value(const struct sum *sum)
{
	bool exact =
		!sum->inexact && sum->whole < (int64_t)1 << 53 && sum->whole > -((int64_t)1 << 53);

	return exact ? decimal_value(sum->whole, sum->places) : sum->plain;
}

/* The end of the window in which the time lies. */
static int64_t window_of(int64_t time_ms, int64_t step_ms)
{
	return (time_ms + step_ms - 1) / step_ms * step_ms;
}

static int add_window(struct run_of_points *windows, int64_t end_ms, const double *fields,
		      unsigned count)
{
	if (points_room(windows, windows->count + 1))
		return -ENOMEM;
	windows->time_ms[windows->count] = end_ms;
	for (unsigned i = 0; i < count; i++)
		windows->field[i][windows->count] = fields[i];
	windows->count++;
	return 0;
}

/* One window of a gauge: points [from, to). */
static int roll_gauge(struct roll *roll, uint32_t from, uint32_t to, int64_t end_ms)
{
	const struct run_of_points *points = &roll->points;
	bool rolled = roll->from->step_ms != 0;
	double fields[4] = {0, 0, INFINITY, -INFINITY};
	struct sum sum = {};

	for (uint32_t i = from; i < to; i++) {
		double low = points->field[rolled ? ROLLED_MIN : 0][i];
		double high = points->field[rolled ? ROLLED_MAX : 0][i];

		if (isnan(low))
			continue;
		fields[ROLLED_COUNT] += rolled ? points->field[ROLLED_COUNT][i] : 1;
		sum_add(&sum, points->field[rolled ? ROLLED_SUM : 0][i]);
		fields[ROLLED_MIN] = low < fields[ROLLED_MIN] ? low : fields[ROLLED_MIN];
		fields[ROLLED_MAX] = high > fields[ROLLED_MAX] ? high : fields[ROLLED_MAX];
	}
	fields[ROLLED_SUM] = sum_value(&sum);
	return fields[ROLLED_COUNT] > 0 ? add_window(&roll->windows, end_ms, fields, 4) : 0;
}

static int roll_counter(struct roll *roll, uint32_t from, uint32_t to, int64_t end_ms, double *last)
{
	const struct run_of_points *points = &roll->points;
	bool rolled = roll->from->step_ms != 0;
	double fields[2] = {NAN, 0};

	for (uint32_t i = from; i < to; i++) {
		double value = points->field[0][i],
		       drop = rolled ? points->field[ROLLED_DROP][i] : 0;

		if (isnan(value))
			continue;
		if (!isnan(*last) && value - *last + drop < 0)
			drop += *last;
		fields[ROLLED_LAST] = *last = value;
		fields[ROLLED_DROP] += drop;
	}
	return isnan(fields[ROLLED_LAST]) ? 0 : add_window(&roll->windows, end_ms, fields, 2);
}

static int roll_series(struct roll *roll, enum store_series_kind kind)
{
	const struct run_of_points *points = &roll->points;
	uint32_t from = 0, to;
	double last = NAN;
	int error = 0;

	roll->windows.count = 0;
	while (from < points->count && points->time_ms[from] <= roll->begin_ms) {
		if (!isnan(points->field[0][from]))
			last = points->field[0][from];
		from++;
	}
	for (; from < points->count && !error; from = to) {
		int64_t end = window_of(points->time_ms[from], roll->to->step_ms);

		for (to = from; to < points->count && points->time_ms[to] <= end; to++)
			;
		error = kind == SERIES_GAUGE ? roll_gauge(roll, from, to, end)
					     : roll_counter(roll, from, to, end, &last);
	}
	return error;
}

/* Opens the group in which the source's present series stands; goes on where there is none. */
static int settle(struct source *source)
{
	int error = 0;

	while (!error && !source->ended) {
		if (source->group == source->reader.groups) {
			source->ended = true;
		} else {
			error = samples_group(&source->reader, source->group);
			if (error || source->series < source->reader.group[source->group].series)
				break;
			source->group++;
			source->series = 0;
		}
	}
	return error;
}

static struct span present(const struct source *source)
{
	return source->reader.labels[source->series];
}

/* Adds the piece's points that concern the span, in the order of time. */
static int add_piece(struct roll *roll, unsigned fields)
{
	const struct run_of_points *piece = &roll->piece;
	struct run_of_points *points = &roll->points;

	if (points_room(points, points->count + piece->count))
		return -ENOMEM;
	for (uint32_t i = 0; i < piece->count; i++) {
		int64_t time = piece->time_ms[i];
		uint32_t at = points->count;

		if (time > roll->end_ms || time <= roll->begin_ms - BEFORE_MS)
			continue;
		while (at && points->time_ms[at - 1] >
				     time) /* files follow each other, but for clocks that step */
			at--;
		if (at && points->time_ms[at - 1] == time)
			continue;
		for (uint32_t k = points->count; k > at; k--) {
			points->time_ms[k] = points->time_ms[k - 1];
			for (unsigned f = 0; f < fields; f++)
				points->field[f][k] = points->field[f][k - 1];
		}
		points->time_ms[at] = time;
		for (unsigned f = 0; f < fields; f++)
			points->field[f][at] = piece->field[f][i];
		points->count++;
	}
	return 0;
}

/* Copies the least labels of all sources; false when all have ended. */
static bool least_labels(struct roll *roll, struct buf *labels, enum store_series_kind *ret_kind)
{
	const struct source *least = NULL;

	for (uint32_t i = 0; i < roll->sources; i++)
		if (!roll->source[i]->ended &&
		    (!least || labels_order(present(roll->source[i]), present(least)) < 0))
			least = roll->source[i];
	if (!least)
		return false;
	buf_clear(labels);
	buf_span(labels, present(least));
	*ret_kind = least->reader.kind[least->series];
	return true;
}

static int gather(struct roll *roll, struct span labels, enum store_series_kind kind)
{
	int error = 0;

	roll->points.count = 0;
	for (uint32_t i = 0; i < roll->sources && !error; i++) {
		struct source *source = roll->source[i];

		if (source->ended || labels_order(present(source), labels) != 0)
			continue;
		if (source->reader.kind[source->series] == kind) {
			error = samples_points(&source->reader, source->series, &roll->piece);
			if (!error)
				error = add_piece(roll, fields_of(kind, roll->from->step_ms != 0));
		}
		source->series++;
		if (!error)
			error = settle(source);
	}
	return error;
}

static int roll_all(struct roll *roll)
{
	enum store_series_kind kind;
	struct buf labels;
	int error = 0;

	buf_init(&labels, LABELS_BYTES_MAX);
	while (!error && least_labels(roll, &labels, &kind)) {
		error = gather(roll, buf_as_span(&labels), kind);
		if (!error)
			error = roll_series(roll, kind);
		if (!error)
			error = samples_add(&roll->writer, buf_as_span(&labels), kind,
					    &roll->windows);
	}
	buf_done(&labels);
	return error;
}

/* A damaged source is left out: what it had is gone anyway. */
static int open_sources(struct roll *roll)
{
	struct store *store = roll->store;
	int error;

	for (uint32_t i = 0; i < roll->from->shelf.count; i++) {
		struct segment *segment = roll->from->shelf.at[i];
		struct source *source;
		char name[FILE_NAME_BYTES];

		if (segment->listed.time_max / 1000000 <= roll->begin_ms - BEFORE_MS ||
		    segment->listed.time_min / 1000000 > roll->end_ms ||
		    roll->sources == SOURCES_MAX)
			continue;
		source = calloc(1, sizeof(*source));
		if (!source)
			return -ENOMEM;
		samples_name(name, roll->from->shelf.name, segment->listed.number);
		error = samples_open(&source->reader, store->disk, store->dir, name,
				     &store->work_codec, NULL);
		if (!error) {
			error = settle(source);
			if (error)
				samples_close(&source->reader);
		}
		if (!error) {
			roll->source[roll->sources++] = source;
			continue;
		}
		free(source);
		if (error != -EBADMSG)
			return error;
		atomic_store(&segment->suspect, true);
	}
	return 0;
}

static void end_roll(struct roll *roll)
{
	for (uint32_t i = 0; i < roll->sources; i++) {
		samples_close(&roll->source[i]->reader);
		free(roll->source[i]);
	}
	points_done(&roll->piece);
	points_done(&roll->points);
	points_done(&roll->windows);
	free(roll);
}

static int write_span(struct roll *roll, struct listed *listed)
{
	struct store *store = roll->store;
	struct samples_facts facts = {
		.written_ns = wall_now(store),
		.first = (uint64_t)roll->begin_ms,
		.next = (uint64_t)roll->end_ms,
		.rolled = true,
	};
	int error;

	lock_state(store);
	facts.number = store->next_number++;
	unlock_state(store);
	snprintf(facts.tier, sizeof(facts.tier), "%s", roll->to->shelf.name);
	error = samples_begin(&roll->writer, store->disk, store->dir, &store->work_codec, &facts);
	if (!error)
		error = roll_all(roll);
	if (error)
		samples_abandon(&roll->writer);
	else
		error = samples_finish(&roll->writer, &facts, &listed->bytes);
	*listed = (struct listed){
		.number = facts.number,
		.kind = FILE_SAMPLES,
		.first_row = facts.first,
		.next_row = facts.next,
		.rows = facts.samples,
		.bytes = listed->bytes,
		.time_min = facts.time_min_ms * 1000000,
		.time_max = facts.time_max_ms * 1000000,
		.seen_ns = facts.written_ns,
	};
	snprintf(listed->table, sizeof(listed->table), "%s", roll->to->shelf.name);
	return error;
}

static void list_span(struct roll *roll, const struct listed *listed)
{
	struct store *store = roll->store;

	lock_state(store);
	if (shelf_add(&roll->to->shelf, listed))
		store_trouble(store, "no memory for the list of files");
	store->status.samples_rolled += listed->rows;
	store->status.segments_written++;
	store->status.bytes_written += listed->bytes;
	unlock_state(store);
	catalogue_written(store, NULL, listed);
}

static int64_t made_to(const struct tier *tier)
{
	const struct shelf *shelf = &tier->shelf;
	int64_t made =
		shelf->count ? (int64_t)shelf->at[shelf->count - 1]->listed.next_row : INT64_MIN;

	return tier->passed_ms > made ? tier->passed_ms : made;
}

static int roll_span(struct store *store, struct tier *from, struct tier *to, int64_t begin_ms)
{
	struct roll *roll = calloc(1, sizeof(*roll));
	struct listed listed = {};
	int error;

	if (!roll)
		return -ENOMEM;
	roll->store = store;
	roll->from = from;
	roll->to = to;
	roll->begin_ms = begin_ms > made_to(to) ? begin_ms : made_to(to); /* spans may have been longer, or shorter */
	roll->end_ms = begin_ms + to->span_ms;
	error = open_sources(roll);
	if (!error)
		error = write_span(roll, &listed);
	if (!error)
		list_span(roll, &listed);
	end_roll(roll);
	return error;
}

int64_t rolled_to(struct store *store, uint32_t tier)
{
	if (tier + 1 >= STORE_TIERS || !store->metrics.tier[tier + 1].span_ms)
		return INT64_MAX;
	return made_to(&store->metrics.tier[tier + 1]);
}

/* The next span that the tier lacks and the one below has samples of: where it begins; INT64_MAX if there is none. */
static int64_t next_span(const struct tier *from, const struct tier *to)
{
	int64_t made = made_to(to), first = INT64_MAX;

	for (uint32_t i = 0; i < from->shelf.count; i++) {
		const struct listed *listed = &from->shelf.at[i]->listed;
		int64_t min = listed->time_min / 1000000, max = listed->time_max / 1000000;

		if (max <= made || max < 1)
			continue;
		min = min < 1 ? 1 : min;
		min = min > made ? min : made + 1;
		first = min < first ? min : first;
	}
	return first == INT64_MAX ? first : (first - 1) / to->span_ms * to->span_ms;
}

/* Until when the tier below is complete. */
static int64_t complete_to(struct store *store, const struct tier *from)
{
	int64_t complete = wall_now(store) / 1000000 - GRACE_MS;

	if (from->step_ms)
		return made_to(from);
	lock_state(store);
	for (const struct head *head = store->metrics.sealed; head; head = head->next)
		complete = head->time_min_ms <= complete ? head->time_min_ms - 1 : complete;
	if (store->metrics.open && store->metrics.open->scrapes &&
	    store->metrics.open->time_min_ms <= complete)
		complete = store->metrics.open->time_min_ms - 1;
	unlock_state(store);
	return complete;
}

bool roll_some(struct store *store)
{
	for (uint32_t i = 1; i < STORE_TIERS; i++) {
		struct tier *from = &store->metrics.tier[i - 1], *to = &store->metrics.tier[i];
		int64_t begin = to->span_ms ? next_span(from, to) : INT64_MAX;
		int error;

		if (begin == INT64_MAX || begin + to->span_ms > complete_to(store, from))
			continue;
		error = roll_span(store, from, to, begin);
		if (!error)
			return true;
		if (error == -ENODATA) { /* files of that time, but nothing in them to keep */
			to->passed_ms = begin + to->span_ms;
			continue;
		}
		lock_state(store);
		store->status.write_failures++;
		store_trouble(store, "cannot make '%s' in '%s': %s", to->shelf.name, store->path,
			      err_name(error));
		unlock_state(store);
		make_way(store, error);
	}
	return false;
}
