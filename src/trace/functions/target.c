// SPDX-License-Identifier: GPL-2.0-only
/* target - what is traced, from nearby: addresses of its variables, cookies of sockets, other results, what is
 * written to it, what is watched no more. */
#include <string.h>

#include "base/arch.h"
#include "trace/btf.h"
#include "base/elf_file.h"
#include "trace/functions/functions.h"
#include "trace/run.h"

/* --- uaddr: where a variable of the traced binary lies --- */

/*
 * The program was moved as a whole when it was loaded, so the way from the probe to the variable is
 * as long as it was linked: address = address of the probe + that.
 */
static const struct type *check_uaddr(struct checker *checker, struct expr *call)
{
	static const struct type *const numbers[] = {
		[1] = &type_uint8, [2] = &type_uint16, [4] = &type_uint32, [8] = &type_uint64};
	const struct probe *probe = checker->probe;
	const struct type *type = &type_uint64;
	struct elf_symbol symbol;
	uint64_t here = 0;
	struct elf elf;
	bool is_found;

	if (strcmp(probe->kind->name, "uprobe") && strcmp(probe->kind->name, "usdt")) {
		check_error(checker, call->place, "uaddr can not be used with \"%s\" probes",
			    probe->kind->name);
		return &type_none;
	}
	if (!call->args->is_constant || call->args->type->kind != TYPE_STRING) {
		check_error(checker, call->place, "uaddr() expects a string literal");
		return &type_none;
	}
	if (elf_open(&elf, probe->target))
		return &type_none;
	is_found = elf_find(&elf, (const char *)call->args->text.at, &symbol) &&
		   elf_address_of(&elf, probe->number, &here);
	elf_close(&elf);
	if (!is_found) {
		check_error(checker, call->place, "Could not resolve symbol: %s:%.*s",
			    probe->target, (int)call->args->text.len,
			    (const char *)call->args->text.at);
		return &type_none;
	}
	call->number = symbol.value - here;
	if (symbol.size <= 8 && numbers[symbol.size])
		type = numbers[symbol.size];
	checker->probe->uses_args = true;
	return type_pointer(&checker->script->arena, type, SPACE_USER);
}

static struct value lower_uaddr(struct lowering *l, struct expr *call)
{
	int here = ir_load(l->ir, op_context(0), ARCH_IP, 8, false);

	return value_reg(call->type,
			 ir_alu(l->ir, ALU_ADD, op_reg(here), op_imm((int64_t)call->number)));
}

const struct function function_uaddr = {
	.name = "uaddr", .min_args = 1, .max_args = 1, .check = check_uaddr, .lower = lower_uaddr};

/* --- socket_cookie: as the kernel keeps it; 0 until somebody asked for one --- */

static const struct type *check_socket_cookie(struct checker *checker, struct expr *call)
{
	struct btf *btf = script_btf(checker->script);
	const struct type *sock = btf ? btf_record(btf, "sock_common", false) : NULL;
	const struct field *cookie = sock ? btf_field(btf, sock, "skc_cookie") : NULL;
	const struct type *arg = call->args->type;

	if (arg->kind == TYPE_NONE)
		return &type_none;
	if (arg->kind != TYPE_POINTER || arg->of->kind != TYPE_RECORD || !arg->of->name ||
	    strcmp(arg->of->name, "sock")) {
		check_error(checker, call->place,
			    "socket_cookie() only supports 'struct sock *' as the argument (%s "
			    "provided)",
			    check_text(checker, arg));
		return &type_none;
	}
	if (!cookie) {
		check_error(checker, call->place, "socket_cookie() needs the kernel's BTF");
		return &type_none;
	}
	call->number = cookie->offset;
	return &type_uint64;
}

static struct value lower_socket_cookie(struct lowering *l, struct expr *call)
{
	int sock = lower_register(l, lower_expr(l, call->args));

	return value_far(&type_uint64, op_reg(sock), (int32_t)call->number, SPACE_KERNEL);
}

const struct function function_socket_cookie = {.name = "socket_cookie",
						.min_args = 1,
						.max_args = 1,
						.check = check_socket_cookie,
						.lower = lower_socket_cookie};

/* --- override: the function is not run, its result is this --- */

static const struct type *check_override(struct checker *checker, struct expr *call)
{
	if (strcmp(checker->probe->kind->name, "kprobe"))
		check_error(checker, call->place, "override can not be used with \"%s\" probes",
			    checker->probe->kind->is_special ? "special"
							     : checker->probe->kind->name);
	else if (call->args->type->kind != TYPE_NONE && !type_is_integer(call->args->type))
		check_error(checker, call->place,
			    "override() only supports integer arguments (%s provided)",
			    check_text(checker, call->args->type));
	return &type_void;
}

static struct value lower_override(struct lowering *l, struct expr *call)
{
	ir_call(l->ir, 58 /* bpf_override_return */, op_context(0),
		lower_scalar(l, lower_expr(l, call->args)), NO_OPERAND, NO_OPERAND, NO_OPERAND);
	return value_none();
}

const struct function function_override = {.name = "override",
					   .min_args = 1,
					   .max_args = 1,
					   .flags = FUNCTION_NO_VALUE | FUNCTION_UNSAFE,
					   .check = check_override,
					   .lower = lower_override};

/* --- write_user: bytes of ours into the memory of the process that runs --- */

static bool has_bytes(const struct type *type)
{
	return type->kind == TYPE_STRING || type->kind == TYPE_ARRAY || type->kind == TYPE_RECORD ||
	       type->kind == TYPE_BUFFER ||
	       (type->kind == TYPE_POINTER && type->space == SPACE_BPF);
}

static uint32_t bytes_there(const struct type *type)
{
	return type->kind == TYPE_POINTER ? type->of->size : type->size;
}

static const struct type *check_write_user(struct checker *checker, struct expr *call)
{
	const struct expr *from = call->args->next, *length = from->next;
	const struct type *to = call->args->type;

	if (!checker->script->options->is_unsafe) {
		check_error(checker, call->place,
			    "write_user() is unsafe. To use you need the --unsafe flag");
	} else if (to->kind != TYPE_NONE && to->kind != TYPE_POINTER && to->kind != TYPE_INT) {
		check_error(checker, call->place, "write_user() writes to a pointer (%s provided)",
			    check_text(checker, to));
	} else if (from->type->kind != TYPE_NONE && !has_bytes(from->type)) {
		check_error(checker, call->place,
			    "write_user() takes text, an array or the address of a variable (%s "
			    "provided)",
			    check_text(checker, from->type));
	} else if (length->type->kind != TYPE_NONE &&
		   (!length->is_constant || !type_is_integer(length->type) || !length->number)) {
		check_error(checker, call->place, "write_user() needs a literal length");
	} else if (from->type->kind != TYPE_NONE && length->number > bytes_there(from->type)) {
		check_error(checker, call->place, "write_user() of %llu bytes, where there are %u",
			    (unsigned long long)length->number, bytes_there(from->type));
	}
	return &type_bool;
}

static struct value lower_write_user(struct lowering *l, struct expr *call)
{
	struct expr *from = call->args->next;
	int to = lower_register(l, lower_expr(l, call->args)), done = ir_label(l->ir);
	struct value bytes = lower_expr(l, from);
	struct operand at = from->type->kind == TYPE_POINTER
				    ? lower_scalar(l, bytes)
				    : lower_address(l, lower_memory(l, bytes));
	int code = ir_call(l->ir, 36 /* bpf_probe_write_user */, op_reg(to), at,
			   op_imm((int64_t)from->next->number), NO_OPERAND, NO_OPERAND);
	int is_written = ir_reg(l->ir);

	ir_set(l->ir, is_written, op_imm(0));
	ir_branch(l->ir, COND_NE, op_reg(code), op_imm(0), done);
	ir_set(l->ir, is_written, op_imm(1));
	ir_put_label(l->ir, done);
	return value_reg(&type_bool, is_written);
}

const struct function function_write_user = {.name = "write_user",
					     .min_args = 3,
					     .max_args = 3,
					     .check = check_write_user,
					     .lower = lower_write_user};

/* --- unwatch: watchpoints of that address fire no more, from the moment that this is read --- */

static const struct type *check_unwatch(struct checker *checker, struct expr *call)
{
	const struct type *type = call->args->type;

	if (type->kind != TYPE_NONE && type->kind != TYPE_INT && type->kind != TYPE_POINTER)
		check_error(checker, call->place,
			    "unwatch() only supports int and pointer arguments (%s provided)",
			    check_short(checker, type));
	return &type_void;
}

static struct value lower_unwatch(struct lowering *l, struct expr *call)
{
	struct operand address = lower_scalar(l, lower_expr(l, call->args));
	struct memory event = lower_event(l, call, &type_uint64);

	ir_store(l->ir, event.base, event.offset + EVENT_HEAD, 8, address);
	lower_send(l, event, &type_uint64);
	return value_none();
}

static void happen_unwatch(struct run *run, const struct expr *call, const uint8_t *data,
			   size_t len)
{
	uint64_t address = output_integer(&type_uint64, data);
	struct loader *loader = run->loader;

	for (const struct probe *probe = run->script->probes; probe; probe = probe->next)
		if (!strcmp(probe->kind->name, "watchpoint") && probe->number == address)
			for (uint32_t i = probe->first_link;
			     i < probe->end_link && i < loader->link_count; i++)
				loader->silence(loader, loader->links[i]);
}

const struct function function_unwatch = {.name = "unwatch",
					  .min_args = 1,
					  .max_args = 1,
					  .flags = FUNCTION_NO_VALUE,
					  .check = check_unwatch,
					  .lower = lower_unwatch,
					  .happen = happen_unwatch};
