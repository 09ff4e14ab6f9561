// SPDX-License-Identifier: GPL-2.0-only
/*
 * history - threads, queue and questions.
 *
 * One lock, held for moments: it guards the two lists of parcels and questions, what was answered, and the writer's last look
 * at the store. Parcels are numbered as they are handed over; a question waits until the writer is through with all
 * that came before it. The store itself is opened by the writer, since reading a journal back may take longer than an
 * agent may take to start; until then parcels wait like any others.
 */
#include "history/inside.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	LOOK_MS = 1000,
	TABLES = LANES_MAX + STORE_TIERS + 16,
	IDLE_MS = 1000,
	ASLEEP_MS = 5000, /* when all that came is on the disk */
	AWAKE_MS = 3000, /* for so long after the last parcel: syncing and rolling follow */
	PARCELS_A_TICK = 16,
	HAND_OVER_MS = 400, /* a record waits in the loop at most so long, and a tick more */
	LOCK_PATIENCE_MS = 5000,
	HEAD_AGE_LEAST_S = 15,
};

/* What the writer saw when it last looked. */
struct look {
	enum history_state state;
	char trouble[256];
	struct store_status store;
	size_t tables;
	struct history_table table[TABLES];
};

struct history {
	struct history_options options;
	char *path; /* owned */
	struct packer packer; /* the loop's */
	struct history_status status; /* the loop's copy */
	struct history_table table[TABLES]; /* the loop's copy */
	struct event *event; /* owned: answers wait */
	int answers_fd; /* eventfd */
	pthread_t writer, reader;
	bool has_writer, has_reader;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work, progress; /* for the writer; for the reader */
	struct parcel *first, *last; /* owned */
	size_t queued_bytes;
	uint64_t handed_over, delivered_to; /* numbers of parcels */
	struct question *question, *last_question, *answered;
	uint64_t questions, waiting;
	bool stop;
	struct look look;
	struct store *store; /* set once by the writer */
	struct history_flow records, samples; /* delivered, expired, queued of them */
};

static const char *const refusal_names[HISTORY_REFUSALS] = {
	[HISTORY_FULL] = "full",
	[HISTORY_LARGE] = "large",
	[HISTORY_ODD] = "odd",
	[HISTORY_CLOSED] = "closed",
};

const char *history_refusal_name(enum history_refusal reason)
{
	return refusal_names[reason];
}

const struct history_options *history_options(const struct history *history)
{
	return &history->options;
}

/* ---- the writer ---- */

static void deliver(struct parcel *parcel, struct shelver *shelver, struct scraper *scraper)
{
	struct reader reader = reader_of(buf_as_span(&parcel->buf));

	while (reader.at < reader.end && !reader.bad) {
		switch (get_u8(&reader)) {
		case PACK_FORGET: shelve_forget(shelver); break;
		case PACK_LAYOUT: shelve_layout(shelver, &reader); break;
		case PACK_RECORD: shelve_record(shelver, &reader); break;
		case PACK_SERIES: scrape_series(scraper, &reader); break;
		case PACK_SCRAPE: scrape_samples(scraper, &reader, false); break;
		case PACK_PART: scrape_samples(scraper, &reader, true); break;
		default: reader.bad = true;
		}
	}
	shelver_flush(shelver);
}

static void count_tables(struct look *look, struct store *store, const struct shelver *shelver)
{
	struct store_table_status status[TABLES];
	size_t count = store_tables(store, status, TABLES);

	look->tables = count < TABLES ? count : TABLES;
	for (size_t i = 0; i < look->tables; i++) {
		look->table[i] = (struct history_table){.table = status[i]};
		for (uint32_t k = 0; k < shelver->lanes; k++)
			if (!strcmp(shelver->lane[k]->table_name, status[i].name)) {
				look->table[i].stored = shelver->lane[k]->stored;
				look->table[i].expired = shelver->lane[k]->expired;
			}
	}
}

static void look_at(struct history *history, struct store *store, const struct shelver *shelver)
{
	struct look *look = malloc(sizeof(*look));

	if (!look)
		return;
	*look = (struct look){.state = HISTORY_OPEN};
	store_status(store, &look->store);
	snprintf(look->trouble, sizeof(look->trouble), "%s", look->store.trouble);
	count_tables(look, store, shelver);
	pthread_mutex_lock(&history->lock);
	history->look = *look;
	pthread_mutex_unlock(&history->lock);
	free(look);
}

/* The next parcel; NULL when none came in time, or when all is to end. Needs the lock. */
static struct parcel *next_parcel(struct history *history, int wait_ms)
{
	uint64_t until = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
	struct timespec at = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
	struct parcel *parcel;

	while (!history->first && !history->stop)
		if (pthread_cond_timedwait(&history->work, &history->lock, &at))
			break;
	parcel = history->first;
	if (!parcel)
		return NULL;
	history->first = parcel->next;
	if (!history->first)
		history->last = NULL;
	return parcel;
}

static bool may_run(const struct history *history, const struct question *question)
{
	return history->look.state == HISTORY_OPEN && history->delivered_to >= question->after;
}

static void account(struct history *history, const struct parcel *parcel, struct shelver *shelver,
		    struct scraper *scraper)
{
	history->queued_bytes -= parcel->buf.room;
	history->delivered_to++;
	history->records.queued -= parcel->records;
	history->samples.queued -= parcel->samples;
	history->records.delivered += shelver->delivered;
	history->records.expired += shelver->expired;
	history->samples.delivered += scraper->delivered;
	history->samples.expired += scraper->expired;
	shelver->delivered = shelver->expired = scraper->delivered = scraper->expired = 0;
	/* else the reader sleeps on */
	if (history->question && may_run(history, history->question))
		pthread_cond_broadcast(&history->progress);
}

static void write_on(struct history *history, struct store *store)
{
	struct shelver *shelver = malloc(sizeof(*shelver));
	uint64_t looked_ns = 0, came_ns = clock_monotonic_ns();
	struct scraper scraper;
	bool stop = !shelver;

	if (shelver)
		shelver_init(shelver, store, history->options.keep_s);
	scraper_init(&scraper, store);
	while (!stop) {
		int wait_ms = store_tick(store);
		uint64_t now_ns = clock_monotonic_ns();
		struct parcel *parcel;

		if (now_ns - looked_ns > LOOK_MS * 1000000ull) {
			look_at(history, store, shelver);
			looked_ns = now_ns;
		}
		pthread_mutex_lock(&history->lock);
		parcel = next_parcel(history, now_ns - came_ns > AWAKE_MS * 1000000ull ? ASLEEP_MS
					      : wait_ms < IDLE_MS			? wait_ms
											: IDLE_MS);
		stop = !parcel && history->stop;
		if (parcel)
			came_ns = clock_monotonic_ns();
		/* not without end: what was taken must be synced */
		for (int i = 0; parcel && i < PARCELS_A_TICK; i++) {
			pthread_mutex_unlock(&history->lock);
			deliver(parcel, shelver, &scraper);
			pthread_mutex_lock(&history->lock);
			account(history, parcel, shelver, &scraper);
			parcel_free(parcel);
			parcel = history->first && i + 1 < PARCELS_A_TICK ? next_parcel(history, 0)
									  : NULL;
		}
		pthread_mutex_unlock(&history->lock);
	}
	if (shelver)
		shelver_done(shelver);
	free(shelver);
	scraper_done(&scraper);
}

/* A small history is made of small files: they are deleted whole. */
static void fit_into(struct store_options *options)
{
	const uint64_t size = options->bytes_max;

	if (options->segment_bytes > size / 32)
		options->segment_bytes = (uint32_t)(size / 32) + 1;
	if (options->journal_file_bytes > size / 16)
		options->journal_file_bytes = size / 16 + 1;
	if (options->journal_bytes_max > size / 4)
		options->journal_bytes_max = size / 4 + 1;
}

/*
 * Samples are not deleted before the next tier has them. Where they are to live for less than a usual file of that tier is long, its
 * files are shorter: but not so short that the tier above would be made of more files than it opens at once.
 */
static void fit_tiers(struct store_options *options)
{
	static const uint32_t spans_s[] = {300, 600, 900};
	uint32_t keep_s = options->tier[0].keep_s;

	for (size_t i = 0; keep_s && i < sizeof(spans_s) / sizeof(*spans_s); i++)
		if (keep_s <= spans_s[i]) {
			options->tier[1].span_s = spans_s[i];
			break;
		}
	if (keep_s && keep_s < 2 * options->head_age_s)
		options->head_age_s = keep_s / 2 > HEAD_AGE_LEAST_S ? keep_s / 2 : HEAD_AGE_LEAST_S;
}

static struct store *open_store(struct history *history, struct err *why)
{
	struct store_options options;
	struct store *store = NULL;

	store_defaults(&options);
	options.path = history->path;
	options.bytes_max = history->options.size;
	/* what an agent of 64 MiB may hold in memory */
	options.memory_max = 4 << 20;
	options.head_samples = 128 * 1024;
	options.block_rows = 2048;
	options.series_max = CAP_SERIES_STORED;
	options.segment_bytes = 2 << 20;
	fit_into(&options);
	for (int i = 0; i < STORE_TIERS; i++)
		options.tier[i].keep_s = history->options.tier_keep_s[i];
	fit_tiers(&options);
	return store_open(&options, &store, why) ? NULL : store;
}

/* A tenth of a second, or until the agent ends. False: it ends. */
static bool wait_a_moment(struct history *history)
{
	struct timespec until;
	bool goes_on;

	clock_gettime(CLOCK_MONOTONIC, &until); /* as the condition does */
	until.tv_nsec += 100000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&history->lock);
	if (!history->stop)
		pthread_cond_timedwait(&history->work, &history->lock, &until);
	goes_on = !history->stop;
	pthread_mutex_unlock(&history->lock);
	return goes_on;
}

/*
 * An agent that was killed may still be dying when the next one starts: its lock goes with the last of its processes. Without
 * patience the new one would keep no history for as long as it lives.
 */
static struct store *open_when_free(struct history *history, struct err *why)
{
	uint64_t until_ns = clock_monotonic_ns() + LOCK_PATIENCE_MS * 1000000ull;
	struct store *store = open_store(history, why);

	while (!store && why->code == -EBUSY && clock_monotonic_ns() < until_ns &&
	       wait_a_moment(history)) {
		*why = (struct err){};
		store = open_store(history, why);
	}
	return store;
}

static void close_off(struct history *history, const struct err *why)
{
	struct parcel *parcel;

	pthread_mutex_lock(&history->lock);
	history->look.state = HISTORY_FAILED;
	snprintf(history->look.trouble, sizeof(history->look.trouble), "%.255s", why->text);
	while ((parcel = history->first)) {
		history->first = parcel->next;
		history->queued_bytes -= parcel->buf.room;
		history->records.queued -= parcel->records;
		history->records.expired += parcel->records;
		history->samples.queued -= parcel->samples;
		history->samples.expired += parcel->samples;
		history->delivered_to++;
		parcel_free(parcel);
	}
	history->last = NULL;
	pthread_cond_broadcast(&history->progress);
	pthread_mutex_unlock(&history->lock);
}

static void *run_writer(void *ctx)
{
	struct history *history = ctx;
	struct err why = {};
	struct store *store = open_when_free(history, &why);

	if (!store) {
		close_off(history, &why);
		return NULL;
	}
	pthread_mutex_lock(&history->lock);
	history->store = store;
	history->look.state = HISTORY_OPEN;
	pthread_cond_broadcast(&history->progress);
	pthread_mutex_unlock(&history->lock);
	write_on(history, store);
	return NULL;
}

/* ---- the reader ---- */

static void answered(struct history *history, struct question *question)
{
	const uint64_t one = 1;

	question->next = history->answered;
	history->answered = question;
	history->waiting--;
	if (write(history->answers_fd, &one, sizeof(one)) != sizeof(one))
		return; /* it counts far: it is readable already */
}

static struct question *next_question(struct history *history)
{
	struct question *question = history->question;

	history->question = question->next;
	if (!history->question)
		history->last_question = NULL;
	return question;
}

static void *run_reader(void *ctx)
{
	struct history *history = ctx;

	pthread_mutex_lock(&history->lock);
	while (!history->stop) {
		struct question *question = history->question;

		if (!question ||
		    (!may_run(history, question) && history->look.state != HISTORY_FAILED)) {
			pthread_cond_wait(&history->progress, &history->lock);
			continue;
		}
		next_question(history);
		if (history->look.state == HISTORY_FAILED) {
			err_set(&question->why, -ENOSPC, "there is no history: %s",
				history->look.trouble);
		} else {
			pthread_mutex_unlock(&history->lock);
			question->work(question, history->store);
			malloc_trim(0); /* an answer may have been large */
			pthread_mutex_lock(&history->lock);
		}
		answered(history, question);
	}
	while (history->question) {
		struct question *question = next_question(history);

		err_set(&question->why, -ECANCELED, "the agent is ending");
		answered(history, question);
	}
	pthread_mutex_unlock(&history->lock);
	return NULL;
}

/* ---- the loop ---- */

static void give_answers(struct history *history)
{
	struct question *list, *next, *turned = NULL;

	pthread_mutex_lock(&history->lock);
	list = history->answered;
	history->answered = NULL;
	pthread_mutex_unlock(&history->lock);
	for (; list; list = next) { /* in the order of being answered */
		next = list->next;
		list->next = turned;
		turned = list;
	}
	for (; turned; turned = next) {
		next = turned->next;
		turned->done(turned);
	}
}

static void on_answers(evutil_socket_t fd, short what, void *ctx)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) == sizeof(count))
		give_answers(ctx);
}

int history_ask(struct history *history, struct question *question, struct err *why)
{
	int error = 0;

	history_hand_over(history);
	pthread_mutex_lock(&history->lock);
	if (history->waiting >= HISTORY_QUESTIONS) {
		error = err_set(why, -ENOSPC,
				"%d questions to the history wait already; ask again later",
				HISTORY_QUESTIONS);
	} else {
		question->after = history->handed_over;
		question->next = NULL;
		if (history->last_question)
			history->last_question->next = question;
		else
			history->question = question;
		history->last_question = question;
		history->questions++;
		history->waiting++;
		pthread_cond_broadcast(&history->progress);
	}
	pthread_mutex_unlock(&history->lock);
	return error;
}

/* What of the flow only the loop knows. */
static bool has_place(struct history *history, size_t bytes, struct history_flow *flow,
		      uint64_t count)
{
	bool closed, full;

	pthread_mutex_lock(&history->lock);
	closed = history->look.state == HISTORY_FAILED;
	full = history->queued_bytes + bytes > QUEUE_BYTES;
	pthread_mutex_unlock(&history->lock);
	if (closed || full)
		flow->refused[closed ? HISTORY_CLOSED : HISTORY_FULL] += count;
	return !closed && !full;
}

static void queue_up(struct history *history, struct parcel *parcel)
{
	pthread_mutex_lock(&history->lock);
	parcel->next = NULL;
	if (history->last)
		history->last->next = parcel;
	else
		history->first = parcel;
	history->last = parcel;
	history->queued_bytes += parcel->buf.room;
	history->handed_over++;
	history->records.queued += parcel->records;
	history->samples.queued += parcel->samples;
	pthread_cond_signal(&history->work);
	pthread_mutex_unlock(&history->lock);
}

void history_tick(struct history *history)
{
	const struct parcel *parcel = history->packer.open;

	if (parcel && clock_monotonic_ns() - parcel->opened_ns >= HAND_OVER_MS * 1000000ull)
		history_hand_over(history);
}

void history_hand_over(struct history *history)
{
	struct parcel *parcel = history->packer.open;

	if (!parcel)
		return;
	history->packer.open = NULL;
	queue_up(history, parcel);
}

static bool is_odd(const struct record *record)
{
	return !record->layout->number || record->layout->count <= LAYOUT_ITEM ||
	       record->value[LAYOUT_TIME].kind != VALUE_TIME ||
	       record->value[LAYOUT_ITEM].kind != VALUE_TEXT;
}

void history_take(struct history *history, const struct record *record)
{
	struct history_flow *flow = &history->packer.records;
	int error;

	flow->offered++;
	if (is_odd(record)) {
		flow->refused[HISTORY_ODD]++;
		return;
	}
	/* asked once a parcel: what is in it already has its place */
	if (!history->packer.open && !has_place(history, PARCEL_BYTES, flow, 1))
		return;
	error = pack_record(&history->packer, record);
	if (error) {
		flow->refused[error == -E2BIG ? HISTORY_LARGE : HISTORY_FULL]++;
		return;
	}
	flow->accepted++;
	if (history->packer.open->buf.len >= PARCEL_BYTES)
		history_hand_over(history);
}

void history_sample(struct history *history, struct family *const *families, size_t count,
		    uint64_t wall_ns, bool part)
{
	struct packer *packer = &history->packer;
	struct parcel *parcel = pack_scrape(packer, families, count, wall_ns, part);
	uint64_t samples = packer->values.len / sizeof(struct packed_sample);

	packer->samples.offered += samples;
	if (!parcel || !has_place(history, parcel->buf.room, &packer->samples, samples)) {
		packer->samples.refused[HISTORY_FULL] += parcel ? 0 : samples;
		packer->first_id = packer->next_id; /* series told of in it are not known */
		parcel_free(parcel);
		return;
	}
	packer->samples.accepted += samples;
	queue_up(history, parcel);
}

static void add_flow(struct history_flow *to, const struct history_flow *loop,
		     const struct history_flow *threads)
{
	*to = *loop;
	to->delivered = threads->delivered;
	to->expired = threads->expired;
	to->queued = threads->queued;
}

const struct history_status *history_status(struct history *history)
{
	struct history_status *status = &history->status;
	const struct look *look = &history->look;

	pthread_mutex_lock(&history->lock);
	status->state = look->state;
	memcpy(status->trouble, look->trouble, sizeof(status->trouble));
	status->store = look->store;
	status->tables = look->tables;
	memcpy(history->table, look->table, look->tables * sizeof(*look->table));
	status->table = history->table;
	add_flow(&status->records, &history->packer.records, &history->records);
	add_flow(&status->samples, &history->packer.samples, &history->samples);
	status->queued_bytes = history->queued_bytes;
	status->questions = history->questions;
	status->questions_waiting = history->waiting;
	pthread_mutex_unlock(&history->lock);
	status->records.queued += history->packer.open ? history->packer.open->records : 0;
	return status;
}

/* Signals are the loop's. */
static int start_thread(pthread_t *thread, void *(*run)(void *), struct history *history,
			const char *name)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, run, history);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_setname_np(*thread, name);
	return -error;
}

static int start(struct history *history, struct err *why)
{
	int error;

	history->answers_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (history->answers_fd < 0)
		return err_set(why, -errno, "cannot start the history: %s", err_name(errno));
	history->event = event_new(history->options.loop, history->answers_fd, EV_READ | EV_PERSIST,
				   on_answers, history);
	if (!history->event || event_add(history->event, NULL))
		return err_set(why, -ENOMEM, "cannot start the history: out of memory");
	error = start_thread(&history->writer, run_writer, history, "history-writer");
	history->has_writer = !error;
	if (!error)
		error = start_thread(&history->reader, run_reader, history, "history-reader");
	history->has_reader = history->has_writer && !error;
	return error ? err_set(why, error, "cannot start the history's threads: %s",
			       err_name(error))
		     : 0;
}

int history_new(const struct history_options *options, struct history **ret_history,
		struct err *why)
{
	struct history *history = calloc(1, sizeof(*history));
	pthread_condattr_t steady;
	int error;

	if (!history)
		return err_set(why, -ENOMEM, "cannot start the history: out of memory");
	history->options = *options;
	history->path = strdup(options->path);
	history->options.path = history->path;
	history->answers_fd = -1;
	packer_init(&history->packer);
	pthread_mutex_init(&history->lock, NULL);
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&history->work, &steady);
	pthread_cond_init(&history->progress, &steady);
	pthread_condattr_destroy(&steady);
	error = history->path ? start(history, why)
			      : err_set(why, -ENOMEM, "cannot start the history: out of memory");
	if (error) {
		history_free(history);
		return error;
	}
	*ret_history = history;
	return 0;
}

void history_free(struct history *history)
{
	if (!history)
		return;
	if (history->has_writer)
		history_hand_over(history);
	pthread_mutex_lock(&history->lock);
	history->stop = true;
	pthread_cond_broadcast(&history->work);
	pthread_cond_broadcast(&history->progress);
	pthread_mutex_unlock(&history->lock);
	if (history->has_reader)
		pthread_join(history->reader, NULL);
	if (history->has_writer)
		pthread_join(history->writer, NULL);
	give_answers(history);
	store_close(history->store);
	if (history->event)
		event_free(history->event);
	if (history->answers_fd >= 0)
		close(history->answers_fd);
	while (history->first) {
		struct parcel *next = history->first->next;

		parcel_free(history->first);
		history->first = next;
	}
	packer_done(&history->packer);
	pthread_cond_destroy(&history->work);
	pthread_cond_destroy(&history->progress);
	pthread_mutex_destroy(&history->lock);
	free(history->path);
	free(history);
}
