// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a list and as an event: as many pods handed on as said, every text ended, the table unharmed. */
#include "world/pod/pod.c"
#include "world/pod/pod_list.c"

#include <stdlib.h>

struct tables {
	struct pods pods;
	int handed_on;
};

static void take_pod(void *ctx, const struct pod_facts *pod)
{
	struct tables *tables = ctx;

	if (!memchr(pod->uid, 0, sizeof(pod->uid)) || !memchr(pod->name, 0, sizeof(pod->name)) ||
	    !memchr(pod->namespace, 0, sizeof(pod->namespace)) ||
	    !memchr(pod->owner, 0, sizeof(pod->owner)) || pod->addresses > POD_ADDRESSES)
		abort();
	tables->handed_on++;
	pods_list_note(&tables->pods, pod);
}

static void take_container(void *ctx, const struct pod_facts *pod, struct span id, struct span name,
			   struct span image)
{
	if ((id.len && id.at[id.len]) || (name.len && name.at[name.len]) ||
	    (image.len && image.at[image.len]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct tables tables = {};
	struct pod_reader reader = {&tables, take_pod, take_pod, take_container};
	char version[POD_VERSION_BYTES];
	enum pod_change change;
	int result;

	pods_init(&tables.pods, 8, 1);
	pods_list_begin(&tables.pods);
	result = pod_list_read((struct span){at, len}, &reader, version, NULL);
	if (result >= 0 && result != tables.handed_on)
		abort();
	pods_list_end(&tables.pods, 1);
	pod_event_read((struct span){at, len}, &reader, &change, version, NULL);
	pods_expire(&tables.pods, 100);
	pods_done(&tables.pods);
	if (tables.pods.text_bytes)
		abort();
	return 0;
}
