// SPDX-License-Identifier: GPL-2.0-only
/* every - an item that uses every macro of item.bpf.h once: what describe must be able to read. */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"

ITEM("net", "off", "uses every macro: of no use otherwise");
ARMED("memory_pressure > 20 and container", 30, 300);

PARAM(__u64, min_us, 1000, "ignore what is shorter");
PARAM(__u32, depth, 0, "zero lies in .rodata too");
PARAM(__s64, offset, -5, "a negative default");
PARAM(bool, loud, true, "a switch");

EVENTS(256 * 1024);

struct opened {
	struct event_head head;
	struct owner owner;
	__u64 cookie COL("sock_cookie");
	__u64 took COL_OPT("ns", "help=time until it was open");
	__u8 local_addr[16] COL("ip");
	__u8 remote_addr[16] COL("ip");
	__u16 local_port COL("port");
	__u16 remote_port COL("port");
	__u32 state COL_OPT("enum", "enum=1:established,2:syn_sent;name=tcp_state");
	__s32 error COL_OPT("errno", "name=errno");
	__u32 untagged;
	char comm[16] COL("comm");
	char args[256] COL("argv");
};
EVENT(1, "connection", struct opened);

struct closed {
	struct event_head head;
	__u32 pid COL("pid");
	__u32 steps[3] COL("count");
};
EVENT(2, "closed", struct closed);

struct key {
	struct owner owner;
	__u32 state COL_OPT("enum", "enum=1:established,2:syn_sent");
	__u32 pad;
};

METRIC_COUNTER(sent, struct key, 1024, "unit=bytes;labels=direction=out;help=bytes that were sent");
METRIC_GAUGE(waiting, struct key, 512, "name=tcp_waiting;help=connections that wait");
METRIC_HISTOGRAM(latency, struct key, 4096,
		 "unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time until it was open");
METRIC_HISTOGRAM(sizes, struct key, 64, "unit=bytes;buckets=linear:4KiB");
METRIC_HISTOGRAM(steps, struct key, 64, "buckets=explicit:1,2,5,10");

struct totals {
	__u64 opened COUNTER("name=tcp_opened;labels=direction=inbound;help=connections opened");
	__u64 accepted COUNTER("name=tcp_opened;labels=direction=outbound;help=connections opened");
	__s64 now GAUGE("name=tcp_open;help=open now");
	__u64 busy COUNTER("unit=seconds;scale=1e-9;help=time spent");
	__u64 last COL("ktime");
};
METRICS(totals, struct key, struct totals, 2048);

struct row {
	__u32 pid COL("pid");
	__u32 fds GAUGE("name=open_files;help=open files") COL("count");
	__u64 faults COUNTER("name=page_faults;help=page faults");
};
TABLE(7, "process", struct row, "gone=drop");

static __always_inline int on_open(__u64 took)
{
	struct key key = {.owner = owner_of_current(), .state = 1};
	struct opened *event;

	if (took < min_us || depth || offset > 0 || !filter_current())
		return 0;
	counter_add(&sent, &key, 1);
	histogram_add(&latency, &key, took);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return 0;
	event->took = loud ? took : 0;
	emit_submit(event);
	return 0;
}

HOOK("tp_btf/inet_sock_set_state", state, 1)
int BPF_PROG(on_state, struct sock *sk)
{
	return on_open(1);
}

HOOK_PROTO("raw_tp/inet_sock_set_state", state, 2, "struct sock *,int,int")
int BPF_PROG(on_state_raw, struct sock *sk)
{
	return on_open(2);
}

HOOK_OPTIONAL("fentry/tcp_close", close, 1)
int BPF_PROG(on_close, struct sock *sk)
{
	return on_open(3);
}

HOOK_PERF(sample, 1, "cpu-clock:99hz")
int on_sample(void *ctx)
{
	return on_open(4);
}

HOOK("iter/task", rows, 1)
int on_row(void *ctx)
{
	return 0;
}
