// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem, the user half - the machine's memory, how much is wanted of it, and the limits of control groups.
 *
 * From /proc/meminfo, /proc/vmstat and /proc/pressure/memory, and from the memory controller's files of
 * containers and services.
 */
#include "items/groups.h"
#include "items/procfile.h"

#include <unistd.h>

enum metric_index {
	HOST,
	HOST_FAULTS,
	SWAPPED,
	OOM_KILLS,
	PRESSURE,
	GROUP,
	GROUP_SWAP,
	GROUP_LIMIT,
	GROUP_OOM_KILLS,
	METRICS,
};

static const struct metric metrics[METRICS] = {
	[HOST] =
		{.name = "sonde_mem_host_bytes",
		 .type = METRIC_GAUGE,
		 .unit = "bytes",
		 .help = (char *)"the machine's memory by kind; kinds overlap, as in /proc/meminfo",
		 .scale = 1},
	[HOST_FAULTS] = {.name = "sonde_mem_host_page_faults_total",
			 .type = METRIC_COUNTER,
			 .help = (char *)"page faults of all processes",
			 .scale = 1},
	[SWAPPED] = {.name = "sonde_mem_swapped_bytes_total",
		     .type = METRIC_COUNTER,
		     .unit = "bytes",
		     .help = (char *)"bytes written to and read from swap",
		     .scale = 1},
	[OOM_KILLS] = {.name = "sonde_mem_oom_kills_total",
		       .type = METRIC_COUNTER,
		       .help = (char *)"processes killed for want of memory",
		       .scale = 1},
	[PRESSURE] = {.name = "sonde_mem_pressure_seconds_total",
		      .type = METRIC_COUNTER,
		      .unit = "seconds",
		      .help = (char *)"time that some (or all) threads waited for memory",
		      .scale = 1e-6},
	[GROUP] = {.name = "sonde_mem_cgroup_bytes",
		   .type = METRIC_GAUGE,
		   .unit = "bytes",
		   .help = (char *)"memory charged to a control group, page cache included",
		   .scale = 1},
	[GROUP_SWAP] = {.name = "sonde_mem_cgroup_swap_bytes",
			.type = METRIC_GAUGE,
			.unit = "bytes",
			.help = (char *)"swap charged to a control group",
			.scale = 1},
	[GROUP_LIMIT] = {.name = "sonde_mem_cgroup_limit_bytes",
			 .type = METRIC_GAUGE,
			 .unit = "bytes",
			 .help = (char *)"memory that a control group may have",
			 .scale = 1},
	[GROUP_OOM_KILLS] = {.name = "sonde_mem_cgroup_oom_kills_total",
			     .type = METRIC_COUNTER,
			     .help = (char *)"processes killed at the limit of a control group",
			     .scale = 1},
};

static void add_kind(struct collector *out, enum metric_index metric, const char *name,
		     const char *kind, double value)
{
	struct label label = {name, span_of(kind)};

	collector_add(out, metric, &label, 1, value);
}

static void collect_meminfo(struct collector *out, struct span text)
{
	static const struct {
		const char *field, *kind;
	} kinds[] = {
		{"MemTotal", "total"},
		{"MemFree", "free"},
		{"MemAvailable", "available"},
		{"Buffers", "buffers"},
		{"Cached", "cached"},
		{"AnonPages", "anon"},
		{"Mapped", "mapped"},
		{"Shmem", "shmem"},
		{"Slab", "slab"},
		{"SReclaimable", "slab_reclaimable"},
		{"KernelStack", "kernel_stack"},
		{"PageTables", "page_tables"},
		{"Dirty", "dirty"},
		{"Writeback", "writeback"},
		{"Committed_AS", "committed"},
		{"CommitLimit", "commit_limit"},
		{"SwapTotal", "swap_total"},
		{"SwapFree", "swap_free"},
		{"SwapCached", "swap_cached"},
		{"Hugetlb", "hugetlb"},
		{"Unevictable", "unevictable"},
	};
	uint64_t kib;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (field_of(text, kinds[i].field, &kib))
			add_kind(out, HOST, "kind", kinds[i].kind, (double)kib * 1024);
}

static void collect_vmstat(struct collector *out, struct span text, double page)
{
	uint64_t all, major, count;

	if (field_of(text, "pgfault", &all) && field_of(text, "pgmajfault", &major)) {
		add_kind(out, HOST_FAULTS, "kind", "minor", (double)(all - major));
		add_kind(out, HOST_FAULTS, "kind", "major", (double)major);
	}
	if (field_of(text, "pswpin", &count))
		add_kind(out, SWAPPED, "direction", "in", (double)count * page);
	if (field_of(text, "pswpout", &count))
		add_kind(out, SWAPPED, "direction", "out", (double)count * page);
	if (field_of(text, "oom_kill", &count))
		collector_add(out, OOM_KILLS, NULL, 0, (double)count);
}

static void collect_pressure(struct collector *out, struct pressure pressure)
{
	if (pressure.has_some)
		add_kind(out, PRESSURE, "kind", "some", (double)pressure.some_us);
	if (pressure.has_full)
		add_kind(out, PRESSURE, "kind", "full", (double)pressure.full_us);
}

struct groups {
	struct item *item;
	struct collector *out;
	struct buf *text;
};

/* A file that holds one number. "max" is none. */
static bool read_number(struct groups *groups, const struct group_place *place, const char *file,
			uint64_t *ret)
{
	struct span text, line;

	if (group_read(groups->item, place, file, groups->text))
		return false;
	text = buf_as_span(groups->text);
	return next_line(&text, &line) && number_of(line, ret);
}

static bool read_field(struct groups *groups, const struct group_place *place, const char *file,
		       const char *name, uint64_t *ret)
{
	return !group_read(groups->item, place, file, groups->text) &&
	       field_of(buf_as_span(groups->text), name, ret);
}

/* Version 1 says "no limit" as the largest number of whole pages. */
static const uint64_t NO_LIMIT = 1ULL << 62;

static void collect_group(void *ctx, const struct group_place *place)
{
	struct groups *groups = ctx;
	const struct label *labels = place->labels;
	size_t count = place->label_count;
	bool two = place->is_unified;
	uint64_t value, with_swap;

	if (!read_number(groups, place, two ? "memory.current" : "memory.usage_in_bytes", &value))
		return; /* the controller is not on here */
	collector_add(groups->out, GROUP, labels, count, (double)value);
	if (two) {
		if (read_number(groups, place, "memory.swap.current", &with_swap))
			collector_add(groups->out, GROUP_SWAP, labels, count, (double)with_swap);
	} else if (read_number(groups, place, "memory.memsw.usage_in_bytes", &with_swap)) {
		with_swap = with_swap > value ? with_swap - value : 0;
		collector_add(groups->out, GROUP_SWAP, labels, count, (double)with_swap);
	}
	if (read_number(groups, place, two ? "memory.max" : "memory.limit_in_bytes", &value) &&
	    value < NO_LIMIT)
		collector_add(groups->out, GROUP_LIMIT, labels, count, (double)value);
	if (read_field(groups, place, two ? "memory.events" : "memory.oom_control", "oom_kill",
		       &value))
		collector_add(groups->out, GROUP_OOM_KILLS, labels, count, (double)value);
}

static void collect(struct item *item, void *state, struct collector *out)
{
	struct groups groups = {.item = item, .out = out};
	struct buf text;

	buf_init(&text, PROCFILE_BYTES);
	groups.text = &text;
	if (!procfile_read(item, "/proc/meminfo", &text))
		collect_meminfo(out, buf_as_span(&text));
	if (!procfile_read(item, "/proc/vmstat", &text))
		collect_vmstat(out, buf_as_span(&text), (double)sysconf(_SC_PAGESIZE));
	if (!procfile_read(item, "/proc/pressure/memory", &text))
		collect_pressure(out, pressure_of(buf_as_span(&text)));
	groups_each(item, "memory", collect_group, &groups);
	buf_done(&text);
}

const struct item_ops mem_item = {
	.metrics = metrics,
	.metric_count = METRICS,
	.sums_outlive_it = true,
	.collect = collect,
	.of_machine = true,
};
