/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * runtime_state - names and images of containers, from the files in which their runtimes keep them.
 *
 * Every runtime writes its state as JSON below /run or /var/lib, in a place that follows from the container's
 * id. Pure: the caller opens what container_state_path says and hands the bytes to container_state_read.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "world/container/cgroup_path.h"

enum {
	CONTAINER_NAME_BYTES = 256, /* and images; longer ones are cut */
	CONTAINER_POD_BYTES = 254, /* RFC 1123 subdomain and a 0 */
	CONTAINER_NAMESPACE_BYTES = 64,
	STATE_PATH_BYTES = 256,
};

/* All texts are ended by 0; "" = not known. */
struct container_facts {
	char name[CONTAINER_NAME_BYTES];
	char image[CONTAINER_NAME_BYTES];
	char pod[CONTAINER_POD_BYTES];
	char namespace[CONTAINER_NAMESPACE_BYTES];
	char pod_uid[POD_UID_BYTES];
};

enum state_form {
	STATE_OCI, /* config.json of a bundle: what the caller of the runtime says in its annotations */
	STATE_DOCKER, /* config.v2.json of dockerd */
	STATE_STORAGE, /* containers.json of containers/storage (podman, CRI-O): a list */
	STATE_RUNC, /* state.json */
	STATE_CRUN, /* status */
};

/*
 * The i-th place to look for the state of a container, from 0 until false. RUNTIME_NONE with an id of 64 digits: all
 * places. For RUNTIME_RUNC the id may be a guess (the last element of the path): the file says whether it is right.
 */
bool container_state_path(enum runtime runtime, struct span id, size_t i,
			  char ret_path[STATE_PATH_BYTES], enum state_form *ret_form);

/* Where a control group is in the file system: below the mount point of its hierarchy. */
struct cgroup_place {
	struct span mount, path; /* "/sys/fs/cgroup/pids", "/test/r1" */
};

/*
 * Reads a state file. By `cgroup` STATE_RUNC and STATE_CRUN are known to be of that container. 1 = found, and what is known is added to `facts` (what is there stays); 0 = the file is of
 * another container or says nothing; -EINVAL = it is no such file; -ENOMEM.
 */
int container_state_read(enum state_form form, struct span json, struct span id,
			 const struct cgroup_place *cgroup, struct arena *arena,
			 struct container_facts *facts, struct err *why);
