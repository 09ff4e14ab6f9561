// SPDX-License-Identifier: GPL-2.0-only
/*
 * gethostlatency - how long programs wait for names to become addresses: the C library's getaddrinfo, gethostbyname and
 * gethostbyname2.
 *
 * The whole wait of the caller, with all that may be behind it: a cache, /etc/hosts, several servers one after the other, time-outs.
 * In every C library that programs of this machine and its containers have (glibc, musl). Who does not use it (Go, Java's
 * own resolver) is not seen: the item `requests` shows their DNS messages.
 */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("net", "off", "time that programs wait for names to become addresses");
PARAM(__u64, min_us, 0, "records only of waits at least so long, in microseconds");

enum function { GETADDRINFO = 1, GETHOSTBYNAME, GETHOSTBYNAME2 };

#define FUNCTIONS "enum=1:getaddrinfo,2:gethostbyname,3:gethostbyname2"
/* netdb.h: EAI_* with the sign turned (the same in glibc and musl); 99: no address, and no reason */
#define RESULTS                                                                                    \
	"enum=0:found,1:bad_flags,2:no_name,3:try_again,4:failed,5:no_address,6:no_family,"        \
	"7:no_socktype,8:no_service,10:no_memory,11:system,12:overflow,99:not_found"

enum { RESULT_NOT_FOUND = 99, RESULTS_MAX = 98 };

struct lookup_key {
	struct owner owner;
	__u32 function COL_OPT("enum", FUNCTIONS);
	__u32 result COL_OPT("enum", RESULTS);
};
METRIC_HISTOGRAM(
	gethostlatency, struct lookup_key, 8192,
	"unit=seconds;scale=1e-9;buckets=log2:16us..128s;help=time until a name became an address, "
	"or did not");

struct lookup_event {
	struct event_head head;
	struct owner owner;
	__u32 tid COL("tid");
	__u32 function COL_OPT("enum", FUNCTIONS);
	__u32 result COL_OPT("enum", RESULTS);
	__u32 pad;
	__u64 latency_ns COL("ns");
	char comm[16] COL("comm");
	char host[128] COL_OPT("text", "help=name that was asked for");
};
EVENTS(256 * 1024);
EVENT(1, "lookup", struct lookup_event);

struct lookup {
	__u64 since; /* ktime, ns */
	__u64 function;
	char host[128];
};

/* tid -> what it asks for. Deleted when the function returns. */
PER_THREAD(lookups, struct lookup, 4096);

static __always_inline int asks(enum function function, const char *host)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct lookup lookup = {.since = bpf_ktime_get_ns(), .function = function};

	if (!filter_current())
		return 0;
	/* getaddrinfo may be asked for a service alone: no name */
	if (host && bpf_probe_read_user_str(lookup.host, sizeof(lookup.host), host) < 0)
		count_add(COUNT_LOST_READ);
	map_set(&lookups, &tid, &lookup, BPF_ANY);
	return 0;
}

static __always_inline __u32 result_of(__u64 function, long result)
{
	__s32 code = (__s32)result;

	if (function != GETADDRINFO)
		return result ? 0 : RESULT_NOT_FOUND;
	if (code < 0)
		code = -code;
	return code <= RESULTS_MAX ? code : RESULT_NOT_FOUND;
}

static __always_inline void tell(const struct lookup *lookup, __u32 result, __u64 took_ns)
{
	struct lookup_event *event;

	if (took_ns < min_us * 1000)
		return;
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->tid = (__u32)bpf_get_current_pid_tgid();
	event->function = lookup->function;
	event->result = result;
	event->pad = 0;
	event->latency_ns = took_ns;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	__builtin_memcpy(event->host, lookup->host, sizeof(event->host));
	emit_submit(event);
}

/* Of a library; where it is, user space finds. */
HOOK("uprobe", getaddrinfo, 1)
int BPF_KPROBE(getaddrinfo_begins, const char *host)
{
	return asks(GETADDRINFO, host);
}

HOOK("uprobe", gethostbyname, 1)
int BPF_KPROBE(gethostbyname_begins, const char *host)
{
	return asks(GETHOSTBYNAME, host);
}

HOOK("uprobe", gethostbyname2, 1)
int BPF_KPROBE(gethostbyname2_begins, const char *host)
{
	return asks(GETHOSTBYNAME2, host);
}

HOOK("uretprobe", returns, 1)
int BPF_KRETPROBE(lookup_ends, long value)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct lookup *lookup = bpf_map_lookup_elem(&lookups, &tid);
	struct lookup_key key = {};
	__u64 took_ns;

	if (!lookup)
		return 0;
	took_ns = bpf_ktime_get_ns() - lookup->since;
	key.owner = read_owner_of_current();
	key.function = lookup->function;
	key.result = result_of(lookup->function, value);
	histogram_add(&gethostlatency, &key, took_ns);
	tell(lookup, key.result, took_ns);
	bpf_map_delete_elem(&lookups, &tid);
	return 0;
}
