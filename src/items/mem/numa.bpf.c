// SPDX-License-Identifier: GPL-2.0-only
/*
 * numa - pages that are moved in memory, why, and for whom; and from which node memory came.
 *
 * The kernel moves pages to bring them nearer to who uses them (numa_misplaced), to make large pieces (compaction), because
 * memory goes away (memory_hotplug, memory_failure) or somebody asked (syscall, cpuset). Each stops who uses the page for a
 * moment. The user half reads how often memory came from the wanted node, and how often it had to come from another one
 * (/sys/devices/system/node).
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("mem", "off", "pages moved between places and nodes of memory, and where memory came from");

/* include/linux/migrate_mode.h; the running kernel's names where it has the enum in its BTF */
#define REASONS                                                                                    \
	"enum=0:compaction,1:memory_failure,2:memory_hotplug,3:syscall,4:mempolicy_mbind,"         \
	"5:numa_misplaced,6:contig_range;btf=migrate_reason,MR_"

struct moved {
	struct owner owner;
	__u32 reason COL_OPT("enum", REASONS);
	__u32 result COL_OPT("enum", "enum=0:moved,1:failed");
};
METRIC_COUNTER(numa, struct moved, 8192,
	       "name=migrated_pages;help=pages that were moved in memory, or could not be");

static __always_inline int on_migration(unsigned long succeeded, unsigned long failed, int reason)
{
	struct moved moved = {.reason = reason};

	if (!filter_current())
		return 0;
	moved.owner = read_owner_of_current();
	if (succeeded)
		counter_add(&numa, &moved, succeeded);
	moved.result = 1;
	if (failed)
		counter_add(&numa, &moved, failed);
	return 0;
}

/* Since 49cac03a8f0a ("mm/migrate: add large folio split stats"), 6.7. */
ON_TRACEPOINT(
	mm_migrate_pages,
	"long unsigned int,long unsigned int,long unsigned int,long unsigned int,long unsigned int,"
	"long unsigned int,enum migrate_mode,int",
	unsigned long succeeded, unsigned long failed, unsigned long huge,
	unsigned long huge_failed, unsigned long huge_split, unsigned long split, int mode,
	int reason)
{
	return on_migration(succeeded, failed, reason);
}

/* Since 1a5bae25e3cf ("mm/vmstat: add events for THP migration without split"), 5.9. */
ON_TRACEPOINT_OTHER(
	2, mm_migrate_pages,
	"long unsigned int,long unsigned int,long unsigned int,long unsigned int,long unsigned int,"
	"enum migrate_mode,int",
	unsigned long succeeded, unsigned long failed, unsigned long huge,
	unsigned long huge_failed, unsigned long huge_split, int mode, int reason)
{
	return on_migration(succeeded, failed, reason);
}
