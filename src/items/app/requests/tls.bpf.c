// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls - plaintext, where programs hand it to their TLS library and take it from there.
 *
 * Probes stand on the few functions that read and write (tls.c finds them and says with the probe's cookie how each
 * takes its arguments). Bytes are read when the function returns: then they are there, and it is known how many.
 *
 * Whose they are. A TLS object is an address in a process: {process, object}. It is tied to a socket by what is seen, not by what
 * is likely: while a thread is inside such a function for an object, it sends or receives a TLS record over a socket
 * (the tracepoints of sockets, in the same thread), or the object itself leads to a descriptor (Go). The tie is
 * looked at again with every such call, so an object that lies where another one was is told apart by its socket. It
 * ends with the socket, as does all that is known of it. An object without a tie (its bytes go through memory) is told
 * with a number of ours in place of the socket's cookie: without addresses, which is better than with wrong ones.
 *
 * Each call costs its process a trap or two, so calls are counted by process; above `limit` calls a second its calls
 * are not looked at until there are fewer.
 */
#include "kernel/emit.bpf.h"
#include "kernel/read.bpf.h"
#include "kernel/tcp_states.bpf.h"

#include "items/app/requests/tls.h"

ITEM("app", "off",
     "plaintext of TLS for requests: OpenSSL, GnuTLS, NSS, Go (and what that costs each process)");
PARAM(__u32, limit, 50000, "calls a second of one process above which it is left alone");

EVENTS(4 * 1024 * 1024);

enum {
	TAIL = REQUESTS_TAIL,
	RECORD_HEAD = 5,
	RECORD_CHANGE = 0x14,
	RECORD_HANDSHAKE = 0x16,
	NESTED_BYTES = 1 << 20,
	COUNTED_BYTES = 4096,
	SECOND_NS = 1000000000,
	MARK_WORDS = 4
};

/* The function of a library that the thread is in. */
struct call {
	__u64 object, buffer,
		bytes_at; /* bytes_at: where the function says how many, 0 = it returns them */
	__u32 direction;
	__u32 gaps; /* as in struct object */
	bool is_inside;
	bool is_peeking;
	bool is_seeking; /* it read for an object without a tie: what it receives is remembered */
	__u8 sends_to_go; /* that are compared with `mark` */
	__u8 pad[4];
	__u64 marked; /* object whose record is to be seen at a socket (tls_inner.bpf.h); 0 = none */
	__u64 mark[2][MARK_WORDS]; /* first bytes of its first and last one that wait for that */
	__u64 received_sk, received_cookie, received_at, received_end;
	__u64 stack; /* the stack pointer when it was entered */
	__u64 sent_ns; /* when it sent over a socket meanwhile; 0 = it did not */
	__u64 tied_object,
		tied_cookie; /* a tie that was looked at lately: what the next bytes need not ask for */
};

struct object {
	__u64 cookie; /* of its socket; TLS_UNPROVEN: a number of ours; 0 = nothing is told yet */
	__u64 position[2]; /* behind the last byte */
	__u64 moved[2], captured[2], cut[2], lost[2]; /* bytes; moved = the others */
	__u32 cut_before[2], lost_before[2]; /* not told yet */
	struct owner owner; /* whose `cost` they are counted in: */
	__u64 uncounted; /* bytes moved that are not in `cost` yet */
	__u32 verdict;
	__u32 srtt_us;
	__u32 gaps; /* of its process (struct cost), when it was looked at last */
	__u8 is_from_start; /* 2: a handshake was seen, and no plaintext since; 1: so it began; 0: joined late */
	__u8 is_told;
	__u8 pad[2];
};

/* A tie, from the socket's end. */
struct tie {
	struct tls_key key;
	__u64 arrived_ns; /* when bytes came that nobody has received yet; 0 = none, or not seen */
	__u32 srtt_us, pad;
};

/* Thread -> the function it is in. Goes with the thread. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

/* {process, TLS object} -> what is known of it. Deleted with its socket; without one, when it is freed or by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLS_OBJECTS);
	__type(key, struct tls_key);
	__type(value, struct object);
} objects SEC(".maps");

/* Cookie of a socket -> its TLS object. Deleted when the socket closes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLS_OBJECTS);
	__type(key, __u64);
	__type(value, struct tie);
} ties SEC(".maps");

/* What its probes cost a process, and what they saw. */
struct cost {
	__u64 calls COUNTER("name=tls_calls;help=Probed calls of TLS libraries: each costs its "
			    "process one trap or two") COL("count");
	__u64 passed COUNTER("name=tls_calls_passed;help=Calls that were not looked at: the "
			     "process made more than `limit` a second") COL("count");
	__u64 bytes COUNTER("name=tls_plaintext;unit=bytes;help=Plaintext that these calls moved")
		COL("bytes");
	__u64 tied COUNTER("name=tls_connections_tied;help=TLS connections whose socket is proven")
		COL("count");
	__u64 untied COUNTER("name=tls_connections_untied;help=TLS connections that go through "
			     "memory: told without addresses") COL("count");
	/* (of the limit; no metrics) */
	__u64 second_ns; /* begin of the second that is being counted */
	__u32 calls_then; /* in it */
	__u32 is_limited; /* too many in the second before */
	__u32 gaps; /* times that calls were passed, after some that were looked at */
	__u32 is_passing;
};
METRICS(cost, struct owner, struct cost, TLS_PROCESSES);

/* Cookie modulo its size -> verdict (requests.h). Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REQUESTS_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

struct room {
	__u32 is_taken;
	__u32 pad;
	__u64 unasked, may_be_unasked; /* bytes sent since the ring was asked how full it is */
	__u8 event[sizeof(struct requests_data)];
	__u8 bytes[REQUESTS_HEAD_MAX + 2 * TAIL];
};

enum { ROOMS = 2 };

/* Number -> where an event is put together; two, since a task that has one may be pushed aside. Per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROOMS);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

/* 0 -> numbers given to objects without a socket. Per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

static __always_inline struct requests_data *data_in(struct room *room)
{
	return (void *)room->event;
}

static __always_inline struct room *take_room(void)
{
	for (__u32 i = 0; i < ROOMS; i++) {
		__u32 key = i;
		struct room *room = bpf_map_lookup_elem(&rooms, &key);

		if (room && !room->is_taken) {
			room->is_taken = 1;
			return room;
		}
	}
	count_add(COUNT_LOST_STATE);
	return 0;
}

/* ---- processes ---- */

static __always_inline struct cost *cost_of_current(void)
{
	static const struct cost none;
	struct owner owner = read_owner_of_current();

	return map_get_or_add(&cost, &owner, &none);
}

/* 0 -> calls that were not looked at, of all processes: user space tells of them once a second. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} passed SEC(".maps");

static __always_inline void count_passed(void)
{
	__u32 zero = 0;
	__u64 *all = bpf_map_lookup_elem(&passed, &zero);

	if (all)
		__sync_fetch_and_add(all, 1);
}

/* Counts the call. False: this process makes too many. (Threads may count past each other: it is a limit, no sum.) */
static __always_inline bool may_look_at(struct cost *cost, __u64 now)
{
	bool is_looked_at = true;

	if (limit) {
		if (now - cost->second_ns >= SECOND_NS) {
			cost->is_limited = cost->calls_then > limit;
			cost->second_ns = now;
			cost->calls_then = 0;
		}
		cost->calls_then++;
		is_looked_at = cost->calls_then <= limit && !cost->is_limited;
	}
	__sync_fetch_and_add(is_looked_at ? &cost->calls : &cost->passed, 1);
	if (!is_looked_at && !cost->is_passing)
		cost->gaps++;
	cost->is_passing = !is_looked_at;
	if (!is_looked_at)
		count_passed();
	return is_looked_at;
}

static __always_inline bool may_look(struct cost *cost)
{
	return may_look_at(cost, bpf_ktime_get_ns());
}

/* ---- connections ---- */

/* Bytes are counted some calls at once, and all when the connection ends. */
static __always_inline void count_bytes(struct object *object)
{
	struct owner owner = object->owner;
	struct cost *found = bpf_map_lookup_elem(&cost, &owner);

	if (found)
		__sync_fetch_and_add(&found->bytes, object->uncounted);
	object->uncounted = 0;
}

static __always_inline void note_cut(struct object *object, __u32 bytes, __u32 direction)
{
	object->cut[direction & 1] += bytes;
	object->cut_before[direction & 1] += bytes;
}

static __always_inline void note_lost(struct object *object, __u32 bytes, __u32 direction)
{
	object->lost[direction & 1] += bytes;
	object->lost_before[direction & 1] += bytes;
}

/* `sk` 0: nobody knows it. Returns false when the ring is full. */
static __always_inline bool tell_open(struct object *object, struct sock *sk)
{
	struct requests_open *event = emit_reserve(REQUESTS_OPEN, sizeof(*event));
	struct sock_addrs addrs = {};

	if (!event)
		return false;
	if (sk)
		read_sock_addrs(sk, &addrs);
	event->head.flags =
		object->is_from_start ? 0 : REQUESTS_END; /* (of this item: joined late) */
	event->cookie = object->cookie;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->cgroup = item_cgroup1 ? cgroup_of((struct task_struct *)bpf_get_current_task())
				     : bpf_get_current_cgroup_id();
	event->netns = sk ? read_sock_netns(false, sk) : 0;
	event->position[0] = object->position[0];
	event->position[1] = object->position[1];
	__builtin_memcpy(event->local_addr, addrs.local_addr, 16);
	__builtin_memcpy(event->remote_addr, addrs.remote_addr, 16);
	event->local_port = addrs.local_port;
	event->remote_port = addrs.remote_port;
	event->transport = PROTO_TCP;
	event->is_accepted = sk && BPF_CORE_READ(sk, sk_max_ack_backlog) != 0;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	object->is_told = true;
	emit_submit(event);
	return true;
}

static __always_inline void tell_closed(struct object *object)
{
	struct requests_closed *event;

	if (object->uncounted)
		count_bytes(object);
	if (!object->is_told)
		return;
	object->is_told = false;
	event = emit_reserve(REQUESTS_CLOSED, sizeof(*event));
	if (!event)
		return;
	event->cookie = object->cookie;
	for (int i = 0; i < 2; i++) {
		event->position[i] = object->position[i];
		event->moved[i] = object->moved[i];
		event->captured[i] = object->captured[i];
		event->cut[i] = object->cut[i];
		event->lost[i] = object->lost[i];
	}
	emit_submit(event);
}

static __always_inline struct object *object_of(const struct tls_key *key)
{
	static const struct object none;
	struct object *object = bpf_map_lookup_elem(&objects, key);

	if (object)
		return object;
	bpf_map_update_elem(&objects, key, &none, BPF_NOEXIST);
	object = bpf_map_lookup_elem(&objects, key);
	if (!object)
		count_add(COUNT_LOST_MAP);
	return object;
}

/* The object begins anew: for another socket, or for another connection without one. */
static __always_inline void begin(struct object *object, __u64 cookie)
{
	if (object->cookie)
		tell_closed(object);
	__builtin_memset(object->position, 0, sizeof(object->position));
	__builtin_memset(object->moved, 0, sizeof(object->moved));
	__builtin_memset(object->captured, 0, sizeof(object->captured));
	__builtin_memset(object->cut, 0, sizeof(object->cut));
	__builtin_memset(object->lost, 0, sizeof(object->lost));
	__builtin_memset(object->cut_before, 0, sizeof(object->cut_before));
	__builtin_memset(object->lost_before, 0, sizeof(object->lost_before));
	object->verdict = 0;
	object->cookie = cookie;
	object->owner = read_owner_of_current();
	object->is_from_start = object->is_from_start == 2;
}

/* This object's bytes went over this socket just now. */
static __always_inline void prove(const struct tls_key *key, struct sock *sk, __u64 cookie)
{
	struct object *object = object_of(key);
	struct cost *cost;
	struct tie tie = {.key = *key};

	if (!object || !cookie || object->cookie == cookie)
		return;
	begin(object, cookie);
	if (bpf_map_update_elem(&ties, &cookie, &tie, BPF_ANY))
		count_add(COUNT_LOST_MAP);
	tell_open(object, sk);
	cost = cost_of_current();
	if (cost)
		__sync_fetch_and_add(&cost->tied, 1);
}

static __always_inline bool begin_unproven(struct object *object)
{
	struct cost *cost = cost_of_current();
	__u32 zero = 0;
	__u64 *number = bpf_map_lookup_elem(&numbers, &zero);

	if (!number)
		return false;
	*number += 1;
	begin(object, TLS_UNPROVEN | *number << 10 | (bpf_get_smp_processor_id() & 1023));
	if (cost)
		__sync_fetch_and_add(&cost->untied, 1);
	return tell_open(object, 0);
}

/* ---- bytes ---- */

static __always_inline void read_verdict(struct object *object)
{
	__u32 place = object->cookie % REQUESTS_VERDICTS;
	__u64 *verdict = bpf_map_lookup_elem(&verdicts, &place), word;

	if (!verdict)
		return;
	word = *(volatile __u64 *)verdict;
	if (word >> 32 == (__u32)(object->cookie / REQUESTS_VERDICTS + 1))
		object->verdict = (__u32)word;
}

static __always_inline __u32 wanted_bytes(const struct object *object, __u32 direction)
{
	__u32 log2 = object->verdict >> (direction ? 16 : 8) & 31;

	return log2 ? 1u << log2 : REQUESTS_HEAD_MAX;
}

/* The first bytes and, where those are not all, the last ones. */
static __always_inline void copy_bytes(struct room *room, __u64 from, __u32 moved, __u64 want)
{
	struct requests_data *data = data_in(room);
	__u64 len = want < moved ? want : moved;

	data->first = data->last = 0;
	asm volatile("" : "+r"(len)); /* said once more: verifiers lose the bounds of a minimum */
	if (len > REQUESTS_HEAD_MAX)
		len = REQUESTS_HEAD_MAX;
	if (bpf_probe_read_user(room->bytes, len, (void *)from)) {
		count_add(COUNT_LOST_READ);
		return;
	}
	data->first = len;
	if (moved >= len + TAIL && len <= REQUESTS_HEAD_MAX &&
	    !bpf_probe_read_user(room->bytes + len, TAIL, (void *)(from + moved - TAIL)))
		data->last = TAIL;
}

/* Asking how full the ring is costs more than an event's head: after so many bytes only. */
static __always_inline __u64 wakeup_of(struct room *room, __u32 bytes)
{
	room->unasked += bytes;
	if (room->unasked < room->may_be_unasked)
		return BPF_RB_NO_WAKEUP;
	room->unasked = 0;
	room->may_be_unasked = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 256;
	return emit_wakeup();
}

static __always_inline void send_data(struct object *object, struct room *room, __u32 moved,
				      __u32 direction)
{
	struct requests_data *data = data_in(room);
	__u64 bytes = data->first + data->last;
	__u32 captured = bytes;

	asm volatile("" : "+r"(bytes));
	if (bytes > REQUESTS_HEAD_MAX + TAIL)
		bytes = REQUESTS_HEAD_MAX + TAIL;
	data->head.kind = REQUESTS_DATA;
	data->head.size = sizeof(*data) + bytes;
	if (!emit_built(data, sizeof(*data) + bytes, wakeup_of(room, sizeof(*data) + bytes))) {
		note_lost(object, moved, direction);
		return;
	}
	object->captured[direction & 1] += captured;
	object->cut[direction & 1] += moved - captured;
	object->cut_before[direction & 1] = object->lost_before[direction & 1] = 0;
}

/* When these bytes came to the socket; it is asked once. */
static __always_inline __u64 take_arrival(struct object *object, __u32 direction)
{
	struct tie *tie;
	__u64 ns, cookie = object->cookie;

	if (direction != REQUESTS_IN)
		return 0;
	tie = bpf_map_lookup_elem(&ties, &cookie);
	if (!tie)
		return 0;
	ns = tie->arrived_ns;
	tie->arrived_ns = 0;
	if (tie->srtt_us)
		object->srtt_us = tie->srtt_us;
	return ns;
}

static __always_inline void tell_data(struct object *object, __u64 from, __u32 moved,
				      __u64 position, __u32 direction, __u64 ns)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct room *room = take_room();
	struct requests_data *data;

	if (!room) {
		note_lost(object, moved, direction);
		return;
	}
	data = data_in(room);
	data->head.flags = 0;
	data->head.ktime_ns = ns;
	data->cookie = object->cookie;
	data->position = position;
	data->received = 0;
	data->arrived_ns = data->arrived_last_ns = take_arrival(object, direction);
	data->pid = id >> 32;
	data->tid = (__u32)id;
	data->moved = moved;
	data->cut_before = object->cut_before[direction & 1];
	data->lost_before = object->lost_before[direction & 1];
	data->srtt_us = object->srtt_us;
	data->direction = direction;
	copy_bytes(room, from, moved, wanted_bytes(object, direction));
	send_data(object, room, moved, direction);
	room->is_taken = 0;
}

/* Calls were passed meanwhile: nobody knows what they moved. In each direction a byte stands for it that is lost. */
static __always_inline void note_gap(struct object *object, __u32 gaps)
{
	object->gaps = gaps;
	for (int i = 0; i < 2; i++) {
		object->position[i]++;
		object->moved[i]++;
		note_lost(object, 1, i);
	}
}

/* The library moved that many bytes of plaintext for an object, at that time. `gaps`: of the process. */
static __always_inline void on_object_moved(struct object *object, __u64 from, __u32 moved,
					    __u32 direction, __u64 ns, __u32 gaps)
{
	__u64 position;

	if (!object->cookie && !begin_unproven(object))
		return;
	if (object->gaps != gaps)
		note_gap(object, gaps);
	object->uncounted += moved;
	if (object->uncounted >= COUNTED_BYTES)
		count_bytes(object);
	object->is_from_start = object->is_from_start ? 1 : 0;
	position = object->position[direction & 1];
	object->position[direction & 1] = position + moved;
	object->moved[direction & 1] += moved;
	read_verdict(object);
	if ((object->verdict & 0xff) == REQUESTS_UNWANTED || !object->is_told)
		note_cut(object, moved, direction);
	else
		tell_data(object, from, moved, position, direction, ns);
}

static __always_inline void on_moved(const struct tls_key *key, __u64 from, __u32 moved,
				     __u32 direction, __u64 ns, __u32 gaps)
{
	struct object *object = object_of(key);

	if (object)
		on_object_moved(object, from, moved, direction, ns, gaps);
}

/* What it says from here on is the beginning: nothing that was passed before is missed. */
static __always_inline void begins_now(struct object *object)
{
	struct cost *found = cost_of_current();

	object->is_from_start = 2;
	if (!object->moved[0] && !object->moved[1])
		object->gaps = found ? found->gaps : 0;
}

/*
 * A record of a handshake that is no application data yet: the connection begins before our eyes. (Libraries shake hands inside
 * reads and writes, too. Renegotiation would look alike, on a connection that nothing was seen of before.)
 */
static __always_inline void note_handshake(const struct tls_key *key)
{
	struct object *object = object_of(key);

	if (object)
		begins_now(object);
}

/* ---- functions of libraries ---- */

static __always_inline struct call *call_of_thread(__u64 flags)
{
	return bpf_task_storage_get(&calls, bpf_get_current_task_btf(), 0, flags);
}

/* Of NSPR: does a layer lie above another one? TLS always does (prio.h: file_type of the methods, lower). */
static __always_inline bool is_layered(__u64 descriptor)
{
	enum { PR_DESC_LAYERED = 4, LOWER = 16 };
	__u64 methods = 0, lower = 0;
	__u32 type = 0;

	bpf_probe_read_user(&methods, sizeof(methods), (void *)descriptor);
	bpf_probe_read_user(&lower, sizeof(lower), (void *)(descriptor + LOWER));
	bpf_probe_read_user(&type, sizeof(type), (void *)methods);
	return lower && type == PR_DESC_LAYERED;
}

/*
 * The state of this thread's call, when a function is entered. A function that is called by one that is already watched is a
 * part of that (0). One that was left without returning (longjmp) is told by the stack: who is entered now does not lie below it.
 */
static __always_inline struct call *enter(struct pt_regs *ctx, __u64 how)
{
	struct call *call = call_of_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u64 stack = PT_REGS_SP(ctx) + (__u32)(how >> TLS_STACK_SHIFT);

	if (!call) {
		count_add(COUNT_LOST_MEMORY);
		return 0;
	}
	if (call->is_inside && stack < call->stack && call->stack - stack < NESTED_BYTES)
		return 0;
	call->object = PT_REGS_PARM1(ctx);
	call->stack = stack;
	call->bytes_at = 0;
	call->sent_ns = 0;
	call->is_inside = true;
	return call;
}

/* How many bytes the function moved; 0 = none. */
static __always_inline __u32 result_of(struct pt_regs *ctx, const struct call *call)
{
	__u64 bytes = 0;
	int result = (int)PT_REGS_RC(ctx);

	if (result <= 0)
		return 0;
	if (!call->bytes_at)
		return result;
	if (bpf_probe_read_user(&bytes, sizeof(bytes), (void *)call->bytes_at) || bytes > 1u << 30)
		return 0;
	return bytes;
}

/* Nothing could be read: what came was no plaintext (a ticket, an alert), and its arrival says nothing of what follows. */
static __always_inline void forget_arrival(const struct tls_key *key)
{
	struct object *object = bpf_map_lookup_elem(&objects, key);

	if (object && object->cookie)
		take_arrival(object, REQUESTS_IN);
}

/* Another one that lay there is gone, and with it whose bytes they were. */
static __always_inline void begins_anew(struct object *object)
{
	tell_closed(object);
	object->cookie = 0;
	__builtin_memset(object->moved, 0, sizeof(object->moved));
	begins_now(object);
}

/* Nothing of it was missed, also where its bytes never meet a socket before our eyes. */
static __always_inline int on_new(__u64 address)
{
	struct tls_key key = {.object = address, .pid = bpf_get_current_pid_tgid() >> 32};
	struct object *object = address ? object_of(&key) : 0;

	if (object)
		begins_anew(object);
	return 0;
}

static __always_inline int on_peek(bool begins)
{
	struct call *call = call_of_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (call)
		call->is_peeking = begins;
	return 0;
}

static __always_inline int on_return(struct pt_regs *ctx)
{
	struct call *call;
	struct tls_key key = {};
	__u32 moved;

	switch (bpf_get_attach_cookie(ctx) & 0xff) {
	case TLS_NEW: return on_new(PT_REGS_RC(ctx));
	case TLS_PEEK: return on_peek(false);
	}
	call = call_of_thread(0);

	if (!call || !call->is_inside || PT_REGS_SP(ctx) != call->stack + ARCH_RETURN_POPS)
		return 0;
	call->is_inside = false;
	if (!call->buffer)
		return 0; /* a handshake */
	key.object = call->object;
	key.pid = bpf_get_current_pid_tgid() >> 32;
	moved = result_of(ctx, call);
	if (moved)
		on_moved(&key, call->buffer, moved, call->direction,
			 call->sent_ns ? call->sent_ns : bpf_ktime_get_ns(), call->gaps);
	else if (call->direction == REQUESTS_IN)
		forget_arrival(&key);
	return 0;
}

/* A handshake begins or goes on: what comes is seen from the start. */
static __always_inline int on_handshake(struct pt_regs *ctx, __u64 how)
{
	struct tls_key key = {.object = PT_REGS_PARM1(ctx),
			      .pid = bpf_get_current_pid_tgid() >> 32};
	struct object *object = object_of(&key);
	struct call *call;

	if (!object)
		return 0;
	if (object->cookie & TLS_UNPROVEN && (object->moved[0] || object->moved[1])) {
		tell_closed(
			object); /* another one that lies where it was, or renegotiation: told apart it can't be */
		object->cookie = 0;
		__builtin_memset(object->moved, 0, sizeof(object->moved));
	}
	begins_now(object);
	call = enter(ctx, how);
	if (call)
		call->buffer = 0;
	return 0;
}

/* The object is gone. One that has a socket goes with that: what the library had decrypted may still be told. */
static __always_inline int on_free(struct pt_regs *ctx)
{
	struct tls_key key = {.object = PT_REGS_PARM1(ctx),
			      .pid = bpf_get_current_pid_tgid() >> 32};
	struct object *object = bpf_map_lookup_elem(&objects, &key);

	if (!object || (object->cookie && !(object->cookie & TLS_UNPROVEN)))
		return 0;
	tell_closed(object);
	bpf_map_delete_elem(&objects, &key);
	return 0;
}

#include "items/app/requests/tls_go.bpf.h"
#include "items/app/requests/tls_inner.bpf.h"

static __always_inline int on_entry(struct pt_regs *ctx)
{
	__u64 how = bpf_get_attach_cookie(ctx), fourth = PT_REGS_PARM4(ctx),
	      fifth = PT_REGS_PARM5(ctx);
	struct cost *cost;
	struct call *call;

	/* (read one by one, not one of two addresses: verifiers refuse that) */
	asm volatile("" : "+r"(fourth), "+r"(fifth));
	if ((how & 0xff) == TLS_INNER_READ)
		return on_inner_read(ctx, how);
	if ((how & 0xff) == TLS_INNER_WRITE)
		return on_inner_write(ctx, how);
	if ((how & 0xff) == TLS_PEEK)
		return on_peek(true);
	if ((how & 0xff) == TLS_GO_COPY)
		return on_go_copy(ctx, how);
	if ((how & 0xff) == TLS_GO || (how & 0xff) == TLS_GO_HANDSHAKE)
		return on_go_entry(ctx, how);
	if ((how & 0xff) == TLS_HANDSHAKE)
		return on_handshake(ctx, how);
	if ((how & 0xff) == TLS_FREE)
		return on_free(ctx);
	cost = cost_of_current();
	if (cost && !may_look(cost))
		return 0;
	if ((how & 0xff) == TLS_NSPR && !is_layered(PT_REGS_PARM1(ctx)))
		return 0;
	call = enter(ctx, how);
	if (!call)
		return 0;
	call->gaps = cost ? cost->gaps : 0;
	call->buffer = PT_REGS_PARM2(ctx);
	if ((how & 0xff) == TLS_C_EX)
		call->bytes_at = how & TLS_FIFTH ? fifth : fourth;
	call->direction = how & TLS_SENDS ? REQUESTS_OUT : REQUESTS_IN;
	return 0;
}

/* Go returns where its RET instructions stand. */
HOOK("uprobe.multi", go_return, 1)
int tls_go_returned(struct pt_regs *ctx)
{
	return on_go_return(ctx);
}

HOOK("uprobe", go_return, 2)
int tls_go_returned_one(struct pt_regs *ctx)
{
	return on_go_return(ctx);
}

/* 89ae89f53d20 ("bpf: Add multi uprobe link"), 6.6: all places of a file with one link. */
HOOK("uprobe.multi", entry, 1)
int tls_entered(struct pt_regs *ctx)
{
	return on_entry(ctx);
}

HOOK("uprobe", entry, 2)
int tls_entered_one(struct pt_regs *ctx)
{
	return on_entry(ctx);
}

HOOK("uretprobe.multi", return, 1)
int tls_returned(struct pt_regs *ctx)
{
	return on_return(ctx);
}

HOOK("uretprobe", return, 2)
int tls_returned_one(struct pt_regs *ctx)
{
	return on_return(ctx);
}

#include "items/app/requests/tls_socket.bpf.h"
