// SPDX-License-Identifier: GPL-2.0-only
/* cursor - behind which row to go on, as text: "ROW.TYPE.KEY", numbers and bytes in hexadecimal
 * digits. */
#include <errno.h>

#include "store/query.h"
#include "store/rows.h"

static void write_hex(struct buf *out, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		buf_char(out, digits[bytes[i] >> 4]);
		buf_char(out, digits[bytes[i] & 15]);
	}
}

int store_cursor_write(const struct store_cursor *cursor, struct buf *out)
{
	const struct store_cell *key = &cursor->key;

	if (!cursor->set)
		return -EINVAL;
	buf_f(out, "%llx.%d.", (unsigned long long)cursor->row, (int)key->type);
	if (type_is_text(key->type))
		write_hex(out, key->text.at, key->text.len);
	else if (key->type == STORE_ID16)
		write_hex(out, key->id16, 16);
	else
		buf_f(out, "%llx", (unsigned long long)key->u64);
	return out->full ? -ENOSPC : 0;
}

static int digit_of(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes up to 16 hexadecimal digits. */
static bool take_number(struct span *text, uint64_t *ret_number)
{
	size_t len = 0;

	*ret_number = 0;
	for (; len < text->len && digit_of(text->at[len]) >= 0; len++)
		*ret_number = *ret_number << 4 | (unsigned)digit_of(text->at[len]);
	*text = span_from(*text, len);
	return len && len <= 16;
}

static bool take_dot(struct span *text)
{
	bool is_dot = text->len && text->at[0] == '.';

	*text = span_from(*text, 1);
	return is_dot;
}

static bool take_bytes(struct span text, uint8_t *bytes)
{
	for (size_t i = 0; i + 1 < text.len; i += 2) {
		int high = digit_of(text.at[i]), low = digit_of(text.at[i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	return text.len % 2 == 0;
}

int store_cursor_read(struct span text, struct arena *arena, struct store_cursor *ret_cursor)
{
	struct store_cursor cursor = {.set = true};
	uint64_t type;
	uint8_t *bytes;

	if (!take_number(&text, &cursor.row) || !take_dot(&text) || !take_number(&text, &type) ||
	    !take_dot(&text) || type >= STORE_TYPES)
		return -EINVAL;
	cursor.key.type = (enum store_type)type;
	if (type_is_text(cursor.key.type)) {
		bytes = arena_new(arena, text.len / 2 + 1);
		if (!bytes || !take_bytes(text, bytes))
			return bytes ? -EINVAL : -ENOMEM;
		cursor.key.text = (struct span){bytes, text.len / 2};
	} else if (cursor.key.type == STORE_ID16) {
		if (text.len != 32 || !take_bytes(text, cursor.key.id16))
			return -EINVAL;
	} else if (!take_number(&text, &cursor.key.u64) || text.len) {
		return -EINVAL;
	}
	*ret_cursor = cursor;
	return 0;
}
