/* SPDX-License-Identifier: GPL-2.0-only */
/* container - the containers of this machine: id -> name, image, pod. Each lives as long as its control groups. */
#pragma once

#include "base/map.h"
#include "world/container/runtime_state.h"
#include "world/pod/pod.h"

enum { CONTAINER_ID_BYTES = 128, CONTAINER_TRIES = 6 };

struct container {
	char id[CONTAINER_ID_BYTES]; /* ended by 0 */
	enum runtime runtime;
	char *name, *image; /* owned, NULL = not known */
	struct pod *pod; /* held, NULL = in none or not known */
	uint32_t groups; /* control groups that point here */
	uint8_t tries; /* looks for its state so far; CONTAINER_TRIES = no more */
	uint64_t next_try_ns;
};

/* How state files are opened: a descriptor or -errno. In the agent that is the broker's work. */
struct state_files {
	void *ctx;
	int (*open)(void *ctx, const char *path);
};

struct containers {
	struct map by_id; /* char[CONTAINER_ID_BYTES] -> struct container * (owned) */
	struct pods *pods; /* borrowed */
	struct state_files files;
	struct span mount; /* borrowed: of the hierarchy whose groups are meant */
	size_t text_bytes;
	uint64_t refused; /* containers that found the table full */
	uint64_t
		unreadable; /* state files that were there and could not be read or made no sense */
};

void containers_init(struct containers *containers, size_t cap, struct pods *pods,
		     const struct state_files *files, struct span mount);
void containers_done(struct containers *containers);

/* The container of that id, made if it is new; one more group points to it. NULL = refused (counted). */
struct container *containers_hold(struct containers *containers, enum runtime runtime,
				  struct span id);
/* One group less; the last one takes the container with it. */
void containers_release(struct containers *containers, struct container *container,
			uint64_t now_ns);

/*
 * Looks for the state of the container if that is not known and a look is due: at once, then after 1, 2, 4 ... s,
 * since some runtimes write it only after the group is made. `cgroup`: path of a group of it.
 */
void container_look(struct containers *containers, struct container *container, struct span cgroup,
		    uint64_t now_ns);

/*
 * Is this group a container of plain runc or crun, which no path can say? Holds and returns it, with its state
 * read; NULL if it is not (yet).
 */
struct container *containers_guess(struct containers *containers, struct span cgroup,
				   uint64_t now_ns);

/* What somebody else knows of it; what is known already stays. */
void container_note(struct containers *containers, struct container *container, struct span name,
		    struct span image);

struct container *containers_find(const struct containers *containers, struct span id);
size_t containers_bytes(const struct containers *containers);
