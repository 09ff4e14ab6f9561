// SPDX-License-Identifier: GPL-2.0-only
/*
 * peers - names of remote ends.
 *
 * Most remote ends of a service are on the same machine: another service, another container. Who they are
 * follows from what listens where and from which namespace has the address; both are read anew now
 * and then, but only since somebody asked for the first time.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "world/inside.h"

enum {
	SPACES_PER_TICK = 32, /* namespaces whose addresses are read */
	ADDRESS_FILE_BYTES = 1 << 20,
	KTHREADD = 2,
	EPHEMERAL_FIRST = 32768, /* default of net.ipv4.ip_local_port_range */
	EPHEMERAL_LAST = 60999,
};

static const uint64_t relisten_ns = 10000000000, reread_ns = 60000000000, forget_ns = 180000000000;

/* The host's namespace: kernel threads live in it. In a pid namespace of our own: where we are. */
static uint32_t host_space(struct world *world)
{
	const struct process *process = processes_at(&world->processes, KTHREADD, 0);

	if (!process || !process->netns || process->program)
		process = processes_at(&world->processes, (uint32_t)getpid(), 0);
	return process ? process->netns : 0;
}

void world_find_spaces(struct world *world)
{
	struct process *process;
	uint32_t at = 0;

	networks_begin(&world->networks);
	while ((process = processes_next(&world->processes, &at)))
		if (!process->exit_ns)
			networks_space(&world->networks, process->netns,
				       &(struct holder){.pid = process->pid,
							.start_ns = process->start_ns});
	networks_end(&world->networks);
}

struct reading {
	struct world *world;
	uint32_t netns;
	uint64_t now_ns;
};

static void note_address(void *ctx, const uint8_t addr[ADDR_BYTES])
{
	struct reading *reading = ctx;

	networks_address(&reading->world->networks, reading->netns, addr, reading->now_ns);
}

/* /proc/PID/net shows the namespace of that process: nothing needs to be entered. */
static void read_addresses(struct world *world, uint32_t netns, struct space *space,
			   uint64_t now_ns)
{
	struct reading reading = {world, netns, now_ns};
	struct buf text;
	char path[64];

	space->read_ns = now_ns;
	buf_init(&text, ADDRESS_FILE_BYTES);
	snprintf(path, sizeof(path), "/proc/%u/net/fib_trie", space->holder.pid);
	if (world_read_file(world, path, &text))
		fib_trie_read(buf_as_span(&text), note_address, &reading);
	buf_clear(&text);
	snprintf(path, sizeof(path), "/proc/%u/net/if_inet6", space->holder.pid);
	if (world_read_file(world, path, &text))
		if_inet6_read(buf_as_span(&text), note_address, &reading);
	buf_done(&text);
}

static void read_stale_addresses(struct world *world, uint64_t now_ns, int at_most)
{
	uint64_t before_ns = now_ns > reread_ns ? now_ns - reread_ns : 0;
	struct space *space;
	uint32_t netns;

	while (at_most-- && (netns = networks_stale(&world->networks, before_ns, &space)))
		read_addresses(world, netns, space, now_ns);
}

static bool note_listener(void *ctx, const void *bytes)
{
	struct world *world = ctx;
	struct socket_row row;

	memcpy(&row, bytes, sizeof(row));
	networks_listener(&world->networks, &row);
	return true;
}

static void find_listeners(struct world *world)
{
	if (world_load_sockets(world, NULL)) {
		world->network_sweep.again_ns = UINT64_MAX;
		return;
	}
	world_drain(world); /* who began to listen a moment ago may be as young as that */
	world_find_spaces(world);
	networks_clear_listeners(&world->networks);
	world_run_sweep(world, world->socket_object, &world->network_sweep, relisten_ns,
			"LISTENERS", sizeof(struct socket_row), note_listener);
}

void world_tick_peers(struct world *world, uint64_t now_ns)
{
	if (!world->peers_asked)
		return;
	if (world_sweep_is_due(&world->network_sweep, now_ns))
		find_listeners(world);
	read_stale_addresses(world, now_ns, SPACES_PER_TICK);
	if (now_ns > forget_ns)
		networks_forget_addresses(&world->networks, now_ns - forget_ns);
}

/* What a process is called by those who talk to it. */
static struct span name_of(struct world *world, const struct holder *holder)
{
	const struct process *process =
		processes_find(&world->processes, holder->pid, holder->start_ns);
	struct who who;

	if (!process || !world_who(world, process, &who))
		return (struct span){};
	return who.service.len ? who.service : who.process;
}

/* What the namespace was made for. The host's own was made for nobody. */
static struct span name_of_space(struct world *world, uint32_t netns)
{
	const struct space *space = networks_find(&world->networks, netns);
	const struct process *process =
		space ? processes_find(&world->processes, space->holder.pid, space->holder.start_ns)
		      : NULL;
	struct who who;

	if (!process || netns == host_space(world) || !world_who(world, process, &who))
		return (struct span){};
	return who.service.len ? who.service : who.pod.len ? who.pod : who.container;
}

static bool is_loopback(const uint8_t addr[ADDR_BYTES])
{
	static const uint8_t loopback6[ADDR_BYTES] = {[15] = 1};

	return addr_is_ip4(addr) ? addr[12] == 127 : !memcmp(addr, loopback6, ADDR_BYTES);
}

struct span world_peer(struct world *world, uint32_t netns, const uint8_t addr[ADDR_BYTES],
		       uint16_t port)
{
	const struct holder *holder;
	const struct pod *pod;
	struct span name = {};
	uint32_t there;

	if (!world->peers_asked && world->object) {
		world->peers_asked = true;
		find_listeners(world);
		read_stale_addresses(world, clock_monotonic_ns(), 8 * SPACES_PER_TICK);
	}
	if (!netns)
		netns = host_space(world);
	there = is_loopback(addr) ? netns : networks_of(&world->networks, addr);
	holder = there ? networks_listening(&world->networks, there, addr, port) : NULL;
	if (holder)
		name = name_of(world, holder);
	else if (there)
		world->network_sweep.wanted =
			true; /* ours, but who? it may just have begun to listen */
	if (!name.len && there)
		name = name_of_space(world, there);
	if (name.len || is_loopback(addr))
		return name;
	pod = pods_by_addr(&world->pods, addr);
	if (pod)
		return span_of(pod->owner ? pod->owner : pod->name);
	return networks_named(&world->networks, addr);
}

struct span world_resolve_peer(void *ctx, const uint8_t addr[ADDR_BYTES], uint16_t port)
{
	return world_peer(ctx, 0, addr, port);
}

void world_note_name(struct world *world, const uint8_t addr[ADDR_BYTES], struct span name,
		     uint64_t until_ns)
{
	networks_name(&world->networks, addr, name, until_ns);
}
