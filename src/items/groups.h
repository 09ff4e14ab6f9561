/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * groups - the control groups whose own figures are worth a series: of containers and of services, each once.
 *
 * A container's control group may have groups within (systemd in a container), and a pod's holds those of its
 * containers. The kernel's figures include what is below, so only the topmost group that belongs to
 * a container or service is taken, and groups above them (pods, slices) are not.
 */
#pragma once

#include "base/buf.h"
#include "items/item.h"

enum {
	GROUPS_MAX = 2048, /* that are looked at; the rest is left out */
	GROUP_LABELS = 4,
};

struct group_place {
	const char *folder; /* "/sys/fs/cgroup/memory/docker/4c01..." */
	bool is_unified; /* with the files of version 2, else of version 1 */
	const struct label *labels;
	size_t label_count;
};

typedef void (*group_each)(void *ctx, const struct group_place *place);

/* Calls `each` for the groups in the hierarchy of `controller` ("cpu", "memory"). */
void groups_each(struct item *item, const char *controller, group_each each, void *ctx);

/* Reads a file of the group. 0 or -errno. */
int group_read(struct item *item, const struct group_place *place, const char *file,
	       struct buf *out);

/* One that may be taken: its path, and whom it belongs to. Borrowed. */
struct group_found {
	struct span path; /* "/docker/4c01..." */
	struct span owner; /* container id or service */
	uint64_t id;
};

/* Sorts, and moves those to be taken to the front: returns how many. */
size_t groups_choose(struct group_found *found, size_t count);
