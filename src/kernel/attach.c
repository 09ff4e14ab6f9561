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
	{"fentry.s/", ATTACH_RAW_TRACEPOINT, 0, false},
	{"fexit.s/", ATTACH_RAW_TRACEPOINT, 0, false},
	{"raw_tp/", ATTACH_RAW_TRACEPOINT, 0, true},
	{"raw_tracepoint/", ATTACH_RAW_TRACEPOINT, 0, true},
	{"tp/", ATTACH_TRACEPOINT, 0, true},
	{"tracepoint/", ATTACH_TRACEPOINT, 0, true},
	{"kprobe/", ATTACH_KPROBE, 0, true},
	{"kretprobe/", ATTACH_KPROBE, ATTACH_RETURN, true},
	{"uprobe.multi", ATTACH_UPROBES, 0, true},
	{"uretprobe.multi", ATTACH_UPROBES, ATTACH_RETURN, true},
	{"uprobe", ATTACH_UPROBE, 0, true},
	{"uprobe.s", ATTACH_UPROBE, 0, true},
	{"uretprobe", ATTACH_UPROBE, ATTACH_RETURN, true},
	{"uretprobe.s", ATTACH_UPROBE, ATTACH_RETURN, true},
	{"usdt", ATTACH_UPROBE, ATTACH_USDT, true},
	{"perf_event", ATTACH_PERF_EVENT, 0, true},
	{"xdp/", ATTACH_XDP, 0, true},
	{"iter/", ATTACH_ITER, 0, false},
	{"iter.s/", ATTACH_ITER, 0, false},
	{"cgroup", ATTACH_CGROUP, 0,
	 false}, /* cgroup/..., cgroup_skb/...: the type is the program's */
	{"sockops", ATTACH_CGROUP, 0, false},
	{"sk_msg", ATTACH_SOCKETS, 0, false},
	{"sk_skb/", ATTACH_SOCKETS, 0, false},
};

/* "perf_event/type=1,config=0,frequency=99": as configurations of ebpf_exporter say it. */
static int read_perf_section(const char *at, struct wire_attach *attach, struct err *why)
{
	while (*at) {
		size_t word = strcspn(at, "=");
		char *end = NULL;
		long long number = at[word] ? strtoll(at + word + 1, &end, 10) : 0;

		if (!at[word] || end == at + word + 1 || number < 0 || (*end && *end != ','))
			return err_set(why, -EINVAL, "'%.60s' is no perf event; write type=N,config=N,frequency=N", at);
		if (word == 4 && !strncmp(at, "type", word)) {
			attach->type = (uint32_t)number;
		} else if (word == 6 && !strncmp(at, "config", word)) {
			attach->config = (uint64_t)number;
		} else if (word == 9 && !strncmp(at, "frequency", word)) {
			attach->number = (uint64_t)number;
			attach->flags |= ATTACH_FREQUENCY;
		} else {
			return err_set(why, -EINVAL, "'%.60s' is not part of a perf event; write type=N,config=N,frequency=N", at);
		}
		at = end + (*end == ',');
	}
	return 0;
}

int attach_from_section(const char *section, struct wire_attach *ret_attach, struct err *why)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const struct kind *kind = &kinds[i];
		size_t len = strlen(kind->prefix);

		if (strncmp(section, kind->prefix, len) != 0)
			continue;
		/* "uprobe" alone: attached when somebody says where */
		if (kind->kind == ATTACH_UPROBE || kind->kind == ATTACH_UPROBES) {
			if (section[len] && section[len] != '/')
				continue;
			len += section[len] == '/';
		}
		*ret_attach =
			(struct wire_attach){.kind = kind->kind, .flags = kind->flags, .pid = -1};
		if (kind->named)
			snprintf(ret_attach->name, sizeof(ret_attach->name), "%s", section + len);
		if (kind->kind == ATTACH_PERF_EVENT && section[len] == '/')
			return read_perf_section(section + len + 1, ret_attach, why);
		return 0;
	}
	return err_set(why, -EOPNOTSUPP, "sonde does not attach programs of section '%s'", section);
}
