// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes, either dialect, cut or not: inside the bounds, the text ended, no quoted literal in it. */
#include "protocol/sql.c"
#include "protocol/sql_put.c"
#include "protocol/sql_words.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct sql_shape shape, again;
	struct sql_how how;

	if (!len)
		return 0;
	how = (struct sql_how){at[0] & 1, (at[0] >> 1) % 3, at[0] >> 3 & 1};
	sql_shape((struct span){at + 1, len - 1}, how, &shape);
	if (shape.text_len >= SQL_TEXT_MAX || shape.text[shape.text_len] ||
	    shape.table_len > SQL_TABLE_MAX)
		abort();
	if (memchr(shape.text, '\'', shape.text_len) && !memchr(shape.text, '"', shape.text_len) &&
	    !memchr(shape.text, '`', shape.text_len))
		abort(); /* only an identifier in quotes may hold one */
	sql_shape((struct span){at + 1, len - 1}, how, &again);
	if (again.hash != shape.hash)
		abort();
	return 0;
}
