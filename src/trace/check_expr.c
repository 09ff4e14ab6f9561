// SPDX-License-Identifier: GPL-2.0-only
/* check_expr - types of expressions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/btf.h"
#include "trace/check.h"
#include "trace/constants.h"
#include "trace/dwarf.h"
#include "trace/lex.h"

static struct arena *arena_of(struct checker *checker)
{
	return &checker->script->arena;
}

static const struct type *set_constant(struct expr *expr, uint64_t number, bool is_negative)
{
	expr->number = number;
	expr->is_negative = is_negative;
	expr->is_constant = true;
	return type_of_literal(number, is_negative);
}

static const struct type *set_text(struct checker *checker, struct expr *expr, struct span text)
{
	expr->text = text;
	expr->is_constant = true;
	return type_string(arena_of(checker), (uint32_t)text.len + 1);
}

static const struct type *check_positional(struct checker *checker, struct expr *expr)
{
	const struct script_options *options = checker->script->options;
	const char *text, *why;
	bool is_negative;
	uint64_t number;

	if (expr->arg_count > options->param_count) {
		if (!expr->is_text_wanted)
			diag_warn(&checker->script->diag, expr->place,
				  "Positional parameter $%u is empty or not provided. ",
				  expr->arg_count);
		return set_constant(expr, 0, false);
	}
	text = options->params[expr->arg_count - 1];
	is_negative = *text == '-';
	if (!lex_number(span_of(text + is_negative), &number, &why))
		return set_text(checker, expr, span_of(text));
	return set_constant(expr, is_negative ? -number : number, is_negative && number);
}

static struct variable *find_variable(struct checker *checker, const char *name)
{
	for (struct binding *b = checker->bindings; b; b = b->next)
		if (!strcmp(b->variable->name, name))
			return b->variable;
	return NULL;
}

static const char *shown_name(const char *name)
{
	static _Thread_local char text[128];
	const char *serial = strchr(name, '#');

	snprintf(text, sizeof(text), "%.*s", serial ? (int)(serial - name) : 120, name);
	return text;
}

static const struct type *check_variable(struct checker *checker, struct expr *expr)
{
	struct variable *variable = find_variable(checker, expr->name);

	if (!variable)
		variable = check_hoist(checker, expr->name);
	if (!variable) {
		check_error(checker, expr->place, "Undefined or undeclared variable: %s",
			    shown_name(expr->name));
		return &type_none;
	}
	expr->variable = variable;
	variable->is_shared |= checker->callback_depth > 0;
	return variable->type;
}

const struct type *check_plain(const struct type *type)
{
	if (!type_is_castable_aggregate(type))
		return type;
	return type->kind == TYPE_COUNT ? &type_uint64 : &type_int64;
}

const struct type *check_key_type(struct checker *checker, struct expr *keys, uint32_t count)
{
	struct field *fields;
	uint32_t i = 0;

	for (struct expr *key = keys; key; key = count > 1 ? key->next : NULL)
		check_expr(checker, key);
	if (!count)
		return &type_none;
	if (count == 1)
		return check_plain(keys->type);
	fields = arena_new(arena_of(checker), (count + 1) * sizeof(*fields));
	if (!fields)
		return &type_none;
	for (struct expr *key = keys; key; key = key->next) {
		if (key->type->kind == TYPE_NONE)
			return &type_none;
		fields[i++].type = check_plain(key->type);
	}
	return type_tuple(arena_of(checker), fields, count);
}

void check_join_key(struct checker *checker, struct map_decl *map, const struct type *key,
		    struct place place)
{
	const struct type *joined;

	if (!map->key || (map->key->kind == TYPE_NONE && !map->is_key_fixed)) {
		map->key = key;
		map->is_key_fixed = true;
		checker->is_changed = true;
		return;
	}
	if (map->key->kind == TYPE_NONE && key->kind == TYPE_NONE)
		return;
	joined = map->key->kind == TYPE_NONE || key->kind == TYPE_NONE
			 ? NULL
			 : type_join(arena_of(checker), map->key, key);
	if (!joined) {
		check_error(checker, place,
			    map->key->kind == TYPE_NONE
				    ? "%s used as a map with an explicit key (non-scalar map), "
				      "previously used without an explicit key (scalar map)%s%s"
			    : key->kind == TYPE_NONE
				    ? "%s used as a map without an explicit key (scalar map), "
				      "previously used with an explicit key (non-scalar map)%s%s"
				    : "Argument mismatch for %s: trying to access with arguments: "
				      "'%s' when map expects arguments: '%s'",
			    map->name,
			    key->kind == TYPE_NONE || map->key->kind == TYPE_NONE
				    ? ""
				    : check_text(checker, key),
			    key->kind == TYPE_NONE || map->key->kind == TYPE_NONE
				    ? ""
				    : check_text(checker, map->key));
		return;
	}
	if (!type_same(joined, map->key) || joined->is_literal != map->key->is_literal) {
		map->key = joined;
		checker->is_changed = true;
	}
}

void check_map_key(struct checker *checker, struct expr *expr)
{
	const struct type *key = check_key_type(checker, expr->args, expr->arg_count);

	expr->map = script_map(checker->script, expr->name, expr->place);
	if (expr->map && !expr->map->used.to)
		expr->map->used = (struct place){expr->place.from,
						 expr->place.from + (uint32_t)strlen(expr->name)};
	if (!expr->map || (expr->arg_count && key->kind == TYPE_NONE))
		return;
	check_join_key(checker, expr->map, key, expr->place);
}

static const struct type *check_map(struct checker *checker, struct expr *expr)
{
	check_map_key(checker, expr);
	if (!expr->map)
		return &type_none;
	if (checker->is_final && expr->map->value->kind == TYPE_NONE)
		check_error(checker, expr->place, "Undefined map: %s", expr->name);
	return expr->map->value;
}

static const struct type *check_unary(struct checker *checker, struct expr *expr)
{
	struct expr *a = expr->a;
	const struct type *type;

	if (expr->op == OP_ADDRESS && a->kind != EXPR_VARIABLE) {
		check_error(checker, expr->place, "The & operator is for variables only");
		return &type_none;
	}
	type = check_expr(checker, a);

	if (type->kind == TYPE_NONE)
		return &type_none;
	switch (expr->op) {
	case OP_NOT:
		if (a->is_constant && type->kind == TYPE_INT) {
			set_constant(expr, !a->number, false);
			return &type_bool;
		}
		if (!type_is_scalar(type) && !type_is_castable_aggregate(type))
			break;
		return &type_bool;
	case OP_NEGATE:
		if (a->is_constant && type->kind == TYPE_INT && type->is_literal)
			return set_constant(expr, -a->number, !a->is_negative && a->number);
		if (!type_is_integer(type) && !type_is_castable_aggregate(type))
			break;
		return type->kind == TYPE_INT && !type->is_signed ? type : &type_int64;
	case OP_INVERT:
		if (a->is_constant && type->kind == TYPE_INT && type->is_literal) {
			set_constant(expr, ~a->number, false);
			return &type_uint64;
		}
		if (!type_is_integer(type))
			break;
		return type_int(type->size, false);
	case OP_DEREF:
		if (type->kind == TYPE_POINTER) {
			if (type->of->kind != TYPE_VOID && type->of->kind != TYPE_NONE)
				return type->of;
			check_error(checker, expr->place, "Can not dereference a void pointer");
			return &type_none;
		}
		if (type->kind == TYPE_INT) /* as old scripts do: *kaddr("x") */
			return &type_uint64;
		check_error(checker, expr->place, "Can not dereference type '%s' (not a pointer)",
			    check_text(checker, type));
		return &type_none;
	case OP_ADDRESS:
		/* read back as kernel memory, which the stack and the frame are */
		a->variable->is_addressed = true;
		return type_pointer(arena_of(checker), type, SPACE_KERNEL);
	default: break;
	}
	check_error(checker, expr->place,
		    "The %s operator can not be used on expressions of type '%s'",
		    op_text(expr->op), check_text(checker, type));
	return &type_none;
}

/* The condition is a constant: the expression is one of its branches. */
static const struct type *take_branch(struct expr *expr, struct expr *branch)
{
	*expr = (struct expr){.kind = EXPR_BLOCK,
			      .place = expr->place,
			      .text_from = expr->text_from,
			      .next = expr->next,
			      .is_constant = branch->is_constant,
			      .number = branch->number,
			      .is_negative = branch->is_negative,
			      .text = branch->text,
			      .a = branch};
	return branch->type;
}

static const struct type *check_ternary(struct checker *checker, struct expr *expr)
{
	const struct type *left, *right, *joined;

	check_condition(checker, expr->a, expr->place);
	left = expr->b ? check_expr(checker, expr->b) : expr->a->type;
	right = check_expr(checker, expr->c);
	if (left->kind == TYPE_NONE || right->kind == TYPE_NONE)
		return left->kind == TYPE_NONE ? right : left;
	if (type_is_castable_aggregate(left))
		left = &type_int64;
	if (type_is_castable_aggregate(right))
		right = &type_int64;
	joined = type_join(arena_of(checker), left, right);
	if (!joined && expr->b && expr->a->is_constant && type_is_integer(expr->a->type))
		return take_branch(expr, expr->a->number ? expr->b : expr->c);
	if (!joined) {
		check_error(checker, expr->place,
			    "Ternary operator must return the same type: have '%s' and '%s'",
			    check_text(checker, left), check_text(checker, right));
		return &type_none;
	}
	return joined->is_literal ? type_int(joined->size, joined->is_signed) : joined;
}

static bool is_castable(const struct type *from, const struct type *to)
{
	if (from->kind == TYPE_STRING && type_is_integer(to))
		return to->kind == TYPE_BOOL; /* text is true when it is not empty */
	if (from->kind == TYPE_NONE || type_same(from, to))
		return true;
	if (type_is_scalar(to))
		return type_is_scalar(from) || type_is_castable_aggregate(from) ||
		       ((from->kind == TYPE_ARRAY || from->kind == TYPE_STRING ||
			 from->kind == TYPE_BUFFER) &&
			from->size == to->size) ||
		       (to->kind == TYPE_POINTER &&
			(from->kind == TYPE_ARRAY || from->kind == TYPE_STRING ||
			 from->kind == TYPE_RECORD));
	if (to->kind == TYPE_ARRAY)
		return (type_is_integer(from) || from->kind == TYPE_ARRAY ||
			from->kind == TYPE_STRING) &&
		       from->size == to->size;
	return to->kind == TYPE_STRING && from->kind == TYPE_STRING;
}

/* "(type)" alone, up to what is cast. */
static struct place cast_place(const struct expr *expr)
{
	return (struct place){expr->place.from, expr->a->text_from > expr->spec->place.to
							? expr->a->text_from
							: expr->spec->place.to + 1};
}

static const struct type *check_cast(struct checker *checker, struct expr *expr)
{
	const struct type *from = check_expr(checker, expr->a);
	const struct type *to = check_type_spec(checker, expr->spec, from);

	if (!to || to->kind == TYPE_NONE)
		return &type_none;
	if (checker->is_final && !checker->is_measuring && from->kind != TYPE_NONE &&
	    type_same(from, to))
		diag_warn(&checker->script->diag, cast_place(expr),
			  "Unnecessary cast: expression is already of type %s",
			  check_text(checker, to));
	if (to->kind == TYPE_POINTER) {
		enum space space =
			from->kind == TYPE_POINTER ? from->space : checker->probe->kind->space;

		to = type_pointer(arena_of(checker), to->of, space);
	}
	if (to->kind == TYPE_ARRAY && from->kind == TYPE_INT && from->is_literal &&
	    from->size < to->size)
		from = type_int(to->size, true); /* a literal is as wide as it must be */
	if (to->kind == TYPE_RECORD) {
		check_error(checker, cast_place(expr), "Cannot cast from \"%s\" to \"%s\"",
			    check_text(checker, from), check_text(checker, to));
		return &type_none;
	}
	if (!is_castable(from, to)) {
		check_error(checker, cast_place(expr), "Cannot cast from \"%s\" to \"%s\"",
			    check_text(checker, from), check_text(checker, to));
		return &type_none;
	}
	if (expr->a->is_constant && from->kind == TYPE_STRING && to->kind == TYPE_BOOL) {
		expr->is_constant = true;
		expr->number = expr->a->text.len != 0;
		return &type_bool;
	}
	if (expr->a->is_constant && from->kind == TYPE_INT && type_is_integer(to) && to->size) {
		uint32_t shift = 64 - to->size * 8;
		uint64_t number = expr->a->number << shift;

		number = to->is_signed ? (uint64_t)((int64_t)number >> shift) : number >> shift;
		if (to->kind == TYPE_BOOL)
			number = expr->a->number != 0;
		set_constant(expr, number, to->is_signed && (int64_t)number < 0);
	}
	return to;
}

static const struct type *check_tuple_element(struct checker *checker, struct expr *expr,
					      const struct type *tuple)
{
	const struct field *field = NULL;

	if (*expr->name >= '0' && *expr->name <= '9') {
		unsigned long index = strtoul(expr->name, NULL, 10);

		if (index >= tuple->field_count) {
			check_error(checker, expr->place,
				    "Invalid tuple index: %lu. Found %u elements in tuple.", index,
				    tuple->field_count);
			return &type_none;
		}
		field = &tuple->fields[index];
	} else if (!(field = type_field(tuple, expr->name))) {
		check_error(checker, expr->place, "Record does not contain a field named '%s'",
			    expr->name);
		return &type_none;
	}
	expr->field = field;
	return field->type;
}

static const struct type *check_field(struct checker *checker, struct expr *expr)
{
	const struct type *base, *record;

	expr->a->is_part_wanted = true;
	base = record = check_expr(checker, expr->a);

	if (base->kind == TYPE_NONE)
		return &type_none;
	if (base->kind == TYPE_TUPLE)
		return check_tuple_element(checker, expr, base);
	if (base->kind == TYPE_POINTER)
		record = base->of;
	if (record->kind == TYPE_POINTER && record->of->kind == TYPE_RECORD)
		record = record->of;
	if (record->kind != TYPE_RECORD) {
		check_error(checker, expr->place,
			    "Can not access field '%s' on expression of type '%s'", expr->name,
			    check_text(checker, base));
		return &type_none;
	}
	expr->field = script_field(checker->script, record, expr->name);
	if (!expr->field && record == checker->probe->args && expr->a->kind == EXPR_CALL &&
	    strcmp(checker->probe->kind->name, "tracepoint") && strcmp(expr->a->name, "ctx")) {
		check_error(checker, expr->place, "Can't find function parameter %s", expr->name);
		return &type_none;
	}
	if (!expr->field) {
		check_error(checker, expr->place,
			    "Struct/union of type '%s' does not contain a field named '%s'",
			    check_text(checker, record), expr->name);
		return &type_none;
	}
	if (expr->field->type->kind == TYPE_POINTER) {
		enum space space = base->space;

		/* what lies in user memory points to user memory */
		if (space == SPACE_USER)
			return type_pointer(arena_of(checker), expr->field->type->of, SPACE_USER);
	}
	return expr->field->type;
}

static const struct type *check_index(struct checker *checker, struct expr *expr)
{
	const struct type *base = check_expr(checker, expr->a);
	const struct type *index = check_expr(checker, expr->b);

	if (base->kind == TYPE_NONE || index->kind == TYPE_NONE)
		return &type_none;
	if (base->kind == TYPE_TUPLE) {
		if (!expr->b->is_constant) {
			check_error(
				checker, expr->place,
				"Array-style access for tuples only valid for integer literals");
			return &type_none;
		}
		if (expr->b->number >= base->field_count) {
			check_error(checker, expr->place,
				    "Invalid tuple index: %lld. Found %u elements in tuple.",
				    (long long)expr->b->number, base->field_count);
			return &type_none;
		}
		expr->field = &base->fields[expr->b->number];
		return expr->field->type;
	}
	if (!type_is_integer(index)) {
		check_error(checker, expr->place,
			    "The array index operator [] only accepts positive (unsigned) integer "
			    "indices. Got %s.",
			    check_text(checker, index));
		return &type_none;
	}
	if (base->kind == TYPE_ARRAY) {
		if (expr->b->is_constant && base->count && expr->b->number >= base->count) {
			check_error(checker, expr->place,
				    "the index %lld is out of bounds for array of size %u",
				    (long long)expr->b->number, base->count);
			return &type_none;
		}
		return base->of;
	}
	if (base->kind == TYPE_STRING && expr->b->is_constant && expr->b->number >= base->count) {
		check_error(checker, expr->place,
			    "the index %lld is out of bounds for array of size %u",
			    (long long)expr->b->number, base->count);
		return &type_none;
	}
	if (base->kind == TYPE_STRING)
		return &type_int8;
	if (base->kind == TYPE_POINTER && base->of->size)
		return base->of;
	check_error(checker, expr->place,
		    "The array index operator [] can only be used on arrays, pointers, and tuples, "
		    "found %s.",
		    check_text(checker, base));
	return &type_none;
}

static const struct type *check_tuple(struct checker *checker, struct expr *expr)
{
	struct field *fields =
		arena_new(arena_of(checker), (expr->arg_count + 1) * sizeof(*fields));
	uint32_t i = 0;

	for (struct expr *one = expr->args; one; one = one->next) {
		const struct type *type = check_expr(checker, one);

		if (type->kind == TYPE_NONE || !fields) {
			for (one = one->next; one; one = one->next)
				check_expr(checker, one);
			return &type_none;
		}
		type = check_plain(type);
		/* a constant in a tuple is as wide as bpftrace makes it: its smallest type */
		if (type->kind == TYPE_INT && type->is_literal)
			type = type_of_literal(one->number, one->is_negative);
		fields[i].name = one->kind == EXPR_BLOCK ? one->name : NULL;
		fields[i++].type = type;
	}
	return type_tuple(arena_of(checker), fields, expr->arg_count);
}

static bool name_is_constant(struct checker *checker, struct expr *expr,
			     const struct type **ret_type)
{
	const struct type *kernel_enum;
	int64_t value;

	for (const struct c_enumerator *e = checker->script->enumerators; e; e = e->next) {
		struct type *type;

		if (strcmp(e->name, expr->name))
			continue;
		set_constant(expr, (uint64_t)e->value, e->value < 0);
		type = arena_new(arena_of(checker), sizeof(*type));
		if (!type)
			return false;
		*type = (struct type){.kind = TYPE_ENUM,
				      .size = e->value > INT32_MAX || e->value < INT32_MIN ? 8 : 4,
				      .name = e->enum_name,
				      .is_signed = e->value < 0};
		type->align = type->size;
		*ret_type = type;
		return true;
	}
	for (const struct debug_file *f = checker->script->debug_files; f; f = f->next)
		if (f->dwarf && dwarf_enumerator(f->dwarf, expr->name, &value, ret_type)) {
			set_constant(expr, (uint64_t)value, value < 0);
			return true;
		}
	if (constant_find(expr->name, &value)) {
		*ret_type = set_constant(expr, (uint64_t)value, value < 0);
		return true;
	}
	if (script_btf(checker->script) &&
	    btf_enumerator(script_btf(checker->script), expr->name, &value, &kernel_enum)) {
		set_constant(expr, (uint64_t)value, value < 0);
		*ret_type = kernel_enum;
		return true;
	}
	return false;
}

/* "one argument", "4 arguments" */
static const char *arguments(uint32_t count)
{
	static _Thread_local char text[32];

	if (count < 2)
		return count ? "one argument" : "no arguments";
	snprintf(text, sizeof(text), "%u arguments", count);
	return text;
}

static const struct type *check_call(struct checker *checker, struct expr *expr)
{
	const struct function *function = function_by_name(expr->name);
	uint32_t n = 0;

	expr->function = function;
	if (expr->args && expr->args->kind == EXPR_POSITIONAL && !strcmp(expr->name, "str"))
		expr->args->is_text_wanted = true;
	if (!function) {
		check_error(checker, expr->place, "Unknown function: '%s'", expr->name);
		return &type_none;
	}
	for (struct expr *arg = expr->args; arg; arg = arg->next, n++)
		if (!(function->flags & FUNCTION_RAW_ARGS) &&
		    !(n == 0 && (function->flags & FUNCTION_MAP_ARG)) &&
		    !(n == 0 && (function->flags & FUNCTION_NAME_ARG) && arg->kind == EXPR_NAME))
			check_expr(checker, arg);
	if ((function->flags & FUNCTION_AGGREGATE) && checker->assigned != expr)
		check_error(checker, expr->place, "%s() must be assigned directly to a map",
			    expr->name);
	if ((function->flags & FUNCTION_UNSAFE) && !checker->script->options->is_unsafe)
		check_error(checker, expr->place,
			    "%s() is an unsafe function being used in safe mode", expr->name);
	if (n < function->min_args || n > function->max_args) {
		check_error(
			checker, expr->place, "%s() %s %s (%u provided)", expr->name,
			function->min_args == function->max_args ? "requires"
			: n < function->min_args                 ? "requires at least"
								 : "takes up to",
			arguments(n < function->min_args ? function->min_args : function->max_args),
			n);
		return &type_none;
	}
	return function->check(checker, expr);
}

static const struct type *check_name(struct checker *checker, struct expr *expr)
{
	const struct function *function = function_by_name(expr->name);
	const struct type *type;

	if (function && (function->flags & FUNCTION_BUILTIN)) {
		expr->kind = EXPR_CALL;
		return check_call(checker, expr);
	}
	/* arg0 ... argN are one function */
	if (!strncmp(expr->name, "arg", 3) && expr->name[3] >= '0' && expr->name[3] <= '9') {
		expr->kind = EXPR_CALL;
		return check_call(checker, expr);
	}
	if (name_is_constant(checker, expr, &type))
		return type;
	check_error(checker, expr->place, "Unknown identifier: '%s'", expr->name);
	return &type_none;
}

static const struct type *check_size(struct checker *checker, struct expr *expr)
{
	const struct type *type;

	if (expr->spec) {
		type = check_type_spec(checker, expr->spec, NULL);
		/* "sizeof(x)" where x is no type may be an expression that looks like one */
	} else {
		bool outer = checker->is_measuring;

		checker->is_measuring = true;
		type = check_expr(checker, expr->a);
		checker->is_measuring = outer;
	}
	if (!type || type->kind == TYPE_NONE)
		return &type_none;
	if (expr->kind == EXPR_SIZEOF)
		return set_constant(expr, type->size, false);

	uint64_t offset = 0;

	for (struct expr *name = expr->args; name; name = name->next) {
		const struct field *field;

		if (type->kind == TYPE_POINTER)
			type = type->of;
		field = type->kind == TYPE_RECORD ? script_field(checker->script, type, name->name)
						  : NULL;
		if (!field) {
			check_error(checker, expr->place, "'%s' has no field named '%s'",
				    check_text(checker, type), name->name);
			return &type_none;
		}
		offset += field->offset;
		type = field->type;
	}
	return set_constant(expr, offset, false);
}

static const struct type *check_step(struct checker *checker, struct expr *expr)
{
	const struct type *type, *wide;

	if (expr->a->kind == EXPR_MAP) {
		check_map_key(checker, expr->a);
		if (!expr->a->map)
			return &type_none;
		if (expr->a->map->value->kind == TYPE_NONE) {
			expr->a->map->value = &type_int64;
			checker->is_changed = true;
		}
		expr->a->map->is_written = true;
		type = expr->a->type = expr->a->map->value;
	} else {
		type = check_expr(checker, expr->a);
	}
	if (type->kind == TYPE_NONE)
		return &type_none;
	if (type->kind == TYPE_POINTER)
		return type;
	if (type->kind != TYPE_INT && expr->a->kind == EXPR_VARIABLE) {
		check_error(checker, expr->place,
			    "Type mismatch for %s: trying to assign value of type 'uint64' when "
			    "variable already has a type '%s'",
			    expr->a->name, check_text(checker, type));
		return &type_none;
	}
	if (type->kind != TYPE_INT) {
		check_error(checker, expr->place,
			    "The %s operator can not be used on expressions of type '%s'",
			    expr->op == OP_ADD ? "++" : "--", check_text(checker, type));
		return &type_none;
	}
	wide = type_int(8, type->is_signed);
	if (expr->a->kind == EXPR_VARIABLE && !expr->a->variable->has_fixed_type) {
		struct variable *variable = expr->a->variable;

		if (variable->type->size < 8 || variable->type->is_literal) {
			variable->type = wide;
			checker->is_changed = true;
		}
		variable->is_in_loop |= checker->loop_depth > variable->loop_depth;
		return variable->type;
	}
	if (expr->a->kind == EXPR_VARIABLE)
		expr->a->variable->is_in_loop |=
			checker->loop_depth > expr->a->variable->loop_depth;
	return type;
}

static const struct type *check_block_expr(struct checker *checker, struct expr *expr)
{
	struct binding *outer = checker->bindings;
	const struct type *type;

	checker->depth++;
	check_stmts(checker, expr->body);
	type = expr->a ? check_expr(checker, expr->a) : &type_void;
	checker->depth--;
	checker->bindings = outer;
	if (expr->a && expr->a->is_constant && !expr->body) {
		expr->is_constant = true;
		expr->number = expr->a->number;
		expr->is_negative = expr->a->is_negative;
		expr->text = expr->a->text;
	}
	return type;
}

static const struct type *check_if_expr(struct checker *checker, struct expr *expr)
{
	const struct type *left, *right, *joined;
	bool is_taken;

	check_condition(checker, expr->a, expr->place);
	if (expr->is_comptime && check_is_decided(expr->a, &is_taken)) {
		if (!is_taken && !expr->c)
			return &type_void;
		return check_expr(checker, is_taken ? expr->b : expr->c);
	}
	left = check_expr(checker, expr->b);
	right = expr->c ? check_expr(checker, expr->c) : &type_void;
	if (left->kind == TYPE_NONE || left->kind == TYPE_VOID)
		return right->kind == TYPE_VOID ? left : right;
	if (right->kind == TYPE_NONE || right->kind == TYPE_VOID)
		return left;
	joined = type_join(arena_of(checker), left, right);
	if (!joined)
		check_error(checker, expr->place,
			    "Branches must return the same type: have '%s' and '%s'",
			    check_text(checker, left), check_text(checker, right));
	return joined ? joined : &type_none;
}

static const struct type *check_kind(struct checker *checker, struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_INT: return set_constant(expr, expr->number, false);
	case EXPR_BOOL: expr->is_constant = true; return &type_bool;
	case EXPR_STRING:
		if (expr->text.len + 1 > checker->script->config.max_strlen)
			check_error(checker, expr->place,
				    "String is too long (over %u bytes): %.*s",
				    checker->script->config.max_strlen, (int)expr->text.len,
				    (const char *)expr->text.at);
		return set_text(checker, expr, expr->text);
	case EXPR_PARAM_COUNT:
		return set_constant(expr, checker->script->options->param_count, false);
	case EXPR_POSITIONAL: return check_positional(checker, expr);
	case EXPR_VARIABLE: return check_variable(checker, expr);
	case EXPR_MAP: return check_map(checker, expr);
	case EXPR_UNARY: return check_unary(checker, expr);
	case EXPR_BINARY: return check_binary(checker, expr);
	case EXPR_TERNARY: return check_ternary(checker, expr);
	case EXPR_CAST: return check_cast(checker, expr);
	case EXPR_FIELD: return check_field(checker, expr);
	case EXPR_INDEX: return check_index(checker, expr);
	case EXPR_TUPLE: return check_tuple(checker, expr);
	case EXPR_CALL: return check_call(checker, expr);
	case EXPR_NAME: return check_name(checker, expr);
	case EXPR_BLOCK: return check_block_expr(checker, expr);
	case EXPR_SIZEOF:
	case EXPR_OFFSETOF: return check_size(checker, expr);
	case EXPR_STEP: return check_step(checker, expr);
	case EXPR_IF: return check_if_expr(checker, expr);
	case EXPR_TYPE:
		check_error(
			checker, expr->place,
			"typeof() stands for a type: in casts, let, sizeof() and as an argument "
			"of a macro");
		return &type_none;
	}
	return &type_none;
}

const struct type *check_expr(struct checker *checker, struct expr *expr)
{
	expr->type = check_kind(checker, expr);
	return expr->type;
}
