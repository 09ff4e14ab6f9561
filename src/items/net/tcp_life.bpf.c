// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_life - each TCP connection when it ends: who, with whom, how long, how much, how well.
 *
 * A life begins when the connection is established (a connect that failed is told by tcp_state) and ends when its
 * state becomes CLOSE; for the side that closed first the kernel then keeps only a small TIME_WAIT entry, which
 * is no connection any more. Bytes are payload that arrived, and payload that was sent, retransmissions not counted
 * again; the FIN that both counters of the kernel include is taken off.
 *
 * The owner is who connected, or who listens on the port; when a process ends the connection itself,
 * that process. Connections older than the agent are told too, without what was not seen.
 */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/tcp_owner.bpf.h"

ITEM("net", "on",
     "each TCP connection when it ends: bytes, duration, round trip, retransmits, who");
PARAM(__u64, min_ms, 0, "connections that lived at least this long, in milliseconds");

enum close_reason {
	CLOSE_DONE = 1, /* both sides said FIN, or ours did and the other's may still come */
	CLOSE_RESET_BY_PEER,
	CLOSE_RESET_BY_US, /* closed with data unread, or with SO_LINGER 0 */
	CLOSE_TIMEOUT,
	CLOSE_ERROR,
};

struct tcp_life_event {
	struct event_head head;
	__u64 cgroup COL("cgroup_id");
	__u64 connection COL_OPT("sock_cookie", "name=connection");
	__u64 opened COL("ktime"); /* 0 = before the agent */
	__u64 closed COL("ktime");
	__u64 duration_ns COL("ns");
	__u64 sent_bytes COL("bytes");
	__u64 received_bytes COL("bytes");
	__u64 rtt_ns COL_OPT("ns", "help=smoothed round trip time at the end");
	__u32 retransmits COL("count");
	__u32 pid COL("pid");
	__u32 netns COL("netns");
	__u32 side COL_OPT("enum", "enum=1:server,2:client");
	__u32 close_reason COL_OPT("enum",
				   "enum=1:closed,2:reset_by_peer,3:reset_by_us,4:timeout,5:error");
	__u16 local_port COL("port");
	__u16 remote_port COL("port");
	__u8 local_addr[16] COL("ip");
	__u8 remote_addr[16] COL("ip");
	__u32 transport COL_OPT("enum", "enum=6:tcp");
	__u32 pad;
};

EVENTS(1024 * 1024);
EVENT(1, "connection", struct tcp_life_event);

struct life {
	struct owner owner;
	__u64 opened_ns;
	__u32 direction;
	__u32 pad;
};

/* sock -> life since ESTABLISHED. Deleted at CLOSE. Entries are allocated as they come. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct life);
} lives SEC(".maps");

enum { SOCK_DONE = 1 /* bit of skc_flags: the other side's FIN has come (tcp_fin) */ };

static __always_inline bool has_received_fin(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1;
}

static __always_inline __u32 reason_of(struct sock *sk, int old_state)
{
	switch (BPF_CORE_READ(sk, sk_err)) {
	case 0:
		return tcp_is_aborted_by_current(old_state, TCP_CLOSE, 0) ? CLOSE_RESET_BY_US
									  : CLOSE_DONE;
	case ECONNRESET:
	case EPIPE:
		return CLOSE_RESET_BY_PEER; /* EPIPE: the reset came after the FIN (tcp_reset) */
	case ECONNABORTED: return CLOSE_RESET_BY_US; /* tcp_abort: `ss -K` */
	case ETIMEDOUT: return CLOSE_TIMEOUT;
	default: return CLOSE_ERROR;
	}
}

static __always_inline void fill_counts(struct tcp_life_event *event, struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u64 sent = BPF_CORE_READ(tcp, bytes_sent), again = BPF_CORE_READ(tcp, bytes_retrans);
	__u64 received = BPF_CORE_READ(tcp, bytes_received);

	event->sent_bytes = sent - again;
	event->received_bytes = received && has_received_fin(sk) ? received - 1 : received;
	event->rtt_ns = (__u64)(BPF_CORE_READ(tcp, srtt_us) >> 3) * 1000;
	event->retransmits = BPF_CORE_READ(tcp, total_retrans);
}

static __always_inline void fill_addrs(struct tcp_life_event *event, struct sock *sk)
{
	struct sock_addrs addrs;

	read_sock_addrs(sk, &addrs);
	__builtin_memcpy(event->local_addr, addrs.local_addr, 16);
	__builtin_memcpy(event->remote_addr, addrs.remote_addr, 16);
	event->local_port = addrs.local_port;
	event->remote_port = addrs.remote_port;
}

static __always_inline void tell(bool typed, struct sock *sk, int old_state,
				 const struct life *life)
{
	__u64 now = bpf_ktime_get_ns(), lived = life->opened_ns ? now - life->opened_ns : 0;
	struct tcp_life_event *event;

	if (lived < min_ms * 1000000 || !filter_wants(life->owner.pid, 0, life->owner.cgroup))
		return;
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return;
	event->cgroup = life->owner.cgroup;
	event->pid = life->owner.pid;
	event->connection = read_sock_cookie(typed, sk);
	event->opened = life->opened_ns;
	event->closed = now;
	event->duration_ns = lived;
	event->netns = read_sock_netns(typed, sk);
	event->side = life->direction;
	event->close_reason = reason_of(sk, old_state);
	event->transport = PROTO_TCP;
	event->pad = 0;
	fill_counts(event, sk);
	fill_addrs(event, sk);
	if (!filter_ports(event->local_port, event->remote_port)) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP); /* filter_ports has counted it */
		return;
	}
	emit_submit(event);
}

static __always_inline void begin(bool typed, struct sock *sk, __u64 key)
{
	struct tcp_party party = tcp_party_of(typed, sk);
	struct life life = {
		.owner = party.owner,
		.opened_ns = bpf_ktime_get_ns(),
		.direction = party.direction,
	};

	map_set(&lives, &key, &life, BPF_ANY);
}

static __always_inline void end(bool typed, struct sock *sk, __u64 key, int old_state)
{
	struct life *life = bpf_map_lookup_elem(&lives, &key), unseen = {};
	int error = READ_FIELD(typed, sk, sk_err);
	struct tcp_party party;

	if (!life) {
		party = tcp_party_of(typed, sk);
		unseen.owner = party.owner;
		unseen.direction = party.direction;
	}
	if (tcp_is_aborted_by_current(old_state, TCP_CLOSE, error)) {
		unseen.owner = read_owner_of_current();
		if (life)
			life->owner = unseen.owner;
	}
	tell(typed, sk, old_state, life ? life : &unseen);
	if (life)
		bpf_map_delete_elem(&lives, &key);
}

/* The process says that it is the owner; from now on it may be gone. */
static __always_inline void note_closer(bool typed, struct sock *sk, __u64 key)
{
	struct life *life = bpf_map_lookup_elem(&lives, &key), older = {};

	if (life) {
		life->owner = read_owner_of_current();
		return;
	}
	older.owner = read_owner_of_current();
	older.direction = tcp_direction_of(typed, sk);
	map_set(&lives, &key, &older, BPF_ANY);
}

static __always_inline bool is_end(int old_state, int new_state)
{
	return new_state == TCP_CLOSE && old_state != TCP_LISTEN && old_state != TCP_SYN_SENT &&
	       old_state != TCP_SYN_RECV && old_state != TCP_CLOSE;
}

static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state)
{
	__u64 key = (__u64)(unsigned long)sk;

	if (new_state == TCP_ESTABLISHED)
		begin(typed, sk, key);
	else if (tcp_is_closed_by_current(old_state, new_state))
		note_closer(typed, sk, key);
	else if (is_end(old_state, new_state))
		end(typed, sk, key, old_state);
}
