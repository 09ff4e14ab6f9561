// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse - a script's frame: preamble, macros, attach points; and the statements of bodies.
 *
 * Bodies are skipped first (brackets are counted) and parsed later by script_parse_body, when all
 * macros are known, once for every attach point that needs types of its own.
 */
#include "trace/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void parser_start(struct parser *parser, struct script *script, uint32_t at)
{
	*parser = (struct parser){.script = script,
				  .lexer = {.text = script->text,
					    .at = at,
					    .diag = &script->diag,
					    .arena = &script->arena}};
	parser->end_of_last = at;
	parser->token = lex_next(&parser->lexer);
	parser->is_failed = parser->token.kind == TOKEN_BAD;
}

void parser_advance(struct parser *parser)
{
	parser->end_of_last = parser->token.place.to;
	parser->token = lex_next(&parser->lexer);
	if (parser->token.kind == TOKEN_BAD)
		parser->is_failed = true;
}

bool parser_is(const struct parser *parser, uint32_t punct)
{
	return parser->token.kind == TOKEN_PUNCT && parser->token.punct == punct;
}

bool parser_take(struct parser *parser, uint32_t punct)
{
	if (!parser_is(parser, punct))
		return false;
	parser_advance(parser);
	return true;
}

bool parser_is_word(const struct parser *parser, const char *word)
{
	return parser->token.kind == TOKEN_NAME && span_is(parser->token.text, word);
}

bool parser_take_word(struct parser *parser, const char *word)
{
	if (!parser_is_word(parser, word))
		return false;
	parser_advance(parser);
	return true;
}

void parser_fail(struct parser *parser, const char *text)
{
	if (parser->is_failed)
		return;
	parser->is_failed = true;
	diag_error(&parser->script->diag,
		   parser->fixed_place ? *parser->fixed_place : parser->token.place, "%s", text);
}

bool parser_expect(struct parser *parser, uint32_t punct)
{
	char text[64];

	if (parser_take(parser, punct))
		return true;
	snprintf(text, sizeof(text), "syntax: expected '%c%c%c'", (char)(punct & 0xff),
		 punct >> 8 ? (char)(punct >> 8) : '\'', punct >> 8 ? '\'' : 0);
	text[strcspn(text, "'") + (punct >> 8 ? 4 : 3)] = 0;
	parser_fail(parser, text);
	return false;
}

bool parser_enter(struct parser *parser)
{
	if (++parser->nesting <= NESTING_MAX)
		return !parser->is_failed;
	parser_fail(parser, "syntax: nested too deeply");
	return false;
}

void parser_leave(struct parser *parser)
{
	parser->nesting--;
}

const char *parser_name(struct parser *parser)
{
	const char *name;

	if (parser->token.kind != TOKEN_NAME) {
		parser_fail(parser, "syntax: expected identifier");
		return NULL;
	}
	name = arena_str(&parser->script->arena, parser->token.text);
	parser_advance(parser);
	if (!name)
		parser_fail(parser, "out of memory");
	return name;
}

void *parser_new(struct parser *parser, size_t bytes)
{
	void *new = arena_new(&parser->script->arena, bytes);

	if (!new)
		parser_fail(parser, "out of memory");
	return new;
}

struct place parser_since(const struct parser *parser, uint32_t from)
{
	if (parser->fixed_place)
		return *parser->fixed_place;
	return (struct place){from, parser->end_of_last > from ? parser->end_of_last : from};
}

static struct stmt *new_stmt(struct parser *parser, enum stmt_kind kind, uint32_t from)
{
	struct stmt *stmt = parser_new(parser, sizeof(*stmt));

	if (stmt) {
		stmt->kind = kind;
		stmt->place = parser_since(parser, from);
	}
	return stmt;
}

static bool take_assignment(struct parser *parser, enum op *ret_op)
{
	static const struct {
		uint32_t punct;
		enum op op;
	} ops[] = {{'=', OP_NONE},
		   {PUNCT2('+', '='), OP_ADD},
		   {PUNCT2('-', '='), OP_SUB},
		   {PUNCT2('*', '='), OP_MUL},
		   {PUNCT2('/', '='), OP_DIV},
		   {PUNCT2('%', '='), OP_MOD},
		   {PUNCT2('&', '='), OP_AND},
		   {PUNCT2('|', '='), OP_OR},
		   {PUNCT2('^', '='), OP_XOR},
		   {PUNCT3('<', '<', '='), OP_SHL},
		   {PUNCT3('>', '>', '='), OP_SHR}};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (parser_take(parser, ops[i].punct)) {
			*ret_op = ops[i].op;
			return true;
		}
	return false;
}

static struct stmt *parse_let(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct stmt *stmt;

	parser_advance(parser);
	if (parser->token.kind != TOKEN_VARIABLE) {
		parser_fail(parser, "syntax: expected variable after 'let'");
		return NULL;
	}
	stmt = new_stmt(parser, STMT_LET, from);
	if (!stmt || !(stmt->target = parse_variable(parser)))
		return NULL;
	if (parser_take(parser, ':')) {
		stmt->spec = parser_new(parser, sizeof(*stmt->spec));
		if (!stmt->spec || !parse_type(parser, stmt->spec))
			return NULL;
	}
	if (parser_take(parser, '=') && !(stmt->value = parse_expr(parser)))
		return NULL;
	stmt->place = parser_since(parser, from);
	return stmt;
}

static struct stmt *parse_if(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct stmt *stmt = new_stmt(parser, STMT_IF, from);

	parser_advance(parser);
	if (stmt)
		stmt->is_comptime = parser_is_word(parser, "comptime");
	if (!parser_enter(parser) || !stmt || !(stmt->value = parse_expr(parser)))
		return NULL;
	stmt->body = parse_block(parser);
	if (parser_take_word(parser, "else")) {
		if (parser_is_word(parser, "if"))
			stmt->otherwise = parse_if(parser);
		else if (parser_is(parser, '{'))
			stmt->otherwise = parse_block(parser);
		else
			parser_fail(parser, "syntax: expected '{' or 'if' after 'else'");
	}
	stmt->place = parser_since(parser, from);
	parser_leave(parser);
	return stmt;
}

static struct stmt *parse_while(struct parser *parser, enum stmt_kind kind)
{
	uint32_t from = parser->token.place.from;
	struct stmt *stmt = new_stmt(parser, kind, from);

	parser_advance(parser);
	if (!stmt || !(stmt->value = parse_expr(parser)))
		return NULL;
	stmt->body = parse_block(parser);
	stmt->place = parser_since(parser, from);
	return stmt;
}

/* for ($x : a..b) { }, for ($kv : @map) { }; the brackets may be left out. */
static struct stmt *parse_for(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct stmt *stmt = new_stmt(parser, STMT_FOR_RANGE, from);
	bool has_parens;

	parser_advance(parser);
	has_parens = parser_take(parser, '(');
	if (parser->token.kind != TOKEN_VARIABLE) {
		parser_fail(parser, "syntax: expected variable in for loop");
		return NULL;
	}
	if (!stmt || !(stmt->target = parse_variable(parser)) || !parser_expect(parser, ':'))
		return NULL;
	if (!(stmt->value = parse_unary(parser)))
		return NULL;
	if (parser_take(parser, PUNCT2('.', '.'))) {
		if (!(stmt->end = parse_unary(parser)))
			return NULL;
	} else if (stmt->value->kind == EXPR_MAP && !stmt->value->args) {
		stmt->kind = STMT_FOR_MAP;
	} else {
		parser_fail(parser, "syntax: expected map or range in for loop");
		return NULL;
	}
	stmt->place = parser_since(parser, from);
	if (has_parens && !parser_expect(parser, ')'))
		return NULL;
	stmt->body = parse_block(parser);
	return stmt;
}

static struct stmt *parse_jump(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	enum stmt_kind kind = parser_is_word(parser, "break")      ? STMT_BREAK
			      : parser_is_word(parser, "continue") ? STMT_CONTINUE
								   : STMT_RETURN;
	struct stmt *stmt;

	parser_advance(parser);
	stmt = new_stmt(parser, kind, from);
	if (stmt && kind == STMT_RETURN && !parser_is(parser, ';') && !parser_is(parser, '}'))
		stmt->value = parse_expr(parser);
	if (stmt)
		stmt->place = parser_since(parser, from);
	return stmt;
}

/* An assignment, or an expression that may turn out to be the block's value. */
static struct stmt *parse_simple(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct stmt *stmt = new_stmt(parser, STMT_EXPR, from);
	uint32_t op_from;
	struct expr *expr;

	if (!stmt)
		return NULL;
	if (parser->token.kind == TOKEN_NAME && span_is(parser->token.text, "_")) {
		parser_advance(parser);
		if (!parser_expect(parser, '=') || !(stmt->value = parse_expr(parser)))
			return NULL;
		stmt->place = parser_since(parser, from);
		return stmt;
	}
	expr = parse_unary(parser);
	op_from = parser->token.place.from;
	if (expr && (expr->kind == EXPR_VARIABLE || expr->kind == EXPR_MAP) &&
	    take_assignment(parser, &stmt->op)) {
		stmt->kind = STMT_ASSIGN;
		stmt->target = expr;
		expr = parse_expr(parser);
	} else if (expr && (expr->kind == EXPR_FIELD || expr->kind == EXPR_INDEX) &&
		   take_assignment(parser, &stmt->op)) {
		parse_expr(parser);
		if (!parser->is_failed)
			diag_error(&parser->script->diag, parser_since(parser, from), "%s",
				   expr->kind == EXPR_INDEX
					   ? "syntax: invalid assignment target"
					   : "syntax: Tuples and records are immutable once "
					     "created. Consider creating a new value and "
					     "assigning it instead.");
		parser->is_failed = true;
		return NULL;
	} else {
		expr = parse_binary_rest(parser, expr);
		if (expr)
			expr->is_discarded = true;
	}
	stmt->value = expr;
	stmt->place = parser_since(parser, from);
	stmt->op_place = parser_since(parser, op_from);
	return expr ? stmt : NULL;
}

static struct stmt *parse_stmt(struct parser *parser, bool *ret_is_block)
{
	*ret_is_block = true;
	if (parser_is_word(parser, "if"))
		return parse_if(parser);
	if (parser_is_word(parser, "while"))
		return parse_while(parser, STMT_WHILE);
	if (parser_is_word(parser, "unroll"))
		return parse_while(parser, STMT_UNROLL);
	if (parser_is_word(parser, "for"))
		return parse_for(parser);
	*ret_is_block = false;
	if (parser_is_word(parser, "break") || parser_is_word(parser, "continue") ||
	    parser_is_word(parser, "return"))
		return parse_jump(parser);
	if (parser_is_word(parser, "let"))
		return parse_let(parser);
	return parse_simple(parser);
}

struct stmt *parse_stmts(struct parser *parser, struct expr **ret_value, bool wants_value)
{
	struct stmt *first = NULL, **tail = &first;

	while (!parser->is_failed && parser->token.kind != TOKEN_END && !parser_is(parser, '}')) {
		struct stmt *stmt;
		bool is_block;

		if (parser_take(parser, ';'))
			continue;
		struct parser start = *parser;

		stmt = parse_stmt(parser, &is_block);
		if (!stmt || parser->is_failed)
			return first;
		/* a block as a statement needs no semicolon */
		is_block |= stmt->kind == STMT_EXPR && (stmt->value->kind == EXPR_BLOCK);
		if (parser_is(parser, '}') && stmt->kind == STMT_EXPR && ret_value) {
			*ret_value = stmt->value;
			return first;
		}
		if (parser_is(parser, '}') && stmt->kind == STMT_IF && wants_value) {
			*parser = start;
			*ret_value = parse_expr(parser);
			return first;
		}
		*tail = stmt;
		tail = &stmt->next;
		if (!is_block && !parser_take(parser, ';') && !parser_is(parser, '}'))
			parser_fail(parser, "syntax: expected ';'");
	}
	return first;
}

struct stmt *parse_block(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct stmt *block, *last;
	struct expr *value = NULL;

	if (!parser_enter(parser) || !parser_expect(parser, '{'))
		return NULL;
	block = new_stmt(parser, STMT_BLOCK, from);
	if (!block)
		return NULL;
	block->body = parse_stmts(parser, &value, false);
	if (value && (last = new_stmt(parser, STMT_EXPR, value->place.from))) {
		struct stmt **tail = &block->body;

		while (*tail)
			tail = &(*tail)->next;
		last->value = value;
		last->place = value->place;
		value->is_discarded = true;
		*tail = last;
	}
	parser_expect(parser, '}');
	block->place = parser_since(parser, from);
	parser_leave(parser);
	return block;
}

struct body *script_parse_body(struct script *script, uint32_t body_from)
{
	struct parser parser;
	struct body *body;
	struct stmt *block;

	parser_start(&parser, script, body_from);
	body = parser_new(&parser, sizeof(*body));
	if (!body)
		return NULL;
	if (parser_take(&parser, '/')) {
		body->predicate = parse_expr(&parser);
		if (!body->predicate || !parser_expect(&parser, '/'))
			return NULL;
	}
	block = parse_block(&parser);
	if (!block || parser.is_failed)
		return NULL;
	body->stmts = block;
	for (struct action *action = script->actions; action; action = action->next)
		if (action->body_from == body_from)
			action->is_per_probe |= parser.uses_probe;
	return body;
}

/* From '{' to behind its '}'. Strings and comments are the lexer's business. */
static bool skip_braces(struct parser *parser)
{
	uint32_t depth = 0;

	if (!parser_is(parser, '{')) {
		parser_fail(parser, "syntax: expected '{'");
		return false;
	}
	do {
		if (parser->token.kind == TOKEN_END || parser->token.kind == TOKEN_BAD)
			return false;
		depth += parser_is(parser, '{');
		depth -= parser_is(parser, '}');
		parser_advance(parser);
	} while (depth);
	return true;
}

/* A predicate is skipped up to the '{' of the action. */
static bool skip_predicate(struct parser *parser)
{
	if (!parser_is(parser, '/'))
		return true;
	for (parser_advance(parser); parser->token.kind != TOKEN_END; parser_advance(parser)) {
		if (parser->token.kind == TOKEN_BAD)
			return false;
		if (parser_is(parser, '/')) {
			struct parser ahead = *parser;

			parser_advance(&ahead);
			if (parser_is(&ahead, '{')) {
				parser_advance(parser);
				return true;
			}
		}
	}
	parser_fail(parser, "syntax: expected '/'");
	return false;
}

/* Puts $1 into probe text: the parameter as it was given. */
static const char *fill_in_params(struct parser *parser, struct span text)
{
	const struct script_options *options = parser->script->options;
	struct buf out;
	const char *copy;

	buf_init(&out, 4096);
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '$' && i + 1 < text.len && text.at[i + 1] > '0' &&
		    text.at[i + 1] <= '9') {
			uint32_t n = 0;

			for (i++; i < text.len && text.at[i] >= '0' && text.at[i] <= '9'; i++)
				n = n < PARAMS_MAX ? n * 10 + text.at[i] - '0' : n;
			i--;
			if (n <= options->param_count)
				buf_str(&out, options->params[n - 1]);
			continue;
		}
		if (text.at[i] != '"')
			buf_char(&out, (char)text.at[i]);
	}
	copy = arena_str(&parser->script->arena, buf_as_span(&out));
	buf_done(&out);
	return copy;
}

static bool parse_specs(struct parser *parser, struct action *action)
{
	struct probe_spec **tail = &action->specs;

	parser->lexer.at = parser->token.place.from;
	do {
		struct probe_spec *spec = parser_new(parser, sizeof(*spec));
		struct span text;
		const uint8_t *equals;

		if (!spec)
			return false;
		text = lex_probe(&parser->lexer, &spec->place);
		if (!text.len) {
			parser->token = lex_next(&parser->lexer);
			parser_fail(parser, action->specs ? "syntax: expected attach point"
							  : "syntax: expected probe");
			return false;
		}
		/* "name=probe:..." : the name is for later */
		equals = memchr(text.at, '=', text.len);
		if (equals && !memchr(text.at, ':', (size_t)(equals - text.at)))
			text = span_from(text, (size_t)(equals - text.at) + 1);
		spec->text = fill_in_params(parser, text);
		*tail = spec;
		tail = &spec->next;
		lex_skip_blanks(&parser->lexer);
	} while (parser->lexer.at < parser->lexer.text.len &&
		 parser->lexer.text.at[parser->lexer.at] == ',' && ++parser->lexer.at);
	parser->end_of_last = parser->lexer.at;
	parser->token = lex_next(&parser->lexer);
	return true;
}

static void parse_action(struct parser *parser)
{
	struct script *script = parser->script;
	struct action *action = parser_new(parser, sizeof(*action));

	if (!action || !parse_specs(parser, action))
		return;
	action->body_from = parser->token.place.from;
	action->place = action->specs->place;
	/* an unfinished body is kept: parsing it says what is missing, and where */
	if (skip_predicate(parser) && !skip_braces(parser) && parser->is_failed)
		return;
	if (script->last_action)
		script->last_action->next = action;
	else
		script->actions = action;
	script->last_action = action;
}

static void parse_config(struct parser *parser)
{
	struct setting **tail = &parser->script->settings;

	parser_advance(parser);
	if (!parser_expect(parser, '=') || !parser_expect(parser, '{'))
		return;
	while (*tail)
		tail = &(*tail)->next;
	while (!parser->is_failed && !parser_is(parser, '}')) {
		struct setting *setting = parser_new(parser, sizeof(*setting));

		if (!setting)
			return;
		setting->place = parser->token.place;
		setting->name = parser_name(parser);
		if (!setting->name || !parser_expect(parser, '='))
			return;
		setting->is_string = parser->token.kind == TOKEN_STRING;
		if (parser->token.kind != TOKEN_STRING && parser->token.kind != TOKEN_NUMBER &&
		    parser->token.kind != TOKEN_NAME) {
			parser_fail(parser, "syntax: expected value");
			return;
		}
		setting->value = arena_str(&parser->script->arena, parser->token.text);
		setting->place.to = parser->token.place.to;
		parser_advance(parser);
		*tail = setting;
		tail = &setting->next;
		if (!parser_take(parser, ';') && !parser_is(parser, '}'))
			parser_fail(parser, "syntax: expected ';'");
	}
	parser_expect(parser, '}');
}

static bool is_map_kind(const char *name)
{
	static const char *const kinds[] = {"hash", "lruhash", "percpuhash", "percpulruhash"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i], name))
			return true;
	return false;
}

/* let @a = lruhash(100); */
static void parse_map_declaration(struct parser *parser)
{
	uint32_t from = parser->token.place.from;
	struct map_decl *map;
	struct span name;

	parser_advance(parser);
	if (parser->token.kind != TOKEN_MAP) {
		parser_fail(parser, "syntax: expected map");
		return;
	}
	name = (struct span){parser->token.text.at - 1, parser->token.text.len + 1};
	map = script_map(parser->script, arena_str(&parser->script->arena, name),
			 parser->token.place);
	parser_advance(parser);
	if (!map || !parser_expect(parser, '='))
		return;
	map->declared_as = parser_name(parser);
	if (!map->declared_as || !parser_expect(parser, '('))
		return;
	if (parser->token.kind != TOKEN_NUMBER || parser->token.number > UINT32_MAX) {
		parser->token.place.to = parser->token.place.from + 1;
		parser_fail(parser,
			    "syntax: expected positive integer for map declaration max entries");
		return;
	}
	map->max_entries = (uint32_t)parser->token.number;
	parser_advance(parser);
	parser_expect(parser, ')');
	parser_take(parser, ';');
	map->place = parser_since(parser, from);
	if (!is_map_kind(map->declared_as)) {
		diag_error(&parser->script->diag, map->place, "Invalid bpf map type: %s",
			   map->declared_as);
		diag_hint(&parser->script->diag,
			  "Valid map types: percpulruhash, percpuhash, lruhash, hash");
	}
}

/* Macros of one name may differ in how many parameters they take, and in which of them are variables. */
static bool macros_are_alike(const struct macro *a, const struct macro *b)
{
	const struct expr *x = a->params, *y = b->params;

	for (; x && y; x = x->next, y = y->next)
		if ((x->kind == EXPR_VARIABLE) != (y->kind == EXPR_VARIABLE))
			return false;
	return !x && !y;
}

static void parse_macro(struct parser *parser)
{
	struct macro *macro = parser_new(parser, sizeof(*macro));
	uint32_t from = parser->token.place.from, name_to;
	struct expr **tail;

	parser_advance(parser);
	if (!macro || !(macro->name = parser_name(parser)))
		return;
	name_to = parser->end_of_last;
	if (!parser_expect(parser, '('))
		return;
	macro->place = (struct place){from, name_to};
	tail = &macro->params;
	while (!parser->is_failed && !parser_is(parser, ')')) {
		struct expr *param = parser_new(parser, sizeof(*param));

		if (!param)
			return;
		param->kind = parser->token.kind == TOKEN_VARIABLE ? EXPR_VARIABLE
			      : parser->token.kind == TOKEN_MAP    ? EXPR_MAP
								   : EXPR_NAME;
		if (param->kind == EXPR_NAME && parser->token.kind != TOKEN_NAME) {
			parser_fail(parser, "syntax: expected macro parameter");
			return;
		}
		param->name = arena_str(&parser->script->arena, parser->token.text);
		param->place = parser->token.place;
		for (const struct expr *other = macro->params; other; other = other->next)
			if (param->name && other->kind == param->kind &&
			    !strcmp(other->name, param->name))
				diag_error(&parser->script->diag, param->place,
					   "Ident for macro argument has already been used: %s",
					   param->name);
		parser_advance(parser);
		*tail = param;
		tail = &param->next;
		macro->param_count++;
		if (!parser_take(parser, ','))
			break;
	}
	if (!parser_expect(parser, ')'))
		return;
	for (const struct macro *other = parser->script->macros; other; other = other->next)
		if (!strcmp(other->name, macro->name) && macros_are_alike(other, macro)) {
			diag_error(&parser->script->diag, macro->place, "Redefinition of macro: %s",
				   macro->name);
			diag_error(&parser->script->diag, other->place,
				   "This is the original definition.");
		}
	macro->body_from = parser->token.place.from;
	macro->next = parser->script->macros;
	parser->script->macros = macro;
	skip_braces(parser);
}

static bool is_at_config(const struct parser *parser)
{
	struct parser ahead = *parser;

	if (!parser_is_word(parser, "config"))
		return false;
	parser_advance(&ahead);
	return parser_is(&ahead, '=');
}

/* A probe may be called so: "import:..." is none. */
static bool is_at_import(const struct parser *parser)
{
	struct parser ahead = *parser;

	if (!parser_is_word(parser, "import"))
		return false;
	parser_advance(&ahead);
	return !parser_is(&ahead, ':');
}

void parse_text(struct script *script, uint32_t from, uint32_t to)
{
	struct parser parser;

	parser_start(&parser, script, from);
	/* behind it may stand the text of other files */
	parser.lexer.text.len = to;
	if (parser.token.place.from >= to)
		return;
	while (!parser.is_failed && parser.token.kind != TOKEN_END) {
		if (parser_take(&parser, ';'))
			continue;
		if (is_at_config(&parser))
			parse_config(&parser);
		else if (parser_is_word(&parser, "let"))
			parse_map_declaration(&parser);
		else if (parser_is_word(&parser, "macro"))
			parse_macro(&parser);
		else if (is_at_import(&parser))
			parse_import(&parser);
		else if (!parse_c_definition(&parser))
			parse_action(&parser);
	}
}

int script_parse(struct script *script)
{
	uint32_t to = (uint32_t)script->text.len;

	import_headers(script);
	parse_text(script, 0, to);
	if (!script->diag.errors)
		config_apply(script);
	/* macros that are never used are not looked into; bodies are, even if nothing matches */
	for (struct action *action = script->actions; action; action = action->next)
		script_parse_body(script, action->body_from);
	if (!script->actions && !script->diag.errors)
		return -EINVAL; /* the caller says it */
	return script->diag.errors ? -EINVAL : 0;
}
