// SPDX-License-Identifier: GPL-2.0-only
/*
 * uprobe, uretprobe - functions of programs and libraries.
 *
 *	uprobe:PATH:FUNCTION[+OFFSET]	uprobe:PATH:ADDRESS	PATH may be a library's name
 */
#include <elf.h>
#include <unistd.h>

#include "base/arch.h"
#include "base/elf_file.h"
#include "trace/lex.h"
#include "trace/probes/probes.h"

extern const struct probe_kind probe_uprobe, probe_uretprobe;

/* Where the loader finds libraries; ld.so.cache holds nothing else on the systems we know. */
static const char *const library_folders[] = {"/lib/x86_64-linux-gnu",
					      "/usr/lib/x86_64-linux-gnu",
					      "/lib/aarch64-linux-gnu",
					      "/usr/lib/aarch64-linux-gnu",
					      "/lib64",
					      "/usr/lib64",
					      "/lib",
					      "/usr/lib",
					      "/usr/local/lib"};

static bool try_library(const char *folder, const char *name, char *path, size_t size)
{
	static const char *const endings[] = {"",      ".so",   ".so.6", ".so.0",
					      ".so.1", ".so.2", ".so.3"};
	struct elf elf;

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		snprintf(path, size, "%s/%s%s", folder, name, endings[i]);
		if (eaccess(path, R_OK) || elf_open(&elf, path))
			continue; /* libc.so may be a linker script */
		elf_close(&elf);
		return true;
	}
	return false;
}

static bool find_in_path(const char *name, char *path, size_t size)
{
	const char *folders = getenv("PATH");

	while (folders && *folders) {
		size_t len = strcspn(folders, ":");

		snprintf(path, size, "%.*s/%s", (int)len, folders, name);
		if (!eaccess(path, X_OK))
			return true;
		folders += len + (folders[len] == ':');
	}
	return false;
}

bool binary_find(const char *name, char *path, size_t size)
{
	if (strchr(name, '/')) {
		snprintf(path, size, "%s", name);
		return !eaccess(path, R_OK);
	}
	for (size_t i = 0; i < sizeof(library_folders) / sizeof(*library_folders); i++)
		if (!strncmp(name, "lib", 3) && try_library(library_folders[i], name, path, size))
			return true;
	snprintf(path, size, "%s", name);
	return !eaccess(path, R_OK) || find_in_path(name, path, size);
}

struct place_of {
	struct script *script;
	struct action *action;
	const struct probe_spec *spec;
	const struct probe_kind *kind;
	const char *shown; /* the path as it was written */
	const char *path;
	uint32_t count;
};

static void add_uprobe(struct place_of *to, const char *function, uint64_t offset, uint64_t plus)
{
	struct arena *arena = &to->script->arena;
	struct probe *probe;
	char name[1024];

	if (plus)
		snprintf(name, sizeof(name), "%s:%s:%s+%llu", to->kind->name, to->path, function,
			 (unsigned long long)plus);
	else
		snprintf(name, sizeof(name), "%s:%s:%s", to->kind->name, to->path, function);
	to->count++;
	probe = probe_add(to->script, to->action, to->spec, to->kind, name);
	if (!probe)
		return;
	probe->target = arena_str(arena, span_of(to->path));
	probe->function = arena_str(arena, span_of(function));
	probe->number = offset;
}

static void add_matching(struct place_of *to, const struct elf *elf, const char *pattern)
{
	struct elf_walk walk = {};
	struct elf_symbol symbol;
	uint64_t offset;

	while (elf_next_symbol(elf, &walk, &symbol)) {
		bool is_there = false;

		if (!symbol.is_function || !probe_glob(pattern, symbol.name) ||
		    !elf_offset_of(elf, symbol.value, &offset))
			continue;
		/* .dynsym repeats what .symtab has */
		for (struct probe *p = to->script->probes; p && !is_there; p = p->next)
			is_there = p->action == to->action && p->kind == to->kind &&
				   p->number == offset && !strcmp(p->target, to->path);
		if (!is_there)
			add_uprobe(to, symbol.name, offset, 0);
	}
}

static void add_function(struct place_of *to, const struct elf *elf, const char *text)
{
	size_t len = strcspn(text, "+");
	char function[512];
	uint64_t offset, plus = 0, address;
	struct elf_symbol symbol;
	const char *why;

	snprintf(function, sizeof(function), "%.*s", (int)len, text);
	if (text[len] == '+' && !lex_number(span_of(text + len + 1), &plus, &why)) {
		diag_error(&to->script->diag, to->spec->place, "Invalid offset: %s",
			   text + len + 1);
		return;
	}
	if (lex_number(span_of(function), &address, &why)) {
		if (elf_offset_of(elf, address, &offset))
			add_uprobe(to, function, offset + plus, plus);
		else
			diag_error(&to->script->diag, to->spec->place,
				   "Address %s is not in the code of %s", function, to->path);
	} else if (elf_find(elf, function, &symbol) && elf_offset_of(elf, symbol.value, &offset)) {
		if (plus && symbol.size && plus >= symbol.size)
			diag_error(&to->script->diag, to->spec->place,
				   "Offset %llu is outside of %s (%llu bytes)",
				   (unsigned long long)plus, function,
				   (unsigned long long)symbol.size);
		else
			add_uprobe(to, function, offset + plus, plus);
	}
}

static void expand_uprobe(struct script *script, struct action *action,
			  const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);
	const char *function = parts->part[parts->count - 1];
	struct place_of to = {.script = script, .action = action, .spec = spec, .kind = kind};
	char path[4096];
	struct elf elf;
	int err;

	if (parts->count < 3 || parts->count > 4 ||
	    (parts->count == 4 && strcmp(parts->part[2], "cpp"))) {
		diag_error(&script->diag, spec->place,
			   "%s probe type requires 2 or 3 arguments, found %u", kind->name,
			   parts->count - 1);
		return;
	}
	to.shown = parts->part[1];
	if (!binary_find(to.shown, path, sizeof(path))) {
		probe_missing(script, spec,
			      "%s target file '%s' does not exist or is not executable", kind->name,
			      to.shown);
		return;
	}
	to.path = path;
	if (kind == &probe_uretprobe && strchr(function, '+')) {
		diag_error(&script->diag, spec->place, "Offset not allowed");
		return;
	}
	err = elf_open(&elf, path);
	if (err) {
		diag_error(&script->diag, spec->place, "cannot read '%s': %s", path,
			   err == -ENOEXEC ? "not a 64-bit ELF file" : err_name(err));
		return;
	}
	if (probe_has_wildcard(function))
		add_matching(&to, &elf, function);
	else
		add_function(&to, &elf, function);
	elf_close(&elf);
	if (!to.count && !script->diag.errors)
		probe_missing(script, spec, "No matches for %s %s:%s.", kind->name, path, function);
}

static void list_uprobe(struct script *script, const char *pattern,
			void (*found)(void *context, const char *name), void *context)
{
	struct elf_walk walk = {};
	struct elf_symbol symbol;
	struct probe_parts parts;
	const struct probe_kind *kind;
	char path[4096], name[1024];
	struct elf elf;

	if (!probe_cut(&script->arena, pattern, &parts) || parts.count < 2 ||
	    !(kind = probe_kind_find(parts.part[0])) ||
	    !binary_find(parts.part[1], path, sizeof(path)) || elf_open(&elf, path))
		return;
	while (elf_next_symbol(&elf, &walk, &symbol)) {
		if (!symbol.is_function ||
		    (parts.count > 2 && !probe_glob(parts.part[parts.count - 1], symbol.name)))
			continue;
		snprintf(name, sizeof(name), "%s:%s:%s", kind->name, path, symbol.name);
		found(context, name);
	}
	elf_close(&elf);
}

static void list_uprobe_only(struct script *script, const char *pattern,
			     void (*found)(void *context, const char *name), void *context)
{
	if (!strncmp(pattern, "uprobe:", 7))
		list_uprobe(script, pattern, found, context);
}

static void list_uretprobe_only(struct script *script, const char *pattern,
				void (*found)(void *context, const char *name), void *context)
{
	if (!strncmp(pattern, "uretprobe:", 10))
		list_uprobe(script, pattern, found, context);
}

static int read_number_file(const char *path)
{
	FILE *file = fopen(path, "re");
	int number = -1;

	if (!file)
		return -ENOENT;
	if (fscanf(file, "%d", &number) != 1)
		number = -EINVAL;
	fclose(file);
	return number;
}

int attach_uprobe(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	int type = read_number_file("/sys/bus/event_source/devices/uprobe/type");
	struct perf_spec spec = {.type = (uint32_t)type,
				 /* bit 0: at return; the upper half: where the semaphore is */
				 .config = (probe->kind == &probe_uretprobe) | probe->semaphore
										       << 32,
				 .config2 = probe->number,
				 .path = probe->target,
				 .pid = loader->pid ? loader->pid : -1,
				 .cpu = loader->pid ? -1 : 0};

	if (type < 0)
		return err_set(why, type, "this kernel has no uprobes");
	return loader->attach_perf(loader, program, &spec, why);
}

static int uprobe_arg(struct script *script, const struct probe *probe, uint32_t n)
{
	return arch_arg_offset(n);
}

static int uprobe_retval(struct script *script, const struct probe *probe)
{
	return ARCH_RETVAL;
}

const struct probe_kind probe_uprobe = {.name = "uprobe",
					.aliases = {"u"},
					.program = PROGRAM_KPROBE,
					.space = SPACE_USER,
					.has_regs = true,
					.expand = expand_uprobe,
					.arg_offset = uprobe_arg,
					.attach = attach_uprobe,
					.list = list_uprobe_only};
const struct probe_kind probe_uretprobe = {.name = "uretprobe",
					   .aliases = {"ur"},
					   .program = PROGRAM_KPROBE,
					   .space = SPACE_USER,
					   .has_regs = true,
					   .expand = expand_uprobe,
					   .retval_offset = uprobe_retval,
					   .attach = attach_uprobe,
					   .list = list_uretprobe_only};
