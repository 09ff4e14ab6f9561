/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * connection - what the kernel half knows of a connection, where that is kept, and how its bytes are counted.
 *
 * It lies in the socket itself (storage): found without a hash, never mixed up with another connection by a descriptor that is
 * used again, gone with the socket. Programs that may not use such storage (kprobes, raw tracepoints, all on 5.10) find it by the
 * socket's address in a hash, and delete it when the connection closes. `typed`, a constant, tells the two kinds of program
 * apart, which also read the socket differently (READ_FIELD).
 */
#pragma once

#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"
#include "kernel/tcp_states.bpf.h"

#include "items/app/requests/arrivals.h"
#include "items/app/requests/requests.h"

enum {
	MISSES = 16, /* calls in a row that could not be a message: nobody asks any more */
	HOPEFUL = 255, /* in place of misses: there was one that could */
	/* Of a connection about which the user half has not said anything: a flood of strangers must not fill the ring. */
	UNDECIDED_FULL =
		64 *
		1024, /* copied, of each call as much as can be had; then the beginnings of calls */
	UNDECIDED_BYTES = 256 * 1024, /* copied; then little of each call */
	UNDECIDED_LITTLE = 64,
	UNDECIDED_CALLS = 2048, /* told; then none */
	MODERATE_BYTES = 4096, /* of a call that is copied whole, whatever was learnt */
	UNDECIDED_WAKEUP = 128, /* the reader is woken after so many */
	UNDECIDED_WAKEUP_BYTES = 32 * 1024, /* or when so much was copied */
	RCV_SHUTDOWN = 1,
	SEND_SHUTDOWN = 2,
	BOTH_SHUTDOWN = 3,
	CONNECTIONS = 32768, /* in the hash, where there is no storage */
};

struct connection {
	__u64 cookie;
	__u64 position[2]; /* behind the last byte that moved */
	__u64 begin[2]; /* where the telling began */
	__u64 moved[2], captured[2], cut[2], lost[2]; /* bytes; moved = the others */
	__u32 sequence[2]; /* the socket's own, at `position` */
	__u32 receiver; /* thread that received last */
	__u32 verdict; /* the last one that was ours */
	__u32 cut_before[2], lost_before[2]; /* not told yet */
	__u32 undecided_bytes, undecided_calls; /* told since the last verdict */
	__u8 misses; /* calls that could not be a message, in a row, or HOPEFUL */
	bool is_told; /* its open event was sent */
	bool is_accepted;
	__u8 learnt; /* enum requests_port, when it began */
	bool has_used_uring;
	__u8 uring_slot[2];
	bool is_ending; /* closed, but a call that holds the socket is still to be told */
	struct arrivals arrivals;
};

/* Socket -> what we know of the connection. Goes with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} by_socket SEC(".maps");

/* The same by address, for programs without storage. Deleted when the connection closes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CONNECTIONS);
	__type(key, __u64);
	__type(value, struct connection);
} by_address SEC(".maps");

/* Cookie modulo its size -> verdict (requests.h). Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REQUESTS_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

/* Likewise -> what need not be copied (requests.h). Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REQUESTS_VERDICTS);
	__type(key, __u32);
	__type(value, struct requests_pass);
} passes SEC(".maps");

/* Port of a server, host order -> what was learnt of it (requests.h). Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REQUESTS_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

/* 0 -> connections that this CPU has numbered. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} numbered SEC(".maps");

static __always_inline struct connection *find_connection(bool typed, struct sock *sk)
{
	__u64 address = (__u64)sk;

	return typed ? bpf_sk_storage_get(&by_socket, sk, 0, 0)
		     : bpf_map_lookup_elem(&by_address, &address);
}

static __always_inline struct connection *add_connection(bool typed, struct sock *sk)
{
	static const struct connection empty;
	__u64 address = (__u64)sk;
	struct connection *connection;

	if (typed) {
		connection = bpf_sk_storage_get(&by_socket, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!connection)
			count_add(COUNT_LOST_MEMORY);
		return connection;
	}
	if (map_set(&by_address, &address, &empty, BPF_ANY))
		return 0;
	return bpf_map_lookup_elem(&by_address, &address);
}

/* TCP's view of the socket; 0 = it is no such socket. */
static __always_inline struct tcp_sock *tcp_of(bool typed, struct sock *sk)
{
	if (typed)
		return bpf_skc_to_tcp_sock(sk);
	return BPF_CORE_READ(sk, sk_protocol) == PROTO_TCP ? (struct tcp_sock *)sk : 0;
}

/* Where the kernel gives a socket its cookie only when somebody else asks, connections get numbers of ours: bit 61 is set. */
static __always_inline __u64 cookie_of(bool typed, struct sock *sk)
{
	__u64 cookie = read_sock_cookie(typed, sk), *number;
	__u32 zero = 0;

	if (cookie)
		return cookie;
	number = bpf_map_lookup_elem(&numbered, &zero);
	return 1ull << 61 | (number ? ++*number : 0) << 8 | (bpf_get_smp_processor_id() & 0xff);
}

/* ---- positions ---- */

/* Bytes of the stream that the application has received and sent: the socket's own counts. */
static __always_inline __u64 received_bytes(bool typed, struct tcp_sock *tcp)
{
	return READ_FIELD(typed, tcp, bytes_received) -
	       (__u32)(READ_FIELD(typed, tcp, rcv_nxt) - READ_FIELD(typed, tcp, copied_seq));
}

static __always_inline __u64 sent_bytes(bool typed, struct tcp_sock *tcp)
{
	return READ_FIELD(typed, tcp, bytes_sent) - READ_FIELD(typed, tcp, bytes_retrans) +
	       (__u32)(READ_FIELD(typed, tcp, write_seq) - READ_FIELD(typed, tcp, snd_nxt));
}

static __always_inline void read_positions(bool typed, struct connection *connection,
					   struct tcp_sock *tcp)
{
	connection->sequence[REQUESTS_IN] = READ_FIELD(typed, tcp, copied_seq);
	connection->sequence[REQUESTS_OUT] = READ_FIELD(typed, tcp, write_seq);
	connection->position[REQUESTS_IN] = received_bytes(typed, tcp);
	connection->position[REQUESTS_OUT] = sent_bytes(typed, tcp);
}

static __always_inline void note_cut(struct connection *connection, __u64 bytes, __u32 direction)
{
	connection->cut[direction] += bytes;
	connection->cut_before[direction] += bytes;
}

static __always_inline void note_unseen(struct connection *connection, __u64 bytes, __u32 direction)
{
	connection->position[direction] += bytes;
	connection->moved[direction] += bytes;
	note_cut(connection, bytes, direction);
}

/* The FIN has a number too. */
static __always_inline bool is_fin_read(bool typed, struct sock *sk, struct tcp_sock *tcp)
{
	return READ_FIELD(typed, sk, sk_shutdown) & RCV_SHUTDOWN &&
	       READ_FIELD(typed, tcp, copied_seq) == READ_FIELD(typed, tcp, rcv_nxt);
}

/*
 * Where the bytes of this call began. Bytes between there and the last call's end moved without us. On a socket whose
 * data goes past TCP (sk_msg), and on one that is not TCP's, they follow each other.
 */
static __always_inline __u64 advance(bool typed, struct connection *connection,
				     struct tcp_sock *tcp, __u32 moved, __u32 direction)
{
	__u64 position = connection->position[direction];
	__u32 sequence, step;

	if (tcp) {
		sequence = direction ? READ_FIELD(typed, tcp, write_seq)
				     : READ_FIELD(typed, tcp, copied_seq);
		step = sequence - connection->sequence[direction];
		if (step >= moved && step < 1u << 31) {
			connection->sequence[direction] = sequence;
			if (step > moved) {
				note_unseen(connection, step - moved, direction);
				position += step - moved;
			}
		}
	}
	connection->position[direction] = position + moved;
	connection->moved[direction] += moved;
	return position;
}

/*
 * Received bytes that moved without us (splice from the socket), known before the next call that we see. Only for who
 * cannot be receiving at this moment.
 */
static __always_inline void catch_up(bool typed, struct connection *connection, struct sock *sk,
				     struct tcp_sock *tcp)
{
	__u32 copied = READ_FIELD(typed, tcp, copied_seq);
	__u32 unseen = copied - connection->sequence[REQUESTS_IN];

	if (!unseen)
		return;
	if (is_fin_read(typed, sk, tcp))
		unseen--;
	if (unseen >= 1u << 31)
		return;
	connection->sequence[REQUESTS_IN] = copied;
	note_unseen(connection, unseen, REQUESTS_IN);
}

/*
 * The same for both directions and any number of bytes: for connections at which we did not look for a while, and for all
 * when they end.
 */
static __always_inline void catch_up_all(bool typed, struct connection *connection, struct sock *sk,
					 struct tcp_sock *tcp)
{
	__u64 received = received_bytes(typed, tcp) - is_fin_read(typed, sk, tcp),
	      sent = sent_bytes(typed, tcp);

	/* a FIN that nobody sent yet */
	if (READ_FIELD(typed, sk, sk_shutdown) & SEND_SHUTDOWN &&
	    READ_FIELD(typed, tcp, write_seq) != READ_FIELD(typed, tcp, snd_nxt))
		sent--;
	if (received > connection->position[REQUESTS_IN])
		note_unseen(connection, received - connection->position[REQUESTS_IN], REQUESTS_IN);
	if (sent > connection->position[REQUESTS_OUT])
		note_unseen(connection, sent - connection->position[REQUESTS_OUT], REQUESTS_OUT);
	connection->sequence[REQUESTS_IN] = READ_FIELD(typed, tcp, copied_seq);
	connection->sequence[REQUESTS_OUT] = READ_FIELD(typed, tcp, write_seq);
}

/* ---- making ---- */

/* Of Unix sockets only those that were accepted have a name, and those whose owner gave them one. */
static __always_inline bool is_accepted(bool typed, struct sock *sk)
{
	if (READ_FIELD(typed, sk, __sk_common.skc_family) == AF_UNIX)
		return BPF_CORE_READ((struct unix_sock *)sk, addr);
	return READ_FIELD(typed, sk, sk_max_ack_backlog);
}

/* Host order. */
static __always_inline __u32 server_port(bool typed, bool is_accepted, struct sock *sk)
{
	return is_accepted ? READ_FIELD(typed, sk, __sk_common.skc_num)
			   : __builtin_bswap16(READ_FIELD(typed, sk, __sk_common.skc_dport));
}

static __always_inline void read_port(bool typed, struct connection *connection, struct sock *sk)
{
	__u32 port = server_port(typed, connection->is_accepted, sk);
	__u32 *learnt = bpf_map_lookup_elem(&ports, &port);

	connection->learnt = learnt ? *learnt : 0;
}

/* `tcp` is 0 for Unix sockets: nobody knows what they moved before. */
static __always_inline struct connection *make_connection(bool typed, struct sock *sk,
							  struct tcp_sock *tcp)
{
	struct connection *connection = add_connection(typed, sk);

	if (!connection)
		return 0;
	connection->cookie = cookie_of(typed, sk);
	connection->is_accepted = is_accepted(typed, sk);
	if (tcp) {
		read_positions(typed, connection, tcp);
		read_port(typed, connection, sk);
	} else {
		connection->position[REQUESTS_IN] = connection->position[REQUESTS_OUT] = 1 << 20;
	}
	connection->begin[REQUESTS_IN] = connection->position[REQUESTS_IN];
	connection->begin[REQUESTS_OUT] = connection->position[REQUESTS_OUT];
	return connection;
}

/* A connection that was there before us: what this call moved is to come. */
static __always_inline struct connection *
join_connection(bool typed, struct sock *sk, struct tcp_sock *tcp, __u32 moved, __u32 direction)
{
	struct connection *connection = make_connection(typed, sk, tcp);

	if (!connection || !tcp)
		return connection;
	connection->sequence[direction] -= moved;
	connection->position[direction] -= moved;
	connection->begin[direction] -= moved;
	return connection;
}

/* ---- verdicts ---- */

static __always_inline bool is_undecided(const struct connection *connection)
{
	__u32 wanted = connection->verdict & 0xff;

	return wanted == REQUESTS_UNDECIDED || wanted == REQUESTS_FORGOTTEN;
}

/* Its calls are not looked at; what they moved is counted when it ends (catch_up_all). */
static __always_inline bool is_unwanted(const struct connection *connection)
{
	return (connection->verdict & 0xff) == REQUESTS_UNWANTED || connection->misses == MISSES ||
	       (connection->undecided_calls >= UNDECIDED_CALLS && is_undecided(connection));
}

/* `moved` bytes of the call that is under way are to come. */
static __always_inline void set_verdict(bool typed, struct connection *connection, struct sock *sk,
					struct tcp_sock *tcp, __u32 verdict, __u32 moved,
					__u32 direction)
{
	if (tcp && is_unwanted(connection)) {
		catch_up_all(typed, connection, sk, tcp);
		connection->sequence[direction] -= moved;
		connection->position[direction] -= moved;
		connection->moved[direction] -= moved;
		connection->cut[direction] -= moved;
	}
	connection->verdict = verdict;
	connection->undecided_bytes = connection->undecided_calls = 0;
	if ((verdict & 0xff) != REQUESTS_FORGOTTEN)
		return;
	connection->is_told = false;
	connection->misses = 0;
	for (int i = 0; i < 2; i++) {
		connection->begin[i] = connection->position[i];
		connection->cut_before[i] = connection->lost_before[i] = 0;
	}
}

static __always_inline void read_verdict(bool typed, struct connection *connection, struct sock *sk,
					 struct tcp_sock *tcp, __u32 moved, __u32 direction)
{
	__u32 place = connection->cookie % REQUESTS_VERDICTS;
	__u64 *verdict = bpf_map_lookup_elem(&verdicts, &place), word;

	if (!verdict)
		return;
	word = *(volatile __u64 *)verdict;
	if ((__u32)word != connection->verdict &&
	    word >> 32 == (__u32)(connection->cookie / REQUESTS_VERDICTS + 1))
		set_verdict(typed, connection, sk, tcp, (__u32)word, moved, direction);
}

/* Where the bytes end that need not be copied. */
static __always_inline __u64 pass_until(const struct connection *connection, __u32 direction)
{
	__u32 place = connection->cookie % REQUESTS_VERDICTS;
	volatile struct requests_pass *pass = bpf_map_lookup_elem(&passes, &place);
	__u64 until;

	if (!pass || pass->cookie != connection->cookie)
		return 0;
	until = pass->until[direction & 1];
	return pass->cookie == connection->cookie ? until : 0;
}
