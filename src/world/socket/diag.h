/* SPDX-License-Identifier: GPL-2.0-only */
/* diag - reads what the kernel answers to a dump of sockets (NETLINK_SOCK_DIAG, inet_diag). Pure. */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "world/socket/socket.h"

typedef void (*diag_socket)(void *ctx, const struct socket *socket);

/*
 * Hands on every socket of a dump; those without a cookie are left out. `netns` and `transport` are those that were
 * asked for: the messages do not say them. Returns how many, or -errno: what the kernel answered, or -EPROTO where the
 * bytes are no such messages.
 */
int diag_read(struct span bytes, uint32_t netns, uint8_t transport, diag_socket each, void *ctx);
