// SPDX-License-Identifier: GPL-2.0-only
/* maps - functions on maps: delete, has_key, len, clear, zero, find. */
#include <string.h>

#include "trace/functions/functions.h"
#include "trace/run.h"

enum { HELPER_MAP_DELETE = 3 };

static struct map_decl *map_wanted(struct checker *checker, struct expr *call)
{
	struct expr *map = call->args;

	if (map->kind != EXPR_MAP) {
		check_error(checker, call->place, "%s() expects a map to be provided", call->name);
		return NULL;
	}
	map->map = script_map(checker->script, map->name, map->place);
	if (map->map && checker->is_final && map->map->value->kind == TYPE_NONE)
		check_error(checker, map->place, "Undefined map: %s", map->name);
	return map->map;
}

static bool is_scalar(const struct map_decl *map)
{
	return map->is_written && (!map->key || map->key->kind == TYPE_NONE);
}

/* delete(@m, key), has_key(@m, key), and the old delete(@m[key]). */
static void check_key(struct checker *checker, struct expr *call)
{
	struct expr *map = call->args, *key = map->next;
	const struct type *type;

	if (map->args) { /* delete(@m[key]) */
		check_map_key(checker, map);
		return;
	}
	if (!key)
		return;
	/* (1, 2) is the key of @m[1, 2]: the tuple's own type */
	type = check_expr(checker, key);
	if (checker->is_final && map->map && is_scalar(map->map))
		return; /* the caller says so */
	if (type->kind != TYPE_NONE && map->map)
		check_join_key(checker, map->map, type, call->place);
}

static const struct type *check_delete(struct checker *checker, struct expr *call)
{
	struct map_decl *map = map_wanted(checker, call);

	if (!map)
		return &type_bool;
	if (call->args->args && call->args->next) {
		check_error(checker, call->place,
			    "delete() expects a map with no keys for the first argument");
		return &type_bool;
	}
	check_key(checker, call);
	if (checker->is_final && !call->args->args && !call->args->next && map->key &&
	    map->key->kind != TYPE_NONE)
		check_error(
			checker, call->place,
			"call to delete() with a single argument expects a map without explicit "
			"keys (scalar map)");
	if (checker->is_final && call->args->next && is_scalar(map))
		check_error(checker, call->place,
			    "call to delete() with two arguments expects a map with explicit keys "
			    "(non-scalar map)");
	return &type_bool;
}

static const struct type *check_has_key(struct checker *checker, struct expr *call)
{
	struct map_decl *map = map_wanted(checker, call);

	if (!map)
		return &type_bool;
	check_key(checker, call);
	if (checker->is_final && (!map->key || map->key->kind == TYPE_NONE))
		check_error(checker, call->place,
			    "call to has_key() expects a map with explicit keys (non-scalar map)");
	return &type_bool;
}

static struct memory key_of(struct lowering *l, struct expr *call)
{
	struct map_decl *map = lower_decl(l, call->args);

	if (call->args->args)
		return lower_key(l, map, call->args->args, call->args->arg_count);
	return lower_key(l, map, call->args->next, call->args->next ? 1 : 0);
}

static struct value lower_delete(struct lowering *l, struct expr *call)
{
	struct map_decl *map = lower_decl(l, call->args);
	struct memory key = key_of(l, call);
	int result = ir_reg(l->ir), end = ir_label(l->ir), code;

	ir_set(l->ir, result, op_imm(0));
	if (map_is_array(map)) {
		int slot = lower_map_lookup(l, map, key);
		uint32_t size = l->compiled->maps[map->index].spec.value_size;

		ir_branch(l->ir, COND_EQ, op_reg(slot), op_imm(0), end);
		lower_zero(l, (struct memory){.base = op_reg(slot)}, size);
	} else {
		code = ir_call(l->ir, HELPER_MAP_DELETE, op_map(map->index), lower_address(l, key),
			       NO_OPERAND, NO_OPERAND, NO_OPERAND);
		ir_branch(l->ir, COND_NE, op_reg(code), op_imm(0), end);
	}
	ir_set(l->ir, result, op_imm(1));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, result);
}

static struct value lower_has_key(struct lowering *l, struct expr *call)
{
	struct map_decl *map = lower_decl(l, call->args);
	struct memory key = key_of(l, call);
	int result = ir_reg(l->ir), end = ir_label(l->ir), slot;

	ir_set(l->ir, result, op_imm(0));
	slot = lower_map_lookup(l, map, key);
	ir_branch(l->ir, COND_EQ, op_reg(slot), op_imm(0), end);
	ir_set(l->ir, result, op_imm(1));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, result);
}

const struct function function_delete = {.name = "delete",
					 .min_args = 1,
					 .max_args = 2,
					 .flags = FUNCTION_MAP_ARG,
					 .check = check_delete,
					 .lower = lower_delete};
const struct function function_has_key = {.name = "has_key",
					  .min_args = 2,
					  .max_args = 2,
					  .flags = FUNCTION_MAP_ARG,
					  .check = check_has_key,
					  .lower = lower_has_key};

/* find(@m, key, $value): one look-up instead of has_key() and @m[key] */

static const struct type *check_find(struct checker *checker, struct expr *call)
{
	struct map_decl *map = map_wanted(checker, call);
	struct expr *variable = call->args->next->next;

	if (!map)
		return &type_bool;
	check_key(checker, call);
	if (variable->kind != EXPR_VARIABLE)
		check_error(checker, variable->place, "find() expects a variable for its result");
	else if (checker->is_final && (!map->key || map->key->kind == TYPE_NONE))
		check_error(checker, call->place,
			    "call to find() expects a map with explicit keys (non-scalar map)");
	else if (type_is_aggregate(map->value))
		check_error(checker, call->place, "find() does not support type: %s",
			    check_text(checker, map->value));
	else
		check_written(checker, variable, map->value);
	return &type_bool;
}

static struct value lower_find(struct lowering *l, struct expr *call)
{
	struct map_decl *map = lower_decl(l, call->args);
	const struct variable *variable = call->args->next->next->variable;
	struct memory key = lower_key(l, map, call->args->next, 1), to;
	int result = ir_reg(l->ir), end = ir_label(l->ir), slot;
	struct value found;

	ir_set(l->ir, result, op_imm(0));
	slot = lower_map_lookup(l, map, key);
	ir_branch(l->ir, COND_EQ, op_reg(slot), op_imm(0), end);
	found = value_memory(map->value, (struct memory){.base = op_reg(slot)});
	if (variable->reg >= 0) {
		ir_set(l->ir, variable->reg, lower_scalar(l, found));
	} else {
		to = (struct memory){.base = op_slot(variable->slot, 0)};
		lower_store(l, found, to, variable->type);
	}
	ir_set(l->ir, result, op_imm(1));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, result);
}

const struct function function_find = {.name = "find",
				       .min_args = 3,
				       .max_args = 3,
				       .flags = FUNCTION_RAW_ARGS,
				       .check = check_find,
				       .lower = lower_find};

/* --- len: elements of a map, counted by walking it --- */

static const struct type *check_len(struct checker *checker, struct expr *call)
{
	struct map_decl *map;

	if (call->args->kind != EXPR_MAP || call->args->args) {
		const struct type *type = check_expr(checker, call->args);

		if (type->kind != TYPE_NONE && type->kind != TYPE_KSTACK &&
		    type->kind != TYPE_USTACK)
			check_error(checker, call->place,
				    "call to len() expects a map, ustack, or kstack");
		return &type_uint64;
	}
	map = map_wanted(checker, call);
	if (map && checker->is_final && (!map->key || map->key->kind == TYPE_NONE))
		check_error(checker, call->place,
			    "call to len() expects a map with explicit keys (non-scalar map)");
	return &type_uint64;
}

static void count_only(struct lowering *l, void *context)
{
}

static struct value lower_len(struct lowering *l, struct expr *call)
{
	struct map_decl *map;

	if (call->args->kind != EXPR_MAP || call->args->args)
		return lower_stack_depth(l, call->args);
	map = lower_decl(l, call->args);

	if (!l->compiled->target.has_for_each) {
		diag_error(&l->script->diag, call->place,
			   "len() needs bpf_for_each_map_elem (kernel 5.13)");
		l->is_failed = true;
		return value_imm(&type_uint64, 0);
	}
	return value_reg(&type_uint64, lower_for_each(l, map, count_only, NULL));
}

const struct function function_len = {.name = "len",
				      .min_args = 1,
				      .max_args = 1,
				      .flags = FUNCTION_MAP_ARG,
				      .check = check_len,
				      .lower = lower_len};

/* --- clear and zero: user space does it, in the order of events --- */

static const struct type *check_whole(struct checker *checker, struct expr *call)
{
	if (call->args->kind != EXPR_MAP || call->args->args) {
		check_error(checker, call->args->place, "%s() expects a map argument", call->name);
		return &type_void;
	}
	map_wanted(checker, call);
	return &type_void;
}

static struct value lower_whole(struct lowering *l, struct expr *call)
{
	struct memory event;

	lower_decl(l, call->args);
	event = lower_event(l, call, NULL);
	lower_send(l, event, NULL);
	return value_none();
}

static void happen_clear(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	run_clear(run, run_map(run, call->args->map));
}

static void happen_zero(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	run_zero(run, run_map(run, call->args->map));
}

const struct function function_clear = {.name = "clear",
					.min_args = 1,
					.max_args = 1,
					.flags = FUNCTION_NO_VALUE | FUNCTION_MAP_ARG,
					.check = check_whole,
					.lower = lower_whole,
					.happen = happen_clear};
const struct function function_zero = {.name = "zero",
				       .min_args = 1,
				       .max_args = 1,
				       .flags = FUNCTION_NO_VALUE | FUNCTION_MAP_ARG,
				       .check = check_whole,
				       .lower = lower_whole,
				       .happen = happen_zero};
