// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_drops - packets of TCP that this machine threw away, and why.
 *
 * A packet that was dropped on its way in has a receiver who never heard of it, one on its way out a sender; both may be
 * elsewhere. So figures are the machine's, and records say the flow. Needs a kernel that tells reasons (drops.bpf.h).
 */
#include "kernel/drops.bpf.h"
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"

ITEM("net", "off", "packets of TCP that were dropped here, and why");

struct dropped {
	__u32 reason COL_OPT("enum", DROP_REASON_NAMES);
};
METRIC_COUNTER(tcp_drops, struct dropped, 512, "help=packets of TCP that were dropped");

struct drop_event {
	struct event_head head;
	__u64 place COL_OPT("kernel_addr", "help=function that dropped it");
	__u32 reason COL_OPT("enum", DROP_REASON_NAMES);
	__u32 length COL_OPT("number", "help=bytes of the packet");
	__u8 local_addr[16] COL("ip");
	__u8 remote_addr[16] COL("ip");
	__u16 local_port COL_OPT("port", "help=who sent it");
	__u16 remote_port COL("port");
	__u32 pad;
};
EVENTS(256 * 1024);
EVENT(1, "drop", struct drop_event);

ON_TRACEPOINT(kfree_skb, KFREE_SKB_ARGS, struct sk_buff *skb, void *place, __u32 reason)
{
	struct dropped dropped = {.reason = reason};
	struct drop_event *event;
	struct flow flow = {};

	if (!flow_of_packet(skb, &flow) || !filter_ports(flow.local_port, flow.remote_port))
		return 0;
	counter_add(&tcp_drops, &dropped, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	event->place = (__u64)place;
	event->reason = reason;
	event->length = BPF_CORE_READ(skb, len);
	__builtin_memcpy(event->local_addr, flow.local_addr, 16);
	__builtin_memcpy(event->remote_addr, flow.remote_addr, 16);
	event->local_port = flow.local_port;
	event->remote_port = flow.remote_port;
	event->pad = 0;
	emit_submit(event);
	return 0;
}
