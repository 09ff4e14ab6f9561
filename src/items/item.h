/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * item - one thing the agent can watch or do, and what its user half (if it has one) may say.
 *
 * Most items are one .bpf.c file and need nothing of this. An item with a user half adds `x.c` beside its
 * `x.bpf.c`, which defines `const struct item_ops x_item`; the build finds it by the file's name. An item may
 * also have a user half only (figures that /proc has).
 */
#pragma once

#include "items/describe.h"

struct item; /* the registry's */
struct collector; /* takes samples between family_begin and family_end */
struct event_head;
struct json_node;
struct kernel;
struct object;

/* A command that an item adds: `sonde accel preflight` = item accel, verb preflight. */
struct item_verb {
	const char *name, *usage, *help;
	/* Runs in the agent; writes JSON lines or text to `out`. */
	int (*run)(struct item *item, void *state, int argc, char **argv, struct buf *out,
		   struct err *why);
};

/* An option of `sonde NAME` that stands for a filter: --slow 100ms is "duration_ns >= 100ms". */
struct item_option {
	const char *name; /* without --; NULL: the end of a list of options */
	const char *value; /* how help calls its value; NULL: it takes none */
	const char *filter; /* each %s is the value */
	const char *help;
};

struct item_ops {
	/* What an item without a kernel half would have said by tags; NULL when there is an object. */
	const char *wing, *help;
	const char *more; /* behind the help text: what to make of it, examples; may be NULL */
	bool on_by_default;

	/* Metrics that collect() fills, beside those of the object. Described in C. */
	const struct metric *metrics;
	size_t metric_count;
	/* Their counters are sums that somebody else keeps (/proc): they go on when the item was off. */
	bool sums_outlive_it;
	/* Families whose series it keeps itself (family_kept): borrowed, as long as the ops are. */
	struct family *const *kept;
	size_t kept_count;

	const struct item_verb *verbs; /* ends with name NULL; may be NULL */

	/* All optional. `state` is what start returned. */
	int (*start)(struct item *item, void **ret_state, struct err *why);
	/* One raw event; NULL = the registry makes a record of it by its schema and publishes it. */
	void (*event)(struct item *item, void *state, const struct event_head *event, size_t size);
	/* Once a second while on. */
	void (*tick)(struct item *item, void *state, uint64_t now_ns);
	/* Rows that the item makes itself, beside those of its maps and tables: what `sonde NAME` and
	 * GET /v1/records/NAME show. `layouts` ends with NULL. False from `each` = no more. 0 or -errno. */
	const struct layout *const *layouts;
	/* Likewise of records that it publishes itself, with their kind. */
	const struct layout *const *events;
	const struct layout *const *summaries; /* and of those that stand for many; --follow leaves them out */
	int (*prepare)(struct err *why); /* makes these layouts: at the very beginning. May be called again */
	/* Settings that are no numbers (lists, texts): names, ends with NULL. `value` NULL = back to the default; `try` =
	 * only say whether it is right. The item may be off. */
	const char *const *settings;
	int (*set)(const char *key, const struct json_node *value, bool try, struct err *why);
	/* Before each loading: constants, hooks that are not wanted, maps that are there already. */
	int (*configure)(struct item *item, struct object *object, struct err *why);
	bool narrows; /* what `where` demands makes it cheaper: `sonde NAME --pid ...` tells its own agent so */
	bool rows_first; /* `sonde NAME` shows rows, and single records with --follow only */
	const struct item_option *options; /* may be NULL */
	int (*rows)(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		    void *ctx, struct err *why);
	/* Before metrics are read: adds what is true now. */
	void (*collect)(struct item *item, void *state, struct collector *out);
	bool of_machine; /* collect() reads a few files that tell of the machine as a whole: cheap enough for every second */
	/* Ten times a second: rings of its own. */
	void (*drain)(struct item *item, void *state);
	/* item_object() is another one now; the old one is silent and goes when this returns. May set another state. */
	int (*replaced)(struct item *item, void **state, struct object *old, struct err *why);
	void (*stop)(struct item *item, void *state);
};

/* metric = index into ops->metrics. Raw numbers (times the metric's scale). */
void collector_add(struct collector *out, size_t metric, const struct label *labels, size_t count,
		   double value);
void collector_add_histogram(struct collector *out, size_t metric, const struct label *labels,
			     size_t count, const uint64_t slot[METRIC_SLOTS], uint64_t sum);

/* Likewise, of what collect() has just added: the exchange, trace or record to look at for the bucket of `value`.
 * See family_exemplar(). */
void collector_exemplar(struct collector *out, size_t metric, const struct label *labels,
			size_t count, double value, const char *name, const char *id,
			uint64_t time_ns);

/* What a user half may use of the agent. */
struct kernel *item_kernel(struct item *item);

const char *item_name(const struct item *item);
struct world *item_world(struct item *item);
struct stream *item_stream(struct item *item);
struct object *item_object(struct item *item); /* loaded programs and maps; NULL when off */
const struct resolver *item_resolver(struct item *item);
const struct item_desc *item_description(const struct item *item); /* NULL without object */
int64_t item_param(const struct item *item, const char *name); /* current value; 0 if unknown */
void item_count(struct item *item, const char *stage, const char *reason, uint64_t amount);
/* What collect() added under these labels will be added under others from now on. */
void item_forget_series(struct item *item, size_t metric, const struct label *labels, size_t count);
void item_publish(struct item *item, const struct record *record);
/* Must everything that `where` lets through have exactly this value in one of these columns (ends with NULL)? Then the
 * programs can sort out the rest. */
bool item_where_requires(const struct item *item, const char *const *columns,
			 struct span *ret_value);
/* A file that only root may open (/proc/PID/..., cgroup files): the broker opens it read-only.
 * Returns an fd or -errno. Paths: under /proc or /sys only. */
int item_open(struct item *item, const char *path);
/* A folder for files of its own that outlive the agent; NULL = there is none. It may not be there. */
const char *item_folder(const struct item *item);
/* What another item's start returned, for parts of one folder that are items of their own; NULL when that one is off. */
void *item_state_of(struct item *item, const char *name);
/* TCP sockets of the network namespace of `pid` whose state's bit (1 << TCP_...) is in `states`, appended to
 * `out` as the kernel tells them (inet_diag). Bytes or -errno; -ENOSPC when there are too many. */
int item_diag_tcp(struct item *item, int pid, int family, uint32_t states, struct buf *out);
