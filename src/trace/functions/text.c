// SPDX-License-Identifier: GPL-2.0-only
/* text - strings and bytes: str, buf, strncmp, strcontains, strlen, join. */
#include <string.h>

#include "trace/functions/functions.h"
#include "trace/run.h"

enum {
	HELPER_READ_USER_STR = 114,
	HELPER_READ_KERNEL_STR = 115,
	HELPER_RINGBUF_OUTPUT = 130,
};

static bool is_text_like(const struct type *type)
{
	return type->kind == TYPE_STRING || (type->kind == TYPE_ARRAY && type->of->size == 1);
}

static bool is_address(const struct type *type)
{
	return type->kind == TYPE_POINTER || type->kind == TYPE_INT || is_text_like(type);
}

/* Where a value's bytes are: what it points to, or where it lies itself. */
static struct operand address_of(struct lowering *l, struct value value, enum space *space)
{
	*space = value.type->kind == TYPE_POINTER ? value.type->space : l->probe->kind->space;
	if (type_is_scalar(value.type))
		return lower_scalar(l, value);
	if (value.kind == VALUE_FAR) {
		*space = value.space == SPACE_USER ? SPACE_USER : SPACE_KERNEL;
		return lower_far_address(l, value);
	}
	*space = SPACE_KERNEL; /* our own memory */
	return lower_address(l, lower_memory(l, value));
}

/* Bytes asked for: a constant if it is one, else at most what max_strlen allows. */
static uint32_t capacity(struct checker *checker, const struct expr *length)
{
	uint32_t max = checker->script->config.max_strlen;

	if (length && length->is_constant && !length->is_negative && length->number < max)
		return (uint32_t)length->number;
	return max;
}

static bool check_length(struct checker *checker, struct expr *call, const struct expr *length)
{
	if (!length || length->type->kind == TYPE_NONE || type_is_integer(length->type)) {
		if (length && length->is_constant && length->is_negative) {
			check_error(checker, call->place, "%s cannot use negative length (%lld)",
				    call->name, (long long)length->number);
			return false;
		}
		return true;
	}
	check_error(checker, call->place, "%s() only supports int arguments (%s provided)",
		    call->name, check_short(checker, length->type));
	return false;
}

/* --- str --- */

static const struct type *check_str(struct checker *checker, struct expr *call)
{
	const struct expr *length = function_nth(call, 1);
	const struct type *type = call->args->type;
	uint32_t bytes = capacity(checker, length);

	if (type->kind == TYPE_NONE || !check_length(checker, call, length))
		return &type_none;
	if (!is_address(type)) {
		check_error(checker, call->place,
			    "str() expects an integer or a pointer type as first argument (%s "
			    "provided)",
			    check_text(checker, type));
		return &type_none;
	}
	if (call->args->kind == EXPR_BINARY && call->args->op == OP_ADD &&
	    call->args->a->kind == EXPR_POSITIONAL && call->args->b->is_constant) {
		/* str($1 + 2): the parameter's text from there */
		struct span text = call->args->a->text;
		uint64_t skip = call->args->b->number;

		call->text = span_from(text, skip < text.len ? skip : text.len);
		call->is_constant = true;
		return type_string(&checker->script->arena, (uint32_t)call->text.len + 1);
	}
	if (call->args->kind == EXPR_INT) { /* str(5): as a parameter would be, its digits */
		char digits[32];

		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)call->args->number);
		call->text = span_of(arena_str(&checker->script->arena, span_of(digits)));
		call->is_constant = true;
		return type_string(&checker->script->arena, (uint32_t)call->text.len + 1);
	}
	if (call->args->kind == EXPR_POSITIONAL && call->args->is_constant) {
		const struct script_options *options = checker->script->options;
		uint32_t n = call->args->arg_count;

		call->text = span_of(n <= options->param_count ? options->params[n - 1] : "");
		if (length)
			call->text = span_first(call->text, bytes);
		else if (call->text.len + 1 > checker->script->config.max_strlen)
			check_error(checker, call->place,
				    "String is too long (over %u bytes): %.*s",
				    checker->script->config.max_strlen, (int)call->text.len,
				    (const char *)call->text.at);
		call->is_constant = true;
		return type_string(&checker->script->arena, (uint32_t)call->text.len + 1);
	}
	if (type->kind == TYPE_STRING) {
		if (call->args->is_constant) {
			call->text =
				length ? span_first(call->args->text, bytes) : call->args->text;
			call->is_constant = true;
			return type_string(&checker->script->arena, (uint32_t)call->text.len + 1);
		}
		if (!length || bytes >= type->count)
			return type;
	}
	if (type->kind == TYPE_ARRAY && (!length || bytes > type->count))
		bytes = type->count;
	/* as documented: of `length` bytes the last one is the ending 0; the type has one to spare */
	call->number = bytes;
	return type_string(&checker->script->arena, length ? bytes + 1 : bytes ? bytes : 1);
}

static void str_into(struct lowering *l, struct expr *call, struct memory to, const struct type *as)
{
	struct expr *length = (struct expr *)function_nth(call, 1);
	struct value value = lower_expr(l, call->args);
	uint32_t max = call->number < as->size ? (uint32_t)call->number : as->size;
	struct operand size = op_imm(max), address;
	enum space space;
	int code;

	if (value.type->kind == TYPE_STRING && !length && value.kind != VALUE_FAR) {
		lower_store(l, value, to, as);
		return;
	}
	address = address_of(l, value, &space);
	if (address.kind == OPERAND_REG)
		address = op_reg(ir_move(l->ir, address));
	if (length && !length->is_constant) {
		int bytes = lower_register(l, lower_expr(l, length)), fits = ir_label(l->ir);

		ir_branch(l->ir, COND_LE, op_reg(bytes), op_imm(max), fits);
		ir_set(l->ir, bytes, op_imm(max));
		ir_put_label(l->ir, fits);
		size = op_reg(bytes);
	}
	lower_zero(l, to, as->size);
	code = ir_call(l->ir, space == SPACE_USER ? HELPER_READ_USER_STR : HELPER_READ_KERNEL_STR,
		       lower_address(l, to), size, address, NO_OPERAND, NO_OPERAND);
	lower_check_read(l, code,
			 space == SPACE_USER     ? "probe_read_user_str"
			 : space == SPACE_KERNEL ? "probe_read_kernel_str"
						 : "probe_read_str");
}

const struct function function_str = {
	.name = "str", .min_args = 1, .max_args = 2, .check = check_str, .lower_into = str_into};

/* --- buf --- */

static const struct type *check_buf(struct checker *checker, struct expr *call)
{
	const struct expr *length = function_nth(call, 1);
	const struct type *type = call->args->type;
	uint32_t bytes = capacity(checker, length);

	if (type->kind == TYPE_NONE || !check_length(checker, call, length))
		return &type_none;
	if (!is_address(type) && type->kind != TYPE_ARRAY) {
		check_error(checker, call->place,
			    "buf() expects an integer, string, or array type (%s provided)",
			    check_text(checker, type));
		return &type_none;
	}
	if (!length && !is_text_like(type) && type->kind != TYPE_ARRAY) {
		check_error(checker, call->place,
			    "buf() expects a length argument for non-array type %s",
			    check_short(checker, type));
		return &type_none;
	}
	if ((is_text_like(type) || type->kind == TYPE_ARRAY) && (!length || bytes > type->size))
		bytes = type->size;
	return type_buffer(&checker->script->arena, bytes);
}

static void buf_into(struct lowering *l, struct expr *call, struct memory to, const struct type *as)
{
	struct expr *length = (struct expr *)function_nth(call, 1);
	struct value value = lower_expr(l, call->args);
	uint32_t max = call->type->count;
	struct operand size = op_imm(max), address;
	enum space space;

	address = address_of(l, value, &space);
	if (address.kind == OPERAND_REG)
		address = op_reg(ir_move(l->ir, address));
	lower_zero(l, to, as->size);
	if (length && !length->is_constant) {
		int bytes = lower_register(l, lower_expr(l, length)), fits = ir_label(l->ir);

		ir_branch(l->ir, COND_LE, op_reg(bytes), op_imm(max), fits);
		ir_set(l->ir, bytes, op_imm(max));
		ir_put_label(l->ir, fits);
		size = op_reg(bytes);
	}
	ir_store(l->ir, to.base, to.offset, 4, size);
	ir_call(l->ir, space == SPACE_USER ? 112 : 113 /* bpf_probe_read_{user,kernel} */,
		lower_address(l, memory_at(to, 4)), size, address, NO_OPERAND, NO_OPERAND);
}

const struct function function_buf = {
	.name = "buf", .min_args = 1, .max_args = 2, .check = check_buf, .lower_into = buf_into};

/* --- comparing and searching --- */

/* Text that lies in an array, or where a pointer points, is taken as str() of it. */
static void take_as_text(struct checker *checker, struct expr *arg)
{
	const struct type *of = arg->type->of;
	struct expr *inner;

	if ((arg->type->kind != TYPE_POINTER && arg->type->kind != TYPE_ARRAY) ||
	    of->kind != TYPE_INT || of->size != 1 ||
	    !(inner = arena_new(&checker->script->arena, sizeof(*inner))))
		return;
	*inner = *arg;
	inner->next = NULL;
	*arg = (struct expr){.kind = EXPR_CALL,
			     .place = arg->place,
			     .next = arg->next,
			     .name = "str",
			     .args = inner,
			     .arg_count = 1,
			     .is_call_syntax = true};
	check_expr(checker, arg);
}

static bool strings_wanted(struct checker *checker, struct expr *call, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct type *type;

		take_as_text(checker, (struct expr *)function_nth(call, i));
		type = function_nth(call, i)->type;
		if (type->kind == TYPE_NONE)
			return false;
		if (type->kind == TYPE_STRING)
			continue;
		check_error(checker, call->place,
			    "%s() only supports string arguments (%s provided)", call->name,
			    type->kind == TYPE_INT ? "int" : check_text(checker, type));
		return false;
	}
	return true;
}

static const struct type *check_strncmp(struct checker *checker, struct expr *call)
{
	const struct expr *limit = function_nth(call, 2);

	if (strings_wanted(checker, call, 2) &&
	    (!limit->is_constant || limit->is_negative || limit->number > 1024))
		check_error(checker, call->place,
			    "Builtin strncmp requires a non-negative literal");
	return &type_uint64;
}

static struct value lower_strncmp(struct lowering *l, struct expr *call)
{
	struct value a = lower_expr(l, call->args), b = lower_expr(l, function_nth(call, 1));
	struct value result =
		lower_text_compare(l, a, b, (uint32_t)function_nth(call, 2)->number, false);

	result.type = &type_uint64;
	return result;
}

const struct function function_strncmp = {.name = "strncmp",
					  .min_args = 3,
					  .max_args = 3,
					  .check = check_strncmp,
					  .lower = lower_strncmp};

/* memcmp(a, b, n): bytes of texts, arrays and buffers. */
static const struct type *check_memcmp(struct checker *checker, struct expr *call)
{
	const struct expr *limit = function_nth(call, 2);

	for (uint32_t i = 0; i < 2; i++) {
		const struct type *type = function_nth(call, i)->type;

		if (type->kind == TYPE_NONE)
			return &type_int32;
		if (!is_text_like(type) && type->kind != TYPE_ARRAY) {
			check_error(
				checker, call->place,
				"memcmp() only supports string and array arguments (%s provided)",
				check_short(checker, type));
			return &type_none;
		}
		if (limit->is_constant && limit->number > type->size)
			check_error(checker, call->place,
				    "memcmp() size %llu is larger than its argument (%u bytes)",
				    (unsigned long long)limit->number, type->size);
	}
	if (!limit->is_constant || limit->is_negative)
		check_error(checker, call->place, "memcmp() needs a literal size");
	return &type_int32;
}

static struct value lower_memcmp(struct lowering *l, struct expr *call)
{
	struct value a = lower_expr(l, call->args), b = lower_expr(l, function_nth(call, 1));

	return value_reg(&type_int32,
			 lower_order(l, a, b, (uint32_t)function_nth(call, 2)->number, false));
}

const struct function function_memcmp = {.name = "memcmp",
					 .min_args = 3,
					 .max_args = 3,
					 .check = check_memcmp,
					 .lower = lower_memcmp};

/* A counter in memory that the verifier does not follow, so that a loop is walked only twice. */
struct text_loop {
	struct operand counter;
	int again, end;
};

static struct text_loop loop_start(struct lowering *l)
{
	struct text_loop loop = {.again = ir_label(l->ir), .end = ir_label(l->ir)};
	bool may_goto = l->compiled->target.has_may_goto;

	loop.counter = op_slot(ir_slot(l->ir, 8, 8, may_goto), 0);
	ir_store(l->ir, loop.counter, 0, 8, op_imm(0));
	ir_put_label(l->ir, loop.again);
	if (may_goto)
		ir_add(l->ir, IR_MAY_GOTO)->label = loop.end;
	return loop;
}

static void loop_next(struct lowering *l, const struct text_loop *loop)
{
	int now = ir_load(l->ir, loop->counter, 0, 8, false);

	ir_store(l->ir, loop->counter, 0, 8,
		 op_reg(ir_alu(l->ir, ALU_ADD, op_reg(now), op_imm(1))));
	ir_jump(l->ir, loop->again);
	ir_put_label(l->ir, loop->end);
}

static struct operand in_frame(struct lowering *l, struct value value)
{
	struct memory copy = {.base = op_slot(ir_slot(l->ir, value.type->size, 8, true), 0)};

	lower_store(l, value, copy, value.type);
	return op_reg(ir_move(l->ir, copy.base));
}

static struct value lower_strlen(struct lowering *l, struct expr *call)
{
	struct value text = lower_expr(l, call->args);
	struct operand base;
	struct text_loop loop;
	int result, at, byte;

	if (text.kind == VALUE_TEXT)
		return value_imm(&type_uint64, (int64_t)text.text.len);
	base = in_frame(l, text);
	loop = loop_start(l);
	at = ir_load(l->ir, loop.counter, 0, 8, false);
	ir_branch(l->ir, COND_GE, op_reg(at), op_imm(text.type->count), loop.end);
	byte = ir_load(l->ir, op_reg(ir_alu(l->ir, ALU_ADD, base, op_reg(at))), 0, 1, false);
	ir_branch(l->ir, COND_EQ, op_reg(byte), op_imm(0), loop.end);
	loop_next(l, &loop);
	result = ir_load(l->ir, loop.counter, 0, 8, false);
	return value_reg(&type_uint64, result);
}

static const struct type *check_strlen(struct checker *checker, struct expr *call)
{
	strings_wanted(checker, call, 1);
	return &type_uint64;
}

const struct function function_strlen = {.name = "strlen",
					 .min_args = 1,
					 .max_args = 1,
					 .check = check_strlen,
					 .lower = lower_strlen};

static const struct type *check_search(struct checker *checker, struct expr *call)
{
	strings_wanted(checker, call, 2);
	return !strcmp(call->name, "strstr") ? &type_int64 : &type_bool;
}

static struct operand at_sum(struct lowering *l, struct operand base, int a, int b)
{
	return op_reg(
		ir_alu(l->ir, ALU_ADD, base, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(a), op_reg(b)))));
}

/* The same for a needle that is not known before: two loops. */
static struct value lower_search(struct lowering *l, struct value text, struct value needle)
{
	struct operand base = in_frame(l, text), wanted = in_frame(l, needle);
	struct text_loop outer = loop_start(l), inner;
	int result = ir_reg(l->ir), at, next, have, want, room, found = ir_label(l->ir);
	int over = ir_label(l->ir), none = ir_label(l->ir);

	at = ir_load(l->ir, outer.counter, 0, 8, false);
	ir_branch(l->ir, COND_GE, op_reg(at), op_imm(text.type->count), outer.end);
	inner = loop_start(l);
	at = ir_load(l->ir, outer.counter, 0, 8, false);
	next = ir_load(l->ir, inner.counter, 0, 8, false);
	ir_branch(l->ir, COND_GE, op_reg(next), op_imm(needle.type->count), found);
	want = ir_load(l->ir, op_reg(ir_alu(l->ir, ALU_ADD, wanted, op_reg(next))), 0, 1, false);
	ir_branch(l->ir, COND_EQ, op_reg(want), op_imm(0), found);
	room = ir_alu(l->ir, ALU_ADD, op_reg(at), op_reg(next));
	ir_branch(l->ir, COND_GE, op_reg(room), op_imm(text.type->count), inner.end);
	have = ir_load(l->ir, at_sum(l, base, at, next), 0, 1, false);
	ir_branch(l->ir, COND_NE, op_reg(have), op_reg(want), inner.end);
	loop_next(l, &inner);
	loop_next(l, &outer);
	ir_put_label(l->ir, none);
	ir_set(l->ir, result, op_imm(-1));
	ir_jump(l->ir, over);
	ir_put_label(l->ir, found);
	at = ir_load(l->ir, outer.counter, 0, 8, false);
	ir_set(l->ir, result, op_reg(at));
	ir_put_label(l->ir, over);
	return value_reg(&type_int64, result);
}

/* Index of the needle, -1: tried at every place, byte by byte. */
static struct value lower_strstr(struct lowering *l, struct expr *call)
{
	struct value text = lower_expr(l, call->args);
	struct span needle = function_nth(call, 1)->text;
	int result = ir_reg(l->ir), at, place, byte, miss;
	struct text_loop loop;
	struct operand base;

	if (text.kind == VALUE_TEXT && function_nth(call, 1)->is_constant) {
		const uint8_t *found = memmem(text.text.at, text.text.len, needle.at, needle.len);

		return value_imm(&type_int64, found ? found - text.text.at : -1);
	}
	if (!function_nth(call, 1)->is_constant || needle.len > 64)
		return lower_search(l, text, lower_expr(l, function_nth(call, 1)));
	ir_set(l->ir, result, op_imm(-1));
	if (needle.len >= text.type->count)
		return value_reg(&type_int64, result);
	base = in_frame(l, text);
	loop = loop_start(l);
	at = ir_load(l->ir, loop.counter, 0, 8, false);
	ir_branch(l->ir, COND_GE, op_reg(at), op_imm(text.type->count - (int64_t)needle.len),
		  loop.end);
	place = ir_alu(l->ir, ALU_ADD, base, op_reg(at));
	miss = ir_label(l->ir);
	for (size_t i = 0; i < needle.len; i++) {
		byte = ir_load(l->ir, op_reg(place), (int32_t)i, 1, false);
		ir_branch(l->ir, COND_NE, op_reg(byte), op_imm(needle.at[i]), miss);
	}
	ir_set(l->ir, result, op_reg(at));
	ir_jump(l->ir, loop.end);
	ir_put_label(l->ir, miss);
	loop_next(l, &loop);
	return value_reg(&type_int64, result);
}

static struct value lower_strcontains(struct lowering *l, struct expr *call)
{
	struct value index = lower_strstr(l, call);
	int result = ir_reg(l->ir), end = ir_label(l->ir);

	if (index.kind == VALUE_IMM)
		return value_imm(&type_bool, index.imm >= 0);
	ir_set(l->ir, result, op_imm(0));
	ir_branch(l->ir, COND_SLT, op_reg(index.reg), op_imm(0), end);
	ir_set(l->ir, result, op_imm(1));
	ir_put_label(l->ir, end);
	return value_reg(&type_bool, result);
}

const struct function function_strstr = {.name = "strstr",
					 .min_args = 2,
					 .max_args = 2,
					 .check = check_search,
					 .lower = lower_strstr};
const struct function function_strcontains = {.name = "strcontains",
					      .min_args = 2,
					      .max_args = 2,
					      .check = check_search,
					      .lower = lower_strcontains};

/* --- str_concat: both texts in one of 1024 bytes, as bpftrace has it --- */

enum { CONCAT_BYTES = 1024 };

static const struct type *check_str_concat(struct checker *checker, struct expr *call)
{
	const struct expr *first = call->args, *second = first->next;

	if (strings_wanted(checker, call, 2) && first->is_constant && second->is_constant &&
	    first->text.len + second->text.len < CONCAT_BYTES) {
		struct buf both;

		buf_init(&both, CONCAT_BYTES);
		buf_span(&both, first->text);
		buf_span(&both, second->text);
		call->text = span_of(arena_str(&checker->script->arena, buf_as_span(&both)));
		call->is_constant = true;
		buf_done(&both);
	}
	return type_string(&checker->script->arena, CONCAT_BYTES);
}

static void str_concat_into(struct lowering *l, struct expr *call, struct memory to,
			    const struct type *as)
{
	/* twice the room, so that the second text fits behind the first wherever that ends */
	struct memory room = {.base = op_slot(ir_slot(l->ir, 2 * CONCAT_BYTES, 8, true), 0)};
	struct value first = lower_expr(l, call->args), second;
	uint32_t size = first.type->size < CONCAT_BYTES ? first.type->size : CONCAT_BYTES;
	struct operand from = in_frame(l, first);
	int end, some = ir_label(l->ir);

	lower_zero(l, room, 2 * CONCAT_BYTES);
	end = ir_call(l->ir, HELPER_READ_KERNEL_STR, room.base, op_imm(size), from, NO_OPERAND,
		      NO_OPERAND);
	second = lower_expr(l, call->args->next);
	size = second.type->size < CONCAT_BYTES ? second.type->size : CONCAT_BYTES;
	from = in_frame(l, second);
	/* the ending 0 is counted; the verifier wants to see that what is left lies in the room */
	end = ir_alu(l->ir, ALU_SUB, op_reg(end), op_imm(1));
	ir_branch(l->ir, COND_LT, op_reg(end), op_imm(CONCAT_BYTES), some);
	ir_set(l->ir, end, op_imm(0));
	ir_put_label(l->ir, some);
	end = ir_alu(l->ir, ALU_ADD, room.base, op_reg(end));
	ir_call(l->ir, HELPER_READ_KERNEL_STR, op_reg(end), op_imm(size), from, NO_OPERAND,
		NO_OPERAND);
	ir_store(l->ir, room.base, CONCAT_BYTES - 1, 1, op_imm(0));
	lower_store(l, value_memory(call->type, room), to, as);
}

const struct function function_str_concat = {.name = "str_concat",
					     .min_args = 2,
					     .max_args = 2,
					     .check = check_str_concat,
					     .lower_into = str_concat_into};

/* --- join: an array of strings, sent one behind the other --- */

enum { JOIN_STRINGS = 16, JOIN_BYTES = 1024 };

static const struct type *check_join(struct checker *checker, struct expr *call)
{
	const struct expr *separator = function_nth(call, 1);

	if (call->args->type->kind != TYPE_NONE && call->args->type->kind != TYPE_INT &&
	    call->args->type->kind != TYPE_POINTER)
		check_error(checker, call->place,
			    "() only supports int or pointer arguments (%s provided)",
			    call->args->type->kind == TYPE_ARRAY
				    ? "array"
				    : check_short(checker, call->args->type));
	if (separator && !separator->is_constant)
		check_error(checker, call->place, "join() expects a string literal as separator");
	return &type_void;
}

static struct value lower_join(struct lowering *l, struct expr *call)
{
	struct value array = lower_expr(l, call->args);
	enum space space =
		array.type->kind == TYPE_POINTER ? array.type->space : l->probe->kind->space;
	struct type room = {.kind = TYPE_BUFFER, .size = JOIN_STRINGS * JOIN_BYTES, .align = 8};
	int helper = space == SPACE_USER ? HELPER_READ_USER_STR : HELPER_READ_KERNEL_STR;
	int done = ir_label(l->ir), sent = ir_label(l->ir), used = ir_const(l->ir, 0), base, code;
	struct operand strings = op_reg(lower_register(l, array));
	struct memory event = lower_event(l, call, &room);

	base = ir_move(l->ir, lower_address(l, memory_at(event, EVENT_HEAD)));
	for (int i = 0; i < JOIN_STRINGS; i++) {
		struct operand text =
			lower_scalar(l, value_far(&type_uint64, strings, i * 8, space));
		int to, bytes;

		ir_branch(l->ir, COND_EQ, text, op_imm(0), done);
		ir_branch(l->ir, COND_GT, op_reg(used), op_imm((JOIN_STRINGS - 1) * JOIN_BYTES),
			  done);
		to = ir_alu(l->ir, ALU_ADD, op_reg(base), op_reg(used));
		bytes = ir_call(l->ir, helper, op_reg(to), op_imm(JOIN_BYTES), text, NO_OPERAND,
				NO_OPERAND);
		ir_branch(l->ir, COND_SLE, op_reg(bytes), op_imm(0), done);
		ir_branch(l->ir, COND_SGT, op_reg(bytes), op_imm(JOIN_BYTES), done);
		ir_set(l->ir, used, op_reg(ir_alu(l->ir, ALU_ADD, op_reg(used), op_reg(bytes))));
	}
	ir_put_label(l->ir, done);
	used = ir_alu(l->ir, ALU_ADD, op_reg(used), op_imm(EVENT_HEAD));
	ir_branch(l->ir, COND_GT, op_reg(used), op_imm(JOIN_STRINGS * JOIN_BYTES + EVENT_HEAD),
		  sent);
	code = ir_call(l->ir, HELPER_RINGBUF_OUTPUT, op_map(MAP_RING), lower_address(l, event),
		       op_reg(used), op_imm(0), NO_OPERAND);
	ir_branch(l->ir, COND_EQ, op_reg(code), op_imm(0), sent);
	lower_lost(l, LOST_RING);
	ir_put_label(l->ir, sent);
	return value_none();
}

static void happen_join(struct run *run, const struct expr *call, const uint8_t *data, size_t len)
{
	const struct expr *separator = function_nth(call, 1);
	struct span between = separator ? separator->text : span_of(" ");
	struct buf text;

	buf_init(&text, 1 << 16);
	for (size_t at = 0; at < len; at += strnlen((const char *)data + at, len - at) + 1) {
		if (at)
			buf_span(&text, between);
		buf_add(&text, data + at, strnlen((const char *)data + at, len - at));
	}
	if (!run->out->is_json)
		buf_char(&text, '\n');
	run_say(run, "join", buf_text(&text));
	buf_done(&text);
}

const struct function function_join = {.name = "join",
				       .min_args = 1,
				       .max_args = 2,
				       .flags = FUNCTION_NO_VALUE,
				       .check = check_join,
				       .lower = lower_join,
				       .happen = happen_join};
