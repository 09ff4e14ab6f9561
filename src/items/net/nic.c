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
#include "base/arena.h"
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

enum { NAMESPACES_MAX = 1024, NIC_LABELS = 7, RECORD_BYTES = 16384 };

/* The fields of one direction, in the order of the file; the rest is not shown. */
enum { FIELD_BYTES, FIELD_PACKETS, FIELD_ERRORS, FIELD_DROPS, FIELDS = 8 };

struct nic {
	struct span name;
	uint32_t netns; /* 0 = the machine's own */
	struct who who; /* whose namespace it is; empty for the machine's */
	uint64_t in[FIELDS], out[FIELDS];
};

typedef bool (*nic_each)(void *ctx, const struct nic *nic);

/* "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets ...": received, then sent.
 * False when `each` wants no more. */
static bool each_of_file(struct nic *nic, struct span text, nic_each each, void *ctx)
{
	struct span line, before;

	while (next_line(&text, &line)) {
		const uint8_t *colon = line.len ? memchr(line.at, ':', line.len) : NULL;

		if (!colon)
			continue; /* the two lines of headings */
		before = span_first(line, (size_t)(colon - line.at));
		line = span_from(line, before.len + 1);
		if (!next_word(&before, &nic->name))
			continue;
		for (int i = 0; i < FIELDS; i++)
			nic->in[i] = next_number(&line);
		for (int i = 0; i < FIELDS; i++)
			nic->out[i] = next_number(&line);
		if (!each(ctx, nic))
			return false;
	}
	return true;
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

static uint32_t find_host(struct world *world)
{
	const struct process *init = world_process(world, 1, 0);
	struct stat own;

	if (init && init->netns)
		return init->netns;
	return stat("/proc/self/ns/net", &own) ? 0 : (uint32_t)own.st_ino;
}

static bool each_of_namespace(struct item *item, const struct process *process, bool is_host,
			      struct buf *text, nic_each each, void *ctx)
{
	struct nic nic = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/net/dev", process->pid);
	if (procfile_read(item, path, text))
		return true; /* it has just gone: another process stands for the namespace next time */
	if (!is_host) {
		nic.netns = process->netns;
		world_who(item_world(item), process, &nic.who);
		if (nic.who.pod.len) /* all containers of a pod share its namespace */
			nic.who.container = nic.who.container_id = nic.who.image = (struct span){};
	}
	return each_of_file(&nic, buf_as_span(text), each, ctx);
}

/* Every interface of every namespace in which there is a process. */
static void each_nic(struct item *item, nic_each each, void *ctx)
{
	struct world *world = item_world(item);
	uint32_t host = world ? find_host(world) : 0;
	const struct process **oldest;
	struct map namespaces;
	struct nic nic = {};
	const void *netns;
	struct buf text;
	size_t at = 0;

	buf_init(&text, PROCFILE_BYTES);
	map_init(&namespaces, sizeof(uint32_t), sizeof(*oldest), NAMESPACES_MAX);
	if (world)
		find_namespaces(world, &namespaces);
	if (!namespaces.len && !procfile_read(item, "/proc/net/dev", &text))
		each_of_file(&nic, buf_as_span(&text), each, ctx);
	while (map_next(&namespaces, &at, &netns, (void **)&oldest))
		if (!each_of_namespace(item, *oldest, (*oldest)->netns == host, &text, each, ctx))
			break;
	if (namespaces.refused)
		item_count(item, "dropped", "namespaces", namespaces.refused);
	map_done(&namespaces);
	buf_done(&text);
}

/* ---- metrics ---- */

static void add_label(struct label label[NIC_LABELS], size_t *count, const char *name,
		      struct span value)
{
	if (value.len)
		label[(*count)++] = (struct label){name, value};
}

static bool collect_nic(void *ctx, const struct nic *nic)
{
	struct label label[NIC_LABELS];
	char number[16];
	size_t count = 0;

	if (nic->netns) {
		snprintf(number, sizeof(number), "%u", nic->netns);
		add_label(label, &count, "netns", span_of(number));
	}
	add_label(label, &count, "pod", nic->who.pod);
	add_label(label, &count, "namespace", nic->who.namespace);
	add_label(label, &count, "service", nic->who.service);
	add_label(label, &count, "container", nic->who.container);
	add_label(label, &count, "interface", nic->name);
	for (int i = BYTES; i < METRICS; i++) {
		label[count] = (struct label){"direction", span_of("inbound")};
		collector_add(ctx, (size_t)i, label, count + 1, (double)nic->in[i]);
		label[count] = (struct label){"direction", span_of("outbound")};
		collector_add(ctx, (size_t)i, label, count + 1, (double)nic->out[i]);
	}
	return true;
}

_Static_assert(BYTES == (int)FIELD_BYTES && DROPS == (int)FIELD_DROPS, "metrics are fields");

static void collect(struct item *item, void *state, struct collector *out)
{
	each_nic(item, collect_nic, out);
}

/* ---- rows ---- */

static const struct {
	const char *name, *help;
	enum unit unit;
} columns[] = {
	{"interface", "name of the interface", UNIT_TEXT},
	{"netns", "its network namespace; absent for the machine's own", UNIT_NONE},
	{"received_bytes", "bytes received", UNIT_BYTES},
	{"received_packets", "packets received", UNIT_COUNT},
	{"received_errors", "packets that arrived broken", UNIT_COUNT},
	{"received_drops", "packets dropped on arrival", UNIT_COUNT},
	{"sent_bytes", "bytes sent", UNIT_BYTES},
	{"sent_packets", "packets sent", UNIT_COUNT},
	{"sent_errors", "packets that could not be sent", UNIT_COUNT},
	{"sent_drops", "packets dropped before they were sent", UNIT_COUNT},
};

enum { COLUMNS = sizeof(columns) / sizeof(*columns), COLUMN_IN = 2, COLUMN_OUT = 6 };

static struct layout layout; /* made once, by start */
static const struct layout *const layouts[] = {&layout, NULL};

struct rows {
	struct item *item;
	struct arena *arena;
	bool (*each)(void *ctx, const struct record *row);
	void *ctx;
};

static bool show_nic(void *ctx, const struct nic *nic)
{
	struct rows *rows = ctx;
	uint32_t first = layout.count - COLUMNS;
	struct record record;

	arena_clear(rows->arena);
	record_begin(&record, &layout, item_name(rows->item), "interface", 0,
		     item_resolver(rows->item));
	if (record_set_who(&record, &nic->who, WHO_OF_CGROUP, rows->arena) ||
	    record_set_text(&record, first, nic->name, rows->arena))
		return true; /* out of memory: the row is left out */
	if (nic->netns)
		record.value[first + 1] = value_u64(nic->netns);
	for (uint32_t i = FIELD_BYTES; i <= FIELD_DROPS; i++) {
		record.value[first + COLUMN_IN + i] = value_u64(nic->in[i]);
		record.value[first + COLUMN_OUT + i] = value_u64(nic->out[i]);
	}
	return rows->each(rows->ctx, &record);
}

static int show(struct item *item, void *state, bool (*each)(void *ctx, const struct record *row),
		void *ctx, struct err *why)
{
	struct arena arena;
	struct rows rows = {.item = item, .arena = &arena, .each = each, .ctx = ctx};

	arena_init(&arena, RECORD_BYTES);
	each_nic(item, show_nic, &rows);
	arena_done(&arena);
	return 0;
}

static int start(struct item *item, void **ret_state, struct err *why)
{
	int error = 0;

	layout_begin(&layout, WHO_OF_CGROUP);
	for (int i = 0; error >= 0 && i < COLUMNS; i++)
		error = layout_add(&layout, columns[i].name, columns[i].unit, columns[i].help, why);
	layout_row_kind(&layout, "interface", COLUMNS - COLUMN_IN, 0);
	return error < 0 ? error : 0;
}

const struct item_ops nic_item = {
	.wing = "net",
	.help = "network interfaces: bytes, packets, errors and drops, of the machine and of "
		"containers",
	.on_by_default = true,
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.start = start,
	.layouts = layouts,
	.rows = show,
	.collect = collect,
	.of_machine = true,
};
