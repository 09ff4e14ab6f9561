// SPDX-License-Identifier: GPL-2.0-only
/* wrong - compiled once for each mistake (-DMISTAKE=n) that describe must name. */
#include "kernel/emit.bpf.h"

#if MISTAKE == 1
char LICENSE[] SEC("license") = "GPL";
#elif MISTAKE == 2
ITEM("weather", "on", "a wing that is none");
#elif MISTAKE == 3
ITEM("cpu", "maybe", "a state that is none");
#elif MISTAKE == 4
ITEM("cpu", "on", "");
#else
ITEM("cpu", "on", "has a mistake");
#endif

struct key {
	__u32 pid COL("pid");
};

#if MISTAKE == 5
PARAM(__u32, port, 1, "a name that every item has");
#elif MISTAKE == 6
PARAM(__u16, width, 1, "a type that is none");
#elif MISTAKE == 7
__u32 width TAG("param;help=not constant") = 1;
#elif MISTAKE == 8
struct event {
	__u32 pid COL("pid");
};
EVENT(1, "thing", struct event);
#elif MISTAKE == 9
struct event {
	struct event_head head;
	__u64 pid COL("pid");
};
EVENT(1, "thing", struct event);
#elif MISTAKE == 10
struct event {
	struct event_head head;
};
EVENT(1, "one", struct event);
const volatile struct event *const volatile event_2 TAG("event;number=1;kind=two") = 0;
#elif MISTAKE == 11
METRIC_HISTOGRAM(lat, struct key, 64, "buckets=log3");
#elif MISTAKE == 12
METRIC_COUNTER(one, struct key, 64, "name=same;help=x");
METRIC_COUNTER(two, struct key, 64, "name=same;help=x");
#elif MISTAKE == 13
METRIC_COUNTER(one, struct key, 64, "name=same_total;help=x");
METRIC_GAUGE(two, struct key, 64, "name=same_total;help=x");
#elif MISTAKE == 14
struct value {
	__u64 count COL("count");
};
METRICS(set, struct key, struct value, 64);
#elif MISTAKE == 15
METRIC_COUNTER(one, struct key, 64, "scale=0");
#elif MISTAKE == 16
METRIC_MAP(BPF_MAP_TYPE_QUEUE, one, struct key, __u64, 64, "metric;type=counter");
#elif MISTAKE == 17
METRIC_COUNTER(pid, struct key, 64, "help=column pid is there already");
#elif MISTAKE == 18
HOOK("raw_tp/sched_wakeup", switch, 1)
int second(void *ctx)
{
	return 0;
}
#elif MISTAKE == 19
METRIC_MAP(BPF_MAP_TYPE_HASH, one, struct key, struct histogram, 64, "metric;type=counter");
#elif MISTAKE == 20
METRIC_COUNTER(one, struct key, 64, "labels=Bad=1");
#elif MISTAKE == 21
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} tasks SEC(".maps") KEY_IS_TASK;
#elif MISTAKE == 22
ARMED("steal > 10", 30, 86401);
#endif

HOOK("raw_tp/sched_switch", switch, 1)
int first(void *ctx)
{
	return 0;
}
