/* SPDX-License-Identifier: GPL-2.0-only */
/* cgroup_path - what the path of a control group says: runtime, container, pod, quality of service, unit. */
#pragma once

#include "base/span.h"

enum runtime {
	RUNTIME_NONE, /* no container, or one whose path does not say who made it */
	RUNTIME_DOCKER,
	RUNTIME_CONTAINERD,
	RUNTIME_CRIO,
	RUNTIME_PODMAN,
	RUNTIME_LXC,
	RUNTIME_LIBVIRT, /* machine.slice: a virtual machine or a container of libvirt */
	RUNTIME_ECS, /* docker under Amazon's agent */
	RUNTIME_RUNC, /* runc used directly: known from its state, never from the path */
	RUNTIMES,
};

enum pod_class { POD_NONE, POD_GUARANTEED, POD_BURSTABLE, POD_BESTEFFORT };

enum { POD_UID_BYTES = 37 }; /* 36 characters of a UUID (or 32 of a static pod's hash) and a 0 */

struct cgroup_identity {
	enum runtime runtime;
	enum pod_class pod_class; /* POD_NONE = not in a pod */
	struct span container_id; /* into the path; len 0 = no container */
	struct span
		unit; /* systemd unit, into the path, as written there; only outside containers */
	char pod_uid[POD_UID_BYTES]; /* with dashes, as Kubernetes writes it; "" = not in a pod */
};

/* Fills `ret` from a path as it stands below the mount point or in /proc/PID/cgroup (relative ones too). */
void cgroup_path_parse(struct span path, struct cgroup_identity *ret);

/* "docker", "containerd", "cri-o" ...; NULL for RUNTIME_NONE. */
const char *runtime_name(enum runtime runtime);

/* Undoes systemd's escaping ("\x2d" is '-') and takes the suffix off, when it is the given one: "a\x2db.service"
 * -> "a-b". Writes at most `room` bytes, ended by 0, and returns the length; 0 when the suffix is another. */
size_t systemd_unit_name(struct span unit, const char *suffix, char *out, size_t room);
