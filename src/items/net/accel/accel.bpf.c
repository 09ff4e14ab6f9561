// SPDX-License-Identifier: GPL-2.0-only
/*
 * accel - bytes between two neighbours go from one socket's queue into the other's, past the TCP stack.
 *
 * Pairing. Both ends of a local connection see the same two initial sequence numbers, whatever NAT or REDIRECT
 * lies between them and in whatever namespaces they are: 64 random bits. The connecting end leaves a note under its
 * number (CONNECT, in its own process), the listener adds its own to it when it answers the SYN (TIMEOUT_INIT of
 * the request), and whoever finds no such answer when the connection is established talks to another machine: it
 * is never touched. So both ends are known, with who they are, before the first of them enters the sockhash.
 *
 * Order. What is redirected is read before what came by TCP. A direction begins with redirecting, or comes back to
 * it, only when the peer's application has read all that was sent by TCP. Going to TCP is always safe.
 *
 * Bound. The queue of redirected bytes has no limit of its own: above ours a direction goes to TCP, which makes the
 * writer wait.
 *
 * Everything that one message costs is in redirect(). docs/accel.md has the whole story.
 */
#include "kernel/emit.bpf.h"
#include "kernel/psock.bpf.h"

#include "items/net/accel/accel.h"

ITEM("net", "off",
     "local TCP connections skip the TCP stack: application and sidecar, pod and pod");
PARAM(__u64, limit, 6291456, "unread redirected bytes of a direction above which it goes by TCP");
PARAM(__u64, keep_alive_ms, 15000,
      "how often at least a message goes by TCP, so that connection tracking does not forget");
PARAM(__u64, patience_ms, 10000, "without an agent for so long, connections return to TCP");

/* The no-op verdict program is attached (the self-test's choice). */
const volatile bool has_verdict = false;

#define REASONS                                                                                    \
	"enum=1:untrusted,2:other_namespace,3:options,4:no_room,5:gone,6:call,7:full,8:keep_"      \
	"alive,9:off,10:no_agent"

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
};

enum {
	REASON_SLOTS = 16
}; /* a power of two above ACCEL_REASONS, so that the verifier sees the bound */

/* One end of a connection, kept with its socket. */
struct side {
	__u64 sk,
		peer_sk; /* struct tcp_sock; the peer's may be stale, then its cookie is in no map any more */
	__u64 cookie, peer_cookie; /* peer_cookie 0: not known yet */
	__u64 redirected_bytes, tcp_bytes;
	__u64 since_empty; /* redirected since the peer's queue was seen empty */
	__u64 tcp_ns; /* when a message last went by TCP */
	__u64 full_ns; /* when it last was above the limit */
	struct owner owner;
	__u32 self, other; /* numbers of both identities */
	__u32 redirected_messages, epoch;
	__u16 port, peer_port;
	__u32 send_buffer; /* what it was before we made it small; 0 = we did not */
	__u8 is_redirecting, reason, is_across, is_full;
	__u16 fallbacks[REASON_SLOTS];
};

/* cookie -> socket. Whose peer is known and whom a rule chose; the kernel deletes at close, the agent when it goes off. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, ACCEL_CONNECTIONS);
	__type(key, __u64);
	__type(value, __u64);
} socks SEC(".maps");

/* The same sockets, where a verdict program is attached to `socks`: keeps the queue until it was read when they leave that. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, ACCEL_CONNECTIONS);
	__type(key, __u64);
	__type(value, __u64);
} held SEC(".maps");

/* socket -> struct side. Goes with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct side);
} sides SEC(".maps");

struct who {
	struct accel_identity identity;
	struct owner owner;
	__u32 netns, pad;
};

/* A connection that is being made: both ends, as far as they are known. */
struct note {
	struct who active, passive;
	__u64 cookie, sk; /* of the connecting end, once it is in the sockhash */
	__u32 server_isn, is_answered;
	__u32 self, other; /* numbers of identities, active and passive */
	__u32 is_across, pad;
};

/* sequence number of the connecting end -> note. Deleted when both ends are established; what fails ages out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct note);
} notes SEC(".maps");

/* struct sock of a listener -> who listens. Set by listen() and by a walk; deleted when it is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct who);
} listeners SEC(".maps");

struct link {
	__u64 cookie, sk;
};

/* cookie of the connecting end -> its peer, until it sends for the first time or is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEL_CONNECTIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct link);
} links SEC(".maps");

/* cookie -> reason: neither this end nor its peer may redirect any more. Ages out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} banned SEC(".maps");

/* identity -> number. The agent's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEL_NUMBERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct accel_identity);
	__type(value, __u32);
} numbers SEC(".maps");

/* number -> grant; 0 is nobody. The agent's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ACCEL_NUMBERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct accel_grant);
} grants SEC(".maps");

/* port -> rules that name it. The agent's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct accel_settings);
} settings SEC(".maps");

/* executable (identity without control group) -> what was seen of it. The agent deletes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEL_NUMBERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct accel_identity);
	__type(value, struct accel_seen);
} seen SEC(".maps");

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
EVENTS(256 * 1024);
EVENT(1, "connection", struct accel_event);

/* An identity that nobody gave a number yet: the agent looks at it at once. */
enum { EVENT_STRANGER = 2 };

struct stranger_event {
	struct event_head head;
	struct accel_identity identity;
	__u32 pid, pad;
};

struct row {
	struct owner owner;
	struct totals totals;
	__u64 accelerated GAUGE("name=accel_connections;labels=state=accelerated;help=ends of "
				"connections under a rule, by what becomes of them") COL("count");
	__u64 waiting GAUGE("name=accel_tcp_connections;help=ends of accelerated connections whose "
			    "direction is on TCP just now") COL("count");
	__u64 unread_bytes
		GAUGE("name=accel_unread;unit=bytes;help=redirected bytes that were not read yet")
			COL("bytes");
};
TABLE(1, "workload", struct row, "gone=add");

static __always_inline struct accel_settings *settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline __u64 now_coarse(void)
{
	/* 5.11; d055126180564: some ms are near enough here */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ktime_get_coarse_ns))
		return bpf_ktime_get_coarse_ns();
	return bpf_ktime_get_ns();
}

/* ---- who ---- */

static __always_inline void read_identity(struct task_struct *task, struct accel_identity *ret)
{
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);

	ret->cgroup = cgroup_of(task);
	ret->inode = BPF_CORE_READ(inode, i_ino);
	ret->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	ret->pad = 0;
}

static __always_inline void read_current(struct who *ret, struct sock *sk)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	__builtin_memset(ret, 0, sizeof(*ret));
	read_identity(task, &ret->identity);
	ret->owner = owner_of(task);
	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* An executable, whoever runs it. */
static __always_inline struct accel_seen *seen_of(const struct accel_identity *identity)
{
	struct accel_identity key = {.inode = identity->inode, .dev = identity->dev};
	static const struct accel_seen nothing;

	return map_get_or_add(&seen, &key, &nothing);
}

static __always_inline __u32 number_of(const struct accel_identity *identity, __u32 pid)
{
	__u32 *number = bpf_map_lookup_elem(&numbers, identity);
	struct stranger_event *event;

	if (number)
		return *number;
	if (!identity->inode)
		return 0;
	event = emit_reserve(EVENT_STRANGER, sizeof(*event));
	if (event) {
		event->identity = *identity;
		event->pid = pid;
		event->pad = 0;
		emit_submit(event);
	}
	return 0;
}

/* ---- what the rules say ---- */

static __always_inline struct accel_grant *grant_of(__u32 number)
{
	return bpf_map_lookup_elem(&grants, &number);
}

static __always_inline __u64 rules_of_port(__u32 port)
{
	__u64 *rules = bpf_map_lookup_elem(&ports, &port);

	return rules ? *rules : 0;
}

/* ACCEL_NONE: some rule wants it and all who must trust it do. -1: no rule is about it. */
static __always_inline int judge(const struct accel_settings *is, __u32 self, __u32 other,
				 bool is_across, __u16 port, __u16 peer_port)
{
	struct accel_grant *one = grant_of(self), *two = grant_of(other);
	__u64 rules, able;

	if (!one || !two)
		return -1;
	rules = (is->any_port | rules_of_port(port) | rules_of_port(peer_port)) &
		(one->selected | two->selected);
	if (!rules)
		return -1;
	able = is_across ? rules & is->across & one->selected & two->selected : rules;
	if (!able)
		return ACCEL_ACROSS;
	return able & one->trusted & two->trusted ? ACCEL_NONE : ACCEL_UNTRUSTED;
}

/* ---- sockets that come ---- */

struct tcp_sock___inq {
	u8 recvmsg_inq : 1;
} __attribute__((preserve_access_index));

struct inet_connection_sock___ulp {
	void *icsk_ulp_ops;
} __attribute__((preserve_access_index));

struct sock___options {
	int sk_rcvlowat;
} __attribute__((preserve_access_index));

enum sock_flags { SOCK_ZEROCOPY = 0 }; /* only its name: the value is the kernel's */

/* Set before the connection was made, or inherited from the listener. */
static __always_inline __u32 calls_of_options(struct sock *sk)
{
	struct sock___options *options = (void *)sk;
	struct tcp_sock___inq *inq = (void *)sk;
	__u32 calls = 0;

	if (BPF_CORE_READ(options, sk_rcvlowat) > 1)
		calls |= CALL_RCVLOWAT;
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) >>
		    bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY) &
	    1)
		calls |= CALL_ZEROCOPY;
	if (bpf_core_field_exists(inq->recvmsg_inq) &&
	    BPF_CORE_READ_BITFIELD_PROBED(inq, recvmsg_inq))
		calls |= CALL_INQ;
	if (BPF_CORE_READ((struct inet_connection_sock___ulp *)sk, icsk_ulp_ops))
		calls |= CALL_ULP;
	return calls;
}

static __always_inline struct sock *sock_of(struct bpf_sock_ops *ops)
{
	struct sock *sk = 0;

	/* what the programs are called with begins with it, full socket or request (struct bpf_sock_ops_kern) */
	bpf_probe_read_kernel(&sk, sizeof(sk), ops);
	return sk;
}

static __always_inline void note_connect(struct bpf_sock_ops *ops, struct accel_settings *is)
{
	struct sock *sk = sock_of(ops);
	__u32 isn = BPF_CORE_READ((struct tcp_sock *)sk, write_seq);
	struct note note = {};

	read_current(&note.active, sk);
	map_set(&notes, &isn, &note, BPF_ANY);
}

struct tcp_request_sock {
	u32 rcv_isn, snt_isn;
} __attribute__((preserve_access_index));

struct sock_common___listener {
	struct sock *skc_listener;
} __attribute__((preserve_access_index));

struct request_sock___listener {
	struct sock_common___listener __req_common;
} __attribute__((preserve_access_index));

/* The listener answers a SYN: what the connecting end left under its number gets the other half. */
static __always_inline void note_answer(struct bpf_sock_ops *ops)
{
	struct sock *request = sock_of(ops);
	__u32 isn = BPF_CORE_READ((struct tcp_request_sock *)request, rcv_isn);
	struct note *note = bpf_map_lookup_elem(&notes, &isn);
	__u64 listener;
	struct who *who;

	if (!note)
		return;
	listener = (__u64)BPF_CORE_READ((struct request_sock___listener *)request,
					__req_common.skc_listener);
	who = bpf_map_lookup_elem(&listeners, &listener);
	if (who)
		note->passive = *who;
	note->passive.netns = BPF_CORE_READ(request, __sk_common.skc_net.net, ns.inum);
	note->server_isn = BPF_CORE_READ((struct tcp_request_sock *)request, snt_isn);
	note->is_answered = 1;
}

static __always_inline void add_refusal(const struct owner *owner, __u32 reason, __s64 amount)
{
	struct refusal key = {.owner = *owner, .reason = reason};

	counter_add(&refused, &key, (__u64)amount);
}

static __always_inline struct side *side_new(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct side *side = bpf_sk_storage_get(&sides, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!side) {
		count_add(COUNT_LOST_MEMORY);
		return 0;
	}
	side->cookie = bpf_get_socket_cookie(ops);
	side->sk = (__u64)sock_of(ops);
	side->port = ops->local_port;
	side->peer_port = __builtin_bswap32(ops->remote_port);
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return side;
}

/* Under a rule, and yet not to be touched: it is told, until it is closed. */
static __always_inline void refuse(struct side *side, const struct owner *owner, __u32 reason)
{
	side->owner = *owner;
	side->reason = reason;
	add_refusal(owner, reason, 1);
}

struct sock___buffer {
	int sk_sndbuf;
	u8 sk_userlocks;
} __attribute__((preserve_access_index));

enum {
	SOL_SOCKET = 1,
	SO_SNDBUF = 7,
	SOCK_SNDBUF_LOCK =
		1, /* the application chose a size itself (include/uapi/linux/socket.h) */
	SMALL_BUFFER = 4096,
	FULL_FOR_NS = 1000000000,
};

static __always_inline long enter(struct bpf_sock_ops *ops, struct side *side)
{
	long error = bpf_sock_hash_update(ops, &socks, &side->cookie, BPF_ANY);

	if (!error && has_verdict) {
		error = bpf_sock_hash_update(ops, &held, &side->cookie, BPF_ANY);
		if (error)
			bpf_map_delete_elem(&socks, &side->cookie);
	}
	if (error)
		count_add(COUNT_LOST_MAP);
	if (error)
		return error;
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
	return 0;
}

static __always_inline void count_neighbour(const struct who *who)
{
	struct accel_seen *found = seen_of(&who->identity);

	if (!found)
		return;
	__sync_fetch_and_add(&found->connections, 1);
	if (who->owner.pid)
		found->pid = who->owner.pid;
}

/* 64 bits that nobody else has: ours, and the other's that the listener noted. */
static __always_inline void established_active(struct bpf_sock_ops *ops, struct accel_settings *is)
{
	__u32 isn = ops->snd_nxt - 1, calls;
	struct note *note = bpf_map_lookup_elem(&notes, &isn);
	struct bpf_sock *sk = ops->sk;
	struct side *side;
	int verdict;

	if (!note || !sk)
		return;
	if (!note->is_answered || note->server_isn != ops->rcv_nxt - 1)
		goto drop; /* the peer is on another machine */
	count_neighbour(&note->active);
	count_neighbour(&note->passive);
	note->self = number_of(&note->active.identity, note->active.owner.pid);
	note->other = number_of(&note->passive.identity, note->passive.owner.pid);
	if (!is->rules || !is->on)
		goto drop;
	note->is_across = note->active.netns != note->passive.netns;
	verdict = judge(is, note->self, note->other, note->is_across, ops->local_port,
			__builtin_bswap32(ops->remote_port));
	if (verdict < 0)
		goto drop;
	side = side_new(ops, sk);
	if (!side)
		goto drop;
	calls = calls_of_options(sock_of(ops));
	if (calls)
		verdict = ACCEL_OPTIONS;
	if (!verdict && enter(ops, side))
		verdict = ACCEL_NO_ROOM;
	if (verdict) {
		refuse(side, &note->active.owner, verdict);
		goto drop;
	}
	side->owner = note->active.owner;
	side->self = note->self;
	side->other = note->other;
	side->is_across = note->is_across;
	side->epoch = is->epoch;
	side->tcp_ns = now_coarse();
	note->cookie = side->cookie;
	note->sk = side->sk;
	return;
drop:
	bpf_map_delete_elem(&notes, &isn);
}

static __always_inline void established_passive(struct bpf_sock_ops *ops, struct accel_settings *is)
{
	__u32 isn = ops->rcv_nxt - 1;
	struct note *note = bpf_map_lookup_elem(&notes, &isn);
	struct bpf_sock *sk = ops->sk;
	struct link link = {};
	struct side *side;

	if (!note || !sk || !note->cookie || note->server_isn != ops->snd_nxt - 1)
		return;
	side = side_new(ops, sk);
	if (!side)
		goto drop;
	if (calls_of_options(sock_of(ops))) {
		refuse(side, &note->passive.owner, ACCEL_OPTIONS);
		goto drop;
	}
	if (enter(ops, side)) {
		refuse(side, &note->passive.owner, ACCEL_NO_ROOM);
		goto drop;
	}
	side->owner = note->passive.owner;
	side->self = note->other;
	side->other = note->self;
	side->is_across = note->is_across;
	side->epoch = is->epoch;
	side->tcp_ns = now_coarse();
	side->peer_cookie = note->cookie;
	side->peer_sk = note->sk;
	link.cookie = side->cookie;
	link.sk = side->sk;
	map_set(&links, &note->cookie, &link, BPF_ANY);
drop:
	bpf_map_delete_elem(&notes, &isn);
}

/* ---- the way back ---- */

struct wait_queue_head {
	struct list_head head;
} __attribute__((preserve_access_index));

struct socket_wq {
	struct wait_queue_head wait;
} __attribute__((preserve_access_index));

struct sock___wait {
	struct socket_wq *sk_wq;
} __attribute__((preserve_access_index));

enum { O_NONBLOCK = 04000 };

/*
 * Somebody may be blocked in recv(): with the verdict program such a reader looks at the queue of redirected bytes only,
 * and would be sent away with EAGAIN by what TCP delivers by itself (tcp_bpf_recvmsg_parser waits once).
 */
static __always_inline bool has_blocked_reader(struct sock *sk)
{
	struct socket_wq *wq = BPF_CORE_READ((struct sock___wait *)sk, sk_wq);
	struct file *file = BPF_CORE_READ(sk, sk_socket, file);
	void *head = (void *)wq + bpf_core_field_offset(struct socket_wq, wait) +
		     bpf_core_field_offset(struct wait_queue_head, head);

	if (!wq || !file || BPF_CORE_READ(file, f_flags) & O_NONBLOCK)
		return false;
	return BPF_CORE_READ(wq, wait.head.next) != head;
}

/*
 * The item is going off: an end leaves the sockhash when one of its own messages was acknowledged. That is the only moment
 * at which the verdict program can be taken from a socket: its lock is held, so no bytes are on their way from
 * TCP to that program, which the kernel would drop when it is gone (sk_psock_verdict_recv begins with SK_DROP).
 */
static __always_inline void leave(struct bpf_sock_ops *ops, const struct side *side)
{
	if (!has_blocked_reader(sock_of(ops)))
		bpf_map_delete_elem(&socks, &side->cookie);
}

/* ---- writers that are too fast ---- */

/*
 * A direction above its limit goes by TCP, and comes back when what went there has arrived. A writer that is faster
 * than its reader would keep 2.6 MB in its send buffer all the time, and never come back: so its buffer is small from
 * the first acknowledgement on, it waits after each message until the reader has caught up; and as it was at the first
 * acknowledgement a second after the direction was full last.
 */
static __always_inline void acknowledged(struct bpf_sock_ops *ops, const struct accel_settings *is)
{
	struct sock___buffer *buffer = (void *)sock_of(ops);
	struct bpf_sock *sk = ops->sk;
	struct side *side;
	int bytes;

	if (!sk)
		return;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side)
		return;
	if (!is->on && has_verdict)
		leave(ops, side);
	if (side->is_full && !side->send_buffer) {
		if (BPF_CORE_READ_BITFIELD_PROBED(buffer, sk_userlocks) & SOCK_SNDBUF_LOCK)
			return;
		side->send_buffer = BPF_CORE_READ(buffer, sk_sndbuf);
		bytes = SMALL_BUFFER;
	} else if (!side->is_full && side->send_buffer &&
		   now_coarse() - side->full_ns > FULL_FOR_NS) {
		bytes = side->send_buffer / 2; /* the kernel doubles it (sock_setsockopt) */
		side->send_buffer = 0;
	} else {
		return;
	}
	bpf_setsockopt(ops, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* ---- sockets that go ---- */

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

static __always_inline void closed_side(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct side *side;

	if (!sk)
		return;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side)
		return;
	bpf_map_delete_elem(&links, &side->cookie);
	if (side->reason && side->reason != ACCEL_CALL && side->reason != ACCEL_GONE) {
		add_refusal(&side->owner, side->reason, -1);
	} else {
		add_totals(side);
		tell_closed(side);
	}
	bpf_sk_storage_delete(&sides, sk);
}

HOOK("sockops", sockets, 1)
int sockets_come_and_go(struct bpf_sock_ops *ops)
{
	struct accel_settings *is = settings_get();
	struct who who;
	__u64 listener;

	if (!is)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB: note_connect(ops, is); break;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		if (!ops->is_fullsock)
			note_answer(ops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB: established_active(ops, is); break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: established_passive(ops, is); break;
	case BPF_SOCK_OPS_RTT_CB: acknowledged(ops, is); break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		listener = (__u64)sock_of(ops);
		read_current(&who, (struct sock *)listener);
		map_set(&listeners, &listener, &who, BPF_ANY);
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] != BPF_TCP_CLOSE)
			break;
		listener = (__u64)sock_of(ops);
		if (ops->args[0] == BPF_TCP_LISTEN)
			bpf_map_delete_elem(&listeners, &listener);
		else
			closed_side(ops);
		break;
	}
	return 1;
}

/* ---- messages ---- */

static __always_inline void fall_back(struct side *side, enum accel_reason reason)
{
	__u32 slot = reason;

	asm volatile("%0 &= 15" : "+r"(slot));
	if (side->is_redirecting)
		side->fallbacks[slot % REASON_SLOTS]++;
	side->is_redirecting = 0;
	/* (ACCEL_REASONS: still waiting to be in order) */
	if (reason == ACCEL_FULL)
		side->full_ns = now_coarse();
	side->is_full = reason == ACCEL_FULL || (reason == ACCEL_REASONS && side->is_full);
}

/*
 * Would bytes that are redirected now be read after all that was sent by TCP?
 *
 * Without the verdict program the queue of redirected bytes is read first: so the peer's application must have read
 * everything. With it, bytes that come by TCP are put into the same queue when they arrive, under the peer's lock; the
 * acknowledgement that we saw was sent under that lock too, and a redirect has to take it (bpf_tcp_ingress). So everything
 * acknowledged, and nothing of it left in the two queues before that one, is enough.
 */
static __always_inline bool is_in_order(const struct side *side)
{
	struct tcp_sock *own = (void *)side->sk;
	struct sock *peer = (void *)side->peer_sk;
	__u32 written = BPF_CORE_READ(own, write_seq);
	struct sk_psock *psock;

	if (written != BPF_CORE_READ(own, snd_una))
		return false;
	if (written == BPF_CORE_READ((struct tcp_sock *)peer, copied_seq))
		return true;
	if (!has_verdict)
		return false;
	psock = psock_of(peer);
	return psock && written == BPF_CORE_READ((struct tcp_sock *)peer, rcv_nxt) &&
	       !BPF_CORE_READ(peer, sk_receive_queue.qlen) &&
	       !BPF_CORE_READ(psock, ingress_skb.qlen);
}

static __always_inline bool has_room(struct side *side, __u64 limit, __u32 size)
{
	struct sk_psock *psock = psock_of((struct sock *)side->peer_sk);
	__u64 unread;

	if (!psock)
		return true; /* closed: the redirect will say so */
	if (psock_counts()) {
		unread = psock_unread(psock);
	} else {
		if (psock_is_empty(psock))
			side->since_empty = 0;
		unread = side->since_empty;
	}
	return !unread || unread + size <= limit;
}

static __always_inline bool learn_peer(struct side *side)
{
	struct link *link = bpf_map_lookup_elem(&links, &side->cookie);

	if (!link)
		return false;
	side->peer_sk = link->sk;
	side->peer_cookie = link->cookie;
	bpf_map_delete_elem(&links, &side->cookie);
	return true;
}

static __always_inline bool is_banned(const struct side *side)
{
	return bpf_map_lookup_elem(&banned, &side->cookie) ||
	       bpf_map_lookup_elem(&banned, &side->peer_cookie);
}

/* ACCEL_NONE when the message may be redirected now; ACCEL_REASONS: not yet. */
static __always_inline enum accel_reason why_by_tcp(struct side *side,
						    const struct accel_settings *is, __u32 size)
{
	__u64 now = now_coarse();

	if (!is->on)
		return ACCEL_OFF;
	if (now > is->beat_ns && now - is->beat_ns > is->patience_ns)
		return ACCEL_ORPHAN;
	if (side->epoch != is->epoch) {
		if (judge(is, side->self, side->other, side->is_across, side->port,
			  side->peer_port))
			return ACCEL_OFF;
		side->epoch = is->epoch;
	}
	if (is->bans && is_banned(side)) {
		side->reason = ACCEL_CALL;
		return ACCEL_CALL;
	}
	if (now > side->tcp_ns && now - side->tcp_ns > is->keep_alive_ns)
		return ACCEL_KEEP_ALIVE;
	if (!side->is_redirecting && !is_in_order(side))
		return ACCEL_REASONS;
	return has_room(side, is->limit, size) ? ACCEL_NONE : ACCEL_FULL;
}

static __always_inline int by_tcp(struct side *side, enum accel_reason reason, __u32 size)
{
	fall_back(side, reason);
	side->tcp_bytes += size;
	side->tcp_ns = now_coarse();
	return SK_PASS;
}

HOOK_MAP("sk_msg", message, 1, socks)
int redirect(struct sk_msg_md *message)
{
	struct accel_settings *is = settings_get();
	struct bpf_sock *sk = message->sk;
	__u32 size = message->size;
	enum accel_reason reason;
	struct side *side;
	long done;

	if (!sk || !is)
		return SK_PASS;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side)
		return SK_PASS;
	if (side->reason)
		return by_tcp(side, side->reason, size);
	if (!side->peer_cookie && !learn_peer(side))
		return by_tcp(side, ACCEL_REASONS, size);
	reason = why_by_tcp(side, is, size);
	if (reason)
		return by_tcp(side, reason, size);
	/* `held` too is known to this program: it lives as long as a socket is in it */
	done = has_verdict
		       ? bpf_msg_redirect_hash(message, &held, &side->peer_cookie, BPF_F_INGRESS)
		       : bpf_msg_redirect_hash(message, &socks, &side->peer_cookie, BPF_F_INGRESS);
	if (done != SK_PASS) {
		side->is_redirecting = 1; /* so that it counts */
		side->reason = ACCEL_GONE;
		return by_tcp(side, ACCEL_GONE, size);
	}
	side->is_redirecting = 1;
	side->is_full = 0;
	side->since_empty += size;
	side->redirected_bytes += size;
	side->redirected_messages++;
	return SK_PASS;
}

/* Does nothing: with it, bytes that come by TCP lie in the queue that FIONREAD counts (FACTS: sockhash hazard). */
HOOK_MAP("sk_skb/stream_verdict", verdict, 1, socks)
int pass_on(struct __sk_buff *skb)
{
	return SK_PASS;
}

/* ---- calls that the kernel cannot do on redirected sockets ---- */

/* The kernel counts redirected bytes for FIONREAD (the self-test's finding). */
const volatile bool counts_redirected = false;

enum {
	MSG_OOB = 1,
	MSG_TRUNC = 0x20,
	MSG_WAITALL = 0x100,
	SO_RCVLOWAT = 18,
	SO_ZEROCOPY = 60,
	SOL_TCP = 6,
	TCP_ULP = 31,
	TCP_INQ = 36,
	FIONREAD = 0x541b,
	S_IFMT = 0170000,
	S_IFSOCK = 0140000,
};

/* The executable is known by it from now on; the connection goes by TCP, in both directions. */
static __always_inline void used(struct sock *sk, __u32 call)
{
	struct accel_settings *is = settings_get();
	struct accel_identity identity;
	__u32 reason = ACCEL_CALL;
	struct accel_seen *found;
	__u64 cookie;

	if (!is || BPF_CORE_READ(sk, sk_protocol) != PROTO_TCP)
		return;
	read_identity((struct task_struct *)bpf_get_current_task(), &identity);
	found = seen_of(&identity);
	if (found && !(found->calls & call)) {
		__sync_fetch_and_or(&found->calls, call);
		found->marked_ns = bpf_ktime_get_ns();
	}
	/* a socket that was never accelerated has no cookie, or nobody looks it up */
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (!cookie || (call == CALL_FIONREAD && counts_redirected))
		return;
	if (!bpf_map_lookup_elem(&banned, &cookie) && !map_set(&banned, &cookie, &reason, BPF_ANY))
		__sync_fetch_and_add(&is->bans, 1);
}

static __always_inline struct sock *sock_of_fd(__u64 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0, **files = BPF_CORE_READ(table, fd);
	struct socket *socket;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void used_fd(__u64 fd, __u32 call)
{
	struct sock *sk = call ? sock_of_fd(fd) : 0;

	if (sk)
		used(sk, call);
}

static __always_inline __u32 calls_of_flags(__u64 flags)
{
	return (flags & MSG_WAITALL ? CALL_WAITALL : 0) | (flags & MSG_TRUNC ? CALL_TRUNC : 0) |
	       (flags & MSG_OOB ? CALL_OOB : 0);
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_recvfrom", receive, 1)
int received(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], calls_of_flags(call->args[3]));
	return 0;
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_recvmsg", receive_message, 1)
int received_message(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], calls_of_flags(call->args[2]));
	return 0;
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_sendto", send, 1)
int sending(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], call->args[3] & MSG_OOB ? CALL_OOB : 0);
	return 0;
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_splice", splice, 1)
int spliced(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], CALL_SPLICE);
	return 0;
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_ioctl", ioctl, 1)
int counted(struct trace_event_raw_sys_enter *call)
{
	used_fd(call->args[0], (__u32)call->args[1] == FIONREAD ? CALL_FIONREAD : 0);
	return 0;
}

HOOK_OPTIONAL("tp/syscalls/sys_enter_setsockopt", option, 1)
int option_set(struct trace_event_raw_sys_enter *call)
{
	__u32 level = call->args[1], name = call->args[2], kind = 0;
	int value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)call->args[3]);
	if (level == SOL_SOCKET && name == SO_RCVLOWAT && value > 1)
		kind = CALL_RCVLOWAT;
	else if (level == SOL_SOCKET && name == SO_ZEROCOPY && value)
		kind = CALL_ZEROCOPY;
	else if (level == SOL_TCP && name == TCP_INQ && value)
		kind = CALL_INQ;
	else if (level == SOL_TCP && name == TCP_ULP)
		kind = CALL_ULP;
	used_fd(call->args[0], kind);
	return 0;
}

/* ---- for the user half ---- */

struct bpf_iter__sockmap {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	struct sock *sk;
} __attribute__((preserve_access_index));

HOOK_MAP("iter/sockmap", workload, 1, socks)
int workload_table(struct bpf_iter__sockmap *iterator)
{
	struct sock *sk = iterator->sk;
	struct sk_psock *psock;
	struct row row = {};
	struct side *side;

	if (!sk)
		return 0;
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (!side)
		return 0;
	psock = psock_of(sk);
	row.owner = side->owner;
	totals_of(side, &row.totals);
	row.accelerated = 1;
	row.waiting = side->tcp_bytes && !side->is_redirecting;
	row.unread_bytes = psock && psock_counts() ? psock_unread(psock) : 0;
	bpf_seq_write(iterator->meta->seq, &row, sizeof(row));
	return 0;
}

static __always_inline int write_end(struct bpf_iter__sockmap *iterator)
{
	struct sock *sk = iterator->sk;
	struct accel_end end = {};
	struct sk_psock *psock;
	struct side *side;
	__u64 *key = iterator->key;

	if (!sk || !key)
		return 0;
	end.cookie = *key;
	psock = psock_of(sk);
	end.waiting = psock && !psock_is_empty(psock);
	side = bpf_sk_storage_get(&sides, sk, 0, 0);
	if (side) {
		end.peer_cookie = side->peer_cookie;
		end.redirected_bytes = side->redirected_bytes;
		end.tcp_bytes = side->tcp_bytes;
		end.unread_bytes = psock && psock_counts() ? psock_unread(psock) : 0;
		end.pid = side->owner.pid;
		end.is_redirecting = side->is_redirecting;
		end.local_port = side->port;
		end.remote_port = side->peer_port;
		end.reason = side->reason;
	}
	bpf_seq_write(iterator->meta->seq, &end, sizeof(end));
	return 0;
}

HOOK_MAP("iter/sockmap", ends, 1, socks)
int ends_table(struct bpf_iter__sockmap *iterator)
{
	return write_end(iterator);
}

HOOK_MAP("iter/sockmap", ends_held, 1, held)
int ends_held_table(struct bpf_iter__sockmap *iterator)
{
	return write_end(iterator);
}

HOOK("iter/task", processes, 1)
int processes_table(struct bpf_iter__task *iterator)
{
	struct task_struct *task = iterator->task;
	struct accel_process row = {};

	if (!task || task->pid != task->tgid || task->flags & PF_KTHREAD)
		return 0;
	read_identity(task, &row.identity);
	row.pid = task->tgid;
	row.start_ns = task->start_time;
	bpf_seq_write(iterator->meta->seq, &row, sizeof(row));
	return 0;
}

/* Who listens already when the item is switched on. */
HOOK("iter/task_file", listening, 1)
int listening_walk(struct bpf_iter__task_file *iterator)
{
	struct task_struct *task = iterator->task;
	struct file *file = iterator->file;
	struct socket *socket;
	struct who who = {};
	struct sock *sk;
	__u64 key;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || sk->sk_protocol != PROTO_TCP || sk->__sk_common.skc_state != BPF_TCP_LISTEN)
		return 0;
	key = (__u64)socket->sk;
	asm volatile("" : "+r"(key));
	read_identity(task, &who.identity);
	who.owner = owner_of(task);
	bpf_map_update_elem(&listeners, &key, &who, BPF_NOEXIST);
	return 0;
}
