/* SPDX-License-Identifier: GPL-2.0-only */
/* query - the names and values behind the '?', and the words of a path, decoded. */
#pragma once

#include "base/arena.h"

enum { QUERY_PARAMS = 32 };

struct query {
	unsigned count;
	struct {
		const char *name, *value; /* in the arena: decoded, valid UTF-8, no 0 inside */
	} param[QUERY_PARAMS];
};

/*
 * NULL = done; else a static sentence on what is wrong: a broken %XX, a 0 or other control byte (tab and line end are
 * let through), bytes that are not UTF-8, too many, no memory. '+' is a blank. "a" is "a=".
 */
const char *query_parse(struct span text, struct arena *arena, struct query *ret_query);

/* One word of a path ('+' stays). Same reasons. */
const char *path_word(struct span text, struct arena *arena, const char **ret_word);
