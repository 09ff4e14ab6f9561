/* SPDX-License-Identifier: GPL-2.0-only */
/* listen - the sockets of the API, bound by the process that may. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * `address`: unix:/path, host:port, [v6]:port or :port. Returns a listening socket or -errno. A unix socket gets
 * mode 0660; a stale one is replaced, a served one means another agent: -EADDRINUSE.
 */
int listen_on(const char *address, struct err *why);

/* Is this address reachable from this machine only? */
bool listen_is_local(const char *address);

/* The path of a unix address, NULL for others. */
const char *listen_path(const char *address);
