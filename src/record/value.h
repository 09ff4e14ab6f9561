/* SPDX-License-Identifier: GPL-2.0-only */
/* value - one cell of a record: what filters compare, tables print, JSON writes and the store keeps. */
#pragma once

#include "base/span.h"

enum value_kind {
	VALUE_ABSENT, /* unknown, or does not apply: the key is left out everywhere */
	VALUE_U64,
	VALUE_I64,
	VALUE_DOUBLE,
	VALUE_BOOL,
	VALUE_TEXT, /* any bytes; whoever prints makes them valid UTF-8 */
	VALUE_TIME, /* u64: ns since 1970, UTC */
	VALUE_JSON, /* text that is JSON already (nested parts, e.g. a histogram's buckets) */
	VALUE_SKETCH, /* text is a written sketch (base/sketch.h): for the history alone, shown nowhere */
};

struct value {
	enum value_kind kind;
	union {
		uint64_t u64;
		int64_t i64;
		double real;
		bool truth;
		struct span text; /* also of JSON and sketches; borrowed: lives as long as its record */
	};
};

static inline struct value value_u64(uint64_t u64)
{
	return (struct value){.kind = VALUE_U64, .u64 = u64};
}

static inline struct value value_i64(int64_t i64)
{
	return (struct value){.kind = VALUE_I64, .i64 = i64};
}

static inline struct value value_bool(bool truth)
{
	return (struct value){.kind = VALUE_BOOL, .truth = truth};
}

/* Empty text is no value: a key is never empty. */
static inline struct value value_text(struct span text)
{
	return text.len ? (struct value){.kind = VALUE_TEXT, .text = text} : (struct value){};
}

static inline struct value value_str(const char *text)
{
	return value_text(span_of(text));
}
