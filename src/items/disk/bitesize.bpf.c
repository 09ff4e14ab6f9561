// SPDX-License-Identifier: GPL-2.0-only
/* bitesize - how big requests to block devices are, and whether they follow each other on the device or jump. */
#include "kernel/compat.bpf.h"
#include "kernel/read.bpf.h"

ITEM("disk", "off", "size of requests to block devices, and whether they jump");

/* include/linux/blk_types.h */
enum { REQ_OP_MASK = 0xff, REQ_OP_WRITE = 1, SECTOR_BYTES = 512 };

struct kind {
	__u32 device COL("dev");
	__u32 op COL_OPT("enum", "enum=0:read,1:write");
};

METRIC_HISTOGRAM(bitesize, struct kind, 1024,
		 "unit=bytes;buckets=log2:512..16777216;help=bytes of a request");

struct step {
	__u32 device COL("dev");
	__u32 op COL_OPT("enum", "enum=0:read,1:write");
	__u32 order COL_OPT("enum", "enum=0:random,1:sequential");
};

METRIC_COUNTER(pattern, struct step, 2048,
	       "name=bitesize_requests;help=requests that began where the one before had ended "
	       "(sequential), or elsewhere");

/* device -> the sector after its last request. One for each device that there ever was. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} ends SEC(".maps");

static __always_inline void note_order(const struct kind *kind, __u64 sector, __u32 bytes)
{
	struct step step = {.device = kind->device, .op = kind->op};
	__u64 end = sector + bytes / SECTOR_BYTES,
	      *before = bpf_map_lookup_elem(&ends, &step.device);

	step.order = before && *before == sector;
	counter_add(&pattern, &step, 1);
	if (before)
		*before = end; /* several CPUs may be here: then the order was anybody's */
	else
		map_set(&ends, &step.device, &end, BPF_ANY);
}

static __always_inline int on_issue(bool typed, struct request *request)
{
	__u32 op = READ_FIELD(typed, request, cmd_flags) & REQ_OP_MASK,
	      bytes = READ_FIELD(typed, request, __data_len);
	struct kind kind = {.op = op};

	if (op > REQ_OP_WRITE || !bytes)
		return 0;
	kind.device = read_request_dev(request);
	histogram_add(&bitesize, &kind, bytes);
	note_order(&kind, READ_FIELD(typed, request, __sector), bytes);
	return 0;
}

ON_TRACEPOINT(block_rq_issue, "struct request *", struct request *request)
{
	return on_issue(typed, request);
}

/* Before a54895fa057c, 5.11, the queue came first. */
ON_TRACEPOINT_OTHER(2, block_rq_issue, "struct request_queue *,struct request *",
		    struct request_queue *queue, struct request *request)
{
	return on_issue(typed, request);
}
