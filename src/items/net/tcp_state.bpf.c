// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp_state - how many TCP connections there are in which state, whose they are, and how they come and go.
 *
 * Counters are made where states change, by one short program. A connection is opened when it is established and
 * closed when our side gives it up: it leaves ESTABLISHED or CLOSE_WAIT, by a FIN of ours or at once by a reset, a
 * time-out or an error. So opened - closed = established + close_wait, and whoever calls close() or
 * shutdown() is the running task, without any look-up. Opened ones belong to who connected, or to who listens on
 * the port (tcp.bpf.h). An incoming connection costs two look-ups for the opening and one for the close.
 * Resets are connections that a reset ended, sent or received. Failures are connects that came to nothing;
 * ECANCELED says that the process itself gave up.
 *
 * How many there are in each state nobody counts while nobody asks. The table walks all descriptors (as
 * the item `files` does): so owners are who really has a connection now (a worker, a forked child, who was handed it
 * over SCM_RIGHTS), older connections are included, and nothing can drift. A socket that several
 * descriptors hold is counted once: the file's count of references says which are such, and only they
 * have an entry in `shared`. Connections belong to the last process that holds them (a forked child), listening
 * sockets to the first (a server, not its workers). Which one is the last is known from the walk before:
 * in the first one it is the first.
 *
 * A listening socket also says what waits at it: handshakes (syn_recv), and connections that nobody accepted yet.
 * What has no descriptor any more, TIME_WAIT and sockets that were closed while the other side still talks, is in
 * the user half, tcp_state.c. Sockets of the kernel itself (NFS) are not counted.
 */
#include "kernel/compat.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/tcp.bpf.h"

ITEM("net", "on", "TCP connections by state, opened, closed, reset and failed, by owner");

struct traffic_key {
	struct owner owner;
	__u32 direction COL_OPT("enum", TCP_DIRECTION_NAMES);
	__u32 pad;
};

struct traffic {
	__u64 opened COUNTER("name=tcp_opened;help=connections established") COL("count");
	__u64 closed COUNTER("name=tcp_closed;help=connections that our side gave up") COL("count");
	__u64 resets COUNTER("name=tcp_resets;help=connections ended by a reset, sent or received")
		COL("count");
};

METRICS(traffic, struct traffic_key, struct traffic, 16384);

struct failure_key {
	struct owner owner;
	__s32 error COL_OPT("errno", "name=errno");
	__u32 pad;
};

METRIC_COUNTER(failures, struct failure_key, 4096,
	       "name=tcp_connect_failures;help=connects that failed, by what they failed with");

struct row {
	struct owner owner;
	__u32 state COL_OPT("enum", TCP_STATE_NAMES);
	__u32 direction COL_OPT("enum", TCP_DIRECTION_NAMES);
	__u64 connections GAUGE("name=tcp_connections;help=TCP sockets by state") COL("count");
};

TABLE(1, "connections", struct row, "gone=drop");

/* ---- what happens ---- */

static __always_inline struct traffic *traffic_of(struct owner owner, __u32 direction)
{
	static const struct traffic none;
	struct traffic_key key = {.owner = owner, .direction = direction};

	return map_get_or_add(&traffic, &key, &none);
}

static __always_inline void on_opened(bool typed, struct sock *sk)
{
	struct tcp_party party = tcp_party_of(typed, sk);
	struct traffic *traffic = traffic_of(party.owner, party.direction);

	if (traffic)
		__sync_fetch_and_add(&traffic->opened, 1);
}

/* Without sk_err it was reset by our side (tcp_is_aborted_by_current), ECONNABORTED is `ss -K`. */
static __always_inline bool is_reset(int error)
{
	return error == ECONNRESET || error == EPIPE || error == ECONNABORTED;
}

static __always_inline void on_closed(bool typed, struct sock *sk, int old_state, int new_state)
{
	int error = READ_FIELD(typed, sk, sk_err);
	bool aborted = tcp_is_aborted_by_current(old_state, new_state, error);
	struct traffic *traffic;
	struct tcp_party party;

	if (aborted || new_state != TCP_CLOSE) {
		party.owner = read_owner_of_current();
		party.direction = tcp_direction_of(typed, sk);
	} else {
		party = tcp_party_of(typed, sk);
	}
	traffic = traffic_of(party.owner, party.direction);
	if (!traffic)
		return;
	__sync_fetch_and_add(&traffic->closed, 1);
	if (aborted || (new_state == TCP_CLOSE && is_reset(error)))
		__sync_fetch_and_add(&traffic->resets, 1);
}

/* Our side had said FIN already. */
static __always_inline void on_ended(bool typed, struct sock *sk)
{
	struct traffic *traffic;
	struct tcp_party party;

	if (!is_reset(READ_FIELD(typed, sk, sk_err)))
		return;
	party = tcp_party_of(typed, sk);
	traffic = traffic_of(party.owner, party.direction);
	if (traffic)
		__sync_fetch_and_add(&traffic->resets, 1);
}

/*
 * Without sk_err either connect() failed before it sent anything (no port is left: tcp_v4_connect), or the process
 * closed the socket.
 */
static __always_inline void on_connect_failed(bool typed, struct sock *sk)
{
	int error = READ_FIELD(typed, sk, sk_err);
	struct failure_key key = {.owner = tcp_party_of(typed, sk).owner, .error = error};

	if (!error)
		key.error =
			BPF_CORE_READ((struct tcp_sock *)sk, segs_out) ? ECANCELED : EADDRNOTAVAIL;
	counter_add(&failures, &key, 1);
}

static __always_inline int on_state(bool typed, struct sock *sk, int old_state, int new_state)
{
	bool was_open = old_state == TCP_ESTABLISHED || old_state == TCP_CLOSE_WAIT;

	/* nearly half of all changes, and nothing to us */
	if (new_state == TCP_SYN_RECV || new_state == TCP_FIN_WAIT2 ||
	    new_state == TCP_CLOSE_WAIT || new_state == TCP_CLOSING || !tcp_is_tcp(typed, sk))
		return 0;
	tcp_note(typed, sk, old_state, new_state);
	if (new_state == TCP_ESTABLISHED)
		on_opened(typed, sk);
	else if (was_open)
		on_closed(typed, sk, old_state, new_state);
	else if (new_state == TCP_CLOSE && old_state == TCP_SYN_SENT)
		on_connect_failed(typed, sk);
	else if (new_state == TCP_CLOSE && old_state != TCP_LISTEN && old_state != TCP_SYN_RECV)
		on_ended(typed, sk);
	tcp_forget(typed, sk, old_state, new_state);
	return 0;
}

HOOK_PROTO("tp_btf/inet_sock_set_state", state, 1, TCP_SET_STATE_ARGS)
int BPF_PROG(set_state, struct sock *sk, int old_state, int new_state)
{
	return on_state(true, sk, old_state, new_state);
}

HOOK_PROTO("raw_tp/inet_sock_set_state", state, 2, TCP_SET_STATE_ARGS)
int BPF_PROG(set_state_raw, struct sock *sk, int old_state, int new_state)
{
	return on_state(false, sk, old_state, new_state);
}

/* ---- what is ---- */

enum { COUNTS_WALKED = 64 };

/* The process that the walk is at. */
struct walk {
	__u64 session; /* which walk it is: readers that gave up leave theirs behind */
	struct owner owner;
	__u32 tid; /* 0 = at none */
	__u32 pid;
	__u32 unwanted; /* the filter leaves this process out */
	__u32 counted; /* 0 = all counts are 0 */
	__u32 count[COUNTS_WALKED]; /* [state << 2 | direction] */
};

/* [0]. Readers come one after the other (the agent's loop). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} walking SEC(".maps");

struct holders {
	__u64 session; /* the last walk that met it */
	__u64 inode; /* the socket's: another number = another socket at the same address */
	__u32 last; /* pid of the last holder that was met */
	__u32 chosen; /* the last holder in the walk before, 0 = none */
	__u32 counted; /* in this walk */
	__u32 pad;
};

/* sock of a file with several references -> who holds it. The user half deletes what the last walk did not meet. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct holders);
} shared SEC(".maps");

/* Of one socket's connections that nobody accepted; the rest counts as established. */
enum { WAITING_WALKED = 128 };

/* Is this the holder that a shared socket counts with? Once a walk. */
static __always_inline bool counts_here(struct walk *walk, struct sock *sk, __u64 inode, int state)
{
	__u64 key = (__u64)(unsigned long)sk;
	struct holders fresh = {.session = walk->session, .inode = inode, .counted = 1}, *holders;

	fresh.last = walk->pid;
	holders = bpf_map_lookup_elem(&shared, &key);
	if (!holders || holders->inode != inode) {
		map_set(&shared, &key, &fresh, BPF_ANY); /* refused: counted with each holder */
		return true;
	}
	if (holders->session != walk->session) {
		holders->session = walk->session;
		holders->chosen = holders->last;
		holders->counted = 0;
	}
	holders->last = walk->pid;
	if (holders->counted || (state != TCP_LISTEN && walk->pid < holders->chosen))
		return false;
	holders->counted = 1;
	return true;
}

static __always_inline void count(struct walk *walk, __u32 state, __u32 direction, __u32 amount)
{
	__u32 index = state << 2 | direction;

	asm volatile("%0 &= 63" : "+r"(index)); /* for the verifier */
	walk->count[index] += amount;
	walk->counted = 1;
}

/* Connections that nobody accepted yet have no descriptor: they belong to who listens. */
static __always_inline void count_waiting(struct walk *walk, struct sock *sk)
{
	struct inet_connection_sock *listening = (struct inet_connection_sock *)sk;
	__u32 waiting = BPF_CORE_READ(sk, sk_ack_backlog), met = 0;
	int half_open = BPF_CORE_READ(listening, icsk_accept_queue.qlen.counter);
	struct request_sock *request;
	struct sock *child;
	__u32 state;

	if (half_open > 0)
		count(walk, TCP_SYN_RECV, TCP_INBOUND, half_open);
	request = BPF_CORE_READ(listening, icsk_accept_queue.rskq_accept_head);
	while (request && met < waiting && met < WAITING_WALKED) {
		child = BPF_CORE_READ(request, sk);
		state = child ? BPF_CORE_READ(child, __sk_common.skc_state) : TCP_CLOSE;
		if (state != TCP_CLOSE)
			count(walk, state, TCP_INBOUND, 1);
		request = BPF_CORE_READ(request, dl_next);
		met++;
	}
	if (met == WAITING_WALKED && met < waiting)
		count(walk, TCP_ESTABLISHED, TCP_INBOUND, waiting - met);
}

static __always_inline void count_socket(struct walk *walk, struct file *file)
{
	struct sock *sk = tcp_sock_of(file);
	__u32 state, direction;

	if (!sk)
		return;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_CLOSE)
		return; /* a socket, but no connection */
	/* one of the references is the iterator's */
	if (file_references(file) > 2 && !counts_here(walk, sk, file->f_inode->i_ino, state))
		return;
	if (state != TCP_LISTEN) {
		direction = tcp_direction_of(false, sk);
		count(walk, state, direction, 1);
		if (direction == TCP_OUTBOUND)
			tcp_outgoing_seen(sk, walk->owner);
		return;
	}
	count(walk, TCP_LISTEN, 0, 1);
	count_waiting(walk, sk);
	tcp_listening_seen(sk, walk->owner, walk->session);
}

/* Writes what was counted so far. False when it did not fit: the kernel throws it away and calls again. */
static __always_inline bool write_rows(struct seq_file *seq, const struct walk *walk)
{
	struct row row = {.owner = walk->owner};

	for (__u32 i = 0; walk->counted && i < COUNTS_WALKED; i++) {
		row.state = i >> 2;
		row.direction = i & 3;
		row.connections = walk->count[i];
		if (row.connections && bpf_seq_write(seq, &row, sizeof(row)))
			return false;
	}
	return true;
}

static __always_inline void begin_process(struct walk *walk, __u64 session,
					  struct task_struct *task)
{
	if (walk->counted)
		__builtin_memset(walk->count, 0, sizeof(walk->count));
	walk->counted = 0;
	walk->session = session;
	walk->tid = 0;
	if (!task)
		return;
	walk->unwanted = !filter_task(task);
	walk->tid = task->pid;
	walk->pid = task->tgid;
	walk->owner = owner_of(task);
}

HOOK("iter/task_file", connections, 1)
int connections_table(struct bpf_iter__task_file *iterator)
{
	struct task_struct *task = iterator->task;
	struct file *file = iterator->file;
	__u64 session = iterator->meta->session_id;
	__u32 zero = 0;
	struct walk *walk = bpf_map_lookup_elem(&walking, &zero);

	if (!walk)
		return 0;
	if (walk->session != session)
		begin_process(walk, session, task);
	if (!task || !file) { /* the end of the walk */
		if (write_rows(iterator->meta->seq, walk))
			walk->session = 0;
		return 0;
	}
	if (walk->tid != (__u32)task->pid) {
		if (!write_rows(iterator->meta->seq, walk))
			return 0;
		begin_process(walk, session, task);
	}
	if (!walk->unwanted)
		count_socket(walk, file);
	return 0;
}
