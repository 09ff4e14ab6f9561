/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tls_go - crypto/tls of Go: (*Conn).Read and Write.
 *
 * A goroutine may begin a call on one thread and end it on another, so what is under way is known by the goroutine (a register holds it),
 * and sockets that a thread uses meanwhile prove nothing. But the object itself leads to its descriptor: Conn's first field
 * is an interface whose data is a *net.TCPConn, whose first word is a *net.netFD. That it is one is checked by what else it must say (family,
 * type, "tcp"); a connection that is wrapped in something else is told without addresses.
 */
#pragma once

enum {
	GO_CALLS = 16384,
	CONN_DATA = 8, /* tls.Conn: conn is an interface {type, data} */
	FD_SYSFD = 16, /* net.netFD: pfd poll.FD {fdmu 16 bytes, Sysfd ...} */
	FD_FAMILY =
		56, /* behind poll.FD, the same since Go 1.9: family, sotype int, isConnected bool, net string */
};

struct go_call_key {
	__u64 goroutine;
	__u32 pid, pad;
};

struct go_call {
	__u64 object, buffer;
	__u32 direction, gaps; /* gaps: as in struct object */
};

/* {process, goroutine} -> the function it is in. Deleted when it returns. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* (a goroutine that ends inside leaves its entry) */
	__uint(max_entries, GO_CALLS);
	__type(key, struct go_call_key);
	__type(value, struct go_call);
} go_calls SEC(".maps");

struct go_fd { /* from FD_FAMILY on */
	__u64 family, type;
	__u64 is_connected; /* one byte */
	__u64 net, net_len;
};

/* The descriptor of a *net.TCPConn; -1 = it is none. */
static __always_inline int go_descriptor(__u64 object, struct go_fd *ret)
{
	__u64 data = 0, netfd = 0, number = 0;
	char net[3] = {};

	if (bpf_probe_read_user(&data, sizeof(data), (void *)(object + CONN_DATA)) || !data ||
	    bpf_probe_read_user(&netfd, sizeof(netfd), (void *)data) || !netfd ||
	    bpf_probe_read_user(&number, sizeof(number), (void *)(netfd + FD_SYSFD)) ||
	    bpf_probe_read_user(ret, sizeof(*ret), (void *)(netfd + FD_FAMILY)))
		return -1;
	if ((ret->family != AF_INET && ret->family != AF_INET6) || ret->type != 1 ||
	    ret->net_len < 3 || ret->net_len > 4 || number > 1 << 20 ||
	    bpf_probe_read_user(net, sizeof(net), (void *)ret->net))
		return -1;
	return net[0] == 't' && net[1] == 'c' && net[2] == 'p' ? (int)number : -1;
}

/* The TCP socket of a descriptor of the running task; 0 = it is none. */
static __always_inline struct sock *go_socket(int fd)
{
	enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file **files = BPF_CORE_READ(task, files, fdt, fd), *file = 0;
	struct socket *socket;
	struct sock *sk;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(task, files, fdt, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	return sk && BPF_CORE_READ(sk, sk_protocol) == PROTO_TCP ? sk : 0;
}

/* (A cookie is there once any program asked for it: requests does, for each connection.) */
static __always_inline void go_prove(const struct tls_key *key)
{
	struct go_fd found = {};
	int fd = go_descriptor(key->object, &found);
	struct sock *sk = fd < 0 ? 0 : go_socket(fd);

	if (sk && BPF_CORE_READ(sk, __sk_common.skc_family) == found.family)
		prove(key, sk, BPF_CORE_READ(sk, __sk_common.skc_cookie.counter));
}

static __always_inline void go_moved(const struct tls_key *key, __u64 buffer, __s64 moved,
				     __u32 direction, __u32 gaps)
{
	if (moved <= 0 || moved >= 1 << 30)
		return;
	go_prove(key);
	on_moved(key, buffer, moved, direction, bpf_ktime_get_ns(), gaps);
}

/* What is written is told when Write is entered: another goroutine may have read the answer before it returns. */
static __always_inline int on_go_entry(struct pt_regs *ctx, __u64 how)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct go_call_key key = {.goroutine = ARCH_GO_G(ctx), .pid = pid};
	struct tls_key conn = {.object = ARCH_GO_ARG1(ctx), .pid = pid};
	struct go_call call = {.object = conn.object, .buffer = ARCH_GO_ARG2(ctx)};
	struct go_call *before;
	struct cost *cost;

	if (how & TLS_STACK_CHECK && ARCH_GO_STACK_IS_SHORT(ctx))
		return 0; /* it begins again on a larger one */
	if ((how & 0xff) == TLS_GO_HANDSHAKE) {
		note_handshake(&conn);
		return 0;
	}
	cost = cost_of_current();
	if (cost && !may_look(cost))
		return 0;
	call.gaps = cost ? cost->gaps : 0;
	call.direction = how & TLS_SENDS ? REQUESTS_OUT : REQUESTS_IN;
	if (!(how & TLS_ONCE)) {
		before = bpf_map_lookup_elem(&go_calls, &key);
		if (before && before->object == call.object && before->buffer == call.buffer &&
		    before->direction == call.direction)
			return 0; /* (likewise) */
		map_set(&go_calls, &key, &call, BPF_ANY);
	}
	if (call.direction == REQUESTS_OUT)
		go_moved(&conn, call.buffer, ARCH_GO_ARG3(ctx), REQUESTS_OUT, call.gaps);
	return 0;
}

/* Inside Read, where it copies what it has decrypted: (to, from, length). */
static __always_inline int on_go_copy(struct pt_regs *ctx, __u64 how)
{
	struct tls_key conn = {.pid = bpf_get_current_pid_tgid() >> 32};
	__u64 slot = PT_REGS_SP(ctx) + (__u32)(how >> TLS_STACK_SHIFT);
	struct cost *cost = cost_of_current();

	if (cost && !may_look(cost))
		return 0;
	if (bpf_probe_read_user(&conn.object, sizeof(conn.object), (void *)slot) || !conn.object)
		return 0;
	go_moved(&conn, ARCH_GO_ARG2(ctx), ARCH_GO_ARG3(ctx), REQUESTS_IN, cost ? cost->gaps : 0);
	return 0;
}

static __always_inline int on_go_return(struct pt_regs *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct go_call_key key = {.goroutine = ARCH_GO_G(ctx), .pid = pid};
	struct go_call *found = bpf_map_lookup_elem(&go_calls, &key), call;
	struct tls_key conn = {.pid = pid};
	__s64 moved = ARCH_GO_ARG1(ctx);

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&go_calls, &key);
	conn.object = call.object;
	if (call.direction == REQUESTS_OUT)
		return 0;
	if (moved > 0)
		go_moved(&conn, call.buffer, moved, REQUESTS_IN, call.gaps);
	else
		forget_arrival(&conn);
	return 0;
}
