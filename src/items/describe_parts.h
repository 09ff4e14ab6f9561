/* SPDX-License-Identifier: GPL-2.0-only */
/* describe_parts - what the files of describe share. */
#pragma once

#include "items/bpf_elf.h"
#include "items/describe.h"
#include "record/tags.h"

struct btf;
struct btf_type;

/* One object while it is read. */
struct describing {
	struct elf elf;
	struct btf *btf; /* owned */
	struct tags tags;
	struct item_desc *desc; /* owned until it is whole */
	struct err *why;
};

/* The value of a tag's key as a string of its own; NULL when it is not there (or memory is out). */
char *tag_copy(const char *tag, const char *key);
/* A decimal number up to `most`; false when the key is not there or is no such number. */
bool tag_number(const char *tag, const char *key, uint32_t most, uint32_t *ret);

/* The struct that a variable `const volatile struct x *` points to; NULL if it does not. */
const struct btf_type *struct_pointed_to(const struct btf *btf, uint32_t type_id, uint32_t *ret_id);

/* Is the variable of that name in a section that begins so? */
bool is_in_section(const struct elf *elf, const char *variable, const char *section);

/* A map with a metric tag, a pointer with a table tag: describe_metric.c. */
int describe_map(struct describing *d, uint32_t variable_id, const char *tag);
int describe_table(struct describing *d, uint32_t variable_id, const char *tag);
/* A map with a state tag. */
int describe_state(struct describing *d, uint32_t variable_id);
/* BPF_MAP_TYPE_* of the map that the variable declares; 0 if it declares none. */
uint32_t map_type_of(const struct btf *btf, uint32_t variable_id);
