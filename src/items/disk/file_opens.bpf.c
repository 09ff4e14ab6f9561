// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_opens - files that are opened, and attempts that failed: by whom, with what result, and which path.
 *
 * The path is what the process said, as it said it: relative ones are relative to its folder. It is read when the call has
 * ended, when it certainly lies in memory. What another thread wrote there meanwhile would be told instead.
 */
#include "kernel/calls.bpf.h"
#include "kernel/emit.bpf.h"

ITEM("disk", "off", "files opened, and attempts that failed");
PARAM(bool, failed_only, false, "records only of attempts that failed");

struct attempt {
	struct owner owner;
	__u32 error COL_OPT("errno", "name=errno");
	__u32 pad;
};
METRIC_COUNTER(file_opens, struct attempt, 16384, "help=calls that open files, by result");

struct open_event {
	struct event_head head;
	struct owner owner;
	__u64 duration_ns COL("ns");
	__u32 error COL_OPT("errno", "name=errno");
	__u32 fd COL_OPT("number", "help=descriptor");
	char comm[16] COL("comm");
	char path[256] COL("inode_path");
};
EVENTS(1024 * 1024);
EVENT(1, "open", struct open_event);

/* Which argument is the path. */
enum { PATH_FIRST = 1, PATH_SECOND };

static __always_inline void tell(const struct call *call, __u64 took_ns, long result, __u32 error)
{
	const void *path = (void *)call->argument[call->what == PATH_SECOND];
	struct open_event *event = emit_reserve(1, sizeof(*event));

	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->duration_ns = took_ns;
	event->error = error;
	event->fd = error ? 0 : result;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	if (bpf_probe_read_user_str(event->path, sizeof(event->path), path) < 0) {
		count_add(COUNT_LOST_READ);
		event->path[0] = 0;
	}
	emit_submit(event);
}

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct attempt attempt = {.owner = read_owner_of_current(), .error = call_errno(result)};

	counter_add(&file_opens, &attempt, 1);
	if (attempt.error || !failed_only)
		tell(call, took_ns, result, attempt.error);
}

CALL(openat, PATH_SECOND)
CALL_OPTIONAL(openat2, PATH_SECOND) /* 5.6 */
CALL_OPTIONAL(open, PATH_FIRST) /* x86 */
CALL_OPTIONAL(creat, PATH_FIRST) /* x86 */
