// SPDX-License-Identifier: GPL-2.0-only
/*
 * sock_bytes - bytes that processes send and receive over sockets, by transport and (when asked for) by peer.
 *
 * Counted where the call ends, for who made it: so also over loopback, between containers, and on Unix sockets, where no
 * network interface counts. Kernels before 6.3 have no such tracepoint; there the functions below every call are
 * watched. splice() out of a socket is seen by neither.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("net", "off", "bytes sent and received over sockets, by transport and peer");
PARAM(bool, peers, false, "also by the address of the other end");

struct traffic_key {
	struct owner owner;
	__u32 transport COL_OPT("enum", "enum=1:unix,2:icmp,6:tcp,17:udp");
	__u32 direction COL_OPT("enum", "enum=0:sent,1:received");
	__u8 remote_addr[16] COL("ip");
};

struct traffic {
	__u64 bytes COUNTER("name=sock;unit=bytes;help=bytes sent and received over sockets")
		COL("bytes");
	__u64 calls COUNTER("name=sock_calls;help=calls that sent or received something")
		COL("count");
};
METRICS(sock_bytes, struct traffic_key, struct traffic, 16384);

enum { TRANSPORT_UNIX = 1, MSG_PEEK = 2, DIRECTION_SENT = 0, DIRECTION_RECEIVED };

static __always_inline void count_bytes(struct sock *sk, __u32 direction, int bytes)
{
	static const struct traffic none;
	struct traffic_key key = {.owner = read_owner_of_current(), .direction = direction};
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	struct sock_addrs addrs;
	struct traffic *traffic;

	if (family == AF_INET || family == AF_INET6)
		key.transport = BPF_CORE_READ(sk, sk_protocol);
	else if (family == AF_UNIX)
		key.transport = TRANSPORT_UNIX;
	else
		return;
	if (peers && key.transport != TRANSPORT_UNIX) {
		read_sock_addrs(sk, &addrs);
		__builtin_memcpy(key.remote_addr, addrs.remote_addr, 16);
	}
	traffic = map_get_or_add(&sock_bytes, &key, &none);
	if (!traffic)
		return;
	__sync_fetch_and_add(&traffic->bytes, bytes);
	__sync_fetch_and_add(&traffic->calls, 1);
}

static __always_inline int on_call(struct sock *sk, __u32 direction, int result, int flags)
{
	if (result > 0 && !(direction == DIRECTION_RECEIVED && flags & MSG_PEEK) &&
	    filter_current())
		count_bytes(sk, direction, result);
	return 0;
}

ON_TRACEPOINT(sock_send_length, "struct sock *,int,int", struct sock *sk, int result, int flags)
{
	return on_call(sk, DIRECTION_SENT, result, flags);
}

ON_TRACEPOINT(sock_recv_length, "struct sock *,int,int", struct sock *sk, int result, int flags)
{
	return on_call(sk, DIRECTION_RECEIVED, result, flags);
}

/* Before 6e6eda44b939 ("sock: add tracepoint for send recv length"), 6.3: each family's own function. */
#define ON_SEND(function, hook, order, wrap)                                                       \
	wrap("fexit/" #function, hook, order) int BPF_PROG(function##_end, struct socket *socket,  \
							   void *message, __u64 size, int result)  \
	{                                                                                          \
		return on_call(BPF_CORE_READ(socket, sk), DIRECTION_SENT, result, 0);              \
	}
#define ON_RECEIVE(function, hook, order, wrap)                                                    \
	wrap("fexit/" #function, hook, order) int BPF_PROG(function##_end, struct socket *socket,  \
							   void *message, __u64 size, int flags,   \
							   int result)                             \
	{                                                                                          \
		return on_call(BPF_CORE_READ(socket, sk), DIRECTION_RECEIVED, result, flags);      \
	}
#define WITH_SEND(section, hook, order)    HOOK_WITH(section, hook, order, sock_send_length, 3)
#define WITH_RECEIVE(section, hook, order) HOOK_WITH(section, hook, order, sock_recv_length, 3)

ON_SEND(inet_sendmsg, sock_send_length, 3, HOOK)
ON_SEND(inet6_sendmsg, send6, 1, WITH_SEND)
ON_SEND(unix_stream_sendmsg, send_unix, 1, WITH_SEND)
ON_RECEIVE(inet_recvmsg, sock_recv_length, 3, HOOK)
ON_RECEIVE(inet6_recvmsg, receive6, 1, WITH_RECEIVE)
ON_RECEIVE(unix_stream_recvmsg, receive_unix, 1, WITH_RECEIVE)
