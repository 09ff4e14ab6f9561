/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mask - takes secrets out of what was asked, before a record of it exists.
 *
 * A secret is known by the name it is given (password=, token=, Authorization:), by its place (user:pass@ in
 * a URL, /reset/TOKEN) or by its looks (JWT, long runs of random letters and digits). In its stead stands
 * ***. When in doubt it is taken out: an innocent value hidden costs a look at the application's own log.
 *
 * All write at most `room` (> 0) bytes with the ending 0 into `out`, and return the length without it.
 */
#pragma once

#include "base/span.h"

/* A URL or the target of an HTTP request: user and password, query, parameters, random parts of the path. */
size_t mask_url(struct span url, char *out, size_t room);

/* The value of a header. "Authorization: Bearer x" keeps its scheme. */
size_t mask_header(struct span name, struct span value, char *out, size_t room);

/* Words of a server about an error: everything in quotes, and what looks like a secret. */
size_t mask_text(struct span text, char *out, size_t room);

/* Does something of this name hold a secret? In any case, encoded or not: access_token, X-Api-Key. */
bool mask_is_secret_name(struct span name);

/* Does this look like a secret, whatever its name? */
bool mask_is_secret_value(struct span value);
