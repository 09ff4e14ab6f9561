// SPDX-License-Identifier: GPL-2.0-only
/* probe - the table of the kinds of probes, and from attach points as written to probes that exist. */
#include "trace/probe.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "trace/parse.h"
#include "trace/script.h"

/* One line a kind; what it does is in probes/. */
#define ALL_KINDS(X)                                                                               \
	X(begin)                                                                                   \
	X(end)                                                                                     \
	X(interval)                                                                                \
	X(profile)                                                                                 \
	X(software)                                                                                \
	X(hardware)                                                                                \
	X(tracepoint)                                                                              \
	X(rawtracepoint)                                                                           \
	X(uprobe)                                                                                  \
	X(uretprobe)                                                                               \
	X(usdt)                                                                                    \
	X(kprobe) X(kretprobe) X(fentry) X(fexit) X(iter) X(self) X(test) X(bench) X(watchpoint)

#define DECLARE(name) extern const struct probe_kind probe_##name;
ALL_KINDS(DECLARE)

#define LIST(name) &probe_##name,
static const struct probe_kind *const kinds[] = {ALL_KINDS(LIST)};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

const struct probe_kind *probe_kind_at(size_t index)
{
	return index < KINDS ? kinds[index] : NULL;
}

const struct probe_kind *probe_kind_find(const char *name)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
		for (size_t a = 0; a < 4 && kinds[i]->aliases[a]; a++)
			if (!strcmp(kinds[i]->aliases[a], name))
				return kinds[i];
		if (kinds[i]->is_special && !strcasecmp(kinds[i]->name, name))
			return kinds[i]; /* BEGIN, Begin */
	}
	return NULL;
}

bool probe_cut(struct arena *arena, const char *text, struct probe_parts *ret_parts)
{
	struct probe_parts parts = {};

	for (const char *from = text;;) {
		const char *colon = strchr(from, ':');
		size_t len = colon ? (size_t)(colon - from) : strlen(from);

		if (parts.count == PROBE_PARTS_MAX)
			return false;
		parts.part[parts.count] =
			arena_str(arena, (struct span){(const uint8_t *)from, len});
		if (!parts.part[parts.count++])
			return false;
		if (!colon)
			break;
		from = colon + 1;
	}
	*ret_parts = parts;
	return true;
}

bool probe_has_wildcard(const char *text)
{
	return strpbrk(text, "*?[");
}

bool probe_glob(const char *pattern, const char *text)
{
	return fnmatch(pattern, text, 0) == 0;
}

struct probe *probe_add(struct script *script, struct action *action, const struct probe_spec *spec,
			const struct probe_kind *kind, const char *name)
{
	struct probe *probe = arena_new(&script->arena, sizeof(*probe));

	if (!probe)
		return NULL;
	if (script->probe_count >= script->config.max_probes) {
		diag_error(&script->diag, spec->place,
			   "Can't attach to more than %u probes. Consider increasing the "
			   "max_probes config variable",
			   script->config.max_probes);
		return NULL;
	}
	probe->kind = kind;
	probe->action = action;
	probe->place = spec->place;
	probe->name = arena_str(&script->arena, span_of(name));
	probe->index = (int)script->probe_count++;
	if (script->last_probe)
		script->last_probe->next = probe;
	else
		script->probes = probe;
	script->last_probe = probe;
	return probe;
}

/* A wildcard may match nothing: what is said then is said of the whole action. */
void probe_missing(struct script *script, const struct probe_spec *spec, const char *format, ...)
{
	char text[512];
	va_list args;

	if (probe_has_wildcard(spec->text))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (script->config.missing_probes == MISSING_ERROR)
		diag_error(&script->diag, spec->place, "%s", text);
	else if (script->config.missing_probes == MISSING_WARN)
		diag_warn(&script->diag, spec->place, "%s Skipping.", text);
}

const struct type *probe_args(struct script *script, struct probe *probe)
{
	if (!probe->is_args_known && probe->kind->args)
		probe->args = probe->kind->args(script, probe);
	probe->is_args_known = true;
	return probe->args;
}

const char *tracefs_path(void)
{
	static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	char events[64];

	for (size_t i = 0; i < 2; i++) {
		snprintf(events, sizeof(events), "%s/events", places[i]);
		/* not access(2): in an agent's script the real user has no rights, its capabilities have */
		if (!eaccess(events, F_OK))
			return places[i];
	}
	return NULL;
}

static void expand_one(struct script *script, struct action *action, const struct probe_spec *spec)
{
	const struct probe_kind *kind;
	struct probe_parts parts;

	if (!probe_cut(&script->arena, spec->text, &parts)) {
		diag_error(&script->diag, spec->place, "Too many parts in probe '%s'", spec->text);
		return;
	}
	if (!*parts.part[0]) {
		diag_error(&script->diag, spec->place, "No attach points for probe");
		return;
	}
	kind = probe_kind_find(parts.part[0]);
	if (!kind) {
		diag_error(&script->diag, spec->place, "Invalid probe type: %s", parts.part[0]);
		return;
	}
	kind->expand(script, action, spec, &parts);
}

/* Attach points of one action share a body unless it depends on which one it is. */
static int give_bodies(struct script *script, struct action *action, struct probe *first)
{
	const struct probe_kind *kind = NULL;
	struct body *body = NULL;

	for (struct probe *probe = first; probe; probe = probe->next) {
		if (!body || action->is_per_probe || probe->kind != kind) {
			body = script_parse_body(script, action->body_from);
			if (!body)
				return -EINVAL;
		}
		kind = probe->kind;
		probe->body = body;
	}
	return 0;
}

/* Nothing of all that the action names is there. */
static void say_gone(struct script *script, const struct action *action)
{
	if (script->config.missing_probes == MISSING_ERROR)
		diag_error(&script->diag, action->place,
			   "Probe has no valid attach points. If this is expected, set the "
			   "'missing_probes' config variable to 'warn'.");
	else if (script->config.missing_probes == MISSING_WARN)
		diag_warn(&script->diag, action->place,
			  "Probe has no valid attach points. It is being removed which may cause "
			  "issues with program behavior.");
}

int script_expand(struct script *script)
{
	for (struct action *action = script->actions; action; action = action->next) {
		struct probe *last = script->last_probe;
		uint32_t errors = script->diag.errors;

		for (struct probe_spec *spec = action->specs; spec; spec = spec->next)
			expand_one(script, action, spec);
		if (give_bodies(script, action, last ? last->next : script->probes))
			return -EINVAL;
		if (script->last_probe == last && script->diag.errors == errors &&
		    !action->is_of_other_mode)
			say_gone(script, action);
	}
	return script->diag.errors || !script->probes ? -EINVAL : 0;
}
