/* SPDX-License-Identifier: GPL-2.0-only */
/* psock - what the kernel keeps for a socket that is in a sockhash: its queue of redirected bytes. */
#pragma once

#include "kernel/read.bpf.h"

struct sk_psock {
	struct list_head ingress_msg;
	struct sk_buff_head ingress_skb;
} __attribute__((preserve_access_index));

/* 929e30f93125 ("bpf, sockmap: Fix FIONREAD for sockmap"), 6.19 and stable: unread bytes are counted. */
struct sk_psock___counts {
	u32 msg_tot_len;
} __attribute__((preserve_access_index));

struct sock___psock {
	void *sk_user_data;
} __attribute__((preserve_access_index));

enum {
	SK_USER_DATA_PSOCK = 4,
	SK_USER_DATA_FLAGS = 7
}; /* include/linux/skmsg.h; 5.15, 4.x: 2a0133723f9e */

static __always_inline struct sk_psock *psock_of(struct sock *sk)
{
	u64 data = (u64)BPF_CORE_READ((struct sock___psock *)sk, sk_user_data);

	return data & SK_USER_DATA_PSOCK ? (struct sk_psock *)(data & ~(u64)SK_USER_DATA_FLAGS) : 0;
}

/* Does nothing lie in its queue? */
static __always_inline bool psock_is_empty(struct sk_psock *psock)
{
	void *head = (void *)psock + bpf_core_field_offset(struct sk_psock, ingress_msg);

	return BPF_CORE_READ(psock, ingress_msg.next) == head &&
	       !BPF_CORE_READ(psock, ingress_skb.qlen);
}

static __always_inline bool psock_counts(void)
{
	return bpf_core_field_exists(((struct sk_psock___counts *)0)->msg_tot_len);
}

static __always_inline u32 psock_unread(struct sk_psock *psock)
{
	return BPF_CORE_READ((struct sk_psock___counts *)psock, msg_tot_len);
}
