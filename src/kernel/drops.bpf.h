/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drops - packets of TCP that this machine threw away, and why: the flow that a dropped packet belongs to.
 *
 * kfree_skb is told a reason since 5.17 (c504e5c2f964); before, every packet that is let go comes here, and the ones that were
 * not dropped can't be told apart: so the item asks for the reason and is skipped elsewhere. The names are the running kernel's.
 */
#pragma once

#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

#define DROP_REASON_NAMES                                                                          \
	"enum=2:not_specified,3:no_socket,4:pkt_too_small,5:tcp_csum,6:socket_filter;"             \
	"btf=skb_drop_reason,SKB_DROP_REASON_"

enum {
	IP4_TCP_AT = 9,
	IP6_NEXT_AT = 6,
	IP6_BYTES = 40,
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_IP6 = 0x86dd
};

/* Both ends, as the packet says them: "local" is who sent it. */
struct flow {
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u32 pad;
};

struct ip4_header {
	__u8 version_and_length; /* length in words of 4 bytes */
	__u8 rest[8];
	__u8 protocol;
	__u16 checksum;
	__be32 from, to;
};

struct ip6_header {
	__u8 rest[6];
	__u8 next;
	__u8 hops;
	__u8 from[16], to[16];
};

/* The flow of a packet of TCP. False: it is none, or its headers lie elsewhere. */
static __always_inline bool flow_of_packet(struct sk_buff *skb, struct flow *ret)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	__u16 network = BPF_CORE_READ(skb, network_header);
	struct ip4_header ip4 = {};
	struct ip6_header ip6 = {};
	__be16 ports[2] = {};
	__u32 length;

	if (bpf_probe_read_kernel(&ip4, sizeof(ip4), head + network))
		return false;
	if (ip4.version_and_length >> 4 == 4) {
		if (ip4.protocol != PROTO_TCP)
			return false;
		read_ip4(ret->local_addr, ip4.from);
		read_ip4(ret->remote_addr, ip4.to);
		length = (ip4.version_and_length & 15) * 4;
	} else if (ip4.version_and_length >> 4 == 6) {
		if (bpf_probe_read_kernel(&ip6, sizeof(ip6), head + network) ||
		    ip6.next != PROTO_TCP)
			return false;
		__builtin_memcpy(ret->local_addr, ip6.from, 16);
		__builtin_memcpy(ret->remote_addr, ip6.to, 16);
		length = IP6_BYTES;
	} else {
		return false;
	}
	if (bpf_probe_read_kernel(ports, sizeof(ports), head + network + length))
		return false;
	ret->local_port = __builtin_bswap16(ports[0]);
	ret->remote_port = __builtin_bswap16(ports[1]);
	return true;
}

/* The flow that a socket sends. An IPv6 socket that speaks IPv4 has its addresses as ::ffff:a.b.c.d, as a packet's are here. */
static __always_inline void flow_of_socket(struct sock *sk, struct flow *ret)
{
	struct sock_addrs addrs;

	read_sock_addrs(sk, &addrs);
	__builtin_memcpy(ret->local_addr, addrs.local_addr, 16);
	__builtin_memcpy(ret->remote_addr, addrs.remote_addr, 16);
	ret->local_port = addrs.local_port;
	ret->remote_port = addrs.remote_port;
}

#define KFREE_SKB_ARGS "struct sk_buff *,void *,enum skb_drop_reason"
