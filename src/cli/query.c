// SPDX-License-Identifier: GPL-2.0-only
/* query - `sonde query`: PromQL over the history of metrics, or a filter over the records of an item. */
#include "cli/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/rows.h"
#include "cli/table.h"
#include "main/run.h"

enum { URL_BYTES = 128 * 1024, LINE_BYTES = 16 << 20, RECORDS_USUAL = 100 };

const struct option_help query_options[] = {
	{"--from TIME", "from then on: now-1h, 2026-11-21T12:00:00Z, seconds since 1970"},
	{"--to TIME", "up to then (default: now)"},
	{"--step TIME", "PromQL, or records summed up: at every such step from --from to --to"},
	{"--by a,b,c", "records summed up by these columns: counts, sums, percentiles; the "
		       "greatest counts first"},
	{"--against-from TIME", "with --by: compare with a second range that begins there"},
	{"--against-to TIME", "and ends there (default: --from)"},
	{"--order asc|desc", "records: oldest first, or newest first (default); with --by: the "
			     "number by which the first are chosen, as duration_ns_p99"},
	{"-n, --rows N", "records at most (default 100)"},
	{"--columns a,b,c", "records: these columns"},
	{"--json", "one JSON object a line"},
	{"--socket PATH", "the agent's socket ($SONDE_SOCKET, " SOCKET_PATH_DEFAULT ")"},
	{NULL, NULL},
};

/* "--from X" came as the parameter "from=X". */
static const char *param(const struct options *options, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < options->params; i++)
		if (!strncmp(options->param[i], name, len) && options->param[i][len] == '=')
			return options->param[i] + len + 1;
	return NULL;
}

static bool params_are_known(const struct options *options)
{
	static const char *const known[] = {"from", "to",           "step",      "order",
					    "time", "against_from", "against_to"};

	for (size_t i = 0; i < options->params; i++) {
		size_t len = strcspn(options->param[i], "=");
		bool found = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			found |= strlen(known[k]) == len &&
				 !strncmp(known[k], options->param[i], len);
		if (!found) {
			log_error("unknown option '--%.*s'; see sonde query --help", (int)len,
				  options->param[i]);
			return false;
		}
	}
	return true;
}

static void add_param(struct buf *path, const char *name, const char *value)
{
	if (!value)
		return;
	buf_f(path, "%c%s=", strchr(buf_text(path), '?') ? '&' : '?', name);
	url_encode(path, value);
}

/* ---- PromQL ---- */

static void print_labels(struct buf *out, const struct json_node *labels)
{
	const char *name = json_get_text(labels, "__name__");
	const char *comma = "";

	buf_str(out, name ? name : "");
	buf_char(out, '{');
	for (const struct json_node *label = labels->child; label; label = label->next) {
		if (span_is(label->key, "__name__"))
			continue;
		buf_f(out, "%s%.*s=\"%.*s\"", comma, (int)label->key.len,
		      (const char *)label->key.at, (int)label->text.len,
		      (const char *)label->text.at);
		comma = ",";
	}
	buf_char(out, '}');
}

static void print_point(struct table *table, struct span labels, const struct json_node *point,
			bool with_time)
{
	char text[TIME_TEXT] = "";
	double seconds = 0;

	if (!point || !point->child || !point->child->next)
		return;
	if (with_time && json_node_double(point->child, &seconds)) {
		time_print((uint64_t)(seconds * 1e3 + 0.5) * 1000000, 3, text);
		table_cell(table, span_of(text));
	}
	table_cell(table, labels);
	table_cell(table, point->child->next->text);
}

static void print_series(const struct json_node *result, bool with_time)
{
	struct table table;

	table_init(&table);
	if (with_time)
		table_head(&table, "time");
	table_head(&table, "series");
	table.right[with_time + 1] = true;
	table_head(&table, "value");
	for (const struct json_node *series = result->child; series; series = series->next) {
		const struct json_node *values = json_get(series, "values");
		struct buf labels;

		buf_init(&labels, URL_BYTES);
		print_labels(&labels, json_get(series, "metric"));
		for (const struct json_node *point = values ? values->child : NULL; point;
		     point = point->next)
			print_point(&table, buf_as_span(&labels), point, with_time);
		if (!values)
			print_point(&table, buf_as_span(&labels), json_get(series, "value"),
				    with_time);
		buf_done(&labels);
	}
	table_print(&table, terminal_width());
	table_done(&table);
}

static void print_answer(const struct json_node *data, bool as_json)
{
	const struct json_node *result = json_get(data, "result");
	const char *type = json_get_text(data, "resultType");
	bool is_list = type && (!strcmp(type, "vector") || !strcmp(type, "matrix"));

	if (!result || !type)
		return;
	if (!is_list && !as_json)
		printf("%s\n", (const char *)result->child->next->text.at);
	else if (!is_list)
		client_print(data);
	else if (!as_json)
		print_series(result, !strcmp(type, "matrix"));
	else
		for (const struct json_node *series = result->child; series; series = series->next)
			client_print(series);
}

static int ask_promql(struct client *client, const struct options *options)
{
	bool is_range = param(options, "step");
	const struct json_node *answer;
	struct buf path;
	int status = EXIT_DONE;

	buf_init(&path, URL_BYTES);
	buf_str(&path, is_range ? "/api/v1/query_range" : "/api/v1/query");
	add_param(&path, "query", options->word[0]);
	if (is_range) {
		add_param(&path, "start",
			  param(options, "from") ? param(options, "from") : "now-1h");
		add_param(&path, "end", param(options, "to") ? param(options, "to") : "now");
		add_param(&path, "step", param(options, "step"));
	} else {
		add_param(&path, "time", param(options, "to"));
	}
	answer = client_get(client, buf_text(&path), &status);
	if (answer)
		print_answer(json_get(answer, "data"), options->json);
	buf_done(&path);
	return status;
}

/* ---- records ---- */

/* Asks for the item first: its columns, and whether there is such an item at all. */
static int learn_columns(struct client *client, const struct options *options, struct rows *rows)
{
	const struct json_node *item;
	struct buf path;
	int status = EXIT_DONE;

	buf_init(&path, URL_BYTES);
	buf_str(&path, "/v1/items/");
	url_encode(&path, options->word[0]);
	item = client_get(client, buf_text(&path), &status);
	if (item)
		rows_learn(rows, item, options);
	buf_done(&path);
	return status;
}

static int print_records(struct client *client, const struct options *options, struct rows *rows)
{
	const struct json_node *answer, *records;
	char limit[24];
	struct buf path;
	int status = EXIT_DONE;

	buf_init(&path, URL_BYTES);
	buf_str(&path, "/v1/records/");
	url_encode(&path, options->word[0]);
	snprintf(limit, sizeof(limit), "%ld", options->rows ? options->rows : (long)RECORDS_USUAL);
	add_param(&path, "source", "recent");
	add_param(&path, "limit", limit);
	add_param(&path, "from", param(options, "from"));
	add_param(&path, "to", param(options, "to"));
	add_param(&path, "order", param(options, "order") ? param(options, "order") : "desc");
	add_param(&path, "filter", options->filter.len ? buf_text(&options->filter) : NULL);
	answer = client_get(client, buf_text(&path), &status);
	records = answer ? json_get(answer, "records") : NULL;
	for (const struct json_node *record = records ? records->child : NULL; record;
	     record = record->next) {
		struct buf line;
		struct json json = {.out = &line};

		buf_init(&line, LINE_BYTES);
		json_node_write(record, &json);
		rows_event(rows, buf_as_span(&line));
		buf_done(&line);
	}
	if (answer)
		rows_flush(rows);
	if (answer && json_get_text(answer, "partial"))
		log_warn("not everything could be looked at: %s", json_get_text(answer, "partial"));
	buf_done(&path);
	return status;
}

/* ---- records summed up ---- */

/* A column of groups: a key of theirs, or of what they were before. */
struct group_column {
	const struct json_node *example;
	bool is_before;
};

static const struct json_node *before_of(const struct json_node *group)
{
	const struct json_node *before = json_get(group, "before");

	return before && before->type == JSON_OBJECT ? before : NULL;
}

static size_t add_columns(struct group_column *column, size_t columns, const struct json_node *of,
			  bool is_before)
{
	for (const struct json_node *node = of ? of->child : NULL; node; node = node->next) {
		size_t k = 0;

		if (node->type == JSON_OBJECT)
			continue;
		while (k < columns && (column[k].is_before != is_before ||
				       !span_same(column[k].example->key, node->key)))
			k++;
		if (k == columns && columns < TABLE_COLUMNS)
			column[columns++] = (struct group_column){node, is_before};
	}
	return columns;
}

/* Every key that any of the groups has, each a column; behind them those of the range compared with. */
static void print_groups(const struct json_node *groups)
{
	struct group_column column[TABLE_COLUMNS];
	size_t columns = 0;
	struct table table;

	table_init(&table);
	for (const struct json_node *group = groups->child; group; group = group->next)
		columns = add_columns(column, columns, group, false);
	for (const struct json_node *group = groups->child; group; group = group->next)
		columns = add_columns(column, columns, before_of(group), true);
	for (size_t k = 0; k < columns; k++) {
		char title[96];

		snprintf(title, sizeof(title), "%s%s", (const char *)column[k].example->key.at,
			 column[k].is_before ? "_before" : "");
		table.right[k] = column[k].example->type == JSON_NUMBER;
		table_head(&table, title);
	}
	for (const struct json_node *group = groups->child; group; group = group->next)
		for (size_t k = 0; k < columns; k++) {
			const char *name = (const char *)column[k].example->key.at;
			const struct json_node *of = column[k].is_before ? before_of(group) : group;
			struct buf text;

			buf_init(&text, URL_BYTES);
			print_value(&text, name, of ? json_get(of, name) : NULL);
			table_cell(&table, buf_as_span(&text));
			buf_done(&text);
		}
	table_print(&table, terminal_width());
	table_done(&table);
}

static int ask_groups(struct client *client, const struct options *options)
{
	const struct json_node *answer, *groups;
	char limit[24];
	struct buf path;
	int status = EXIT_DONE;

	buf_init(&path, URL_BYTES);
	buf_str(&path, "/v1/groups/");
	url_encode(&path, options->word[0]);
	snprintf(limit, sizeof(limit), "%ld", options->rows ? options->rows : (long)RECORDS_USUAL);
	add_param(&path, "by", options->by);
	add_param(&path, "limit", limit);
	add_param(&path, "from", param(options, "from"));
	add_param(&path, "to", param(options, "to"));
	add_param(&path, "step", param(options, "step"));
	add_param(&path, "against_from", param(options, "against_from"));
	add_param(&path, "against_to", param(options, "against_to"));
	add_param(&path, "order", param(options, "order"));
	add_param(&path, "filter", options->filter.len ? buf_text(&options->filter) : NULL);
	answer = client_get(client, buf_text(&path), &status);
	groups = answer ? json_get(answer, "groups") : NULL;
	if (groups && options->json)
		for (const struct json_node *group = groups->child; group; group = group->next)
			client_print(group);
	else if (groups)
		print_groups(groups);
	if (answer && json_get_text(answer, "partial"))
		log_warn("not everything could be looked at: %s", json_get_text(answer, "partial"));
	buf_done(&path);
	return status;
}

/* The filter that was written, beside what --pid and the like made. */
static void join_filter(struct options *options)
{
	if (options->words < 2)
		return;
	if (options->filter.len)
		buf_str(&options->filter, " and ");
	buf_f(&options->filter, "(%s)", options->word[1]);
}

static int ask_records(struct client *client, struct options *options)
{
	struct rows *rows = calloc(1, sizeof(*rows));
	int status = EXIT_FAILED;

	if (!rows)
		return status;
	rows_init(rows);
	status = learn_columns(client, options, rows);
	if (status == EXIT_DONE)
		status = print_records(client, options, rows);
	rows_done(rows);
	free(rows);
	return status;
}

int query_command(int argc, char **argv)
{
	struct options options;
	struct client client;
	int status = options_parse(&options, argc, argv, true, NULL);

	if (status == EXIT_DONE && (!options.words || options.words > 2)) {
		log_error("usage: sonde query EXPR, or sonde query ITEM FILTER; see sonde query "
			  "--help");
		status = EXIT_USAGE;
	}
	if (status == EXIT_DONE && !params_are_known(&options))
		status = EXIT_USAGE;
	if (status == EXIT_DONE) {
		status = client_open(&client, options.socket, NULL, NULL);
		if (status == EXIT_DONE)
			status = options.by ? (join_filter(&options), ask_groups(&client, &options))
				 : options.words > 1 || options.filter.len
					 ? (join_filter(&options), ask_records(&client, &options))
					 : ask_promql(&client, &options);
		client_close(&client);
	}
	options_done(&options);
	return status;
}
