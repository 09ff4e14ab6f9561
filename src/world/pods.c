// SPDX-License-Identifier: GPL-2.0-only
/* pods - where the pods of this node are asked for, and what their list says of containers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "world/inside.h"

/* A list of pods knows containers whose runtime's state we can't read. */
static void note_container(void *ctx, struct span id, struct span name, struct span image)
{
	struct world *world = ctx;
	struct container *container = containers_find(&world->containers, id);

	if (container)
		container_note(&world->containers, container, name, image);
}

/* Every pod is told where the API server is. */
static const char *own_cluster(char *out, size_t room)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");

	if (!host || !*host)
		return NULL;
	snprintf(out, room, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
		 port && *port ? port : "443");
	return out;
}

void world_watch_pods(struct world *world, const struct world_config *config)
{
	char own[128];
	struct pod_watch_options options = {
		.loop = config->loop,
		.api = config->kubernetes,
		.node = world->node,
		.pods = &world->pods,
		.container = note_container,
		.ctx = world,
	};
	struct err why = {};

	if (!options.loop || !options.api || !*options.api || !strcmp(options.api, "off"))
		return;
	if (!strcmp(options.api, "auto"))
		options.api = own_cluster(own, sizeof(own));
	world->loop = config->loop;
	snprintf(world->api, sizeof(world->api), "%s", options.api ? options.api : "");
	if (options.api && pod_watch_new(&options, &world->pod_watch, &why))
		snprintf(world->pods_state, sizeof(world->pods_state), "%s", why.text);
}

const char *world_pods_state(const struct world *world)
{
	if (world->pod_watch)
		return pod_watch_state(world->pod_watch);
	return world->pods_state[0] ? world->pods_state : NULL;
}

uint64_t world_pod_changes(const struct world *world)
{
	return world->pods.changes;
}

/* ---- network policies ---- */

static void policy_changed(void *ctx)
{
	((struct world *)ctx)->policy_changes++;
}

int64_t world_policy_changes(struct world *world, const char **ret_state)
{
	struct pod_watch_options options = {
		.loop = world->loop,
		.api = world->api,
		.kind = "networkpolicies",
		.path = "/apis/networking.k8s.io/v1/networkpolicies",
		.changed = policy_changed,
		.ctx = world,
	};
	struct err why = {};

	if (!world->api[0])
		return -EOPNOTSUPP;
	if (!world->policy_watch && pod_watch_new(&options, &world->policy_watch, &why))
		return -EOPNOTSUPP; /* a kubelet, or what world_pods_state() says too */
	*ret_state = pod_watch_state(world->policy_watch);
	return pod_watch_is_well(world->policy_watch) ? (int64_t)world->policy_changes : -EAGAIN;
}
