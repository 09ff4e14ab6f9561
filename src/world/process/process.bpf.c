// SPDX-License-Identifier: GPL-2.0-only
/*
 * process - says which processes there are: as they come, change and go, and all at once on demand.
 *
 * Only thread groups are told, under the pid and start time of their leader. (A thread that execs takes both
 * over from the old leader, so the key outlives that too.) What can change without an event (uid,
 * namespaces) is read anew by the iterator now and then.
 */
#include "kernel/emit.bpf.h"
#include "kernel/read.bpf.h"
#include "world/process/process_event.h"

char LICENSE[] SEC("license") = "GPL";

EVENTS(1 << 20)

enum { WORLD_PATH_TURNS = 40 }; /* elements of a path and mounts crossed */

static __always_inline void read_facts(struct task_struct *task, struct process_facts *out)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	out->start_ns = BPF_CORE_READ(leader, start_time);
	out->cgroup = cgroup_of(task);
	out->pid = BPF_CORE_READ(task, tgid);
	out->ppid = BPF_CORE_READ(task, real_parent, tgid);
	out->uid = BPF_CORE_READ(task, cred, uid.val);
	out->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	BPF_CORE_READ_STR_INTO(&out->comm, leader, comm);
}

static __always_inline bool is_thread(struct task_struct *task)
{
	return BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid);
}

static __always_inline int on_fork(struct task_struct *parent, struct task_struct *child)
{
	struct process_forked *event;

	if (is_thread(child))
		return 0;
	event = emit_reserve(WORLD_FORK, sizeof(*event));
	if (!event)
		return 0;
	read_facts(child, &event->child);
	event->parent_pid = BPF_CORE_READ(parent, tgid);
	event->parent_start_ns = BPF_CORE_READ(parent, group_leader, start_time);
	event->pad = 0;
	emit_submit(event);
	return 0;
}

HOOK_PROTO("tp_btf/sched_process_fork", FORK, 1, "struct task_struct *,struct task_struct *")
int BPF_PROG(fork_typed, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child);
}

HOOK_PROTO("raw_tp/sched_process_fork", FORK, 2, "struct task_struct *,struct task_struct *")
int BPF_PROG(fork_raw, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child);
}

/* A vfsmount lies inside the mount that says where it is mounted. */
static __always_inline struct mount *mount_of(struct vfsmount *vfsmount)
{
	return (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
}

/*
 * Walks from the file to the root of its mount namespace and writes the names as they come: the last
 * element first. path_bytes stays 0 when the path is longer than the event holds. How much is written is kept
 * in the event: the verifier forgets a number that went through there, so every turn of the loop looks the
 * same to it and is checked once instead of once per sum of lengths.
 */
static __always_inline void read_path(struct file *file, struct process_executed *event)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct mount *mount = mount_of(BPF_CORE_READ(file, f_path.mnt));
	volatile __u16 *written = &event->path_bytes;

	*written = 0;
	for (int i = 0; i < WORLD_PATH_TURNS; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		__u32 used = *written;
		long len;

		/* a memfd hangs in no directory: its name is all there is */
		if ((dentry == parent && used) || dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount)
				return;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (used >= WORLD_PATH_BYTES)
			break;
		len = bpf_probe_read_kernel_str(event->path + used, WORLD_NAME_BYTES,
						BPF_CORE_READ(dentry, d_name.name));
		if (len <= 0)
			break;
		*written = used + len;
		dentry = parent;
	}
	*written = 0;
}

static __always_inline __u32 read_args(struct task_struct *task, char *out)
{
	unsigned long start = BPF_CORE_READ(task, mm, arg_start);
	unsigned long end = BPF_CORE_READ(task, mm, arg_end);
	__u64 len = end - start;

	if (end <= start)
		return 0;
	if (len > WORLD_ARGS_BYTES)
		len = WORLD_ARGS_BYTES;
	if (bpf_probe_read_user(out, len, (void *)start)) {
		count_add(COUNT_LOST_READ);
		return 0;
	}
	return len;
}

static __always_inline int on_exec(struct task_struct *task, struct linux_binprm *bprm)
{
	struct process_executed *event = emit_reserve(WORLD_EXEC, sizeof(*event));

	if (!event)
		return 0;
	read_facts(task, &event->process);
	read_path(BPF_CORE_READ(bprm, file), event);
	event->args_bytes = read_args(task, event->args);
	event->pad = 0;
	emit_submit(event);
	return 0;
}

HOOK_PROTO("tp_btf/sched_process_exec", EXEC, 1, "struct task_struct *,pid_t,struct linux_binprm *")
int BPF_PROG(exec_typed, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	return on_exec(task, bprm);
}

HOOK_PROTO("raw_tp/sched_process_exec", EXEC, 2, "struct task_struct *,pid_t,struct linux_binprm *")
int BPF_PROG(exec_raw, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	return on_exec(task, bprm);
}

static __always_inline struct process_changed *change_of(struct task_struct *task, __u16 kind)
{
	struct process_changed *event = emit_reserve(kind, sizeof(*event));

	if (!event)
		return 0;
	event->pid = BPF_CORE_READ(task, tgid);
	event->start_ns = BPF_CORE_READ(task, group_leader, start_time);
	event->cgroup = 0;
	event->exit_code = 0;
	event->comm[0] = 0;
	return event;
}

/* do_exit() has taken this thread off `live` before the tracepoint: 0 = no other thread lives. */
static __always_inline int on_exit(struct task_struct *task)
{
	struct process_changed *event;

	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	event = change_of(task, WORLD_EXIT);
	if (!event)
		return 0;
	event->exit_code = BPF_CORE_READ(task, signal, group_exit_code);
	if (!event->exit_code)
		event->exit_code = BPF_CORE_READ(task, exit_code);
	emit_submit(event);
	return 0;
}

HOOK_PROTO("tp_btf/sched_process_exit", EXIT, 1, "struct task_struct *")
int BPF_PROG(exit_typed, struct task_struct *task)
{
	return on_exit(task);
}

HOOK_PROTO("raw_tp/sched_process_exit", EXIT, 2, "struct task_struct *")
int BPF_PROG(exit_raw, struct task_struct *task)
{
	return on_exit(task);
}

/* prctl(PR_SET_NAME), pthread_setname_np and exec; only the leader's name is the process's. */
static __always_inline int on_rename(struct task_struct *task, const char *comm)
{
	struct process_changed *event;

	if (is_thread(task))
		return 0;
	event = change_of(task, WORLD_RENAME);
	if (!event)
		return 0;
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), comm);
	emit_submit(event);
	return 0;
}

HOOK_PROTO("tp_btf/task_rename", RENAME, 1, "struct task_struct *,char *")
int BPF_PROG(rename_typed, struct task_struct *task, const char *comm)
{
	return on_rename(task, comm);
}

HOOK_PROTO("raw_tp/task_rename", RENAME, 2, "struct task_struct *,char *")
int BPF_PROG(rename_raw, struct task_struct *task, const char *comm)
{
	return on_rename(task, comm);
}

/* All processes that live; zombies have told their exit already. Rows: struct process_facts. */
HOOK("iter/task", PROCESSES, 1)
int list_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process_facts row = {};

	if (!task || is_thread(task) || !BPF_CORE_READ(task, signal, live.counter))
		return 0;
	read_facts(task, &row);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

#include "world/container/cgroup.bpf.h"
