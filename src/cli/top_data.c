// SPDX-License-Identifier: GPL-2.0-only
/* top_data - what `sonde top` knows: the rows of the agent's items, joined by process, and rates out of counters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/top.h"

enum { ANSWER_BYTES = 256 << 20, COUNTERS_MAX = 1 << 18, LABELS = 512 };

struct seen_counter {
	double now, before;
	uint64_t round; /* of `now` */
	bool has_before;
};

void top_data_init(struct top_data *data, struct client *client)
{
	*data = (struct top_data){.client = client};
	arena_init(&data->arena, ANSWER_BYTES);
	map_init(&data->process, sizeof(uint32_t), sizeof(struct top_process), TOP_PROCESSES);
	map_init(&data->counter, sizeof(uint64_t), sizeof(struct seen_counter), COUNTERS_MAX);
}

void top_data_done(struct top_data *data)
{
	arena_done(&data->arena);
	map_done(&data->process);
	map_done(&data->counter);
}

double top_seconds(const struct top_data *data)
{
	return data->before_ns ? (double)(data->now_ns - data->before_ns) / 1e9 : 0;
}

/* The answer stays until the next round. NULL when the agent has none (the item is off). */
static const struct json_node *ask(struct top_data *data, const char *path)
{
	const struct json_node *root;
	const char *kept;
	int status = client_ask(data->client, "GET", path, (struct span){}, &data->why);

	if (status < 0 || status >= 400)
		return NULL;
	kept = arena_str(&data->arena, buf_as_span(&data->client->body));
	return !kept || json_read(span_of(kept), &data->arena, &root, NULL) ? NULL : root;
}

static const struct json_node *rows_of(struct top_data *data, const char *item)
{
	char path[128];

	snprintf(path, sizeof(path), "/v1/records/%s?source=rows&limit=10000", item);
	return json_get(ask(data, path), "records");
}

double top_number(const struct json_node *row, const char *column)
{
	double number = 0;

	json_node_double(json_get(row, column), &number);
	return number;
}

static void copy_text(char *to, size_t room, const struct json_node *row, const char *column)
{
	const char *text = json_get_text(row, column);

	if (text)
		snprintf(to, room, "%s", text);
}

static struct top_process *process_of(struct top_data *data, const struct json_node *row)
{
	uint64_t number;
	uint32_t pid;
	bool is_new;
	struct top_process *process;

	if (!json_node_u64(json_get(row, "pid"), &number))
		return NULL;
	pid = (uint32_t)number;
	process = map_put(&data->process, &pid, &is_new);
	if (!process)
		return NULL;
	if (is_new || process->round + 1 < data->round)
		*process = (struct top_process){
			.pid = pid, .is_new = data->round == 1, .round = data->round};
	if (process->round != data->round) {
		process->is_new = false;
		memcpy(process->before, process->now, sizeof(process->before));
		memset(process->now, 0, sizeof(process->now));
		process->round = data->round;
	}
	copy_text(process->name, sizeof(process->name), row, "process");
	copy_text(process->container, sizeof(process->container), row, "container_id");
	copy_text(process->container, sizeof(process->container), row, "container");
	copy_text(process->container, sizeof(process->container), row, "pod");
	copy_text(process->service, sizeof(process->service), row, "service");
	copy_text(process->exe, sizeof(process->exe), row, "exe");
	return process;
}

/* Columns of a process's rows, and what they add to. */
static const struct source {
	const char *column;
	enum top_field field;
} sources[] = {
	{"user_ns", TOP_CPU_NS},
	{"system_ns", TOP_CPU_NS},
	{"threads", TOP_THREADS},
	{"anon_bytes", TOP_MEMORY},
	{"file_bytes", TOP_MEMORY},
	{"shmem_bytes", TOP_MEMORY},
	{"read_bytes", TOP_READ_BYTES},
	{"write_bytes", TOP_WRITE_BYTES},
	{"open", TOP_FILES},
	{"connections", TOP_CONNECTIONS},
};

/* Columns of rows that are no process's. */
static const char *const others[] = {"interface", "mount", "busy_ns", "opened", "operation"};

static bool is_known(const char *column)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (!strcmp(sources[i].column, column))
			return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strcmp(others[i], column))
			return true;
	return false;
}

/* Has the item rows with a column that is known here? */
static bool is_wanted(struct top_data *data, const char *item)
{
	const struct json_node *rows;
	char path[128];

	snprintf(path, sizeof(path), "/v1/items/%s", item);
	rows = json_get(ask(data, path), "rows");
	for (const struct json_node *kind = rows ? rows->child : NULL; kind; kind = kind->next) {
		const struct json_node *columns = json_get(kind, "columns");

		for (const struct json_node *node = columns ? columns->child : NULL; node;
		     node = node->next)
			if (json_get_text(node, "name") && is_known(json_get_text(node, "name")))
				return true;
	}
	return false;
}

static void choose_items(struct top_data *data)
{
	data->items = 0;
	for (const struct json_node *node = data->list ? data->list->child : NULL; node;
	     node = node->next) {
		const char *name = json_get_text(node, "name");

		if (name && data->items < TOP_ITEMS && is_wanted(data, name))
			snprintf(data->item[data->items++], TOP_TEXT, "%s", name);
	}
}

static void add_fields(struct top_data *data, const struct json_node *rows)
{
	for (const struct json_node *row = rows ? rows->child : NULL; row; row = row->next) {
		struct top_process *process = NULL;

		for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
			if (!json_get(row, sources[i].column))
				continue;
			process = process ? process : process_of(data, row);
			if (process)
				process->now[sources[i].field] +=
					top_number(row, sources[i].column);
		}
	}
}

static bool is_gone(void *ctx, const void *key, void *value)
{
	const struct top_data *data = ctx;

	return ((struct top_process *)value)->round + 1 < data->round;
}

static bool is_forgotten(void *ctx, const void *key, void *value)
{
	const struct top_data *data = ctx;

	return ((struct seen_counter *)value)->round + 1 < data->round;
}

/* ---- the host ---- */

/* The value of `name{...label="value"...} number`; false if the line is another's. */
static bool metric_line(const char *line, const char *name, const char *label, double *ret)
{
	size_t len = strlen(name), end = strcspn(line, "\n");
	char text[LABELS];
	const char *at;

	if (strncmp(line, name, len) != 0 || (line[len] != '{' && line[len] != ' ') ||
	    end >= sizeof(text))
		return false;
	memcpy(text, line, end);
	text[end] = 0;
	if (label && !strstr(text, label))
		return false;
	at = strrchr(text, ' ');
	*ret = at ? strtod(at, NULL) : 0;
	return at != NULL;
}

static void read_cpu_line(struct top_host *host, const char *line, double value)
{
	static const char *const idle[] = {"mode=\"idle\"", "mode=\"iowait\"", "mode=\"guest",
					   "mode=\"steal\""};
	char text[LABELS];
	size_t end = strcspn(line, "\n");

	snprintf(text, sizeof(text), "%.*s", (int)end, line);
	if (strstr(text, idle[2])) /* is in user time already */
		return;
	host->cpu_all += value;
	if (!strstr(text, idle[0]) && !strstr(text, idle[1]) && !strstr(text, idle[3]))
		host->cpu_busy += value;
}

static void read_host(struct top_data *data)
{
	static const char *const windows[] = {"window=\"1m\"", "window=\"5m\"", "window=\"15m\""};
	static const char *const pressures[] = {"sonde_cpu_pressure_seconds_total",
						"sonde_mem_pressure_seconds_total",
						"sonde_disk_pressure_seconds_total"};
	struct top_host *host = &data->host;
	double value;

	if (client_ask(data->client, "GET", "/metrics", (struct span){}, &data->why) != 200)
		return;
	*host = (struct top_host){
		.cpu_busy_before = host->cpu_busy,
		.cpu_all_before = host->cpu_all,
		.pressure_before = {host->pressure[0], host->pressure[1], host->pressure[2]}};
	for (const char *line = buf_text(&data->client->body); *line;
	     line += strcspn(line, "\n"), line += *line != 0) {
		if (metric_line(line, "sonde_cpu_host_seconds_total", NULL, &value))
			read_cpu_line(host, line, value);
		else if (metric_line(line, "sonde_mem_host_bytes", "kind=\"total\"", &value))
			host->memory_total = value;
		else if (metric_line(line, "sonde_mem_host_bytes", "kind=\"available\"", &value))
			host->memory_available = value;
		for (int i = 0; i < 3; i++) {
			if (metric_line(line, "sonde_cpu_load", windows[i], &value))
				host->load[i] = value;
			if (metric_line(line, pressures[i], "kind=\"some\"", &value))
				host->pressure[i] = value;
		}
	}
}

int top_data_refresh(struct top_data *data)
{
	enum { LOOK_AGAIN = 16 }; /* rounds: items may have come */
	const struct json_node *answer;

	arena_clear(&data->arena);
	data->why = (struct err){};
	data->before_ns = data->now_ns;
	data->now_ns = clock_monotonic_ns();
	answer = ask(data, "/v1/items");
	if (!answer)
		return EXIT_FAILURE;
	data->list = json_get(answer, "items");
	if (data->round++ % LOOK_AGAIN == 0)
		choose_items(data);
	for (size_t i = 0; i < data->items; i++) {
		data->rows[i] = rows_of(data, data->item[i]);
		add_fields(data, data->rows[i]);
	}
	read_host(data);
	map_remove(&data->process, is_gone, data);
	map_remove(&data->counter, is_forgotten, data);
	data->why = (struct err){};
	return EXIT_SUCCESS;
}

/* ---- rates of other rows ---- */

static uint64_t row_hash(const struct json_node *row, const char *column)
{
	static const char *const names[] = {"kind",      "pid",      "device",    "mount",
					    "interface", "netns",    "state",     "direction",
					    "op",        "process",  "container", "service",
					    "side",      "protocol", "operation", "resource"};
	uint64_t hash = hash_bytes(column, strlen(column), 1);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct json_node *node = json_get(row, names[i]);

		if (node)
			hash = hash_bytes(node->text.at, node->text.len, hash + i);
	}
	return hash;
}

double top_rate(struct top_data *data, const struct json_node *row, const char *column)
{
	uint64_t key = row_hash(row, column);
	struct seen_counter *seen;
	bool is_new;

	seen = map_put(&data->counter, &key, &is_new);
	if (!seen)
		return 0;
	if (seen->round != data->round) {
		seen->before = seen->now;
		seen->has_before = !is_new && seen->round + 1 == data->round;
		seen->now = top_number(row, column);
		seen->round = data->round;
	}
	if (!seen->has_before || seen->now < seen->before || top_seconds(data) <= 0)
		return 0;
	return (seen->now - seen->before) / top_seconds(data);
}
