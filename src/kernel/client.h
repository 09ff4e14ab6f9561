/* SPDX-License-Identifier: GPL-2.0-only */
/* client - opening and closing the worker's connection to the broker, and what only the agent asks. */
#pragma once

#include "base/buf.h"
#include "kernel/kernel.h"

/*
 * `sock` is taken over; `area` (WIRE_AREA_BYTES, shared with the broker) is borrowed. `btf_path`: types of
 * a kernel that has none of its own, or NULL. From now on libbpf's system calls in this process go to
 * the broker. One connection a process.
 */
int kernel_connect(int sock, void *area, const char *btf_path, struct kernel **ret_kernel,
		   struct err *why);
void kernel_close(struct kernel *kernel);

/* The kernel's BTF takes ~10 MB while it is loaded: let go after a round of loading items. */
void kernel_forget_btf(struct kernel *kernel);

/* A descriptor that keeps bpf run statistics on (they cost ~40 ns per program run, machine-wide). */
int kernel_stats(struct kernel *kernel);

/* sock_diag dump of the network namespace of `pid`, appended to `out`: sockets whose state's bit
 * (1 << TCP_...) is in `states`. Bytes or -errno. */
int kernel_diag(struct kernel *kernel, int pid, int family, int protocol, uint32_t states,
		struct buf *out);

/* Starts a process for a script of the tracing language (broker_run_scripts): a socket to it, or -errno. */
int kernel_script(struct kernel *kernel, struct span job, struct err *why);

/* Can anything be watched here at all? One sentence where the kernel's types, or bpf(2) itself, are out of reach. */
int kernel_check(struct kernel *kernel, struct err *why);

/* Tells the broker that the worker serves. */
int kernel_ready(struct kernel *kernel);

/* What this kernel can do, by name, probed once: for `sonde features`. i from 0 until NULL. */
struct feature {
	const char *name;
	bool there;
	const char *why; /* static: what it is for, or why it is missing */
};
const struct feature *kernel_feature(struct kernel *kernel, size_t i);
