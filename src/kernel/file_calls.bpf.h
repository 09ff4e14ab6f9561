/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file_calls - reads and writes of files by system calls: which file, how many bytes, how long.
 *
 * The file is found by its descriptor when the call ends, when it still is what was read or written (unless another thread
 * closed it meanwhile: then the call is not counted). Sockets, pipes and devices are left out: their waits are no
 * file system's. What bypasses these calls is not seen: io_uring, sendfile, mapped files.
 */
#pragma once

#include "kernel/calls.bpf.h"

enum { FILE_READ = 1, FILE_WRITE, FILE_SYNC };

enum {
	S_IFMT = 0170000,
	S_IFREG = 0100000,
	S_IFDIR = 0040000,
};

struct file_system_type {
	const char *name;
} __attribute__((preserve_access_index));

struct super_block___type {
	struct file_system_type *s_type;
} __attribute__((preserve_access_index));

/* A file that a descriptor of the running process refers to; NULL = none. */
static __always_inline struct file *file_of(__u32 descriptor)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + descriptor);
	return file;
}

static __always_inline bool file_is_regular(struct file *file)
{
	return (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFREG;
}

/* "ext4", "tmpfs" ... */
static __always_inline void file_read_type(struct file *file, char *out, __u32 room)
{
	struct super_block___type *super = (void *)BPF_CORE_READ(file, f_inode, i_sb);

	if (bpf_probe_read_kernel_str(out, room, BPF_CORE_READ(super, s_type, name)) < 0)
		count_add(COUNT_LOST_READ);
}

/* The last part of its path. */
static __always_inline void file_read_name(struct file *file, char *out, __u32 room)
{
	if (bpf_probe_read_kernel_str(out, room, BPF_CORE_READ(file, f_path.dentry, d_name.name)) <
	    0)
		count_add(COUNT_LOST_READ);
}

/* A call on a regular file has ended well. */
static __always_inline void file_call_ended(__u32 operation, struct file *file, __u64 bytes,
					    __u64 took_ns);

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct file *file;

	if (result < 0)
		return;
	file = file_of(call->argument[0]);
	if (file && file_is_regular(file))
		file_call_ended(call->what, file, result, took_ns);
}

CALL(read, FILE_READ)
CALL(pread64, FILE_READ)
CALL(readv, FILE_READ)
CALL(preadv, FILE_READ)
CALL(write, FILE_WRITE)
CALL(pwrite64, FILE_WRITE)
CALL(writev, FILE_WRITE)
CALL(pwritev, FILE_WRITE)
