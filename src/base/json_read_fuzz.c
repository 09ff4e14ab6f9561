// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes: never out of bounds; and what was read, written again and read again, stays what it was. */
#include "base/json_read.c"

static void write_node(const struct json_node *node, struct json *json, unsigned depth)
{
	switch (node->type) {
	case JSON_NULL: json_null(json); return;
	case JSON_BOOL: json_bool(json, node->truth); return;
	case JSON_NUMBER: json_raw(json, node->text); return;
	case JSON_TEXT: json_span(json, node->text); return;
	case JSON_ARRAY: json_array(json); break;
	case JSON_OBJECT: json_object(json); break;
	}
	if (depth > JSON_DEPTH)
		abort();
	for (const struct json_node *child = node->child; child; child = child->next) {
		if (node->type == JSON_OBJECT) {
			if (strlen((const char *)child->key.at) != child->key.len)
				abort();
			json_key(json, (const char *)child->key.at);
		}
		write_node(child, json, depth + 1);
	}
	node->type == JSON_ARRAY ? json_array_end(json) : json_object_end(json);
}

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
		write_node(root, &json, 0);
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
