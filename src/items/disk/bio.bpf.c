// SPDX-License-Identifier: GPL-2.0-only
/*
 * bio - whose the bytes are that block devices move: of the process that wrote them, not of the kernel's thread that
 * brought them to the disk.
 *
 * A write to a file makes pages dirty and is done; some seconds later a kernel thread, or whoever calls sync, writes them
 * out. Whoever asks "who runs?" there gets the wrong answer for nearly all bytes (measured: for 89 of 100). So who made an
 * inode's pages dirty last is remembered, and looked up when the pages are queued for a device. Two writers of one
 * file share it wrongly then; with `folios=true` each folio is remembered, which costs more (some
 * 0.5 us for each that is made dirty) and a table of its own. Where folios are large, the first writer of one has it.
 *
 * How the owner was found, "attribution":
 *	direct	the running process: reads, and writes past the page cache
 *	dirtier	who made the pages dirty
 *	cgroup	nobody is remembered (older than the item, or pushed out): the control group that the kernel charges
 *	journal	a file system's own thread writes what belongs to no file
 *	unknown	none of these
 *
 * Bytes are counted where the kernel queues them, for the device it queues them for: a file system on a loop device
 * or device mapper moves the same bytes twice, through both.
 */
#include "kernel/filter.bpf.h"
#include "kernel/pages.bpf.h"
#include "kernel/read.bpf.h"

ITEM("disk", "off",
     "bytes of block devices by the process that caused them, also of delayed writes");
PARAM(bool, folios, false, "remember who wrote each folio, not only each inode");

enum attribution { DIRECT = 1, DIRTIER, CGROUP, JOURNAL, UNKNOWN };

struct cause {
	struct owner owner;
	__u32 device COL("dev");
	__u16 op COL_OPT("enum", "enum=0:read,1:write");
	__u16 attribution COL_OPT("enum", "enum=1:direct,2:dirtier,3:cgroup,4:journal,5:unknown");
};
METRIC_COUNTER(bio, struct cause, 16384,
	       "unit=bytes;help=bytes queued for a block device, by who caused them");

/* inode (address) -> who wrote to it last. The oldest make room: their bytes count by control group then. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct owner);
} inodes SEC(".maps");

/* folio (address) -> who wrote to it last. Deleted when it is written out, or leaves the page cache. */
PER_OBJECT(folio_owners, struct owner, 262144);

static __always_inline void remember(void *map, __u64 key, const struct owner *owner)
{
	struct owner *before = bpf_map_lookup_elem(map, &key);

	if (!before)
		map_set(map, &key, owner, BPF_ANY);
	else if (before->pid != owner->pid || before->cgroup != owner->cgroup)
		*before = *owner; /* two at once: either wrote it last */
}

static __always_inline bool current_is_kernels(void)
{
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), flags) & PF_KTHREAD;
}

static __always_inline int on_dirty(void *folio, struct address_space *mapping)
{
	struct owner owner;
	__u64 inode;

	/* a thread of the kernel that makes a page dirty again did not write it */
	if (!mapping || current_is_kernels())
		return 0;
	inode = (__u64)BPF_CORE_READ(mapping, host);
	if (!inode)
		return 0;
	owner = read_owner_of_current();
	remember(&inodes, inode, &owner);
	if (folios)
		remember(&folio_owners, (__u64)folio, &owner);
	return 0;
}

ON_TRACEPOINT(writeback_dirty_folio, "struct folio *,struct address_space *", struct folio *folio,
	      struct address_space *mapping)
{
	return on_dirty(folio, mapping);
}

/* Before 203a31516616 ("mm/writeback: Add __folio_mark_dirty()"), 5.16. */
HOOK_PROTO("tp_btf/writeback_dirty_page", writeback_dirty_folio, 3,
	   "struct page *,struct address_space *")
int BPF_PROG(writeback_dirty_page, struct page *page, struct address_space *mapping)
{
	return on_dirty(folio_of(page), mapping);
}

static __always_inline int on_gone(void *folio)
{
	__u64 key = (__u64)folio;

	if (folios)
		bpf_map_delete_elem(&folio_owners, &key);
	return 0;
}

/* (page or folio: of a single page the same address) */
ON_TRACEPOINT(mm_filemap_delete_from_page_cache, "", void *folio)
{
	return on_gone(folio);
}

/* ---- what is queued ---- */

enum { REQ_OP_MASK = 0xff, REQ_OP_WRITE = 1 }; /* include/linux/blk_types.h */
enum { S_IFMT = 0170000, S_IFBLK = 0060000 };

struct walk {
	struct bio_vec *vector; /* the piece at hand */
	__u64 done; /* bytes of it */
	__u64 left; /* bytes of the whole bio */
	struct cause cause; /* device and op are known */
	__u64 charged; /* control group, 0 = the root or none */
};

/* Who wrote what a folio holds. False: nobody is remembered. */
static __always_inline bool find_dirtier(struct folio *folio, __u64 inode, struct owner *ret)
{
	__u64 key = (__u64)folio;
	struct owner *owner = 0;

	if (folios)
		owner = bpf_map_lookup_elem(&folio_owners, &key);
	if (!owner)
		owner = bpf_map_lookup_elem(&inodes, &inode);
	if (!owner)
		return false;
	*ret = *owner;
	return true;
}

static __always_inline void blame_current(struct walk *walk)
{
	walk->cause.attribution = DIRECT;
	walk->cause.owner = read_owner_of_current();
}

/* Nobody wrote it that we know of. */
static __always_inline void blame_nobody(struct walk *walk)
{
	if (!current_is_kernels()) {
		blame_current(walk);
		return;
	}
	walk->cause.owner = (struct owner){};
	walk->cause.attribution = walk->charged ? CGROUP : UNKNOWN;
	if (walk->charged && item_by >= BY_CONTAINER && !item_cgroup1)
		walk->cause.owner.cgroup = walk->charged;
}

/* Whose the folio of a write is. */
static __always_inline void blame(struct walk *walk, struct folio *folio)
{
	__u64 mapping = (__u64)BPF_CORE_READ(folio, mapping);
	struct inode *inode;

	if (!mapping || mapping & MAPPING_NO_FILE) {
		blame_nobody(walk); /* memory of a process: O_DIRECT, or swap */
		return;
	}
	inode = BPF_CORE_READ((struct address_space *)mapping, host);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFBLK && current_is_kernels()) {
		walk->cause.owner = (struct owner){};
		walk->cause.attribution = JOURNAL;
	} else if (find_dirtier(folio, (__u64)inode, &walk->cause.owner)) {
		walk->cause.attribution = DIRTIER;
	} else {
		blame_nobody(walk);
	}
}

/* Bytes from there to the end of the folio. */
static __always_inline __u64 rest_of_folio(struct folio *folio, __u64 page, __u64 offset)
{
	__u64 before = (page - (__u64)folio) / bpf_core_type_size(struct page);

	return (folio_pages(folio) - before) * read_page_size() - offset;
}

/* One folio of the bio. (A piece may hold several: those whose pages happen to lie side by side in memory.) */
static long blame_folio(__u32 round, struct walk *walk)
{
	__u64 at, page, bytes, page_size = read_page_size();
	struct folio *folio;
	struct bio_vec piece;

	if (!walk->left || bpf_probe_read_kernel(&piece, sizeof(piece), walk->vector) ||
	    walk->done >= piece.bv_len)
		return 1;
	at = piece.bv_offset + walk->done;
	page = (__u64)piece.bv_page + at / page_size * bpf_core_type_size(struct page);
	folio = folio_of((struct page *)page);
	bytes = rest_of_folio(folio, page, at % page_size);
	if (bytes > piece.bv_len - walk->done)
		bytes = piece.bv_len - walk->done;
	if (bytes > walk->left)
		bytes = walk->left;
	walk->left -= bytes;
	walk->done += bytes;
	if (walk->done >= piece.bv_len) {
		walk->vector++;
		walk->done = 0;
	}
	blame(walk, folio);
	counter_add(&bio, &walk->cause, bytes);
	return 0;
}

enum { FOLIOS_WALKED = 4096 };

static __always_inline bool has_loop(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop);
}

/* Before 309dca309fc3, 5.12, a bio named the disk. */
struct bio___disk {
	struct gendisk *bi_disk;
} __attribute__((preserve_access_index));

static __always_inline __u32 device_of(struct bio *request)
{
	struct bio___disk *with_disk = (void *)request;
	struct gendisk *disk;

	if (bpf_core_field_exists(with_disk->bi_disk))
		disk = BPF_CORE_READ(with_disk, bi_disk);
	else
		disk = BPF_CORE_READ(request, bi_bdev, bd_disk);
	return (__u32)BPF_CORE_READ(disk, major) << 20 | (__u32)BPF_CORE_READ(disk, first_minor);
}

/* All pages of a bio of written-back files are one file's: without folios its first one tells. */
static __always_inline int on_queue(struct bio *request)
{
	__u32 op = BPF_CORE_READ(request, bi_opf) & REQ_OP_MASK;
	struct cgroup_subsys_state *parent;
	struct bio_vec *first;
	struct walk walk = {};

	walk.left = BPF_CORE_READ(request, bi_iter.bi_size);
	if (op > REQ_OP_WRITE || !walk.left)
		return 0;
	walk.cause.device = device_of(request);
	walk.cause.op = op;
	if (op != REQ_OP_WRITE) {
		blame_current(&walk);
		counter_add(&bio, &walk.cause, walk.left);
		return 0;
	}
	if (bpf_core_field_exists(request->bi_blkg) &&
	    (parent = BPF_CORE_READ(request, bi_blkg, blkcg, css.parent)))
		walk.charged = BPF_CORE_READ(request, bi_blkg, blkcg, css.cgroup, kn, id);
	first = BPF_CORE_READ(request, bi_io_vec) + BPF_CORE_READ(request, bi_iter.bi_idx);
	if (folios && has_loop()) {
		walk.vector = first;
		bpf_loop(FOLIOS_WALKED, blame_folio, &walk, 0);
		if (!walk.left)
			return 0; /* else the rest is laid at the first one's door */
	}
	blame(&walk, folio_of(BPF_CORE_READ(first, bv_page)));
	counter_add(&bio, &walk.cause, walk.left);
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
