// SPDX-License-Identifier: GPL-2.0-only
/* who - puts the tables together: from a pid or a control group to container, pod and service. */
#include "world/inside.h"

struct cgroup *world_group(struct world *world, uint64_t id)
{
	struct cgroup *group = cgroups_find(&world->cgroups, id, world->drained_ns);

	if (!group && id) {
		world->counts.unknown_cgroups++;
		world->cgroup_sweep.wanted = true;
	}
	return group;
}

static void set_pod(struct who *who, const struct pod *pod)
{
	who->pod = span_of(pod->name);
	who->namespace = span_of(pod->namespace);
	who->service = span_of(pod->owner);
	who->labels = span_of(pod->labels);
}

static void set_container(struct who *who, const struct container *container)
{
	who->container = span_of(container->name);
	who->container_id = span_of(container->id);
	who->image = span_of(container->image);
}

/* service: what the pod belongs to, else the container, else the systemd service. */
static void set_group(struct world *world, const struct cgroup *group, struct who *who)
{
	const struct container *container = cgroup_container(&world->cgroups, group);
	const struct pod *pod = container ? container->pod : NULL;

	who->cgroup = span_of(group->path);
	if (container)
		set_container(who, container);
	if (!pod && group->pod_uid[0])
		pod = pods_find(&world->pods, group->pod_uid);
	if (pod)
		set_pod(who, pod);
	if (!who->service.len)
		who->service = container ? who->container : span_of(group->service);
}

static bool resolve_cgroup(void *ctx, uint64_t cgroup, struct who *ret_who)
{
	struct world *world = ctx;
	struct cgroup *group = world_group(world, cgroup);

	if (!group || !group->path)
		return false;
	*ret_who = (struct who){};
	set_group(world, group, ret_who);
	return true;
}

bool world_who(struct world *world, const struct process *process, struct who *ret_who)
{
	const struct cgroup *group = world_group(world, process->cgroup);

	*ret_who = (struct who){
		.pid = process->pid,
		.uid = process->uid,
		.has_uid = true,
		.process = process_comm(process),
		.exe = process_path(process),
	};
	if (group && group->path)
		set_group(world, group, ret_who);
	return true;
}

const struct process *world_process(struct world *world, uint32_t pid, uint64_t ktime_ns)
{
	struct process *process;

	/* What happened since the last look is still in the ring: the pid may be another's by now. */
	if (!ktime_ns || ktime_ns > world->drained_ns)
		world_drain(world);
	process = processes_at(&world->processes, pid, ktime_ns);
	if (!process) {
		world->counts.unknown_pids += pid != 0;
		return NULL;
	}
	if (!process->asked && !process_path(process).len) {
		uint64_t start_ns = process->start_ns;

		world_ask_program(world, process); /* drains: the entry may have gone */
		process = processes_find(&world->processes, pid, start_ns);
	}
	return process;
}

const struct process *world_next_process(struct world *world, uint32_t *at)
{
	return processes_next(&world->processes, at);
}

static bool resolve_pid(void *ctx, uint32_t pid, uint64_t ktime_ns, struct who *ret_who)
{
	struct world *world = ctx;
	const struct process *process = world_process(world, pid, ktime_ns);

	return process && world_who(world, process, ret_who);
}

struct span world_cgroup_path(struct world *world, uint64_t cgroup)
{
	const struct cgroup *group = world_group(world, cgroup);

	return group ? span_of(group->path) : (struct span){};
}

bool world_next_cgroup(struct world *world, size_t *at, uint64_t *ret_id, struct span *ret_path)
{
	struct cgroup *group;

	while ((group = cgroups_next(&world->cgroups, at))) {
		if (group->gone_ns || !group->path)
			continue;
		*ret_id = group->id;
		*ret_path = span_of(group->path);
		return true;
	}
	return false;
}

struct resolver *world_resolver(struct world *world)
{
	return &world->resolver;
}

/* (of processes: whoever reads their programs) */
static struct span resolve_symbol(void *ctx, uint32_t pid, uint64_t addr)
{
	struct world *world = ctx;

	return pid ? (struct span){} : kernel_symbols_name(&world->symbols, world->kernel, addr);
}

void world_set_resolver(struct world *world)
{
	world->resolver = (struct resolver){
		.ctx = world,
		.pid = resolve_pid,
		.cgroup = resolve_cgroup,
		.peer = world_resolve_peer,
		.device = world_device,
		.interface = world_interface,
		.symbol = resolve_symbol,
		.node = span_of(world->node),
	};
}
