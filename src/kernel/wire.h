/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wire - what worker and broker say to each other.
 *
 * One SOCK_SEQPACKET pair carries fixed-size heads and file descriptors; a shared memory area carries the
 * bytes (a program with its BTF is larger than a datagram may be). One request is under way at a
 * time. The broker copies a request out of the shared area before it looks at it, so the worker can't
 * change what was checked.
 *
 * A bpf(2) call travels as its attr, then the buffers its pointers point to, in the order of wire_fields(),
 * each aligned to 8. Both sides compute sizes and places from the attr with the same function: there is
 * no length in the message that could lie. File descriptors become indices (from 1) into those sent along.
 */
#pragma once

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WIRE_AREA_BYTES = 16 << 20, /* the shared area; pages are touched as needed */
	WIRE_FDS = 240, /* descriptors with one message (SCM_MAX_FD is 253) */
	WIRE_PATH_BYTES = 512,
	WIRE_LICENSE_BYTES = 64,
	WIRE_NAME_BYTES = 128,
	WIRE_LOG_BYTES = 1 << 20, /* verifier log at most */
	WIRE_FIELDS = 8,
};

enum wire_op {
	WIRE_BPF = 1, /* area: attr and buffers. cmd, attr_bytes, key_bytes, value_bytes */
	WIRE_ATTACH, /* attach: what to attach fd 1 to -> link or perf event descriptors */
	WIRE_ITER_CREATE, /* fd 1: an iterator link -> a descriptor to read from; attach.number: a process in whose network
			   * namespace it is made (iter/tcp walks that), 0 = the agent's */
	WIRE_DELETE_KEYS, /* fd 1: a map; area: count keys of key_bytes */
	WIRE_OPEN, /* path -> read-only descriptor */
	WIRE_READ_LINK, /* path -> area: the link's text, result = bytes */
	WIRE_INODE, /* path -> reply.number */
	WIRE_STATS, /* -> descriptor that keeps bpf run statistics on while it is open */
	WIRE_DIAG, /* number: pid whose network namespace; family, protocol, states in
			     attach.type/config/cookie -> area: sock_diag dump, result = bytes */
	WIRE_OPEN_CODE, /* a program or library -> read-only descriptor: its path as attach.pid sees it, or, without a
			     path, what that process has mapped at attach.number .. attach.config */
	WIRE_TRY_URETPROBE, /* fd 1: a program -> 1 when a process under strict seccomp survives its uretprobe, else 0 */
	WIRE_LINK_UPDATE, /* fd 1: a link, fd 2: the program that it runs from now on */
	WIRE_PERF_RINGS, /* fd 1: a map of type PERF_EVENT_ARRAY -> a perf event a CPU, put into it; count: bytes of a buffer
			  * that wake the reader */
	WIRE_COUNTERS, /* fds: maps of type PERF_EVENT_ARRAY; area: a struct wire_counter for each: counters that run together, on every
			* CPU, put into them */
	WIRE_READY, /* the worker serves: tell systemd and the terminal */
	WIRE_SCRIPT, /* area: what the script's process is told -> a socket to that process */
	WIRE_TCP_PAIR, /* -> two connected sockets in a network namespace of their own; number: its inode */
	WIRE_PIN, /* fd 1: a map; attach.name: how it is called in the agent's folder of the bpf file system */
	WIRE_UNPIN, /* attach.name */
	WIRE_PINNED, /* attach.name -> the map */
	WIRE_FILTER_WATCH, /* number: pid -> a socket that tells of changes of nftables in its network namespace */
	WIRE_FILTER_PRINT, /* number: pid -> reply.number: changes when its namespace's legacy iptables do */
	WIRE_OPS,
};

enum wire_attach_kind {
	ATTACH_RAW_TRACEPOINT =
		1, /* name; "" for tp_btf, fentry, fexit: the program knows its target */
	ATTACH_TRACEPOINT, /* name "category/event" */
	ATTACH_KPROBE, /* name = function, number = offset, flags */
	ATTACH_UPROBE, /* fd 2 = the file, number = offset in it, config = offset of a semaphore or 0, pid, flags */
	ATTACH_PERF_EVENT, /* type, config, number = period or frequency: one descriptor a CPU */
	ATTACH_UPROBES, /* fd 2 = the file, number = how many; area: so many struct wire_place. One descriptor for all */
	ATTACH_ITER, /* fd 2 (optional): the map to walk */
	ATTACH_CGROUP, /* name = cgroup path below the v2 mount, type = attach type */
	ATTACH_SOCKETS, /* fd 2: the sockhash whose sockets it watches, type = attach type; no descriptor: as long as the map */
	ATTACH_XDP, /* name = network interface */
	ATTACH_KINDS,
};

enum wire_attach_flags {
	ATTACH_RETURN = 1, /* kretprobe, uretprobe */
	ATTACH_FREQUENCY = 2, /* number is Hz, not a period */
	ATTACH_USDT = 4, /* (on the worker's side only) name = path:provider:name */
};

struct wire_attach {
	uint32_t kind, flags;
	uint32_t type; /* perf event type; cgroup attach type; address family (WIRE_DIAG) */
	int32_t pid; /* -1 = all */
	uint64_t config; /* perf event config; IP protocol (WIRE_DIAG) */
	uint64_t number;
	uint64_t
		cookie; /* bpf cookie for uprobes and kprobes, where the kernel has them; bits of the
			    states that are wanted (WIRE_DIAG) */
	char name[WIRE_PATH_BYTES];
};

/* One of many places in a file. */
struct wire_place {
	uint64_t offset, cookie;
};

enum { WIRE_PLACES = 1024 };

/* One counter of a group: perf_event_attr's type and config. */
struct wire_counter {
	uint64_t type, config;
};

enum { WIRE_COUNTERS_MAX = 8 };

struct wire_request {
	uint32_t op;
	uint32_t cmd; /* WIRE_BPF */
	uint32_t attr_bytes; /* WIRE_BPF */
	uint32_t area_bytes; /* bytes in the area */
	uint32_t key_bytes, value_bytes, count;
	uint32_t pad;
	struct wire_attach attach; /* its name also serves as the path */
};

struct wire_reply {
	int32_t result; /* >= 0 or -errno; WIRE_BPF: what bpf(2) returned (0 for a descriptor) */
	uint32_t fds; /* descriptors sent along */
	uint32_t area_bytes;
	uint32_t pad;
	uint64_t number;
	char text[256]; /* why, when result < 0 and the broker knows more than errno; else empty */
};

enum wire_field_kind { FIELD_IN, FIELD_OUT, FIELD_FD };

/* A pointer (u64) or descriptor (u32) in union bpf_attr. */
struct wire_field {
	enum wire_field_kind kind;
	uint32_t at; /* offset in the attr */
	uint64_t bytes; /* of what it points to; 0 for a descriptor */
};

/*
 * The pointers and descriptors of one bpf(2) call that are in use; returns how many, -EPERM for a command
 * that does not travel. key_bytes, value_bytes: of the map, for commands on elements.
 */
int wire_fields(uint32_t cmd, const union bpf_attr *attr, uint32_t key_bytes, uint32_t value_bytes,
		struct wire_field field[WIRE_FIELDS]);

/* Does this instruction hold a map's descriptor in its imm? (BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE) */
static inline int wire_insn_has_fd(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW) &&
	       (insn->src_reg == BPF_PSEUDO_MAP_FD || insn->src_reg == BPF_PSEUDO_MAP_VALUE);
}

/* Do the values of this map type hold descriptors? */
static inline int wire_map_holds_fds(uint32_t map_type)
{
	return map_type == BPF_MAP_TYPE_PROG_ARRAY || map_type == BPF_MAP_TYPE_ARRAY_OF_MAPS ||
	       map_type == BPF_MAP_TYPE_HASH_OF_MAPS || map_type == BPF_MAP_TYPE_SOCKHASH;
}

/* Is a key of this map type a descriptor (of a control group)? */
static inline int wire_map_key_is_fd(uint32_t map_type)
{
	return map_type == 32; /* BPF_MAP_TYPE_CGRP_STORAGE, 6.2; not in every system's headers */
}

/* A message with descriptors. Send returns 0 or -errno; receive returns bytes, 0 at the end, -errno.
 * Descriptors arrive with close-on-exec set; what does not fit `fds` is closed. */
int wire_send(int sock, const void *head, size_t bytes, const int *fds, uint32_t count);
long wire_receive(int sock, void *head, size_t bytes, int fds[WIRE_FDS], uint32_t *ret_count);
