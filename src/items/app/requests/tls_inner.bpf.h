/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tls_inner - one probe for each piece of plaintext, inside of OpenSSL (tls_inner.c finds where).
 *
 * The entries of SSL_read and SSL_write cost two traps a call, also where a read finds nothing, as every second one of nginx does. Inside,
 * a read that found something copies it to its caller, and a write hands over one record after another: there object, plaintext and
 * length lie in registers, and calls are instructions that the kernel emulates.
 *
 * Nobody is inside of a function then while sockets move bytes. What ties an object to its socket is a record that it made: its first 32
 * bytes (of hellos, or encrypted: none like them is ever sent elsewhere) are remembered by the thread, and are the first ones that the
 * thread sends over that socket next. So objects whose records go through memory first (Node, Python's asyncio) are
 * tied as well. An object that reads before it has written anything is tied by where its record lies: in the memory into which its
 * thread received.
 */
#pragma once

enum { RECORD_DATA = 0x17, MARKED_SENDS = 16, MESSAGE_HEAD = 4 };
enum { HANDSHAKE_CLIENT_HELLO = 1, HANDSHAKE_SERVER_HELLO = 2, HANDSHAKE_CERTIFICATE = 11 };

/* SSL3_RECORD */
struct inner_record {
	__u32 version, type;
	__u64 length, orig_length, off, data;
};

/* SSL3_BUFFER */
struct inner_buffer {
	__u64 at, default_length, length, off, left;
};

enum {
	/* before an object's first record: 32 buffers; before them one of what is received, four numbers, and the object's own address */
	INNER_BUFFERS = 32 * 48,
	INNER_SELF = INNER_BUFFERS + 48 + 24 + 8,
};

static __always_inline __u32 inner_distance(__u64 how)
{
	return how >> TLS_STACK_SHIFT & 0xffff;
}

/* Of what the registers hold at such a call: the object. 0 = this is something else. */
static __always_inline __u64 inner_object(struct pt_regs *ctx, __u64 how,
					  struct inner_record *ret_record)
{
	__u64 kept[8] = {}, at, self = 0;

	ARCH_READ_KEPT(ctx, kept);
	at = kept[how >> TLS_REGISTER_SHIFT & 7] + (how >> TLS_DISTANCE_SHIFT & 0xffff);
	if (bpf_probe_read_user(ret_record, sizeof(*ret_record), (void *)at) ||
	    ret_record->data + ret_record->off != PT_REGS_PARM2(ctx) ||
	    bpf_probe_read_user(&self, sizeof(self), (void *)(at - INNER_SELF)) ||
	    self != at - inner_distance(how))
		return 0;
	return self;
}

/* What was received last by this thread: is this part of it? */
static __always_inline bool tie_received(const struct tls_key *key, __u64 from)
{
	struct call *call = call_of_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct sock *sk;

	if (!call)
		return false;
	call->is_seeking = true;
	sk = (struct sock *)call->received_sk;
	if (!sk || from < call->received_at || from >= call->received_end ||
	    (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) != call->received_cookie)
		return false;
	call->is_seeking = false;
	call->received_sk = 0;
	prove(key, sk, call->received_cookie);
	return true;
}

/* ---- certificates ---- */

enum { CERTIFICATE_MOST = 8192, CERTIFICATES = 4096 };

#define CERTIFICATE_AGAIN_NS (60ull * SECOND_NS)

/* Bytes 8 to 56 of the message: what is longest the same in two of them is the issuer, and the number stands before that. */
struct certificate_key {
	__u64 begin[6];
	__u32 pid, direction;
};

/* Message -> when it was told. Nobody deletes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CERTIFICATES);
	__type(key, struct certificate_key);
	__type(value, __u64);
} certificates SEC(".maps");

static __always_inline void tell_certificate(struct room *room, const struct certificate_key *key,
					     __u64 from, __u64 length, __u64 now)
{
	struct requests_data *data = data_in(room);

	if (length > CERTIFICATE_MOST)
		length = CERTIFICATE_MOST;
	asm volatile("" : "+r"(length));
	if (length > CERTIFICATE_MOST || bpf_probe_read_user(room->bytes, length, (void *)from)) {
		count_add(COUNT_LOST_READ);
		return;
	}
	__builtin_memset(data, 0, sizeof(*data));
	data->head.kind = REQUESTS_CERTIFICATE;
	data->head.size = sizeof(*data) + length;
	data->head.ktime_ns = now;
	data->pid = key->pid;
	data->direction = key->direction;
	data->moved = data->first = length;
	emit_built(data, sizeof(*data) + length, wakeup_of(room, sizeof(*data) + length));
}

/* A message of a handshake begins at `from`. The same certificate is told once a minute. */
static __always_inline void on_message(__u64 from, __u64 length, __u32 direction)
{
	struct certificate_key key = {.pid = bpf_get_current_pid_tgid() >> 32,
				      .direction = direction};
	__u64 now, *told;
	struct room *room;
	__u8 type = 0;

	if (length < 8 + sizeof(key.begin) || bpf_probe_read_user(&type, 1, (void *)from) ||
	    type != HANDSHAKE_CERTIFICATE ||
	    bpf_probe_read_user(key.begin, sizeof(key.begin), (void *)(from + 8)))
		return;
	now = bpf_ktime_get_ns();
	told = bpf_map_lookup_elem(&certificates, &key);
	if (told && now - *told < CERTIFICATE_AGAIN_NS)
		return;
	map_set(&certificates, &key, &now, BPF_ANY);
	room = take_room();
	if (!room)
		return;
	tell_certificate(room, &key, from, length, now);
	room->is_taken = 0;
}

static __always_inline bool is_known(const struct object *object)
{
	return object && (object->cookie || object->is_from_start == 2);
}

static __always_inline int on_inner_read(struct pt_regs *ctx, __u64 how)
{
	struct tls_key key = {.pid = bpf_get_current_pid_tgid() >> 32};
	__u64 from = PT_REGS_PARM2(ctx), moved = PT_REGS_PARM3(ctx);
	struct inner_record record = {};
	struct object *object;
	struct call *call;
	struct cost *cost;
	__u64 now;

	key.object = inner_object(ctx, how, &record);
	if (!key.object || !moved || moved > record.length)
		return 0;
	if (record.type != RECORD_DATA) {
		forget_arrival(&key);
		if (record.type == RECORD_HANDSHAKE && moved == MESSAGE_HEAD)
			on_message(from, record.length, REQUESTS_IN);
		return 0;
	}
	now = bpf_ktime_get_ns();
	cost = cost_of_current();
	if (cost && !may_look_at(cost, now))
		return 0;
	call = call_of_thread(0);
	if (call && call->is_peeking)
		return 0;
	object = bpf_map_lookup_elem(&objects, &key);
	if (!is_known(object)) { /* it was there before us; its first record ties it */
		if (!tie_received(&key, from))
			return 0;
		object = bpf_map_lookup_elem(&objects, &key);
	}
	if (object)
		on_object_moved(object, from, moved, REQUESTS_IN, now, cost ? cost->gaps : 0);
	return 0;
}

/* The record that is about to be sent. Of several that are sent at once the first one is what the socket begins with. Returns
 * whether one has been waiting. */
static __always_inline bool mark_record(__u64 object, __u64 how)
{
	struct call *call = call_of_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct inner_buffer buffer = {};
	bool waits;

	if (!call)
		return false;
	waits = call->marked == object;
	if (bpf_probe_read_user(&buffer, sizeof(buffer),
				(void *)(object + inner_distance(how) - INNER_BUFFERS)) ||
	    buffer.left < sizeof(call->mark[0]) ||
	    bpf_probe_read_user(call->mark[1], sizeof(call->mark[1]),
				(void *)(buffer.at + buffer.off)))
		return waits;
	if (!waits)
		__builtin_memcpy(call->mark[0], call->mark[1], sizeof(call->mark[0]));
	call->marked = object;
	call->sends_to_go = MARKED_SENDS;
	return waits;
}

/* A hello begins a connection: whatever was known of an object at this address was another one, or it is used again. */
static __always_inline void on_hello(const struct tls_key *key, __u64 from)
{
	struct call *call = call_of_thread(0);
	struct object *object;
	__u8 type = 0;

	if (bpf_probe_read_user(&type, 1, (void *)from) ||
	    (type != HANDSHAKE_CLIENT_HELLO && type != HANDSHAKE_SERVER_HELLO))
		return;
	object = object_of(key);
	if (object)
		begins_anew(object);
	if (call && call->marked == key->object)
		call->marked = 0;
}

static __always_inline int on_inner_write(struct pt_regs *ctx, __u64 how)
{
	struct tls_key key = {.object = PT_REGS_PARM1(ctx),
			      .pid = bpf_get_current_pid_tgid() >> 32};
	__u64 from = PT_REGS_PARM3(ctx), moved = PT_REGS_PARM4(ctx);
	__u32 type = PT_REGS_PARM2(ctx);
	struct object *object;
	struct cost *cost;
	bool waits = false;
	__u64 now;

	if ((type != RECORD_HANDSHAKE && type != RECORD_DATA) || moved > 1 << 20)
		return 0;
	if (type == RECORD_HANDSHAKE)
		on_hello(&key, from);
	object = bpf_map_lookup_elem(&objects, &key);
	if (type == RECORD_HANDSHAKE || !object || !object->cookie || object->cookie & TLS_UNPROVEN)
		waits = mark_record(key.object, how);
	if (type == RECORD_HANDSHAKE)
		on_message(from, moved, REQUESTS_OUT);
	if (type == RECORD_HANDSHAKE || !moved)
		return 0;
	now = bpf_ktime_get_ns();
	cost = cost_of_current();
	if (cost && !may_look_at(cost, now))
		return 0;
	if (!is_known(object)) {
		if (!waits)
			return 0; /* it was there before us; this record ties it */
		object = object_of(&key);
	}
	if (object)
		on_object_moved(object, from, moved, REQUESTS_OUT, now, cost ? cost->gaps : 0);
	return 0;
}
