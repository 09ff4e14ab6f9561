/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * item.bpf.h - an item describes itself.
 *
 * What user space must know about an item stands in its object's BTF, as a tag on the very thing it
 * is about: on a field what the column means, on a map what the metric is, on a constant that it is
 * a parameter, on a program which hook it serves and in which order it is tried. clang (14 and later)
 * writes the tags, libbpf hides them from kernels that do not know them, the registry reads them
 * from the .o. Nothing is said twice, and an item is one file.
 *
 * Tags are `word;key=value;key=value...`; the last value (help) may hold anything but a ';'.
 * The whole grammar is in docs/writing-items.md.
 */
#pragma once

#include "kernel/arch.bpf.h"
#include "kernel/types.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define TAG(text) __attribute__((btf_decl_tag(text)))

/*
 * Once per item: the wing of the catalogue (cpu, mem, disk, net, app, sec), whether it is on when
 * nobody said otherwise ("on" or "off"), and one sentence of help. The tag sits on the licence: a
 * zero-sized carrier would make the kernel refuse the whole BTF.
 */
#define ITEM(wing, state, help_text)                                                               \
	char LICENSE[] SEC("license")                                                              \
		TAG("item;wing=" wing ";default=" state ";help=" help_text) = "GPL"

/*
 * The item sleeps until a sign comes that this filter lets through ("memory_pressure > 20": docs/armed.md), is awake for so many
 * seconds, and then asleep again for so many at least. What it collects is kept as evidence. The configuration may say otherwise.
 */
#define ARMED(condition, awake_s, cooldown_s)                                                      \
	const volatile __u8 item_armed                                                             \
		TAG("armed;when=" condition ";awake=" #awake_s ";cooldown=" #cooldown_s) = 1

/* A setting of the item: command line option, configuration key and API field follow from it.
 * Types: __u32, __u64, __s64, bool. Changing one reloads the item's programs, counters continue. */
#define PARAM(type, name, value, help_text)                                                        \
	const volatile type name TAG("param;help=" help_text) = value

/* A field of a key, a value or an event: the column type chooses how it is enriched and printed.
 * The types are a closed list: docs/writing-items.md, src/record/schema.h. */
#define COL(type) TAG("col;type=" type)

/* The same with more to say, e.g. COL_OPT("ns", "help=time until the first byte"). */
#define COL_OPT(type, options) TAG("col;type=" type ";" options)

/*
 * A program that serves `hook`; of several for one hook the lowest `order` that loads and attaches is
 * used. Sections are libbpf's (tp_btf/NAME, raw_tp/NAME, tp/CATEGORY/NAME, fentry/FUNC, kprobe/FUNC,
 * perf_event, iter/TARGET ...). hook_optional: the item works without it (the reason is still shown).
 */
#define HOOK(section, hook, order) SEC("?" section) TAG("hook;name=" #hook ";order=" #order)
#define HOOK_OPTIONAL(section, hook, order)                                                        \
	SEC("?" section) TAG("hook;name=" #hook ";order=" #order ";optional=1")

/* An iterator that runs once when the item goes on and makes no rows: it notes what is older than the item. */
#define HOOK_ONCE(section, hook, order)                                                            \
	SEC("?" section) TAG("hook;name=" #hook ";order=" #order ";once=1")

/*
 * A hook that completes another: it is served only where `with`, which stands before it, has chosen its alternative of
 * number `number` (two functions that together do what one tracepoint does on newer kernels). The number may be
 * a range: 2, 1_2, 3_up. HOOK_AS: the item does not work without it.
 */
#define HOOK_WITH(section, hook, order, with, number)                                              \
	SEC("?" section)                                                                           \
	TAG("hook;name=" #hook ";order=" #order ";optional=1;with=" #with ":" #number)
#define HOOK_AS(section, hook, order, with, number)                                                \
	SEC("?" section) TAG("hook;name=" #hook ";order=" #order ";with=" #with ":" #number)

/*
 * The same for raw tracepoints whose arguments this program relies on: `prototype` lists the types
 * of the tracepoint's arguments as BTF prints them, comma separated ("bool,struct task_struct *,
 * struct task_struct *"). An alternative whose kernel prototype begins otherwise is skipped: raw
 * arguments differ between kernels and would give silent garbage.
 */
#define HOOK_PROTO(section, hook, order, prototype)                                                \
	SEC("?" section) TAG("hook;name=" #hook ";order=" #order ";proto=" prototype)
#define HOOK_PROTO_AS(section, hook, order, prototype, with, number)                               \
	SEC("?" section)                                                                           \
	TAG("hook;name=" #hook ";order=" #order ";proto=" prototype ";with=" #with ":" #number)
#define HOOK_OPTIONAL_PROTO(section, hook, order, prototype)                                       \
	SEC("?" section)                                                                           \
	TAG("hook;name=" #hook ";order=" #order ";optional=1;proto=" prototype)

/* A program on the sockets of a sockhash ("sk_msg", "sk_skb/stream_verdict"), or an iterator over a map ("iter/sockmap"). */
#define HOOK_MAP(section, hook, order, map)                                                        \
	SEC("?" section) TAG("hook;name=" #hook ";order=" #order ";map=" #map)

/*
 * A tracepoint by its usual alternatives, with one body: the typed program where the kernel has it, else the raw one. The
 * body follows; in it `typed`, a constant, says which (READ_FIELD), and `ctx` is what the program was called with:
 *
 *	ON_TRACEPOINT(softirq_entry, "unsigned int", unsigned int vector)
 *	{
 *		return 0;
 *	}
 *
 * Its hook has the tracepoint's name. ON_TRACEPOINT_OTHER(number, ...) is the same with the arguments that other kernels
 * have, tried after it (number 2, 3 ...); OPTIONAL: the item works without it.
 */
#define ON_TRACEPOINT(tracepoint, prototype, args...)                                              \
	ON_TRACEPOINT_AS(tracepoint, tracepoint, "1", "2", "", prototype, ##args)
#define ON_TRACEPOINT_OTHER(number, tracepoint, prototype, args...)                                \
	ON_TRACEPOINT_AS(tracepoint, tracepoint##_##number, #number "1", #number "2", "",          \
			 prototype, ##args)
#define ON_TRACEPOINT_OPTIONAL(tracepoint, prototype, args...)                                     \
	ON_TRACEPOINT_AS(tracepoint, tracepoint, "1", "2", "optional=1;", prototype, ##args)

#define ON_TRACEPOINT_TAG(tracepoint, order, more, prototype)                                      \
	TAG("hook;name=" #tracepoint ";order=" order ";" more "proto=" prototype)

/* clang-format off */
#define ON_TRACEPOINT_AS(tracepoint, name, first, second, more, prototype, args...)                \
	static __always_inline int on_##name(bool typed, unsigned long long *ctx, ##args);         \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wint-conversion\"")      \
	SEC("?tp_btf/" #tracepoint) ON_TRACEPOINT_TAG(tracepoint, first, more, prototype)          \
	int name(unsigned long long *ctx)                                                          \
	{                                                                                          \
		return on_##name(true, ___bpf_ctx_cast(args));                                     \
	}                                                                                          \
	SEC("?raw_tp/" #tracepoint) ON_TRACEPOINT_TAG(tracepoint, second, more, prototype)         \
	int name##_raw(unsigned long long *ctx)                                                    \
	{                                                                                          \
		return on_##name(false, ___bpf_ctx_cast(args));                                    \
	}                                                                                          \
	_Pragma("GCC diagnostic pop")                                                              \
	static __always_inline int on_##name(bool typed, unsigned long long *ctx, ##args)
/* clang-format on */

/* Samples: `spec` is "cpu-clock:99hz" or "context-switches:1" (software events; frequency or period). */
#define HOOK_PERF(hook, order, spec)                                                               \
	SEC("?perf_event") TAG("hook;name=" #hook ";order=" #order ";perf=" spec)

/*
 * Metrics are hash maps: key = labels, value = numbers. `options` are "name=...;unit=...;scale=...;
 * labels=a=x,b=y;help=...": name defaults to the map's; the public name is sonde_<name>[_<unit>][_total];
 * scale turns the raw number into the unit (1e-9 for nanoseconds shown as seconds); labels are constant.
 */
#define METRIC_MAP(map_type, map, key_type, value_type, max, text)                                 \
	METRIC_MAP_WITH(0, map_type, map, key_type, value_type, max, text)
#define METRIC_MAP_WITH(flags, map_type, map, key_type, value_type, max, text)                     \
	struct {                                                                                   \
		__uint(type, map_type);                                                            \
		__uint(max_entries, max);                                                          \
		__uint(map_flags, flags);                                                          \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	} map SEC(".maps") TAG(text)

#define METRIC_COUNTER(map, key_type, max, options)                                                \
	METRIC_MAP(BPF_MAP_TYPE_HASH, map, key_type, __u64, max, "metric;type=counter;" options)
#define METRIC_GAUGE(map, key_type, max, options)                                                  \
	METRIC_MAP(BPF_MAP_TYPE_HASH, map, key_type, __s64, max, "metric;type=gauge;" options)

/*
 * On a hash map that is no metric and whose key is a __u32 tid (or tgid): who dies without the item being told
 * (a program that the kernel skipped) is deleted by the registry.
 */
#define KEY_IS_TASK TAG("state;key=task")

/* A table by thread: tid -> its state, written by its own programs. Who dies while it has one is deleted by the registry. */
#define PER_THREAD(map, value_type, max)                                                           \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, max);                                                          \
		__type(key, __u32);                                                                \
		__type(value, value_type);                                                         \
	} map SEC(".maps") KEY_IS_TASK

/* An array with a copy for each CPU: what a CPU is in the middle of, by number (a softirq's vector; 0 for one thing). */
#define PER_CPU(map, value_type, entries)                                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                           \
		__uint(max_entries, entries);                                                      \
		__type(key, __u32);                                                                \
		__type(value, value_type);                                                         \
	} map SEC(".maps")

/* A table of things that are under way, by the kernel's address of each: `object` deletes its entry when it is done. */
#define PER_OBJECT(map, value_type, max)                                                           \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, max);                                                          \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__type(key, __u64);                                                                \
		__type(value, value_type);                                                         \
	} map SEC(".maps")

/* A histogram, key -> struct histogram. Buckets: slot i holds values in (2^(i-1), 2^i], the first one
 * 0 and 1, the last all the rest; so `le` is inclusive, as Prometheus wants it. "buckets=log2:1us..16s"
 * shows only these of the 35 bounds: say it, each bound is a line for each series. Other buckets:
 * "buckets=linear:STEP" (slot i: up to (i+1)*STEP) with histogram_add_linear, "buckets=explicit:
 * a,b,c" with histogram_add_slot and the item's own choice of slot. */
#define METRIC_HISTOGRAM(map, key_type, max, options)                                              \
	METRIC_MAP(BPF_MAP_TYPE_HASH, map, key_type, struct histogram, max,                        \
		   "metric;type=histogram;" options)

/* The same for very many keys, most of the time few: entries are allocated as they come. Not for programs that run
 * with the run queue's lock held (sched_*): before 6.1 the allocation may wake somebody. */
#define METRIC_HISTOGRAM_GROWING(map, key_type, max, options)                                      \
	METRIC_MAP_WITH(BPF_F_NO_PREALLOC, BPF_MAP_TYPE_HASH, map, key_type, struct histogram,     \
			max, "metric;type=histogram;" options)

/* Several metrics that share a key: a struct whose fields carry COUNTER() or GAUGE(). */
#define METRICS(map, key_type, value_type, max)                                                    \
	METRIC_MAP(BPF_MAP_TYPE_HASH, map, key_type, value_type, max, "metric;type=set")
#define COUNTER(options) TAG("metric;type=counter;" options)
#define GAUGE(options)   TAG("metric;type=gauge;" options)

#define HISTOGRAM_SLOTS 36

struct histogram {
	__u64 slot[HISTOGRAM_SLOTS];
	__u64 sum; /* of the raw values */
};

/*
 * Events: a struct that begins with struct event_head, sent through emit.bpf.h. EVENT says that events of
 * number `number` have this struct and are records of that kind. (A pointer that is never followed
 * keeps the struct in the BTF.)
 */
struct event_head {
	__u16 kind; /* number given to EVENT */
	__u16 size; /* bytes of the whole event, this head included */
	__u32 flags; /* EVENT_* */
	__u64 ktime_ns; /* CLOCK_MONOTONIC (bpf_ktime_get_ns) when it happened */
};

enum {
	EVENT_CUT = 1, /* something did not fit the event and was cut */
};

#define EVENT(number, kind_name, type)                                                             \
	const volatile type *const volatile event_##number TAG("event;number=" #number             \
							       ";kind=" kind_name) = 0

/*
 * Tables: rows that are made on demand by an iterator program (HOOK("iter/task", ...)), which writes
 * whole structs with bpf_seq_write. A row's fields are labels (COL) or numbers (COUNTER, GAUGE: these
 * become metrics, summed over rows with equal labels); GAUGE and COUNTER fields carry a COL too when they
 * shall be printed. Nothing runs while nobody asks: the cheapest item is a table. A counter's rows may vanish:
 * what they had is kept in the sum ("gone=keep", the default), or was counted elsewhere by the item, e.g. at
 * exit ("gone=drop": a process that is there is not counted there; "gone=add": it may be, beside its rows).
 */
#define TABLE(number, kind_name, type, options)                                                    \
	const volatile type *const volatile table_##number TAG("table;number=" #number             \
							       ";kind=" kind_name ";" options) = 0

/* Whom something belongs to, as fine as the item's `by` asks: a part of most keys. */
struct owner {
	__u64 cgroup COL("cgroup_id"); /* 0 when counted by host */
	__u32 pid COL("pid"); /* thread group; 0 when counted by host or container */
	__u32 pad;
};

/* How fine an item counts: set by the registry before loading (configuration key `by`). */
enum by { BY_HOST, BY_CONTAINER, BY_PROCESS };
const volatile __u32 item_by TAG("by") = BY_PROCESS;

/*
 * Which hierarchy's cgroup identifies containers: 0 = the unified one (v2), else 1 + the index of
 * a v1 controller (hybrid hosts, where everything is in the root of v2). Set by the registry.
 */
const volatile __u32 item_cgroup1 TAG("cgroup1") = 0;

/*
 * What an item could not do, by reason; per CPU, so plain addition is safe. Read into
 * sonde_item_events_total{stage="lost"|"filtered"|"emitted", reason}.
 */
enum count {
	COUNT_EMITTED, /* events sent */
	COUNT_FILTERED, /* looked at, not wanted */
	COUNT_LOST_RING, /* the ring was full */
	COUNT_LOST_MAP, /* a map was full (E2BIG, ENOMEM) */
	COUNT_LOST_MEMORY, /* storage for a task or socket could not be had */
	COUNT_LOST_READ, /* memory could not be read */
	COUNT_LOST_STATE, /* the beginning was not seen, or its state was in use */
	COUNT_KINDS,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNT_KINDS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void count_add(enum count kind)
{
	__u32 index = kind;
	__u64 *count = bpf_map_lookup_elem(&counts, &index);

	if (count)
		(*count)++;
}

enum {
	EEXIST = 17
}; /* include/uapi/asm-generic/errno-base.h: the key is there, and BPF_NOEXIST was asked for */

/* bpf_map_update_elem whose failure is counted; use it for every update. */
static __always_inline long map_set(void *map, const void *key, const void *value, __u64 flags)
{
	long error = bpf_map_update_elem(map, key, value, flags);

	if (error)
		count_add(COUNT_LOST_MAP);
	return error;
}

/*
 * What finds its metric map full is counted together, at the key of ones, which the registry puts into each such map when
 * it makes it: series with overflow="true", so that sums stay exact. (Keys have at most OVERFLOW_KEY_BYTES.)
 */
#define OVERFLOW_KEY_BYTES 512
static const __u8 overflow_key[OVERFLOW_KEY_BYTES] = {[0 ... OVERFLOW_KEY_BYTES - 1] = 0xff};

/* The value of `key`, made from `initial` when there is none; that of the overflow when the map is full. NULL
 * (counted) where there is none either: maps that are no metrics. */
static __always_inline void *map_get_or_add(void *map, const void *key, const void *initial)
{
	void *value = bpf_map_lookup_elem(map, key);

	if (value)
		return value;
	/* another CPU may be first (EEXIST): both look again */
	bpf_map_update_elem(map, key, initial, BPF_NOEXIST);
	value = bpf_map_lookup_elem(map, key);
	if (!value)
		value = bpf_map_lookup_elem(map, overflow_key);
	if (!value)
		count_add(COUNT_LOST_MAP);
	return value;
}

static __always_inline void counter_add(void *map, const void *key, __u64 amount)
{
	static const __u64 zero;
	__u64 *value = map_get_or_add(map, key, &zero);

	if (value)
		__sync_fetch_and_add(value, amount);
}

static __always_inline __u32 log2_slot(__u64 value)
{
	__u32 slot = 0;

	if (value <= 1)
		return 0;
	value--; /* so that 2^i itself falls into the slot that ends with it */
	for (__u32 shift = 32; shift; shift >>= 1)
		if (value >> shift) {
			value >>= shift;
			slot += shift;
		}
	slot++;
	return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

static __always_inline void histogram_add_slot(void *map, const void *key, __u32 slot, __u64 value)
{
	static const struct histogram empty;
	struct histogram *histogram = map_get_or_add(map, key, &empty);

	if (!histogram)
		return;
	if (slot >= HISTOGRAM_SLOTS)
		slot = HISTOGRAM_SLOTS - 1;
	__sync_fetch_and_add(&histogram->slot[slot], 1);
	__sync_fetch_and_add(&histogram->sum, value);
}

static __always_inline void histogram_add(void *map, const void *key, __u64 value)
{
	histogram_add_slot(map, key, log2_slot(value), value);
}

static __always_inline void histogram_add_linear(void *map, const void *key, __u64 value,
						 __u64 step)
{
	__u64 slot = value ? (value - 1) / step : 0;

	histogram_add_slot(map, key, slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1, value);
}

/* The id of the cgroup that tells containers apart (see item_cgroup1). */
static __always_inline __u64 cgroup_of(struct task_struct *task)
{
	if (item_cgroup1 && item_cgroup1 <= CGROUP_SUBSYS_MAX)
		return BPF_CORE_READ(task, cgroups, subsys[item_cgroup1 - 1], cgroup, kn, id);
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

static __always_inline struct owner owner_of(struct task_struct *task)
{
	struct owner owner = {};

	if (item_by >= BY_CONTAINER)
		owner.cgroup = cgroup_of(task);
	if (item_by >= BY_PROCESS)
		owner.pid = BPF_CORE_READ(task, tgid);
	return owner;
}

/* As fine as can be, whatever `by` says: for records. */
static __always_inline struct owner full_owner_of(struct task_struct *task)
{
	return (struct owner){.cgroup = cgroup_of(task), .pid = BPF_CORE_READ(task, tgid)};
}

static __always_inline struct owner full_owner_of_current(void)
{
	return full_owner_of((struct task_struct *)bpf_get_current_task());
}

static __always_inline struct owner owner_of_current(void)
{
	struct owner owner = {};

	if (item_by >= BY_CONTAINER)
		owner.cgroup = item_cgroup1
				       ? cgroup_of((struct task_struct *)bpf_get_current_task())
				       : bpf_get_current_cgroup_id();
	if (item_by >= BY_PROCESS)
		owner.pid = bpf_get_current_pid_tgid() >> 32;
	return owner;
}
