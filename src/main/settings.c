// SPDX-License-Identifier: GPL-2.0-only
/* settings - from the configuration to the items, at start and on reload. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "main/agent_private.h"
#include "main/settings.h"

static const char *item_at(void *ctx, size_t i)
{
	struct item *item = registry_at(ctx, i);

	return item ? item_name(item) : NULL;
}

static const char *param_at(void *ctx, const char *name, size_t i)
{
	struct item *item = registry_find(ctx, name);
	const struct item_desc *desc = item ? item_description(item) : NULL;

	size_t params = desc ? desc->params : 0;

	if (i < params)
		return desc->param[i].name;
	return item ? item_setting(item, i - params) : NULL;
}

static bool is_setting(const struct item *item, const char *key)
{
	const char *name;

	for (size_t i = 0; (name = item_setting(item, i)); i++)
		if (!strcmp(name, key))
			return true;
	return false;
}

/* What stands in the configuration, as one text for item_set. */
static struct span text_of(const struct setting *setting)
{
	if (setting->node && setting->node->type == JSON_BOOL)
		return span_of(setting->node->truth ? "true" : "false");
	return setting->node ? setting->node->text : (struct span){};
}

/* `by` of the configuration knows more words than the kernel half has levels. */
static struct span level_of(struct span by)
{
	return span_is(by, "pod") || span_is(by, "service") ? span_of("container") : by;
}

static int apply_setting(struct item *item, const char *key, const struct setting *setting, bool try,
			 struct err *why)
{
	struct span value = text_of(setting);
	int error = item_set_node(item, key, setting->node, try, why);

	if (error != -ENOENT)
		return error;
	if (!strcmp(key, "on"))
		return 0; /* agent_configure_items */
	if (!strcmp(key, "by"))
		value = level_of(value);
	return try ? item_try(item, span_of(key), value, why) : item_set(item, span_of(key), value, why);
}

/* Whether a value is right is mostly asked by setting it; what was set is forgotten again. */
static int check_setting(void *ctx, const char *name, const char *key, const struct setting *setting,
			 struct err *why)
{
	struct item *item = registry_find(ctx, name);

	return item ? apply_setting(item, key, setting, true, why) : -ENOENT;
}

int agent_check_items(struct agent *agent, struct config *config, struct buf *problems, struct err *why)
{
	struct config_items items = {.ctx = agent->registry, .item = item_at, .param = param_at, .check = check_setting};
	int error = config_check_items(config, &items, problems, why);
	struct item *item;

	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++)
		item_forget_changes(item);
	if (error && problems->len)
		fputs(buf_text(problems), stderr);
	return error;
}

/* ---- without an agent: `sonde config check` ---- */

static const char *alone_item_at(void *ctx, size_t i)
{
	return item_at(((struct agent *)ctx)->registry, i);
}

static const char *alone_param_at(void *ctx, const char *name, size_t i)
{
	return param_at(((struct agent *)ctx)->registry, name, i);
}

static int alone_check(void *ctx, const char *name, const char *key, const struct setting *setting, struct err *why)
{
	return check_setting(((struct agent *)ctx)->registry, name, key, setting, why);
}

/* Items of others are not read here: a script would be compiled for the kernel. */
static bool alone_is_foreign(void *ctx, const char *name)
{
	struct agent *agent = ctx;

	return !registry_find(agent->registry, name) && brought_is_there(agent, name);
}

int settings_check(struct config *config, struct buf *problems, struct err *why)
{
	struct registry_options options = {};
	struct agent alone = {.config = config}; /* nothing of it runs */
	struct config_items items = {&alone, alone_item_at, alone_is_foreign, alone_param_at, alone_check};
	int error = registry_new(&options, &alone.registry, why);

	if (!error)
		error = config_check_items(config, &items, problems, why);
	registry_free(alone.registry);
	return error;
}

/* Is `name` one of the comma separated words of `only`? */
static bool is_one_of(const char *only, const char *name)
{
	size_t len = strlen(name);

	while (only && *only) {
		size_t word = strcspn(only, ",");

		if (word == len && !strncmp(only, name, len))
			return true;
		only += word + (only[word] == ',');
	}
	return false;
}

static bool wanted(const struct agent *agent, const struct item *item)
{
	const struct setting *on = config_item(agent->config, item_name(item), "on");

	if (agent->options.only)
		return is_one_of(agent->options.only, item_name(item));
	return on ? on->number : item_on_by_default(item);
}

/* What is not in a configuration that was read again goes back. */
static void take_back(struct agent *agent, const struct config *before, struct item *item)
{
	const char *key;
	struct err why;

	for (size_t i = 0; (key = item_setting(item, i)); i++)
		if (!config_item(agent->config, item_name(item), key))
			item_set_node(item, key, NULL, false, &why);
	for (size_t i = 0; before && config_item_next(before, item_name(item), &i, &key);)
		if (!config_item(agent->config, item_name(item), key) && !is_setting(item, key) && strcmp(key, "on") != 0 &&
		    item_set_default(item, span_of(key), &why))
			log_error("%s", why.text);
}

static void configure(struct agent *agent, const struct config *before, struct item *item)
{
	const struct setting *setting;
	const char *key;
	struct err why;

	take_back(agent, before, item);
	if (agent->options.only) /* somebody asks for it now */
		item_set(item, span_of("when"), (struct span){}, NULL);
	for (size_t i = 0; (setting = config_item_next(agent->config, item_name(item), &i, &key));)
		if (apply_setting(item, key, setting, false, &why))
			log_error("%s", why.text);
	if (item_apply(item, &why))
		log_error("%s; its old settings serve on", why.text);
	if (item_switch(item, wanted(agent, item), &why) && !agent->options.only)
		log_warn("item '%s' is skipped: %s", item_name(item), why.text);
}

void agent_configure_items(struct agent *agent, const struct config *before)
{
	struct item *item;

	for (size_t i = 0; (item = registry_at(agent->registry, i)); i++) {
		configure(agent, before, item);
		registry_drain(agent->registry); /* those that run fill their rings while others are loaded */
	}
}

struct changes {
	struct json *json;
};

static void tell_change(void *ctx, const struct setting *was, const struct setting *is)
{
	struct changes *changes = ctx;
	const struct setting *either = is ? is : was;

	if (!changes->json)
		return;
	json_object(changes->json);
	json_key_str(changes->json, "key", either->key);
	if (is)
		json_key_str(changes->json, "place", is->place);
	if (either->row && either->row->needs_restart)
		json_key_bool(changes->json, "needs_restart", true);
	json_object_end(changes->json);
}

/* The agent's file may be closed to this process: then the broker opens it, for that path only. */
int agent_reload(struct agent *agent, struct json *out, struct err *why)
{
	struct config_sources sources = {.environment = (const char *const *)environ,
					 .sets = agent->options.sets};
	struct changes changes = {out};
	struct config *config = NULL;
	struct buf text, problems;
	int error = 0;

	buf_init(&text, CONFIG_FILE_BYTES);
	buf_init(&problems, 64 * 1024);
	if (agent->options.config_path) {
		error = config_read_file(agent->options.config_path, &text, why);
		sources.file = agent->options.config_path;
		sources.text = buf_as_span(&text);
		if (error == -ENOENT)
			error = 0;
	}
	if (!error)
		error = config_load(&sources, &config, &problems, why);
	if (!error) {
		brought_load(agent);
		error = agent_check_items(agent, config, &problems, why);
	}
	if (!error) {
		struct config *old = agent->config;

		if (out) {
			json_object(out);
			json_key(out, "changes");
			json_array(out);
		}
		config_compare(old, config, tell_change, &changes);
		if (out) {
			json_array_end(out);
			json_object_end(out);
		}
		agent->config = config;
		agent_set_hosts(agent);
		agent_configure_items(agent, old);
		watch_reload(agent);
		changes_tell(agent, "reload");
		registry_set_alerts(agent->registry, agent->alerts);
		config_free(old);
	} else {
		config_free(config);
	}
	buf_done(&text);
	buf_done(&problems);
	return error;
}
