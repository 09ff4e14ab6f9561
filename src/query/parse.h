/* SPDX-License-Identifier: GPL-2.0-only */
/* parse - what the parser's files share. */
#pragma once

#include "query/ast.h"

struct parser {
	struct promql *query;
	struct lexer lexer;
	struct token token; /* the one that is looked at */
	unsigned depth, nodes;
	int error;
	struct err *why;
};

/* The first mistake counts. Returns false. */
bool promql_fail(struct parser *p, uint32_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
struct expr *promql_new_expr(struct parser *p, enum expr_kind kind, uint32_t at);
/* Operators of that precedence and above. NULL after a mistake. */
struct expr *promql_parse_expr(struct parser *p, int level);

/* check.c: types, and what a regular expression is. False after a mistake. */
bool promql_check(struct parser *p, struct expr *expr);
bool promql_compile(struct parser *p, struct matcher *matcher, uint32_t at);
