// SPDX-License-Identifier: GPL-2.0-only
/*
 * requests - bytes that move over sockets, as far as somebody can read them as requests and responses.
 *
 * One program runs for each send and each receive of a socket, whatever call it was (sock_send_length,
 * sock_recv_length: file I/O pays nothing), and one when data arrives (sk_data_ready: for the time that bytes wait
 * unread). What they know of a connection lies in the socket itself (storage): it is found without a hash, never mixed up
 * with another connection by a descriptor that is used again, and goes with the socket.
 *
 * Of each call the first bytes are copied, and a few of its end; what lies between is only counted. How many, the user half
 * says for each connection (verdicts, requests.h), and whether it wants any at all: most
 * connections of most machines cost no more than a look at their storage. As long as it has said nothing, calls whose
 * first bytes no parser could take are not told either (candidate.h).
 *
 * Where a byte stands in its direction follows from the socket's own sequence numbers. So bytes that moved without being
 * seen (splice from a socket, TCP_ZEROCOPY_RECEIVE) leave a hole of their size and no doubt about what
 * comes behind it. Each call's bytes are counted as captured, cut (on purpose) or lost (the ring was full).
 */
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/tcp_states.bpf.h"

#include "items/app/requests/candidate.h"
#include "items/app/requests/requests.h"

#include "items/app/requests/call.bpf.h"

ITEM("app", "on",
     "requests and responses of services: rate, errors, duration, and where the time went");
PARAM(__u32, head_bytes, 1024,
      "bytes copied of a call that is the beginning of one long message, 64 to 16384");

/* (a setting of the user half) */
PARAM(__u32, connections, 8192, "connections read at once; the one silent for longest makes room");

EVENTS(4 * 1024 * 1024);

enum {
	MARKS = 8, /* arrivals that nobody has read yet; a power of two */
	MISSES = 16, /* calls in a row that could not be a message: nobody asks any more */
	/* Of a connection about which the user half has not said anything: a flood of strangers must not fill the ring. */
	UNDECIDED_BYTES = 256 * 1024, /* copied; then little of each call */
	UNDECIDED_LITTLE = 64,
	UNDECIDED_CALLS = 2048, /* told; then none */
	UNDECIDED_WAKEUP = 128, /* the reader is woken after so many */
	MSG_PEEK = 2,
	RCV_SHUTDOWN = 1,
	DNS_HEADER = 12,
};

/* Bytes up to the sequence number `end` were there by then. */
struct mark {
	__u64 ns;
	__u32 end, pad;
};

struct connection {
	__u64 cookie;
	__u64 position[2]; /* behind the last byte that moved */
	__u64 begin[2]; /* where the telling began */
	__u64 moved[2], captured[2], cut[2], lost[2]; /* bytes; moved = the others */
	struct mark mark[MARKS];
	__u32 first_mark, end_mark; /* counted without end */
	__u32 sequence[2]; /* the socket's own, at `position` */
	__u32 receiver; /* thread that received last */
	__u32 cut_before[2], lost_before[2]; /* not told yet */
	__u32 verdict; /* the last one that was ours */
	__u32 undecided_bytes, undecided_calls; /* told since then */
	__u32 pad2;
	__u8 misses; /* calls that could not be a message, in a row; 255: there was one that could */
	bool is_told; /* its open event was sent */
	__u8 learnt; /* enum requests_port, when it began; and whether it was accepted */
	__u8 pad;
};

enum { LEARNT_ACCEPTED = 0x80 };

/* Socket -> what we know of the connection. Goes with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} by_socket SEC(".maps");

/* Cookie modulo its size -> verdict (requests.h). Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REQUESTS_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

/* Port of a server, host order -> what was learnt of it (requests.h). Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REQUESTS_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct room {
	__u32 is_taken;
	__u32 pad;
	__u8 event[sizeof(
		struct requests_datagram)]; /* or struct requests_data, at its end: see data_in */
	__u8 bytes[REQUESTS_HEAD_MAX + 2 * REQUESTS_TAIL];
};

enum {
	ROOMS = 2
}; /* of a CPU: the task that has one may be pushed aside by another that wants one */

/* Number -> where an event is put together; it is longer than the stack. Per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROOMS);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

/* An event ends where its bytes begin. */
static __always_inline struct requests_data *data_in(struct room *room)
{
	return (void *)room->bytes - sizeof(struct requests_data);
}

static __always_inline struct requests_datagram *datagram_in(struct room *room)
{
	return (void *)room->bytes - sizeof(struct requests_datagram);
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

/* ---- connections ---- */

/* Bytes of the stream that the application had received and sent before: the socket's own counts. */
static __always_inline void read_positions(struct connection *connection, struct tcp_sock *tcp)
{
	connection->sequence[REQUESTS_IN] = tcp->copied_seq;
	connection->sequence[REQUESTS_OUT] = tcp->write_seq;
	connection->position[REQUESTS_IN] =
		tcp->bytes_received - (__u32)(tcp->rcv_nxt - tcp->copied_seq);
	connection->position[REQUESTS_OUT] =
		tcp->bytes_sent - tcp->bytes_retrans + (__u32)(tcp->write_seq - tcp->snd_nxt);
}

static __always_inline void read_port(struct connection *connection, struct sock *sk)
{
	bool is_accepted = sk->sk_max_ack_backlog;
	__u32 port = is_accepted ? sk->__sk_common.skc_num
				 : __builtin_bswap16(sk->__sk_common.skc_dport);
	__u32 *learnt = bpf_map_lookup_elem(&ports, &port);

	connection->learnt = (learnt ? *learnt & 3 : 0) | (is_accepted ? LEARNT_ACCEPTED : 0);
}

static __always_inline struct connection *make_connection(struct sock *sk, struct tcp_sock *tcp)
{
	struct connection *connection =
		bpf_sk_storage_get(&by_socket, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection) {
		count_add(COUNT_LOST_MEMORY);
		return 0;
	}
	connection->cookie = bpf_get_socket_cookie(sk);
	read_positions(connection, tcp);
	connection->begin[REQUESTS_IN] = connection->position[REQUESTS_IN];
	connection->begin[REQUESTS_OUT] = connection->position[REQUESTS_OUT];
	read_port(connection, sk);
	return connection;
}

/* A connection that was there before us: what this call moved is to come. */
static __always_inline struct connection *join_connection(struct sock *sk, struct tcp_sock *tcp,
							  __u32 moved, __u32 direction)
{
	struct connection *connection = make_connection(sk, tcp);

	if (!connection)
		return 0;
	connection->sequence[direction] -= moved;
	connection->position[direction] -= moved;
	connection->begin[direction] -= moved;
	return connection;
}

static __always_inline void set_verdict(struct connection *connection, __u32 verdict,
					__u64 position, __u32 direction)
{
	if (connection->verdict == verdict)
		return;
	connection->verdict = verdict;
	connection->undecided_bytes = connection->undecided_calls = 0;
	if ((verdict & 0xff) != REQUESTS_FORGOTTEN)
		return;
	connection->is_told = false;
	for (int i = 0; i < 2; i++) {
		connection->begin[i] = connection->position[i];
		connection->cut_before[i] = connection->lost_before[i] = 0;
	}
	connection->begin[direction & 1] = position; /* of the call that is under way */
}

static __always_inline bool is_undecided(const struct connection *connection)
{
	__u32 wanted = connection->verdict & 0xff;

	return wanted == REQUESTS_UNDECIDED || wanted == REQUESTS_FORGOTTEN;
}

static __always_inline void read_verdict(struct connection *connection, __u64 position,
					 __u32 direction)
{
	__u32 place = connection->cookie % REQUESTS_VERDICTS;
	__u64 *verdict = bpf_map_lookup_elem(&verdicts, &place), word;

	if (!verdict)
		return;
	word = *(volatile __u64 *)verdict;
	if (word >> 32 == (__u32)(connection->cookie / REQUESTS_VERDICTS + 1))
		set_verdict(connection, (__u32)word, position, direction);
}

static __always_inline bool is_unwanted(const struct connection *connection)
{
	return (connection->verdict & 0xff) == REQUESTS_UNWANTED || connection->misses == MISSES ||
	       (connection->undecided_calls >= UNDECIDED_CALLS && is_undecided(connection));
}

static __always_inline __u32 wanted_bytes(const struct connection *connection, __u32 direction)
{
	__u32 log2 = connection->verdict >> (direction ? 16 : 8) & 31;
	bool is_request = (direction == REQUESTS_IN) == !!(connection->learnt & LEARNT_ACCEPTED);

	if (log2)
		return 1u << log2;
	if (connection->undecided_bytes >= UNDECIDED_BYTES)
		return UNDECIDED_LITTLE;
	return connection->learnt & (is_request ? REQUESTS_LONG_REQUESTS : REQUESTS_LONG_RESPONSES)
		       ? head_bytes
		       : REQUESTS_HEAD_MAX;
}

static __always_inline void note_cut(struct connection *connection, __u32 bytes, __u32 direction)
{
	connection->cut[direction] += bytes;
	connection->cut_before[direction] += bytes;
}

/*
 * Where the bytes of this call began. Bytes between there and the last call's end moved without us. On a socket whose
 * data goes past TCP (sk_msg) the numbers stand still: then they follow each other.
 */
static __always_inline __u64 advance(struct connection *connection, struct tcp_sock *tcp,
				     __u32 moved, __u32 direction)
{
	__u32 sequence = direction ? tcp->write_seq : tcp->copied_seq;
	__u32 step = sequence - connection->sequence[direction];
	__u64 position = connection->position[direction];

	if (step >= moved && step < 1u << 31) {
		__u32 unseen = step - moved;

		connection->sequence[direction] = sequence;
		connection->cut_before[direction] += unseen;
		connection->cut[direction] += unseen;
		connection->moved[direction] += unseen;
		position += unseen;
	}
	connection->position[direction] = position + moved;
	connection->moved[direction] += moved;
	return position;
}

/*
 * Received bytes that moved without us (splice from the socket), known before the next call that we see. The FIN has a
 * number too. Only for who cannot be receiving at this moment.
 */
static __always_inline void catch_up(struct connection *connection, struct sock *sk,
				     struct tcp_sock *tcp)
{
	__u32 copied = tcp->copied_seq, unseen = copied - connection->sequence[REQUESTS_IN];

	if (unseen && sk->sk_shutdown & RCV_SHUTDOWN && copied == tcp->rcv_nxt)
		unseen--;
	if (unseen >= 1u << 31)
		return;
	connection->sequence[REQUESTS_IN] = copied;
	connection->position[REQUESTS_IN] += unseen;
	connection->moved[REQUESTS_IN] += unseen;
	note_cut(connection, unseen, REQUESTS_IN);
}

static __always_inline bool tell_open(struct sock *sk, struct connection *connection)
{
	struct requests_open *event = emit_reserve(REQUESTS_OPEN, sizeof(*event));
	struct sock_addrs addrs;

	if (!event)
		return false;
	read_sock_addrs(sk, &addrs);
	event->cookie = connection->cookie;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->cgroup = item_cgroup1 ? cgroup_of((struct task_struct *)bpf_get_current_task())
				     : bpf_get_current_cgroup_id();
	event->netns = read_sock_netns(true, sk);
	for (int i = 0; i < 2; i++)
		event->position[i] = connection->begin[i];
	__builtin_memcpy(event->local_addr, addrs.local_addr, 16);
	__builtin_memcpy(event->remote_addr, addrs.remote_addr, 16);
	event->local_port = addrs.local_port;
	event->remote_port = addrs.remote_port;
	event->transport = PROTO_TCP;
	event->is_accepted = sk->sk_max_ack_backlog != 0;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	connection->is_told = true;
	emit_submit(event);
	return true;
}

/* ---- arrivals ---- */

static __always_inline bool is_behind(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* When the byte before `sequence` arrived; 0 = not seen. Forgets what came before it. */
static __always_inline __u64 find_arrival(struct connection *connection, __u32 sequence)
{
	struct mark *mark;

	for (int i = 0; i < MARKS && connection->first_mark != connection->end_mark; i++) {
		mark = &connection->mark[connection->first_mark % MARKS];
		if (!is_behind(sequence, mark->end))
			return mark->ns;
		connection->first_mark++;
	}
	return 0;
}

static __always_inline void forget_arrivals(struct connection *connection, __u32 sequence)
{
	struct mark *mark = &connection->mark[connection->first_mark % MARKS];

	if (connection->first_mark != connection->end_mark && mark->end == sequence)
		connection->first_mark++;
}

/* Received bytes up to the sequence number `end` are there now. */
static __always_inline int note_arrival(struct sock *sk, __u32 end)
{
	struct connection *connection = bpf_sk_storage_get(&by_socket, sk, 0, 0);
	struct mark *mark;

	if (!connection || is_unwanted(connection) ||
	    connection->end_mark - connection->first_mark >= MARKS)
		return 0;
	if (connection->first_mark != connection->end_mark &&
	    connection->mark[(connection->end_mark - 1) % MARKS].end == end)
		return 0;
	mark = &connection->mark[connection->end_mark % MARKS];
	mark->ns = bpf_ktime_get_ns();
	mark->end = end;
	connection->end_mark++;
	return 0;
}

static __always_inline int on_arrival(struct sock *sk)
{
	struct tcp_sock *tcp = sk->sk_protocol == PROTO_TCP ? bpf_skc_to_tcp_sock(sk) : 0;

	return tcp ? note_arrival(sk, tcp->rcv_nxt) : 0;
}

/* ---- streams ---- */

/* A busy connection of which nothing is known: the reader shall look at it now, and not at its next tick. */
static __always_inline __u64 wakeup_of(const struct connection *connection)
{
	if (is_undecided(connection) &&
	    connection->undecided_calls % UNDECIDED_WAKEUP == UNDECIDED_WAKEUP - 1)
		return BPF_RB_FORCE_WAKEUP;
	return emit_wakeup();
}

static __always_inline void send_data(struct connection *connection, struct room *room, __u32 bytes)
{
	struct requests_data *data = data_in(room);
	__u32 direction = data->direction & 1, captured = data->first + data->last;

	data->head.kind = REQUESTS_DATA;
	data->head.size = sizeof(*data) + bytes;
	data->head.ktime_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&events, data, sizeof(*data) + bytes, wakeup_of(connection))) {
		count_add(COUNT_LOST_RING);
		connection->lost[direction] += data->moved;
		connection->lost_before[direction] += data->moved;
		return;
	}
	count_add(COUNT_EMITTED);
	if (is_undecided(connection)) {
		connection->undecided_bytes += captured;
		connection->undecided_calls++;
	}
	connection->captured[direction] += captured;
	connection->cut[direction] += data->moved - captured;
	connection->cut_before[direction] = 0;
	connection->lost_before[direction] = 0;
}

/* Of an unknown connection: is there anything in it for a parser? */
static __always_inline bool is_hopeful(struct connection *connection, const __u8 *bytes,
				       __u32 captured, __u32 moved)
{
	if ((connection->verdict & 0xff) == REQUESTS_WANTED || connection->misses == 255)
		return true;
	if (captured && candidate_of_stream(bytes, moved)) {
		connection->misses = 255;
		return true;
	}
	connection->misses++;
	return false;
}

static __always_inline void fill_data(struct requests_data *data, struct connection *connection,
				      struct tcp_sock *tcp, __u64 position, __u32 moved,
				      __u32 direction)
{
	__u64 id = bpf_get_current_pid_tgid();

	data->head.flags = 0;
	data->cookie = connection->cookie;
	data->position = position;
	data->pid = id >> 32;
	data->tid = (__u32)id;
	data->moved = moved;
	data->cut_before = connection->cut_before[direction];
	data->lost_before = connection->lost_before[direction];
	data->srtt_us = tcp->srtt_us >> 3;
	data->direction = direction;
	data->received = connection->receiver == (__u32)id && !connection->lost_before[REQUESTS_IN]
				 ? connection->position[REQUESTS_IN]
				 : 0;
	data->arrived_ns = data->arrived_last_ns = 0;
	if (direction == REQUESTS_IN && moved) {
		__u32 end = connection->sequence[REQUESTS_IN];

		data->arrived_ns = find_arrival(connection, end - moved + 1);
		data->arrived_last_ns = find_arrival(connection, end);
		forget_arrivals(connection, end);
	}
}

static __always_inline void tell_data(struct sock *sk, struct connection *connection,
				      struct tcp_sock *tcp, __u64 position, __u32 moved,
				      __u32 direction)
{
	struct room *room = take_room();
	struct copy copy = {};
	struct call call;
	__u32 bytes;

	if (!room) {
		connection->lost[direction] += moved;
		connection->lost_before[direction] += moved;
		return;
	}
	fill_data(data_in(room), connection, tcp, position, moved, direction);
	if (moved) {
		__builtin_memset(room->bytes, 0, CANDIDATE_BYTES);
		read_call(&call);
		copy = copy_bytes(room->bytes, &call, moved, wanted_bytes(connection, direction),
				  true);
	} else {
		data_in(room)->head.flags = REQUESTS_END;
	}
	data_in(room)->first = copy.head;
	data_in(room)->last = copy.tail;
	bytes = copy.head + copy.tail;
	if (bytes > REQUESTS_HEAD_MAX + REQUESTS_TAIL)
		bytes = REQUESTS_HEAD_MAX + REQUESTS_TAIL;
	if (moved && !is_hopeful(connection, room->bytes, copy.head, moved)) {
		note_cut(connection, moved, direction);
	} else if (!connection->is_told && !tell_open(sk, connection)) {
		connection->lost[direction] += moved;
		connection->lost_before[direction] += moved;
	} else {
		send_data(connection, room, bytes);
	}
	room->is_taken = 0;
}

/* No descriptor leads to it: a socket of the kernel's own (NFS), whose bytes the running call knows nothing of. */
static __always_inline bool is_kernels(struct sock *sk)
{
	return !BPF_CORE_READ(sk, sk_socket, file);
}

static __always_inline void on_stream(struct sock *sk, __u32 moved, __u32 direction)
{
	struct connection *connection = bpf_sk_storage_get(&by_socket, sk, 0, 0);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u64 position;
	__u32 thread;

	if (!tcp || (!connection && !moved))
		return;
	if (!connection)
		connection = join_connection(sk, tcp, moved, direction);
	if (!connection || (!connection->is_told && is_kernels(sk)))
		return;
	thread = (__u32)bpf_get_current_pid_tgid();
	if (direction == REQUESTS_IN)
		connection->receiver = thread;
	if (!moved || (direction == REQUESTS_OUT && connection->receiver == thread))
		catch_up(connection, sk, tcp);
	position = moved ? advance(connection, tcp, moved, direction)
			 : connection->position[direction];
	if (!moved && (!connection->is_told || !(sk->sk_shutdown & RCV_SHUTDOWN)))
		return;
	read_verdict(connection, position, direction);
	if (is_unwanted(connection) || !filter_current() ||
	    !filter_ports(sk->__sk_common.skc_num, __builtin_bswap16(sk->__sk_common.skc_dport)))
		note_cut(connection, moved, direction);
	else
		tell_data(sk, connection, tcp, position, moved, direction);
}

static __always_inline void tell_closed(struct connection *connection)
{
	struct requests_closed *event;

	if (!connection->is_told)
		return;
	event = emit_reserve(REQUESTS_CLOSED, sizeof(*event));
	if (!event)
		return;
	event->cookie = connection->cookie;
	for (int i = 0; i < 2; i++) {
		event->position[i] = connection->position[i];
		event->moved[i] = connection->moved[i];
		event->captured[i] = connection->captured[i];
		event->cut[i] = connection->cut[i];
		event->lost[i] = connection->lost[i];
	}
	emit_submit(event);
}

static __always_inline int on_state(struct sock *sk, int old_state, int new_state)
{
	struct connection *connection;
	struct tcp_sock *tcp;

	if (sk->sk_protocol != PROTO_TCP)
		return 0;
	if (new_state == TCP_ESTABLISHED) {
		tcp = bpf_skc_to_tcp_sock(sk);
		if (tcp)
			make_connection(sk, tcp);
	} else if (new_state == TCP_CLOSE) {
		connection = bpf_sk_storage_get(&by_socket, sk, 0, 0);
		tcp = bpf_skc_to_tcp_sock(sk);
		if (connection && tcp) {
			catch_up(connection, sk, tcp);
			tell_closed(connection);
		}
	}
	return 0;
}

/* ---- datagrams ---- */

enum { SOCKADDR_BYTES = 28 };

/* Of a socket that is not connected the caller names the peer. (Of a datagram that it receives it is told the peer
 * after we looked.) */
static __always_inline void read_peer(struct requests_datagram *event, __u64 name)
{
	__u8 address[SOCKADDR_BYTES] = {};
	__u16 family;

	if (!name || bpf_probe_read_user(address, 16, (void *)name))
		return;
	family = *(__u16 *)address;
	event->remote_port = __builtin_bswap16(*(__u16 *)(address + 2));
	if (family == AF_INET) {
		read_ip4(event->remote_addr, *(__be32 *)(address + 4));
	} else if (family == AF_INET6 &&
		   !bpf_probe_read_user(address, sizeof(address), (void *)name)) {
		__builtin_memcpy(event->remote_addr, address + 8, 16);
	}
}

static __always_inline void fill_datagram(struct requests_datagram *event, struct sock *sk,
					  const struct call *call, __u32 moved, __u32 direction)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct sock_addrs addrs;

	read_sock_addrs(sk, &addrs);
	event->cookie = bpf_get_socket_cookie(sk);
	event->cgroup = item_cgroup1 ? cgroup_of((struct task_struct *)bpf_get_current_task())
				     : bpf_get_current_cgroup_id();
	event->arrived_ns = 0;
	event->pid = id >> 32;
	event->tid = (__u32)id;
	event->netns = read_sock_netns(true, sk);
	event->moved = moved;
	event->direction = direction;
	event->pad = 0;
	__builtin_memcpy(event->local_addr, addrs.local_addr, 16);
	__builtin_memcpy(event->remote_addr, addrs.remote_addr, 16);
	event->local_port = addrs.local_port;
	event->remote_port = addrs.remote_port;
	if (!addrs.remote_port && direction == REQUESTS_OUT)
		read_peer(event, call->name);
}

/* sendmmsg and recvmmsg: the first message whose length the kernel has not written yet is the one that moved. */
static __always_inline void choose_message(struct call *call, __u32 moved)
{
	struct call_message message = {};
	__u64 at = call->many;

	for (__u32 i = 0; i < CALL_PIECES && i < call->many_count; i++, at += sizeof(message)) {
		if (bpf_probe_read_user(&message, sizeof(message), (void *)at))
			return;
		if (message.len)
			continue;
		call->pieces = message.pieces;
		call->piece_count = message.piece_count;
		call->name = message.name;
		return;
	}
}

static __always_inline void on_datagram(struct sock *sk, __u32 moved, __u32 direction)
{
	struct requests_datagram *event;
	struct copy copy;
	struct call call;
	struct room *room;
	__u32 bytes;

	if (moved < DNS_HEADER || moved > 65535)
		return;
	if (!filter_current() ||
	    !filter_ports(sk->__sk_common.skc_num, __builtin_bswap16(sk->__sk_common.skc_dport)))
		return;
	room = take_room();
	if (!room)
		return;
	read_call(&call);
	if (call.many)
		choose_message(&call, moved);
	event = datagram_in(room);
	copy = copy_bytes(room->bytes, &call, moved, REQUESTS_DATAGRAM_MAX, false);
	bytes = copy.head;
	if (bytes > REQUESTS_DATAGRAM_MAX)
		bytes = REQUESTS_DATAGRAM_MAX;
	if (bytes >= DNS_HEADER && candidate_is_dns(room->bytes)) {
		fill_datagram(event, sk, &call, moved, direction);
		event->first = bytes;
		event->head.flags = 0;
		emit_output(event, REQUESTS_DATAGRAM, sizeof(*event) + bytes);
	}
	room->is_taken = 0;
}

/* ---- hooks ---- */

static __always_inline int on_moved(struct sock *sk, int result, __u32 direction)
{
	__u16 family = sk->__sk_common.skc_family;

	if (result < 0 || (family != AF_INET && family != AF_INET6))
		return 0;
	if (sk->sk_protocol == PROTO_TCP)
		on_stream(sk, result, direction);
	else if (sk->sk_protocol == PROTO_UDP)
		on_datagram(sk, result, direction);
	return 0;
}

HOOK_PROTO("tp_btf/sock_send_length", send, 1, "struct sock *,int,int")
int BPF_PROG(send_length, struct sock *sk, int result, int flags)
{
	return on_moved(sk, result, REQUESTS_OUT);
}

HOOK_PROTO("tp_btf/sock_recv_length", receive, 1, "struct sock *,int,int")
int BPF_PROG(recv_length, struct sock *sk, int result, int flags)
{
	return flags & MSG_PEEK ? 0 : on_moved(sk, result, REQUESTS_IN);
}

/* 6e6eda44b939 ("sock: add tracepoint for send recv length"), 6.3: before, these functions see the same calls. */
HOOK("fexit/inet_sendmsg", send, 2)
int BPF_PROG(inet_sent, struct socket *sock, struct msghdr *msg, size_t size, int result)
{
	return on_moved(sock->sk, result, REQUESTS_OUT);
}

HOOK_WITH("fexit/inet6_sendmsg", send6, 1, send, 2)
int BPF_PROG(inet6_sent, struct socket *sock, struct msghdr *msg, size_t size, int result)
{
	return on_moved(sock->sk, result, REQUESTS_OUT);
}

HOOK("fexit/inet_recvmsg", receive, 2)
int BPF_PROG(inet_received, struct socket *sock, struct msghdr *msg, size_t size, int flags,
	     int result)
{
	return flags & MSG_PEEK ? 0 : on_moved(sock->sk, result, REQUESTS_IN);
}

HOOK_WITH("fexit/inet6_recvmsg", receive6, 1, receive, 2)
int BPF_PROG(inet6_received, struct socket *sock, struct msghdr *msg, size_t size, int flags,
	     int result)
{
	return flags & MSG_PEEK ? 0 : on_moved(sock->sk, result, REQUESTS_IN);
}

HOOK_OPTIONAL("tp_btf/sk_data_ready", arrival, 1)
int BPF_PROG(data_ready, struct sock *sk)
{
	return on_arrival(sk);
}

/* 40e0b0905417 ("net/sock: Introduce trace_sk_data_ready()"), 6.3: before, the segment itself is looked at. */
HOOK_OPTIONAL("tp_btf/tcp_probe", arrival, 2)
int BPF_PROG(probe, struct sock *sk, struct sk_buff *skb)
{
	struct {
		__u32 first, end;
	} sequence = {}; /* struct tcp_skb_cb */
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp || bpf_probe_read_kernel(&sequence, sizeof(sequence), skb->cb) ||
	    sequence.first == sequence.end || is_behind(sequence.first, tcp->rcv_nxt))
		return 0; /* an acknowledgement, or out of order */
	return note_arrival(sk, sequence.end);
}

HOOK_PROTO("tp_btf/inet_sock_set_state", state, 1, TCP_SET_STATE_ARGS)
int BPF_PROG(set_state, struct sock *sk, int old_state, int new_state)
{
	return on_state(sk, old_state, new_state);
}
