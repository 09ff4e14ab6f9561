/* SPDX-License-Identifier: GPL-2.0-only */
/* maps - what the test objects share: types, maps, adding. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define MAP(name, kind, entries, key_type)                                                                            \
	struct {                                                                                                      \
		__uint(type, BPF_MAP_TYPE_##kind);                                                                    \
		__uint(max_entries, entries);                                                                         \
		__type(key, key_type);                                                                                \
		__type(value, u64);                                                                                   \
	} name SEC(".maps")

/* Small enough for the verifier, however often it stands in a program. */
#define add(map, key, amount)                                                                                         \
	do {                                                                                                          \
		u64 zero_ = 0, *value_;                                                                               \
                                                                                                                      \
		bpf_map_update_elem(map, key, &zero_, BPF_NOEXIST);                                                   \
		value_ = bpf_map_lookup_elem(map, key);                                                               \
		if (value_)                                                                                           \
			__sync_fetch_and_add(value_, amount);                                                         \
	} while (0)

char LICENSE[] SEC("license") = "GPL";
