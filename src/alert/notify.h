/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * notify - who shall know of alerts: webhooks and Alertmanagers, each with a queue of its own.
 *
 * offered = accepted + refused; accepted = delivered + queued + expired. A queue has NOTIFY_QUEUE places; the oldest gives way
 * (expired). What could not be sent is tried again after 1 s, 2 s, 4 s ... 60 s, for at most 15 minutes. An Alertmanager gets what fires
 * again every minute, with the time until which that holds, so that alerts of an agent that died end by themselves.
 */
#pragma once

#include "alert/post.h"
#include "base/json.h"
#include "store/series.h"

struct notifier;
struct family;

enum {
	NOTIFY_QUEUE = 1024, /* notices that wait, for one receiver */
	NOTIFY_RECEIVERS = 16,
	NOTIFY_BATCH = 64, /* notices in one request */
	NOTIFY_KEPT_S = 900,
	NOTIFY_AGAIN_S = 60, /* Alertmanagers are told again */
};

struct notice {
	const struct store_label *label, *annotation;
	size_t labels, annotations;
	uint64_t hash; /* of the labels */
	uint64_t starts_ns, ends_ns; /* wall clock; ends_ns 0 = it goes on */
	uint64_t
		holds_until_ns; /* of those that go on: when nothing is heard until then, it is over */
	bool is_change; /* and not only said again */
};

int notifier_new(struct event_base *loop, const char *external_url, const char *const *webhooks,
		 const char *const *alertmanagers, struct notifier **ret_notifier, struct err *why);
void notifier_free(struct notifier *notifier);
/* Is there anybody to tell? */
bool notifier_has_receivers(const struct notifier *notifier);
void notify(struct notifier *notifier, const struct notice *notice);
/* Sends what waits; called when all notices of one answer are in. */
void notify_flush(struct notifier *notifier);

struct notify_flow {
	char url[POST_URL_SHOWN]; /* without password and query */
	bool is_alertmanager;
	uint64_t offered, accepted, refused, delivered, expired, queued, failures;
	char trouble[200]; /* why the last request failed; empty when it did not */
};
/* False behind the last receiver. */
bool notifier_flow(const struct notifier *notifier, size_t i, struct notify_flow *ret_flow);
