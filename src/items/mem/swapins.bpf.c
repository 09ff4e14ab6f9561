// SPDX-License-Identifier: GPL-2.0-only
/*
 * swapins - pages that come back from swap, by the process that had to wait for them, and pages that go there, by the control
 * group whose memory they are.
 *
 * Every page goes through a device, so it is enough to look at what is queued for one: memory of no file ("swapbacked")
 * that is read although it has no contents yet comes back; such memory that is being written back goes out. (A process that
 * reads or writes a file past the page cache uses memory that has contents, and is not written back.) So no
 * function is hooked, and the sums are pswpin and pswpout of /proc/vmstat. Whoever makes room is rarely the owner of what
 * goes: a page's owner is whom the kernel charges for it. Not seen: swap on a file system over the network, and before 6.2
 * devices that take pages without a request (zram).
 */
#include "kernel/filter.bpf.h"
#include "kernel/pages.bpf.h"
#include "kernel/read.bpf.h"

ITEM("mem", "off", "pages that come back from swap, and that go there");

enum { SWAP_IN, SWAP_OUT };

struct swapped {
	struct owner owner;
	__u32 direction COL_OPT("enum", "enum=0:in,1:out");
	__u32 pad;
};
METRIC_COUNTER(swapins, struct swapped, 16384,
	       "name=swapped_pages;help=pages moved between memory and swap");

enum { REQ_OP_MASK = 0xff, REQ_OP_READ = 0, REQ_OP_WRITE = 1 }; /* include/linux/blk_types.h */

/* bcfe06bf2622 ("mm: memcontrol: Use helpers to read page's memcg data"), 5.11; before, a page had `mem_cgroup`. */
struct mem_cgroup {
	struct cgroup_subsys_state css;
} __attribute__((preserve_access_index));

struct folio___charged {
	unsigned long memcg_data;
} __attribute__((preserve_access_index));

struct page___charged {
	unsigned long memcg_data;
} __attribute__((preserve_access_index));

struct page___group {
	struct mem_cgroup *mem_cgroup;
} __attribute__((preserve_access_index));

enum {
	MEMCG_FLAGS = 7
}; /* of memcg_data: what kind of thing it points to, enum page_memcg_data_flags */

/* The control group that pays for the memory; 0 = the root, or none. */
static __always_inline __u64 charged_group(struct folio *folio)
{
	struct folio___charged *with_folio = (void *)folio;
	struct page___charged *with_page = (void *)folio;
	struct page___group *with_group = (void *)folio;
	__u64 data = 0;

	if (bpf_core_field_exists(with_folio->memcg_data))
		data = BPF_CORE_READ(with_folio, memcg_data);
	else if (bpf_core_field_exists(with_page->memcg_data))
		data = BPF_CORE_READ(with_page, memcg_data);
	else if (bpf_core_field_exists(with_group->mem_cgroup))
		data = (__u64)BPF_CORE_READ(with_group, mem_cgroup);
	data &= ~(__u64)MEMCG_FLAGS;
	return data ? BPF_CORE_READ((struct mem_cgroup *)data, css.cgroup, kn, id) : 0;
}

static __always_inline bool is_swapped_in(struct folio *folio, __u32 op)
{
	return op == REQ_OP_READ &&
	       !folio_has_flag(folio, bpf_core_enum_value(enum pageflags, PG_uptodate));
}

static __always_inline bool is_swapped_out(struct folio *folio, __u32 op)
{
	return op == REQ_OP_WRITE &&
	       folio_has_flag(folio, bpf_core_enum_value(enum pageflags, PG_writeback));
}

static __always_inline void count_in(__u64 pages)
{
	struct swapped swapped = {.direction = SWAP_IN};

	if (!filter_current())
		return;
	swapped.owner = read_owner_of_current();
	counter_add(&swapins, &swapped, pages);
}

/* (By another hierarchy than the memory controller's, the group that pays is not the one that tells containers apart.) */
static __always_inline void count_out(struct folio *folio, __u64 pages)
{
	struct swapped swapped = {.direction = SWAP_OUT};

	if (item_by >= BY_CONTAINER && !item_cgroup1)
		swapped.owner.cgroup = charged_group(folio);
	if (filter_wants(0, 0, swapped.owner.cgroup))
		counter_add(&swapins, &swapped, pages);
}

static __always_inline int on_queue(struct bio *request)
{
	__u32 op = BPF_CORE_READ(request, bi_opf) & REQ_OP_MASK;
	__u64 pages = BPF_CORE_READ(request, bi_iter.bi_size) / read_page_size();
	struct bio_vec *first;
	struct folio *folio;

	if (op > REQ_OP_WRITE || !pages)
		return 0;
	first = BPF_CORE_READ(request, bi_io_vec) + BPF_CORE_READ(request, bi_iter.bi_idx);
	folio = folio_of(BPF_CORE_READ(first, bv_page));
	if (!folio_has_flag(folio, bpf_core_enum_value(enum pageflags, PG_swapbacked)))
		return 0;
	if (is_swapped_in(folio, op))
		count_in(pages);
	else if (is_swapped_out(folio, op))
		count_out(folio, pages);
	return 0;
}

ON_TRACEPOINT(block_bio_queue, "struct bio *", struct bio *request)
{
	return on_queue(request);
}

/* Before a54895fa057c, 5.11, the queue came first. */
ON_TRACEPOINT_OTHER(2, block_bio_queue, "struct request_queue *,struct bio *",
		    struct request_queue *queue, struct bio *request)
{
	return on_queue(request);
}
