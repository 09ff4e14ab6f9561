/* SPDX-License-Identifier: GPL-2.0-only */
/* inside - what the files of a configuration that runs share. */
#pragma once

#include <event2/event.h>

#include "items/exporter/config.h"
#include "items/exporter/exporter.h"
#include "items/exporter/facts.h"
#include "items/exporter/series.h"
#include "kernel/kernel.h"

enum { EXPORTER_PROGRAMS = ITEM_HOOKS, EXPORTER_MAPS = 256 };

/* A map of the object, as the file declares it. */
struct exporter_map {
	char name[64];
	uint32_t type, key_bytes, value_bytes, entries;
};

/* How a map's values become numbers. */
enum map_reading {
	READ_PLAIN, /* one u64 */
	READ_SUMMED, /* one a CPU, added up */
	READ_BY_CPU, /* one a CPU, each with the CPU's number as part of its key */
};

struct exporter_metric {
	const struct config_metric *config;
	struct series_table table;
	enum map_reading reading;
	uint32_t map_key_bytes; /* of the map */
	uint32_t cpu_at, cpu_bytes; /* READ_BY_CPU: where the number goes in the key */
	bool is_lone; /* READ_BY_CPU: there is no other label, and the map's key is no part of the key */
	struct layout layout;
	int value_column; /* of the layout: the first of its numbers */
	int label_column[CONFIG_LABELS];
	/* perf_event_array */
	struct perf_rings *rings; /* owned, while it runs */
	struct event *ring_event[16];
	uint64_t flushed_ns;
};

struct exporter_span {
	const struct config_span *config;
	struct layout layout;
	int label_column[CONFIG_LABELS], trace_column, span_column, parent_column, name_column,
		duration_column, service_column, config_column;
	struct ring *ring; /* owned, while it runs */
	struct event *ring_event;
	struct exporter *exporter;
	uint64_t undecoded;
};

struct exporter {
	char name[64]; /* of the configuration */
	struct buf yaml;
	struct exporter_config config;
	struct exporter_metric *metric; /* owned: config.metrics of them */
	struct exporter_span *span; /* owned: config.spans */
	struct family **kept; /* owned list; the families are the tables' */
	const struct layout **row_layout, **span_layout; /* owned lists that end with NULL */
	struct item_ops ops;
	struct item_desc *desc; /* owned until it is taken */
	const struct item_desc *told; /* borrowed: the same, also afterwards */
	struct exporter_map map[EXPORTER_MAPS];
	uint32_t maps;
	struct facts *facts; /* owned */
	struct decode decode; /* for spans */

	/* while it runs */
	struct item *item;
	struct map cgroups; /* of cgroup_id_map: id -> round in which it was seen */
	uint64_t cgroup_round, cgroup_due_ns;
	uint64_t unmapped; /* control groups that the map had no room for */
	uint64_t span_serial;
	uint64_t undecoded; /* spans */
};

/* run.c */
extern const struct metric exporter_metrics[];
enum { EXPORTER_METRICS = 6 };
int exporter_configure(struct item *item, struct object *object, struct err *why);
int exporter_start(struct item *item, void **ret_state, struct err *why);
void exporter_tick(struct item *item, void *state, uint64_t now_ns);
void exporter_drain(struct item *item, void *state);
void exporter_collect(struct item *item, void *state, struct collector *out);
void exporter_stop(struct item *item, void *state);
int exporter_replaced(struct item *item, void **state, struct object *old, struct err *why);

/* rows.c */
int exporter_make_layouts(struct exporter *exporter, struct err *why);
int exporter_rows(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		  void *ctx, struct err *why);

/* spans.c */
int exporter_make_span_layout(struct exporter_span *span, struct err *why);
void exporter_on_span(void *ctx, const void *bytes, size_t size);

/* A label's name as a column may be called. */
void exporter_column_name(const char *label, char name[COLUMN_NAME_BYTES]);
int exporter_add_column(struct layout *layout, const char *label, const char *help,
			struct err *why);

const struct exporter_map *exporter_map(const struct exporter *exporter, const char *name);
