/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * describe - what an item's object says of itself, read from the tags in its BTF.
 *
 * Runs in the worker, also on objects of strangers: every size and name is checked before it is used,
 * nothing is loaded into the kernel. The same description feeds the command line, the configuration,
 * /metrics, JSON, the page and the reference documentation.
 */
#pragma once

#include "record/metric.h"
#include "record/record.h"

enum {
	ITEM_NAME_BYTES = 32,
	ITEM_PARAMS = 32,
	ITEM_EVENTS = 8,
	ITEM_MAPS = 16,
	ITEM_METRICS = 48,
	ITEM_HOOKS = 96,
	ITEM_STATES = 8,
};

struct item_param {
	char name[COLUMN_NAME_BYTES]; /* C name: min_us; on the command line --min-us */
	char type[8]; /* u32, u64, s32, s64, bool */
	uint32_t size; /* bytes */
	int64_t value; /* default (u64 as two's complement) */
	bool is_ours; /* of the user half: the object has no such variable */
	char *help; /* owned */
};

struct item_event {
	uint16_t number;
	struct schema schema; /* kind and columns */
	struct layout layout;
};

/* Where metrics come from: a hash map's entries, or the rows of a table (an iterator's output). */
enum { ITEM_KEY_BYTES = 512 }; /* of a map: OVERFLOW_KEY_BYTES of item.bpf.h */

struct item_map {
	char name[COLUMN_NAME_BYTES]; /* of the map; for a table its kind */
	bool is_table; /* then key_size is 0 and `key` are the label columns of the row */
	bool gone_drop; /* TABLE option gone=drop, or gone=add */
	bool gone_adds; /* gone=add: who has rows may have had others that are gone */
	uint16_t number; /* of the table */
	struct schema key; /* columns of the key: labels */
	struct schema
		row; /* key and value side by side, as a record: value columns offset by key size */
	struct layout layout; /* of `row` */
	uint32_t key_size, value_size, max_entries;
	uint32_t type; /* BPF_MAP_TYPE_*; 0 for a table */
	uint32_t first_metric, metrics; /* its metrics in item_desc.metric */
};

/* A map that is no metric, whose keys are threads or processes. */
struct item_state_map {
	char name[COLUMN_NAME_BYTES];
};

struct item_hook {
	char program[64]; /* function name in the object */
	char section[256]; /* tp_btf/sched_switch */
	char hook[COLUMN_NAME_BYTES]; /* alternatives share it */
	uint32_t order;
	bool optional;
	bool once; /* an iterator that runs when the item goes on, and makes no rows */
	char *prototype; /* owned, NULL = not checked */
	char *perf; /* owned, HOOK_PERF's "cpu-clock:99hz", else NULL */
};

struct item_desc {
	char name[ITEM_NAME_BYTES];
	char wing[8]; /* cpu mem disk net app sec */
	bool on_by_default;
	char *help; /* owned */
	char *when; /* owned: of ARMED(), a filter over signs; NULL = it is not armed by itself */
	uint32_t awake_s, cooldown_s; /* 0 = as usual */
	bool has_ring, has_filter; /* it has the map `events`, `filter` */
	bool has_by; /* its code looks at item_by */
	bool named; /* its kernel enums have their names */
	uint32_t params, events, maps, metrics, hooks;
	struct item_param param[ITEM_PARAMS];
	struct item_event event[ITEM_EVENTS];
	struct item_map map[ITEM_MAPS];
	struct metric metric[ITEM_METRICS];
	/* Metrics with one name and the same constant labels are one family: what a table says of those that
	 * are there (gone=drop) and a map of those that are gone. metric -> family, counted from 0. */
	uint32_t family[ITEM_METRICS], families;
	struct item_hook hook[ITEM_HOOKS];
	struct item_state_map state[ITEM_STATES];
	uint32_t states;
};

/*
 * `name`: the item's name (the file's name without .bpf.o); lower case letters, digits and _, and no
 * name of a command. The bytes are looked at during the call only. On failure nothing is left behind and
 * `why` names what in the object is wrong.
 */
int item_describe(const char *name, const void *elf, size_t size, struct item_desc **ret_desc,
		  struct err *why);
void item_desc_free(struct item_desc *desc);

/* Is that a word of the command line, which no item may have? */
bool item_name_is_taken(struct span name);

/* The column of a row that holds the metric's number: "" when it is not printed. */
const char *item_metric_column(const struct item_map *map, const struct metric *metric);

/* The whole description as one JSON object (GET /v1/items/NAME, `sonde items show`, generated docs). */
void item_desc_json(const struct item_desc *desc, struct json *json);
