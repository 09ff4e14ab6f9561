// SPDX-License-Identifier: GPL-2.0-only
/* dwarf_type - types of a program's debug information, in our types: pointers lead into user memory. */
#include <string.h>

#include "trace/dwarf_inside.h"

enum { RESOLVE_MAX = 32, DIMENSIONS_MAX = 8, FIELDS_MAX = 4096 };

static const char *keep(struct dwarf *dwarf, const char *text)
{
	return text ? arena_str(dwarf->arena, span_of(text)) : NULL;
}

static struct type *new_type(struct dwarf *dwarf, const struct entry *entry, enum type_kind kind)
{
	struct type *type = arena_new(dwarf->arena, sizeof(*type));

	if (type)
		*type = (struct type){
			.kind = kind,
			.size = entry->byte_size < UINT32_MAX ? (uint32_t)entry->byte_size : 0,
			.align = 1,
			.name = keep(dwarf, entry->name)};
	return type;
}

/* DWARF 5, 7.8 */
static const struct type *base_type(const struct entry *entry)
{
	enum {
		BOOLEAN = 2,
		SIGNED = 5,
		SIGNED_CHAR = 6,
		UNSIGNED = 7,
		UNSIGNED_CHAR = 8,
		UTF = 16
	};
	uint32_t size = (uint32_t)entry->byte_size;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return &type_none;
	switch (entry->encoding) {
	case BOOLEAN: return size == 1 ? &type_bool : type_int(size, false);
	case SIGNED:
	case SIGNED_CHAR: return type_int(size, true);
	case UNSIGNED:
	case UNSIGNED_CHAR:
	case UTF: return type_int(size, false);
	default: return &type_none; /* floating point */
	}
}

/* Walks the children of an entry; grandchildren are passed over. */
struct children {
	const struct unit *unit;
	uint64_t at;
	int depth;
};

static struct children children_of(const struct dwarf *dwarf, const struct entry *parent)
{
	return (struct children){parent->has_children ? unit_of(dwarf, parent->at) : NULL,
				 parent->next, 0};
}

static bool next_child(struct dwarf *dwarf, struct children *children, struct entry *ret_entry)
{
	struct entry entry;

	while (children->unit && children->at < children->unit->end &&
	       entry_at(dwarf, children->unit, children->at, &entry)) {
		int depth = children->depth;

		children->at = entry.next;
		if (!entry.tag && --children->depth < 0)
			break;
		children->depth += entry.tag && entry.has_children;
		if (!entry.tag || depth)
			continue;
		*ret_entry = entry;
		return true;
	}
	children->unit = NULL;
	return false;
}

static void place_member(const struct entry *entry, struct field *field)
{
	uint32_t unit = field->type->size ? field->type->size : 1;
	uint64_t bits;

	field->offset = (uint32_t)entry->member_at;
	if (!entry->has_bits || entry->bit_size > unit * 8)
		return;
	if (entry->has_data_bit_offset) {
		bits = entry->data_bit_offset;
	} else { /* before DWARF 4: counted from the highest bit of the storage */
		uint64_t storage = entry->byte_size ? entry->byte_size : unit;

		bits = (entry->member_at + storage) * 8 - entry->bit_offset - entry->bit_size;
	}
	field->offset = (uint32_t)(bits / 8 / unit * unit);
	field->bit_offset = (uint16_t)(bits - (uint64_t)field->offset * 8);
	field->bit_size = (uint16_t)entry->bit_size;
}

/* As bpftrace shows them: enums and truth values of programs are numbers. */
static const struct type *plain(const struct type *type)
{
	return type->kind == TYPE_ENUM || type->kind == TYPE_BOOL
		       ? type_int(type->size, type->is_signed)
		       : type;
}

/* The fields are filled in after the type is known by its offset: a pointer to itself may be one. */
static void fill_record(struct dwarf *dwarf, const struct entry *record, struct type *type,
			int depth)
{
	struct children children = children_of(dwarf, record);
	struct entry entry;
	struct field *fields;
	uint32_t count = 0;

	while (next_child(dwarf, &children, &entry) && count < FIELDS_MAX)
		count += entry.tag == TAG_MEMBER || entry.tag == TAG_INHERITANCE;
	fields = arena_new(dwarf->arena, (count + 1) * sizeof(*fields));
	if (!fields)
		return;
	children = children_of(dwarf, record);
	for (uint32_t i = 0; i < count && next_child(dwarf, &children, &entry);) {
		if (entry.tag != TAG_MEMBER && entry.tag != TAG_INHERITANCE)
			continue;
		fields[i] =
			(struct field){.name = keep(dwarf, entry.name),
				       .type = plain(type_of_entry(dwarf, entry.type, depth + 1))};
		place_member(&entry, &fields[i]);
		if (fields[i].type->align > type->align)
			type->align = fields[i].type->align;
		i++;
	}
	type->fields = fields;
	type->field_count = count;
}

static void fill_enum(struct dwarf *dwarf, const struct entry *record, struct type *type)
{
	struct children children = children_of(dwarf, record);
	struct entry entry;

	if (!type->name)
		type->name = "";
	while (next_child(dwarf, &children, &entry)) {
		struct enumerator *one = entry.tag == TAG_ENUMERATOR && entry.name
						 ? arena_new(dwarf->arena, sizeof(*one))
						 : NULL;

		if (!one)
			continue;
		*one = (struct enumerator){.next = dwarf->enumerators,
					   .name = keep(dwarf, entry.name),
					   .enum_name = type->name,
					   .type = type,
					   .value = entry.value};
		dwarf->enumerators = one;
		type->is_signed |= entry.value < 0;
	}
	type->align = type->size;
}

static const struct type *array_type(struct dwarf *dwarf, const struct entry *array, int depth)
{
	const struct type *of = type_of_entry(dwarf, array->type, depth + 1);
	struct children children = children_of(dwarf, array);
	uint32_t counts[DIMENSIONS_MAX], dimensions = 0;
	struct entry entry;

	while (next_child(dwarf, &children, &entry) && dimensions < DIMENSIONS_MAX)
		if (entry.tag == TAG_SUBRANGE)
			counts[dimensions++] = entry.has_count && entry.count <= 1 << 24
						       ? (uint32_t)entry.count
						       : 0;
	for (uint32_t i = dimensions; i > 0; i--) {
		if ((uint64_t)of->size * counts[i - 1] > 1 << 24)
			return &type_none;
		/* char[N] is text, as everywhere */
		if (i == dimensions && of == &type_int8 && counts[i - 1])
			of = type_string(dwarf->arena, counts[i - 1]);
		else
			of = type_array(dwarf->arena, of, counts[i - 1]);
	}
	return of;
}

/* Known before what it points to is looked at: that may hold the same pointer. */
static const struct type *pointer_type(struct dwarf *dwarf, const struct entry *entry,
				       const struct type **slot, int depth)
{
	struct type *type = arena_new(dwarf->arena, sizeof(*type));

	if (!type)
		return *slot = &type_none;
	*type = *type_pointer(dwarf->arena, &type_void, SPACE_USER);
	*slot = type;
	type->of = entry->type ? type_of_entry(dwarf, entry->type, depth + 1) : &type_void;
	return type;
}

static const struct type *make_type(struct dwarf *dwarf, const struct entry *entry, int depth)
{
	struct type *type;

	switch (entry->tag) {
	case TAG_BASE: return base_type(entry);
	case TAG_ARRAY: return array_type(dwarf, entry, depth);
	case TAG_STRUCTURE:
	case TAG_CLASS:
	case TAG_UNION_:
		type = new_type(dwarf, entry, TYPE_RECORD);
		if (type)
			type->is_union = entry->tag == TAG_UNION_;
		return type ? type : &type_none;
	case TAG_ENUMERATION:
		type = new_type(dwarf, entry, TYPE_ENUM);
		return type ? type : &type_none;
	case TAG_SUBROUTINE: return &type_void;
	default: return &type_none;
	}
}

static bool is_alias(uint32_t tag)
{
	return tag == TAG_TYPEDEF_ || tag == TAG_CONST || tag == TAG_VOLATILE ||
	       tag == TAG_RESTRICT || tag == TAG_ATOMIC;
}

/* The entry behind typedefs and qualifiers. False: nothing (void), or nothing that can be read. */
static bool resolve(struct dwarf *dwarf, uint64_t offset, struct entry *ret_entry)
{
	for (int i = 0; offset && i < RESOLVE_MAX; i++) {
		const struct unit *unit = unit_of(dwarf, offset);

		if (!unit || !entry_at(dwarf, unit, offset, ret_entry))
			return false;
		if (!is_alias(ret_entry->tag))
			return true;
		offset = ret_entry->type;
	}
	return false;
}

const struct type *type_of_entry(struct dwarf *dwarf, uint64_t offset, int depth)
{
	const struct type **known, *type;
	struct entry entry;

	if (!resolve(dwarf, offset, &entry))
		return &type_void;
	known = map_get(&dwarf->types, &entry.at);
	if (known)
		return *known;
	if (depth > DWARF_DEPTH_MAX)
		return &type_none;
	known = map_put(&dwarf->types, &entry.at, NULL);
	if (!known)
		return &type_none;
	if (entry.tag == TAG_POINTER || entry.tag == TAG_REFERENCE ||
	    entry.tag == TAG_RVALUE_REFERENCE)
		return pointer_type(dwarf, &entry, known, depth);
	/* a type that leads back to itself without a record between is met here, and ends */
	*known = &type_none;
	type = make_type(dwarf, &entry, depth);
	known = map_put(&dwarf->types, &entry.at, NULL);
	if (known)
		*known = type;
	if (type->kind == TYPE_RECORD && entry.tag != TAG_ARRAY)
		fill_record(dwarf, &entry, (struct type *)type, depth);
	else if (type->kind == TYPE_ENUM && entry.tag == TAG_ENUMERATION)
		fill_enum(dwarf, &entry, (struct type *)type);
	return type;
}

/* --- as C writes them --- */

static const char *keyword(uint32_t tag)
{
	switch (tag) {
	case TAG_STRUCTURE: return "struct ";
	case TAG_UNION_: return "union ";
	case TAG_ENUMERATION: return "enum ";
	case TAG_CONST: return "const ";
	case TAG_VOLATILE: return "volatile ";
	default: return "";
	}
}

void shown_of_entry(struct dwarf *dwarf, uint64_t offset, struct buf *out, int depth)
{
	const struct unit *unit = offset ? unit_of(dwarf, offset) : NULL;
	struct entry entry;

	if (!unit || depth > DWARF_DEPTH_MAX || !entry_at(dwarf, unit, offset, &entry)) {
		buf_str(out, "void");
		return;
	}
	switch (entry.tag) {
	case TAG_CONST:
	case TAG_VOLATILE:
		buf_str(out, keyword(entry.tag));
		shown_of_entry(dwarf, entry.type, out, depth + 1);
		return;
	case TAG_RESTRICT:
	case TAG_ATOMIC: shown_of_entry(dwarf, entry.type, out, depth + 1); return;
	case TAG_POINTER:
		shown_of_entry(dwarf, entry.type, out, depth + 1);
		buf_str(out, "*");
		return;
	case TAG_REFERENCE:
		shown_of_entry(dwarf, entry.type, out, depth + 1);
		buf_str(out, "&");
		return;
	case TAG_ARRAY:
		shown_of_entry(dwarf, entry.type, out, depth + 1);
		buf_str(out, "[]");
		return;
	default: buf_f(out, "%s%s", keyword(entry.tag), entry.name ? entry.name : "<anonymous>");
	}
}
