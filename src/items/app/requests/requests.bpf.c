// SPDX-License-Identifier: GPL-2.0-only
/*
 * requests - bytes that move over sockets, as far as somebody can read them as requests and responses.
 *
 * One program runs for each send and each receive of a socket, whatever call it was (sock_send_length,
 * sock_recv_length: file I/O pays nothing), and one when data arrives (sk_data_ready: for the time that bytes wait
 * unread). What they know of a connection lies in the socket (connection.bpf.h), where the bytes are say the registers of
 * the call (call.bpf.h), what of them the user half gets to see says stream.bpf.h.
 *
 * Where a byte stands in its direction follows from the socket's own sequence numbers. So bytes that moved without being
 * seen (splice from a socket, TCP_ZEROCOPY_RECEIVE) leave a hole of their size and no doubt about what
 * comes behind it. Each call's bytes are counted as captured, cut (on purpose) or lost (the ring was full).
 *
 * Ways to see calls, in the order in which they are tried; `send` chooses, `receive` and the others go with it:
 *
 *	1	sock_send_length, sock_recv_length		6.3 and later
 *	2	fexit of inet_sendmsg ...			5.12 and later
 *	3	the same, state by address			5.10: tracing programs have no socket storage there
 *	4	kprobe and kretprobe of inet_sendmsg ...	likewise: where fexit can't be had
 *	5	the end of system calls				where neither can; costs all calls a little, io_uring is a hole
 */
#define FILTER_MANY_CGROUPS
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/tcp_states.bpf.h"

#include "items/app/requests/requests.h"

ITEM("app", "on",
     "requests and responses of services: rate, errors, duration, and where the time went");
PARAM(__u32, head_bytes, 1024,
      "bytes copied of a call that is the beginning of one long message, 64 to 16384");
PARAM(bool, unix, false, "streams of Unix sockets too");

/* (settings of the user half) */
PARAM(__u32, connections, 8192, "connections read at once; the one silent for longest makes room");
PARAM(bool, usual, true,
      "exchanges like many before are measured only: nothing of them is copied (docs/requests.md)");
PARAM(__u32, sample, 1, "of so many connections one is read");

EVENTS(4 * 1024 * 1024);

#include "items/app/requests/datagram.bpf.h"

static __always_inline bool is_closed(bool typed, struct sock *sk)
{
	return READ_FIELD(typed, sk, __sk_common.skc_state) == TCP_CLOSE;
}

static __always_inline void on_call(bool typed, struct sock *sk, int result, __u32 direction,
				    __u32 flags, const struct call *given)
{
	__u16 family = READ_FIELD(typed, sk, __sk_common.skc_family), protocol;

	if (family == AF_INET || family == AF_INET6) {
		protocol = READ_FIELD(typed, sk, sk_protocol);
		if (protocol == PROTO_TCP && result >= 0)
			on_stream(typed, sk, result, direction, flags, given);
		else if (protocol == PROTO_UDP && typed && !given)
			on_typed_datagram(sk, result, direction);
		else if (protocol == PROTO_UDP)
			on_datagram(typed, sk, result, direction, given);
		if (protocol != PROTO_TCP || !is_closed(typed, sk))
			return;
		if (typed)
			on_typed_ended(sk);
		else
			on_ended(typed, sk);
	} else if (unix && typed && family == AF_UNIX && sk->sk_type == SOCK_STREAM &&
		   result >= 0) {
		on_stream(typed, sk, result, direction, flags, given);
	}
}

static __always_inline int on_sent(bool typed, struct sock *sk, int result)
{
	on_call(typed, sk, result, REQUESTS_OUT, 0, 0);
	return 0;
}

/* What is peeked at is received later; errors and urgent bytes are not the stream. */
static __always_inline int on_received(bool typed, struct sock *sk, int result, __u32 flags)
{
	if (!(flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)))
		on_call(typed, sk, result, REQUESTS_IN, flags, 0);
	return 0;
}

/* ---- 1 ---- */

HOOK_PROTO("tp_btf/sock_send_length", send, 1, "struct sock *,int,int")
int BPF_PROG(send_length, struct sock *sk, int result, int flags)
{
	return result < 0 && !is_closed(true, sk) ? 0 : on_sent(true, sk, result);
}

HOOK_AS("tp_btf/sock_recv_length", receive, 1, send, 1)
int BPF_PROG(recv_length, struct sock *sk, int result, int flags)
{
	return result < 0 && !is_closed(true, sk) ? 0 : on_received(true, sk, result, flags);
}

/* ---- 2: 6e6eda44b939 ("sock: add tracepoint for send recv length"), 6.3: before, these see the same calls ---- */

HOOK("fexit/inet_sendmsg", send, 2)
int BPF_PROG(inet_sent, struct socket *sock, struct msghdr *msg, size_t size, int result)
{
	return on_sent(true, sock->sk, result);
}

HOOK_WITH("fexit/inet6_sendmsg", send6, 2, send, 2)
int BPF_PROG(inet6_sent, struct socket *sock, struct msghdr *msg, size_t size, int result)
{
	return on_sent(true, sock->sk, result);
}

HOOK_AS("fexit/inet_recvmsg", receive, 2, send, 2)
int BPF_PROG(inet_received, struct socket *sock, struct msghdr *msg, size_t size, int flags,
	     int result)
{
	return on_received(true, sock->sk, result, flags);
}

HOOK_WITH("fexit/inet6_recvmsg", receive6, 2, send, 2)
int BPF_PROG(inet6_received, struct socket *sock, struct msghdr *msg, size_t size, int flags,
	     int result)
{
	return on_received(true, sock->sk, result, flags);
}

HOOK_WITH("fexit/unix_stream_sendmsg", unix_send, 2, send, 2)
int BPF_PROG(unix_sent, struct socket *sock, struct msghdr *msg, size_t size, int result)
{
	return unix ? on_sent(true, sock->sk, result) : 0;
}

HOOK_WITH("fexit/unix_stream_recvmsg", unix_receive, 2, send, 2)
int BPF_PROG(unix_received, struct socket *sock, struct msghdr *msg, size_t size, int flags,
	     int result)
{
	return unix ? on_received(true, sock->sk, result, flags) : 0;
}

/* ---- 3: 8e4597c627fb ("bpf: Allow using bpf_sk_storage in FENTRY/FEXIT/RAW_TP"), 5.11 ---- */

HOOK("fexit/inet_sendmsg", send, 3)
int BPF_PROG(inet_sent_old, struct socket *sock, struct msghdr *msg, size_t size, int result)
{
	return on_sent(false, sock->sk, result);
}

HOOK_WITH("fexit/inet6_sendmsg", send6, 3, send, 3)
int BPF_PROG(inet6_sent_old, struct socket *sock, struct msghdr *msg, size_t size, int result)
{
	return on_sent(false, sock->sk, result);
}

HOOK_AS("fexit/inet_recvmsg", receive, 3, send, 3)
int BPF_PROG(inet_received_old, struct socket *sock, struct msghdr *msg, size_t size, int flags,
	     int result)
{
	return on_received(false, sock->sk, result, flags);
}

HOOK_WITH("fexit/inet6_recvmsg", receive6, 3, send, 3)
int BPF_PROG(inet6_received_old, struct socket *sock, struct msghdr *msg, size_t size, int flags,
	     int result)
{
	return on_received(false, sock->sk, result, flags);
}

/* ---- 4 ---- */

struct entered {
	struct sock *sk;
	__u64 flags;
};

/* pid and tid -> the socket whose function the task is in. Deleted when it returns from there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct entered);
} entered SEC(".maps");

static __always_inline int on_entry(struct socket *sock, __u64 flags)
{
	struct entered state = {BPF_CORE_READ(sock, sk), flags};
	__u64 id = bpf_get_current_pid_tgid();

	map_set(&entered, &id, &state, BPF_ANY);
	return 0;
}

static __always_inline int on_return(int result, __u32 direction)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct entered *found = bpf_map_lookup_elem(&entered, &id), state;

	if (!found)
		return 0;
	state = *found;
	bpf_map_delete_elem(&entered, &id);
	return direction ? on_sent(false, state.sk, result)
			 : on_received(false, state.sk, result, state.flags);
}

#define PROBED(function, entry_hook, exit_hook, hook_as, direction)                                \
	HOOK_WITH("kprobe/" #function, entry_hook, 4, send, 4)                                     \
	int function##_enters(struct pt_regs *ctx)                                                 \
	{                                                                                          \
		return on_entry((void *)PT_REGS_PARM1(ctx), direction ? 0 : PT_REGS_PARM4(ctx));   \
	}                                                                                          \
	hook_as int function##_returns(struct pt_regs *ctx)                                        \
	{                                                                                          \
		return on_return(PT_REGS_RC(ctx), direction);                                      \
	}

PROBED(inet_sendmsg, send_enter, send, HOOK("kretprobe/inet_sendmsg", send, 4), REQUESTS_OUT)
PROBED(inet6_sendmsg, send6_enter, send6, HOOK_WITH("kretprobe/inet6_sendmsg", send6, 4, send, 4),
       REQUESTS_OUT)
PROBED(inet_recvmsg, receive_enter, receive, HOOK_AS("kretprobe/inet_recvmsg", receive, 4, send, 4),
       REQUESTS_IN)
PROBED(inet6_recvmsg, receive6_enter, receive6,
       HOOK_WITH("kretprobe/inet6_recvmsg", receive6, 4, send, 4), REQUESTS_IN)

/* ---- 5 ---- */

/* Of several messages the buffers of the first. Returns what they moved, of datagrams the first. */
static __always_inline long take_done(struct call *call, struct sock *sk, long count)
{
	bool is_stream = BPF_CORE_READ(sk, sk_type) == SOCK_STREAM;
	struct call_message message = {};
	long moved = 0;

	take_message(call->many, call);
	for (__u32 i = 0; i < CALL_MESSAGES && i < count && (is_stream || !i); i++) {
		if (bpf_probe_read_user(&message, sizeof(message),
					(void *)(call->many + i * sizeof(message))))
			return -1;
		moved += message.len;
	}
	return moved;
}

static __always_inline int on_exit(const struct call_registers *registers, long result,
				   bool of_sends)
{
	struct call call = {};
	struct sock *sk;

	if (result < 0 || read_current_is_32bit())
		return 0;
	take_call(registers, &call);
	sk = sock_of_descriptor((__u32)registers->arg[0]);
	if (!sk)
		return 0;
	if (call.many)
		result = take_done(&call, sk, result);
	on_call(false, sk, result, of_sends ? REQUESTS_OUT : REQUESTS_IN, call.flags, &call);
	return 0;
}

HOOK("raw_tp/sys_exit", send, 5)
int sends_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct call_registers registers = {};

	registers.nr = BPF_CORE_READ((struct pt_regs *)ctx->args[0], ARCH_NR_FIELD);
	switch (registers.nr) {
	case ARCH_NR_write:
	case ARCH_NR_writev:
	case ARCH_NR_pwritev2:
	case ARCH_NR_sendto:
	case ARCH_NR_sendmsg:
	case ARCH_NR_sendmmsg:
		read_registers_at((void *)ctx->args[0], &registers);
		return on_exit(&registers, ctx->args[1], true);
	}
	return 0;
}

/* (their flags: fourth argument of recvfrom and recvmmsg, third of recvmsg) */
HOOK_AS("raw_tp/sys_exit", receive, 5, send, 5)
int receives_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct call_registers registers = {};
	__u64 flags = 0;

	registers.nr = BPF_CORE_READ((struct pt_regs *)ctx->args[0], ARCH_NR_FIELD);
	switch (registers.nr) {
	case ARCH_NR_read:
	case ARCH_NR_readv:
	case ARCH_NR_preadv2:
	case ARCH_NR_recvfrom:
	case ARCH_NR_recvmsg:
	case ARCH_NR_recvmmsg: read_registers_at((void *)ctx->args[0], &registers); break;
	default: return 0;
	}
	if (registers.nr == ARCH_NR_recvfrom || registers.nr == ARCH_NR_recvmmsg)
		flags = registers.arg[3];
	else if (registers.nr == ARCH_NR_recvmsg)
		flags = registers.arg[2];
	if (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB))
		return 0;
	return on_exit(&registers, ctx->args[1], false);
}

/* ---- arrivals, and what io_uring moved ---- */

HOOK_WITH("tp_btf/sk_data_ready", arrival, 1, send, 1_2)
int BPF_PROG(data_ready, struct sock *sk)
{
	return on_arrival(true, sk);
}

HOOK_WITH("tp_btf/sk_data_ready", arrival, 2, send, 3_up)
int BPF_PROG(data_ready_old, struct sock *sk)
{
	return on_arrival(false, sk);
}

/* 40e0b0905417 ("net/sock: Introduce trace_sk_data_ready()"), 6.3: before, the segment itself is looked at. */
HOOK_WITH("tp_btf/tcp_probe", arrival, 3, send, 1_2)
int BPF_PROG(probe, struct sock *sk, struct sk_buff *skb)
{
	return on_segment(true, sk, skb);
}

HOOK_WITH("tp_btf/tcp_probe", arrival, 4, send, 3_up)
int BPF_PROG(probe_old, struct sock *sk, struct sk_buff *skb)
{
	return on_segment(false, sk, skb);
}

HOOK_OPTIONAL_PROTO("tp_btf/io_uring_complete", uring, 1,
		    "struct io_ring_ctx *,void *,struct io_uring_cqe *")
int BPF_PROG(completed, struct io_ring_ctx *ring, struct io_kiocb *request,
	     struct io_uring_cqe *cqe)
{
	return on_complete(request, cqe->res);
}

/* Before 6.13 the numbers themselves, before 5.19 no request. */
HOOK_OPTIONAL_PROTO("tp_btf/io_uring_complete", uring, 2, "void *,void *,u64,int,unsigned int")
int BPF_PROG(completed_old, void *ring, struct io_kiocb *request, __u64 user_data, int result)
{
	return on_complete(request, result);
}

/* ---- life ---- */

HOOK_PROTO_AS("tp_btf/inet_sock_set_state", state, 1, TCP_SET_STATE_ARGS, send, 1_2)
int BPF_PROG(set_state, struct sock *sk, int old_state, int new_state)
{
	return on_state(true, sk, new_state);
}

HOOK_PROTO_AS("tp_btf/inet_sock_set_state", state, 2, TCP_SET_STATE_ARGS, send, 3_up)
int BPF_PROG(set_state_old, struct sock *sk, int old_state, int new_state)
{
	return on_state(false, sk, new_state);
}
