/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * route - the template of a path: /users/123/orders/550e8400-e29b-41d4-a716-446655440000 becomes
 * /users/:id/orders/:uuid.
 *
 * So that a service has tens of routes, not millions. How many distinct ones a service may have is the
 * caller's to limit: nothing here can know all ways to write an id.
 */
#pragma once

#include "base/span.h"

enum { ROUTE_MAX = 256 /* bytes of a route; what is longer ends with "..." */ };

/* What a word of a path stands for. */
enum word_kind {
	WORD_NAME, /* itself */
	WORD_ID, /* digits */
	WORD_UUID,
	WORD_HASH, /* hexadecimal */
	WORD_TOKEN, /* letters and digits at random: ids and secrets of all sorts */
	WORD_DATE,
	WORD_IP,
	WORD_EMAIL,
	WORD_TEXT, /* encoded text in some language */
};

enum word_kind word_kind(struct span word);

/* Query, fragment and parameters behind ';' are dropped. `out` has `room` > 0 bytes and is ended by 0.
 * Returns the length. */
size_t route_of_path(struct span path, char *out, size_t room);

/* The same for names of DNS: 7.0.0.10.in-addr.arpa becomes *.in-addr.arpa. */
size_t route_of_name(struct span name, char *out, size_t room);
