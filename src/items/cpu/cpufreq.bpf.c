// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpufreq - the frequency that each CPU was last set to, and how often it was changed.
 *
 * A CPU that nobody changed since the item is on has no series. Machines whose processor chooses by itself, and most virtual ones,
 * never tell. Tested for loading only: none of our machines changes frequencies.
 */
#include "kernel/item.bpf.h"

ITEM("cpu", "off", "frequency of each CPU, and changes");

struct place {
	__u32 cpu COL("count");
};

struct frequency {
	__s64 now GAUGE("name=cpufreq;unit=hertz;scale=1000;help=frequency that was set last")
		COL("number");
	__u64 changes COUNTER("name=cpufreq_changes;help=times that it was set") COL("count");
};
METRICS(cpufreq, struct place, struct frequency, 8192);

ON_TRACEPOINT(cpu_frequency, "unsigned int,unsigned int", unsigned int khz, unsigned int cpu)
{
	static const struct frequency none;
	struct place place = {.cpu = cpu};
	struct frequency *frequency = map_get_or_add(&cpufreq, &place, &none);

	if (!frequency)
		return 0;
	frequency->now = khz;
	__sync_fetch_and_add(&frequency->changes, 1);
	return 0;
}
