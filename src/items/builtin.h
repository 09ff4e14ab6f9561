/* SPDX-License-Identifier: GPL-2.0-only */
/* builtin - the items of this tree: their objects, embedded, and their user halves. Generated table. */
#pragma once

#include "items/item.h"

struct builtin {
	const char *name;
	const uint8_t *from, *to;   /* the object; NULL for items without a kernel half */
	const struct item_ops *ops; /* NULL without a user half */
};

extern const struct builtin builtin_items[]; /* ends with name NULL */
