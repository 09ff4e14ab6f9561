// SPDX-License-Identifier: GPL-2.0-only
/* meta - what is decided while compiling: fail, static_assert, is_integer and its kin, kfunc_exist. */
#include <string.h>

#include "trace/btf.h"
#include "trace/format.h"
#include "trace/functions/functions.h"

enum { BTF_FUNC = 12 };

static const struct type *decided(struct expr *call, bool answer)
{
	call->number = answer;
	call->is_constant = true;
	return &type_bool;
}

/* --- fail, static_assert --- */

static void constant_text(const struct expr *arg, const struct conversion *conversion,
			  struct buf *out)
{
	if (arg->type->kind == TYPE_STRING)
		buf_span(out, arg->text);
	else if (arg->type->kind == TYPE_BOOL)
		buf_str(out, arg->number ? "true" : "false");
	else
		format_value(NULL, conversion, &type_int64, (const uint8_t *)&arg->number, out);
}

static void fail_text(const struct expr *call, struct buf *out)
{
	struct span format = call->args->text;
	const struct expr *arg = call->args->next;
	struct conversion conversion;
	size_t at = 0, from = 0;

	while (format_next(format, &at, &conversion)) {
		buf_add(out, format.at + from, conversion.from - from);
		from = at;
		if (conversion.letter == '%') {
			buf_char(out, '%');
			continue;
		}
		if (arg) {
			constant_text(arg, &conversion, out);
			arg = arg->next;
		}
	}
	buf_add(out, format.at + from, format.len - from);
}

static const struct type *check_fail(struct checker *checker, struct expr *call)
{
	struct buf text;

	for (const struct expr *arg = call->args; arg; arg = arg->next)
		if (arg->type->kind != TYPE_NONE && !arg->is_constant) {
			check_error(checker, call->place, "%s() arguments need to be literals",
				    call->name);
			return &type_void;
		}
	if (call->args->type->kind != TYPE_STRING) {
		check_error(checker, call->place, "%s() expects a string literal (%s provided)",
			    call->name, check_short(checker, call->args->type));
		return &type_void;
	}
	buf_init(&text, 4096);
	fail_text(call, &text);
	check_error(checker, call->place, "%s", buf_text(&text));
	buf_done(&text);
	return &type_void;
}

const struct function function_fail = {.name = "fail",
				       .min_args = 1,
				       .max_args = 128,
				       .flags = FUNCTION_NO_VALUE,
				       .check = check_fail};

static const struct type *check_static_assert(struct checker *checker, struct expr *call)
{
	const struct expr *message = call->args->next;

	if (!call->args->is_constant || !type_is_integer(call->args->type))
		check_error(checker, call->place, "static_assert() expects a literal condition");
	else if (!message->is_constant || message->type->kind != TYPE_STRING)
		check_error(checker, call->place, "static_assert() expects a string literal");
	else if (!call->args->number)
		check_error(checker, call->place, "%.*s", (int)message->text.len,
			    (const char *)message->text.at);
	return &type_void;
}

const struct function function_static_assert = {.name = "static_assert",
						.min_args = 2,
						.max_args = 2,
						.flags = FUNCTION_NO_VALUE,
						.check = check_static_assert};

/* --- what an expression is --- */

static const struct type *check_is_array(struct checker *checker, struct expr *call)
{
	return decided(call, call->args->type->kind == TYPE_ARRAY);
}

static const struct type *check_is_integer(struct checker *checker, struct expr *call)
{
	return decided(call, call->args->type->kind == TYPE_INT);
}

static const struct type *check_is_unsigned(struct checker *checker, struct expr *call)
{
	const struct type *type = call->args->type;

	return decided(call, type->kind == TYPE_INT && !type->is_signed);
}

/* What is written there, not what it comes to: a variable is none even if its value is known. */
static const struct type *check_is_literal(struct checker *checker, struct expr *call)
{
	enum expr_kind kind = call->args->kind;

	return decided(call, kind == EXPR_INT || kind == EXPR_STRING || kind == EXPR_BOOL ||
				     kind == EXPR_POSITIONAL ||
				     (kind == EXPR_UNARY && call->args->is_constant));
}

static const struct type *check_is_ptr(struct checker *checker, struct expr *call)
{
	return decided(call, call->args->type->kind == TYPE_POINTER);
}

static const struct type *check_is_str(struct checker *checker, struct expr *call)
{
	return decided(call, call->args->type->kind == TYPE_STRING);
}

#define QUESTION(name_, check_)                                                                    \
	const struct function function_##name_ = {                                                 \
		.name = #name_, .min_args = 1, .max_args = 1, .check = check_}

QUESTION(is_array, check_is_array);
QUESTION(is_integer, check_is_integer);
QUESTION(is_unsigned_integer, check_is_unsigned);
QUESTION(is_literal, check_is_literal);
QUESTION(is_ptr, check_is_ptr);
QUESTION(is_str, check_is_str);

/* Bytes that a text has room for, its ending 0 included. */
static const struct type *check_strcap(struct checker *checker, struct expr *call)
{
	const struct type *type = call->args->type;

	if (type->kind == TYPE_NONE)
		return &type_uint64;
	if (type->kind != TYPE_STRING && type->kind != TYPE_ARRAY) {
		check_error(checker, call->place,
			    "strcap() only supports string arguments (%s provided)",
			    check_short(checker, type));
		return &type_none;
	}
	call->number = type->count;
	call->is_constant = true;
	return &type_uint64;
}

const struct function function_strcap = {
	.name = "strcap", .min_args = 1, .max_args = 1, .check = check_strcap};

static const struct type *check_default_length(struct checker *checker, struct expr *call)
{
	call->number = checker->script->config.max_strlen;
	call->is_constant = true;
	return &type_uint64;
}

const struct function function_default_str_length = {
	.name = "default_str_length", .flags = FUNCTION_BUILTIN, .check = check_default_length};

/* --- kernel functions that programs may call --- */

static const struct type *check_kfunc(struct checker *checker, struct expr *call)
{
	struct btf *btf = script_btf(checker->script);

	if (call->args->type->kind == TYPE_NONE)
		return &type_bool;
	if (!call->args->is_constant || call->args->type->kind != TYPE_STRING) {
		check_error(checker, call->place, "%s() expects a string literal (%s provided)",
			    call->name, check_short(checker, call->args->type));
		return &type_bool;
	}
	return decided(call, btf && btf_find(btf, (const char *)call->args->text.at, BTF_FUNC));
}

QUESTION(kfunc_exist, check_kfunc);
QUESTION(kfunc_allowed, check_kfunc);
