// SPDX-License-Identifier: GPL-2.0-only
/* numa, the user half - what each node of memory gave, from /sys/devices/system/node. */
#include "items/procfile.h"

#include <stdio.h>

enum metric_index { PAGES, MEMORY, METRICS };

static const struct metric metrics[METRICS] = {
	[PAGES] =
		{.name = "sonde_numa_pages_total",
		 .type = METRIC_COUNTER,
		 .help = (char *)"pages that a node gave: hit = as wanted, miss = although another "
				 "node was wanted, foreign = wanted here, given elsewhere",
		 .scale = 1},
	[MEMORY] = {.name = "sonde_numa_memory_bytes",
		    .type = METRIC_GAUGE,
		    .unit = "bytes",
		    .help = (char *)"memory of a node",
		    .scale = 1},
};

enum { NODES_MAX = 1024 }; /* MAX_NUMNODES */

/* "0-3,8": the next range; false behind the last one. */
static bool next_range(struct span *text, uint64_t *ret_first, uint64_t *ret_last)
{
	const uint8_t *comma = text->len ? memchr(text->at, ',', text->len) : NULL;
	struct span range = span_first(*text, comma ? (size_t)(comma - text->at) : text->len);
	const uint8_t *dash = range.len ? memchr(range.at, '-', range.len) : NULL;

	*text = span_from(*text, range.len + (comma != NULL));
	if (!dash)
		return number_of(range, ret_first) && number_of(range, ret_last);
	return number_of(span_first(range, (size_t)(dash - range.at)), ret_first) &&
	       number_of(span_from(range, (size_t)(dash - range.at) + 1), ret_last);
}

static void add(struct collector *out, enum metric_index metric, struct span node, const char *name,
		const char *value, uint64_t number)
{
	struct label label[] = {{"node", node}, {name, span_of(value)}};

	collector_add(out, metric, label, 2, (double)number);
}

static void collect_numastat(struct collector *out, struct span node, struct span text)
{
	static const char *const field[][2] = {
		{"numa_hit", "hit"},          {"numa_miss", "miss"},   {"numa_foreign", "foreign"},
		{"interleave_hit", "spread"}, {"local_node", "local"}, {"other_node", "other"},
	};
	uint64_t pages;

	for (size_t i = 0; i < sizeof(field) / sizeof(*field); i++)
		if (field_of(text, field[i][0], &pages))
			add(out, PAGES, node, "kind", field[i][1], pages);
}

/* "Node 0 MemTotal:       32 kB" */
static void collect_meminfo(struct collector *out, struct span node, struct span text)
{
	struct span line, name;

	while (next_line(&text, &line)) {
		for (int i = 0; i < 2; i++)
			next_word(&line, &name);
		if (!next_word(&line, &name))
			continue;
		if (span_is(name, "MemTotal:"))
			add(out, MEMORY, node, "kind", "total", next_number(&line) * 1024);
		else if (span_is(name, "MemFree:"))
			add(out, MEMORY, node, "kind", "free", next_number(&line) * 1024);
	}
}

static void collect_node(struct collector *out, uint64_t number, struct buf *text)
{
	char path[80], name[24];

	snprintf(name, sizeof(name), "%llu", (unsigned long long)number);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%s/numastat", name);
	if (!procfile_read(NULL, path, text))
		collect_numastat(out, span_of(name), buf_as_span(text));
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%s/meminfo", name);
	if (!procfile_read(NULL, path, text))
		collect_meminfo(out, span_of(name), buf_as_span(text));
}

static void collect(struct item *item, void *state, struct collector *out)
{
	uint64_t first, last;
	struct buf nodes, text;
	struct span line, rest;

	buf_init(&nodes, 4096);
	buf_init(&text, PROCFILE_BYTES);
	if (!procfile_read(NULL, "/sys/devices/system/node/has_memory", &nodes)) {
		rest = buf_as_span(&nodes);
		if (next_line(&rest, &line))
			while (line.len && next_range(&line, &first, &last))
				for (; first <= last && first < NODES_MAX; first++)
					collect_node(out, first, &text);
	}
	buf_done(&nodes);
	buf_done(&text);
}

const struct item_ops numa_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.collect = collect,
};
