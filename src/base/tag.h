/* SPDX-License-Identifier: GPL-2.0-only */
/* tag - words of a tag in an item's BTF: "word;key=value;key=value" (grammar: docs/writing-items.md). */
#pragma once

#include "base/span.h"

/* What stands before the first ';'. */
struct span tag_word(const char *tag);

/* The value of `key`; false when it is not there. */
bool tag_value(const char *tag, const char *key, struct span *ret_value);
