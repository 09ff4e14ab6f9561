// SPDX-License-Identifier: GPL-2.0-only
/* attach - how a program is attached, as its section says: "tp/sched/sched_switch" and the like. */
#include "kernel/internal.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
	const char *prefix;
	uint32_t kind, flags;
	bool named; /* what follows the prefix goes to the broker as the name */
} kinds[] = {
	{"tp_btf/", ATTACH_RAW_TRACEPOINT, 0, false},
	{"fentry/", ATTACH_RAW_TRACEPOINT, 0, false},
	{"fexit/", ATTACH_RAW_TRACEPOINT, 0, false},
	{"raw_tp/", ATTACH_RAW_TRACEPOINT, 0, true},
	{"raw_tracepoint/", ATTACH_RAW_TRACEPOINT, 0, true},
	{"tp/", ATTACH_TRACEPOINT, 0, true},
	{"tracepoint/", ATTACH_TRACEPOINT, 0, true},
	{"kprobe/", ATTACH_KPROBE, 0, true},
	{"kretprobe/", ATTACH_KPROBE, ATTACH_RETURN, true},
	{"uprobe", ATTACH_UPROBE, 0, true},
	{"uprobe.s", ATTACH_UPROBE, 0, true},
	{"uretprobe", ATTACH_UPROBE, ATTACH_RETURN, true},
	{"uretprobe.s", ATTACH_UPROBE, ATTACH_RETURN, true},
	{"usdt", ATTACH_UPROBE, ATTACH_USDT, true},
	{"perf_event", ATTACH_PERF_EVENT, 0, true},
	{"iter/", ATTACH_ITER, 0, false},
	{"iter.s/", ATTACH_ITER, 0, false},
	{"cgroup", ATTACH_CGROUP, 0,
	 false}, /* cgroup/..., cgroup_skb/...: the type is the program's */
	{"sockops", ATTACH_CGROUP, 0, false},
	{"sk_msg", ATTACH_SOCKETS, 0, false},
	{"sk_skb/", ATTACH_SOCKETS, 0, false},
};

int attach_from_section(const char *section, struct wire_attach *ret_attach, struct err *why)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const struct kind *kind = &kinds[i];
		size_t len = strlen(kind->prefix);

		if (strncmp(section, kind->prefix, len) != 0)
			continue;
		if (kind->kind ==
		    ATTACH_UPROBE) { /* "uprobe" alone: attached when somebody says where */
			if (section[len] && section[len] != '/')
				continue;
			len += section[len] == '/';
		}
		*ret_attach =
			(struct wire_attach){.kind = kind->kind, .flags = kind->flags, .pid = -1};
		if (kind->named)
			snprintf(ret_attach->name, sizeof(ret_attach->name), "%s", section + len);
		return 0;
	}
	return err_set(why, -EOPNOTSUPP, "sonde does not attach programs of section '%s'", section);
}
