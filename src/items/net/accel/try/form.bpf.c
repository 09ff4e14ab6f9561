// SPDX-License-Identifier: GPL-2.0-only
/* form - the programs of the self-test: two sockets in a sockhash, redirected or not as user space orders (form.c). */
#include "kernel/item.bpf.h"
#include "kernel/types.bpf.h"

#include "items/net/accel/try/form.h"

char LICENSE[] SEC("license") = "GPL";

/* key chosen by the test -> socket. Goes with the test. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2);
	__type(key, __u64);
	__type(value, __u64);
} socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct form_orders);
} orders SEC(".maps");

HOOK_MAP("sk_msg", message, 1, socks)
int obey(struct sk_msg_md *message)
{
	__u32 zero = 0;
	struct form_orders *order = bpf_map_lookup_elem(&orders, &zero);
	struct bpf_sock *sk = message->sk;
	struct tcp_sock *tcp;
	__u64 peer;

	if (!order || !sk)
		return SK_PASS;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp) {
		order->copied_seq = BPF_CORE_READ(tcp, copied_seq);
		order->rcv_nxt = BPF_CORE_READ(tcp, rcv_nxt);
	}
	order->runs++;
	peer = order->peer;
	if (peer && bpf_msg_redirect_hash(message, &socks, &peer, BPF_F_INGRESS) != SK_PASS)
		order->misses++;
	return SK_PASS;
}

HOOK_MAP("sk_skb/stream_verdict", verdict, 1, socks)
int pass_on(struct __sk_buff *skb)
{
	return SK_PASS;
}
