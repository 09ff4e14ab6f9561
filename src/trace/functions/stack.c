// SPDX-License-Identifier: GPL-2.0-only
/* stack - stacks and symbols: kstack, ustack, ksym, usym, kaddr; spaces: kptr, uptr. */
#include <string.h>

#include "trace/functions/functions.h"
#include "trace/symbol.h"

enum {
	HELPER_GET_STACKID = 27,
	HELPER_GET_STACK = 67,
	HELPER_PID_TGID = 14,
	STACK_DEPTH = 127, /* the kernel's own limit: kernel.perf_event_max_stack */
	STACK_ENTRIES = 16384,
	USER_STACK = 1 << 8, /* BPF_F_USER_STACK */
};

static bool mode_of(const char *name, enum stack_mode *ret_mode)
{
	static const char *const names[] = {"bpftrace", "perf", "raw", "build_id"};

	for (unsigned i = 0; i < 4; i++)
		if (!strcmp(names[i], name)) {
			*ret_mode = (enum stack_mode)i;
			return true;
		}
	return false;
}

static const struct type *check_stack(struct checker *checker, struct expr *call)
{
	enum stack_mode mode = checker->script->config.stack_mode;
	struct expr *limit = call->args;
	uint32_t depth = STACK_DEPTH;

	checker->probe->uses_stack = true;
	if (limit && limit->kind == EXPR_NAME && mode_of(limit->name, &mode)) {
		limit = limit->next;
	} else if (limit && limit->kind == EXPR_NAME) {
		check_error(checker, limit->place,
			    "Error parsing stack mode: %s: Invalid value for stack_mode: valid "
			    "values are bpftrace, raw, perf, and build_id.",
			    call->name);
		return &type_none;
	}
	if (limit) {
		if (!limit->is_constant || !type_is_integer(limit->type) || limit->is_negative) {
			check_error(checker, call->place, "%s: invalid limit value", call->name);
			return &type_none;
		}
		/* more than the kernel keeps is as much as it keeps */
		depth = limit->number < STACK_DEPTH ? (uint32_t)limit->number : STACK_DEPTH;
	}
	return type_stack(&checker->script->arena, call->name[0] == 'u', mode, depth);
}

/* One stack map per depth: the kernel cuts stacks to what a value of the map holds. */
static int stack_map(struct lowering *l, uint32_t depth, bool has_build_ids)
{
	struct compiled *compiled = l->compiled;
	struct map_spec spec = {.name = "stacks",
				.type = BPF_MAP_TYPE_STACK_TRACE,
				.key_size = 4,
				.value_size = (depth ? depth : 1) * (has_build_ids ? 32 : 8),
				.flags = has_build_ids ? BPF_F_STACK_BUILD_ID : 0,
				.max_entries = STACK_ENTRIES};

	for (uint32_t i = 0; i < compiled->stack_count; i++)
		if (compiled->stacks[i].depth == depth &&
		    compiled->stacks[i].has_build_ids == has_build_ids)
			return compiled->stacks[i].map;
	if (compiled->stack_count == STACK_MAPS_MAX) {
		diag_error(&l->script->diag, l->ir->place, "more than %d different stack limits",
			   STACK_MAPS_MAX);
		l->is_failed = true;
		return 0;
	}
	compiled->stacks[compiled->stack_count].depth = depth;
	compiled->stacks[compiled->stack_count].has_build_ids = has_build_ids;
	compiled->stacks[compiled->stack_count].map = lower_new_map(l, spec, NULL);
	return compiled->stacks[compiled->stack_count++].map;
}

static void stack_into(struct lowering *l, struct expr *call, struct memory to,
		       const struct type *as)
{
	bool is_user = call->type->kind == TYPE_USTACK;
	int map = stack_map(l, call->type->depth, call->type->mode == STACK_BUILD_ID);
	int id = ir_call(l->ir, HELPER_GET_STACKID, op_context(0), op_map(map),
			 op_imm(is_user ? USER_STACK : 0), NO_OPERAND, NO_OPERAND);
	int pid = -1;

	ir_store(l->ir, to.base, to.offset, 8, op_reg(id));
	if (is_user) {
		pid = ir_call(l->ir, HELPER_PID_TGID, NO_OPERAND, NO_OPERAND, NO_OPERAND,
			      NO_OPERAND, NO_OPERAND);
		pid = ir_alu(l->ir, ALU_SHR, op_reg(pid), op_imm(32));
	}
	ir_store(l->ir, to.base, to.offset + 8, 8, is_user ? op_reg(pid) : op_imm(0));
}

/* Taken once more, to be counted: programs cannot look into the map of stacks. */
struct value lower_stack_depth(struct lowering *l, struct expr *stack)
{
	const struct type *type = stack->type;
	uint32_t size = (type->depth ? type->depth : 1) * 8;
	struct operand frames = op_slot(ir_slot(l->ir, size, 8, true), 0);
	int bytes = ir_call(l->ir, HELPER_GET_STACK, op_context(0), frames, op_imm(size),
			    op_imm(type->kind == TYPE_USTACK ? USER_STACK : 0), NO_OPERAND);
	int some = ir_label(l->ir);

	ir_branch(l->ir, COND_SGE, op_reg(bytes), op_imm(0), some);
	ir_set(l->ir, bytes, op_imm(0));
	ir_put_label(l->ir, some);
	return value_reg(&type_uint64, ir_alu(l->ir, ALU_SHR, op_reg(bytes), op_imm(3)));
}

const struct function function_kstack = {.name = "kstack",
					 .max_args = 2,
					 .flags = FUNCTION_BUILTIN | FUNCTION_NAME_ARG,
					 .check = check_stack,
					 .lower_into = stack_into};
const struct function function_ustack = {.name = "ustack",
					 .max_args = 2,
					 .flags = FUNCTION_BUILTIN | FUNCTION_NAME_ARG,
					 .check = check_stack,
					 .lower_into = stack_into};

static bool address_wanted(struct checker *checker, struct expr *call)
{
	const struct type *type = call->args->type;

	if (type->kind == TYPE_NONE)
		return false;
	if (type_is_integer(type) || type->kind == TYPE_POINTER)
		return true;
	check_error(checker, call->place, "%s() expects an integer or pointer argument",
		    call->name);
	return false;
}

static const struct type *check_ksym(struct checker *checker, struct expr *call)
{
	return address_wanted(checker, call) ? &type_ksym : &type_none;
}

static struct value lower_ksym(struct lowering *l, struct expr *call)
{
	return value_reg(&type_ksym, lower_register(l, lower_expr(l, call->args)));
}

const struct function function_ksym = {
	.name = "ksym", .min_args = 1, .max_args = 1, .check = check_ksym, .lower = lower_ksym};

static const struct type *check_usym(struct checker *checker, struct expr *call)
{
	return address_wanted(checker, call) ? &type_usym : &type_none;
}

static void usym_into(struct lowering *l, struct expr *call, struct memory to,
		      const struct type *as)
{
	int pid;

	ir_store(l->ir, to.base, to.offset, 8, lower_scalar(l, lower_expr(l, call->args)));
	pid = ir_call(l->ir, HELPER_PID_TGID, NO_OPERAND, NO_OPERAND, NO_OPERAND, NO_OPERAND,
		      NO_OPERAND);
	ir_store(l->ir, to.base, to.offset + 8, 8,
		 op_reg(ir_alu(l->ir, ALU_SHR, op_reg(pid), op_imm(32))));
}

const struct function function_usym = {
	.name = "usym", .min_args = 1, .max_args = 1, .check = check_usym, .lower_into = usym_into};

static const struct type *check_kaddr(struct checker *checker, struct expr *call)
{
	uint64_t address;

	if (!call->args->is_constant || call->args->type->kind != TYPE_STRING) {
		check_error(checker, call->place, "kaddr() expects a string literal");
		return &type_none;
	}
	if (!call->number && !symbol_kernel_address(call->args->text, &address)) {
		check_error(checker, call->place, "Failed to resolve kernel symbol: %.*s",
			    (int)call->args->text.len, call->args->text.at);
		return &type_none;
	}
	if (!call->number)
		call->number = address;
	call->is_constant = true;
	return &type_uint64;
}

const struct function function_kaddr = {
	.name = "kaddr", .min_args = 1, .max_args = 1, .check = check_kaddr};

static const struct type *check_space(struct checker *checker, struct expr *call)
{
	enum space space = call->name[0] == 'u' ? SPACE_USER : SPACE_KERNEL;
	const struct type *type = call->args->type;

	if (type->kind == TYPE_POINTER)
		return type_pointer(&checker->script->arena, type->of, space);
	if (type->kind == TYPE_INT)
		return type_pointer(&checker->script->arena, &type_int8, space);
	if (type->kind != TYPE_NONE)
		check_error(checker, call->place, "%s() only supports pointer arguments",
			    call->name);
	return &type_none;
}

static struct value lower_space(struct lowering *l, struct expr *call)
{
	return value_reg(call->type, lower_register(l, lower_expr(l, call->args)));
}

const struct function function_kptr = {
	.name = "kptr", .min_args = 1, .max_args = 1, .check = check_space, .lower = lower_space};
const struct function function_uptr = {
	.name = "uptr", .min_args = 1, .max_args = 1, .check = check_space, .lower = lower_space};
