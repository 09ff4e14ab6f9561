// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_health - what goes wrong on TCP connections while they live: errors they report, and what they think of the network.
 *
 * Errors are what a read or write will be told (ECONNRESET, ETIMEDOUT, EHOSTUNREACH ...). The congestion states that a
 * connection enters: disorder (segments overtook each other), cwr (congestion was announced by ECN, or by our own
 * queue), recovery (a segment is missing), loss (nothing came back in time: the retransmission time-out, RTO). Both have
 * tracepoints since 5.15 (e6a3e4434000) and 5.19 (9dc74ade6f5e).
 *
 * Windows that the other end closes ("I can take no more": its program does not read) are seen in the segments that come.
 * How often segments overtook each other, and how many of ours routers marked with ECN instead of dropping them, TCP counts
 * itself for each connection: both are told when it ends.
 */
#include "kernel/filter.bpf.h"
#include "kernel/tcp_owner.bpf.h"

ITEM("net", "off", "errors of TCP connections, and congestion they meet");

struct error_key {
	struct owner owner;
	__u32 error COL_OPT("errno", "name=errno");
	__u32 pad;
};
METRIC_COUNTER(errors, struct error_key, 8192,
	       "name=tcp_health_errors;help=errors that connections reported");

struct state_key {
	struct owner owner;
	__u32 congestion COL_OPT("enum", "enum=0:open,1:disorder,2:cwr,3:recovery,4:loss");
	__u32 pad;
};
METRIC_COUNTER(
	states, struct state_key, 8192,
	"name=tcp_health_congestion;help=times that a connection entered a state of congestion");

METRIC_COUNTER(zero_windows, struct owner, 8192,
	       "name=tcp_health_zero_windows;help=times that the other end closed its window");
METRIC_COUNTER(reordered, struct owner, 8192,
	       "name=tcp_health_reorderings;help=times that segments overtook each other, of "
	       "connections that ended");
METRIC_COUNTER(
	marked, struct owner, 8192,
	"name=tcp_health_ecn_marked;help=segments that routers marked because of congestion, of "
	"connections that ended");

/* connection (address) -> 1 while the other end's window is closed. Deleted when it opens, and when the connection ends. */
PER_OBJECT(closed_windows, __u64, 16384);

struct tcp_sock___health {
	u32 reord_seen; /* 7ec65372ca53, 4.19 */
	u32 delivered_ce; /* e21db6f69a95, 4.18 */
} __attribute__((preserve_access_index));

static __always_inline void count_error(bool typed, struct sock *sk, int error)
{
	struct tcp_party party = tcp_party_of(typed, sk);
	struct error_key key = {.owner = party.owner, .error = error};

	if (error && filter_wants(party.owner.pid, 0, party.owner.cgroup))
		counter_add(&errors, &key, 1);
}

static __always_inline void count_sums(bool typed, struct sock *sk)
{
	struct tcp_sock___health *sums = (void *)sk;
	__u32 overtaken = BPF_CORE_READ(sums, reord_seen),
	      congested = BPF_CORE_READ(sums, delivered_ce);
	__u64 key = (__u64)(unsigned long)sk;
	struct tcp_party party;

	bpf_map_delete_elem(&closed_windows, &key);
	if (!overtaken && !congested)
		return;
	party = tcp_party_of(typed, sk);
	if (!filter_wants(party.owner.pid, 0, party.owner.cgroup))
		return;
	if (overtaken)
		counter_add(&reordered, &party.owner, overtaken);
	if (congested)
		counter_add(&marked, &party.owner, congested);
}

/* What ends a connection is reported when it has been closed, and nobody knows any more whose it was. */
static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state)
{
	if (new_state != TCP_CLOSE)
		return;
	count_error(typed, sk, READ_FIELD(typed, sk, sk_err));
	if (old_state != TCP_LISTEN)
		count_sums(typed, sk);
}

/* So these are the errors that end none. */
ON_TRACEPOINT(inet_sk_error_report, "struct sock *", struct sock *sk)
{
	int error = BPF_CORE_READ(sk, sk_err);

	if (tcp_is_tcp(false, sk) && BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
		count_error(false, sk, error ? error : BPF_CORE_READ(sk, sk_err_soft));
	return 0;
}

ON_TRACEPOINT_OPTIONAL(tcp_cong_state_set, "struct sock *,u8", struct sock *sk, __u8 state)
{
	struct tcp_party party = tcp_party_of(false, sk);
	struct state_key key = {.owner = party.owner, .congestion = state};

	if (filter_wants(party.owner.pid, 0, party.owner.cgroup))
		counter_add(&states, &key, 1);
	return 0;
}

struct tcphdr {
	__be16 source, dest;
	__be32 seq, ack_seq;
	__u8 offset; /* in its upper half: words of the header */
	__u8 flags;
	__be16 window;
};

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_ACK = 16 };

/* Of an established connection; `data` is behind the network's header. */
static __always_inline bool read_header(struct sk_buff *skb, struct tcphdr *ret)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	__u16 at = BPF_CORE_READ(skb, transport_header);

	return !bpf_probe_read_kernel(ret, sizeof(*ret), head + at) && ret->flags & FLAG_ACK &&
	       !(ret->flags & (FLAG_SYN | FLAG_RST | FLAG_FIN));
}

static __always_inline void window_closes(bool typed, struct sock *sk, __u64 key)
{
	struct tcp_party party;
	__u64 one = 1;

	if (bpf_map_lookup_elem(&closed_windows, &key) ||
	    map_set(&closed_windows, &key, &one, BPF_ANY))
		return;
	party = tcp_party_of(typed, sk);
	if (filter_wants(party.owner.pid, 0, party.owner.cgroup))
		counter_add(&zero_windows, &party.owner, 1);
}

ON_TRACEPOINT_OPTIONAL(tcp_probe, "struct sock *,struct sk_buff *", struct sock *sk,
		       struct sk_buff *skb)
{
	__u64 key = (__u64)(unsigned long)sk;
	struct tcphdr header;

	if (!read_header(skb, &header))
		return 0;
	if (!header.window)
		window_closes(typed, sk, key);
	else if (bpf_map_lookup_elem(&closed_windows, &key))
		bpf_map_delete_elem(&closed_windows, &key);
	return 0;
}
