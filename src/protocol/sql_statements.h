/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sql_statements - which shape a prepared statement of one connection has.
 *
 * A table of fixed size in sets of four: what a set has no room for pushes out what was used longest
 * ago in it. A statement pushed out is executed under an opaque name, no more.
 */
#pragma once

#include "base/span.h"

enum { SQL_STATEMENT_SETS = 16, SQL_STATEMENT_WAYS = 4 };

struct sql_statements {
	struct sql_statement {
		uint64_t key; /* id or hash of the name; 0: free */
		uint64_t shape; /* hash, never 0 */
	} set[SQL_STATEMENT_SETS][SQL_STATEMENT_WAYS]; /* the last used first */
};

/* 0: unknown. */
static inline uint64_t sql_statements_get(struct sql_statements *statements, uint64_t key)
{
	struct sql_statement *set = statements->set[key % SQL_STATEMENT_SETS];

	for (int way = 0; key && way < SQL_STATEMENT_WAYS; way++)
		if (set[way].key == key) {
			struct sql_statement found = set[way];

			memmove(set + 1, set, (size_t)way * sizeof(*set));
			set[0] = found;
			return found.shape;
		}
	return 0;
}

/* shape 0: forgets it. */
static inline void sql_statements_put(struct sql_statements *statements, uint64_t key,
				      uint64_t shape)
{
	struct sql_statement *set = statements->set[key % SQL_STATEMENT_SETS];
	int way = 0;

	if (!key)
		return;
	while (way < SQL_STATEMENT_WAYS - 1 && set[way].key != key)
		way++;
	if (shape) {
		memmove(set + 1, set, (size_t)way * sizeof(*set));
		set[0] = (struct sql_statement){key, shape};
	} else if (set[way].key == key) {
		memmove(set + way, set + way + 1,
			(size_t)(SQL_STATEMENT_WAYS - 1 - way) * sizeof(*set));
		set[SQL_STATEMENT_WAYS - 1] = (struct sql_statement){0, 0};
	}
}
