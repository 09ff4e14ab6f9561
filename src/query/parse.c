// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse - tokens become a tree.
 *
 * Recursive descent; operators by climbing precedence: or < and, unless < comparisons < + - < * / % atan2 < sign < ^ (which
 * leans to the right). What stands behind an expression ([5m], [1h:5m], offset, @) is taken as long as there is
 * any. Words are keywords only where one may stand, so that a metric may be called `by` or `sum`. Types are checked by
 * check.c, when the tree is whole.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "query/parse.h"

enum { DEPTH_MAX = 100, NODES_MAX = 4000, NAMES_MAX = 64, PARSE_ARENA = 8 << 20 };

bool promql_fail(struct parser *p, uint32_t at, const char *format, ...)
{
	unsigned line = 1, column = 1;
	char what[320];
	va_list args;

	if (p->error)
		return false;
	for (uint32_t i = 0; i < at && i < p->query->text.len; i++) {
		column = p->query->text.at[i] == '\n' ? 1 : column + 1;
		line += p->query->text.at[i] == '\n';
	}
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	p->error = err_set(p->why, -EINVAL, "%u:%u: parse error: %s", line, column, what);
	return false;
}

static bool advance(struct parser *p)
{
	if (p->error)
		return false;
	if (lex(&p->lexer, &p->token))
		return true;
	p->token.kind = TOKEN_END;
	return promql_fail(p, p->token.at, "%s", p->lexer.wrong);
}

static bool is_sign(const struct parser *p, const char *sign)
{
	return p->token.kind == TOKEN_SIGN && span_is(p->token.text, sign);
}

static bool is_word(const struct parser *p, const char *word)
{
	return p->token.kind == TOKEN_WORD && p->token.text.len == strlen(word) &&
	       !strncasecmp((const char *)p->token.text.at, word, p->token.text.len);
}

static bool take_sign(struct parser *p, const char *sign)
{
	return is_sign(p, sign) && (advance(p), true);
}

static bool take_word(struct parser *p, const char *word)
{
	return is_word(p, word) && (advance(p), true);
}

static bool unexpected(struct parser *p, const char *where, const char *expected)
{
	struct span text = span_first(p->token.text, 40);

	if (p->token.kind == TOKEN_END)
		return promql_fail(p, p->token.at, "unexpected end of input in %s, expected %s",
				   where, expected);
	return promql_fail(p, p->token.at, "unexpected \"%.*s\" in %s, expected %s", (int)text.len,
			   (const char *)text.at, where, expected);
}

static bool need_sign(struct parser *p, const char *sign, const char *where)
{
	char expected[8];

	snprintf(expected, sizeof(expected), "\"%s\"", sign);
	return take_sign(p, sign) || unexpected(p, where, expected);
}

struct expr *promql_new_expr(struct parser *p, enum expr_kind kind, uint32_t at)
{
	struct expr *expr =
		p->nodes++ < NODES_MAX ? arena_new(&p->query->arena, sizeof(*expr)) : NULL;

	if (!expr) {
		promql_fail(p, at, "the expression is too large");
		return NULL;
	}
	expr->kind = kind;
	expr->at = at;
	return expr;
}

/* ---- selectors ---- */

static bool add_matcher(struct parser *p, struct expr *selector, const struct matcher *matcher)
{
	struct matcher *copy = arena_new(&p->query->arena, sizeof(*copy)),
		       **end = &selector->matcher;

	if (!copy)
		return promql_fail(p, p->token.at, "the expression is too large");
	*copy = *matcher;
	while (*end)
		end = &(*end)->next;
	*end = copy;
	selector->matchers++;
	return true;
}

static bool parse_matcher(struct parser *p, struct expr *selector)
{
	static const char *const signs[] = {"=", "!=", "=~", "!~"};
	struct matcher matcher = {.name = p->token.text};
	uint32_t at = p->token.at;
	int op = 0;

	if (p->token.kind != TOKEN_WORD || memchr(matcher.name.at, ':', matcher.name.len))
		return unexpected(p, "label matching", "identifier or \"}\"");
	advance(p);
	while (op < 4 && !is_sign(p, signs[op]))
		op++;
	if (op == 4)
		return unexpected(p, "label matching", "label matching operator");
	advance(p);
	if (p->token.kind != TOKEN_STRING)
		return unexpected(p, "label matching", "string");
	matcher.op = op == 0   ? MATCHER_EQUAL
		     : op == 1 ? MATCHER_UNEQUAL
		     : op == 2 ? MATCHER_MATCHES
			       : MATCHER_MATCHES_NOT;
	matcher.value = p->token.text;
	if (op >= 2 && !promql_compile(p, &matcher, at))
		return false;
	advance(p);
	return add_matcher(p, selector, &matcher);
}

static struct expr *parse_selector(struct parser *p)
{
	struct expr *selector = promql_new_expr(p, EXPR_SELECTOR, p->token.at);
	struct matcher name = {.op = MATCHER_EQUAL, .name = span_of("__name__")};
	bool named = false;

	if (selector && p->token.kind == TOKEN_WORD) {
		name.value = p->token.text;
		named = add_matcher(p, selector, &name);
		advance(p);
	}
	if (!selector || !take_sign(p, "{"))
		return selector;
	while (!p->error && !is_sign(p, "}")) {
		if (!parse_matcher(p, selector))
			break;
		if (!is_sign(p, "}") && !take_sign(p, ","))
			unexpected(p, "label matching", "\",\" or \"}\"");
	}
	need_sign(p, "}", "label matching");
	if (named && !p->error)
		for (const struct matcher *m = selector->matcher->next; m; m = m->next)
			if (span_is(m->name, "__name__"))
				promql_fail(p, selector->at, "metric name must not be set twice");
	return selector;
}

/* ---- what stands behind ---- */

static struct expr *parse_brackets(struct parser *p, struct expr *inner)
{
	struct expr *range = promql_new_expr(p, EXPR_RANGE, inner->at);

	if (!range)
		return NULL;
	range->arg[range->args++] = inner;
	if (p->token.kind != TOKEN_DURATION) {
		unexpected(p, "range", "duration");
		return NULL;
	}
	range->range_ms = p->token.duration_ms;
	if (!range->range_ms)
		promql_fail(p, p->token.at, "duration must be greater than 0");
	advance(p);
	if (take_sign(p, ":")) {
		range->kind = EXPR_SUBQUERY;
		if (p->token.kind == TOKEN_DURATION) {
			range->step_ms = p->token.duration_ms;
			if (!range->step_ms)
				promql_fail(p, p->token.at, "duration must be greater than 0");
			advance(p);
		}
	} else if (inner->kind != EXPR_SELECTOR || inner->in_parens) {
		promql_fail(p, inner->at, "ranges only allowed for vector selectors");
	} else if (inner->offset_ms || inner->at_kind) {
		promql_fail(p, inner->at, "no offset or @ modifiers allowed before range");
	}
	return need_sign(p, "]", "range") ? range : NULL;
}

/* The expression whose time a modifier changes. */
static struct expr *timed(struct expr *expr)
{
	return expr->kind == EXPR_RANGE ? expr->arg[0] : expr;
}

static bool may_have_time(struct parser *p, const struct expr *expr, const char *what)
{
	if (!expr->in_parens && (expr->kind == EXPR_SELECTOR || expr->kind == EXPR_RANGE ||
				 expr->kind == EXPR_SUBQUERY))
		return true;
	return promql_fail(p, expr->at,
			   "%s modifier must be preceded by an instant vector selector or range "
			   "vector selector or a subquery",
			   what);
}

static void parse_offset(struct parser *p, struct expr *expr)
{
	bool negative = take_sign(p, "-");
	struct expr *of = timed(expr);

	if (!may_have_time(p, expr, "offset"))
		return;
	if (of->offset_ms) {
		promql_fail(p, p->token.at, "offset may not be set multiple times");
		return;
	}
	if (!negative)
		take_sign(p, "+");
	if (p->token.kind != TOKEN_DURATION) {
		unexpected(p, "offset", "duration");
		return;
	}
	of->offset_ms = negative ? -p->token.duration_ms : p->token.duration_ms;
	advance(p);
}

static void parse_at(struct parser *p, struct expr *expr)
{
	bool negative;
	struct expr *of = timed(expr);

	if (!may_have_time(p, expr, "@"))
		return;
	if (of->at_kind)
		promql_fail(p, p->token.at, "@ <timestamp> may not be set multiple times");
	if (is_word(p, "start") || is_word(p, "end")) {
		of->at_kind = is_word(p, "start") ? AT_START : AT_END;
		advance(p);
		need_sign(p, "(", "@");
		need_sign(p, ")", "@");
		return;
	}
	negative = take_sign(p, "-");
	if (!negative)
		take_sign(p, "+");
	if (p->token.kind != TOKEN_NUMBER || !(fabs(p->token.number) < 1e15)) {
		unexpected(p, "@", "timestamp");
		return;
	}
	of->at_kind = AT_TIME;
	of->at_ms = (int64_t)round((negative ? -p->token.number : p->token.number) * 1000);
	advance(p);
}

static struct expr *parse_behind(struct parser *p, struct expr *expr)
{
	while (expr && !p->error) {
		if (take_sign(p, "["))
			expr = parse_brackets(p, expr);
		else if (take_word(p, "offset"))
			parse_offset(p, expr);
		else if (take_sign(p, "@"))
			parse_at(p, expr);
		else
			break;
	}
	return expr;
}

/* ---- calls and aggregations ---- */

static bool parse_args(struct parser *p, struct expr *call, const char *where)
{
	if (!need_sign(p, "(", where))
		return false;
	while (!p->error && !is_sign(p, ")")) {
		if (call->args == EXPR_ARGS)
			return promql_fail(p, p->token.at, "too many arguments");
		call->arg[call->args] = promql_parse_expr(p, 0);
		if (!call->arg[call->args])
			return false;
		call->args++;
		if (!is_sign(p, ")") && !take_sign(p, ","))
			return unexpected(p, where, "\",\" or \")\"");
		if (is_sign(p, ")") && p->lexer.text.at[p->token.at - 1] == ',')
			return unexpected(p, where, "an expression");
	}
	return need_sign(p, ")", where);
}

/* "(a, b)" */
static bool parse_names(struct parser *p, struct names *names)
{
	names->at = arena_new(&p->query->arena, NAMES_MAX * sizeof(*names->at));
	if (!names->at)
		return promql_fail(p, p->token.at, "the expression is too large");
	if (!need_sign(p, "(", "grouping opts"))
		return false;
	while (!p->error && !is_sign(p, ")")) {
		if (p->token.kind != TOKEN_WORD || memchr(p->token.text.at, ':', p->token.text.len))
			return unexpected(p, "grouping opts", "label");
		if (names->count == NAMES_MAX)
			return promql_fail(p, p->token.at, "more than %d labels", NAMES_MAX);
		names->at[names->count++] = p->token.text;
		advance(p);
		if (!is_sign(p, ")") && !take_sign(p, ","))
			return unexpected(p, "grouping opts", "\",\" or \")\"");
	}
	return need_sign(p, ")", "grouping opts");
}

static bool parse_grouping(struct parser *p, struct expr *aggregate)
{
	if (is_word(p, "by") || is_word(p, "without")) {
		aggregate->is_without = is_word(p, "without");
		aggregate->has_labels = true;
		advance(p);
		return parse_names(p, &aggregate->labels);
	}
	return true;
}

static const char *const aggregate_names[AGGREGATES] = {
	[AGGREGATE_SUM] = "sum",           [AGGREGATE_MIN] = "min",
	[AGGREGATE_MAX] = "max",           [AGGREGATE_AVG] = "avg",
	[AGGREGATE_COUNT] = "count",       [AGGREGATE_GROUP] = "group",
	[AGGREGATE_STDDEV] = "stddev",     [AGGREGATE_STDVAR] = "stdvar",
	[AGGREGATE_TOPK] = "topk",         [AGGREGATE_BOTTOMK] = "bottomk",
	[AGGREGATE_QUANTILE] = "quantile", [AGGREGATE_COUNT_VALUES] = "count_values",
};

static int aggregate_of(struct span name)
{
	for (int i = 0; i < AGGREGATES; i++)
		if (name.len == strlen(aggregate_names[i]) &&
		    !strncasecmp((const char *)name.at, aggregate_names[i], name.len))
			return i;
	return -1;
}

static struct expr *parse_aggregate(struct parser *p, const struct token *name, int op)
{
	struct expr *aggregate = promql_new_expr(p, EXPR_AGGREGATE, name->at);

	if (!aggregate)
		return NULL;
	aggregate->aggregate = (enum aggregate_op)op;
	if (!parse_grouping(p, aggregate) || !parse_args(p, aggregate, "aggregation"))
		return NULL;
	if (!aggregate->has_labels && !parse_grouping(p, aggregate))
		return NULL;
	return aggregate;
}

static struct expr *parse_call(struct parser *p, const struct token *name)
{
	struct expr *call = promql_new_expr(p, EXPR_CALL, name->at);
	const char *near;

	if (!call)
		return NULL;
	call->function = promql_function(name->text);
	if (!call->function) {
		near = promql_function_near(name->text);
		promql_fail(p, name->at, "unknown function with name \"%.*s\"%s%s%s",
			    (int)(name->text.len < 60 ? name->text.len : 60),
			    (const char *)name->text.at, near ? "; did you mean \"" : "",
			    near ? near : "", near ? "\"?" : "");
		return NULL;
	}
	return parse_args(p, call, "function call") ? call : NULL;
}

/* A word: an aggregation, a function, a number (Inf, NaN), or the name of a metric. */
static struct expr *parse_word(struct parser *p)
{
	struct token name = p->token;
	struct lexer before = p->lexer;
	struct expr *number;
	int op = aggregate_of(name.text);

	advance(p);
	if (op >= 0 && (is_sign(p, "(") || is_word(p, "by") || is_word(p, "without")))
		return parse_aggregate(p, &name, op);
	if (is_sign(p, "("))
		return parse_call(p, &name);
	if ((name.text.len == 3 && !strncasecmp((const char *)name.text.at, "inf", 3)) ||
	    (name.text.len == 3 && !strncasecmp((const char *)name.text.at, "nan", 3))) {
		number = promql_new_expr(p, EXPR_NUMBER, name.at);
		if (number)
			number->number =
				(name.text.at[0] | 0x20) == 'i' ? (double)INFINITY : (double)NAN;
		return number;
	}
	p->lexer = before;
	p->token = name;
	return parse_selector(p);
}

static struct expr *parse_primary(struct parser *p)
{
	struct expr *expr = NULL;
	uint32_t at = p->token.at;

	switch (p->token.kind) {
	case TOKEN_NUMBER:
		expr = promql_new_expr(p, EXPR_NUMBER, at);
		if (expr)
			expr->number = p->token.number;
		advance(p);
		return expr;
	case TOKEN_STRING:
		expr = promql_new_expr(p, EXPR_STRING, at);
		if (expr)
			expr->text = p->token.text;
		advance(p);
		return expr;
	case TOKEN_WORD: return parse_word(p);
	default: break;
	}
	if (is_sign(p, "{"))
		return parse_selector(p);
	if (take_sign(p, "(")) {
		expr = promql_parse_expr(p, 0);
		if (expr)
			expr->in_parens = true;
		return expr && need_sign(p, ")", "paren expression") ? expr : NULL;
	}
	unexpected(p, "the expression", "a metric, number, function or \"(\"");
	return NULL;
}

/* ---- operators ---- */

enum { LEVEL_OR = 1, LEVEL_AND, LEVEL_COMPARE, LEVEL_ADD, LEVEL_MULTIPLY, LEVEL_POWER };

static const struct {
	const char *sign;
	enum binary_op op;
	int level;
} operators[] = {
	{"or", OP_OR, LEVEL_OR},
	{"and", OP_AND, LEVEL_AND},
	{"unless", OP_UNLESS, LEVEL_AND},
	{"==", OP_EQUAL, LEVEL_COMPARE},
	{"!=", OP_UNEQUAL, LEVEL_COMPARE},
	{"<", OP_LESS, LEVEL_COMPARE},
	{">", OP_GREATER, LEVEL_COMPARE},
	{"<=", OP_AT_MOST, LEVEL_COMPARE},
	{">=", OP_AT_LEAST, LEVEL_COMPARE},
	{"+", OP_ADD, LEVEL_ADD},
	{"-", OP_SUBTRACT, LEVEL_ADD},
	{"*", OP_MULTIPLY, LEVEL_MULTIPLY},
	{"/", OP_DIVIDE, LEVEL_MULTIPLY},
	{"%", OP_MODULO, LEVEL_MULTIPLY},
	{"atan2", OP_ATAN2, LEVEL_MULTIPLY},
	{"^", OP_POWER, LEVEL_POWER},
};

static int operator_here(const struct parser *p)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (is_sign(p, operators[i].sign) || is_word(p, operators[i].sign))
			return (int)i;
	return -1;
}

static bool parse_modifiers(struct parser *p, struct expr *binary)
{
	binary->matching = binary->op >= OP_AND ? MATCH_MANY_TO_MANY : MATCH_ONE_TO_ONE;
	if (take_word(p, "bool")) {
		binary->returns_bool = true;
		if (binary->op < OP_EQUAL || binary->op > OP_AT_LEAST)
			return promql_fail(
				p, binary->at,
				"bool modifier can only be used on comparison operators");
	}
	if (is_word(p, "on") || is_word(p, "ignoring")) {
		binary->has_labels = true;
		binary->is_without = is_word(p, "ignoring");
		advance(p);
		if (!parse_names(p, &binary->labels))
			return false;
	} else {
		binary->is_without = true;
	}
	if (!is_word(p, "group_left") && !is_word(p, "group_right"))
		return true;
	if (!binary->has_labels)
		return unexpected(p, "the expression", "\"on\" or \"ignoring\" before it");
	if (binary->op >= OP_AND)
		return promql_fail(p, binary->at, "no grouping allowed for set operations");
	binary->matching = is_word(p, "group_left") ? MATCH_MANY_TO_ONE : MATCH_ONE_TO_MANY;
	advance(p);
	return !is_sign(p, "(") || parse_names(p, &binary->include);
}

static struct expr *parse_unary(struct parser *p)
{
	uint32_t at = p->token.at;
	struct expr *of, *negative;
	bool minus = is_sign(p, "-");

	if (!minus && !is_sign(p, "+"))
		return parse_behind(p, parse_primary(p));
	advance(p);
	of = promql_parse_expr(p, LEVEL_POWER);
	if (!minus || !of)
		return of;
	if (of->kind == EXPR_NUMBER && !of->in_parens) { /* a negative number */
		of->number = -of->number;
		return of;
	}
	negative = promql_new_expr(p, EXPR_NEGATIVE, at);
	if (negative)
		negative->arg[negative->args++] = of;
	return negative;
}

struct expr *promql_parse_expr(struct parser *p, int level)
{
	struct expr *left, *binary;
	int i;

	if (++p->depth > DEPTH_MAX) {
		promql_fail(p, p->token.at, "the expression is nested too deeply");
		return NULL;
	}
	left = parse_unary(p);
	while (left && !p->error && (i = operator_here(p)) >= 0 && operators[i].level >= level) {
		binary = promql_new_expr(p, EXPR_BINARY, p->token.at);
		if (!binary)
			return NULL;
		binary->op = operators[i].op;
		advance(p);
		if (!parse_modifiers(p, binary))
			return NULL;
		binary->arg[0] = left;
		/* a power leans to the right */
		binary->arg[1] =
			promql_parse_expr(p, operators[i].level + (binary->op != OP_POWER));
		binary->args = 2;
		left = binary->arg[1] ? binary : NULL;
	}
	p->depth--;
	return p->error ? NULL : left;
}

int promql_parse(struct span text, struct promql **ret_query, struct err *why)
{
	struct promql *query = calloc(1, sizeof(*query));
	struct parser p = {.query = query, .why = why};

	if (!query)
		return err_set(why, -ENOMEM, "no memory for the expression");
	arena_init(&query->arena, PARSE_ARENA);
	if (text.len > PROMQL_BYTES_MAX)
		p.error = err_set(why, -EINVAL, "the expression is longer than %d bytes",
				  PROMQL_BYTES_MAX);
	query->text = (struct span){
		(const uint8_t *)arena_str(&query->arena, span_first(text, PROMQL_BYTES_MAX)),
		text.len};
	p.lexer = (struct lexer){.text = query->text, .arena = &query->arena};
	if (!p.error && advance(&p)) {
		if (p.token.kind == TOKEN_END)
			promql_fail(&p, 0, "no expression found in input");
		query->root = promql_parse_expr(&p, 0);
		if (query->root && p.token.kind != TOKEN_END)
			unexpected(&p, "the expression", "an operator or the end");
		if (!p.error)
			promql_check(&p, query->root);
	}
	if (p.error) {
		promql_free(query);
		return p.error;
	}
	*ret_query = query;
	return 0;
}

void promql_free(struct promql *query)
{
	if (!query)
		return;
	for (struct regex *regex = query->regexes; regex; regex = regex->next)
		pcre2_code_free(regex->code);
	arena_done(&query->arena);
	free(query);
}
