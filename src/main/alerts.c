// SPDX-License-Identifier: GPL-2.0-only
/* alerts - the agent's alerts: which rules there are, who is told, and what is said about it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "main/agent_private.h"

enum { PROBLEMS_BYTES = 64 * 1024, LIST_MAX = 64 };

extern const char default_rules[], default_rules_end[];

static void say_problems(const struct buf *problems)
{
	struct span rest = buf_as_span(problems);

	while (rest.len) {
		const uint8_t *end = memchr(rest.at, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.at) : rest.len;

		log_warn("this rule is left out: %.*s", (int)len, (const char *)rest.at);
		rest = span_from(rest, len + 1);
	}
}

/* Rules that are wrong are said and left out; the others serve. NULL on no memory. */
static struct rules *load_rules(const struct agent *agent)
{
	int64_t interval_ms = (int64_t)(config_number(agent->config, "alerts.interval") / 1000000);
	struct rules *rules = rules_new();
	const char *path;
	struct buf problems;

	if (!rules)
		return NULL;
	buf_init(&problems, PROBLEMS_BYTES);
	if (config_bool(agent->config, "alerts.defaults"))
		rules_read(rules, "(built in)",
			   (struct span){(const uint8_t *)default_rules,
					 (size_t)(default_rules_end - default_rules)},
			   interval_ms, &problems);
	for (size_t i = 0; i < LIST_MAX && (path = config_list(agent->config, "alerts.rules", i));
	     i++)
		rules_load(rules, path, interval_ms, &problems);
	say_problems(&problems);
	buf_done(&problems);
	return rules;
}

static void fill_list(const struct agent *agent, const char *key, const char *list[LIST_MAX + 1])
{
	for (size_t i = 0; i < LIST_MAX && (list[i] = config_list(agent->config, key, i)); i++)
		;
}

int watch_start(struct agent *agent, struct err *why)
{
	const char *webhooks[LIST_MAX + 1] = {}, *alertmanagers[LIST_MAX + 1] = {};
	const struct alerts_options options = {
		.loop = agent->loop,
		.history = agent->history,
		.stream = agent->stream,
		.resolver = world_resolver(agent->world),
		.external_url = config_text(agent->config, "alerts.url"),
		.webhooks = webhooks,
		.alertmanagers = alertmanagers,
	};
	struct rules *rules;

	if (!agent->history || !config_bool(agent->config, "alerts.on"))
		return 0;
	fill_list(agent, "alerts.webhook", webhooks);
	fill_list(agent, "alerts.alertmanager", alertmanagers);
	rules = load_rules(agent);
	if (!rules)
		return err_set(why, -ENOMEM, "cannot watch for alerts: out of memory");
	return alerts_new(&options, rules, &agent->alerts, why);
}

void watch_reload(struct agent *agent)
{
	struct rules *rules;
	struct err why = {};

	if (!agent->alerts && config_bool(agent->config, "alerts.on")) {
		if (watch_start(agent, &why))
			log_warn("%s", why.text);
		agent->api.alerts = agent->alerts;
		return;
	}
	/* switched off: there are no rules then, and what fires is resolved */
	rules = !agent->alerts                            ? NULL
		: config_bool(agent->config, "alerts.on") ? load_rules(agent)
							  : rules_new();
	if (rules)
		alerts_reload(agent->alerts, rules);
}

void watch_status(struct agent *agent, struct json *out)
{
	if (!agent->alerts)
		return;
	json_key(out, "alerts");
	alerts_status_json(agent->alerts, out);
}
