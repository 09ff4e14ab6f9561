/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * armed - items that sleep until there is an occasion: pressure, throttling, stolen time, an alert.
 *
 *	asleep --a sign that `when` lets through--> awake, for `awake` --> cooling, for `cooldown` --> asleep
 *
 * `when` is a filter over signs (signs.h), looked at once a second, and only what it asks for. Asleep the item's programs are
 * loaded and not attached (kernel/sleep.c), so that waking needs no memory for programs and maps just when that is what
 * the machine lacks. Awake it is an item like any other. What it collected meanwhile is kept, with the sign that woke it, as a
 * record of EVIDENCE_ITEM (evidence.c). Who watches such an item (`sonde ITEM`) wakes it for as long.
 */
#pragma once

#include "items/registry.h"

struct evidence;

struct arming {
	struct filter *when; /* owned; NULL = the item is not armed */
	char *when_text; /* owned */
	unsigned sources; /* enum sign_source: that `when` asks for */
	uint64_t awake_ns, cooldown_ns;
	bool is_awake;
	uint64_t since_ns; /* CLOCK_MONOTONIC: awake, or asleep after that; 0 = it has not been awake */
	uint64_t wakes;
	struct evidence *evidence; /* owned; while it is awake */
};

/* As in the configuration: when, awake, cooldown. `try`: only say whether it is right. -ENOENT: another key. */
int armed_set(struct item *item, struct span key, struct span value, bool try, struct err *why);
/* Back to what the item itself says: which may be wrong, of items of others. */
int armed_set_default(struct item *item, struct span key, struct err *why);
int armed_get(const struct item *item, struct span key, struct buf *out);
void armed_done(struct item *item);

static inline bool is_armed(const struct arming *arming)
{
	return arming->when != NULL;
}

/* Once a second. */
void armed_tick(struct registry *registry, uint64_t now_ns);
/* It is about to be switched off: what it collected is kept, if it was awake. */
void armed_end(struct item *item);
/* The member "armed". */
void armed_json(const struct item *item, struct json *json);

/* ---- evidence.c ---- */

/* Begins with what woke the item; NULL when there is no memory for it. */
struct evidence *evidence_new(struct item *item, const struct record *sign);
/* Adds what the item's maps hold, and publishes all of it. Frees. */
void evidence_tell(struct evidence *evidence, struct item *item);
void evidence_free(struct evidence *evidence);
