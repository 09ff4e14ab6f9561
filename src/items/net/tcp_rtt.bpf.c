// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_rtt - round trip times of TCP connections, smoothed, as TCP itself measures them.
 *
 * Looked at once for each segment that comes, so a connection weighs as much as it is used. Between two ends on one machine it
 * is the time until the other end's acknowledgement, which may wait for 40 ms.
 */
#include "kernel/filter.bpf.h"
#include "kernel/tcp_owner.bpf.h"

ITEM("net", "off", "round trip times of TCP connections");

struct side {
	struct owner owner;
	__u32 direction COL_OPT("enum", TCP_DIRECTION_NAMES);
	__u32 pad;
};

METRIC_HISTOGRAM(
	tcp_rtt, struct side, 8192,
	"unit=seconds;scale=1e-6;buckets=log2:16us..16s;help=smoothed round trip time, at each "
	"segment that comes");

static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state)
{
}

ON_TRACEPOINT(tcp_probe, "struct sock *,struct sk_buff *", struct sock *sk)
{
	__u32 srtt_us = BPF_CORE_READ((struct tcp_sock *)sk, srtt_us) >> 3;
	struct tcp_party party;
	struct side side = {};

	if (!srtt_us)
		return 0;
	party = tcp_party_of(typed, sk);
	if (!filter_wants(party.owner.pid, 0, party.owner.cgroup))
		return 0;
	side.owner = party.owner;
	side.direction = party.direction;
	histogram_add(&tcp_rtt, &side, srtt_us);
	return 0;
}
