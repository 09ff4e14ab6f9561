/* SPDX-License-Identifier: GPL-2.0-only */
/* who - which program in which control group an end of a connection is, and what the rules say of two of them. */
#pragma once

#include "items/net/accel/side.bpf.h"

struct who {
	struct accel_identity identity;
	struct owner owner;
	__u32 netns, pid;
};

/* struct sock of a listener -> who listens. Set by listen() and by a walk; deleted when it is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct who);
} listeners SEC(".maps");

/* identity -> number. The agent's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEL_NUMBERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct accel_identity);
	__type(value, __u32);
} numbers SEC(".maps");

/* number -> grant; 0 is nobody. The agent's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ACCEL_NUMBERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct accel_grant);
} grants SEC(".maps");

/* port -> rules that name it. The agent's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

/* executable (identity without control group) -> what was seen of it. The agent deletes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEL_NUMBERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct accel_identity);
	__type(value, struct accel_seen);
} seen SEC(".maps");

/* An identity that nobody gave a number yet: the agent looks at it at once. */
enum { EVENT_STRANGER = 2 };

struct stranger_event {
	struct event_head head;
	struct accel_identity identity;
	__u32 pid, pad;
};

static __always_inline void read_identity(struct task_struct *task, struct accel_identity *ret)
{
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);

	ret->cgroup = cgroup_of(task);
	ret->inode = BPF_CORE_READ(inode, i_ino);
	ret->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	ret->pad = 0;
}

static __always_inline void read_current(struct who *ret, struct sock *sk)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	__builtin_memset(ret, 0, sizeof(*ret));
	read_identity(task, &ret->identity);
	ret->owner = owner_of(task);
	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	ret->pid = BPF_CORE_READ(task, tgid);
}

/* An executable, whoever runs it. */
static __always_inline struct accel_seen *seen_of(const struct accel_identity *identity)
{
	struct accel_identity key = {.inode = identity->inode, .dev = identity->dev};
	static const struct accel_seen nothing;

	return map_get_or_add(&seen, &key, &nothing);
}

static __always_inline __u32 number_of(const struct accel_identity *identity, __u32 pid)
{
	__u32 *number = bpf_map_lookup_elem(&numbers, identity);
	struct stranger_event *event;

	if (number)
		return *number;
	if (!identity->inode)
		return 0;
	event = emit_reserve(EVENT_STRANGER, sizeof(*event));
	if (event) {
		event->identity = *identity;
		event->pid = pid;
		event->pad = 0;
		emit_submit_now(event);
	}
	return 0;
}

/* A program begins: the agent looks at it before it connects. */
static __always_inline int on_exec(struct task_struct *task)
{
	struct accel_settings *is = settings_get();
	struct accel_identity identity;

	if (!is || !is->rules)
		return 0;
	read_identity(task, &identity);
	number_of(&identity, BPF_CORE_READ(task, tgid));
	return 0;
}

HOOK_OPTIONAL_PROTO("tp_btf/sched_process_exec", begin, 1,
		    "struct task_struct *,pid_t,struct linux_binprm *")
int BPF_PROG(begun, struct task_struct *task)
{
	return on_exec(task);
}

HOOK_OPTIONAL_PROTO("raw_tp/sched_process_exec", begin, 2,
		    "struct task_struct *,pid_t,struct linux_binprm *")
int BPF_PROG(begun_raw, struct task_struct *task)
{
	return on_exec(task);
}

static __always_inline void count_neighbour(const struct who *who)
{
	struct accel_seen *found = seen_of(&who->identity);

	if (!found)
		return;
	__sync_fetch_and_add(&found->connections, 1);
	if (who->owner.pid)
		found->pid = who->owner.pid;
}

/* ---- what the rules say ---- */

static __always_inline struct accel_grant *grant_of(__u32 number)
{
	return bpf_map_lookup_elem(&grants, &number);
}

static __always_inline __u64 rules_of_port(__u32 port)
{
	__u64 *rules = bpf_map_lookup_elem(&ports, &port);

	return rules ? *rules : 0;
}

/* ACCEL_NONE: some rule wants it and all who must trust it do. -1: no rule is about it. */
static __always_inline int judge(const struct accel_settings *is, __u32 self, __u32 other,
				 bool is_across, __u16 port, __u16 peer_port)
{
	struct accel_grant *one = grant_of(self), *two = grant_of(other);
	__u64 rules, able;

	if (!one || !two)
		return -1;
	rules = (is->any_port | rules_of_port(port) | rules_of_port(peer_port)) &
		(one->selected | two->selected);
	if (!rules)
		return -1;
	able = is_across ? rules & is->across & one->selected & two->selected : rules;
	if (!able)
		return ACCEL_ACROSS;
	return able & one->trusted & two->trusted ? ACCEL_NONE : ACCEL_UNTRUSTED;
}
