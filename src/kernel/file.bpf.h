/* SPDX-License-Identifier: GPL-2.0-only */
/* file - the file that a descriptor of the running process refers to, and what can be said of it. */
#pragma once

#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

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
