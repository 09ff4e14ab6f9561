/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * broker - the small process that holds the privileges.
 *
 * It answers the worker's requests (wire.h): bpf(2) calls whose buffers it copied and checked,
 * attachments, files below /proc and /sys (and a fixed list of container runtimes' state). It parses
 * no ELF, no BTF, no packet and no configuration. docs/broker.md lists what it accepts and why.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct broker;

/* `sock`: the broker's end of the pair; `area`: WIRE_AREA_BYTES shared with the worker. Both borrowed. */
int broker_new(int sock, void *area, struct broker **ret_broker, struct err *why);
void broker_free(struct broker *broker);

/* What tells this agent from others of the machine, and is the same after a restart: its pins are found by it. */
void broker_name_pins(struct broker *broker, const char *agent);

/*
 * What runs in a process of its own for each WIRE_SCRIPT: called there, after the fork and with all rights still there,
 * with the bytes the worker sent and the script's end of a socket; its result is the exit code. The process has no
 * other descriptor, and dies with the broker.
 */
typedef int (*broker_script)(int sock, const void *job, size_t bytes);
void broker_run_scripts(struct broker *broker, broker_script script);
/* A child ended (SIGCHLD): forgets scripts that did. The worker is the caller's to wait for. */
void broker_reap(struct broker *broker);

/*
 * Answers one request. 1 = go on, 0 = the worker has gone, -errno = the connection is broken.
 * ret_ready (may be NULL) becomes true when the worker said that it serves.
 */
int broker_serve(struct broker *broker, bool *ret_ready);

/* May the broker open this path for the worker? Exported for its test. */
bool broker_path_allowed(const char *path);
