// SPDX-License-Identifier: GPL-2.0-only
/*
 * cluster - who else has a say in what may pass between pods: a CNI that enforces policies, and the cluster's NetworkPolicies.
 *
 * Where an agent of such a CNI runs on this machine, rules that say `pod_to_pod: true` hold within a pod only: its programs and its
 * agent judge packets that a redirect never makes. `pod_to_pod: forced` holds all the same, if the API server tells of
 * changes of NetworkPolicies: after each, everything between namespaces goes by TCP for a while, as after a change of
 * packet filters (filters.c), and what the CNI drops then never comes back to redirecting.
 */
#include "items/net/accel/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Programs of CNIs that enforce policies, as `ps` calls them (15 characters), and containers whose program says nothing. */
static const char *const enforcing[] = {
	"calico-node",  "cilium-agent",   "antrea-agent",    "kube-router",
	"weave-npc",    "ovnkube",        "azure-npm",       "kube-network-po",
	"romana-agent", "nsx-node-agent", "contrail-vroute", "kube-ovn-daemon",
};
static const char *const enforcing_container[] = {"aws-eks-nodeagent", "aws-network-policy-agent"};

static bool enforces(struct world *world, const struct process *process, struct span *ret_name)
{
	struct who who;

	for (size_t i = 0; i < sizeof(enforcing) / sizeof(*enforcing); i++)
		if (span_is(process_comm(process), enforcing[i])) {
			*ret_name = process_comm(process);
			return true;
		}
	if (!world_who(world, process, &who))
		return false;
	for (size_t i = 0; i < sizeof(enforcing_container) / sizeof(*enforcing_container); i++)
		if (span_is(who.container, enforcing_container[i])) {
			*ret_name = who.container;
			return true;
		}
	return false;
}

static void find_cni(struct accel *accel)
{
	struct world *world = item_world(accel->item);
	const struct process *process;
	struct span name;
	uint32_t at = 0;

	accel->cluster.cni[0] = 0;
	while ((process = world_next_process(world, &at)))
		if (!process->exit_ns && enforces(world, process, &name)) {
			snprintf(accel->cluster.cni, sizeof(accel->cluster.cni), "%.*s",
				 (int)name.len, (const char *)name.at);
			return;
		}
}

static uint64_t forced_rules(void)
{
	uint64_t forced = 0;

	for (uint32_t i = 0; i < accel_policy.rules; i++)
		if (accel_policy.rule[i].forced)
			forced |= 1ull << i;
	return forced;
}

static void say(struct accel *accel, uint64_t across, const char *asked)
{
	struct cluster *cluster = &accel->cluster;
	size_t room = sizeof(cluster->state);

	if (!across && !cluster->refused)
		snprintf(cluster->state, room, "no rule says pod_to_pod");
	else if (!across)
		snprintf(cluster->state, room,
			 "refused: %s runs here, which enforces policies that a redirect passes by "
			 "(pod_to_pod: forced)",
			 cluster->cni);
	else if (cluster->cni[0] && cluster->policies < 0)
		snprintf(cluster->state, room,
			 "refused: %s enforces policies, and nobody tells of their changes: %s",
			 cluster->cni, asked ? asked : "no API server is known (kubernetes.api)");
	else if (accel->filters.is_blind)
		snprintf(cluster->state, room,
			 "refused: the packet filters of a network namespace cannot be watched");
	else
		snprintf(cluster->state, room, "on%s%s", cluster->cni[0] ? ", forced beside " : "",
			 cluster->cni);
}

/* Were they changed since the last look? (The first answer is none.) */
static bool has_changed(struct accel *accel, const char **asked)
{
	int64_t before = accel->cluster.policies_seen,
		now = world_policy_changes(item_world(accel->item), asked);

	accel->cluster.policies = now;
	if (now >= 0)
		accel->cluster.policies_seen = now;
	return before >= 0 && now > before;
}

uint64_t cluster_tick(struct accel *accel, uint64_t across, uint64_t now_ns)
{
	struct cluster *cluster = &accel->cluster;
	const char *asked = NULL;
	uint64_t able = across;

	cluster->wants_policies = across != 0;
	cluster->cni[0] = 0;
	if (across) {
		find_cni(accel);
		if (has_changed(accel, &asked))
			filters_hold(accel, "policy_changes");
		if (cluster->cni[0])
			able &= forced_rules();
	}
	cluster->refused = across & ~able;
	say(accel, able, asked);
	return cluster->cni[0] && cluster->policies < 0 ? 0 : able;
}

void cluster_look(struct accel *accel)
{
	const char *asked;

	if (accel->cluster.wants_policies && has_changed(accel, &asked))
		filters_hold(accel, "policy_changes");
}

const char *cluster_state(const struct accel *accel)
{
	return accel->cluster.state;
}
