/* SPDX-License-Identifier: GPL-2.0-only */
/* netfilter - has somebody changed the packet filter of a network namespace? */
#pragma once

#include <stdint.h>

/* A netlink socket on which each change of nftables in the namespace of `pid` arrives. A descriptor or -errno. */
int netfilter_watch(int pid);
/* Of legacy iptables, which tells nobody: a number that is another one after each change; 0 without rules. 0 or -errno. */
int netfilter_fingerprint(int pid, uint64_t *ret_fingerprint);
