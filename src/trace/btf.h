/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * btf - the kernel's types, read sparingly.
 *
 * /sys/kernel/btf/vmlinux is five megabytes that scripts use a few dozen types of. It is mapped (read
 * where the kernel cannot map it: before 6.16), and looked at like this:
 *
 *	by name	find the name in the string section (each stands there once), then walk the type
 *		section for a type with that name_off: a comparison of two integers per type
 *	by id	a table of offsets, made on the first use by one walk over the type section
 *
 * Types are made when asked for and kept; records are made empty and their fields looked up one by
 * one, so that a pointer to task_struct does not drag half the kernel in.
 */
#pragma once

#include "base/map.h"
#include "trace/type.h"

struct btf;

/* NULL: the kernel has no BTF. */
struct btf *btf_open(struct arena *arena);
/* The same over bytes of somebody else's (tests, fuzzing). */
struct btf *btf_over(struct arena *arena, struct span bytes);
void btf_free(struct btf *btf);

/* Id of the first type of that kind (BTF_KIND_*) and name, 0 if there is none. */
uint32_t btf_find(struct btf *btf, const char *name, unsigned kind);

/* Never NULL; type_none for what cannot be said in our types. Pointers point to kernel memory. */
const struct type *btf_type(struct btf *btf, uint32_t id);

/* The record or enum of that name, or the type a typedef stands for; NULL. */
const struct type *btf_record(struct btf *btf, const char *name, bool is_union);
const struct type *btf_enum(struct btf *btf, const char *name);
const struct type *btf_typedef(struct btf *btf, const char *name);

/* A member, also of anonymous members; offsets from the start of `record`. NULL: not there. */
const struct field *btf_field(struct btf *btf, const struct type *record, const char *name);

/* The record with all its fields (the first level): for printing. */
const struct type *btf_fill(struct btf *btf, const struct type *record);

/* SKB_DROP_REASON_NOT_SPECIFIED: which enum, and its value. */
bool btf_enumerator(struct btf *btf, const char *name, int64_t *ret_value,
		    const struct type **ret_enum);
/* The name of a value, NULL. */
const char *btf_enum_name(struct btf *btf, uint32_t id, int64_t value);

/* Parameters of a FUNC or FUNC_PROTO (also through a typedef of a pointer to it), and its result.
 * Returns their number, -1 if it is no function. Names may be NULL. */
int btf_params(struct btf *btf, uint32_t id, struct field *params, int max,
	       const struct type **ret_result);

/* "struct list_head {\n\tstruct list_head *next;...};": the definition of a record or an enum. */
void btf_show(struct btf *btf, uint32_t id, struct buf *out);
/* "struct list_head *head"; the name may be empty. */
void btf_show_declaration(struct btf *btf, uint32_t id, const char *name, struct buf *out);

/* Walks the names of all types of one kind. */
bool btf_next(struct btf *btf, unsigned kind, uint32_t *id, const char **ret_name);
