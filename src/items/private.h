/* SPDX-License-Identifier: GPL-2.0-only */
/* private - what the files of the registry share: the insides of an item. */
#pragma once

#include <event2/event.h>

#include "base/arena.h"
#include "base/map.h"
#include "items/armed.h"
#include "items/builtin.h"
#include "items/registry.h"

enum {
	REGISTRY_ITEMS = 256,
	ITEM_FORCED = 8,
	ITEM_ARENA_BYTES = 64 * 1024,
	ITEM_EVENTS_A_ROUND = 4096, /* then the loop looks at others */
	REGISTRY_LIVING = 1024,
	COUNTS = 7, /* enum count of item.bpf.h */
};

/* A setting that chooses one alternative of a hook. */
struct forced_hook {
	char hook[COLUMN_NAME_BYTES];
	char alternative[96];
};

/* Settings that programs are loaded with. */
struct choice {
	enum by_level by;
	uint64_t ring_bytes; /* 0 = as the object says */
	int64_t value[ITEM_PARAMS];
	struct forced_hook forced[ITEM_FORCED];
	uint32_t forced_count;
};

/* What an item did and did not, since the agent runs: over all its versions. */
struct item_tally {
	uint64_t kernel[COUNTS]; /* of versions that are gone */
	uint64_t missed; /* recursion_misses of versions that are gone */
	uint64_t read, bad; /* events out of rings */
	uint64_t published, unwanted, dropped;
	uint64_t unread; /* maps or tables that could not be read */
};

/* Where metrics come from, beside the description: what must be remembered between polls. */
struct source {
	struct map last; /* tables with gone=keep: labels' bytes -> poll number, row */
	struct map dying; /* keys whose process was dead at the last sweep */
	struct map
		retired; /* key without process -> entry: what the dead had together (rows by container, host) */
	uint16_t label[METRIC_LABELS]; /* columns of the layout that are labels */
	uint32_t labels;
};

/* What an item's programs did while bpf run statistics were on last. */
struct item_sample {
	bool is_there;
	uint64_t runs, run_ns; /* at its end */
	double events_per_second; /* runs */
	double ns_per_event;
	double cpu_share; /* of one CPU: 0.01 is 1 % */
};

struct item {
	struct registry *registry; /* borrowed */
	char name[ITEM_NAME_BYTES];
	const struct item_ops *ops; /* static, NULL without user half */
	struct item_desc *desc; /* owned, NULL without object */
	uint8_t *elf; /* owned copy for items of others, NULL for builtin ones */
	struct span object_bytes;
	const struct builtin *builtin; /* NULL = brought in */
	bool is_learned; /* item_learn() */
	struct scripted *script; /* owned; NULL unless the item is one */
	void *form; /* owned: what the item was made from, when that is more than an object; NULL = nothing */
	void (*form_free)(void *form);
	void (*form_json)(const void *form, struct json *json);

	enum item_state state;
	bool wanted; /* switched on by somebody (holds come on top) */
	uint32_t holds;
	struct err why;

	struct choice now; /* as set */
	struct choice good; /* as loaded: what a failed change goes back to */
	bool changed; /* `now` waits for item_apply */
	bool pin; /* programs and maps outlive the agent */
	bool has_looked; /* for what an agent before us kept and nobody wants any more */
	uint32_t cap; /* series a metric */
	struct filter *where; /* owned */
	char *where_text; /* owned */

	struct arming arming;
	struct object *sleeper; /* owned: loaded, runs when it wakes; NULL = there is none */
	struct object *object; /* owned, NULL when off */
	struct ring *ring; /* owned */
	struct event *ring_event;
	void *state_of_ops;
	bool started;

	struct family **family; /* owned: desc->families, then ops->metric_count; behind them what ops keeps */
	uint32_t families, kept; /* kept: the last ones, which are not ours */
	struct source source[ITEM_MAPS];
	struct map dying_state[ITEM_STATES]; /* tasks that were dead at the last sweep */
	uint64_t polled_ns, swept_ns;
	bool is_fresh; /* not polled since it was switched on */
	bool crowded; /* a map was filling up at the last sweep */
	bool has_dying; /* the last sweep saw keys that the next one deletes */
	uint64_t polls;

	struct item_sample sample;
	struct item_tally tally;
	struct map counted; /* item_count: "stage\0reason" -> u64 */
	struct arena arena; /* for one record */
};

struct registry {
	struct registry_options options;
	struct item *item[REGISTRY_ITEMS]; /* owned, by name */
	uint32_t items;
	bool ends; /* the agent stops: what is pinned stays */
	bool wants_sample; /* an item went on that has none yet */
	struct family *self[8]; /* owned */
	struct signs *signs; /* owned */
	uint64_t tasks; /* see registry_tick(): changes whenever a task begins or ends */
	uint64_t tasks_changed_ns;
	uint32_t living[REGISTRY_LIVING]; /* pids that lived when they were looked for at this tick */
};

/* families.c */
/* `from`: the version before, whose families and whose memory of maps go on where they mean the same; NULL = there is none. */
int item_make_families(struct item *item, const struct item_desc *from, struct err *why);
void item_drop_families(struct item *item);
/* Those of its object: they come first. */
uint32_t item_families_of_object(const struct item *item);
/* Its maps are new: nobody of those in them has died yet. */
void item_forget_retired(struct item *item);

/* poll.c */
/* Live numbers become base: the maps are about to go, but for those that `next` has taken over (NULL = none). */
void item_fold(struct item *item, struct object *next);
void item_read_counts(struct item *item, uint64_t ret_count[COUNTS], uint64_t *ret_missed);
void item_sweep(struct item *item);
void item_reserve_overflow(struct item *item, struct object *object);

/* Has the kernel half look at what is older than itself (HOOK_ONCE). */
void item_look_once(struct item *item);
/* Enums whose names the running kernel knows: read for items that have such, when they go on first. */
void item_name_kernel_enums(struct item *item);

/* One row or entry, key and value side by side, as a record in the item's arena. 0 or -errno (counted as dropped). */
int item_fill_row(struct item *item, const struct item_map *map, const void *row,
		  struct record *record);
int item_read_source(struct item *item, const struct item_map *map, map_entry entry, table_row row,
		     void *ctx);
/* What tells the rows of a table apart: the bytes of its label columns, side by side. */
uint32_t item_label_bytes(const struct item_map *map);
void item_label_key(const struct item_map *map, const uint8_t *row, struct buf *out);
/* The column of a key that names a process; NULL when there is none. */
const struct column *item_pid_column(const struct item_map *map);
/* Zeroes what is finer than a control group in a key. */
void item_forget_process(const struct item_map *map, uint8_t *key);
bool item_is_overflow(const struct item_map *map, const uint8_t *row);

/* rows.c */
/* Adds the numbers of an entry (key and value side by side) to a sum of the same form. */
void item_add_row(const struct item_desc *desc, const struct item_map *map, uint8_t *sum,
		  const uint8_t *part);
void item_rows_json(const struct item *item, struct json *json);

/* Entries of state maps that `next` has not taken over: calls and connections that had begun. Counted as dropped. */
void item_drop_begun(struct item *item, struct object *next);

/* item.c: another version, made from more than an object. All but the bytes is taken over, also on failure. */
int item_upgrade_form(struct item *item, struct item_desc *desc, const struct item_ops *ops, void *form,
		      struct span elf, struct err *why);

/* item.c: the map or table of `from` whose bytes mean the same as this one's; -1 = it has none. */
int item_same_map(const struct item_desc *from, const struct item_map *map);

/* item.c: what `pin` keeps of it. Said when it can't be kept. */
void item_keep(struct item *item, struct object *object);

/* item.c: on, off or asleep, as is wanted now. */
int item_follow_wish(struct item *item, struct err *why);

/* item.c: it can't go on: off, with the reason why. */
void item_give_up(struct item *item, const char *reason);

/* registry.c */
/* Reads what a built-in item's object says of itself, if that was not done yet: before anything but its name, wing and help is needed. */
int item_learn(struct item *item, struct err *why);
void item_on_event(void *ctx, const struct event_head *event, size_t size);
