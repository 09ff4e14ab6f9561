// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_health - what goes wrong on TCP connections while they live: errors they report, and what they think of the network.
 *
 * Errors are what a read or write will be told (ECONNRESET, ETIMEDOUT, EHOSTUNREACH ...). The congestion states that a
 * connection enters: disorder (segments overtook each other), cwr (congestion was announced by ECN, or by our own
 * queue), recovery (a segment is missing), loss (nothing came back in time). Both have tracepoints since 5.15
 * (e6a3e4434000) and 5.19 (9dc74ade6f5e).
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

static __always_inline void count_error(bool typed, struct sock *sk, int error)
{
	struct tcp_party party = tcp_party_of(typed, sk);
	struct error_key key = {.owner = party.owner, .error = error};

	if (error && filter_wants(party.owner.pid, 0, party.owner.cgroup))
		counter_add(&errors, &key, 1);
}

/* What ends a connection is reported when it has been closed, and nobody knows any more whose it was. */
static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state)
{
	if (new_state == TCP_CLOSE)
		count_error(typed, sk, READ_FIELD(typed, sk, sk_err));
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
