/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp_owner - keeps tcp.bpf.h's tables for items that want to know whose a TCP connection is: by each change of a state,
 * and by one look at what is older than the item.
 *
 * Whatever happens to a connection in between, also in a soft interrupt, tcp_party_of() then says whose it is.
 */
#pragma once

#include "kernel/compat.bpf.h"
#include "kernel/tcp.bpf.h"

/* What else the item makes of a change: before its owner is forgotten, after it was noted. */
static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state);

static __always_inline int on_state(bool typed, struct sock *sk, int old_state, int new_state)
{
	if (!tcp_is_tcp(typed, sk))
		return 0;
	tcp_note(typed, sk, old_state, new_state);
	tcp_state_changed(typed, sk, old_state, new_state);
	tcp_forget(typed, sk, old_state, new_state);
	return 0;
}

HOOK_PROTO("tp_btf/inet_sock_set_state", state, 1, TCP_SET_STATE_ARGS)
int BPF_PROG(set_state, struct sock *sk, int old_state, int new_state)
{
	return on_state(true, sk, old_state, new_state);
}

HOOK_PROTO("raw_tp/inet_sock_set_state", state, 2, TCP_SET_STATE_ARGS)
int BPF_PROG(set_state_raw, struct sock *sk, int old_state, int new_state)
{
	return on_state(false, sk, old_state, new_state);
}

/* Who listens and who connected before the item was on. */
HOOK_ONCE("iter/task_file", older, 1)
int note_older(struct bpf_iter__task_file *iterator)
{
	struct task_struct *task = iterator->task;
	struct file *file = iterator->file;
	struct tcp_listener *listener;
	struct tcp_port port;
	struct sock *sk;
	__u32 state;

	if (!task || !file || !(sk = tcp_sock_of(file)))
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_LISTEN) {
		port = tcp_port_of(false, sk);
		listener = bpf_map_lookup_elem(&tcp_listeners, &port);
		/* of the processes that share it the first one owns it (a reference is the iterator's) */
		if (!listener || file_references(file) <= 2)
			tcp_listening_seen(sk, owner_of(task), iterator->meta->session_id);
	} else if (state != TCP_CLOSE && tcp_direction_of(false, sk) == TCP_OUTBOUND) {
		tcp_outgoing_seen(sk, owner_of(task));
	}
	return 0;
}
