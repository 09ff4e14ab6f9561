// SPDX-License-Identifier: GPL-2.0-only
/* items - `sonde items`: what is there, on, off, brought in, replaced, taken out. */
#include "cli/items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/bring.h"
#include "cli/client.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/table.h"
#include "main/run.h"

static void print_json_lines(const struct json_node *list)
{
	for (const struct json_node *node = list ? list->child : NULL; node; node = node->next)
		client_print(node);
}

static const char *text_or(const struct json_node *node, const char *key, const char *otherwise)
{
	const char *text = json_get_text(node, key);

	return text ? text : otherwise;
}

static uint64_t number_at(const struct json_node *node, const char *key)
{
	const struct json_node *number = json_get(node, key);
	uint64_t value = 0;

	if (number)
		json_node_u64(number, &value);
	return value;
}

/* Measured now and then: "-" before. */
static void double_cell(struct table *table, const struct json_node *item, const char *key, const char *format, double factor)
{
	const struct json_node *node = json_get(item, key);
	char text[32] = "-";
	double number;

	if (node && json_node_double(node, &number))
		snprintf(text, sizeof(text), format, number * factor);
	table_cell(table, span_of(text));
}

/* The chosen sections, each once: "tp_btf/sched_switch, tp_btf/sched_wakeup". */
static void hooks_cell(struct table *table, const struct json_node *item)
{
	const struct json_node *hooks = json_get(item, "hooks");
	struct buf text;

	buf_init(&text, 4096);
	for (const struct json_node *hook = hooks ? hooks->child : NULL; hook; hook = hook->next) {
		const char *section = json_get_text(hook, "section");

		if (!section || (text.len && strstr(text.at, section)))
			continue;
		buf_f(&text, "%s%s", text.len ? ", " : "", section);
	}
	if (!text.len)
		buf_str(&text, text_or(item, "reason", ""));
	table_cell(table, buf_as_span(&text));
	buf_done(&text);
}

static void print_items(const struct json_node *items)
{
	static const char *const heads[] = {"item", "wing", "state", "events/s", "lost", "ns/event", "cpu %", "series", "hooks"};
	struct table table;

	table_init(&table);
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		table_head(&table, heads[i]);
	for (size_t i = 3; i < 8; i++)
		table.right[i] = true;
	for (const struct json_node *item = items ? items->child : NULL; item; item = item->next) {
		table_cell(&table, span_of(text_or(item, "name", "?")));
		table_cell(&table, span_of(text_or(item, "wing", "")));
		table_cell(&table, span_of(text_or(item, "state", "")));
		double_cell(&table, item, "events_per_second", "%.0f", 1);
		table_cell_f(&table, "%llu", (unsigned long long)number_at(item, "lost"));
		double_cell(&table, item, "ns_per_event", "%.0f", 1);
		double_cell(&table, item, "cpu_share", "%.3f", 100);
		table_cell_f(&table, "%llu", (unsigned long long)number_at(item, "series"));
		hooks_cell(&table, item);
	}
	table_print(&table, terminal_width());
	table_done(&table);
}

static int list(struct client *client, const struct options *options)
{
	int status = EXIT_DONE;
	const struct json_node *answer = client_get(client, "/v1/items", &status);

	if (!answer)
		return status;
	if (options->json)
		print_json_lines(json_get(answer, "items"));
	else
		print_items(json_get(answer, "items"));
	return EXIT_DONE;
}

static void item_path(struct buf *path, const char *name)
{
	buf_str(path, "/v1/items/");
	url_encode(path, name);
}

static int send_change(struct client *client, const char *name, struct span body)
{
	struct err why = {};
	struct buf path;
	int status;

	buf_init(&path, 4096);
	item_path(&path, name);
	status = client_ask(client, "PATCH", buf_text(&path), body, &why);
	buf_done(&path);
	return status < 0 || status >= 400 ? client_fail(client, status, &why) : EXIT_DONE;
}

static int switch_item(struct client *client, const struct options *options, bool on)
{
	struct buf body;
	struct json json = {.out = &body};
	int status;

	if (options->words < 2) {
		log_error("usage: sonde items %s NAME%s", on ? "on" : "off", on ? " [PARAM=VALUE]..." : "");
		return EXIT_USAGE;
	}
	buf_init(&body, 1 << 20);
	json_object(&json);
	json_key_bool(&json, "on", on);
	if (options->words > 2) {
		json_key(&json, "params");
		json_object(&json);
		for (size_t i = 2; i < options->words; i++) {
			const char *equals = strchr(options->word[i], '=');

			if (!equals) {
				log_error("'%s' is no PARAM=VALUE", options->word[i]);
				buf_done(&body);
				return EXIT_USAGE;
			}
			json_span(&json, (struct span){(const uint8_t *)options->word[i],
						      (size_t)(equals - options->word[i])});
			buf_char(&body, ':');
			json.need_comma = false;
			json_str(&json, equals + 1);
		}
		json_object_end(&json);
	}
	json_object_end(&json);
	status = send_change(client, options->word[1], buf_as_span(&body));
	buf_done(&body);
	return status;
}

static int show(struct client *client, const struct options *options)
{
	const struct json_node *item;
	struct buf path;
	int status = EXIT_DONE;

	if (options->words < 2) {
		log_error("usage: sonde items show NAME");
		return EXIT_USAGE;
	}
	if (!options->json && help_is_item(options->word[1]))
		return help_item(options->word[1]);
	buf_init(&path, 4096);
	item_path(&path, options->word[1]);
	item = client_get(client, buf_text(&path), &status);
	buf_done(&path);
	if (!item)
		return status;
	buf_init(&path, 16 << 20);
	struct json json = {.out = &path};
	json_node_write(item, &json);
	puts(buf_text(&path));
	buf_done(&path);
	return EXIT_DONE;
}

static int remove_item(struct client *client, const struct options *options)
{
	struct buf path;
	struct err why = {};
	int status;

	if (options->words < 2) {
		log_error("usage: sonde items remove NAME");
		return EXIT_USAGE;
	}
	buf_init(&path, 4096);
	item_path(&path, options->word[1]);
	status = client_ask(client, "DELETE", buf_text(&path), (struct span){}, &why);
	buf_done(&path);
	return status < 0 || status >= 400 ? client_fail(client, status, &why) : EXIT_DONE;
}

static int dispatch(struct client *client, const struct options *options)
{
	const char *verb = options->words ? options->word[0] : "list";

	if (!strcmp(verb, "list"))
		return list(client, options);
	if (!strcmp(verb, "on") || !strcmp(verb, "off"))
		return switch_item(client, options, !strcmp(verb, "on"));
	if (!strcmp(verb, "show"))
		return show(client, options);
	if (!strcmp(verb, "add"))
		return bring_add(client, options);
	if (!strcmp(verb, "upgrade"))
		return bring_upgrade(client, options);
	if (!strcmp(verb, "remove"))
		return remove_item(client, options);
	log_error("there is no 'sonde items %s'; see sonde items --help", verb);
	return EXIT_USAGE;
}

int items_command(int argc, char **argv)
{
	struct options options;
	struct client client;
	int status = options_parse(&options, argc, argv, false, NULL);

	if (status != EXIT_DONE) {
		options_done(&options);
		return status;
	}
	if (options.words && !strcmp(options.word[0], "check")) {
		status = bring_check(&options);
		options_done(&options);
		return status;
	}
	/* without an agent the list is what could run here: one with nothing on tells it */
	status = client_open(&client, options.socket, options.words ? NULL : "", NULL);
	if (status == EXIT_DONE)
		status = dispatch(&client, &options);
	client_close(&client);
	options_done(&options);
	return status;
}
