// SPDX-License-Identifier: GPL-2.0-only
/* print - prints a value, or a whole map as it is when user space comes to it. */
#include <string.h>

#include "trace/functions/functions.h"
#include "trace/run.h"

struct map_print {
	struct map_decl *map;
};

/* print(@), print(@, top, div): the map itself. */
static const struct type *check_map_print(struct checker *checker, struct expr *call)
{
	struct map_print *data = arena_new(&checker->script->arena, sizeof(*data));
	struct expr *map = call->args;
	struct field *fields = arena_new(&checker->script->arena, 3 * sizeof(*fields));

	map->map = script_map(checker->script, map->name, map->place);
	if (!data || !fields || !map->map)
		return &type_void;
	if (checker->is_final && map->map->value->kind == TYPE_NONE)
		check_error(checker, map->place, "Undefined map: %s", map->name);
	data->map = map->map;
	fields[0].type = fields[1].type = &type_uint64;
	for (struct expr *arg = map->next; arg; arg = arg->next)
		if (arg->type->kind != TYPE_NONE && !type_is_integer(arg->type))
			check_error(checker, call->place,
				    "print() only supports integer arguments (%s provided)",
				    check_text(checker, arg->type));
	call->data = data;
	map->type = &type_void; /* how lowering and printing tell the two kinds apart */
	map->op = OP_ADDRESS;
	return &type_void;
}

static const struct type *check_print(struct checker *checker, struct expr *call)
{
	const struct type *type;
	uint32_t complaints;

	if (call->args->kind == EXPR_MAP && !call->args->args) {
		struct map_decl *map =
			script_map(checker->script, call->args->name, call->args->place);

		if (map)
			return check_map_print(checker, call);
	}
	complaints = checker->script->diag.errors;
	type = check_expr(checker, call->args);
	/* why it has no type was said; of names bpftrace says both */
	if (type->kind == TYPE_NONE && checker->script->diag.errors != complaints &&
	    call->args->kind != EXPR_NAME)
		return &type_void;
	if (type->kind == TYPE_TUPLE && !type->field_count)
		type = &type_none;
	if (call->args->next)
		check_error(checker, call->place, "Non-map print() only takes 1 argument, %u found",
			    call->arg_count);
	if (type->kind == TYPE_NONE || type->kind == TYPE_VOID) {
		check_error(checker, call->place, "%s type passed to print() is not printable",
			    type->kind == TYPE_VOID ? "void" : "none");
		return &type_void;
	}
	if (type->kind == TYPE_RECORD) {
		type = script_fill(checker->script, type);
		if (type->space == SPACE_CONTEXT) {
			check_error(checker, call->place,
				    "%s type passed to print() is not printable",
				    check_text(checker, type));
			return &type_void;
		}
	}
	if (type_is_castable_aggregate(type)) {
		type = type->kind == TYPE_COUNT ? &type_uint64 : &type_int64;
	} else if (type_is_aggregate(type)) {
		check_error(checker, call->place,
			    "Map type %s cannot print the value of individual keys. You must print "
			    "the whole map.",
			    check_text(checker, type));
		return &type_void;
	}
	call->args->type = type;
	return &type_void;
}

static bool is_map_print(const struct expr *call)
{
	return call->args->kind == EXPR_MAP && call->args->op == OP_ADDRESS;
}

static struct value lower_map_print(struct lowering *l, struct expr *call)
{
	static const struct field fields[] = {{.type = &type_uint64},
					      {.type = &type_uint64, .offset = 8}};
	static const struct type layout = {
		.kind = TYPE_TUPLE, .size = 16, .align = 8, .fields = fields, .field_count = 2};
	struct memory event;
	uint32_t i = 0;

	lower_decl(l, call->args);
	event = lower_event(l, call, &layout);
	ir_store(l->ir, event.base, event.offset + EVENT_HEAD, 8, op_imm(0));
	ir_store(l->ir, event.base, event.offset + EVENT_HEAD + 8, 8, op_imm(0));
	for (struct expr *arg = call->args->next; arg; arg = arg->next, i += 8)
		lower_into(l, arg, memory_at(event, EVENT_HEAD + i), &type_uint64);
	lower_send(l, event, &layout);
	return value_none();
}

static struct value lower_print(struct lowering *l, struct expr *call)
{
	const struct type *type = call->args->type;
	struct memory event;

	if (is_map_print(call))
		return lower_map_print(l, call);
	event = lower_event(l, call, type);
	lower_into(l, call->args, memory_at(event, EVENT_HEAD), type);
	lower_send(l, event, type);
	return value_none();
}

static void happen_print(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	if (is_map_print(call)) {
		uint64_t top, div;

		memcpy(&top, data, 8);
		memcpy(&div, data + 8, 8);
		output_map(run, run_map(run, call->args->map), (uint32_t)top, div, true);
		return;
	}
	output_print(run->out, call->args->type, data);
}

const struct function function_print = {.name = "print",
					.min_args = 1,
					.max_args = 3,
					.flags = FUNCTION_NO_VALUE | FUNCTION_MAP_ARG,
					.check = check_print,
					.lower = lower_print,
					.happen = happen_print};
