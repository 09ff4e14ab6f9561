// SPDX-License-Identifier: GPL-2.0-only
/*
 * names - texts of numbers: strerror, syscall_name, signal_name.
 *
 * They are texts like all others: they can be compared, searched and kept. What is known while compiling is put in at
 * once; else the program looks the number up in an array that is filled before it runs.
 */
#include <string.h>

#include "trace/constants.h"
#include "trace/functions/functions.h"

enum { NAME_BYTES = 64, ERRORS = 134, SYSCALLS = 512, SIGNALS = 65 };

static const char *error_text(uint32_t number)
{
	const char *text = number < ERRORS ? strerrordesc_np((int)number) : NULL;

	return text ? text : "Unknown error";
}

static const char *syscall_text(uint32_t number)
{
	const char *text = number < SYSCALLS ? syscall_name(number) : NULL;

	return text ? text : "Unknown syscall";
}

static const char *signal_text(uint32_t number)
{
	const char *text = number < SIGNALS ? sigdescr_np((int)number) : NULL;

	return text ? text : "N/A";
}

static const struct names {
	const char *function;
	const char *map;
	uint32_t count; /* numbers that may have names; the entry behind them is for all others */
	const char *(*text)(uint32_t number);
} all[] = {
	{"strerror", "errors", ERRORS, error_text},
	{"syscall_name", "syscall_names", SYSCALLS, syscall_text},
	{"signal_name", "signal_names", SIGNALS, signal_text},
};

static const struct names *names_of(const struct expr *call)
{
	size_t i = 0;

	while (strcmp(all[i].function, call->function->name))
		i++;
	return &all[i];
}

static const struct type *check_name(struct checker *checker, struct expr *call)
{
	const struct expr *number = call->args;
	const struct names *names = names_of(call);

	if (number->type->kind != TYPE_NONE && !type_is_integer(number->type)) {
		check_error(checker, call->place, "%s() expects an integer", call->name);
	} else if (number->is_constant && number->type->kind != TYPE_NONE) {
		call->text = span_of(names->text(
			number->number < names->count ? (uint32_t)number->number : names->count));
		call->is_constant = true;
	}
	return type_string(&checker->script->arena, NAME_BYTES);
}

/* Made when it is first asked for. */
static int names_map(struct lowering *l, const struct names *names)
{
	struct compiled *compiled = l->compiled;
	struct map_spec spec = {.type = BPF_MAP_TYPE_ARRAY,
				.key_size = 4,
				.value_size = NAME_BYTES,
				.max_entries = names->count + 1};
	int map;

	for (uint32_t i = 0; i < compiled->map_count; i++)
		if (compiled->maps[i].text == names->text)
			return (int)i;
	memcpy(spec.name, names->map, strlen(names->map));
	map = lower_new_map(l, spec, NULL);
	if (!l->is_failed)
		compiled->maps[map].text = names->text;
	return map;
}

static void name_into(struct lowering *l, struct expr *call, struct memory to,
		      const struct type *as)
{
	const struct names *names = names_of(call);
	int number = lower_register(l, lower_expr(l, call->args)), found;
	int is_known = ir_label(l->ir), end = ir_label(l->ir);
	struct memory key = lower_slot(l, 8);

	ir_branch(l->ir, COND_LT, op_reg(number), op_imm(names->count), is_known);
	ir_set(l->ir, number, op_imm(names->count));
	ir_put_label(l->ir, is_known);
	ir_store(l->ir, key.base, key.offset, 4, op_reg(number));
	lower_zero(l, to, as->size);
	found = ir_call(l->ir, 1 /* bpf_map_lookup_elem */, op_map(names_map(l, names)),
			lower_address(l, key), NO_OPERAND, NO_OPERAND, NO_OPERAND);
	ir_branch(l->ir, COND_EQ, op_reg(found), op_imm(0), end);
	lower_copy(l, to, (struct memory){.base = op_reg(found)},
		   as->size < NAME_BYTES ? as->size : NAME_BYTES);
	ir_put_label(l->ir, end);
}

#define NAMES(name_)                                                                               \
	const struct function function_##name_ = {.name = #name_,                                  \
						  .min_args = 1,                                   \
						  .max_args = 1,                                   \
						  .check = check_name,                             \
						  .lower_into = name_into}

NAMES(strerror);
NAMES(syscall_name);
NAMES(signal_name);
