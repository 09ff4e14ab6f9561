// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk - how long requests to block devices wait and are served, which fail, and which processes cause I/O.
 *
 * A request's life: made (start_time_ns), held back by plug and scheduler, handed to the driver
 * (block_rq_issue), finished (block_rq_complete). `queue` is the time from made to issued, `service` the time from
 * issued to finished; their sum is iostat's await. Both are counted by device and operation, read,
 * write, flush and discard being grouped as in /proc/diskstats: write-zeroes is a write, and so on. (One
 * difference: a write without data that only asks for a flush counts here as the flush it becomes.)
 * Commands that are no I/O (SCSI and NVMe passthrough) do not count. Devices that map bios to other devices
 * (dm, md) make no requests: they are in /proc/diskstats only, which the user half, disk.c, reads: bytes,
 * operations, what is in flight and for how long the device was busy, and file systems.
 *
 * By process: bytes that had to come from or go to storage, as in /proc/PID/io (read_bytes, write_bytes). A write
 * counts with the process that made the page dirty, when it does so. These are sums that the kernel keeps
 * (threads.bpf.h).
 */
#include "kernel/compat.bpf.h"
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"

ITEM("disk", "on",
     "block devices: time in queue and in service, errors, bytes by device and process, file "
     "systems");

enum op { OP_READ, OP_WRITE, OP_FLUSH, OP_DISCARD };

struct request_kind {
	__u32 device COL("dev");
	__u32 op COL_OPT("enum", "enum=0:read,1:write,2:flush,3:discard");
};

METRIC_HISTOGRAM(service, struct request_kind, 1024,
		 "name=disk_service;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time from "
		 "handing a request to "
		 "the driver to its end");
METRIC_HISTOGRAM(queue, struct request_kind, 1024,
		 "name=disk_queue;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time from "
		 "making a request to "
		 "handing it to the driver");
METRIC_COUNTER(errors, struct request_kind, 1024, "name=disk_errors;help=requests that failed");

/* request -> when it was issued (ktime, ns). Deleted when it is complete. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} issued SEC(".maps");

/* include/linux/blk_types.h: the operation is the low byte of cmd_flags; odd ones write; from 32 on they are no I/O */
enum { REQ_OP_MASK = 0xff, REQ_OP_FLUSH = 2, REQ_OP_DISCARD = 3, REQ_OP_PASSTHROUGH = 32 };

static __always_inline bool kind_of(bool typed, struct request *request, struct request_kind *ret)
{
	__u32 op = READ_FIELD(typed, request, cmd_flags) & REQ_OP_MASK;

	if (op >= REQ_OP_PASSTHROUGH)
		return false;
	ret->op = op == REQ_OP_FLUSH ? OP_FLUSH : op == REQ_OP_DISCARD ? OP_DISCARD : op & 1;
	ret->device = read_request_dev(request);
	return true;
}

static __always_inline int on_issue(bool typed, struct request *request)
{
	__u64 now = bpf_ktime_get_ns(), key = (__u64)request, made, *before;
	struct request_kind kind;

	if (!kind_of(typed, request, &kind))
		return 0;
	before = bpf_map_lookup_elem(&issued, &key);
	if (before) { /* it was issued already and put back: the queue counts once, the service anew */
		*before = now;
		return 0;
	}
	made = READ_FIELD(typed, request, start_time_ns); /* 0: the device keeps no statistics */
	if (made && made < now)
		histogram_add(&queue, &kind, now - made);
	map_set(&issued, &key, &now, BPF_ANY);
	return 0;
}

/* Called for every part of a request that is complete: the last one finishes it. */
static __always_inline int on_complete(bool typed, struct request *request, int error, __u32 bytes)
{
	__u64 now = bpf_ktime_get_ns(), key = (__u64)request,
	      *since = bpf_map_lookup_elem(&issued, &key);
	struct request_kind kind;

	if (!since || bytes < READ_FIELD(typed, request, __data_len))
		return 0;
	if (kind_of(typed, request, &kind)) {
		histogram_add(&service, &kind, now - *since);
		if (error)
			counter_add(&errors, &kind, 1);
	}
	bpf_map_delete_elem(&issued, &key);
	return 0;
}

/* Before a54895fa057c ("block: remove the request_queue argument to request based tracepoints"), 5.11, the queue came first. */
#define ISSUE_ARGS     "struct request *"
#define ISSUE_ARGS_OLD "struct request_queue *,struct request *"

HOOK_PROTO("tp_btf/block_rq_issue", issue, 1, ISSUE_ARGS)
int BPF_PROG(issue, struct request *request)
{
	return on_issue(true, request);
}

HOOK_PROTO("tp_btf/block_rq_issue", issue, 2, ISSUE_ARGS_OLD)
int BPF_PROG(issue_old, struct request_queue *queue, struct request *request)
{
	return on_issue(true, request);
}

HOOK_PROTO("raw_tp/block_rq_issue", issue, 3, ISSUE_ARGS)
int BPF_PROG(issue_raw, struct request *request)
{
	return on_issue(false, request);
}

HOOK_PROTO("raw_tp/block_rq_issue", issue, 4, ISSUE_ARGS_OLD)
int BPF_PROG(issue_raw_old, struct request_queue *queue, struct request *request)
{
	return on_issue(false, request);
}

/* The second argument is an errno up to 5.15 and a blk_status_t since: either is 0 when all went well. */
#define COMPLETE_ARGS     "struct request *,blk_status_t,unsigned int"
#define COMPLETE_ARGS_OLD "struct request *,int,unsigned int"

HOOK_PROTO("tp_btf/block_rq_complete", complete, 1, COMPLETE_ARGS)
int BPF_PROG(complete, struct request *request, __u8 error, unsigned int bytes)
{
	return on_complete(true, request, error, bytes);
}

HOOK_PROTO("tp_btf/block_rq_complete", complete, 2, COMPLETE_ARGS_OLD)
int BPF_PROG(complete_old, struct request *request, int error, unsigned int bytes)
{
	return on_complete(true, request, error, bytes);
}

HOOK_PROTO("raw_tp/block_rq_complete", complete, 3, COMPLETE_ARGS)
int BPF_PROG(complete_raw, struct request *request, __u8 error, unsigned int bytes)
{
	return on_complete(false, request, error, bytes);
}

HOOK_PROTO("raw_tp/block_rq_complete", complete, 4, COMPLETE_ARGS_OLD)
int BPF_PROG(complete_raw_old, struct request *request, int error, unsigned int bytes)
{
	return on_complete(false, request, error, bytes);
}

#define BYTES                                                                                      \
	"name=disk_process;unit=bytes;help=bytes that processes caused to be read and "            \
	"written;labels=op="

struct used {
	__u64 read_bytes COUNTER(BYTES "read") COL("bytes");
	__u64 write_bytes COUNTER(BYTES "write") COL("bytes");
};

struct row {
	struct owner owner;
	struct used moved;
};

TABLE(1, "process_io", struct row, "gone=drop");

struct sums {
	struct used moved;
};

#include "kernel/threads.bpf.h"

/* Kernels without CONFIG_TASK_IO_ACCOUNTING don't. */
static __always_inline bool is_counted(struct task_struct *task)
{
	return bpf_core_field_exists(task->ioac.read_bytes);
}

static __always_inline void add_thread(struct sums *sums, struct task_struct *thread)
{
	sums->moved.read_bytes += BPF_CORE_READ(thread, ioac.read_bytes);
	sums->moved.write_bytes += BPF_CORE_READ(thread, ioac.write_bytes);
}

static __always_inline void add_dead(struct sums *sums, struct signal_struct *signal)
{
	sums->moved.read_bytes += BPF_CORE_READ(signal, ioac.read_bytes);
	sums->moved.write_bytes += BPF_CORE_READ(signal, ioac.write_bytes);
}

static __always_inline struct used used_of(const struct sums *sums)
{
	return sums->moved;
}

static __always_inline struct used used_since(const struct used *now, const struct used *before)
{
	return (struct used){
		.read_bytes = now->read_bytes - before->read_bytes,
		.write_bytes = now->write_bytes - before->write_bytes,
	};
}

static __always_inline int write_row(bool loops, struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task;
	struct threads threads;
	struct row row = {};

	if (!threads_of(loops, task, &threads) || is_nothing(&threads.sums.moved))
		return 0; /* most processes never touch a disk */
	row.owner = owner_of(task);
	row.moved = threads.sums.moved;
	bpf_seq_write(iterator->meta->seq, &row, sizeof(row)); /* full: the kernel calls again */
	return 0;
}

HOOK("iter/task", process_io, 1)
int process_io_table(struct bpf_iter__task *iterator)
{
	return write_row(true, iterator);
}

HOOK("iter/task", process_io, 2)
int process_io_table_old(struct bpf_iter__task *iterator)
{
	return write_row(false, iterator);
}
