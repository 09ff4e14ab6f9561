// SPDX-License-Identifier: GPL-2.0-only
/*
 * socket - lists the TCP and UDP sockets that processes hold, in all network namespaces at once.
 *
 * The open files of all processes are walked, so no namespace needs to be entered, and every row says whose it is.
 * What has no descriptor (TIME_WAIT, half-open, not yet accepted, left over by its closer) is not in
 * it; sock_diag has those.
 */
#include "kernel/read.bpf.h"
#include "world/socket/socket_row.h"

char LICENSE[] SEC("license") = "GPL";

enum { S_IFMT = 0170000, S_IFSOCK = 0140000, STATE_LISTEN = 10 /* TCP_LISTEN */ };

static __always_inline bool is_socket(struct file *file)
{
	return (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK;
}

static __always_inline bool is_of_internet(struct sock *sk)
{
	unsigned short family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	return (family == AF_INET || family == AF_INET6) &&
	       (protocol == PROTO_TCP || protocol == PROTO_UDP);
}

/* Threads share their files as a rule: only those that unshared them are looked at beside their leader. */
static __always_inline bool is_seen_with_leader(struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	return task != leader && BPF_CORE_READ(task, files) == BPF_CORE_READ(leader, files);
}

static __always_inline int write_row(struct bpf_iter__task_file *ctx, struct task_struct *task,
				     struct sock *sk, __u64 cookie)
{
	struct socket_row row = {};
	struct sock_addrs addrs = {};

	read_sock_addrs(sk, &addrs);
	__builtin_memcpy(row.local_addr, addrs.local_addr, 16);
	__builtin_memcpy(row.remote_addr, addrs.remote_addr, 16);
	row.cookie = cookie;
	row.local_port = addrs.local_port;
	row.remote_port = addrs.remote_port;
	row.start_ns = BPF_CORE_READ(task, group_leader, start_time);
	row.pid = BPF_CORE_READ(task, tgid);
	row.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	row.transport = BPF_CORE_READ(sk, sk_protocol);
	row.state = BPF_CORE_READ(sk, __sk_common.skc_state);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

/* The socket of this file, if it is one that we list. */
static __always_inline struct sock *sock_of(struct task_struct *task, struct file *file,
					    bool only_listeners)
{
	struct socket *socket;
	struct sock *sk;

	if (!is_socket(file) || is_seen_with_leader(task))
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || !is_of_internet(sk))
		return 0;
	if (only_listeners && (BPF_CORE_READ(sk, __sk_common.skc_state) != STATE_LISTEN ||
			       BPF_CORE_READ(sk, sk_protocol) != PROTO_TCP))
		return 0;
	return sk;
}

static __always_inline __u64 cookie_if_asked(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

/* c5dbb89fc2ac, 5.12: tracing programs may ask for a cookie, which gives the socket one. */
static __always_inline __u64 cookie_of(struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);

	return socket && socket->sk ? bpf_get_socket_cookie(socket->sk) : 0;
}

/* The verifier wants what it was given: each pointer is taken out of the context once. */
#define LIST(name, hook, order, only_listeners, cookie)                                            \
	HOOK("iter/task_file", hook, order) int name(struct bpf_iter__task_file *ctx)              \
	{                                                                                          \
		struct task_struct *task = ctx->task;                                              \
		struct file *file = ctx->file;                                                     \
		struct sock *sk;                                                                   \
		if (!task || !file)                                                                \
			return 0;                                                                  \
		sk = sock_of(task, file, only_listeners);                                          \
		return sk ? write_row(ctx, task, sk, cookie) : 0;                                  \
	}

LIST(list_sockets, SOCKETS, 1, false, cookie_of(file))
LIST(list_sockets_old, SOCKETS, 2, false, cookie_if_asked(sk))
LIST(list_listeners, LISTENERS, 1, true, cookie_if_asked(sk))
