/* SPDX-License-Identifier: GPL-2.0-only */
/* tcp_pair - two connected TCP sockets in a network namespace of their own, for trying what the kernel does with such. */
#pragma once

#include <stdint.h>

/* 0 or -errno. ret_socks: who connected, who accepted. The namespace ends with the sockets. */
int tcp_pair_in_new_namespace(int ret_socks[2], uint64_t *ret_inode);
