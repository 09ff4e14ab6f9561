// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse_expr - expressions, by precedence climbing.
 */
#include "trace/parse.h"

#include <stdio.h>
#include <string.h>

struct expr *parser_expr(struct parser *parser, enum expr_kind kind, uint32_t from)
{
	struct expr *expr = parser_new(parser, sizeof(*expr));

	if (!expr)
		return NULL;
	expr->kind = kind;
	expr->type = &type_none;
	expr->place = parser_since(parser, from);
	return expr;
}

static const char *keep(struct parser *parser, struct span text)
{
	const char *copy = arena_str(&parser->script->arena, text);

	if (!copy)
		parser_fail(parser, "out of memory");
	return copy;
}

struct expr *parse_variable(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct span name = parser->token.text;
	struct expr *expr;
	const struct expr *arg = NULL;

	parser_advance(parser);
	expr = parser_expr(parser, EXPR_VARIABLE, from);
	if (!expr)
		return NULL;
	if (parser->expansion)
		arg = macro_argument(parser->expansion, EXPR_VARIABLE, name);
	if (arg) {
		expr->name = arg->name;
		expr->place = arg->place;
	} else if (parser->expansion) {
		char text[160];

		snprintf(text, sizeof(text), "$%.*s#%u", (int)(name.len < 128 ? name.len : 128),
			 name.at, parser->expansion->serial);
		expr->name = keep(parser, span_of(text));
	} else {
		expr->name = keep(parser, (struct span){name.at - 1, name.len + 1});
	}
	return expr->name ? expr : NULL;
}

static bool parse_list(struct parser *parser, uint32_t closing, struct expr **ret_first,
		       uint32_t *ret_count)
{
	struct expr **tail = ret_first;

	*ret_count = 0;
	while (!parser_is(parser, closing)) {
		struct expr *one = parse_expr(parser);

		if (!one)
			return false;
		*tail = one;
		tail = &one->next;
		++*ret_count;
		if (!parser_take(parser, ','))
			break;
	}
	return parser_expect(parser, closing);
}

struct expr *parse_map(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct span name = parser->token.text;
	const struct expr *arg = NULL;
	struct expr *expr;

	parser_advance(parser);
	expr = parser_expr(parser, EXPR_MAP, from);
	if (!expr)
		return NULL;
	if (parser->expansion) {
		arg = macro_argument(parser->expansion, EXPR_MAP, name);
		if (!arg) {
			diag_error(&parser->script->diag, expr->place,
				   "Unhygienic access to map: @%.*s. Maps must be passed into the "
				   "macro as arguments.",
				   (int)name.len, name.at);
			parser->is_failed = true;
			return NULL;
		}
		expr->name = arg->name;
	} else {
		expr->name = keep(parser, (struct span){name.at - 1, name.len + 1});
	}
	if (parser_take(parser, '[')) {
		if (!parse_list(parser, ']', &expr->args, &expr->arg_count))
			return NULL;
		if (!expr->arg_count)
			parser_fail(parser, "syntax: expected expression");
		expr->place = parser_since(parser, from);
	}
	return expr->name ? expr : NULL;
}

struct expr *parse_block_expr(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct expr *expr;
	struct expr *value = NULL;
	struct stmt *body;

	if (!parser_enter(parser) || !parser_expect(parser, '{'))
		return NULL;
	body = parse_stmts(parser, &value, true);
	if (!parser_expect(parser, '}'))
		return NULL;
	parser_leave(parser);
	expr = parser_expr(parser, EXPR_BLOCK, from);
	if (expr) {
		expr->body = body;
		expr->a = value;
	}
	return expr;
}

static bool name_depends_on_probe(const char *name)
{
	static const char *const names[] = {
		"args",   "probe",  "func", "probetype", "retval", "ctx",  "reg",
		"ustack", "kstack", "usym", "uaddr",     "arg0",   "arg1", "arg2",
		"arg3",   "arg4",   "arg5", "arg6",      "arg7",   "arg8", "arg9"};

	if (!strncmp(name, "__builtin_", 10))
		name += 10;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return true;
	return !strncmp(name, "arg1", 4);
}

static struct expr *parse_name(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct span text = parser->token.text;
	const struct expr *arg = NULL;
	struct define *define;
	struct macro *macro;
	struct expr *expr;

	parser_advance(parser);
	if (parser->expansion)
		arg = macro_argument(parser->expansion, EXPR_NAME, text);
	if (arg)
		return macro_expand_argument(parser, arg);
	expr = parser_expr(parser, EXPR_NAME, from);
	if (!expr || !(expr->name = keep(parser, text)))
		return NULL;
	parser->uses_probe |= name_depends_on_probe(expr->name);
	define = define_find(parser, expr->name);
	if (define && !define->is_in_use) {
		struct expr *inner;

		define->is_in_use = true;
		inner = parse_elsewhere(parser, define->text.from, NULL, expr->place, false);
		define->is_in_use = false;
		return inner;
	}
	if (parser_is(parser, '(')) {
		parser_advance(parser);
		expr->kind = EXPR_CALL;
		expr->is_call_syntax = true;
		if (!parse_list(parser, ')', &expr->args, &expr->arg_count))
			return NULL;
		expr->place = parser_since(parser, from);
	}
	macro = macro_fitting(parser, expr);
	if (macro && (expr->is_call_syntax || !macro->param_count))
		return macro_expand(parser, macro, expr);
	return expr;
}

/* "type, field.field" or "type", up to the closing bracket. */
static bool parse_size_of_what(struct parser *parser, struct expr *expr)
{
	struct expr **tail = &expr->args;

	if (parse_looks_like_type(parser)) {
		expr->spec = parser_new(parser, sizeof(*expr->spec));
		if (!expr->spec || !parse_type(parser, expr->spec))
			return false;
	} else if (!(expr->a = parse_expr(parser))) {
		return false;
	}
	if (expr->kind == EXPR_OFFSETOF) {
		if (!parser_expect(parser, ','))
			return false;
		do {
			struct expr *field =
				parser_expr(parser, EXPR_NAME, parser->token.place.from);

			if (!field || !(field->name = parser_name(parser)))
				return false;
			*tail = field;
			tail = &field->next;
		} while (parser_take(parser, '.'));
	}
	return parser_expect(parser, ')');
}

static struct expr *parse_sizeof(struct parser *parser, enum expr_kind kind)
{
	uint32_t from = parser->token.place.from;
	struct expr *expr;

	parser_advance(parser);
	expr = parser_expr(parser, kind, from);
	if (!expr || !parser_expect(parser, '(') || !parse_size_of_what(parser, expr))
		return NULL;
	expr->place = parser_since(parser, from);
	return expr;
}

static struct expr *cast_to(struct parser *parser, const struct type_spec *spec, struct expr *value,
			    uint32_t from)
{
	struct expr *cast = parser_expr(parser, EXPR_CAST, from);

	if (!cast || !(cast->spec = parser_new(parser, sizeof(*spec))))
		return NULL;
	*cast->spec = *spec;
	cast->spec->pointers++;
	cast->a = value;
	return cast;
}

/* container_of(pointer, type, member) is (type *)((void *)pointer - offsetof(type, member)). */
static struct expr *parse_container_of(struct parser *parser)
{
	static const struct type_spec nothing = {.name = "void"};
	uint32_t from = parser->token.place.from;
	struct expr *pointer, *offset, *sum;

	parser_advance(parser);
	if (!parser_expect(parser, '(') || !(pointer = parse_expr(parser)) ||
	    !parser_expect(parser, ','))
		return NULL;
	offset = parser_expr(parser, EXPR_OFFSETOF, from);
	if (!offset || !parse_size_of_what(parser, offset))
		return NULL;
	if (!offset->spec) {
		parser_fail(parser, "syntax: container_of() takes a type as its second argument");
		return NULL;
	}
	offset->place = parser_since(parser, from);
	sum = parser_expr(parser, EXPR_BINARY, from);
	if (!sum)
		return NULL;
	sum->op = OP_SUB;
	sum->a = cast_to(parser, &nothing, pointer, from);
	sum->b = offset;
	return sum->a ? cast_to(parser, offset->spec, sum, from) : NULL;
}

/* After "(type)": is there something to cast? "(x) - 1" is a subtraction. */
static bool starts_operand(const struct parser *parser, bool is_surely_type)
{
	switch (parser->token.kind) {
	case TOKEN_NAME:
	case TOKEN_NUMBER:
	case TOKEN_STRING:
	case TOKEN_VARIABLE:
	case TOKEN_MAP:
	case TOKEN_POSITIONAL:
	case TOKEN_PARAM_COUNT: return true;
	case TOKEN_PUNCT:
		if (parser_is(parser, '('))
			return true;
		/* "if (x) {" is no cast of a block */
		return is_surely_type &&
		       (parser_is(parser, '{') || parser_is(parser, '-') ||
			parser_is(parser, '*') || parser_is(parser, '&') ||
			parser_is(parser, '~') || parser_is(parser, '!') ||
			parser_is(parser, PUNCT2('+', '+')) || parser_is(parser, PUNCT2('-', '-')));
	default: return false;
	}
}

static bool is_type_word(const struct parser *parser)
{
	static const char *const words[] = {
		"int8",     "int16",    "int32",   "int64",     "uint8",   "uint16",  "uint32",
		"uint64",   "bool",     "void",    "char",      "short",   "int",     "long",
		"unsigned", "signed",   "struct",  "union",     "enum",    "string",  "buffer",
		"typeof",   "inet",     "stack_t", "usym_t",    "ksym_t",  "uint8_t", "uint16_t",
		"uint32_t", "uint64_t", "int8_t",  "int16_t",   "int32_t", "int64_t", "size_t",
		"u8",       "u16",      "u32",     "u64",       "s8",      "s16",     "s32",
		"s64",      "pid_t",    "ssize_t", "uintptr_t", "__u8",    "__u16",   "__u32",
		"__u64",    "__s8",     "__s16",   "__s32",     "__s64"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (parser_is_word(parser, words[i]))
			return true;
	return false;
}

bool parse_looks_like_type(const struct parser *parser)
{
	struct parser ahead = *parser;

	if (is_type_word(parser))
		return true;
	if (parser->token.kind != TOKEN_NAME)
		return false;
	if (macro_type(parser, parser->token.text))
		return true;
	parser_advance(&ahead);
	while (parser_is(&ahead, '*'))
		parser_advance(&ahead);
	return ahead.token.place.from > parser->token.place.to && parser_is(&ahead, ')') &&
	       parser->script->text.at[ahead.token.place.from - 1] == '*';
}

static struct expr *parse_cast(struct parser *parser, uint32_t from)
{
	struct parser start = *parser;
	bool is_surely_type = parse_looks_like_type(parser);
	struct type_spec *spec;
	uint32_t operand_from;
	struct expr *expr;

	if (parser->token.kind != TOKEN_NAME)
		return NULL;
	spec = parser_new(parser, sizeof(*spec));
	if (!spec)
		return NULL;
	/* "(name)" may be a type, or a value in brackets: what follows decides */
	if (!is_surely_type) {
		struct parser ahead = *parser;

		parser_advance(&ahead);
		if (!parser_is(&ahead, ')'))
			return NULL;
		parser_advance(&ahead);
		if (!starts_operand(&ahead, false) || ahead.token.has_newline_before)
			return NULL;
	}
	parser->script->diag.is_muted = true;
	if (!parse_type(parser, spec) || !parser_is(parser, ')')) {
		parser->script->diag.is_muted = false;
		*parser = start;
		return NULL;
	}
	parser->script->diag.is_muted = false;
	parser_advance(parser);
	if (!starts_operand(parser, is_surely_type)) {
		*parser = start;
		return NULL;
	}
	expr = parser_expr(parser, EXPR_CAST, from);
	if (!expr)
		return NULL;
	expr->spec = spec;
	operand_from = parser->token.place.from;
	expr->a = parse_unary(parser);
	if (expr->a)
		expr->a->text_from = operand_from;
	expr->place = parser_since(parser, from);
	return expr->a ? expr : NULL;
}

/* (a = 1, b = "x") */
static bool looks_like_record(const struct parser *parser)
{
	struct parser ahead = *parser;

	if (ahead.token.kind != TOKEN_NAME)
		return false;
	parser_advance(&ahead);
	return parser_is(&ahead, '=');
}

static struct expr *parse_record(struct parser *parser, uint32_t from)
{
	struct expr *tuple = parser_expr(parser, EXPR_TUPLE, from);
	struct expr **tail;

	if (!tuple)
		return NULL;
	tail = &tuple->args;
	do {
		uint32_t name_from = parser->token.place.from;
		const char *name = parser_name(parser);
		struct expr *value;

		if (!name || !parser_expect(parser, '=') || !(value = parse_expr(parser)))
			return NULL;
		/* the name of the element must not hide the name the value itself has */
		struct expr *element = parser_expr(parser, EXPR_BLOCK, value->place.from);

		if (!element)
			return NULL;
		element->a = value;
		element->place = value->place;
		element->name = name;
		for (const struct expr *other = tuple->args; other; other = other->next)
			if (!strcmp(other->name, name)) {
				element->place = parser_since(parser, name_from);
				diag_error(&parser->script->diag, element->place,
					   "syntax: Named argument list already contains name: %s",
					   name);
				parser->is_failed = true;
				return NULL;
			}
		*tail = element;
		tail = &element->next;
		tuple->arg_count++;
	} while (parser_take(parser, ','));
	if (!parser_expect(parser, ')'))
		return NULL;
	tuple->place = parser_since(parser, from);
	return tuple;
}

static struct expr *parse_parens(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct expr *first, *cast;

	parser_advance(parser);
	if (parser_take(parser, ')'))
		return parser_expr(parser, EXPR_TUPLE, from);
	if (looks_like_record(parser))
		return parse_record(parser, from);
	cast = parse_cast(parser, from);
	if (cast || parser->is_failed)
		return cast;
	first = parse_expr(parser);
	if (!first)
		return NULL;
	if (parser_is(parser, ',')) {
		struct expr *tuple = parser_expr(parser, EXPR_TUPLE, from);

		parser_advance(parser);
		if (!tuple || !parse_list(parser, ')', &first->next, &tuple->arg_count))
			return NULL;
		tuple->args = first;
		tuple->arg_count++;
		tuple->place = parser_since(parser, from);
		return tuple;
	}
	return parser_expect(parser, ')') ? first : NULL;
}

static struct expr *parse_if_expr(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct expr *expr = parser_expr(parser, EXPR_IF, from);

	parser_advance(parser);
	if (expr)
		expr->is_comptime = parser_is_word(parser, "comptime");
	if (!expr || !(expr->a = parse_expr(parser)) || !(expr->b = parse_block_expr(parser)))
		return NULL;
	if (parser_take_word(parser, "else")) {
		expr->c = parser_is_word(parser, "if") ? parse_if_expr(parser)
						       : parse_block_expr(parser);
		if (!expr->c)
			return NULL;
	}
	expr->place = parser_since(parser, from);
	return expr;
}

/* typeof(...) where a value is expected: a macro's argument that stands for a type. */
static struct expr *parse_type_argument(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct expr *expr = parser_expr(parser, EXPR_TYPE, from);

	if (!expr || !(expr->spec = parser_new(parser, sizeof(*expr->spec))) ||
	    !parse_type(parser, expr->spec))
		return NULL;
	expr->place = parser_since(parser, from);
	return expr;
}

static struct expr *parse_literal(struct parser *parser)
{
	static const enum expr_kind kinds[] = {[TOKEN_NUMBER] = EXPR_INT,
					       [TOKEN_STRING] = EXPR_STRING,
					       [TOKEN_POSITIONAL] = EXPR_POSITIONAL,
					       [TOKEN_PARAM_COUNT] = EXPR_PARAM_COUNT};
	struct token token = parser->token;
	struct expr *expr;

	parser_advance(parser);
	expr = parser_expr(parser, kinds[token.kind], token.place.from);
	if (expr) {
		expr->number = token.number;
		expr->arg_count = (uint32_t)token.number; /* positional: which one */
		expr->text = token.text;
	}
	return expr;
}

static struct expr *parse_primary(struct parser *parser)
{
	uint32_t from = parser->token.place.from;

	switch (parser->token.kind) {
	case TOKEN_NUMBER:
	case TOKEN_STRING:
	case TOKEN_POSITIONAL:
	case TOKEN_PARAM_COUNT: return parse_literal(parser);
	case TOKEN_VARIABLE: return parse_variable(parser);
	case TOKEN_MAP: return parse_map(parser);
	case TOKEN_NAME:
		if (parser_is_word(parser, "true") || parser_is_word(parser, "false")) {
			bool is_true = parser_is_word(parser, "true");
			struct expr *expr;

			parser_advance(parser);
			expr = parser_expr(parser, EXPR_BOOL, from);
			if (expr)
				expr->number = is_true;
			return expr;
		}
		if (parser_is_word(parser, "sizeof"))
			return parse_sizeof(parser, EXPR_SIZEOF);
		if (parser_is_word(parser, "offsetof"))
			return parse_sizeof(parser, EXPR_OFFSETOF);
		if (parser_is_word(parser, "container_of") && !macro_find(parser, "container_of"))
			return parse_container_of(parser);
		if (parser_is_word(parser, "typeof"))
			return parse_type_argument(parser);
		if (parser_is_word(parser, "if"))
			return parse_if_expr(parser);
		if (parser_take_word(parser, "comptime"))
			return parse_unary(parser);
		return parse_name(parser);
	case TOKEN_PUNCT:
		if (parser_is(parser, '('))
			return parse_parens(parser);
		if (parser_is(parser, '{'))
			return parse_block_expr(parser);
		break;
	default: break;
	}
	parser_fail(parser, "syntax: expected expression");
	return NULL;
}

static struct expr *parse_member(struct parser *parser, struct expr *base)
{
	struct expr *expr;

	parser_advance(parser);
	expr = parser_expr(parser, EXPR_FIELD, base->place.from);
	if (!expr)
		return NULL;
	expr->a = base;
	if (parser->token.kind == TOKEN_NUMBER) { /* a tuple's element: $t.1 */
		expr->name = keep(parser, parser->token.text);
		parser_advance(parser);
	} else {
		expr->name = parser_name(parser);
	}
	expr->place = (struct place){base->place.from, parser_since(parser, 0).to};
	return expr->name ? expr : NULL;
}

struct expr *parse_postfix(struct parser *parser, struct expr *base)
{
	while (base && !parser->is_failed) {
		uint32_t from = base->place.from;
		struct expr *expr;

		if (parser_is(parser, '.') || parser_is(parser, PUNCT2('-', '>'))) {
			base = parse_member(parser, base);
		} else if (parser_is(parser, '[')) {
			parser_advance(parser);
			expr = parser_expr(parser, EXPR_INDEX, from);
			if (!expr || !(expr->b = parse_expr(parser)) || !parser_expect(parser, ']'))
				return NULL;
			expr->a = base;
			expr->place = parser_since(parser, from);
			base = expr;
		} else if ((parser_is(parser, PUNCT2('+', '+')) ||
			    parser_is(parser, PUNCT2('-', '-'))) &&
			   (base->kind == EXPR_VARIABLE || base->kind == EXPR_MAP) &&
			   !parser->token.has_newline_before) {
			enum op op = parser_is(parser, PUNCT2('+', '+')) ? OP_ADD : OP_SUB;

			parser_advance(parser);
			expr = parser_expr(parser, EXPR_STEP, from);
			if (!expr)
				return NULL;
			expr->a = base;
			expr->op = op;
			expr->is_postfix = true;
			base = expr;
		} else {
			return base;
		}
	}
	return base;
}

struct expr *parse_unary(struct parser *parser)
{
	static const struct {
		uint32_t punct;
		enum op op;
		bool is_step;
	} ops[] = {{'!', OP_NOT, false},
		   {'~', OP_INVERT, false},
		   {'-', OP_NEGATE, false},
		   {'*', OP_DEREF, false},
		   {'&', OP_ADDRESS, false},
		   {PUNCT2('+', '+'), OP_ADD, true},
		   {PUNCT2('-', '-'), OP_SUB, true}};
	uint32_t from = parser->token.place.from;
	struct expr *expr;

	if (!parser_enter(parser))
		return NULL;
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		if (!parser_is(parser, ops[i].punct))
			continue;
		parser_advance(parser);
		expr = parser_expr(parser, ops[i].is_step ? EXPR_STEP : EXPR_UNARY, from);
		if (!expr || !(expr->a = parse_unary(parser)))
			return NULL;
		expr->op = ops[i].op;
		expr->place = parser_since(parser, from);
		if (ops[i].is_step && expr->a->kind != EXPR_VARIABLE && expr->a->kind != EXPR_MAP) {
			parser_fail(parser, "syntax: ++ and -- need a variable or a map");
			return NULL;
		}
		parser_leave(parser);
		return expr;
	}
	expr = parse_primary(parser);
	expr = expr ? parse_postfix(parser, expr) : NULL;
	parser_leave(parser);
	return expr;
}

static const struct {
	uint32_t punct;
	enum op op;
	int precedence;
} binary_ops[] = {
	{PUNCT2('|', '|'), OP_LOGIC_OR, 1},
	{PUNCT2('&', '&'), OP_LOGIC_AND, 2},
	{'|', OP_OR, 3},
	{'^', OP_XOR, 4},
	{'&', OP_AND, 5},
	{PUNCT2('=', '='), OP_EQ, 6},
	{PUNCT2('!', '='), OP_NE, 6},
	{'<', OP_LT, 7},
	{'>', OP_GT, 7},
	{PUNCT2('<', '='), OP_LE, 7},
	{PUNCT2('>', '='), OP_GE, 7},
	{PUNCT2('<', '<'), OP_SHL, 8},
	{PUNCT2('>', '>'), OP_SHR, 8},
	{'+', OP_ADD, 9},
	{'-', OP_SUB, 9},
	{'*', OP_MUL, 10},
	{'/', OP_DIV, 10},
	{'%', OP_MOD, 10},
};

const char *op_text(enum op op)
{
	static const char *const texts[] = {
		[OP_NONE] = "",    [OP_ADD] = "+",        [OP_SUB] = "-",       [OP_MUL] = "*",
		[OP_DIV] = "/",    [OP_MOD] = "%",        [OP_AND] = "&",       [OP_OR] = "|",
		[OP_XOR] = "^",    [OP_SHL] = "<<",       [OP_SHR] = ">>",      [OP_EQ] = "==",
		[OP_NE] = "!=",    [OP_LT] = "<",         [OP_GT] = ">",        [OP_LE] = "<=",
		[OP_GE] = ">=",    [OP_LOGIC_AND] = "&&", [OP_LOGIC_OR] = "||", [OP_NOT] = "!",
		[OP_INVERT] = "~", [OP_NEGATE] = "-",     [OP_DEREF] = "*",     [OP_ADDRESS] = "&",
	};

	return texts[op];
}

/* A predicate ends with '/': what follows tells it from a division. */
static bool ends_predicate(const struct parser *parser)
{
	struct parser ahead = *parser;

	if (!parser_is(parser, '/'))
		return false;
	parser_advance(&ahead);
	if (!parser_is(&ahead, '{'))
		return false;
	/* "a / { 1 }" divides by a block only where no predicate can end: never in practice */
	return true;
}

static struct expr *parse_climbing(struct parser *parser, struct expr *left, int min)
{
	while (left && !parser->is_failed && parser->token.kind == TOKEN_PUNCT) {
		struct expr *right, *expr;
		size_t i;

		for (i = 0; i < sizeof(binary_ops) / sizeof(*binary_ops); i++)
			if (parser_is(parser, binary_ops[i].punct))
				break;
		if (i == sizeof(binary_ops) / sizeof(*binary_ops) ||
		    binary_ops[i].precedence < min || ends_predicate(parser))
			break;
		parser_advance(parser);
		right = parse_unary(parser);
		right = right ? parse_climbing(parser, right, binary_ops[i].precedence + 1) : NULL;
		expr = right ? parser_expr(parser, EXPR_BINARY, left->place.from) : NULL;
		if (!expr)
			return NULL;
		expr->op = binary_ops[i].op;
		expr->a = left;
		expr->b = right;
		expr->place = place_join(left->place, right->place);
		left = expr;
	}
	return left;
}

struct expr *parse_binary_rest(struct parser *parser, struct expr *left)
{
	uint32_t from = left ? left->place.from : 0;
	struct expr *condition = left ? parse_climbing(parser, left, 1) : NULL;
	struct expr *expr;

	if (!condition || !parser_is(parser, '?'))
		return condition;
	parser_advance(parser);
	expr = parser_expr(parser, EXPR_TERNARY, from);
	if (!expr)
		return NULL;
	expr->a = condition;
	if (!parser_is(parser, ':') && !(expr->b = parse_expr(parser)))
		return NULL;
	if (!parser_expect(parser, ':') || !(expr->c = parse_expr(parser)))
		return NULL;
	expr->place = place_join(condition->place, expr->c->place);
	return expr;
}

struct expr *parse_expr(struct parser *parser)
{
	uint32_t start = parser->token.place.from;
	struct expr *expr;

	if (!parser_enter(parser))
		return NULL;
	expr = parse_unary(parser);
	expr = parse_binary_rest(parser, expr);
	parser_leave(parser);
	/* where its text begins, brackets included: a macro's argument is parsed again from there */
	if (expr)
		expr->text_from = start;
	return parser->is_failed ? NULL : expr;
}
