/* SPDX-License-Identifier: GPL-2.0-only */
/* ast - an expression as a tree, its types known. Everything is in the query's arena. */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "query/promql.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD, /* also with colons */
	TOKEN_NUMBER,
	TOKEN_DURATION,
	TOKEN_STRING,
	TOKEN_SIGN, /* one or two bytes */
};

struct token {
	enum token_kind kind;
	uint32_t at; /* where it begins in the text */
	struct span text; /* as written; of strings: without quotes, decoded */
	double number;
	int64_t duration_ms;
};

struct lexer {
	struct span text;
	size_t at;
	struct arena *arena;
	const char *wrong; /* static sentence: no token begins here */
};

/* False: `wrong` says why, `at` where. */
bool lex(struct lexer *lexer, struct token *ret_token);

enum expr_kind {
	EXPR_NUMBER,
	EXPR_STRING,
	EXPR_SELECTOR,
	EXPR_RANGE, /* of the selector arg[0] */
	EXPR_SUBQUERY, /* of arg[0] */
	EXPR_CALL,
	EXPR_AGGREGATE,
	EXPR_BINARY, /* arg[0] op arg[1] */
	EXPR_NEGATIVE, /* of arg[0] */
};

enum binary_op {
	OP_ADD,
	OP_SUBTRACT,
	OP_MULTIPLY,
	OP_DIVIDE,
	OP_MODULO,
	OP_POWER,
	OP_ATAN2,
	OP_EQUAL, /* from here on: comparisons */
	OP_UNEQUAL,
	OP_LESS,
	OP_GREATER,
	OP_AT_MOST,
	OP_AT_LEAST,
	OP_AND, /* from here on: sets */
	OP_OR,
	OP_UNLESS,
};

enum aggregate_op {
	AGGREGATE_SUM,
	AGGREGATE_MIN,
	AGGREGATE_MAX,
	AGGREGATE_AVG,
	AGGREGATE_COUNT,
	AGGREGATE_GROUP,
	AGGREGATE_STDDEV,
	AGGREGATE_STDVAR,
	AGGREGATE_TOPK,
	AGGREGATE_BOTTOMK,
	AGGREGATE_QUANTILE,
	AGGREGATE_COUNT_VALUES,
	AGGREGATES,
};

enum matching { MATCH_ONE_TO_ONE, MATCH_MANY_TO_ONE, MATCH_ONE_TO_MANY, MATCH_MANY_TO_MANY };
enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };
enum { EXPR_ARGS = 8 };

struct matcher {
	enum store_matcher_op op;
	struct span name, value;
	pcre2_code *regex; /* owned by the query */
	struct matcher *next;
};

struct names {
	struct span *at;
	size_t count;
};

struct function;

struct expr {
	enum expr_kind kind;
	enum promql_type type;
	uint32_t at; /* where it begins in the text */
	bool in_parens;
	struct expr *arg[EXPR_ARGS];
	size_t args;

	double number; /* EXPR_NUMBER */
	struct span text; /* EXPR_STRING */
	struct matcher *matcher; /* EXPR_SELECTOR: list */
	size_t matchers;
	int64_t range_ms, step_ms; /* EXPR_RANGE, EXPR_SUBQUERY */
	int64_t offset_ms, at_ms; /* of what stands for itself: selector, subquery */
	enum at_kind at_kind;
	const struct function *function; /* EXPR_CALL */
	enum aggregate_op aggregate;
	enum binary_op op;
	bool returns_bool;
	struct names labels; /* by, without; on, ignoring */
	bool is_without; /* or ignoring */
	bool has_labels; /* on or ignoring was said */
	enum matching matching;
	struct names include; /* of group_left, group_right */
};

struct regex {
	pcre2_code *code;
	struct regex *next;
};

struct promql {
	struct arena arena;
	struct span text; /* a copy */
	struct expr *root;
	struct regex *regexes; /* owned */
};

struct evaluation;
struct series_set;

/* A function: what it takes and gives. */
struct function {
	const char *name;
	enum promql_type arg[5]; /* PROMQL_NONE ends them */
	int least; /* args at least */
	enum promql_type type;
	int (*run)(struct evaluation *evaluation, const struct expr *call, struct series_set **ret);
	/* of functions over ranges: one number of the points of a window */
	const void *over;
	double (*map)(double value); /* of functions of each number */
};
const struct function *promql_function(struct span name);
/* The function with the most similar name, NULL if none is near. */
const char *promql_function_near(struct span name);
