// SPDX-License-Identifier: GPL-2.0-only
/*
 * config - what the person who runs the agent wants.
 *
 * Whatever the source, a value arrives as a tree with a dotted path before it: the file is one tree with
 * the empty path, SONDE_STORE_SIZE=1GiB is the tree `1GiB` at store.size. place_tree walks it down along the table until
 * it meets a key, and puts the value there unless a stronger source was there before. So a file may also say
 * `store.size: 1GiB` in one line, and --set may take a whole section.
 *
 * The name of an environment variable loses where the dots were: SONDE_ITEMS_TCP_STATE_BY. For keys of the table that does
 * not matter. For items it waits until their names are known, and the longest that fits is meant.
 */
#include "main/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/suggest.h"
#include "base/yaml_read.h"
#include "main/config_private.h"
#include "main/config_value.h"

enum { ARENA_BYTES = 64 << 20, SETTINGS_MAX = 8192, PATH_MAX_BYTES = 256, PROBLEMS_MAX = 50 };

/* One reading: where the tree comes from, and where mistakes go. */
struct loader {
	struct config *config;
	enum config_origin origin;
	const char *name; /* of the file or variable, "--set" */
	struct buf *problems;
	struct err *why;
	unsigned count; /* mistakes so far */
};

static const char *place_of(struct loader *loader, uint32_t line)
{
	char text[PATH_MAX_BYTES];

	if (loader->origin == ORIGIN_FILE && line)
		snprintf(text, sizeof(text), "%.200s:%u", loader->name, line);
	else
		snprintf(text, sizeof(text), "%.200s", loader->name);
	return arena_str(&loader->config->arena, span_of(text));
}

__attribute__((format(printf, 3, 4))) static void problem(struct loader *loader, uint32_t line,
							  const char *format, ...)
{
	struct err mistake = {};
	const char *place = place_of(loader, line);
	va_list args;

	mistake.code = -EINVAL;
	va_start(args, format);
	vsnprintf(mistake.text, sizeof(mistake.text), format, args);
	va_end(args);
	for (char *c = mistake.text; *c;
	     c++) /* keys are quoted as they came: no escape reaches a terminal */
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	err_prefix(&mistake, "%s", place ? place : loader->name);
	if (!loader->count && loader->why)
		*loader->why = mistake;
	if (loader->problems && loader->count < PROBLEMS_MAX)
		buf_f(loader->problems, "%s\n", mistake.text);
	loader->count++;
}

static struct span first_word(struct span path)
{
	const uint8_t *dot = path.len ? memchr(path.at, '.', path.len) : NULL;

	return span_first(path, dot ? (size_t)(dot - path.at) : path.len);
}

/* Words of `path` that fit the beginning of `name`: all of `path` is used up, ret_rest is what is left of the name. */
static bool fits_beginning(struct span path, struct span name, struct span *ret_rest)
{
	while (path.len) {
		struct span is = first_word(path), should = first_word(name);

		if (!name.len || !is.len || !(span_is(should, "*") || span_same(is, should)))
			return false;
		path = span_from(path, is.len + 1);
		name = span_from(name, should.len + 1);
	}
	*ret_rest = name;
	return true;
}

/* The row of a key; exact rows stand before those with a `*` at the same place. */
const struct config_key *config_row(struct span path)
{
	struct span rest;

	for (const struct config_key *row = config_keys; row->name; row++)
		if (fits_beginning(path, span_of(row->name), &rest) && !rest.len)
			return row;
	return NULL;
}

static bool is_section(struct span path)
{
	struct span rest;

	for (const struct config_key *row = config_keys; row->name; row++)
		if (fits_beginning(path, span_of(row->name), &rest) && rest.len)
			return true;
	return false;
}

/* The name of a row with the words of `path` where it has a `*`: what the person could have written. */
static void as_written(const struct config_key *row, struct span path, struct buf *out)
{
	struct span name = span_of(row->name);

	while (name.len) {
		struct span word = first_word(name), own = first_word(path);

		if (out->len)
			buf_char(out, '.');
		buf_span(out, span_is(word, "*") && own.len ? own : word);
		name = span_from(name, word.len + 1);
		path = span_from(path, own.len + 1);
	}
}

static void report_unknown(struct loader *loader, const struct json_node *node, struct span path)
{
	struct suggestion near = {};
	struct buf name;

	buf_init(&name, PATH_MAX_BYTES);
	for (const struct config_key *row = config_keys; row->name; row++) {
		buf_clear(&name);
		as_written(row, path, &name);
		suggest(&near, path, buf_as_span(&name));
	}
	buf_done(&name);
	if (near.best[0])
		problem(loader, node->line, "unknown key '%.*s', did you mean '%s'?", (int)path.len,
			(const char *)path.at, near.best);
	else
		problem(loader, node->line, "unknown key '%.*s'; `sonde config show` names all",
			(int)path.len, (const char *)path.at);
}

static struct setting *find(const struct config *config, struct span key)
{
	for (size_t i = 0; i < config->count; i++)
		if (span_is(key, config->at[i].key))
			return &config->at[i];
	return NULL;
}

static struct setting *make_room(struct loader *loader, struct span key)
{
	struct config *config = loader->config;
	struct setting *setting = find(config, key);
	char *name;

	if (setting)
		return setting;
	name = arena_str(&config->arena, key);
	if (!name || config->count == SETTINGS_MAX)
		return NULL;
	setting = &config->at[config->count++];
	*setting = (struct setting){.key = name};
	return setting;
}

static void put(struct loader *loader, const struct config_key *row, struct span path,
		const struct json_node *node)
{
	struct setting *there = find(loader->config, path);
	uint64_t number = 0;
	struct err why;

	if (there && there->origin > loader->origin)
		return;
	if (config_value_check(row, node, &number, &why)) {
		problem(loader, node->line, "'%.*s' %s", (int)path.len, (const char *)path.at,
			why.text);
		return;
	}
	there = make_room(loader, path);
	if (!there) {
		problem(loader, node->line, "more than %d settings", SETTINGS_MAX);
		return;
	}
	there->row = row;
	there->node = node;
	there->number = number;
	there->origin = loader->origin;
	there->place = place_of(loader, node->line);
	if (!there->place)
		there->place = "";
}

static void place_tree(struct loader *loader, const struct json_node *node, struct span path);

static void place_members(struct loader *loader, const struct json_node *node, struct span path)
{
	for (const struct json_node *child = node->child; child; child = child->next) {
		struct buf below;

		buf_init(&below, PATH_MAX_BYTES);
		if (path.len) {
			buf_span(&below, path);
			buf_char(&below, '.');
		}
		buf_span(&below, child->key);
		if (below.full || !child->key.len)
			problem(loader, child->line, "no key is called that");
		else
			place_tree(loader, child, buf_as_span(&below));
		buf_done(&below);
	}
}

static void place_tree(struct loader *loader, const struct json_node *node, struct span path)
{
	const struct config_key *row = config_row(path);

	if (!path.len || is_section(path)) {
		if (node->type == JSON_OBJECT)
			place_members(loader, node, path);
		else if (node->type != JSON_NULL)
			problem(loader, node->line,
				"'%.*s' is a section: its keys belong below it, as in {key: value}",
				(int)path.len, (const char *)path.at);
	} else if (row) {
		if (node->type != JSON_NULL) /* `key:` with nothing behind it says nothing */
			put(loader, row, path, node);
	} else if (node->type == JSON_OBJECT && node->child) {
		place_members(loader, node, path);
	} else {
		report_unknown(loader, node, path);
	}
}

/* A value of the environment or of --set, at its path. */
static void place_text(struct loader *loader, struct span path, struct span value)
{
	const struct json_node *node;
	struct err why = {};

	if (yaml_read(value, loader->name, &loader->config->arena, &node, &why)) {
		const char *reason =
			strstr(why.text, ": "); /* behind name and line, which say nothing here */

		problem(loader, 0, "'%.*s'%s", (int)path.len, (const char *)path.at,
			reason ? reason : why.text);
		return;
	}
	place_tree(loader, node, path);
}

static void load_defaults(struct loader *loader)
{
	loader->origin = ORIGIN_DEFAULT;
	loader->name = "default";
	for (const struct config_key *row = config_keys; row->name; row++)
		if (!strchr(row->name, '*'))
			place_text(loader, span_of(row->name),
				   span_of(row->value[0] ? row->value : "''"));
}

static void load_file(struct loader *loader, const struct config_sources *sources)
{
	const struct json_node *root;
	struct err why = {};

	if (!sources->file)
		return;
	loader->origin = ORIGIN_FILE;
	loader->name = sources->file;
	if (!yaml_read(sources->text, sources->file, &loader->config->arena, &root, &why)) {
		place_tree(loader, root, (struct span){});
		return;
	}
	if (!loader->count && loader->why)
		*loader->why = why;
	if (loader->problems)
		buf_f(loader->problems, "%s\n", why.text);
	loader->count++;
}

/* store.size -> STORE_SIZE */
void config_upper(struct span name, struct buf *out)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = (char)name.at[i];

		buf_char(out, c >= 'a' && c <= 'z'   ? (char)(c - 'a' + 'A')
			      : c == '.' || c == '-' ? '_'
						     : c);
	}
}

static bool is_upper_of(struct span upper, struct span name)
{
	struct buf text;
	bool same;

	buf_init(&text, PATH_MAX_BYTES);
	config_upper(name, &text);
	same = !text.full && span_same(buf_as_span(&text), upper);
	buf_done(&text);
	return same;
}

/* The table's row for STORE_SIZE. */
static const struct config_key *row_of_variable(struct span upper)
{
	for (const struct config_key *row = config_keys; row->name; row++)
		if (!strchr(row->name, '*') && is_upper_of(upper, span_of(row->name)))
			return row;
	return NULL;
}

static void load_variable(struct loader *loader, const char *variable)
{
	struct config *config = loader->config;
	size_t len = strcspn(variable, "=");
	struct span upper =
		span_from((struct span){(const uint8_t *)variable, len}, strlen("SONDE_"));
	const struct config_key *row = row_of_variable(upper);

	loader->name = arena_str(&config->arena, (struct span){(const uint8_t *)variable, len});
	if (!loader->name || variable[len] != '=')
		return;
	if (row)
		place_text(loader, span_of(row->name), span_of(variable + len + 1));
	else if (span_starts(upper, "ITEMS_") && config->waiting_count < WAITING_MAX)
		config->waiting[config->waiting_count++] =
			arena_str(&config->arena, span_of(variable));
	else if (!span_is(upper, "SOCKET")) /* that one is for clients */
		buf_f(&config->warnings, "%s: no key is called that; the variable is not used\n",
		      loader->name);
}

static void load_environment(struct loader *loader, const char *const *environment)
{
	loader->origin = ORIGIN_ENVIRONMENT;
	for (; environment && *environment; environment++)
		if (!strncmp(*environment, "SONDE_", strlen("SONDE_")))
			load_variable(loader, *environment);
}

static void load_sets(struct loader *loader, const char *const *sets)
{
	loader->origin = ORIGIN_SET;
	loader->name = "--set";
	for (; sets && *sets; sets++) {
		size_t len = strcspn(*sets, "=");
		struct span path = {(const uint8_t *)*sets, len};

		if ((*sets)[len] != '=' || !len || len >= PATH_MAX_BYTES)
			problem(loader, 0, "'%.100s' is not KEY=VALUE", *sets);
		else
			place_text(loader, path, span_of(*sets + len + 1));
	}
}

int config_load(const struct config_sources *sources, struct config **ret_config,
		struct buf *problems, struct err *why)
{
	struct config *config = calloc(1, sizeof(*config));
	struct loader loader = {.config = config, .problems = problems, .why = why};

	if (!config)
		return err_set(why, -ENOMEM, "no memory for the configuration");
	arena_init(&config->arena, ARENA_BYTES);
	buf_init(&config->warnings, 16 * 1024);
	config->at = calloc(SETTINGS_MAX, sizeof(*config->at));
	if (!config->at) {
		config_free(config);
		return err_set(why, -ENOMEM, "no memory for the configuration");
	}
	if (sources->file)
		config->file = arena_str(&config->arena, span_of(sources->file));
	load_defaults(&loader);
	load_file(&loader, sources);
	load_environment(&loader, sources->environment);
	load_sets(&loader, sources->sets);
	if (loader.count) {
		config_free(config);
		return -EINVAL;
	}
	*ret_config = config;
	return 0;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	arena_done(&config->arena);
	buf_done(&config->warnings);
	free(config->at);
	free(config);
}

const char *config_warnings(const struct config *config)
{
	return buf_text(&config->warnings);
}

int config_read_file(const char *path, struct buf *out, struct err *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	ssize_t got = 1;

	if (fd < 0)
		return err_set(why, -errno, "cannot open '%s': %s", path, err_name(errno));
	while (got > 0) {
		char *at = buf_reserve(out, 4096);

		if (!at) {
			error = err_set(why, -EFBIG, "'%s' is larger than a configuration may be",
					path);
			break;
		}
		got = read(fd, at, 4096);
		if (got > 0)
			buf_commit(out, (size_t)got);
		else if (got < 0)
			error = err_set(why, -errno, "cannot read '%s': %s", path, err_name(errno));
	}
	close(fd);
	return error;
}

/* ---- what stands under items ---- */

/* "tcp_state.by" -> item "tcp_state", key "by" */
static bool split_item(const char *key, char ret_item[PATH_MAX_BYTES], const char **ret_key)
{
	const char *dot;

	if (strncmp(key, "items.", strlen("items.")))
		return false;
	key += strlen("items.");
	dot = strchr(key, '.');
	if (!dot || (size_t)(dot - key) >= PATH_MAX_BYTES)
		return false;
	memcpy(ret_item, key, (size_t)(dot - key));
	ret_item[dot - key] = 0;
	*ret_key = dot + 1;
	return true;
}

/* Keys that every item has: rows items.*.x with a name of their own. */
static void suggest_general(struct suggestion *near, struct span word)
{
	for (const struct config_key *row = config_keys; row->name; row++)
		if (!strncmp(row->name, "items.*.", 8))
			suggest(near, word, first_word(span_of(row->name + 8)));
}

static bool item_exists(const struct config_items *items, const char *name, struct suggestion *near)
{
	const char *item;

	for (size_t i = 0; (item = items->item(items->ctx, i)); i++) {
		if (!strcmp(item, name))
			return true;
		suggest(near, span_of(name), span_of(item));
	}
	return false;
}

static bool param_exists(const struct config_items *items, const char *item, const char *key,
			 struct suggestion *near)
{
	const char *param;

	for (size_t i = 0; (param = items->param(items->ctx, item, i)); i++) {
		if (!strcmp(param, key))
			return true;
		suggest(near, span_of(key), span_of(param));
	}
	return false;
}

static void check_setting(struct loader *loader, const struct config_items *items,
			  const struct setting *setting)
{
	struct suggestion near = {}, near_key = {};
	char item[PATH_MAX_BYTES];
	struct err why = {};
	const char *key;

	if (!split_item(setting->key, item, &key))
		return;
	loader->name = setting->place; /* has its line already */
	loader->origin = ORIGIN_SET;
	if (items->is_foreign && items->is_foreign(items->ctx, item))
		return;
	if (!item_exists(items, item, &near)) {
		problem(loader, 0,
			near.best[0] ? "there is no item '%.64s', did you mean '%s'?"
				     : "there is no item '%.64s'%s",
			item, near.best);
		return;
	}
	if (setting->row->type == CONFIG_ANY && !param_exists(items, item, key, &near_key)) {
		suggest_general(&near_key, span_of(key));
		problem(loader, 0,
			near_key.best[0]
				? "item '%.64s' has no parameter '%.64s', did you mean '%s'?"
				: "item '%.64s' has no parameter '%.64s'%s",
			item, key, near_key.best);
		return;
	}
	if (items->check && items->check(items->ctx, item, key, setting, &why))
		problem(loader, 0, "'%.128s': %.300s", setting->key, why.text);
}

/* ITEMS_TCP_STATE_BY -> items.tcp_state.by: of the items whose name it begins with, the longest. */
static void resolve_variable(struct loader *loader, const struct config_items *items,
			     const char *variable)
{
	struct span upper = {(const uint8_t *)variable, strcspn(variable, "=")}, best = {}, rest;
	struct buf key;
	const char *item;

	loader->name = arena_str(&loader->config->arena, upper);
	loader->origin = ORIGIN_ENVIRONMENT;
	if (!loader->name)
		return;
	rest = span_from(upper, strlen("SONDE_ITEMS_"));
	for (size_t i = 0; (item = items->item(items->ctx, i)); i++) {
		size_t len = strlen(item);

		if (len > best.len && rest.len > len + 1 && rest.at[len] == '_' &&
		    is_upper_of(span_first(rest, len), span_of(item)))
			best = span_of(item);
	}
	if (!best.len) {
		problem(loader, 0, "there is no item that this variable could mean");
		return;
	}
	rest = span_from(rest, best.len + 1);
	buf_init(&key, PATH_MAX_BYTES);
	buf_f(&key, "items.%.*s.", (int)best.len, (const char *)best.at);
	for (size_t i = 0; i < rest.len; i++) {
		char c = (char)rest.at[i];

		buf_char(&key, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
	}
	if (span_starts(rest, "HOOK_"))
		key.at[strlen("items.") + best.len + strlen(".hook")] = '.';
	if (!key.full)
		place_text(loader, buf_as_span(&key), span_of(variable + upper.len + 1));
	buf_done(&key);
}

int config_check_items(struct config *config, const struct config_items *items,
		       struct buf *problems, struct err *why)
{
	struct loader loader = {.config = config, .problems = problems, .why = why};

	for (size_t i = 0; i < config->waiting_count; i++)
		if (config->waiting[i])
			resolve_variable(&loader, items, config->waiting[i]);
	config->waiting_count = 0;
	for (size_t i = 0; i < config->count; i++)
		check_setting(&loader, items, &config->at[i]);
	return loader.count ? -EINVAL : 0;
}

const struct setting *config_item_next(const struct config *config, const char *item, size_t *i,
				       const char **ret_key)
{
	size_t len = strlen(item);

	while (*i < config->count) {
		const struct setting *setting = &config->at[(*i)++];

		if (strncmp(setting->key, "items.", 6) || strncmp(setting->key + 6, item, len) ||
		    setting->key[6 + len] != '.')
			continue;
		*ret_key = setting->key + 6 + len + 1;
		return setting;
	}
	return NULL;
}

const struct setting *config_item(const struct config *config, const char *item, const char *key)
{
	const struct setting *setting;
	const char *own;

	for (size_t i = 0; (setting = config_item_next(config, item, &i, &own));)
		if (!strcmp(own, key))
			return setting;
	return NULL;
}

/* ---- reading it ---- */

static const struct setting *must_find(const struct config *config, const char *key, unsigned types)
{
	const struct setting *setting = find(config, span_of(key));

	if (!setting || !(types & 1u << setting->row->type)) {
		fprintf(stderr, "sonde: the program asks for '%s', which is no such key\n", key);
		abort();
	}
	return setting;
}

bool config_bool(const struct config *config, const char *key)
{
	return must_find(config, key, 1u << CONFIG_BOOL)->number;
}

uint64_t config_number(const struct config *config, const char *key)
{
	return must_find(config, key,
			 1u << CONFIG_COUNT | 1u << CONFIG_SIZE | 1u << CONFIG_DURATION)
		->number;
}

const char *config_text(const struct config *config, const char *key)
{
	const struct setting *setting =
		must_find(config, key, 1u << CONFIG_TEXT | 1u << CONFIG_PATH | 1u << CONFIG_CHOICE);

	return setting->node->text.len ? (const char *)setting->node->text.at : NULL;
}

const char *config_list(const struct config *config, const char *key, size_t i)
{
	const struct json_node *node =
		must_find(config, key, 1u << CONFIG_ADDRESSES | 1u << CONFIG_TEXTS)->node;

	if (node->type != JSON_ARRAY)
		return i || !node->text.len ? NULL : (const char *)node->text.at;
	for (node = node->child; node && i; i--)
		node = node->next;
	return node ? (const char *)node->text.at : NULL;
}

static bool same_value(const struct setting *a, const struct setting *b)
{
	struct buf text[2];
	bool same;

	for (int i = 0; i < 2; i++) {
		struct json json = {.out = &text[i]};

		buf_init(&text[i], 1 << 20);
		json_node_write(i ? b->node : a->node, &json);
	}
	same = span_same(buf_as_span(&text[0]), buf_as_span(&text[1]));
	buf_done(&text[0]);
	buf_done(&text[1]);
	return same;
}

size_t config_compare(const struct config *was, const struct config *is, config_change each,
		      void *ctx)
{
	size_t changes = 0;

	for (size_t i = 0; i < was->count; i++) {
		const struct setting *now = find(is, span_of(was->at[i].key));

		if (now && same_value(&was->at[i], now))
			continue;
		each(ctx, &was->at[i], now);
		changes++;
	}
	for (size_t i = 0; i < is->count; i++)
		if (!find(was, span_of(is->at[i].key))) {
			each(ctx, NULL, &is->at[i]);
			changes++;
		}
	return changes;
}
