/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hpack_encoder - an encoder of HPACK that does everything the rules allow, at random. For tests.
 *
 * It enters fields twice, refers to any of several equal entries, names pseudo-headers by dynamic entries,
 * enters what is larger than the table (and so empties it), changes the table's size at any time, pads
 * numbers with zeros and mixes Huffman code and plain text.
 */
#pragma once

#include "base/buf.h"
#include "protocol/hpack_lengths.h"
#include "protocol/hpack_model.h"

enum { ENCODER_ENTRIES = 2048, ENCODER_TEXT = 4400, STATIC_NAMES = 61 };

struct encoder_entry {
	uint16_t name_len, value_len;
	uint8_t text[ENCODER_TEXT];
};

struct encoder {
	struct encoder_entry *entries; /* owned: a ring */
	size_t first, len;
	size_t size, max, limit; /* bytes: in the table; now; at most ever */
	bool is_steady; /* never changes the size */
	struct random *random;
	uint32_t codes[HPACK_SYMBOLS];
	struct model_field statics[STATIC_NAMES + 1];
};

/* The static table, asked of the decoder; hpack_test.c compares it with the RFC. */
static inline void encoder_read_statics(struct encoder *encoder)
{
	static struct hpack_reader reader;
	struct hpack hpack = {.keeps_all = true};
	struct hpack_field field;
	const char *why;

	for (uint8_t i = 1; i <= STATIC_NAMES; i++) {
		uint8_t byte = 0x80 | i;

		hpack_begin(&hpack, (struct span){&byte, 1}, &reader);
		assert_int_equal(hpack_next(&reader, &field, &why), HPACK_FIELD);
		encoder->statics[i] = (struct model_field){field.name, field.value};
	}
}

static inline void encoder_init(struct encoder *encoder, struct random *random, size_t limit)
{
	uint32_t code = 0;

	*encoder = (struct encoder){.random = random, .max = 4096, .limit = limit};
	encoder->entries = calloc(ENCODER_ENTRIES, sizeof(*encoder->entries));
	for (unsigned length = HPACK_CODE_MIN; length <= HPACK_CODE_MAX; length++, code <<= 1)
		for (unsigned symbol = 0; symbol < HPACK_SYMBOLS; symbol++)
			if (hpack_lengths[symbol] == length)
				encoder->codes[symbol] = code++;
	encoder_read_statics(encoder);
}

static inline void encoder_done(struct encoder *encoder)
{
	free(encoder->entries);
}

/* The i-th newest entry, from 0. */
static inline struct encoder_entry *encoder_at(struct encoder *encoder, size_t i)
{
	return &encoder->entries[(encoder->first + encoder->len - 1 - i) % ENCODER_ENTRIES];
}

static inline size_t encoder_size(const struct encoder_entry *entry)
{
	return 32u + entry->name_len + entry->value_len;
}

static inline void encoder_evict(struct encoder *encoder, size_t max)
{
	while (encoder->len && encoder->size > max) {
		encoder->size -= encoder_size(&encoder->entries[encoder->first]);
		encoder->first = (encoder->first + 1) % ENCODER_ENTRIES;
		encoder->len--;
	}
}

static inline void encoder_insert(struct encoder *encoder, const struct model_field *field)
{
	size_t size = 32 + field->name.len + field->value.len;
	struct encoder_entry *entry;

	encoder_evict(encoder, size > encoder->max ? 0 : encoder->max - size);
	if (size > encoder->max)
		return;
	encoder->len++;
	assert_true(encoder->len <= ENCODER_ENTRIES);
	entry = encoder_at(encoder, 0);
	entry->name_len = (uint16_t)field->name.len;
	entry->value_len = (uint16_t)field->value.len;
	memcpy(entry->text, field->name.at, field->name.len);
	memcpy(entry->text + entry->name_len, field->value.at, field->value.len);
	encoder->size += size;
}

static inline void encoder_integer(struct encoder *encoder, struct buf *out, uint8_t first,
				   unsigned prefix_bits, uint64_t value)
{
	uint64_t mask = (1u << prefix_bits) - 1;
	bool is_padded = value >= mask && value < 1000 && !random_below(encoder->random, 50);

	if (value < mask) {
		buf_char(out, (char)(first | value));
		return;
	}
	buf_char(out, (char)(first | mask));
	for (value -= mask; value >= 128 || is_padded; value >>= 7) {
		if (value < 128)
			is_padded = false;
		buf_char(out, (char)(value | 128));
	}
	buf_char(out, (char)value);
}

static inline void encoder_string(struct encoder *encoder, struct buf *out, struct span text)
{
	uint64_t bits = 0, pending = 0;
	unsigned count = 0;

	if (random_below(encoder->random, 3) == 0) {
		encoder_integer(encoder, out, 0, 7, text.len);
		buf_add(out, text.at, text.len);
		return;
	}
	for (size_t i = 0; i < text.len; i++)
		bits += hpack_lengths[text.at[i]];
	encoder_integer(encoder, out, 0x80, 7, (bits + 7) / 8);
	for (size_t i = 0; i < text.len; i++) {
		unsigned length = hpack_lengths[text.at[i]];

		pending = pending << length | encoder->codes[text.at[i]];
		for (count += length; count >= 8; count -= 8)
			buf_char(out, (char)(pending >> (count - 8)));
	}
	if (count)
		buf_char(out, (char)(pending << (8 - count) | 0xff >> count));
}

/* A random index whose entry has that name (and value); 0: none. */
static inline uint64_t encoder_find(struct encoder *encoder, const struct model_field *field,
				    bool with_value)
{
	uint64_t found = 0, seen = 0;

	for (unsigned i = 1; i <= STATIC_NAMES; i++)
		if (span_same(encoder->statics[i].name, field->name) &&
		    (!with_value || span_same(encoder->statics[i].value, field->value)) &&
		    !random_below(encoder->random, ++seen))
			found = i;
	for (size_t i = 0; i < encoder->len; i++) {
		struct encoder_entry *at = encoder_at(encoder, i);
		struct span name = {at->text, at->name_len};
		struct span value = {at->text + at->name_len, at->value_len};

		if (span_same(name, field->name) &&
		    (!with_value || span_same(value, field->value)) &&
		    !random_below(encoder->random, ++seen))
			found = STATIC_NAMES + 1 + i;
	}
	return found;
}

static inline void encoder_field(struct encoder *encoder, struct buf *out,
				 const struct model_field *field)
{
	uint64_t index = encoder_find(encoder, field, true);
	unsigned how = (unsigned)random_below(encoder->random, 8);
	uint64_t name = random_below(encoder->random, 8) ? encoder_find(encoder, field, false) : 0;

	if (index && how) {
		encoder_integer(encoder, out, 0x80, 7, index);
		return;
	}
	how = (unsigned)random_below(encoder->random, 5);
	if (how < 3)
		encoder_integer(encoder, out, 0x40, 6, name);
	else
		encoder_integer(encoder, out, how == 3 ? 0 : 0x10, 4, name);
	if (!name)
		encoder_string(encoder, out, field->name);
	encoder_string(encoder, out, field->value);
	if (how < 3)
		encoder_insert(encoder, field);
}

static inline void encoder_resize(struct encoder *encoder, struct buf *out, size_t max)
{
	encoder_integer(encoder, out, 0x20, 5, max);
	encoder->max = max;
	encoder_evict(encoder, max);
}

static inline void encoder_block(struct encoder *encoder, struct buf *out,
				 const struct model_list *list)
{
	struct random *random = encoder->random;

	buf_clear(out);
	if (!encoder->is_steady && !random_below(random, 60)) {
		if (random_below(random, 2))
			encoder_resize(encoder, out, random_below(random, 2) ? 0 : 100);
		encoder_resize(encoder, out, random_below(random, encoder->limit + 1));
	}
	for (size_t i = 0; i < list->n; i++)
		encoder_field(encoder, out, &list->fields[i]);
}
