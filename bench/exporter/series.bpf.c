// SPDX-License-Identifier: GPL-2.0-only
/* series - a map of 100,000 keys with two labels, filled once: what a scrape of many series costs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef KEYS
#define KEYS 100000
#endif

struct key {
	__u32 number, kind;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__type(key, struct key);
	__type(value, __u64);
} series_total SEC(".maps");

static long put(__u32 i, void *ctx)
{
	struct key key = {i, i % 3};
	__u64 value = 1000ull * i;

	bpf_map_update_elem(&series_total, &key, &value, BPF_ANY);
	return 0;
}

SEC("uprobe//proc/self/exe:post_attach_mark")
int fill(void *ctx)
{
	bpf_loop(KEYS, put, 0, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
