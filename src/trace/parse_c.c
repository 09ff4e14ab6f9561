// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse_c - the C that scripts may hold: types, definitions of structs, unions, enums and typedefs,
 * and preprocessor lines.
 *
 * There is no C compiler behind this. #include is read over (the kernel's types come from BTF, and
 * the constants that scripts take from system headers are known, see constants.c); #define knows
 * names without parameters; #if knows 0, 1, defined(X).
 */
#include "trace/parse.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *integer_words(struct parser *parser)
{
	/* "unsigned long long int" and its kin */
	uint32_t longs = 0;
	bool is_unsigned = false, is_char = false, is_short = false, any = false;

	for (;; any = true) {
		if (parser_take_word(parser, "unsigned"))
			is_unsigned = true;
		else if (parser_take_word(parser, "long"))
			longs++;
		else if (parser_take_word(parser, "char"))
			is_char = true;
		else if (parser_take_word(parser, "short"))
			is_short = true;
		else if (!parser_take_word(parser, "int") && !parser_take_word(parser, "signed") &&
			 !(any && parser_take_word(parser, "const")))
			break;
	}
	if (!any)
		return NULL;
	if (is_char)
		return is_unsigned ? "uint8" : "int8";
	if (is_short)
		return is_unsigned ? "uint16" : "int16";
	if (longs)
		return is_unsigned ? "uint64" : "int64";
	return is_unsigned ? "uint32" : "int32";
}

static bool parse_bracket_count(struct parser *parser, uint32_t *ret_count)
{
	*ret_count = 0;
	if (parser->token.kind == TOKEN_NUMBER) {
		if (parser->token.number > 1 << 20) {
			parser_fail(parser, "syntax: array is too large");
			return false;
		}
		*ret_count = (uint32_t)parser->token.number;
		parser_advance(parser);
	} else if (parser->token.kind == TOKEN_NAME) {
		struct expr *expr = parse_expr(parser); /* a #define, most likely */

		if (!expr)
			return false;
		if (expr->kind != EXPR_INT || expr->number > 1 << 20) {
			parser_fail(parser, "syntax: expected integer");
			return false;
		}
		*ret_count = (uint32_t)expr->number;
	}
	return parser_expect(parser, ']');
}

static bool parse_typeof(struct parser *parser, struct type_spec *spec)
{
	if (!parser_expect(parser, '('))
		return false;
	if (parse_looks_like_type(parser))
		return parse_type(parser, spec) && parser_expect(parser, ')');
	spec->of_expr = parse_expr(parser);
	return spec->of_expr && parser_expect(parser, ')');
}

/* Constants of C: numbers, names of enumerators before, and what C's operators make of them. */
static bool parse_constant(struct parser *parser, int64_t *ret_value);

static bool parse_constant_unary(struct parser *parser, int64_t *ret_value)
{
	struct c_enumerator *e = parser->script->enumerators;

	if (parser_take(parser, '-') || parser_take(parser, '~')) {
		bool is_negation = parser->lexer.text.at[parser->end_of_last - 1] == '-';

		if (!parse_constant_unary(parser, ret_value))
			return false;
		*ret_value = is_negation ? (int64_t)(0 - (uint64_t)*ret_value) : ~*ret_value;
		return true;
	}
	if (parser_take(parser, '('))
		return parser_enter(parser) && parse_constant(parser, ret_value) &&
		       (parser_leave(parser), parser_expect(parser, ')'));
	if (parser->token.kind == TOKEN_NUMBER) {
		*ret_value = (int64_t)parser->token.number;
		parser_advance(parser);
		return true;
	}
	while (e && parser->token.kind == TOKEN_NAME && !span_is(parser->token.text, e->name))
		e = e->next;
	if (!e || parser->token.kind != TOKEN_NAME) {
		parser_fail(parser, "syntax: expected integer");
		return false;
	}
	*ret_value = e->value;
	parser_advance(parser);
	return true;
}

/* From left to right, without precedence: what enums hold is "1 << 4" and "A | B". */
static bool parse_constant(struct parser *parser, int64_t *ret_value)
{
	static const uint32_t operators[] = {
		PUNCT2('<', '<'), PUNCT2('>', '>'), '|', '&', '+', '-', '*'};
	int64_t right;

	if (!parse_constant_unary(parser, ret_value))
		return false;
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		uint64_t left = (uint64_t)*ret_value;

		if (!parser_take(parser, operators[i]))
			continue;
		if (!parse_constant_unary(parser, &right))
			return false;
		*ret_value = (int64_t)(i == 0   ? left << (right & 63)
				       : i == 1 ? left >> (right & 63)
				       : i == 2 ? left | (uint64_t)right
				       : i == 3 ? left & (uint64_t)right
				       : i == 4 ? left + (uint64_t)right
				       : i == 5 ? left - (uint64_t)right
						: left * (uint64_t)right);
		i = (size_t)-1; /* and on, from what has come of it */
	}
	return true;
}

static bool parse_enumerators(struct parser *parser, const char *name)
{
	struct script *script = parser->script;
	int64_t value = 0;

	if (!parser_expect(parser, '{'))
		return false;
	while (!parser->is_failed && !parser_is(parser, '}')) {
		struct c_enumerator *one = parser_new(parser, sizeof(*one));

		if (!one || !(one->name = parser_name(parser)) ||
		    (parser_take(parser, '=') && !parse_constant(parser, &value)))
			return false;
		one->value = value;
		value = (int64_t)((uint64_t)value + 1);
		one->enum_name = name;
		one->next = script->enumerators;
		script->enumerators = one;
		if (!parser_take(parser, ','))
			break;
	}
	return parser_expect(parser, '}');
}

static bool parse_tagged(struct parser *parser, struct type_spec *spec)
{
	bool is_union = parser_is_word(parser, "union");

	spec->tag = parser_is_word(parser, "enum") ? TAG_ENUM : is_union ? TAG_UNION : TAG_STRUCT;
	parser_advance(parser);
	if (parser->token.kind == TOKEN_NAME)
		spec->name = parser_name(parser);
	if (parser_is(parser, '{') && spec->tag == TAG_ENUM) {
		if (!spec->name)
			spec->name = "";
		return parse_enumerators(parser, spec->name);
	}
	if (parser_is(parser, '{') && spec->tag != TAG_ENUM) {
		spec->record = parse_c_record(parser, spec->name, is_union);
		return spec->record;
	}
	if (!spec->name)
		parser_fail(parser, "syntax: expected identifier");
	return spec->name;
}

/* The name, without stars and brackets. */
static bool parse_base_type(struct parser *parser, struct type_spec *spec)
{
	const struct type_spec *argument = NULL;

	while (parser_take_word(parser, "const") || parser_take_word(parser, "volatile"))
		;
	if (parser->token.kind == TOKEN_NAME)
		argument = macro_type(parser, parser->token.text);
	if (argument) {
		*spec = *argument;
		parser_advance(parser);
		return true;
	}
	if (parser_take_word(parser, "typeof"))
		return parse_typeof(parser, spec);
	if (parser_is_word(parser, "struct") || parser_is_word(parser, "union") ||
	    parser_is_word(parser, "enum"))
		return parse_tagged(parser, spec);
	spec->name = integer_words(parser);
	if (!spec->name)
		spec->name = parser_name(parser);
	while (parser_take_word(parser, "const") || parser_take_word(parser, "volatile"))
		;
	return spec->name;
}

bool parse_type(struct parser *parser, struct type_spec *spec)
{
	uint32_t from = parser->token.place.from;

	if (!parse_base_type(parser, spec))
		return false;
	if (spec->name && (!strcmp(spec->name, "string") || !strcmp(spec->name, "buffer") ||
			   !strcmp(spec->name, "inet"))) {
		if (parser_take(parser, '[') && !parse_bracket_count(parser, &spec->size))
			return false;
	}
	while (parser_take(parser, '*'))
		spec->pointers++;
	if (parser_take(parser, '[')) {
		spec->is_array = true;
		if (!parse_bracket_count(parser, &spec->array_count))
			return false;
	}
	spec->place = parser_since(parser, from);
	return !parser->is_failed;
}

/* One name of "int a, *b, c[3], d : 4;". */
static bool parse_declarator(struct parser *parser, const struct type_spec *base,
			     struct c_field ***tail)
{
	struct c_field *field = parser_new(parser, sizeof(*field));

	if (!field)
		return false;
	field->spec = *base;
	field->place = parser->token.place;
	if (parser_take(parser, '(')) { /* a pointer to a function: "int (*call)(void)" */
		uint32_t depth = 1;

		parser_take(parser, '*');
		field->name = parser_name(parser);
		field->spec = (struct type_spec){.name = "void", .pointers = 1};
		while (!parser->is_failed && parser->token.kind != TOKEN_END &&
		       !(depth == 0 && !parser_is(parser, '('))) {
			depth += parser_is(parser, '(');
			depth -= parser_is(parser, ')');
			parser_advance(parser);
		}
	} else {
		while (parser_take(parser, '*'))
			field->spec.pointers++;
		while (parser_take_word(parser, "const"))
			;
		if (parser->token.kind == TOKEN_NAME)
			field->name = parser_name(parser);
		while (parser_take(parser, '[')) {
			if (field->dim_count == 4) {
				parser_fail(parser, "syntax: more than four dimensions");
				return false;
			}
			if (!parse_bracket_count(parser, &field->dims[field->dim_count++]))
				return false;
		}
		if (parser_take(parser, ':')) {
			field->bits = (uint32_t)parser->token.number;
			if (parser->token.kind != TOKEN_NUMBER || field->bits > 64) {
				parser_fail(parser, "syntax: expected width of a bit field");
				return false;
			}
			parser_advance(parser);
		}
	}
	**tail = field;
	*tail = &field->next;
	return !parser->is_failed;
}

/* __attribute__((packed)), and others that change nothing here. */
static void parse_attributes(struct parser *parser, struct c_record *record)
{
	while (parser_take_word(parser, "__attribute__")) {
		int depth = 0;

		do {
			depth += parser_is(parser, '(');
			depth -= parser_is(parser, ')');
			if (parser_is_word(parser, "packed") ||
			    parser_is_word(parser, "__packed__"))
				record->is_packed = true;
			parser_advance(parser);
		} while (depth > 0 && !parser->is_failed && parser->token.kind != TOKEN_END);
	}
}

struct c_record *parse_c_record(struct parser *parser, const char *name, bool is_union)
{
	struct c_record *record = parser_new(parser, sizeof(*record));
	struct c_field **tail;

	if (!record || !parser_enter(parser))
		return NULL;
	record->name = name;
	record->is_union = is_union;
	record->place = parser->token.place;
	tail = &record->fields;
	parser_advance(parser);
	while (!parser->is_failed && !parser_is(parser, '}')) {
		struct type_spec base = {};

		base.place = parser->token.place;
		if (!parse_base_type(parser, &base))
			return NULL;
		if (parser_is(parser, ';')) { /* an anonymous struct or union */
			if (!parse_declarator(parser, &base, &tail))
				return NULL;
		} else {
			do {
				if (!parse_declarator(parser, &base, &tail))
					return NULL;
			} while (parser_take(parser, ','));
		}
		if (!parser_is(parser, '}') && !parser_expect(parser, ';'))
			return NULL;
	}
	parser_expect(parser, '}');
	parse_attributes(parser, record);
	parser_leave(parser);
	if (name) {
		for (const struct c_record *other = parser->script->records; other;
		     other = other->next)
			if (!strcmp(other->name, name) && other->fields && record->fields)
				parser_fail(parser, "redefinition of a struct or union");
		record->next = parser->script->records;
		parser->script->records = record;
	}
	return parser->is_failed ? NULL : record;
}

static bool parse_enum(struct parser *parser)
{
	const char *name = "";

	parser_advance(parser);
	if (parser->token.kind == TOKEN_NAME && !(name = parser_name(parser)))
		return false;
	return parse_enumerators(parser, name);
}

static bool parse_typedef(struct parser *parser)
{
	struct c_typedef *new = parser_new(parser, sizeof(*new));

	parser_advance(parser);
	if (!new || !parse_base_type(parser, &new->spec))
		return false;
	while (parser_take(parser, '*'))
		new->spec.pointers++;
	new->name = parser_name(parser);
	if (parser_take(parser, '[')) {
		new->spec.is_array = true;
		parse_bracket_count(parser, &new->spec.array_count);
	}
	new->next = parser->script->typedefs;
	parser->script->typedefs = new;
	return parser_expect(parser, ';');
}

bool parse_c_definition(struct parser *parser)
{
	if (parser_is_word(parser, "typedef")) {
		parse_typedef(parser);
		return true;
	}
	if (parser_is_word(parser, "enum")) {
		parse_enum(parser);
		parser_take(parser, ';');
		return true;
	}
	if (parser_is_word(parser, "struct") || parser_is_word(parser, "union")) {
		bool is_union = parser_is_word(parser, "union");
		const char *name;

		parser_advance(parser);
		name = parser_name(parser);
		if (parser_is(parser, '{'))
			parse_c_record(parser, name, is_union);
		else if (!parser_is(parser, ';'))
			parser_expect(parser, '{');
		parser_take(parser, ';');
		return true;
	}
	return false;
}

/* --- preprocessor lines --- */

struct condition {
	bool is_active, was_active, is_outer_active;
};

struct preprocessor {
	struct script *script;
	struct condition stack[32];
	uint32_t depth;
	bool is_active;
};

static struct span word_of(struct span *line)
{
	struct span word;
	size_t i = 0;

	while (line->len && isblank(line->at[0]))
		*line = span_from(*line, 1);
	while (i < line->len && (isalnum(line->at[i]) || line->at[i] == '_'))
		i++;
	word = span_first(*line, i);
	*line = span_from(*line, i);
	return word;
}

static bool is_defined(const struct script *script, struct span name)
{
	if (span_is(name, "BPFTRACE_HAVE_BTF"))
		return true;
	for (const struct define *define = script->defines; define; define = define->next)
		if (span_is(name, define->name))
			return true;
	return false;
}

static bool holds(const struct script *script, struct span line)
{
	bool is_negated = false;
	struct span word;

	while (line.len && (isblank(line.at[0]) || line.at[0] == '!')) {
		is_negated ^= line.at[0] == '!';
		line = span_from(line, 1);
	}
	word = word_of(&line);
	if (span_is(word, "defined")) {
		while (line.len && (isblank(line.at[0]) || line.at[0] == '('))
			line = span_from(line, 1);
		return is_defined(script, word_of(&line)) != is_negated;
	}
	return (word.len && !span_is(word, "0")) != is_negated;
}

static void add_define(struct script *script, struct span line)
{
	struct span name = word_of(&line);
	struct define *define = arena_new(&script->arena, sizeof(*define));

	/* with parameters: a function of C, not for us */
	if (!define || !name.len || (line.len && line.at[0] == '('))
		return;
	while (line.len && isblank(line.at[0]))
		line = span_from(line, 1);
	define->name = arena_str(&script->arena, name);
	define->text.from = (uint32_t)(line.at - script->text.at);
	define->text.to = define->text.from + (uint32_t)line.len;
	if (!define->name)
		return;
	define->next = script->defines;
	script->defines = define;
}

static void remove_define(struct script *script, struct span name)
{
	for (struct define **at = &script->defines; *at; at = &(*at)->next)
		if (span_is(name, (*at)->name)) {
			*at = (*at)->next;
			return;
		}
}

/* "name" or <name>: read when the script is parsed. */
static void add_include(struct script *script, struct span line, uint32_t from)
{
	struct include *include = arena_new(&script->arena, sizeof(*include)), **tail;
	size_t len = 0;

	line = span_trim(line);
	if (!include || line.len < 3 || (line.at[0] != '"' && line.at[0] != '<'))
		return;
	while (len + 1 < line.len && line.at[len + 1] != (line.at[0] == '"' ? '"' : '>'))
		len++;
	include->name = arena_str(&script->arena, span_first(span_from(line, 1), len));
	include->is_quoted = line.at[0] == '"';
	include->place = (struct place){from, from + 1};
	for (tail = &script->includes; *tail; tail = &(*tail)->next)
		;
	if (include->name)
		*tail = include;
}

static void enter_condition(struct preprocessor *pre, bool is_true, struct place place)
{
	if (pre->depth == sizeof(pre->stack) / sizeof(*pre->stack)) {
		diag_error(&pre->script->diag, place, "#if nested too deeply");
		return;
	}
	pre->stack[pre->depth++] = (struct condition){
		.is_active = is_true, .was_active = is_true, .is_outer_active = pre->is_active};
	pre->is_active = pre->is_active && is_true;
}

static void change_condition(struct preprocessor *pre, bool is_true)
{
	struct condition *top;

	if (!pre->depth)
		return;
	top = &pre->stack[pre->depth - 1];
	top->is_active = is_true && !top->was_active;
	top->was_active |= top->is_active;
	pre->is_active = top->is_outer_active && top->is_active;
}

/* One directive; true: its text must stay, because a definition points there. */
static bool obey(struct preprocessor *pre, struct span line)
{
	uint32_t from = (uint32_t)(line.at - pre->script->text.at);
	struct span word;

	line = span_from(line, 1);
	word = word_of(&line);
	if (span_is(word, "ifdef") || span_is(word, "ifndef")) {
		bool wanted = span_is(word, "ifdef");

		enter_condition(pre, is_defined(pre->script, word_of(&line)) == wanted,
				(struct place){from, from + 1});
	} else if (span_is(word, "if")) {
		enter_condition(pre, holds(pre->script, line), (struct place){from, from + 1});
	} else if (span_is(word, "elif")) {
		change_condition(pre, holds(pre->script, line));
	} else if (span_is(word, "else")) {
		change_condition(pre, true);
	} else if (span_is(word, "endif")) {
		if (pre->depth)
			pre->is_active = pre->stack[--pre->depth].is_outer_active;
	} else if (span_is(word, "include") && pre->is_active) {
		add_include(pre->script, line, from);
	} else if (span_is(word, "undef") && pre->is_active) {
		remove_define(pre->script, word_of(&line));
	} else if (span_is(word, "define") && pre->is_active) {
		add_define(pre->script, line);
		return true;
	}
	return false;
}

/* Steps over one line, minding strings and comments; *in_comment goes on to the next. */
static size_t end_of_line(const uint8_t *text, size_t at, size_t len, bool *in_comment,
			  bool *in_string)
{
	for (; at < len && text[at] != '\n'; at++) {
		bool has_next = at + 1 < len;

		if (*in_comment) {
			if (text[at] == '*' && has_next && text[at + 1] == '/')
				*in_comment = false, at++;
		} else if (*in_string) {
			if (text[at] == '\\')
				at++;
			else if (text[at] == '"')
				*in_string = false;
		} else if (text[at] == '"') {
			*in_string = true;
		} else if (text[at] == '/' && has_next && text[at + 1] == '*') {
			*in_comment = true, at++;
		} else if (text[at] == '/' && has_next && text[at + 1] == '/') {
			while (at < len && text[at] != '\n')
				at++;
			return at;
		}
	}
	return at < len ? at : len;
}

static void blank(uint8_t *text, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (text[i] != '\n')
			text[i] = ' ';
}

/*
 * `text` is the lexer's copy: directives and dead branches become blanks in it, so every byte keeps
 * its place. A definition's own text is turned into a line comment's victim: "#define X 1" becomes
 * "//define X 1", which the lexer skips, and which still can be parsed from where the value begins.
 */
void preprocess(struct script *script, uint8_t *text, size_t len)
{
	struct preprocessor pre = {.script = script, .is_active = true};
	bool in_comment = false, in_string = false;
	size_t at = 0;

	while (at < len) {
		size_t first = at, end;

		while (first < len && (text[first] == ' ' || text[first] == '\t'))
			first++;
		if (first < len && text[first] == '#' && !in_comment && !in_string &&
		    !(first == 0 && len > 1 && text[1] == '!')) {
			for (end = first; end < len && text[end] != '\n'; end++)
				if (text[end] == '\\' && end + 1 < len && text[end + 1] == '\n')
					text[end] = ' ', text[end + 1] = ' ';
			if (obey(&pre, (struct span){text + first, end - first}))
				text[first] = '/', text[first + 1] = '/';
			else
				blank(text, first, end);
		} else if (first == 0 && len > 1 && text[0] == '#') { /* #!/usr/bin/env */
			end = end_of_line(text, first, len, &in_comment, &in_string);
			in_string = in_comment = false;
			while (end < len && text[end] != '\n')
				end++;
			blank(text, 0, end);
		} else if (!pre.is_active) {
			for (end = first; end < len && text[end] != '\n'; end++)
				;
			blank(text, at, end);
		} else {
			end = end_of_line(text, at, len, &in_comment, &in_string);
		}
		at = end + 1;
	}
	if (pre.depth)
		diag_error(&script->diag, (struct place){(uint32_t)len, (uint32_t)len},
			   "unterminated #if");
}
