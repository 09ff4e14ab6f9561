// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_retransmits - segments that TCP sent again: whose, why it thought them lost, and which drop lost them, where that was
 * seen here.
 *
 * The kernel's state of the connection says why: "loss" = nothing came back in time (a time-out: slow, the one to look for),
 * "recovery" = later segments arrived, this one didn't. A drop on this machine (a full queue, a firewall, a
 * container's limit) is kept for ten seconds by its flow, and the next segment that the flow sends again is laid at
 * its door. Where it was lost elsewhere the reason is absent.
 */
#include "kernel/drops.bpf.h"
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/tcp_owner.bpf.h"

ITEM("net", "off", "segments that TCP sent again, and the drop that lost them");

/* include/net/tcp.h, enum tcp_ca_state */
#define CONGESTION_NAMES "enum=0:open,1:disorder,2:cwr,3:recovery,4:loss"

struct again {
	struct owner owner;
	__u32 congestion COL_OPT("enum", CONGESTION_NAMES);
	__u32 drop_reason COL_OPT("enum", DROP_REASON_NAMES);
};
METRIC_COUNTER(tcp_retransmits, struct again, 8192, "help=segments sent again");

struct again_event {
	struct event_head head;
	struct owner owner;
	__u64 connection COL("sock_cookie");
	__u64 drop_place COL_OPT("kernel_addr", "help=function that dropped it");
	__u32 drop_reason COL_OPT("enum", DROP_REASON_NAMES);
	__u32 congestion COL_OPT("enum", CONGESTION_NAMES);
	__u32 tcp_state COL_OPT("enum", TCP_STATE_NAMES);
	__u32 pad;
	__u8 local_addr[16] COL("ip");
	__u8 remote_addr[16] COL("ip");
	__u16 local_port COL("port");
	__u16 remote_port COL("port");
	__u32 more_pad;
};
EVENTS(256 * 1024);
EVENT(1, "retransmit", struct again_event);

enum { DROP_KEPT_NS = 1000000000 }; /* times ten */

struct drop {
	__u64 when, place;
	__u64 reason;
};

/* flow -> its last drop that no retransmission was laid at. The oldest make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow);
	__type(value, struct drop);
} drops SEC(".maps");

struct inet_connection_sock___bits {
	__u8 icsk_ca_state : 5;
} __attribute__((preserve_access_index));

static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state)
{
}

ON_TRACEPOINT_OPTIONAL(kfree_skb, KFREE_SKB_ARGS, struct sk_buff *skb, void *place, __u32 reason)
{
	struct drop drop = {.when = bpf_ktime_get_ns(), .place = (__u64)place, .reason = reason};
	struct flow flow = {};

	if (flow_of_packet(skb, &flow))
		map_set(&drops, &flow, &drop, BPF_ANY);
	return 0;
}

/* The drop that this segment is sent again for; its reason is 0 when none was seen. */
static __always_inline struct drop take_drop(const struct flow *flow, __u64 now)
{
	struct drop *found = bpf_map_lookup_elem(&drops, flow), drop = {};

	if (!found)
		return drop;
	if (now - found->when <= 10ull * DROP_KEPT_NS)
		drop = *found;
	bpf_map_delete_elem(&drops, flow);
	return drop;
}

static __always_inline int on_again(bool typed, struct sock *sk)
{
	struct tcp_party party = tcp_party_of(typed, sk);
	struct inet_connection_sock___bits *bits = (void *)sk;
	struct again again = {.owner = party.owner};
	struct again_event *event;
	struct flow flow = {};
	struct drop drop;

	if (!filter_wants(party.owner.pid, 0, party.owner.cgroup))
		return 0;
	flow_of_socket(sk, &flow);
	if (!filter_ports(flow.local_port, flow.remote_port))
		return 0;
	drop = take_drop(&flow, bpf_ktime_get_ns());
	again.congestion = BPF_CORE_READ_BITFIELD_PROBED(bits, icsk_ca_state);
	again.drop_reason = drop.reason;
	counter_add(&tcp_retransmits, &again, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	event->owner = party.owner;
	event->connection = read_sock_cookie(false, sk);
	event->drop_place = drop.place;
	event->drop_reason = again.drop_reason;
	event->congestion = again.congestion;
	event->tcp_state = BPF_CORE_READ(sk, __sk_common.skc_state);
	event->pad = event->more_pad = 0;
	__builtin_memcpy(event->local_addr, flow.local_addr, 16);
	__builtin_memcpy(event->remote_addr, flow.remote_addr, 16);
	event->local_port = flow.local_port;
	event->remote_port = flow.remote_port;
	emit_submit(event);
	return 0;
}

ON_TRACEPOINT(tcp_retransmit_skb, "struct sock *,struct sk_buff *", struct sock *sk)
{
	return on_again(typed, sk);
}
