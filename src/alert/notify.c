// SPDX-License-Identifier: GPL-2.0-only
/*
 * notify - who shall know of alerts: webhooks and Alertmanagers.
 *
 * A notice is written as JSON when it comes, since what it is about may be gone when it is sent. For an Alertmanager only the newest
 * notice of an alert counts (api/v2 takes states, not events): it takes the place of the one that waits. A webhook
 * gets every change, in order, as Alertmanager's own webhooks look (version 4).
 */
#include "alert/notify.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { NOTICE_BYTES = 64 * 1024, BODY_BYTES = 4 << 20, RETRY_S_MAX = 60 };

struct waiting {
	struct waiting *next;
	uint64_t hash;
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	bool is_resolved;
	size_t len;
	char text[]; /* JSON */
};

struct receiver {
	struct notifier *notifier;
	struct post_target target;
	bool is_alertmanager;
	struct waiting *first, *last; /* owned */
	size_t queued, sending; /* `sending`: how many of the first ones are under way */
	struct post *post; /* owned */
	struct event *retry; /* owned */
	unsigned retry_s;
	bool is_waiting; /* for another try */
	uint64_t offered, refused, delivered, expired, failures;
	char trouble[200];
};

struct notifier {
	struct poster *poster; /* owned */
	struct event_base *loop; /* borrowed */
	char *external_url; /* owned */
	struct receiver receiver[NOTIFY_RECEIVERS];
	size_t receivers;
};

static void send_next(struct receiver *receiver);

/* ---- the queue ---- */

static void drop_first(struct receiver *receiver)
{
	struct waiting *waiting = receiver->first;

	receiver->first = waiting->next;
	if (!receiver->first)
		receiver->last = NULL;
	receiver->queued--;
	free(waiting);
}

/* The place in the queue of a notice about the same alert that is not under way. */
static struct waiting **place_of(struct receiver *receiver, uint64_t hash)
{
	struct waiting **at = &receiver->first;

	for (size_t i = 0; *at; i++, at = &(*at)->next)
		if (i >= receiver->sending && (*at)->hash == hash)
			return at;
	return NULL;
}

static void append(struct receiver *receiver, struct waiting *waiting)
{
	if (receiver->queued == NOTIFY_QUEUE) {
		if (receiver->sending) { /* the first ones are under way: they are not ours to drop */
			receiver->refused++;
			free(waiting);
			return;
		}
		drop_first(receiver);
		receiver->expired++;
	}
	if (receiver->last)
		receiver->last->next = waiting;
	else
		receiver->first = waiting;
	receiver->last = waiting;
	receiver->queued++;
}

static void put(struct receiver *receiver, struct waiting *waiting)
{
	struct waiting **before =
		receiver->is_alertmanager ? place_of(receiver, waiting->hash) : NULL;

	if (!before) {
		append(receiver, waiting);
		return;
	}
	waiting->next = (*before)->next;
	if (receiver->last == *before)
		receiver->last = waiting;
	free(*before);
	*before = waiting;
	receiver->expired++; /* the older one: it will not be told any more */
}

/* ---- what is written ---- */

static void write_pairs(struct json *json, const char *name, const struct store_label *pair,
			size_t count)
{
	char key[256];

	json_key(json, name);
	json_object(json);
	for (size_t i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "%.*s", (int)pair[i].name.len,
			 (const char *)pair[i].name.at);
		json_key(json, key);
		json_span(json, pair[i].value);
	}
	json_object_end(json);
}

static void write_time(struct json *json, const char *name, uint64_t ns)
{
	char text[TIME_TEXT];

	time_print(ns, 3, text);
	json_key_str(json, name, text);
}

static void write_notice(const struct receiver *receiver, const struct notice *notice,
			 struct buf *out)
{
	struct json json = {.out = out};
	char fingerprint[17], url[512];

	snprintf(url, sizeof(url), "%.480s/alerts", receiver->notifier->external_url);
	snprintf(fingerprint, sizeof(fingerprint), "%016llx", (unsigned long long)notice->hash);
	json_object(&json);
	if (!receiver->is_alertmanager)
		json_key_str(&json, "status", notice->ends_ns ? "resolved" : "firing");
	write_pairs(&json, "labels", notice->label, notice->labels);
	write_pairs(&json, "annotations", notice->annotation, notice->annotations);
	write_time(&json, "startsAt", notice->starts_ns);
	if (notice->ends_ns)
		write_time(&json, "endsAt", notice->ends_ns);
	else if (receiver->is_alertmanager)
		write_time(&json, "endsAt", notice->holds_until_ns);
	else
		json_key_str(&json, "endsAt",
			     "0001-01-01T00:00:00Z"); /* Go's time that is not set */
	json_key_str(&json, "generatorURL", receiver->notifier->external_url[0] ? url : "");
	if (!receiver->is_alertmanager)
		json_key_str(&json, "fingerprint", fingerprint);
	json_object_end(&json);
}

static void take_notice(struct receiver *receiver, const struct notice *notice)
{
	struct waiting *waiting = NULL;
	struct buf text;

	receiver->offered++;
	buf_init(&text, NOTICE_BYTES);
	write_notice(receiver, notice, &text);
	if (!text.full)
		waiting = malloc(sizeof(*waiting) + text.len);
	if (waiting) {
		*waiting = (struct waiting){.hash = notice->hash,
					    .since_ns = clock_monotonic_ns(),
					    .is_resolved = notice->ends_ns != 0,
					    .len = text.len};
		memcpy(waiting->text, text.at, text.len);
		put(receiver, waiting);
	} else {
		receiver->refused++;
	}
	buf_done(&text);
}

/* All that wait, up to a batch. `firing`: is one of them? */
static size_t write_batch(const struct receiver *receiver, struct json *json, bool *ret_firing)
{
	size_t count = 0;

	*ret_firing = false;
	for (const struct waiting *waiting = receiver->first; waiting && count < NOTIFY_BATCH;
	     waiting = waiting->next, count++) {
		json_raw(json, (struct span){(const uint8_t *)waiting->text, waiting->len});
		*ret_firing |= !waiting->is_resolved;
	}
	return count;
}

static size_t write_body(const struct receiver *receiver, struct buf *body)
{
	struct json json = {.out = body};
	struct buf alerts;
	struct json list = {.out = &alerts};
	bool is_firing;
	size_t count;

	if (receiver->is_alertmanager) {
		json_array(&json);
		count = write_batch(receiver, &json, &is_firing);
		json_array_end(&json);
		return count;
	}
	buf_init(&alerts, BODY_BYTES);
	json_array(&list);
	count = write_batch(receiver, &list, &is_firing);
	json_array_end(&list);
	json_object(&json);
	json_key_str(&json, "version", "4");
	json_key_str(&json, "groupKey", "{}:{}");
	json_key_u64(&json, "truncatedAlerts", 0);
	json_key_str(&json, "status", is_firing ? "firing" : "resolved");
	json_key_str(&json, "receiver", "sonde");
	write_pairs(&json, "groupLabels", NULL, 0);
	write_pairs(&json, "commonLabels", NULL, 0);
	write_pairs(&json, "commonAnnotations", NULL, 0);
	json_key_str(&json, "externalURL", receiver->notifier->external_url);
	json_key(&json, "alerts");
	json_raw(&json, buf_as_span(&alerts));
	json_object_end(&json);
	buf_done(&alerts);
	return count;
}

/* ---- sending ---- */

static void expire_old(struct receiver *receiver)
{
	uint64_t now_ns = clock_monotonic_ns();

	while (receiver->first &&
	       now_ns - receiver->first->since_ns > NOTIFY_KEPT_S * 1000000000ull) {
		drop_first(receiver);
		receiver->expired++;
	}
}

static void retry_later(struct receiver *receiver)
{
	const struct timeval wait = {.tv_sec = receiver->retry_s};

	receiver->is_waiting = true;
	event_add(receiver->retry, &wait);
	receiver->retry_s =
		receiver->retry_s * 2 < RETRY_S_MAX ? receiver->retry_s * 2 : RETRY_S_MAX;
}

static void on_sent(void *ctx, int status, const char *why)
{
	struct receiver *receiver = ctx;
	bool is_good = status >= 200 && status < 300;
	/* it said that it does not want this: asking again does not help (but for 408 and 429) */
	bool is_final = status >= 400 && status < 500 && status != 408 && status != 429;

	post_free(receiver->post);
	receiver->post = NULL;
	if (is_good || is_final) {
		for (size_t i = 0; i < receiver->sending; i++)
			drop_first(receiver);
		*(is_good ? &receiver->delivered : &receiver->expired) += receiver->sending;
	}
	receiver->sending = 0;
	receiver->trouble[0] = 0;
	if (is_good) {
		receiver->retry_s = 1;
		send_next(receiver);
		return;
	}
	receiver->failures++;
	if (status)
		snprintf(receiver->trouble, sizeof(receiver->trouble), "it answers %d", status);
	else
		snprintf(receiver->trouble, sizeof(receiver->trouble), "%.190s", why);
	retry_later(receiver);
}

static void send_next(struct receiver *receiver)
{
	struct buf body;

	expire_old(receiver);
	if (receiver->post || receiver->is_waiting || !receiver->first)
		return;
	buf_init(&body, BODY_BYTES + 4096);
	receiver->sending = write_body(receiver, &body);
	if (!body.full)
		receiver->post = post_new(receiver->notifier->poster, &receiver->target,
					  buf_as_span(&body), on_sent, receiver);
	buf_done(&body);
	if (receiver->post)
		return;
	receiver->sending = 0;
	receiver->failures++;
	snprintf(receiver->trouble, sizeof(receiver->trouble), "out of memory");
	retry_later(receiver);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct receiver *receiver = ctx;

	receiver->is_waiting = false;
	send_next(receiver);
}

/* ---- all of them ---- */

static int add_receivers(struct notifier *notifier, const char *const *urls, bool is_alertmanager,
			 struct err *why)
{
	for (; urls && *urls; urls++) {
		struct receiver *receiver = &notifier->receiver[notifier->receivers];
		int error;

		if (notifier->receivers == NOTIFY_RECEIVERS)
			return err_set(why, -EINVAL, "more than %d receivers of alerts",
				       NOTIFY_RECEIVERS);
		error = post_target_read(*urls, is_alertmanager ? "/api/v2/alerts" : "",
					 &receiver->target, why);
		if (error)
			return err_prefix(why, is_alertmanager ? "alerts.alertmanager"
							       : "alerts.webhook");
		receiver->notifier = notifier;
		receiver->is_alertmanager = is_alertmanager;
		receiver->retry_s = 1;
		receiver->retry = evtimer_new(notifier->loop, on_retry, receiver);
		if (!receiver->retry)
			return err_set(why, -ENOMEM, "cannot tell of alerts: out of memory");
		notifier->receivers++;
	}
	return 0;
}

int notifier_new(struct event_base *loop, const char *external_url, const char *const *webhooks,
		 const char *const *alertmanagers, struct notifier **ret_notifier, struct err *why)
{
	struct notifier *notifier = calloc(1, sizeof(*notifier));
	int error;

	if (!notifier)
		return err_set(why, -ENOMEM, "cannot tell of alerts: out of memory");
	notifier->loop = loop;
	notifier->external_url = strdup(external_url ? external_url : "");
	error = notifier->external_url
			? poster_new(loop, &notifier->poster, why)
			: err_set(why, -ENOMEM, "cannot tell of alerts: out of memory");
	if (!error)
		error = add_receivers(notifier, webhooks, false, why);
	if (!error)
		error = add_receivers(notifier, alertmanagers, true, why);
	if (error) {
		notifier_free(notifier);
		return error;
	}
	*ret_notifier = notifier;
	return 0;
}

void notifier_free(struct notifier *notifier)
{
	if (!notifier)
		return;
	for (size_t i = 0; i < notifier->receivers; i++) {
		struct receiver *receiver = &notifier->receiver[i];

		post_free(receiver->post);
		event_free(receiver->retry);
		while (receiver->first)
			drop_first(receiver);
	}
	poster_free(notifier->poster);
	free(notifier->external_url);
	free(notifier);
}

bool notifier_has_receivers(const struct notifier *notifier)
{
	return notifier->receivers != 0;
}

void notify(struct notifier *notifier, const struct notice *notice)
{
	for (size_t i = 0; i < notifier->receivers; i++)
		if (notice->is_change || notifier->receiver[i].is_alertmanager)
			take_notice(&notifier->receiver[i], notice);
}

void notify_flush(struct notifier *notifier)
{
	for (size_t i = 0; i < notifier->receivers; i++)
		send_next(&notifier->receiver[i]);
}

bool notifier_flow(const struct notifier *notifier, size_t i, struct notify_flow *ret_flow)
{
	const struct receiver *receiver = &notifier->receiver[i];

	if (i >= notifier->receivers)
		return false;
	*ret_flow = (struct notify_flow){
		.is_alertmanager = receiver->is_alertmanager,
		.offered = receiver->offered,
		.refused = receiver->refused,
		.accepted = receiver->offered - receiver->refused,
		.delivered = receiver->delivered,
		.expired = receiver->expired,
		.queued = receiver->queued,
		.failures = receiver->failures,
	};
	memcpy(ret_flow->url, receiver->target.shown, sizeof(ret_flow->url));
	memcpy(ret_flow->trouble, receiver->trouble, sizeof(ret_flow->trouble));
	return true;
}
