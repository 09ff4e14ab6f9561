// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_top - which files are read and written, by whom, how often and how much.
 *
 * A file is told by its device and number, and by the last part of its path. Off by default, because every read and write of
 * the machine pays for it. The table is what it is for; where more files are used than it has room for, the
 * rest is counted together.
 */
#include "kernel/file_calls.bpf.h"

ITEM("disk", "off", "files that are read and written: calls and bytes by file and process");

struct used_file {
	struct owner owner;
	__u64 inode COL("count");
	__u32 device COL("dev");
	__u32 op COL_OPT("enum", "enum=1:read,2:write");
	char file[40] COL_OPT("text", "help=last part of its path");
};

struct used {
	__u64 calls COUNTER("name=file_top_calls;help=reads and writes of a file") COL("count");
	__u64 bytes COUNTER("name=file_top;unit=bytes;help=bytes read from and written to a file")
		COL("bytes");
};
METRICS(file_top, struct used_file, struct used, 8192);

static __always_inline void file_call_ended(__u32 op, struct file *file, __u64 bytes, __u64 took_ns)
{
	static const struct used none;
	struct used_file key = {
		.owner = read_owner_of_current(),
		.inode = BPF_CORE_READ(file, f_inode, i_ino),
		.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev),
		.op = op,
	};
	struct used *used;

	file_read_name(file, key.file, sizeof(key.file));
	used = map_get_or_add(&file_top, &key, &none);
	if (!used)
		return;
	__sync_fetch_and_add(&used->calls, 1);
	__sync_fetch_and_add(&used->bytes, bytes);
}
