// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes: never out of bounds; and what was read, written again and read again, stays what it was. */
#include "base/json_read.c"

static bool copy(struct span in, struct buf *out, bool must_read)
{
	const struct json_node *root;
	struct json json = {.out = out};
	struct arena arena;
	int error;

	arena_init(&arena, 8 << 20);
	error = json_read(in, &arena, &root, NULL);
	if (error == -EINVAL && must_read)
		abort();
	if (!error)
		json_node_write(root, &json);
	arena_done(&arena);
	return !error;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct buf once, twice;

	buf_init(&once, 8 << 20);
	buf_init(&twice, 8 << 20);
	if (copy((struct span){at, len}, &once, false)) {
		copy(buf_as_span(&once), &twice, true);
		if (!span_same(buf_as_span(&once), buf_as_span(&twice)))
			abort();
	}
	buf_done(&once);
	buf_done(&twice);
	return 0;
}
