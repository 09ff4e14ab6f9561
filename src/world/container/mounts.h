/* SPDX-License-Identifier: GPL-2.0-only */
/* mounts - which hierarchies of control groups this kernel has, and where they are mounted. Pure: reads texts. */
#pragma once

#include "base/span.h"

/* A line of /proc/cgroups. False = the controller is not there. */
struct controller {
	uint32_t hierarchy; /* 0 = in the unified hierarchy (or in none) */
	uint32_t index; /* of the line: the kernel lists them in the order of its own array */
};

bool controller_find(struct span proc_cgroups, const char *name, struct controller *ret);

/*
 * The mount point of a controller's v1 hierarchy in a mountinfo (proc(5)), or with "" that of the unified one, the first
 * if there are several; len 0 = there is none. Octal escapes (\040) are left as they are.
 */
struct span cgroup_mount_find(struct span mountinfo, const char *controller);
