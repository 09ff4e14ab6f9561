/* SPDX-License-Identifier: GPL-2.0-only */
/* form - what the self-test's programs are told, and what they saw. */
#pragma once

#include <linux/types.h>

struct form_orders {
	__u64 peer; /* redirect what is sent to the socket of this key; 0 = let it go by TCP */
	__u32 copied_seq, rcv_nxt; /* of the socket that sent last, when it sent */
	__u32 runs, misses;
};
