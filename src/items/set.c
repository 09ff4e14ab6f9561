// SPDX-License-Identifier: GPL-2.0-only
/*
 * set - settings of an item, by the names of the configuration.
 *
 * What programs are loaded with (by, ring, hook.NAME, parameters) waits in `now` for item_apply; where, cap, pin, when and its
 * times act at once.
 */
#include "items/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "items/scripted/scripted.h"

static const char *const by_name[] = {"host", "container", "process"};

static int set_by(struct item *item, struct span value, struct err *why)
{
	for (int i = LEVEL_HOST; i <= LEVEL_PROCESS; i++)
		if (span_is(value, by_name[i])) {
			item->changed |= item->now.by != (enum by_level)i;
			item->now.by = (enum by_level)i;
			return 0;
		}
	return err_set(why, -EINVAL, "'by' of item '%s' is host, container or process, not '%.*s'",
		       item->name, (int)value.len, (const char *)value.at);
}

static int parse_pin(const struct item *item, struct span value, bool *ret_pin, struct err *why)
{
	*ret_pin = span_is(value, "true");
	return *ret_pin || span_is(value, "false")
		       ? 0
		       : err_set(why, -EINVAL, "'pin' of item '%s' is true or false, not '%.*s'",
				 item->name, (int)value.len, (const char *)value.at);
}

static int set_pin(struct item *item, struct span value, struct err *why)
{
	bool pin;
	int error = parse_pin(item, value, &pin, why);

	if (error || pin == item->pin)
		return error;
	item->pin = pin;
	if (item->object && pin)
		item_keep(item, item->object);
	else if (item->object)
		object_forget_kept(item->registry->options.kernel, item->name);
	return 0;
}

static int set_ring(struct item *item, struct span value, struct err *why)
{
	double bytes;
	uint64_t power = 4096;

	if (!item->desc || !item->desc->has_ring)
		return err_set(why, -EINVAL, "item '%s' has no ring", item->name);
	if (!parse_quantity(value, &bytes) || bytes < 4096 || bytes > 1 << 30)
		return err_set(why, -EINVAL, "'ring' of item '%s' is 4KiB to 1GiB, not '%.*s'",
			       item->name, (int)value.len, (const char *)value.at);
	while (power < (uint64_t)bytes)
		power *= 2;
	item->changed |= item->now.ring_bytes != power;
	item->now.ring_bytes = power;
	return 0;
}

static void take_cap(struct item *item, uint32_t series)
{
	item->cap = series;
	for (uint32_t i = 0; i < item->families - item->kept; i++)
		family_set_cap(item->family[i], series);
}

static int parse_cap(const struct item *item, struct span value, uint32_t *ret_series,
		     struct err *why)
{
	double series;

	if (!parse_quantity(value, &series) || series < 1 || series > 1000000)
		return err_set(why, -EINVAL,
			       "'cap' of item '%s' is 1 to 1000000 label sets, not '%.*s'",
			       item->name, (int)value.len, (const char *)value.at);
	*ret_series = (uint32_t)series;
	return 0;
}

static int set_cap(struct item *item, struct span value, struct err *why)
{
	uint32_t series = 0;
	int error = parse_cap(item, value, &series, why);

	if (!error)
		take_cap(item, series);
	return error;
}

static int parse_where(const struct item *item, struct span value, struct filter **ret_filter,
		       struct err *why)
{
	const struct layout *layout[ITEM_EVENTS + ITEM_MAPS];
	struct filter *filter = NULL;
	size_t count = 0;
	int error = filter_parse(value, &filter, why);

	while (count < ITEM_EVENTS + ITEM_MAPS && (layout[count] = item_layout(item, count)))
		count++;
	if (!error && filter)
		error = filter_check(filter, layout, count, why);
	if (error)
		filter_free(filter);
	else
		*ret_filter = filter;
	return error;
}

static int set_where(struct item *item, struct span value, struct err *why)
{
	struct filter *filter;
	int error = parse_where(item, value, &filter, why);

	if (error)
		return error;
	filter_free(item->where);
	free(item->where_text);
	item->where = filter;
	item->where_text = strndup((const char *)value.at, value.len);
	return 0;
}

static int set_hook(struct item *item, struct span hook, struct span value, struct err *why)
{
	struct forced_hook *forced = NULL;
	bool known = false;

	for (uint32_t i = 0; item->desc && i < item->desc->hooks; i++)
		known |= span_is(hook, item->desc->hook[i].hook);
	if (!known)
		return err_set(why, -EINVAL, "item '%s' has no hook '%.*s'", item->name,
			       (int)hook.len, (const char *)hook.at);
	for (uint32_t i = 0; i < item->now.forced_count; i++)
		if (span_is(hook, item->now.forced[i].hook))
			forced = &item->now.forced[i];
	if (!forced) {
		if (item->now.forced_count == ITEM_FORCED)
			return err_set(why, -E2BIG, "at most %d hooks of an item can be forced",
				       ITEM_FORCED);
		forced = &item->now.forced[item->now.forced_count++];
	}
	snprintf(forced->hook, sizeof(forced->hook), "%.*s", (int)hook.len, (const char *)hook.at);
	snprintf(forced->alternative, sizeof(forced->alternative), "%.*s", (int)value.len,
		 (const char *)value.at);
	item->changed = true;
	return 0;
}

/* "10ms" for a parameter in microseconds: its name's ending says the unit that the program counts in. */
static double unit_of_param(const char *name)
{
	size_t len = strlen(name);

	if (len > 3 && !strcmp(name + len - 3, "_us"))
		return 1e3;
	if (len > 3 && !strcmp(name + len - 3, "_ms"))
		return 1e6;
	return 1;
}

static bool has_time_unit(struct span value)
{
	return value.len && value.at[value.len - 1] == 's' && value.len > 1;
}

static int set_param(struct item *item, uint32_t i, struct span value, struct err *why)
{
	const struct item_param *param = &item->desc->param[i];
	double number;
	int64_t now;

	if (!strcmp(param->type, "bool")) {
		if (span_is(value, "true") || span_is(value, "on") || span_is(value, "1"))
			number = 1;
		else if (span_is(value, "false") || span_is(value, "off") || span_is(value, "0"))
			number = 0;
		else
			return err_set(
				why, -EINVAL, "'%s' of item '%s' is true or false, not '%.*s'",
				param->name, item->name, (int)value.len, (const char *)value.at);
	} else if (!parse_quantity(value, &number)) {
		return err_set(why, -EINVAL, "'%s' of item '%s' is a number, not '%.*s'",
			       param->name, item->name, (int)value.len, (const char *)value.at);
	}
	if (has_time_unit(value))
		number /= unit_of_param(param->name);
	if ((number < 0 && param->type[0] != 's') ||
	    (param->size == 4 && (number > UINT32_MAX || number < INT32_MIN)) || number > 9.2e18)
		return err_set(why, -ERANGE, "'%s' of item '%s' does not fit %s", param->name,
			       item->name, param->type);
	now = (int64_t)number;
	item->changed |= item->now.value[i] != now;
	item->now.value[i] = now;
	return 0;
}

static bool is_of_arming(struct span key)
{
	return span_is(key, "when") || span_is(key, "awake") || span_is(key, "cooldown");
}

int item_set(struct item *item, struct span key, struct span value, struct err *why)
{
	if (span_is(key, "by"))
		return set_by(item, value, why);
	if (span_is(key, "ring"))
		return set_ring(item, value, why);
	if (span_is(key, "pin") && item->desc)
		return set_pin(item, value, why);
	if (span_is(key, "where"))
		return set_where(item, value, why);
	if (span_is(key, "cap"))
		return set_cap(item, value, why);
	if (is_of_arming(key))
		return armed_set(item, key, value, false, why);
	if (span_starts(key, "hook."))
		return set_hook(item, span_from(key, 5), value, why);
	for (uint32_t i = 0; item->desc && i < item->desc->params; i++) {
		const char *name = item->desc->param[i].name;

		if (span_is(key, name))
			return set_param(item, i, value, why);
	}
	if (item->script && scripted_get(item->script, key)) {
		item->changed = true;
		return scripted_set(item->script, key, value, why);
	}
	return err_set(why, -EINVAL, "item '%s' has no parameter '%.*s'; see 'sonde items show %s'",
		       item->name, (int)key.len, (const char *)key.at, item->name);
}

int item_try(struct item *item, struct span key, struct span value, struct err *why)
{
	struct filter *filter = NULL;
	uint32_t series;
	bool pin;
	int error;

	if (is_of_arming(key))
		return armed_set(item, key, value, true, why);
	if (span_is(key, "cap"))
		return parse_cap(item, value, &series, why);
	if (span_is(key, "pin") && item->desc)
		return parse_pin(item, value, &pin, why);
	if (!span_is(key, "where"))
		return item_set(item, key, value, why);
	error = parse_where(item, value, &filter, why);
	filter_free(filter);
	return error;
}

const char *item_setting(const struct item *item, size_t i)
{
	const char *const *names = item->ops ? item->ops->settings : NULL;

	for (size_t n = 0; names && n < i && *names; n++)
		names++;
	return names ? *names : NULL;
}

int item_set_node(struct item *item, const char *key, const struct json_node *value, bool try,
		  struct err *why)
{
	const char *name;

	for (size_t i = 0; (name = item_setting(item, i)); i++)
		if (!strcmp(name, key))
			return item->ops->set(key, value, try, why);
	return -ENOENT;
}

static void unforce(struct item *item, struct span hook)
{
	for (uint32_t i = 0; i < item->now.forced_count; i++)
		if (span_is(hook, item->now.forced[i].hook)) {
			item->now.forced[i] = item->now.forced[--item->now.forced_count];
			item->changed = true;
			return;
		}
}

int item_set_default(struct item *item, struct span key, struct err *why)
{
	if (span_is(key, "by"))
		return set_by(item, span_of("process"), why);
	if (span_is(key, "where"))
		return set_where(item, (struct span){}, why);
	if (span_is(key, "cap")) {
		take_cap(item, METRIC_SERIES);
		return 0;
	}
	if (is_of_arming(key))
		return armed_set_default(item, key, why);
	if (span_is(key, "pin") && item->desc)
		return set_pin(item, span_of("false"), why);
	if (span_starts(key, "hook.")) {
		unforce(item, span_from(key, 5));
		return 0;
	}
	if (span_is(key, "ring")) {
		item->changed |= item->now.ring_bytes != 0;
		item->now.ring_bytes = 0;
		return 0;
	}
	for (uint32_t i = 0; item->desc && i < item->desc->params; i++)
		if (span_is(key, item->desc->param[i].name)) {
			item->changed |= item->now.value[i] != item->desc->param[i].value;
			item->now.value[i] = item->desc->param[i].value;
			return 0;
		}
	if (item->script && scripted_get(item->script, key)) {
		item->changed = true;
		return scripted_set(item->script, key, (struct span){}, why);
	}
	return err_set(why, -EINVAL, "item '%s' has no parameter '%.*s'", item->name, (int)key.len,
		       (const char *)key.at);
}

int item_get(const struct item *item, struct span key, struct buf *out)
{
	if (span_is(key, "on"))
		return buf_str(out, item->wanted ? "true" : "false");
	if (span_is(key, "by"))
		return buf_str(out, by_name[item->now.by]);
	if (span_is(key, "where"))
		return buf_str(out, item->where_text ? item->where_text : "");
	if (is_of_arming(key))
		return armed_get(item, key, out);
	if (span_is(key, "cap"))
		return buf_f(out, "%u", item->cap ? item->cap : METRIC_SERIES);
	for (uint32_t i = 0; item->desc && i < item->desc->params; i++)
		if (span_is(key, item->desc->param[i].name)) {
			if (!strcmp(item->desc->param[i].type, "bool"))
				return buf_str(out, item->now.value[i] ? "true" : "false");
			return buf_f(out, "%lld", (long long)item->now.value[i]);
		}
	if (item->script && scripted_get(item->script, key))
		return buf_str(out, scripted_get(item->script, key));
	return -ENOENT;
}

const char *item_option(const struct item *item, size_t i)
{
	return item->script ? scripted_option(item->script, i) : NULL;
}

int64_t item_param(const struct item *item, const char *name)
{
	for (uint32_t i = 0; item->desc && i < item->desc->params; i++)
		if (!strcmp(item->desc->param[i].name, name))
			return item->now.value[i];
	return 0;
}
