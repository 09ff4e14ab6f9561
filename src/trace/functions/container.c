// SPDX-License-Identifier: GPL-2.0-only
/*
 * container - whose the running process is: its container, its pod.
 *
 * A value is the id of the process's control group, shown by name when it is printed. Comparing it with a name is
 * looking {group, number of the name} up in a map that user space keeps: it holds the groups that are called so.
 */
#include <stdio.h>
#include <string.h>

#include "trace/btf.h"
#include "trace/functions/functions.h"
#include "trace/owners.h"

enum { HELPER_MAP_LOOKUP = 1, HELPER_CURRENT_TASK = 35, HELPER_CGROUP_ID = 80 };

/* task->cgroups->subsys[i]->cgroup->kn->id, where controllers have hierarchies of their own. */
struct way {
	uint32_t count;
	uint32_t offsets[5];
};

static bool add_step(struct checker *checker, struct way *way, const char *record, const char *name,
		     uint32_t more)
{
	struct btf *btf = script_btf(checker->script);
	const struct type *type = btf ? btf_record(btf, record, false) : NULL;
	const struct field *field = type ? btf_field(btf, type, name) : NULL;

	if (!field)
		return false;
	way->offsets[way->count++] = field->offset + more;
	return true;
}

static bool find_way(struct checker *checker, struct expr *call)
{
	const char *controller = owners_controller();
	struct way *way = arena_new(&checker->script->arena, sizeof(*way));
	const struct type *type;
	char name[32];
	int64_t index;

	call->data = NULL;
	if (!controller)
		return true;
	snprintf(name, sizeof(name), "%s_cgrp_id", controller);
	if (!way || !script_btf(checker->script) ||
	    !btf_enumerator(checker->script->btf, name, &index, &type) ||
	    !add_step(checker, way, "task_struct", "cgroups", 0) ||
	    !add_step(checker, way, "css_set", "subsys", (uint32_t)index * 8) ||
	    !add_step(checker, way, "cgroup_subsys_state", "cgroup", 0) ||
	    !add_step(checker, way, "cgroup", "kn", 0) ||
	    !add_step(checker, way, "kernfs_node", "id", 0)) {
		check_error(checker, call->place, "%s needs the kernel's BTF", call->name);
		return false;
	}
	call->data = way;
	return true;
}

static const struct type *check_container(struct checker *checker, struct expr *call)
{
	if (!call->data && !find_way(checker, call))
		return &type_none;
	return !strcmp(call->name, "pod") ? &type_pod : &type_container;
}

static struct value lower_container(struct lowering *l, struct expr *call)
{
	const struct way *way = call->data;
	int at = ir_call(l->ir, way ? HELPER_CURRENT_TASK : HELPER_CGROUP_ID, NO_OPERAND,
			 NO_OPERAND, NO_OPERAND, NO_OPERAND, NO_OPERAND);

	for (uint32_t i = 0; way && i < way->count; i++)
		at = lower_register(l, value_far(&type_uint64, op_reg(at), (int32_t)way->offsets[i],
						 SPACE_KERNEL));
	return value_reg(call->type, at);
}

const struct function function_container = {.name = "container",
					    .flags = FUNCTION_BUILTIN,
					    .check = check_container,
					    .lower = lower_container};
const struct function function_pod = {.name = "pod",
				      .flags = FUNCTION_BUILTIN,
				      .check = check_container,
				      .lower = lower_container};

/* --- container == "name" --- */

bool check_group_compare(struct checker *checker, struct expr *expr)
{
	bool is_left = type_is_group(expr->a->type);
	const struct expr *name = is_left ? expr->b : expr->a;

	if (!is_left && !type_is_group(expr->b->type))
		return false;
	if (name->type->kind != TYPE_STRING || !name->is_constant ||
	    (expr->op != OP_EQ && expr->op != OP_NE)) {
		check_error(checker, expr->place,
			    "%s is compared with a name: == \"name\" or != \"name\"",
			    check_text(checker, is_left ? expr->a->type : expr->b->type));
		return true;
	}
	expr->number = script_text(checker->script, name->text);
	return true;
}

/* The map that user space fills: made when it is first asked for. */
static int group_map(struct lowering *l)
{
	enum { WANTED_MAX = 65536 };

	if (!l->compiled->group_map)
		l->compiled->group_map = lower_new_map(l,
						       (struct map_spec){.name = "groups",
									 .type = BPF_MAP_TYPE_HASH,
									 .key_size = 16,
									 .value_size = 8,
									 .max_entries = WANTED_MAX},
						       NULL);
	return l->compiled->group_map;
}

static void want_name(struct lowering *l, enum group_part part, uint32_t text)
{
	struct compiled *compiled = l->compiled;

	for (uint32_t i = 0; i < compiled->wanted_count; i++)
		if (compiled->wanted[i].part == (int)part && compiled->wanted[i].text == text)
			return;
	if (compiled->wanted_count == GROUP_NAMES_MAX) {
		diag_error(&l->script->diag, l->ir->place,
			   "more than %d names of containers and pods", GROUP_NAMES_MAX);
		l->is_failed = true;
		return;
	}
	compiled->wanted[compiled->wanted_count].part = part;
	compiled->wanted[compiled->wanted_count++].text = text;
}

struct value lower_group_compare(struct lowering *l, struct expr *expr)
{
	struct expr *group = type_is_group(expr->a->type) ? expr->a : expr->b;
	enum group_part part = group->type->kind == TYPE_POD ? GROUP_POD : GROUP_CONTAINER;
	uint32_t text = (uint32_t)expr->number;
	struct memory key = lower_slot(l, 16);
	int found, result = ir_reg(l->ir), end = ir_label(l->ir);

	want_name(l, part, text);
	ir_store(l->ir, key.base, key.offset, 8, lower_scalar(l, lower_expr(l, group)));
	ir_store(l->ir, key.base, key.offset + 8, 8, op_imm(text * 2 + part));
	found = ir_call(l->ir, HELPER_MAP_LOOKUP, op_map(group_map(l)), lower_address(l, key),
			NO_OPERAND, NO_OPERAND, NO_OPERAND);
	ir_set(l->ir, result, op_imm(expr->op == OP_NE));
	ir_branch(l->ir, COND_EQ, op_reg(found), op_imm(0), end);
	ir_set(l->ir, result, op_imm(expr->op == OP_EQ));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, result);
}
