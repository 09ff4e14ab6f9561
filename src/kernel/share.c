// SPDX-License-Identifier: GPL-2.0-only
/*
 * share - a new version of an object goes on with the state of the old one.
 *
 * Connections that are open and calls that are under way when programs are exchanged have their beginnings in maps.
 * The new version takes every such map over whose layout it declares in the same way: kind, sizes, and
 * the types of key and value, field by field. (Variables are not taken over: they are settings.)
 */
#include "kernel/object.h"

#include <string.h>

enum { NESTED_TYPES = 16 };

static bool same_type(const struct btf *a, uint32_t id_a, const struct btf *b, uint32_t id_b,
		      int depth);

static bool same_members(const struct btf *a, const struct btf_type *type_a, const struct btf *b,
			 const struct btf_type *type_b, int depth)
{
	const struct btf_member *of_a = btf_members(type_a), *of_b = btf_members(type_b);

	for (uint32_t i = 0; i < btf_vlen(type_a); i++) {
		const char *name_a = btf__name_by_offset(a, of_a[i].name_off),
			   *name_b = btf__name_by_offset(b, of_b[i].name_off);

		if (of_a[i].offset != of_b[i].offset || strcmp(name_a, name_b) != 0 ||
		    !same_type(a, of_a[i].type, b, of_b[i].type, depth + 1))
			return false;
	}
	return true;
}

static bool same_type(const struct btf *a, uint32_t id_a, const struct btf *b, uint32_t id_b,
		      int depth)
{
	int real_a = btf__resolve_type(a, id_a), real_b = btf__resolve_type(b, id_b);
	const struct btf_type *type_a = real_a > 0 ? btf__type_by_id(a, (uint32_t)real_a) : NULL,
			      *type_b = real_b > 0 ? btf__type_by_id(b, (uint32_t)real_b) : NULL;

	if (!type_a || !type_b)
		return !id_a && !id_b;
	if (depth > NESTED_TYPES || btf_kind(type_a) != btf_kind(type_b))
		return false;
	if (btf_is_ptr(type_a))
		return true;
	if (btf_is_array(type_a))
		return btf_array(type_a)->nelems == btf_array(type_b)->nelems &&
		       same_type(a, btf_array(type_a)->type, b, btf_array(type_b)->type, depth + 1);
	if (type_a->size != type_b->size)
		return false;
	if (!btf_is_composite(type_a))
		return true;
	return btf_vlen(type_a) == btf_vlen(type_b) && same_members(a, type_a, b, type_b, depth);
}

static bool is_state(const struct bpf_map *map)
{
	if (bpf_map__is_internal(map))
		return false;
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_SOCKHASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_SK_STORAGE:
	case BPF_MAP_TYPE_TASK_STORAGE: return true;
	default: return false;
	}
}

static bool same_layout(const struct bpf_object *ours, const struct bpf_map *a,
			const struct bpf_object *theirs, const struct bpf_map *b)
{
	const struct btf *types_a = bpf_object__btf(ours), *types_b = bpf_object__btf(theirs);

	return bpf_map__type(a) == bpf_map__type(b) &&
	       bpf_map__key_size(a) == bpf_map__key_size(b) &&
	       bpf_map__value_size(a) == bpf_map__value_size(b) &&
	       bpf_map__max_entries(a) == bpf_map__max_entries(b) &&
	       bpf_map__map_flags(a) == bpf_map__map_flags(b) && types_a && types_b &&
	       /* (the kernel takes no types for these) */
	       (bpf_map__type(a) == BPF_MAP_TYPE_SOCKHASH ||
		(same_type(types_a, bpf_map__btf_key_type_id(a), types_b, bpf_map__btf_key_type_id(b),
			 0) &&
	       same_type(types_a, bpf_map__btf_value_type_id(a), types_b,
			 bpf_map__btf_value_type_id(b), 0)));
}

static bool is_set_already(const struct object *object, const char *map)
{
	for (uint32_t i = 0; i < object->settings; i++)
		if ((object->setting[i].kind == SET_SHARE || object->setting[i].kind == SET_FRESH) && !strcmp(object->setting[i].name, map))
			return true;
	return false;
}

void object_take_state(struct object *object, const struct object *from)
{
	struct bpf_map *map, *old;

	bpf_object__for_each_map(map, object->bpf)
	{
		const char *name = bpf_map__name(map);

		if (!from->bpf || !is_state(map) || is_set_already(object, name))
			continue;
		old = bpf_object__find_map_by_name(from->bpf, name);
		if (old && bpf_map__fd(old) >= 0 && same_layout(object->bpf, map, from->bpf, old))
			bpf_map__reuse_fd(map, bpf_map__fd(old)); /* if it fails: a new one */
	}
}
