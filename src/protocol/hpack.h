/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hpack - header blocks of HTTP/2 (RFC 7541), from the first one or from any later one on.
 *
 * One `struct hpack` for each direction of a connection is told of every header block of that direction,
 * in their order:
 *
 *	hpack_begin(hpack, block, &reader);
 *	while (hpack_next(&reader, &field, &why) == HPACK_FIELD)
 *		...
 *
 * A table whose beginning was missed is no hindrance: an index says how many insertions ago an entry was
 * made, so each entry has an ordinal, and those from 1 on are known exactly. What was inserted before
 * (ordinal 0, -1, ...) is opaque, but always the same: two fields with the same epoch and ordinal are
 * equal. A name or value that is given is never wrong; as long as hpack_lose() is called for each header
 * block that was not seen whole, which begins a new epoch.
 *
 * Only what may be wanted is kept of the table: the names below and their values. Values of all other
 * headers (cookies, credentials) are measured and dropped, unless `keeps_all`.
 */
#pragma once

#include "base/span.h"

enum hpack_name {
	HPACK_OTHER, /* none of the following */
	HPACK_AUTHORITY,
	HPACK_METHOD,
	HPACK_PATH,
	HPACK_SCHEME,
	HPACK_PROTOCOL, /* RFC 8441 */
	HPACK_STATUS,
	HPACK_PSEUDO_LAST = HPACK_STATUS,
	HPACK_HOST,
	HPACK_CONTENT_TYPE,
	HPACK_USER_AGENT,
	HPACK_TRACEPARENT,
	HPACK_REQUEST_ID,
	HPACK_GRPC_STATUS,
	HPACK_GRPC_MESSAGE,
	HPACK_NAMES,
};

enum {
	HPACK_TABLE_FIRST =
		4096, /* bytes of a table before anyone speaks of its size (RFC 9113 6.5.2) */
	HPACK_TABLE_KEPT =
		65536, /* bytes of a table, beyond which its older entries are not kept */
	HPACK_VALUE_KEPT = 4096, /* bytes of one value, and of one name */
};

enum hpack_known {
	HPACK_KNOWN, /* name and value */
	HPACK_PASSED, /* the name is none of those wanted, or the value was too long to be kept */
	HPACK_NAMELESS, /* the value is known, its name is an entry from before: `ordinal` */
	HPACK_OPAQUE, /* an entry from before: `ordinal` */
};

struct hpack_field {
	enum hpack_known known;
	enum hpack_name id; /* if known or passed */
	struct span name; /* `keeps_all` only; valid until the next call, as the value is */
	struct span value;
	size_t name_bytes, value_bytes; /* their whole lengths, where they are known; else 0 */
	int64_t ordinal;
	bool is_seeded; /* known because hpack_seed() told */
};

struct hpack_counts {
	uint64_t blocks, fields; /* read; fields = named + opaque */
	uint64_t named, opaque; /* opaque: nameless as well */
	uint64_t forgotten; /* of `opaque`: inserted in this epoch, but not kept so long */
	uint64_t epochs; /* begun after the first: blocks were lost or wrong */
	uint64_t bad; /* blocks that were wrong */
	uint64_t seeded; /* entries learnt by hpack_seed() */
};

/* One direction. All zero: joined in the middle of a connection; see hpack_start(). */
struct hpack {
	struct hpack_counts counts;
	uint32_t epoch;
	bool is_size_known; /* of the table: `size` */
	bool keeps_all; /* for tests and tools */
	uint8_t patience; /* how much of a table of unknown size is kept: enum patience, in hpack_table.c */
	uint32_t size; /* bytes, of the real table */
	int64_t inserted; /* ordinal of the newest entry */
	int64_t gone; /* if has_gone: entries up to this ordinal are known to have left the table */
	bool has_gone;
	uint32_t kept; /* entries, the newest ones */
	uint64_t
		kept_size; /* bytes of these, as RFC 7541 4.1 counts; at least, where names are unknown */
	struct hpack_entry *entries; /* owned: a ring, by ordinal */
	uint32_t entries_room; /* a power of two */
	uint32_t text_room; /* likewise */
	uint64_t text_end; /* bytes ever written to `text` */
	int64_t text_first; /* no entry before that ordinal has a text */
	uint8_t *text; /* owned: a ring */
};

struct hpack_reader {
	struct hpack *hpack;
	struct span in; /* what is not read yet */
	bool is_behind_sizes; /* no size update may follow any more */
	uint8_t name[HPACK_VALUE_KEPT]; /* texts that are in no table */
	uint8_t value[HPACK_VALUE_KEPT];
};

enum hpack_step {
	HPACK_FIELD,
	HPACK_END,
	HPACK_BAD, /* the block is wrong; a new epoch has begun */
};

/* The very first block of the connection comes next: its table is empty. */
void hpack_start(struct hpack *hpack);

/* A header block was lost: nothing is known of the table any more. */
void hpack_lose(struct hpack *hpack);

void hpack_done(struct hpack *hpack);

/* Bytes of memory it holds beside itself. */
size_t hpack_bytes(const struct hpack *hpack);

/* `block`: whole, its fragments put together. */
void hpack_begin(struct hpack *hpack, struct span block, struct hpack_reader *ret_reader);
enum hpack_step hpack_next(struct hpack_reader *reader, struct hpack_field *ret_field,
			   const char **ret_why);

/* Is every entry of the table known? */
bool hpack_is_complete(const struct hpack *hpack);

/* The field that stands at an ordinal, if it is known; valid until the next insertion. */
bool hpack_look(const struct hpack *hpack, int64_t ordinal, struct hpack_field *ret_field);

enum hpack_name hpack_name_of(struct span name);

/* One entry of a table that was read elsewhere: in the memory of the encoder, or of the decoder. */
struct hpack_seed {
	struct span name, value;
};

/*
 * Puts in a table that was read elsewhere, newest entry first. Its newest entry has an ordinal in
 * [low, high]: hpack->inserted when the table was read, and when all that was encoded by then has come by.
 * Of all places in that range only one may agree with what is known; else nothing is taken.
 *
 * Returns the number of entries learnt, -EAGAIN if no place is the only right one, -EINVAL if none is,
 * -ENOMEM.
 */
int hpack_seed(struct hpack *hpack, const struct hpack_seed *table, size_t n, int64_t low,
	       int64_t high);
