// SPDX-License-Identifier: GPL-2.0-only
/*
 * uprobe, uretprobe - functions of programs and libraries.
 *
 *	uprobe:PATH:FUNCTION[+OFFSET]	uprobe:PATH:ADDRESS	PATH may be a library's name
 */
#include <elf.h>
#include <unistd.h>

#include "base/arch.h"
#include "base/x86.h"
#include "trace/demangle.h"
#include "trace/dwarf.h"
#include "base/elf_file.h"
#include "trace/lex.h"
#include "trace/lower.h"
#include "trace/probes/probes.h"
#include "world/symbol/go.h"

extern const struct probe_kind probe_uprobe, probe_uretprobe;
static const struct probe_kind go_return;

struct place_of {
	struct script *script;
	struct action *action;
	const struct probe_spec *spec;
	const struct probe_kind *kind;
	const char *shown; /* the path as it was written */
	const char *function, *line_of; /* line_of: a source file; function is the line then */
	const char *path;
	uint32_t files, count;
	bool is_go, is_cpp;
	struct go_table go;
};

static void add_uprobe(struct place_of *to, const char *function, uint64_t offset, uint64_t plus)
{
	struct arena *arena = &to->script->arena;
	const char *language = to->is_cpp ? "cpp:" : "";
	struct probe *probe;
	char name[4096];

	if (plus)
		snprintf(name, sizeof(name), "%s:%s:%s%s+%llu", to->kind->name, to->path, language,
			 function, (unsigned long long)plus);
	else
		snprintf(name, sizeof(name), "%s:%s:%s%s", to->kind->name, to->path, language,
			 function);
	to->count++;
	probe = probe_add(to->script, to->action, to->spec, to->kind, name);
	if (!probe)
		return;
	probe->target = arena_str(arena, span_of(to->path));
	probe->function = arena_str(arena, span_of(function));
	probe->number = offset;
	probe->is_go = to->is_go;
}

/*
 * Go moves its stacks, and a return address that the kernel has put there would be found by Go, which ends the program:
 * so the return is probed where it stands, at every RET.
 */
static void add_go_returns(struct place_of *to, const struct elf *elf, const char *function)
{
	const struct probe_kind *kind = to->kind;
	struct go_function found;

	if (!go_find(elf, &to->go, function, &found) || !found.return_count)
		return;
	to->kind = &go_return;
	for (uint32_t i = 0; i < found.return_count; i++) {
		struct probe *last = to->script->last_probe;

		add_uprobe(to, function, found.returns[i], 0);
		if (i && to->script->last_probe != last)
			to->script->last_probe->is_more_of_last = true;
	}
	to->kind = kind;
}

/* A function of Go: of a stripped program too, by the table that Go itself needs. */
static void add_go(struct place_of *to, const struct elf *elf, const char *function, uint64_t plus)
{
	struct go_function found;

	if (to->kind == &probe_uretprobe)
		add_go_returns(to, elf, function);
	else if (go_find(elf, &to->go, function, &found))
		add_uprobe(to, function, found.offset + plus, plus);
}

/* Where instructions are of one length, every multiple of it is the beginning of one. */
static bool is_inside_an_instruction(const struct elf *elf, const struct elf_symbol *symbol,
				     uint64_t plus)
{
#if defined(__x86_64__)
	uint64_t offset, at = 0;
	const uint8_t *code = elf_offset_of(elf, symbol->value, &offset)
				      ? elf_part(elf, offset, symbol->size)
				      : NULL;

	while (code && at < plus) {
		size_t length = x86_length((struct span){code + at, symbol->size - at});

		if (!length) /* one that we do not know: no doubt is raised */
			return false;
		at += length;
	}
	return code && at != plus;
#else
	return plus % 4 != 0;
#endif
}

/* A probe outside of its function, or where nobody knows how long that is, may hit the middle of an instruction and
 * break the program. */
static void doubt_bounds(struct place_of *to, const struct elf *elf,
			 const struct elf_symbol *symbol, uint64_t plus)
{
	struct probe *probe = to->script->last_probe;
	char text[512];

	if (!probe || probe->action != to->action || to->script->options->is_unsafe)
		return;
	if (!symbol->size)
		snprintf(
			text, sizeof(text),
			"Could not determine boundary for %s (symbol has size 0).\nUse --unsafe to "
			"force attachment. WARNING: This option could lead to data corruption in "
			"the target process.",
			symbol->name);
	else if (plus >= symbol->size)
		snprintf(text, sizeof(text),
			 "Offset outside the function bounds ('%s' size is %llu)", symbol->name,
			 (unsigned long long)symbol->size);
	else if (is_inside_an_instruction(elf, symbol, plus))
		snprintf(
			text, sizeof(text),
			"Could not add uprobe into middle of instruction: %s:%s+%llu\nUse --unsafe "
			"to force attachment. WARNING: This option could lead to data corruption "
			"in the target process.",
			to->path, symbol->name, (unsigned long long)plus);
	else
		return;
	probe->doubt = arena_str(&to->script->arena, span_of(text));
}

/* The same of an address: in which function it lies is known of those that have a size. */
static void doubt_address(struct place_of *to, const struct elf *elf, uint64_t address)
{
	struct probe *probe = to->script->last_probe;
	struct elf_walk walk = {};
	struct elf_symbol symbol;
	char text[1024];

	while (elf_next_symbol(elf, &walk, &symbol))
		if (symbol.is_function && address >= symbol.value &&
		    address < symbol.value + symbol.size)
			return;
	if (!probe || probe->action != to->action || to->script->options->is_unsafe)
		return;
	snprintf(text, sizeof(text),
		 "Could not determine instruction boundary for %s (binary appears stripped).\nUse "
		 "--unsafe to force attachment. WARNING: This option could lead to data corruption "
		 "in the target process.",
		 probe->name);
	probe->doubt = arena_str(&to->script->arena, span_of(text));
}

/* "A::b" is every function of that name, "A::b(int)" one of them. */
static bool is_meant_in_cpp(const char *pattern, const char *mangled)
{
	struct buf name;
	bool is_meant;
	char *bracket;

	buf_init(&name, 1 << 16);
	is_meant = demangle(span_of(mangled), &name) && probe_glob(pattern, buf_text(&name));
	bracket = is_meant || !name.len ? NULL : strchr((char *)buf_text(&name), '(');
	if (bracket) {
		*bracket = 0;
		is_meant = probe_glob(pattern, buf_text(&name));
	}
	buf_done(&name);
	return is_meant;
}

static bool is_meant(const struct place_of *to, const char *pattern, const char *name)
{
	return to->is_cpp ? is_meant_in_cpp(pattern, name) : probe_glob(pattern, name);
}

static void add_matching(struct place_of *to, const struct elf *elf, const char *pattern)
{
	struct elf_walk walk = {};
	struct elf_symbol symbol;
	uint64_t offset;

	while (elf_next_symbol(elf, &walk, &symbol)) {
		bool is_there = false;

		if (!symbol.is_function || !is_meant(to, pattern, symbol.name) ||
		    !elf_offset_of(elf, symbol.value, &offset))
			continue;
		/* .dynsym repeats what .symtab has */
		for (struct probe *p = to->script->probes; p && !is_there; p = p->next)
			is_there = p->action == to->action && p->kind == to->kind &&
				   p->number == offset && !strcmp(p->target, to->path);
		if (is_there)
			continue;
		if (to->is_go && to->kind == &probe_uretprobe) {
			add_go_returns(to, elf, symbol.name);
			continue;
		}
		add_uprobe(to, symbol.name, offset, 0);
		doubt_bounds(to, elf, &symbol, 0);
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
		if (elf_offset_of(elf, address, &offset)) {
			add_uprobe(to, function, offset + plus, plus);
			doubt_address(to, elf, address);
		} else
			diag_error(&to->script->diag, to->spec->place,
				   "Address %s is not in the code of %s", function, to->path);
	} else if (to->is_go && strchr(function, '.')) {
		add_go(to, elf, function, plus);
	} else if (elf_find(elf, function, &symbol) && elf_offset_of(elf, symbol.value, &offset)) {
		add_uprobe(to, function, offset + plus, plus);
		doubt_bounds(to, elf, &symbol, plus);
	}
}

/* path@file:line - wherever the code of that line begins; the names of the probes say where that is. */
static void add_lines(struct place_of *to, const struct elf *elf, const char *file,
		      const char *text)
{
	enum { PLACES = 64 };
	struct dwarf *dwarf = script_dwarf(to->script, to->path);
	uint64_t addresses[PLACES], line, offset;
	const char *why;
	int count;

	if (!lex_number(span_of(text), &line, &why) || !line || line > UINT32_MAX) {
		diag_error(&to->script->diag, to->spec->place,
			   "Invalid line number: invalid integer: %s", text);
		return;
	}
	count = dwarf ? dwarf_line(dwarf, file, (uint32_t)line, addresses, PLACES) : -1;
	for (int i = 0; i < count; i++)
		if (elf_offset_of(elf, addresses[i], &offset)) {
			char function[32];

			snprintf(function, sizeof(function), "%llu",
				 (unsigned long long)addresses[i]);
			add_uprobe(to, function, offset, 0);
		}
	if (dwarf && count < 0)
		diag_error(&to->script->diag, to->spec->place,
			   "DWARF error: No compilation unit matches %s", file);
	else if (dwarf && !to->count)
		diag_error(&to->script->diag, to->spec->place,
			   "DWARF error: Unable to map '%s:%s' to address", file, text);
	else if (!to->count)
		diag_error(&to->script->diag, to->spec->place,
			   "%s has no debug information: lines are not known", to->path);
}

/* One of the files that the probe names. */
static void add_binary(void *context, const char *path)
{
	struct place_of *to = context;
	struct diag *diag = &to->script->diag;
	struct elf elf;
	int err = elf_open(&elf, path);

	to->files++;
	if (err) {
		diag_error(diag, to->spec->place, "cannot read '%s': %s", path,
			   err == -ENOEXEC ? "not a 64-bit ELF file" : err_name(err));
		return;
	}
	to->path = arena_str(&to->script->arena, span_of(path));
	if (!to->path)
		return;
	to->is_go = go_open(&elf, &to->go);
	if (to->line_of)
		add_lines(to, &elf, to->line_of, to->function);
	else if (to->is_cpp || probe_has_wildcard(to->function))
		add_matching(to, &elf, to->function);
	else
		add_function(to, &elf, to->function);
	elf_close(&elf);
}

/* "path@file:line": the file's name goes with the line. */
static void cut_source(struct place_of *to, struct arena *arena)
{
	const char *at = strrchr(to->shown, '@');

	if (!at || !at[1] || at == to->shown)
		return;
	to->line_of = at + 1;
	to->shown = arena_str(arena,
			      (struct span){(const uint8_t *)to->shown, (size_t)(at - to->shown)});
}

/* Names of C++ have colons themselves. */
static const char *behind_colons(const char *text, int count)
{
	while (count-- && (text = strchr(text, ':')))
		text++;
	return text ? text : "";
}

static void expand_uprobe(struct script *script, struct action *action,
			  const struct probe_spec *spec, const struct probe_parts *parts)
{
	const struct probe_kind *kind = probe_kind_find(parts->part[0]);
	struct place_of to = {.script = script, .action = action, .spec = spec, .kind = kind};

	if (parts->count == 2 && strchr(parts->part[1], '@')) {
		diag_error(&script->diag, spec->place,
			   "Invalid %s arguments, expected format: %s:TARGET@FILE:LINE[:COL]",
			   kind->name, kind->name);
		return;
	}
	to.is_cpp = parts->count > 3 && !strcmp(parts->part[2], "cpp");
	if (parts->count < 3 || (parts->count > 3 && !to.is_cpp)) {
		diag_error(&script->diag, spec->place,
			   "%s probe type requires 2 or 3 arguments, found %u", kind->name,
			   parts->count - 1);
		return;
	}
	to.function = to.is_cpp ? behind_colons(spec->text, 3) : parts->part[2];
	to.shown = parts->part[1];
	cut_source(&to, &script->arena);
	if (kind == &probe_uretprobe && (strchr(to.function, '+') || to.line_of)) {
		diag_error(&script->diag, spec->place, "%s not allowed",
			   to.line_of ? "Source code location" : "Offset");
		return;
	}
	binary_find_all(to.shown, script->options->pid, add_binary, &to);
	if (!to.files)
		probe_missing(script, spec,
			      "%s target file '%s' does not exist or is not executable", kind->name,
			      to.shown);
	else if (!to.count && !to.is_cpp && !script->diag.errors)
		probe_missing(script, spec, "No matches for %s %s:%s.", kind->name,
			      to.files == 1 ? to.path : to.shown, to.function);
}

struct uprobe_listing {
	const char *kind, *function;
	void (*found)(void *context, const char *name);
	void *context;
};

static void list_functions(void *context, const char *path)
{
	const struct uprobe_listing *listing = context;
	struct elf_walk walk = {};
	struct elf_symbol symbol;
	char name[5000];
	struct elf elf;

	if (elf_open(&elf, path))
		return;
	while (elf_next_symbol(&elf, &walk, &symbol)) {
		if (!symbol.is_function || !probe_glob(listing->function, symbol.name))
			continue;
		snprintf(name, sizeof(name), "%s:%s:%s", listing->kind, path, symbol.name);
		listing->found(listing->context, name);
	}
	elf_close(&elf);
}

static void list_uprobe(struct script *script, const char *pattern,
			void (*found)(void *context, const char *name), void *context)
{
	struct uprobe_listing listing = {.function = "*", .found = found, .context = context};
	const struct probe_kind *kind;
	struct probe_parts parts;

	if (!probe_cut(&script->arena, pattern, &parts) || parts.count < 2 ||
	    !(kind = probe_kind_find(parts.part[0])))
		return;
	listing.kind = kind->name;
	if (parts.count > 2)
		listing.function = parts.part[parts.count - 1];
	binary_find_all(parts.part[1], script->options->pid, list_functions, &listing);
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

	if (probe->doubt)
		return err_set(why, -EINVAL, "%s", probe->doubt);
	if (type < 0)
		return err_set(why, type, "this kernel has no uprobes");
	return loader->attach_perf(loader, program, &spec, why);
}

static int uprobe_arg(struct script *script, const struct probe *probe, uint32_t n)
{
	return probe->is_go ? arch_go_arg_offset(n) : arch_arg_offset(n);
}

static int uprobe_retval(struct script *script, const struct probe *probe)
{
	return ARCH_RETVAL;
}

/*
 * Parameters as the ABI of x86-64 (3.2.3) and arm64 (6.8.2) places plain ones: numbers and pointers in registers in turn,
 * what comes behind them on the caller's stack. Floating point and records that take more than one register are
 * named, and cannot be read.
 */
static bool place_param(struct field *field, bool is_go, uint32_t *registers, uint32_t *stack)
{
	const struct type *type = field->type;

	if (is_go) { /* texts and slices take two and three in a row */
		int offset = arch_go_arg_offset(*registers);

		*registers += type->size ? (type->size + 7) / 8 : 0;
		field->offset = offset >= 0 ? (uint32_t)offset : 0;
		return offset >= 0 && type->size && type->size <= 8;
	}
	if (type->kind == TYPE_NONE || type->size > 8 || !type->size)
		return false;
	if (arch_arg_offset(*registers) >= 0) {
		field->offset = (uint32_t)arch_arg_offset((*registers)++);
		return true;
	}
	/* a return address lies below them on x86-64 */
	field->offset = *stack + (ARCH_ARGS == 6 ? 8 : 0);
	field->is_on_stack = true;
	*stack += 8;
	return true;
}

static const struct type *uprobe_args(struct script *script, struct probe *probe)
{
	enum { PARAMS = 32 };
	struct dwarf *dwarf = script_dwarf(script, probe->target);
	struct field *fields = arena_new(&script->arena, PARAMS * sizeof(*fields));
	struct type *type = arena_new(&script->arena, sizeof(*type));
	uint32_t registers = 0, stack = 0, count = 0;
	int params;

	if (!dwarf || !fields || !type || !probe->function)
		return NULL;
	params = dwarf_params(dwarf, probe->function, fields, PARAMS, NULL);
	if (params < 0)
		return NULL;
	for (int i = 0; i < params; i++) {
		/* as bpftrace has it: names of a program's enums are its own business */
		if (fields[i].type->kind == TYPE_ENUM || fields[i].type->kind == TYPE_BOOL)
			fields[i].type = type_int(fields[i].type->size, fields[i].type->is_signed);
		if (!place_param(&fields[i], probe->is_go, &registers, &stack))
			fields[i].type = &type_none; /* known by name only */
		count++;
	}
	*type = (struct type){.kind = TYPE_RECORD,
			      .name = probe->name,
			      .fields = fields,
			      .field_count = count,
			      .size = 8,
			      .align = 8,
			      .space = SPACE_CONTEXT};
	return type;
}

/* --- many places of a file with one program: uprobe_multi --- */

/* All of the program that lie in this probe's file, at once; `data` remembers what became of it. */
static int attach_places(struct loader *loader, struct probe *probe, int program, struct err *why)
{
	static const char done[] = "attached", failed[] = "refused";
	bool at_return = probe->kind->retval_offset;
	uint64_t *offsets;
	uint32_t count = 0, room = 0;
	int err;

	if (probe->data)
		return probe->data == done ? 0 : err_set(why, -ENOENT, "refused with the others");
	for (struct probe *p = probe; p; p = p->next)
		room += p->kind == probe->kind && p->program == probe->program;
	offsets = calloc(room, sizeof(*offsets));
	if (!offsets)
		return -ENOMEM;
	for (struct probe *p = probe; p; p = p->next)
		if (p->kind == probe->kind && p->program == probe->program &&
		    !strcmp(p->target, probe->target)) {
			offsets[count++] = p->number;
			p->data = failed;
		}
	err = loader->attach_uprobes(loader, program, at_return, probe->target, offsets, count,
				     why);
	free(offsets);
	for (struct probe *p = probe; err >= 0 && p; p = p->next)
		if (p->data == failed)
			p->data = done;
	return err < 0 ? err : 0;
}

static const struct probe_kind uprobe_multi = {.name = "uprobe",
					       .program = PROGRAM_KPROBE,
					       .attach_type = ATTACH_UPROBE_MULTI,
					       .space = SPACE_USER,
					       .has_regs = true,
					       .args = uprobe_args,
					       .arg_offset = uprobe_arg,
					       .attach = attach_places,
					       .fallback = &probe_uprobe};
static const struct probe_kind uretprobe_multi = {.name = "uretprobe",
						  .program = PROGRAM_KPROBE,
						  .attach_type = ATTACH_UPROBE_MULTI,
						  .space = SPACE_USER,
						  .has_regs = true,
						  .retval_offset = uprobe_retval,
						  .attach = attach_places,
						  .fallback = &probe_uretprobe};

/* It pays for those of one wildcard that share their program; semaphores are for usdt only. */
static const struct probe_kind *choose_places(struct script *script, const struct probe *probe)
{
	if (probe->is_go) /* its own places, one by one */
		return NULL;
	for (const struct probe_spec *spec = probe->action->specs; spec; spec = spec->next)
		if (script->compiled->target.has_uprobe_multi && probe_has_wildcard(spec->text))
			return probe->kind == &probe_uprobe ? &uprobe_multi : &uretprobe_multi;
	return NULL;
}

const struct probe_kind probe_uprobe = {.name = "uprobe",
					.aliases = {"u"},
					.program = PROGRAM_KPROBE,
					.space = SPACE_USER,
					.has_regs = true,
					.expand = expand_uprobe,
					.args = uprobe_args,
					.arg_offset = uprobe_arg,
					.choose = choose_places,
					.attach = attach_uprobe,
					.list = list_uprobe_only};
const struct probe_kind probe_uretprobe = {.name = "uretprobe",
					   .aliases = {"ur"},
					   .program = PROGRAM_KPROBE,
					   .space = SPACE_USER,
					   .has_regs = true,
					   .expand = expand_uprobe,
					   .retval_offset = uprobe_retval,
					   .choose = choose_places,
					   .attach = attach_uprobe,
					   .list = list_uretprobe_only};
/* One RET of a function of Go; its first result lies where the first argument did. */
static int go_result(struct script *script, const struct probe *probe)
{
	return arch_go_arg_offset(0);
}

static const struct probe_kind go_return = {.name = "uretprobe",
					    .program = PROGRAM_KPROBE,
					    .space = SPACE_USER,
					    .has_regs = true,
					    .retval_offset = go_result,
					    .attach = attach_uprobe};
