// SPDX-License-Identifier: GPL-2.0-only
/*
 * pmu - what the processor's own counters say of processes and containers: cycles, instructions, cache and branch misses.
 *
 * The counters run on every CPU all the time; at each switch between threads they are read, and what was added since the last
 * switch belongs to the thread that leaves. So nothing is sampled, and a thread that runs alone for a second has
 * its figures when it is switched off, or a little later.
 *
 * Counters that belong together run together (a perf group), and instructions are counted once more beside the caches and beside
 * the branches: a ratio (cycles per instruction, misses per thousand instructions) is made of numbers of the same moments
 * only. Where there are more counters wanted than the processor has, the kernel gives each group a part of the time: for how
 * long a group was wanted and for how long it counted is told with it (`sonde_pmu_seconds_total`), and rows say
 * "multiplexed". Nothing is scaled up. A group that can't be counted here has no series at all, never 0.
 */
#include "kernel/compat.bpf.h"
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

#include "items/cpu/pmu.h"

ITEM("cpu", "off", "cycles, instructions, cache and branch misses, by process and container");
PARAM(bool, software, false,
      "also count what the kernel counts itself, in the same way: time on a CPU, page faults, "
      "context switches");

/* map: CPU -> a counter. Filled by the broker; emptied when the item is let go. */
#define COUNTER_OF_CPU(map)                                                                        \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);                                       \
		__uint(key_size, sizeof(__u32));                                                   \
		__uint(value_size, sizeof(__u32));                                                 \
	} map SEC(".maps")

COUNTER_OF_CPU(cycles_0);
COUNTER_OF_CPU(cycles_1);
COUNTER_OF_CPU(caches_0);
COUNTER_OF_CPU(caches_1);
COUNTER_OF_CPU(caches_2);
COUNTER_OF_CPU(branches_0);
COUNTER_OF_CPU(branches_1);
COUNTER_OF_CPU(branches_2);
COUNTER_OF_CPU(software_0);
COUNTER_OF_CPU(software_1);
COUNTER_OF_CPU(software_2);

#define TIMES(group)                                                                               \
	__u64 wanted_ns COUNTER(                                                                   \
		"name=pmu;unit=seconds;scale=1e-9;labels=group=" group                             \
		",time=wanted;help=time for which a group of counters was wanted, "                \
		"and for which it counted") COL("ns");                                             \
	__u64 counted_ns COUNTER("name=pmu;unit=seconds;scale=1e-9;labels=group=" group            \
				 ",time=counted;help=time for which a group of counters was "      \
				 "wanted, and for which it counted") COL("ns")

/* (the first two fields of each are the times: struct pmu_sums) */
struct cycles {
	TIMES("cycles");
	__u64 cycles COUNTER("name=pmu_cycles;help=cycles of processors") COL("count");
	__u64 instructions COUNTER("name=pmu_instructions;help=instructions that were finished")
		COL("count");
	__u64 unused;
};
METRICS(cycles, struct owner, struct cycles, 8192);

struct caches {
	TIMES("caches");
	__u64 beside_caches COUNTER(
		"name=pmu_instructions_beside;labels=group=caches;help=instructions "
		"that were finished while the group counted") COL("count");
	__u64 references COUNTER("name=pmu_llc_references;help=accesses to the last cache")
		COL("count");
	__u64 misses
		COUNTER("name=pmu_llc_misses;help=accesses that the last cache could not serve")
			COL("count");
};
METRICS(caches, struct owner, struct caches, 8192);

struct branches {
	TIMES("branches");
	__u64 beside_branches COUNTER(
		"name=pmu_instructions_beside;labels=group=branches;"
		"help=instructions that were finished while the group counted") COL("count");
	__u64 branches COUNTER("name=pmu_branches;help=branches") COL("count");
	__u64 branch_misses COUNTER(
		"name=pmu_branch_misses;help=branches that were guessed wrongly") COL("count");
};
METRICS(branches, struct owner, struct branches, 8192);

struct software {
	TIMES("software");
	__u64 task_clock_ns
		COUNTER("name=pmu_task_clock;unit=seconds;scale=1e-9;help=time on a CPU") COL("ns");
	__u64 page_faults COUNTER("name=pmu_page_faults;help=page faults") COL("count");
	__u64 context_switches COUNTER(
		"name=pmu_context_switches;help=times that a thread came to a CPU") COL("count");
};
METRICS(software_events, struct owner, struct software, 8192);

/* group of this CPU -> what its counters said at the last switch. */
PER_CPU(last, struct pmu_reading, PMU_GROUPS);

/* control group -> its sums. The user half takes ratios of them, and deletes who is gone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PMU_CONTAINERS);
	__type(key, __u64);
	__type(value, struct pmu_container);
} containers SEC(".maps");

static __always_inline bool read_one(void *map, __u32 number, struct pmu_reading *reading)
{
	struct bpf_perf_event_value value = {};

	if (bpf_perf_event_read_value(map, BPF_F_CURRENT_CPU, &value, sizeof(value)))
		return false;
	reading->value[number] = value.counter;
	if (!number) {
		reading->wanted_ns = value.enabled;
		reading->counted_ns = value.running;
	}
	return true;
}

/* What was added on this CPU since the last switch. False: nothing is known of the time before. */
static __always_inline bool since_last(__u32 group, const struct pmu_reading *now,
				       struct pmu_reading *ret)
{
	struct pmu_reading *before = bpf_map_lookup_elem(&last, &group);
	bool is_known;

	if (!before)
		return false;
	is_known = before->wanted_ns && now->wanted_ns >= before->wanted_ns;
	ret->wanted_ns = now->wanted_ns - before->wanted_ns;
	ret->counted_ns = now->counted_ns - before->counted_ns;
	for (int i = 0; i < PMU_COUNTERS; i++)
		ret->value[i] = now->value[i] - before->value[i];
	*before = *now;
	return is_known;
}

static __always_inline void add(struct pmu_reading *sums, const struct pmu_reading *more)
{
	__sync_fetch_and_add(&sums->wanted_ns, more->wanted_ns);
	__sync_fetch_and_add(&sums->counted_ns, more->counted_ns);
	for (int i = 0; i < PMU_COUNTERS; i++)
		__sync_fetch_and_add(&sums->value[i], more->value[i]);
}

struct leaving {
	struct owner owner;
	struct pmu_container *container; /* NULL: idle, or no room */
};

/* Adds one group's counters to who leaves the CPU. */
static __always_inline void add_group(__u32 group, void *metric, const struct pmu_reading *now,
				      const struct leaving *leaving)
{
	static const struct pmu_reading none;
	struct pmu_reading more, *sums;

	if (!since_last(group, now, &more) || !leaving->container)
		return;
	sums = map_get_or_add(metric, &leaving->owner, &none);
	if (sums)
		add(sums, &more);
	add(&leaving->container->group[group & (PMU_GROUPS - 1)], &more);
}

#define READ_GROUP_2(group, name, metric)                                                          \
	do {                                                                                       \
		struct pmu_reading now = {};                                                       \
		if (read_one(&name##_0, 0, &now) && read_one(&name##_1, 1, &now))                  \
			add_group(group, metric, &now, &leaving);                                  \
	} while (0)
#define READ_GROUP_3(group, name, metric)                                                          \
	do {                                                                                       \
		struct pmu_reading now = {};                                                       \
		if (read_one(&name##_0, 0, &now) && read_one(&name##_1, 1, &now) &&                \
		    read_one(&name##_2, 2, &now))                                                  \
			add_group(group, metric, &now, &leaving);                                  \
	} while (0)

ON_TRACEPOINT(sched_switch, "bool,struct task_struct *,struct task_struct *", bool preempt,
	      struct task_struct *prev)
{
	static const struct pmu_container none;
	struct leaving leaving = {};
	__u64 cgroup;

	if (READ_FIELD(typed, prev, pid) && filter_task(prev)) {
		leaving.owner = read_owner(typed, prev);
		cgroup = cgroup_of(prev);
		leaving.container = map_get_or_add(&containers, &cgroup, &none);
	}
	READ_GROUP_2(PMU_CYCLES, cycles, &cycles);
	READ_GROUP_3(PMU_CACHES, caches, &caches);
	READ_GROUP_3(PMU_BRANCHES, branches, &branches);
	if (software)
		READ_GROUP_3(PMU_SOFTWARE, software, &software_events);
	return 0;
}
