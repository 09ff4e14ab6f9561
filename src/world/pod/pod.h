/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pod - the pods of this node: uid -> name, namespace, owner, addresses.
 *
 * Learnt from the annotations that runtimes keep, and, when configured, from the kubelet's or the API server's
 * list of pods (pod_list.h). Pods that left the list are kept a minute like everything else.
 */
#pragma once

#include "base/addr.h"
#include "base/map.h"
#include "world/container/cgroup_path.h"

enum {
	POD_NAME_BYTES = 254,
	POD_NAMESPACE_BYTES = 64,
	POD_LABEL_BYTES = 253 + 1 + 63 + 1 + 63, /* prefix/name=value */
	POD_LABELS_BYTES = 8192,
	POD_ADDRESSES = 4,
};

struct pod_facts {
	char uid[POD_UID_BYTES];
	char name[POD_NAME_BYTES];
	char namespace[POD_NAMESPACE_BYTES];
	char owner[POD_NAME_BYTES]; /* Deployment, StatefulSet ...; "" = derived from the name */
	char labels[POD_LABELS_BYTES]; /* ",app=web,tier=front,"; "," = there are none; "" = not known */
	uint32_t labels_cut; /* that found no room */
	uint8_t address[POD_ADDRESSES][ADDR_BYTES];
	uint32_t addresses;
	bool on_host_network; /* then its addresses are the node's, and say nothing */
	bool has_ended; /* Succeeded or Failed: its addresses stay in the list, though they may be another's by now */
};

struct pod {
	char uid[POD_UID_BYTES];
	char *name, *namespace, *owner, *labels; /* owned, NULL = not known */
	uint8_t address[POD_ADDRESSES][ADDR_BYTES];
	uint32_t addresses;
	uint32_t containers; /* that are known and point here */
	uint64_t gone_ns; /* left the list, or its last container went; 0 = there */
	bool listed; /* known from a list, not only from annotations */
	bool seen; /* in the list that is being read */
};

struct pods {
	struct map by_uid; /* char[POD_UID_BYTES] -> struct pod * (owned) */
	struct map by_addr; /* address -> struct pod * */
	uint64_t keep_ns;
	size_t text_bytes;
	uint64_t refused; /* pods that found the table full */
	uint64_t labels_cut; /* labels beyond POD_LABELS_BYTES */
	uint64_t changes; /* of texts, so far */
};

void pods_init(struct pods *pods, size_t cap, uint64_t keep_ns);
void pods_done(struct pods *pods);

/* Adds or updates. NULL when the table is full (counted) or the uid is empty. */
struct pod *pods_note(struct pods *pods, const struct pod_facts *facts);
/* A whole list: begin, note each with `listed`, end: who was not in it is gone. */
void pods_list_begin(struct pods *pods);
void pods_list_note(struct pods *pods, const struct pod_facts *facts);
void pods_list_end(struct pods *pods, uint64_t now_ns);
/* A container of it is known: as long as there is one, a pod that no list names stays. */
void pods_hold(struct pod *pod);
void pods_release(struct pod *pod, uint64_t now_ns);
/* One pod was deleted (watch). */
void pods_gone(struct pods *pods, const char *uid, uint64_t now_ns);
void pods_expire(struct pods *pods, uint64_t now_ns);

const struct pod *pods_find(const struct pods *pods, const char *uid);
const struct pod *pods_by_addr(const struct pods *pods, const uint8_t addr[ADDR_BYTES]);
size_t pods_bytes(const struct pods *pods);

/*
 * Who made a pod, by its name alone: "shop-7d4b9c6f5-x2lqz" -> "shop" (Deployment), "pg-0" -> "pg" (StatefulSet),
 * "proxy-k9x2m" -> "proxy" (DaemonSet), "backup-28391040-zk4fd" -> "backup" (CronJob); else the name itself.
 */
struct span pod_owner(struct span name);
