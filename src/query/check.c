// SPDX-License-Identifier: GPL-2.0-only
/* check - do the types of an expression fit together? */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "query/parse.h"

enum { REGEX_BYTES = 4096 };

static const char *const type_names[] = {
	[PROMQL_NONE] = "none",           [PROMQL_SCALAR] = "scalar",
	[PROMQL_STRING] = "string",       [PROMQL_VECTOR] = "instant vector",
	[PROMQL_MATRIX] = "range vector",
};

/* Anchored at both ends. What Go's RE2 and PCRE2 disagree in (look-around, back references) is refused by neither or
 * by one: docs/query.md. */
bool promql_compile(struct parser *p, struct matcher *matcher, uint32_t at)
{
	struct regex *regex = arena_new(&p->query->arena, sizeof(*regex));
	PCRE2_UCHAR8 message[128];
	PCRE2_SIZE place;
	struct buf pattern;
	int error;

	if (!regex || matcher->value.len > REGEX_BYTES)
		return promql_fail(p, at, "the regular expression is too long");
	buf_init(&pattern, REGEX_BYTES + 16);
	buf_str(&pattern, "^(?:");
	buf_span(&pattern, matcher->value);
	buf_str(&pattern, ")$");
	regex->code = pcre2_compile((PCRE2_SPTR8)buf_text(&pattern), pattern.len,
				    PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
				    &error, &place, NULL);
	buf_done(&pattern);
	if (!regex->code) {
		pcre2_get_error_message(error, message, sizeof(message));
		return promql_fail(p, at, "error parsing regexp: %s", (const char *)message);
	}
	regex->next = p->query->regexes;
	p->query->regexes = regex;
	matcher->regex = regex->code;
	return true;
}

static bool expect(struct parser *p, const struct expr *expr, enum promql_type type,
		   const char *where)
{
	return expr->type == type || promql_fail(p, expr->at, "expected type %s in %s, got %s",
						 type_names[type], where, type_names[expr->type]);
}

/* Does the matcher hold for a label that is not there? */
static bool matches_empty(const struct matcher *matcher)
{
	pcre2_match_data *data;
	bool found;

	if (matcher->op == MATCHER_EQUAL)
		return !matcher->value.len;
	if (matcher->op == MATCHER_UNEQUAL)
		return matcher->value.len;
	data = pcre2_match_data_create(1, NULL);
	found = data && pcre2_match(matcher->regex, (PCRE2_SPTR8) "", 0, 0, 0, data, NULL) >= 0;
	pcre2_match_data_free(data);
	return found == (matcher->op == MATCHER_MATCHES);
}

static bool check_selector(struct parser *p, struct expr *selector)
{
	selector->type = PROMQL_VECTOR;
	for (const struct matcher *matcher = selector->matcher; matcher; matcher = matcher->next)
		if (!matches_empty(matcher))
			return true;
	return promql_fail(p, selector->at,
			   "vector selector must contain at least one non-empty matcher");
}

static bool check_call(struct parser *p, struct expr *call)
{
	const struct function *function = call->function;
	size_t most = 0;

	call->type = function->type;
	while (most < 5 && function->arg[most])
		most++;
	if (most == 5 && function->least < 5 && call->args > 5) /* the last may be repeated */
		most = call->args;
	if (call->args < (size_t)function->least || call->args > most)
		return promql_fail(p, call->at,
				   "expected %s%d argument(s) in call to \"%s\", got %zu",
				   call->args > most                ? "at most "
				   : (size_t)function->least < most ? "at least "
								    : "",
				   call->args > most ? (int)most : function->least, function->name,
				   call->args);
	for (size_t i = 0; i < call->args; i++) {
		char where[64];

		snprintf(where, sizeof(where), "call to function \"%s\"", function->name);
		if (!expect(p, call->arg[i], function->arg[i < 5 ? i : 4], where))
			return false;
	}
	return true;
}

static bool check_aggregate(struct parser *p, struct expr *aggregate)
{
	enum aggregate_op op = aggregate->aggregate;
	bool has_param = op >= AGGREGATE_TOPK;
	enum promql_type param = op == AGGREGATE_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR;

	aggregate->type = PROMQL_VECTOR;
	if (aggregate->args != (size_t)has_param + 1)
		return promql_fail(p, aggregate->at,
				   "wrong number of arguments for aggregate expression provided, "
				   "expected %d, got %zu",
				   has_param + 1, aggregate->args);
	if (has_param && !expect(p, aggregate->arg[0], param, "aggregation parameter"))
		return false;
	return expect(p, aggregate->arg[has_param], PROMQL_VECTOR, "aggregation expression");
}

static bool is_name_in(const struct names *names, struct span name)
{
	for (size_t i = 0; i < names->count; i++)
		if (span_same(names->at[i], name))
			return true;
	return false;
}

static bool check_binary(struct parser *p, struct expr *binary)
{
	enum promql_type left = binary->arg[0]->type, right = binary->arg[1]->type;
	bool compares = binary->op >= OP_EQUAL && binary->op <= OP_AT_LEAST;
	bool is_set = binary->op >= OP_AND;

	for (int i = 0; i < 2; i++)
		if (binary->arg[i]->type != PROMQL_SCALAR && binary->arg[i]->type != PROMQL_VECTOR)
			return promql_fail(p, binary->arg[i]->at,
					   "binary expression must contain only scalar and instant "
					   "vector types");
	binary->type =
		left == PROMQL_SCALAR && right == PROMQL_SCALAR ? PROMQL_SCALAR : PROMQL_VECTOR;
	if (binary->type == PROMQL_SCALAR && compares && !binary->returns_bool)
		return promql_fail(p, binary->at,
				   "comparisons between scalars must use BOOL modifier");
	if (left != right || left == PROMQL_SCALAR) {
		if (is_set)
			return promql_fail(p, binary->at,
					   "set operator not allowed in binary scalar expression");
		if (binary->has_labels && binary->labels.count)
			return promql_fail(p, binary->at,
					   "vector matching only allowed between instant vectors");
	}
	for (size_t i = 0; i < binary->include.count && !binary->is_without; i++)
		if (is_name_in(&binary->labels, binary->include.at[i]))
			return promql_fail(
				p, binary->at,
				"label \"%.*s\" must not occur in ON and GROUP clause at once",
				(int)binary->include.at[i].len,
				(const char *)binary->include.at[i].at);
	return true;
}

bool promql_check(struct parser *p, struct expr *expr)
{
	for (size_t i = 0; i < expr->args; i++)
		if (!promql_check(p, expr->arg[i]))
			return false;
	switch (expr->kind) {
	case EXPR_NUMBER: expr->type = PROMQL_SCALAR; return true;
	case EXPR_STRING: expr->type = PROMQL_STRING; return true;
	case EXPR_SELECTOR: return check_selector(p, expr);
	case EXPR_RANGE: expr->type = PROMQL_MATRIX; return true;
	case EXPR_SUBQUERY:
		expr->type = PROMQL_MATRIX;
		return expr->arg[0]->type == PROMQL_VECTOR ||
		       promql_fail(p, expr->at,
				   "subquery is only allowed on instant vector, got %s instead",
				   type_names[expr->arg[0]->type]);
	case EXPR_CALL: return check_call(p, expr);
	case EXPR_AGGREGATE: return check_aggregate(p, expr);
	case EXPR_BINARY: return check_binary(p, expr);
	case EXPR_NEGATIVE:
		expr->type = expr->arg[0]->type;
		return expr->type == PROMQL_SCALAR || expr->type == PROMQL_VECTOR ||
		       promql_fail(p, expr->at,
				   "unary expression only allowed on expressions of type scalar or "
				   "instant vector, got \"%s\"",
				   type_names[expr->type]);
	}
	return false;
}

const struct expr *promql_selector(const struct promql *query)
{
	return query->root->kind == EXPR_SELECTOR ? query->root : NULL;
}

enum promql_type promql_type(const struct promql *query)
{
	return query->root->type;
}

bool promql_has_steps(const struct promql *query)
{
	return query->root->type == PROMQL_SCALAR || query->root->type == PROMQL_VECTOR;
}

const char *promql_type_name(enum promql_type type)
{
	static const char *const names[] = {[PROMQL_SCALAR] = "scalar",
					    [PROMQL_STRING] = "string",
					    [PROMQL_VECTOR] = "vector",
					    [PROMQL_MATRIX] = "matrix"};

	return names[type];
}
