// SPDX-License-Identifier: GPL-2.0-only
/*
 * nic - bytes, packets, errors and drops of network interfaces, of the machine and of its containers.
 *
 * The counters are the kernel's own (/proc/PID/net/dev, the interfaces that this process sees), so there is no
 * kernel half and packets pay nothing. Each network namespace is read once, through the oldest process in
 * it; which processes are in which, the world knows. The machine's own namespace is that of process 1 (or the
 * agent's, where nobody may look at process 1): its series have no labels but the interface's; those of others
 * carry pod, service and container, and the namespace's number, so that two eth0 stay apart.
 */
#include "base/map.h"
#include "items/procfile.h"
#include "world/world.h"

#include <stdio.h>
#include <sys/stat.h>

enum metric_index { BYTES, PACKETS, ERRORS, DROPS, METRICS };

static const struct metric metrics[METRICS] = {
	[BYTES] = {.name = "sonde_nic_bytes_total",
		   .type = METRIC_COUNTER,
		   .unit = "bytes",
		   .help = (char *)"bytes through an interface",
		   .scale = 1},
	[PACKETS] = {.name = "sonde_nic_packets_total",
		     .type = METRIC_COUNTER,
		     .help = (char *)"packets through an interface",
		     .scale = 1},
	[ERRORS] = {.name = "sonde_nic_errors_total",
		    .type = METRIC_COUNTER,
		    .help = (char *)"packets that were broken or could not be sent",
		    .scale = 1},
	[DROPS] = {.name = "sonde_nic_drops_total",
		   .type = METRIC_COUNTER,
		   .help = (char *)"packets dropped by an interface for want of room, or unwanted",
		   .scale = 1},
};

enum { NAMESPACES_MAX = 1024, NIC_LABELS = 7, INBOUND = 8, OUTBOUND = 8 };

/* Whose the interfaces are: labels beside interface and direction. */
struct nic_owner {
	struct label label[NIC_LABELS];
	size_t labels;
};

static void add_label(struct nic_owner *owner, const char *name, struct span value)
{
	if (value.len)
		owner->label[owner->labels++] = (struct label){name, value};
}

static void add_direction(struct collector *out, struct nic_owner owner, const char *direction,
			  const uint64_t field[INBOUND])
{
	static const enum metric_index metric[] = {BYTES, PACKETS, ERRORS, DROPS};

	add_label(&owner, "direction", span_of(direction));
	for (int i = 0; i < METRICS; i++)
		collector_add(out, metric[i], owner.label, owner.labels, (double)field[i]);
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets ...": received, then sent. */
static void collect_dev(struct collector *out, struct nic_owner owner, struct span text)
{
	uint64_t field[INBOUND + OUTBOUND];
	struct span line, word;

	while (next_line(&text, &line)) {
		struct nic_owner nic = owner;
		const uint8_t *colon = memchr(line.at, ':', line.len);
		struct span name;

		if (!colon)
			continue; /* the two lines of headings */
		name = span_first(line, (size_t)(colon - line.at));
		line = span_from(line, name.len + 1);
		if (!next_word(&name, &word))
			continue;
		for (int i = 0; i < INBOUND + OUTBOUND; i++)
			field[i] = next_number(&line);
		add_label(&nic, "interface", word);
		add_direction(out, nic, "inbound", field);
		add_direction(out, nic, "outbound", field + INBOUND);
	}
}

/* netns -> its oldest process. The pointers live until the world changes, which it does not meanwhile. */
static void find_namespaces(struct world *world, struct map *namespaces)
{
	const struct process *process, **oldest;
	uint32_t at = 0;
	bool is_new;

	while ((process = world_next_process(world, &at))) {
		if (!process->netns || process->exit_ns)
			continue;
		oldest = map_put(namespaces, &process->netns, &is_new);
		if (oldest && (is_new || process->start_ns < (*oldest)->start_ns))
			*oldest = process;
	}
}

static void collect_namespace(struct item *item, struct collector *out,
			      const struct process *process, bool is_host, struct buf *text)
{
	struct nic_owner owner = {};
	char path[64], number[16];
	struct who who = {};

	snprintf(path, sizeof(path), "/proc/%u/net/dev", process->pid);
	if (procfile_read(item, path, text))
		return; /* it has just gone: another process stands for the namespace next time */
	if (!is_host) {
		snprintf(number, sizeof(number), "%u", process->netns);
		world_who(item_world(item), process, &who);
		add_label(&owner, "netns", span_of(number));
		add_label(&owner, "pod", who.pod);
		add_label(&owner, "namespace", who.namespace);
		add_label(&owner, "service", who.service);
		if (!who.pod.len) /* all containers of a pod share its namespace */
			add_label(&owner, "container", who.container);
	}
	collect_dev(out, owner, buf_as_span(text));
}

static uint32_t find_host(struct world *world)
{
	const struct process *init = world_process(world, 1, 0);
	struct stat own;

	if (init && init->netns)
		return init->netns;
	return stat("/proc/self/ns/net", &own) ? 0 : (uint32_t)own.st_ino;
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct world *world = item_world(item);
	uint32_t host = world ? find_host(world) : 0;
	const struct process **oldest;
	struct map namespaces;
	const void *netns;
	struct buf text;
	size_t at = 0;

	buf_init(&text, PROCFILE_BYTES);
	map_init(&namespaces, sizeof(uint32_t), sizeof(*oldest), NAMESPACES_MAX);
	if (world)
		find_namespaces(world, &namespaces);
	if (!namespaces.len && !procfile_read(item, "/proc/net/dev", &text))
		collect_dev(out, (struct nic_owner){}, buf_as_span(&text));
	while (map_next(&namespaces, &at, &netns, (void **)&oldest))
		collect_namespace(item, out, *oldest, (*oldest)->netns == host, &text);
	if (namespaces.refused)
		item_count(item, "dropped", "namespaces", namespaces.refused);
	map_done(&namespaces);
	buf_done(&text);
}

const struct item_ops nic_item = {
	.wing = "net",
	.help = "network interfaces: bytes, packets, errors and drops, of the machine and of "
		"containers",
	.on_by_default = true,
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.collect = collect,
};
