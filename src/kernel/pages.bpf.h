/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pages - what the kernel's descriptors of memory say: how big a folio is, whose contents a page has.
 *
 * A folio is one page or a power of two of them. Where its order lies has moved several times, so there is a flavour for
 * each place; flags are read as a number (since 53fbef56e07d, 6.18, they are a struct).
 */
#pragma once

#include "kernel/item.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct address_space {
	struct inode *host;
};

struct page {
	unsigned long compound_head; /* bit 0: it is a tail, the rest points to the head */
};

/* Its name since 7.0; there the rest may also be a mask, with which the tail's address gives the head's. */
struct page___info {
	unsigned long compound_info;
};

struct folio {
	struct address_space *mapping;
	unsigned long index;
};

/* 5.16 to 6.5 */
struct folio___order {
	unsigned char _folio_order;
};

/* ebc1baf5c9b4 ("mm: free up a word in the first tail page"), 6.6: the low byte of the first tail page's flags */
struct folio___flags {
	unsigned long _flags_1;
};

#pragma clang attribute pop

/* include/linux/page-flags.h; their numbers depend on the configuration */
enum pageflags { PG_head, PG_swapbacked, PG_uptodate, PG_writeback };

static __always_inline bool folio_has_flag(struct folio *folio, __u32 number)
{
	__u64 flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags), folio); /* they are the first word */
	return flags >> number & 1;
}

/* The folio that a page is a part of. */
static __always_inline struct folio *folio_of(struct page *page)
{
	struct page___info *with_info = (void *)page;
	__u64 head = 0;

	if (bpf_core_field_exists(page->compound_head))
		head = BPF_CORE_READ(page, compound_head);
	else if (bpf_core_field_exists(with_info->compound_info))
		head = BPF_CORE_READ(with_info, compound_info);
	if (!(head & 1))
		return (void *)page;
	head &= ~1ull;
	/* no page descriptor lies in the topmost 4 GiB of addresses */
	return (void *)(head >> 32 == 0xffffffff ? (__u64)page & head : head);
}

/* Whose contents it has: bits 0 and 1 say that it is not a file's. */
enum { MAPPING_NO_FILE = 3 };

static __always_inline __u64 folio_pages(struct folio *folio)
{
	struct folio___order *with_order = (void *)folio;
	struct folio___flags *with_flags = (void *)folio;
	__u32 order = 0;

	if (!folio_has_flag(folio, bpf_core_enum_value(enum pageflags, PG_head)))
		return 1;
	if (bpf_core_field_exists(with_order->_folio_order))
		order = BPF_CORE_READ(with_order, _folio_order);
	else if (bpf_core_field_exists(with_flags->_flags_1))
		order = BPF_CORE_READ(with_flags, _flags_1) & 0xff;
	return 1ull << (order & 31);
}
