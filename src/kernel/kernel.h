/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel - speaking with the kernel from a process that may not.
 *
 * The worker has no privileges at all. What needs some (bpf(2), opening files of others) goes
 * through the broker, a small process that holds them (broker.h). libbpf runs here, in the worker,
 * with its system calls sent on: the broker never parses ELF, BTF or anything else, it gets
 * `union bpf_attr` with its buffers and checks those (docs/broker.md).
 *
 * This header is what the rest of the house uses: open an object, choose hooks, load, attach, read.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct kernel; /* the connection to the broker, and what is known of this kernel */
struct object; /* one BPF object: opened, loaded, attached */
struct ring; /* one ring buffer that is read here */
struct event_head {
	uint16_t kind;
	uint16_t size;
	uint32_t flags;
	uint64_t ktime_ns;
};

/*
 * Opens an object. `name` appears in messages and in the kernel's program names; `elf` must stay
 * readable until object_load returns. Nothing reaches the kernel yet.
 */
int object_open(struct kernel *kernel, const char *name, const void *elf, size_t size,
		struct object **ret_object, struct err *why);

/* Before loading: a constant (`const volatile` global). -ENOENT when the object has no such. */
int object_set(struct object *object, const char *variable, const void *value, size_t size);
/* Before loading: another size for a map or ring. -ENOENT as above. */
int object_resize(struct object *object, const char *map, uint32_t max_entries);
/* Before loading: forces one alternative of a hook: `program` or `section`, e.g. "tp/sched/sched_switch". */
int object_force(struct object *object, const char *hook, const char *alternative, struct err *why);
/* Before loading: this map is a new one, also where the version before has one like it. */
int object_fresh(struct object *object, const char *map);
/* Before loading: every program is optional. One that does not load or attach is left out, its reason is kept. */
void object_all_optional(struct object *object);
/* Before loading: shares a map with an object that is loaded (same layout, else -EINVAL). */
int object_share(struct object *object, const char *map, struct object *with);

/* The same with a map that is not another object's (kernel_pinned). The descriptor is borrowed. */
int object_share_fd(struct object *object, const char *map, int fd);
/* Before loading: a hook that nobody wants to be served, and why. */
int object_skip(struct object *object, const char *hook, const char *reason);

/*
 * Loads maps and programs and attaches them: for each hook (tags `hook` of item.bpf.h) the first alternative
 * whose prototype fits, that loads and that attaches. Fails when a hook that is not optional has none;
 * `why` then holds the last reason. On failure nothing stays in the kernel.
 *
 * `from`: an object that runs (another version of the same), or NULL. Where both serve a hook at the same place the
 * programs are exchanged in one step: no event is seen by both or by neither. The other object is then only good for
 * reading and object_free.
 */
int object_load(struct object *object, struct object *from, struct err *why);
/*
 * The same, but nothing of it runs: that its programs can be attached has been tried, and they are let go again, so that what
 * sleeps costs memory and nothing else. object_wake() attaches them and has them begin all at once; on failure it sleeps on.
 */
int object_load_asleep(struct object *object, struct err *why);
int object_wake(struct object *object, struct err *why);
/* What object_load took over goes back to where it was: the old programs run again. */
void object_give_back(struct object *object, struct object *to);
/* No event runs its programs any more when this returns. Maps and tables can still be read: what they hold now is all
 * there will be. */
void object_silence(struct object *object);
/*
 * Programs and maps that outlive the agent. `what` says what the object is: another one does not take it up. After
 * loading: pins it. Before loading: what an agent before us left, as the object that object_load takes over from, with its
 * maps shared; NULL when there is none. Forgetting unpins.
 */
int object_keep(struct object *object, uint64_t what, struct err *why);
struct object *object_take_up(struct object *object, uint64_t what);
void object_forget_kept(struct kernel *kernel, const char *item);
/* Detaches the programs whose section ends with `ending`: they have done what they were for. */
void object_detach(struct object *object, const char *ending);
void object_free(struct object *object); /* detaches, closes everything; NULL is fine */

/* What was decided for each hook, for `sonde items`. i from 0 until NULL. */
struct hook_choice {
	const char *hook;
	const char *section; /* of the chosen alternative; NULL = none */
	const char *reason; /* why the earlier ones were not taken ("" if none was refused) */
};
const struct hook_choice *object_hook(const struct object *object, size_t i);

/* Own cost and loss of the object's programs since loading. i from 0 until false. */
struct program_cost {
	const char *name;
	char tag[20]; /* the kernel's, hexadecimal */
	uint32_t id, instructions; /* as the kernel counts verified instructions; 0 = unknown */
	uint64_t runs, run_ns; /* sampled while bpf statistics are on, see kernel_stats() */
	uint64_t missed; /* recursion_misses */
};
bool object_program(struct object *object, size_t i, struct program_cost *ret_cost);

/* Maps: i from 0 until false. Bytes as the kernel accounts them (fdinfo memlock). */
struct map_cost {
	const char *name;
	uint32_t key_size, value_size, max_entries, type;
	uint64_t bytes;
};
bool object_map(struct object *object, size_t i, struct map_cost *ret_cost);

/* Do both have the very same map under this name: has one taken over that of the other? */
bool object_same_map(struct object *a, struct object *b, const char *map);

/*
 * Reads all entries of a hash or array map. For per-CPU maps `value` is one value of value_size bytes (rounded
 * up to 8) per possible CPU, one after the other. `each` returns false to stop. Returns the number of
 * entries or -errno. What is added or deleted during the walk may or may not be seen (RCU).
 */
typedef bool (*map_entry)(void *ctx, const void *key, const void *value);
int object_read(struct object *object, const char *map, map_entry each, void *ctx);

/* Sums a per-CPU array of u64: ret_sum[index]. */
int object_read_counts(struct object *object, const char *map, uint64_t *ret_sum, size_t count);

/* Reads the rows (row_size bytes each) that an iterator program makes: the program serving `hook`. */
typedef bool (*table_row)(void *ctx, const void *row);
int object_read_table(struct object *object, const char *hook, size_t row_size, table_row each,
		      void *ctx);
/* The same for one that walks a network namespace (iter/tcp): that of process `pid`; 0 = the agent's. */
int object_read_table_near(struct object *object, const char *hook, int pid, size_t row_size,
			   table_row each, void *ctx);

/* Deletes keys (count * key_size bytes). Missing keys are no error. */
int object_delete(struct object *object, const char *map, const void *keys, size_t count);
/* Adds a key that is not there; -EEXIST if it is. */
int object_add(struct object *object, const char *map, const void *key, const void *value);

/* An array map with BPF_F_MMAPABLE, mapped here: valid until object_free. NULL if it can't be. */
void *object_mapped(struct object *object, const char *map);
int object_map_fd(struct object *object, const char *map);

/*
 * Rings: `receive` is called for every event in order, with the event's bytes (`size` as reserved). Events
 * shorter than struct event_head are counted as bad and not handed on.
 */
typedef void (*ring_receiver)(void *ctx, const struct event_head *event, size_t size);
int ring_open(struct object *object, const char *map, ring_receiver receive, void *ctx,
	      struct ring **ret_ring, struct err *why);
/* A ring whose events are any bytes: objects of others. */
typedef void (*bytes_receiver)(void *ctx, const void *bytes, size_t size);
int ring_open_bytes(struct object *object, const char *map, bytes_receiver receive, void *ctx,
		    struct ring **ret_ring, struct err *why);
void ring_close(struct ring *ring);
int ring_fd(const struct ring *ring); /* for epoll */
size_t ring_drain(struct ring *ring, size_t at_most); /* events read */
uint64_t ring_read(const struct ring *ring); /* events read so far */
uint64_t ring_bad(const struct ring *ring);
size_t ring_bytes(const struct ring *ring); /* size of the ring */

/*
 * What programs send with bpf_perf_event_output: one buffer a CPU, behind a map of type PERF_EVENT_ARRAY. Events of
 * different CPUs come in no order.
 */
struct perf_rings;
enum { PERF_RING_PAGES = 64 }; /* of each CPU, if that much memory may be locked */
int perf_rings_open(struct object *object, const char *map, bytes_receiver receive, void *ctx,
		    struct perf_rings **ret_rings, struct err *why);
void perf_rings_close(struct perf_rings *rings);
int perf_rings_fd(const struct perf_rings *rings, size_t i); /* for epoll; -1 = no more */
size_t perf_rings_drain(struct perf_rings *rings); /* events read */
uint64_t perf_rings_lost(const struct perf_rings *rings);

/*
 * Counters of the processor or the kernel (perf_event_attr's type and config) that run together on every CPU, each for a map of
 * type PERF_EVENT_ARRAY of the object: programs read them there (bpf_perf_event_read_value). 0 or what perf_event_open said.
 */
struct counter {
	const char *map;
	uint32_t type;
	uint64_t config;
};
int object_count(struct object *object, const struct counter *counters, uint32_t count);

/* A function of this program that programs may be attached to, as uprobe//proc/self/exe:NAME. `name` is borrowed. */
void kernel_own_function(const char *name, const void *at);

/* Opens a file through the broker, read-only: below /proc or /sys. fd or -errno. */
int kernel_open_file(struct kernel *kernel, const char *path);
/* readlink(2) of a link below /proc: bytes written (not ended by 0) or -errno. */
int kernel_read_link(struct kernel *kernel, const char *path, char *out, size_t room);
/*
 * A program or library, read-only: `path` as process `pid` sees it (0: as this machine's first process does, else as the
 * agent), or, with path NULL, what that process has mapped from `start` to `end` (both 0: what it runs).
 * A descriptor or -errno; -ENOEXEC when it is none.
 */
int kernel_open_code(struct kernel *kernel, int pid, const char *path);
int kernel_open_mapped(struct kernel *kernel, int pid, uint64_t start, uint64_t end);

/* May a program's return be probed by a uretprobe, or would seccomp kill it? Found out once; false when unsure. */
bool kernel_can_probe_returns(struct kernel *kernel);

/* One place in a program or library. */
struct user_place {
	int file; /* descriptor from kernel_open_code; needed only while attaching */
	uint64_t offset; /* in the file */
	uint64_t semaphore; /* of a USDT probe: its offset in the file; 0 = none */
	uint64_t cookie; /* bpf_get_attach_cookie() */
	int pid; /* 0 = every process that maps the file, now or later */
	bool at_return;
};

/*
 * Attaches `program` of a loaded object there. It must have been loaded: its section is "uprobe" or "uretprobe" without a
 * target. Returns a descriptor, the caller's; closing it detaches.
 */
int object_attach_place(struct object *object, const char *program, const struct user_place *place,
			struct err *why);

/* The same at many places of one file, for a program whose section is "uprobe.multi" or "uretprobe.multi" (kernel 6.6): one
 * descriptor, attached and let go of in one step, where each of the others waits for all CPUs. File, pid and at_return
 * are those of the first. */
int object_attach_places(struct object *object, const char *program,
			 const struct user_place *places, uint32_t count, struct err *why);

/*
 * The same for a place of a USDT probe (base/usdt.h) in an open file: its arguments are read by libbpf's usdt.bpf.h. The program's
 * section is "usdt" without a target.
 */
struct usdt_place;
int object_attach_usdt(struct object *object, const char *program, int file,
		       const struct usdt_place *place, struct err *why);

/* stat of a path through the broker (a cgroup directory's inode number). */
int kernel_inode(struct kernel *kernel, const char *path, uint64_t *ret_inode);

/* A connected pair of TCP sockets in a network namespace of its own, for trying what the kernel does. 0 or -errno. */
int kernel_tcp_pair(struct kernel *kernel, int ret_socks[2], uint64_t *ret_netns);

/* Changes of the packet filter in the network namespace of `pid`: a descriptor that is readable after each of nftables, and a
 * number that is another one after each of legacy iptables. >= 0 or -errno. */
int kernel_filter_watch(struct kernel *kernel, int pid);
int kernel_filter_print(struct kernel *kernel, int pid, uint64_t *ret_print);

/*
 * Maps that outlive this agent, by name in a folder of its own: found again by the next one. -ENOENT when there is
 * none of that name, -EOPNOTSUPP where there is no bpf file system.
 */
int kernel_pin(struct kernel *kernel, const char *name, int map);
int kernel_unpin(struct kernel *kernel, const char *name);
int kernel_pinned(struct kernel *kernel, const char *name);

/* What this kernel can do, probed once (docs: sonde features). Names: tp_btf, fentry, kprobe, ringbuf ... */
bool kernel_can(struct kernel *kernel, const char *feature);
