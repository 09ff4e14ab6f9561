/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * output - values and maps as text in bpftrace's shape, or as JSON lines of its schema.
 *
 * A value is printed by walking its type over its bytes (see type.h).
 */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
#include "trace/type.h"

struct run;
struct map_use;
struct script;

struct output {
	FILE *file;
	bool is_json;
	bool is_line_flushed;
	struct run *run; /* borrowed: stacks and symbols come through it */
};

/* A scalar, extended to 64 bits by its type. */
uint64_t output_integer(const struct type *type, const uint8_t *bytes);

/* The value as %s and map keys show it. */
void output_value(struct output *output, const struct type *type, const uint8_t *bytes,
		  struct buf *out);
void output_json_value(struct output *output, const struct type *type, const uint8_t *bytes,
		       struct buf *out);

void output_json_number(uint64_t value, bool is_signed, struct buf *out);

/* print(value) */
void output_print(struct output *output, const struct type *type, const uint8_t *bytes);

/* The whole map; top: only so many of the greatest (0: all), div: divided by (0, 1: not). A scalar
 * that was never set is shown as zero when it is asked for, and not at the end. */
void output_map(struct run *run, struct map_use *map, uint32_t top, uint64_t div, bool is_asked);

/*
 * The whole map for a machine: {"map": name, "kind": count|sum|min|max|avg|stats|hist|lhist|value, "series": [{"key":
 * [part, ...], "value": n}, ...]}. avg and stats have "count" and "total" instead of "value", histograms "buckets":
 * [[low, high, count], ...]; low and high are absent in an open end. Values that are no numbers are left out.
 */
void output_series(struct run *run, struct map_use *map);
/* What output_series will tell of, and what getopt() asks for: {"maps": [{"map": name, "kind": as above, "keys": parts,
 * "min": , "max": , "step": (lhist)}], "options": [{"name": , "help": }]}. */
void output_description(struct output *output, const struct script *script);

/* A finished line or several, as they are. */
void output_raw(struct output *output, struct span text);
/* {"type": type, "data": ...}: `data` is JSON. */
void output_json(struct output *output, const char *type, struct span data);
void output_flush(struct output *output);

/* strftime(3), and %f for microseconds. */
void output_time(const char *format, uint64_t epoch_ns, struct buf *out);
