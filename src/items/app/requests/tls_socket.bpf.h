/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tls_socket - what sockets do while a thread is inside of a TLS library: they tie its objects to them, say when bytes were sent and
 * came, and end what is known of them.
 */
#pragma once

/* Where the bytes of the running call begin, as far as it is one of the plain ones. */
static __always_inline __u64 buffer_of_call(void)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 at = ARCH_SYSCALL_ARG2(regs), piece[2] = {};

	switch (ARCH_SYSCALL_NR(regs)) {
	case ARCH_NR_sendto:
	case ARCH_NR_recvfrom:
	case ARCH_NR_read:
	case ARCH_NR_write: return at;
	case ARCH_NR_sendmsg:
	case ARCH_NR_recvmsg: /* struct user_msghdr: name, its length, then the vector */
		if (bpf_probe_read_user(&at, sizeof(at), (void *)(at + 16)))
			return 0; /* fall through */
	case ARCH_NR_readv:
	case ARCH_NR_writev:
		return bpf_probe_read_user(piece, sizeof(piece), (void *)at) ? 0 : piece[0];
	}
	return 0;
}

/* Type of the record that begins there; 0 = none does (RFC 8446 5.1): a callback of the program that writes to another socket
 * does not look like one. */
static __always_inline __u8 record_at(__u64 at)
{
	__u8 head[3] = {};

	if (!at || bpf_probe_read_user(head, sizeof(head), (void *)at) || head[0] < 0x14 ||
	    head[0] > 0x18 || head[1] != 3 || head[2] > 4)
		return 0;
	return head[0];
}

/* Is what was sent a record that an object made? Then this is its socket. (1.3 sends an empty change of ciphers before others, which looks
 * alike in all connections.) */
static __always_inline void see_mark(struct call *call, struct sock *sk)
{
	struct tls_key key = {.object = call->marked, .pid = bpf_get_current_pid_tgid() >> 32};
	__u64 at = buffer_of_call(), sent[MARK_WORDS] = {}, differs[2] = {};

	if (!--call->sends_to_go)
		call->marked = 0;
	if (record_at(at) == RECORD_CHANGE)
		at += RECORD_HEAD + 1;
	if (!at || bpf_probe_read_user(sent, sizeof(sent), (void *)at))
		return;
	for (int i = 0; i < MARK_WORDS; i++) {
		differs[0] |= sent[i] ^ call->mark[0][i];
		differs[1] |= sent[i] ^ call->mark[1][i];
	}
	if (differs[0] && differs[1])
		return;
	call->marked = 0;
	prove(&key, sk, bpf_get_socket_cookie(sk));
}

static __always_inline void note_received(struct call *call, struct sock *sk, __u32 bytes)
{
	call->received_at = buffer_of_call();
	call->received_end = call->received_at + bytes;
	call->received_sk = (__u64)sk;
	call->received_cookie = bpf_get_socket_cookie(sk);
}

static __always_inline int on_socket(struct sock *sk, int result, __u32 direction)
{
	struct call *call = call_of_thread(0);
	struct tls_key key = {};
	struct object *object;
	__u64 cookie;
	__u8 type;

	if (!call || result < RECORD_HEAD || sk->sk_protocol != PROTO_TCP)
		return 0;
	if (call->marked && direction == REQUESTS_OUT)
		see_mark(call, sk);
	if (call->is_seeking && direction == REQUESTS_IN)
		note_received(call, sk, result);
	if (!call->is_inside)
		return 0;
	/* the answer may be there before the function returns */
	if (direction == REQUESTS_OUT && call->direction == REQUESTS_OUT)
		call->sent_ns = bpf_ktime_get_ns();
	cookie = bpf_get_socket_cookie(sk);
	if (call->tied_object == call->object && call->tied_cookie == cookie)
		return 0;
	key.object = call->object;
	key.pid = bpf_get_current_pid_tgid() >> 32;
	object = bpf_map_lookup_elem(&objects, &key);
	if (object && object->cookie == cookie) {
		struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

		object->srtt_us = tcp ? tcp->srtt_us >> 3 : 0;
		call->tied_object = call->object;
		call->tied_cookie = cookie;
		return 0;
	}
	type = record_at(buffer_of_call());
	if (type == RECORD_HANDSHAKE)
		note_handshake(&key);
	if (type)
		prove(&key, sk, cookie);
	return 0;
}

HOOK_PROTO("tp_btf/sock_send_length", send, 1, "struct sock *,int,int")
int BPF_PROG(send_length, struct sock *sk, int result, int flags)
{
	return on_socket(sk, result, REQUESTS_OUT);
}

HOOK_PROTO("tp_btf/sock_recv_length", receive, 1, "struct sock *,int,int")
int BPF_PROG(recv_length, struct sock *sk, int result, int flags)
{
	return on_socket(sk, result, REQUESTS_IN);
}

HOOK_OPTIONAL("tp_btf/sk_data_ready", arrival, 1)
int BPF_PROG(data_ready, struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct tie *tie = cookie ? bpf_map_lookup_elem(&ties, &cookie) : 0;

	if (tie && !tie->arrived_ns) {
		struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

		tie->arrived_ns = bpf_ktime_get_ns();
		tie->srtt_us = tcp ? tcp->srtt_us >> 3 : 0;
	}
	return 0;
}

HOOK_PROTO("tp_btf/inet_sock_set_state", state, 1, TCP_SET_STATE_ARGS)
int BPF_PROG(set_state, struct sock *sk, int old_state, int new_state)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct object *object;
	struct tls_key key;
	struct tie *tie;

	if (new_state != TCP_CLOSE || !cookie)
		return 0;
	tie = bpf_map_lookup_elem(&ties, &cookie);
	if (!tie)
		return 0;
	key = tie->key;
	object = bpf_map_lookup_elem(&objects, &key);
	if (object && object->cookie == cookie) {
		tell_closed(object);
		bpf_map_delete_elem(&objects, &key);
	}
	bpf_map_delete_elem(&ties, &cookie);
	return 0;
}
