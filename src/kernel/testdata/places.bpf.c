// SPDX-License-Identifier: GPL-2.0-only
/* places - an item for the kernel room's test: hooks in libraries and programs. */
#include "kernel/item.bpf.h"

#include <bpf/usdt.bpf.h>

ITEM("app", "off", "For the test of attaching to user code");
PARAM(__u32, only_pid, 0, "count hits of this process");

/* place -> hits: 0 a function of libc, 1 its return with what it returned, 2 where the test says */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

static __always_inline int on_place(__u32 place, __u64 amount)
{
	__u64 *hit = bpf_map_lookup_elem(&hits, &place);

	if (hit && bpf_get_current_pid_tgid() >> 32 == only_pid)
		__sync_fetch_and_add(hit, amount);
	return 0;
}

HOOK_OPTIONAL("uprobe/libc.so.6:l64a", libc, 1)
int libc_entered(struct pt_regs *ctx)
{
	return on_place(0, 1);
}

HOOK_OPTIONAL("uretprobe/libc.so.6:a64l", libc_return, 1)
int libc_returned(struct pt_regs *ctx)
{
	return on_place(1, PT_REGS_RC(ctx));
}

HOOK_OPTIONAL("uprobe/libc.so.6:no_such_function", nowhere, 1)
int nowhere(struct pt_regs *ctx)
{
	return 0;
}

/* test:probed(number, the same in memory, 7): TESTER is the path of the test, which stands at two places */
HOOK_OPTIONAL("usdt/" TESTER ":test:probed", usdt, 1)
int usdt_passed(struct pt_regs *ctx)
{
	long number = 0, in_memory = 0, seven = 0;

	bpf_usdt_arg(ctx, 0, &number);
	bpf_usdt_arg(ctx, 1, &in_memory);
	bpf_usdt_arg(ctx, 2, &seven);
	return on_place(3, in_memory * 100 + number * 10 + seven);
}

HOOK("uprobe", place, 1)
int placed(struct pt_regs *ctx)
{
	return on_place(2, bpf_get_attach_cookie(ctx));
}
