// SPDX-License-Identifier: GPL-2.0-only
/* listing - the probes there are: -l [SEARCH], with their arguments if asked for. */
#include "trace/listing.h"

#include <stdio.h>
#include <string.h>

#include "trace/probe.h"
#include "trace/script.h"

struct listing {
	struct script *script;
	bool with_arguments;
	uint32_t count;
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

static void found(void *context, const char *name)
{
	struct listing *listing = context;

	listing->count++;
	printf("%s\n", name);
	if (listing->with_arguments)
		show_arguments(listing, name);
}

int list_probes(const char *search, bool with_arguments)
{
	struct script_options options = {.name = "stdin"};
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
	for (size_t i = 0; (kind = probe_kind_at(i)); i++)
		if (kind->list)
			kind->list(listing.script, pattern, found, &listing);
	script_free(listing.script);
	return 0;
}
