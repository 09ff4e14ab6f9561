/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream - who wants which records, now. The fork in the path of the data: store, outlets and live
 * watchers subscribe; items publish. Single-threaded, called in the worker's loop.
 */
#pragma once

#include "record/filter.h"

struct stream;
struct subscription;

typedef void (*stream_receiver)(void *ctx, const struct record *record);

struct stream *stream_new(void);
void stream_free(struct stream *stream);

/* item NULL = all items. The filter is taken over (freed by stream_unsubscribe). NULL on no memory or above the
 * cap: then the filter is still the caller's. Receivers may subscribe, unsubscribe (also themselves) and publish;
 * who subscribes during a publish gets the next record first. stream_free ends all subscriptions. */
struct subscription *stream_subscribe(struct stream *stream, const char *item,
				      struct filter *filter, stream_receiver receive, void *ctx);
void stream_unsubscribe(struct subscription *subscription);

/* Somebody watches the item live, or does no more. Where that tells: there are records too many to be kept, which are made only
 * for those who watch (record.is_passing). */
void stream_watch(struct stream *stream, const char *item, bool begins);
bool stream_watched(const struct stream *stream, const char *item);

/* Is anybody listening to this item? (If not, the record need not be made.) */
bool stream_wanted(const struct stream *stream, const char *item);
void stream_publish(struct stream *stream, const struct record *record);
