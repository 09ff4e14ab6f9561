// SPDX-License-Identifier: GPL-2.0-only
/*
 * template - the texts of alert rules, read into a tree.
 *
 * One pass: what stands outside of braces is text, what is inside is an action. Blocks (if, with, range) call the reader of
 * lists again, which ends where it meets `else` or `end`; an action begins with one of a few words, or is a pipeline:
 *
 *	pipeline	[$a [, $b] :=] command | command ...
 *	command		operand operand ...	the first may name a function
 *	operand		"text" 1.5 true nil . .a.b $a.b (pipeline)
 */
#include "alert/template_parts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct template_reader {
	struct span text;
	size_t at;
	struct arena *arena;
	struct err *why;
	unsigned depth;
	bool trims; /* the action before ended in -}} */
};

enum ending { ENDS_TEXT, ENDS_ELSE, ENDS_END };

static int wrong(struct template_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int wrong(struct template_reader *reader, const char *format, ...)
{
	char reason[200];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return err_set(reader->why, -EINVAL, "template, byte %zu: %s", reader->at + 1, reason);
}

static int no_room(struct template_reader *reader)
{
	return err_set(reader->why, -ENOMEM, "template: it needs too much memory");
}

/* ---- small pieces ---- */

static int peek(const struct template_reader *reader)
{
	return reader->at < reader->text.len ? reader->text.at[reader->at] : -1;
}

static bool stands(const struct template_reader *reader, const char *what)
{
	return span_starts(span_from(reader->text, reader->at), what);
}

static void skip_blanks(struct template_reader *reader)
{
	while (peek(reader) >= 0 && isspace(peek(reader)))
		reader->at++;
}

static bool is_name_byte(int c)
{
	return c == '_' || (c >= 0 && isalnum(c));
}

static struct span take_name(struct template_reader *reader)
{
	size_t from = reader->at;

	while (is_name_byte(peek(reader)))
		reader->at++;
	return (struct span){reader->text.at + from, reader->at - from};
}

static bool at_action_end(const struct template_reader *reader)
{
	return stands(reader, "}}") || stands(reader, "-}}");
}

static int end_action(struct template_reader *reader)
{
	skip_blanks(reader);
	if (!at_action_end(reader))
		return wrong(reader,
			     peek(reader) < 0 ? "'}}' is missing" : "'}}' was expected here");
	reader->trims = peek(reader) == '-';
	reader->at += reader->trims ? 3 : 2;
	return 0;
}

/* ---- operands ---- */

static int take_escape(struct template_reader *reader, char *ret)
{
	static const char from[] = "ntr\\\"'", to[] = "\n\t\r\\\"'";
	const char *found = peek(reader) > 0 ? strchr(from, peek(reader)) : NULL;

	if (!found)
		return wrong(reader, "unknown escape in a text");
	*ret = to[found - from];
	reader->at++;
	return 0;
}

/* "text" with escapes, or `text` without. */
static int take_string(struct template_reader *reader, struct operand *operand)
{
	char quote = (char)peek(reader),
	     *out = arena_new(reader->arena, reader->text.len - reader->at + 1);
	size_t len = 0;

	if (!out)
		return no_room(reader);
	reader->at++;
	while (peek(reader) != quote) {
		char c = (char)peek(reader);
		int error = 0;

		if (peek(reader) < 0 || (c == '\n' && quote == '"'))
			return wrong(reader, "a text does not end");
		reader->at++;
		if (c == '\\' && quote == '"')
			error = take_escape(reader, &c);
		if (error)
			return error;
		out[len++] = c;
	}
	reader->at++;
	operand->kind = OPERAND_TEXT;
	operand->text = (struct span){(uint8_t *)out, len};
	return 0;
}

static int take_number(struct template_reader *reader, struct operand *operand)
{
	char text[64], *end;
	size_t len = 0;

	while (len + 1 < sizeof(text) && (is_name_byte(peek(reader)) || peek(reader) == '.' ||
					  ((peek(reader) == '-' || peek(reader) == '+') &&
					   (!len || text[len - 1] == 'e' || text[len - 1] == 'E'))))
		text[len++] = (char)reader->text.at[reader->at++];
	text[len] = 0;
	operand->kind = OPERAND_NUMBER;
	operand->number = strtod(text, &end);
	operand->is_whole = !strpbrk(text, ".eEpP") || !strncmp(text, "0x", 2);
	if (end == text || *end)
		return wrong(reader, "'%s' is no number", text);
	return 0;
}

static int take_fields(struct template_reader *reader, struct operand *operand)
{
	struct field **last = &operand->field;

	while (peek(reader) == '.') {
		struct field *field = arena_new(reader->arena, sizeof(*field));

		if (!field)
			return no_room(reader);
		reader->at++;
		field->name = take_name(reader);
		if (!field->name.len)
			return wrong(reader, "a name was expected behind '.'");
		*last = field;
		last = &field->next;
	}
	return 0;
}

static int take_word(struct template_reader *reader, struct operand *operand)
{
	char near[64];
	struct span name = take_name(reader);

	operand->text = name;
	if (span_is(name, "true") || span_is(name, "false")) {
		operand->kind = OPERAND_TRUTH;
		operand->truth = span_is(name, "true");
		return 0;
	}
	if (span_is(name, "nil")) {
		operand->kind = OPERAND_NOTHING;
		return 0;
	}
	operand->kind = OPERAND_FUNCTION;
	operand->function = template_function(name);
	if (operand->function)
		return 0;
	if (template_function_near(name, near))
		return wrong(reader, "there is no function '%.*s'; did you mean '%s'?",
			     (int)name.len, (const char *)name.at, near);
	return wrong(reader, "there is no function '%.*s'", (int)(name.len < 60 ? name.len : 60),
		     (const char *)name.at);
}

static int take_pipe(struct template_reader *reader, bool is_range, const struct pipe **ret);

static int take_parens(struct template_reader *reader, struct operand *operand)
{
	int error;

	if (++reader->depth > TEMPLATE_DEPTH)
		return wrong(reader, "too many parentheses in one another");
	reader->at++;
	operand->kind = OPERAND_PIPE;
	error = take_pipe(reader, false, &operand->pipe);
	skip_blanks(reader);
	if (!error && peek(reader) != ')')
		error = wrong(reader, "')' was expected here");
	if (error)
		return error;
	reader->at++;
	reader->depth--;
	return take_fields(reader, operand);
}

static int take_operand(struct template_reader *reader, struct operand *operand)
{
	int c = peek(reader);

	if (c == '"' || c == '`')
		return take_string(reader, operand);
	if (c == '(')
		return take_parens(reader, operand);
	if (c == '$') {
		reader->at++;
		operand->kind = OPERAND_VARIABLE;
		operand->text = take_name(reader);
		return take_fields(reader, operand);
	}
	if (c == '.' &&
	    !(reader->at + 1 < reader->text.len && isdigit(reader->text.at[reader->at + 1]))) {
		operand->kind = OPERAND_DOT;
		if (reader->at + 1 < reader->text.len &&
		    is_name_byte(reader->text.at[reader->at + 1]))
			return take_fields(reader, operand);
		reader->at++;
		return 0;
	}
	if (c == '.' || c == '-' || c == '+' || (c >= 0 && isdigit(c)))
		return take_number(reader, operand);
	if (is_name_byte(c))
		return take_word(reader, operand);
	return wrong(reader, c < 0 ? "'}}' is missing" : "a value was expected here");
}

/* ---- pipelines ---- */

static bool command_ends(const struct template_reader *reader)
{
	return peek(reader) < 0 || peek(reader) == '|' || peek(reader) == ')' ||
	       at_action_end(reader);
}

static int check_call(struct template_reader *reader, const struct command *command, bool is_fed)
{
	const struct template_function *function = command->operand->function;
	int args = is_fed;

	for (const struct operand *operand = command->operand->next; operand;
	     operand = operand->next)
		args++;
	if (command->operand->kind != OPERAND_FUNCTION)
		return args ? wrong(reader, "only a function takes arguments") : 0;
	if (args < function->least || (function->most >= 0 && args > function->most))
		return wrong(reader, "'%s' takes %d argument%s, not %d", function->name,
			     function->least, function->least == 1 ? "" : "s", args);
	return 0;
}

static int take_command(struct template_reader *reader, bool is_fed, struct command *command)
{
	struct operand **last = &command->operand;

	for (skip_blanks(reader); !command_ends(reader); skip_blanks(reader)) {
		struct operand *operand = arena_new(reader->arena, sizeof(*operand));
		int error = operand ? take_operand(reader, operand) : no_room(reader);

		if (error)
			return error;
		*last = operand;
		last = &operand->next;
	}
	if (!command->operand)
		return wrong(reader, "a value was expected here");
	return check_call(reader, command, is_fed);
}

/* [$a [, $b] :=]; without it the reader stays where it was. */
static void take_declaration(struct template_reader *reader, bool is_range, struct pipe *pipe)
{
	size_t from = reader->at;
	unsigned count = 0;

	while (count < 2 && peek(reader) == '$') {
		reader->at++;
		pipe->set[count++] = take_name(reader);
		skip_blanks(reader);
		if (count == 1 && is_range && peek(reader) == ',')
			reader->at++;
		skip_blanks(reader);
	}
	pipe->declares = stands(reader, ":=");
	if (count && (pipe->declares || (peek(reader) == '=' && count == 1))) {
		reader->at += pipe->declares ? 2 : 1;
		pipe->sets = count;
	} else {
		reader->at = from;
	}
}

static int take_pipe(struct template_reader *reader, bool is_range, const struct pipe **ret)
{
	struct pipe *pipe = arena_new(reader->arena, sizeof(*pipe));
	struct command **last;

	if (!pipe)
		return no_room(reader);
	skip_blanks(reader);
	take_declaration(reader, is_range, pipe);
	last = &pipe->command;
	for (;;) {
		struct command *command = arena_new(reader->arena, sizeof(*command));
		int error = command ? take_command(reader, last != &pipe->command, command)
				    : no_room(reader);

		if (error)
			return error;
		*last = command;
		last = &command->next;
		if (peek(reader) != '|')
			break;
		reader->at++;
	}
	*ret = pipe;
	return 0;
}

/* ---- blocks ---- */

static int take_list(struct template_reader *reader, struct node **ret_first,
		     enum ending *ret_ending);

static int take_block(struct template_reader *reader, struct node *node)
{
	enum ending ending;
	int error = take_pipe(reader, node->kind == NODE_RANGE, &node->pipe);

	if (!error)
		error = end_action(reader);
	if (!error && ++reader->depth > TEMPLATE_DEPTH)
		error = wrong(reader, "too many blocks in one another");
	if (!error)
		error = take_list(reader, &node->body, &ending);
	if (!error && ending == ENDS_ELSE) {
		skip_blanks(reader);
		if (node->kind == NODE_IF &&
		    stands(reader, "if")) { /* else if: a block whose end is ours */
			reader->at += 2;
			node->otherwise = arena_new(reader->arena, sizeof(*node));
			if (!node->otherwise)
				return no_room(reader);
			node->otherwise->kind = NODE_IF;
			error = take_block(reader, node->otherwise);
			reader->depth--;
			return error;
		}
		error = end_action(reader);
		if (!error)
			error = take_list(reader, &node->otherwise, &ending);
	}
	if (!error && ending != ENDS_END)
		error = wrong(reader, "a block has no {{ end }}");
	reader->depth--;
	return error ? error : end_action(reader);
}

static bool takes_keyword(struct template_reader *reader, const char *word)
{
	size_t len = strlen(word);

	if (!stands(reader, word) || (reader->at + len < reader->text.len &&
				      is_name_byte(reader->text.at[reader->at + len])))
		return false;
	reader->at += len;
	return true;
}

static int take_comment(struct template_reader *reader)
{
	while (peek(reader) >= 0 && !stands(reader, "*/"))
		reader->at++;
	if (peek(reader) < 0)
		return wrong(reader, "a comment does not end");
	reader->at += 2;
	return end_action(reader);
}

/* What stands behind {{. ret_ending: the list is over (its `end` or `else` was read, but not what follows it). */
static int take_action(struct template_reader *reader, struct node *node, enum ending *ret_ending)
{
	static const struct {
		const char *word;
		enum node_kind kind;
	} blocks[] = {{"if", NODE_IF}, {"with", NODE_WITH}, {"range", NODE_RANGE}};
	static const char *const refused[] = {"define", "template", "block", "break", "continue"};
	int error;

	skip_blanks(reader);
	if (stands(reader, "/*"))
		return take_comment(reader);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++)
		if (takes_keyword(reader, blocks[i].word)) {
			node->kind = blocks[i].kind;
			return take_block(reader, node);
		}
	if (takes_keyword(reader, "end")) {
		*ret_ending = ENDS_END;
		return 0;
	}
	if (takes_keyword(reader, "else")) {
		*ret_ending = ENDS_ELSE;
		return 0;
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (takes_keyword(reader, refused[i]))
			return wrong(reader, "'%s' is not known here", refused[i]);
	error = take_pipe(reader, false, &node->pipe);
	node->kind = !error && node->pipe->sets ? NODE_SET : NODE_PRINT;
	return error ? error : end_action(reader);
}

/* Text up to the next {{, without the blanks that {{- and -}} take away. */
static struct span take_text(struct template_reader *reader)
{
	size_t from = reader->at, to;

	while (reader->at < reader->text.len && !stands(reader, "{{"))
		reader->at++;
	to = reader->at;
	while (reader->trims && from < to && isspace(reader->text.at[from]))
		from++;
	if (stands(reader, "{{- ") || stands(reader, "{{-\n") || stands(reader, "{{-\t"))
		while (to > from && isspace(reader->text.at[to - 1]))
			to--;
	reader->trims = false;
	return (struct span){reader->text.at + from, to - from};
}

static int take_list(struct template_reader *reader, struct node **ret_first,
		     enum ending *ret_ending)
{
	struct node **last = ret_first;

	*ret_ending = ENDS_TEXT;
	while (reader->at < reader->text.len) {
		struct node *text = arena_new(reader->arena, sizeof(*text)), *node;
		int error;

		if (!text)
			return no_room(reader);
		text->text = take_text(reader);
		if (text->text.len) {
			*last = text;
			last = &text->next;
		}
		if (reader->at == reader->text.len)
			break;
		reader->at +=
			stands(reader, "{{- ") || stands(reader, "{{-\n") || stands(reader, "{{-\t")
				? 3
				: 2;
		node = arena_new(reader->arena, sizeof(*node));
		error = node ? take_action(reader, node, ret_ending) : no_room(reader);
		if (error || *ret_ending != ENDS_TEXT)
			return error;
		*last = node;
		last = &node->next;
	}
	return 0;
}

int template_read(struct span text, struct arena *arena, const struct template **ret_template,
		  struct err *why)
{
	struct template_reader reader = {.arena = arena, .why = why};
	struct template *template = arena_new(arena, sizeof(*template));
	const char *copy = arena_str(arena, text);
	enum ending ending = ENDS_TEXT;
	int error;

	if (text.len > TEMPLATE_BYTES_MAX)
		return err_set(why, -EINVAL, "template: it is longer than %d bytes",
			       TEMPLATE_BYTES_MAX);
	if (!template || !copy)
		return no_room(&reader);
	reader.text = (struct span){(const uint8_t *)copy, text.len};
	error = take_list(&reader, &template->first, &ending);
	if (!error && ending != ENDS_TEXT)
		error = wrong(&reader, "'%s' without a block", ending == ENDS_END ? "end" : "else");
	if (!error)
		*ret_template = template;
	return error;
}
