/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loader - all that needs privilege, behind one struct of functions.
 *
 * The compiler and the runner ask; somebody else does it. loader_direct makes the system calls
 * itself; in an agent whose privileged half is a process of its own, that half answers. Nothing is
 * handed over but plain numbers, bytes and file descriptors.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { ATTACH_KPROBE_MULTI = 42, ATTACH_UPROBE_MULTI = 48 }; /* younger than our headers */

struct map_spec {
	char name[16];
	uint32_t type; /* enum bpf_map_type */
	uint32_t key_size, value_size, max_entries, flags;
};

struct program_spec {
	const char *name, *license;
	uint32_t type; /* enum bpf_prog_type */
	uint32_t attach_type;
	uint32_t attach_btf_id;
	const struct bpf_insn *insns;
	uint32_t insn_count;
	char *log; /* the verifier's words, when it says no */
	uint32_t log_size;
	uint32_t log_level;
	const uint32_t *functions; /* where functions of its own begin, besides the first */
	uint32_t function_count;
};

struct perf_spec {
	uint32_t type;
	uint64_t config, config1, config2;
	uint32_t breakpoint; /* what to watch for; config1: address, config2: length */
	const char *path; /* uprobe, kprobe: config1 is its address */
	uint64_t period; /* or frequency */
	bool is_frequency;
	int pid, cpu; /* -1: any */
};

struct loader {
	/* All return a file descriptor or -errno. */
	int (*map_create)(struct loader *loader, const struct map_spec *spec, struct err *why);
	int (*program_load)(struct loader *loader, const struct program_spec *spec,
			    struct err *why);
	int (*attach_raw)(struct loader *loader, int program, const char *tracepoint,
			  struct err *why);
	int (*attach_perf)(struct loader *loader, int program, const struct perf_spec *spec,
			   struct err *why);
	int (*attach_tracing)(struct loader *loader, int program, struct err *why);
	/* One program at many functions of the kernel. `names` is NULL: a trial, -EFAULT means that
	 * the kernel can do it. */
	int (*attach_multi)(struct loader *loader, int program, bool at_return,
			    const char *const *names, uint32_t count, struct err *why);
	/* One program at many places of a file. `path` is NULL: a trial, -EBADF or -EFAULT means that the kernel
	 * can do it. */
	int (*attach_uprobes)(struct loader *loader, int program, bool at_return, const char *path,
			      const uint64_t *offsets, uint32_t count, struct err *why);
	int (*attach_iter)(struct loader *loader, int program, const char *pin, struct err *why);
	/* Runs a raw tracepoint program once, by hand. */
	int (*run)(struct loader *loader, int program, uint32_t *ret_result, struct err *why);
	/* The kernel counts what programs cost until this is closed. */
	int (*enable_stats)(struct loader *loader, struct err *why);
	/* A perf event that attach_perf returned fires no more. */
	int (*silence)(struct loader *loader, int event);
	/* Maps: 0 or -errno. NULL key: the first one. */
	int (*map_next)(struct loader *loader, int map, const void *key, void *ret_next);
	int (*map_read)(struct loader *loader, int map, const void *key, void *ret_value);
	int (*map_write)(struct loader *loader, int map, const void *key, const void *value);
	int (*map_delete)(struct loader *loader, int map, const void *key);
	int pid; /* perf events of this process only; 0: of all */
	uint32_t cpus; /* possible */
	int dispatch[2]; /* probes/syscall.c: arrays of programs at exit, at entry; 0: not there */
	uint32_t links_max;
	uint32_t link_count;
	int *links; /* owned: what is attached */
};

/* A loader that makes the system calls itself. */
void loader_direct(struct loader *loader);
void loader_done(struct loader *loader);
/* In a child that will be another program: the limits that this one was started with. */
void loader_child(void);
/* Keeps a file descriptor as long as the script is attached. */
int loader_keep(struct loader *loader, int fd);
/* Lets go of everything attached. */
void loader_detach(struct loader *loader);

/* CPUs that are online, up to max. */
uint32_t loader_online(uint32_t *cpus, uint32_t max);
