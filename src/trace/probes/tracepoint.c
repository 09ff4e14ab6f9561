// SPDX-License-Identifier: GPL-2.0-only
/*
 * tracepoint, rawtracepoint - the kernel's static events.
 *
 * Arguments of a tracepoint are what its format file in tracefs says; those of a raw one are the
 * parameters of the C function behind it, from BTF (btf_trace_NAME). A tracepoint whose action
 * does not look at them is attached as a raw one, which halves what an event costs. Not so the
 * system calls: their events have no raw tracepoint of their own.
 */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "trace/btf.h"
#include "trace/probes/probes.h"

enum { FIELDS_MAX = 128, FORMAT_MAX = 65536, NAMES_MAX = 8192 };

static bool read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		return false;
	len = fread(text, 1, size - 1, file);
	text[len] = 0;
	fclose(file);
	return len > 0;
}

/* --- the format file --- */

static const struct type *pointer_to(struct script *script, const char *text, enum space space)
{
	struct type *record;
	const char *name = strstr(text, "struct ");
	size_t len;

	if (strstr(text, "char"))
		return type_pointer(&script->arena, &type_int8, space);
	if (!name)
		return type_pointer(&script->arena, &type_uint64, space);
	name += strlen("struct ");
	len = strcspn(name, " *");
	record = arena_new(&script->arena, sizeof(*record));
	if (!record)
		return &type_none;
	/* its fields are looked up in BTF if the script asks for one */
	*record = (struct type){.kind = TYPE_RECORD, .align = 1};
	record->name = arena_str(&script->arena, (struct span){(const uint8_t *)name, len});
	return type_pointer(&script->arena, record, space);
}

/* "field:const char * filename;	offset:16;	size:8;	signed:0;" */
static bool parse_field(struct script *script, char *line, enum space space, struct field *field)
{
	unsigned offset, size, is_signed;
	char *name, *bracket, *end = strchr(line, ';');

	if (!end ||
	    sscanf(end + 1, " offset:%u; size:%u; signed:%u;", &offset, &size, &is_signed) != 3)
		return false;
	*end = 0;
	field->shown = arena_str(&script->arena, span_of(line));
	bracket = strchr(line, '[');
	field->is_data_loc = !strncmp(line, "__data_loc", 10);
	if (bracket && field->is_data_loc) { /* "__data_loc char[] name" */
		name = strrchr(line, ' ') + 1;
		bracket = NULL;
	} else {
		if (bracket)
			*bracket = 0;
		name = strrchr(line, ' ');
		if (!name)
			return false;
		*name++ = 0;
	}
	field->name = arena_str(&script->arena, span_of(name));
	field->offset = offset;
	if (field->is_data_loc) {
		field->type = strstr(line, "char")
				      ? type_string(&script->arena, script->config.max_strlen)
				      : type_pointer(&script->arena, &type_uint8, SPACE_KERNEL);
	} else if (bracket) {
		unsigned count = (unsigned)strtoul(bracket + 1, NULL, 10);
		bool is_text = strstr(line, "char") && !strstr(line, "unsigned") && count == size;

		if (!count)
			return false;
		field->type = is_text ? type_string(&script->arena, size)
				      : type_array(&script->arena,
						   type_int(size / count, is_signed), count);
	} else if (strchr(line, '*')) {
		field->type = pointer_to(script, line, space);
	} else {
		field->type = size <= 8 ? type_int(size, is_signed) : &type_none;
	}
	return field->name;
}

static const struct type *tracepoint_args(struct script *script, struct probe *probe)
{
	struct field *fields = arena_new(&script->arena, FIELDS_MAX * sizeof(*fields));
	struct type *type = arena_new(&script->arena, sizeof(*type));
	enum space space = probe->kind->space;
	char path[512], *text = malloc(FORMAT_MAX), *line, *rest = NULL;
	uint32_t count = 0, size = 8;

	if (!strcmp(probe->target, "syscalls"))
		space = SPACE_USER;
	snprintf(path, sizeof(path), "%s/events/%s/%s/format", tracefs_path(), probe->target,
		 probe->function);
	if (!fields || !type || !text || !read_file(path, text, FORMAT_MAX)) {
		free(text);
		return NULL;
	}
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *field = strstr(line, "field:");

		if (field && count < FIELDS_MAX &&
		    parse_field(script, field + 6, space, &fields[count]))
			count++;
	}
	free(text);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t end = fields[i].offset + fields[i].type->size;

		size = end > size ? (end + 7) / 8 * 8 : size;
	}
	snprintf(path, sizeof(path), "tracepoint:%s:%s_args", probe->target, probe->function);
	*type = (struct type){.kind = TYPE_RECORD,
			      .name = arena_str(&script->arena, span_of(path)),
			      .fields = fields,
			      .field_count = count,
			      .size = size,
			      .align = 8,
			      .space = SPACE_CONTEXT};
	return type;
}

/* --- which ones there are --- */

struct names {
	char **at;
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->at[i]);
	free(names->at);
}

/* Folders below `path` that match, sorted. */
static struct names matching_folders(const char *path, const char *pattern)
{
	struct names names = {.at = calloc(NAMES_MAX, sizeof(*names.at))};
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && names.at && names.count < NAMES_MAX && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR &&
		    probe_glob(pattern, entry->d_name)) {
			names.at[names.count] = strdup(entry->d_name);
			names.count += names.at[names.count] != NULL;
		}
	if (folder)
		closedir(folder);
	if (names.at)
		qsort(names.at, names.count, sizeof(*names.at), by_name);
	return names;
}

static void each_tracepoint(const char *subsystems, const char *events,
			    void (*found)(void *context, const char *subsystem, const char *event),
			    void *context)
{
	char path[512];
	struct names outer, inner;

	snprintf(path, sizeof(path), "%s/events", tracefs_path());
	outer = matching_folders(path, subsystems);
	for (size_t i = 0; i < outer.count; i++) {
		snprintf(path, sizeof(path), "%s/events/%s", tracefs_path(), outer.at[i]);
		inner = matching_folders(path, events);
		for (size_t j = 0; j < inner.count; j++)
			found(context, outer.at[i], inner.at[j]);
		names_done(&inner);
	}
	names_done(&outer);
}

struct expansion_of {
	struct script *script;
	struct action *action;
	const struct probe_spec *spec;
	uint32_t count;
};

extern const struct probe_kind probe_tracepoint, probe_rawtracepoint;

static void add_tracepoint(void *context, const char *subsystem, const char *event)
{
	struct expansion_of *all = context;
	struct arena *arena = &all->script->arena;
	char name[512];
	struct probe *probe;

	snprintf(name, sizeof(name), "tracepoint:%s:%s", subsystem, event);
	all->count++;
	probe = probe_add(all->script, all->action, all->spec, &probe_tracepoint, name);
	if (!probe)
		return;
	probe->target = arena_str(arena, span_of(subsystem));
	probe->function = arena_str(arena, span_of(event));
}

static bool tracefs_wanted(struct script *script, const struct probe_spec *spec)
{
	if (tracefs_path())
		return true;
	diag_error(&script->diag, spec->place,
		   "tracefs is not mounted: mount -t tracefs nodev /sys/kernel/tracing");
	return false;
}

static void expand_tracepoint(struct script *script, struct action *action,
			      const struct probe_spec *spec, const struct probe_parts *parts)
{
	struct expansion_of all = {.script = script, .action = action, .spec = spec};
	char path[512];

	if (parts->count != 3) {
		diag_error(&script->diag, spec->place,
			   "tracepoint probe type requires 2 arguments, found %u",
			   parts->count - 1);
		return;
	}
	if (!tracefs_wanted(script, spec))
		return;
	if (probe_has_wildcard(parts->part[1]) || probe_has_wildcard(parts->part[2])) {
		each_tracepoint(parts->part[1], parts->part[2], add_tracepoint, &all);
	} else {
		snprintf(path, sizeof(path), "%s/events/%s/%s/id", tracefs_path(), parts->part[1],
			 parts->part[2]);
		if (!eaccess(path, F_OK))
			add_tracepoint(&all, parts->part[1], parts->part[2]);
	}
	if (!all.count)
		probe_missing(script, spec, "No matches for tracepoint %s:%s.", parts->part[1],
			      parts->part[2]);
}

static int attach_tracepoint(struct loader *loader, struct probe *probe, int program,
			     struct err *why)
{
	char path[512], text[32];
	struct perf_spec spec = {.type = PERF_TYPE_TRACEPOINT,
				 .period = 1,
				 .pid = loader->pid ? loader->pid : -1,
				 .cpu = loader->pid ? -1 : 0};

	snprintf(path, sizeof(path), "%s/events/%s/%s/id", tracefs_path(), probe->target,
		 probe->function);
	if (!read_file(path, text, sizeof(text)))
		return err_set(why, -ENOENT, "cannot read '%s': %s", path, err_name(-errno));
	spec.config = strtoul(text, NULL, 10);
	return loader->attach_perf(loader, program, &spec, why);
}

static int attach_raw(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	return loader->attach_raw(loader, program, probe->function, why);
}

/* A tracepoint whose arguments nobody reads, under its own name. */
static const struct probe_kind cheap_tracepoint = {.name = "tracepoint",
						   .program = PROGRAM_RAW_TRACEPOINT,
						   .space = SPACE_KERNEL,
						   .attach = attach_raw,
						   .fallback = &probe_tracepoint};

static const struct probe_kind *choose(struct script *script, const struct probe *probe)
{
	if (probe->uses_args || probe->uses_stack || script->options->pid)
		return NULL;
	if (!strcmp(probe->target, "syscalls"))
		return syscalls_are_many(script, probe) ? &probe_syscall : NULL;
	return &cheap_tracepoint;
}

struct listing {
	const char *pattern;
	void (*found)(void *context, const char *name);
	void *context;
};

static void list_one(void *context, const char *subsystem, const char *event)
{
	struct listing *listing = context;
	char name[512];

	snprintf(name, sizeof(name), "tracepoint:%s:%s", subsystem, event);
	if (probe_glob(listing->pattern, name))
		listing->found(listing->context, name);
}

static void list_tracepoints(struct script *script, const char *pattern,
			     void (*found)(void *context, const char *name), void *context)
{
	struct listing listing = {pattern, found, context};

	if (tracefs_path())
		each_tracepoint("*", "*", list_one, &listing);
}

const struct probe_kind probe_tracepoint = {.name = "tracepoint",
					    .aliases = {"t"},
					    .program = PROGRAM_TRACEPOINT,
					    .space = SPACE_KERNEL,
					    .expand = expand_tracepoint,
					    .args = tracepoint_args,
					    .choose = choose,
					    .attach = attach_tracepoint,
					    .list = list_tracepoints};

/* --- raw tracepoints --- */

enum { RAW_ARGS_MAX = 12, BTF_TYPEDEF = 8, BTF_FUNC = 12 };

static uint32_t raw_prototype(struct script *script, const char *event)
{
	char name[256];

	snprintf(name, sizeof(name), "btf_trace_%s", event);
	return script_btf(script) ? btf_find(script->btf, name, BTF_TYPEDEF) : 0;
}

static const struct type *raw_args(struct script *script, struct probe *probe)
{
	struct field *fields = arena_new(&script->arena, (RAW_ARGS_MAX + 1) * sizeof(*fields));
	struct type *type = arena_new(&script->arena, sizeof(*type));
	uint32_t id = 0;
	char name[256];
	int count;

	/* the typedef has no names of parameters; the function that calls the probes does */
	snprintf(name, sizeof(name), "__traceiter_%s", probe->function);
	if (script_btf(script))
		id = btf_find(script->btf, name, BTF_FUNC);
	if (!id)
		id = raw_prototype(script, probe->function);
	if (!fields || !type || !id)
		return NULL;
	count = btf_params(script->btf, id, fields, RAW_ARGS_MAX, NULL);
	if (count < 1)
		return NULL;
	/* the first parameter is the tracepoint's own data: programs do not see it */
	for (int i = 1; i < count; i++)
		fields[i].offset -= 8;
	*type = (struct type){.kind = TYPE_RECORD,
			      .name = probe->name,
			      .fields = fields + 1,
			      .field_count = (uint32_t)count - 1,
			      .size = 8,
			      .align = 8,
			      .space = SPACE_CONTEXT};
	return type;
}

static int raw_arg_offset(struct script *script, const struct probe *probe, uint32_t n)
{
	const struct type *args = probe_args(script, (struct probe *)(uintptr_t)probe);

	return n < (args ? args->field_count : RAW_ARGS_MAX) ? (int)n * 8 : -1;
}

static void add_raw(struct expansion_of *all, const char *event)
{
	char name[512];
	struct probe *probe;

	snprintf(name, sizeof(name), "rawtracepoint:vmlinux:%s", event);
	all->count++;
	probe = probe_add(all->script, all->action, all->spec, &probe_rawtracepoint, name);
	if (probe)
		probe->function = arena_str(&all->script->arena, span_of(event));
}

static void expand_raw(struct script *script, struct action *action, const struct probe_spec *spec,
		       const struct probe_parts *parts)
{
	struct expansion_of all = {.script = script, .action = action, .spec = spec};
	const char *event = parts->part[parts->count - 1], *name;
	uint32_t id = 0;

	if (parts->count < 2 || parts->count > 3) {
		diag_error(&script->diag, spec->place,
			   "rawtracepoint probe type requires 2 or 1 arguments, found %u",
			   parts->count - 1);
		return;
	}
	if (parts->count == 3 && !probe_glob(parts->part[1], "vmlinux")) {
		probe_missing(script, spec, "No matches for rawtracepoint %s:%s.", parts->part[1],
			      event);
		return;
	}
	if (!probe_has_wildcard(event)) {
		if (!script_btf(script) || raw_prototype(script, event))
			add_raw(&all, event);
	} else if (script_btf(script)) {
		while (btf_next(script->btf, BTF_TYPEDEF, &id, &name))
			if (!strncmp(name, "btf_trace_", 10) && probe_glob(event, name + 10))
				add_raw(&all, name + 10);
	}
	if (!all.count && parts->count == 3)
		probe_missing(script, spec, "No matches for rawtracepoint %s:%s.", parts->part[1],
			      event);
}

static void list_raw(struct script *script, const char *pattern,
		     void (*found)(void *context, const char *name), void *context)
{
	const char *type, *event = strchr(pattern, ':');
	char whole[512];
	uint32_t id = 0;

	/* the module may be left out */
	if (event && !strchr(event + 1, ':') && !strncmp(pattern, "rawtracepoint:", 14)) {
		snprintf(whole, sizeof(whole), "rawtracepoint:*:%s", event + 1);
		pattern = whole;
	}
	while (script_btf(script) && btf_next(script->btf, BTF_TYPEDEF, &id, &type)) {
		char name[512];

		if (strncmp(type, "btf_trace_", 10))
			continue;
		snprintf(name, sizeof(name), "rawtracepoint:vmlinux:%s", type + 10);
		if (probe_glob(pattern, name))
			found(context, name);
	}
}

const struct probe_kind probe_rawtracepoint = {.name = "rawtracepoint",
					       .aliases = {"rt"},
					       .program = PROGRAM_RAW_TRACEPOINT,
					       .space = SPACE_KERNEL,
					       .expand = expand_raw,
					       .args = raw_args,
					       .arg_offset = raw_arg_offset,
					       .attach = attach_raw,
					       .list = list_raw};
