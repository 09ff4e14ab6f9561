// SPDX-License-Identifier: GPL-2.0-only
/* api - health, metrics, status, configuration: what the agent says when it is asked. */
#include <errno.h>

#include "serve/route.h"

void handle_health(struct request *request)
{
	struct buf body;

	buf_init(&body, 16);
	buf_str(&body, "ok\n");
	answer(request, 200, "text/plain; charset=utf-8", NULL, &body);
}

void handle_ready(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	struct err why = {};
	struct buf body;

	if (api->ready && !api->ready(api->ctx, &why)) {
		answer_error(request, 503, why.text[0] ? why.text : "data does not flow yet",
			     "ask again in a moment");
		return;
	}
	buf_init(&body, 16);
	buf_str(&body, "ok\n");
	answer(request, 200, "text/plain; charset=utf-8", NULL, &body);
}

void handle_metrics(struct request *request)
{
	const struct agent_api *api = request->serve->api;
	const char *format = request_text(request, "format");
	bool openmetrics = format ? !strcmp(format, "openmetrics")
				  : http_wants_openmetrics(http_field(request->http, "Accept"));
	struct err why = {};
	struct buf body;

	if (!api->metrics) {
		handle_later(request);
		return;
	}
	buf_init(&body, ANSWER_BYTES);
	if (api->metrics(api->ctx, openmetrics, &body, &why) < 0) {
		buf_done(&body);
		answer_why(request, &why);
		return;
	}
	answer(request, 200,
	       openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			   : "text/plain; version=0.0.4; charset=utf-8",
	       NULL, &body);
}

/* One JSON value from the agent is the whole answer. */
static void answer_with(struct request *request,
			int (*ask)(void *ctx, struct json *out, struct err *why))
{
	struct buf body;
	struct json json = {.out = &body};
	struct err why = {};

	if (!ask) {
		handle_later(request);
		return;
	}
	buf_init(&body, ANSWER_BYTES);
	if (ask(request->serve->api->ctx, &json, &why) < 0) {
		buf_done(&body);
		answer_why(request, &why);
		return;
	}
	answer_json(request, 200, &body);
}

void handle_status(struct request *request)
{
	answer_with(request, request->serve->api->status);
}

void handle_self(struct request *request)
{
	answer_with(request, request->serve->api->self);
}

void handle_features(struct request *request)
{
	answer_with(request, request->serve->api->features);
}

void handle_caps(struct request *request)
{
	answer_with(request, request->serve->api->caps);
}

void handle_config(struct request *request)
{
	answer_with(request, request->serve->api->config);
}

void handle_reload(struct request *request)
{
	answer_with(request, request->serve->api->reload);
}

void handle_openapi(struct request *request)
{
	struct buf body;
	struct json json = {.out = &body};

	buf_init(&body, ANSWER_BYTES);
	openapi_write(request->serve->options.version, &json);
	answer_json(request, 200, &body);
}

void handle_later(struct request *request)
{
	answer_error(request, 501, "this version of sonde does not do that yet",
		     "see CHANGELOG.md for what each version brings");
}
