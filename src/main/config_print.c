// SPDX-License-Identifier: GPL-2.0-only
/* config_print - the configuration as JSON, as a file with origins, and its reference as a page of documentation. */
#include <stdio.h>

#include "main/config_private.h"

static const char *const origins[] = {
	[ORIGIN_DEFAULT] = "default",
	[ORIGIN_FILE] = "file",
	[ORIGIN_ENVIRONMENT] = "environment",
	[ORIGIN_SET] = "set",
};

const char *config_type_name(enum config_type type)
{
	static const char *const names[] = {
		[CONFIG_BOOL] = "true or false",  [CONFIG_COUNT] = "number",
		[CONFIG_SIZE] = "size",           [CONFIG_DURATION] = "duration",
		[CONFIG_TEXT] = "text",           [CONFIG_PATH] = "path",
		[CONFIG_CHOICE] = "one of",       [CONFIG_ADDRESSES] = "list of addresses",
		[CONFIG_TEXTS] = "list of texts", [CONFIG_ANY] = "as the item says",
	};

	return names[type];
}

/* Parameters of items are not in the table: their names must do. */
static bool is_secret(const struct setting *setting)
{
	static const char *const words[] = {"password", "secret", "token", "api_key"};
	const char *last = strrchr(setting->key, '.');

	if (setting->row->is_secret)
		return true;
	if (setting->row->type != CONFIG_ANY)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(last ? last : setting->key, words[i]))
			return true;
	return false;
}

static bool is_given(const struct setting *setting)
{
	return setting->origin != ORIGIN_DEFAULT || setting->row->value[0];
}

static void write_value(const struct setting *setting, struct json *json)
{
	if (!is_given(setting))
		json_null(json);
	else if (is_secret(setting))
		json_str(json, "***");
	else if (setting->row->type == CONFIG_BOOL)
		json_bool(json, setting->number);
	else
		json_node_write(setting->node, json);
}

void config_json(const struct config *config, struct json *json)
{
	json_object(json);
	if (config->file)
		json_key_str(json, "file", config->file);
	json_key(json, "keys");
	json_array(json);
	for (size_t i = 0; i < config->count; i++) {
		const struct setting *setting = &config->at[i];

		json_object(json);
		json_key_str(json, "key", setting->key);
		json_key(json, "value");
		write_value(setting, json);
		json_key_str(json, "origin", origins[setting->origin]);
		if (setting->origin != ORIGIN_DEFAULT)
			json_key_str(json, "place", setting->place);
		if (setting->row->value[0])
			json_key_str(json, "default", setting->row->value);
		json_key_str(json, "type", config_type_name(setting->row->type));
		json_key_str(json, "help", setting->row->help);
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
}

void config_values(const struct config *config, void (*each)(void *ctx, const char *key, struct span value), void *ctx)
{
	for (size_t i = 0; i < config->count; i++) {
		const struct setting *setting = &config->at[i];
		struct buf text;
		struct json json = {.out = &text};

		if (!strncmp(setting->key, "items.", 6))
			continue;
		buf_init(&text, CONFIG_FILE_BYTES);
		if (!is_secret(setting) && is_given(setting) && setting->node->type == JSON_TEXT)
			buf_span(&text, setting->node->text);
		else
			write_value(setting, &json);
		each(ctx, setting->key, buf_as_span(&text));
		buf_done(&text);
	}
}

/* JSON is YAML; a bare word is easier to read where it means the same. */
static void show_value(const struct setting *setting, struct buf *out)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./";
	const struct json_node *node = setting->node;
	struct json json = {.out = out};

	if (!is_secret(setting) && node->type == JSON_TEXT && node->text.len &&
	    (node->text.at[0] == '/' || node->text.at[0] > '9') &&
	    strspn((const char *)node->text.at, plain) == node->text.len &&
	    !span_is(node->text, "null") && !span_is(node->text, "true") &&
	    !span_is(node->text, "false"))
		buf_span(out, node->text);
	else
		write_value(setting, &json);
}

void config_show(const struct config *config, struct buf *out)
{
	for (size_t i = 0; i < config->count; i++) {
		const struct setting *setting = &config->at[i];
		size_t from = out->len;

		if (!is_given(setting)) {
			buf_f(out, "# %s: ", setting->key);
		} else {
			buf_f(out, "%s: ", setting->key);
			show_value(setting, out);
		}
		if (out->len - from < 48)
			buf_fill(out, ' ', 48 - (out->len - from));
		buf_f(out, " # %s\n",
		      setting->origin == ORIGIN_DEFAULT && !setting->row->value[0]
			      ? "not set"
			      : setting->place);
	}
}

static const char reference_head[] =
	"# Configuration\n\n"
	"<!-- Generated from src/main/config_keys.c: `sonde config reference`. Do not edit. -->\n\n"
	"The agent reads `/etc/sonde/sonde.yaml` (or the file given with `-c`; without a file the "
	"defaults hold), then the\n"
	"environment, then `--set KEY=VALUE`; the later wins. `sonde config check` says what is "
	"wrong with it,\n"
	"`sonde config show` prints every value with its origin, `sonde config reload` (or SIGHUP) "
	"reads it again.\n\n"
	"Keys may be nested or written with dots: `store: {size: 1GiB}` and `store.size: 1GiB` are "
	"the same. A key that does not\n"
	"exist is a mistake, with its line and a suggestion. A key without a value counts as not "
	"set. `true`, `false` and numbers\n"
	"are as in JSON; sizes take `B KiB MiB GiB TiB` (1024) or `kB MB GB TB` (1000), durations "
	"`ns us ms s m h d w`.\n"
	"YAML's aliases and tags are refused.\n\n"
	"Every key is also an environment variable: `SONDE_`, then the key in capitals with `_` "
	"for each dot\n"
	"(`SONDE_STORE_SIZE=1GiB`, `SONDE_ITEMS_TCP_STATE_BY=process`); its value is YAML too. "
	"Variables that begin with `SONDE_`\n"
	"and are no key are reported, not refused: Kubernetes makes some for any service called "
	"`sonde`.\n\n"
	"Keys marked with * take effect when the agent starts again; all others at a reload.\n";

/* A table cell must not end at a `|` of its text. */
static void cell(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_f(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void reference_row(struct buf *out, const struct config_key *row)
{
	buf_f(out, "| `%s`%s | %s", row->name, row->needs_restart ? " *" : "",
	      config_type_name(row->type));
	if (row->choices) {
		buf_char(out, ' ');
		cell(out, row->choices);
	}
	buf_str(out, " | ");
	if (row->value[0])
		buf_f(out, "`%s`", row->value);
	buf_str(out, " | ");
	cell(out, row->help);
	buf_str(out, " |\n");
}

void config_reference(struct buf *out)
{
	buf_str(out, reference_head);
	for (int items = 0; items < 2; items++) {
		buf_f(out, "\n## %s\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
		      items ? "Items" : "The agent");
		for (const struct config_key *row = config_keys; row->name; row++)
			if ((strncmp(row->name, "items.", 6) == 0) == (items == 1))
				reference_row(out, row);
	}
}
