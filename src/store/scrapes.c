// SPDX-License-Identifier: GPL-2.0-only
/*
 * scrapes - the way of samples: like that of rows (write.c), with heads in the place of chunks.
 *
 *	series	FRAME_SERIES, then per series: index, kind, labels
 *	scrape	FRAME_SAMPLES number time list values
 *		list = SAME (as the scrape before in this file) | COUNTED count, distances of the indexes
 *		value = what differs from the series' value before in this file (0 at its beginning), bytes turned
 *		round: an unchanged value is one byte, a counter's small step two or three
 *
 * Scrapes are numbered; those below the end of the last raw file are in files. Since values build on the ones
 * before, the rest of a journal file's scrapes is lost with a damaged frame. Rows are not concerned.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/frame.h"
#include "store/inside.h"

enum list { SAME, COUNTED };
enum {
	SCRAPES_MAX = POINTS_MAX - 1, /* of one head: a file takes so many points of a series */
	SERIES_FRAME_BYTES = 1 << 20, /* a longer frame is ended */
};

static const char *const tier_names[STORE_TIERS] = {"samples", "samples_15s", "samples_5m"};
static const int64_t tier_steps_ms[STORE_TIERS] = {0, 15000, 300000};

int metrics_init(struct store *store)
{
	struct metrics *metrics = &store->metrics;

	registry_init(&metrics->registry, store->options.series_max);
	metrics->next_scrape = 1;
	for (int i = 0; i < STORE_TIERS; i++) {
		const struct store_tier *option = &store->options.tier[i];
		struct tier *tier = &metrics->tier[i];

		snprintf(tier->shelf.name, sizeof(tier->shelf.name), "%s", tier_names[i]);
		tier->shelf.weight = option->weight ? option->weight : 1;
		tier->shelf.keep_ns = (int64_t)option->keep_s * 1000000000;
		tier->step_ms = tier_steps_ms[i];
		tier->span_ms = (int64_t)option->span_s * 1000;
	}
	return 0;
}

void metrics_done(struct store *store)
{
	struct metrics *metrics = &store->metrics;

	while (metrics->sealed) {
		struct head *head = metrics->sealed;

		metrics->sealed = head->next;
		head_free(head);
	}
	head_free(metrics->open);
	registry_done(&metrics->registry);
	free(metrics->scratch);
	for (int i = 0; i < STORE_TIERS; i++)
		shelf_done(&metrics->tier[i].shelf);
}

store_series_handle store_series(struct store *store, const struct store_label *labels,
				 size_t count, enum store_series_kind kind, struct err *why)
{
	store_series_handle handle = 0;
	struct buf set;
	int64_t index;
	int error;

	buf_init(&set, LABELS_BYTES_MAX);
	error = labels_write(labels, count, &set);
	if (error || !set.len) {
		err_set(why, error ? error : -EINVAL,
			"a series needs labels, each once, at most %d of them and %d bytes",
			LABELS_MAX, LABELS_BYTES_MAX);
		buf_done(&set);
		return 0;
	}
	lock_state(store);
	index = registry_put(&store->metrics.registry, buf_as_span(&set), kind, mono_now(store));
	if (index >= 0)
		handle = registry_handle(&store->metrics.registry, (uint32_t)index);
	unlock_state(store);
	if (index < 0)
		err_set(why, (int)index, "no room for another series: there are %u",
			store->options.series_max);
	buf_done(&set);
	return handle;
}

static int by_index(const void *a, const void *b)
{
	const struct indexed_sample *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

static int make_scratch(struct metrics *metrics, size_t count)
{
	struct indexed_sample *scratch;

	if (count <= metrics->scratch_room)
		return 0;
	scratch = realloc(metrics->scratch, count * sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	metrics->scratch = scratch;
	metrics->scratch_room = (uint32_t)count;
	return 0;
}

static uint32_t drop_doubles(struct indexed_sample *samples, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++)
		if (!kept || samples[kept - 1].index != samples[i].index)
			samples[kept++] = samples[i];
	return kept;
}

/* The scrape by rising index, each series once. Returns how many there are. */
static uint32_t sort_scrape(struct metrics *metrics, const struct store_sample *samples,
			    size_t count)
{
	uint32_t used = 0, index;
	bool sorted = true;

	for (size_t i = 0; i < count; i++) {
		if (!registry_get(&metrics->registry, samples[i].series, &index))
			continue;
		sorted &= !used || metrics->scratch[used - 1].index < index;
		metrics->scratch[used++] = (struct indexed_sample){index, samples[i].value};
	}
	if (sorted)
		return used;
	qsort(metrics->scratch, used, sizeof(*metrics->scratch), by_index);
	return drop_doubles(metrics->scratch, used);
}

static void begin_frame(struct buf *frame, enum frame_kind kind)
{
	buf_clear(frame);
	buf_fill(frame, 0, JOURNAL_FRAME_HEAD);
	buf_char(frame, (char)kind);
}

/* Every journal file says itself what the series are that it has samples of. */
static int tell_series(struct store *store, const struct indexed_sample *samples, uint32_t count)
{
	uint64_t journal = journal_number(&store->journal);
	bool any = false;
	int error = 0;

	begin_frame(&store->frame, FRAME_SERIES);
	for (uint32_t i = 0; i < count && !error; i++) {
		struct series *series = &store->metrics.registry.at[samples[i].index];

		if (series->told_journal == journal)
			continue;
		buf_varint(&store->frame, samples[i].index);
		buf_char(&store->frame, (char)series->kind);
		buf_text_span(&store->frame, series_labels(series));
		series->told_journal =
			journal; /* should writing fail, this file is not used for samples again */
		series->told_bits = 0;
		any = true;
		if (store->frame.len > SERIES_FRAME_BYTES) {
			error = write_frame(store);
			begin_frame(&store->frame, FRAME_SERIES);
			any = false;
		}
	}
	return error || !any ? error : write_frame(store);
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static bool same_as_logged(const struct store *store, const struct indexed_sample *samples,
			   uint32_t count)
{
	const struct metrics *metrics = &store->metrics;
	const struct scrape *last = metrics->open ? metrics->open->last : NULL;

	if (!last || last->number != metrics->logged_scrape ||
	    metrics->logged_journal != journal_number(&store->journal) ||
	    last->members->count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (last->members->index[i] != samples[i].index)
			return false;
	return true;
}

static void frame_of_scrape(struct store *store, int64_t time_ms,
			    const struct indexed_sample *samples, uint32_t count)
{
	struct buf *frame = &store->frame;
	uint32_t last = 0;
	uint8_t *at, *end;

	begin_frame(frame, FRAME_SAMPLES);
	buf_varint(frame, store->metrics.next_scrape);
	buf_varint(frame, zigzag(time_ms));
	if (same_as_logged(store, samples, count)) {
		buf_char(frame, SAME);
	} else {
		buf_char(frame, COUNTED);
		buf_varint(frame, count);
		for (uint32_t i = 0; i < count; i++) {
			buf_varint(frame, samples[i].index - last);
			last = samples[i].index;
		}
	}
	at = end = (uint8_t *)buf_reserve(frame, (size_t)count * VARINT_BYTES_MAX);
	for (uint32_t i = 0; i < count && at; i++) {
		const struct series *series = &store->metrics.registry.at[samples[i].index];

		end = put_varint(end,
				 __builtin_bswap64(bits_of(samples[i].value) ^ series->told_bits));
	}
	if (at)
		buf_commit(frame, (size_t)(end - at));
}

/* The number of the journal file that holds the scrape now, 0 if none does. */
static uint64_t log_scrape(struct store *store, int64_t time_ms,
			   const struct indexed_sample *samples, uint32_t count)
{
	struct metrics *metrics = &store->metrics;
	uint64_t number;

	if (!have_journal(store))
		return 0;
	if (tell_series(store, samples, count)) {
		store->journal.open =
			false; /* some series would be told of, others not: begin a new file */
		return 0;
	}
	frame_of_scrape(store, time_ms, samples, count);
	if (write_frame(store))
		return 0;
	for (uint32_t i = 0; i < count; i++)
		metrics->registry.at[samples[i].index].told_bits = bits_of(samples[i].value);
	number = journal_number(&store->journal);
	metrics->logged_journal = number;
	metrics->logged_scrape = metrics->next_scrape;
	rotate_journal(store);
	return number;
}

void head_seal(struct store *store)
{
	struct head **end = &store->metrics.sealed;

	if (!store->metrics.open || !store->metrics.open->scrapes)
		return;
	while (*end)
		end = &(*end)->next;
	*end = store->metrics.open;
	store->sealed_bytes += store->metrics.open->bytes;
	store->metrics.open = NULL;
}

static int add_scrape(struct store *store, int64_t time_ms, uint64_t number,
		      const struct indexed_sample *samples, uint32_t count, uint64_t journal)
{
	struct metrics *metrics = &store->metrics;
	int64_t now = mono_now(store);
	int error;

	if (metrics->open && metrics->open->scrapes &&
	    (metrics->open->samples + count > store->options.head_samples ||
	     metrics->open->scrapes >= SCRAPES_MAX))
		head_seal(store);
	if (!metrics->open)
		metrics->open = head_new(now);
	if (!metrics->open)
		return -ENOMEM;
	error = head_add(metrics->open, time_ms, number, samples, count);
	if (error)
		return error;
	metrics->open->unlogged |= !journal;
	if (!metrics->open->first_journal)
		metrics->open->first_journal = journal;
	for (uint32_t i = 0; i < count; i++) {
		metrics->registry.at[samples[i].index].last_scrape = number;
		metrics->registry.at[samples[i].index].seen_ns = now;
	}
	return 0;
}

static int take_scrape(struct store *store, int64_t time_ms, const struct store_sample *samples,
		       size_t count)
{
	struct metrics *metrics = &store->metrics;
	uint32_t kept;
	uint64_t journal;
	int error = make_scratch(metrics, count);

	store->status.samples_offered += count;
	kept = error ? 0 : sort_scrape(metrics, samples, count);
	if (!error && kept) {
		journal = log_scrape(store, time_ms, metrics->scratch, kept);
		error = add_scrape(store, time_ms, metrics->next_scrape, metrics->scratch, kept,
				   journal);
		metrics->next_scrape++;
		store->status.samples_unlogged += journal ? 0 : kept;
		store->journal_broken |= !journal;
	}
	if (error)
		kept = 0;
	store->status.samples_accepted += kept;
	store->status.samples_refused += count - kept;
	return error ? error : (int)kept;
}

int store_samples(struct store *store, int64_t time_ms, const struct store_sample *samples,
		  size_t count, struct err *why)
{
	bool tight;
	int taken;

	if (count > SCRAPE_SAMPLES_MAX)
		return err_set(why, -EINVAL, "a scrape of %zu samples is too large", count);
	lock_state(store);
	taken = take_scrape(store, time_ms, samples, count);
	tight = store->sealed_bytes > store->options.memory_max;
	unlock_state(store);
	if (tight)
		relieve_memory(store);
	return taken < 0 ? err_set(why, taken, "no memory for samples") : taken;
}

/* A series of a head that is being written; its labels copied, since the registry may move. */
struct writing {
	struct span labels;
	uint32_t index;
	enum store_series_kind kind;
};

static int by_labels(const void *a, const void *b)
{
	const struct writing *left = a, *right = b;

	return labels_order(left->labels, right->labels);
}

/* Needs state. */
static struct writing *series_of_head(struct store *store, const struct head *head,
				      struct arena *arena, uint32_t *ret_count)
{
	const struct registry *registry = &store->metrics.registry;
	uint32_t count, *index = head_series(head, registry->used, &count);
	struct writing *list = index ? malloc((count + 1) * sizeof(*list)) : NULL;

	for (uint32_t i = 0; i < count && list; i++) {
		const struct series *series = &registry->at[index[i]];
		const char *copy = arena_str(arena, series_labels(series));

		list[i] = (struct writing){
			{(const uint8_t *)copy, series->labels_len}, index[i], series->kind};
		if (!copy) {
			free(list);
			list = NULL;
		}
	}
	free(index);
	*ret_count = count;
	return list;
}

static int write_points(struct samples_writer *writer, const struct head *head,
			const struct writing *list, uint32_t count)
{
	const struct scrape **scrapes = head_by_time(head);
	struct run_of_points points = {};
	int error = scrapes ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < count && !error; i++) {
		error = head_points(scrapes, head->scrapes, list[i].index, INT64_MIN, INT64_MAX,
				    &points);
		if (!error)
			error = samples_add(writer, list[i].labels, list[i].kind, &points);
	}
	points_done(&points);
	free(scrapes);
	return error;
}

static int write_file(struct store *store, const struct head *head, struct listed *listed)
{
	enum { LABELS_TOTAL_MAX = 512 << 20 };
	struct samples_facts facts = {.number = listed->number,
				      .written_ns = listed->seen_ns,
				      .first = head->first_number,
				      .next = head->next_number};
	struct samples_writer *writer = malloc(sizeof(*writer));
	struct writing *list;
	struct arena arena;
	uint32_t count;
	int error;

	snprintf(facts.tier, sizeof(facts.tier), "%s", tier_names[0]);
	arena_init(&arena, LABELS_TOTAL_MAX);
	lock_state(store);
	list = series_of_head(store, head, &arena, &count);
	unlock_state(store);
	error = list && writer ? 0 : -ENOMEM;
	if (!error) {
		qsort(list, count, sizeof(*list), by_labels);
		error = samples_begin(writer, store->disk, store->dir, &store->work_codec, &facts);
		if (!error)
			error = write_points(writer, head, list, count);
		if (error)
			samples_abandon(writer);
		else
			error = samples_finish(writer, &facts, &listed->bytes);
	}
	listed->rows = facts.samples;
	listed->time_min = facts.time_min_ms * 1000000;
	listed->time_max = facts.time_max_ms * 1000000;
	arena_done(&arena);
	free(list);
	free(writer);
	return error;
}

/* Writes the oldest sealed head as a raw file. Needs work; nobody else takes heads off the list then. */
static int write_head(struct store *store, struct head *head)
{
	struct listed listed = {
		.kind = FILE_SAMPLES,
		.first_row = head->first_number,
		.next_row = head->next_number,
		.seen_ns = wall_now(store),
	};
	int error;

	lock_state(store);
	listed.number = store->next_number++;
	unlock_state(store);
	snprintf(listed.table, sizeof(listed.table), "%s", tier_names[0]);
	error = write_file(store, head, &listed);
	if (error)
		return error;
	lock_state(store);
	store->metrics.sealed = head->next;
	store->sealed_bytes -= head->bytes;
	if (shelf_add(&store->metrics.tier[0].shelf, &listed)) {
		store_trouble(store, "no memory for the list of files");
		store->status.samples_lost +=
			head->samples; /* until the next start finds the file */
	} else {
		store->status.samples_written += head->samples;
	}
	store->status.segments_written++;
	store->status.bytes_written += listed.bytes;
	unlock_state(store);
	catalogue_written(store, NULL, &listed);
	head_free(head);
	return 0;
}

int write_heads(struct store *store)
{
	struct head *head;
	int error = 0;

	for (;;) {
		lock_state(store);
		head = store->metrics.sealed;
		unlock_state(store);
		if (!head)
			return 0;
		do
			error = write_head(store, head);
		while (error && make_way(store, error));
		if (error)
			break;
	}
	lock_state(store);
	store->status.write_failures++;
	store_trouble(store, "cannot write samples in '%s': %s", store->path, err_name(error));
	unlock_state(store);
	return error;
}

/* What the journal says, while it is read. */
struct heard_samples {
	struct store *store;
	uint64_t journal;
	uint32_t *index; /* owned: by the file's index: ours + 1 */
	uint64_t *bits; /* owned: last value */
	uint32_t room;
	uint32_t *list; /* owned: the file's indexes of the last scrape */
	uint32_t list_count, list_room;
	bool broken; /* a scrape is missing: the later ones can't be read */
};

struct heard_samples *hear_begin(struct store *store, uint64_t journal)
{
	struct heard_samples *heard = calloc(1, sizeof(*heard));

	if (heard) {
		heard->store = store;
		heard->journal = journal;
	}
	return heard;
}

void hear_end(struct heard_samples *heard)
{
	if (!heard)
		return;
	free(heard->index);
	free(heard->bits);
	free(heard->list);
	free(heard);
}

static int make_room_for_index(struct heard_samples *heard, uint64_t index)
{
	uint32_t room = heard->room ? heard->room : 64;
	uint32_t *indexes;
	uint64_t *bits;

	if (index < heard->room)
		return 0;
	while (room <= index)
		room *= 2;
	indexes = realloc(heard->index, room * sizeof(*indexes));
	if (!indexes)
		return -ENOMEM;
	heard->index = indexes;
	bits = realloc(heard->bits, room * sizeof(*bits));
	if (!bits)
		return -ENOMEM;
	heard->bits = bits;
	memset(indexes + heard->room, 0, (room - heard->room) * sizeof(*indexes));
	memset(bits + heard->room, 0, (room - heard->room) * sizeof(*bits));
	heard->room = room;
	return 0;
}

int hear_series(struct heard_samples *heard, struct reader *reader)
{
	struct store *store = heard->store;

	while (reader_left(reader)) {
		uint64_t index = get_varint(reader);
		unsigned kind = get_u8(reader);
		struct span labels = get_text(reader);
		int64_t ours;

		if (reader->bad || index >= SCRAPE_SAMPLES_MAX || !labels.len ||
		    !labels_valid(labels) || (kind != SERIES_GAUGE && kind != SERIES_COUNTER))
			return -EBADMSG;
		if (make_room_for_index(heard, index))
			return -ENOMEM;
		ours = registry_put(&store->metrics.registry, labels, kind, mono_now(store));
		if (ours == -ENOMEM)
			return -ENOMEM;
		heard->index[index] = ours < 0 ? 0 : (uint32_t)ours + 1;
		heard->bits[index] = 0;
	}
	return 0;
}

static int hear_list(struct heard_samples *heard, struct reader *reader)
{
	uint64_t count = get_varint(reader), index = 0;

	if (reader->bad || count > SCRAPE_SAMPLES_MAX || count > reader_left(reader))
		return -EBADMSG;
	if (count > heard->list_room) {
		uint32_t *list = realloc(heard->list, count * sizeof(*list));

		if (!list)
			return -ENOMEM;
		heard->list = list;
		heard->list_room = (uint32_t)count;
	}
	heard->list_count = 0;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t distance = get_varint(reader);

		index += distance;
		if (reader->bad || index >= heard->room || (i && !distance))
			return -EBADMSG;
		heard->list[i] = (uint32_t)index;
	}
	heard->list_count = (uint32_t)count;
	return 0;
}

/* The scrape's values into the scratch, those of series that found no room left out. */
static int hear_values(struct heard_samples *heard, struct reader *reader, uint32_t *ret_count)
{
	struct metrics *metrics = &heard->store->metrics;
	uint32_t kept = 0;

	if (make_scratch(metrics, heard->list_count))
		return -ENOMEM;
	for (uint32_t i = 0; i < heard->list_count; i++) {
		uint64_t *bits = &heard->bits[heard->list[i]];
		double value;

		*bits ^= __builtin_bswap64(get_varint(reader));
		memcpy(&value, bits, sizeof(value));
		if (heard->index[heard->list[i]])
			metrics->scratch[kept++] =
				(struct indexed_sample){heard->index[heard->list[i]] - 1, value};
	}
	if (reader->bad || reader_left(reader))
		return -EBADMSG;
	qsort(metrics->scratch, kept, sizeof(*metrics->scratch), by_index);
	*ret_count = drop_doubles(metrics->scratch, kept);
	return 0;
}

static int keep_scrape(struct heard_samples *heard, int64_t time_ms, uint64_t number,
		       uint32_t count)
{
	struct store *store = heard->store;
	struct metrics *metrics = &store->metrics;
	int error;

	if (number < metrics->next_scrape || !count) /* it stands in a file */
		return 0;
	error = add_scrape(store, time_ms, number, metrics->scratch, count, heard->journal);
	if (error)
		return error;
	metrics->next_scrape = number + 1;
	store->status.samples_recovered += count;
	return 0;
}

int hear_samples(struct heard_samples *heard, struct reader *reader, bool after_damage)
{
	uint64_t number = get_varint(reader);
	int64_t time_ms = unzigzag(get_varint(reader));
	uint8_t list = get_u8(reader);
	uint32_t count = 0;
	int error = list > COUNTED || reader->bad ? -EBADMSG : 0;

	heard->broken |= after_damage;
	if (heard->broken)
		return -EBADMSG;
	if (!error && list == COUNTED)
		error = hear_list(heard, reader);
	if (!error)
		error = hear_values(heard, reader, &count);
	if (!error)
		error = keep_scrape(heard, time_ms, number, count);
	if (error == -EBADMSG)
		heard->broken = true;
	return error;
}
