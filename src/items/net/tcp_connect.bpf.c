// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_connect - how long it takes to connect: from the first packet sent to the answer, and what became of it.
 *
 * About one round trip when all is well; a second more for each packet that was lost. What failed counts with what it
 * failed with, ECANCELED when the process itself gave up.
 */
#include "kernel/filter.bpf.h"
#include "kernel/tcp_owner.bpf.h"

ITEM("net", "off", "time until TCP connections are established, or fail");

struct attempt {
	struct owner owner;
	__u32 error COL_OPT("errno", "name=errno");
	__u32 pad;
};

METRIC_HISTOGRAM(
	tcp_connect, struct attempt, 8192,
	"unit=seconds;scale=1e-9;buckets=log2:16us..128s;help=time from the first packet to "
	"the answer");

static __always_inline void tcp_state_changed(bool typed, struct sock *sk, int old_state,
					      int new_state)
{
	struct tcp_party party;
	struct attempt attempt = {};

	if (old_state != TCP_SYN_SENT)
		return;
	party = tcp_party_of(typed, sk);
	if (!party.since_ns || !filter_wants(party.owner.pid, 0, party.owner.cgroup))
		return;
	attempt.owner = party.owner;
	if (new_state == TCP_CLOSE) {
		attempt.error = READ_FIELD(typed, sk, sk_err);
		if (!attempt.error)
			attempt.error = ECANCELED;
	}
	histogram_add(&tcp_connect, &attempt, bpf_ktime_get_ns() - party.since_ns);
}
