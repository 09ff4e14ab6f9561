// SPDX-License-Identifier: GPL-2.0-only
/* check_operator - types of what operators make, and constants put together. */
#include <string.h>

#include "trace/check.h"

static bool is_comparison(enum op op)
{
	return op >= OP_EQ && op <= OP_GE;
}

static bool fold(struct expr *expr, const struct expr *a, const struct expr *b)
{
	int64_t x = (int64_t)a->number, y = (int64_t)b->number, result;
	bool is_unsigned = !a->type->is_signed || !b->type->is_signed;

	if ((expr->op == OP_DIV || expr->op == OP_MOD) && (!y || (y == -1 && x == INT64_MIN)))
		return false;
	if ((expr->op == OP_SHL || expr->op == OP_SHR) && b->number > 63)
		return false;
	switch (expr->op) {
	case OP_ADD: result = (int64_t)(a->number + b->number); break;
	case OP_SUB: result = (int64_t)(a->number - b->number); break;
	case OP_MUL: result = (int64_t)(a->number * b->number); break;
	case OP_DIV: result = is_unsigned ? (int64_t)(a->number / b->number) : x / y; break;
	case OP_MOD: result = is_unsigned ? (int64_t)(a->number % b->number) : x % y; break;
	case OP_AND: result = x & y; break;
	case OP_OR: result = x | y; break;
	case OP_XOR: result = x ^ y; break;
	case OP_SHL: result = (int64_t)(a->number << (b->number & 63)); break;
	case OP_SHR: result = is_unsigned ? (int64_t)(a->number >> (y & 63)) : x >> (y & 63); break;
	default: return false;
	}
	expr->number = (uint64_t)result;
	expr->is_negative = result < 0 && !is_unsigned;
	expr->is_constant = true;
	return true;
}

static void fold_comparison(struct expr *expr)
{
	const struct expr *a = expr->a, *b = expr->b;
	bool is_unsigned = !a->is_negative && !b->is_negative;
	int64_t x = (int64_t)a->number, y = (int64_t)b->number;
	bool is_less = is_unsigned ? a->number < b->number : x < y;

	switch (expr->op) {
	case OP_EQ: expr->number = x == y; break;
	case OP_NE: expr->number = x != y; break;
	case OP_LT: expr->number = is_less; break;
	case OP_GE: expr->number = !is_less; break;
	case OP_LE: expr->number = is_less || x == y; break;
	case OP_GT: expr->number = !is_less && x != y; break;
	case OP_LOGIC_AND: expr->number = x && y; break;
	default: expr->number = x || y; break;
	}
	expr->is_constant = true;
}

static const struct type *check_integers(struct checker *checker, struct expr *expr,
					 const struct type *left, const struct type *right)
{
	bool is_left_free = left->is_literal && left->is_signed && expr->a->is_constant &&
			    !expr->a->is_negative;
	bool is_right_free = right->is_literal && right->is_signed && expr->b->is_constant &&
			     !expr->b->is_negative;
	bool is_unsigned = (!left->is_signed || (is_left_free && !right->is_signed)) &&
			   (!right->is_signed || (is_right_free && !left->is_signed));

	if (is_comparison(expr->op) || expr->op == OP_LOGIC_AND || expr->op == OP_LOGIC_OR) {
		if (left->is_literal && right->is_literal && expr->a->is_constant &&
		    expr->b->is_constant)
			fold_comparison(expr);
		return &type_bool;
	}
	if (left->is_literal && right->is_literal && expr->a->is_constant && expr->b->is_constant) {
		if (fold(expr, expr->a, expr->b))
			return type_of_literal(expr->number, expr->is_negative);
		if (expr->op == OP_DIV || expr->op == OP_MOD || expr->op == OP_SHL ||
		    expr->op == OP_SHR) {
			check_error(checker, expr->place,
				    "unable to fold literals due to overflow or underflow");
			return &type_int64;
		}
	}
	if (checker->is_final && (expr->op == OP_DIV || expr->op == OP_MOD) &&
	    ((left->is_signed && !left->is_literal) || (right->is_signed && !right->is_literal)))
		diag_warn(
			&checker->script->diag, expr->place,
			"signed operands for '%s' can lead to undefined behavior (cast to unsigned "
			"to silence warning)",
			op_text(expr->op));
	/* the difference of two clocks may be negative */
	if (expr->op == OP_SUB)
		return &type_int64;
	if (expr->op == OP_SHL || expr->op == OP_SHR)
		return left->is_signed ? &type_int64 : &type_uint64;
	return is_unsigned ? &type_uint64 : &type_int64;
}

static const struct type *check_pointers(struct checker *checker, struct expr *expr,
					 const struct type *left, const struct type *right)
{
	if (is_comparison(expr->op) || expr->op == OP_LOGIC_AND || expr->op == OP_LOGIC_OR)
		return &type_bool;
	if (left->kind == TYPE_POINTER && type_is_integer(right) &&
	    (expr->op == OP_ADD || expr->op == OP_SUB))
		return left;
	if (right->kind == TYPE_POINTER && type_is_integer(left) && expr->op == OP_ADD)
		return right;
	if (left->kind == TYPE_POINTER && right->kind == TYPE_POINTER && expr->op == OP_SUB)
		return &type_int64;
	if (expr->op == OP_AND || expr->op == OP_OR || expr->op == OP_XOR || expr->op == OP_MOD)
		return &type_uint64;
	check_error(checker, expr->place,
		    "The %s operator can not be used on expressions of types %s, %s",
		    op_text(expr->op), check_text(checker, left), check_text(checker, right));
	return &type_none;
}

/* "a" "b" and "a" + "b", of constants only: put together while compiling. */
static bool join_texts(struct checker *checker, struct expr *expr)
{
	struct span a = expr->a->text, b = expr->b->text;
	uint8_t *text;

	if (!expr->a->is_constant || !expr->b->is_constant)
		return false;
	text = arena_new(&checker->script->arena, a.len + b.len + 1);
	if (!text)
		return false;
	memcpy(text, a.at, a.len);
	memcpy(text + a.len, b.at, b.len);
	expr->text = (struct span){text, a.len + b.len};
	expr->is_constant = true;
	return true;
}

static bool is_comparable(const struct type *left, const struct type *right)
{
	if (left->kind == TYPE_STRING && right->kind == TYPE_STRING)
		return true;
	if (left->kind != right->kind)
		return false;
	if (left->kind == TYPE_ARRAY)
		return left->size == right->size;
	if (left->kind == TYPE_BUFFER)
		return true;
	if (left->kind == TYPE_TUPLE) {
		if (left->field_count != right->field_count)
			return false;
		for (uint32_t i = 0; i < left->field_count; i++) {
			const struct field *partner = type_partner(right, &left->fields[i], i);
			const struct type *a = left->fields[i].type,
					  *b = partner ? partner->type : &type_none;

			if (!(type_is_integer(a) && type_is_integer(b)) && !is_comparable(a, b))
				return false;
		}
		return true;
	}
	return (left->kind == TYPE_TIMESTAMP || left->kind == TYPE_INET || left->kind == TYPE_MAC ||
		left->kind == TYPE_BUFFER || left->kind == TYPE_KSTACK ||
		left->kind == TYPE_USTACK || left->kind == TYPE_USYM) &&
	       left->size == right->size;
}

static void say_side(struct checker *checker, const struct expr *expr, const char *which,
		     const struct type *type)
{
	check_error(checker, expr->place, "%s (%s)", which,
		    type->kind == TYPE_INT && type->is_literal ? "int64"
							       : check_text(checker, type));
}

const struct type *check_binary(struct checker *checker, struct expr *expr)
{
	const struct type *left = check_expr(checker, expr->a);
	const struct type *right = check_expr(checker, expr->b);

	if (check_group_compare(checker, expr))
		return &type_bool;
	/* str($1 + 2) */
	if (expr->op == OP_ADD && expr->a->kind == EXPR_POSITIONAL && left->kind == TYPE_STRING &&
	    right->kind == TYPE_INT && expr->b->is_constant)
		return left;
	if (left->kind == TYPE_NONE || right->kind == TYPE_NONE)
		return is_comparison(expr->op)   ? &type_bool
		       : left->kind == TYPE_NONE ? &type_none
						 : &type_none;
	left = check_plain(left);
	right = check_plain(right);
	if (type_is_integer(left) && type_is_integer(right))
		return check_integers(checker, expr, left, right);
	if (type_is_scalar(left) && type_is_scalar(right))
		return check_pointers(checker, expr, left, right);
	if (is_comparable(left, right)) {
		if ((expr->op == OP_EQ || expr->op == OP_NE) && left->kind == TYPE_STRING &&
		    expr->a->is_constant && expr->b->is_constant) {
			expr->number =
				span_same(expr->a->text, expr->b->text) == (expr->op == OP_EQ);
			expr->is_constant = true;
		}
		if (expr->op == OP_EQ || expr->op == OP_NE)
			return &type_bool;
		if (left->kind == TYPE_STRING && is_comparison(expr->op))
			return &type_bool;
		if (left->kind == TYPE_STRING && expr->op == OP_ADD && join_texts(checker, expr))
			return type_string(&checker->script->arena, (uint32_t)expr->text.len + 1);
		check_error(checker, expr->place,
			    "The %s operator can not be used on expressions of types %s, %s",
			    op_text(expr->op), check_text(checker, left),
			    check_text(checker, right));
		return &type_none;
	}
	/* tuples of different shapes are never the same */
	if (left->kind == TYPE_TUPLE && right->kind == TYPE_TUPLE &&
	    (expr->op == OP_EQ || expr->op == OP_NE)) {
		expr->number = expr->op == OP_NE;
		expr->is_constant = true;
		return &type_bool;
	}
	/* "" beside a number, as in /@x[tid] != 0/: bpftrace says no, and so do we */
	check_error(checker, expr->place, "Type mismatch for '%s': comparing %s with %s",
		    op_text(expr->op),
		    left->kind == TYPE_INT && left->is_literal ? "int64"
							       : check_text(checker, left),
		    right->kind == TYPE_INT && right->is_literal ? "int64"
								 : check_text(checker, right));
	say_side(checker, expr->a, "left", left);
	say_side(checker, expr->b, "right", right);
	return &type_none;
}
