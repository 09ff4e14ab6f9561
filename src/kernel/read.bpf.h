/* SPDX-License-Identifier: GPL-2.0-only */
/* read - facts that several items read out of the kernel's structures. */
#pragma once

#include "kernel/compat.bpf.h"
#include "kernel/item.bpf.h"

/*
 * A pointer that a tp_btf or iterator program was handed has a type that the verifier knows: its fields
 * are read by plain loads, where every BPF_CORE_READ step is a call (measured: half the time of a program on
 * sched_switch). Bodies that serve both kinds of program take `typed`, a constant, and read through this.
 *
 * But a plain load of a *pointer* from such a pointer is dear to verify: for each, on each path that leads to it, the kernel looks
 * for four names among all its types (btf_nested_type_is_trusted, 6fcd486b3a0a, 6.4; measured on 6.18: 0.2 ms a name, a third of
 * what starting the agent took). So pointers are followed by BPF_CORE_READ where the program does not run so often that
 * a call weighs more.
 */
#define READ_FIELD(typed, pointer, field)                                                          \
	((typed) ? (pointer)->field : BPF_CORE_READ(pointer, field))

static __always_inline struct owner read_owner(bool typed, struct task_struct *task)
{
	struct owner owner = {};

	if (!typed)
		return owner_of(task);
	if (item_by >= BY_CONTAINER && item_cgroup1 && item_cgroup1 <= CGROUP_SUBSYS_MAX)
		owner.cgroup = task->cgroups->subsys[item_cgroup1 - 1]->cgroup->kn->id;
	else if (item_by >= BY_CONTAINER)
		owner.cgroup = task->cgroups->dfl_cgrp->kn->id;
	if (item_by >= BY_PROCESS)
		owner.pid = task->tgid;
	return owner;
}

/* 3ca1032ab7ab ("bpf: Introduce bpf_get_current_task_btf"), 5.11: "current" with its type. */
static __always_inline bool has_typed_current(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf);
}

#ifdef READ_CURRENT_ONCE
/* A function of its own, which the verifier follows once and not on each way that leads here. */
__attribute__((noinline)) __u64 read_current_cgroup1(void)
{
	struct task_struct *task;

	if (!item_cgroup1 || item_cgroup1 > CGROUP_SUBSYS_MAX)
		return 0;
	if (!has_typed_current())
		return cgroup_of((struct task_struct *)bpf_get_current_task());
	task = bpf_get_current_task_btf();
	return task->cgroups->subsys[item_cgroup1 - 1]->cgroup->kn->id;
}

static __always_inline struct owner read_owner_of_current(void)
{
	struct owner owner = {};

	if (item_by >= BY_CONTAINER)
		owner.cgroup = item_cgroup1 ? read_current_cgroup1() : bpf_get_current_cgroup_id();
	if (item_by >= BY_PROCESS)
		owner.pid = bpf_get_current_pid_tgid() >> 32;
	return owner;
}
#else
static __always_inline struct owner read_owner_of_current(void)
{
	if (item_cgroup1 && has_typed_current())
		return read_owner(true, bpf_get_current_task_btf());
	return owner_of_current();
}
#endif

/* Is the running task in a system call of a 32-bit program, with another table of numbers? */
static __always_inline bool read_current_is_32bit(void)
{
	struct thread_info info = {};
	struct task_struct *task;

	if (has_typed_current()) {
		task = bpf_get_current_task_btf();
		return ARCH_IS_32BIT(&task->thread_info);
	}
	task = (struct task_struct *)bpf_get_current_task();
	info.flags = BPF_CORE_READ(task, thread_info.flags);
	if (bpf_core_field_exists(task->thread_info.status))
		info.status = BPF_CORE_READ(task, thread_info.status);
	return ARCH_IS_32BIT(&info);
}

/* Has the last thread of the process exited? (Several that exit together may all find so.) */
static __always_inline bool thread_was_last(struct task_struct *task)
{
	return !BPF_CORE_READ(task, signal, live.counter);
}

/* Is this the leader, freed as the last task of its process? (At exec, a thread that is not the leader takes over
 * the leader's tid and gives it its own: the old leader is freed then, but the process lives.) */
static __always_inline bool thread_ends_process(struct task_struct *task)
{
	return BPF_CORE_READ(task, pid) == BPF_CORE_READ(task, tgid);
}

/*
 * The kernel's page size. No constant of the kernel says it; but the two positions of its ring buffer lie
 * on pages of their own, one after the other (kernel/bpf/ringbuf.c, since 5.8).
 */
struct bpf_ringbuf {
	unsigned long consumer_pos;
	unsigned long producer_pos;
} __attribute__((preserve_access_index));

static __always_inline u32 read_page_size(void)
{
	return bpf_core_field_offset(struct bpf_ringbuf, producer_pos) -
	       bpf_core_field_offset(struct bpf_ringbuf, consumer_pos);
}

/* An address in 16 bytes: IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that one column holds both. */
struct sock_addrs {
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u16 family;
};

static __always_inline void read_ip4(__u8 out[16], __be32 address)
{
	__builtin_memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	__builtin_memcpy(out + 12, &address, 4);
}

/*
 * Host order. A port that the kernel chose is given back just before the socket's state becomes CLOSE
 * (inet_put_port in tcp_set_state): skc_num is 0 by then, inet_sport still says it.
 */
static __always_inline __u16 read_local_port(bool typed, struct sock *sk)
{
	__u16 port = READ_FIELD(typed, sk, __sk_common.skc_num);

	return port ? port : __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
}

/*
 * c5dbb89fc2ac ("bpf: Expose bpf_get_socket_cookie to tracing programs"), 5.12, as is the helper that is asked for
 * here. Elsewhere a socket has a cookie only when somebody asked for it before; 0 = it has none.
 */
static __always_inline __u64 read_sock_cookie(bool typed, struct sock *sk)
{
	if (typed && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_check_mtu))
		return bpf_get_socket_cookie(sk);
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline void read_sock_addrs(struct sock *sk, struct sock_addrs *ret)
{
	ret->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	ret->local_port = read_local_port(false, sk);
	ret->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (ret->family == AF_INET6) {
		BPF_CORE_READ_INTO(&ret->local_addr, sk,
				   __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&ret->remote_addr, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	} else {
		read_ip4(ret->local_addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		read_ip4(ret->remote_addr, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	}
}

/* Inode number of the network namespace. */
static __always_inline __u32 read_sock_netns(bool typed, struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* major << 20 | minor, the kernel's own dev_t (MINORBITS = 20): column type "dev". */
static __always_inline __u32 read_request_dev(struct request *request)
{
	struct gendisk *disk = request_disk(request);

	if (!disk)
		return 0;
	return (__u32)BPF_CORE_READ(disk, major) << 20 | (__u32)BPF_CORE_READ(disk, first_minor);
}
