// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse_macro - macros and definitions, expanded while parsing.
 *
 * A call of a macro becomes a block expression: its body is parsed anew at every call, with the
 * parameters standing for the arguments. Scratch variables of the body get a serial number in their
 * name, so they never meet those of the caller.
 */
#include "trace/parse.h"

#include <string.h>

const struct expr *macro_argument(const struct expansion *expansion, enum expr_kind kind,
				  struct span name)
{
	const struct expr *arg = expansion->args;

	for (const struct expr *param = expansion->macro->params; param && arg;
	     param = param->next, arg = arg->next)
		if (param->kind == kind && span_is(name, param->name))
			return arg;
	return NULL;
}

/* Parses the text of a macro or a definition as it stands elsewhere, as if it stood here. */
struct expr *parse_elsewhere(struct parser *parser, uint32_t at, const struct expansion *expansion,
			     struct place place, bool is_block)
{
	struct parser inner;
	struct expr *expr;

	parser_start(&inner, parser->script, at);
	inner.nesting = parser->nesting + 1;
	inner.expansion = expansion;
	inner.fixed_place = parser->fixed_place ? parser->fixed_place : &place;
	if (inner.nesting > NESTING_MAX) {
		parser_fail(parser, "syntax: nested too deeply");
		return NULL;
	}
	expr = is_block ? parse_block_expr(&inner) : parse_expr(&inner);
	parser->uses_probe |= inner.uses_probe;
	parser->is_failed |= inner.is_failed;
	return expr;
}

static const char *kind_name(enum expr_kind kind)
{
	return kind == EXPR_VARIABLE ? "a variable" : kind == EXPR_MAP ? "a map" : "an expression";
}

/* The call fits no definition: why, and where the definition is. */
static void say_misfit(struct diag *diag, const struct macro *macro, const struct expr *call,
		       const struct expr *param, const struct expr *arg)
{
	diag_error(diag, call->place,
		   "Call to %s() has arguments that do not match any definition.", macro->name);
	if (!param) {
		diag_error(diag, macro->place,
			   "The closest definition of %s() has a different number of arguments. "
			   "Expected: %u but got %u",
			   macro->name, macro->param_count, call->arg_count);
		return;
	}
	diag_error(diag, arg->place, "Mismatched arg. %s() expects %s for arg %s%s but got %s.",
		   macro->name, kind_name(param->kind), param->kind == EXPR_MAP ? "@" : "$",
		   param->name, kind_name(arg->kind));
	diag_error(diag, param->place, "This is the argument in the closest definition.");
}

struct expr *macro_expand(struct parser *parser, struct macro *macro, struct expr *call)
{
	struct expansion expansion = {.outer = parser->expansion,
				      .macro = macro,
				      .args = call->args,
				      .serial = ++parser->script->macro_serial};
	struct diag *diag = &parser->script->diag;
	const struct expr *arg = call->args;
	struct expr *expr;

	if (call->arg_count != macro->param_count) {
		say_misfit(diag, macro, call, NULL, NULL);
		parser->is_failed = true;
		return NULL;
	}
	for (const struct expr *param = macro->params; param && arg;
	     param = param->next, arg = arg->next) {
		if (param->kind == EXPR_NAME ||
		    (param->kind == arg->kind && (param->kind != EXPR_MAP || !arg->args)))
			continue;
		say_misfit(diag, macro, call, param, arg);
		parser->is_failed = true;
		return NULL;
	}
	if (++macro->depth > 16 || parser->script->macro_serial > 20000) {
		diag_error(diag, call->place, "Recursive macro call detected. Call chain: %s > %s",
			   macro->name, macro->name);
		parser->is_failed = true;
		macro->depth--;
		return NULL;
	}
	expr = parse_elsewhere(parser, macro->body_from, &expansion, call->place, true);
	macro->depth--;
	if (expr)
		expr->place = call->place;
	return expr;
}

struct macro *macro_find(const struct parser *parser, const char *name)
{
	for (struct macro *macro = parser->script->macros; macro; macro = macro->next)
		if (!strcmp(macro->name, name))
			return macro;
	return NULL;
}

/* -1: does not fit; else how many parameters are of the very kind that is handed in. */
static int fitness(const struct macro *macro, const struct expr *call)
{
	const struct expr *arg = call->args;
	int exact = 0;

	if (macro->param_count != call->arg_count)
		return -1;
	for (const struct expr *param = macro->params; param && arg;
	     param = param->next, arg = arg->next) {
		bool is_same = param->kind == arg->kind && (param->kind != EXPR_MAP || !arg->args);

		if (param->kind != EXPR_NAME && !is_same)
			return -1;
		exact += param->kind != EXPR_NAME;
	}
	return exact;
}

struct macro *macro_fitting(const struct parser *parser, const struct expr *call)
{
	struct macro *best = NULL;
	int best_fitness = -2;

	for (struct macro *macro = parser->script->macros; macro; macro = macro->next) {
		int fits;

		if (strcmp(macro->name, call->name))
			continue;
		fits = fitness(macro, call);
		/* the one that was written first, where several are as good: the list begins with the last */
		if (fits >= best_fitness ||
		    (best_fitness == -1 && best->param_count != call->arg_count)) {
			best = macro;
			best_fitness = fits;
		}
	}
	return best;
}

const struct type_spec *macro_type(const struct parser *parser, struct span name)
{
	const struct expr *arg =
		parser->expansion ? macro_argument(parser->expansion, EXPR_NAME, name) : NULL;

	return arg && arg->kind == EXPR_TYPE ? arg->spec : NULL;
}

struct define *define_find(const struct parser *parser, const char *name)
{
	for (struct define *define = parser->script->defines; define; define = define->next)
		if (!strcmp(define->name, name))
			return define;
	return NULL;
}

/* A parameter of the macro, used: the argument is parsed again where it was written. */
struct expr *macro_expand_argument(struct parser *parser, const struct expr *arg)
{
	struct expr *block = parser_expr(parser, EXPR_BLOCK, parser->end_of_last);

	if (!block)
		return NULL;
	block->place = arg->place;
	block->a = parse_elsewhere(parser, arg->text_from, parser->expansion->outer, arg->place,
				   false);
	return block->a;
}
