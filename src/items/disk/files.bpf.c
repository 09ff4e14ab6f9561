// SPDX-License-Identifier: GPL-2.0-only
/*
 * files - open descriptors of processes, by what they refer to, and how many each process may have.
 *
 * The iterator walks every descriptor of every process when somebody asks (0.5 us each, measured); nothing
 * runs otherwise. A process with 100,000 sockets makes one row, not 100,000: descriptors are counted by type in a slot of
 * an array, and when the walk comes to the next process (or to its end) the rows of the one before are
 * written. The kernel calls the program again with the same descriptor when the rows did not fit its
 * buffer, so a descriptor is counted after they did. Threads share descriptors: their process
 * is visited once, and a thread that has a table of its own (clone without CLONE_FILES) as often as it has.
 *
 * What an anonymous file is (epoll, eventfd ...) only its name tells: "[eventpoll]".
 *
 * The host's figures, /proc/sys/fs/file-nr, are in the user half, files.c.
 */
#include "kernel/filter.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

ITEM("disk", "on", "open descriptors by type and process, their limit, and those of the host");

enum type {
	TYPE_FILE,
	TYPE_DIRECTORY,
	TYPE_SOCKET,
	TYPE_PIPE,
	TYPE_DEVICE,
	TYPE_EPOLL,
	TYPE_EVENTFD,
	TYPE_TIMERFD,
	TYPE_SIGNALFD,
	TYPE_INOTIFY,
	TYPE_PIDFD,
	TYPE_BPF,
	TYPE_PERF,
	TYPE_IO_URING,
	TYPE_OTHER,
	TYPES,
};

#define TYPE_NAMES                                                                                 \
	"enum=0:file,1:directory,2:socket,3:pipe,4:device,5:epoll,6:eventfd,7:timerfd,8:signalfd," \
	"9:inotify,10:pidfd,11:bpf,12:perf,13:io_uring,14:other"

struct open_row {
	struct owner owner;
	__u32 type COL_OPT("enum", TYPE_NAMES);
	__u32 pad;
	__u64 open GAUGE("name=files_open;help=open descriptors") COL("count");
};

TABLE(1, "files", struct open_row, "gone=drop");

struct limit_row {
	struct owner owner;
	__u64 limit
		GAUGE("name=files_limit;help=descriptors that may be open (soft limits, summed)")
			COL("count");
	__u64 near
		GAUGE("name=files_near_limit;help=processes with 80 % of their limit open, or more")
			COL("count");
};

TABLE(2, "limits", struct limit_row, "gone=drop");

/* The process that the walk is at. */
struct walk {
	__u64 session; /* which walk it is: readers that gave up leave theirs behind */
	struct owner owner;
	__u32 tid, tgid; /* 0 = at none */
	__u64 is_wanted; /* 0: the filter turned it away */
	__u64 limit;
	__u64 open[TYPES];
};

/* [0]. Readers come one after the other (the agent's loop). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} walking SEC(".maps");

/* tgid -> 1: processes that the walk found near their limit. Taken, and deleted, by the next walk over limits. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} near_limit SEC(".maps");

enum { RLIMIT_NOFILE = 7 }; /* include/uapi/asm-generic/resource.h */

enum { /* include/uapi/linux/magic.h */
       ANON_INODE_MAGIC = 0x09041934,
       PIDFS_MAGIC = 0x50494446, /* cb12fd8e0dab ("pidfd: add pidfs"), 6.9 */
};

enum {
	S_IFMT = 0170000,
	S_IFSOCK = 0140000,
	S_IFDIR = 0040000,
	S_IFBLK = 0060000,
	S_IFCHR = 0020000,
	S_IFIFO = 0010000
};

/* (The compiler would call memcmp, which BPF does not have.) */
static __always_inline bool starts(const char *name, const char *text)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < 8 && text[i]; i++)
		if (name[i] != text[i])
			return false;
	return true;
}

/* The kernel's names of anonymous files: "[eventpoll]", "inotify", "bpf-map". */
static __always_inline enum type type_of_name(const unsigned char *from)
{
	char name[16] = {};

	bpf_probe_read_kernel(name, 1, from);
	if (bpf_probe_read_kernel_str(name, sizeof(name), from + (name[0] == '[')) < 0)
		count_add(COUNT_LOST_READ);
	if (starts(name, "eventpol"))
		return TYPE_EPOLL;
	if (starts(name, "eventfd"))
		return TYPE_EVENTFD;
	if (starts(name, "timerfd"))
		return TYPE_TIMERFD;
	if (starts(name, "signalfd"))
		return TYPE_SIGNALFD;
	if (starts(name, "inotify"))
		return TYPE_INOTIFY;
	if (starts(name, "pidfd"))
		return TYPE_PIDFD;
	if (starts(name, "bpf"))
		return TYPE_BPF;
	if (starts(name, "perf"))
		return TYPE_PERF;
	if (starts(name, "io_uring"))
		return TYPE_IO_URING;
	return TYPE_OTHER;
}

/* (Anonymous inodes have the mode of regular files since 6.16: the file system is asked first.) */
static __always_inline enum type type_of(struct file *file)
{
	unsigned long magic = file->f_inode->i_sb->s_magic;

	if (magic == PIDFS_MAGIC)
		return TYPE_PIDFD;
	if (magic == ANON_INODE_MAGIC)
		return type_of_name(file->f_path.dentry->d_name.name);
	switch (file->f_inode->i_mode & S_IFMT) {
	case S_IFSOCK: return TYPE_SOCKET;
	case S_IFIFO: return TYPE_PIPE;
	case S_IFDIR: return TYPE_DIRECTORY;
	case S_IFCHR:
	case S_IFBLK: return TYPE_DEVICE;
	default: return TYPE_FILE;
	}
}

/* Writes what was counted so far. False when it did not fit: the kernel throws it away and calls again. */
static __always_inline bool write_rows(struct seq_file *seq, const struct walk *walk)
{
	struct open_row row = {.owner = walk->owner};

	for (__u32 type = 0; walk->is_wanted && type < TYPES; type++) {
		if (!walk->open[type])
			continue;
		row.type = type;
		row.open = walk->open[type];
		if (bpf_seq_write(seq, &row, sizeof(row)))
			return false;
	}
	return true;
}

static __always_inline void begin_process(struct walk *walk, __u64 session,
					  struct task_struct *task)
{
	__builtin_memset(walk, 0, sizeof(*walk));
	walk->session = session;
	if (!task)
		return;
	walk->tid = task->pid;
	walk->tgid = task->tgid;
	if (!filter_task(task))
		return;
	walk->is_wanted = 1;
	walk->limit = BPF_CORE_READ(task, signal, rlim[RLIMIT_NOFILE].rlim_cur);
	walk->owner = owner_of(task);
}

/* Writes what is known of the process that the walk leaves. False: it will have to be done again. */
static __always_inline bool end_process(struct walk *walk, struct seq_file *seq)
{
	__u64 open = 0;
	__u32 one = 1;

	if (!write_rows(seq, walk))
		return false;
	for (__u32 type = 0; type < TYPES; type++)
		open += walk->open[type];
	if (walk->is_wanted && open >= walk->limit - walk->limit / 5)
		map_set(&near_limit, &walk->tgid, &one, BPF_ANY);
	return true;
}

HOOK("iter/task_file", files, 1)
int files_table(struct bpf_iter__task_file *iterator)
{
	struct task_struct *task = iterator->task;
	struct file *file = iterator->file;
	__u64 session = iterator->meta->session_id;
	__u32 zero = 0;
	struct walk *walk = bpf_map_lookup_elem(&walking, &zero);
	enum type type;

	if (!walk)
		return 0;
	if (walk->session != session)
		begin_process(walk, session, task);
	if (!task || !file) { /* the end of the walk */
		if (end_process(walk, iterator->meta->seq))
			walk->session = 0;
		return 0;
	}
	if (walk->tid != (__u32)task->pid) {
		if (!end_process(walk, iterator->meta->seq))
			return 0;
		begin_process(walk, session, task);
	}
	if (!walk->is_wanted)
		return 0;
	type = type_of(file);
	if (type < TYPES) /* for the verifier */
		walk->open[type]++;
	return 0;
}

HOOK("iter/task", limits, 1)
int limits_table(struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task;
	struct limit_row row = {};
	__u32 tgid;

	if (!task || task->pid != task->tgid || task->flags & PF_KTHREAD || !filter_task(task))
		return 0;
	tgid = task->tgid;
	row.owner = owner_of(task);
	row.limit = BPF_CORE_READ(task, signal, rlim[RLIMIT_NOFILE].rlim_cur);
	row.near = bpf_map_lookup_elem(&near_limit, &tgid) != 0;
	if (bpf_seq_write(iterator->meta->seq, &row, sizeof(row)))
		return 0; /* it is full: the kernel calls again */
	if (row.near)
		bpf_map_delete_elem(&near_limit, &tgid);
	return 0;
}
