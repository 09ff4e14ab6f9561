// SPDX-License-Identifier: GPL-2.0-only
/*
 * compaction - time spent moving pages together, so that large pieces of memory become free, and how it ended.
 *
 * One run goes over one zone. A thread that asks for a large piece (a huge page, a driver's buffer) runs it itself and waits; the
 * rest is done by kcompactd.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"
#include "kernel/since.bpf.h"

ITEM("mem", "off", "time spent moving pages together for large allocations");

/* include/linux/compaction.h: the same since 4.12 (enum compact_result) */
#define RESULTS                                                                                    \
	"enum=0:not_suitable,1:skipped,2:deferred,3:no_suitable_page,4:continue,5:complete,"       \
	"6:partial_skipped,7:contended,8:success"

struct run {
	struct owner owner;
	__u32 result COL_OPT("enum", RESULTS);
	__u32 pad;
};

METRIC_HISTOGRAM(compaction, struct run, 4096,
		 "unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time of one run over a zone");

static __always_inline int ends(int result)
{
	struct run run = {.result = result};
	__u64 took_ns;

	if (!since_current_ends(&took_ns))
		return 0;
	run.owner = read_owner_of_current();
	histogram_add(&compaction, &run, took_ns);
	return 0;
}

ON_TRACEPOINT(mm_compaction_begin, "")
{
	if (filter_current())
		since_current_begins();
	return 0;
}

/* Since abd4349ff9b8 ("mm/compaction: make full use of ..."), 5.18, its control structure comes first. */
ON_TRACEPOINT(mm_compaction_end,
	      "struct compact_control *,long unsigned int,long unsigned int,bool,int",
	      void *control, unsigned long migrate, unsigned long free, bool sync, int result)
{
	return ends(result);
}

ON_TRACEPOINT_OTHER(
	2, mm_compaction_end,
	"long unsigned int,long unsigned int,long unsigned int,long unsigned int,bool,int",
	unsigned long from, unsigned long migrate, unsigned long free, unsigned long to, bool sync,
	int result)
{
	return ends(result);
}
