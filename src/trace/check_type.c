// SPDX-License-Identifier: GPL-2.0-only
/* check_type - types as they are written, and how records of the script lie in memory. */
#include <string.h>

#include "trace/btf.h"
#include "trace/check.h"
#include "trace/dwarf.h"

const struct field *script_field(struct script *script, const struct type *record, const char *name)
{
	const struct field *field = type_field(record, name);

	if (field)
		return field;
	/* only its name is known so far: "struct sk_buff *" of a tracepoint's format */
	if (record->name && !record->fields && !record->btf_id && script_btf(script)) {
		record = btf_record(script->btf, record->name, record->is_union);
		if (!record)
			return NULL;
	}
	for (uint32_t i = 0; i < record->field_count; i++) {
		const struct field *outer = &record->fields[i];
		struct field *copy;

		if (outer->name || outer->type->kind != TYPE_RECORD)
			continue;
		field = script_field(script, outer->type, name);
		copy = field ? arena_new(&script->arena, sizeof(*copy)) : NULL;
		if (copy) {
			*copy = *field;
			copy->offset += outer->offset;
			return copy;
		}
	}
	return record->btf_id && script->btf ? btf_field(script->btf, record, name) : NULL;
}

const struct type *script_fill(struct script *script, const struct type *record)
{
	if (record->name && !record->fields && !record->btf_id && script_btf(script)) {
		const struct type *known = btf_record(script->btf, record->name, record->is_union);

		record = known ? known : record;
	}
	return record->btf_id && script->btf ? btf_fill(script->btf, record) : record;
}

static const struct {
	const char *name;
	const struct type *type;
} named_types[] = {
	{"int8", &type_int8},        {"int16", &type_int16},     {"int32", &type_int32},
	{"int64", &type_int64},      {"uint8", &type_uint8},     {"uint16", &type_uint16},
	{"uint32", &type_uint32},    {"uint64", &type_uint64},   {"bool", &type_bool},
	{"_Bool", &type_bool},       {"void", &type_void},       {"int8_t", &type_int8},
	{"int16_t", &type_int16},    {"int32_t", &type_int32},   {"int64_t", &type_int64},
	{"uint8_t", &type_uint8},    {"uint16_t", &type_uint16}, {"uint32_t", &type_uint32},
	{"uint64_t", &type_uint64},  {"size_t", &type_uint64},   {"ssize_t", &type_int64},
	{"u8", &type_uint8},         {"u16", &type_uint16},      {"u32", &type_uint32},
	{"u64", &type_uint64},       {"s8", &type_int8},         {"s16", &type_int16},
	{"s32", &type_int32},        {"s64", &type_int64},       {"__u8", &type_uint8},
	{"__u16", &type_uint16},     {"__u32", &type_uint32},    {"__u64", &type_uint64},
	{"__s8", &type_int8},        {"__s16", &type_int16},     {"__s32", &type_int32},
	{"__s64", &type_int64},      {"pid_t", &type_int32},     {"usym_t", &type_usym},
	{"ksym_t", &type_ksym},      {"inet", &type_inet},       {"timestamp", &type_timestamp},
	{"uintptr_t", &type_uint64},
};

static const struct type *lay_out(struct checker *checker, struct c_record *record);

/* In a probe of a program, types of that program come before the kernel's. */
static const struct type *type_of_program(struct checker *checker, const char *name,
					  enum dwarf_tagged tagged)
{
	const struct probe *probe = checker->probe;
	struct dwarf *dwarf = NULL;

	if (probe && probe->kind->space == SPACE_USER && probe->target)
		dwarf = script_dwarf(checker->script, probe->target);
	return dwarf ? dwarf_named(dwarf, name, tagged) : NULL;
}

static const struct type *tagged_type(struct checker *checker, const struct type_spec *spec)
{
	struct script *script = checker->script;
	const struct type *known;

	for (struct c_record *r = script->records; r; r = r->next)
		if (spec->tag != TAG_ENUM && !strcmp(r->name, spec->name) &&
		    r->is_union == (spec->tag == TAG_UNION))
			return lay_out(checker, r);
	for (const struct c_enumerator *e = script->enumerators; e; e = e->next)
		if (spec->tag == TAG_ENUM && !strcmp(e->enum_name, spec->name)) {
			struct type *type = arena_new(&script->arena, sizeof(*type));

			if (!type)
				return NULL;
			*type = (struct type){
				.kind = TYPE_ENUM, .size = 4, .align = 4, .name = spec->name};
			return type;
		}
	known = type_of_program(checker, spec->name,
				spec->tag == TAG_ENUM    ? DWARF_ENUM
				: spec->tag == TAG_UNION ? DWARF_UNION
							 : DWARF_STRUCT);
	if (known || !script_btf(script))
		return known;
	if (spec->tag == TAG_ENUM)
		return btf_enum(script->btf, spec->name);
	return btf_record(script->btf, spec->name, spec->tag == TAG_UNION);
}

static const struct type *plain_type(struct checker *checker, const struct type_spec *spec)
{
	struct script *script = checker->script;
	const struct type *type;

	for (size_t i = 0; i < sizeof(named_types) / sizeof(*named_types); i++)
		if (!strcmp(named_types[i].name, spec->name))
			return named_types[i].type;
	if (!strcmp(spec->name, "string"))
		return type_string(&script->arena,
				   spec->size ? spec->size : script->config.max_strlen);
	if (!strcmp(spec->name, "buffer"))
		return type_buffer(&script->arena,
				   spec->size ? spec->size : script->config.max_strlen);
	for (struct c_typedef *t = script->typedefs; t; t = t->next)
		if (!strcmp(t->name, spec->name) && &t->spec != spec)
			return check_type_spec(checker, &t->spec, NULL);
	/* a struct of the script may be named without "struct", as in C++ */
	for (struct c_record *r = script->records; r; r = r->next)
		if (!strcmp(r->name, spec->name))
			return lay_out(checker, r);
	type = type_of_program(checker, spec->name, DWARF_TYPEDEF);
	if (type && type->kind != TYPE_NONE)
		return type;
	if (!script_btf(script))
		return NULL;
	type = btf_typedef(script->btf, spec->name);
	return type ? type : btf_record(script->btf, spec->name, false);
}

const struct type *check_type_spec(struct checker *checker, struct type_spec *spec,
				   const struct type *for_array)
{
	struct arena *arena = &checker->script->arena;
	const struct type *type;

	if (spec->record)
		type = lay_out(checker, spec->record);
	else if (spec->of_expr)
		type = check_expr(checker, spec->of_expr);
	else
		type = spec->tag ? tagged_type(checker, spec) : plain_type(checker, spec);
	if (!type || (type->kind == TYPE_NONE && !spec->of_expr)) {
		check_error(checker, spec->place, "Cannot resolve unknown type \"%s%s\"",
			    spec->tag == TAG_STRUCT  ? "struct "
			    : spec->tag == TAG_UNION ? "union "
			    : spec->tag == TAG_ENUM  ? "enum "
						     : "",
			    spec->name ? spec->name : "");
		return NULL;
	}
	if (type->is_literal)
		type = type_int(type->size, type->is_signed);
	for (uint32_t i = 0; i < spec->pointers; i++)
		type = type_pointer(arena, type,
				    checker->probe ? checker->probe->kind->space : SPACE_NONE);
	if (spec->is_array) {
		uint32_t count = spec->array_count;

		if (!count && for_array && type->size)
			count = for_array->size / type->size;
		if ((uint64_t)count * type->size > 1 << 20)
			return NULL;
		type = type_array(arena, type, count);
	}
	return type;
}

/* Bit fields share storage units of their type, as the ABI of x86-64 and arm64 has it. */
static void place_field(struct field *field, uint32_t bits, const struct c_record *record,
			uint64_t *at_bits, uint32_t *align)
{
	bool is_union = record->is_union;
	uint32_t unit = field->type->size ? field->type->size : 1;
	uint32_t a = field->type->align && !record->is_packed ? field->type->align : 1;

	if (bits) {
		uint64_t at = is_union ? 0 : *at_bits;

		if (at / (unit * 8) != (at + bits - 1) / (unit * 8))
			at = (at + unit * 8 - 1) / (unit * 8) * (unit * 8);
		field->offset = (uint32_t)(at / (unit * 8) * unit);
		field->bit_offset = (uint16_t)(at % (unit * 8));
		field->bit_size = (uint16_t)bits;
		*at_bits = is_union ? (*at_bits > bits ? *at_bits : bits) : at + bits;
	} else {
		uint64_t at = is_union ? 0 : (*at_bits + 7) / 8;

		at = (at + a - 1) / a * a;
		field->offset = (uint32_t)at;
		at = (at + field->type->size) * 8;
		*at_bits = is_union && *at_bits > at ? *at_bits : at;
	}
	*align = a > *align ? a : *align;
}

static const struct type *field_type(struct checker *checker, struct c_field *field)
{
	const struct type *type = check_type_spec(checker, &field->spec, NULL);

	for (uint32_t i = field->dim_count; type && i > 0; i--) {
		uint32_t count = field->dims[i - 1];

		if ((uint64_t)count * type->size > 1 << 24) {
			check_error(checker, field->place, "array is too large");
			return NULL;
		}
		/* text, as in BTF: see there */
		if (type->kind == TYPE_INT && type->size == 1 && type->is_signed && count)
			type = type_string(&checker->script->arena, count);
		else
			type = type_array(&checker->script->arena, type, count);
	}
	return type;
}

static const struct type *lay_out(struct checker *checker, struct c_record *record)
{
	uint32_t count = 0, align = 1;
	uint64_t bits = 0;
	struct field *fields;
	struct type *type;

	if (record->type)
		return record->type;
	for (struct c_field *f = record->fields; f; f = f->next)
		count++;
	type = arena_new(&checker->script->arena, sizeof(*type));
	fields = arena_new(&checker->script->arena, (count + 1) * sizeof(*fields));
	if (!type || !fields)
		return NULL;
	*type = (struct type){.kind = TYPE_RECORD,
			      .name = record->name,
			      .is_union = record->is_union,
			      .align = 1};
	record->type = type; /* now a pointer to itself may be a field */
	count = 0;
	for (struct c_field *f = record->fields; f; f = f->next) {
		const struct type *one = field_type(checker, f);

		if (!one && !checker->is_final && f->spec.name)
			diag_error(&checker->script->diag, f->place, "unknown type name '%s%s'",
				   f->spec.tag == TAG_STRUCT  ? "struct "
				   : f->spec.tag == TAG_UNION ? "union "
				   : f->spec.tag == TAG_ENUM  ? "enum "
							      : "",
				   f->spec.name);
		if (!one || (one->kind == TYPE_RECORD && !one->size && !one->fields))
			continue;
		if (!f->name && f->bits == 0 && one->kind != TYPE_RECORD)
			continue;
		fields[count] = (struct field){.name = f->name, .type = one};
		place_field(&fields[count], f->bits, record, &bits, &align);
		count++;
	}
	type->fields = fields;
	type->field_count = count;
	type->align = align;
	type->size = (uint32_t)(((bits + 7) / 8 + align - 1) / align * align);
	return type;
}
