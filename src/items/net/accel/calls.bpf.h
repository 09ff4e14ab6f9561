/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calls - watches for what the kernel cannot do on redirected sockets.
 *
 * Where it can be seen behind the socket (sock_recv_length and sock_send_length, setsockopt of a control group, tcp_splice_read):
 * a system call's own tracepoint makes every call of every program slower (SYSCALL_WORK_SYSCALL_TRACEPOINT), so those come last.
 */
#pragma once

#include "items/net/accel/leave.bpf.h"
#include "items/net/accel/message.bpf.h"

/* ---- calls that the kernel cannot do on redirected sockets ---- */

enum {
	MSG_OOB = 1,
	MSG_TRUNC = 0x20,
	MSG_WAITALL = 0x100,
	SO_RCVLOWAT = 18,
	SO_ZEROCOPY = 60,
	SOL_TCP = 6,
	TCP_ULP = 31,
	TCP_INQ = 36,
	FIONREAD = 0x541b,
	S_IFMT = 0170000,
	S_IFSOCK = 0140000,
};

/* The executable is known by it from now on; the connection goes by TCP, in both directions. */
static __always_inline void used(struct sock *sk, __u32 call)
{
	struct accel_settings *is = settings_get();
	struct accel_identity identity;
	__u32 reason = ACCEL_CALL;
	struct accel_seen *found;
	__u64 cookie;

	if (!is || BPF_CORE_READ(sk, sk_protocol) != PROTO_TCP)
		return;
	read_identity((struct task_struct *)bpf_get_current_task(), &identity);
	found = seen_of(&identity);
	if (found && !(found->calls & call)) {
		__sync_fetch_and_or(&found->calls, call);
		found->marked_ns = bpf_ktime_get_ns();
	}
	/* a socket that was never accelerated has no cookie, or nobody looks it up */
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (!cookie || (call == CALL_FIONREAD && counts_redirected))
		return;
	if (!bpf_map_lookup_elem(&banned, &cookie) && !map_set(&banned, &cookie, &reason, BPF_ANY))
		__sync_fetch_and_add(&is->bans, 1);
}

static __always_inline struct sock *sock_of_fd(__u64 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0, **files = BPF_CORE_READ(table, fd);
	struct socket *socket;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void used_fd(__u64 fd, __u32 call)
{
	struct sock *sk = call ? sock_of_fd(fd) : 0;

	if (sk)
		used(sk, call);
}

static __always_inline __u32 calls_of_flags(__u64 flags)
{
	return (flags & MSG_WAITALL ? CALL_WAITALL : 0) | (flags & MSG_TRUNC ? CALL_TRUNC : 0) |
	       (flags & MSG_OOB ? CALL_OOB : 0);
}

/* Flags of a receive that has ended, of a send likewise. */
static __always_inline int on_flags(struct sock *sk, __u32 flags)
{
	__u32 calls = calls_of_flags(flags);

	if (calls)
		used(sk, calls);
	return 0;
}

HOOK_OPTIONAL_PROTO("tp_btf/sock_recv_length", receive, 1, "struct sock *,int,int")
int BPF_PROG(received, struct sock *sk, int result, int flags)
{
	return on_flags(sk, flags);
}

HOOK_OPTIONAL_PROTO("raw_tp/sock_recv_length", receive, 2, "struct sock *,int,int")
int BPF_PROG(received_raw, struct sock *sk, int result, int flags)
{
	return on_flags(sk, flags);
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_recvfrom", receive, 3)
int received_from(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], calls_of_flags(call->args[3]));
	return 0;
}

HOOK_WITH("tp/syscalls/sys_enter_recvmsg", receive_message, 1, receive, 3)
int received_message(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], calls_of_flags(call->args[2]));
	return 0;
}

HOOK_OPTIONAL_PROTO("tp_btf/sock_send_length", send, 1, "struct sock *,int,int")
int BPF_PROG(sent, struct sock *sk, int result, int flags)
{
	return on_flags(sk, flags & MSG_OOB);
}

HOOK_OPTIONAL_PROTO("raw_tp/sock_send_length", send, 2, "struct sock *,int,int")
int BPF_PROG(sent_raw, struct sock *sk, int result, int flags)
{
	return on_flags(sk, flags & MSG_OOB);
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_sendto", send, 3)
int sending(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], call->args[3] & MSG_OOB ? CALL_OOB : 0);
	return 0;
}

static __always_inline int on_splice(struct socket *socket)
{
	used(BPF_CORE_READ(socket, sk), CALL_SPLICE);
	return 0;
}

HOOK_OPTIONAL("fentry/tcp_splice_read", splice, 1)
int BPF_PROG(spliced, struct socket *socket)
{
	return on_splice(socket);
}

HOOK_OPTIONAL("kprobe/tcp_splice_read", splice, 2)
int BPF_KPROBE(spliced_probe, struct socket *socket)
{
	return on_splice(socket);
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_splice", splice, 3)
int spliced_call(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], CALL_SPLICE);
	return 0;
}

/* (not wanted where the kernel counts redirected bytes) */
HOOK_OPTIONAL("fentry/inet_ioctl", count, 1)
int BPF_PROG(counted, struct socket *socket, unsigned int what)
{
	if (what == FIONREAD)
		used(BPF_CORE_READ(socket, sk), CALL_FIONREAD);
	return 0;
}

HOOK_OPTIONAL("kprobe/inet_ioctl", count, 2)
int BPF_KPROBE(counted_probe, struct socket *socket, unsigned int what)
{
	if (what == FIONREAD)
		used(BPF_CORE_READ(socket, sk), CALL_FIONREAD);
	return 0;
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_ioctl", count, 3)
int counted_call(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], (__u32)call->args[1] == FIONREAD ? CALL_FIONREAD : 0);
	return 0;
}

static __always_inline __u32 call_of_option(__u32 level, __u32 name, int value)
{
	if (level == SOL_SOCKET && name == SO_RCVLOWAT && value > 1)
		return CALL_RCVLOWAT;
	if (level == SOL_SOCKET && name == SO_ZEROCOPY && value)
		return CALL_ZEROCOPY;
	if (level == SOL_TCP && name == TCP_INQ && value)
		return CALL_INQ;
	return level == SOL_TCP && name == TCP_ULP ? CALL_ULP : 0;
}

HOOK_OPTIONAL("cgroup/setsockopt", option, 1)
int option_set(struct bpf_sockopt *option)
{
	int *value = option->optval, given = 0;
	struct sock *sk = 0;
	__u32 call;

	if (value && (void *)(value + 1) <= option->optval_end)
		given = *value;
	call = call_of_option(option->level, option->optname, given);
	if (call) {
		/* (struct bpf_sockopt_kern begins with it) */
		bpf_probe_read_kernel(&sk, sizeof(sk), option);
		used(sk, call);
	}
	option->optlen = 0; /* the kernel goes on with what the program gave (d8fe449a9c51) */
	return 1;
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_setsockopt", option, 2)
int option_call(struct trace_event_raw_sys_enter *call)
{
	int value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)call->args[3]);
	used_fd(call->args[0], call_of_option(call->args[1], call->args[2], value));
	return 0;
}
