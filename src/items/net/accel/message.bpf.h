/* SPDX-License-Identifier: GPL-2.0-only */
/* message - what each write of an accelerated connection costs: may it be redirected now? */
#pragma once

#include "items/net/accel/habit.bpf.h"
#include "items/net/accel/pairing.bpf.h"

/* cookie -> reason: neither this end nor its peer may redirect any more. Ages out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} banned SEC(".maps");

/* ---- messages ---- */

static __always_inline void fall_back(struct side *side, enum accel_reason reason)
{
	__u32 slot = reason;

	asm volatile("%0 &= 15" : "+r"(slot));
	if (side->is_redirecting)
		side->fallbacks[slot % REASON_SLOTS]++;
	side->is_redirecting = 0;
	/* (ACCEL_REASONS: still waiting to be in order) */
	if (reason == ACCEL_FULL)
		side->full_ns = now_coarse();
	side->is_full = reason == ACCEL_FULL || (reason == ACCEL_REASONS && side->is_full);
}

#if defined(__TARGET_ARCH_x86)
extern bool CONFIG_PREEMPT_RT __kconfig __weak;

/* Is nobody at work on this socket, neither a softirq nor a call that goes through its backlog? (Loads are not reordered here.) */
static __always_inline bool is_at_rest(struct sock *sk)
{
	u32 held = 1;

	if (CONFIG_PREEMPT_RT) /* (its spinlocks are mutexes) */
		return false;
	/* socket_lock_t begins with the spinlock, and that with a word that is 0 when nobody has it */
	bpf_probe_read_kernel(&held, sizeof(held),
			      (void *)sk + bpf_core_field_offset(struct sock, sk_lock));
	return !held && !BPF_CORE_READ(sk, sk_lock.owned);
}
#else
static __always_inline bool is_at_rest(struct sock *sk)
{
	return false;
}
#endif

/*
 * Would bytes that are redirected now be read after all that was sent by TCP?
 *
 * Without the verdict program the queue of redirected bytes is read first: so the peer's application must have read
 * everything. With it, bytes that come by TCP are put into the same queue when they arrive, under the peer's lock, which a
 * redirect has to take, too (bpf_tcp_ingress). So it is enough that all has arrived and nothing of it is left in the two queues
 * before that one, if nobody is just putting it there: it was acknowledged, or the lock was seen free after rcv_nxt had moved.
 * (A writer in one long call cannot see acknowledgements: they wait for its own lock.)
 */
static __always_inline bool is_in_order(const struct side *side)
{
	struct tcp_sock *own = (void *)side->sk;
	struct sock *peer = (void *)side->peer_sk;
	__u32 written = BPF_CORE_READ(own, write_seq);
	struct sk_psock *psock;

	if (written == BPF_CORE_READ((struct tcp_sock *)peer, copied_seq))
		return true;
	if (!has_verdict || written != BPF_CORE_READ((struct tcp_sock *)peer, rcv_nxt))
		return false;
	if (written != BPF_CORE_READ(own, snd_una) && !is_at_rest(peer))
		return false;
	psock = psock_of(peer);
	return psock && !BPF_CORE_READ(peer, sk_receive_queue.qlen) &&
	       !BPF_CORE_READ(psock, ingress_skb.qlen);
}

static __always_inline bool has_room(struct side *side, __u64 limit, __u32 size)
{
	struct sk_psock *psock = psock_of((struct sock *)side->peer_sk);
	__u64 unread;

	if (!psock)
		return true; /* closed: the redirect will say so */
	if (psock_counts()) {
		unread = psock_unread(psock);
	} else {
		if (psock_is_empty(psock))
			side->since_empty = 0;
		unread = side->since_empty;
	}
	return !unread || unread + size <= limit;
}

static __always_inline bool learn_peer(struct side *side)
{
	struct link *link = bpf_map_lookup_elem(&links, &side->cookie);

	if (!link)
		return false;
	side->peer_sk = link->sk;
	side->peer_cookie = link->cookie;
	bpf_map_delete_elem(&links, &side->cookie);
	return true;
}

static __always_inline bool is_banned(const struct side *side)
{
	return bpf_map_lookup_elem(&banned, &side->cookie) ||
	       bpf_map_lookup_elem(&banned, &side->peer_cookie);
}

/* ACCEL_NONE when the message may be redirected now; ACCEL_REASONS: not yet. */
static __always_inline enum accel_reason why_by_tcp(struct side *side,
						    const struct accel_settings *is, __u32 size)
{
	__u64 now = now_coarse();

	if (!is->on)
		return ACCEL_OFF;
	if (now > is->beat_ns && now - is->beat_ns > is->patience_ns)
		return ACCEL_ORPHAN;
	if (side->epoch != is->epoch) {
		if (judge(is, side->self, side->other, side->is_across, side->port,
			  side->peer_port))
			return ACCEL_OFF;
		side->epoch = is->epoch;
	}
	if (side->is_across && now < is->across_from_ns)
		return ACCEL_FILTER;
	if (side->bans != is->bans) {
		side->bans = is->bans;
		if (is_banned(side)) {
			side->reason = ACCEL_CALL;
			return ACCEL_CALL;
		}
	}
	if (now > side->tcp_ns && now - side->tcp_ns > is->keep_alive_ns)
		return ACCEL_KEEP_ALIVE;
	if (!side->is_redirecting && !is_in_order(side))
		return ACCEL_REASONS;
	return has_room(side, is->limit, size) ? ACCEL_NONE : ACCEL_FULL;
}

/*
 * A direction that is full goes by TCP in pieces, each of which is judged anew: so one write of any size loses little to TCP until its
 * reader has made room. Where it does not, the peer's window closes (it grows for segments of 128 bytes only, tcp_data_queue), the
 * send buffer fills, and the writer sleeps, from then on with a small buffer (leave.bpf.h).
 */
enum { PIECE_BYTES = 16 };

static __always_inline int by_tcp(struct sk_msg_md *message, struct side *side,
				  enum accel_reason reason, __u32 size)
{
	fall_back(side, reason);
	if (side->is_full && size > PIECE_BYTES)
		size = PIECE_BYTES;
	bpf_msg_apply_bytes(message, size); /* (the kernel remembers the last piece's) */
	side->tcp_bytes += size;
	side->tcp_ns = now_coarse();
	return SK_PASS;
}

HOOK_MAP("sk_msg", message, 1, socks)
int redirect(struct sk_msg_md *message)
{
	struct accel_settings *is = settings_get();
	struct bpf_sock *sk = message->sk;
	__u32 size = message->size;
	enum accel_reason reason;
	struct side *side;
	long done;

	if (!sk || !is)
		return SK_PASS;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side)
		return SK_PASS;
	if (side->reason)
		return by_tcp(message, side, side->reason, size);
	if (!side->peer_cookie && !learn_peer(side))
		return by_tcp(message, side, ACCEL_REASONS, size);
	reason = why_by_tcp(side, is, size);
	if (reason)
		return by_tcp(message, side, reason, size);
	if (side->is_full)
		bpf_msg_apply_bytes(message, 0);
	/* `held` too is known to this program: it lives as long as a socket is in it */
	done = has_verdict
		       ? bpf_msg_redirect_hash(message, &held, &side->peer_cookie, BPF_F_INGRESS)
		       : bpf_msg_redirect_hash(message, &socks, &side->peer_cookie, BPF_F_INGRESS);
	if (done != SK_PASS) {
		side->is_redirecting = 1; /* so that it counts */
		side->reason = ACCEL_GONE;
		return by_tcp(message, side, ACCEL_GONE, size);
	}
	side->is_redirecting = 1;
	side->is_full = 0;
	side->since_empty += size;
	side->redirected_bytes += size;
	side->redirected_messages++;
	if (!(side->redirected_messages % HABIT_STEP))
		habit_count(side, HABIT_STEP);
	return SK_PASS;
}

/* Does nothing: with it, bytes that come by TCP lie in the queue that FIONREAD counts (FACTS: sockhash hazard). */
HOOK_MAP("sk_skb/stream_verdict", verdict, 1, socks)
int pass_on(struct __sk_buff *skb)
{
	return SK_PASS;
}
