/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * emit - IR to BPF instructions: registers are given out, slots placed, jumps resolved.
 *
 * Virtual registers get r7, r8, r9 (r6 keeps the context) or 8 bytes of stack, by linear scan over
 * their ranges; r0 to r5 only live within one IR instruction. So a helper call never has to save
 * anything, and the verifier, which follows values through the stack, knows as much as before.
 */
#pragma once

#include <linux/bpf.h>

#include "base/err.h"
#include "trace/ir.h"

/* What the kernel can do: found out by trying (loader). */
struct target {
	bool has_may_goto; /* 6.9 */
	bool has_exchange; /* 5.12 */
	bool has_for_each; /* 5.13 */
	bool has_percpu_lookup; /* 5.19 */
	bool has_func_ip; /* 5.15 */
	bool has_tai; /* 6.1 */
	bool has_loop; /* 5.17 */
	bool has_kprobe_multi; /* 5.18, where fprobe is compiled in */
	bool has_uprobe_multi; /* 6.6 */
	uint32_t cpus; /* possible CPUs */
};

struct code {
	struct bpf_insn *insns; /* in the arena */
	uint32_t count;
	uint32_t *places; /* per instruction: byte of the source it comes from */
	/* map references: the instruction's imm is the map's number until loading */
	uint32_t *map_refs;
	uint32_t map_ref_count;
	uint32_t *callbacks; /* first instruction of each function that is called back */
	uint32_t callback_count;
};

enum {
	FRAME_SLOTS = 4, /* programs that may be in one another's way on a CPU */
};

/*
 * frame_map, lost_map: numbers of the maps that the prologue needs (only where a frame is used).
 * Returns 0, -E2BIG: too large for BPF, -ENOMEM.
 */
int emit(const struct ir *ir, const struct target *target, int frame_map, int lost_map,
	 struct code *ret_code, struct err *why);
