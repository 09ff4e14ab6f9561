// SPDX-License-Identifier: GPL-2.0-only
/* alerts - `sonde alerts`: what is wrong now, by which rules, and whether files of rules are right. */
#include "cli/alerts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/rules.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/table.h"
#include "main/run.h"

enum { PROBLEMS_BYTES = 1 << 20, USUAL_INTERVAL_MS = 60000 };

/* ---- what is wrong now ---- */

/* Texts come from rules and labels: no escape reaches the terminal. */
static void print_line(const char *before, const char *text)
{
	if (!text || !*text)
		return;
	printf("%s", before);
	for (; *text; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
	putchar('\n');
}

static void print_since(const char *active_at)
{
	uint64_t now_ns = clock_wall_ns(), since_ns;
	struct buf text;

	if (!active_at || !time_parse(span_of(active_at), now_ns, &since_ns) || since_ns > now_ns)
		return;
	buf_init(&text, 64);
	print_duration(&text, floor((double)(now_ns - since_ns) / 1e9) * 1e9);
	printf(" for %s", buf_text(&text));
	buf_done(&text);
}

static void print_alert(const struct json_node *alert)
{
	const struct json_node *labels = json_get(alert, "labels"),
			       *texts = json_get(alert, "annotations");
	const char *severity = json_get_text(labels, "severity"),
		   *state = json_get_text(alert, "state");
	const char *name = json_get_text(labels, "alertname"),
		   *summary = json_get_text(texts, "summary");

	printf("%s%s%s", state ? state : "", severity ? ", " : "", severity ? severity : "");
	print_since(json_get_text(alert, "activeAt"));
	print_line(": ", name);
	print_line("  ", summary);
	print_line("  ", json_get_text(texts, "description"));
	print_line("  do: ", json_get_text(texts, "action"));
	for (const struct json_node *label = labels ? labels->child : NULL; label && !summary;
	     label = label->next) {
		printf("  %s", (const char *)label->key.at);
		print_line(" = ", (const char *)label->text.at);
	}
}

static int show_alerts(struct client *client, const struct options *options)
{
	static const char *const states[] = {"firing", "pending"};
	const struct json_node *answer, *list;
	int status = EXIT_DONE;
	size_t shown = 0;

	answer = client_get(client, "/api/v1/alerts", &status);
	list = json_get(json_get(answer, "data"), "alerts");
	for (size_t i = 0; i < 2; i++)
		for (const struct json_node *alert = list ? list->child : NULL; alert;
		     alert = alert->next) {
			const char *state = json_get_text(alert, "state");

			if (!state || strcmp(state, states[i]) != 0)
				continue;
			if (options->json)
				client_print(alert);
			else
				print_alert(alert);
			shown++;
		}
	if (answer && !shown && !options->json)
		printf("nothing is wrong that a rule knows of\n");
	return status;
}

/* ---- rules ---- */

static void add_rule(struct table *table, const struct json_node *group,
		     const struct json_node *rule)
{
	const struct json_node *alerts = json_get(rule, "alerts"),
			       *seconds = json_get(rule, "evaluationTime");
	const char *state = json_get_text(rule, "state"), *error = json_get_text(rule, "lastError");
	double cost = 0;
	unsigned count = 0;

	for (const struct json_node *alert = alerts ? alerts->child : NULL; alert;
	     alert = alert->next)
		count++;
	json_node_double(seconds, &cost);
	table_cell(table, span_of(json_get_text(group, "name")));
	table_cell(table, span_of(json_get_text(rule, "name")));
	table_cell(table, span_of(error ? "error" : state ? state : "recorded"));
	table_cell_f(table, "%u", count);
	table_cell_f(table, "%.1f ms", cost * 1000);
	table_cell(table, span_of(error ? error : (const char *)json_get_text(rule, "query")));
}

static int show_rules(struct client *client, const struct options *options)
{
	static const char *const heads[] = {"group", "rule", "state", "alerts", "cost", "asks"};
	const struct json_node *answer, *groups;
	int status = EXIT_DONE;
	struct table table;

	answer = client_get(client, "/api/v1/rules", &status);
	groups = json_get(json_get(answer, "data"), "groups");
	table_init(&table);
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		table.right[i] = i == 3 || i == 4;
		table_head(&table, heads[i]);
	}
	for (const struct json_node *group = groups ? groups->child : NULL; group;
	     group = group->next) {
		const struct json_node *rules = json_get(group, "rules");

		for (const struct json_node *rule = rules ? rules->child : NULL; rule;
		     rule = rule->next)
			if (options->json)
				client_print(rule);
			else
				add_rule(&table, group, rule);
	}
	if (answer && !options->json)
		table_print(&table, terminal_width());
	table_done(&table);
	return status;
}

/* ---- files of rules ---- */

static int check_files(const struct options *options)
{
	struct rules *rules = rules_new();
	size_t wrong = 0;
	struct buf problems;

	if (!rules)
		return EXIT_FAILED;
	if (options->words < 2) {
		log_error("usage: sonde alerts check FILE|DIR...");
		rules_free(rules);
		return EXIT_USAGE;
	}
	buf_init(&problems, PROBLEMS_BYTES);
	for (size_t i = 1; i < options->words; i++)
		wrong += rules_load(rules, options->word[i], USUAL_INTERVAL_MS, &problems);
	fputs(buf_text(&problems), stderr);
	printf("%zu rule%s in %zu group%s, %zu wrong\n", rules->count, rules->count == 1 ? "" : "s",
	       rules->groups, rules->groups == 1 ? "" : "s", wrong);
	buf_done(&problems);
	rules_free(rules);
	return wrong ? EXIT_FAILED : EXIT_DONE;
}

static int show(const struct options *options)
{
	struct client client;
	int status = client_open(&client, options->socket, NULL, NULL);

	if (status == EXIT_DONE)
		status = options->words ? show_rules(&client, options)
					: show_alerts(&client, options);
	client_close(&client);
	return status;
}

int alerts_command(int argc, char **argv)
{
	struct options options;
	int status = options_parse(&options, argc, argv, false, NULL);

	if (status == EXIT_DONE && options.words && !strcmp(options.word[0], "check"))
		status = check_files(&options);
	else if (status == EXIT_DONE && options.words &&
		 (strcmp(options.word[0], "rules") != 0 || options.words > 1)) {
		log_error(
			"usage: sonde alerts [rules | check FILE|DIR...]; see sonde alerts --help");
		status = EXIT_USAGE;
	} else if (status == EXIT_DONE) {
		status = show(&options);
	}
	options_done(&options);
	return status;
}
