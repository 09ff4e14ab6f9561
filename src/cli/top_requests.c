// SPDX-License-Identifier: GPL-2.0-only
/*
 * top_requests - the views `services` and `requests` of `sonde top`.
 *
 * Rows that have an operation, a count and a sum of durations are what somebody was asked, or asked others, since the item is on. Shown is
 * what they grew by: rates, and means of the last interval. Percentiles are of all the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/top_grid.h"

enum { SERVICES_MAX = 2048 };

static bool is_exchange(const struct json_node *row)
{
	return json_get(row, "operation") && json_get(row, "count") &&
	       json_get(row, "duration_ns_sum");
}

static const char *owner_of(const struct json_node *row)
{
	const char *const columns[] = {"service", "container", "process"};

	for (size_t i = 0; i < 3; i++)
		if (json_get_text(row, columns[i]))
			return json_get_text(row, columns[i]);
	return "";
}

/* What came in the last interval, by the second. */
struct flow {
	double count, errors, duration_ns, queue_ns, process_ns, p99_ns;
};

static void add_flow(struct top_data *data, const struct json_node *row, struct flow *flow)
{
	flow->count += top_rate(data, row, "count");
	flow->errors += top_rate(data, row, "errors");
	flow->duration_ns += top_rate(data, row, "duration_ns_sum");
	flow->queue_ns += top_rate(data, row, "queue_ns");
	flow->process_ns += top_rate(data, row, "process_ns");
	if (top_number(row, "duration_ns_p99") > flow->p99_ns)
		flow->p99_ns = top_number(row, "duration_ns_p99");
}

static void fill_flow(const struct flow *flow, struct top_cell *cell)
{
	double count = flow->count > 0 ? flow->count : 1;

	top_cell_number(&cell[0], flow->count, print_number, "/s");
	top_cell_number(&cell[1], flow->errors, print_number, "/s");
	top_cell_number(&cell[2], flow->duration_ns / count, print_duration, "");
	top_cell_number(&cell[3], flow->queue_ns / count, print_duration, "");
	top_cell_number(&cell[4], flow->process_ns / count, print_duration, "");
	top_cell_number(&cell[5], flow->p99_ns, print_duration, "");
}

#define FLOW "RATE", "ERRORS", "MEAN", "QUEUE", "PROCESSING", "P99"

void top_fill_requests(struct top_data *data, struct top_grid *grid)
{
	static const char *const names[] = {"PROCESS",   "SIDE",     "PROTOCOL",
					    "OPERATION", "RESOURCE", FLOW};
	static const char *const texts[] = {"side", "protocol", "operation", "resource"};
	size_t item;

	top_columns(grid, names, sizeof(names) / sizeof(*names), 5, 5);
	for (const struct json_node *node = top_first_row(data, &item); node;
	     node = top_next_row(data, &item, node)) {
		struct top_cell *row = is_exchange(node) ? top_add_row(grid) : NULL;
		struct flow flow = {};

		if (!row)
			continue;
		top_cell_text(&row[0], owner_of(node));
		for (size_t i = 0; i < 4; i++)
			top_cell_text(&row[1 + i], json_get_text(node, texts[i]));
		add_flow(data, node, &flow);
		fill_flow(&flow, &row[5]);
	}
}

struct service {
	char owner[TOP_TEXT], side[16], protocol[24];
};

void top_fill_services(struct top_data *data, struct top_grid *grid)
{
	static const char *const names[] = {"SERVICE", "SIDE", "PROTOCOL", FLOW};
	struct map services;
	const void *key;
	void *value;
	size_t item;

	top_columns(grid, names, sizeof(names) / sizeof(*names), 3, 3);
	map_init(&services, sizeof(struct service), sizeof(struct flow), SERVICES_MAX);
	for (const struct json_node *node = top_first_row(data, &item); node;
	     node = top_next_row(data, &item, node)) {
		const char *side = json_get_text(node, "side"),
			   *protocol = json_get_text(node, "protocol");
		struct service service = {};
		struct flow *flow;

		if (!is_exchange(node))
			continue;
		snprintf(service.owner, sizeof(service.owner), "%s", owner_of(node));
		snprintf(service.side, sizeof(service.side), "%s", side ? side : "");
		snprintf(service.protocol, sizeof(service.protocol), "%s",
			 protocol ? protocol : "");
		flow = map_put(&services, &service, NULL);
		if (flow)
			add_flow(data, node, flow);
	}
	for (size_t i = 0; map_next(&services, &i, &key, &value);) {
		const struct service *service = key;
		struct top_cell *row = top_add_row(grid);

		if (!row)
			break;
		top_cell_text(&row[0], service->owner);
		top_cell_text(&row[1], service->side);
		top_cell_text(&row[2], service->protocol);
		fill_flow(value, &row[3]);
	}
	map_done(&services);
}
