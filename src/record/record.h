/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record - one finished, enriched row: the one noun of the house.
 *
 * A record is a list of named values in the order of its layout. A layout is made once per kind of event
 * from its raw schema; record_fill turns the raw bytes into values, asking the resolver (world/) who
 * the pids and cgroups were. Nobody below knows where resolvers get it from.
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "record/schema.h"
#include "record/value.h"

/* Who something belongs to. Spans are borrowed from the resolver and live until its next change
 * (record_fill copies them into the record's arena). len 0 = unknown. */
struct who {
	uint32_t pid;
	uint32_t uid;
	bool has_uid;
	struct span process, exe;
	struct span container, container_id, image, pod, namespace, service, cgroup;
	struct span labels; /* of the pod: ",app=web,tier=front," (no column) */
};

/* What only the world knows. Any function may be NULL. All return false (or len 0) when unknown. */
struct resolver {
	void *ctx;
	/* The process that had this pid at that moment (CLOCK_MONOTONIC ns, 0 = now), with its container. */
	bool (*pid)(void *ctx, uint32_t pid, uint64_t ktime_ns, struct who *ret_who);
	bool (*cgroup)(void *ctx, uint64_t cgroup_id, struct who *ret_who);
	/* Name of a remote end: service, pod or DNS name. */
	struct span (*peer)(void *ctx, const uint8_t addr[16], uint16_t port);
	struct span (*device)(void *ctx, uint32_t dev);
	struct span (*interface)(void *ctx, uint32_t ifindex);
	struct span (*symbol)(void *ctx, uint32_t pid, uint64_t addr);
	struct span node; /* name of this machine */
};

enum { LAYOUT_COLUMNS = 80, NO_COLUMN = 0xffff };

/* The columns every record begins with. */
enum { LAYOUT_TIME, LAYOUT_ITEM, LAYOUT_KIND, LAYOUT_NODE, LAYOUT_FIRST };

/* Whose it is: columns of a layout, in this order, as far as the layout has them. */
enum who_column {
	WHO_PID,
	WHO_TID,
	WHO_PROCESS,
	WHO_EXE,
	WHO_UID,
	WHO_CONTAINER,
	WHO_CONTAINER_ID,
	WHO_IMAGE,
	WHO_POD,
	WHO_NAMESPACE,
	WHO_SERVICE,
	WHO_CGROUP,
	WHO_COLUMNS,
};
/* Sets of them, as masks. */
enum {
	WHO_OF_CGROUP = 1 << WHO_CONTAINER | 1 << WHO_CONTAINER_ID | 1 << WHO_IMAGE | 1 << WHO_POD |
			1 << WHO_NAMESPACE | 1 << WHO_SERVICE | 1 << WHO_CGROUP,
	WHO_OF_PID = 1 << WHO_PID | 1 << WHO_PROCESS | 1 << WHO_EXE | 1 << WHO_UID | WHO_OF_CGROUP,
};

/* How a table or the page should print a value. */
enum unit { UNIT_NONE, UNIT_NS, UNIT_BYTES, UNIT_COUNT, UNIT_PERCENT, UNIT_TIME, UNIT_TEXT };

/* What a row's column is: part of what tells rows apart, a number that only grows, one that goes up and down. */
enum column_role { COLUMN_KEY, COLUMN_COUNTER, COLUMN_GAUGE };

struct layout_column {
	char name[COLUMN_NAME_BYTES];
	enum unit unit;
	const char *help; /* borrowed: from the schema, or static */
	enum column_role role; /* of layouts written in C: layout_row_kind */
	bool is_hidden; /* not in a table unless somebody asks for it */
};

/* The output columns of a kind of record. Columns 0..: time, item, kind, node, then who, then own. */
struct layout {
	const struct schema *schema; /* borrowed; NULL for layouts written in C */
	const char *kind; /* static; of rows whose layout is written in C, else NULL */
	uint32_t number; /* no other layout of this process has it; 0 = not made by layout_begin */
	uint32_t count;
	struct layout_column column[LAYOUT_COLUMNS];
	uint16_t who[WHO_COLUMNS]; /* where the who columns are, NO_COLUMN = not there */
	/* private to record.c */
	uint16_t target[SCHEMA_COLUMNS]; /* where each raw column goes, NO_COLUMN = only into who */
	uint16_t raw_pid, raw_cgroup; /* raw columns that say who, or NO_COLUMN */
	uint16_t raw_peer_addr, raw_peer_port, peer; /* remote_addr, remote_port -> remote_name */
	uint32_t least; /* bytes a raw record has at least */
};

int layout_from_schema(struct layout *layout, const struct schema *schema, struct err *why);

/* Layouts written in C: begin with the who columns of the mask, then add each own column. layout_add
 * returns its index. */
void layout_begin(struct layout *layout, unsigned who);
int layout_add(struct layout *layout, const char *name, enum unit unit, const char *help,
	       struct err *why);

/* Says of a layout written in C that its records are rows (what `sonde ITEM` shows as a table): the kind, and
 * which of its last columns are numbers. */
void layout_row_kind(struct layout *layout, const char *kind, uint32_t counters, uint32_t gauges);

/* The columns that a table shows when nobody asked for others: a list that ends with NULL. */
void layout_show(struct layout *layout, const char *const *names);

/* Index of a column by name, -1 if there is none. */
int layout_find(const struct layout *layout, struct span name);

struct record {
	const struct layout *layout; /* borrowed */
	bool is_passing; /* one of very many: for who watches live, and not to be kept */
	struct value value[LAYOUT_COLUMNS];
};

/*
 * Makes a record of raw bytes. `ktime_ns` 0 = now. Texts are copied into `arena`; -ENOMEM when it is full
 * (the caller counts the record as dropped), -EINVAL when `size` ends before the last column of known
 * length does. A text at the end of the struct may be cut anywhere.
 */
int record_fill(struct record *record, const struct layout *layout, const void *raw, size_t size,
		uint64_t ktime_ns, const struct resolver *resolver, struct arena *arena);

/*
 * The parts of record_fill, for records made in C: all absent but time, item, kind and node (`item` and
 * `kind` are borrowed); then who it is, copied into the arena, as far as the layout has columns for it and
 * `parts` (a mask of who columns) asks; then the own values.
 */
void record_begin(struct record *record, const struct layout *layout, const char *item,
		  const char *kind, uint64_t ktime_ns, const struct resolver *resolver);
int record_set_who(struct record *record, const struct who *who, unsigned parts,
		   struct arena *arena);
/* A copy of the text in the arena; absent when it is empty. -ENOMEM as above. */
int record_set_text(struct record *record, uint32_t column, struct span text, struct arena *arena);

/* One JSON object; absent values are left out. */
void record_json(const struct record *record, struct json *json);

/* Prints a value the way people read it: 12.3 ms, 4.1 MiB, 17, text with control bytes made visible. */
void value_print(const struct value *value, enum unit unit, struct buf *out);
void value_json(const struct value *value, struct json *json);
/* The value as a plain text, as labels and regular expressions see it: decimal numbers, texts as they are.
 * Borrowed from the value, or written into `scratch`. */
enum { VALUE_TEXT_BYTES = 40 };
struct span value_as_text(const struct value *value, char scratch[VALUE_TEXT_BYTES]);

/* Descriptions of the columns: [{"name":..,"unit":..,"help":..}] for `sonde items show` and the page. */
void layout_json(const struct layout *layout, struct json *json);
const char *unit_name(enum unit unit);
