/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * alert - rules over the history: asks them when they are due, remembers what is wrong, tells who wants to know.
 *
 *	inactive --found--> pending --for `for`--> firing --not found any more--> resolved
 *	    ^                  |                     | ^
 *	    +---not found------+                     +-+ not found for less than keep_firing_for
 *
 * Groups of rules are asked by the history's reader, one group at a time; what comes of it happens in the loop. Alerts
 * that are pending or firing are notes in the store: they survive a restart, and the time of it does not count as `for`. They are also
 * series (ALERTS, ALERTS_FOR_STATE, as Prometheus has them), and each change is a record of the item "alerts".
 */
#pragma once

#include "alert/rules.h"
#include "base/json.h"
#include "history/history.h"
#include "record/metric.h"
#include "record/stream.h"

struct event_base;
struct alerts;

#define ALERTS_ITEM "alerts" /* records of changes are of this item */

enum {
	ALERTS_OF_RULE = 1000, /* at the same time; more is an error of the rule */
	ALERTS_OF_ALL = 5000,
	ALERTS_KEPT_S = 900, /* resolved ones are shown, and told to Alertmanagers, so long */
};

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED, ALERT_STATES };
const char *alert_state_name(enum alert_state state);

struct alerts_options {
	struct event_base *loop; /* borrowed */
	struct history *history; /* borrowed */
	struct stream *stream; /* borrowed; NULL = changes are not told */
	const struct resolver *resolver; /* borrowed: the name of the node */
	const char *external_url; /* by which people reach the agent; NULL = none */
	const char *const *webhooks,
		*const *alertmanagers; /* URLs, ending with NULL; may be NULL */
};

/* The rules are taken over, also on failure. -ENOMEM, -EINVAL: a URL is wrong. */
int alerts_new(const struct alerts_options *options, struct rules *rules,
	       struct alerts **ret_alerts, struct err *why);
/* After history_free, which ends questions. */
void alerts_free(struct alerts *alerts);
/* New rules instead of the old ones. What is known of alerts goes over to rules of the same group and name; other alerts that
 * were firing are resolved. */
void alerts_reload(struct alerts *alerts, struct rules *rules);
/* There is no history any more (or it ends): nothing is asked from now on. */
void alerts_stop(struct alerts *alerts);

/* Is Prometheus' answer of /api/v1/rules ("data"), of /api/v1/alerts, of /api/v1/alertmanagers. `type`: "alert", "record", NULL = both. */
void alerts_rules_json(const struct alerts *alerts, const char *type, struct json *json);
void alerts_json(const struct alerts *alerts, struct json *json);
void alerts_receivers_json(const struct alerts *alerts, struct json *json);
/* One object: how many rules and alerts there are, and whether they reach who should know. */
void alerts_status_json(const struct alerts *alerts, struct json *json);
/* The agent's metrics about it: a list that lives until the next call. */
struct family *const *alerts_families(struct alerts *alerts, uint64_t now_ns, size_t *ret_count);
const struct layout *alerts_layout(void);
/* What fires now. False = no more. Borrowed for the call. */
struct firing_alert {
	struct span name, severity, summary;
};
typedef bool (*firing_each)(void *ctx, const struct firing_alert *alert);
void alerts_firing(const struct alerts *alerts, firing_each each, void *ctx);
