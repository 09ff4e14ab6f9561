// SPDX-License-Identifier: GPL-2.0-only
/*
 * template_run - runs a template: walks its tree and writes text.
 *
 * Every value is small and copied; texts and lists lie in the arena. Variables are a chain, the newest first: a block takes
 * away on leaving what was declared in it.
 */
#include "alert/template_parts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"

struct variable {
	struct span name;
	struct worth worth;
	struct variable *next;
};

static int run_list(struct running *running, const struct node *node, const struct worth *dot);
static int run_pipe(struct running *running, const struct pipe *pipe, const struct worth *dot,
		    struct worth *ret);

static int no_memory(struct running *running)
{
	return err_set(running->why, -ENOMEM, "template: out of memory");
}

/* ---- what values are ---- */

bool worth_is_true(const struct worth *worth)
{
	switch (worth->kind) {
	case IS_NOTHING: return false;
	case IS_TRUTH: return worth->truth;
	case IS_WHOLE:
	case IS_NUMBER: return worth->number != 0;
	case IS_TEXT: return worth->text.len != 0;
	case IS_LABELS:
	case IS_LIST: return worth->count != 0;
	default: return true;
	}
}

struct span worth_label(const struct store_label *label, size_t count, struct span name)
{
	for (size_t i = 0; i < count; i++)
		if (span_same(label[i].name, name))
			return label[i].value;
	return span_of("");
}

struct worth worth_of_text(struct running *running, struct span text)
{
	const char *copy = arena_str(running->arena, text);

	return (struct worth){.kind = IS_TEXT,
			      .text = {(const uint8_t *)copy, copy ? text.len : 0}};
}

/* The shortest digits that read back as the same double, with an exponent below 1e-4 and from 1e6 on (strconv/ftoa.go: 'g'
 * decides by six digits where the shortest are wanted). */
size_t number_text(double value, char ret_text[40])
{
	char digits[32];
	int precision = 0, exponent;

	if (isnan(value) || isinf(value))
		return (size_t)snprintf(ret_text, 40, "%s",
					isnan(value) ? "NaN"
					: value > 0  ? "+Inf"
						     : "-Inf");
	while (snprintf(digits, sizeof(digits), "%.*e", precision, value),
	       strtod(digits, NULL) != value)
		precision++;
	exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
	if (exponent < -4 || exponent >= 6)
		return (size_t)snprintf(ret_text, 40, "%s", digits);
	return (size_t)snprintf(ret_text, 40, "%.*f",
				precision > exponent ? precision - exponent : 0, value);
}

static int labels_text(struct running *running, const struct worth *worth, struct span *ret)
{
	struct buf text;

	buf_init(&text, TEMPLATE_OUTPUT_MAX);
	buf_str(&text, "map[");
	for (size_t i = 0; i < worth->count; i++) {
		buf_str(&text, i ? " " : "");
		buf_span(&text, worth->label[i].name);
		buf_char(&text, ':');
		buf_span(&text, worth->label[i].value);
	}
	buf_char(&text, ']');
	*ret = worth_of_text(running, buf_as_span(&text)).text;
	buf_done(&text);
	return ret->at ? 0 : no_memory(running);
}

int worth_text(struct running *running, const struct worth *worth, struct span *ret)
{
	char text[40];

	switch (worth->kind) {
	case IS_NOTHING: *ret = span_of("<no value>"); return 0;
	case IS_TRUTH: *ret = span_of(worth->truth ? "true" : "false"); return 0;
	case IS_TEXT: *ret = worth->text; return 0;
	case IS_LABELS: return labels_text(running, worth, ret);
	case IS_WHOLE: snprintf(text, sizeof(text), "%.0f", worth->number); break;
	case IS_NUMBER: number_text(worth->number, text); break;
	default: snprintf(text, sizeof(text), "[%zu samples]", worth->count);
	}
	*ret = worth_of_text(running, span_of(text)).text;
	return ret->at ? 0 : no_memory(running);
}

/* ---- operands ---- */

static int field_of(struct running *running, struct span name, struct worth *worth)
{
	const struct template_facts *facts = running->facts;

	if (worth->kind == IS_LABELS) {
		*worth = (struct worth){.kind = IS_TEXT,
					.text = worth_label(worth->label, worth->count, name)};
		return 0;
	}
	if (worth->kind == IS_SAMPLE && span_is(name, "Labels")) {
		*worth = (struct worth){.kind = IS_LABELS,
					.label = worth->sample->label,
					.count = worth->sample->labels};
		return 0;
	}
	if (worth->kind == IS_SAMPLE && span_is(name, "Value")) {
		*worth = (struct worth){.kind = IS_NUMBER, .number = worth->sample->value};
		return 0;
	}
	if (worth->kind == IS_FACTS && span_is(name, "Labels"))
		*worth = (struct worth){
			.kind = IS_LABELS, .label = facts->label, .count = facts->labels};
	else if (worth->kind == IS_FACTS && span_is(name, "Value"))
		*worth = (struct worth){.kind = IS_NUMBER, .number = facts->value};
	else if (worth->kind == IS_FACTS && span_is(name, "ExternalURL"))
		*worth = (struct worth){.kind = IS_TEXT, .text = span_of(facts->external_url)};
	else if (worth->kind == IS_FACTS && span_is(name, "ExternalLabels"))
		*worth = (struct worth){.kind = IS_LABELS};
	else
		return err_set(running->why, -EINVAL, "template: there is no '.%.*s' here",
			       (int)(name.len < 60 ? name.len : 60), (const char *)name.at);
	return 0;
}

static int variable_of(struct running *running, struct span name, struct worth *ret)
{
	struct worth facts = {.kind = IS_FACTS};

	for (const struct variable *variable = running->variable; variable;
	     variable = variable->next)
		if (span_same(variable->name, name)) {
			*ret = variable->worth;
			return 0;
		}
	*ret = facts;
	if (!name.len)
		return 0;
	if (span_is(name, "labels"))
		return field_of(running, span_of("Labels"), ret);
	if (span_is(name, "value"))
		return field_of(running, span_of("Value"), ret);
	if (span_is(name, "externalLabels"))
		return field_of(running, span_of("ExternalLabels"), ret);
	if (span_is(name, "externalURL"))
		return field_of(running, span_of("ExternalURL"), ret);
	return err_set(running->why, -EINVAL, "template: there is no variable '$%.*s'",
		       (int)(name.len < 60 ? name.len : 60), (const char *)name.at);
}

static int run_operand(struct running *running, const struct operand *operand,
		       const struct worth *dot, struct worth *ret)
{
	int error = 0;

	switch (operand->kind) {
	case OPERAND_NUMBER:
		*ret = (struct worth){.kind = operand->is_whole ? IS_WHOLE : IS_NUMBER,
				      .number = operand->number};
		break;
	case OPERAND_TEXT: *ret = (struct worth){.kind = IS_TEXT, .text = operand->text}; break;
	case OPERAND_TRUTH: *ret = (struct worth){.kind = IS_TRUTH, .truth = operand->truth}; break;
	case OPERAND_NOTHING: *ret = (struct worth){}; break;
	case OPERAND_DOT: *ret = *dot; break;
	case OPERAND_VARIABLE: error = variable_of(running, operand->text, ret); break;
	case OPERAND_PIPE: error = run_pipe(running, operand->pipe, dot, ret); break;
	case OPERAND_FUNCTION: /* without arguments: externalURL */
		if (operand->function->least)
			return err_set(running->why, -EINVAL,
				       "template: '%s' stands without arguments",
				       operand->function->name);
		error = operand->function->run(running, NULL, 0, ret);
	}
	for (const struct field *field = operand->field; field && !error; field = field->next)
		error = field_of(running, field->name, ret);
	return error;
}

enum { ARGS_MAX = 16 };

static int run_command(struct running *running, const struct command *command,
		       const struct worth *dot, const struct worth *fed, struct worth *ret)
{
	const struct operand *operand = command->operand;
	struct worth arg[ARGS_MAX];
	size_t args = 0;

	if (operand->kind != OPERAND_FUNCTION)
		return run_operand(running, operand, dot, ret);
	for (operand = operand->next; operand; operand = operand->next) {
		int error;

		if (args + 1 == ARGS_MAX)
			return err_set(running->why, -EINVAL, "template: too many arguments");
		error = run_operand(running, operand, dot, &arg[args++]);
		if (error)
			return error;
	}
	if (fed)
		arg[args++] = *fed;
	return command->operand->function->run(running, arg, args, ret);
}

static int set_variable(struct running *running, struct span name, bool declares,
			const struct worth *worth)
{
	struct variable *variable = running->variable;

	while (!declares && variable && !span_same(variable->name, name))
		variable = variable->next;
	if (declares || !variable) {
		variable = arena_new(running->arena, sizeof(*variable));
		if (!variable)
			return no_memory(running);
		variable->name = name;
		variable->next = running->variable;
		running->variable = variable;
	}
	variable->worth = *worth;
	return 0;
}

static int run_commands(struct running *running, const struct pipe *pipe, const struct worth *dot,
			struct worth *ret)
{
	struct worth fed;
	bool is_fed = false;

	for (const struct command *command = pipe->command; command; command = command->next) {
		int error;

		if (++running->steps > TEMPLATE_STEPS)
			return err_set(running->why, -E2BIG,
				       "template: it does not come to an end");
		error = run_command(running, command, dot, is_fed ? &fed : NULL, ret);
		if (error)
			return error;
		fed = *ret;
		is_fed = true;
	}
	return 0;
}

static int run_pipe(struct running *running, const struct pipe *pipe, const struct worth *dot,
		    struct worth *ret)
{
	int error = run_commands(running, pipe, dot, ret);

	return !error && pipe->sets ? set_variable(running, pipe->set[0], pipe->declares, ret)
				    : error;
}

/* ---- nodes ---- */

static int run_range(struct running *running, const struct node *node, const struct worth *dot)
{
	const struct pipe *pipe = node->pipe;
	struct worth list, item;
	int error = run_commands(running, pipe, dot, &list);

	if (!error && list.kind != IS_LIST && list.kind != IS_LABELS)
		error = err_set(running->why, -EINVAL,
				"template: range goes over samples or labels");
	if (!error && !list.count)
		return run_list(running, node->otherwise, dot);
	for (size_t i = 0; i < list.count && !error; i++) {
		struct variable *before = running->variable;
		struct worth key = {.kind = IS_WHOLE, .number = (double)i};

		if (list.kind == IS_LIST) {
			item = (struct worth){.kind = IS_SAMPLE, .sample = &list.sample[i]};
		} else {
			key = (struct worth){.kind = IS_TEXT, .text = list.label[i].name};
			item = (struct worth){.kind = IS_TEXT, .text = list.label[i].value};
		}
		if (pipe->sets == 2)
			error = set_variable(running, pipe->set[0], true, &key);
		if (pipe->sets && !error)
			error = set_variable(running, pipe->set[pipe->sets - 1], true, &item);
		if (!error)
			error = run_list(running, node->body, &item);
		running->variable = before;
	}
	return error;
}

static int run_choice(struct running *running, const struct node *node, const struct worth *dot)
{
	struct variable *before = running->variable;
	struct worth worth;
	int error = run_pipe(running, node->pipe, dot, &worth);

	if (!error && worth_is_true(&worth))
		error = run_list(running, node->body, node->kind == NODE_WITH ? &worth : dot);
	else if (!error)
		error = run_list(running, node->otherwise, dot);
	running->variable = before;
	return error;
}

static int run_node(struct running *running, const struct node *node, const struct worth *dot)
{
	struct worth worth;
	struct span text;
	int error;

	switch (node->kind) {
	case NODE_TEXT: buf_span(running->out, node->text); return 0;
	case NODE_IF:
	case NODE_WITH: return run_choice(running, node, dot);
	case NODE_RANGE: return run_range(running, node, dot);
	default: error = run_pipe(running, node->pipe, dot, &worth);
	}
	if (error || node->kind == NODE_SET)
		return error;
	error = worth_text(running, &worth, &text);
	if (!error)
		buf_span(running->out, text);
	return error;
}

static int run_list(struct running *running, const struct node *node, const struct worth *dot)
{
	int error = 0;

	for (; node && !error; node = node->next) {
		if (++running->steps > TEMPLATE_STEPS)
			return err_set(running->why, -E2BIG,
				       "template: it does not come to an end");
		error = run_node(running, node, dot);
	}
	return error;
}

int template_run(const struct template *template, const struct template_facts *facts,
		 struct arena *arena, struct buf *out, struct err *why)
{
	struct running running = {.facts = facts, .arena = arena, .out = out, .why = why};
	const struct worth dot = {.kind = IS_FACTS};

	return run_list(&running, template->first, &dot);
}
