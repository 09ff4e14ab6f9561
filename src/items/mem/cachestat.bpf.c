// SPDX-License-Identifier: GPL-2.0-only
/*
 * cachestat - the page cache: pages that reads asked for, pages that had to be brought in, pages made dirty.
 *
 * 1 - added / read is the share of hits, as far as such a share can be known: read-ahead brings pages in that nobody
 * asked for yet, and writes add pages too. So the parts are told, not the quotient. A large folio counts with all
 * its pages where it is added, and once where it is made dirty.
 *
 * What reads ask for has a tracepoint since 6.12 (mm_filemap_get_pages); before, each page that is used is marked
 * by a function. A read of many pages that the kernel answers in parts asks again for what is left, and that counts
 * again: the share of hits comes out too high rather than too low. Mapped files count when a page is brought in; afterwards the CPU reads them without any call.
 */
#include "kernel/filter.bpf.h"
#include "kernel/pages.bpf.h"
#include "kernel/read.bpf.h"

ITEM("mem", "off", "page cache: pages asked for, brought in, made dirty");

struct used {
	__u64 read COUNTER("name=cachestat_read_pages;help=pages that were asked for") COL("count");
	__u64 added COUNTER("name=cachestat_added_pages;help=pages that came into the cache")
		COL("count");
	__u64 dirtied COUNTER("name=cachestat_dirtied;help=pages (folios) made dirty") COL("count");
};
METRICS(cachestat, struct owner, struct used, 8192);

static __always_inline struct used *used_by_current(void)
{
	static const struct used none;
	struct owner owner;

	if (!filter_current())
		return 0;
	owner = read_owner_of_current();
	return map_get_or_add(&cachestat, &owner, &none);
}

static __always_inline int on_read(__u64 pages)
{
	struct used *used = used_by_current();

	if (used)
		__sync_fetch_and_add(&used->read, pages);
	return 0;
}

static __always_inline int on_added(__u64 pages)
{
	struct used *used = used_by_current();

	if (used)
		__sync_fetch_and_add(&used->added, pages);
	return 0;
}

static __always_inline int on_dirtied(void)
{
	struct used *used = used_by_current();

	if (used)
		__sync_fetch_and_add(&used->dirtied, 1);
	return 0;
}

/* From the first to the last. */
ON_TRACEPOINT(mm_filemap_get_pages, "struct address_space *,long unsigned int,long unsigned int",
	      struct address_space *mapping, unsigned long first, unsigned long last)
{
	return on_read(last - first + 1);
}

HOOK("fentry/folio_mark_accessed", mm_filemap_get_pages, 3)
int BPF_PROG(folio_accessed)
{
	return on_read(1);
}

HOOK("fentry/mark_page_accessed", mm_filemap_get_pages, 4)
int BPF_PROG(page_accessed)
{
	return on_read(1);
}

HOOK("kprobe/folio_mark_accessed", mm_filemap_get_pages, 5)
int BPF_KPROBE(folio_accessed_kprobe)
{
	return on_read(1);
}

HOOK("kprobe/mark_page_accessed", mm_filemap_get_pages, 6)
int BPF_KPROBE(page_accessed_kprobe)
{
	return on_read(1);
}

ON_TRACEPOINT(mm_filemap_add_to_page_cache, "struct folio *", struct folio *folio)
{
	return on_added(folio_pages(folio));
}

ON_TRACEPOINT_OTHER(2, mm_filemap_add_to_page_cache, "struct page *", struct page *page)
{
	return on_added(1);
}

ON_TRACEPOINT(writeback_dirty_folio, "struct folio *,struct address_space *", struct folio *folio,
	      struct address_space *mapping)
{
	return on_dirtied();
}

/* Before 203a31516616 ("mm/writeback: Add __folio_mark_dirty()"), 5.16. */
HOOK_PROTO("tp_btf/writeback_dirty_page", writeback_dirty_folio, 3,
	   "struct page *,struct address_space *")
int BPF_PROG(writeback_dirty_page, struct page *page, struct address_space *mapping)
{
	return on_dirtied();
}
