// SPDX-License-Identifier: GPL-2.0-only
/*
 * usdt - probes that a program's authors put into it.
 *
 *	usdt:PATH:[PROVIDER:]NAME	PATH may be a library's name, or * with -p
 *
 * Each place is described by a note in the ELF section .note.stapsdt (type 3): its address, where the
 * section .stapsdt.base lay when it was linked (a prelinked file was moved by the difference), the
 * address of its semaphore or 0, then three texts: provider, name, arguments. A semaphore is a
 * counter that the kernel raises in every process while we are attached (kernel 4.20). One name may
 * stand at many places; each is a probe of its own and has its own arguments.
 */
#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

#include "trace/arch.h"
#include "trace/elf_file.h"
#include "trace/lower.h"
#include "trace/probes/probes.h"

extern const struct probe_kind probe_usdt;

enum { NOTE_STAPSDT = 3, USDT_ARGS_MAX = 12, MAPPINGS_MAX = 512 };

/* How one argument is found: constant, register, or memory at register + offset [+ index * scale]. */
struct usdt_arg {
	uint8_t size; /* bytes */
	bool is_signed;
	enum { ARG_CONSTANT, ARG_REGISTER, ARG_MEMORY } kind;
	int64_t number; /* constant, offset */
	int base, index; /* places in pt_regs, -1: none */
	uint8_t scale;
};

struct usdt_place {
	uint64_t offset, semaphore; /* in the file; semaphore 0: none */
	const char *provider, *name;
	struct usdt_arg args[USDT_ARGS_MAX];
	uint32_t arg_count;
};

/* --- arguments: "-4@%edi 8@16(%rsp) 8@$5", on arm64 "4@w0 8@[sp, 16] 8@5" --- */

#if defined(__x86_64__)
/* The four widths of a register are one place in pt_regs. */
static int register_offset(const char *name, size_t len)
{
	static const struct {
		const char *names[4];
		const char *place;
	} registers[] = {
		{{"rax", "eax", "ax", "al"}, "ax"},       {{"rbx", "ebx", "bx", "bl"}, "bx"},
		{{"rcx", "ecx", "cx", "cl"}, "cx"},       {{"rdx", "edx", "dx", "dl"}, "dx"},
		{{"rsi", "esi", "si", "sil"}, "si"},      {{"rdi", "edi", "di", "dil"}, "di"},
		{{"rbp", "ebp", "bp", "bpl"}, "bp"},      {{"rsp", "esp", "sp", "spl"}, "sp"},
		{{"r8", "r8d", "r8w", "r8b"}, "r8"},      {{"r9", "r9d", "r9w", "r9b"}, "r9"},
		{{"r10", "r10d", "r10w", "r10b"}, "r10"}, {{"r11", "r11d", "r11w", "r11b"}, "r11"},
		{{"r12", "r12d", "r12w", "r12b"}, "r12"}, {{"r13", "r13d", "r13w", "r13b"}, "r13"},
		{{"r14", "r14d", "r14w", "r14b"}, "r14"}, {{"r15", "r15d", "r15w", "r15b"}, "r15"},
		{{"rip", "eip", "ip", ""}, "ip"},
	};

	for (size_t i = 0; i < sizeof(registers) / sizeof(*registers); i++)
		for (size_t j = 0; j < 4; j++)
			if (strlen(registers[i].names[j]) == len && len &&
			    !memcmp(registers[i].names[j], name, len))
				return arch_register_offset(registers[i].place,
							    strlen(registers[i].place));
	return -1;
}

static bool take_register(const char **text, int *ret_offset)
{
	size_t len;

	if (**text != '%')
		return false;
	len = strspn(*text + 1, "abcdefghijklmnopqrstuvwxyz0123456789");
	*ret_offset = register_offset(*text + 1, len);
	*text += len + 1;
	return *ret_offset >= 0;
}

static bool parse_operand(const char *text, struct usdt_arg *arg)
{
	char *end;

	if (*text == '$') {
		arg->kind = ARG_CONSTANT;
		arg->number = (int64_t)strtoll(text + 1, &end, 0);
		return end != text + 1;
	}
	if (*text == '%') {
		arg->kind = ARG_REGISTER;
		return take_register(&text, &arg->base) && !*text;
	}
	arg->kind = ARG_MEMORY;
	arg->number = (int64_t)strtoll(text, &end, 0);
	text = end;
	if (*text++ != '(' || !take_register(&text, &arg->base))
		return false;
	if (*text == ',') {
		text++;
		if (!take_register(&text, &arg->index))
			return false;
		arg->scale = 1;
		if (*text == ',') {
			arg->scale = (uint8_t)strtoul(text + 1, &end, 10);
			text = end;
		}
	}
	return *text == ')';
}
#else
static bool take_register(const char **text, int *ret_offset)
{
	char name[8];
	size_t len = strspn(*text, "wxsp0123456789");

	snprintf(name, sizeof(name), "%.*s", (int)len, *text);
	if (*name == 'w' || *name == 'x')
		*name = 'r';
	*ret_offset = arch_register_offset(name, strlen(name));
	*text += len;
	return *ret_offset >= 0;
}

static bool parse_operand(const char *text, struct usdt_arg *arg)
{
	char *end;

	if (*text == '[') {
		arg->kind = ARG_MEMORY;
		text++;
		if (!take_register(&text, &arg->base))
			return false;
		text += strspn(text, ", #");
		arg->number = *text == ']' ? 0 : (int64_t)strtoll(text, &end, 0);
		return true;
	}
	if (*text == 'w' || *text == 'x' || *text == 's') {
		arg->kind = ARG_REGISTER;
		return take_register(&text, &arg->base);
	}
	arg->kind = ARG_CONSTANT;
	arg->number = (int64_t)strtoll(text, &end, 0);
	return end != text;
}
#endif

/* One that is not understood ends the list: what comes before it can be read. */
static void parse_arguments(const char *text, struct usdt_place *place)
{
	while (*text && place->arg_count < USDT_ARGS_MAX) {
		struct usdt_arg arg = {.base = -1, .index = -1, .is_signed = *text == '-'};
		char operand[128], *end;
		size_t len;

		arg.size = (uint8_t)strtoul(text + arg.is_signed, &end, 10);
		if (*end != '@')
			arg.size = 8; /* the size may be left out */
		else
			text = end + 1;
		len = strcspn(text, " ");
		if (*text == '[' && strchr(text, ']'))
			len = (size_t)(strchr(text, ']') - text) + 1;
		snprintf(operand, sizeof(operand), "%.*s", (int)len, text);
		if (arg.size > 8 || (arg.size & (arg.size - 1)) || !parse_operand(operand, &arg))
			return;
		place->args[place->arg_count++] = arg;
		text += len;
		text += strspn(text, " ");
	}
}

/* --- notes --- */

struct search {
	struct script *script;
	struct action *action;
	const struct probe_spec *spec;
	const char *path, *provider, *name; /* the last two may be patterns; NULL: any */
	uint32_t count;
	void (*found)(struct search *search, const struct usdt_place *place);
	void (*list)(void *context, const char *name);
	void *context;
};

static const char *text_in(struct span rest, size_t *at)
{
	const uint8_t *start = rest.at + *at;
	const uint8_t *end = *at < rest.len ? memchr(start, 0, rest.len - *at) : NULL;

	if (!end)
		return NULL;
	*at += (size_t)(end - start) + 1;
	return (const char *)start;
}

static void take_note(struct search *search, const struct elf *elf, struct span desc)
{
	struct usdt_place place = {};
	uint64_t where[3], base;
	const char *arguments;
	size_t at = sizeof(where);

	if (desc.len < sizeof(where))
		return;
	memcpy(where, desc.at, sizeof(where));
	place.provider = text_in(desc, &at);
	place.name = text_in(desc, &at);
	arguments = text_in(desc, &at);
	if (!place.provider || !place.name || !arguments)
		return;
	if ((search->provider && !probe_glob(search->provider, place.provider)) ||
	    (search->name && !probe_glob(search->name, place.name)))
		return;
	if (elf_section_address(elf, ".stapsdt.base", &base)) {
		where[0] += base - where[1];
		where[2] += where[2] ? base - where[1] : 0;
	}
	if (!elf_offset_of(elf, where[0], &place.offset) ||
	    (where[2] && !elf_offset_of(elf, where[2], &place.semaphore)))
		return;
	parse_arguments(arguments, &place);
	search->found(search, &place);
}

static void search_file(struct search *search)
{
	struct elf_note note;
	size_t at = 0;
	struct elf elf;

	if (elf_open(&elf, search->path))
		return;
	while (elf_next_note(&elf, ".note.stapsdt", &at, &note))
		if (note.type == NOTE_STAPSDT && span_is(note.name, "stapsdt"))
			take_note(search, &elf, note.desc);
	elf_close(&elf);
}

static void add_place(struct search *search, const struct usdt_place *place)
{
	struct arena *arena = &search->script->arena;
	struct probe *probe, *last = search->script->last_probe;
	struct usdt_place *copy = arena_new(arena, sizeof(*copy));
	char name[1024];

	snprintf(name, sizeof(name), "usdt:%s:%s:%s", search->path, place->provider, place->name);
	search->count++;
	probe = probe_add(search->script, search->action, search->spec, &probe_usdt, name);
	if (!probe || !copy)
		return;
	*copy = *place;
	copy->provider = copy->name = NULL; /* in the file, which is closed */
	probe->target = arena_str(arena, span_of(search->path));
	probe->number = place->offset;
	probe->semaphore = place->semaphore;
	probe->data = copy;
	probe->is_more_of_last =
		last && last->action == search->action && last->name && !strcmp(last->name, name);
}

/* --- where to look --- */

static void search_process(struct search *search, int pid)
{
	char maps[64], line[4400], seen[MAPPINGS_MAX][256];
	uint32_t count = 0;
	FILE *file;

	snprintf(maps, sizeof(maps), "/proc/%d/maps", pid);
	file = fopen(maps, "re");
	while (file && fgets(line, sizeof(line), file) && count < MAPPINGS_MAX) {
		const char *path = strchr(line, '/');
		char full[4200];
		bool is_seen = false;

		if (!path || !strstr(line, " r-xp "))
			continue;
		line[strcspn(line, "\n")] = 0;
		for (uint32_t i = 0; i < count && !is_seen; i++)
			is_seen = !strncmp(seen[i], path, sizeof(seen[i]) - 1);
		if (is_seen)
			continue;
		snprintf(seen[count++], sizeof(seen[0]), "%s", path);
		snprintf(full, sizeof(full), "/proc/%d/root%s", pid, path);
		search->path = access(path, R_OK) ? full : path;
		search_file(search);
	}
	if (file)
		fclose(file);
}

static void expand_usdt(struct script *script, struct action *action, const struct probe_spec *spec,
			const struct probe_parts *parts)
{
	struct search search = {
		.script = script, .action = action, .spec = spec, .found = add_place};
	const char *binary = parts->count > 1 ? parts->part[1] : "";
	int pid = script->options->pid;
	char path[4096];

	if (parts->count < 3 || parts->count > 4) {
		diag_error(&script->diag, spec->place,
			   "usdt probe type requires 2 or 3 arguments, found %u", parts->count - 1);
		return;
	}
	search.name = parts->part[parts->count - 1];
	search.provider = parts->count == 4 && *parts->part[2] ? parts->part[2] : NULL;
	if (!strcmp(binary, "*") || !*binary) {
		if (!pid) {
			diag_error(&script->diag, spec->place,
				   "usdt probe must specify at least path or pid to probe. To "
				   "target all "
				   "paths/pids set the path to '*'.");
			return;
		}
		search_process(&search, pid);
	} else if (binary_find(binary, path, sizeof(path))) {
		search.path = path;
		search_file(&search);
	} else {
		probe_missing(script, spec,
			      "usdt target file '%s' does not exist or is not executable", binary);
		return;
	}
	if (!search.count)
		probe_missing(script, spec, "No matches for usdt %s:%s.", binary, search.name);
}

static void list_place(struct search *search, const struct usdt_place *place)
{
	char name[1024];

	snprintf(name, sizeof(name), "usdt:%s:%s:%s", search->path, place->provider, place->name);
	search->list(search->context, name);
}

static void list_usdt(struct script *script, const char *pattern,
		      void (*found)(void *context, const char *name), void *context)
{
	struct search search = {.found = list_place, .list = found, .context = context};
	struct probe_parts parts;
	char path[4096];

	if (strncmp(pattern, "usdt:", 5) || !probe_cut(&script->arena, pattern, &parts))
		return;
	if (parts.count > 2)
		search.name = parts.part[parts.count - 1];
	if (parts.count > 3)
		search.provider = parts.part[2];
	if (script->options->pid && (parts.count < 2 || !strcmp(parts.part[1], "*"))) {
		search_process(&search, script->options->pid);
	} else if (parts.count > 1 && binary_find(parts.part[1], path, sizeof(path))) {
		search.path = path;
		search_file(&search);
	}
}

/* --- at work --- */

static const struct type *usdt_arg_type(struct script *script, const struct probe *probe,
					uint32_t n)
{
	const struct usdt_place *place = probe->data;

	if (n >= place->arg_count)
		return NULL;
	return place->args[n].is_signed ? &type_int64 : &type_uint64;
}

static struct value usdt_lower_arg(struct lowering *l, uint32_t n)
{
	const struct usdt_place *place = l->probe->data;
	const struct usdt_arg *arg = &place->args[n];
	const struct type *type = arg->is_signed ? &type_int64 : &type_uint64;
	const struct type *part = type_int(arg->size, arg->is_signed);
	struct value value;
	int base, index;

	if (arg->kind == ARG_CONSTANT)
		return value_imm(type, arg->number);
	base = ir_load(l->ir, op_context(0), arg->base, 8, false);
	if (arg->kind == ARG_REGISTER)
		return value_reg(type, arg->size < 8 ? ir_extend(l->ir, op_reg(base), arg->size,
								 arg->is_signed)
						     : base);
	if (arg->index >= 0) {
		index = ir_load(l->ir, op_context(0), arg->index, 8, false);
		index = ir_alu(l->ir, ALU_MUL, op_reg(index), op_imm(arg->scale));
		base = ir_alu(l->ir, ALU_ADD, op_reg(base), op_reg(index));
	}
	value = value_far(part, op_reg(base), (int32_t)arg->number, SPACE_USER);
	return value_reg(type, lower_register(l, value));
}

const struct probe_kind probe_usdt = {.name = "usdt",
				      .aliases = {"U"},
				      .program = PROGRAM_KPROBE,
				      .space = SPACE_USER,
				      .has_regs = true,
				      .expand = expand_usdt,
				      .arg_type = usdt_arg_type,
				      .lower_arg = usdt_lower_arg,
				      .attach = attach_uprobe,
				      .list = list_usdt};
