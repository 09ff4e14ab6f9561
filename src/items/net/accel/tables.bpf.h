/* SPDX-License-Identifier: GPL-2.0-only */
/* tables - what the user half reads: workloads, ends of connections, processes; and a walk over who listens already. */
#pragma once

#include "items/net/accel/pairing.bpf.h"

struct row {
	struct owner owner;
	struct totals totals;
	__u64 accelerated GAUGE("name=accel_connections;labels=state=accelerated;help=ends of "
				"connections under a rule, by what becomes of them") COL("count");
	__u64 waiting GAUGE("name=accel_tcp_connections;help=ends of accelerated connections whose "
			    "direction is on TCP just now") COL("count");
	__u64 unread_bytes
		GAUGE("name=accel_unread;unit=bytes;help=redirected bytes that were not read yet")
			COL("bytes");
};
TABLE(1, "workload", struct row, "gone=add");

struct bpf_iter__sockmap {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	struct sock *sk;
} __attribute__((preserve_access_index));

HOOK_MAP("iter/sockmap", workload, 1, socks)
int workload_table(struct bpf_iter__sockmap *iterator)
{
	struct sock *sk = iterator->sk;
	struct sk_psock *psock;
	struct row row = {};
	struct side *side;

	if (!sk)
		return 0;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side)
		return 0;
	psock = psock_of(sk);
	row.owner = side->owner;
	totals_of(side, &row.totals);
	row.accelerated = 1;
	row.waiting = side->tcp_bytes && !side->is_redirecting;
	row.unread_bytes = psock && psock_counts() ? psock_unread(psock) : 0;
	bpf_seq_write(iterator->meta->seq, &row, sizeof(row));
	return 0;
}

static __always_inline int write_end(struct bpf_iter__sockmap *iterator)
{
	struct sock *sk = iterator->sk;
	struct accel_end end = {};
	struct sk_psock *psock;
	struct side *side;
	__u64 *key = iterator->key;

	if (!sk || !key)
		return 0;
	end.cookie = *key;
	psock = psock_of(sk);
	end.waiting = psock && !psock_is_empty(psock);
	end.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (side) {
		end.peer_cookie = side->peer_cookie;
		end.redirected_bytes = side->redirected_bytes;
		end.tcp_bytes = side->tcp_bytes;
		end.unread_bytes = psock && psock_counts() ? psock_unread(psock) : 0;
		end.pid = side->owner.pid;
		end.is_redirecting = side->is_redirecting;
		end.local_port = side->port;
		end.remote_port = side->peer_port;
		end.reason = side->reason;
		end.waiting |= has_verdict && !side->has_left;
	}
	bpf_seq_write(iterator->meta->seq, &end, sizeof(end));
	return 0;
}

HOOK_MAP("iter/sockmap", ends, 1, socks)
int ends_table(struct bpf_iter__sockmap *iterator)
{
	return write_end(iterator);
}

HOOK_MAP("iter/sockmap", ends_held, 1, held)
int ends_held_table(struct bpf_iter__sockmap *iterator)
{
	return write_end(iterator);
}

HOOK("iter/task", processes, 1)
int processes_table(struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task;
	struct accel_process row = {};

	if (!task || task->pid != task->tgid || task->flags & PF_KTHREAD)
		return 0;
	read_identity(task, &row.identity);
	row.pid = task->tgid;
	row.start_ns = task->start_time;
	row.netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	bpf_seq_write(iterator->meta->seq, &row, sizeof(row));
	return 0;
}

/* Who listens already when the item is switched on. */
HOOK("iter/task_file", listening, 1)
int listening_walk(struct bpf_iter__task_file *iterator)
{
	struct task_struct *task = iterator->task;
	struct file *file = iterator->file;
	struct socket *socket;
	struct who who = {};
	struct sock *sk;
	__u64 key;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || sk->sk_protocol != PROTO_TCP || sk->__sk_common.skc_state != BPF_TCP_LISTEN)
		return 0;
	key = (__u64)socket->sk;
	asm volatile("" : "+r"(key));
	read_identity(task, &who.identity);
	who.owner = owner_of(task);
	who.pid = task->tgid;
	bpf_map_update_elem(&listeners, &key, &who, BPF_NOEXIST);
	return 0;
}
