// SPDX-License-Identifier: GPL-2.0-only
/*
 * filelife - files that were made and deleted again: how long they lived, who made them, who deleted them.
 *
 * A program that makes and deletes files all day long (temporary files, lock files, builds) makes a file system write what
 * nobody reads. That a file was made tells the open file itself (FMODE_CREATED, 4.19) when the call that opened it ends.
 * Its deletion is seen where every file system passes, by a function; where functions can't be hooked, by ext4's own
 * tracepoint. The file is known by its inode, so renaming it does not matter; a file whose other name still stands has
 * not ended. Files replaced by a rename, and those made by mknod or io_uring, are not seen.
 */
#include "kernel/calls.bpf.h"
#include "kernel/emit.bpf.h"
#include "kernel/file.bpf.h"

ITEM("disk", "off", "files that were made and deleted: how long they lived");
PARAM(__u64, max_ms, 0,
      "records only of files that lived at most so long, in milliseconds; 0: of all");

METRIC_HISTOGRAM(filelife, struct owner, 8192,
		 "unit=seconds;scale=1e-9;buckets=log2:16us..128s;help=time from making a file to "
		 "deleting it, by who deleted it");

struct filelife_event {
	struct event_head head;
	struct owner owner;
	__u64 age_ns COL_OPT("ns", "help=from making it to deleting it");
	__u32 maker_pid COL_OPT("number", "help=process that made it");
	__u32 pad;
	char comm[16] COL("comm");
	char file[64] COL_OPT("text", "help=last part of its path");
};
EVENTS(256 * 1024);
EVENT(1, "filelife", struct filelife_event);

struct birth {
	__u64 when; /* ktime, ns */
	__u64 number; /* of the inode: its address may be another file's by now */
	__u32 device;
	__u32 pid;
};

/* inode (address) -> when the file was made. Deleted with the file; the oldest make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct birth);
} births SEC(".maps");

struct file___mode {
	unsigned int f_mode;
} __attribute__((preserve_access_index));

enum { FMODE_CREATED = 1 << 20 }; /* include/linux/fs.h */
enum { OPEN = 1, OPENAT, OPENAT2, CREAT };

static __always_inline bool was_created(struct file *file)
{
	return BPF_CORE_READ((struct file___mode *)file, f_mode) & FMODE_CREATED;
}

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct file *file = result < 0 ? 0 : file_of(result);
	struct birth birth = {};
	struct inode *inode;
	__u64 key;

	if (!file || !was_created(file))
		return;
	inode = BPF_CORE_READ(file, f_inode);
	birth.when = call->since;
	birth.number = BPF_CORE_READ(inode, i_ino);
	birth.device = BPF_CORE_READ(inode, i_sb, s_dev);
	birth.pid = bpf_get_current_pid_tgid() >> 32;
	key = (__u64)inode;
	map_set(&births, &key, &birth, BPF_ANY);
}

CALL_OPTIONAL(open, OPEN) /* (arm64 has none) */
CALL(openat, OPENAT)
CALL_OPTIONAL(openat2, OPENAT2)
CALL_OPTIONAL(creat, CREAT)

static __always_inline void tell(struct dentry *dentry, const struct birth *birth, __u64 age_ns)
{
	struct filelife_event *event;

	if (max_ms && age_ns > max_ms * 1000000)
		return;
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->age_ns = age_ns;
	event->maker_pid = birth->pid;
	event->pad = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	if (bpf_probe_read_kernel_str(event->file, sizeof(event->file),
				      BPF_CORE_READ(dentry, d_name.name)) < 0)
		count_add(COUNT_LOST_READ);
	emit_submit(event);
}

static __always_inline int on_unlink(struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct birth *birth, known;
	struct owner owner;
	__u64 key = (__u64)inode, age_ns;

	if (!inode || BPF_CORE_READ(inode, i_nlink) != 1 || !filter_current())
		return 0;
	birth = bpf_map_lookup_elem(&births, &key);
	if (!birth || birth->number != BPF_CORE_READ(inode, i_ino) ||
	    birth->device != BPF_CORE_READ(inode, i_sb, s_dev))
		return 0;
	known = *birth;
	bpf_map_delete_elem(&births, &key);
	age_ns = bpf_ktime_get_ns() - known.when;
	owner = read_owner_of_current();
	histogram_add(&filelife, &owner, age_ns);
	tell(dentry, &known, age_ns);
	return 0;
}

/*
 * vfs_unlink(dir, dentry, ...); since 6521f8917082 ("namei: prepare for idmapped mounts"), 5.12, whose ids are meant comes
 * first, as came, with 9fe61450972d, struct renamedata.
 */
struct renamedata {
} __attribute__((preserve_access_index));

static __always_inline int on_vfs_unlink(void *second, void *third)
{
	return on_unlink(bpf_core_type_exists(struct renamedata) ? third : second);
}

HOOK("fentry/vfs_unlink", unlink, 1)
int BPF_PROG(vfs_unlink, void *first, void *second, void *third)
{
	return on_vfs_unlink(second, third);
}

HOOK("kprobe/vfs_unlink", unlink, 2)
int BPF_KPROBE(vfs_unlink_kprobe, void *first, void *second, void *third)
{
	return on_vfs_unlink(second, third);
}

HOOK_PROTO("tp_btf/ext4_unlink_enter", unlink, 3, "struct inode *,struct dentry *")
int BPF_PROG(ext4_unlink, struct inode *folder, struct dentry *dentry)
{
	return on_unlink(dentry);
}
