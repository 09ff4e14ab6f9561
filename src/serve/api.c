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

/* ---- metrics ---- */

enum { METRICS_WINDOW_MS = 1000, METRICS_SHARE_MS = 400 };

void metrics_forget(struct serve *serve, uint64_t now_ns)
{
	struct metrics_cache *cache = &serve->metrics_cache;

	if (now_ns - cache->window_ns < METRICS_WINDOW_MS * MS_NS)
		return;
	for (int i = 0; i < 2; i++) {
		text_unref(cache->text[i]);
		cache->text[i] = NULL;
	}
}

static struct text *gather(struct request *request, bool openmetrics, struct err *why)
{
	const struct agent_api *api = request->serve->api;
	struct buf body;
	int error;

	buf_init(&body, ANSWER_BYTES);
	error = api->metrics(api->ctx, openmetrics, &body, why);
	if (error < 0) {
		buf_done(&body);
		return NULL;
	}
	return text_new(request->serve, &body);
}

/*
 * Each answer is fresh as long as making them takes less than METRICS_SHARE_MS in a window of METRICS_WINDOW_MS: whoever
 * asks one time after the other hardly gets there. A crowd that asks for more shares the last one of the window, so that it
 * neither keeps a scrape waiting nor the agent from reading its rings. What changes the agent begins a new one.
 */
static struct text *fresh_or_shared(struct request *request, bool openmetrics, struct err *why)
{
	struct metrics_cache *cache = &request->serve->metrics_cache;
	uint64_t from_ns = clock_monotonic_ns();
	struct text *text = cache->text[openmetrics];

	if (from_ns - cache->window_ns >= METRICS_WINDOW_MS * MS_NS) {
		cache->window_ns = from_ns;
		cache->spent_ns = 0;
	} else if (text && cache->spent_ns > METRICS_SHARE_MS * MS_NS) {
		text->references++;
		return text;
	}
	text_unref(
		text); /* before the new one is made: two at once would cost twice, and count as waiting */
	cache->text[openmetrics] = gather(request, openmetrics, why);
	cache->spent_ns += clock_monotonic_ns() - from_ns;
	if (cache->text[openmetrics])
		cache->text[openmetrics]->references++;
	return cache->text[openmetrics];
}

void handle_metrics(struct request *request)
{
	const char *format = request_text(request, "format");
	bool openmetrics = format ? !strcmp(format, "openmetrics")
				  : http_wants_openmetrics(http_field(request->http, "Accept"));
	struct err why = {};
	struct text *text;

	if (!request->serve->api->metrics) {
		handle_later(request);
		return;
	}
	text = fresh_or_shared(request, openmetrics, &why);
	if (!text) {
		if (!why.code)
			err_set(&why, -ENOMEM, "no memory for the metrics");
		answer_why(request, &why);
		return;
	}
	answer_text(request, 200,
		    openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
				: "text/plain; version=0.0.4; charset=utf-8",
		    text);
	text_unref(text);
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

void handle_processes(struct request *request)
{
	answer_with(request, request->serve->api->processes);
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
