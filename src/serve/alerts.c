// SPDX-License-Identifier: GPL-2.0-only
/* alerts - /api/v1/rules, alerts, alertmanagers: in the shapes of Prometheus 2.42. An agent that watches for nothing has none. */
#include "alert/alert.h"

#include "serve/route.h"

struct answering {
	struct buf body;
	struct json json;
};

static struct json *begin(struct answering *answering)
{
	buf_init(&answering->body, ANSWER_BYTES);
	answering->json = (struct json){.out = &answering->body};
	json_object(&answering->json);
	json_key_str(&answering->json, "status", "success");
	json_key(&answering->json, "data");
	return &answering->json;
}

static void end(struct request *request, struct answering *answering)
{
	json_object_end(&answering->json);
	answer_json(request, 200, &answering->body);
}

static void empty_lists(struct json *json, const char *first, const char *second)
{
	json_object(json);
	json_key(json, first);
	json_array(json);
	json_array_end(json);
	if (second) {
		json_key(json, second);
		json_array(json);
		json_array_end(json);
	}
	json_object_end(json);
}

void handle_prom_rules(struct request *request)
{
	const struct alerts *alerts = request->serve->api->alerts;
	const char *type = request_text(request, "type");
	struct answering answering;
	struct json *json;

	if (type && strcmp(type, "alert") != 0 && strcmp(type, "record") != 0) {
		answer_error(request, 400, "'type' is neither alert nor record",
			     "leave it out for both");
		return;
	}
	json = begin(&answering);
	if (alerts)
		alerts_rules_json(alerts, type, json);
	else
		empty_lists(json, "groups", NULL);
	end(request, &answering);
}

void handle_prom_alerts(struct request *request)
{
	const struct alerts *alerts = request->serve->api->alerts;
	struct answering answering;
	struct json *json = begin(&answering);

	if (alerts)
		alerts_json(alerts, json);
	else
		empty_lists(json, "alerts", NULL);
	end(request, &answering);
}

void handle_prom_alertmanagers(struct request *request)
{
	const struct alerts *alerts = request->serve->api->alerts;
	struct answering answering;
	struct json *json = begin(&answering);

	if (alerts)
		alerts_receivers_json(alerts, json);
	else
		empty_lists(json, "activeAlertmanagers", "droppedAlertmanagers");
	end(request, &answering);
}
