/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup - the control groups of the hierarchy that identifies containers: id -> path -> container or unit.
 *
 * Pure bookkeeping, like the table of processes: whoever holds it feeds what the kernel says, in any order
 * (a child may come before its parent), and asks. Groups that were removed stay for a while.
 */
#pragma once

#include "base/map.h"
#include "world/container/container.h"
#include "world/process/process_event.h"

struct cgroup {
	uint64_t id;
	uint64_t parent; /* 0 = the root */
	char *name; /* owned: last element of the path */
	char *path; /* owned; NULL while an ancestor is not known */
	char *service; /* owned: systemd service without suffix; NULL = none */
	struct container *container; /* held; NULL = none of its own */
	char pod_uid[POD_UID_BYTES]; /* "" = in no pod */
	uint64_t gone_ns; /* removed at (CLOCK_MONOTONIC); 0 = there */
	struct cgroup *next_gone;
	uint8_t guesses; /* how often it was looked for among plain containers */
	uint64_t next_guess_ns;
	bool is_unit; /* named as a systemd unit or slice: no plain container */
};

enum { CGROUP_GUESSES = 5 };

struct cgroups {
	struct map by_id; /* id -> struct cgroup * (owned) */
	struct containers *containers; /* borrowed */
	struct cgroup *gone_first, *gone_last; /* in the order of their removal */
	uint64_t keep_ns;
	size_t text_bytes;
	uint64_t refused; /* groups that found the table full of living ones */
	uint64_t evicted; /* removed ones that went before their time */
};

void cgroups_init(struct cgroups *cgroups, size_t cap, uint64_t keep_ns,
		  struct containers *containers);
void cgroups_done(struct cgroups *cgroups);

/* Made, renamed, or found by the iterator. */
void cgroups_note(struct cgroups *cgroups, const struct cgroup_facts *facts, uint64_t now_ns);
void cgroups_removed(struct cgroups *cgroups, uint64_t id, uint64_t now_ns);
void cgroups_expire(struct cgroups *cgroups, uint64_t now_ns);

/* The group, with its path if that is known by now; looks for its container's state when that is due. */
struct cgroup *cgroups_find(struct cgroups *cgroups, uint64_t id, uint64_t now_ns);

/* The container it belongs to: its own, or that of the next group above it that has one. */
struct container *cgroup_container(struct cgroups *cgroups, const struct cgroup *cgroup);

/* Every group: `size_t at = 0; while ((group = cgroups_next(&groups, &at)))`. */
struct cgroup *cgroups_next(const struct cgroups *cgroups, size_t *at);

/* Once a second: looks that are due. */
void cgroups_tick(struct cgroups *cgroups, uint64_t now_ns);

size_t cgroups_bytes(const struct cgroups *cgroups);
