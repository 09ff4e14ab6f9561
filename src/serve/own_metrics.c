// SPDX-License-Identifier: GPL-2.0-only
/* own_metrics - what the server counts about itself, as families for /metrics. */
#include "serve/own_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "serve/route.h"

enum { ANSWERS_MAX = 1024 }; /* route, method and status that occurred together */

enum own {
	OWN_REQUESTS,
	OWN_CONNECTIONS,
	OWN_ACCEPTED,
	OWN_REFUSED,
	OWN_SENT,
	OWN_QUEUED,
	OWN_STREAMS,
	OWN_STREAMED,
	OWN_COUNT,
};

static const struct metric descriptions[OWN_COUNT] = {
	[OWN_REQUESTS] = {.name = "sonde_api_requests_total",
			  .type = METRIC_COUNTER,
			  .scale = 1,
			  .help = "Requests answered, by path, method and status"},
	[OWN_CONNECTIONS] = {.name = "sonde_api_connections",
			     .type = METRIC_GAUGE,
			     .scale = 1,
			     .help = "Connections of API clients that are open"},
	[OWN_ACCEPTED] = {.name = "sonde_api_accepted_total",
			  .type = METRIC_COUNTER,
			  .scale = 1,
			  .help = "Connections of API clients that came"},
	[OWN_REFUSED] = {.name = "sonde_api_refused_total",
			 .type = METRIC_COUNTER,
			 .scale = 1,
			 .help = "Clients and requests turned away, and records that live streams "
				 "were too slow for"},
	[OWN_SENT] = {.name = "sonde_api_sent_bytes_total",
		      .type = METRIC_COUNTER,
		      .scale = 1,
		      .unit = "bytes",
		      .help = "Bytes sent to API clients"},
	[OWN_QUEUED] = {.name = "sonde_api_queued_bytes",
			.type = METRIC_GAUGE,
			.scale = 1,
			.unit = "bytes",
			.help = "Bytes of answers that wait for their clients"},
	[OWN_STREAMS] = {.name = "sonde_api_streams",
			 .type = METRIC_GAUGE,
			 .scale = 1,
			 .help = "Live streams that are open"},
	[OWN_STREAMED] = {.name = "sonde_api_stream_records_total",
			  .type = METRIC_COUNTER,
			  .scale = 1,
			  .help = "Records sent to live streams"},
};

static const char *const refusals[REFUSALS] = {
	[REFUSED_FULL] = "full",       [REFUSED_EVICTED] = "evicted", [REFUSED_TIMEOUT] = "timeout",
	[REFUSED_STALLED] = "stalled", [REFUSED_BAD] = "bad",         [REFUSED_LIMIT] = "limit",
	[REFUSED_AUTH] = "auth",       [REFUSED_SLOW] = "slow",
};

struct answer_key {
	int16_t route; /* index, -1 = none fitted */
	uint16_t method, status, pad;
};

struct own_metrics {
	struct family *family[OWN_COUNT];
	struct map answers; /* struct answer_key -> uint64_t */
};

struct own_metrics *own_metrics_new(void)
{
	struct own_metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	map_init(&metrics->answers, sizeof(struct answer_key), sizeof(uint64_t), ANSWERS_MAX);
	for (int i = 0; i < OWN_COUNT; i++) {
		metrics->family[i] = family_new(&descriptions[i], ANSWERS_MAX);
		if (!metrics->family[i]) {
			own_metrics_free(metrics);
			return NULL;
		}
	}
	return metrics;
}

void own_metrics_free(struct own_metrics *metrics)
{
	if (!metrics)
		return;
	for (int i = 0; i < OWN_COUNT; i++)
		if (metrics->family[i])
			family_free(metrics->family[i]);
	map_done(&metrics->answers);
	free(metrics);
}

void count_answer(struct serve *serve, const struct route *route, enum http_method method,
		  int status)
{
	struct answer_key key = {
		.route = (int16_t)(route ? route - routes : -1),
		.method = (uint16_t)method,
		.status = (uint16_t)status,
	};
	uint64_t *count = map_put(&serve->metrics->answers, &key, NULL);

	if (count)
		++*count;
}

static void add(struct serve *serve, enum own own, const char *name, const char *value,
		double number)
{
	struct label label = {name, span_of(value)};

	family_add(serve->metrics->family[own], &label, name ? 1 : 0, number);
}

static void add_answers(struct serve *serve)
{
	const void *at_key;
	void *at_value;

	for (size_t i = 0; map_next(&serve->metrics->answers, &i, &at_key, &at_value);) {
		const struct answer_key *key = at_key;
		struct label labels[3];
		char status[8];

		snprintf(status, sizeof(status), "%u", key->status);
		labels[0] = (struct label){
			"path", span_of(key->route >= 0 ? routes[key->route].path : "other")};
		labels[1] = (struct label){
			"method", span_of(http_method_name((enum http_method)key->method))};
		labels[2] = (struct label){"status", span_of(status)};
		family_add(serve->metrics->family[OWN_REQUESTS], labels, 3,
			   (double)*(uint64_t *)at_value);
	}
}

size_t serve_families(struct serve *serve, struct family *const **ret_families)
{
	struct own_metrics *metrics = serve->metrics;

	for (int i = 0; i < OWN_COUNT; i++)
		family_begin(metrics->family[i]);
	add_answers(serve);
	for (size_t i = 0; i < serve->listeners; i++)
		add(serve, OWN_CONNECTIONS, "listener", serve->listener[i]->name,
		    (double)serve->listener[i]->count);
	for (int i = 0; i < REFUSALS; i++)
		add(serve, OWN_REFUSED, "reason", refusals[i], (double)serve->refused[i]);
	add(serve, OWN_ACCEPTED, NULL, NULL, (double)serve->accepted);
	add(serve, OWN_SENT, NULL, NULL, (double)serve->sent_bytes);
	add(serve, OWN_QUEUED, NULL, NULL, (double)serve->queued);
	add(serve, OWN_STREAMS, NULL, NULL, (double)serve->streams);
	add(serve, OWN_STREAMED, NULL, NULL, (double)serve->records_streamed);
	for (int i = 0; i < OWN_COUNT; i++)
		family_end(metrics->family[i], clock_monotonic_ns());
	*ret_families = metrics->family;
	return OWN_COUNT;
}
