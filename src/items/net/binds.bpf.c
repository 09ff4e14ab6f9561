// SPDX-License-Identifier: GPL-2.0-only
/* binds - sockets that are bound to an address: which, by whom, with what result. */
#include "kernel/calls.bpf.h"
#include "kernel/emit.bpf.h"

ITEM("net", "off", "sockets bound to an address");

enum { CALL_BIND = 1 };

#define FAMILIES "enum=1:unix,2:ipv4,10:ipv6,16:netlink,17:packet,40:vsock"

struct bound {
	struct owner owner;
	__u32 family COL_OPT("enum", FAMILIES);
	__u32 error COL_OPT("errno", "name=errno");
};
METRIC_COUNTER(binds, struct bound, 8192, "help=calls that bind a socket");

struct bind_event {
	struct event_head head;
	struct owner owner;
	__u32 family COL_OPT("enum", FAMILIES);
	__u32 error COL_OPT("errno", "name=errno");
	char comm[16] COL("comm");
	__u8 local_addr[16] COL("ip");
	__u16 local_port COL("port");
	__u16 pad[3];
	char path[108] COL("inode_path");
	__u32 more_pad;
};
EVENTS(64 * 1024);
EVENT(1, "bind", struct bind_event);

/* struct sockaddr_in, sockaddr_in6 and sockaddr_un, as far as they are looked at */
struct address {
	__u16 family;
	__be16 port;
	__be32 ip4;
	__u8 ip6[16];
};

static __always_inline void read_address(struct bind_event *event, const struct address *address,
					 __u64 from)
{
	__builtin_memset(event->local_addr, 0, sizeof(event->local_addr));
	event->local_port = 0;
	event->path[0] = 0;
	if (address->family == AF_INET6)
		__builtin_memcpy(event->local_addr, address->ip6, sizeof(event->local_addr));
	else if (address->family == AF_INET)
		read_ip4(event->local_addr, address->ip4);
	else if (address->family == AF_UNIX &&
		 bpf_probe_read_user_str(event->path, sizeof(event->path), (void *)from + 2) < 0)
		event->path[0] = 0;
	if (address->family == AF_INET || address->family == AF_INET6)
		event->local_port = __builtin_bswap16(address->port);
}

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct bound bound = {.owner = read_owner_of_current(), .error = call_errno(result)};
	__u64 from = call->argument[1];
	struct address address = {};
	struct bind_event *event;

	/* one of IPv4 may end at a page where nothing follows */
	if (bpf_probe_read_user(&address, sizeof(address), (void *)from) &&
	    bpf_probe_read_user(&address, 8, (void *)from) &&
	    bpf_probe_read_user(&address, 2, (void *)from))
		count_add(COUNT_LOST_READ);
	bound.family = address.family;
	counter_add(&binds, &bound, 1);
	event = emit_reserve(1, sizeof(*event));
	if (!event)
		return;
	event->owner = full_owner_of_current();
	event->family = bound.family;
	event->error = bound.error;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	read_address(event, &address, from);
	event->pad[0] = event->pad[1] = event->pad[2] = 0;
	event->more_pad = 0;
	emit_submit(event);
}

CALL(bind, CALL_BIND)
