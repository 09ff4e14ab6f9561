// SPDX-License-Identifier: GPL-2.0-only
/*
 * mounts - file systems that are mounted and unmounted: what, where, by whom, with what result.
 *
 * The new way of mounting takes several calls (fsopen, fsconfig, fsmount, move_mount); each that changes what is
 * seen counts. Nearly free: nobody mounts often.
 */
#include "kernel/calls.bpf.h"
#include "kernel/emit.bpf.h"

ITEM("disk", "off", "file systems mounted and unmounted");

enum { MOUNT = 1, UMOUNT, FSOPEN, FSMOUNT, MOVE_MOUNT, OPEN_TREE, PIVOT_ROOT };

#define CALLS "enum=1:mount,2:umount,3:fsopen,4:fsmount,5:move_mount,6:open_tree,7:pivot_root"

struct change {
	struct owner owner;
	__u32 call COL_OPT("enum", CALLS);
	__u32 error COL_OPT("errno", "name=errno");
};
METRIC_COUNTER(mounts, struct change, 4096, "help=calls that mount and unmount");

struct mount_event {
	struct event_head head;
	struct owner owner;
	__u64 duration_ns COL("ns");
	__u64 flags COL("hex");
	__u32 call COL_OPT("enum", CALLS);
	__u32 error COL_OPT("errno", "name=errno");
	char comm[16] COL("comm");
	char filesystem[16] COL("text");
	char source[128] COL("inode_path");
	char target[128] COL("inode_path");
};
EVENTS(64 * 1024);
EVENT(1, "mount", struct mount_event);

/* Texts that the call was given; which argument is which depends on the call. */
static __always_inline void read_text(char *out, __u32 room, __u64 from)
{
	out[0] = 0;
	if (from && bpf_probe_read_user_str(out, room, (void *)from) < 0) {
		count_add(COUNT_LOST_READ);
		out[0] = 0;
	}
}

static __always_inline void read_texts(struct mount_event *event, const struct call *call)
{
	const __u64 *argument = call->argument;
	__u32 what = call->what;

	read_text(event->source, sizeof(event->source),
		  what == MOUNT || what == PIVOT_ROOT       ? argument[0]
		  : what == MOVE_MOUNT || what == OPEN_TREE ? argument[1]
							    : 0);
	read_text(event->target, sizeof(event->target),
		  what == MOUNT || what == PIVOT_ROOT ? argument[1]
		  : what == UMOUNT                    ? argument[0]
		  : what == MOVE_MOUNT                ? argument[3]
						      : 0);
	read_text(event->filesystem, sizeof(event->filesystem),
		  what == MOUNT    ? argument[2]
		  : what == FSOPEN ? argument[0]
				   : 0);
}

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct change change = {
		.owner = read_owner_of_current(),
		.call = call->what,
		.error = call_errno(result),
	};
	struct mount_event *event;

	counter_add(&mounts, &change, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->duration_ns = took_ns;
	event->flags = change.call == MOUNT ? call->argument[3] : 0;
	event->call = change.call;
	event->error = change.error;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	read_texts(event, call);
	emit_submit(event);
}

CALL(mount, MOUNT)
CALL(umount, UMOUNT)
CALL(fsopen, FSOPEN)
CALL(fsmount, FSMOUNT)
CALL(move_mount, MOVE_MOUNT)
CALL(open_tree, OPEN_TREE)
CALL(pivot_root, PIVOT_ROOT)
