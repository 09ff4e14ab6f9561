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

enum { LAYOUT_COLUMNS = 80 };

/* How a table or the page should print a value. */
enum unit { UNIT_NONE, UNIT_NS, UNIT_BYTES, UNIT_COUNT, UNIT_PERCENT, UNIT_TIME, UNIT_TEXT };

struct layout_column {
	char name[COLUMN_NAME_BYTES];
	enum unit unit;
	const char *help; /* borrowed: from the schema, or static */
};

/* The output columns of a kind of record. Columns 0..: time, item, kind, node, then who, then own. */
struct layout {
	const struct schema *schema; /* borrowed; NULL for layouts written in C */
	uint32_t count;
	struct layout_column column[LAYOUT_COLUMNS];
	/* where each raw column's values go; private to record.c */
	uint16_t target[SCHEMA_COLUMNS];
	uint16_t who; /* first who column */
};

int layout_from_schema(struct layout *layout, const struct schema *schema, struct err *why);

/* Index of a column by name, -1 if there is none. */
int layout_find(const struct layout *layout, struct span name);

struct record {
	const struct layout *layout; /* borrowed */
	struct value value[LAYOUT_COLUMNS];
};

/*
 * Makes a record of raw bytes. `ktime_ns` 0 = now. Texts are copied into `arena`; -ENOMEM when it is
 * full (the caller counts the record as dropped), -EINVAL when `size` is below the schema's.
 */
int record_fill(struct record *record, const struct layout *layout, const void *raw, size_t size,
		uint64_t ktime_ns, const struct resolver *resolver, struct arena *arena);

/* One JSON object; absent values are left out. */
void record_json(const struct record *record, struct json *json);

/* Prints a value the way people read it: 12.3 ms, 4.1 MiB, 17, text with control bytes made visible. */
void value_print(const struct value *value, enum unit unit, struct buf *out);
void value_json(const struct value *value, struct json *json);

/* Descriptions of the columns: [{"name":..,"unit":..,"help":..}] for `sonde items show` and the page. */
void layout_json(const struct layout *layout, struct json *json);
