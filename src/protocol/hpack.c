// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpack - header blocks of HTTP/2 (RFC 7541), from the first one or from any later one on.
 *
 * A block is a row of representations (RFC 7541 6). An index up to 61 is of the static table; a larger
 * one, i, was inserted i - 61 insertions ago, so its ordinal is inserted - (i - 61) + 1, whatever the
 * table held before we came and whatever has left it since (hpack_table.c).
 *
 * Strings that nobody wants are not decoded: their length is enough to go on. Only where they enter the
 * table must they be measured, as sizes tell what leaves it.
 *
 * A literal whose name is an entry from before has a value, but no name. If it is inserted, the entry
 * remembers whose name it has: should that become known (hpack_seed), it has a name as well.
 */
#include "protocol/hpack.h"

#include <stdlib.h>

#include "protocol/hpack_huffman.h"
#include "protocol/hpack_table.h"

enum {
	STATIC_ENTRIES = 61,
	INTEGER_MAX = INT32_MAX, /* of lengths, indexes and sizes */
	NAME_DEPTH = 8, /* entries whose names are those of other entries */
};

/* RFC 7541 Appendix A */
#define STATIC(id, name, value)                                                                    \
	{                                                                                          \
		id, sizeof(name) - 1, sizeof(value) - 1, name, value                               \
	}

static const struct {
	uint8_t id, name_len, value_len;
	const char *name, *value;
} static_table[STATIC_ENTRIES + 1] = {
	[1] = STATIC(HPACK_AUTHORITY, ":authority", ""),
	STATIC(HPACK_METHOD, ":method", "GET"),
	STATIC(HPACK_METHOD, ":method", "POST"),
	STATIC(HPACK_PATH, ":path", "/"),
	STATIC(HPACK_PATH, ":path", "/index.html"),
	STATIC(HPACK_SCHEME, ":scheme", "http"),
	STATIC(HPACK_SCHEME, ":scheme", "https"),
	STATIC(HPACK_STATUS, ":status", "200"),
	STATIC(HPACK_STATUS, ":status", "204"),
	STATIC(HPACK_STATUS, ":status", "206"),
	STATIC(HPACK_STATUS, ":status", "304"),
	STATIC(HPACK_STATUS, ":status", "400"),
	STATIC(HPACK_STATUS, ":status", "404"),
	STATIC(HPACK_STATUS, ":status", "500"),
	STATIC(HPACK_OTHER, "accept-charset", ""),
	STATIC(HPACK_OTHER, "accept-encoding", "gzip, deflate"),
	STATIC(HPACK_OTHER, "accept-language", ""),
	STATIC(HPACK_OTHER, "accept-ranges", ""),
	STATIC(HPACK_OTHER, "accept", ""),
	STATIC(HPACK_OTHER, "access-control-allow-origin", ""),
	STATIC(HPACK_OTHER, "age", ""),
	STATIC(HPACK_OTHER, "allow", ""),
	STATIC(HPACK_OTHER, "authorization", ""),
	STATIC(HPACK_OTHER, "cache-control", ""),
	STATIC(HPACK_OTHER, "content-disposition", ""),
	STATIC(HPACK_OTHER, "content-encoding", ""),
	STATIC(HPACK_OTHER, "content-language", ""),
	STATIC(HPACK_OTHER, "content-length", ""),
	STATIC(HPACK_OTHER, "content-location", ""),
	STATIC(HPACK_OTHER, "content-range", ""),
	STATIC(HPACK_CONTENT_TYPE, "content-type", ""),
	STATIC(HPACK_OTHER, "cookie", ""),
	STATIC(HPACK_OTHER, "date", ""),
	STATIC(HPACK_OTHER, "etag", ""),
	STATIC(HPACK_OTHER, "expect", ""),
	STATIC(HPACK_OTHER, "expires", ""),
	STATIC(HPACK_OTHER, "from", ""),
	STATIC(HPACK_HOST, "host", ""),
	STATIC(HPACK_OTHER, "if-match", ""),
	STATIC(HPACK_OTHER, "if-modified-since", ""),
	STATIC(HPACK_OTHER, "if-none-match", ""),
	STATIC(HPACK_OTHER, "if-range", ""),
	STATIC(HPACK_OTHER, "if-unmodified-since", ""),
	STATIC(HPACK_OTHER, "last-modified", ""),
	STATIC(HPACK_OTHER, "link", ""),
	STATIC(HPACK_OTHER, "location", ""),
	STATIC(HPACK_OTHER, "max-forwards", ""),
	STATIC(HPACK_OTHER, "proxy-authenticate", ""),
	STATIC(HPACK_OTHER, "proxy-authorization", ""),
	STATIC(HPACK_OTHER, "range", ""),
	STATIC(HPACK_OTHER, "referer", ""),
	STATIC(HPACK_OTHER, "refresh", ""),
	STATIC(HPACK_OTHER, "retry-after", ""),
	STATIC(HPACK_OTHER, "server", ""),
	STATIC(HPACK_OTHER, "set-cookie", ""),
	STATIC(HPACK_OTHER, "strict-transport-security", ""),
	STATIC(HPACK_OTHER, "transfer-encoding", ""),
	STATIC(HPACK_USER_AGENT, "user-agent", ""),
	STATIC(HPACK_OTHER, "vary", ""),
	STATIC(HPACK_OTHER, "via", ""),
	STATIC(HPACK_OTHER, "www-authenticate", ""),
};

static const struct {
	enum hpack_name id;
	const char *name;
} wanted[] = {
	{HPACK_PATH, ":path"},
	{HPACK_HOST, "host"},
	{HPACK_METHOD, ":method"},
	{HPACK_SCHEME, ":scheme"},
	{HPACK_STATUS, ":status"},
	{HPACK_PROTOCOL, ":protocol"},
	{HPACK_AUTHORITY, ":authority"},
	{HPACK_USER_AGENT, "user-agent"},
	{HPACK_TRACEPARENT, "traceparent"},
	{HPACK_GRPC_STATUS, "grpc-status"},
	{HPACK_CONTENT_TYPE, "content-type"},
	{HPACK_REQUEST_ID, "x-request-id"},
	{HPACK_GRPC_MESSAGE, "grpc-message"},
};

enum hpack_name hpack_name_of(struct span name)
{
	if (name.len < 4 || name.len > 12)
		return HPACK_OTHER;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (span_is(name, wanted[i].name))
			return wanted[i].id;
	return HPACK_OTHER;
}

/* Epochs. */

static void forget_all(struct hpack *hpack)
{
	hpack->inserted = hpack->gone = 0;
	hpack->has_gone = false;
	hpack->kept = 0;
	hpack->kept_size = 0;
	hpack->text_end = 0;
	hpack->text_first = 0;
}

void hpack_start(struct hpack *hpack)
{
	forget_all(hpack);
	hpack->size = HPACK_TABLE_FIRST;
	hpack->is_size_known = true;
	hpack->has_gone = true;
}

void hpack_lose(struct hpack *hpack)
{
	forget_all(hpack);
	hpack->is_size_known = false;
	hpack->epoch++;
	hpack->counts.epochs++;
}

void hpack_done(struct hpack *hpack)
{
	free(hpack->entries);
	free(hpack->text);
	*hpack = (struct hpack){};
}

bool hpack_is_complete(const struct hpack *hpack)
{
	return hpack->has_gone && hpack->gone >= hpack->inserted - (int64_t)hpack->kept;
}

/* Primitives (RFC 7541 5). Each returns what is wrong, or NULL. */

static const char *read_integer(struct span *in, unsigned prefix_bits, uint32_t *ret_value)
{
	uint32_t mask = (1u << prefix_bits) - 1;
	uint64_t value;
	unsigned shift = 0;
	size_t n = 1;

	if (!in->len)
		return "the block ends inside a field";
	value = in->at[0] & mask;
	if (value == mask)
		for (;; shift += 7) {
			if (n == in->len)
				return "the block ends inside a field";
			if (shift > 28)
				return "a number above 2^31";
			value += (uint64_t)(in->at[n] & 0x7f) << shift;
			if (!(in->at[n++] & 0x80))
				break;
		}
	if (value > INTEGER_MAX)
		return "a number above 2^31";
	*ret_value = (uint32_t)value;
	*in = span_from(*in, n);
	return NULL;
}

/* A string as it stands in the block. */
struct raw {
	struct span bytes;
	bool is_huffman;
};

static const char *read_raw(struct span *in, struct raw *ret_raw)
{
	uint32_t len;
	const char *why;

	if (!in->len)
		return "the block ends inside a field";
	ret_raw->is_huffman = in->at[0] & 0x80;
	why = read_integer(in, 7, &len);
	if (!why && len > in->len)
		why = "the block ends inside a field";
	if (why)
		return why;
	ret_raw->bytes = span_first(*in, len);
	*in = span_from(*in, len);
	return NULL;
}

/* The text of a string, at most HPACK_VALUE_KEPT bytes of it, and its whole length. */
static const char *read_text(struct raw raw, uint8_t *room, struct span *ret_text, size_t *ret_len)
{
	const char *why = NULL;

	*ret_len = raw.bytes.len;
	*ret_text = span_first(raw.bytes, HPACK_VALUE_KEPT);
	if (raw.is_huffman) {
		why = hpack_huffman_decode(raw.bytes, room, HPACK_VALUE_KEPT, ret_len);
		*ret_text = span_first((struct span){room, HPACK_VALUE_KEPT}, *ret_len);
	}
	return why;
}

/* Looking up. */

/* Finds whose name an entry has: follows names of names. NULL: it is not known. */
static const struct hpack_entry *named_entry(const struct hpack *hpack, int64_t ordinal)
{
	const struct hpack_entry *entry = hpack_table_at(hpack, ordinal);

	for (int depth = 0; entry && entry->kind == HPACK_ENTRY_NAMELESS && depth < NAME_DEPTH;
	     depth++)
		entry = hpack_table_at(hpack, entry->name_ordinal);
	return entry && entry->kind == HPACK_ENTRY_NAMED ? entry : NULL;
}

static bool fill_name(const struct hpack *hpack, int64_t ordinal, struct hpack_field *ret_field)
{
	const struct hpack_entry *entry = named_entry(hpack, ordinal);
	struct span name, value;

	if (!entry || !hpack_table_texts(hpack, entry, &name, &value))
		return false;
	ret_field->id = entry->id;
	ret_field->name = name;
	ret_field->name_bytes = entry->name_bytes;
	ret_field->is_seeded = entry->is_seeded;
	return true;
}

static bool is_kept(const struct hpack *hpack, enum hpack_name id)
{
	return id != HPACK_OTHER || hpack->keeps_all;
}

static enum hpack_known known_of(const struct hpack *hpack, const struct hpack_field *field)
{
	return is_kept(hpack, field->id) && field->value_bytes == field->value.len ? HPACK_KNOWN
										   : HPACK_PASSED;
}

bool hpack_look(const struct hpack *hpack, int64_t ordinal, struct hpack_field *ret_field)
{
	const struct hpack_entry *entry = hpack_table_at(hpack, ordinal);
	struct span name, value;

	*ret_field = (struct hpack_field){.ordinal = ordinal};
	if (!entry || entry->kind == HPACK_ENTRY_FORGOTTEN ||
	    !hpack_table_texts(hpack, entry, &name, &value) ||
	    !fill_name(hpack, ordinal, ret_field))
		return false;
	ret_field->value = value;
	ret_field->value_bytes = entry->value_bytes;
	ret_field->is_seeded |= entry->is_seeded;
	ret_field->known = known_of(hpack, ret_field);
	return true;
}

static void fill_static(const struct hpack *hpack, uint32_t index, bool has_value,
			struct hpack_field *ret_field)
{
	ret_field->id = static_table[index].id;
	ret_field->name_bytes = static_table[index].name_len;
	if (hpack->keeps_all)
		ret_field->name = (struct span){(const uint8_t *)static_table[index].name,
						static_table[index].name_len};
	if (!has_value)
		return;
	ret_field->value_bytes = static_table[index].value_len;
	if (is_kept(hpack, ret_field->id))
		ret_field->value = (struct span){(const uint8_t *)static_table[index].value,
						 static_table[index].value_len};
	ret_field->known = known_of(hpack, ret_field);
}

/* The ordinal an index stands for. Returns what is wrong with it, or NULL. */
static const char *ordinal_of(struct hpack *hpack, uint32_t index, int64_t *ret_ordinal)
{
	int64_t ago = (int64_t)index - STATIC_ENTRIES;
	int64_t ordinal = hpack->inserted - ago + 1;

	if ((hpack->has_gone && ordinal <= hpack->gone) ||
	    (hpack->is_size_known && ago > hpack->size / HPACK_ENTRY_SIZE))
		return "an index beyond the table";
	*ret_ordinal = ordinal;
	return NULL;
}

/* Of an entry that came by, but without its name, nothing was forgotten. */
static void note_opaque(struct hpack *hpack, int64_t ordinal)
{
	const struct hpack_entry *entry = hpack_table_at(hpack, ordinal);

	if (ordinal <= 0 || (entry && entry->kind == HPACK_ENTRY_NAMELESS))
		return;
	hpack->counts.forgotten++;
	hpack_table_regret(hpack);
}

/* Representations. */

static const char *read_indexed(struct hpack_reader *reader, struct hpack_field *ret_field)
{
	struct hpack *hpack = reader->hpack;
	uint32_t index;
	int64_t ordinal = 0;
	const char *why = read_integer(&reader->in, 7, &index);

	if (!why && !index)
		why = "index 0";
	if (!why && index > STATIC_ENTRIES)
		why = ordinal_of(hpack, index, &ordinal);
	if (why)
		return why;
	if (index <= STATIC_ENTRIES) {
		fill_static(hpack, index, true, ret_field);
		return NULL;
	}
	if (hpack_look(hpack, ordinal, ret_field))
		return NULL;
	ret_field->known = HPACK_OPAQUE;
	note_opaque(hpack, ordinal);
	return NULL;
}

static const char *read_name(struct hpack_reader *reader, unsigned prefix_bits,
			     struct hpack_field *ret_field)
{
	struct hpack *hpack = reader->hpack;
	struct raw raw;
	uint32_t index;
	const char *why = read_integer(&reader->in, prefix_bits, &index);

	if (why)
		return why;
	if (!index) {
		why = read_raw(&reader->in, &raw);
		if (!why)
			why = read_text(raw, reader->name, &ret_field->name,
					&ret_field->name_bytes);
		ret_field->id = hpack_name_of(ret_field->name);
		return why;
	}
	if (index <= STATIC_ENTRIES) {
		fill_static(hpack, index, false, ret_field);
		return NULL;
	}
	why = ordinal_of(hpack, index, &ret_field->ordinal);
	if (why || fill_name(hpack, ret_field->ordinal, ret_field))
		return why;
	ret_field->known = HPACK_NAMELESS;
	note_opaque(hpack, ret_field->ordinal);
	return NULL;
}

static void insert(struct hpack *hpack, const struct hpack_field *field)
{
	bool is_nameless = field->known == HPACK_NAMELESS;
	struct hpack_entry entry = {
		.name_ordinal = field->ordinal,
		.size = (uint32_t)(HPACK_ENTRY_SIZE + field->name_bytes + field->value_bytes),
		.name_bytes = (uint32_t)field->name_bytes,
		.value_bytes = (uint32_t)field->value_bytes,
		.kind = is_nameless ? HPACK_ENTRY_NAMELESS : HPACK_ENTRY_NAMED,
		.id = (uint8_t)field->id,
		.is_seeded = field->is_seeded,
	};

	hpack_table_insert(hpack, &entry, hpack->keeps_all ? field->name : (struct span){},
			   hpack->keeps_all || is_kept(hpack, field->id) ? field->value
									 : (struct span){});
}

static const char *read_literal(struct hpack_reader *reader, unsigned prefix_bits, bool is_inserted,
				struct hpack_field *ret_field)
{
	struct hpack *hpack = reader->hpack;
	struct raw raw;
	const char *why = read_name(reader, prefix_bits, ret_field);
	bool is_nameless = ret_field->known == HPACK_NAMELESS;

	if (!why)
		why = read_raw(&reader->in, &raw);
	if (why)
		return why;
	if (is_inserted || is_nameless || is_kept(hpack, ret_field->id))
		why = read_text(raw, reader->value, &ret_field->value, &ret_field->value_bytes);
	if (why)
		return why;
	/* a name that stands in the table may be overwritten by what is inserted */
	if (is_inserted && ret_field->ordinal && ret_field->name.len)
		ret_field->name.at = memcpy(reader->name, ret_field->name.at, ret_field->name.len);
	if (is_inserted)
		insert(hpack, ret_field);
	if (is_nameless)
		return NULL;
	if (!is_kept(hpack, ret_field->id))
		ret_field->value = (struct span){};
	ret_field->known = known_of(hpack, ret_field);
	if (!hpack->keeps_all)
		ret_field->name = (struct span){};
	return NULL;
}

/* Size updates stand at the beginning of a block only (RFC 7541 4.2). */
static const char *read_sizes(struct hpack_reader *reader)
{
	while (reader->in.len && (reader->in.at[0] & 0xe0) == 0x20) {
		uint32_t size;
		const char *why = reader->is_behind_sizes ? "a size update behind the first field"
							  : read_integer(&reader->in, 5, &size);

		if (why)
			return why;
		hpack_table_resize(reader->hpack, size);
	}
	reader->is_behind_sizes = true;
	return NULL;
}

static const char *read_field(struct hpack_reader *reader, struct hpack_field *ret_field)
{
	uint8_t first = reader->in.at[0];

	if (first & 0x80)
		return read_indexed(reader, ret_field);
	if (first & 0x40)
		return read_literal(reader, 6, true, ret_field);
	return read_literal(reader, 4, false, ret_field); /* without indexing, never indexed */
}

void hpack_begin(struct hpack *hpack, struct span block, struct hpack_reader *ret_reader)
{
	ret_reader->hpack = hpack;
	ret_reader->in = block;
	ret_reader->is_behind_sizes = false;
	hpack->counts.blocks++;
}

enum hpack_step hpack_next(struct hpack_reader *reader, struct hpack_field *ret_field,
			   const char **ret_why)
{
	struct hpack *hpack = reader->hpack;
	const char *why = read_sizes(reader);

	if (!why && !reader->in.len)
		return HPACK_END;
	*ret_field = (struct hpack_field){};
	if (!why)
		why = read_field(reader, ret_field);
	if (why) {
		hpack->counts.bad++;
		hpack_lose(hpack);
		*ret_why = why;
		return HPACK_BAD;
	}
	hpack->counts.fields++;
	if (ret_field->known == HPACK_OPAQUE || ret_field->known == HPACK_NAMELESS)
		hpack->counts.opaque++;
	else
		hpack->counts.named++;
	return HPACK_FIELD;
}
