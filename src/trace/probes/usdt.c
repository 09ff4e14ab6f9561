// SPDX-License-Identifier: GPL-2.0-only
/*
 * usdt - probes that a program's authors put into it.
 *
 *	usdt:PATH:[PROVIDER:]NAME	PATH may be a library's name, or * with -p
 *
 * Places and arguments are read by base/usdt.c. One name may stand at many places; each is a probe of its own.
 */
#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arch.h"
#include "base/usdt.h"
#include "trace/lower.h"
#include "trace/probes/probes.h"

extern const struct probe_kind probe_usdt;

/* --- in files --- */

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

static bool is_wanted(const struct search *search, const struct usdt_place *place)
{
	return (!search->provider || probe_glob(search->provider, place->provider)) &&
	       (!search->name || probe_glob(search->name, place->name));
}

static void search_file(void *context, const char *path)
{
	struct search *search = context;
	struct usdt_place place;
	size_t at = 0;
	struct elf elf;

	if (elf_open(&elf, path))
		return;
	search->path = path;
	while (usdt_next(&elf, &at, &place))
		if (is_wanted(search, &place))
			search->found(search, &place);
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

static void expand_usdt(struct script *script, struct action *action, const struct probe_spec *spec,
			const struct probe_parts *parts)
{
	struct search search = {
		.script = script, .action = action, .spec = spec, .found = add_place};
	const char *binary = parts->count > 1 ? parts->part[1] : "";
	int pid = script->options->pid;

	if (parts->count < 3 || parts->count > 4) {
		diag_error(&script->diag, spec->place,
			   "usdt probe type requires 2 or 3 arguments, found %u", parts->count - 1);
		return;
	}
	search.name = parts->part[parts->count - 1];
	search.provider = parts->count == 4 && *parts->part[2] ? parts->part[2] : NULL;
	if (!strcmp(binary, "*") && !pid)
		return; /* nothing is there: the whole machine is not searched */
	if (!binary_find_all(*binary ? binary : "*", pid, search_file, &search)) {
		probe_missing(script, spec,
			      "usdt target file '%s' does not exist or is not executable", binary);
		return;
	}
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

	if (strncmp(pattern, "usdt:", 5) || !probe_cut(&script->arena, pattern, &parts))
		return;
	if (parts.count > 2)
		search.name = parts.part[parts.count - 1];
	if (parts.count > 3)
		search.provider = parts.part[2];
	binary_find_all(parts.count > 1 ? parts.part[1] : "*", script->options->pid, search_file,
			&search);
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
