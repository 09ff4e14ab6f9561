// SPDX-License-Identifier: GPL-2.0-only
/* lower_expr - expressions to IR. */
#include <string.h>

#include "base/arch.h"
#include "trace/lower.h"

extern const struct function function_division;

static bool is_unsigned_64(const struct type *type)
{
	return type->kind == TYPE_POINTER || type->kind == TYPE_COUNT ||
	       (type->kind == TYPE_INT && !type->is_signed && type->size == 8);
}

static bool is_signed_number(const struct expr *expr)
{
	const struct type *type = expr->type;

	return (type->kind == TYPE_INT && type->is_signed && !expr->is_constant) ||
	       type->kind == TYPE_SUM || type->kind == TYPE_MIN || type->kind == TYPE_MAX ||
	       type->kind == TYPE_AVG;
}

/*
 * Values are extended to 64 bits, so signed order is right for all but 64-bit unsigned ones. Beside a signed number these
 * are taken as signed too; a literal takes its neighbour's sign, if it is not below 0.
 */
static bool compares_unsigned(const struct expr *expr)
{
	const struct expr *a = expr->a, *b = expr->b;

	if (is_signed_number(a) || is_signed_number(b) || (a->is_constant && a->is_negative) ||
	    (b->is_constant && b->is_negative))
		return a->type->kind == TYPE_POINTER || b->type->kind == TYPE_POINTER;
	return is_unsigned_64(a->type) || is_unsigned_64(b->type);
}

static enum ir_cond cond_of(enum op op, bool is_unsigned)
{
	switch (op) {
	case OP_EQ: return COND_EQ;
	case OP_NE: return COND_NE;
	case OP_LT: return is_unsigned ? COND_LT : COND_SLT;
	case OP_LE: return is_unsigned ? COND_LE : COND_SLE;
	case OP_GT: return is_unsigned ? COND_GT : COND_SGT;
	default: return is_unsigned ? COND_GE : COND_SGE;
	}
}

static enum op opposite(enum op op)
{
	switch (op) {
	case OP_EQ: return OP_NE;
	case OP_NE: return OP_EQ;
	case OP_LT: return OP_GE;
	case OP_GE: return OP_LT;
	case OP_GT: return OP_LE;
	default: return OP_GT;
	}
}

static bool is_comparison(enum op op)
{
	return op >= OP_EQ && op <= OP_GE;
}

static bool is_scalar_comparison(const struct expr *expr)
{
	return expr->kind == EXPR_BINARY && is_comparison(expr->op) &&
	       !type_is_group(expr->a->type) && !type_is_group(expr->b->type) &&
	       (type_is_scalar(expr->a->type) || type_is_castable_aggregate(expr->a->type)) &&
	       (type_is_scalar(expr->b->type) || type_is_castable_aggregate(expr->b->type));
}

void lower_condition(struct lowering *l, struct expr *expr, bool jump_if, int label)
{
	struct ir_mark mark = ir_mark(l->ir);
	struct value value;
	struct operand a, b;

	l->ir->place = expr->place;
	if (expr->kind == EXPR_UNARY && expr->op == OP_NOT && !expr->is_constant) {
		lower_condition(l, expr->a, !jump_if, label);
	} else if (expr->kind == EXPR_BINARY &&
		   (expr->op == OP_LOGIC_AND || expr->op == OP_LOGIC_OR)) {
		/* `a && b` leaves at the first falsehood, `a || b` at the first truth */
		if ((expr->op == OP_LOGIC_OR) == jump_if) {
			lower_condition(l, expr->a, jump_if, label);
			lower_condition(l, expr->b, jump_if, label);
		} else {
			int over = ir_label(l->ir);

			lower_condition(l, expr->a, !jump_if, over);
			lower_condition(l, expr->b, jump_if, label);
			ir_put_label(l->ir, over);
		}
	} else if (is_scalar_comparison(expr) && !expr->is_constant) {
		enum op op = jump_if ? expr->op : opposite(expr->op);

		a = lower_scalar(l, lower_expr(l, expr->a));
		b = lower_scalar(l, lower_expr(l, expr->b));
		ir_branch(l->ir, cond_of(op, compares_unsigned(expr)), a, b, label);
	} else {
		value = lower_expr(l, expr);
		if (value.type->kind == TYPE_STRING) { /* text is true when it is not empty */
			struct memory text = lower_memory(l, value);

			a = op_reg(ir_load(l->ir, text.base, text.offset, 1, false));
		} else {
			a = lower_scalar(l, value);
		}
		ir_branch(l->ir, jump_if ? COND_NE : COND_EQ, a, op_imm(0), label);
	}
	ir_release(l->ir, mark);
}

/* true or false in a register, from jumps. */
static struct value lower_truth(struct lowering *l, struct expr *expr)
{
	int reg = ir_reg(l->ir), end = ir_label(l->ir);

	ir_set(l->ir, reg, op_imm(0));
	lower_condition(l, expr, false, end);
	ir_set(l->ir, reg, op_imm(1));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, reg);
}

/* Says in user space that a division was by 0, and where. */
static void say_divided_by_zero(struct lowering *l, struct place place)
{
	struct expr *call = arena_new(&l->script->arena, sizeof(*call));

	if (!call)
		return;
	*call = (struct expr){.kind = EXPR_CALL, .place = place, .function = &function_division};
	lower_send(l, lower_event(l, call, NULL), NULL);
}

/* Division is by magnitude: BPF's signed one is of 2024 (kernel 6.6). By 0 the result is 1. */
static struct operand lower_division(struct lowering *l, enum op op, struct operand a,
				     struct operand b, bool is_signed, struct place place)
{
	int result = ir_reg(l->ir), end = ir_label(l->ir);
	enum ir_alu alu = op == OP_DIV ? ALU_DIV : ALU_MOD;
	int left = ir_move(l->ir, a), right = ir_move(l->ir, b);
	int left_sign, sign, quotient;

	ir_set(l->ir, result, op_imm(1));
	if (b.kind != OPERAND_IMM || !b.imm) {
		int divide = ir_label(l->ir);

		ir_branch(l->ir, COND_NE, op_reg(right), op_imm(0), divide);
		say_divided_by_zero(l, place);
		ir_jump(l->ir, end);
		ir_put_label(l->ir, divide);
	}
	if (!is_signed) {
		quotient = ir_alu(l->ir, alu, op_reg(left), op_reg(right));
		ir_set(l->ir, result, op_reg(quotient));
		ir_put_label(l->ir, end);
		return op_reg(result);
	}
	/* sign = all ones if negative; |x| = (x ^ sign) - sign */
	left_sign = ir_alu(l->ir, ALU_SAR, op_reg(left), op_imm(63));
	sign = ir_alu(l->ir, ALU_SAR, op_reg(right), op_imm(63));
	left = ir_alu(l->ir, ALU_XOR, op_reg(left), op_reg(left_sign));
	left = ir_alu(l->ir, ALU_SUB, op_reg(left), op_reg(left_sign));
	right = ir_alu(l->ir, ALU_XOR, op_reg(right), op_reg(sign));
	right = ir_alu(l->ir, ALU_SUB, op_reg(right), op_reg(sign));
	quotient = ir_alu(l->ir, alu, op_reg(left), op_reg(right));
	/* the remainder has the sign of the dividend */
	sign = op == OP_DIV ? ir_alu(l->ir, ALU_XOR, op_reg(sign), op_reg(left_sign)) : left_sign;
	quotient = ir_alu(l->ir, ALU_XOR, op_reg(quotient), op_reg(sign));
	quotient = ir_alu(l->ir, ALU_SUB, op_reg(quotient), op_reg(sign));
	ir_set(l->ir, result, op_reg(quotient));
	ir_put_label(l->ir, end);
	return op_reg(result);
}

struct operand lower_arith(struct lowering *l, enum op op, struct operand a, struct operand b,
			   const struct type *type, struct place place)
{
	static const enum ir_alu alus[] = {
		[OP_ADD] = ALU_ADD, [OP_SUB] = ALU_SUB, [OP_MUL] = ALU_MUL, [OP_AND] = ALU_AND,
		[OP_OR] = ALU_OR,   [OP_XOR] = ALU_XOR, [OP_SHL] = ALU_SHL, [OP_SHR] = ALU_SHR};
	enum ir_alu alu;

	if (op == OP_DIV || op == OP_MOD)
		return lower_division(l, op, a, b, type->is_signed, place);
	alu = alus[op];
	if (op == OP_SHR && type->is_signed)
		alu = ALU_SAR;
	if (op == OP_SHL || op == OP_SHR) { /* the verifier wants to see 0..63 */
		if (b.kind == OPERAND_IMM)
			b.imm &= 63;
		else
			b = op_reg(ir_alu(l->ir, ALU_AND, b, op_imm(63)));
	}
	return op_reg(ir_alu(l->ir, alu, a, b));
}

/* Pointer + n is n elements further. */
static struct operand scale(struct lowering *l, struct operand n, const struct type *pointer)
{
	int64_t size = pointer->of->size ? pointer->of->size : 1;

	if (size == 1)
		return n;
	if (n.kind == OPERAND_IMM)
		return op_imm(n.imm * size);
	return op_reg(ir_alu(l->ir, ALU_MUL, n, op_imm(size)));
}

struct value lower_binary(struct lowering *l, struct expr *expr)
{
	const struct type *left = expr->a->type, *right = expr->b->type;
	struct operand a, b;

	if (type_is_group(left) || type_is_group(right))
		return lower_group_compare(l, expr);
	if (expr->op == OP_LOGIC_AND || expr->op == OP_LOGIC_OR || is_scalar_comparison(expr))
		return lower_truth(l, expr);
	if (expr->op == OP_EQ || expr->op == OP_NE)
		return left->kind == TYPE_STRING ? lower_string_compare(l, expr, expr->op == OP_EQ)
						 : lower_memory_compare(l, expr, expr->op == OP_EQ);
	if (left->kind == TYPE_STRING && is_comparison(expr->op))
		return lower_text_order(l, expr, cond_of(expr->op, false));
	a = lower_scalar(l, lower_expr(l, expr->a));
	if (a.kind == OPERAND_REG) /* what comes next may change the variable behind it */
		a = op_reg(ir_move(l->ir, a));
	b = lower_scalar(l, lower_expr(l, expr->b));
	if (left->kind == TYPE_POINTER && type_is_integer(right) && expr->type == left)
		b = scale(l, b, left);
	else if (right->kind == TYPE_POINTER && expr->type == right)
		a = scale(l, a, right);
	return value_reg(expr->type, lower_arith(l, expr->op, a, b, expr->type, expr->place).index);
}

static struct value lower_unary(struct lowering *l, struct expr *expr)
{
	struct operand a;
	int reg;

	if (expr->op == OP_NOT)
		return lower_truth(l, expr);
	if (expr->op == OP_ADDRESS) {
		struct operand slot = op_slot(expr->a->variable->slot, 0);

		return value_reg(expr->type, ir_move(l->ir, slot));
	}
	a = lower_scalar(l, lower_expr(l, expr->a));
	if (expr->op == OP_DEREF) {
		enum space space = expr->a->type->kind == TYPE_POINTER ? expr->a->type->space
								       : l->probe->kind->space;

		if (a.kind == OPERAND_IMM)
			a = op_reg(ir_const(l->ir, a.imm));
		return value_far(expr->type, a, 0, space);
	}
	if (expr->op == OP_NEGATE)
		reg = ir_alu(l->ir, ALU_NEG, a, NO_OPERAND);
	else
		reg = ir_alu(l->ir, ALU_XOR, a, op_imm(-1));
	if (expr->type->size < 8)
		reg = ir_extend(l->ir, op_reg(reg), expr->type->size, expr->type->is_signed);
	return value_reg(expr->type, reg);
}

static struct value lower_cast(struct lowering *l, struct expr *expr)
{
	const struct type *from = expr->a->type, *to = expr->type;
	struct value value = lower_expr(l, expr->a);
	struct operand scalar;

	if (from->kind == TYPE_STRING && to->kind == TYPE_BOOL) {
		struct memory text = lower_memory(l, value);

		from = &type_int8;
		value = value_memory(from, text);
	}
	if (!type_is_scalar(to)) {
		if (type_is_integer(from)) { /* int -> int[] */
			struct memory at = lower_slot(l, to->size);

			lower_store(l, value, at, to);
			return value_memory(to, at);
		}
		value.type = to;
		return value;
	}
	if (to->kind == TYPE_POINTER && value.kind == VALUE_FAR && !type_is_scalar(from)) {
		scalar = lower_far_address(l, value); /* an array as a pointer: where it is */
		return value_reg(to, ir_move(l->ir, scalar));
	}
	if (from->kind == TYPE_ARRAY || from->kind == TYPE_STRING || from->kind == TYPE_BUFFER)
		value.type = to;
	scalar = lower_scalar(l, value);
	if (to->kind == TYPE_BOOL && from->kind != TYPE_BOOL) {
		int reg = ir_reg(l->ir), end = ir_label(l->ir);

		ir_set(l->ir, reg, op_imm(0));
		ir_branch(l->ir, COND_EQ, scalar, op_imm(0), end);
		ir_set(l->ir, reg, op_imm(1));
		ir_put_label(l->ir, end);
		return value_reg(to, reg);
	}
	if (to->size < 8 && !(from->size < to->size && from->is_signed == to->is_signed) &&
	    !type_same(from, to))
		return value_reg(to, ir_extend(l->ir, scalar, to->size, to->is_signed));
	return value_reg(to, scalar.kind == OPERAND_REG ? scalar.index : ir_move(l->ir, scalar));
}

static struct value part_of(struct value whole, const struct type *type, uint32_t offset)
{
	whole.type = type;
	whole.at.offset += (int32_t)offset;
	return whole;
}

/* __data_loc: where in the record (low half) the bytes are that the field stands for. */
static struct value lower_data_loc(struct lowering *l, const struct field *field,
				   const struct type *type)
{
	int loc = ir_load(l->ir, op_context(0), (int32_t)field->offset, 4, false);
	int offset = ir_alu(l->ir, ALU_AND, op_reg(loc), op_imm(0xffff));
	int address = ir_alu(l->ir, ALU_ADD, op_context(0), op_reg(offset));

	return value_far(type, op_reg(address), 0, SPACE_KERNEL);
}

struct value lower_from_stack(struct lowering *l, const struct field *field)
{
	int stack = ir_load(l->ir, op_context(0), ARCH_STACK, 8, false);

	return value_far(field->type, op_reg(stack), (int32_t)field->offset, SPACE_USER);
}

static struct operand to_register(struct lowering *l, struct operand operand)
{
	return operand.kind == OPERAND_IMM ? op_reg(ir_const(l->ir, operand.imm)) : operand;
}

static struct value lower_field(struct lowering *l, struct expr *expr)
{
	const struct type *base = expr->a->type;
	const struct field *field = expr->field;
	struct value value = lower_expr(l, expr->a);

	if (base->kind == TYPE_TUPLE)
		return part_of(value_memory(base, lower_memory(l, value)), expr->type,
			       field->offset);
	if (field->is_data_loc)
		return lower_data_loc(l, field, expr->type);
	if (field->is_on_stack)
		return lower_from_stack(l, field);
	if (base->kind == TYPE_POINTER) {
		struct operand address = to_register(l, lower_scalar(l, value));

		if (base->of->kind == TYPE_POINTER) /* a pointer to a pointer to the record */
			address = to_register(
				l, lower_scalar(l, value_far(base->of, address, 0, base->space)));
		value = value_far(expr->type, address, (int32_t)field->offset, base->space);
	} else {
		value = part_of(value, expr->type, field->offset);
	}
	value.bit_offset = field->bit_offset;
	value.bit_size = field->bit_size;
	return value;
}

static struct value lower_index(struct lowering *l, struct expr *expr)
{
	const struct type *base = expr->a->type;
	struct value value = lower_expr(l, expr->a);
	uint32_t size = expr->type->size;
	struct operand index, offset;
	int in_range;

	if (base->kind == TYPE_TUPLE)
		return part_of(value_memory(base, lower_memory(l, value)), expr->type,
			       expr->field->offset);
	index = lower_scalar(l, lower_expr(l, expr->b));
	if (base->kind == TYPE_POINTER) {
		struct operand address = to_register(l, lower_scalar(l, value));

		if (index.kind == OPERAND_IMM)
			return value_far(expr->type, address, (int32_t)(index.imm * size),
					 base->space);
		offset = op_reg(ir_alu(l->ir, ALU_MUL, index, op_imm(size)));
		address = op_reg(ir_alu(l->ir, ALU_ADD, address, offset));
		return value_far(expr->type, address, 0, base->space);
	}
	if (index.kind == OPERAND_IMM) {
		if (value.kind == VALUE_TEXT)
			value = value_memory(base, lower_memory(l, value));
		return part_of(value, expr->type, (uint32_t)index.imm * size);
	}
	/* the verifier must see that the element is inside */
	in_range = ir_label(l->ir);
	index = op_reg(ir_move(l->ir, index));
	ir_branch(l->ir, COND_LT, index, op_imm(base->count), in_range);
	ir_set(l->ir, index.index, op_imm(0));
	ir_put_label(l->ir, in_range);
	offset = op_reg(ir_alu(l->ir, ALU_MUL, index, op_imm(size)));
	if (value.kind == VALUE_FAR) {
		struct operand address = value.at.base;

		address.imm += address.kind == OPERAND_CONTEXT ? value.at.offset : 0;
		address = op_reg(ir_alu(l->ir, ALU_ADD, address, offset));
		return value_far(expr->type, address,
				 value.at.base.kind == OPERAND_CONTEXT ? 0 : value.at.offset,
				 value.space == SPACE_CONTEXT ? SPACE_KERNEL : value.space);
	}
	struct memory copy = {.base = op_slot(ir_slot(l->ir, base->size, 8, true), 0)};

	lower_store(l, value, copy, base);
	struct operand address = op_reg(ir_move(l->ir, copy.base));

	address = op_reg(ir_alu(l->ir, ALU_ADD, address, offset));
	return value_memory(expr->type, (struct memory){.base = address});
}

static struct value read_variable(struct lowering *l, const struct variable *variable)
{
	if (variable->reg >= 0)
		return value_reg(variable->type, variable->reg);
	if (variable->slot >= 0)
		return value_memory(variable->type,
				    (struct memory){.base = op_slot(variable->slot, 0)});
	return value_imm(&type_int64, 0);
}

static struct value lower_step(struct lowering *l, struct expr *expr)
{
	struct variable *variable;
	struct value value;
	int old, new, step = 1;

	if (expr->a->kind == EXPR_MAP)
		return lower_map_step(l, expr);
	variable = expr->a->variable;
	value = read_variable(l, variable);
	if (variable->type->kind == TYPE_POINTER && variable->type->of->size)
		step = (int)variable->type->of->size;
	old = lower_register(l, value);
	new = ir_alu(l->ir, expr->op == OP_ADD ? ALU_ADD : ALU_SUB, op_reg(old), op_imm(step));
	if (variable->type->size < 8)
		new = ir_extend(l->ir, op_reg(new), variable->type->size,
				variable->type->is_signed);
	if (variable->reg >= 0)
		ir_set(l->ir, variable->reg, op_reg(new));
	else
		ir_store(l->ir, op_slot(variable->slot, 0), 0, variable->type->size, op_reg(new));
	return value_reg(expr->type, expr->is_postfix ? old : new);
}

/* Both branches leave their value in the same register or memory. */
struct branches {
	int reg;
	struct memory at;
	const struct type *type;
};

static struct branches branches_start(struct lowering *l, const struct type *type)
{
	struct branches to = {.reg = -1, .type = type};

	if (type->kind == TYPE_VOID || type->kind == TYPE_NONE)
		return to;
	if (type_is_scalar(type))
		to.reg = ir_reg(l->ir);
	else
		to.at = lower_slot(l, type->size);
	return to;
}

static void branches_take(struct lowering *l, const struct branches *to, struct expr *expr)
{
	if (to->type->kind == TYPE_VOID || to->type->kind == TYPE_NONE) {
		lower_expr(l, expr);
	} else if (to->reg >= 0) {
		struct operand value = lower_scalar(l, lower_expr(l, expr));

		ir_set(l->ir, to->reg, value);
	} else {
		lower_into(l, expr, to->at, to->type);
	}
}

static struct value branches_end(const struct branches *to)
{
	if (to->reg >= 0)
		return value_reg(to->type, to->reg);
	if (to->type->kind == TYPE_VOID || to->type->kind == TYPE_NONE)
		return value_none();
	return value_memory(to->type, to->at);
}

static struct value lower_ternary(struct lowering *l, struct expr *expr)
{
	bool is_taken;

	if (expr->is_comptime && check_is_decided(expr->a, &is_taken))
		return is_taken  ? lower_expr(l, expr->b)
		       : expr->c ? lower_expr(l, expr->c)
				 : value_none();

	struct branches to = branches_start(l, expr->type);
	int otherwise = ir_label(l->ir), end = ir_label(l->ir);

	if (expr->kind == EXPR_TERNARY && !expr->b) { /* a ?: b */
		struct operand first = lower_scalar(l, lower_expr(l, expr->a));

		ir_set(l->ir, to.reg, first);
		ir_branch(l->ir, COND_NE, op_reg(to.reg), op_imm(0), end);
	} else {
		lower_condition(l, expr->a, false, otherwise);
		branches_take(l, &to, expr->b);
		ir_jump(l->ir, end);
	}
	ir_put_label(l->ir, otherwise);
	if (expr->c)
		branches_take(l, &to, expr->c);
	ir_put_label(l->ir, end);
	return branches_end(&to);
}

static struct value lower_tuple(struct lowering *l, struct expr *expr)
{
	struct memory at = lower_slot(l, expr->type->size);

	lower_into(l, expr, at, expr->type);
	return value_memory(expr->type, at);
}

static struct value lower_call(struct lowering *l, struct expr *expr)
{
	struct memory at;

	if (expr->function->lower)
		return expr->function->lower(l, expr);
	if (!expr->function->lower_into)
		return value_none();
	at = lower_slot(l, expr->type->size);
	expr->function->lower_into(l, expr, at, expr->type);
	return value_memory(expr->type, at);
}

struct value lower_expr(struct lowering *l, struct expr *expr)
{
	struct place outer = l->ir->place;
	struct value value;

	if (expr->is_constant)
		return expr->type->kind == TYPE_STRING
			       ? value_text(expr->type, expr->text)
			       : value_imm(expr->type, (int64_t)expr->number);
	l->ir->place = expr->place;
	switch (expr->kind) {
	case EXPR_VARIABLE: value = read_variable(l, expr->variable); break;
	case EXPR_MAP: value = lower_map_read(l, expr); break;
	case EXPR_UNARY: value = lower_unary(l, expr); break;
	case EXPR_BINARY: value = lower_binary(l, expr); break;
	case EXPR_TERNARY:
	case EXPR_IF: value = lower_ternary(l, expr); break;
	case EXPR_CAST: value = lower_cast(l, expr); break;
	case EXPR_FIELD: value = lower_field(l, expr); break;
	case EXPR_INDEX: value = lower_index(l, expr); break;
	case EXPR_TUPLE: value = lower_tuple(l, expr); break;
	case EXPR_CALL: value = lower_call(l, expr); break;
	case EXPR_BLOCK:
		lower_stmts(l, expr->body);
		value = expr->a ? lower_expr(l, expr->a) : value_none();
		break;
	case EXPR_STEP: value = lower_step(l, expr); break;
	default: value = value_none(); break;
	}
	if (value.kind == VALUE_FAR)
		value.place = expr->place;
	l->ir->place = outer;
	return value;
}
