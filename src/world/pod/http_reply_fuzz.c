// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes, in pieces of any size: the same end, the same body, nothing out of bounds. */
#include "world/pod/http_reply.c"

#include <stdlib.h>

static void add_up(void *ctx, struct span piece)
{
	uint64_t *sum = ctx;

	for (size_t i = 0; i < piece.len; i++)
		*sum = *sum * 31 + piece.at[i] + 1;
}

static int feed(struct span bytes, size_t piece, uint64_t *ret_sum)
{
	struct http_reply reply = {};
	int result = 0;

	*ret_sum = 0;
	while (!result && bytes.len) {
		result = http_reply_feed(&reply, span_first(bytes, piece), add_up, ret_sum);
		bytes = span_from(bytes, piece);
	}
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	uint64_t whole, pieces;

	if (!len)
		return 0;
	if (feed((struct span){at + 1, len - 1}, len, &whole) !=
		    feed((struct span){at + 1, len - 1}, at[0] % 9 + 1, &pieces) ||
	    whole != pieces)
		abort();
	return 0;
}
