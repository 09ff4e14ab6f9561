/* SPDX-License-Identifier: GPL-2.0-only */
/* btf_inside - the bytes of BTF, for those who write types as C does (btf_show.c). */
#pragma once

#include <linux/btf.h>

#include "trace/btf.h"

/* NULL: there is no such type. */
const struct btf_type *btf_raw_at(struct btf *btf, uint32_t id);
const char *btf_text_at(const struct btf *btf, uint32_t offset);
/* Name and value of the i-th enumerator; false: it is no enum. */
bool btf_raw_enumerator(const struct btf_type *t, uint32_t i, uint32_t *ret_name,
			int64_t *ret_value);
