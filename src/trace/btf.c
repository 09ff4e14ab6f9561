// SPDX-License-Identifier: GPL-2.0-only
/* btf - the kernel's types, read sparingly. Format: Documentation/bpf/btf.rst. */
#include "trace/btf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/btf_inside.h"

enum { RESOLVE_MAX = 32, TYPES_MAX = 4 << 20, BTF_BYTES_MAX = 256 << 20 };

struct btf {
	struct arena *arena; /* borrowed: types live there */
	struct span bytes;
	void *owned; /* malloc'ed copy, or NULL */
	void *mapped;
	const uint8_t *types, *types_end;
	const char *strings;
	uint32_t strings_len;
	uint32_t *offsets; /* by id, from `types`; made on first use */
	uint32_t count; /* types, with the void at 0 */
	struct map known; /* id -> const struct type * */
};

/* Bytes after the common part, by kind; SIZE_MAX: unknown. */
static size_t tail_bytes(const struct btf_type *t)
{
	size_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT: return 4;
	case BTF_KIND_ARRAY: return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION: return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM: return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64: return n * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO: return n * sizeof(struct btf_param);
	case BTF_KIND_VAR: return sizeof(struct btf_var);
	case BTF_KIND_DATASEC: return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG: return sizeof(struct btf_decl_tag);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG: return 0;
	default: return SIZE_MAX;
	}
}

/* The type after `t`; NULL at the end, or where the bytes make no sense. */
static const struct btf_type *next_type(const struct btf *btf, const struct btf_type *t)
{
	const uint8_t *at = (const uint8_t *)(t + 1);
	size_t tail = tail_bytes(t);

	if (tail > (size_t)(btf->types_end - at))
		return NULL;
	at += tail;
	if ((size_t)(btf->types_end - at) < sizeof(*t))
		return NULL;
	t = (const struct btf_type *)at;
	return tail_bytes(t) > (size_t)(btf->types_end - (const uint8_t *)(t + 1)) ? NULL : t;
}

static const struct btf_type *first_type(const struct btf *btf)
{
	const struct btf_type *t = (const struct btf_type *)btf->types;

	if ((size_t)(btf->types_end - btf->types) < sizeof(*t) ||
	    tail_bytes(t) > (size_t)(btf->types_end - (const uint8_t *)(t + 1)))
		return NULL;
	return t;
}

static bool make_index(struct btf *btf)
{
	uint32_t room = 0, id = 1;

	if (btf->offsets)
		return true;
	for (const struct btf_type *t = first_type(btf); t; t = next_type(btf, t)) {
		if (id >= room) {
			uint32_t *grown;

			room = room ? room * 2 : 1 << 17;
			if (room > TYPES_MAX)
				break;
			grown = realloc(btf->offsets, room * sizeof(*grown));
			if (!grown)
				break;
			btf->offsets = grown;
		}
		btf->offsets[id++] = (uint32_t)((const uint8_t *)t - btf->types);
	}
	btf->count = id;
	return btf->offsets;
}

static const struct btf_type *type_at(struct btf *btf, uint32_t id)
{
	if (!id || !make_index(btf) || id >= btf->count)
		return NULL;
	return (const struct btf_type *)(btf->types + btf->offsets[id]);
}

static const char *name_at(const struct btf *btf, uint32_t offset)
{
	return offset < btf->strings_len ? btf->strings + offset : "";
}

const struct btf_type *btf_raw_at(struct btf *btf, uint32_t id)
{
	return type_at(btf, id);
}

const char *btf_text_at(const struct btf *btf, uint32_t offset)
{
	return name_at(btf, offset);
}

struct btf *btf_over(struct arena *arena, struct span bytes)
{
	const struct btf_header *header = (const void *)bytes.at;
	struct btf *btf;
	uint64_t types, strings;

	if (bytes.len < sizeof(*header) || bytes.len > BTF_BYTES_MAX ||
	    header->magic != BTF_MAGIC || header->hdr_len > bytes.len)
		return NULL;
	types = (uint64_t)header->hdr_len + header->type_off;
	strings = (uint64_t)header->hdr_len + header->str_off;
	if (types + header->type_len > bytes.len || strings + header->str_len > bytes.len ||
	    types % 4 || !header->str_len || bytes.at[strings + header->str_len - 1])
		return NULL;
	btf = calloc(1, sizeof(*btf));
	if (!btf)
		return NULL;
	btf->arena = arena;
	btf->bytes = bytes;
	btf->types = bytes.at + types;
	btf->types_end = btf->types + header->type_len;
	btf->strings = (const char *)bytes.at + strings;
	btf->strings_len = header->str_len;
	map_init(&btf->known, sizeof(uint32_t), sizeof(const struct type *), 1 << 20);
	return btf;
}

static uint8_t *read_all(int fd, size_t size)
{
	uint8_t *bytes = malloc(size);
	size_t have = 0;

	while (bytes && have < size) {
		ssize_t n = read(fd, bytes + have, size - have);

		if (n <= 0) {
			free(bytes);
			return NULL;
		}
		have += (size_t)n;
	}
	return bytes;
}

struct btf *btf_open(struct arena *arena)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct btf *btf = NULL;
	struct stat st;
	void *owned = NULL, *mapped;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || st.st_size <= 0 || st.st_size > BTF_BYTES_MAX) {
		close(fd);
		return NULL;
	}
	/* mmap of sysfs BTF: kernel 6.16 (a539e2a6d51d) */
	mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapped == MAP_FAILED) {
		mapped = NULL;
		owned = read_all(fd, (size_t)st.st_size);
	}
	close(fd);
	if (mapped || owned)
		btf = btf_over(arena, (struct span){mapped ? mapped : owned, (size_t)st.st_size});
	if (!btf) {
		free(owned);
		if (mapped)
			munmap(mapped, (size_t)st.st_size);
		return NULL;
	}
	btf->owned = owned;
	btf->mapped = mapped;
	return btf;
}

void btf_free(struct btf *btf)
{
	if (!btf)
		return;
	if (btf->mapped)
		munmap(btf->mapped, btf->bytes.len);
	free(btf->owned);
	free(btf->offsets);
	map_done(&btf->known);
	free(btf);
}

/* Where the whole string stands in the string section; 0: nowhere. */
static uint32_t find_string(const struct btf *btf, const char *name)
{
	size_t len = strlen(name) + 1;
	const char *at = btf->strings, *end = btf->strings + btf->strings_len;

	if (len == 1)
		return 0;
	while ((at = memmem(at, (size_t)(end - at), name, len))) {
		if (at > btf->strings && !at[-1])
			return (uint32_t)(at - btf->strings);
		at++;
	}
	return 0;
}

uint32_t btf_find(struct btf *btf, const char *name, unsigned kind)
{
	uint32_t wanted = find_string(btf, name), id = 1;

	if (!wanted)
		return 0;
	for (const struct btf_type *t = first_type(btf); t; t = next_type(btf, t), id++)
		if (t->name_off == wanted && BTF_INFO_KIND(t->info) == kind)
			return id;
	return 0;
}

static struct type *new_type(struct btf *btf, const struct btf_type *t, uint32_t id,
			     enum type_kind kind, uint32_t size)
{
	struct type *type = arena_new(btf->arena, sizeof(*type));

	if (!type)
		return NULL;
	type->kind = kind;
	type->size = size;
	type->align = size >= 8 ? 8 : size ? size : 1;
	type->btf_id = id;
	if (*name_at(btf, t->name_off))
		type->name = name_at(btf, t->name_off);
	return type;
}

static const struct type *convert_int(const struct btf *btf, const struct btf_type *t)
{
	uint32_t encoding = BTF_INT_ENCODING(*(const uint32_t *)(t + 1));

	/* kernels are built with -funsigned-char since 6.2; to scripts char is signed */
	if (!strcmp(name_at(btf, t->name_off), "char"))
		return &type_int8;
	if (encoding & BTF_INT_BOOL)
		return &type_bool;
	if (t->size == 16) /* __int128: its lower half, which is all that scripts can hold */
		return &type_uint64;
	return type_int(t->size, encoding & BTF_INT_SIGNED);
}

static const struct type *convert_array(struct btf *btf, const struct btf_type *t)
{
	const struct btf_array *array = (const void *)(t + 1);
	const struct type *of = btf_type(btf, array->type);
	const struct btf_type *element = type_at(btf, array->type);

	while (element && BTF_INFO_KIND(element->info) == BTF_KIND_CONST)
		element = type_at(btf, element->type);
	/* char[N] in the kernel is text more often than not, and bpftrace takes it as such */
	if (element && BTF_INFO_KIND(element->info) == BTF_KIND_INT &&
	    !strcmp(name_at(btf, element->name_off), "char") && array->nelems)
		return type_string(btf->arena, array->nelems);
	if ((uint64_t)of->size * array->nelems > 1 << 24)
		return &type_none;
	return type_array(btf->arena, of, array->nelems);
}

static const struct type *convert_pointer(struct btf *btf, const struct btf_type *t)
{
	const struct btf_type *target = type_at(btf, t->type);
	const char *tag;

	while (target && (BTF_INFO_KIND(target->info) == BTF_KIND_CONST ||
			  BTF_INFO_KIND(target->info) == BTF_KIND_VOLATILE))
		target = type_at(btf, target->type);
	tag = target && BTF_INFO_KIND(target->info) == BTF_KIND_TYPE_TAG
		      ? name_at(btf, target->name_off)
		      : "";
	return type_pointer(btf->arena, t->type ? btf_type(btf, t->type) : &type_void,
			    strcmp(tag, "user") ? SPACE_KERNEL : SPACE_USER);
}

static const struct type *convert(struct btf *btf, uint32_t id)
{
	const struct btf_type *t = type_at(btf, id);
	struct type *type;

	for (int i = 0; t && i < RESOLVE_MAX; i++) {
		unsigned kind = BTF_INFO_KIND(t->info);

		switch (kind) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			if (!t->type)
				return &type_void;
			id = t->type;
			t = type_at(btf, id);
			continue;
		case BTF_KIND_INT: return convert_int(btf, t);
		case BTF_KIND_PTR: return convert_pointer(btf, t);
		case BTF_KIND_ARRAY: return convert_array(btf, t);
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
			type = new_type(btf, t, id, TYPE_RECORD, t->size);
			if (type)
				type->is_union = kind == BTF_KIND_UNION;
			return type ? type : &type_none;
		case BTF_KIND_FWD:
			type = new_type(btf, t, id, TYPE_RECORD, 0);
			return type ? type : &type_none;
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
			type = new_type(btf, t, id, TYPE_ENUM, t->size);
			if (type)
				type->is_signed = BTF_INFO_KFLAG(t->info);
			return type ? type : &type_none;
		case BTF_KIND_FUNC_PROTO: return &type_void;
		default: return &type_none;
		}
	}
	return &type_none;
}

const struct type *btf_type(struct btf *btf, uint32_t id)
{
	const struct type **slot = map_get(&btf->known, &id);
	const struct type *type;
	bool is_new;

	if (!id)
		return &type_void;
	if (slot)
		return *slot;
	/* a type that leads back to itself without a name (hostile BTF) meets this and ends */
	slot = map_put(&btf->known, &id, &is_new);
	if (slot)
		*slot = &type_none;
	type = convert(btf, id);
	slot = map_put(&btf->known, &id, &is_new);
	if (slot)
		*slot = type;
	return type;
}

const struct type *btf_record(struct btf *btf, const char *name, bool is_union)
{
	uint32_t id = btf_find(btf, name, is_union ? BTF_KIND_UNION : BTF_KIND_STRUCT);

	return id ? btf_type(btf, id) : NULL;
}

const struct type *btf_enum(struct btf *btf, const char *name)
{
	uint32_t id = btf_find(btf, name, BTF_KIND_ENUM);

	if (!id)
		id = btf_find(btf, name, BTF_KIND_ENUM64);
	return id ? btf_type(btf, id) : NULL;
}

const struct type *btf_typedef(struct btf *btf, const char *name)
{
	uint32_t id = btf_find(btf, name, BTF_KIND_TYPEDEF);

	return id ? btf_type(btf, id) : NULL;
}

static const struct btf_type *record_at(struct btf *btf, const struct type *record)
{
	const struct btf_type *t = type_at(btf, record->btf_id);

	/* a forward declaration: the definition may stand elsewhere under the same name */
	if (t && BTF_INFO_KIND(t->info) == BTF_KIND_FWD)
		t = type_at(btf,
			    btf_find(btf, name_at(btf, t->name_off),
				     BTF_INFO_KFLAG(t->info) ? BTF_KIND_UNION : BTF_KIND_STRUCT));
	if (!t ||
	    (BTF_INFO_KIND(t->info) != BTF_KIND_STRUCT && BTF_INFO_KIND(t->info) != BTF_KIND_UNION))
		return NULL;
	return t;
}

static void describe_member(struct btf *btf, const struct btf_type *t, const struct btf_member *m,
			    struct field *field)
{
	bool has_bits = BTF_INFO_KFLAG(t->info);
	uint32_t bits = has_bits ? BTF_MEMBER_BIT_OFFSET(m->offset) : m->offset;
	uint32_t bit_size = has_bits ? BTF_MEMBER_BITFIELD_SIZE(m->offset) : 0;
	const char *name = name_at(btf, m->name_off);

	*field = (struct field){.name = *name ? name : NULL, .type = btf_type(btf, m->type)};
	field->offset = bits / 8;
	if (bit_size && field->type->size) {
		/* the storage unit that holds it, aligned as its type is */
		uint32_t unit = field->type->size;

		field->offset = bits / 8 / unit * unit;
		field->bit_offset = (uint16_t)(bits - field->offset * 8);
		field->bit_size = (uint16_t)bit_size;
	}
}

static bool find_member(struct btf *btf, const struct btf_type *t, const char *name, int depth,
			struct field *ret_field)
{
	const struct btf_member *m = (const void *)(t + 1);

	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++, m++) {
		const char *member = name_at(btf, m->name_off);
		const struct btf_type *inner;

		if (*member) {
			if (strcmp(member, name))
				continue;
			describe_member(btf, t, m, ret_field);
			return true;
		}
		inner = depth ? record_at(btf, btf_type(btf, m->type)) : NULL;
		if (inner && find_member(btf, inner, name, depth - 1, ret_field)) {
			uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m->offset)
								: m->offset;

			ret_field->offset += bits / 8;
			return true;
		}
	}
	return false;
}

const struct field *btf_field(struct btf *btf, const struct type *record, const char *name)
{
	const struct btf_type *t = record_at(btf, record);
	struct field *field;

	if (!t)
		return NULL;
	field = arena_new(btf->arena, sizeof(*field));
	return field && find_member(btf, t, name, 8, field) ? field : NULL;
}

const struct type *btf_fill(struct btf *btf, const struct type *record)
{
	const struct btf_type *t = record_at(btf, record);
	const struct btf_member *m = (const void *)(t + 1);
	struct field *fields;
	struct type *full;

	if (!t || record->fields)
		return record;
	full = arena_new(btf->arena, sizeof(*full));
	fields = arena_new(btf->arena, (BTF_INFO_VLEN(t->info) + 1) * sizeof(*fields));
	if (!full || !fields)
		return record;
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++, m++)
		describe_member(btf, t, m, &fields[i]);
	*full = *record;
	full->size = t->size;
	full->fields = fields;
	full->field_count = BTF_INFO_VLEN(t->info);
	return full;
}

bool btf_raw_enumerator(const struct btf_type *t, uint32_t i, uint32_t *ret_name,
			int64_t *ret_value)
{
	if (BTF_INFO_KIND(t->info) == BTF_KIND_ENUM) {
		const struct btf_enum *e = (const struct btf_enum *)(t + 1) + i;

		*ret_name = e->name_off;
		*ret_value = BTF_INFO_KFLAG(t->info) ? e->val : (int64_t)(uint32_t)e->val;
		return true;
	}
	if (BTF_INFO_KIND(t->info) == BTF_KIND_ENUM64) {
		const struct btf_enum64 *e = (const struct btf_enum64 *)(t + 1) + i;

		*ret_name = e->name_off;
		*ret_value = (int64_t)((uint64_t)e->val_hi32 << 32 | e->val_lo32);
		return true;
	}
	return false;
}

bool btf_enumerator(struct btf *btf, const char *name, int64_t *ret_value,
		    const struct type **ret_enum)
{
	uint32_t wanted = find_string(btf, name), id = 1, name_off;

	if (!wanted)
		return false;
	for (const struct btf_type *t = first_type(btf); t; t = next_type(btf, t), id++) {
		unsigned kind = BTF_INFO_KIND(t->info);

		if (kind != BTF_KIND_ENUM && kind != BTF_KIND_ENUM64)
			continue;
		for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++)
			if (btf_raw_enumerator(t, i, &name_off, ret_value) && name_off == wanted) {
				*ret_enum = btf_type(btf, id);
				return true;
			}
	}
	return false;
}

const char *btf_enum_name(struct btf *btf, uint32_t id, int64_t value)
{
	const struct btf_type *t = type_at(btf, id);
	uint32_t name_off;
	int64_t one;

	if (!t)
		return NULL;
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++)
		if (btf_raw_enumerator(t, i, &name_off, &one) && one == value)
			return name_at(btf, name_off);
	return NULL;
}

int btf_params(struct btf *btf, uint32_t id, struct field *params, int max,
	       const struct type **ret_result)
{
	const struct btf_type *t = type_at(btf, id);
	const struct btf_param *param;
	int count;

	for (int i = 0; t && BTF_INFO_KIND(t->info) != BTF_KIND_FUNC_PROTO; i++) {
		unsigned kind = BTF_INFO_KIND(t->info);

		if (i == RESOLVE_MAX || (kind != BTF_KIND_FUNC && kind != BTF_KIND_TYPEDEF &&
					 kind != BTF_KIND_PTR && kind != BTF_KIND_CONST))
			return -1;
		t = type_at(btf, t->type);
	}
	if (!t)
		return -1;
	param = (const void *)(t + 1);
	count = BTF_INFO_VLEN(t->info) < (uint32_t)max ? (int)BTF_INFO_VLEN(t->info) : max;
	for (int i = 0; i < count; i++) {
		const char *name = name_at(btf, param[i].name_off);

		params[i] = (struct field){.name = *name ? name : NULL,
					   .type = btf_type(btf, param[i].type),
					   .offset = (uint32_t)i * 8,
					   .btf_id = param[i].type};
	}
	if (ret_result)
		*ret_result = t->type ? btf_type(btf, t->type) : &type_void;
	return count;
}

bool btf_next(struct btf *btf, unsigned kind, uint32_t *id, const char **ret_name)
{
	const struct btf_type *t;

	while ((t = type_at(btf, ++*id)))
		if (BTF_INFO_KIND(t->info) == kind) {
			*ret_name = name_at(btf, t->name_off);
			return true;
		}
	return false;
}
