// SPDX-License-Identifier: GPL-2.0-only
/* meta - what is decided while compiling: fail, static_assert, is_integer and its kin, kfunc_exist, config. */
#include <stdio.h>
#include <string.h>

#include "trace/btf.h"
#include "trace/format.h"
#include "trace/functions/functions.h"
#include "trace/lex.h"

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

/* --- config: the settings as a record --- */

static const struct {
	const char *name;
	enum type_kind kind;
	const char *otherwise;
} settings[] = {
	{"cpp_demangle", TYPE_BOOL, "true"},
	{"lazy_symbolication", TYPE_BOOL, "true"},
	{"print_maps_on_exit", TYPE_BOOL, "true"},
	{"use_blazesym", TYPE_BOOL, "false"},
	{"show_debug_info", TYPE_BOOL, "false"},
	{"log_size", TYPE_INT, "1000000"},
	{"max_bpf_progs", TYPE_INT, "1024"},
	{"max_cat_bytes", TYPE_INT, "10240"},
	{"max_map_keys", TYPE_INT, "4096"},
	{"max_probes", TYPE_INT, "1024"},
	{"max_strlen", TYPE_INT, "1024"},
	{"on_stack_limit", TYPE_INT, "32"},
	{"perf_rb_pages", TYPE_INT, "0"},
	{"str_trunc_trailer", TYPE_STRING, ".."},
	{"unstable_import_statement", TYPE_STRING, "error"},
	{"unstable_tseries", TYPE_STRING, "warn"},
	{"unstable_typeinfo", TYPE_STRING, "error"},
	{"unstable_dw_ustack", TYPE_STRING, "warn"},
	{"missing_probes", TYPE_STRING, "error"},
	{"stack_mode", TYPE_STRING, "bpftrace"},
	{"license", TYPE_STRING, "GPL"},
};

enum { SETTINGS = sizeof(settings) / sizeof(*settings) };

static const struct type *check_config(struct checker *checker, struct expr *call)
{
	struct arena *arena = &checker->script->arena;
	struct field *fields = arena_new(arena, SETTINGS * sizeof(*fields));

	if (!fields)
		return &type_none;
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *text = script_setting(checker->script, settings[i].name);
		size_t len = strlen(text ? text : settings[i].otherwise);

		fields[i].name = settings[i].name;
		fields[i].type = settings[i].kind == TYPE_INT ? &type_uint64
				 : settings[i].kind == TYPE_BOOL
					 ? &type_bool
					 : type_string(arena, (uint32_t)len + 1);
	}
	return type_tuple(arena, fields, SETTINGS);
}

static void config_into(struct lowering *l, struct expr *call, struct memory to,
			const struct type *as)
{
	lower_zero(l, to, as->size);
	for (uint32_t i = 0; i < as->field_count && i < SETTINGS; i++) {
		const struct field *field = &as->fields[i];
		const char *text = script_setting(l->script, settings[i].name), *why;
		struct value value;
		uint64_t number = 0;

		text = text ? text : settings[i].otherwise;
		if (settings[i].kind == TYPE_BOOL)
			number = !strcmp(text, "true") || !strcmp(text, "1");
		else if (settings[i].kind == TYPE_INT)
			lex_number(span_of(text), &number, &why);
		value = settings[i].kind == TYPE_STRING ? value_text(field->type, span_of(text))
							: value_imm(field->type, (int64_t)number);
		lower_store(l, value, memory_at(to, field->offset), field->type);
	}
}

const struct function function_config = {.name = "config",
					 .flags = FUNCTION_BUILTIN,
					 .check = check_config,
					 .lower_into = config_into};

/* --- typeinfo: what the compiler knows of a type --- */

static bool is_typeinfo_allowed(struct checker *checker, const struct expr *call)
{
	const char *setting = script_setting(checker->script, "unstable_typeinfo");

	if (!setting || !strcmp(setting, "error")) {
		check_error(checker, call->place,
			    "typeinfo feature is not enabled by default. To enable this unstable "
			    "feature, set the config flag to enable. unstable_typeinfo=enable");
		return false;
	}
	if (!strcmp(setting, "warn") && !checker->script->is_typeinfo_said) {
		checker->script->is_typeinfo_said = true;
		fputs("WARNING: Script is using an unstable feature: typeinfo. To prevent this "
		      "warning you must explicitly enable it in the config e.g. "
		      "unstable_typeinfo=enable\n",
		      stderr);
	}
	return true;
}

static const char *base_name(const struct type *type)
{
	switch (type->kind) {
	case TYPE_INT: return "int";
	case TYPE_STRING: return "string";
	case TYPE_POINTER: return "pointer";
	case TYPE_ARRAY: return "array";
	case TYPE_BUFFER: return "buffer";
	case TYPE_TUPLE: return type->field_count && type->fields[0].name ? "record" : "tuple";
	case TYPE_RECORD: return type->is_union ? "union" : "struct";
	case TYPE_ENUM: return "enum";
	case TYPE_INET: return "inet";
	default: return NULL; /* as its type is called */
	}
}

/* A record of constants: they are kept in the call, and written where it is wanted. */
struct typeinfo {
	uint32_t btf_id;
	const char *base, *full;
};

static const struct type *check_typeinfo(struct checker *checker, struct expr *call)
{
	struct arena *arena = &checker->script->arena;
	struct field *fields = arena_new(arena, 3 * sizeof(*fields));
	struct typeinfo *info = arena_new(arena, sizeof(*info));
	const struct type *type;

	if (!is_typeinfo_allowed(checker, call) || !fields || !info)
		return &type_none;
	if (call->args->kind == EXPR_TYPE)
		type = check_type_spec(checker, call->args->spec, NULL);
	else
		type = check_expr(checker, call->args);
	if (!type || type->kind == TYPE_NONE)
		return &type_none;
	info->btf_id = type->btf_id;
	info->full = type_text(arena, type);
	info->base = base_name(type) ? base_name(type) : info->full;
	call->data = info;
	fields[0] = (struct field){.name = "btf_id", .type = &type_uint32};
	fields[1] = (struct field){.name = "base_type",
				   .type = type_string(arena, (uint32_t)strlen(info->base) + 1)};
	fields[2] = (struct field){.name = "full_type",
				   .type = type_string(arena, (uint32_t)strlen(info->full) + 1)};
	return type_tuple(arena, fields, 3);
}

static void typeinfo_into(struct lowering *l, struct expr *call, struct memory to,
			  const struct type *as)
{
	const struct typeinfo *info = call->data;
	const struct field *fields = as->fields;

	lower_zero(l, to, as->size);
	ir_store(l->ir, to.base, to.offset + (int32_t)fields[0].offset, 4, op_imm(info->btf_id));
	lower_store(l, value_text(fields[1].type, span_of(info->base)),
		    memory_at(to, fields[1].offset), fields[1].type);
	lower_store(l, value_text(fields[2].type, span_of(info->full)),
		    memory_at(to, fields[2].offset), fields[2].type);
}

const struct function function_typeinfo = {.name = "typeinfo",
					   .min_args = 1,
					   .max_args = 1,
					   .flags = FUNCTION_RAW_ARGS,
					   .check = check_typeinfo,
					   .lower_into = typeinfo_into};
