/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json - writes JSON into a buf. Commas are its business. (json_read.h reads it.)
 *
 * Strings may hold any bytes: what is not valid UTF-8 (RFC 3629: no overlong forms, no surrogates)
 * becomes U+FFFD, one per offending byte; control bytes are escaped. The result is always valid.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct json {
	struct buf *out;  /* borrowed */
	bool need_comma;  /* a value stands before this place on this level */
};

void json_object(struct json *json);
void json_object_end(struct json *json);
void json_array(struct json *json);
void json_array_end(struct json *json);
void json_key(struct json *json, const char *key);

void json_span(struct json *json, struct span text);
void json_str(struct json *json, const char *text);
void json_u64(struct json *json, uint64_t value);
void json_i64(struct json *json, int64_t value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
/* Shortest text that reads back as the same double; null where JSON has no number (NaN, infinity). */
void json_double(struct json *json, double value);
/* Text that is JSON already. */
void json_raw(struct json *json, struct span text);

/* key and value in one line, the usual case */
void json_key_str(struct json *json, const char *key, const char *value);
void json_key_u64(struct json *json, const char *key, uint64_t value);
void json_key_bool(struct json *json, const char *key, bool value);
void json_key_double(struct json *json, const char *key, double value);

/* Length of the valid UTF-8 sequence at `at` (1..4), 0 if there is none. */
size_t utf8_valid(const uint8_t *at, size_t len);
