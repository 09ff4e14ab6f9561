/* SPDX-License-Identifier: GPL-2.0-only */
/* attach_broker - the broker's side of attaching: from a checked description to a descriptor. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct wire_attach;
struct wire_counter;

/*
 * Attaches program `program` as `attach` says. The descriptors that keep it attached are added to
 * `out` (room for WIRE_FDS). `map`: the map an iterator walks, or the file a uprobe is in; -1 if none. 0 or -errno with a reason in text.
 */
int attach_for_worker(const struct wire_attach *attach, int program, int map, int *out,
		      uint32_t *out_count, char *text, size_t text_room);

/* Opens a buffer for bpf_perf_event_output on every CPU and puts it into `map`; a reader is woken when `wake_bytes`
 * wait. The events are added to `out`. 0 or -errno. */
int attach_perf_rings(int map, uint32_t wake_bytes, int *out, uint32_t *out_count);

/* The same for many places of one file, which all hang on one descriptor (kernel 6.6). */
struct wire_place;
int attach_places(const struct wire_attach *attach, const struct wire_place *places, uint32_t count,
		  int program, int file, int *out, uint32_t *out_count);

/* Removes kretprobe events of ours from tracefs: those of this process, and of agents that are gone. Called when
 * nothing is attached any more, and at the start. */
void attach_cleanup(void);

/*
 * Opens `count` counters that run together (a perf group) on every CPU and puts each into its map. The maps keep them, until the
 * worker closes its descriptors. 0 or what perf_event_open said.
 */
int attach_counters(const struct wire_counter *counters, const int *maps, uint32_t count);
