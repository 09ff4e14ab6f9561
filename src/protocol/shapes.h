/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shapes - which statement a hash stands for.
 *
 * A prepared statement is sent once and executed by its number or name. The parsers keep the hash of its
 * shape per connection, not its text; here the texts are kept, once for all connections. Whoever takes
 * messages from SQL parsers passes them through shapes_resolve() first.
 *
 * The table has a cap. The shape that was not asked for longest (as well as one hand of a clock can
 * tell) makes room; a statement forgotten that way is executed under the name "stmt:" and its hash.
 */
#pragma once

#include "base/map.h"
#include "protocol/parser.h"

struct shapes {
	struct map places; /* owned: hash -> place, uint32_t */
	struct shape *at; /* owned: `cap` of them */
	uint32_t len, cap;
	uint32_t hand; /* the next place that is looked at to make room */
	uint64_t forgotten; /* shapes that made room */
	uint64_t unknown; /* executions of which the statement is not known */
	char name[24]; /* of the last of these */
};

/* False: out of memory. */
bool shapes_init(struct shapes *shapes, uint32_t cap);
void shapes_done(struct shapes *shapes);

/*
 * Remembers the statement of a message that has one. Gives operation, resource and target to one that
 * has the hash only: they are valid until the next call. False: it is a statement we do not know.
 */
bool shapes_resolve(struct shapes *shapes, struct message *message);

/* Bytes of memory it holds. */
size_t shapes_bytes(const struct shapes *shapes);
