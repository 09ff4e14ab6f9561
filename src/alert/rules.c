// SPDX-License-Identifier: GPL-2.0-only
/*
 * rules - files of alerting and recording rules, read and checked.
 *
 * What is asked of a rule is what Prometheus asks (model/rulefmt of 2.42), so that a file that one takes the other takes too.
 */
#include "alert/rules.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/suggest.h"
#include "base/yaml_read.h"

enum { RULES_ARENA = 16 << 20, YAML_ARENA = 32 << 20, FILES_MAX = 256, PROBLEMS_SHOWN = 50 };

/* One file. */
struct rules_reader {
	struct rules *rules;
	const char *name;
	struct buf *problems;
	size_t count; /* of them */
	int64_t interval_ms;
};

struct rules *rules_new(void)
{
	struct rules *rules = calloc(1, sizeof(*rules));

	if (rules)
		arena_init(&rules->arena, RULES_ARENA);
	return rules;
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->groups; i++)
		for (size_t k = 0; k < rules->group[i].rules; k++)
			promql_free(rules->group[i].rule[k].query);
	arena_done(&rules->arena);
	free(rules);
}

static int problem(struct rules_reader *reader, uint32_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int problem(struct rules_reader *reader, uint32_t line, const char *format, ...)
{
	char text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *c = text; *c;
	     c++) /* names are quoted as they came: no escape reaches a terminal */
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	if (reader->count++ < PROBLEMS_SHOWN && line)
		buf_f(reader->problems, "%s:%u: %s\n", reader->name, line, text);
	else if (reader->count <= PROBLEMS_SHOWN)
		buf_f(reader->problems, "%s: %s\n", reader->name, text);
	return -EINVAL;
}

static const char *shown(struct span text)
{
	return text.at ? (const char *)text.at : "";
}

/* Every member of `node` must be one of `known` (a list that ends with NULL). */
static int check_names(struct rules_reader *reader, const struct json_node *node, const char *what,
		       const char *const *known)
{
	int error = 0;

	for (const struct json_node *member = node->child; member; member = member->next) {
		struct suggestion near = {};
		bool found = false;

		for (size_t i = 0; known[i]; i++) {
			found |= span_is(member->key, known[i]);
			suggest(&near, member->key, span_of(known[i]));
		}
		if (found)
			continue;
		if (near.best[0])
			error = problem(reader, member->line,
					"%s has no '%.60s'; did you mean '%s'?", what,
					shown(member->key), near.best);
		else
			error = problem(reader, member->line, "%s has no '%.60s'", what,
					shown(member->key));
	}
	return error;
}

/* Any scalar as the text that stands there; YAML's null is the empty text. */
static bool scalar_text(const struct json_node *node, struct span *ret)
{
	*ret = span_of("");
	if (!node || node->type == JSON_NULL)
		return true;
	if (node->type == JSON_BOOL)
		*ret = span_of(node->truth ? "true" : "false");
	else if (node->type == JSON_TEXT || node->type == JSON_NUMBER)
		*ret = node->text;
	else
		return false;
	return true;
}

static int read_duration(struct rules_reader *reader, const struct json_node *node,
			 const char *name, int64_t *ret_ms)
{
	const struct json_node *member = json_get(node, name);
	struct span text;

	if (!member)
		return 0;
	if (scalar_text(member, &text) && (span_is(text, "0") || promql_duration(text, ret_ms))) {
		if (span_is(text, "0"))
			*ret_ms = 0;
		return 0;
	}
	return problem(reader, member->line,
		       "'%s' is a duration like 30s, 5m or 1h30m, not '%.60s'", name, shown(text));
}

static bool is_label_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] != '_' && !isalpha(name.at[i]) && !(i && isdigit(name.at[i])))
			return false;
	return name.len != 0 && !span_is(name, "__name__");
}

static bool is_metric_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] != '_' && name.at[i] != ':' && !isalpha(name.at[i]) &&
		    !(i && isdigit(name.at[i])))
			return false;
	return name.len != 0;
}

static int read_pair(struct rules_reader *reader, const struct json_node *member, bool is_record,
		     struct rule_pair *pair)
{
	struct arena *arena = &reader->rules->arena;
	struct err why = {};
	struct span text;
	const char *name = arena_str(arena, member->key), *copy;

	if (!scalar_text(member, &text))
		return problem(reader, member->line, "'%.60s' is one text", shown(member->key));
	copy = arena_str(arena, text);
	if (!name || !copy)
		return problem(reader, member->line, "the rules need too much memory");
	*pair = (struct rule_pair){span_of(name), {(const uint8_t *)copy, text.len}, NULL};
	if (!is_label_name(pair->name))
		return problem(reader, member->line, "'%.60s' is no name for a label", name);
	/* the labels of what is recorded are taken as they are */
	if (!is_record && template_read(pair->text, arena, &pair->template, &why))
		return problem(reader, member->line, "'%.60s': %s", name, why.text);
	return 0;
}

static int read_pairs(struct rules_reader *reader, const struct json_node *rule, const char *name,
		      bool is_record, struct rule_pair **ret_pairs, size_t *ret_count)
{
	const struct json_node *node = json_get(rule, name);
	int error = 0;

	if (!node || node->type == JSON_NULL)
		return 0;
	if (node->type != JSON_OBJECT)
		return problem(reader, node->line, "'%s' holds names and texts", name);
	*ret_pairs = arena_new(&reader->rules->arena, RULE_PAIRS * sizeof(**ret_pairs));
	if (!*ret_pairs)
		return problem(reader, node->line, "the rules need too much memory");
	for (const struct json_node *member = node->child; member; member = member->next) {
		if (*ret_count == RULE_PAIRS)
			return problem(reader, member->line, "'%s' has more than %d names", name,
				       RULE_PAIRS);
		if (read_pair(reader, member, is_record, &(*ret_pairs)[*ret_count]))
			error = -EINVAL;
		(*ret_count)++;
	}
	return error;
}

static int read_expr(struct rules_reader *reader, const struct json_node *node, struct rule *rule)
{
	const struct json_node *member = json_get(node, "expr");
	struct err why = {};
	struct span text;
	const char *copy;

	if (!member || !scalar_text(member, &text) || !text.len)
		return problem(reader, member ? member->line : node->line,
			       "'expr' is missing: what the rule asks");
	copy = arena_str(&reader->rules->arena, text);
	if (!copy)
		return problem(reader, member->line, "the rules need too much memory");
	rule->expr = (struct span){(const uint8_t *)copy, text.len};
	while (rule->expr.len && isspace(rule->expr.at[rule->expr.len - 1]))
		rule->expr.len--;
	if (promql_parse(text, &rule->query, &why))
		return problem(reader, member->line, "'expr': %s", why.text);
	if (!promql_has_steps(rule->query)) {
		promql_free(rule->query);
		rule->query = NULL;
		return problem(
			reader, member->line,
			"'expr' comes to a range or a text; it must be a vector or a number");
	}
	return 0;
}

static int read_rule_name(struct rules_reader *reader, const struct json_node *node,
			  struct rule *rule)
{
	const struct json_node *alert = json_get(node, "alert"), *record = json_get(node, "record");
	const struct json_node *member = record ? record : alert;
	struct span name;

	if (!alert == !record)
		return problem(reader, node->line,
			       alert ? "a rule is either an 'alert' or a 'record', not both"
				     : "a rule has a name: 'alert' or 'record' is missing");
	if (!scalar_text(member, &name) || !name.len)
		return problem(reader, member->line, "the name of a rule is a text");
	rule->is_record = record != NULL;
	rule->line = member->line;
	rule->name = arena_str(&reader->rules->arena, name);
	if (!rule->name)
		return problem(reader, member->line, "the rules need too much memory");
	if (rule->is_record && !is_metric_name(name))
		return problem(reader, member->line, "'%.60s' is no name for a metric",
			       shown(name));
	return 0;
}

static int read_rule(struct rules_reader *reader, const struct json_node *node, struct rule *rule)
{
	static const char *const known[] = {"alert",           "record", "expr",        "for",
					    "keep_firing_for", "labels", "annotations", NULL};
	static const char *const of_alerts[] = {"for", "keep_firing_for", "annotations"};
	int error;

	if (node->type != JSON_OBJECT)
		return problem(reader, node->line, "a rule holds names: alert, expr ...");
	error = check_names(reader, node, "a rule", known);
	if (read_rule_name(reader, node, rule))
		return -EINVAL;
	for (size_t i = 0; rule->is_record && i < 3; i++)
		if (json_get(node, of_alerts[i]))
			error = problem(reader, json_get(node, of_alerts[i])->line,
					"'%s' has no meaning where something is recorded",
					of_alerts[i]);
	if (read_duration(reader, node, "for", &rule->for_ms) ||
	    read_duration(reader, node, "keep_firing_for", &rule->keep_firing_ms) ||
	    read_pairs(reader, node, "labels", rule->is_record, &rule->label, &rule->labels) ||
	    read_pairs(reader, node, "annotations", rule->is_record, &rule->annotation,
		       &rule->annotations))
		error = -EINVAL;
	return read_expr(reader, node, rule) ? -EINVAL : error;
}

static size_t count_children(const struct json_node *node)
{
	size_t count = 0;

	for (const struct json_node *child = node->child; child; child = child->next)
		count++;
	return count;
}

static int read_rules(struct rules_reader *reader, const struct json_node *node,
		      struct rule_group *group)
{
	const struct json_node *list = json_get(node, "rules");
	struct rules *rules = reader->rules;

	if (!list || list->type == JSON_NULL)
		return 0;
	if (list->type != JSON_ARRAY)
		return problem(reader, list->line, "'rules' is a list");
	group->rule = arena_new(&rules->arena, (count_children(list) + 1) * sizeof(*group->rule));
	if (!group->rule)
		return problem(reader, list->line, "the rules need too much memory");
	for (const struct json_node *child = list->child; child; child = child->next) {
		struct rule rule = {};

		if (rules->count == RULES_MAX)
			return problem(reader, child->line, "there are more than %d rules",
				       RULES_MAX);
		if (read_rule(reader, child, &rule)) {
			promql_free(rule.query);
			rules->left_out++;
			continue;
		}
		group->rule[group->rules++] = rule;
		rules->count++;
	}
	return 0;
}

static bool is_taken(const struct rules *rules, const char *file, struct span name)
{
	for (size_t i = 0; i < rules->groups; i++)
		if (!strcmp(rules->group[i].file, file) && span_is(name, rules->group[i].name))
			return true;
	return false;
}

static void read_group(struct rules_reader *reader, const char *file, const struct json_node *node)
{
	static const char *const known[] = {"name", "interval", "limit", "rules", NULL};
	struct rules *rules = reader->rules;
	struct rule_group group = {.file = file, .interval_ms = reader->interval_ms};
	const struct json_node *limit = json_get(node, "limit");
	struct span name;

	if (node->type != JSON_OBJECT) {
		problem(reader, node->line, "a group holds names: name, interval, rules");
		return;
	}
	check_names(reader, node, "a group", known);
	if (!json_get(node, "name") || !scalar_text(json_get(node, "name"), &name) || !name.len) {
		problem(reader, node->line, "a group has a 'name'");
		return;
	}
	if (is_taken(rules, file, name)) {
		problem(reader, node->line, "there is a group '%.60s' already in this file",
			shown(name));
		return;
	}
	if (rules->groups == RULE_GROUPS_MAX) {
		problem(reader, node->line, "there are more than %d groups", RULE_GROUPS_MAX);
		return;
	}
	if (limit && !json_node_u64(limit, &group.limit))
		problem(reader, limit->line, "'limit' is a whole number");
	read_duration(reader, node, "interval", &group.interval_ms);
	if (group.interval_ms < 1000)
		group.interval_ms = reader->interval_ms;
	group.name = arena_str(&rules->arena, name);
	if (!group.name)
		return;
	read_rules(reader, node, &group); /* those that were right stay */
	rules->group[rules->groups++] = group;
}

size_t rules_read(struct rules *rules, const char *name, struct span text, int64_t interval_ms,
		  struct buf *problems)
{
	static const char *const known[] = {"groups", NULL};
	struct rules_reader reader = {
		.rules = rules, .name = name, .problems = problems, .interval_ms = interval_ms};
	const struct json_node *root = NULL, *groups;
	const char *file = arena_str(&rules->arena, span_of(name));
	struct arena arena;
	struct err why = {};

	arena_init(&arena, YAML_ARENA);
	if (!file) {
		problem(&reader, 0, "the rules need too much memory");
	} else if (yaml_read(text, name, &arena, &root, &why)) {
		reader.count++;
		buf_f(problems, "%s\n", why.text); /* it begins with the place */
	} else if (root->type != JSON_NULL && root->type != JSON_OBJECT) {
		problem(&reader, root->line, "a file of rules begins with 'groups:'");
	} else if (root->type == JSON_OBJECT) {
		check_names(&reader, root, "a file of rules", known);
		groups = json_get(root, "groups");
		if (groups && groups->type == JSON_ARRAY)
			for (const struct json_node *node = groups->child; node; node = node->next)
				read_group(&reader, file, node);
		else if (groups && groups->type != JSON_NULL)
			problem(&reader, groups->line, "'groups' is a list");
	}
	arena_done(&arena);
	return reader.count;
}

/* ---- files and folders ---- */

static size_t cannot_read(const char *path, int error, struct buf *problems)
{
	buf_f(problems, "%s: cannot be read: %s\n", path, err_name(error));
	return 1;
}

static size_t load_file(struct rules *rules, const char *path, int64_t interval_ms,
			struct buf *problems)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t wrong = 0;
	ssize_t got = 1;
	struct buf text;

	if (fd < 0)
		return cannot_read(path, errno, problems);
	buf_init(&text, RULES_BYTES_MAX);
	while (got > 0) {
		char *at = buf_reserve(&text, 16384);

		if (!at)
			break;
		got = read(fd, at, 16384);
		if (got > 0)
			buf_commit(&text, (size_t)got);
	}
	if (got < 0) {
		wrong = cannot_read(path, errno, problems);
	} else if (got > 0) {
		buf_f(problems, "%s: it is larger than %d KiB\n", path, RULES_BYTES_MAX >> 10);
		wrong = 1;
	} else {
		wrong = rules_read(rules, path, buf_as_span(&text), interval_ms, problems);
	}
	close(fd);
	buf_done(&text);
	return wrong;
}

static int is_rule_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && (!strcmp(dot, ".yml") || !strcmp(dot, ".yaml"));
}

static size_t load_folder(struct rules *rules, const char *path, int64_t interval_ms,
			  struct buf *problems)
{
	struct dirent **entry = NULL;
	int count = scandir(path, &entry, is_rule_file, alphasort);
	size_t wrong = 0;

	if (count < 0)
		return cannot_read(path, errno, problems);
	for (int i = 0; i < count; i++) {
		char file[4096 + 300];

		snprintf(file, sizeof(file), "%.4096s/%s", path, entry[i]->d_name);
		if (i < FILES_MAX)
			wrong += load_file(rules, file, interval_ms, problems);
		free(entry[i]);
	}
	free(entry);
	if (count > FILES_MAX) {
		buf_f(problems, "%s: only the first %d files are read\n", path, FILES_MAX);
		wrong++;
	}
	return wrong;
}

size_t rules_load(struct rules *rules, const char *path, int64_t interval_ms, struct buf *problems)
{
	struct stat is;

	if (stat(path, &is)) {
		const char *dot = strrchr(path, '.');
		bool is_file = dot && (!strcmp(dot, ".yml") || !strcmp(dot, ".yaml"));

		return errno == ENOENT && !is_file ? 0 : cannot_read(path, errno, problems);
	}
	return S_ISDIR(is.st_mode) ? load_folder(rules, path, interval_ms, problems)
				   : load_file(rules, path, interval_ms, problems);
}
