// SPDX-License-Identifier: GPL-2.0-only
/* kernel - path(), percpu_kaddr(): things of the kernel that programs ask by helpers; is_err(); and what is not there. */
#include <stdio.h>
#include <string.h>

#include "trace/btf.h"
#include "trace/functions/functions.h"

enum { HELPER_D_PATH = 147, HELPER_PER_CPU_PTR = 153, HELPER_THIS_CPU_PTR = 154, KIND_VAR = 14 };

/* --- path: the whole path of a file (5.10) --- */

/* The verifier wants a pointer that it knows to be the kernel's own: a field of an argument, read directly. */
static const struct type *check_path(struct checker *checker, struct expr *call)
{
	const struct probe_kind *kind = checker->probe->kind;
	const struct type *type = call->args->type;
	uint32_t size = checker->script->config.max_strlen;

	if (strcmp(kind->name, "fentry") && strcmp(kind->name, "fexit") &&
	    strcmp(kind->name, "iter")) {
		check_error(checker, call->place,
			    "The path function can only be used with 'fentry', 'fexit', 'iter' "
			    "probes");
		return &type_none;
	}
	if (type->kind == TYPE_POINTER)
		type = type->of;
	if (type->kind != TYPE_NONE &&
	    (type->kind != TYPE_RECORD || !type->name || strcmp(type->name, "path"))) {
		check_error(checker, call->place,
			    "path() only supports pointer argument (%s provided)",
			    check_text(checker, call->args->type));
		return &type_none;
	}
	if (call->args->next) {
		if (!call->args->next->is_constant || !type_is_integer(call->args->next->type)) {
			check_error(checker, call->place, "path() expects a literal size");
			return &type_none;
		}
		size = (uint32_t)call->args->next->number < size
			       ? (uint32_t)call->args->next->number
			       : size;
	}
	return type_string(&checker->script->arena, size ? size : 1);
}

/*
 * A way to the record from the context, in loads: the verifier follows the types of those. What is reached through a
 * variable or a cast is a number to it, and refused.
 */
static bool is_direct(const struct lowering *l, const struct expr *expr)
{
	if (expr->kind == EXPR_FIELD)
		return is_direct(l, expr->a);
	return expr->kind == EXPR_CALL && expr->function &&
	       (!strcmp(expr->name, "args") || !strcmp(expr->name, "ctx"));
}

static int direct_address(struct lowering *l, const struct expr *expr, int32_t *ret_offset)
{
	int base;

	if (expr->kind == EXPR_CALL) {
		*ret_offset = 0;
		return -1; /* the context itself */
	}
	base = direct_address(l, expr->a, ret_offset);
	if (expr->a->type->kind == TYPE_POINTER) {
		base = ir_load(l->ir, base < 0 ? op_context(0) : op_reg(base), *ret_offset, 8,
			       false);
		*ret_offset = 0;
	}
	*ret_offset += (int32_t)expr->field->offset;
	return base;
}

static void path_into(struct lowering *l, struct expr *call, struct memory to,
		      const struct type *as)
{
	const struct expr *path = call->args;
	int32_t offset = 0;
	int base;

	lower_zero(l, to, as->size);
	if (!is_direct(l, path)) {
		diag_error(&l->script->diag, path->place,
			   "path() takes a field of args or ctx, not a copy of it");
		l->is_failed = true;
		return;
	}
	base = direct_address(l, path, &offset);
	if (path->type->kind == TYPE_POINTER) {
		base = ir_load(l->ir, base < 0 ? op_context(0) : op_reg(base), offset, 8, false);
		offset = 0;
	}
	if (base < 0)
		return;
	if (offset)
		base = ir_alu(l->ir, ALU_ADD, op_reg(base), op_imm(offset));
	ir_call(l->ir, HELPER_D_PATH, op_reg(base), lower_address(l, to), op_imm(as->size),
		NO_OPERAND, NO_OPERAND);
}

const struct function function_path = {
	.name = "path", .min_args = 1, .max_args = 2, .check = check_path, .lower_into = path_into};

/* --- is_err: a pointer of the kernel that is an error code (include/linux/err.h) --- */

static const struct type *check_is_err(struct checker *checker, struct expr *call)
{
	return &type_bool;
}

static struct value lower_is_err(struct lowering *l, struct expr *call)
{
	enum { MAX_ERRNO = 4095 };
	struct operand value = lower_scalar(l, lower_expr(l, call->args));
	int reg = ir_reg(l->ir), end = ir_label(l->ir);

	value = op_reg(ir_move(l->ir, value));
	ir_set(l->ir, reg, op_imm(0));
	ir_branch(l->ir, COND_LT, value, op_imm(-MAX_ERRNO), end);
	ir_set(l->ir, reg, op_imm(1));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, reg);
}

const struct function function_is_err = {.name = "is_err",
					 .min_args = 1,
					 .max_args = 1,
					 .check = check_is_err,
					 .lower = lower_is_err};

/* --- percpu_kaddr: where a variable of the kernel lies for one CPU (5.10) --- */

static const struct type *check_percpu_kaddr(struct checker *checker, struct expr *call)
{
	struct btf *btf = script_btf(checker->script);
	const struct expr *cpu = call->args->next;
	uint32_t id = 0;

	if (!call->args->is_constant || call->args->type->kind != TYPE_STRING)
		check_error(checker, call->place,
			    "percpu_kaddr() expects a string literal (%s provided)",
			    check_short(checker, call->args->type));
	else if (cpu && cpu->type->kind != TYPE_NONE && !type_is_integer(cpu->type))
		check_error(checker, call->place,
			    "percpu_kaddr() only supports int arguments (%s provided)",
			    check_short(checker, cpu->type));
	else if (!btf || !(id = btf_find(btf, (const char *)call->args->text.at, KIND_VAR)))
		check_error(checker, call->place, "Could not resolve variable \"%.*s\" from BTF",
			    (int)call->args->text.len, (const char *)call->args->text.at);
	call->number = id;
	return id ? type_pointer(&checker->script->arena, &type_uint64, SPACE_KERNEL) : &type_none;
}

static struct value lower_percpu_kaddr(struct lowering *l, struct expr *call)
{
	struct operand variable = {.kind = OPERAND_KERNEL_VARIABLE, .imm = (int64_t)call->number};
	struct operand kept = op_slot(ir_slot(l->ir, 8, 8, true), 0), cpu;
	int at;

	if (call->args->next) {
		cpu = op_reg(lower_register(l, lower_expr(l, call->args->next)));
		at = ir_call(l->ir, HELPER_PER_CPU_PTR, variable, cpu, NO_OPERAND, NO_OPERAND,
			     NO_OPERAND);
	} else {
		at = ir_call(l->ir, HELPER_THIS_CPU_PTR, variable, NO_OPERAND, NO_OPERAND,
			     NO_OPERAND, NO_OPERAND);
	}
	/* through memory that the verifier does not follow: a plain number, which may be added to unseen */
	ir_store(l->ir, kept, 0, 8, op_reg(at));
	return value_reg(call->type, ir_load(l->ir, kept, 0, 8, false));
}

const struct function function_percpu_kaddr = {.name = "percpu_kaddr",
					       .min_args = 1,
					       .max_args = 2,
					       .check = check_percpu_kaddr,
					       .lower = lower_percpu_kaddr};

/* --- known by name, and said not to be there rather than unknown --- */

static const struct type *check_skboutput(struct checker *checker, struct expr *call)
{
	const struct probe_kind *kind = checker->probe->kind;

	if (strcmp(kind->name, "fentry") && strcmp(kind->name, "fexit"))
		check_error(checker, call->place, "skboutput can not be used with \"%s\" probes",
			    kind->name);
	else
		check_error(checker, call->place, "skboutput() is not supported");
	return &type_none;
}

const struct function function_skboutput = {
	.name = "skboutput", .min_args = 4, .max_args = 4, .check = check_skboutput};
