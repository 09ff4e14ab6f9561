/* SPDX-License-Identifier: GPL-2.0-only */
/* bound - a predicate bound to one part (part.h), and tested on its rows. Not for other rooms. */
#pragma once

#include "store/part.h"
#include "store/predicate.h"

/* What is known without looking at rows. */
enum verdict { NEVER, MAYBE, ALWAYS };

struct test;

/*
 * The predicate for one part: columns found, values converted, texts compared. Lives in the arena.
 * *ret_test is NULL for NULL. 0, -ENOMEM, or what reading gave.
 */
int predicate_bind(const struct predicate *predicate, const struct store_table *table,
		   struct part *part, struct arena *arena, const struct test **ret_test);

/* For the whole part. */
enum verdict test_part(const struct test *test);
/* For the part's present block. */
enum verdict test_block(const struct test *test, const struct part *part);
/* selected[i] = 1 for the rows of the present block that it is true of, else 0. 0 or -errno. */
int test_rows(const struct test *test, struct part *part, uint8_t *selected);
