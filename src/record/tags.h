/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tags - the sentences that an object's authors wrote on its types, fields, variables and functions
 * (btf_decl_tag), found by what they are written on.
 *
 * The object may be a stranger's. Texts are checked here once (length, UTF-8, no control bytes); names and
 * types that libbpf hands out are checked by the helpers below, which never fail on type numbers or
 * chains that lead nowhere: they return NULL or 0.
 */
#pragma once

#include "base/err.h"
#include "base/tag.h"

struct btf;
struct btf_type;

enum { TAG_TEXT_BYTES = 2000, TAGS_MAX = 65536 };

struct tag {
	uint32_t type; /* BTF id of what the tag is written on */
	int32_t component; /* field (or argument) of it, -1 = the whole */
	uint32_t order; /* of writing */
	const char *text; /* borrowed from the BTF, 0-ended */
};

struct tags {
	const struct btf *btf; /* borrowed */
	struct tag *tag; /* owned; sorted by type, component, order of writing */
	size_t count;
};

/* Reads all tags. -EINVAL when one is no printable text, -E2BIG on more than TAGS_MAX. */
int tags_read(struct tags *tags, const struct btf *btf, struct err *why);
void tags_done(struct tags *tags);

/* The text of the first tag there whose word is `word`, or NULL. */
const char *tags_find(const struct tags *tags, uint32_t type, int32_t component, const char *word);

/* The type behind typedefs, const, volatile, restrict and type tags; NULL where the chain leads nowhere.
 * ret_id may be NULL. */
const struct btf_type *type_behind(const struct btf *btf, uint32_t id, uint32_t *ret_id);
/* Its name, "" if it has none. */
const char *btf_type_name(const struct btf *btf, const struct btf_type *type);
/* Its size in bytes, 0 when it has none. */
uint32_t type_size(const struct btf *btf, uint32_t id);
