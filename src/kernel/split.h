/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * split - one program, two processes: a broker with the privileges and a worker without any.
 *
 * The worker loses its user id, its groups, all capabilities, the right to gain new ones, and
 * most system calls (seccomp). It dies when the broker dies, and the other way round.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct split {
	int sock; /* our end of the pair; the caller's to close */
	void *area; /* WIRE_AREA_BYTES of shared memory, mapped for the life of the process */
	pid_t child; /* in the broker: the worker; in the worker: 0 */
};

/* Forks. Returns 0 in the worker (still privileged: it drops when it has opened what it needs), the pid
 * in the broker, -errno on failure. */
int split_fork(struct split *ret_split, struct err *why);

/*
 * Gives up everything. `uid`, `gid`: whom to become (0 = stay who we are, for runs without root).
 * Fails rather than going on with a privilege left.
 */
int split_drop(uint32_t uid, uint32_t gid, struct err *why);

/*
 * For a script of the tracing language (trace/box.h): another user without the right to write anything, who may still
 * trace (CAP_BPF, CAP_PERFMON), read the kernel's symbols (CAP_SYSLOG), and read files and maps of all processes
 * (CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE): programs' symbols are in them. The same system calls are refused, but for bpf(2)
 * and perf_event_open(2). CAP_SYS_ADMIN stays where the kernel opens no uprobe without it.
 */
int split_confine(uint32_t uid, uint32_t gid, struct err *why);

/* uid and gid of user "sonde", else of nobody (65534). Reads /etc/passwd itself: no NSS in a static binary. */
void split_user(uint32_t *ret_uid, uint32_t *ret_gid);
