// SPDX-License-Identifier: GPL-2.0-only
/* type - what a value is: its kind, size, sign and address space. */
#include "trace/type.h"

#include <string.h>

#define SIMPLE(what, kind_, bytes, align_)                                                         \
	const struct type what = {.kind = kind_, .size = bytes, .align = align_}
#define INTEGER(what, bytes, sign)                                                                 \
	const struct type what = {                                                                 \
		.kind = TYPE_INT, .size = bytes, .align = bytes, .is_signed = sign}

SIMPLE(type_none, TYPE_NONE, 0, 1);
SIMPLE(type_void, TYPE_VOID, 0, 1);
SIMPLE(type_bool, TYPE_BOOL, 1, 1);
SIMPLE(type_ksym, TYPE_KSYM, 8, 8);
SIMPLE(type_usym, TYPE_USYM, 16, 8);
SIMPLE(type_inet, TYPE_INET, 24, 8);
SIMPLE(type_mac, TYPE_MAC, 8, 1);
SIMPLE(type_timestamp, TYPE_TIMESTAMP, 16, 8);
SIMPLE(type_cgroup_path, TYPE_CGROUP_PATH, 16, 8);
SIMPLE(type_username, TYPE_USERNAME, 8, 8);
SIMPLE(type_container, TYPE_CONTAINER, 8, 8);
SIMPLE(type_pod, TYPE_POD, 8, 8);
/* What one CPU keeps: see functions/aggregate.c. */
SIMPLE(type_count, TYPE_COUNT, 8, 8);
const struct type type_sum = {.kind = TYPE_SUM, .size = 16, .align = 8, .is_signed = true};
const struct type type_min = {.kind = TYPE_MIN, .size = 16, .align = 8, .is_signed = true};
const struct type type_max = {.kind = TYPE_MAX, .size = 16, .align = 8, .is_signed = true};
const struct type type_avg = {.kind = TYPE_AVG, .size = 16, .align = 8, .is_signed = true};
const struct type type_stats = {.kind = TYPE_STATS, .size = 16, .align = 8, .is_signed = true};

INTEGER(type_int8, 1, true);
INTEGER(type_int16, 2, true);
INTEGER(type_int32, 4, true);
INTEGER(type_int64, 8, true);
INTEGER(type_uint8, 1, false);
INTEGER(type_uint16, 2, false);
INTEGER(type_uint32, 4, false);
INTEGER(type_uint64, 8, false);

const struct type *type_int(uint32_t size, bool is_signed)
{
	switch (size) {
	case 1: return is_signed ? &type_int8 : &type_uint8;
	case 2: return is_signed ? &type_int16 : &type_uint16;
	case 4: return is_signed ? &type_int32 : &type_uint32;
	default: return is_signed ? &type_int64 : &type_uint64;
	}
}

const struct type *type_of_literal(uint64_t value, bool is_negative)
{
	static const struct type literals[] = {
		{.kind = TYPE_INT, .size = 1, .align = 1, .is_signed = true, .is_literal = true},
		{.kind = TYPE_INT, .size = 2, .align = 2, .is_signed = true, .is_literal = true},
		{.kind = TYPE_INT, .size = 4, .align = 4, .is_signed = true, .is_literal = true},
		{.kind = TYPE_INT, .size = 8, .align = 8, .is_signed = true, .is_literal = true},
		{.kind = TYPE_INT, .size = 8, .align = 8, .is_literal = true},
	};
	uint64_t magnitude = is_negative ? ~value : value; /* ~-128 = 127: both fit in 7 bits */

	if (magnitude <= INT8_MAX)
		return &literals[0];
	if (magnitude <= INT16_MAX)
		return &literals[1];
	if (magnitude <= INT32_MAX)
		return &literals[2];
	return magnitude <= INT64_MAX ? &literals[3] : &literals[4];
}

static struct type *new_type(struct arena *arena, struct type type)
{
	static struct type out_of_memory;
	struct type *copy = arena_new(arena, sizeof(*copy));

	if (!copy)
		return &out_of_memory;
	*copy = type;
	return copy;
}

const struct type *type_string(struct arena *arena, uint32_t bytes)
{
	return new_type(
		arena,
		(struct type){.kind = TYPE_STRING, .size = bytes, .align = 1, .count = bytes});
}

const struct type *type_buffer(struct arena *arena, uint32_t bytes)
{
	return new_type(
		arena,
		(struct type){.kind = TYPE_BUFFER, .size = bytes + 4, .align = 4, .count = bytes});
}

const struct type *type_pointer(struct arena *arena, const struct type *of, enum space space)
{
	return new_type(
		arena,
		(struct type){
			.kind = TYPE_POINTER, .size = 8, .align = 8, .of = of, .space = space});
}

const struct type *type_array(struct arena *arena, const struct type *of, uint32_t count)
{
	return new_type(arena, (struct type){.kind = TYPE_ARRAY,
					     .size = of->size * count,
					     .align = of->align,
					     .of = of,
					     .count = count});
}

const struct type *type_stack(struct arena *arena, bool is_user, enum stack_mode mode,
			      uint32_t depth)
{
	return new_type(arena, (struct type){.kind = is_user ? TYPE_USTACK : TYPE_KSTACK,
					     .size = 16,
					     .align = 8,
					     .mode = mode,
					     .depth = depth});
}

const struct type *type_tuple(struct arena *arena, struct field *fields, uint32_t count)
{
	uint32_t at = 0, align = 1;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t a = fields[i].type->align ? fields[i].type->align : 1;

		at = (at + a - 1) / a * a;
		fields[i].offset = at;
		at += fields[i].type->size;
		align = a > align ? a : align;
	}
	return new_type(arena, (struct type){.kind = TYPE_TUPLE,
					     .size = (at + align - 1) / align * align,
					     .align = align,
					     .fields = fields,
					     .field_count = count});
}

const struct type *type_in_space(struct arena *arena, const struct type *type, enum space space)
{
	struct type *copy;

	if (type->space == space)
		return type;
	copy = new_type(arena, *type);
	copy->space = space;
	return copy;
}

static bool same_fields(const struct type *a, const struct type *b)
{
	if (a->field_count != b->field_count)
		return false;
	for (uint32_t i = 0; i < a->field_count; i++) {
		const char *left = a->fields[i].name, *right = b->fields[i].name;

		if (!type_same(a->fields[i].type, b->fields[i].type))
			return false;
		if (!left != !right || (left && strcmp(left, right)))
			return false;
	}
	return true;
}

bool type_same(const struct type *a, const struct type *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->size != b->size || a->is_signed != b->is_signed)
		return false;
	switch (a->kind) {
	case TYPE_POINTER: return type_same(a->of, b->of);
	case TYPE_ARRAY: return a->count == b->count && type_same(a->of, b->of);
	case TYPE_TUPLE: return same_fields(a, b);
	case TYPE_RECORD:
	case TYPE_ENUM:
		return a->is_union == b->is_union &&
		       (a->name && b->name ? !strcmp(a->name, b->name) : a->fields == b->fields);
	case TYPE_KSTACK:
	case TYPE_USTACK: return a->mode == b->mode && a->depth == b->depth;
	case TYPE_HIST: return a->step == b->step;
	case TYPE_LHIST:
	case TYPE_TSERIES: return a->min == b->min && a->max == b->max && a->step == b->step;
	default: return true;
	}
}

static const struct type *join_integers(const struct type *a, const struct type *b)
{
	uint32_t size = a->size > b->size ? a->size : b->size;

	if (a->is_signed == b->is_signed)
		return a->is_literal && b->is_literal ? (a->size >= b->size ? a : b)
						      : type_int(size, a->is_signed);
	/* one of each sign: a literal that is not negative takes its neighbour's */
	const struct type *u = a->is_signed ? b : a, *s = a->is_signed ? a : b;

	if (s->size > u->size)
		return type_int(s->size, true);
	if (s->is_literal)
		return type_int(u->size, false);
	/* nothing holds all of int64 and uint64: the sign is what would be missed first */
	return type_int(u->size < 8 ? u->size * 2 : 8, true);
}

const struct field *type_partner(const struct type *type, const struct field *field, uint32_t i)
{
	if (field->name)
		return type_field(type, field->name);
	return i < type->field_count && !type->fields[i].name ? &type->fields[i] : NULL;
}

static const struct type *join_tuples(struct arena *arena, const struct type *a,
				      const struct type *b)
{
	struct field *fields;

	if (a->field_count != b->field_count)
		return NULL;
	fields = arena_new(arena, (a->field_count + 1) * sizeof(*fields));
	if (!fields)
		return NULL;
	for (uint32_t i = 0; i < a->field_count; i++) {
		const struct field *partner = type_partner(b, &a->fields[i], i);

		fields[i].name = a->fields[i].name;
		fields[i].type =
			partner ? type_join(arena, a->fields[i].type, partner->type) : NULL;
		if (!fields[i].type)
			return NULL;
	}
	return type_tuple(arena, fields, a->field_count);
}

const struct type *type_join(struct arena *arena, const struct type *a, const struct type *b)
{
	if (a->kind == TYPE_NONE)
		return b;
	if (b->kind == TYPE_NONE || (type_same(a, b) && !b->is_literal))
		return a->kind == TYPE_INT && a->is_literal && b->kind == TYPE_INT ? b : a;
	if (a->kind == TYPE_INT && b->kind == TYPE_INT)
		return join_integers(a, b);
	/* an enum among numbers is one */
	if (a->kind == TYPE_ENUM && b->kind == TYPE_INT)
		return join_integers(type_int(a->size, true), b);
	if (a->kind == TYPE_INT && b->kind == TYPE_ENUM)
		return join_integers(a, type_int(b->size, true));
	if (a->kind != b->kind)
		return NULL;
	switch (a->kind) {
	case TYPE_STRING: return a->count >= b->count ? a : b;
	case TYPE_BUFFER: return a->count >= b->count ? a : b;
	case TYPE_TUPLE: return join_tuples(arena, a, b);
	case TYPE_POINTER:
		if (a->of->kind == TYPE_VOID || a->of->kind == TYPE_NONE)
			return b;
		return b->of->kind == TYPE_VOID || type_same(a, b) ? a : NULL;
	default: return type_same(a, b) ? a : NULL;
	}
}

static const char *simple_name(enum type_kind kind)
{
	switch (kind) {
	case TYPE_NONE: return "none";
	case TYPE_VOID: return "void";
	case TYPE_BOOL: return "bool";
	case TYPE_KSYM: return "ksym_t";
	case TYPE_USYM: return "usym_t";
	case TYPE_INET: return "inet[24]";
	case TYPE_MAC: return "mac_address";
	case TYPE_TIMESTAMP: return "timestamp";
	case TYPE_CGROUP_PATH: return "cgroup_path_t";
	case TYPE_USERNAME: return "username_t";
	case TYPE_CONTAINER: return "container";
	case TYPE_POD: return "pod";
	case TYPE_COUNT: return "count_t";
	case TYPE_SUM: return "sum_t";
	case TYPE_MIN: return "min_t";
	case TYPE_MAX: return "max_t";
	case TYPE_AVG: return "avg_t";
	case TYPE_STATS: return "stats_t";
	case TYPE_HIST: return "hist_t";
	case TYPE_LHIST: return "lhist_t";
	case TYPE_TSERIES: return "tseries_t";
	default: return "?";
	}
}

static void tuple_name(const struct type *type, struct buf *out)
{
	buf_char(out, '(');
	for (uint32_t i = 0; i < type->field_count; i++) {
		if (i)
			buf_char(out, ',');
		if (type->fields[i].name)
			buf_f(out, "%s=", type->fields[i].name);
		type_name(type->fields[i].type, out);
	}
	buf_char(out, ')');
}

void type_name(const struct type *type, struct buf *out)
{
	static const char *const modes[] = {"bpftrace", "perf", "raw"};

	switch (type->kind) {
	case TYPE_INT: buf_f(out, "%sint%u", type->is_signed ? "" : "u", type->size * 8); break;
	case TYPE_ENUM: buf_f(out, "enum %s", type->name ? type->name : "(anonymous)"); break;
	case TYPE_STRING: buf_f(out, "string[%u]", type->count); break;
	case TYPE_BUFFER: buf_f(out, "buffer[%u]", type->size); break;
	case TYPE_POINTER:
		type_name(type->of, out);
		buf_str(out, type->of->kind == TYPE_POINTER ? "*" : " *");
		break;
	case TYPE_ARRAY:
		type_name(type->of, out);
		buf_f(out, "[%u]", type->count);
		break;
	case TYPE_RECORD:
		buf_f(out, "%s %s", type->is_union ? "union" : "struct",
		      type->name ? type->name : "(anonymous)");
		break;
	case TYPE_TUPLE: tuple_name(type, out); break;
	case TYPE_KSTACK:
	case TYPE_USTACK:
		buf_f(out, "%cstack_%s_%u", type->kind == TYPE_USTACK ? 'u' : 'k',
		      modes[type->mode], type->depth);
		break;
	default: buf_str(out, simple_name(type->kind)); break;
	}
}

const char *type_text(struct arena *arena, const struct type *type)
{
	struct buf text;
	const char *copy;

	buf_init(&text, 4096);
	type_name(type, &text);
	copy = arena_str(arena, span_of(buf_text(&text)));
	buf_done(&text);
	return copy ? copy : "?";
}

bool type_is_integer(const struct type *type)
{
	return type->kind == TYPE_INT || type->kind == TYPE_BOOL || type->kind == TYPE_ENUM;
}

bool type_is_scalar(const struct type *type)
{
	return type_is_integer(type) || type->kind == TYPE_POINTER || type->kind == TYPE_KSYM ||
	       type->kind == TYPE_USERNAME || type_is_group(type);
}

bool type_is_group(const struct type *type)
{
	return type->kind == TYPE_CONTAINER || type->kind == TYPE_POD;
}

bool type_is_aggregate(const struct type *type)
{
	return type->kind >= TYPE_COUNT;
}

bool type_has_buckets(const struct type *type)
{
	return type->kind >= TYPE_HIST && type->kind <= TYPE_TSERIES;
}

/* Buckets of hist(): negative, 0, then 2^k per power of two; of lhist(): below, steps, above. */
uint32_t type_bucket_count(const struct type *type)
{
	if (type->kind == TYPE_TSERIES)
		return (uint32_t)type->min;
	if (type->kind == TYPE_LHIST)
		return (uint32_t)((type->max - type->min) / type->step) + 2;
	return 2 + (64 << type->step);
}

bool type_is_castable_aggregate(const struct type *type)
{
	return type->kind >= TYPE_COUNT && type->kind <= TYPE_AVG;
}

const struct field *type_field(const struct type *type, const char *name)
{
	for (uint32_t i = 0; i < type->field_count; i++)
		if (type->fields[i].name && !strcmp(type->fields[i].name, name))
			return &type->fields[i];
	return NULL;
}
