/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * history - the way of records and samples into the store, and of questions out of it, beside the loop.
 *
 *	loop:    history_take(history, record) ... history_sample(history, families, n, now)
 *	         history_tick(history)			ten times a second
 *	writer:  opens the store, puts what was handed over into it, ticks it
 *	reader:  answers questions one after the other; done() is called in the loop again
 *
 * The loop never waits for a disk or for a question: what it gives is copied into a queue with a limit, and counted
 * when that is full. A record and a sample are counted like at every outlet: offered = accepted + refused(reason),
 * accepted = delivered + queued + expired. A store that can't be opened or written is said, not waited for.
 *
 * All functions are called in the loop, but for a question's work().
 */
#pragma once

#include "record/metric.h"
#include "record/record.h"
#include "store/store.h"

struct event_base;
struct history;

struct history_options {
	struct event_base *loop; /* borrowed */
	const char *path; /* folder of the store (copied) */
	uint64_t size; /* bytes of all files */
	uint32_t keep_s; /* records; 0 = as long as there is room */
	uint32_t tier_keep_s[STORE_TIERS]; /* samples; 0 = as long as there is room */
	uint32_t interval_s; /* between two history_sample of all, for those who read rates */
	uint32_t machine_interval_s; /* of the part that tells of the machine as a whole; as often, or less than interval_s */
};

/* Starts the threads. Whether the store can be opened shows later, in its status. -ENOMEM, -EAGAIN. */
int history_new(const struct history_options *options, struct history **ret_history,
		struct err *why);
/* Writes what waits, closes the store; questions that wait are done with -ECANCELED. */
void history_free(struct history *history);

/* A copy of the record goes to the store, into the table of its item. */
void history_take(struct history *history, const struct record *record);
/* All that these families show now. `part`: there are others, which are given less often; what was in the part before and is not in this
 * one is gone, as what was in the whole before and is not in the next whole. */
void history_sample(struct history *history, struct family *const *families, size_t count,
		    uint64_t wall_ns, bool part);
/* What was taken goes to the writer, half a second later at the latest: each parcel wakes it. Ten times a second. */
void history_tick(struct history *history);
/* What was taken since the last time goes to the writer, now. */
void history_hand_over(struct history *history);

/*
 * Something to be found out in the store, by the reader. `work` runs there and may take its time; it sees all that was
 * taken before the question was asked. Then, or when it will never run (`why.code` is not 0), `done` runs in the loop.
 * The question belongs to whoever asks; it must live until `done`.
 */
struct question {
	void (*work)(struct question *question, struct store *store);
	void (*done)(struct question *question);
	struct err why;
	/* private to history.c */
	struct question *next;
	uint64_t after;
};

/* 0, or -EBUSY with the reason: then `done` is not called. */
int history_ask(struct history *history, struct question *question, struct err *why);

enum { HISTORY_QUESTIONS = 64 /* that wait */ };

enum history_refusal {
	HISTORY_FULL, /* the queue: the writer does not keep up */
	HISTORY_LARGE, /* a record above 64 KiB */
	HISTORY_ODD, /* no time, no item, or a layout that nobody made */
	HISTORY_CLOSED, /* there is no store */
	HISTORY_REFUSALS,
};
const char *history_refusal_name(enum history_refusal reason);

struct history_flow {
	uint64_t offered, accepted, refused[HISTORY_REFUSALS];
	uint64_t delivered, expired, queued;
};

struct history_table {
	struct store_table_status table;
	uint64_t stored, expired; /* records since the start, of tables */
};

enum history_state { HISTORY_OPENING, HISTORY_OPEN, HISTORY_FAILED };

struct history_status {
	enum history_state state;
	char trouble[256]; /* one sentence, empty when all is well */
	struct history_flow records, samples;
	struct store_status store;
	uint64_t queued_bytes, questions, questions_waiting;
	size_t tables;
	const struct history_table *table; /* borrowed until the next history_status */
};

/* As of the writer's last look, at most a second ago (numbers of the queue: now). */
const struct history_status *history_status(struct history *history);
const struct history_options *history_options(const struct history *history);
