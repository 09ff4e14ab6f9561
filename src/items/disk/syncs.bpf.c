// SPDX-License-Identifier: GPL-2.0-only
/* syncs - calls that wait until data is safe on a disk: which, by whom, and how long they waited. */
#include "kernel/calls.bpf.h"

ITEM("disk", "off", "calls that wait until data is on a disk");

enum { SYNC = 1, SYNCFS, FSYNC, FDATASYNC, MSYNC, SYNC_FILE_RANGE };

struct sync {
	struct owner owner;
	__u32 call COL_OPT("enum",
			   "enum=1:sync,2:syncfs,3:fsync,4:fdatasync,5:msync,6:sync_file_range");
	__u32 error COL_OPT("errno", "name=errno");
};

METRIC_HISTOGRAM(syncs, struct sync, 8192,
		 "unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time until the data was safe");

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct sync sync = {
		.owner = read_owner_of_current(),
		.call = call->what,
		.error = call_errno(result),
	};

	histogram_add(&syncs, &sync, took_ns);
}

CALL(sync, SYNC)
CALL(syncfs, SYNCFS)
CALL(fsync, FSYNC)
CALL(fdatasync, FDATASYNC)
CALL(msync, MSYNC)
CALL_OPTIONAL(sync_file_range, SYNC_FILE_RANGE)
