// SPDX-License-Identifier: GPL-2.0-only
/* listing - the probes there are: -l [SEARCH], with their arguments if asked for. */
#include "trace/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/btf.h"
#include "trace/probe.h"
#include "trace/script.h"

struct listing {
	struct script *script;
	bool with_arguments;
	const char **names; /* owned */
	uint32_t count, room;
};

/* A blank behind a pointer's star, as bpftrace has it. */
static void show_kernel_type(struct listing *listing, const struct field *field)
{
	struct buf type;

	buf_init(&type, 4096);
	btf_show_declaration(script_btf(listing->script), field->btf_id, "", &type);
	printf("    %s %s\n", buf_text(&type), field->name ? field->name : "");
	buf_done(&type);
}

static void show_field(struct listing *listing, const struct field *field)
{
	if (field->shown)
		printf("    %s\n", field->shown);
	else if (field->btf_id)
		show_kernel_type(listing, field);
	else
		printf("    %s %s\n", type_text(&listing->script->arena, field->type), field->name);
}

static void show_record(struct listing *listing, const struct type *args)
{
	for (uint32_t i = 0; args && i < args->field_count; i++)
		if (args->fields[i].name && strncmp(args->fields[i].name, "common_", 7))
			show_field(listing, &args->fields[i]);
}

static void show_arguments(struct listing *listing, const char *name)
{
	struct action action = {};
	struct probe_spec spec = {.text = name};
	struct probe_parts parts;
	const struct probe_kind *kind;
	struct probe *probe;

	if (!probe_cut(&listing->script->arena, name, &parts))
		return;
	kind = probe_kind_find(parts.part[0]);
	listing->script->probe_count = 0;
	kind->expand(listing->script, &action, &spec, &parts);
	probe = listing->script->last_probe;
	if (probe)
		show_record(listing, probe_args(listing->script, probe));
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

/* --- "struct task_*", "enum pid_type": types of the kernel --- */

static const struct {
	const char *word;
	unsigned kinds[2]; /* BTF_KIND_* */
} words[] = {{"struct ", {4, 4}}, {"union ", {5, 5}}, {"enum ", {6, 19}}};

static void list_types(struct listing *listing, const char *word, const unsigned *kinds,
		       const char *pattern)
{
	struct btf *btf = script_btf(listing->script);
	struct buf text;

	buf_init(&text, 64 << 20);
	for (int k = 0; btf && k < 2 && (!k || kinds[1] != kinds[0]); k++) {
		const char *name;
		uint32_t id = 0;

		while (btf_next(btf, kinds[k], &id, &name)) {
			if (!*name || !probe_glob(pattern, name))
				continue;
			buf_clear(&text);
			if (listing->with_arguments) {
				buf_str(&text, "vmlinux: ");
				btf_show(btf, id, &text);
				buf_char(&text, '\n');
			} else {
				buf_f(&text, "%s%s", word, name);
			}
			found(listing, buf_text(&text));
		}
	}
	buf_done(&text);
	/* as everything is: in order, and once */
	listing->with_arguments = false;
	show_found(listing);
}

static void list_one(struct listing *listing, const char *search)
{
	const struct probe_kind *kind;
	char pattern[1024];
	size_t len = strcspn(search, ":");

	/* short names of kinds are names too */
	snprintf(pattern, sizeof(pattern), "%.*s", (int)(len < 1000 ? len : 1000), search);
	kind = probe_kind_find(pattern);
	snprintf(pattern, sizeof(pattern), "%s%s", kind ? kind->name : "",
		 kind ? (search[len] ? search + len : ":*") : search);
	for (size_t i = 0; (kind = probe_kind_at(i)); i++) {
		if (kind->list)
			kind->list(listing->script, pattern, found, listing);
		show_found(listing);
	}
}

int list_probes(const char *search, bool with_arguments, int pid)
{
	struct script_options options = {.name = "stdin", .pid = pid};
	struct listing listing = {.script = script_new(span_of(""), &options),
				  .with_arguments = with_arguments};

	if (!listing.script)
		return 1;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strncmp(search, words[i].word, strlen(words[i].word))) {
			list_types(&listing, words[i].word, words[i].kinds,
				   search + strlen(words[i].word));
			search = "";
		}
	if (strlen(search) > 3 && !strcmp(search + strlen(search) - 3, ".bt"))
		fprintf(stderr,
			"WARNING: It appears that '%s' is a filename but the file does not exist. "
			"Treating '%s' as a search pattern.\n",
			search, search);
	while (*search) {
		size_t len = strcspn(search, ",");
		const char *one = arena_str(&listing.script->arena,
					    span_trim((struct span){(const uint8_t *)search, len}));

		if (one)
			list_one(&listing, one);
		search += len + (search[len] == ',');
	}
	free(listing.names);
	script_free(listing.script);
	return 0;
}

/* --- the probes of a script --- */

/* Names as they are listed: counts and frequencies are the script's own. */
static const char *listed_name(struct script *script, const char *name)
{
	static const char *const counted[] = {"interval:", "profile:", "software:", "hardware:"};
	char text[512];

	for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
		size_t len = strlen(counted[i]);
		const char *colon = strncmp(name, counted[i], len) ? NULL : strchr(name + len, ':');

		if (!colon)
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)(colon + 1 - name), name);
		return arena_str(&script->arena, span_of(text));
	}
	return name;
}

void list_script(struct script *script, bool with_arguments)
{
	struct listing listing = {.script = script, .with_arguments = with_arguments};

	for (struct probe *probe = script->probes; probe; probe = probe->next) {
		if (probe->is_more_of_last || probe->kind->is_special)
			continue;
		printf("%s\n", listed_name(script, probe->name));
		if (with_arguments)
			show_record(&listing, probe_args(script, probe));
	}
}
