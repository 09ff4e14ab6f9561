/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * registry - all items of this agent: found, loaded, on, upgraded, off.
 *
 *	known --item_switch(on)--> on --item_switch(off)--> known
 *	  |                        |
 *	  +--> skipped (why)       +--item_upgrade--> on (new version serves, or the old one still does)
 *
 * An item that can't run here is skipped with its reason and tried again when it is switched on. Nothing an
 * item does or fails at touches another one. Single-threaded: the worker's loop.
 */
#pragma once

#include "items/item.h"
#include "kernel/kernel.h"
#include "record/stream.h"

struct registry;
struct event_base;
struct world;

enum item_state { ITEM_OFF, ITEM_ON, ITEM_SKIPPED, ITEM_ASLEEP /* switched on and armed: armed.h */ };
enum { ITEM_STATES_OF = ITEM_ASLEEP + 1 };

#define EVIDENCE_ITEM "evidence" /* records of what armed items collected are of this item */
enum by_level { LEVEL_HOST, LEVEL_CONTAINER, LEVEL_PROCESS };

/* How an item runs, beside its own parameters. Zero = defaults of the item. */
struct item_settings {
	bool has_on, on;
	bool has_by;
	enum by_level by;
	uint64_t ring; /* bytes, 0 = as the item says */
	uint32_t cap;  /* series a metric, 0 = METRIC_SERIES */
	struct span where; /* filter; empty = everything */
};

struct registry_options {
	struct kernel *kernel;		 /* borrowed, like all of these */
	struct event_base *loop;
	struct stream *stream;
	const struct resolver *resolver;
	struct world *world;
	uint32_t cgroup1; /* world_cgroup1() */
	const char *folder; /* see item_folder() */
};

int registry_new(const struct registry_options *options, struct registry **ret_registry,
		 struct err *why);
void registry_free(struct registry *registry);

/* Items in the order of their names; i from 0 until NULL. */
struct item *registry_at(struct registry *registry, size_t i);
struct item *registry_find(struct registry *registry, const char *name);

/* Brings an item of others in: bytes of a .bpf.o (copied). Refused when the name is taken or reserved, when a
 * metric's name is taken, or when the object is no item. It is off. */
int registry_add(struct registry *registry, const char *name, struct span elf, struct item **ret_item,
		 struct err *why);
/* The same for a configuration of ebpf_exporter: the bytes of NAME.yaml and NAME.bpf.o. The item is called NAME, or
 * NAME_config when that is taken by an item of sonde itself. */
int registry_add_config(struct registry *registry, const char *name, struct span yaml, struct span elf,
			struct item **ret_item, struct err *why);
/* The same for a script of the tracing language: NAME.bt. It is compiled now. */
int registry_add_script(struct registry *registry, const char *name, struct span text, struct item **ret_item,
			struct err *why);
struct span item_script_text(const struct item *item); /* len 0 for others */
/* What such an item was made from; len 0 for others. */
struct span item_config_text(const struct item *item);
const char *item_config_name(const struct item *item);
struct span item_object_bytes(const struct item *item); /* borrowed */
int registry_remove(struct registry *registry, struct item *item, struct err *why);

/* What armed items may wait for beside what they look at themselves; borrowed, NULL = none. */
struct alerts;
void registry_set_alerts(struct registry *registry, const struct alerts *alerts);
/* The agent is about to end: what armed items are collecting is told now, while somebody keeps it. */
void registry_end_evidence(struct registry *registry);
const struct layout *evidence_layout(void);

/* Names that the command line uses: no item may have them. */
bool registry_reserved(struct span name);

enum item_state item_state(const struct item *item);
/* Why it is skipped, or "". */
const char *item_reason(const struct item *item);
bool item_is_builtin(const struct item *item);
const char *item_wing(const struct item *item);
const char *item_help(const struct item *item);
bool item_on_by_default(const struct item *item);

/* Switching: idempotent. On failure the item is skipped (on) or stays as it was. */
int item_switch(struct item *item, bool on, struct err *why);

/* Somebody watches: the item is on as long as it is held. */
int item_hold(struct item *item, struct err *why);
void item_release(struct item *item);

/*
 * Changes settings by the names of the configuration: by, where, ring, cap, when, awake, cooldown, hook.NAME, or a parameter
 * (text as a person writes it: 10ms, true). Takes effect at item_apply, which reloads an item that is on: the new
 * programs attach before the old ones are let go, counters continue. If the new ones don't load, the
 * old ones serve on with the old settings, and `why` says why.
 */
int item_set(struct item *item, struct span key, struct span value, struct err *why);
/* Would that be right? To be followed by item_forget_changes. */
int item_try(struct item *item, struct span key, struct span value, struct err *why);
int item_set_default(struct item *item, struct span key, struct err *why);
int item_apply(struct item *item, struct err *why);
/* Settings that are no numbers (item_ops.settings): i from 0 until NULL. */
const char *item_setting(const struct item *item, size_t i);
/* -ENOENT: it has none of that name. NULL = back to the default; `try`: nothing is set. */
int item_set_node(struct item *item, const char *key, const struct json_node *value, bool try, struct err *why);
/* The options of a script; i from 0 until NULL. Their values are text. */
const char *item_option(const struct item *item, size_t i);
/* Back to what it runs with. (`where`, `cap`, `pin`, `when` and its times act at once and stay.) */
void item_forget_changes(struct item *item);
/* The current value as text; -ENOENT for an unknown key. */
int item_get(const struct item *item, struct span key, struct buf *out);

/* Another version of its object. Same promises as item_apply. */
int item_upgrade(struct item *item, struct span elf, struct err *why);
/* Of a configuration: yaml or elf may be empty, then the item's own goes on. */
int item_upgrade_script(struct item *item, struct span text, struct err *why);
int item_upgrade_config(struct item *item, struct span yaml, struct span elf, struct err *why);

/* Reads what the maps and tables hold now into the item's families; at most every 20 ms. */
void item_poll(struct item *item, uint64_t now_ns);
struct family *const *item_families(const struct item *item, size_t *ret_count);
/* Those of them that tell of the machine as a whole, read anew: cheap. Returns how many; 0 where the item has none. */
size_t item_poll_machine(struct item *item, uint64_t now_ns, struct family *const **ret_families);

/* How finely rows are told apart: each process, or summed up. */
enum rows_by { ROWS_PROCESS, ROWS_CONTAINER, ROWS_POD, ROWS_SERVICE, ROWS_HOST };
/* "pod" -> ROWS_POD; NULL -> ROWS_PROCESS; -EINVAL for another word. */
int rows_by_name(const char *name);

/* The same as rows, one record each. False from `each` = no more. */
int item_rows(struct item *item, enum rows_by by, bool (*each)(void *ctx, const struct record *row),
	      void *ctx, struct err *why);
bool item_has_rows(const struct item *item);
bool item_has_events(const struct item *item);
const struct layout *item_layout(const struct item *item, size_t i); /* i from 0 until NULL */

/* Events lost for any reason since the agent runs. */
uint64_t item_lost(struct item *item);

int item_run_verb(struct item *item, const char *verb, int argc, char **argv, struct buf *out,
		  struct err *why);

/* Once a second, for all that are on: ticks of user halves, what lies in rings, entries of the dead. */
void registry_tick(struct registry *registry, uint64_t now_ns);

/* State, settings, hooks, cost and loss as one JSON object: GET /v1/items; with `whole` also the description. */
void item_json(struct item *item, bool whole, struct json *json);
/* bpf run statistics were on for on_ns until now: what ran meanwhile is each item's rate, cost and CPU share. */
void registry_sampled(struct registry *registry, uint64_t on_ns);
bool registry_wants_sample(const struct registry *registry);

/* What each item costs: programs, maps. For `sonde self`. */
void item_cost_json(struct item *item, struct json *json);

/* The agent's own metrics about items (sonde_item_*): filled by registry_poll_self. */
struct family *const *registry_families(struct registry *registry, uint64_t now_ns, size_t *ret_count);

/* item -> capabilities its programs need: derived from the kinds of its hooks (docs/broker.md). */
void item_capabilities(struct item *item, struct buf *out);

/* Hands on what waits in the item's ring. Returns how many events that was. */
size_t item_drain(struct item *item);

/* Some times a second: fetches events that wait in rings for fewer than would wake the reader. Returns how many. */
size_t registry_drain(struct registry *registry);
