/* SPDX-License-Identifier: GPL-2.0-only */
/* socket_row - what the iterator over open files says of a socket. Included by both halves. */
#pragma once

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t row_u8;
typedef uint16_t row_u16;
typedef uint32_t row_u32;
typedef uint64_t row_u64;
#else
typedef __u8 row_u8;
typedef __u16 row_u16;
typedef __u32 row_u32;
typedef __u64 row_u64;
#endif

/* One descriptor of one process; a socket that several hold comes several times. */
struct socket_row {
	row_u64 cookie; /* 0 = nobody ever asked for it (kernels before 5.12) */
	row_u64 start_ns; /* of the process that holds it */
	row_u8 local_addr[16], remote_addr[16]; /* IPv4 as ::ffff:a.b.c.d */
	row_u32 pid;
	row_u32 netns; /* of the socket, which may be another than its holder's */
	row_u16 local_port, remote_port; /* host order */
	row_u8 transport; /* IPPROTO_TCP, IPPROTO_UDP */
	row_u8 state; /* TCP_ESTABLISHED = 1 ... */
	row_u16 pad;
};
_Static_assert(sizeof(struct socket_row) == 64, "kernel and user half must agree");
