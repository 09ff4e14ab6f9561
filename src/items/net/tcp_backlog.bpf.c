// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_backlog - how long the queue of a listening socket is when a connection comes: those that nobody has accepted yet, and
 * handshakes that are not finished.
 *
 * A queue that reaches its limit refuses connections, or lets them wait for a second. A new connection's socket is a copy of
 * the listening one, made when the handshake ends (inet_csk_clone_lock); its state is set before the copied queues are
 * emptied, so the copy tells how long they were: no function is hooked, and sockets that share a port (SO_REUSEPORT) are
 * not mixed up. What found the queue full never gets that far: the kernel's sums for the whole machine say how often
 * (`sonde_tcp_backlog_refused_total`).
 */
#include "kernel/filter.bpf.h"
#include "kernel/tcp_owner.bpf.h"

ITEM("net", "off", "queues of listening TCP sockets when connections come");

struct queue {
	struct owner owner;
	__u32 limit COL_OPT("count", "help=connections that may wait to be accepted");
	__u16 local_port COL("port");
	__u16 pad;
};
METRIC_HISTOGRAM(
	accept_queue, struct queue, 4096,
	"name=tcp_backlog_accept;buckets=log2:1..65536;help=connections that wait to be accepted "
	"when one more comes");
METRIC_HISTOGRAM(
	syn_queue, struct queue, 4096,
	"name=tcp_backlog_syn;buckets=log2:1..65536;help=handshakes that are under way when one "
	"ends");

static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state)
{
	struct inet_connection_sock *queues = (void *)sk;
	struct tcp_party party;
	struct queue queue = {};

	if (old_state != TCP_LISTEN || new_state != TCP_SYN_RECV)
		return;
	party = tcp_party_of(typed, sk);
	queue.owner = party.owner;
	queue.limit = READ_FIELD(typed, sk, sk_max_ack_backlog);
	queue.local_port = read_local_port(typed, sk);
	if (!filter_wants(party.owner.pid, 0, party.owner.cgroup) ||
	    !filter_ports(queue.local_port, queue.local_port))
		return;
	histogram_add(&accept_queue, &queue, READ_FIELD(typed, sk, sk_ack_backlog));
	histogram_add(&syn_queue, &queue, BPF_CORE_READ(queues, icsk_accept_queue.qlen.counter));
}
