/* SPDX-License-Identifier: GPL-2.0-only */
/* diag - dumps the sockets of a network namespace (NETLINK_SOCK_DIAG) for the worker. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the kernel's answers (struct nlmsghdr ...) about all sockets of `family` (AF_INET, AF_INET6,
 * AF_UNIX is not served) and `protocol` (IPPROTO_TCP, IPPROTO_UDP) whose state's bit (1 << TCP_...) is in `states`, in the network
 * namespace of process `pid`, into `out`. Bytes written or -errno; -ENOSPC when they don't fit (nothing is cut silently).
 */
int diag_dump(int pid, int family, int protocol, uint32_t states, void *out, size_t room);
