// SPDX-License-Identifier: GPL-2.0-only
/*
 * slab - objects that the kernel allocates for its own use: which, how many, how many bytes.
 *
 * Each cache holds objects of one kind (a file, a directory entry, a socket), so what grows here says what a workload makes
 * the kernel do. Every allocation of a named cache pays; kmalloc() is not among them. Since 6.1 (11e9734bcb6a) the
 * tracepoint says the cache; before, the function is watched.
 */
#include "kernel/filter.bpf.h"
#include "kernel/read.bpf.h"

ITEM("mem", "off", "objects and bytes that the kernel allocates, by cache");

struct kmem_cache {
	const char *name;
	unsigned int size;
} __attribute__((preserve_access_index));

struct cache {
	struct owner owner;
	char cache[32] COL("text");
};

struct allocated {
	__u64 objects COUNTER("name=slab_objects;help=objects allocated") COL("count");
	__u64 bytes COUNTER("name=slab;unit=bytes;help=bytes of these objects") COL("bytes");
};
METRICS(slab, struct cache, struct allocated, 16384);

static __always_inline int on_allocation(struct kmem_cache *from)
{
	static const struct allocated none;
	struct cache key = {};
	struct allocated *allocated;

	if (!filter_current())
		return 0;
	key.owner = read_owner_of_current();
	if (bpf_probe_read_kernel_str(key.cache, sizeof(key.cache), BPF_CORE_READ(from, name)) < 0)
		count_add(COUNT_LOST_READ);
	allocated = map_get_or_add(&slab, &key, &none);
	if (!allocated)
		return 0;
	__sync_fetch_and_add(&allocated->objects, 1);
	__sync_fetch_and_add(&allocated->bytes, BPF_CORE_READ(from, size));
	return 0;
}

ON_TRACEPOINT(kmem_cache_alloc, "long unsigned int,void *,struct kmem_cache *", unsigned long place,
	      void *object, struct kmem_cache *from)
{
	return object ? on_allocation(from) : 0;
}

HOOK("fentry/kmem_cache_alloc", kmem_cache_alloc, 3)
int BPF_PROG(kmem_cache_alloc_function, struct kmem_cache *from)
{
	return on_allocation(from);
}

HOOK("kprobe/kmem_cache_alloc", kmem_cache_alloc, 4)
int BPF_KPROBE(kmem_cache_alloc_kprobe, struct kmem_cache *from)
{
	return on_allocation(from);
}
