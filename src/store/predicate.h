/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * predicate - which rows are wanted: a tree of comparisons of columns with values.
 *
 * An absent value equals nothing, is neither less nor greater than anything and matches nothing;
 * what is `not` true is false: so UNEQUAL is true of rows without that value. Whole numbers, real
 * numbers and times compare as numbers. A number compared with a text column compares with the
 * texts that are numbers ("500"). A text compared with a column of numbers must be one; with an
 * ID16, 32 hexadecimal digits.
 */
#pragma once

#include "base/arena.h"
#include "store/table.h"

enum predicate_op {
	PREDICATE_AND, /* all of `part` */
	PREDICATE_OR, /* any of `part` */
	PREDICATE_NOT, /* not part[0] */
	PREDICATE_EQUAL,
	PREDICATE_UNEQUAL,
	PREDICATE_LESS,
	PREDICATE_AT_MOST,
	PREDICATE_GREATER,
	PREDICATE_AT_LEAST,
	PREDICATE_IN, /* equal to any of `value` */
	PREDICATE_PREFIX, /* text that begins like value[0] */
	PREDICATE_GLOB, /* text like value[0], where * is any bytes and ? is one */
	PREDICATE_MATCH, /* text for which `match` says so: a regular expression */
	PREDICATE_PRESENT, /* has a value */
};

enum { PREDICATE_DEPTH_MAX = 16, PREDICATE_VALUES_MAX = 1024 };

struct predicate {
	enum predicate_op op;
	const struct predicate *part; /* of AND, OR, NOT */
	size_t parts;
	const char *column; /* of the others */
	const struct store_cell *value;
	size_t values;
	bool (*match)(
		void *ctx,
		struct span text); /* asked once for each text of a segment, not for each row */
	void *ctx;
};

/* Does it make sense for that table? -ENOENT: no such column; -EINVAL. NULL is every row. */
int predicate_check(const struct predicate *predicate, const struct store_table *table,
		    struct err *why);

/* `*` any bytes, `?` one byte. */
bool glob_matches(struct span pattern, struct span text);
