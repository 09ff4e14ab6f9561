// SPDX-License-Identifier: GPL-2.0-only
/*
 * world - what is true of the machine now.
 *
 * One BPF object tells of processes and control groups. Its hooks are attached first, then its iterators list what
 * was there before, and both say the same facts by the same keys, so nothing falls between. From then on
 * events keep the tables; the iterators run again when the ring lost an event, when somebody asked for what is
 * not known, and now and then for what changes without an event (uid, network namespace). A sweep that took
 * t is not repeated before 500 t have passed: it never takes more than 0.2 % of a CPU.
 *
 * Late news are the rule: records come from other rings, some after the process they speak of has died and its
 * pid is somebody else's. So whoever asks for a moment that lies after the last drain drains first, and who
 * held a pid is asked with the time.
 */
#include "world/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "world/inside.h"
#include "world/objects.h"

enum {
	DRAIN_EVENTS = 1 << 16, /* at one go */
	VERIFY_PER_TICK = 256, /* control groups whose directories are looked for */
	ASK_PER_TICK = 256, /* processes whose paths are looked for */
	SWEEP_COST = 500, /* times what it took until it may run again */
	COUNT_LOST_RING = 2, /* enum count of item.bpf.h */
	COUNT_KINDS = 7,
	RING_BYTES = 1 << 20, /* of process.bpf.c */
};

static const uint64_t keep_ns = 60000000000, resweep_ns = 10000000000;

static void note_cgroup_event(struct world *world, const struct event_head *head, size_t size)
{
	const struct cgroup_changed *event = (const void *)head;

	if (size < sizeof(*event)) {
		world->counts.bad++;
		return;
	}
	if (head->kind == WORLD_CGROUP)
		cgroups_note(&world->cgroups, &event->cgroup, head->ktime_ns);
	else
		cgroups_removed(&world->cgroups, event->cgroup.id, head->ktime_ns);
}

static void note_change(struct world *world, const struct event_head *head, size_t size)
{
	const struct process_changed *event = (const void *)head;

	if (size < sizeof(*event)) {
		world->counts.bad++;
		return;
	}
	if (head->kind == WORLD_EXIT)
		processes_exited(&world->processes, event);
	else if (head->kind == WORLD_RENAME)
		processes_renamed(&world->processes, event);
	else
		processes_moved(&world->processes, event);
	if (head->kind == WORLD_MOVE) /* plain containers write their state about now */
		cgroups_find(&world->cgroups, event->cgroup, head->ktime_ns);
}

static void receive(void *ctx, const struct event_head *head, size_t size)
{
	struct world *world = ctx;

	switch (head->kind) {
	case WORLD_FORK:
		if (size < sizeof(struct process_forked))
			break;
		processes_forked(&world->processes, (const void *)head);
		world->process_sweep.wanted = true; /* what it does next (setuid) makes no event */
		return;
	case WORLD_EXEC:
		if (size < sizeof(struct process_executed))
			break;
		processes_executed(&world->processes, (const void *)head);
		return;
	case WORLD_EXIT:
	case WORLD_RENAME:
	case WORLD_MOVE: note_change(world, head, size); return;
	case WORLD_CGROUP:
	case WORLD_CGROUP_GONE: note_cgroup_event(world, head, size); return;
	}
	world->counts.bad++;
}

size_t world_drain(struct world *world)
{
	uint64_t now_ns;
	size_t events;

	if (!world->ring)
		return 0;
	now_ns = clock_monotonic_ns();
	events = ring_drain(world->ring, DRAIN_EVENTS);
	world->counts.events += events;
	if (events < DRAIN_EVENTS)
		world->drained_ns = now_ns;
	return events;
}

int world_fd(const struct world *world)
{
	return world->ring ? ring_fd(world->ring) : -1;
}

static bool note_process(void *ctx, const void *row)
{
	struct world *world = ctx;
	struct process_facts facts;
	const struct process *process;

	memcpy(&facts, row, sizeof(facts));
	process = processes_seen(&world->processes, &facts);
	if (process && !process->asked && !process->program)
		world->unasked = true;
	return true;
}

static bool note_cgroup(void *ctx, const void *row)
{
	struct world *world = ctx;
	struct cgroup_facts facts;

	memcpy(&facts, row, sizeof(facts));
	cgroups_note(&world->cgroups, &facts, world->drained_ns);
	return true;
}

int world_run_sweep(struct world *world, struct object *object, struct sweep *sweep,
		    uint64_t latest, const char *table, size_t row_bytes, table_row each)
{
	uint64_t start_ns = clock_monotonic_ns(), cost_ns;
	int rows = object_read_table(object, table, row_bytes, each, world);

	cost_ns = clock_monotonic_ns() - start_ns;
	*sweep = (struct sweep){
		.next_ns = start_ns + SWEEP_COST * cost_ns,
		.again_ns = latest ? start_ns + latest + SWEEP_COST * cost_ns : UINT64_MAX,
	};
	world->counts.sweeps++;
	world->counts.sweep_ns += cost_ns;
	return rows;
}

int world_sweep_processes(struct world *world)
{
	int rows;

	processes_sweep(&world->processes, clock_monotonic_ns());
	rows = world_run_sweep(world, world->object, &world->process_sweep, resweep_ns, "PROCESSES",
			       sizeof(struct process_facts), note_process);
	if (rows >= 0) /* a walk that broke off says nothing of those it did not reach */
		processes_swept(&world->processes, clock_monotonic_ns());
	return rows;
}

static int sweep_cgroups(struct world *world)
{
	return world_run_sweep(world, world->object, &world->cgroup_sweep, 0, "CGROUPS",
			       sizeof(struct cgroup_facts), note_cgroup);
}

static int load(struct world *world, uint32_t ring_bytes, struct err *why)
{
	int error = object_open(world->kernel, "world", world_process_object,
				(size_t)(world_process_object_end - world_process_object),
				&world->object, why);

	if (error)
		return error;
	object_set(world->object, "item_cgroup1", &world->cgroup1, sizeof(world->cgroup1));
	object_set(world->object, "world_hierarchy", &world->hierarchy, sizeof(world->hierarchy));
	if (ring_bytes)
		object_resize(world->object, "events", ring_bytes);
	error = object_load(world->object, NULL, why);
	if (error)
		return error;
	error = ring_open(world->object, "events", receive, world, &world->ring, why);
	if (error)
		return error;
	/* an eighth of what would fill it, were all of the longest kind */
	world->few_events = (ring_bytes ? ring_bytes : RING_BYTES) / (8 * sizeof(struct process_executed));
	world->drained_ns = clock_monotonic_ns();
	error = sweep_cgroups(world);
	if (error >= 0)
		error = world_sweep_processes(world);
	if (error < 0)
		return err_set(why, error, "cannot list the processes: %s", err_name(error));
	world_drain(world);
	return 0;
}

static int open_state(void *ctx, const char *path)
{
	struct world *world = ctx;

	return world->kernel ? kernel_open_file(world->kernel, path) : -ENOENT;
}

int world_new(struct kernel *kernel, const struct world_config *config, struct world **ret_world,
	      struct err *why)
{
	static const struct world_config defaults;
	struct world *world = calloc(1, sizeof(*world));
	int error;

	if (!config)
		config = &defaults;
	if (!world ||
	    processes_init(&world->processes, config->processes ? config->processes : CAP_PROCESSES,
			   CAP_PROGRAM_BYTES, keep_ns) ||
	    sockets_init(&world->sockets, config->sockets ? config->sockets : CAP_SOCKETS)) {
		world_free(world);
		return err_set(why, -ENOMEM, "cannot make the tables of the world: out of memory");
	}
	world->kernel = kernel;
	world_find_hierarchy(world, config->cgroup_controller);
	pods_init(&world->pods, CAP_PODS, keep_ns);
	containers_init(&world->containers, CAP_CONTAINERS, &world->pods,
			&(struct state_files){world, open_state},
			world_cgroup_mount(world, world->controller));
	cgroups_init(&world->cgroups, config->cgroups ? config->cgroups : CAP_CGROUPS, keep_ns,
		     &world->containers);
	networks_init(&world->networks, CAP_NETWORKS, CAP_ADDRESSES, CAP_PEER_NAMES);
	map_init(&world->devices, sizeof(uint32_t), sizeof(struct short_name), WORLD_NAMES);
	map_init(&world->interfaces, sizeof(uint32_t), sizeof(struct short_name), WORLD_NAMES);
	if (config->node && *config->node)
		snprintf(world->node, sizeof(world->node), "%s", config->node);
	else
		gethostname(world->node, sizeof(world->node) - 1);
	world_set_resolver(world);
	error = kernel ? load(world, config->ring, why) : 0;
	if (error) {
		world_free(world);
		return error;
	}
	world_watch_pods(world, config);
	*ret_world = world;
	return 0;
}

void world_free(struct world *world)
{
	if (!world)
		return;
	pod_watch_free(world->pod_watch);
	pod_watch_free(world->policy_watch);
	ring_close(world->ring);
	object_free(world->object);
	object_free(world->socket_object);
	sockets_done(&world->sockets);
	networks_done(&world->networks);
	cgroups_done(&world->cgroups);
	containers_done(&world->containers);
	pods_done(&world->pods);
	processes_done(&world->processes);
	map_done(&world->devices);
	map_done(&world->interfaces);
	kernel_symbols_done(&world->symbols);
	free(world->mountinfo);
	free(world);
}

/* Paths and arguments of those that were there before us, a few at a time. */
static void ask_programs(struct world *world)
{
	struct process *process;
	uint32_t at = 0;
	int asked = 0;

	if (!world->unasked)
		return;
	while ((process = processes_next(&world->processes, &at))) {
		if (process->asked || process->exit_ns || process_path(process).len)
			continue;
		if (asked++ == ASK_PER_TICK)
			return;
		world_ask_program(world, process);
	}
	world->unasked = false;
}

/* An event that found the ring full may have been any: all tables are read anew. (A ring that gave few events since was never full, and the
 * question costs both processes a wake-up.) */
static void look_for_losses(struct world *world)
{
	uint64_t counts[COUNT_KINDS] = {}, events = world->counts.events - world->looked_events;

	world->looked_events = world->counts.events;
	if (events < world->few_events || object_read_counts(world->object, "counts", counts, COUNT_KINDS) < 0)
		return;
	if (counts[COUNT_LOST_RING] == world->lost_seen)
		return;
	world->counts.lost += counts[COUNT_LOST_RING] - world->lost_seen;
	world->lost_seen = counts[COUNT_LOST_RING];
	world->process_sweep = (struct sweep){.wanted = true};
	world->cgroup_sweep = (struct sweep){.wanted = true};
	world->verifying = true;
	world->verified = 0;
}

/* Has the group's directory this group's number? */
static bool is_there(struct world *world, const struct cgroup *group)
{
	struct span mount = world_cgroup_mount(world, world->controller);
	char path[CAP_CGROUP_PATH + 256];
	uint64_t inode;
	int error;

	snprintf(path, sizeof(path), "%.*s%s", (int)mount.len, (const char *)mount.at, group->path);
	error = kernel_inode(world->kernel, path, &inode);
	return error ? error != -ENOENT : inode == group->id;
}

/* Is what is mounted the hierarchy from its root on? */
static bool mount_is_whole(struct world *world)
{
	struct cgroup *group;
	size_t at = 0;

	while ((group = cgroups_next(&world->cgroups, &at)))
		if (!group->parent && group->path)
			return is_there(world, group);
	return false;
}

/* The iterator shows groups that hold processes; whether an empty one is still there, its directory says. */
static void verify_groups(struct world *world, uint64_t now_ns)
{
	struct cgroup *group = NULL;

	/* in a container it may be a part of it, and the rest would seem to be gone */
	if (!world->verified && !mount_is_whole(world)) {
		world->verifying = false;
		return;
	}
	for (int i = 0; i < VERIFY_PER_TICK; i++) {
		group = cgroups_next(&world->cgroups, &world->verified);
		if (!group)
			break;
		if (!group->gone_ns && group->path && group->parent && !is_there(world, group))
			cgroups_removed(&world->cgroups, group->id, now_ns);
	}
	world->verifying = group != NULL;
}

bool world_sweep_is_due(const struct sweep *sweep, uint64_t now_ns)
{
	return now_ns >= sweep->again_ns || (sweep->wanted && now_ns >= sweep->next_ns);
}

void world_tick(struct world *world, uint64_t now_ns)
{
	world_drain(world);
	if (world->object) {
		look_for_losses(world);
		if (world_sweep_is_due(&world->cgroup_sweep, now_ns))
			sweep_cgroups(world);
		if (world_sweep_is_due(&world->process_sweep, now_ns))
			world_sweep_processes(world);
		if (world->verifying)
			verify_groups(world, now_ns);
		ask_programs(world);
		world_tick_peers(world, now_ns);
	}
	cgroups_tick(&world->cgroups, now_ns);
	processes_expire(&world->processes, now_ns);
	cgroups_expire(&world->cgroups, now_ns);
	pods_expire(&world->pods, now_ns);
	networks_forget_names(&world->networks, now_ns);
}

bool world_table(const struct world *world, size_t i, struct world_table *ret_table)
{
	const struct world_table tables[] = {
		{"processes", world->processes.len, world->processes.cap,
		 processes_bytes(&world->processes),
		 world->processes.refused + world->processes.programs_refused,
		 world->processes.evicted},
		{"cgroups", world->cgroups.by_id.len, world->cgroups.by_id.cap,
		 cgroups_bytes(&world->cgroups), world->cgroups.refused, world->cgroups.evicted},
		{"containers", world->containers.by_id.len, world->containers.by_id.cap,
		 containers_bytes(&world->containers), world->containers.refused, 0},
		{"pods", world->pods.by_uid.len, world->pods.by_uid.cap, pods_bytes(&world->pods),
		 world->pods.refused, 0},
		{"sockets", world->sockets.len, world->sockets.cap, sockets_bytes(&world->sockets),
		 world->sockets.refused, 0},
		{"addresses", world->networks.addresses.len + world->networks.listeners.len,
		 world->networks.addresses.cap + world->networks.listeners.cap,
		 networks_bytes(&world->networks),
		 world->networks.addresses.refused + world->networks.listeners.refused, 0},
		{"names", world->networks.names.len, world->networks.names.cap,
		 world->networks.name_bytes, world->networks.names.refused, 0},
	};

	if (i >= sizeof(tables) / sizeof(*tables))
		return false;
	*ret_table = tables[i];
	return true;
}

struct object *world_object(const struct world *world, size_t i)
{
	return i == 0 ? world->object : i == 1 ? world->socket_object : NULL;
}

void world_counts(const struct world *world, struct world_counts *ret_counts)
{
	*ret_counts = world->counts;
	ret_counts->unreadable = world->containers.unreadable;
	if (world->ring)
		ret_counts->bad += ring_bad(world->ring);
}
