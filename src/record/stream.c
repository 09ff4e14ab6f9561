// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream - who wants which records, now.
 *
 * A receiver may subscribe and unsubscribe while it is being called, itself and others. So a subscription that
 * ends during a publish is only marked, and freed when the last publish under way is over; one that
 * begins then waits for the next record.
 */
#include "record/stream.h"

#include <stdlib.h>
#include <string.h>

enum {
	SUBSCRIPTIONS = 256, /* store, outlets, alerts and live watchers */
	WATCHED = 256, /* items that somebody watches live */
};

struct subscription {
	struct stream *stream;
	struct subscription *next;
	char item[COLUMN_NAME_BYTES]; /* "" = all */
	struct filter *filter; /* owned */
	stream_receiver receive;
	void *ctx;
	bool ended, is_new;
};

struct stream {
	struct subscription *first; /* owned list, in the order of subscribing */
	uint32_t count;
	uint32_t publishing; /* how many publishes are under way, within each other */
	bool swept; /* something waits for the end of them */
	struct {
		char item[COLUMN_NAME_BYTES]; /* "" = free */
		uint32_t watchers;
	} watched[WATCHED];
};

struct stream *stream_new(void)
{
	return calloc(1, sizeof(struct stream));
}

static void subscription_free(struct subscription *subscription)
{
	filter_free(subscription->filter);
	free(subscription);
}

void stream_free(struct stream *stream)
{
	struct subscription *next;

	for (struct subscription *at = stream ? stream->first : NULL; at; at = next) {
		next = at->next;
		subscription_free(at);
	}
	free(stream);
}

struct subscription *stream_subscribe(struct stream *stream, const char *item,
				      struct filter *filter, stream_receiver receive, void *ctx)
{
	struct subscription *subscription, **end = &stream->first;

	if (stream->count == SUBSCRIPTIONS || (item && strlen(item) >= sizeof(subscription->item)))
		return NULL;
	subscription = calloc(1, sizeof(*subscription));
	if (!subscription)
		return NULL;
	if (item)
		memcpy(subscription->item, item, strlen(item));
	subscription->stream = stream;
	subscription->filter = filter;
	subscription->receive = receive;
	subscription->ctx = ctx;
	subscription->is_new = stream->publishing;
	stream->swept |= subscription->is_new;
	while (*end)
		end = &(*end)->next;
	*end = subscription;
	stream->count++;
	return subscription;
}

/* Frees what ended and lets in what began while records were being published. */
static void sweep(struct stream *stream)
{
	struct subscription **at = &stream->first;

	stream->swept = false;
	while (*at) {
		struct subscription *subscription = *at;

		subscription->is_new = false;
		if (!subscription->ended) {
			at = &subscription->next;
			continue;
		}
		*at = subscription->next;
		subscription_free(subscription);
	}
}

void stream_unsubscribe(struct subscription *subscription)
{
	struct stream *stream;

	if (!subscription || subscription->ended)
		return;
	stream = subscription->stream;
	subscription->ended = true;
	stream->count--;
	stream->swept = true;
	if (!stream->publishing)
		sweep(stream);
}

static bool wants(const struct subscription *subscription, struct span item)
{
	return !subscription->ended &&
	       (!subscription->item[0] || span_is(item, subscription->item));
}

void stream_watch(struct stream *stream, const char *item, bool begins)
{
	size_t at = 0;

	while (at < WATCHED && strcmp(stream->watched[at].item, item) != 0)
		at++;
	for (size_t i = 0; at == WATCHED && begins && i < WATCHED; i++)
		if (!stream->watched[i].watchers && strlen(item) < COLUMN_NAME_BYTES) {
			at = i;
			memcpy(stream->watched[i].item, item, strlen(item) + 1);
			break;
		}
	if (at == WATCHED)
		return;
	if (begins)
		stream->watched[at].watchers++;
	else if (stream->watched[at].watchers)
		stream->watched[at].watchers--;
}

bool stream_watched(const struct stream *stream, const char *item)
{
	for (size_t i = 0; i < WATCHED && stream->watched[i].item[0]; i++)
		if (!strcmp(stream->watched[i].item, item))
			return stream->watched[i].watchers;
	return false;
}

bool stream_wanted(const struct stream *stream, const char *item)
{
	for (const struct subscription *at = stream->first; at; at = at->next)
		if (wants(at, span_of(item)))
			return true;
	return false;
}

void stream_publish(struct stream *stream, const struct record *record)
{
	const struct value *item = &record->value[LAYOUT_ITEM];
	struct span name = item->kind == VALUE_TEXT ? item->text : (struct span){};

	stream->publishing++;
	for (struct subscription *at = stream->first; at; at = at->next)
		if (!at->is_new && wants(at, name) && filter_match(at->filter, record))
			at->receive(at->ctx, record);
	stream->publishing--;
	if (!stream->publishing && stream->swept)
		sweep(stream);
}
