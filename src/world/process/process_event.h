/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process_event - what the world's kernel half tells about processes and control groups.
 *
 * Included by both halves. A process is known by (pid, start): the thread group's id and the start time of
 * its leader (CLOCK_MONOTONIC ns), which no later holder of the pid shares.
 */
#pragma once

#ifndef __bpf__
#include <stdint.h>
#include "kernel/kernel.h"
typedef uint16_t world_u16;
typedef uint32_t world_u32;
typedef uint64_t world_u64;
#else
typedef __u16 world_u16;
typedef __u32 world_u32;
typedef __u64 world_u64;
#endif

enum {
	WORLD_COMM_BYTES = 16, /* TASK_COMM_LEN */
	WORLD_PATH_BYTES = 256, /* of an executable's path, as far as an event holds it */
	WORLD_NAME_BYTES = 256, /* NAME_MAX and the ending 0: one element of a path */
	WORLD_ARGS_BYTES = 512,
	WORLD_LEVELS = 16, /* depth of nested control groups */
};

enum world_event {
	WORLD_FORK = 1,
	WORLD_EXEC,
	WORLD_EXIT,
	WORLD_RENAME,
	WORLD_MOVE, /* into another control group */
	WORLD_CGROUP, /* made or renamed */
	WORLD_CGROUP_GONE,
};

/* What fork, exec and the iterator say alike. */
struct process_facts {
	world_u64 start_ns;
	world_u64 cgroup; /* id in the hierarchy that identifies containers */
	world_u32 pid, ppid;
	world_u32 uid;
	world_u32 netns; /* inode number of the network namespace */
	char comm[WORLD_COMM_BYTES];
};
_Static_assert(sizeof(struct process_facts) == 48, "kernel and user half must agree");

struct process_forked {
	struct event_head head;
	struct process_facts child;
	world_u64 parent_start_ns;
	world_u32 parent_pid; /* who called fork; with CLONE_PARENT not the ppid */
	world_u32 pad;
};
_Static_assert(sizeof(struct process_forked) == 80, "kernel and user half must agree");

struct process_executed {
	struct event_head head;
	struct process_facts process;
	world_u16 path_bytes; /* 0 = could not be read */
	world_u16 args_bytes;
	world_u32 pad;
	/* elements of the path from the last to the first, each ended by 0 */
	char path[WORLD_PATH_BYTES + WORLD_NAME_BYTES];
	char args[WORLD_ARGS_BYTES]; /* separated by 0 */
};
_Static_assert(sizeof(struct process_executed) == 1096, "kernel and user half must agree");

/* Exit, rename and move: the fields that apply. */
struct process_changed {
	struct event_head head;
	world_u64 start_ns;
	world_u64 cgroup; /* move */
	world_u32 pid;
	world_u32 exit_code; /* exit: as wait(2) gives it */
	char comm[WORLD_COMM_BYTES]; /* rename */
};
_Static_assert(sizeof(struct process_changed) == 56, "kernel and user half must agree");

/* One control group; also a row of the iterator. */
struct cgroup_facts {
	world_u64 id;
	world_u64 parent; /* 0 = this is the root */
	char name[WORLD_NAME_BYTES];
};
_Static_assert(sizeof(struct cgroup_facts) == 272, "kernel and user half must agree");

struct cgroup_changed {
	struct event_head head;
	struct cgroup_facts cgroup;
};
