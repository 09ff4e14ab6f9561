/* SPDX-License-Identifier: GPL-2.0-only */
/* code_broker - the broker's side of programs and libraries: opening them as a process sees them, and the self-test of probes. */
#pragma once

#include <stdint.h>

struct wire_attach;

/* A read-only descriptor of the file that `what` names (WIRE_OPEN_CODE): a regular one that begins as ELF. -errno else. */
int code_open(const struct wire_attach *what);

/* Is there a byte at `offset` of this ELF file, and two at `semaphore`, unless that is 0? 0 or -errno. */
int code_check(int fd, uint64_t offset, uint64_t semaphore);

/* Does a process under strict seccomp survive a uretprobe with `program` on it? 1, 0 or -errno. */
int code_uretprobes_are_harmless(int program);
