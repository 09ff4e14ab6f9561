// SPDX-License-Identifier: GPL-2.0-only
/* armed - items that sleep until there is an occasion: their conditions, waking them, and putting them to sleep again. */
#include "items/armed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "items/private.h"
#include "items/signs.h"

static const uint64_t second_ns = 1000000000, awake_usual_ns = 30 * second_ns,
		      cooldown_usual_ns = 300 * second_ns, longest_ns = 86400 * second_ns;

/* ---- settings ---- */

static int read_when(const struct item *item, struct span text, struct filter **ret_filter,
		     struct err *why)
{
	const struct layout *layout = signs_layout();
	struct filter *filter = NULL;
	int error = filter_parse(text, &filter, why);

	if (!error && filter)
		error = filter_check(filter, &layout, 1, why);
	if (!error && filter && !signs_asked_by(filter))
		error = err_set(why, -EINVAL,
				"it asks for no sign; pressure, throttled, steal, alert are some");
	if (error) {
		filter_free(filter);
		err_prefix(why, "'when' of item '%s'", item->name);
		return error;
	}
	*ret_filter = filter;
	return 0;
}

static int set_when(struct item *item, struct span text, bool try, struct err *why)
{
	struct arming *arming = &item->arming;
	struct filter *filter = NULL;
	int error = read_when(item, text, &filter, why);

	if (error || try) {
		filter_free(filter);
		return error;
	}
	filter_free(arming->when);
	free(arming->when_text);
	arming->when = filter;
	arming->when_text = filter ? strndup((const char *)text.at, text.len) : NULL;
	arming->sources = filter ? signs_asked_by(filter) : 0;
	if (!filter)
		armed_end(item);
	return item->is_learned ? item_follow_wish(item, why) : 0;
}

static int set_time(struct item *item, const char *key, struct span text, bool try, uint64_t *to,
		    struct err *why)
{
	double ns;

	if (!parse_quantity(text, &ns) || ns < (double)second_ns || ns > (double)longest_ns)
		return err_set(why, -EINVAL, "'%s' of item '%s' is 1s to 24h, not '%.*s'", key,
			       item->name, (int)text.len, (const char *)text.at);
	if (!try)
		*to = (uint64_t)ns;
	return 0;
}

int armed_set(struct item *item, struct span key, struct span value, bool try, struct err *why)
{
	if (span_is(key, "when"))
		return set_when(item, value, try, why);
	if (span_is(key, "awake"))
		return set_time(item, "awake", value, try, &item->arming.awake_ns, why);
	if (span_is(key, "cooldown"))
		return set_time(item, "cooldown", value, try, &item->arming.cooldown_ns, why);
	return -ENOENT;
}

static uint64_t seconds_or(uint32_t seconds, uint64_t usual_ns)
{
	return seconds ? seconds * second_ns : usual_ns;
}

int armed_set_default(struct item *item, struct span key, struct err *why)
{
	const struct item_desc *desc = item->desc;

	if (span_is(key, "when"))
		return set_when(item, desc && desc->when ? span_of(desc->when) : (struct span){},
				false, why);
	if (span_is(key, "awake"))
		item->arming.awake_ns = seconds_or(desc ? desc->awake_s : 0, awake_usual_ns);
	else
		item->arming.cooldown_ns =
			seconds_or(desc ? desc->cooldown_s : 0, cooldown_usual_ns);
	return 0;
}

int armed_get(const struct item *item, struct span key, struct buf *out)
{
	if (span_is(key, "when"))
		return buf_str(out, item->arming.when_text ? item->arming.when_text : "");
	if (span_is(key, "awake"))
		return buf_f(out, "%llus", (unsigned long long)(item->arming.awake_ns / second_ns));
	if (span_is(key, "cooldown"))
		return buf_f(out, "%llus",
			     (unsigned long long)(item->arming.cooldown_ns / second_ns));
	return -ENOENT;
}

void armed_done(struct item *item)
{
	filter_free(item->arming.when);
	free(item->arming.when_text);
	evidence_free(item->arming.evidence);
	item->arming = (struct arming){};
}

/* ---- from one state to the next ---- */

/* Until when it is awake, or cools down; 0 = neither. */
static uint64_t until_ns(const struct arming *arming)
{
	if (!arming->since_ns)
		return 0;
	return arming->since_ns + (arming->is_awake ? arming->awake_ns : arming->cooldown_ns);
}

static bool waits(const struct item *item, uint64_t now_ns)
{
	const struct arming *arming = &item->arming;

	return item->wanted && is_armed(arming) && !arming->is_awake && until_ns(arming) <= now_ns;
}

/* An item that can't wake is skipped, with the reason, like one that can't be switched on. */
static void wake(struct item *item, const struct record *sign, uint64_t now_ns)
{
	struct arming *arming = &item->arming;

	arming->is_awake = true;
	arming->since_ns = now_ns;
	arming->wakes++;
	if (item_follow_wish(item, NULL)) {
		arming->is_awake = false;
		return;
	}
	arming->evidence = evidence_new(item, sign);
	if (!arming->evidence)
		item_count(item, "dropped", "no_memory", 1);
}

void armed_end(struct item *item)
{
	struct arming *arming = &item->arming;

	if (!arming->is_awake)
		return;
	if (arming->evidence)
		evidence_tell(arming->evidence, item);
	arming->evidence = NULL;
	arming->is_awake = false;
	arming->since_ns = 0;
}

static void rest(struct item *item, uint64_t now_ns)
{
	item_drain(item);
	armed_end(item);
	item->arming.since_ns = now_ns;
	item_follow_wish(item, NULL);
}

struct waking {
	struct registry *registry;
	uint64_t now_ns;
};

static bool wake_those(void *ctx, const struct record *sign)
{
	const struct waking *waking = ctx;

	for (uint32_t i = 0; i < waking->registry->items; i++) {
		struct item *item = waking->registry->item[i];

		if (waits(item, waking->now_ns) && filter_match(item->arming.when, sign))
			wake(item, sign, waking->now_ns);
	}
	return true;
}

void armed_tick(struct registry *registry, uint64_t now_ns)
{
	struct waking waking = {registry, now_ns};
	struct item *any = NULL;
	unsigned sources = 0;

	for (uint32_t i = 0; i < registry->items; i++) {
		struct item *item = registry->item[i];

		if (item->arming.is_awake && until_ns(&item->arming) <= now_ns)
			rest(item, now_ns);
		/* also of those that cool down: a sign is the difference of two looks */
		if (item->wanted && is_armed(&item->arming) && !item->arming.is_awake) {
			sources |= item->arming.sources;
			any = item;
		}
	}
	if (any)
		signs_look(registry->signs, any, sources, now_ns, wake_those, &waking);
}

void armed_json(const struct item *item, struct json *json)
{
	const struct arming *arming = &item->arming;
	uint64_t now_ns = clock_monotonic_ns(), until = until_ns(arming);

	if (!is_armed(arming))
		return;
	json_key(json, "armed");
	json_object(json);
	json_key_str(json, "when", arming->when_text);
	json_key_str(json, "state",
		     arming->is_awake ? "awake"
		     : until > now_ns ? "cooling"
				      : "asleep");
	json_key_u64(json, "awake_ns", arming->awake_ns);
	json_key_u64(json, "cooldown_ns", arming->cooldown_ns);
	if (until > now_ns)
		json_key_u64(json, "left_ns", until - now_ns);
	json_key_u64(json, "wakes", arming->wakes);
	json_object_end(json);
}
