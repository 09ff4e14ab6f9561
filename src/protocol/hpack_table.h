/* SPDX-License-Identifier: GPL-2.0-only */
/* hpack_table - the dynamic table of hpack.c, by ordinals. Used by hpack.c only. */
#pragma once

#include "protocol/hpack.h"

enum {
	HPACK_ENTRY_SIZE = 32, /* bytes an entry counts beside its texts: RFC 7541 4.1 */
};

enum hpack_entry_kind {
	HPACK_ENTRY_FORGOTTEN, /* nothing is known but that it is there */
	HPACK_ENTRY_NAMED, /* name (and value, if it is a wanted one) */
	HPACK_ENTRY_NAMELESS, /* the name is that of the entry `name_ordinal` */
};

struct hpack_entry {
	uint64_t text_at; /* where its texts begin in what was ever written to the ring */
	int64_t name_ordinal;
	uint32_t size; /* RFC 7541 4.1: 32 + name + value; at least, where it is nameless */
	uint32_t name_bytes, value_bytes; /* of the whole texts */
	uint16_t name_kept, value_kept; /* bytes of them in the ring */
	uint8_t kind, id;
	bool is_seeded;
	bool is_filled; /* its texts are younger than those of entries behind it */
};

/* NULL: it is not kept. */
struct hpack_entry *hpack_table_at(const struct hpack *hpack, int64_t ordinal);

/* Its texts as far as they are kept. False: they were overwritten. */
bool hpack_table_texts(const struct hpack *hpack, const struct hpack_entry *entry,
		       struct span *ret_name, struct span *ret_value);

/* An insertion (RFC 7541 4.4), with texts in `name` and `value`. */
void hpack_table_insert(struct hpack *hpack, const struct hpack_entry *entry, struct span name,
			struct span value);

/* A size update (RFC 7541 4.3). */
void hpack_table_resize(struct hpack *hpack, uint32_t size);

/* An entry from before was asked for that was let go: more will be kept from now on. */
void hpack_table_regret(struct hpack *hpack);

/* Room for entries down to the ordinal `first`, which are then forgotten ones. False: no memory. */
bool hpack_table_reach(struct hpack *hpack, int64_t first);

/* Sets an entry that is kept. */
void hpack_table_fill(struct hpack *hpack, int64_t ordinal, const struct hpack_entry *entry,
		      struct span name, struct span value);

/* The table holds nothing up to that ordinal. */
void hpack_table_gone(struct hpack *hpack, int64_t ordinal);
