/* SPDX-License-Identifier: GPL-2.0-only */
/* inside - the insides of struct world, for the files of this room that work on it. */
#pragma once

#include "world/container/cgroup.h"
#include "world/container/container.h"
#include "world/pod/pod.h"
#include "world/pod/pod_watch.h"
#include "world/process/process.h"
#include "world/socket/network.h"
#include "world/socket/socket.h"
#include "world/symbol/kernel_symbols.h"
#include "world/world.h"

enum { WORLD_NAME_TEXT = 64, WORLD_MOUNTS_BYTES = 64 * 1024, WORLD_NAMES = 1024 };

/* Names of devices and interfaces: few, cheap to ask for, kept for a while. */
struct short_name {
	char text[WORLD_NAME_TEXT]; /* "" = there is none */
	uint64_t asked_ns;
};

/* When an iterator runs: not again before it has earned what it cost. */
struct sweep {
	bool wanted; /* something was missed, or may have changed */
	uint64_t next_ns; /* at the earliest */
	uint64_t again_ns; /* at the latest */
};

struct world {
	struct kernel *kernel; /* borrowed; NULL in tests */
	struct resolver resolver;
	char node[256];

	struct processes processes;
	struct cgroups cgroups;
	struct containers containers;
	struct pods pods;
	struct pod_watch *pod_watch; /* owned; NULL = nobody is asked */
	struct pod_watch *policy_watch; /* owned; NULL until somebody wants to know, or nobody can be asked */
	uint64_t policy_changes;
	char api[256]; /* who is asked; "" = nobody */
	struct event_base *loop; /* borrowed */
	char pods_state[300]; /* why nobody is asked, though somebody should be */
	struct sockets sockets;
	struct networks networks;
	struct map devices, interfaces; /* number -> struct short_name */
	struct kernel_symbols symbols;

	uint32_t cgroup1; /* see world_cgroup1() */
	uint32_t hierarchy; /* its number in the kernel */
	char controller[32]; /* its name; "" = unified */
	char *mountinfo; /* owned */
	size_t mountinfo_bytes;

	struct object *object; /* owned: processes and control groups */
	struct ring *ring; /* owned */
	struct object *socket_object; /* owned: lists of sockets; NULL until somebody asks */
	uint64_t drained_ns; /* everything that happened before is in the tables */
	uint64_t lost_seen;
	uint64_t few_events, looked_events; /* so few since the last look never filled the ring */
	bool verifying; /* groups may have been removed without our hearing of it */
	size_t verified; /* how far the table was gone through */
	bool unasked; /* some processes' paths and arguments were not looked for yet */
	struct sweep process_sweep, cgroup_sweep, network_sweep;
	bool peers_asked; /* somebody wants names of remote ends: who listens where is kept */
	struct world_counts counts;
};

/* hierarchy.c: which hierarchy identifies containers, and where hierarchies are mounted. */
void world_find_hierarchy(struct world *world, const char *controller);

/* ask.c: what only files below /proc and /sys know. */
/* A whole file as text; false when it can't be opened or is above the cap. The caller's buffer. */
bool world_read_file(struct world *world, const char *path, struct buf *out);
/* Path and arguments of a process whose exec was not seen. */
void world_ask_program(struct world *world, struct process *process);
struct span world_device(void *ctx, uint32_t dev);
struct span world_interface(void *ctx, uint32_t ifindex);

/* peers.c: who listens where, and which namespace has which address. */
void world_tick_peers(struct world *world, uint64_t now_ns);
void world_find_spaces(struct world *world); /* namespaces of all living processes */
struct span world_resolve_peer(void *ctx, const uint8_t addr[ADDR_BYTES], uint16_t port);

/* pods.c */
void world_watch_pods(struct world *world, const struct world_config *config);

/* sockets.c */
int world_load_sockets(struct world *world, struct err *why);

/* world.c: runs one iterator and says when it may run again. `latest`: when it is due though nothing happens. */
int world_run_sweep(struct world *world, struct object *object, struct sweep *sweep,
		    uint64_t latest, const char *table, size_t row_bytes, table_row each);
int world_sweep_processes(struct world *world);
bool world_sweep_is_due(const struct sweep *sweep, uint64_t now_ns);

/* who.c: puts the tables together. */
void world_set_resolver(struct world *world);
struct cgroup *world_group(struct world *world, uint64_t id);
