// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec - every program that is started, or fails to be, and every process that ends.
 *
 * A start that succeeds is seen at sched_process_exec, in the new program's skin and before its first
 * instruction: the arguments are read from the stack the kernel has just built, so nothing is missed however
 * short the process lives. One that fails returns from execve with an error: path and arguments are then read
 * from the caller's memory, where the kernel has just read them too (at entry they may not be there yet). A
 * program that dies between the two (the old image is gone, the new one can't be built) is killed by the
 * kernel: it shows as an end by SIGKILL or SIGSEGV.
 *
 * An end is reported when the last thread of a process exits, with what wait(2) would say. Where the
 * tracepoint does not say which thread is the last (before 6.16), several that exit at the same time on several
 * CPUs may all believe to be: the first one reports.
 *
 * Arguments longer than the event has room for are cut, and the event is marked so. Secrets in them are
 * masked in user space. The tracepoint at execve's end costs every system call of the machine some
 * nanoseconds (4 to 9, measured), because the kernel then takes its slow path.
 */
#include "kernel/compat.bpf.h"
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

ITEM("sec", "on", "programs started (arguments, folder, result) and processes ended");
PARAM(bool, failures, true, "report starts that fail");
PARAM(bool, exits, true, "report ends of processes");

enum {
	PATH_BYTES = 256,
	ARGS_BYTES = 1024,
	SHORT_ARGS_BYTES =
		128, /* most have no more: their event ends there, so that the ring holds twice as many */
	FAILED_ARG_BYTES = 256, /* of one argument of a start that failed */
	FAILED_ARGS = 20,
	PATH_DEPTH = 24, /* folders and mounts from the current folder up to the root */
	NAME_MASK = 255, /* NAME_MAX */
};

EVENTS(2 * 1024 * 1024);

struct who {
	__u64 cgroup COL("cgroup_id");
	__u32 pid COL("pid");
	__u32 tid COL("tid");
	__u32 ppid COL_OPT("ppid", "help=process id of the parent");
	__u32 uid COL("uid");
	char process[16] COL("comm");
};

struct started {
	struct event_head head;
	struct who who;
	__s32 errno COL_OPT("errno", "help=why it failed; absent when it did not");
	__u32 argc COL_OPT("number",
			   "help=how many arguments there were, the program's name included");
	char path[PATH_BYTES] COL_OPT("inode_path", "help=the program as it was asked for");
	char cwd[PATH_BYTES] COL_OPT("inode_path", "help=current folder");
	char args[ARGS_BYTES] COL_OPT("argv", "help=arguments, secrets masked");
};

struct ended {
	struct event_head head;
	struct who who;
	__u64 duration_ns COL_OPT("ns", "help=since the process was forked");
	__u32 exit_code COL_OPT("count", "help=what it gave to exit()");
	__u32 signal COL_OPT("signal", "help=the signal that killed it");
	bool core COL_OPT("bool", "help=it left a core dump");
	__u8 pad[7];
};

_Static_assert(sizeof(struct started) == 16 + 40 + 8 + 2 * PATH_BYTES + ARGS_BYTES, "no holes");
_Static_assert(sizeof(struct ended) == 16 + 40 + 24, "no holes");

EVENT(1, "exec", struct started);
EVENT(2, "exit", struct ended);

struct of_cgroup {
	__u64 cgroup COL("cgroup_id");
};

METRIC_COUNTER(execs, struct of_cgroup, 4096, "name=exec;help=programs started");

struct failure {
	__u64 cgroup COL("cgroup_id");
	__u32 errno COL("errno");
	__u32 pad;
};

METRIC_COUNTER(failed, struct failure, 4096,
	       "name=exec_failures;help=programs that could not be started");

/* tgid -> start_time of a process with several threads whose end was reported. Deleted when it is freed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} reported SEC(".maps") KEY_IS_TASK;

static __always_inline void fill_who(struct who *who, struct task_struct *task)
{
	who->cgroup = cgroup_of(task);
	who->pid = bpf_get_current_pid_tgid() >> 32;
	who->tid = (__u32)bpf_get_current_pid_tgid();
	who->ppid = BPF_CORE_READ(task, real_parent, tgid);
	who->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(who->process, sizeof(who->process));
}

/* Puts "/name" before the path that begins at `at`. False when there is no room for it. */
static __always_inline bool put_before(char work[2 * PATH_BYTES], volatile __u32 *at,
				       const struct qstr *name)
{
	__u32 len = BPF_CORE_READ(name, len) & NAME_MASK, from = *at;

	if (len + 1 > from || from >= PATH_BYTES)
		return false;
	from -= len + 1;
	*at = from;
	from &= PATH_BYTES - 1;
	work[from] = '/';
	if (bpf_probe_read_kernel(&work[from + 1], len, BPF_CORE_READ(name, name)))
		count_add(COUNT_LOST_READ);
	return true;
}

/* The root itself has no name. */
static __always_inline bool put_slash(char work[2 * PATH_BYTES], volatile __u32 *at)
{
	work[PATH_BYTES - 2] = '/';
	*at = PATH_BYTES - 2;
	return true;
}

/*
 * The path of the current folder as the process sees it, built from its end: names are put before one another in
 * the first half of `work`. (The second half shows the verifier that no name leaves it; and the
 * place where the path begins is kept in the event's memory, because in a register the verifier would follow
 * each of its values through the loop.) False when there was no room for all of it.
 */
static __always_inline bool read_folder(struct task_struct *task, char work[2 * PATH_BYTES],
					volatile __u32 *at)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct dentry *dentry = BPF_CORE_READ(fs, pwd.dentry),
		      *root = BPF_CORE_READ(fs, root.dentry), *parent;
	struct vfsmount *mnt = BPF_CORE_READ(fs, pwd.mnt), *root_mnt = BPF_CORE_READ(fs, root.mnt);

	*at = PATH_BYTES - 1;
	work[PATH_BYTES - 1] = 0;
	for (int i = 0; i < PATH_DEPTH; i++) {
		if (dentry == root && mnt == root_mnt)
			return *at < PATH_BYTES - 1 || put_slash(work, at);
		if (dentry == BPF_CORE_READ(mnt, mnt_root)) { /* go on where it is mounted */
			struct mount *mount =
				(void *)mnt - bpf_core_field_offset(struct mount, mnt);

			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mnt = (void *)BPF_CORE_READ(mount, mnt_parent) +
			      bpf_core_field_offset(struct mount, mnt);
			continue;
		}
		parent = BPF_CORE_READ(dentry, d_parent);
		if (parent == dentry || !put_before(work, at, &dentry->d_name))
			return false;
		dentry = parent;
	}
	return false;
}

enum { SHORT_EVENT_BYTES = sizeof(struct started) - ARGS_BYTES + SHORT_ARGS_BYTES };

/* Who and where. `event` has room for SHORT_EVENT_BYTES at least. */
static __always_inline void begin_event(struct started *event, struct task_struct *task)
{
	__u32 at;

	fill_who(&event->who, task);
	event->errno = 0;
	/* the program's path and the number of arguments come later: until then their places serve to build the folder's */
	_Static_assert(offsetof(struct started, cwd) == offsetof(struct started, path) + PATH_BYTES,
		       "room to build the folder in");
	if (!read_folder(task, event->path, &event->argc))
		event->head.flags |= EVENT_CUT;
	at = event->argc & (PATH_BYTES - 1);
	event->path[PATH_BYTES - 1] = 0;
	bpf_probe_read_kernel_str(event->cwd, PATH_BYTES, &event->path[at]);
	event->argc = 0;
	__builtin_memset(event->path, 0, PATH_BYTES);
	__builtin_memset(event->args, 0, SHORT_ARGS_BYTES);
}

static __always_inline void fill_program(struct started *event, struct linux_binprm *program)
{
	event->argc = BPF_CORE_READ(program, argc);
	if (bpf_probe_read_kernel_str(event->path, sizeof(event->path),
				      BPF_CORE_READ(program, filename)) == sizeof(event->path))
		event->head.flags |= EVENT_CUT;
}

static __always_inline void fill_args(struct started *event, __u64 from, __u64 bytes)
{
	if (bpf_probe_read_user(event->args, bytes, (void *)from)) {
		count_add(COUNT_LOST_READ);
		event->head.flags |= EVENT_CUT;
	}
}

static __always_inline int on_exec(struct linux_binprm *program)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct of_cgroup key = {.cgroup = item_by >= BY_CONTAINER ? cgroup_of(task) : 0};
	__u64 from = BPF_CORE_READ(task, mm, arg_start);
	__u64 bytes = BPF_CORE_READ(task, mm, arg_end) - from;
	struct started *event;

	if (!filter_current())
		return 0;
	counter_add(&execs, &key, 1);
	if (bytes < SHORT_ARGS_BYTES) {
		event = emit_reserve(1, SHORT_EVENT_BYTES);
		if (!event)
			return 0;
		begin_event(event, task);
		fill_program(event, program);
		fill_args(event, from, bytes);
		emit_submit(event);
		return 0;
	}
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	begin_event(event, task);
	__builtin_memset(event->args + SHORT_ARGS_BYTES, 0, ARGS_BYTES - SHORT_ARGS_BYTES);
	fill_program(event, program);
	if (bytes >= ARGS_BYTES) {
		bytes = ARGS_BYTES - 1;
		event->head.flags |= EVENT_CUT;
	}
	fill_args(event, from, bytes);
	emit_submit(event);
	return 0;
}

/*
 * argv of a call that failed lies in the caller's memory, each argument anywhere. When the call failed before
 * the kernel looked at them, one may lie in a page that was never touched: then the event says that it is cut.
 */
static __always_inline void read_failed_args(struct started *event, const char *const *argv)
{
	__u32 at = 0;

	for (int i = 0; i < FAILED_ARGS; i++) {
		const char *arg = 0;
		long len;

		if (bpf_probe_read_user(&arg, sizeof(arg), argv + i))
			break;
		if (!arg)
			return;
		event->argc++;
		if (at >= ARGS_BYTES - FAILED_ARG_BYTES)
			break;
		len = bpf_probe_read_user_str(&event->args[at], FAILED_ARG_BYTES, arg);
		if (len < 0)
			break;
		if (len == FAILED_ARG_BYTES)
			event->head.flags |= EVENT_CUT;
		at += len & (2 * FAILED_ARG_BYTES - 1);
	}
	event->head.flags |= EVENT_CUT;
}

static __always_inline int on_failure(long result, const char *path, const char *const *argv)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct failure key = {.errno = -result};
	struct started *event;

	if (item_by >= BY_CONTAINER)
		key.cgroup = cgroup_of(task);
	counter_add(&failed, &key, 1);
	if (!failures)
		return 0;
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	begin_event(event, task);
	__builtin_memset(event->args + SHORT_ARGS_BYTES, 0, ARGS_BYTES - SHORT_ARGS_BYTES);
	event->errno = -result;
	if (bpf_probe_read_user_str(event->path, sizeof(event->path), path) < 0) {
		count_add(COUNT_LOST_READ);
		event->path[0] = 0;
	}
	read_failed_args(event, argv);
	emit_submit(event);
	return 0;
}

static __always_inline int on_execve_exit(struct pt_regs *regs, long result)
{
	if (result >= 0 || !filter_current())
		return 0;
	return on_failure(result, (const char *)BPF_CORE_READ(regs, ARCH_ARG1_FIELD),
			  (const char *const *)BPF_CORE_READ(regs, ARCH_ARG2_FIELD));
}

static __always_inline int on_execveat_exit(struct pt_regs *regs, long result)
{
	if (result >= 0 || !filter_current())
		return 0;
	return on_failure(result, (const char *)BPF_CORE_READ(regs, ARCH_ARG2_FIELD),
			  (const char *const *)BPF_CORE_READ(regs, ARCH_ARG3_FIELD));
}

/* Is this the first thread that says the process has ended? Most processes never had a second one. */
static __always_inline bool report_once(struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u64 start_time = BPF_CORE_READ(task, group_leader, start_time), *before;

	if (!thread_was_last(task))
		return false;
	before = bpf_map_lookup_elem(&reported, &tgid);
	if (before && *before == start_time)
		return false;
	if (before)
		bpf_map_delete_elem(&reported, &tgid); /* of another process that had this pid */
	if (BPF_CORE_READ(task, signal, nr_threads) <= 1)
		return true; /* the others, if there were any, have been here and are gone */
	return bpf_map_update_elem(&reported, &tgid, &start_time, BPF_NOEXIST) != -EEXIST;
}

enum { SIGNAL_GROUP_EXIT = 4 }; /* signal_struct.flags: group_exit_code says how all threads end */

static __always_inline int on_end(struct task_struct *task)
{
	struct ended *event;
	__u32 status;

	if (!exits || !filter_current())
		return 0;
	event = emit_reserve(2, sizeof(*event));
	if (!event)
		return 0;
	fill_who(&event->who, task);
	/* as wait_task_zombie() chooses it */
	status = BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT
			 ? BPF_CORE_READ(task, signal, group_exit_code)
			 : BPF_CORE_READ(task, group_leader, exit_code);
	event->exit_code = status >> 8 & 0xff;
	event->signal = status & 0x7f;
	event->core = status & 0x80;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	event->duration_ns = event->head.ktime_ns - BPF_CORE_READ(task, group_leader, start_time);
	emit_submit(event);
	return 0;
}

#define EXEC_ARGS "struct task_struct *,pid_t,struct linux_binprm *"

HOOK_PROTO("tp_btf/sched_process_exec", exec, 1, EXEC_ARGS)
int BPF_PROG(exec, struct task_struct *task, int old_pid, struct linux_binprm *program)
{
	return on_exec(program);
}

HOOK_PROTO("raw_tp/sched_process_exec", exec, 2, EXEC_ARGS)
int BPF_PROG(exec_raw, struct task_struct *task, int old_pid, struct linux_binprm *program)
{
	return on_exec(program);
}

HOOK("tp/syscalls/sys_exit_execve", execve_exit, 1)
int execve_exit(struct trace_event_raw_sys_exit *event)
{
	return on_execve_exit(current_regs(), event->ret);
}

HOOK_PROTO("raw_tp/sys_exit", execve_exit, 2, "struct pt_regs *,long int")
int BPF_PROG(execve_exit_raw, struct pt_regs *regs, long result)
{
	if (BPF_CORE_READ(regs, ARCH_NR_FIELD) != ARCH_NR_execve)
		return 0;
	return on_execve_exit(regs, result);
}

HOOK("tp/syscalls/sys_exit_execveat", execveat_exit, 1)
int execveat_exit(struct trace_event_raw_sys_exit *event)
{
	return on_execveat_exit(current_regs(), event->ret);
}

HOOK_PROTO("raw_tp/sys_exit", execveat_exit, 2, "struct pt_regs *,long int")
int BPF_PROG(execveat_exit_raw, struct pt_regs *regs, long result)
{
	if (BPF_CORE_READ(regs, ARCH_NR_FIELD) != ARCH_NR_execveat)
		return 0;
	return on_execveat_exit(regs, result);
}

/* With 6.16 the tracepoint says whether it was the last thread. */
#define END_ARGS     "struct task_struct *,bool"
#define END_ARGS_OLD "struct task_struct *"

HOOK_PROTO("tp_btf/sched_process_exit", end, 1, END_ARGS)
int BPF_PROG(end, struct task_struct *task, bool group_dead)
{
	return group_dead ? on_end(task) : 0;
}

HOOK_PROTO("tp_btf/sched_process_exit", end, 2, END_ARGS_OLD)
int BPF_PROG(end_old, struct task_struct *task)
{
	return report_once(task) ? on_end(task) : 0;
}

HOOK_PROTO("raw_tp/sched_process_exit", end, 3, END_ARGS)
int BPF_PROG(end_raw, struct task_struct *task, bool group_dead)
{
	return group_dead ? on_end(task) : 0;
}

HOOK_PROTO("raw_tp/sched_process_exit", end, 4, END_ARGS_OLD)
int BPF_PROG(end_raw_old, struct task_struct *task)
{
	return report_once(task) ? on_end(task) : 0;
}

static __always_inline int on_free(struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);

	if (thread_ends_process(task))
		bpf_map_delete_elem(&reported, &tgid); /* fails when it was not needed */
	return 0;
}

HOOK_PROTO("tp_btf/sched_process_free", free, 1, "struct task_struct *")
int BPF_PROG(process_free, struct task_struct *task)
{
	return on_free(task);
}

HOOK_PROTO("raw_tp/sched_process_free", free, 2, "struct task_struct *")
int BPF_PROG(process_free_raw, struct task_struct *task)
{
	return on_free(task);
}
