// SPDX-License-Identifier: GPL-2.0-only
/*
 * fs - how long reads, writes and syncs of files take, by file system; and each one that was slow.
 *
 * The time of the whole system call: what a process waits for, whether the page cache answered or a disk.
 * Off by default, because every read and write of the machine pays for it.
 */
#include "kernel/emit.bpf.h"
#include "kernel/file_calls.bpf.h"

ITEM("disk", "off", "time of reads, writes and syncs of files, by file system, and slow ones");
PARAM(__u64, slow_us, 10000, "a record of each that took at least this, in microseconds");

#define OPERATIONS "enum=1:read,2:write,3:sync"

struct operation {
	struct owner owner;
	char filesystem[12] COL("text");
	__u32 op COL_OPT("enum", OPERATIONS);
};

METRIC_HISTOGRAM_GROWING(
	fs, struct operation, 16384,
	"unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time of a read, write or "
	"sync of a file");

struct slow_operation {
	struct event_head head;
	struct owner owner;
	__u64 duration_ns COL("ns");
	__u64 moved_bytes COL("bytes");
	char comm[16] COL("comm");
	char filesystem[12] COL("text");
	__u32 op COL_OPT("enum", OPERATIONS);
	char file[64] COL_OPT("text", "help=last part of its path");
};
EVENTS(256 * 1024);
EVENT(1, "slow_operation", struct slow_operation);

static __always_inline void tell(const struct operation *operation, struct file *file, __u64 bytes,
				 __u64 took_ns)
{
	struct slow_operation *event = emit_reserve(1, sizeof(*event));

	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->duration_ns = took_ns;
	event->moved_bytes = operation->op == FILE_SYNC ? 0 : bytes;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	__builtin_memcpy(event->filesystem, operation->filesystem, sizeof(event->filesystem));
	event->op = operation->op;
	file_read_name(file, event->file, sizeof(event->file));
	emit_submit(event);
}

static __always_inline void file_call_ended(__u32 op, struct file *file, __u64 bytes, __u64 took_ns)
{
	struct operation operation = {.owner = read_owner_of_current(), .op = op};

	file_read_type(file, operation.filesystem, sizeof(operation.filesystem));
	histogram_add(&fs, &operation, took_ns);
	if (took_ns >= slow_us * 1000)
		tell(&operation, file, bytes, took_ns);
}

CALL(fsync, FILE_SYNC)
CALL(fdatasync, FILE_SYNC)
