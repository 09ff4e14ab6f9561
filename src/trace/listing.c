// SPDX-License-Identifier: GPL-2.0-only
/* listing - the probes there are: -l [SEARCH], with their arguments if asked for. */
#include "trace/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/probe.h"
#include "trace/script.h"

struct listing {
	struct script *script;
	bool with_arguments;
	const char **names; /* owned */
	uint32_t count, room;
};

static void show_field(struct listing *listing, const struct field *field)
{
	if (field->shown)
		printf("    %s\n", field->shown);
	else
		printf("    %s %s\n", type_text(&listing->script->arena, field->type), field->name);
}

static void show_arguments(struct listing *listing, const char *name)
{
	struct action action = {};
	struct probe_spec spec = {.text = name};
	struct probe_parts parts;
	const struct probe_kind *kind;
	const struct type *args;
	struct probe *probe;

	if (!probe_cut(&listing->script->arena, name, &parts))
		return;
	kind = probe_kind_find(parts.part[0]);
	listing->script->probe_count = 0;
	kind->expand(listing->script, &action, &spec, &parts);
	probe = listing->script->last_probe;
	args = probe ? probe_args(listing->script, probe) : NULL;
	for (uint32_t i = 0; args && i < args->field_count; i++)
		if (args->fields[i].name && strncmp(args->fields[i].name, "common_", 7))
			show_field(listing, &args->fields[i]);
}

/* Names are kept, to be shown in order and once each. */
static void found(void *context, const char *name)
{
	struct listing *listing = context;
	const char *copy = arena_str(&listing->script->arena, span_of(name));

	if (listing->count == listing->room) {
		uint32_t room = listing->room ? listing->room * 2 : 1024;
		const char **grown = realloc(listing->names, room * sizeof(*grown));

		if (!grown)
			return;
		listing->names = grown;
		listing->room = room;
	}
	if (copy)
		listing->names[listing->count++] = copy;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void show_found(struct listing *listing)
{
	if (listing->count)
		qsort(listing->names, listing->count, sizeof(*listing->names), by_name);
	for (uint32_t i = 0; i < listing->count; i++) {
		if (i && !strcmp(listing->names[i], listing->names[i - 1]))
			continue;
		printf("%s\n", listing->names[i]);
		if (listing->with_arguments)
			show_arguments(listing, listing->names[i]);
	}
	listing->count = 0;
}

int list_probes(const char *search, bool with_arguments, int pid)
{
	struct script_options options = {.name = "stdin", .pid = pid};
	struct listing listing = {.script = script_new(span_of(""), &options),
				  .with_arguments = with_arguments};
	const struct probe_kind *kind;
	char pattern[1024];
	size_t len = strcspn(search, ":");

	if (!listing.script)
		return 1;
	/* short names of kinds are names too */
	snprintf(pattern, sizeof(pattern), "%.*s", (int)(len < 1000 ? len : 1000), search);
	kind = probe_kind_find(pattern);
	snprintf(pattern, sizeof(pattern), "%s%s", kind ? kind->name : "",
		 kind ? (search[len] ? search + len : ":*") : search);
	for (size_t i = 0; (kind = probe_kind_at(i)); i++) {
		if (kind->list)
			kind->list(listing.script, pattern, found, &listing);
		show_found(&listing);
	}
	free(listing.names);
	script_free(listing.script);
	return 0;
}
