/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * world - what is true of the machine now: processes, control groups, containers, pods, sockets, names.
 *
 * Kept live by events of the world's own kernel half, filled at the start and put right now and then by
 * iterators. Entities outlive their end by a minute, so that late records still find them. Everything is
 * called from the worker's one loop; nothing here blocks but for round trips to the broker.
 */
#pragma once

#include "base/addr.h"
#include "kernel/kernel.h"
#include "record/record.h"
#include "world/process/process.h"
#include "world/socket/socket.h"

struct world;
struct event_base;

struct world_config {
	const char *node; /* name of this machine; NULL or "" = its host name */
	const char *
		cgroup_controller; /* v1 controller whose hierarchy identifies containers; NULL = found out */
	uint32_t processes, cgroups, sockets; /* entries at most; 0 = as base/caps.h says */
	uint32_t ring; /* bytes, a power of two; 0 = 1 MiB */
	/*
	 * Where pods are asked for: "auto" (the API server, when we run in a pod), "off" or NULL, or an address (pod_watch.h).
	 * Needs the loop. What is wrong with it is no reason not to start: see world_pods_state().
	 */
	const char *kubernetes;
	struct event_base *loop; /* borrowed */
};

/* `kernel` NULL: an empty world, for tests of what asks it. `config` may be NULL. */
int world_new(struct kernel *kernel, const struct world_config *config, struct world **ret_world,
	      struct err *why);
void world_free(struct world *world);

/* Whoever has symbols may set `symbol`; the rest is the world's. */
struct resolver *world_resolver(struct world *world);

/*
 * Which hierarchy's cgroup ids identify containers here: the value of `item_cgroup1` (item.bpf.h). 0 = unified,
 * else 1 + the index of a v1 controller.
 */
uint32_t world_cgroup1(const struct world *world);

/* Readable when events wait; -1 without a kernel. Draining is also due with every tick of the rings. */
int world_fd(const struct world *world);
size_t world_drain(struct world *world);
/* Once a second. CLOCK_MONOTONIC. */
void world_tick(struct world *world, uint64_t now_ns);

/* Who held the pid at that moment (0 = the last one known), with everything the table has. Borrowed until the
 * world changes. NULL = not known. */
const struct process *world_process(struct world *world, uint32_t pid, uint64_t ktime_ns);
/* Every process: `uint32_t at = 0; while ((process = world_next_process(world, &at)))`. The dead too. */
const struct process *world_next_process(struct world *world, uint32_t *at);
/* Who a process is, and whom a control group belongs to: as the resolver says it. */
bool world_who(struct world *world, const struct process *process, struct who *ret_who);

/* Path of a control group below the mount point of its hierarchy; len 0 = not known. */
struct span world_cgroup_path(struct world *world, uint64_t cgroup);
/* Control groups that are there: `size_t at = 0; while (world_next_cgroup(world, &at, &id, &path))`. */
bool world_next_cgroup(struct world *world, size_t *at, uint64_t *ret_id, struct span *ret_path);
/* Where a controller's hierarchy is mounted ("memory", "cpu" ...; "" = the unified one): "/sys/fs/cgroup".
 * len 0 = nowhere. A controller that is in the unified hierarchy has that one's mount point. */
struct span world_cgroup_mount(struct world *world, const char *controller);

/*
 * Sockets. A scan lists those of all network namespaces, also older than the agent, with owner and role: the open
 * files of all processes, and sock_diag for what nobody holds. Takes about 10 us a socket; the number or -errno.
 * From then on whoever sees sockets come and go keeps the table: nothing here watches them.
 */
int world_scan_sockets(struct world *world, struct err *why);
const struct socket *world_socket(const struct world *world, uint64_t cookie);
const struct socket *world_next_socket(const struct world *world, uint32_t *at);
void world_note_socket(struct world *world, const struct socket *facts);
void world_forget_socket(struct world *world, uint64_t cookie);

/*
 * The name of a remote end: the service (else the process) that listens there on this machine, else the pod or service
 * of the namespace that has the address, else the pod known by it, else a DNS name. `netns`: where the connection
 * is seen from, which decides what loopback means; 0 = the host's. Borrowed until the world changes; len 0 = unknown.
 */
struct span world_peer(struct world *world, uint32_t netns, const uint8_t addr[ADDR_BYTES],
		       uint16_t port);
/* An answer of DNS that was seen. */
void world_note_name(struct world *world, const uint8_t addr[ADDR_BYTES], struct span name,
		     uint64_t until_ns);

/* What is known of where pods are asked for: one sentence, or NULL when nobody is asked. Until the loop goes on. */
const char *world_pods_state(const struct world *world);

/* Changes with every change of a pod's name, namespace, owner or labels. */
uint64_t world_pod_changes(const struct world *world);
/*
 * Changes of the cluster's NetworkPolicies since they are watched: from the first call on. -EOPNOTSUPP: there is no API server
 * to ask; -EAGAIN: it does not tell (now), ret_state says why.
 */
int64_t world_policy_changes(struct world *world, const char **ret_state);

/* The world's own tables, for `sonde self`. i from 0 until false. */
struct world_table {
	const char *name;
	uint64_t entries, limit; /* limit in entries */
	uint64_t bytes;
	uint64_t refused; /* found it full */
	uint64_t evicted; /* went before their time */
};
bool world_table(const struct world *world, size_t i, struct world_table *ret_table);

/* The world's own programs and maps. i from 0 until NULL. */
struct object *world_object(const struct world *world, size_t i);

struct world_counts {
	uint64_t events; /* read from the ring */
	uint64_t bad; /* of a size or kind that is not ours */
	uint64_t lost; /* found the ring full; each loss makes a sweep */
	uint64_t sweeps, sweep_ns; /* iterators run, and the time they took */
	uint64_t unknown_pids; /* asked for, nobody known */
	uint64_t unknown_cgroups;
	uint64_t scans, scan_ns; /* of sockets */
	uint64_t undumped; /* families of a namespace that sock_diag did not tell */
	uint64_t without_cookie; /* sockets that can't be told apart (kernels before 5.12) */
	uint64_t unreadable; /* state files of runtimes that made no sense */
};
void world_counts(const struct world *world, struct world_counts *ret_counts);
