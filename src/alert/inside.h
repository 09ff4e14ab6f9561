/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inside - what the files of this room share.
 *
 * alert.c	when groups are due, and their way to the reader and back
 * ask.c	in the reader's thread: expressions become labels, texts, samples
 * judge.c	the loop: what was found changes states
 * remember.c	notes, and series of alerts, in the store
 * tell.c	what is said of it: JSON, records, metrics
 * notify.c	who shall know: queues, and what is sent
 * post.c	one HTTP request
 */
#pragma once

#include "alert/alert.h"
#include "alert/notify.h"
#include "base/map.h"
#include "store/series.h"

/* Names and texts in one piece of memory. */
struct texts {
	uint32_t count;
	struct store_label at[];
};
struct texts *texts_copy(const struct store_label *labels, size_t count);
uint64_t texts_hash(const struct store_label *labels, size_t count);
void texts_json(const struct store_label *labels, size_t count, struct json *json);

/* ---- what was found ---- */

struct found {
	struct found *next;
	struct store_label *label; /* by name */
	struct store_label *annotation;
	uint32_t labels, annotations;
	uint64_t hash;
	double value;
};

struct answer {
	struct found *first; /* of alerting rules */
	size_t count;
	const char *error; /* NULL = it was asked */
	double seconds;
};

/* One question to the reader. */
struct ask_job {
	struct question question; /* first: a job is found by it */
	struct alerts *alerts;
	struct rule_group *group;
	struct group_state *state;
	size_t number; /* of the group */
	int64_t time_ms;
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	struct arena arena;
	struct answer *answer; /* of each rule */
};
void ask_group(struct question *question, struct store *store);

/* ---- what is known ---- */

struct alert {
	struct alert *next;
	uint64_t hash; /* of its labels */
	struct texts *labels, *annotations; /* owned */
	enum alert_state state;
	double value;
	uint64_t active_ns, fired_ns, resolved_ns; /* wall clock; 0 = not yet */
	int64_t held_ms; /* for how long it has been found, the agent's absence not counted */
	int64_t lacked_ms; /* firing: for how long it has not been found; -1 = it was found */
	uint64_t told_ns; /* CLOCK_MONOTONIC: when Alertmanagers heard of it last */
	bool is_found; /* by the answer that is being judged */
	bool is_changed; /* its note is not what it should be */
};

struct rule_state {
	struct alert *first; /* owned */
	size_t alerts;
	char *error; /* owned; NULL = well */
	double seconds; /* of the last time */
	uint64_t asked_ns; /* wall clock; 0 = not yet */
	/* the reader's: series that the rule recorded last time */
	store_series_handle *recorded; /* owned */
	size_t recorded_count;
};

struct group_state {
	struct rule_state *rule; /* owned */
	/* the reader's: ALERTS and ALERTS_FOR_STATE of last time */
	store_series_handle *recorded; /* owned */
	size_t recorded_count;
	uint64_t due_ns; /* CLOCK_MONOTONIC */
	uint64_t judged_ns; /* CLOCK_MONOTONIC, of the last answer; 0 = none */
	uint64_t asked_ns; /* wall clock */
	double seconds;
};

/* An alert out of the store that waits for its rule to be asked. */
struct memory;

enum alerts_metric {
	ALERTS_NUMBER,
	ALERTS_RULES,
	ALERTS_ASKED,
	ALERTS_FAILED,
	ALERTS_SECONDS,
	ALERTS_SENT,
	ALERTS_QUEUED,
	ALERTS_METRICS,
};

struct alerts {
	struct alerts_options options;
	char *external_url; /* owned */
	struct rules *rules; /* owned */
	struct rules *next_rules; /* owned: come when no question is out */
	struct group_state *group; /* owned */
	struct event *timer; /* owned */
	bool is_asking, is_stopped, has_loaded;
	struct notifier *notifier; /* owned */
	struct memory *memory; /* owned; list */
	struct buf forgotten; /* keys of notes that shall go, NOTE_KEY bytes each */
	size_t count; /* of alerts */
	uint64_t asked, failed;
	double seconds;
	struct family *family[ALERTS_METRICS]; /* owned */
};

/* judge.c */
void judge(struct ask_job *job);
void alert_free(struct alert *alert);
/* All of a rule: those that fire are resolved and told. */
void resolve_all(struct alerts *alerts, const struct rule_group *group, const struct rule *rule,
		 struct rule_state *state);

/* remember.c: both are questions to the reader; when they are through, alerts_go_on is called. False: nothing was asked. */
enum { NOTE_KEY = 33 };
/* Reads what the last run knew. */
bool remember_load(struct alerts *alerts);
/* What changed, and the series of what is active, goes into the store. */
bool remember(struct alerts *alerts, const struct rule_group *group, struct group_state *state,
	      int64_t time_ms);
void forget_note(struct alerts *alerts, const struct rule_group *group, const struct rule *rule,
		 const struct alert *alert);
/* What was known of that alert before the restart, taken out; NULL = nothing. */
struct alert *memory_take(struct alerts *alerts, const struct rule_group *group,
			  const struct rule *rule, uint64_t hash);
/* The same for all that is left of a rule. */
struct alert *memory_take_any(struct alerts *alerts, const struct rule_group *group,
			      const struct rule *rule);
void memory_free(struct alerts *alerts);
/* The series of the last time that are not among these get the mark for "gone" (samples has room for them). Sorts. Returns how
 * many there are then; what was given is the list for the next time. */
size_t mark_gone(struct store_sample *samples, size_t count, store_series_handle **recorded,
		 size_t *recorded_count);

/* alert.c */
void alerts_go_on(struct alerts *alerts);

/* tell.c */
void tell_change(struct alerts *alerts, const struct rule_group *group, const struct rule *rule,
		 const struct alert *alert, enum alert_state state);
