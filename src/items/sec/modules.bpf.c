// SPDX-License-Identifier: GPL-2.0-only
/*
 * modules - calls that put modules into the kernel and take them out: by whom, with what result.
 *
 * The calls, not the kernel's own tracepoints: attempts that failed are the ones to know of, and a kernel without
 * modules answers ENOSYS, which is worth a line too. Nearly free.
 */
#include "kernel/calls.bpf.h"
#include "kernel/emit.bpf.h"

ITEM("sec", "off", "kernel modules loaded and removed");

enum { INIT_MODULE = 1, FINIT_MODULE, DELETE_MODULE };

#define CALLS "enum=1:init_module,2:finit_module,3:delete_module"

struct change {
	struct owner owner;
	__u32 call COL_OPT("enum", CALLS);
	__u32 error COL_OPT("errno", "name=errno");
};
METRIC_COUNTER(modules, struct change, 1024, "help=calls that load and remove kernel modules");

struct module_event {
	struct event_head head;
	struct owner owner;
	__u32 call COL_OPT("enum", CALLS);
	__u32 error COL_OPT("errno", "name=errno");
	__u64 duration_ns COL("ns");
	char comm[16] COL("comm");
	char module[56] COL_OPT("text", "help=its name, where the call says it (delete_module)");
};
EVENTS(64 * 1024);
EVENT(1, "module", struct module_event);

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct change change = {
		.owner = read_owner_of_current(),
		.call = call->what,
		.error = call_errno(result),
	};
	struct module_event *event;

	counter_add(&modules, &change, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->call = change.call;
	event->error = change.error;
	event->duration_ns = took_ns;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->module[0] = 0;
	if (change.call == DELETE_MODULE &&
	    bpf_probe_read_user_str(event->module, sizeof(event->module),
				    (void *)call->argument[0]) < 0)
		event->module[0] = 0;
	emit_submit(event);
}

CALL(init_module, INIT_MODULE)
CALL(finit_module, FINIT_MODULE)
CALL(delete_module, DELETE_MODULE)
