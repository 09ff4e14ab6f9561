// SPDX-License-Identifier: GPL-2.0-only
/* buckets - every kind of histogram, and values of each CPU. */
#include "maps.h"

struct disk { u32 disk; u32 slot; };
struct wide { u64 slot; };

MAP(exp2_seconds, HASH, 256, struct disk);
MAP(exp2zero_bytes, HASH, 64, struct wide);
MAP(linear_things, HASH, 64, u32);
MAP(fixed_seconds, HASH, 64, u64);
MAP(each_total, PERCPU_HASH, 16, u32);
MAP(summed_total, PERCPU_ARRAY, 1, u32);
MAP(lone_total, PERCPU_ARRAY, 1, u32);
MAP(each_seconds, PERCPU_HASH, 64, struct wide);
MAP(recent_total, LRU_HASH, 16, u32);

static __attribute__((noinline)) void put_disk(u32 disk, u32 slot, u64 amount)
{
	struct disk key = {disk, slot};

	add(&exp2_seconds, &key, amount);
}

#define put_wide(map, slot_, amount)                    \
	do {                                            \
		struct wide wide_ = {slot_};            \
                                                        \
		add(map, &wide_, amount);               \
	} while (0)

SEC("uprobe//proc/self/exe:post_attach_mark")
int mark(void *ctx)
{
	u32 zero = 0, one = 1, slot;
	u64 key;

	put_disk(1, 0, 2);
	put_disk(1, 3, 5);
	put_disk(1, 7, 100); /* above the last: not shown */
	put_disk(1, 5, 41);  /* bucket_max + 1: the sum */
	put_disk(2, 4, 1);
	put_wide(&exp2zero_bytes, 0, 3);
	put_wide(&exp2zero_bytes, 2, 4);
	slot = 0;
	add(&linear_things, &slot, 1);
	slot = 2;
	add(&linear_things, &slot, 3);
	slot = 4;
	add(&linear_things, &slot, 5);
	key = 1;
	add(&fixed_seconds, &key, 1);
	key = 50;
	add(&fixed_seconds, &key, 2);
	key = 101;
	add(&fixed_seconds, &key, 777);
	add(&each_total, &one, 9);
	add(&summed_total, &zero, 11);
	add(&lone_total, &zero, 13);
	put_wide(&each_seconds, 1, 6);
	add(&recent_total, &one, 8);
	return 0;
}
