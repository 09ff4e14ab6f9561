// SPDX-License-Identifier: GPL-2.0-only
/* evidence - `sonde evidence`: what armed items collected while they were awake, a list or one of it whole. */
#include "cli/evidence.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/table.h"
#include "main/run.h"

enum { LINE_BYTES = 1 << 20, LISTED = 100, KINDS = 8 };

static const char *text_or(const struct json_node *node, const char *key, const char *otherwise)
{
	const char *text = json_get_text(node, key);

	return text ? text : otherwise;
}

static void value_cell(struct table *table, const struct json_node *of, const char *name)
{
	struct buf text;

	buf_init(&text, LINE_BYTES);
	print_value(&text, name, json_get(of, name));
	table_cell(table, buf_as_span(&text));
	buf_done(&text);
}

static void print_list(const struct json_node *records)
{
	static const char *const heads[] = {"began",       "evidence",  "condition",   "container",
					    "duration_ns", "row_count", "record_count"};
	const size_t count = sizeof(heads) / sizeof(*heads);
	struct table table;

	table_init(&table);
	for (size_t i = 0; i < count; i++) {
		table.right[i] = i > 3;
		table_head(&table, heads[i]);
	}
	for (const struct json_node *record = records->child; record; record = record->next)
		for (size_t i = 0; i < count; i++)
			value_cell(&table, record, heads[i]);
	table_print(&table, terminal_width());
	table_done(&table);
}

/* ---- one, whole ---- */

/* What every record says alike here. */
static bool is_dull(struct span key)
{
	static const char *const dull[] = {"item", "kind", "node", "cgroup", "exe", "container_id"};

	for (size_t i = 0; i < sizeof(dull) / sizeof(*dull); i++)
		if (span_is(key, dull[i]))
			return true;
	return false;
}

static bool is_of_kind(const struct json_node *record, const char *kind)
{
	return !strcmp(text_or(record, "kind", ""), kind);
}

/* Every key that a record of the kind has, each a column. */
static void print_kind(const struct json_node *records, const char *kind)
{
	const struct json_node *column[TABLE_COLUMNS];
	struct table table;
	size_t columns = 0;

	for (const struct json_node *record = records->child; record; record = record->next)
		for (const struct json_node *node = is_of_kind(record, kind) ? record->child : NULL;
		     node; node = node->next) {
			size_t k = 0;

			while (k < columns && !span_same(column[k]->key, node->key))
				k++;
			if (k == columns && columns < TABLE_COLUMNS && !is_dull(node->key))
				column[columns++] = node;
		}
	table_init(&table);
	for (size_t k = 0; k < columns; k++) {
		table.right[k] = column[k]->type == JSON_NUMBER;
		table_head(&table, (const char *)column[k]->key.at);
	}
	for (const struct json_node *record = records->child; record; record = record->next)
		for (size_t k = 0; k < columns && is_of_kind(record, kind); k++)
			value_cell(&table, record, (const char *)column[k]->key.at);
	table_print(&table, terminal_width());
	table_done(&table);
}

static void print_part(const struct json_node *evidence, const char *key, const char *title)
{
	const struct json_node *records = json_get(evidence, key);
	const char *kind[KINDS] = {};
	size_t kinds = 0;

	if (!records || !records->child)
		return;
	printf("\n%s\n", title);
	for (const struct json_node *record = records->child; record; record = record->next) {
		const char *name = text_or(record, "kind", "");
		size_t k = 0;

		while (k < kinds && strcmp(kind[k], name) != 0)
			k++;
		if (k < kinds || kinds == KINDS)
			continue;
		kind[kinds++] = name;
		print_kind(records, name);
	}
}

static void print_one(const struct json_node *evidence)
{
	const struct json_node *cause = json_get(evidence, "cause");

	printf("%s: '%s' woke at %s because of %s:\n", text_or(evidence, "evidence", "?"),
	       text_or(evidence, "watched", "?"), text_or(evidence, "began", "?"),
	       text_or(evidence, "condition", "?"));
	for (const struct json_node *sign = cause ? cause->child : NULL; sign; sign = sign->next) {
		struct buf text;

		if (is_dull(sign->key))
			continue;
		buf_init(&text, LINE_BYTES);
		print_value(&text, (const char *)sign->key.at, sign);
		printf("  %s %s\n", (const char *)sign->key.at, buf_text(&text));
		buf_done(&text);
	}
	print_part(evidence, "rows", "What it counted until it slept:");
	print_part(evidence, "groups", "By container, with those who ended:");
	print_part(evidence, "records", "What happened first:");
}

static int ask(struct client *client, const struct options *options)
{
	const struct json_node *answer, *records;
	int status = EXIT_DONE;
	struct buf path;

	buf_init(&path, LINE_BYTES);
	buf_f(&path, "/v1/records/evidence?source=recent&order=desc&limit=%ld",
	      options->rows ? options->rows : (long)LISTED);
	if (options->words) {
		struct buf filter;

		buf_init(&filter, LINE_BYTES);
		buf_f(&filter, "evidence = \"%s\"", options->word[0]);
		buf_str(&path, "&filter=");
		url_encode(&path, buf_text(&filter));
		buf_done(&filter);
	}
	answer = client_get(client, buf_text(&path), &status);
	buf_done(&path);
	records = answer ? json_get(answer, "records") : NULL;
	if (!records)
		return status;
	if (options->words && !records->child) {
		log_error("there is no evidence '%s'; 'sonde evidence' lists what there is",
			  options->word[0]);
		return EXIT_FAILED;
	}
	if (options->json)
		for (const struct json_node *record = records->child; record; record = record->next)
			client_print(record);
	else if (options->words)
		print_one(records->child);
	else
		print_list(records);
	return status;
}

int evidence_command(int argc, char **argv)
{
	struct options options;
	struct client client;
	int status = options_parse(&options, argc, argv, false, NULL);

	if (status == EXIT_DONE)
		status = client_open(&client, options.socket, NULL, NULL);
	if (status == EXIT_DONE) {
		status = ask(&client, &options);
		client_close(&client);
	}
	options_done(&options);
	return status;
}
