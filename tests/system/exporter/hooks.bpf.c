// SPDX-License-Identifier: GPL-2.0-only
/* hooks - sections of every kind that this test can count exactly, a perf buffer, spans, and a map of control groups. */
#include "maps.h"

MAP(hits_total, ARRAY, 8, u32);
MAP(matched_total, HASH, 64, u64);
MAP(chosen_groups, HASH, 1024, u64);

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} sent_total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} calls SEC(".maps");

struct sent { u32 what; u32 pad; u64 more; };
struct call { u8 trace[16], span[8], parent[8]; u64 at_ns, took_ns, number; };
enum { ASKED = 777777 }; /* getpgid(2) with this pid is the test's */

struct enter { u64 common; long nr; u64 arg[6]; };

static __always_inline void hit(u32 which)
{
	u64 *value = bpf_map_lookup_elem(&hits_total, &which);

	if (value)
		__sync_fetch_and_add(value, 1);
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int enter(struct enter *ctx)
{
	struct sent sent = {.what = 3, .more = 99};
	u64 group = bpf_get_current_cgroup_id();
	struct call *call;

	if (ctx->arg[0] != ASKED)
		return 0;
	hit(0);
	bpf_perf_event_output(ctx, &sent_total, BPF_F_CURRENT_CPU, &sent, sizeof(sent));
	if (bpf_map_lookup_elem(&chosen_groups, &group))
		add(&matched_total, &group, 1);
	call = bpf_ringbuf_reserve(&calls, sizeof(*call), 0);
	if (!call)
		return 0;
	__builtin_memset(call, 0, sizeof(*call));
	call->trace[0] = 0xab;
	call->trace[15] = 1;
	call->at_ns = bpf_ktime_get_ns();
	call->took_ns = 1234;
	call->number = ctx->arg[0];
	bpf_ringbuf_submit(call, 0);
	return 0;
}

SEC("raw_tp/sys_exit")
int leave(void *ctx)
{
	u32 which = 1;

	hit(which);
	return 0;
}

SEC("perf_event/type=1,config=0,frequency=99")
int sample(void *ctx)
{
	hit(2);
	return 0;
}

SEC("xdp/lo")
int packet(struct xdp_md *ctx)
{
	hit(3);
	return XDP_PASS;
}

SEC("kprobe/no_function_of_this_name")
int never(void *ctx)
{
	hit(4);
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_getpgid")
int unasked(void *ctx)
{
	hit(5);
	return 0;
}
