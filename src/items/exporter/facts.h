/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * facts - what the decoders ask of the machine: kernel symbols, control groups, block devices, interfaces, PCI names.
 *
 * Everything is read when it is asked for first, and again when something is not found, but not more often than stated
 * at each. /proc/kallsyms is opened by the broker: only who may see addresses gets them.
 */
#pragma once

#include "items/exporter/decode.h"
#include "kernel/kernel.h"

struct facts;

int facts_new(struct facts **ret_facts);
/* Opens what only root may read through this connection (borrowed; without one: by itself). */
void facts_use(struct facts *facts, struct kernel *kernel);
void facts_free(struct facts *facts);

/* For the decoders: valid as long as the facts are. */
struct decode_facts *facts_for_decoders(struct facts *facts);

/* Where the kernel has this symbol, 0 = nowhere, or it is not told. */
uint64_t facts_address(struct facts *facts, const char *symbol);

/* Control groups of the unified hierarchy, for maps of their ids: called for each that is there now, with the path
 * as decoders say it. */
void facts_each_cgroup(struct facts *facts, void (*each)(void *ctx, uint64_t id, struct span path),
		       void *ctx);
