// SPDX-License-Identifier: GPL-2.0-only
/* ast - the tree in lines, as `-d ast` and `-d types` show it. */
#include "trace/ast.h"

static const char *const expr_names[] = {
	[EXPR_INT] = "int",           [EXPR_BOOL] = "bool",        [EXPR_STRING] = "string",
	[EXPR_NAME] = "name",         [EXPR_POSITIONAL] = "param", [EXPR_PARAM_COUNT] = "params",
	[EXPR_VARIABLE] = "variable", [EXPR_MAP] = "map",          [EXPR_UNARY] = "unary",
	[EXPR_BINARY] = "binary",     [EXPR_TERNARY] = "ternary",  [EXPR_CAST] = "cast",
	[EXPR_FIELD] = "field",       [EXPR_INDEX] = "index",      [EXPR_TUPLE] = "tuple",
	[EXPR_CALL] = "call",         [EXPR_BLOCK] = "block",      [EXPR_SIZEOF] = "sizeof",
	[EXPR_OFFSETOF] = "offsetof", [EXPR_STEP] = "step",        [EXPR_IF] = "if",
};

static const char *const stmt_names[] = {
	[STMT_EXPR] = "do",         [STMT_ASSIGN] = "assign",
	[STMT_LET] = "let",         [STMT_IF] = "if",
	[STMT_WHILE] = "while",     [STMT_FOR_RANGE] = "for range",
	[STMT_FOR_MAP] = "for map", [STMT_UNROLL] = "unroll",
	[STMT_BREAK] = "break",     [STMT_CONTINUE] = "continue",
	[STMT_RETURN] = "return",   [STMT_BLOCK] = "block",
};

static void dump_stmts(const struct stmt *stmt, int depth, struct buf *out);

static void dump_expr(const struct expr *expr, int depth, struct buf *out)
{
	for (; expr; expr = expr->next) {
		buf_fill(out, ' ', (size_t)depth);
		buf_str(out, expr_names[expr->kind]);
		if (expr->op)
			buf_f(out, " %s", op_text(expr->op));
		if (expr->name)
			buf_f(out, " %s", expr->name);
		if (expr->kind == EXPR_INT || (expr->is_constant && type_is_integer(expr->type)))
			buf_f(out, " %lld", (long long)expr->number);
		if (expr->kind == EXPR_STRING)
			buf_f(out, " \"%.*s\"", (int)expr->text.len, expr->text.at);
		if (expr->type && expr->type->kind != TYPE_NONE) {
			buf_str(out, " :: ");
			type_name(expr->type, out);
		}
		buf_char(out, '\n');
		dump_expr(expr->a, depth + 1, out);
		dump_expr(expr->b, depth + 1, out);
		dump_expr(expr->c, depth + 1, out);
		dump_expr(expr->args, depth + 1, out);
		dump_stmts(expr->body, depth + 1, out);
	}
}

static void dump_stmts(const struct stmt *stmt, int depth, struct buf *out)
{
	for (; stmt; stmt = stmt->next) {
		buf_fill(out, ' ', (size_t)depth);
		buf_f(out, "%s%s%s\n", stmt_names[stmt->kind], stmt->op ? " " : "",
		      op_text(stmt->op));
		dump_expr(stmt->target, depth + 1, out);
		dump_expr(stmt->value, depth + 1, out);
		dump_expr(stmt->end, depth + 1, out);
		dump_stmts(stmt->body, depth + 1, out);
		dump_stmts(stmt->otherwise, depth + 1, out);
	}
}

void ast_dump(const struct body *body, struct buf *out)
{
	if (body->predicate) {
		buf_str(out, " pred\n");
		dump_expr(body->predicate, 2, out);
	}
	dump_stmts(body->stmts, 1, out);
}
