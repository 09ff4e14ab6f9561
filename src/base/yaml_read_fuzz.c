// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes: never out of bounds, a reason for every refusal, and what was read is JSON when it is written. */
#include "base/yaml_read.c"

#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const struct json_node *root, *again;
	struct err why = {};
	struct arena arena;
	struct buf buf;
	struct json json = {.out = &buf};
	int error;

	arena_init(&arena, 4 << 20);
	buf_init(&buf, 4 << 20);
	error = yaml_read((struct span){at, len}, "x", &arena, &root, &why);
	if (error && !why.text[0])
		abort();
	if (!error) {
		json_node_write(root, &json);
		if (!buf.full && json_read(buf_as_span(&buf), &arena, &again, &why) == -EINVAL)
			abort();
	}
	buf_done(&buf);
	arena_done(&arena);
	return 0;
}
