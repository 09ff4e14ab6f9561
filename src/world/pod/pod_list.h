/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pod_list - reads what the Kubernetes API and the kubelet say of pods: lists, and the events of a watch. Pure.
 *
 * Lists are read one pod at a time, so memory follows the largest pod and not the list.
 */
#pragma once

#include "base/err.h"
#include "world/pod/pod.h"

enum { POD_VERSION_BYTES = 32 };

/* What is told of each pod. All but `pod` may be NULL; texts live as long as the call. */
struct pod_reader {
	void *ctx;
	void (*pod)(void *ctx, const struct pod_facts *pod); /* there it is */
	void (*gone)(void *ctx, const struct pod_facts *pod); /* a watch says that it was deleted */
	void (*container)(void *ctx, const struct pod_facts *pod, struct span id, struct span name,
			  struct span image);
};

/* A PodList. ret_version: from where a watch goes on ("" = not said). The number of pods, -EINVAL, -ENOMEM. */
int pod_list_read(struct span json, const struct pod_reader *reader,
		  char ret_version[POD_VERSION_BYTES], struct err *why);

enum pod_change { POD_CHANGED, POD_DELETED, POD_BOOKMARK, POD_EXPIRED };

/*
 * One event of a watch. POD_EXPIRED: the server can't go on from
 * that version, a new list is due.
 */
int pod_event_read(struct span json, const struct pod_reader *reader, enum pod_change *ret_change,
		   char ret_version[POD_VERSION_BYTES], struct err *why);
