// SPDX-License-Identifier: GPL-2.0-only
/*
 * shrinkers - who gives memory back when the kernel asks its caches, how much, and how long that takes.
 *
 * A cache (directory entries, inodes, a driver's buffers) registers a shrinker. One that is slow holds up everybody who
 * needs memory. Their names are known since 6.0 (e33c267ab70d) where the kernel is built with CONFIG_SHRINKER_DEBUG;
 * elsewhere the function's address stands for them.
 */
#include "kernel/item.bpf.h"
#include "kernel/read.bpf.h"
#include "kernel/since.bpf.h"

ITEM("mem", "off", "time and yield of the kernel's caches when memory is asked back");

struct shrinker {
	void *scan_objects;
	const char *name;
} __attribute__((preserve_access_index));

struct cache {
	char shrinker[32] COL_OPT("text", "help=name of the cache's shrinker");
	__u64 function COL_OPT("kernel_addr", "help=where it has no name");
};

METRIC_HISTOGRAM(
	took, struct cache, 512,
	"name=shrinkers;unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time of one call");
METRIC_COUNTER(freed, struct cache, 512, "name=shrinkers_freed;help=objects that were freed");

static __always_inline struct cache cache_of(struct shrinker *shrinker)
{
	struct cache cache = {};

	if (bpf_core_field_exists(shrinker->name) &&
	    bpf_probe_read_kernel_str(cache.shrinker, sizeof(cache.shrinker),
				      BPF_CORE_READ(shrinker, name)) > 1)
		return cache;
	cache.function = (__u64)BPF_CORE_READ(shrinker, scan_objects);
	return cache;
}

ON_TRACEPOINT(mm_shrink_slab_start, "struct shrinker *")
{
	since_current_begins(); /* (shrinkers do not nest) */
	return 0;
}

ON_TRACEPOINT(mm_shrink_slab_end, "struct shrinker *,int,int", struct shrinker *shrinker, int node,
	      int freed_objects)
{
	struct cache cache;
	__u64 took_ns;

	if (!since_current_ends(&took_ns))
		return 0;
	cache = cache_of(shrinker);
	histogram_add(&took, &cache, took_ns);
	if (freed_objects > 0)
		counter_add(&freed, &cache, freed_objects);
	return 0;
}
