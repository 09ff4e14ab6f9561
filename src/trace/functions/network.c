// SPDX-License-Identifier: GPL-2.0-only
/* network - addresses and byte order: ntop, pton, macaddr, bswap. */
#include <arpa/inet.h>
#include <string.h>

#include "trace/functions/functions.h"

enum { IPV4_BYTES = 4, IPV6_BYTES = 16, MAC_BYTES = 6 };

static bool is_bytes(const struct type *type, uint32_t count)
{
	return (type->kind == TYPE_ARRAY || type->kind == TYPE_STRING) && type->size == count;
}

static struct expr *address_of(struct expr *call)
{
	return call->args->next ? call->args->next : call->args;
}

static const struct type *check_ntop(struct checker *checker, struct expr *call)
{
	const struct type *type = address_of(call)->type;

	if (type->kind == TYPE_NONE)
		return &type_inet;
	if (!type_is_integer(type) && !is_bytes(type, IPV4_BYTES) && !is_bytes(type, IPV6_BYTES))
		check_error(checker, call->place, "ntop() argument must be 4 or 16 bytes in size");
	return &type_inet;
}

static void ntop_into(struct lowering *l, struct expr *call, struct memory to,
		      const struct type *as)
{
	struct expr *expr = address_of(call);
	const struct type *type = expr->type;
	struct value value = lower_expr(l, expr);
	uint32_t bytes = type->size == IPV6_BYTES ? IPV6_BYTES : IPV4_BYTES;

	lower_zero(l, to, type_inet.size);
	ir_store(l->ir, to.base, to.offset, 8, op_imm(bytes));
	if (type_is_integer(type))
		ir_store(l->ir, to.base, to.offset + 8, IPV4_BYTES, lower_scalar(l, value));
	else
		lower_store(l, value, memory_at(to, 8), type);
}

const struct function function_ntop = {
	.name = "ntop", .min_args = 1, .max_args = 2, .check = check_ntop, .lower_into = ntop_into};

static const struct type *check_pton(struct checker *checker, struct expr *call)
{
	uint8_t *bytes = arena_new(&checker->script->arena, IPV6_BYTES);
	bool is_v6;

	if (!bytes || !call->args->is_constant || call->args->type->kind != TYPE_STRING) {
		check_error(checker, call->place,
			    "pton() expects an string literal at the first argument");
		return &type_none;
	}
	is_v6 = memchr(call->args->text.at, ':', call->args->text.len);
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, (const char *)call->args->text.at, bytes) != 1) {
		check_error(checker, call->place, "pton() expects %s IPv4/IPv6 address, got %.*s",
			    is_v6 || memchr(call->args->text.at, '.', call->args->text.len)
				    ? "a valid"
				    : "an string argument of an",
			    (int)call->args->text.len, call->args->text.at);
		return &type_none;
	}
	call->data = bytes;
	return type_array(&checker->script->arena, &type_uint8, is_v6 ? IPV6_BYTES : IPV4_BYTES);
}

static void pton_into(struct lowering *l, struct expr *call, struct memory to,
		      const struct type *as)
{
	uint32_t word;

	for (uint32_t at = 0; at < call->type->size; at += 4) {
		memcpy(&word, (const uint8_t *)call->data + at, 4);
		ir_store(l->ir, to.base, to.offset + (int32_t)at, 4, op_imm((int32_t)word));
	}
}

const struct function function_pton = {
	.name = "pton", .min_args = 1, .max_args = 1, .check = check_pton, .lower_into = pton_into};

static const struct type *check_macaddr(struct checker *checker, struct expr *call)
{
	const struct type *type = call->args->type;

	if (call->args->kind == EXPR_STRING)
		check_error(checker, call->place,
			    "macaddr() does not support literal string arguments");
	else if (type->kind != TYPE_NONE && !is_bytes(type, MAC_BYTES) &&
		 type->kind != TYPE_POINTER)
		check_error(checker, call->place,
			    "macaddr() only supports array or pointer arguments (%s provided)",
			    check_short(checker, type));
	return &type_mac;
}

static void macaddr_into(struct lowering *l, struct expr *call, struct memory to,
			 const struct type *as)
{
	struct value value = lower_expr(l, call->args);
	const struct type *type = value.type;

	lower_zero(l, to, type_mac.size);
	if (type->kind == TYPE_POINTER)
		lower_read(l, to, MAC_BYTES, lower_scalar(l, value), type->space);
	else if (value.kind == VALUE_FAR)
		lower_read(l, to, MAC_BYTES, lower_far_address(l, value), value.space);
	else
		lower_copy(l, to, lower_memory(l, value), MAC_BYTES);
}

const struct function function_macaddr = {.name = "macaddr",
					  .min_args = 1,
					  .max_args = 1,
					  .check = check_macaddr,
					  .lower_into = macaddr_into};

static const struct type *check_bswap(struct checker *checker, struct expr *call)
{
	const struct type *type = call->args->type;

	if (type->kind == TYPE_NONE)
		return &type_none;
	if (type->kind != TYPE_INT) {
		check_error(checker, call->place,
			    "bswap() only supports integer arguments (%s provided)",
			    check_short(checker, type));
		return &type_none;
	}
	return type_int(type->size, false);
}

static struct value lower_bswap(struct lowering *l, struct expr *call)
{
	struct operand value = lower_scalar(l, lower_expr(l, call->args));
	struct ir_insn *insn;

	if (call->type->size == 1)
		return value_reg(call->type, ir_extend(l->ir, value, 1, false));
	insn = ir_add(l->ir, IR_ALU);
	insn->how = ALU_BSWAP;
	insn->size = (uint8_t)call->type->size;
	insn->a = value;
	insn->dst = ir_reg(l->ir);
	return value_reg(call->type, insn->dst);
}

const struct function function_bswap = {
	.name = "bswap", .min_args = 1, .max_args = 1, .check = check_bswap, .lower = lower_bswap};
