// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_stmt - statements to IR.
 *
 * Loops: in front of every way back stands a may_goto where the kernel has it (6.9): the verifier
 * then needs to walk the body about twice, because what the loop changes lies in frame memory,
 * which it does not follow. Elsewhere the variables stay on the stack, are followed, and the loop is
 * walked as often as it turns: fine for small ones, refused by the kernel for others.
 */
#include "trace/lower.h"

enum { HELPER_FOR_EACH = 164 };

static void write_variable(struct lowering *l, const struct variable *variable, struct expr *expr)
{
	const struct type *type = variable->type;
	struct operand value;

	if (!type_is_scalar(type)) {
		struct memory at = {.base = op_slot(variable->slot, 0)};

		/* `$s = $s . x`: what is read may be what is written, so it is put aside first */
		if (expr->kind == EXPR_VARIABLE || expr->is_constant ||
		    (expr->kind == EXPR_CALL && !expr->args)) {
			lower_into(l, expr, at, type);
		} else {
			struct memory aside = lower_slot(l, type->size);

			lower_into(l, expr, aside, type);
			lower_copy(l, at, aside, type->size);
		}
		return;
	}
	value = lower_scalar(l, lower_expr(l, expr));
	if (type->size < 8 && !type_same(type, expr->type) && value.kind == OPERAND_REG &&
	    (expr->type->size > type->size || expr->type->is_signed != type->is_signed))
		value = op_reg(ir_extend(l->ir, value, type->size, type->is_signed));
	if (variable->reg >= 0)
		ir_set(l->ir, variable->reg, value);
	else
		ir_store(l->ir, op_slot(variable->slot, 0), 0, type->size, value);
}

static void lower_compound(struct lowering *l, struct stmt *stmt)
{
	const struct variable *variable = stmt->target->variable;
	struct expr sum = {.kind = EXPR_BINARY,
			   .op = stmt->op,
			   .a = stmt->target,
			   .b = stmt->value,
			   .place = stmt->place,
			   .type = variable->type};

	stmt->target->type = variable->type;
	if (variable->type->kind == TYPE_INT)
		sum.type = type_int(8, variable->type->is_signed);
	if (stmt->value->type->kind == TYPE_POINTER && variable->type->kind != TYPE_POINTER)
		sum.type = &type_uint64;
	write_variable(l, variable, &sum);
}

static void lower_assign(struct lowering *l, struct stmt *stmt)
{
	if (stmt->target->kind == EXPR_MAP) {
		if (stmt->op != OP_NONE)
			lower_map_compound(l, stmt);
		else
			lower_map_write(l, stmt->target, stmt->value);
	} else if (stmt->op != OP_NONE) {
		lower_compound(l, stmt);
	} else if (stmt->target->variable->type->kind != TYPE_NONE) {
		write_variable(l, stmt->target->variable, stmt->value);
	}
}

static void lower_if(struct lowering *l, struct stmt *stmt)
{
	int otherwise = ir_label(l->ir), end;

	if (stmt->value->is_constant && type_is_integer(stmt->value->type)) {
		if (stmt->value->number)
			lower_stmts(l, stmt->body);
		else
			lower_stmts(l, stmt->otherwise);
		return;
	}
	lower_condition(l, stmt->value, false, otherwise);
	lower_stmts(l, stmt->body);
	if (stmt->otherwise) {
		end = ir_label(l->ir);
		ir_jump(l->ir, end);
		ir_put_label(l->ir, otherwise);
		lower_stmts(l, stmt->otherwise);
		ir_put_label(l->ir, end);
	} else {
		ir_put_label(l->ir, otherwise);
	}
}

static void may_goto(struct lowering *l, int label)
{
	if (l->compiled->target.has_may_goto)
		ir_add(l->ir, IR_MAY_GOTO)->label = label;
}

static void lower_while(struct lowering *l, struct stmt *stmt)
{
	struct loop loop = {.outer = l->loop, .again = ir_label(l->ir), .end = ir_label(l->ir)};

	l->loop = &loop;
	ir_put_label(l->ir, loop.again);
	may_goto(l, loop.end);
	lower_condition(l, stmt->value, false, loop.end);
	lower_stmts(l, stmt->body);
	ir_jump(l->ir, loop.again);
	ir_put_label(l->ir, loop.end);
	l->loop = loop.outer;
}

static void lower_range(struct lowering *l, struct stmt *stmt)
{
	struct loop loop = {.outer = l->loop, .again = ir_label(l->ir), .end = ir_label(l->ir)};
	struct operand variable = op_slot(stmt->target->variable->slot, 0);
	struct operand counter = op_slot(ir_slot(l->ir, 8, 8, l->compiled->target.has_may_goto), 0);
	struct operand end, now;
	int top = ir_label(l->ir);

	/* the counter is its own: the body may change the variable */
	ir_store(l->ir, counter, 0, 8, lower_scalar(l, lower_expr(l, stmt->value)));
	end = lower_scalar(l, lower_expr(l, stmt->end));
	if (end.kind == OPERAND_REG)
		end = op_reg(ir_move(l->ir, end));
	l->loop = &loop;
	ir_put_label(l->ir, top);
	may_goto(l, loop.end);
	now = op_reg(ir_load(l->ir, counter, 0, 8, false));
	ir_branch(l->ir, COND_SGE, now, end, loop.end);
	ir_store(l->ir, variable, 0, 8, now);
	lower_stmts(l, stmt->body);
	ir_put_label(l->ir, loop.again);
	now = op_reg(ir_load(l->ir, counter, 0, 8, false));
	ir_store(l->ir, counter, 0, 8, op_reg(ir_alu(l->ir, ALU_ADD, now, op_imm(1))));
	ir_jump(l->ir, top);
	ir_put_label(l->ir, loop.end);
	l->loop = loop.outer;
}

/*
 * A function of its own, called for every element: it reaches the frame and the context through its
 * caller's stack, so every variable that it shares lives in the frame. `break` and `return` end the
 * walk by returning 1; a mark in the frame tells the caller which of them it was.
 */
int lower_for_each(struct lowering *l, const struct map_decl *map,
		   void (*body)(struct lowering *l, void *context), void *context)
{
	struct ir *outer = l->ir, *callback;
	int outer_exit = l->exit_label, number, result, go_on;
	struct loop *outer_loop = l->loop;
	struct operand capture = op_slot(ir_slot(outer, 16, 8, false), 0);
	struct operand ended = op_slot(ir_slot(outer, 8, 8, true), 0);

	number = ir_start_callback(l->main, outer, &callback);
	if (number < 0) {
		l->is_failed = true;
		return ir_reg(outer);
	}
	l->ir = callback;
	l->exit_label = ir_label(callback);
	body(l, context);
	ir_return(callback, op_imm(0));
	ir_put_label(callback, l->exit_label);
	ir_store(callback, ended, 0, 8, op_imm(1));
	ir_return(callback, op_imm(1));
	l->ir = outer;
	l->loop = outer_loop;
	l->exit_label = outer_exit;
	ir_end_callback(l->main, outer, callback);

	ir_store(outer, capture, 0, 8, op_context(0));
	ir_store(outer, capture, 8, 8, (struct operand){.kind = OPERAND_FRAME});
	ir_store(outer, ended, 0, 8, op_imm(0));
	result = ir_call(outer, HELPER_FOR_EACH, op_map(map->index),
			 (struct operand){.kind = OPERAND_CALLBACK, .index = number}, capture,
			 op_imm(0), NO_OPERAND);
	go_on = ir_load(outer, ended, 0, 8, false);
	ir_branch(outer, COND_NE, op_reg(go_on), op_imm(0), l->exit_label);
	return result;
}

static void for_map_body(struct lowering *l, void *context)
{
	struct stmt *stmt = context;
	struct loop loop = {.outer = NULL, .again = ir_label(l->ir), .end = ir_label(l->ir)};
	const struct map_decl *map = stmt->value->map;
	const struct type *tuple = stmt->variable->type;
	struct memory pair = {.base = op_slot(stmt->variable->slot, 0)};
	struct memory key = {
		.base = op_reg(ir_move(l->ir, (struct operand){.kind = OPERAND_ARGUMENT}))};
	struct memory value_at = pair;

	value_at.offset = (int32_t)tuple->fields[1].offset;
	lower_zero(l, pair, tuple->size);
	lower_copy(l, pair, key, map->key->size);
	if (type_is_castable_aggregate(map->value)) {
		lower_store(l, lower_aggregate(l, map, key), value_at, tuple->fields[1].type);
	} else {
		struct memory value = {
			.base = op_reg(ir_move(
				l->ir, (struct operand){.kind = OPERAND_ARGUMENT, .index = 1}))};

		lower_copy(l, value_at, value, map->value->size);
	}
	l->loop = &loop;
	lower_stmts(l, stmt->body);
	ir_put_label(l->ir, loop.again);
	ir_return(l->ir, op_imm(0));
	ir_put_label(l->ir, loop.end);
	ir_return(l->ir, op_imm(1));
}

static void lower_for_map(struct lowering *l, struct stmt *stmt)
{
	struct map_decl *map = lower_decl(l, stmt->value);

	if (!l->compiled->target.has_for_each) {
		diag_error(&l->script->diag, stmt->place,
			   "for over a map needs bpf_for_each_map_elem (kernel 5.13)");
		l->is_failed = true;
	} else if (type_is_aggregate(map->value) && !type_is_castable_aggregate(map->value)) {
		diag_error(&l->script->diag, stmt->value->place,
			   "Loop expression does not support type: %s",
			   type_text(&l->script->arena, map->value));
		l->is_failed = true;
	} else {
		lower_for_each(l, map, for_map_body, stmt);
	}
}

static void lower_stmt(struct lowering *l, struct stmt *stmt)
{
	l->ir->place = stmt->place;
	switch (stmt->kind) {
	case STMT_EXPR: lower_expr(l, stmt->value); break;
	case STMT_ASSIGN: lower_assign(l, stmt); break;
	case STMT_LET:
		if (stmt->variable->type->kind == TYPE_NONE)
			break;
		if (stmt->value) {
			write_variable(l, stmt->variable, stmt->value);
		} else if (stmt->variable->reg >= 0) {
			ir_set(l->ir, stmt->variable->reg, op_imm(0));
		} else {
			lower_zero(l, (struct memory){.base = op_slot(stmt->variable->slot, 0)},
				   stmt->variable->type->size);
		}
		break;
	case STMT_IF: lower_if(l, stmt); break;
	case STMT_WHILE: lower_while(l, stmt); break;
	case STMT_FOR_RANGE: lower_range(l, stmt); break;
	case STMT_FOR_MAP: lower_for_map(l, stmt); break;
	case STMT_UNROLL:
		for (uint64_t i = 0; i < stmt->value->number; i++)
			lower_stmts(l, stmt->body);
		break;
	case STMT_BREAK: ir_jump(l->ir, l->loop->end); break;
	case STMT_CONTINUE: ir_jump(l->ir, l->loop->again); break;
	case STMT_RETURN:
		if (l->result >= 0 && l->ir == l->main && stmt->value)
			ir_set(l->ir, l->result, lower_scalar(l, lower_expr(l, stmt->value)));
		ir_jump(l->ir, l->exit_label);
		break;
	case STMT_BLOCK: lower_stmts(l, stmt->body); break;
	}
}

void lower_stmts(struct lowering *l, struct stmt *stmts)
{
	for (struct stmt *stmt = stmts; stmt && !l->is_failed; stmt = stmt->next) {
		struct ir_mark mark = ir_mark(l->ir);

		lower_stmt(l, stmt);
		ir_release(l->ir, mark);
	}
}
