/* SPDX-License-Identifier: GPL-2.0-only */
/* side - one end of a connection: what is kept with its socket, and the tables that every mechanism looks at. */
#pragma once

#include "kernel/emit.bpf.h"
#include "kernel/psock.bpf.h"

#include "items/net/accel/accel.h"

/* The no-op verdict program is attached (the self-test's choice). */
const volatile bool has_verdict = false;
/* The kernel counts redirected bytes for FIONREAD (the self-test's finding). */
const volatile bool counts_redirected = false;

enum {
	REASON_SLOTS = 16
}; /* a power of two above ACCEL_REASONS, so that the verifier sees the bound */

/* One end of a connection, kept with its socket. */
struct side {
	__u64 sk,
		peer_sk; /* struct tcp_sock; the peer's may be stale, then its cookie is in no map any more */
	__u64 cookie, peer_cookie; /* peer_cookie 0: not known yet */
	__u64 mate; /* the same, of an end that was parked: known from the beginning */
	__u64 listener; /* struct sock that accepted it */
	__u64 redirected_bytes, tcp_bytes;
	__u64 since_empty; /* redirected since the peer's queue was seen empty */
	__u64 tcp_ns; /* when a message last went by TCP */
	__u64 full_ns; /* when it last was above the limit */
	struct owner owner;
	__u32 self, other; /* numbers of both identities */
	__u32 redirected_messages, epoch;
	__u32 bans; /* settings.bans when it last looked whether it is banned */
	__u16 port, peer_port;
	__u32 send_buffer; /* what it was before we made it small; 0 = we did not */
	__u8 is_redirecting, reason, is_across, is_full;
	__u8 has_left; /* `socks`, on its way back to TCP */
	__u8 has_resized; /* its send buffer: its size is not the application's choice */
	__u8 is_active; /* it connected */
	__u16 fallbacks[REASON_SLOTS];
};

/* cookie -> socket. Whose peer is known and whom a rule chose; the kernel deletes at close, the agent when it goes off. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, ACCEL_CONNECTIONS);
	__type(key, __u64);
	__type(value, __u64);
} socks SEC(".maps");

/* The same sockets, where a verdict program is attached to `socks`: keeps the queue until it was read when they leave that. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, ACCEL_CONNECTIONS);
	__type(key, __u64);
	__type(value, __u64);
} held SEC(".maps");

/* socket -> struct side. Goes with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct side);
} sides SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct accel_settings);
} settings SEC(".maps");

static __always_inline struct accel_settings *settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline __u64 now_coarse(void)
{
	/* 5.11; d055126180564: some ms are near enough here */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ktime_get_coarse_ns))
		return bpf_ktime_get_coarse_ns();
	return bpf_ktime_get_ns();
}

static __always_inline struct sock *sock_of(struct bpf_sock_ops *ops)
{
	struct sock *sk = 0;

	/* what the programs are called with begins with it, full socket or request (struct bpf_sock_ops_kern) */
	bpf_probe_read_kernel(&sk, sizeof(sk), ops);
	return sk;
}
