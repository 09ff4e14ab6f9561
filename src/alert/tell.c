// SPDX-License-Identifier: GPL-2.0-only
/* tell - what is said of alerts: Prometheus' JSON, a record of each change, the agent's metrics. In the loop. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "alert/inside.h"
#include "base/clock.h"

enum { RECORD_ARENA = 128 * 1024, TEXT_BYTES = 64 * 1024 };

/* ---- JSON ---- */

static void write_time(struct json *json, const char *name, uint64_t ns)
{
	char text[TIME_TEXT];

	time_print(ns, 9, text);
	json_key_str(json, name,
		     ns ? text : "0001-01-01T00:00:00Z"); /* Go's time that is not set */
}

/* As strconv.FormatFloat(value, 'e', -1, 64): 1e+00 */
static void write_value(struct json *json, double value)
{
	char text[40];

	if (isnan(value) || isinf(value)) {
		json_key_str(json, "value", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 0; digits < 18; digits++) {
		snprintf(text, sizeof(text), "%.*e", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	json_key_str(json, "value", text);
}

static void write_alert(const struct alert *alert, struct json *json)
{
	json_object(json);
	json_key(json, "labels");
	texts_json(alert->labels->at, alert->labels->count, json);
	json_key(json, "annotations");
	texts_json(alert->annotations->at, alert->annotations->count, json);
	json_key_str(json, "state", alert_state_name(alert->state));
	write_time(json, "activeAt", alert->active_ns);
	write_value(json, alert->value);
	json_object_end(json);
}

static bool is_active(const struct alert *alert)
{
	return alert->state == ALERT_PENDING || alert->state == ALERT_FIRING;
}

static void write_alerts(const struct rule_state *state, struct json *json)
{
	json_array(json);
	for (const struct alert *alert = state->first; alert; alert = alert->next)
		if (is_active(alert))
			write_alert(alert, json);
	json_array_end(json);
}

static void write_pairs(struct json *json, const char *name, const struct rule_pair *pair,
			size_t count)
{
	struct store_label label[RULE_PAIRS];

	for (size_t i = 0; i < count; i++)
		label[i] = (struct store_label){pair[i].name, pair[i].text};
	json_key(json, name);
	texts_json(label, count, json);
}

static enum alert_state state_of(const struct rule_state *state)
{
	enum alert_state most = ALERT_INACTIVE;

	for (const struct alert *alert = state->first; alert; alert = alert->next)
		if (is_active(alert) && alert->state > most)
			most = alert->state;
	return most;
}

static void write_rule(const struct rule *rule, const struct rule_state *state, struct json *json)
{
	json_object(json);
	if (!rule->is_record)
		json_key_str(json, "state", alert_state_name(state_of(state)));
	json_key_str(json, "name", rule->name);
	json_key(json, "query");
	json_span(json, rule->expr);
	if (!rule->is_record) {
		json_key_double(json, "duration", (double)rule->for_ms / 1000);
		json_key_double(json, "keepFiringFor", (double)rule->keep_firing_ms / 1000);
	}
	write_pairs(json, "labels", rule->label, rule->labels);
	if (!rule->is_record) {
		write_pairs(json, "annotations", rule->annotation, rule->annotations);
		json_key(json, "alerts");
		write_alerts(state, json);
	}
	json_key_str(json, "health", state->error ? "err" : state->asked_ns ? "ok" : "unknown");
	if (state->error)
		json_key_str(json, "lastError", state->error);
	json_key_double(json, "evaluationTime", state->seconds);
	write_time(json, "lastEvaluation", state->asked_ns);
	json_key_str(json, "type", rule->is_record ? "recording" : "alerting");
	json_object_end(json);
}

static void write_group(const struct rule_group *group, const struct group_state *state,
			const char *type, struct json *json)
{
	json_object(json);
	json_key_str(json, "name", group->name);
	json_key_str(json, "file", group->file);
	json_key(json, "rules");
	json_array(json);
	for (size_t i = 0; i < group->rules; i++)
		if (!type || !strcmp(type, group->rule[i].is_record ? "record" : "alert"))
			write_rule(&group->rule[i], &state->rule[i], json);
	json_array_end(json);
	json_key_double(json, "interval", (double)group->interval_ms / 1000);
	json_key_u64(json, "limit", group->limit);
	json_key_double(json, "evaluationTime", state->seconds);
	write_time(json, "lastEvaluation", state->asked_ns);
	json_object_end(json);
}

void alerts_rules_json(const struct alerts *alerts, const char *type, struct json *json)
{
	json_object(json);
	json_key(json, "groups");
	json_array(json);
	for (size_t i = 0; i < alerts->rules->groups; i++)
		write_group(&alerts->rules->group[i], &alerts->group[i], type, json);
	json_array_end(json);
	json_object_end(json);
}

void alerts_json(const struct alerts *alerts, struct json *json)
{
	json_object(json);
	json_key(json, "alerts");
	json_array(json);
	for (size_t i = 0; i < alerts->rules->groups; i++)
		for (size_t k = 0; k < alerts->rules->group[i].rules; k++)
			for (const struct alert *alert = alerts->group[i].rule[k].first; alert;
			     alert = alert->next)
				if (is_active(alert))
					write_alert(alert, json);
	json_array_end(json);
	json_object_end(json);
}

void alerts_receivers_json(const struct alerts *alerts, struct json *json)
{
	struct notify_flow flow;

	json_object(json);
	json_key(json, "activeAlertmanagers");
	json_array(json);
	for (size_t i = 0; notifier_flow(alerts->notifier, i, &flow); i++)
		if (flow.is_alertmanager) {
			char url[POST_URL_SHOWN + 20];

			snprintf(url, sizeof(url), "%s/api/v2/alerts", flow.url);
			json_object(json);
			json_key_str(json, "url", url);
			json_object_end(json);
		}
	json_array_end(json);
	json_key(json, "droppedAlertmanagers");
	json_array(json);
	json_array_end(json);
	json_object_end(json);
}

/* ---- for who waits for one ---- */

static struct span text_named(const struct texts *texts, const char *name)
{
	for (uint32_t i = 0; i < texts->count; i++)
		if (span_is(texts->at[i].name, name))
			return texts->at[i].value;
	return (struct span){};
}

void alerts_firing(const struct alerts *alerts, firing_each each, void *ctx)
{
	for (size_t i = 0; i < alerts->rules->groups; i++)
		for (size_t k = 0; k < alerts->rules->group[i].rules; k++)
			for (const struct alert *alert = alerts->group[i].rule[k].first; alert;
			     alert = alert->next) {
				struct firing_alert firing = {
					.name = span_of(alerts->rules->group[i].rule[k].name),
					.severity = text_named(alert->labels, "severity"),
					.summary = text_named(alert->annotations, "summary"),
				};

				if (alert->state == ALERT_FIRING && !each(ctx, &firing))
					return;
			}
}

/* ---- numbers ---- */

struct numbers {
	uint64_t alerts[ALERT_STATES], records, alerting, failing;
};

static struct numbers count_all(const struct alerts *alerts)
{
	struct numbers numbers = {};

	for (size_t i = 0; i < alerts->rules->groups; i++)
		for (size_t k = 0; k < alerts->rules->group[i].rules; k++) {
			const struct rule_state *state = &alerts->group[i].rule[k];

			numbers.records += alerts->rules->group[i].rule[k].is_record;
			numbers.alerting += !alerts->rules->group[i].rule[k].is_record;
			numbers.failing += state->error != NULL;
			for (const struct alert *alert = state->first; alert; alert = alert->next)
				numbers.alerts[alert->state]++;
		}
	return numbers;
}

static void write_flow(const struct notify_flow *flow, struct json *json)
{
	json_object(json);
	json_key_str(json, "url", flow->url);
	json_key_str(json, "kind", flow->is_alertmanager ? "alertmanager" : "webhook");
	json_key_u64(json, "offered", flow->offered);
	json_key_u64(json, "accepted", flow->accepted);
	json_key_u64(json, "refused", flow->refused);
	json_key_u64(json, "delivered", flow->delivered);
	json_key_u64(json, "queued", flow->queued);
	json_key_u64(json, "expired", flow->expired);
	json_key_u64(json, "failures", flow->failures);
	if (flow->trouble[0])
		json_key_str(json, "trouble", flow->trouble);
	json_object_end(json);
}

void alerts_status_json(const struct alerts *alerts, struct json *json)
{
	struct numbers numbers = count_all(alerts);
	struct notify_flow flow;

	json_object(json);
	json_key_u64(json, "rules", numbers.alerting);
	json_key_u64(json, "recorded", numbers.records);
	json_key_u64(json, "left_out", alerts->rules->left_out);
	json_key_u64(json, "failing", numbers.failing);
	json_key_u64(json, "pending", numbers.alerts[ALERT_PENDING]);
	json_key_u64(json, "firing", numbers.alerts[ALERT_FIRING]);
	json_key_u64(json, "evaluations", alerts->asked);
	json_key(json, "receivers");
	json_array(json);
	for (size_t i = 0; notifier_flow(alerts->notifier, i, &flow); i++)
		write_flow(&flow, json);
	json_array_end(json);
	json_object_end(json);
}

static void add_flow(struct alerts *alerts, const struct notify_flow *flow)
{
	struct label labels[] = {{"receiver", span_of(flow->url)}, {"stage", {}}};
	const struct {
		const char *stage;
		uint64_t count;
	} stages[] = {{"offered", flow->offered}, {"accepted", flow->accepted},
		      {"refused", flow->refused}, {"delivered", flow->delivered},
		      {"expired", flow->expired}, {"failed", flow->failures}};

	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
		labels[1].value = span_of(stages[i].stage);
		family_add(alerts->family[ALERTS_SENT], labels, 2, (double)stages[i].count);
	}
	family_add(alerts->family[ALERTS_QUEUED], labels, 1, (double)flow->queued);
}

struct family *const *alerts_families(struct alerts *alerts, uint64_t now_ns, size_t *ret_count)
{
	static const enum alert_state shown[] = {ALERT_PENDING, ALERT_FIRING};
	struct numbers numbers = count_all(alerts);
	struct label label = {"state", {}};
	struct notify_flow flow;

	for (int i = 0; i < ALERTS_METRICS; i++)
		family_begin(alerts->family[i]);
	for (size_t i = 0; i < 2; i++) {
		label.value = span_of(alert_state_name(shown[i]));
		family_add(alerts->family[ALERTS_NUMBER], &label, 1,
			   (double)numbers.alerts[shown[i]]);
	}
	label.value = span_of("asked");
	family_add(alerts->family[ALERTS_RULES], &label, 1,
		   (double)(numbers.alerting + numbers.records));
	label.value = span_of("failing");
	family_add(alerts->family[ALERTS_RULES], &label, 1, (double)numbers.failing);
	label.value = span_of("left_out");
	family_add(alerts->family[ALERTS_RULES], &label, 1, (double)alerts->rules->left_out);
	family_add(alerts->family[ALERTS_ASKED], NULL, 0, (double)alerts->asked);
	family_add(alerts->family[ALERTS_FAILED], NULL, 0, (double)alerts->failed);
	family_add(alerts->family[ALERTS_SECONDS], NULL, 0, alerts->seconds);
	for (size_t i = 0; notifier_flow(alerts->notifier, i, &flow); i++)
		add_flow(alerts, &flow);
	for (int i = 0; i < ALERTS_METRICS; i++)
		family_end(alerts->family[i], now_ns);
	*ret_count = ALERTS_METRICS;
	return alerts->family;
}

/* ---- records ---- */

enum alert_column {
	COLUMN_ALERT,
	COLUMN_STATE,
	COLUMN_SEVERITY,
	COLUMN_SUMMARY,
	COLUMN_DESCRIPTION,
	COLUMN_ACTION,
	COLUMN_VALUE,
	COLUMN_SINCE,
	COLUMN_GROUP,
	COLUMN_LABELS,
	COLUMNS,
};

static const struct {
	const char *name;
	enum unit unit;
	const char *help;
} columns[COLUMNS] = {
	[COLUMN_ALERT] = {"alert", UNIT_TEXT, "name of the rule"},
	[COLUMN_STATE] = {"state", UNIT_TEXT,
			  "what it has become: pending, firing, resolved, inactive"},
	[COLUMN_SEVERITY] = {"severity", UNIT_TEXT, "label of the rule"},
	[COLUMN_SUMMARY] = {"summary", UNIT_TEXT, "what is wrong"},
	[COLUMN_DESCRIPTION] = {"description", UNIT_TEXT, "what it means"},
	[COLUMN_ACTION] = {"action", UNIT_TEXT, "what to do"},
	[COLUMN_VALUE] = {"value", UNIT_NONE, "what the rule's expression came to"},
	[COLUMN_SINCE] = {"since", UNIT_TIME, "when it was first found"},
	[COLUMN_GROUP] = {"group", UNIT_TEXT, "group of the rule"},
	[COLUMN_LABELS] = {"labels", UNIT_TEXT, "what tells alerts of one rule apart"},
};

const struct layout *alerts_layout(void)
{
	static struct layout layout;

	if (layout.count)
		return &layout;
	layout_begin(&layout, 0);
	for (int i = 0; i < COLUMNS; i++)
		layout_add(&layout, columns[i].name, columns[i].unit, columns[i].help, NULL);
	layout_row_kind(&layout, "alert", 0, 0);
	return &layout;
}

static struct value text_value(const struct texts *texts, const char *name)
{
	return value_text(text_named(texts, name));
}

void tell_change(struct alerts *alerts, const struct rule_group *group, const struct rule *rule,
		 const struct alert *alert, enum alert_state state)
{
	static const struct resolver nobody;
	struct record record;
	struct value *value = &record.value[LAYOUT_FIRST];
	struct buf labels;
	struct json json = {.out = &labels};

	if (!alerts->options.stream || !stream_wanted(alerts->options.stream, ALERTS_ITEM))
		return;
	buf_init(&labels, TEXT_BYTES);
	texts_json(alert->labels->at, alert->labels->count, &json);
	record_begin(&record, alerts_layout(), ALERTS_ITEM, "alert", 0,
		     alerts->options.resolver ? alerts->options.resolver : &nobody);
	value[COLUMN_ALERT] = value_str(rule->name);
	value[COLUMN_STATE] = value_str(alert_state_name(state));
	value[COLUMN_SEVERITY] = text_value(alert->labels, "severity");
	value[COLUMN_SUMMARY] = text_value(alert->annotations, "summary");
	value[COLUMN_DESCRIPTION] = text_value(alert->annotations, "description");
	value[COLUMN_ACTION] = text_value(alert->annotations, "action");
	if (isfinite(alert->value))
		value[COLUMN_VALUE] = (struct value){.kind = VALUE_DOUBLE, .real = alert->value};
	value[COLUMN_SINCE] = (struct value){.kind = VALUE_TIME, .u64 = alert->active_ns};
	value[COLUMN_GROUP] = value_str(group->name);
	if (!labels.full)
		value[COLUMN_LABELS] =
			(struct value){.kind = VALUE_JSON, .text = buf_as_span(&labels)};
	stream_publish(alerts->options.stream, &record);
	buf_done(&labels);
}
