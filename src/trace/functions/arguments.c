// SPDX-License-Identifier: GPL-2.0-only
/* arguments - what the probe brings: args, argN, retval, reg, ctx; and its names. */
#include <stdlib.h>
#include <string.h>

#include "base/arch.h"
#include "trace/btf.h"
#include "trace/functions/functions.h"

static const char *shown_kind(const struct probe *probe)
{
	return probe->kind->is_special ? "special" : probe->kind->name;
}

/*
 * The record behind `args` lies scattered: registers, words of the context, the stack. Where it is wanted whole, its
 * fields are put side by side as a compiler would.
 */
static const struct type *whole(struct checker *checker, const struct type *args)
{
	struct arena *arena = &checker->script->arena;
	struct field *fields = arena_new(arena, (args->field_count + 1) * sizeof(*fields));
	struct type *type = arena_new(arena, sizeof(*type));
	uint32_t offset = 0, align = 1;

	if (!fields || !type)
		return &type_none;
	*type = *args;
	for (uint32_t i = 0; i < args->field_count; i++) {
		uint32_t a = args->fields[i].type->align ? args->fields[i].type->align : 1;

		if (args->fields[i].type->kind == TYPE_NONE)
			a = 1;
		fields[i] =
			(struct field){.name = args->fields[i].name, .type = args->fields[i].type};
		fields[i].offset = offset = (offset + a - 1) / a * a;
		offset += fields[i].type->size;
		align = a > align ? a : align;
	}
	type->fields = fields;
	type->size = (offset + align - 1) / align * align;
	type->align = align;
	type->space = SPACE_NONE;
	return type;
}

/* A tracepoint's record is one in the kernel too. */
static bool lies_in_one_piece(const struct probe *probe)
{
	return !strcmp(probe->kind->name, "tracepoint") || !strcmp(probe->kind->name, "iter");
}

static const struct type *check_args(struct checker *checker, struct expr *expr)
{
	const struct type *args = probe_args(checker->script, checker->probe);

	checker->probe->uses_args = true;
	if (args && (expr->is_part_wanted || lies_in_one_piece(checker->probe)))
		return args;
	if (args)
		return whole(checker, args);
	if (!strcmp(expr->name, "ctx") && checker->probe->kind->is_special)
		return check_error(checker, expr->place,
				   "The ctx builtin can not be used with '%s' probes",
				   checker->probe->kind->name),
		       &type_none;
	if (!strcmp(expr->name, "ctx"))
		return type_pointer(&checker->script->arena, &type_void, SPACE_KERNEL);
	check_error(checker, expr->place,
		    checker->probe->kind->args
			    ? "Cannot read the arguments of this probe (%s)"
			    : "The args builtin can only be used with tracepoint, rawtracepoint, "
			      "fentry/fexit, and uprobe probes (%s used here)",
		    shown_kind(checker->probe));
	return &type_none;
}

static struct value lower_whole(struct lowering *l, const struct type *type)
{
	const struct type *args = l->probe->args;
	struct memory at = lower_slot(l, type->size);

	lower_zero(l, at, type->size);
	if (lies_in_one_piece(l->probe)) {
		struct value record = value_far(type, op_context(0), 0, SPACE_KERNEL);

		lower_read(l, at, type->size, lower_far_address(l, record), SPACE_KERNEL);
		return value_memory(type, at);
	}
	for (uint32_t i = 0; i < type->field_count; i++) {
		const struct field *from = &args->fields[i], *to = &type->fields[i];
		struct value value;

		if (from->type->kind == TYPE_NONE)
			continue;
		value = from->is_on_stack ? lower_from_stack(l, from)
					  : value_far(from->type, op_context(0),
						      (int32_t)from->offset, args->space);

		lower_store(l, value, memory_at(at, to->offset), to->type);
	}
	return value_memory(type, at);
}

static struct value lower_args(struct lowering *l, struct expr *expr)
{
	if (expr->type->kind == TYPE_POINTER)
		return value_reg(expr->type, ir_move(l->ir, op_context(0)));
	if (!expr->is_part_wanted)
		return lower_whole(l, expr->type);
	return value_far(expr->type, op_context(0), 0, expr->type->space);
}

const struct function function_args = {
	.name = "args", .flags = FUNCTION_BUILTIN, .check = check_args, .lower = lower_args};
/* iter probes say ctx */
const struct function function_ctx = {
	.name = "ctx", .flags = FUNCTION_BUILTIN, .check = check_args, .lower = lower_args};

/* arg0, arg1 ...: names of one function. */
static const struct type *check_arg(struct checker *checker, struct expr *expr)
{
	const struct probe *probe = checker->probe;
	uint32_t n = (uint32_t)strtoul(expr->name + 3, NULL, 10);
	const struct type *type;
	int offset =
		probe->kind->arg_offset ? probe->kind->arg_offset(checker->script, probe, n) : -1;

	checker->probe->uses_args = true;
	if (probe->kind->arg_type) {
		type = probe->kind->arg_type(checker->script, probe, n);
		if (!type)
			check_error(checker, expr->place, "Invalid probe argument: %s (%s)",
				    expr->name, probe->name);
		expr->number = n;
		return type ? type : &type_none;
	}
	if (!probe->kind->arg_offset)
		check_error(checker, expr->place,
			    "The %s builtin can only be used with 'kprobes', 'uprobes' "
			    "and 'usdt' probes",
			    expr->name);
	else if (offset < 0)
		check_error(checker, expr->place, "%s doesn't support %s", ARCH_NAME, expr->name);
	expr->number = (uint64_t)offset;
	return offset < 0 ? &type_none : &type_uint64;
}

static struct value lower_arg(struct lowering *l, struct expr *expr)
{
	if (l->probe->kind->lower_arg)
		return l->probe->kind->lower_arg(l, (uint32_t)expr->number);
	return value_far(expr->type, op_context(0), (int32_t)expr->number, SPACE_CONTEXT);
}

static struct value lower_at(struct lowering *l, struct expr *expr)
{
	return value_far(expr->type, op_context(0), (int32_t)expr->number, SPACE_CONTEXT);
}

const struct function function_arg = {
	.name = "arg", .flags = FUNCTION_BUILTIN, .check = check_arg, .lower = lower_arg};

static const struct type *check_retval(struct checker *checker, struct expr *expr)
{
	const struct probe *probe = checker->probe;
	int offset = probe->kind->retval_offset ? probe->kind->retval_offset(checker->script, probe)
						: -1;

	checker->probe->uses_args = true;
	if (offset < 0) {
		check_error(checker, expr->place,
			    "The retval builtin can only be used with 'kretprobe' and 'uretprobe' "
			    "and 'fentry' probes");
		return &type_none;
	}
	expr->number = (uint64_t)offset;
	return probe->kind->retval_type ? probe->kind->retval_type(checker->script, probe)
					: &type_uint64;
}

const struct function function_retval = {
	.name = "retval", .flags = FUNCTION_BUILTIN, .check = check_retval, .lower = lower_at};

static const struct type *check_reg(struct checker *checker, struct expr *expr)
{
	const struct expr *name = expr->args;
	int offset;

	if (!checker->probe->kind->has_regs) {
		check_error(checker, expr->place, "reg can not be used with \"%s\" probes",
			    checker->probe->kind->name);
		return &type_none;
	}
	if (name->kind != EXPR_STRING) {
		check_error(checker, expr->place, "reg() expects a string literal");
		return &type_none;
	}
	offset = arch_register_offset((const char *)name->text.at, name->text.len);
	if (offset < 0) {
		check_error(checker, expr->place,
			    "'%.*s' is not a valid register on this architecture (%s)",
			    (int)name->text.len, name->text.at, ARCH_NAME);
		return &type_none;
	}
	checker->probe->uses_args = true;
	expr->number = (uint64_t)offset;
	return &type_uint64;
}

const struct function function_reg = {
	.name = "reg", .min_args = 1, .max_args = 1, .check = check_reg, .lower = lower_at};

/* --- names: constants of the probe --- */

static const struct type *constant_text(struct checker *checker, struct expr *expr,
					const char *text)
{
	expr->text = span_of(text);
	expr->is_constant = true;
	return type_string(&checker->script->arena, (uint32_t)expr->text.len + 1);
}

static const struct type *check_probe_name(struct checker *checker, struct expr *expr)
{
	return constant_text(checker, expr, checker->probe->name);
}

static const struct type *check_probetype(struct checker *checker, struct expr *expr)
{
	return constant_text(checker, expr, shown_kind(checker->probe));
}

/* The function's address, printed as its name. */
static const struct type *check_func(struct checker *checker, struct expr *expr)
{
	const struct probe *probe = checker->probe;

	if (probe->kind->program != PROGRAM_KPROBE && probe->kind->program != PROGRAM_TRACING) {
		check_error(checker, expr->place,
			    "The func builtin can not be used with '%s' probes", probe->kind->name);
		return &type_none;
	}
	checker->probe->uses_args = true;
	return probe->kind->space == SPACE_USER ? &type_usym : &type_ksym;
}

enum { HELPER_GET_FUNC_IP = 173, HELPER_PID_TGID = 14 }; /* the first: 5.15, for uprobes 6.6 */

static int function_address(struct lowering *l)
{
	if (l->probe->kind->has_regs && !l->probe->kind->retval_offset)
		return ir_load(l->ir, op_context(0), ARCH_IP, 8, false);
	if (!l->compiled->target.has_func_ip) {
		diag_error(&l->script->diag, l->ir->place,
			   "func at a return needs bpf_get_func_ip (kernel 5.15)");
		l->is_failed = true;
	}
	return ir_call(l->ir, HELPER_GET_FUNC_IP, op_context(0), NO_OPERAND, NO_OPERAND, NO_OPERAND,
		       NO_OPERAND);
}

static struct value lower_func(struct lowering *l, struct expr *expr)
{
	struct memory at;
	int pid;

	if (expr->type->kind == TYPE_KSYM)
		return value_reg(&type_ksym, function_address(l));
	at = lower_slot(l, type_usym.size);
	ir_store(l->ir, at.base, at.offset, 8, op_reg(function_address(l)));
	pid = ir_call(l->ir, HELPER_PID_TGID, NO_OPERAND, NO_OPERAND, NO_OPERAND, NO_OPERAND,
		      NO_OPERAND);
	ir_store(l->ir, at.base, at.offset + 8, 8,
		 op_reg(ir_alu(l->ir, ALU_SHR, op_reg(pid), op_imm(32))));
	return value_memory(&type_usym, at);
}

const struct function function_probe = {
	.name = "probe", .flags = FUNCTION_BUILTIN, .check = check_probe_name};
const struct function function_probetype = {
	.name = "probetype", .flags = FUNCTION_BUILTIN, .check = check_probetype};
const struct function function_func = {
	.name = "func", .flags = FUNCTION_BUILTIN, .check = check_func, .lower = lower_func};

/* usermode: whether the interrupted code was a program's. The low bits of cs say so on x86-64. */
static const struct type *check_usermode(struct checker *checker, struct expr *expr)
{
	/* where the kernel was entered by a call, the process it serves is a program */
	expr->number = 1;
	expr->is_constant = !checker->probe->kind->has_regs;
	checker->probe->uses_args = true;
#ifndef __x86_64__
	check_error(checker, expr->place, "usermode is known on x86-64 only");
#endif
	return &type_uint8;
}

static struct value lower_usermode(struct lowering *l, struct expr *expr)
{
	enum { CS = 136 };
	int cs = ir_load(l->ir, op_context(0), CS, 8, false), result = ir_reg(l->ir);
	int end = ir_label(l->ir);

	ir_set(l->ir, result, op_imm(0));
	cs = ir_alu(l->ir, ALU_AND, op_reg(cs), op_imm(3));
	ir_branch(l->ir, COND_EQ, op_reg(cs), op_imm(0), end);
	ir_set(l->ir, result, op_imm(1));
	ir_put_label(l->ir, end);
	return value_reg(&type_uint8, result);
}

const struct function function_usermode = {.name = "usermode",
					   .flags = FUNCTION_BUILTIN,
					   .check = check_usermode,
					   .lower = lower_usermode};
