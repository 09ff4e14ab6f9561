/* SPDX-License-Identifier: GPL-2.0-only */
/* probes - what the files of this folder use. */
#pragma once

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/loader.h"
#include "trace/probe.h"
#include "trace/script.h"

/* The file that a name means: a path, a library, a program in PATH. */
bool binary_find(const char *name, char *path, size_t size);
/* All files that it means; with a pid "*" is what that process has mapped as code. Returns how many there are. */
typedef void (*binary_found)(void *context, const char *path);
uint32_t binary_find_all(const char *name, int pid, binary_found found, void *context);
/* Many tracepoints of syscalls:, this one among them: probe_syscall is cheaper then. */
bool syscalls_are_many(const struct script *script, const struct probe *probe);
extern const struct probe_kind probe_syscall;
int attach_uprobe(struct loader *loader, struct probe *probe, int program, struct err *why);
