/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * changes - what the agent was set to, and when that became otherwise: in a question's work().
 *
 * Whoever knows the settings hands over all of them as they are now; what is other than last time is found out
 * here. So it does not matter how something was changed: by the API, by a file that was read again, or by a start with
 * other arguments. Parameters of items that are at their default need not be there: one that comes or goes was, or is, at its
 * default. Of items that come or go only NAME.on is told, if it is true; of other keys that come or go, nothing; of the very
 * first state only the version.
 *
 * Both are notes of the catalogue: the last state under "settings", each change under "change" by its time. The last
 * CHANGES_KEPT changes are kept.
 */
#pragma once

#include "base/json.h"
#include "store/store.h"

enum { CHANGES_KEPT = 1000, SETTINGS_BYTES = 512 * 1024, SETTINGS_MOST = 8192 };

/* Puts a key and its value behind those that are there. */
void settings_add(struct buf *settings, const char *key, struct span value);

/* Notes what is other than last time. `by`: who did it ("start", "reload", "request"). Returns how many changes, or -errno. */
int changes_note(struct store *store, struct span settings, const char *by, uint64_t now_ns);

/* An array of {"time","key","was","is","by"}, the newest first; one at its default has no `was`, or no `is`. */
int changes_write(struct store *store, uint64_t from_ns, uint64_t to_ns, size_t limit,
		  struct json *json);
