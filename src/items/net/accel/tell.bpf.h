/* SPDX-License-Identifier: GPL-2.0-only */
/* tell - what a workload had of it: totals of connections that ended, records of them, and what was refused. */
#pragma once

#include "items/net/accel/side.bpf.h"

#define REASONS                                                                                    \
	"enum=1:untrusted,2:other_namespace,3:options,4:no_room,5:gone,6:call,7:full,8:keep_"      \
	"alive,9:off,10:no_agent,11:filter"

/* What a workload had of it. */
struct totals {
	__u64 redirected_bytes COUNTER("name=accel;unit=bytes;help=bytes that were redirected")
		COL("bytes");
	__u64 redirected_messages COUNTER("name=accel_messages;help=writes that were redirected")
		COL("count");
	__u64 tcp_bytes COUNTER(
		"name=accel_tcp;unit=bytes;help=bytes of accelerated connections that went by TCP")
		COL("bytes");
	__u64 full COUNTER(
		"name=accel_fallbacks;labels=reason=full;help=directions that went back to TCP")
		COL("count");
	__u64 gone COUNTER(
		"name=accel_fallbacks;labels=reason=gone;help=directions that went back to TCP")
		COL("count");
	__u64 kept_alive COUNTER("name=accel_fallbacks;labels=reason=keep_alive;help=directions "
				 "that went back to TCP") COL("count");
	__u64 call COUNTER(
		"name=accel_fallbacks;labels=reason=call;help=directions that went back to TCP")
		COL("count");
	__u64 off COUNTER(
		"name=accel_fallbacks;labels=reason=off;help=directions that went back to TCP")
		COL("count");
	__u64 no_agent COUNTER(
		"name=accel_fallbacks;labels=reason=no_agent;help=directions that went back to TCP")
		COL("count");
	__u64 filter COUNTER(
		"name=accel_fallbacks;labels=reason=filter;help=directions that went back to TCP")
		COL("count");
	__u64 short_lived COUNTER("name=accel_short;help=ends of connections that were left alone, "
				  "since those before them ended after few messages") COL("count");
};

METRICS(closed, struct owner, struct totals, 16384);

struct refusal {
	struct owner owner;
	__u32 reason COL_OPT("enum", REASONS);
	__u32 pad;
};
METRIC_GAUGE(refused, struct refusal, 16384,
	     "name=accel_connections;labels=state=tcp;help=ends of connections under a rule, by "
	     "what becomes of them");

struct accel_event {
	struct event_head head;
	__u64 cgroup COL("cgroup_id");
	__u64 connection COL_OPT("sock_cookie", "name=connection");
	__u64 peer_connection COL("number");
	__u64 redirected_bytes COL("bytes");
	__u64 tcp_bytes COL("bytes");
	__u32 redirected_messages COL("count");
	__u32 pid COL("pid");
	__u32 full COL_OPT("number", "help=times that unread bytes were above the limit");
	__u32 reason COL_OPT("enum", REASONS);
	__u16 local_port COL("port");
	__u16 remote_port COL("port");
	__u32 across COL_OPT("bool", "help=the peer was in another network namespace");
};
EVENT(1, "connection", struct accel_event);

static __always_inline void add_refusal(const struct owner *owner, __u32 reason, __s64 amount)
{
	struct refusal key = {.owner = *owner, .reason = reason};

	counter_add(&refused, &key, (__u64)amount);
}

static __always_inline void totals_of(const struct side *side, struct totals *ret)
{
	ret->redirected_bytes = side->redirected_bytes;
	ret->redirected_messages = side->redirected_messages;
	ret->tcp_bytes = side->tcp_bytes;
	ret->full = side->fallbacks[ACCEL_FULL];
	ret->gone = side->fallbacks[ACCEL_GONE];
	ret->kept_alive = side->fallbacks[ACCEL_KEEP_ALIVE];
	ret->call = side->fallbacks[ACCEL_CALL];
	ret->off = side->fallbacks[ACCEL_OFF];
	ret->no_agent = side->fallbacks[ACCEL_ORPHAN];
	ret->filter = side->fallbacks[ACCEL_FILTER];
}

static __always_inline void add_totals(const struct side *side)
{
	static const struct totals nothing;
	struct totals own, *sum = map_get_or_add(&closed, &side->owner, &nothing);

	if (!sum)
		return;
	totals_of(side, &own);
	for (unsigned i = 0; i < sizeof(own) / sizeof(__u64); i++)
		if (((__u64 *)&own)[i])
			__sync_fetch_and_add((__u64 *)sum + i, ((__u64 *)&own)[i]);
}

static __always_inline void tell_closed(const struct side *side)
{
	struct accel_event *event = emit_reserve(1, sizeof(*event));

	if (!event)
		return;
	event->cgroup = side->owner.cgroup;
	event->pid = side->owner.pid;
	event->connection = side->cookie;
	event->peer_connection = side->peer_cookie;
	event->redirected_bytes = side->redirected_bytes;
	event->tcp_bytes = side->tcp_bytes;
	event->redirected_messages = side->redirected_messages;
	event->full = side->fallbacks[ACCEL_FULL];
	event->reason = side->reason;
	event->local_port = side->port;
	event->remote_port = side->peer_port;
	event->across = side->is_across;
	emit_submit(event);
}
