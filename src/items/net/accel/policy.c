// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy - whom the configuration wants accelerated: a list of rules, at most 64.
 *
 *	policy:
 *	  - select: "namespace = shop and exe ~ envoy"    # who: the columns of a process; left out = everybody
 *	    labels: {app: web, tier: [front, back]}       # of its pod: all of them, one of the values
 *	    port: [15001, 15006]                          # either end; left out = any
 *	    trust: true                                   # also executables that preflight has no verdict of
 *	    pod_to_pod: true                              # also between network namespaces, when both ends are selected;
 *	                                                  # forced: where a CNI enforces policies, too
 *
 * Each rule is a bit. Whom it selects is decided here, once a second for each program in each control group; what
 * the programs in the kernel look at are the bits of both ends.
 */
#include "items/net/accel/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"

struct policy accel_policy;

static struct layout layout;

const struct layout *policy_layout(void)
{
	struct err why;

	if (!layout.number) {
		layout_begin(&layout, WHO_OF_PID);
		layout_add(&layout, "local_port", UNIT_NONE, "a port of the connection", &why);
		layout_add(&layout, "remote_port", UNIT_NONE, "a port of the connection", &why);
	}
	return &layout;
}

static int add_port(struct rule *rule, uint64_t port, struct err *why)
{
	if (!port || port > UINT16_MAX)
		return err_set(why, -EINVAL, "a port is 1 to 65535, not %llu",
			       (unsigned long long)port);
	if (rule->ports == RULE_PORTS)
		return err_set(why, -E2BIG, "a rule names at most %d ports", RULE_PORTS);
	rule->port[rule->ports++] = (uint16_t)port;
	return 0;
}

static int read_ports(const struct json_node *node, struct rule *rule, struct err *why)
{
	const struct json_node *one = node->type == JSON_ARRAY ? node->child : node;
	int error = 0;

	for (; one && !error; one = node->type == JSON_ARRAY ? one->next : NULL) {
		uint64_t port;

		if (!json_node_u64(one, &port))
			return err_set(why, -EINVAL, "'port' is a number or a list of numbers");
		error = add_port(rule, port, why);
	}
	return error;
}

static int read_truth(const struct json_node *node, bool *ret_truth, struct err *why)
{
	if (node->type != JSON_BOOL)
		return err_set(why, -EINVAL, "'%.*s' is true or false", (int)node->key.len,
			       (const char *)node->key.at);
	*ret_truth = node->truth;
	return 0;
}

static int add_label(struct rule *rule, struct span name, struct span value, uint32_t number,
		     struct err *why)
{
	if (rule->labels == RULE_LABELS)
		return err_set(why, -E2BIG, "a rule names at most %d values of labels",
			       RULE_LABELS);
	if (asprintf(&rule->label[rule->labels].text, ",%.*s=%.*s,", (int)name.len,
		     (const char *)name.at, (int)value.len, (const char *)value.at) < 0)
		return err_set(why, -ENOMEM, "out of memory");
	rule->label[rule->labels++].name = number;
	return 0;
}

static int read_label(const struct json_node *node, struct rule *rule, uint32_t number,
		      struct err *why)
{
	const struct json_node *value = node->type == JSON_ARRAY ? node->child : node;
	int error = 0;

	if (!value)
		return err_set(why, -EINVAL, "'labels': '%.*s' has no values", (int)node->key.len,
			       (const char *)node->key.at);
	for (; value && !error; value = node->type == JSON_ARRAY ? value->next : NULL) {
		if (value->type != JSON_TEXT)
			return err_set(why, -EINVAL,
				       "'labels': the value of '%.*s' is a text, or a list of "
				       "texts; put \"...\" around it",
				       (int)node->key.len, (const char *)node->key.at);
		error = add_label(rule, node->key, value->text, number, why);
	}
	return error;
}

static int read_labels(const struct json_node *node, struct rule *rule, struct err *why)
{
	uint32_t number = 0;
	int error = 0;

	if (node->type != JSON_OBJECT)
		return err_set(why, -EINVAL, "'labels' names labels of pods: {app: web}");
	for (const struct json_node *label = node->child; label && !error; label = label->next)
		error = read_label(label, rule, number++, why);
	return error;
}

static int read_across(const struct json_node *node, struct rule *rule, struct err *why)
{
	rule->forced = node->type == JSON_TEXT && span_is(node->text, "forced");
	rule->across = rule->forced || (node->type == JSON_BOOL && node->truth);
	if (!rule->across && node->type != JSON_BOOL)
		return err_set(why, -EINVAL, "'pod_to_pod' is true, false or forced");
	return 0;
}

/* `port = 8080` within a select is the same as `port: 8080` beside it. */
static int take_port_of_select(struct rule *rule, struct err *why)
{
	struct span text;
	double port;

	if (rule->select && filter_requires(rule->select, "port", &text) &&
	    parse_quantity(text, &port))
		return add_port(rule, (uint64_t)port, why);
	return 0;
}

static int read_select(const struct json_node *node, struct rule *rule, struct err *why)
{
	const struct layout *layouts[] = {policy_layout()};
	int error;

	if (node->type != JSON_TEXT)
		return err_set(why, -EINVAL, "'select' is a filter: \"namespace = shop\"");
	error = filter_parse(node->text, &rule->select, why);
	if (!error && rule->select)
		error = filter_check(rule->select, layouts, 1, why);
	return error ? error : take_port_of_select(rule, why);
}

static int read_rule(const struct json_node *node, struct rule *rule, struct err *why)
{
	int error = 0;

	if (node->type != JSON_OBJECT)
		return err_set(why, -EINVAL,
			       "a rule is {select: ..., labels: ..., port: ..., trust: ..., "
			       "pod_to_pod: ...}");
	for (const struct json_node *part = node->child; part && !error; part = part->next) {
		if (span_is(part->key, "select"))
			error = read_select(part, rule, why);
		else if (span_is(part->key, "port"))
			error = read_ports(part, rule, why);
		else if (span_is(part->key, "trust"))
			error = read_truth(part, &rule->trust, why);
		else if (span_is(part->key, "pod_to_pod"))
			error = read_across(part, rule, why);
		else if (span_is(part->key, "labels"))
			error = read_labels(part, rule, why);
		else
			error = err_set(why, -EINVAL,
					"a rule has no '%.*s'; it has select, labels, port, trust, "
					"pod_to_pod",
					(int)part->key.len, (const char *)part->key.at);
	}
	return error;
}

int policy_read(const struct json_node *list, struct policy *policy, struct err *why)
{
	struct policy read = {};
	int error = 0;

	if (list && list->type != JSON_ARRAY)
		return err_set(why, -EINVAL,
			       "a policy is a list of rules: [{select: \"namespace = shop\"}]");
	for (const struct json_node *node = list ? list->child : NULL; node && !error;
	     node = node->next) {
		if (read.rules == ACCEL_RULES)
			error = err_set(why, -E2BIG, "a policy has at most %d rules", ACCEL_RULES);
		else
			error = read_rule(node, &read.rule[read.rules++], why);
	}
	if (error) {
		policy_done(&read);
		return error;
	}
	read.version = policy->version + 1;
	policy_done(policy);
	*policy = read;
	return 0;
}

void policy_done(struct policy *policy)
{
	for (uint32_t i = 0; i < policy->rules; i++) {
		filter_free(policy->rule[i].select);
		for (uint32_t n = 0; n < policy->rule[i].labels; n++)
			free(policy->rule[i].label[n].text);
	}
	policy->rules = 0;
}

/* Has its pod all labels that the rule names, each with one of the values? */
static bool has_labels(const struct rule *rule, struct span labels)
{
	uint32_t i = 0;

	while (i < rule->labels) {
		uint32_t name = rule->label[i].name;
		bool found = false;

		for (; i < rule->labels && rule->label[i].name == name; i++)
			found |= labels.len && memmem(labels.at, labels.len, rule->label[i].text,
						      strlen(rule->label[i].text));
		if (!found)
			return false;
	}
	return true;
}

uint64_t policy_select(const struct policy *policy, const struct who *who, struct arena *arena)
{
	struct record record;
	uint64_t selected = 0;
	int port = layout_find(policy_layout(), span_of("local_port"));

	arena_clear(arena);
	record_begin(&record, policy_layout(), "accel", "rule", 0, NULL);
	if (record_set_who(&record, who, WHO_OF_PID, arena))
		return 0;
	for (uint32_t i = 0; i < policy->rules; i++) {
		const struct rule *rule = &policy->rule[i];

		/* which ports there are the kernel half looks at */
		record.value[port] = rule->ports ? value_u64(rule->port[0]) : (struct value){};
		if (has_labels(rule, who->labels) && filter_match(rule->select, &record))
			selected |= 1ull << i;
	}
	return selected;
}
