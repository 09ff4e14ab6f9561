/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json_read - reads JSON (RFC 8259) into an arena: the memory has a cap and goes at once.
 *
 * Debian has no static archive of cJSON, the names of jansson clash with json.h, and neither limits
 * the memory that a hostile body takes. So this is ours, and fuzzed. Escapes are decoded; half a
 * surrogate pair and \u0000 become U+FFFD, so that every text is valid UTF-8 and a whole C string.
 * Other invalid UTF-8 is refused, as is nesting deeper than JSON_DEPTH.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };
enum { JSON_DEPTH = 64 };

struct json_node {
	enum json_type type;
	bool truth; /* JSON_BOOL */
	uint32_t
		line; /* where it stands (a member: its name), from 1; 0 = not known: yaml_read.h sets it */
	struct span key; /* name within the object above; followed by a 0 */
	struct span text; /* JSON_TEXT: decoded, followed by a 0. JSON_NUMBER: as it was written */
	struct json_node *child, *next; /* elements of an array or object, in their order */
};

/* -EINVAL (`why`: what and at which byte), -ENOMEM when the arena is full. */
int json_read(struct span text, struct arena *arena, const struct json_node **ret_root,
	      struct err *why);

/* The member of that name, the first if there are several; NULL if there is none or `node` is no object (or NULL). */
const struct json_node *json_get(const struct json_node *node, const char *key);

/* The text of that member; NULL if it is not there or no text. */
const char *json_get_text(const struct json_node *node, const char *key);

/* The number as a whole one: false when it is none, has decimals, or does not fit. */
bool json_node_u64(const struct json_node *node, uint64_t *ret_value);
bool json_node_i64(const struct json_node *node, int64_t *ret_value);
bool json_node_double(const struct json_node *node, double *ret_value);

/* Is the whole of `text` a number as JSON writes it? */
bool json_is_number(struct span text);

/* Writes what was read. */
struct json;
void json_node_write(const struct json_node *node, struct json *json);
