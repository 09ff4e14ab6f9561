/* SPDX-License-Identifier: GPL-2.0-only */
/* accel - what the programs and the user half of the item share: settings, grants, rows. */
#pragma once

#include <linux/types.h>

enum {
	ACCEL_LAYOUT =
		3, /* changes with any struct of a pinned map: an agent adopts only what it can read */
	ACCEL_RULES = 64, /* one bit each */
	ACCEL_NUMBERS = 4096, /* identities that are known at a time */
	ACCEL_CONNECTIONS = 65536, /* ends of connections in the sockhash */
	ACCEL_BEATS_NS = 1000000000, /* heartbeat */
};

/* A program in a control group: what a policy chooses, whoever runs it. */
struct accel_identity {
	__u64 cgroup, inode;
	__u32 dev, pad;
};

/* Which rules choose an identity, and which trust it. */
struct accel_grant {
	__u64 selected, trusted;
};

/* Written by the agent, read with every message. */
struct accel_settings {
	__u64 beat_ns; /* CLOCK_MONOTONIC: when the agent was there last */
	__u64 patience_ns; /* so long without one, and everything goes by TCP */
	__u64 limit; /* unread redirected bytes of a direction */
	__u64 keep_alive_ns; /* so often a message goes by TCP, for connection tracking */
	__u64 any_port; /* rules that name no port */
	__u64 across; /* rules that hold between network namespaces */
	__u64 across_from_ns; /* until then everything between them goes by TCP: packet filters changed */
	__u32 layout; /* ACCEL_LAYOUT */
	__u32 on;
	__u32 rules; /* how many */
	__u32 epoch; /* changes with every change of rules and grants */
	__u32 bans; /* entries in `banned`, ever */
	__u32 has_verdict; /* the form that connections were accepted in */
};

/* Why a connection, or a direction of it, is on TCP. */
enum accel_reason {
	ACCEL_NONE,
	ACCEL_UNTRUSTED, /* an executable without a verdict */
	ACCEL_ACROSS, /* another network namespace, and no rule says pod_to_pod */
	ACCEL_OPTIONS, /* a socket option that the kernel ignores on redirected sockets */
	ACCEL_NO_ROOM, /* a table is full */
	ACCEL_GONE, /* the peer left the sockhash */
	ACCEL_CALL, /* a call that the kernel cannot do on redirected sockets */
	ACCEL_FULL, /* unread bytes above the limit */
	ACCEL_KEEP_ALIVE,
	ACCEL_OFF, /* switched off, or the policy changed */
	ACCEL_ORPHAN, /* no agent */
	ACCEL_FILTER, /* packet filters changed */
	ACCEL_REASONS,
};

/* Calls that the kernel cannot do on redirected sockets; bits. */
enum accel_call {
	CALL_WAITALL = 1,
	CALL_TRUNC = 2,
	CALL_OOB = 4,
	CALL_RCVLOWAT = 8,
	CALL_ZEROCOPY = 16,
	CALL_INQ = 32,
	CALL_ULP = 64, /* kernel TLS */
	CALL_SPLICE = 128,
	CALL_FIONREAD = 256, /* harmless where the kernel counts redirected bytes */
	CALL_KINDS = 9,
};

/* What was seen of an executable. */
struct accel_seen {
	__u64 calls; /* CALL_* */
	__u64 connections; /* ends with a neighbour that it had */
	__u64 marked_ns; /* first use of one of these calls; 0 = none */
	__u64 pid; /* a process that runs it; 0 = not known */
};

/* An end of a connection that is in the sockhash, as an iterator tells it to the user half. */
struct accel_end {
	__u64 cookie, peer_cookie;
	__u64 redirected_bytes, tcp_bytes, unread_bytes;
	__u32 pid, is_redirecting;
	__u16 local_port, remote_port;
	__u32 reason;
	__u32 netns;
	__u32 waiting; /* 0: it may leave: nothing lies in its queue */
};

/* A process, as an iterator tells it. */
struct accel_process {
	struct accel_identity identity;
	__u64 start_ns;
	__u32 pid, netns;
};
