// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_string - comparing text and bytes.
 *
 * Text is padded with zeroes, so equal texts are equal bytes over the shorter capacity, and what
 * the longer one has beyond must begin with a zero. Up to 64 bytes are compared 8 at a time in a
 * row; more by a loop over frame memory.
 */
#include "trace/lower.h"

enum { IN_A_ROW = 64 };

static uint64_t bytes_of(struct span text, uint32_t at, uint32_t size)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < size; i++)
		if (at + i < text.len)
			bytes |= (uint64_t)text.at[at + i] << (8 * i);
	return bytes;
}

/* Jumps to `differs` unless the first `size` bytes are those of the text (and zeroes after it). */
static void compare_with_text(struct lowering *l, struct memory memory, struct span text,
			      uint32_t size, int differs)
{
	for (uint32_t at = 0, step; at < size; at += step) {
		step = memory_step(memory, at, size - at);
		int reg = ir_load(l->ir, memory.base, memory.offset + (int32_t)at, step, false);

		ir_branch(l->ir, COND_NE, op_reg(reg), op_imm((int64_t)bytes_of(text, at, step)),
			  differs);
	}
}

static void compare_in_a_row(struct lowering *l, struct memory a, struct memory b, uint32_t size,
			     int differs)
{
	for (uint32_t at = 0, step; at < size; at += step) {
		step = memory_step2(a, b, at, size - at);
		int left = ir_load(l->ir, a.base, a.offset + (int32_t)at, step, false);
		int right = ir_load(l->ir, b.base, b.offset + (int32_t)at, step, false);

		ir_branch(l->ir, COND_NE, op_reg(left), op_reg(right), differs);
	}
}

/* Memory in the frame: where an index that only the bound limits is allowed. */
static struct memory in_frame(struct lowering *l, struct value value, uint32_t size)
{
	struct memory copy = {.base = op_slot(ir_slot(l->ir, size, 8, true), 0)};

	lower_store(l, value, copy, value.type);
	return copy;
}

static void compare_long(struct lowering *l, struct value a, struct value b, uint32_t size,
			 int differs)
{
	struct memory left = in_frame(l, a, a.type->size), right = in_frame(l, b, b.type->size);
	int base_left = ir_move(l->ir, lower_address(l, left));
	int base_right = ir_move(l->ir, lower_address(l, right));
	int at = ir_reg(l->ir), again = ir_label(l->ir), end = ir_label(l->ir);
	uint32_t whole = size / 8 * 8;

	ir_set(l->ir, at, op_imm(0));
	ir_put_label(l->ir, again);
	ir_branch(l->ir, COND_GE, op_reg(at), op_imm(whole), end);
	int p = ir_alu(l->ir, ALU_ADD, op_reg(base_left), op_reg(at));
	int x = ir_load(l->ir, op_reg(p), 0, 8, false);
	int q = ir_alu(l->ir, ALU_ADD, op_reg(base_right), op_reg(at));
	int y = ir_load(l->ir, op_reg(q), 0, 8, false);

	ir_branch(l->ir, COND_NE, op_reg(x), op_reg(y), differs);
	ir_set(l->ir, at, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(at), op_imm(8))));
	/* an ending text ends the comparison: the last byte of the word is 0 */
	ir_branch(l->ir, COND_EQ, op_reg(ir_alu(l->ir, ALU_SHR, op_reg(x), op_imm(56))), op_imm(0),
		  end);
	ir_jump(l->ir, again);
	ir_put_label(l->ir, end);
	if (size % 8)
		compare_in_a_row(l, memory_at(left, whole), memory_at(right, whole), size % 8,
				 differs);
}

/*
 * Which comes first: the difference's sign, -1, 0 or 1. `ends_at_zero`: texts, which end where both
 * have a 0.
 */
int lower_order(struct lowering *l, struct value a, struct value b, uint32_t size,
		bool ends_at_zero)
{
	int left = ir_move(l->ir, lower_address(l, in_frame(l, a, a.type->size)));
	int right = ir_move(l->ir, lower_address(l, in_frame(l, b, b.type->size)));
	int at = ir_reg(l->ir), result = ir_reg(l->ir), again = ir_label(l->ir);
	int differs = ir_label(l->ir), end = ir_label(l->ir), x, y;

	ir_set(l->ir, result, op_imm(0));
	ir_set(l->ir, at, op_imm(0));
	ir_put_label(l->ir, again);
	ir_branch(l->ir, COND_GE, op_reg(at), op_imm(size), end);
	x = ir_load(l->ir, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(left), op_reg(at))), 0, 1, false);
	y = ir_load(l->ir, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(right), op_reg(at))), 0, 1, false);
	ir_branch(l->ir, COND_NE, op_reg(x), op_reg(y), differs);
	if (ends_at_zero)
		ir_branch(l->ir, COND_EQ, op_reg(x), op_imm(0), end);
	ir_set(l->ir, at, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(at), op_imm(1))));
	ir_jump(l->ir, again);
	ir_put_label(l->ir, differs);
	ir_set(l->ir, result, op_imm(-1));
	ir_branch(l->ir, COND_LT, op_reg(x), op_reg(y), end);
	ir_set(l->ir, result, op_imm(1));
	ir_put_label(l->ir, end);
	return result;
}

struct value lower_text_order(struct lowering *l, struct expr *expr, enum ir_cond cond)
{
	struct value a = lower_expr(l, expr->a), b = lower_expr(l, expr->b);
	uint32_t size = a.type->size < b.type->size ? a.type->size : b.type->size;
	int order = lower_order(l, a, b, size, true), result = ir_reg(l->ir);
	int end = ir_label(l->ir);

	ir_set(l->ir, result, op_imm(1));
	ir_branch(l->ir, cond, op_reg(order), op_imm(0), end);
	ir_set(l->ir, result, op_imm(0));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, result);
}

static struct value truth(struct lowering *l, bool is_equal, int reg, int differs)
{
	int end = ir_label(l->ir);

	ir_set(l->ir, reg, op_imm(is_equal));
	ir_jump(l->ir, end);
	ir_put_label(l->ir, differs);
	ir_set(l->ir, reg, op_imm(!is_equal));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, reg);
}

static void must_end(struct lowering *l, struct memory memory, uint32_t at, int differs)
{
	int reg = ir_load(l->ir, memory.base, memory.offset + (int32_t)at, 1, false);

	ir_branch(l->ir, COND_NE, op_reg(reg), op_imm(0), differs);
}

struct value lower_text_compare(struct lowering *l, struct value a, struct value b, uint32_t limit,
				bool is_equal)
{
	int reg = ir_reg(l->ir), differs = ir_label(l->ir);
	uint32_t size;

	if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
		return value_imm(&type_bool, span_same(span_first(a.text, limit),
						       span_first(b.text, limit)) == is_equal);
	if (a.kind == VALUE_TEXT) {
		struct value swap = a;

		a = b;
		b = swap;
	}
	if (b.kind == VALUE_TEXT && b.text.len + 1 <= 256) {
		struct memory memory = lower_memory(l, a);
		uint32_t text = (uint32_t)b.text.len + 1;

		text = text < limit ? text : limit;
		if (text > a.type->size && b.text.len >= a.type->size)
			return value_imm(&type_bool, !is_equal); /* longer than it can be */
		compare_with_text(l, memory, b.text, text < a.type->size ? text : a.type->size,
				  differs);
		return truth(l, is_equal, reg, differs);
	}
	size = a.type->size < b.type->size ? a.type->size : b.type->size;
	size = size < limit ? size : limit;
	if (size <= IN_A_ROW || size == limit) {
		struct memory left = lower_memory(l, a), right = lower_memory(l, b);

		compare_in_a_row(l, left, right, size, differs);
		if (a.type->size > size && size < limit)
			must_end(l, left, size, differs);
		if (b.type->size > size && size < limit)
			must_end(l, right, size, differs);
	} else {
		compare_long(l, a, b, size, differs);
	}
	return truth(l, is_equal, reg, differs);
}

struct value lower_string_compare(struct lowering *l, struct expr *expr, bool is_equal)
{
	struct value a = lower_expr(l, expr->a);

	return lower_text_compare(l, a, lower_expr(l, expr->b), UINT32_MAX, is_equal);
}

static void compare_fields(struct lowering *l, struct value a, struct value b, int differs)
{
	struct memory left = lower_memory(l, a), right = lower_memory(l, b);

	for (uint32_t i = 0; i < a.type->field_count; i++) {
		const struct field *x = &a.type->fields[i], *y = type_partner(b.type, x, i);
		struct value one = value_memory(x->type, memory_at(left, x->offset)), two;

		if (!y)
			continue;
		two = value_memory(y->type, memory_at(right, y->offset));

		if (type_is_scalar(x->type)) {
			struct operand p = lower_scalar(l, one), q = lower_scalar(l, two);

			ir_branch(l->ir, COND_NE, p, q, differs);
		} else if (x->type->kind == TYPE_TUPLE) {
			compare_fields(l, one, two, differs);
		} else {
			uint32_t size =
				x->type->size < y->type->size ? x->type->size : y->type->size;

			compare_in_a_row(l, one.at, two.at, size, differs);
			if (x->type->size > size)
				must_end(l, one.at, size, differs);
			if (y->type->size > size)
				must_end(l, two.at, size, differs);
		}
	}
}

struct value lower_memory_compare(struct lowering *l, struct expr *expr, bool is_equal)
{
	struct value a = lower_expr(l, expr->a), b = lower_expr(l, expr->b);
	int reg = ir_reg(l->ir), differs = ir_label(l->ir);

	if (a.type->kind == TYPE_TUPLE)
		compare_fields(l, a, b, differs);
	else
		/* of buffers the length comes first, and behind their end they are zero */
		compare_in_a_row(l, lower_memory(l, a), lower_memory(l, b),
				 a.type->size < b.type->size ? a.type->size : b.type->size,
				 differs);
	return truth(l, is_equal, reg, differs);
}
