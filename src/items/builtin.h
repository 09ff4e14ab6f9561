/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * builtin - the items of this tree: their objects, embedded, and their user halves. Generated table (tools/builtin_items.c).
 *
 * What every list of items shows is read out of the objects when the program is built: most items stay off, and the rest of what an
 * object says of itself is read when somebody asks for that item.
 */
#pragma once

#include "items/item.h"

struct builtin {
	const char *name;
	const uint8_t *from, *to;   /* the object; NULL for items without a kernel half */
	const struct item_ops *ops; /* NULL without a user half */
	/* of the object; NULL and false without one */
	const char *wing, *help;
	bool on_by_default;
	const char *const *metrics; /* names, ends with NULL */
};

extern const struct builtin builtin_items[]; /* ends with name NULL */
